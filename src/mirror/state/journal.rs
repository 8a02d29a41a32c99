//! The rules of the journal: how a row comes to be, when a worker may take it, and when it may be cleared.
//!
//! The database does the same in SQL, and its tests hold it against these functions.
//!
//! ```text
//!              settled                    claimed, looked at, done
//!   (none) ──────────────▶ Waiting ──────────────────────────────────▶ (none)
//!                          ▲  ▲  │ finished, but a change may still come     ▲
//!               settled    │  │  └──────────────▶ Held ────────────────────┘ looked at once more
//!   Dead ──────────────────┘  └────────────────────┘ settled
//!     ▲─────────────────────────── nothing helps ── Waiting
//! ```

use std::time::Duration;

use wharf_wire::date::Timestamp;

use super::{Change, Class, Outcome, Record, Side};

/// Between two looks at a key that is only kept because intents on it are open. Settling one of them ends the wait.
const HELD_PAUSE: Duration = Duration::from_secs(5);

/// How far the clocks of two nodes may differ when it is asked which of two requests came first.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(1);

const NEVER: Timestamp = Timestamp::from_unix_millis(0);

/// One key that may differ at one mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Raised by every change.
    pub generation: u64,
    /// The generation of the last delete through Wharf that may be why the key is absent; 0 without one.
    pub delete_generation: u64,
    /// When that delete was over at the latest.
    pub delete_until: Timestamp,
    /// When the oldest change was made that the mirror may lack.
    pub since: Timestamp,
    /// Until then a request that nobody waits for any more may take effect, at the one side or the other.
    pub unsure_until: Timestamp,
    /// The side that is copied from.
    pub truth: Side,
    /// Failures in a row that were this key's.
    pub attempts: u32,
    /// When it is to be looked at.
    pub due: Timestamp,
    /// How it stands.
    pub state: RowState,
    /// The class of the last failure.
    pub class: Option<Class>,
    /// Whoever works on it.
    pub lease: Option<Lease>,
}

/// How a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowState {
    /// The mirror lacks something.
    Waiting,
    /// The mirror was equal when last looked at. The row is kept, as a change may still come that nobody would report.
    Held,
    /// Nothing is tried until a change or an operator revives it.
    Dead,
}

impl RowState {
    /// Its name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Dead => "dead",
        }
    }

    /// The state called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Waiting, Self::Held, Self::Dead].into_iter().find(|state| state.as_str() == name)
    }
}

/// The right to work on a row, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Never given twice.
    pub token: u64,
    /// When it runs out. By then its holder has sent the last byte of whatever it sends.
    pub until: Timestamp,
}

/// Now, and how long after its end a request can still take effect.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// How long a provider may work on a request that was given up.
    pub late_effect: Duration,
}

impl Moment {
    /// When a request that is given up now has surely no effect any more.
    pub fn unsure_until(self) -> Timestamp {
        after(self.now, self.late_effect)
    }
}

/// What is said of a key when a request on it has ended, or its process has.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    /// What the request was to do.
    pub change: Change,
    /// What came of it.
    pub outcome: Outcome,
    /// Who took it. Another mirror than the row's counts as the primary, which will get it from there. `None` when it did
    /// not come through Wharf: a notification, a sweep, an operator.
    pub side: Option<Side>,
    /// When its intent was opened, before anything was sent.
    pub opened_at: Timestamp,
}

/// What a worker remembers of the row it has claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// Its lease's token.
    pub token: u64,
    /// The row's generation then.
    pub generation: u64,
    /// When that was: before it looked at anything.
    pub at: Timestamp,
}

/// What came of a worker's step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The sides are equal, and the source was the same before and after. With no record, neither has the key.
    Clean(Option<Record>),
    /// The source changed meanwhile. Look again.
    Again,
    /// It failed, and may work later.
    Retry {
        /// Why.
        class: Class,
        /// When.
        pause: Duration,
        /// Whether the target may still do what it was asked.
        is_unsure: bool,
    },
    /// It will not work without help.
    Dead {
        /// Why.
        class: Class,
        /// Whether the target may still do what it was asked.
        is_unsure: bool,
    },
}

/// What else the journal says of the key at the moment in which a row is finished.
#[derive(Debug, Clone, Copy, Default)]
pub struct Around {
    /// Whether any intent on the key is open, whoever runs it.
    pub has_open_intents: bool,
    /// Whether another mirror's row on the key has [`Side::Mirror`]: the primary is about to change.
    pub truth_is_elsewhere: bool,
}

/// What became of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// The lease is somebody else's by now, or the row is gone. Nothing is changed, and no copy recorded.
    LeaseLost,
    /// The row is gone, and the copy recorded.
    Cleared,
    /// The row stays, as this. The copy is recorded if there is one.
    Kept(Row),
}

impl Row {
    /// A row that says nothing yet but that the key may differ.
    pub fn new(since: Timestamp) -> Self {
        Self {
            generation: 0,
            delete_generation: 0,
            delete_until: NEVER,
            since,
            unsure_until: NEVER,
            truth: Side::Primary,
            attempts: 0,
            due: since,
            state: RowState::Waiting,
            class: None,
            lease: None,
        }
    }

    /// Whether an absence at the source is Wharf's own.
    pub const fn may_delete(&self) -> bool {
        self.delete_generation > 0
    }
}

/// The row of a key after a request on it was `settled`.
///
/// This holds whether or not the request's intent is still there: a peer may have promoted it.
pub fn settled(row: Option<Row>, settled: Settled, moment: Moment) -> Option<Row> {
    if settled.outcome == Outcome::Unchanged {
        return row.map(|row| row_without_change(row, moment));
    }
    let is_unknown = settled.outcome == Outcome::Unknown;
    let since = if is_unknown { settled.opened_at } else { moment.now };
    let mut row = row.unwrap_or_else(|| Row { due: moment.now, ..Row::new(since) });
    row.generation += 1;
    row.since = row.since.min(since);
    if is_unknown {
        // A write that may not have happened must not give a mirror's accepted one away, either.
        row.unsure_until = row.unsure_until.max(moment.unsure_until());
    } else {
        row.truth = settled.side.unwrap_or(row.truth);
    }
    row = match settled.change {
        Change::Delete => deleted(row, is_unknown, moment),
        Change::Write if is_unknown || settled.side.is_none() => row,
        Change::Write => written(row, settled.opened_at),
    };
    if row.state != RowState::Waiting {
        row = Row { state: RowState::Waiting, due: moment.now, attempts: 0, class: None, ..row };
    } else if row.attempts == 0 {
        row.due = row.due.min(moment.now);
    }
    Some(row)
}

fn deleted(row: Row, is_unknown: bool, moment: Moment) -> Row {
    let over_at = if is_unknown { moment.unsure_until() } else { moment.now };
    Row { delete_generation: row.generation, delete_until: row.delete_until.max(over_at), ..row }
}

/// A write that began when the last delete was over put the key there again. An absence after that is another's.
fn written(row: Row, opened_at: Timestamp) -> Row {
    if opened_at > after(row.delete_until, CLOCK_SKEW_MAX) { without_delete(row) } else { row }
}

fn without_delete(row: Row) -> Row {
    Row { delete_generation: 0, delete_until: NEVER, ..row }
}

/// An intent less is open, which a held row may have been waiting for.
fn row_without_change(row: Row, moment: Moment) -> Row {
    match row.state {
        RowState::Held => Row { due: moment.now.max(row.unsure_until), ..row },
        RowState::Waiting | RowState::Dead => row,
    }
}

/// The row when a worker takes it, if it may: it is due, and nobody else has it.
///
/// Over a lease that ran out: its holder may have sent the last byte of a write just before.
pub fn claimed(row: Row, lease: Lease, moment: Moment) -> Option<Row> {
    let is_free = row.lease.is_none_or(|lease| lease.until <= moment.now);
    if row.state == RowState::Dead || row.due > moment.now || !is_free {
        return None;
    }
    let left = row.lease.map(|lost| after(lost.until, moment.late_effect));
    let unsure_until = left.map_or(row.unsure_until, |left| left.max(row.unsure_until));
    Some(Row { lease: Some(lease), unsure_until, ..row })
}

/// The row after a worker's step on it.
pub fn finished(
    row: Option<Row>,
    claimed: Claimed,
    finish: &Finish,
    around: Around,
    moment: Moment,
) -> Finished {
    let held = row.filter(|row| row.lease.is_some_and(|lease| lease.token == claimed.token));
    let Some(row) = held.map(|row| Row { lease: None, ..row }) else { return Finished::LeaseLost };
    let is_newest = row.generation == claimed.generation;
    match *finish {
        Finish::Clean(ref record) => {
            let row = if record.is_some() { seen_present(row, claimed) } else { row };
            mirrored(row, claimed, around, moment)
        }
        Finish::Again => Finished::Kept(Row { due: moment.now, ..row }),
        Finish::Retry { class, pause, is_unsure } => {
            let attempts = row.attempts + u32::from(!class.is_of_the_store());
            let row = Row { attempts, due: after(moment.now, pause), class: Some(class), ..row };
            Finished::Kept(failed(row, RowState::Waiting, is_unsure, moment))
        }
        // It was given up for an object that is not there any more.
        Finish::Dead { is_unsure, .. } if !is_newest => {
            let row = Row { attempts: 0, due: moment.now, class: None, ..row };
            Finished::Kept(failed(row, RowState::Waiting, is_unsure, moment))
        }
        Finish::Dead { class, is_unsure } => {
            let row = Row { attempts: row.attempts + 1, class: Some(class), ..row };
            Finished::Kept(failed(row, RowState::Dead, is_unsure, moment))
        }
    }
}

/// The key was there after the claim, so no delete that was over by then explains an absence. (Seen absent it would not do:
/// a write that came late may put the mirror's object back.)
fn seen_present(row: Row, claimed: Claimed) -> Row {
    let was_over = row.delete_generation <= claimed.generation && row.delete_until < claimed.at;
    if was_over { without_delete(row) } else { row }
}

/// The sides were equal at some time after the claim: what had been settled by then is mirrored.
fn mirrored(row: Row, claimed: Claimed, around: Around, moment: Moment) -> Finished {
    let is_newest = row.generation == claimed.generation;
    let is_sure = claimed.at >= row.unsure_until;
    if is_newest && is_sure && !around.has_open_intents && !around.truth_is_elsewhere {
        return Finished::Cleared;
    }
    let row = Row { since: claimed.at.max(row.since), attempts: 0, class: None, ..row };
    if !is_newest {
        return Finished::Kept(Row { state: RowState::Waiting, due: moment.now, ..row });
    }
    let wait = if is_sure { after(moment.now, HELD_PAUSE) } else { row.unsure_until };
    Finished::Kept(Row { state: RowState::Held, truth: Side::Primary, due: wait, ..row })
}

fn failed(row: Row, state: RowState, is_unsure: bool, moment: Moment) -> Row {
    let unsure_until = if is_unsure { moment.unsure_until() } else { row.unsure_until };
    Row { state, unsure_until: unsure_until.max(row.unsure_until), ..row }
}

fn after(time: Timestamp, pause: Duration) -> Timestamp {
    let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_unix_millis(time.unix_millis().saturating_add(pause))
}
