//! The journal when its database fails, and when several processes share it.

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use sqlx::{Connection, Executor};
use wharf::{
    mirror::state::{Change, Currency, Outcome},
    store::{Claim, Intent, Journal, JournalError, Mirrors, NewIntent, StoreError},
};

use crate::support::database::{Database, LEASE};

const BUCKET: &str = "photos";

fn mirrors() -> Mirrors {
    ["one".into()].into()
}

async fn open(journal: &Journal, key: &str) -> Result<Intent, JournalError> {
    let mirrors = mirrors();
    let new = NewIntent { bucket: BUCKET, key, change: Change::Write, mirrors: &mirrors, taken_by: None };
    journal.open_intents(&[new]).await.map(|mut intents| intents.remove(0))
}

async fn claimed_keys(journal: &Journal) -> Vec<String> {
    let claims = journal.claim(BUCKET, "one", 500).await.unwrap();
    let mut keys: Vec<_> = claims.iter().map(|Claim { key, .. }| key.to_string()).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_database_that_does_not_answer_refuses_intents_and_forgets_no_outcome() {
    let mut database = Database::sqlite();
    database.config().timeout = Duration::from_secs(1);
    let store = database.open().await;
    let journal = store.journal();
    let before = open(journal, "before").await.unwrap();
    let url = format!("sqlite://{}/wharf.db", database.directory().display());
    let mut blocker = sqlx::AnyConnection::connect(&url).await.unwrap();
    blocker.execute("BEGIN EXCLUSIVE").await.unwrap();
    before.settle(Outcome::Changed);
    assert!(matches!(open(journal, "refused").await, Err(JournalError::TimedOut)));
    // Reads go on, and know no better than before.
    let currency = journal.currency(BUCKET, "one", "before").await.unwrap();
    assert!(matches!(currency, Currency::Dirty { .. }));
    blocker.execute("ROLLBACK").await.unwrap();
    open(journal, "after").await.unwrap().settle(Outcome::Changed);
    assert_eq!(claimed_keys(journal).await, ["after", "before"]);
    let refused = journal.currency(BUCKET, "one", "refused").await.unwrap();
    assert_eq!(refused, Currency::Unknown);
}

#[tokio::test]
async fn outcomes_are_tried_again_when_nobody_asks_for_anything() {
    let mut database = Database::sqlite();
    database.config().timeout = Duration::from_secs(1);
    let store = database.open().await;
    let journal = store.journal();
    let intent = open(journal, "a").await.unwrap();
    let url = format!("sqlite://{}/wharf.db", database.directory().display());
    let mut blocker = sqlx::AnyConnection::connect(&url).await.unwrap();
    blocker.execute("BEGIN EXCLUSIVE").await.unwrap();
    let woken = journal.woken(BUCKET, "one");
    intent.settle(Outcome::Changed);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    blocker.execute("ROLLBACK").await.unwrap();
    woken.await;
    assert_eq!(claimed_keys(journal).await, ["a"]);
}

#[tokio::test]
async fn one_process_serves_from_a_data_directory() {
    let mut database = Database::sqlite();
    let _store = database.open().await;
    assert!(matches!(database.try_open().await, Err(StoreError::Locked(_))));
    database.close().await;
    database.open().await;
}

#[tokio::test]
async fn tables_of_a_later_version_are_left_alone() {
    let mut database = Database::sqlite();
    database.open().await;
    database.close().await;
    let url = format!("sqlite://{}/wharf.db", database.directory().display());
    let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
    connection.execute("INSERT INTO migrations VALUES (1000, 0)").await.unwrap();
    connection.close().await.unwrap();
    assert!(matches!(database.try_open().await, Err(StoreError::Newer { found: 1000, .. })));
}

#[tokio::test]
async fn a_journal_that_was_closed_says_so() {
    let mut database = Database::sqlite();
    let store = database.open().await;
    database.close().await;
    assert!(matches!(open(store.journal(), "a").await, Err(JournalError::Closed)));
}

#[tokio::test]
async fn what_one_node_leaves_another_takes_over_when_its_lease_has_run_out() {
    let Some(mut database) = Database::postgres().await else { return };
    let first = database.open().await;
    let _lost = open(first.journal(), "a").await.unwrap();
    database.kill().await;
    let second = database.open_node().await;
    assert!(claimed_keys(second.journal()).await.is_empty(), "the first may be alive");
    database.pass(LEASE + Duration::from_secs(1));
    let woken = second.journal().woken(BUCKET, "one");
    woken.await;
    assert_eq!(claimed_keys(second.journal()).await, ["a"]);
}

#[tokio::test]
async fn a_node_that_was_taken_for_dead_begins_anew_with_what_it_has_open() {
    let Some(mut database) = Database::postgres().await else { return };
    let first = database.open().await;
    let intent = open(first.journal(), "a").await.unwrap();
    database.pass(LEASE + Duration::from_secs(1));
    let second = database.open_node().await;
    assert_eq!(claimed_keys(second.journal()).await, ["a"], "the lease ran out");
    // The first node lives after all; whatever it writes next brings its open intents back.
    let other = open(first.journal(), "b").await.unwrap();
    let currency = second.journal().currency(BUCKET, "one", "b").await.unwrap();
    assert!(matches!(currency, Currency::Dirty { .. }));
    intent.settle(Outcome::Changed);
    other.settle(Outcome::Unchanged);
    first.journal().set_sync_cursor(BUCKET, "one", "").await.unwrap();
    let dead = first.journal().backlog().await.unwrap();
    assert_eq!((dead[0].waiting, dead.len()), (1, 1));
}

#[tokio::test]
async fn the_counts_of_a_node_that_is_gone_stay_right() {
    let Some(mut database) = Database::postgres().await else { return };
    let first = database.open().await;
    first.journal().mark_dirty(BUCKET, &mirrors(), &["a", "b"], Change::Write).await.unwrap();
    database.close().await;
    let second = database.open_node().await;
    assert_eq!(second.journal().backlog().await.unwrap()[0].waiting, 2);
    second.journal().mark_dirty(BUCKET, &mirrors(), &["b", "c"], Change::Write).await.unwrap();
    assert_eq!(second.journal().backlog().await.unwrap()[0].waiting, 3);
}

#[tokio::test]
async fn two_nodes_never_hold_the_same_row() {
    let Some(mut database) = Database::postgres().await else { return };
    let first = database.open().await;
    let second = database.open_node().await;
    let keys: Vec<_> = (0..400).map(|key| format!("k{key:03}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    first.journal().mark_dirty(BUCKET, &mirrors(), &keys, Change::Write).await.unwrap();
    let mut claimed = Vec::new();
    loop {
        let (one, two) =
            tokio::join!(first.journal().claim(BUCKET, "one", 30), second.journal().claim(BUCKET, "one", 30));
        let both: Vec<_> = one.unwrap().into_iter().chain(two.unwrap()).collect();
        if both.is_empty() {
            break;
        }
        claimed.extend(both.iter().map(|claim| claim.key.to_string()));
    }
    claimed.sort();
    assert_eq!(claimed, keys);
}

/// Run under strace by `tests/interop/journal_durability.py`, which reads the order of system calls; by itself it only
/// opens a few intents.
#[tokio::test]
async fn an_intent_is_on_the_disk_when_it_is_answered() {
    let mut database = Database::sqlite();
    let store = database.open().await;
    for count in 0..20 {
        mark(&format!("journal-asked {count}"));
        let intent = open(store.journal(), &format!("k{count}")).await.unwrap();
        mark(&format!("journal-answered {count}"));
        intent.settle(Outcome::Unchanged);
    }
}

/// A line that is one system call.
fn mark(text: &str) {
    io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// Run by `tests/interop/journal_durability.py`, which lets fsync fail for a while and then makes the file `stop`.
#[tokio::test]
async fn a_failing_disk_refuses_intents_until_it_works() {
    let Some(folder) = told("WHARF_TEST_FAILING_DISK") else { return };
    let mut database = Database::sqlite_in(&folder);
    let store = database.open().await;
    let journal = store.journal();
    let mut dirty = 0;
    while !folder.join("stop").exists() {
        match open(journal, &format!("k{dirty}")).await {
            Ok(intent) => {
                intent.settle(Outcome::Changed);
                dirty += 1;
                mark("journal-answered");
            }
            Err(JournalError::Unavailable(_)) => mark("journal-refused"),
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut claimed = 0;
    while let claims = journal.claim(BUCKET, "one", 100).await.unwrap()
        && !claims.is_empty()
    {
        claimed += claims.len();
    }
    assert_eq!(claimed, dirty, "every outcome was kept, and nothing was made up");
}

/// Run by the same script, with a folder on a disk that may be filled.
#[tokio::test]
async fn a_full_disk_refuses_intents_until_there_is_room() {
    let Some(disk) = told("WHARF_TEST_SMALL_DISK") else { return };
    let mut database = Database::sqlite_in(&disk);
    let store = database.open().await;
    let journal = store.journal();
    let filler = disk.join("filler");
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    // SQLite finds some room by itself, where its log was. Dirty rows use it up.
    let (mut dirty, mut refused) = (0, Vec::new());
    for count in 0..500 {
        match open(journal, &format!("{count}-{}", "x".repeat(900))).await {
            Ok(intent) => {
                intent.settle(Outcome::Changed);
                dirty += 1;
            }
            Err(error) => refused.push(error),
        }
    }
    assert!(matches!(refused.last(), Some(JournalError::Unavailable(_))), "{dirty} dirty, {refused:?}");
    fs::remove_file(filler).unwrap();
    open(journal, "after").await.unwrap().settle(Outcome::Changed);
    assert_eq!(claimed_keys(journal).await.len(), dirty + 1);
}

#[expect(clippy::disallowed_methods, reason = "only whoever starts the test knows what it may do to a disk")]
fn told(variable: &str) -> Option<PathBuf> {
    env::var(variable).ok().map(PathBuf::from)
}
