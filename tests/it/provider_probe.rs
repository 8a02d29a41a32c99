//! `wharf test` against a real store, and against one that misbehaves.

use std::{io, sync::atomic::AtomicU64, time::Duration};

use clap::Parser;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use wharf::{
    cli::{CliError, test},
    clock::Clock,
    config,
};

use crate::support::store;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: test::Arguments,
}

/// What the command wrote, and how many checks failed.
async fn run(toml: &str, line: &str, clock: Clock) -> (String, String, usize) {
    let config =
        config::from_toml_text(toml, &config::Environment::default()).expect("a sound configuration");
    let line = Line::try_parse_from(line.split(' ')).expect("a sound line");
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let failed = match test::run(&line.arguments, &config, clock, &mut out, &mut notes).await {
        Ok(()) => 0,
        Err(CliError::Checks(failed)) => failed,
        Err(other) => panic!("{other}"),
    };
    let [out, notes] = [out, notes].map(|text| String::from_utf8(text).expect("text"));
    (out, notes, failed)
}

/// The outcome of each check, by name.
fn outcomes(json: &str) -> Vec<(String, String)> {
    let answer: Value = serde_json::from_str(json).expect("JSON");
    let rows = answer["checks"].as_array().expect("a list").iter();
    rows.map(|row| (row["check"].as_str().unwrap().to_owned(), row["outcome"].as_str().unwrap().to_owned()))
        .collect()
}

fn row<'a>(table: &'a str, check: &str) -> &'a str {
    table.lines().find(|line| line.starts_with(check)).unwrap_or_else(|| panic!("{check} in\n{table}"))
}

fn toml(endpoint: &str, secret: &str, buckets: &[&str]) -> String {
    let mut text = format!(
        "[providers.store]\nplugin = \"minio\"\nendpoint = \"{endpoint}\"\naccess_key_id = \"{}\"\n\
         secret_access_key = \"{secret}\"\n",
        store::ACCESS_KEY
    );
    for bucket in buckets {
        let table = ["[buckets.", bucket, "]\nprovider = \"store\"\nbucket = \"", bucket];
        text.push_str(&table.concat());
        text.push_str("\"\nkey_prefix = \"below/\"\n");
    }
    text
}

/// Every object in the store's bucket; the store keeps an object as a file, and more files about it elsewhere.
fn left_behind(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![directory.join("photos")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => found.push(path),
            }
        }
    }
    found
}

#[tokio::test]
async fn a_good_store_passes_and_nothing_is_left_behind() {
    let store = store::start("photos").await;
    let toml = toml(&store.endpoint(), store::SECRET_KEY, &["photos"]);
    let (out, _, failed) = run(&toml, "test store --json", Clock::System).await;
    let outcomes = outcomes(&out);
    for (check, outcome) in &outcomes {
        let expected = if check == "tls" { "skipped" } else { "passed" };
        assert_eq!(outcome, expected, "{check} in {out}");
    }
    assert_eq!((outcomes.len(), failed), (11, 0));
    assert!(out.contains("below/.wharf-test/"), "the bucket's prefix is kept: {out}");
    assert_eq!(left_behind(store.directory()), Vec::<std::path::PathBuf>::new());
    store.stop().await;
}

#[tokio::test]
async fn a_wrong_secret_is_named_and_what_needs_it_is_skipped() {
    let store = store::start("photos").await;
    let toml = toml(&store.endpoint(), "another-secret-0123456789abcdefghijklmno", &["photos"]);
    let (out, _, failed) = run(&toml, "test store", Clock::System).await;
    assert!(row(&out, "credentials").contains("FAILED   SignatureDoesNotMatch"), "{out}");
    assert!(out.contains("→ correct `secret_access_key`"), "{out}");
    for check in ["list buckets", "bucket reachable", "write", "read back", "multipart"] {
        assert!(row(&out, check).contains("skipped  credentials failed"), "{out}");
    }
    assert!(row(&out, "delete").contains("nothing was stored"), "{out}");
    assert!(!out.contains("another-secret") && failed == 1, "{out}");
    store.stop().await;
}

#[tokio::test]
async fn a_missing_bucket_is_named() {
    let store = store::start("photos").await;
    let toml = toml(&store.endpoint(), store::SECRET_KEY, &["photos"]);
    let (out, _, failed) = run(&toml, "test store --bucket no-such-bucket", Clock::System).await;
    assert!(row(&out, "bucket reachable").contains("FAILED   NoSuchBucket"), "{out}");
    assert!(out.contains("→ correct `bucket`, or create it"), "{out}");
    assert!(row(&out, "write").contains("skipped  bucket reachable failed"), "{out}");
    assert_eq!(failed, 1, "{out}");
    store.stop().await;
}

#[tokio::test]
async fn without_a_bucket_the_account_alone_is_tried() {
    let store = store::start("photos").await;
    let endpoint = store.endpoint();
    let (out, notes, failed) =
        run(&toml(&endpoint, store::SECRET_KEY, &["one-bucket", "two-buckets"]), "test store", Clock::System)
            .await;
    assert!(row(&out, "list buckets").contains("passed   1 of them"), "{out}");
    assert!(row(&out, "write").contains("skipped  no bucket was named"), "{out}");
    assert_eq!(
        (notes.as_str(), failed),
        ("name one of the buckets with --bucket to try it: one-bucket, two-buckets\n", 0)
    );
    store.stop().await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_told() {
    let store = store::start("photos").await;
    let wrong = Box::leak(Box::new(AtomicU64::new(Clock::System.now().unix_millis() - 3_600_000)));
    let toml = toml(&store.endpoint(), store::SECRET_KEY, &["photos"]);
    let (out, ..) = run(&toml, "test store", Clock::Moved(wrong)).await;
    let told = row(&out, "clock skew");
    assert!(
        told.contains("FAILED   this machine is 3600 seconds behind") || told.contains("3599 seconds"),
        "{out}"
    );
    store.stop().await;
}

#[tokio::test]
async fn nobody_at_the_endpoint_is_told_without_a_long_wait() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let toml = toml(&format!("http://{nobody}"), store::SECRET_KEY, &["photos"]);
    let (out, _, failed) =
        tokio::time::timeout(Duration::from_secs(20), run(&toml, "test store", Clock::System)).await.unwrap();
    assert!(row(&out, "clock skew").contains("FAILED   no connection"), "{out}");
    for check in [
        "credentials",
        "list buckets",
        "bucket reachable",
        "write",
        "read back",
        "multipart",
        "delete",
        "CORS",
    ] {
        assert!(row(&out, check).contains("skipped  there is no connection"), "{out}");
    }
    assert_eq!(failed, 1, "one cause is told once: {out}");
    assert!(out.contains("→ see whether the store is up"), "{out}");
}

/// A peer that answers each request line with a status and a body, and says what it was asked.
async fn peer(
    answer: fn(&str) -> (&'static str, &'static str),
) -> (String, tokio::task::JoinHandle<io::Result<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut asked = Vec::new();
        loop {
            let accepted = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await;
            let Ok(accepted) = accepted else { return Ok(asked) };
            let (mut stream, _) = accepted?;
            let mut request = vec![0; 8192];
            let read = stream.read(&mut request).await?;
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let line = request.lines().next().unwrap_or_default();
            let (status, body) = answer(line);
            let head = format!("HTTP/1.1 {status}\r\netag: \"e\"\r\nconnection: close\r\n");
            let reply = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            asked.push(line.to_owned());
            stream.write_all(reply.as_bytes()).await?;
        }
    });
    (endpoint, task)
}

#[tokio::test]
async fn a_web_page_is_no_store() {
    let (endpoint, _peer) = peer(|_| ("200 OK", "<html></html>")).await;
    let (out, ..) = run(&toml(&endpoint, store::SECRET_KEY, &["photos"]), "test store", Clock::System).await;
    assert!(row(&out, "credentials").contains("FAILED   the endpoint does not answer as S3 does"), "{out}");
}

#[tokio::test]
async fn what_a_provider_says_cannot_move_the_cursor() {
    let (endpoint, _peer) = peer(|_| {
        (
            "403 Forbidden",
            "<Error><Code>Odd</Code><Message>\u{9b}2J\u{7f}red &#x9b;[31m alert</Message></Error>",
        )
    })
    .await;
    let (out, ..) = run(&toml(&endpoint, store::SECRET_KEY, &["photos"]), "test store", Clock::System).await;
    assert!(row(&out, "credentials").contains("FAILED   Odd: 2Jred [31m alert"), "{out}");
    assert!(out.chars().all(|character| character == '\n' || !character.is_control()), "{out:?}");
}

#[tokio::test]
async fn rights_that_are_missing_are_named() {
    let (endpoint, _peer) = peer(|_| {
        ("403 Forbidden", "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
    })
    .await;
    let (out, _, failed) =
        run(&toml(&endpoint, store::SECRET_KEY, &["photos"]), "test store", Clock::System).await;
    assert!(row(&out, "credentials").contains("passed"), "{out}");
    assert!(row(&out, "list buckets").contains("skipped  the credentials may not"), "{out}");
    assert!(out.contains("→ grant the credentials s3:PutObject on the bucket"), "{out}");
    assert!(row(&out, "delete").contains("skipped  nothing was stored"), "{out}");
    assert!(row(&out, "multipart").contains("skipped  write failed, and this takes the same right"), "{out}");
    assert!(out.contains("CORS for browsers  FAILED"), "{out}");
    assert_eq!(failed, 2, "{out}");
}

/// A store where nothing is sure but listing.
fn in_trouble(line: &str) -> (&'static str, &'static str) {
    let path = line.split(' ').nth(1).unwrap_or_default();
    match line.split(' ').next() {
        Some("GET") if path == "/" => ("200 OK", "<ListAllMyBucketsResult/>"),
        Some("GET") if path.starts_with("/photos?") => ("200 OK", "<ListBucketResult/>"),
        Some("POST") if path.ends_with("?uploads=") => (
            "200 OK",
            "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
        ),
        Some("POST") => ("200 OK", "<Error><Code>InternalError</Code><Message>after all</Message></Error>"),
        Some("PUT") if path.contains("partNumber=1") => ("200 OK", ""),
        Some("DELETE") if path.contains("uploadId=u1") => ("204 No Content", ""),
        _ => ("500 Internal Server Error", "<Error><Code>InternalError</Code><Message>Oh</Message></Error>"),
    }
}

#[tokio::test]
async fn an_upload_that_is_not_completed_is_aborted_and_what_may_be_there_is_deleted() {
    let (endpoint, peer) = peer(in_trouble).await;
    let config = toml(&endpoint, store::SECRET_KEY, &["photos"]);
    let (out, ..) = run(&config, "test store", Clock::System).await;
    assert!(row(&out, "write").contains("FAILED   InternalError: Oh"), "{out}");
    assert!(row(&out, "multipart").contains("FAILED   InternalError: after all"), "{out}");
    assert!(row(&out, "delete").contains("FAILED   InternalError: Oh"), "{out}");
    let named = out.matches("/object-in-parts, which is left behind").count();
    assert_eq!(named, 1, "{out}");
    let asked = peer.await.unwrap().unwrap();
    let deleted = |end: &str| asked.iter().any(|line| line.starts_with("DELETE") && line.contains(end));
    assert!(deleted("/object-in-parts?uploadId=u1 "), "{asked:?}");
    assert!(deleted("/object ") && deleted("/object-in-parts "), "{asked:?}");
}
