use std::time::Duration;

use wharf_wire::date::Timestamp;

use super::{
    Around, Change, Claimed, Class, Failure, Finish, Finished, Lease, Moment, Object, Outcome, Record, Row,
    RowState, Seen, Settled, Side, Step, Unreadable, after_failure, claimed, finished, plan, rest, settled,
};

const LATE: Duration = Duration::from_secs(1);

fn time(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

fn at(millis: u64) -> Moment {
    Moment { now: time(millis), late_effect: LATE }
}

fn told(change: Change, outcome: Outcome, millis: u64) -> Settled {
    Settled { change, outcome, side: Some(Side::Primary), opened_at: time(millis) }
}

fn after_change(row: Option<Row>, change: Change, outcome: Outcome, millis: u64) -> Row {
    settled(row, told(change, outcome, millis), at(millis)).unwrap()
}

fn take(row: Row, token: u64, millis: u64) -> (Row, Claimed) {
    let row = claimed(row, Lease { token, until: time(millis + 100) }, at(millis)).unwrap();
    (row, Claimed { token, generation: row.generation, at: time(millis) })
}

fn kept(finished: Finished) -> Row {
    match finished {
        Finished::Kept(row) => row,
        Finished::LeaseLost | Finished::Cleared => panic!("{finished:?}"),
    }
}

const ALONE: Around = Around { has_open_intents: false, truth_is_elsewhere: false };
const CLEAN: Finish = Finish::Clean(None);

/// Both sides have the key.
fn copied() -> Finish {
    Finish::Clean(Some(Record {
        primary_etag: "p".to_owned(),
        mirror_etag: "m".to_owned(),
        bytes: 3,
        checksum: None,
        last_modified: None,
        metadata_digest: "plain".to_owned(),
    }))
}

mod journal {
    use super::*;

    #[test]
    fn a_change_makes_a_row_and_a_clean_look_clears_it() {
        assert_eq!(settled(None, told(Change::Write, Outcome::Unchanged, 5), at(5)), None);
        let row = after_change(None, Change::Write, Outcome::Changed, 5);
        assert_eq!((row.generation, row.since, row.due, row.may_delete()), (1, time(5), time(5), false));
        let (row, claim) = take(row, 1, 6);
        assert_eq!(claimed(row, Lease { token: 2, until: time(99) }, at(7)), None, "it is leased");
        assert_eq!(finished(Some(row), claim, &CLEAN, ALONE, at(8)), Finished::Cleared);
        assert_eq!(finished(None, claim, &CLEAN, ALONE, at(8)), Finished::LeaseLost);
    }

    #[test]
    fn what_may_still_change_keeps_a_row() {
        let row = after_change(None, Change::Write, Outcome::Changed, 5);
        let (row, claim) = take(row, 1, 6);
        let open = Around { has_open_intents: true, ..ALONE };
        let held = kept(finished(Some(row), claim, &CLEAN, open, at(8)));
        assert_eq!((held.state, held.since, held.due), (RowState::Held, time(6), time(5008)));
        let woken = settled(Some(held), told(Change::Write, Outcome::Unchanged, 9), at(9)).unwrap();
        assert_eq!((woken.state, woken.due), (RowState::Held, time(9)));
        let elsewhere = Around { truth_is_elsewhere: true, ..ALONE };
        assert_eq!(kept(finished(Some(row), claim, &CLEAN, elsewhere, at(8))).state, RowState::Held);
        let newer = after_change(Some(row), Change::Write, Outcome::Changed, 7);
        let again = kept(finished(Some(newer), claim, &CLEAN, ALONE, at(8)));
        assert_eq!((again.state, again.generation, again.due), (RowState::Waiting, 2, time(8)));
    }

    #[test]
    fn a_request_that_may_still_take_effect_is_waited_for() {
        let row = after_change(None, Change::Write, Outcome::Unknown, 5);
        let (row, claim) = take(row, 1, 1004);
        let held = kept(finished(Some(row), claim, &CLEAN, ALONE, at(2000)));
        assert_eq!((held.state, held.due), (RowState::Held, time(1005)), "the look began too early");
        let (row, claim) = take(held, 2, 2001);
        assert_eq!(finished(Some(row), claim, &CLEAN, ALONE, at(2002)), Finished::Cleared);
    }

    #[test]
    fn a_lost_lease_finishes_nothing_and_is_looked_behind() {
        let row = after_change(None, Change::Write, Outcome::Changed, 5);
        let (row, zombie) = take(row, 1, 6);
        let (row, claim) = take(row, 2, 107);
        assert_eq!(row.unsure_until, time(1106), "the first lease's end, and a late effect");
        assert_eq!(finished(Some(row), zombie, &CLEAN, ALONE, at(108)), Finished::LeaseLost);
        let held = kept(finished(Some(row), claim, &CLEAN, ALONE, at(109)));
        assert_eq!((held.state, held.due), (RowState::Held, time(1106)));
    }

    #[test]
    fn a_delete_counts_until_the_key_was_seen_after_it() {
        let row = after_change(None, Change::Delete, Outcome::Changed, 5);
        assert!(row.may_delete());
        let row = after_change(Some(row), Change::Write, Outcome::Changed, 6);
        assert!(row.may_delete(), "the mirror still has what was deleted");
        let (row, claim) = take(row, 1, 7);
        let open = Around { has_open_intents: true, ..ALONE };
        assert!(!kept(finished(Some(row), claim, &copied(), open, at(8))).may_delete());
        let deleted_again = after_change(Some(row), Change::Delete, Outcome::Changed, 8);
        assert!(kept(finished(Some(deleted_again), claim, &copied(), open, at(9))).may_delete());
        let unknown = after_change(None, Change::Delete, Outcome::Unknown, 5);
        let (row, claim) = take(unknown, 1, 7);
        assert!(kept(finished(Some(row), claim, &copied(), ALONE, at(8))).may_delete(), "it may still come");
        let (row, claim) = take(after_change(None, Change::Delete, Outcome::Changed, 5), 1, 5);
        assert!(kept(finished(Some(row), claim, &copied(), open, at(8))).may_delete(), "which was first?");
        let (row, claim) = take(after_change(None, Change::Delete, Outcome::Changed, 5), 1, 7);
        let absent = kept(finished(Some(row), claim, &CLEAN, open, at(8)));
        assert!(absent.may_delete(), "a late write may put the mirror's object back");
    }

    #[test]
    fn a_write_that_began_after_a_delete_ends_what_the_delete_explains() {
        let row = after_change(None, Change::Delete, Outcome::Changed, 5);
        let written = |opened_at, outcome, side| {
            let said = Settled { side, opened_at: time(opened_at), ..told(Change::Write, outcome, 0) };
            settled(Some(row), said, at(3000)).unwrap().may_delete()
        };
        let primary = Some(Side::Primary);
        assert!(written(1005, Outcome::Changed, primary), "by another clock it may have begun before");
        assert!(!written(1006, Outcome::Changed, primary));
        assert!(written(1006, Outcome::Unknown, primary), "it may not have happened");
        assert!(written(1006, Outcome::Changed, None), "a notification says nothing of when");
        let row = after_change(None, Change::Delete, Outcome::Unknown, 5);
        let write = Settled { opened_at: time(2005), ..told(Change::Write, Outcome::Changed, 2006) };
        assert!(settled(Some(row), write, at(2006)).unwrap().may_delete(), "the delete may come late");
    }

    #[test]
    fn failures_of_the_store_are_not_the_keys() {
        let row = after_change(None, Change::Write, Outcome::Changed, 5);
        let retry = |class, is_unsure| Finish::Retry { class, pause: Duration::from_millis(10), is_unsure };
        let (row, claim) = take(row, 1, 6);
        let down = kept(finished(Some(row), claim, &retry(Class::Unreachable, false), ALONE, at(8)));
        assert_eq!((down.attempts, down.due, down.unsure_until), (0, time(18), time(0)));
        let failed = kept(finished(Some(row), claim, &retry(Class::Transient, true), ALONE, at(8)));
        assert_eq!((failed.attempts, failed.due, failed.unsure_until), (1, time(18), time(1008)));
        let written = after_change(Some(failed), Change::Write, Outcome::Changed, 9);
        assert_eq!((written.due, written.attempts), (time(18), 1), "a write does not end a pause");
        assert_eq!(claimed(written, Lease { token: 2, until: time(99) }, at(17)), None);
    }

    #[test]
    fn a_change_revives_a_dead_row_even_while_it_dies() {
        let row = after_change(None, Change::Write, Outcome::Changed, 5);
        let (row, claim) = take(row, 1, 6);
        let dead = Finish::Dead { class: Class::Permanent, is_unsure: false };
        let dying = after_change(Some(row), Change::Write, Outcome::Changed, 7);
        assert_eq!(kept(finished(Some(dying), claim, &dead, ALONE, at(8))).state, RowState::Waiting);
        let dead = kept(finished(Some(row), claim, &dead, ALONE, at(8)));
        assert_eq!((dead.state, dead.class), (RowState::Dead, Some(Class::Permanent)));
        assert_eq!(claimed(dead, Lease { token: 2, until: time(999) }, at(99)), None);
        let unchanged = settled(Some(dead), told(Change::Write, Outcome::Unchanged, 9), at(9)).unwrap();
        assert_eq!(unchanged.state, RowState::Dead);
        let revived = after_change(Some(dead), Change::Write, Outcome::Unknown, 9);
        assert_eq!((revived.state, revived.attempts, revived.due), (RowState::Waiting, 0, time(9)));
        assert_eq!(revived.since, time(5), "the oldest change is still missing");
    }

    #[test]
    fn the_truth_goes_to_whoever_took_the_last_write() {
        let accepted = Settled { side: Some(Side::Mirror), ..told(Change::Write, Outcome::Changed, 5) };
        let row = settled(None, accepted, at(5)).unwrap();
        assert_eq!(row.truth, Side::Mirror);
        let row = after_change(Some(row), Change::Write, Outcome::Unknown, 6);
        assert_eq!(row.truth, Side::Mirror, "what may not have happened takes nothing away");
        assert_eq!(after_change(Some(row), Change::Write, Outcome::Changed, 7).truth, Side::Primary);
    }
}

mod plans {
    use super::*;

    fn object(etag: &str) -> Object {
        Object {
            etag: etag.to_owned(),
            bytes: 3,
            last_modified: None,
            metadata_digest: "plain".to_owned(),
            tags_digest: Some("none".to_owned()),
        }
    }

    fn record() -> Record {
        let Finish::Clean(Some(record)) = copied() else { panic!("it has a record") };
        record
    }

    fn dirty(truth: Side, delete_generation: u64) -> Row {
        Row { truth, delete_generation, generation: 1, ..Row::new(time(1)) }
    }

    fn planned(source: &Seen, target: Option<&Seen>) -> Step {
        plan(&dirty(Side::Primary, 0), Some(&record()), source, target)
    }

    #[test]
    fn what_is_not_the_recorded_object_is_copied_without_a_look_at_the_target() {
        let row = dirty(Side::Primary, 0);
        assert_eq!(plan(&row, None, &Seen::Present(object("p")), None), Step::Copy);
        assert_eq!(planned(&Seen::Present(object("other")), None), Step::Copy);
        let metadata = Object { metadata_digest: "new".to_owned(), ..object("p") };
        assert_eq!(planned(&Seen::Present(metadata), None), Step::Copy, "the ETag says nothing of metadata");
        assert_eq!(planned(&Seen::Present(object("p")), None), Step::LookAtTarget);
    }

    #[test]
    fn the_recorded_object_is_held_against_its_copy() {
        let source = Seen::Present(object("p"));
        let planned = |copy: Object| planned(&source, Some(&Seen::Present(copy)));
        assert_eq!(planned(object("m")), Step::Nothing);
        assert_eq!(planned(object("late")), Step::Copy);
        assert_eq!(planned(Object { bytes: 4, ..object("m") }), Step::Copy);
        assert_eq!(planned(Object { metadata_digest: "old".to_owned(), ..object("m") }), Step::Copy);
        assert_eq!(planned(Object { tags_digest: Some("old".to_owned()), ..object("m") }), Step::Retag);
        assert_eq!(planned(Object { tags_digest: None, ..object("m") }), Step::Nothing);
        assert_eq!(
            super::plan(&dirty(Side::Primary, 0), Some(&record()), &source, Some(&Seen::Absent)),
            Step::Copy
        );
    }

    #[test]
    fn a_mirror_without_tags_is_never_asked_to_write_some() {
        let tagged = Seen::Present(Object { tags_digest: Some("new".to_owned()), ..object("p") });
        let copy = Seen::Present(Object { tags_digest: None, ..object("m") });
        assert_eq!(planned(&tagged, Some(&copy)), Step::Nothing);
        let without = Seen::Present(Object { tags_digest: None, ..object("p") });
        assert_eq!(planned(&without, Some(&copy)), Step::Nothing);
    }

    #[test]
    fn only_a_delete_of_our_own_deletes() {
        let there = Seen::Present(object("m"));
        assert_eq!(planned(&Seen::Absent, None), Step::LookAtTarget);
        assert_eq!(planned(&Seen::Absent, Some(&Seen::Absent)), Step::Nothing);
        assert_eq!(planned(&Seen::Absent, Some(&there)), Step::Hold(Class::Absence));
        let ours = dirty(Side::Primary, 1);
        assert_eq!(plan(&ours, None, &Seen::Absent, Some(&there)), Step::Delete);
        let archived = Seen::Unreadable(Unreadable::Archived);
        assert_eq!(plan(&ours, None, &Seen::Absent, Some(&archived)), Step::Delete);
        assert_eq!(plan(&ours, None, &archived, None), Step::Hold(Class::Archived));
    }

    #[test]
    fn a_write_that_a_mirror_took_overwrites_nothing_unseen_at_the_primary() {
        let row = dirty(Side::Mirror, 1);
        let accepted = Seen::Present(object("accepted"));
        let planned = |target: &Seen| plan(&row, Some(&record()), &accepted, Some(target));
        assert_eq!(plan(&row, Some(&record()), &accepted, None), Step::LookAtTarget);
        assert_eq!(planned(&Seen::Absent), Step::Copy);
        assert_eq!(planned(&Seen::Present(object("p"))), Step::Copy);
        assert_eq!(planned(&Seen::Present(object("foreign"))), Step::KeepThenCopy);
        let unread = Seen::Unreadable(Unreadable::CustomerKey);
        assert_eq!(planned(&unread), Step::Hold(Class::Conflict));
        let absent =
            |target| plan(&row, Some(&record()), &Seen::Absent, Some(&Seen::Present(object(target))));
        assert_eq!(absent("p"), Step::Delete);
        assert_eq!(absent("foreign"), Step::Hold(Class::Conflict));
    }
}

mod retries {
    use super::*;

    fn failure(class: Class) -> Failure {
        Failure { class, retry_after: None, is_unsure: false }
    }

    fn pause(class: Class, attempts: u32, random: u64) -> Option<u128> {
        match after_failure(failure(class), attempts, random) {
            Finish::Retry { pause, .. } => Some(pause.as_millis()),
            Finish::Dead { .. } => None,
            Finish::Clean(_) | Finish::Again => panic!("a failure is no success"),
        }
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_are_spread() {
        let shortest = [0, 1, 2, 9, 10, 20].map(|attempts| pause(Class::Transient, attempts, 0).unwrap());
        assert_eq!(shortest, [500, 1000, 2000, 256_000, 450_000, 450_000]);
        let longest = (0..2000).filter_map(|random| pause(Class::Transient, 0, random)).max();
        assert_eq!(longest, Some(1000));
    }

    #[test]
    fn a_key_dies_of_its_own_failures_only() {
        for class in Class::ALL {
            let dies_after = (0..100).find(|attempts| pause(class, *attempts, 0).is_none());
            let expected = match class {
                Class::Auth | Class::Config | Class::Unreachable | Class::Throttled => None,
                Class::Transient => Some(31),
                Class::Permanent => Some(2),
                Class::Absence | Class::CustomerKey | Class::Archived | Class::Conflict => Some(0),
            };
            assert_eq!(dies_after, expected, "{class:?}");
            assert_eq!(class.is_of_the_store(), expected.is_none());
            assert_eq!(Class::parse(class.as_str()), Some(class));
        }
    }

    #[test]
    fn a_store_is_asked_no_sooner_than_it_says() {
        let busy = Failure { retry_after: Some(Duration::from_secs(77)), ..failure(Class::Throttled) };
        let Finish::Retry { pause, .. } = after_failure(busy, 0, 0) else { panic!("it is tried again") };
        assert_eq!((pause, rest(busy, 0, 0)), (Duration::from_secs(77), Duration::from_secs(77)));
        let rests = [0, 3, 30].map(|failures| rest(failure(Class::Unreachable), failures, 0).as_millis());
        assert_eq!(rests, [500, 4000, 15_000]);
        assert_eq!(rest(failure(Class::Auth), 0, 0), Duration::from_secs(150));
    }
}
