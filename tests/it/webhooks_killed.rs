//! Wharf is killed, again and again, while it delivers: whatever it has answered for is delivered all the same.

use std::{
    collections::HashSet,
    fs,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

use crate::support::{
    process::{Process, free_address},
    raw::post,
    recorder::{Recorded, Recorder},
    s3_client::{Ask, Mode},
    store,
    webhooks::{SECRET, config, opened, reply},
};

const UPLOADS: usize = 1000;
/// Deliveries after which Wharf is killed.
const KILLED_AT: [usize; 3] = [100, 400, 700];
const CLIENTS: usize = 8;

/// Asks until the answer is a success: whoever was cut off by a kill cannot know what came of it, and asks again.
async fn insist(address: SocketAddr, path: &str, body: &str) -> Value {
    loop {
        if let Some(answer) = ask(address, path, body).await {
            return answer;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn ask(address: SocketAddr, path: &str, body: &str) -> Option<Value> {
    let wire = post(path, body).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(wire.as_bytes()).await.ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.ok()?;
    let (head, body) = reply.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200"), "{reply}");
    serde_json::from_str(body).ok()
}

/// Signs `count` uploads with webhooks, and puts the objects where a browser would have sent them. Their webhooks' ids.
async fn uploads(
    api: SocketAddr,
    bucket: Arc<std::path::PathBuf>,
    hook: String,
    count: usize,
) -> Vec<String> {
    let mut ids = Vec::with_capacity(count);
    let body = format!(
        r#"{{"filename":"a.txt","contentType":"application/octet-stream","fileSize":5,
            "webhook":{{"url":"{hook}","secret":"{SECRET}"}}}}"#
    );
    for _ in 0..count {
        let signed = insist(api, "/api/v1/upload/photos/signed-url", &body).await;
        fs::write(bucket.join(signed["key"].as_str().unwrap()), "hello").unwrap();
        ids.push(signed["webhook"]["webhookId"].as_str().unwrap().to_owned());
    }
    ids
}

async fn confirm(api: SocketAddr, ids: Vec<String>) {
    for id in ids {
        insist(api, "/api/v1/webhooks/confirm", &format!(r#"{{"webhookId":"{id}"}}"#)).await;
    }
}

fn complete(record: &[Recorded]) -> usize {
    record.iter().filter(|request| request.is_complete).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_no_delivery() {
    let store = store::start("stored-photos").await;
    let receiver = Recorder::answering(|request| request.is_complete.then(|| reply("200 OK"))).await;
    let directory = tempfile::tempdir().unwrap();
    let toml = config(&store.endpoint(), &receiver.endpoint(), "");
    fs::write(directory.path().join("wharf.toml"), format!("{toml}[server]\ndata_directory = \"data\"\n"))
        .unwrap();
    let mut process = Process::start(directory.path()).await;
    let api = process.api;

    let bucket = Arc::new(store.directory().join("stored-photos"));
    let hook = format!("{}/hook", receiver.endpoint());
    let mut signing = JoinSet::new();
    for _ in 0..CLIENTS {
        signing.spawn(uploads(api, Arc::clone(&bucket), hook.clone(), UPLOADS / CLIENTS));
    }
    let signed: Vec<Vec<String>> = signing.join_all().await;
    assert_eq!(complete(&receiver.requests()), 0, "nothing is told before it is confirmed");

    let mut confirming = JoinSet::new();
    for ids in signed.clone() {
        confirming.spawn(confirm(api, ids));
    }
    for count in KILLED_AT {
        receiver.until(|record| complete(record) >= count).await;
        process.kill_and_restart().await;
    }
    confirming.join_all().await;
    let wanted: HashSet<String> = signed.into_iter().flatten().collect();
    assert_eq!(wanted.len(), UPLOADS);
    let told = |record: &Vec<Recorded>| {
        let whole = record.iter().filter(|request| request.is_complete);
        whole
            .map(|request| opened(request, SECRET)["webhookId"].as_str().unwrap().to_owned())
            .collect::<HashSet<_>>()
    };
    receiver.until(|record| complete(record) >= UPLOADS && told(record) == wanted).await;
    // Who was told twice was told the same: a delivery has one id in every attempt.
    let mut documents = receiver.requests();
    documents.retain(|request| request.is_complete);
    let bodies: HashSet<Vec<u8>> = documents.into_iter().map(|request| request.body).collect();
    assert_eq!(bodies.len(), UPLOADS);
}

/// Changes after which Wharf is killed.
const CHANGED_AT: [usize; 6] = [40, 80, 120, 160, 200, 240];

/// Puts one object after the other until it `is_over`. `acknowledged` has the keys for which there was a success.
async fn put_objects(
    s3: SocketAddr,
    client: usize,
    (acknowledged, is_over): (Arc<Mutex<HashSet<String>>>, Arc<AtomicBool>),
) {
    for count in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let key = format!("in/{client}-{count}");
        if put(s3, &key).await.is_some_and(|status| status.ends_with("200")) {
            acknowledged.lock().unwrap().insert(key);
        } else {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The beginning of the reply, if there is one.
async fn put(s3: SocketAddr, key: &str) -> Option<String> {
    let wire = Ask::put(&format!("/photos/{key}"), Mode::Hash, b"hello").sign();
    let mut stream = TcpStream::connect(s3).await.ok()?;
    stream.write_all(&[wire.head(), wire.body()].concat()).await.ok()?;
    let mut status = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut status).await.ok()?;
    Some(String::from_utf8_lossy(&status).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_no_event_of_what_was_acknowledged() {
    let store = store::start("stored-photos").await;
    let receiver = Recorder::answering(|request| request.is_complete.then(|| reply("200 OK"))).await;
    let (directory, s3) = (tempfile::tempdir().unwrap(), free_address().await);
    let toml = config(&store.endpoint(), &receiver.endpoint(), "");
    let server = format!("[server]\ndata_directory = \"data\"\ns3_listen = \"{s3}\"\n");
    fs::write(directory.path().join("wharf.toml"), [toml, server].concat()).unwrap();
    let mut process = Process::start(directory.path()).await;
    let hook = receiver.endpoint();
    let body = format!(r#"{{"url":"{hook}/hook","bucket":"photos","prefix":"in/","secret":"{SECRET}"}}"#);
    insist(process.api, "/api/v1/webhooks/create", &body).await;

    let acknowledged: Arc<Mutex<HashSet<String>>> = Arc::default();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut writing = JoinSet::new();
    for client in 0..CLIENTS {
        writing.spawn(put_objects(s3, client, (Arc::clone(&acknowledged), Arc::clone(&is_over))));
    }
    for count in CHANGED_AT {
        while acknowledged.lock().unwrap().len() < count {
            sleep(Duration::from_millis(1)).await;
        }
        process.kill_and_restart().await;
    }
    is_over.store(true, Ordering::Relaxed);
    writing.join_all().await;
    let wanted = acknowledged.lock().unwrap().clone();
    let told = |record: &Vec<Recorded>| {
        let whole = record.iter().filter(|request| request.is_complete);
        let keys = whole.map(|request| opened(request, SECRET)["file"]["key"].as_str().unwrap().to_owned());
        keys.collect::<HashSet<_>>()
    };
    receiver.until(|record| complete(record) >= wanted.len() && told(record).is_superset(&wanted)).await;
}
