//! One of the writers: puts, deletes, tags and multipart uploads on a few keys, and reads of what has not moved yet, whatever
//! becomes of Wharf meanwhile.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Method;
use tokio::time::sleep;

use super::{
    client::{Answer, Bucket, Silence},
    content::{self, PART_BYTES, Size},
    history::{History, State, Told},
    random::Random,
};

/// Few enough that writers meet.
const KEYS: u64 = 20;
/// The key of large objects.
const LARGE_KEY: &str = "large";
/// Objects that are where the bucket was before when it begins. Each is fetched once, or deleted, or written over.
const MOVED_KEYS: u64 = 1000;
/// How often each of them is chosen, about. Writers meet at those that stand side by side.
const TURNS: u64 = 5;

/// What all writers share.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    pub(crate) is_over: AtomicBool,
    /// A large object is wanted.
    pub(crate) wants_large: AtomicBool,
    /// Many requests are wanted for what has not moved yet.
    pub(crate) wants_moved: AtomicBool,
    /// Requests for that so far.
    turns: AtomicU64,
}

/// Puts objects where the bucket was before.
pub(crate) async fn fill_old_place(old: &Bucket, history: &History) -> Result<(), String> {
    for number in 0..MOVED_KEYS {
        let (write, begun) = (history.write(), history.now());
        let (key, body) = (moved_key(number), content::body(write, Size::Small));
        let answer = old.ask(Method::PUT, Some(&key), &[], body).await;
        if told(&answer) != Told::Done {
            return Err(format!("{key} cannot be put where the bucket was before: {answer:?}"));
        }
        history.ended(&key, State::Written(write), begun, Told::Done);
    }
    Ok(())
}

fn moved_key(number: u64) -> String {
    format!("moved-{number:04}")
}

pub(crate) struct Writer {
    pub(crate) bucket: Bucket,
    pub(crate) history: Arc<History>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) random: Random,
}

impl Writer {
    /// Writes until it is told that it is over.
    pub(crate) async fn run(mut self) {
        while !self.orders.is_over.load(Ordering::SeqCst) {
            if self.orders.wants_large.swap(false, Ordering::SeqCst) {
                self.upload(LARGE_KEY, Size::Large).await;
            }
            let share = if self.orders.wants_moved.load(Ordering::SeqCst) { 50 } else { 5 };
            if self.random.below(100) < share {
                self.move_one().await;
                continue;
            }
            let key = format!("key-{:02}", self.random.below(KEYS));
            match self.random.below(100) {
                0..25 => self.delete(&key).await,
                25..37 => self.tag(&key).await,
                37..40 => self.upload(&key, Size::Parts).await,
                _ => self.put(&key).await,
            }
            sleep(Duration::from_millis(self.random.below(30))).await;
        }
    }

    /// Reads what may not have moved yet, deletes it or writes over it.
    async fn move_one(&mut self) {
        let turn = self.orders.turns.fetch_add(1, Ordering::SeqCst);
        let key = moved_key((turn / TURNS + self.random.below(3)).min(MOVED_KEYS - 1));
        match self.random.below(100) {
            0..30 => self.delete(&key).await,
            30..40 => self.put(&key).await,
            _ => {
                let answer = self.bucket.ask(Method::GET, Some(&key), &[], Bytes::new()).await;
                wait_if_down(&answer).await;
            }
        }
    }

    async fn put(&mut self, key: &str) {
        let (write, begun) = (self.history.write(), self.history.now());
        let body = content::body(write, Size::Small);
        let answer = self.bucket.ask(Method::PUT, Some(key), &[], body).await;
        self.history.ended(key, State::Written(write), begun, told(&answer));
        wait_if_down(&answer).await;
    }

    async fn delete(&mut self, key: &str) {
        let begun = self.history.now();
        let answer = self.bucket.ask(Method::DELETE, Some(key), &[], Bytes::new()).await;
        self.history.ended(key, State::Absent, begun, told(&answer));
        wait_if_down(&answer).await;
    }

    /// Tags change no content: the stores are held against each other for them.
    async fn tag(&mut self, key: &str) {
        let tags = format!(
            "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet><Tag><Key>turn</Key><Value>{}</Value>\
             </Tag></TagSet></Tagging>",
            self.history.now()
        );
        let answer = self.bucket.ask(Method::PUT, Some(key), &[("tagging", "")], tags.into()).await;
        wait_if_down(&answer).await;
    }

    /// A multipart upload. Only its completion changes the key.
    async fn upload(&mut self, key: &str, size: Size) {
        let write = self.history.write();
        let body = content::body(write, size);
        let Some(id) = self.begin(key).await else { return };
        let mut document = String::from("<CompleteMultipartUpload>");
        for (index, part) in body.chunks(PART_BYTES).enumerate() {
            let number = (index + 1).to_string();
            let query = [("partNumber", number.as_str()), ("uploadId", id.as_str())];
            let answer = self.bucket.ask(Method::PUT, Some(key), &query, body.slice_ref(part)).await;
            let etag =
                answer.ok().and_then(|answer| Some(answer.headers.get("etag")?.to_str().ok()?.to_owned()));
            let Some(etag) = etag else { return };
            write!(document, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
                .expect("a string");
        }
        document.push_str("</CompleteMultipartUpload>");
        let begun = self.history.now();
        let query = [("uploadId", id.as_str())];
        let answer = self.bucket.ask(Method::POST, Some(key), &query, document.into()).await;
        // A 200 may be followed by an error.
        let is_complete = |answer: &Answer| contains(&answer.body, "<CompleteMultipartUploadResult");
        let told = match told(&answer) {
            Told::Done if !answer.is_ok_and(|answer| is_complete(&answer)) => Told::Nothing,
            told @ (Told::Done | Told::Refused | Told::Nothing) => told,
        };
        self.history.ended(key, State::Written(write), begun, told);
    }

    async fn begin(&self, key: &str) -> Option<String> {
        let answer = self.bucket.ask(Method::POST, Some(key), &[("uploads", "")], Bytes::new()).await;
        wait_if_down(&answer).await;
        let text = String::from_utf8(answer.ok()?.body.to_vec()).ok()?;
        Some(text.split_once("<UploadId>")?.1.split_once("</UploadId>")?.0.to_owned())
    }
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}

fn told(answer: &Result<Answer, Silence>) -> Told {
    match answer {
        Ok(answer) if answer.status.is_success() => Told::Done,
        Ok(answer) if answer.status.is_client_error() => Told::Refused,
        Err(Silence::Unsent) => Told::Refused,
        Ok(_) | Err(Silence::Broken) => Told::Nothing,
    }
}

/// Wharf is being started again.
async fn wait_if_down(answer: &Result<Answer, Silence>) {
    if answer.is_err() {
        sleep(Duration::from_millis(20)).await;
    }
}
