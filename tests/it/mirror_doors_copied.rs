//! What clients do through the S3 endpoint arrives at the mirror: two real stores, the doors, the journal, the workers.

use std::path::PathBuf;

use http::Method;
use wharf_demo::Store;
use wharf_wire::xml::{read_upload_id, write_complete_multipart};

use crate::support::{
    gateway::TestGateway,
    mirrored::{Beside, mirror_at, with_mirrors},
    s3_client::{Ask, Mode, S3_KEYS, in_front_of},
    s3_form::PostForm,
    store::{self, Restartable},
};

const MIB: usize = 1 << 20;

/// A gateway between two stores.
struct Mirrored {
    primary: Store,
    spare: Store,
    gateway: TestGateway,
    beside: Beside,
}

impl Mirrored {
    async fn start() -> Self {
        let (primary, spare) = (store::start("stored-photos").await, store::start("copied-photos").await);
        let config = with_mirrors(&primary.endpoint(), S3_KEYS, &mirror_at(&spare.endpoint()));
        let gateway = TestGateway::start(&config).await;
        let beside = Beside::of(&gateway).await;
        Self { primary, spare, gateway, beside }
    }

    async fn ask(&self, ask: Ask<'_>) -> String {
        let reply = ask.sign().send(&self.gateway).await;
        assert!((200..300).contains(&reply.status), "{reply:?}");
        reply.body
    }

    async fn put(&self, key: &str, body: &[u8]) {
        self.ask(Ask::put(&format!("/photos/{key}"), Mode::SignedTrailer, body)).await;
    }

    fn file(&self, key: &str) -> [PathBuf; 2] {
        [self.primary.directory().join("stored-photos"), self.spare.directory().join("copied-photos")]
            .map(|bucket| bucket.join(key))
    }

    /// Waits until nothing is missing of `key`, which both stores then have with `body`.
    async fn has(&self, key: &str, body: &[u8]) {
        self.beside.until_clean("spare", key).await;
        for file in self.file(key) {
            assert!(std::fs::read(&file).unwrap() == body, "{}", file.display());
        }
    }

    /// The same of a key that neither store has.
    async fn has_not(&self, key: &str) {
        self.beside.until_clean("spare", key).await;
        for file in self.file(key) {
            assert!(!file.exists(), "{}", file.display());
        }
    }
}

#[tokio::test]
async fn what_is_written_is_copied() {
    let mirrored = Mirrored::start().await;
    mirrored.put("a", b"hello").await;
    mirrored.put("empty", b"").await;
    mirrored.has("a", b"hello").await;
    mirrored.has("empty", b"").await;
    mirrored.put("a", b"hello again").await;
    mirrored.has("a", b"hello again").await;
    assert_eq!(PostForm::new("posted", "from a form").sign().status(&mirrored.gateway).await, 204);
    mirrored.has("posted", b"from a form").await;
    mirrored.ask(Ask::new(Method::PUT, "/photos/b").header("x-amz-copy-source", "photos/a")).await;
    mirrored.has("b", b"hello again").await;
}

#[tokio::test]
async fn what_is_put_together_of_parts_is_copied() {
    let mirrored = Mirrored::start().await;
    let parts = [vec![b'a'; 5 * MIB], b"and an end".to_vec()];
    let upload_id = mirrored.ask(Ask::new(Method::POST, "/photos/large?uploads")).await;
    let upload_id = read_upload_id(upload_id.as_bytes()).unwrap();
    let mut etags = Vec::new();
    for (number, part) in (1..).zip(&parts) {
        let target = format!("/photos/large?partNumber={number}&uploadId={upload_id}");
        let reply = Ask::put(&target, Mode::Hash, part).sign().send(&mirrored.gateway).await;
        etags.push((number, reply.header("etag").unwrap().to_owned()));
    }
    assert!(!mirrored.beside.is_dirty("spare", "large").await, "a part is no object");
    let etags: Vec<_> = etags.iter().map(|(number, etag)| (*number, etag.as_str())).collect();
    let document = write_complete_multipart(&etags);
    let complete = Ask::new(Method::POST, &format!("/photos/large?uploadId={upload_id}"));
    mirrored.ask(complete.body(Mode::Hash, document.as_bytes())).await;
    mirrored.has("large", &parts.concat()).await;
}

#[tokio::test]
async fn what_is_deleted_is_deleted() {
    let mirrored = Mirrored::start().await;
    for key in ["a", "b", "c", "kept"] {
        mirrored.put(key, key.as_bytes()).await;
        mirrored.has(key, key.as_bytes()).await;
    }
    mirrored.ask(Ask::new(Method::DELETE, "/photos/a")).await;
    mirrored.has_not("a").await;
    let delete = b"<Delete><Object><Key>b</Key></Object><Object><Key>c</Key></Object></Delete>";
    mirrored.ask(Ask::new(Method::POST, "/photos?delete").body(Mode::Hash, delete)).await;
    mirrored.has_not("b").await;
    mirrored.has_not("c").await;
    mirrored.has("kept", b"kept").await;
    mirrored.put("a", b"back again").await;
    mirrored.has("a", b"back again").await;
}

#[tokio::test]
async fn what_a_gateway_left_behind_is_copied_by_the_next() {
    let (primary, mut spare) =
        (store::start("stored-photos").await, Restartable::start("copied-photos").await);
    spare.stop().await;
    let config = with_mirrors(&primary.endpoint(), S3_KEYS, &mirror_at(&spare.endpoint()));
    let gateway = TestGateway::start(&config).await;
    assert_eq!(Ask::put("/photos/a", Mode::Hash, b"hello").sign().status(&gateway).await, 200);
    spare.restart().await;
    let gateway = gateway.succeeded(&config).await;
    let beside = Beside::of(&gateway).await;
    beside.until_clean("spare", "a").await;
    assert_eq!(std::fs::read(spare.directory().join("copied-photos/a")).unwrap(), b"hello");
    // Without mirrors nothing is copied any more.
    gateway.reload_toml(&in_front_of(&primary.endpoint(), S3_KEYS)).await;
    assert_eq!(Ask::put("/photos/b", Mode::Hash, b"hello").sign().status(&gateway).await, 200);
    assert!(gateway.shutdown().await);
    assert!(!spare.directory().join("copied-photos/b").exists());
}
