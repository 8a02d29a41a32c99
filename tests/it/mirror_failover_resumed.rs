//! Downloads whose store breaks off in the middle: the client sees one body of exactly the right bytes, or a cut
//! connection.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::support::{
    copies::{config, note_current, note_dirty, record},
    gateway::TestGateway,
    raw::Raw,
    recorder::{Answer, Recorded, Recorder},
    s3_client::{Ask, S3_KEYS},
};

const PRIMARY_ETAG: &str = "\"primary-2\"";
const MIRROR_ETAG: &str = "\"mirror\"";
const BYTES: usize = 300_000;

/// Bytes that are the same nowhere near.
fn object() -> Vec<u8> {
    (0..BYTES / 4).flat_map(|at| u32::try_from(at).unwrap().to_be_bytes()).collect()
}

/// What a store says of the object, up to `until` of what was asked for; more it does not send.
fn answer(request: &Recorded, etag: &str, until: usize) -> Answer {
    if request.header("if-match").is_some_and(|asked| asked != etag) {
        return Answer::new("HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n");
    }
    let (status, first, last) = match request.header("range").and_then(|range| range.strip_prefix("bytes=")) {
        None => ("200 OK", 0, BYTES - 1),
        Some(range) => {
            let (first, last) = range.split_once('-').unwrap();
            ("206 Partial Content", first.parse().unwrap(), last.parse().unwrap())
        }
    };
    let bytes = &object()[first..=last];
    let head = format!(
        "HTTP/1.1 {status}\r\netag: {etag}\r\ncontent-length: {}\r\ncontent-range: bytes {first}-{last}/{BYTES}\r\n\r\n",
        bytes.len()
    );
    let sent = [head.as_bytes(), &bytes[..until.min(bytes.len())]].concat();
    if until < bytes.len() { Answer::and_close(sent) } else { Answer::new(sent) }
}

/// A store that has the object, and breaks off behind `until` bytes of each of its first `times` replies.
async fn breaking(etag: &'static str, until: usize, times: usize) -> Recorder {
    let replies = Arc::new(AtomicUsize::new(0));
    Recorder::answering(move |request| {
        let is_sound = replies.fetch_add(1, Ordering::Relaxed) >= times;
        Some(answer(request, etag, if is_sound { usize::MAX } else { until }))
    })
    .await
}

async fn sound(etag: &'static str) -> Recorder {
    breaking(etag, 0, 0).await
}

/// A gateway that knows the mirror's object to be the primary's.
async fn before(primary: &Recorder, mirror: &Recorder) -> TestGateway {
    let toml = [S3_KEYS, &config(&primary.endpoint(), &[&mirror.endpoint()], "")].concat();
    TestGateway::start_after(&toml, async |journal| {
        note_current(journal, "one", "a", record(PRIMARY_ETAG, MIRROR_ETAG, BYTES)).await;
    })
    .await
}

/// The status of a download of `range`, and what came of its body until it was complete or cut.
async fn download(gateway: &TestGateway, range: Option<&str>) -> (u16, Vec<u8>) {
    let ask = Ask::get("/photos/a");
    let ask = range.map_or(ask.clone(), |range| ask.header("range", range));
    let mut raw = Raw::connect(gateway.s3()).await;
    raw.send(ask.sign().line("connection: close").head()).await;
    let head = raw.head().await;
    assert_eq!(head.header("etag"), Some(PRIMARY_ETAG), "{head:?}");
    (head.status, raw.rest().await)
}

#[tokio::test]
async fn a_download_goes_on_at_the_mirror() {
    for until in [0, 1, 65_536, BYTES - 1] {
        let (primary, mirror) = (breaking(PRIMARY_ETAG, until, 1).await, sound(MIRROR_ETAG).await);
        let gateway = before(&primary, &mirror).await;
        let (status, body) = download(&gateway, None).await;
        assert!(status == 200 && body == object(), "{until}: {} bytes", body.len());
        let [asked] = <[Recorded; 1]>::try_from(mirror.requests()).unwrap();
        assert_eq!(asked.header("if-match"), Some(MIRROR_ETAG));
        assert_eq!(asked.header("range"), Some(format!("bytes={until}-{}", BYTES - 1).as_str()));
        assert_eq!(asked.target(), "/stored-photos/copy/a");
    }
}

#[tokio::test]
async fn a_range_goes_on_where_it_broke_off() {
    let (primary, mirror) = (breaking(PRIMARY_ETAG, 1000, 1).await, sound(MIRROR_ETAG).await);
    let gateway = before(&primary, &mirror).await;
    let (status, body) = download(&gateway, Some("bytes=5000-99999")).await;
    assert!(status == 206 && body == object()[5000..100_000], "{} bytes", body.len());
    assert_eq!(mirror.requests()[0].header("range"), Some("bytes=6000-99999"));
}

#[tokio::test]
async fn a_download_from_the_mirror_goes_on_at_the_primary_when_that_is_back() {
    let down = || Answer::new("HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n");
    // It is back when it is asked for a part.
    let primary = Recorder::answering(move |request| {
        let is_back = request.header("range").is_some();
        Some(if is_back { answer(request, PRIMARY_ETAG, usize::MAX) } else { down() })
    })
    .await;
    let requests = AtomicUsize::new(0);
    let mirror = Recorder::answering(move |request| {
        let is_first = requests.fetch_add(1, Ordering::Relaxed) == 0;
        Some(if is_first { answer(request, MIRROR_ETAG, 70_000) } else { down() })
    })
    .await;
    let gateway = before(&primary, &mirror).await;
    let (status, body) = download(&gateway, None).await;
    assert!(status == 200 && body == object(), "{} bytes", body.len());
    let resumed = primary.requests().pop().unwrap();
    assert_eq!(resumed.header("if-match"), Some(PRIMARY_ETAG));
}

#[tokio::test]
async fn stores_that_break_off_again_and_again_are_given_up() {
    let (primary, mirror) =
        (breaking(PRIMARY_ETAG, 100, usize::MAX).await, breaking(MIRROR_ETAG, 100, usize::MAX).await);
    let gateway = before(&primary, &mirror).await;
    let (status, body) = download(&gateway, None).await;
    assert_eq!(status, 200);
    assert!(body == object()[..900], "{} bytes", body.len());
}

/// However the mirror differs, no byte of it follows those of the primary.
#[tokio::test]
async fn other_bytes_never_follow() {
    let length = BYTES - 1000;
    let mirrors = [
        "HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
        // Another object, the whole of it, another range, and another length.
        format!(
            "HTTP/1.1 206 Partial Content\r\netag: \"other\"\r\ncontent-length: {length}\r\ncontent-range: bytes 1000-299999/300000\r\n\r\n"
        ),
        format!("HTTP/1.1 200 OK\r\netag: {MIRROR_ETAG}\r\ncontent-length: {length}\r\n\r\n"),
        format!(
            "HTTP/1.1 206 Partial Content\r\netag: {MIRROR_ETAG}\r\ncontent-length: {length}\r\ncontent-range: bytes 999-299998/300000\r\n\r\n"
        ),
        format!(
            "HTTP/1.1 206 Partial Content\r\netag: {MIRROR_ETAG}\r\ncontent-length: {length}\r\ncontent-range: bytes 1000-299999/300001\r\n\r\n"
        ),
        format!(
            "HTTP/1.1 206 Partial Content\r\netag: W/{MIRROR_ETAG}\r\ncontent-length: {length}\r\ncontent-range: bytes 1000-299999/300000\r\n\r\n"
        ),
    ];
    for head in mirrors {
        let wrong = [head.as_bytes(), &vec![b'x'; length]].concat();
        let mirror = Recorder::answering(move |_| Some(Answer::and_close(wrong.clone()))).await;
        let requests = AtomicUsize::new(0);
        let primary = Recorder::answering(move |request| {
            let is_first = requests.fetch_add(1, Ordering::Relaxed) == 0;
            // Meanwhile it was overwritten.
            Some(answer(request, if is_first { PRIMARY_ETAG } else { "\"newer\"" }, 1000))
        })
        .await;
        let gateway = before(&primary, &mirror).await;
        let (status, body) = download(&gateway, None).await;
        assert_eq!(status, 200, "{head}");
        assert!(body == object()[..1000], "{} bytes after {head}", body.len());
    }
}

/// The mirror may have an older object under the same key.
#[tokio::test]
async fn a_mirror_that_may_be_older_is_not_asked() {
    let (primary, mirror) = (breaking(PRIMARY_ETAG, 1000, usize::MAX).await, sound(MIRROR_ETAG).await);
    let toml = [S3_KEYS, &config(&primary.endpoint(), &[&mirror.endpoint()], "")].concat();
    for is_dirty in [true, false] {
        let gateway = TestGateway::start_after(&toml, async |journal| {
            let of_another = record("\"older\"", MIRROR_ETAG, BYTES);
            note_current(journal, "one", "a", of_another).await;
            if is_dirty {
                note_dirty(journal, "one", "a").await;
            }
        })
        .await;
        let (_, body) = download(&gateway, None).await;
        assert!(object().starts_with(&body) && body.len() < BYTES, "{} bytes", body.len());
        let is_read = |request: &Recorded| request.method() == "GET";
        assert!(!mirror.requests().iter().any(is_read), "{:?}", mirror.requests());
    }
}
