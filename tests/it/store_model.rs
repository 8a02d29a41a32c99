//! The journal against a model of it: whatever is asked of it in whatever order, its rows are what the rules of mirroring
//! make of the same calls in memory.

use std::{collections::BTreeMap, time::Duration};

use proptest::{prelude::*, test_runner::Config};
use wharf::{
    mirror::state::{
        self, Around, Change, Class, Currency, Finish, Finished, Known, Lease, Moment, Outcome, Record, Row,
        RowState, Settled, Side,
    },
    store::{CLAIM_LEASE_SECONDS, Claim, DeadFilter, Intent, Journal, Mirrors, NewIntent, Store},
};
use wharf_wire::date::Timestamp;

use crate::support::database::{Database, LATE_EFFECT};

const BUCKET: &str = "photos";
const MIRRORS: [&str; 2] = ["one", "two"];
const KEYS: [&str; 3] = ["a", "b\0", "c\\"];

/// A call, or something that happens. Numbers choose among what there is at that time.
#[derive(Debug, Clone)]
enum Step {
    Open {
        key: usize,
        change: Change,
        taken_by: Option<usize>,
    },
    /// Several at once, as they meet in one transaction.
    Settle(Vec<(usize, Outcome)>),
    Mark {
        key: usize,
        change: Change,
    },
    Claim {
        mirror: usize,
        count_max: u32,
    },
    Renew(usize),
    Release(usize),
    Finish(usize, Finish),
    Redrive {
        class: Option<Class>,
    },
    Sync {
        mirror: usize,
    },
    Pass {
        seconds: u64,
    },
    Crash,
}

#[derive(Debug, Clone)]
struct OpenIntent {
    key: usize,
    change: Change,
    taken_by: Option<usize>,
    opened_at: Timestamp,
}

/// What the database should hold.
#[derive(Debug, Default)]
struct Model {
    rows: BTreeMap<(usize, usize), Row>,
    records: BTreeMap<(usize, usize), Record>,
    intents: Vec<OpenIntent>,
    synced: [bool; 2],
}

impl Model {
    fn settle(&mut self, intent: &OpenIntent, outcome: Outcome, moment: Moment) {
        for mirror in 0..MIRRORS.len() {
            let side = if intent.taken_by == Some(mirror) { Side::Mirror } else { Side::Primary };
            let (change, side, opened_at) = (intent.change, Some(side), intent.opened_at);
            let said = Settled { change, outcome, side, opened_at };
            self.say((intent.key, mirror), said, moment);
        }
    }

    fn say(&mut self, place: (usize, usize), said: Settled, moment: Moment) {
        if let Some(row) = state::settled(self.rows.get(&place).copied(), said, moment) {
            self.rows.insert(place, row);
        }
    }

    fn mark(&mut self, key: usize, change: Change, moment: Moment) {
        for mirror in 0..MIRRORS.len() {
            let said = Settled { change, outcome: Outcome::Changed, side: None, opened_at: moment.now };
            self.say((key, mirror), said, moment);
        }
    }

    fn elsewhere(&self, key: usize, mirror: usize) -> bool {
        self.rows.iter().any(|(place, row)| place.0 == key && place.1 != mirror && row.truth == Side::Mirror)
    }

    fn finish(&mut self, place: (usize, usize), claim: &Claim, finish: &Finish, moment: Moment) -> Finished {
        let around = Around {
            has_open_intents: self.intents.iter().any(|intent| intent.key == place.0),
            truth_is_elsewhere: self.elsewhere(place.0, place.1),
        };
        let end = state::finished(self.rows.get(&place).copied(), claim.claimed, finish, around, moment);
        match end {
            Finished::LeaseLost => return end,
            Finished::Cleared => self.rows.remove(&place),
            Finished::Kept(row) => self.rows.insert(place, row),
        };
        match finish {
            Finish::Clean(Some(record)) => {
                self.records.insert(place, record.clone());
            }
            Finish::Clean(None) => {
                self.records.remove(&place);
            }
            Finish::Again | Finish::Retry { .. } | Finish::Dead { .. } => {}
        }
        end
    }

    fn currency(&self, key: usize, mirror: usize) -> Currency {
        let opened = self.intents.iter().filter(|intent| intent.key == key).map(|intent| intent.opened_at);
        state::currency(Known {
            row: self.rows.get(&(key, mirror)),
            oldest_intent: opened.min(),
            truth_is_elsewhere: self.elsewhere(key, mirror),
            record: self.records.get(&(key, mirror)).cloned(),
            is_synced: self.synced[mirror],
        })
    }

    /// The leases of a process end with it, where nobody else can have any.
    fn crash(&mut self, has_other_nodes: bool, moment: Moment) {
        for lease in self.rows.values_mut().filter_map(|row| row.lease.as_mut()) {
            if !has_other_nodes {
                lease.until = lease.until.min(moment.now);
            }
        }
        for intent in std::mem::take(&mut self.intents) {
            self.settle(&intent, Outcome::Unknown, moment);
        }
    }
}

/// Both of them, side by side.
struct Pair<'d> {
    database: &'d mut Database,
    store: Store,
    mirrors: Mirrors,
    model: Model,
    intents: Vec<Intent>,
    claims: Vec<((usize, usize), Claim)>,
}

impl<'d> Pair<'d> {
    async fn new(database: &'d mut Database) -> Self {
        let store = database.open().await;
        let mirrors = MIRRORS.iter().map(|name| (*name).into()).collect();
        Self { database, store, mirrors, model: Model::default(), intents: Vec::new(), claims: Vec::new() }
    }

    fn journal(&self) -> &Journal {
        self.store.journal()
    }

    fn moment(&self) -> Moment {
        Moment { now: self.database.now(), late_effect: LATE_EFFECT }
    }

    async fn take(&mut self, step: Step) {
        let moment = self.moment();
        match step {
            Step::Open { key, change, taken_by } => self.open(key, change, taken_by).await,
            Step::Settle(outcomes) => self.settle(outcomes).await,
            Step::Mark { key, change } => {
                self.journal().mark_dirty(BUCKET, &self.mirrors, &[KEYS[key]], change).await.unwrap();
                self.model.mark(key, change, moment);
            }
            Step::Claim { mirror, count_max } => self.claim(mirror, count_max).await,
            Step::Renew(index) => self.renew(index).await,
            Step::Release(index) => self.release(index).await,
            Step::Finish(index, finish) => self.finish(index, finish).await,
            Step::Redrive { class } => self.redrive(class).await,
            Step::Sync { mirror } => {
                self.journal().start_sync(BUCKET, MIRRORS[mirror]).await.unwrap();
                self.journal().complete_sync(BUCKET, MIRRORS[mirror]).await.unwrap();
                self.model.synced[mirror] = true;
            }
            Step::Pass { seconds } => self.database.pass(Duration::from_secs(seconds)),
            Step::Crash => {
                self.database.kill().await;
                self.intents.clear();
                self.store = self.database.open().await;
                self.model.crash(self.database.config().url.is_some(), moment);
            }
        }
    }

    async fn open(&mut self, key: usize, change: Change, taken_by: Option<usize>) {
        let new = NewIntent {
            bucket: BUCKET,
            key: KEYS[key],
            change,
            mirrors: &self.mirrors,
            taken_by: taken_by.map(|mirror| MIRRORS[mirror]),
        };
        let opened = self.journal().open_intents(&[new]).await.unwrap();
        self.intents.extend(opened);
        self.model.intents.push(OpenIntent { key, change, taken_by, opened_at: self.database.now() });
    }

    async fn settle(&mut self, outcomes: Vec<(usize, Outcome)>) {
        let moment = self.moment();
        for (index, outcome) in outcomes {
            if self.intents.is_empty() {
                break;
            }
            let index = index % self.intents.len();
            self.intents.remove(index).settle(outcome);
            let intent = self.model.intents.remove(index);
            self.model.settle(&intent, outcome, moment);
        }
        // What is asked next is answered behind what was settled before.
        self.journal().set_sync_cursor(BUCKET, "none", "").await.unwrap();
    }

    async fn claim(&mut self, mirror: usize, count_max: u32) {
        let moment = self.moment();
        let claims = self.journal().claim(BUCKET, MIRRORS[mirror], count_max).await.unwrap();
        let until = moment.now.plus_seconds(CLAIM_LEASE_SECONDS);
        let token = claims.first().map_or(1, |claim| claim.claimed.token);
        let claimable = |row: Row| state::claimed(row, Lease { token, until }, moment);
        let due =
            self.model.rows.iter().filter(|(place, row)| place.1 == mirror && claimable(**row).is_some());
        assert_eq!(claims.len(), due.count().min(count_max as usize));
        for claim in claims {
            let key = KEYS.iter().position(|key| **key == *claim.key).unwrap();
            let row = self.model.rows.get_mut(&(key, mirror)).unwrap();
            *row = claimable(*row).unwrap();
            assert_eq!(claim.row, *row);
            assert_eq!(claim.record.as_ref(), self.model.records.get(&(key, mirror)));
            self.claims.push(((key, mirror), claim));
        }
    }

    fn held(&mut self, place: (usize, usize), claim: &Claim) -> Option<&mut Row> {
        let holds = |row: &Row| row.lease.is_some_and(|lease| lease.token == claim.claimed.token);
        self.model.rows.get_mut(&place).filter(|row| holds(row))
    }

    async fn renew(&mut self, index: usize) {
        if self.claims.is_empty() {
            return;
        }
        let index = index % self.claims.len();
        let (place, mut claim) = self.claims.remove(index);
        let is_held = self.journal().renew(&mut claim).await.unwrap();
        let until = self.database.now().plus_seconds(CLAIM_LEASE_SECONDS);
        let row = self.held(place, &claim);
        assert_eq!(is_held, row.is_some());
        if let Some(row) = row {
            row.lease = Some(Lease { token: claim.claimed.token, until });
        }
        self.claims.push((place, claim));
    }

    async fn release(&mut self, index: usize) {
        if self.claims.is_empty() {
            return;
        }
        let index = index % self.claims.len();
        let (place, claim) = self.claims.remove(index);
        if let Some(row) = self.held(place, &claim) {
            row.lease = None;
        }
        self.journal().release(claim).await.unwrap();
    }

    async fn finish(&mut self, index: usize, finish: Finish) {
        if self.claims.is_empty() {
            return;
        }
        let (moment, index) = (self.moment(), index % self.claims.len());
        let (place, claim) = self.claims.remove(index);
        let expected = self.model.finish(place, &claim, &finish, moment);
        let end = self.store.journal().finish(claim, finish, "went wrong").await.unwrap();
        assert_eq!(end, expected);
    }

    async fn redrive(&mut self, class: Option<Class>) {
        let now = self.database.now();
        let filter = DeadFilter { class, ..DeadFilter::default() };
        let redriven = self.journal().redrive(&filter).await.unwrap();
        let is_meant = |row: &&mut Row| {
            row.state == RowState::Dead && class.is_none_or(|class| row.class == Some(class))
        };
        let mut count = 0;
        for row in self.model.rows.values_mut().filter(is_meant) {
            *row = Row { state: RowState::Waiting, attempts: 0, due: now, class: None, ..*row };
            count += 1;
        }
        assert_eq!(redriven, count);
    }

    async fn compare(&self) {
        for (mirror, name) in MIRRORS.iter().enumerate() {
            for (index, key) in KEYS.iter().enumerate() {
                let said = self.journal().currency(BUCKET, name, key).await.unwrap();
                assert_eq!(said, self.model.currency(index, mirror), "{key:?} at {name}");
            }
            self.compare_backlog(mirror, name).await;
        }
    }

    async fn compare_backlog(&self, mirror: usize, name: &str) {
        let backlog = self.journal().backlog().await.unwrap();
        let backlog = backlog.into_iter().find(|backlog| backlog.mirror == name).unwrap_or_default();
        let rows = || self.model.rows.iter().filter(|(place, _)| place.1 == mirror).map(|(_, row)| row);
        let count = |state| rows().filter(|row| row.state == state).count() as u64;
        assert_eq!(backlog.waiting, count(RowState::Waiting));
        assert_eq!(backlog.held, count(RowState::Held));
        assert_eq!(backlog.dead.values().sum::<u64>(), count(RowState::Dead));
        let oldest = rows().filter(|row| row.state == RowState::Waiting).map(|row| row.since).min();
        assert_eq!(backlog.oldest, oldest);
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![1 => Just(Outcome::Unchanged), 3 => Just(Outcome::Changed), 1 => Just(Outcome::Unknown)]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![2 => Just(Change::Write), 1 => Just(Change::Delete)]
}

fn class() -> impl Strategy<Value = Class> {
    proptest::sample::select(Class::ALL.as_slice())
}

fn finish() -> impl Strategy<Value = Finish> {
    let record = |etag: u8| Record {
        primary_etag: format!("p{etag}"),
        mirror_etag: format!("m{etag}"),
        bytes: etag.into(),
        checksum: etag.is_multiple_of(2).then(|| "CRC32:AAAAAA==".to_owned()),
        last_modified: etag.is_multiple_of(3).then(|| Timestamp::from_unix_millis(1 + u64::from(etag))),
        metadata_digest: String::new(),
    };
    let retry =
        |(class, seconds, is_unsure)| Finish::Retry { class, pause: Duration::from_secs(seconds), is_unsure };
    prop_oneof![
        4 => any::<u8>().prop_map(move |etag| Finish::Clean(Some(record(etag)))),
        2 => Just(Finish::Clean(None)),
        1 => Just(Finish::Again),
        2 => (class(), 0_u64..60, any::<bool>()).prop_map(retry),
        2 => (class(), any::<bool>()).prop_map(|(class, is_unsure)| Finish::Dead { class, is_unsure }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (keys, mirrors) = (0..KEYS.len(), 0..MIRRORS.len());
    let mirror = mirrors.clone();
    prop_oneof![
        8 => (keys.clone(), change(), proptest::option::weighted(0.1, mirror))
            .prop_map(|(key, change, taken_by)| Step::Open { key, change, taken_by }),
        8 => proptest::collection::vec((any::<usize>(), outcome()), 1..4).prop_map(Step::Settle),
        2 => (keys, change()).prop_map(|(key, change)| Step::Mark { key, change }),
        8 => (mirrors.clone(), 1_u32..4).prop_map(|(mirror, count_max)| Step::Claim { mirror, count_max }),
        2 => (any::<usize>(), any::<bool>())
            .prop_map(|(index, renews)| if renews { Step::Renew(index) } else { Step::Release(index) }),
        8 => (any::<usize>(), finish()).prop_map(|(index, finish)| Step::Finish(index, finish)),
        1 => proptest::option::of(class()).prop_map(|class| Step::Redrive { class }),
        1 => mirrors.prop_map(|mirror| Step::Sync { mirror }),
        6 => proptest::sample::select(vec![1, 5, 30, 61, 200]).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Crash),
    ]
}

async fn run(database: &mut Database, steps: Vec<Step>) {
    let mut pair = Pair::new(database).await;
    for step in steps {
        pair.take(step).await;
    }
    pair.compare().await;
    drop(pair);
    database.kill().await;
}

fn on_a_runtime<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(Config { cases: 48, max_shrink_iters: 200, ..Config::default() })]

    #[test]
    fn sqlite_holds_what_the_rules_say(steps in proptest::collection::vec(step(), 1..60)) {
        on_a_runtime(async { run(&mut Database::sqlite(), steps).await });
    }

    #[test]
    fn postgres_holds_what_the_rules_say(steps in proptest::collection::vec(step(), 1..60)) {
        on_a_runtime(async {
            if let Some(mut database) = Database::postgres().await {
                run(&mut database, steps).await;
            }
        });
    }
}
