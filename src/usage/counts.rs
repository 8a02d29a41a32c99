//! Sums in memory: what happened since they were last written.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet, hash_map::Entry},
};

use wharf_wire::date::Timestamp;

use super::{Caller, Use};
use crate::store::UsageRow;

/// Sums between two writes. Harm: memory, some 200 bytes for each. What does not fit is not counted, and the log says so.
const SUMS_MAX: usize = 10_000;
/// Names of events that clients make up, in one day. Harm: rows in the database. The rest are counted under one name.
const TOLD_NAMES_MAX: usize = 1000;
const OTHER_EVENT: &str = "other";

/// What stands before the name of an event that a client tells of.
pub(super) const TOLD: &str = "told:";

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// The day of `time`, from 1970 in UTC.
pub fn day(time: Timestamp) -> u32 {
    u32::try_from(time.unix_seconds() / DAY_SECONDS).unwrap_or(u32::MAX)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Counter {
    caller: Caller,
    day: u32,
    provider: String,
    event: Cow<'static, str>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    times: u64,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.times = self.times.saturating_add(other.times);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// The sums.
#[derive(Debug, Default)]
pub(super) struct Counts {
    sums: HashMap<Counter, Sum>,
    /// Names that clients have told, and the day.
    told: (u32, HashSet<String>),
    /// What did not fit.
    pub(super) lost: u64,
}

impl Counts {
    pub(super) fn add(&mut self, used: Use<'_>) {
        let day = day(used.at);
        let event = match used.event {
            super::Event::Operation(name) => Cow::Borrowed(name),
            super::Event::Told(name) => Cow::Owned([TOLD, self.told_name(day, name)].concat()),
        };
        let counter = Counter { caller: used.caller, day, provider: used.provider.to_owned(), event };
        self.put(counter, Sum { times: used.times, bytes: used.bytes });
    }

    fn told_name<'n>(&mut self, day: u32, name: &'n str) -> &'n str {
        let (known_day, names) = &mut self.told;
        if *known_day != day {
            *known_day = day;
            names.clear();
        }
        if names.contains(name) {
            return name;
        }
        if names.len() == TOLD_NAMES_MAX {
            return OTHER_EVENT;
        }
        names.insert(name.to_owned());
        name
    }

    fn put(&mut self, counter: Counter, sum: Sum) {
        let is_full = self.sums.len() >= SUMS_MAX;
        match self.sums.entry(counter) {
            Entry::Occupied(mut known) => known.get_mut().add(sum),
            Entry::Vacant(_) if is_full => self.lost = self.lost.saturating_add(sum.times),
            Entry::Vacant(new) => {
                new.insert(sum);
            }
        }
    }

    /// Takes all sums out.
    pub(super) fn take(&mut self) -> Taken {
        Taken(std::mem::take(&mut self.sums).into_iter().collect())
    }

    /// Takes back what could not be written.
    pub(super) fn put_back(&mut self, taken: Taken) {
        for (counter, sum) in taken.0 {
            self.put(counter, sum);
        }
    }
}

/// Sums that are on their way to the database.
#[derive(Debug)]
pub(super) struct Taken(Vec<(Counter, Sum)>);

impl Taken {
    /// The first `count` of them, which are then no more here; none at the end.
    pub(super) fn first(&mut self, count: usize) -> Option<Self> {
        let rest = self.0.len().saturating_sub(count);
        Some(Self(self.0.split_off(rest))).filter(|first| !first.0.is_empty())
    }

    /// As rows, in the one order in which every process locks them.
    pub(super) fn rows(&self) -> Vec<UsageRow> {
        let row = |(counter, sum): &(Counter, Sum)| UsageRow {
            caller: counter.caller.stored(),
            day: counter.day,
            provider: counter.provider.clone(),
            event: counter.event.clone().into_owned(),
            times: sum.times,
            bytes: sum.bytes,
        };
        let mut rows: Vec<_> = self.0.iter().map(row).collect();
        rows.sort_unstable_by(|one, other| {
            let order =
                |row: &UsageRow| (row.caller.clone(), row.day, row.provider.clone(), row.event.clone());
            order(one).cmp(&order(other))
        });
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Event;

    fn used(caller: &str, event: Event<'static>, at: u64) -> Use<'static> {
        let (caller, at) = (Caller::User(caller.to_owned()), Timestamp::from_unix_millis(at));
        Use { caller, provider: "main", event, times: 2, bytes: 5, at }
    }

    fn rows(counts: &mut Counts) -> Vec<(String, u32, String, u64, u64)> {
        let rows = counts.take().rows().into_iter();
        rows.map(|row| (row.caller, row.day, row.event, row.times, row.bytes)).collect()
    }

    #[test]
    fn what_is_of_one_kind_is_summed_and_days_are_kept_apart() {
        let mut counts = Counts::default();
        for at in [0, 86_399_999, 86_400_000] {
            counts.add(used("ann", Event::Operation("list"), at));
        }
        counts.add(used("ann", Event::Told("completed"), 0));
        counts.add(used("bob", Event::Operation("list"), 0));
        let row = |caller: &str, day, event: &str, times, bytes| {
            (format!("user:{caller}"), day, event.to_owned(), times, bytes)
        };
        let expected = [
            row("ann", 0, "list", 4, 10),
            row("ann", 0, "told:completed", 2, 5),
            row("ann", 1, "list", 2, 5),
            row("bob", 0, "list", 2, 5),
        ];
        assert_eq!(rows(&mut counts), expected);
        assert_eq!(rows(&mut counts), []);
    }

    #[test]
    fn memory_is_bounded_and_what_does_not_fit_is_known() {
        let mut counts = Counts::default();
        for number in 0..SUMS_MAX {
            counts.add(used(&number.to_string(), Event::Operation("list"), 0));
        }
        counts.add(used("one more", Event::Operation("list"), 0));
        counts.add(used("0", Event::Operation("list"), 0));
        assert_eq!((counts.sums.len(), counts.lost), (SUMS_MAX, 2));
        let taken = counts.take();
        counts.put_back(taken);
        assert_eq!((counts.sums.len(), counts.lost), (SUMS_MAX, 2));
    }

    #[test]
    fn clients_make_up_no_more_names_than_are_kept() {
        let mut counts = Counts::default();
        for number in 0..=TOLD_NAMES_MAX {
            counts.told_name(7, &number.to_string());
        }
        assert_eq!(counts.told_name(7, "another"), OTHER_EVENT);
        assert_eq!(counts.told_name(7, "0"), "0");
        assert_eq!(counts.told_name(8, "another"), "another");
    }

    #[test]
    fn what_is_taken_goes_in_pieces() {
        let mut counts = Counts::default();
        for number in 0..5 {
            counts.add(used(&number.to_string(), Event::Operation("list"), 0));
        }
        let mut taken = counts.take();
        let pieces: Vec<_> = std::iter::from_fn(|| taken.first(2)).map(|piece| piece.0.len()).collect();
        assert_eq!(pieces, [2, 2, 1]);
    }
}
