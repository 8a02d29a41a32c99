//! An S3 store in memory, for what a folder cannot hold: any key of 1,024 bytes, and the ways in which stores list that
//! are not S3's.
//!
//! It verifies no signature. It has objects with their content type and user metadata, `If-Match`, `If-None-Match`
//! and both kinds of listings; what it says of tags and ACLs is the same of every object. It counts what it is asked.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};
use wharf_wire::{checksum::Md5Hasher, encode};

/// More than any object of a test.
const OBJECT_BYTES_MAX: usize = 64 << 20;

/// What this store does otherwise than S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are habits that do not depend on one another")]
pub(crate) struct Habits {
    /// Keys of a page.
    pub(crate) page_keys: usize,
    /// Whether it knows `ListObjectsV2`.
    pub(crate) knows_version_two: bool,
    /// Whether it encodes keys when it says so.
    pub(crate) keeps_its_word: bool,
    /// Whether listings have `ETag`s.
    pub(crate) lists_etags: bool,
    /// Whether it lists in the order of UTF-16, as stores of some languages do.
    pub(crate) orders_by_utf16: bool,
    /// It stores no key with this in it.
    pub(crate) refuses: Option<&'static str>,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            page_keys: 1000,
            knows_version_two: true,
            keeps_its_word: true,
            lists_etags: true,
            orders_by_utf16: false,
            refuses: None,
        }
    }
}

/// A stored object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) bytes: Bytes,
    pub(crate) etag: String,
    /// Content headers and user metadata.
    pub(crate) headers: HeaderMap,
}

impl Stored {
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let mut md5 = Md5Hasher::default();
        md5.update(&bytes);
        Self { etag: md5.finish().to_etag(), bytes, headers: HeaderMap::new() }
    }

    /// The same under another `ETag`, as one has it that came in parts.
    pub(crate) fn with_etag(mut self, etag: &str) -> Self {
        etag.clone_into(&mut self.etag);
        self
    }
}

#[derive(Debug, Default)]
struct State {
    objects: Mutex<BTreeMap<String, Stored>>,
    habits: Mutex<Habits>,
    looks: AtomicUsize,
    writes: AtomicUsize,
}

/// The store. Dropping it closes it.
pub(crate) struct MemoryStore {
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

impl MemoryStore {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<State>::default();
        let served = Arc::clone(&state);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&served);
                let service = service_fn(move |request| {
                    let state = Arc::clone(&state);
                    async move { Ok::<_, Infallible>(state.answer(request).await) }
                });
                connections.spawn(async move {
                    // A client that hangs up has said enough.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, state, _tasks: tasks }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn behave(&self, habits: Habits) {
        *self.state.habits.lock().unwrap() = habits;
    }

    /// What it holds, to look at or to change behind everybody's back. Keys have the bucket before them: `photos/a.jpg`.
    pub(crate) fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Stored>> {
        self.state.objects.lock().unwrap()
    }

    pub(crate) fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.objects().insert(key.to_owned(), Stored::new(bytes));
    }

    /// How many objects were asked about.
    pub(crate) fn looks(&self) -> usize {
        self.state.looks.load(Ordering::Relaxed)
    }

    /// How many requests could have changed something.
    pub(crate) fn writes(&self) -> usize {
        self.state.writes.load(Ordering::Relaxed)
    }
}

type Reply = Response<Full<Bytes>>;

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let path = decoded(head.uri.path().trim_start_matches('/'));
        let query: BTreeMap<String, String> = encode::query_pairs(head.uri.query().unwrap_or_default())
            .map(|(name, value)| (decoded_query(name), decoded_query(value)))
            .collect();
        if path.split_once('/').is_none_or(|(_, key)| key.is_empty()) {
            return self.list(path.trim_end_matches('/'), &query);
        }
        if ["tagging", "acl", "retention"].iter().any(|beside| query.contains_key(*beside)) {
            return self.beside(&path);
        }
        match head.method {
            Method::PUT => {
                self.writes.fetch_add(1, Ordering::Relaxed);
                #[expect(clippy::disallowed_methods, reason = "it is limited")]
                let body = Limited::new(body, OBJECT_BYTES_MAX).collect().await;
                match body {
                    Ok(body) => self.put(path, &head.headers, body.to_bytes()),
                    Err(_) => refusal(StatusCode::BAD_REQUEST, "IncompleteBody"),
                }
            }
            Method::DELETE => {
                self.writes.fetch_add(1, Ordering::Relaxed);
                let mut objects = self.objects.lock().unwrap();
                if !do_hold(&head.headers, objects.get(&path)) {
                    return refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
                }
                objects.remove(&path);
                status(StatusCode::NO_CONTENT)
            }
            Method::GET | Method::HEAD => {
                self.looks.fetch_add(usize::from(head.method == Method::HEAD), Ordering::Relaxed);
                self.read(&path, &head.method, &head.headers)
            }
            _ => refusal(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
        }
    }

    fn beside(&self, path: &str) -> Reply {
        if self.objects.lock().unwrap().contains_key(path) {
            return xml("<Tagging><TagSet/></Tagging>".to_owned());
        }
        refusal(StatusCode::NOT_FOUND, "NoSuchKey")
    }

    fn put(&self, path: String, headers: &HeaderMap, bytes: Bytes) -> Reply {
        if self.habits.lock().unwrap().refuses.is_some_and(|part| path.contains(part)) {
            return refusal(StatusCode::BAD_REQUEST, "InvalidArgument");
        }
        let mut objects = self.objects.lock().unwrap();
        if !do_hold(headers, objects.get(&path)) {
            return refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        let mut stored = Stored::new(bytes);
        let is_kept = |name: &str| name == "content-type" || name.starts_with("x-amz-meta-");
        let kept = headers.iter().filter(|(name, _)| is_kept(name.as_str()));
        stored.headers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        let reply = Response::builder().header(header::ETAG, &stored.etag).body(Full::default()).unwrap();
        objects.insert(path, stored);
        reply
    }

    fn read(&self, path: &str, method: &Method, headers: &HeaderMap) -> Reply {
        let Some(stored) = self.objects.lock().unwrap().get(path).cloned() else {
            return refusal(StatusCode::NOT_FOUND, "NoSuchKey");
        };
        if headers.get(header::IF_MATCH).is_some_and(|etag| *etag != stored.etag) {
            return refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        let mut reply = Response::new(Full::default());
        *reply.headers_mut() = stored.headers;
        reply.headers_mut().insert(header::ETAG, stored.etag.parse().unwrap());
        reply.headers_mut().insert(header::LAST_MODIFIED, "Fri, 24 May 2013 00:00:00 GMT".parse().unwrap());
        reply.headers_mut().insert(header::CONTENT_LENGTH, stored.bytes.len().into());
        if *method == Method::GET {
            *reply.body_mut() = Full::new(stored.bytes);
        }
        reply
    }

    fn list(&self, bucket: &str, query: &BTreeMap<String, String>) -> Reply {
        let habits = *self.habits.lock().unwrap();
        let is_two = query.contains_key("list-type") && habits.knows_version_two;
        let behind = if is_two {
            query.get("continuation-token").or(query.get("start-after"))
        } else {
            query.get("marker")
        };
        let below = format!("{bucket}/{}", query.get("prefix").map_or("", String::as_str));
        let objects = self.objects.lock().unwrap();
        let mut listed: Vec<_> = objects
            .iter()
            .filter(|(path, _)| path.starts_with(&below))
            .map(|(path, stored)| (&path[bucket.len() + 1..], stored))
            .collect();
        let order = |key: &str| -> Vec<u32> {
            if habits.orders_by_utf16 {
                key.encode_utf16().map(u32::from).collect()
            } else {
                key.bytes().map(u32::from).collect()
            }
        };
        listed.sort_by_key(|(key, _)| order(key));
        listed.retain(|(key, _)| behind.is_none_or(|behind| order(key) > order(behind)));
        let is_truncated = listed.len() > habits.page_keys;
        listed.truncate(habits.page_keys);
        let mut text = format!("<ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>");
        if query.contains_key("encoding-type") {
            text.push_str("<EncodingType>url</EncodingType>");
        }
        if let Some((last, _)) = listed.last().filter(|_| is_truncated && is_two) {
            write!(text, "<NextContinuationToken>{}</NextContinuationToken>", escaped(last)).unwrap();
        }
        for (key, stored) in listed {
            let key = if habits.keeps_its_word && query.contains_key("encoding-type") {
                let mut encoded = String::new();
                encode::query(key, &mut encoded);
                encoded.replace("%20", "+").replace("%2F", "/")
            } else {
                escaped(key)
            };
            write!(text, "<Contents><Key>{key}</Key><Size>{}</Size>", stored.bytes.len()).unwrap();
            if habits.lists_etags {
                write!(text, "<ETag>{}</ETag>", escaped(&stored.etag)).unwrap();
            }
            text.push_str("<LastModified>2013-05-24T00:00:00.000Z</LastModified></Contents>");
        }
        xml(text + "</ListBucketResult>")
    }
}

/// Whether a change's conditions hold of what is there.
fn do_hold(headers: &HeaderMap, there: Option<&Stored>) -> bool {
    let is_it = |wanted: &HeaderValue| there.is_some_and(|there| *wanted == there.etag);
    headers.get(header::IF_MATCH).is_none_or(is_it)
        && !(headers.contains_key(header::IF_NONE_MATCH) && there.is_some())
}

fn decoded(path: &str) -> String {
    String::from_utf8(encode::decode_path(path).into_owned()).expect("keys of tests are text")
}

fn decoded_query(text: &str) -> String {
    String::from_utf8(encode::decode_query(text).into_owned()).expect("keys of tests are text")
}

/// A text in XML, every character that could mean something there by its number.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '"' | '\'' | '\0'..'\u{20}' => {
                write!(escaped, "&#{};", u32::from(character)).unwrap();
            }
            plain => escaped.push(plain),
        }
    }
    escaped
}

fn xml(text: String) -> Reply {
    Response::builder().header(header::CONTENT_TYPE, "application/xml").body(Full::from(text)).unwrap()
}

fn status(status: StatusCode) -> Reply {
    Response::builder().status(status).body(Full::default()).unwrap()
}

fn refusal(code: StatusCode, name: &str) -> Reply {
    let mut reply = xml(format!("<Error><Code>{name}</Code></Error>"));
    *reply.status_mut() = code;
    reply
}
