//! `wharf sync`, `wharf restore` and `wharf mirror` as an operator meets them, beside a running gateway.

use std::{future::pending, sync::Arc, time::Duration};

use clap::Parser;
use serde_json::Value;
use wharf::{
    cli::{self, Cli, CliError, Command},
    clock::Clock,
    config::{Config, Environment, from_toml_text},
};

use crate::support::{
    gateway::TestGateway,
    memory_store::{Habits, MemoryStore, Stored},
    raw::Raw,
    s3_client::{Ask, Mode, S3_KEYS},
    two_stores::toml,
};

/// A gateway between two stores, and its configuration as commands read it.
struct Operated {
    primary: MemoryStore,
    mirror: MemoryStore,
    gateway: TestGateway,
    config: Arc<Config>,
}

impl Operated {
    async fn start() -> Self {
        Self::between(MemoryStore::start().await, MemoryStore::start().await, "").await
    }

    async fn between(primary: MemoryStore, mirror: MemoryStore, settings: &str) -> Self {
        let toml = [settings, S3_KEYS, &toml(&primary, &mirror)].concat();
        let gateway = TestGateway::start(&toml).await;
        let directory = gateway.data().to_str().unwrap();
        let environment: Environment = [("WHARF_SERVER__DATA_DIRECTORY", directory)].into_iter().collect();
        let config = Arc::new(from_toml_text(&toml, &environment).unwrap());
        Self { primary, mirror, gateway, config }
    }

    /// What a line writes to standard output.
    async fn run(&self, line: &str) -> Result<String, CliError> {
        let line = ["wharf"].into_iter().chain(line.split(' '));
        let command = Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{error}")).command.unwrap();
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let (config, clock) = (&self.config, Clock::System);
        #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else there is, is another test's")]
        let done = match command {
            Command::Sync(arguments) => {
                cli::sync::run(&arguments, config, clock, (&mut out, &mut notes), pending()).await
            }
            Command::Restore(arguments) => {
                cli::restore::run(&arguments, config, clock, (&mut out, &mut notes), pending()).await
            }
            Command::Mirror(arguments) => cli::mirror::run(&arguments, config, clock, &mut out).await,
            other => panic!("{other:?} is another test's"),
        };
        done.map(|()| String::from_utf8(out).unwrap())
    }

    async fn json(&self, line: &str) -> Value {
        let answer = serde_json::from_str(&self.run(line).await.unwrap()).unwrap();
        assert!(is_camel_case(&answer), "{answer}");
        answer
    }

    /// Writes through the gateway, as a client does.
    async fn put(&self, key: &str, bytes: &str) {
        let ask = Ask::put(&format!("/photos/{key}"), Mode::Unsigned, bytes.as_bytes());
        let reply = ask.sign().send(&self.gateway).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// Waits until the mirror has what the primary has, and the journal knows: a worker looks at the source once more after it
    /// has copied, and until that is recorded the key counts as changed.
    async fn until_equal(&self) {
        let waited = tokio::time::timeout(Duration::from_mins(1), async {
            while !self.is_equal() || self.json("mirror status --json").await[0]["dirty"] != 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        waited.await.unwrap();
    }

    fn is_equal(&self) -> bool {
        let bytes = |store: &MemoryStore, prefix: &str| -> Vec<_> {
            let objects = store.objects();
            let object = |(key, stored): (&String, &Stored)| {
                (key.strip_prefix(prefix).unwrap().to_owned(), stored.bytes.clone())
            };
            objects.iter().map(object).collect()
        };
        bytes(&self.primary, "stored-photos/") == bytes(&self.mirror, "stored-photos/copies/")
    }
}

/// Whether all names in it are such, as everywhere in the API.
fn is_camel_case(answer: &Value) -> bool {
    match answer {
        Value::Object(fields) => {
            fields.iter().all(|(name, field)| !name.contains('_') && is_camel_case(field))
        }
        Value::Array(items) => items.iter().all(is_camel_case),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

#[tokio::test]
async fn a_sync_beside_a_gateway_under_load_makes_the_mirror_complete() {
    let operated = Operated::start().await;
    for index in 0..600 {
        operated.primary.put(&format!("stored-photos/old/{index:03}"), format!("before {index}"));
    }
    let writing = async {
        for index in 0..60 {
            operated.put(&format!("old/{:03}", index * 7), &format!("through {index}")).await;
            operated.put(&format!("new/{index}"), "through").await;
        }
    };
    let (done, ()) = tokio::join!(operated.json("sync photos --json"), writing);
    assert_eq!((&done["mirror"], &done["dead"]), (&Value::from("spare"), &Value::from(0)));
    operated.until_equal().await;
    let again = operated.json("sync photos --json --dry-run --egress-price 0.09").await;
    assert_eq!(
        (&again["missing"], &again["different"], &again["egressCost"]),
        (&0.into(), &0.into(), &0.0.into())
    );
    let status = operated.json("mirror status --json").await;
    let spare = &status[0];
    assert_eq!((&spare["mirror"], &spare["dirty"]), (&Value::from("spare"), &Value::from(0)));
    assert!(spare["sync"]["completedAt"].is_string() && spare["sync"]["underWaySince"].is_null(), "{spare}");
    assert!(operated.gateway.shutdown().await);
}

#[tokio::test]
async fn what_was_given_up_is_listed_with_its_cause_and_tried_again_when_asked() {
    let operated = Operated::start().await;
    operated.mirror.behave(Habits { refuses: Some("poison"), ..Habits::default() });
    for key in ["a", "poison", "z"] {
        operated.primary.put(&format!("stored-photos/{key}"), "x");
    }
    let refused = operated.run("sync photos").await.unwrap_err();
    assert!(refused.to_string().starts_with("keys that were given up: 1; "), "{refused}");
    let dead = operated.run("mirror dead --bucket photos --class permanent").await.unwrap();
    assert!(dead.starts_with("photos → spare  \"poison\"  permanent, tried "), "{dead}");
    assert_eq!(operated.run("mirror dead --class auth").await.unwrap(), "no key was given up\n");
    let mut admin = Raw::connect(operated.gateway.admin()).await;
    admin.send("GET /mirrors/dead?class=permanent HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let page: Value = serde_json::from_str(&admin.reply().await.body).unwrap();
    assert_eq!((&page[0]["key"], &page[0]["class"]), (&"poison".into(), &"permanent".into()));
    admin.send("GET /mirrors/dead?class=typo HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let refused = admin.reply().await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.body.starts_with("there is no class `typo`; the classes are auth, config, "),
        "{refused:?}"
    );
    admin.send("GET /mirrors HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let page: Value = serde_json::from_str(&admin.reply().await.body).unwrap();
    assert_eq!(page[0]["dead"]["permanent"], 1, "{page}");
    operated.mirror.behave(Habits::default());
    assert_eq!(
        operated.run("mirror redrive --class permanent").await.unwrap(),
        "keys that are due again: 1\n"
    );
    operated.until_equal().await;
}

#[tokio::test]
async fn a_restore_brings_back_what_was_lost_and_says_what_it_leaves() {
    let operated = Operated::start().await;
    operated.put("a", "first").await;
    operated.put("b", "second").await;
    operated.until_equal().await;
    operated.primary.objects().clear();
    operated.primary.put("stored-photos/b", "another");
    let rehearsed = operated.run("restore photos --from spare --dry-run").await.unwrap();
    assert!(rehearsed.starts_with("2 keys compared, 0 equal, 1 missing, 1 different"), "{rehearsed}");
    assert_eq!(operated.primary.objects().len(), 1);
    let restored = operated.run("restore photos --from spare").await.unwrap();
    assert!(restored.contains("1 restored, 0 replaced\n1 differ and stayed as they are"), "{restored}");
    assert_eq!(operated.primary.objects()["stored-photos/a"].bytes, "first");
    assert_eq!(operated.primary.objects()["stored-photos/b"].bytes, "another");
    let refused = operated.run("restore photos --from nowhere").await.unwrap_err();
    assert!(refused.to_string().contains("there is spare"), "{refused}");
}

#[tokio::test]
async fn a_sync_that_is_stopped_says_so_and_leaves_its_place() {
    let operated = Operated::start().await;
    operated.primary.put("stored-photos/a", "x");
    operated.mirror.behave(Habits { refuses: Some(""), ..Habits::default() });
    let Some(Command::Sync(arguments)) = Cli::try_parse_from(["wharf", "sync", "photos"]).unwrap().command
    else {
        panic!("it is a sync");
    };
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let stop = Box::pin(async {
        while operated.json("mirror status --json").await[0]["sync"]["underWaySince"].is_null() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let stopped =
        cli::sync::run(&arguments, &operated.config, Clock::System, (&mut out, &mut notes), stop).await;
    assert_eq!(stopped.unwrap_err().to_string(), "stopped; the next sync goes on from here");
    let status = operated.json("mirror status --json").await;
    assert!(status[0]["sync"]["underWaySince"].is_string(), "{status}");
}

#[tokio::test]
async fn a_gateway_that_sweeps_finds_what_went_past_it_and_deletes_nothing() {
    let (primary, mirror) = (MemoryStore::start().await, MemoryStore::start().await);
    primary.put("stored-photos/straight", "from a browser");
    mirror.put("stored-photos/copies/alone", "x");
    let operated = Operated::between(primary, mirror, "[mirroring]\nsweep_interval_hours = 1\n").await;
    let waited = tokio::time::timeout(Duration::from_mins(1), async {
        while operated.json("mirror status --json").await[0]["sync"]["completedAt"].is_null() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.unwrap();
    let objects = operated.mirror.objects();
    assert_eq!(objects["stored-photos/copies/straight"].bytes, "from a browser");
    assert!(objects.contains_key("stored-photos/copies/alone"), "nobody has told Wharf of a delete");
}
