//! `mode = "tee"`: what a client uploads goes to the mirror at the same time, and nothing is read back from the primary.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::support::{
    gateway::TestGateway,
    raw::{Raw, Reply},
    recorder::{Answer, Recorded, Recorder},
    s3_client::{Ask, Mode},
    s3_form::PostForm,
    shelf::{self, Shelf},
    tee::{COPIES, PATIENCE, PHOTOS, Teed, config},
};

/// What is uploaded.
fn body(size: usize) -> Vec<u8> {
    (0..=250).cycle().take(size).collect()
}

#[tokio::test]
async fn the_bytes_are_the_same_on_both_sides_and_nothing_is_read_back() {
    let teed = Teed::start().await;
    for mode in Mode::ALL {
        for size in [0, 1, 5, 70_000, 1 << 20] {
            let (key, body) = (format!("{mode:?}-{size}"), body(size));
            let ask = Ask::put(&format!("/photos/{key}"), mode, &body);
            let ask = ask.header("x-amz-meta-colour", "red").header("content-type", "image/png");
            let reply = ask.sign().send(&teed.gateway).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            assert_eq!(reply.header("etag"), teed.photos.etag(&format!("{PHOTOS}{key}")).as_deref());
            teed.both_have(&key, &body).await;
            let record = teed.is_current(&key).await;
            assert_eq!(Some(record.primary_etag), teed.photos.etag(&format!("{PHOTOS}{key}")));
            assert_eq!(Some(record.mirror_etag), teed.copies.etag(&format!("{COPIES}{key}")));
        }
    }
    assert_eq!(teed.photos.reads(), 0);
    let copied = "wharf_mirror_tees_total{bucket=\"photos\",mirror=\"spare\",outcome=\"copied\"} 25";
    assert!(teed.gateway.shows(copied).await);
    let puts = Teed::asked(&teed.mirror, "PUT");
    assert_eq!(puts.len(), 25, "each was sent once");
    for put in puts {
        assert_eq!(
            (put.header("x-amz-meta-colour"), put.header("content-type")),
            (Some("red"), Some("image/png"))
        );
        assert_eq!(put.header("x-amz-storage-class"), Some("REDUCED_REDUNDANCY"), "the mirror's own");
        assert_eq!(put.header("x-amz-trailer"), None, "{put:?}");
    }
}

#[tokio::test]
async fn a_forms_file_goes_to_both() {
    let (teed, body) = (Teed::start().await, body(300_000));
    let reply = PostForm::new("a", body.clone()).sign().send(&teed.gateway).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    teed.both_have("a", &body).await;
    teed.is_current("a").await;
    assert_eq!(teed.photos.reads(), 0);
}

/// A primary that answers when it is told to.
async fn slow_primary() -> (Teed, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let (shelf, own) = (Shelf::new("photos"), Arc::clone(&gate));
    let kept = shelf.clone();
    let primary = Recorder::answering(move |request| {
        let is_put = request.method() == "PUT";
        let answer = request.is_complete.then(|| kept.answer(request))?;
        Some(if is_put { answer.after(&own) } else { answer })
    })
    .await;
    (Teed::with((shelf, primary), Shelf::start("copies").await).await, gate)
}

#[tokio::test]
async fn the_last_byte_waits_for_the_primary() {
    let (teed, gate) = slow_primary().await;
    let body = body(1 << 20);
    let mut raw = Raw::connect(teed.gateway.s3()).await;
    let wire = Ask::put("/photos/a", Mode::Hash, &body).sign();
    raw.send([wire.head(), wire.body()].concat()).await;
    teed.primary.until(|record| record.iter().any(|it| it.is_complete)).await;
    teed.mirror.until(|record| record.iter().any(|it| it.body.len() == body.len() - 1)).await;
    assert_eq!(teed.mirror.complete(), 0);
    gate.add_permits(1);
    assert_eq!(raw.reply().await.status, 200);
    teed.both_have("a", &body).await;
}

/// Sends what is no good upload, and waits until both sides know.
async fn spoilt(teed: &Teed, send: impl AsyncFn(&str)) {
    send("/photos/bad").await;
    let fence = Ask::put("/photos/fence", Mode::Hash, b"hello").sign().send(&teed.gateway).await;
    assert_eq!(fence.status, 200);
    teed.is_current("fence").await;
    teed.mirror.settled().await;
    for (side, path) in [(&teed.primary, PHOTOS), (&teed.mirror, COPIES)] {
        let whole = Teed::asked(side, "PUT").into_iter().filter(|it| it.is_complete);
        let whole: Vec<_> = whole.map(|it| it.target().to_owned()).collect();
        assert_eq!(whole, [format!("{path}fence")]);
    }
}

#[tokio::test]
async fn an_upload_with_a_wrong_checksum_is_whole_nowhere() {
    for size in [1, 5, 1 << 20] {
        let (teed, body) = (Teed::start().await, body(size));
        spoilt(&teed, async |target| {
            let ask = Ask::put(target, Mode::SignedTrailer, &body).trailer_of(b"something else");
            assert_eq!(ask.sign().send(&teed.gateway).await.s3_code(), "BadDigest");
        })
        .await;
    }
}

#[tokio::test]
async fn an_upload_whose_client_leaves_is_whole_nowhere() {
    let (teed, body) = (Teed::start().await, body(1 << 20));
    spoilt(&teed, async |target| {
        let wire = Ask::put(target, Mode::Unsigned, &body).sign();
        let mut raw = Raw::connect(teed.gateway.s3()).await;
        raw.send([wire.head(), wire.body()[..700_000].to_vec()].concat()).await;
        teed.mirror.until(|record| record.iter().any(|it| !it.body.is_empty())).await;
        raw.reset();
    })
    .await;
}

#[tokio::test]
async fn what_the_primary_refuses_is_whole_at_no_mirror() {
    for (status, line, code) in [
        (403, "403 Forbidden", "AccessDenied"),
        (412, "412 Precondition Failed", "PreconditionFailed"),
        (500, "500 Internal Server Error", "InternalError"),
    ] {
        for size in [0, 1, 1 << 20] {
            let refuse = move |request: &Recorded| {
                let is_refused = request.method() == "PUT" && request.is_complete;
                is_refused.then(|| shelf::error(line, code))
            };
            let photos = Shelf::start_with("photos", refuse).await;
            let teed = Teed::with(photos, Shelf::start("copies").await).await;
            let body = body(size);
            let reply = Ask::put("/photos/a", Mode::Unsigned, &body).sign().send(&teed.gateway).await;
            assert_eq!(reply.status, status, "{reply:?}");
            teed.mirror.settled().await;
            let puts = Teed::asked(&teed.mirror, "PUT");
            assert!(!puts.into_iter().any(|it| it.is_complete), "{status} {size}");
            assert_eq!(teed.copies.object(&format!("{COPIES}a")), None);
        }
    }
}

/// What goes wrong at a mirror, once.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// It answers 500, having got everything.
    Fails,
    /// It says so before it has read anything.
    FailsEarly,
    /// It refuses.
    Refuses,
    /// It hangs up in the middle.
    Resets,
    /// It does so having got everything.
    ResetsLate,
    /// It has it, and its answer has no `ETag`.
    SaysNothing,
    /// It answers, long after the client has its reply.
    IsSlow,
}

impl Trouble {
    const ALL: [Self; 7] = [
        Self::Fails,
        Self::FailsEarly,
        Self::Refuses,
        Self::Resets,
        Self::ResetsLate,
        Self::SaysNothing,
        Self::IsSlow,
    ];

    fn answer(self, request: &Recorded, gate: &Arc<Semaphore>, store: &Shelf) -> Option<Answer> {
        let whole = request.is_complete;
        match self {
            Self::Fails => whole.then(|| shelf::error("500 Internal Server Error", "InternalError")),
            Self::FailsEarly => Some(shelf::error("500 Internal Server Error", "InternalError")),
            Self::Refuses => whole.then(|| shelf::error("403 Forbidden", "AccessDenied")),
            Self::Resets => (request.body.len() > 100_000).then(|| Answer::and_reset("")),
            Self::ResetsLate => whole.then(|| Answer::and_reset("")),
            Self::SaysNothing => whole.then(|| Answer::new("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")),
            Self::IsSlow => whole.then(|| store.answer(request).after(gate)),
        }
    }
}

#[tokio::test]
async fn trouble_at_a_mirror_is_not_the_clients_and_the_worker_repairs_it() {
    for trouble in Trouble::ALL {
        let (gate, met) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let shelf = Shelf::new("copies");
        let (own, first, kept) = (Arc::clone(&gate), Arc::clone(&met), shelf.clone());
        let mirror = Recorder::answering(move |request| {
            let is_first = request.method() == "PUT" && first.load(Ordering::SeqCst) == 0;
            if !is_first {
                return request.is_complete.then(|| kept.answer(request));
            }
            let answer = trouble.answer(request, &own, &kept);
            first.fetch_add(usize::from(answer.is_some()), Ordering::SeqCst);
            answer
        })
        .await;
        let teed = Teed::with(Shelf::start("photos").await, (shelf, mirror)).await;
        let body = body(1 << 20);
        let reply = Ask::put("/photos/a", Mode::UnsignedTrailer, &body).sign().send(&teed.gateway).await;
        assert_eq!(reply.status, 200, "{trouble:?} {reply:?}");
        assert_eq!(teed.photos.object(&format!("{PHOTOS}a")), Some(body.clone()));
        gate.add_permits(1);
        teed.both_have("a", &body).await;
        assert_eq!(met.load(Ordering::SeqCst), 1, "{trouble:?}");
    }
}

#[tokio::test]
async fn a_mirror_that_reads_nothing_is_left_behind() {
    const SIZE: usize = 64 << 20;
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (photos, primary) = Shelf::start("photos").await;
    let endpoint = format!("http://{}", deaf.local_addr().unwrap());
    let gateway = TestGateway::start(&config(&primary.endpoint(), &endpoint, "")).await;
    let body = body(SIZE);
    let reply: Reply = Ask::put("/photos/a", Mode::Unsigned, &body).sign().send(&gateway).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(photos.object(&format!("{PHOTOS}a")) == Some(body));
    let behind = "wharf_mirror_tees_total{bucket=\"photos\",mirror=\"spare\",outcome=\"behind\"} 1";
    let counted = async {
        while !gateway.shows(behind).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, counted).await.is_ok(), "it is not counted");
}

#[tokio::test]
async fn uploads_that_race_for_a_key_end_the_same_on_both_sides() {
    let teed = Teed::start().await;
    let bodies: Vec<Vec<u8>> = (0..24_u8).map(|index| vec![index; 40_000 + usize::from(index)]).collect();
    let sent = bodies.iter().map(|body| async {
        Ask::put("/photos/a", Mode::Unsigned, body).sign().send(&teed.gateway).await.status
    });
    assert_eq!(futures_util::future::join_all(sent).await, [200; 24]);
    teed.is_current("a").await;
    let stored = teed.photos.object(&format!("{PHOTOS}a"));
    assert!(bodies.iter().any(|body| Some(body) == stored.as_ref()));
    assert!(stored == teed.copies.object(&format!("{COPIES}a")));
}

#[tokio::test]
async fn an_async_mirror_does_not_wait_for_a_teed_one() {
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ((_photos, primary), (copies, other)) = (Shelf::start("photos").await, Shelf::start("copies").await);
    let more = format!(
        "[[buckets.photos.mirrors]]\nprovider = \"other\"\nbucket = \"more-photos\"\n[providers.other]\nplugin = \"minio\"\n\
         endpoint = \"{}\"\naccess_key_id = \"somebody\"\nsecret_access_key = \"somebodys-secret\"\n",
        other.endpoint()
    );
    let endpoint = format!("http://{}", deaf.local_addr().unwrap());
    let gateway = TestGateway::start(&config(&primary.endpoint(), &endpoint, &more)).await;
    let reply = Ask::put("/photos/a", Mode::Hash, b"hello").sign().send(&gateway).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    other.until(|_| copies.object("/more-photos/a").as_deref() == Some(b"hello")).await;
}
