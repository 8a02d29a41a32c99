//! Whether a mirror may answer for the primary.

use wharf_wire::date::Timestamp;

use super::{Record, Row, Side};

/// What is known of one key at one mirror.
#[derive(Debug, Clone, Default)]
pub struct Known<'a> {
    /// Its row, if it is dirty.
    pub row: Option<&'a Row>,
    /// When the oldest intent on the key was opened, whoever runs it.
    pub oldest_intent: Option<Timestamp>,
    /// Whether another mirror holds a write that the primary has not got back yet.
    pub truth_is_elsewhere: bool,
    /// Its last copy.
    pub record: Option<Record>,
    /// Whether a complete sync of this mirror is recorded: what has no record then was not there.
    pub is_synced: bool,
}

/// What a mirror's object is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Currency {
    /// It is what the primary holds, as far as it was written through Wharf. Ask the mirror for the recorded `ETag` alone
    /// (`If-Match`): with any other, the answer is none.
    Current(Record),
    /// Neither side has such a key.
    Absent,
    /// It may be older than the primary's.
    Dirty {
        /// When the oldest change was made that the mirror may lack.
        since: Timestamp,
        /// With `Mirror`, it is the other way round: the mirror took a write while the primary was down.
        truth: Side,
    },
    /// Nobody ever compared the two.
    Unknown,
}

/// What a mirror's object is worth, by what is `known` of it.
pub fn currency(known: Known<'_>) -> Currency {
    let Known { row, oldest_intent, truth_is_elsewhere, record, is_synced } = known;
    let oldest = row.map(|row| row.since).into_iter().chain(oldest_intent).min();
    match (oldest, record) {
        (Some(since), _) => Currency::Dirty { since, truth: row.map_or(Side::Primary, |row| row.truth) },
        (None, _) if truth_is_elsewhere => Currency::Unknown,
        (None, Some(record)) => Currency::Current(record),
        (None, None) if is_synced => Currency::Absent,
        (None, None) => Currency::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            primary_etag: "p".to_owned(),
            mirror_etag: "m".to_owned(),
            bytes: 1,
            checksum: None,
            last_modified: None,
            metadata_digest: String::new(),
        }
    }

    #[test]
    fn only_what_is_clean_and_was_copied_is_current() {
        let record = || Some(record());
        let [early, late] = [10, 20].map(Timestamp::from_unix_millis);
        let row = Row::new(late);
        let dirty = |since, truth| Currency::Dirty { since, truth };
        let clean = Known { record: record(), ..Known::default() };
        assert_eq!(currency(clean.clone()), Currency::Current(record().unwrap()));
        let known = Known { row: Some(&row), ..clean.clone() };
        assert_eq!(currency(known.clone()), dirty(late, Side::Primary));
        let known = Known { oldest_intent: Some(early), ..known };
        assert_eq!(currency(known), dirty(early, Side::Primary), "the older of the two");
        let known = Known { oldest_intent: Some(early), ..clean.clone() };
        assert_eq!(currency(known), dirty(early, Side::Primary), "an open intent is enough");
        let ahead = Row { truth: Side::Mirror, ..row };
        assert_eq!(currency(Known { row: Some(&ahead), ..clean.clone() }), dirty(late, Side::Mirror));
        assert_eq!(currency(Known { truth_is_elsewhere: true, ..clean }), Currency::Unknown);
    }

    #[test]
    fn an_absence_is_known_only_after_a_complete_sync() {
        assert_eq!(currency(Known::default()), Currency::Unknown);
        assert_eq!(currency(Known { is_synced: true, ..Known::default() }), Currency::Absent);
    }
}
