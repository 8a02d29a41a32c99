//! A bucket with mirrors, and a journal that says what they are worth.

use wharf::{
    mirror::state::{Change, Finish, Finished, Record},
    store::{Journal, Mirrors},
};
use wharf_wire::date::Timestamp;

use super::store;

/// The bucket that is mirrored.
pub(crate) const BUCKET: &str = "photos";

/// What the bucket is called at its provider and at its mirrors, which are those of [`config`].
pub(crate) const STORED: &str = "stored-photos";

/// `Last-Modified` of every recorded object: Fri, 24 May 2013 00:00:00 GMT, and a bit.
pub(crate) const MODIFIED: Timestamp = Timestamp::from_unix_millis(1_369_353_600_700);

/// The bucket `photos` at `primary`, with a mirror at each of `mirrors`, called `one`, `two`, …, below `copy/`.
pub(crate) fn config(primary: &str, mirrors: &[&str], bucket_settings: &str) -> String {
    let provider = |name: &str, endpoint: &str| store::provider(name, endpoint);
    let named = || NAMES.iter().zip(mirrors);
    let providers: String = named().map(|(name, endpoint)| provider(name, endpoint)).collect();
    let mirror = |name: &str| {
        format!(
            "[[buckets.photos.mirrors]]\nprovider = \"{name}\"\nbucket = \"{STORED}\"\nkey_prefix = \"copy/\"\n"
        )
    };
    let mirrors: String = named().map(|(name, _)| mirror(name)).collect();
    let bucket =
        format!("[buckets.photos]\nprovider = \"primary\"\nbucket = \"{STORED}\"\n{bucket_settings}\n");
    [provider("primary", primary), providers, bucket, mirrors].concat()
}

const NAMES: [&str; 2] = ["one", "two"];

/// What is recorded of an object of `bytes`.
pub(crate) fn record(primary_etag: &str, mirror_etag: &str, bytes: usize) -> Record {
    Record {
        primary_etag: primary_etag.to_owned(),
        mirror_etag: mirror_etag.to_owned(),
        bytes: bytes as u64,
        checksum: None,
        last_modified: Some(MODIFIED),
        metadata_digest: "digest".to_owned(),
    }
}

/// Notes that the copy of `key` at `mirror` is what the primary has.
pub(crate) async fn note_current(journal: &Journal, mirror: &str, key: &str, record: Record) {
    note_dirty(journal, mirror, key).await;
    let claims = journal.claim(BUCKET, mirror, 100).await.expect("a row can be claimed");
    for claim in claims {
        if &*claim.key == key {
            let finished = journal.finish(claim, Finish::Clean(Some(record.clone())), "").await;
            assert_eq!(finished.expect("a row can be finished"), Finished::Cleared);
        } else {
            journal.release(claim).await.expect("a row can be given back");
        }
    }
}

/// Notes that the copy of `key` at `mirror` may be older.
pub(crate) async fn note_dirty(journal: &Journal, mirror: &str, key: &str) {
    let mirrors: Mirrors = [mirror.into()].into();
    journal.mark_dirty(BUCKET, &mirrors, &[key], Change::Write).await.expect("a key can be noted");
}
