//! Multipart uploads at a mirror with `mode = "tee"`: begun, filled and ended there as at the primary.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Method;
use tokio::{sync::Semaphore, time::sleep};
use wharf_wire::xml;

use crate::support::{
    raw::Reply,
    recorder::{Answer, Recorded, Recorder},
    s3_client::{Ask, Mode},
    shelf::{self, Shelf},
    tee::{COPIES, PHOTOS, Teed, until},
};

/// A client's upload.
struct Upload<'a> {
    teed: &'a Teed,
    key: &'static str,
    id: String,
}

impl<'a> Upload<'a> {
    async fn begin(teed: &'a Teed, key: &'static str) -> Self {
        let ask =
            Ask::new(Method::POST, &format!("/photos/{key}?uploads")).header("x-amz-meta-colour", "red");
        let reply = ask.sign().send(&teed.gateway).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        Self { teed, key, id: xml::read_upload_id(reply.body.as_bytes()).unwrap() }
    }

    /// Sends a part, and gives its `ETag`.
    async fn part(&self, number: u16, body: &[u8]) -> String {
        let target = format!("/photos/{}?partNumber={number}&uploadId={}", self.key, self.id);
        let reply = Ask::put(&target, Mode::UnsignedTrailer, body).sign().send(&self.teed.gateway).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.header("etag").unwrap().to_owned()
    }

    async fn complete(&self, parts: &[(u16, &str)]) -> Reply {
        let document = xml::write_complete_multipart(parts);
        let ask = Ask::new(Method::POST, &format!("/photos/{}?uploadId={}", self.key, self.id));
        ask.body(Mode::Hash, document.as_bytes()).sign().send(&self.teed.gateway).await
    }

    async fn abort(&self) {
        let ask = Ask::new(Method::DELETE, &format!("/photos/{}?uploadId={}", self.key, self.id));
        assert_eq!(ask.sign().send(&self.teed.gateway).await.status, 204);
    }
}

/// Waits until the mirror has no upload that is not ended.
async fn nothing_left(teed: &Teed) {
    while teed.copies.uploads() > 0 {
        sleep(Duration::from_millis(10)).await;
    }
}

/// Whether the mirror was sent a part of this number to its end.
fn has_part(teed: &Teed, number: u16) -> bool {
    let name = format!("partNumber={number}");
    Teed::asked(&teed.mirror, "PUT").iter().any(|it| it.is_complete && it.target().contains(&name))
}

fn part(number: u8) -> Vec<u8> {
    vec![number; 300_000 + usize::from(number)]
}

#[tokio::test]
async fn an_upload_in_parts_is_made_of_the_same_parts_at_the_mirror() {
    let teed = Teed::start().await;
    let upload = Upload::begin(&teed, "a").await;
    let (one, three) = (part(1), part(3));
    let (third, first) = tokio::join!(upload.part(3, &three), upload.part(1, &one));
    let wrong = upload.part(2, b"to be replaced").await;
    // Parts of one number that are on their way at once may overtake each other, which costs a copy.
    until(|| has_part(&teed, 2)).await;
    let second = upload.part(2, &part(2)).await;
    assert_ne!(wrong, second);
    let parts = [(1, first.as_str()), (2, second.as_str()), (3, third.as_str())];
    let reply = upload.complete(&parts).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let whole = [part(1), part(2), part(3)].concat();
    teed.both_have("a", &whole).await;
    let record = teed.is_current("a").await;
    assert_eq!(Some(record.primary_etag), teed.photos.etag(&format!("{PHOTOS}a")));
    assert_eq!(Some(record.mirror_etag), teed.copies.etag(&format!("{COPIES}a")));
    assert_eq!(record.bytes, whole.len() as u64);
    assert_eq!((teed.photos.reads(), teed.copies.uploads()), (0, 0));
    let begun =
        Teed::asked(&teed.mirror, "POST").into_iter().find(|it| it.target().contains("uploads")).unwrap();
    assert_eq!(begun.header("x-amz-meta-colour"), Some("red"));
    assert_eq!(begun.header("x-amz-storage-class"), Some("REDUCED_REDUNDANCY"));
}

#[tokio::test]
async fn a_part_that_the_mirror_lacks_is_left_to_the_worker() {
    let failed = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&failed);
    let copies = Shelf::start_with("copies", move |request| {
        let is_second = request.is_complete && request.target().contains("partNumber=2");
        let fails = is_second && own.fetch_add(1, Ordering::SeqCst) == 0;
        fails.then(|| shelf::error("500 Internal Server Error", "InternalError"))
    })
    .await;
    let teed = Teed::with(Shelf::start("photos").await, copies).await;
    let upload = Upload::begin(&teed, "a").await;
    let (first, second) = (upload.part(1, &part(1)).await, upload.part(2, &part(2)).await);
    let reply = upload.complete(&[(1, first.as_str()), (2, second.as_str())]).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    teed.both_have("a", &[part(1), part(2)].concat()).await;
    teed.is_current("a").await;
    nothing_left(&teed).await;
    assert_eq!(teed.photos.reads(), 1);
}

#[tokio::test]
async fn parts_wait_for_a_mirror_that_begins_slowly() {
    let gate = Arc::new(Semaphore::new(0));
    let (shelf, own) = (Shelf::new("copies"), Arc::clone(&gate));
    let kept = shelf.clone();
    let mirror = Recorder::answering(move |request: &Recorded| {
        let answer: Answer = request.is_complete.then(|| kept.answer(request))?;
        Some(if request.target().contains("uploads") { answer.after(&own) } else { answer })
    })
    .await;
    let teed = Teed::with(Shelf::start("photos").await, (shelf, mirror)).await;
    let upload = Upload::begin(&teed, "a").await;
    let (first, second) = (upload.part(1, &part(1)).await, upload.part(2, &part(2)).await);
    let reply = upload.complete(&[(1, first.as_str()), (2, second.as_str())]).await;
    assert_eq!(reply.status, 200, "the client waits for no mirror: {reply:?}");
    gate.add_permits(1);
    teed.both_have("a", &[part(1), part(2)].concat()).await;
    teed.is_current("a").await;
    assert_eq!((teed.photos.reads(), teed.copies.uploads()), (0, 0));
}

#[tokio::test]
async fn a_refused_completion_can_be_tried_again_at_the_mirror_too() {
    let teed = Teed::start().await;
    let upload = Upload::begin(&teed, "a").await;
    let first = upload.part(1, &part(1)).await;
    let refused = upload.complete(&[(1, "\"another\"")]).await;
    assert_eq!((refused.status, refused.s3_code()), (400, "InvalidPart"));
    assert_eq!(upload.complete(&[(1, first.as_str())]).await.status, 200);
    teed.both_have("a", &part(1)).await;
    teed.is_current("a").await;
    assert_eq!((teed.photos.reads(), teed.copies.uploads()), (0, 0));
}

#[tokio::test]
async fn an_aborted_upload_is_aborted_at_the_mirror() {
    let teed = Teed::start().await;
    let upload = Upload::begin(&teed, "a").await;
    upload.part(1, &part(1)).await;
    upload.abort().await;
    nothing_left(&teed).await;
    assert_eq!(teed.copies.object(&format!("{COPIES}a")), None);
}

#[tokio::test]
async fn an_upload_that_nobody_ends_is_aborted_at_the_mirror_in_the_end() {
    let teed = Teed::start().await;
    let upload = Upload::begin(&teed, "a").await;
    upload.part(1, &part(1)).await;
    let other = Upload::begin(&teed, "b").await;
    other.part(1, &part(1)).await;
    // Parts follow when the database knows of the uploads.
    let has_parts = |record: &Vec<Recorded>| record.iter().filter(|it| it.method() == "PUT").count() == 2;
    teed.mirror.until(has_parts).await;
    teed.clean_up_after(Duration::from_hours(6 * 24)).await;
    assert_eq!(teed.copies.uploads(), 2, "a client may still go on");
    teed.clean_up_after(Duration::from_hours(8 * 24)).await;
    assert_eq!(teed.copies.uploads(), 0);
    assert_eq!(teed.photos.uploads(), 2, "the primary's are its own business");
    // Whoever goes on all the same gets an object, and the mirror a copy of it.
    let second = upload.part(2, &part(2)).await;
    assert_eq!(upload.complete(&[(2, second.as_str())]).await.status, 200);
    teed.both_have("a", &part(2)).await;
}
