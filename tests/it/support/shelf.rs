//! What a recorder answers when it is to be a store: it keeps what it is sent, in memory, and verifies nothing.
//!
//! Its `ETag`s are made of the content and of its own name, so that they are the same for the same content, and others
//! than another store's, as they are between vendors.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard},
};

use wharf_wire::{checksum::Md5Hasher, encode::decode_query, xml};

use super::recorder::{Answer, Recorded, Recorder};

/// What is kept of an object's headers.
const KEPT: [&str; 3] = ["content-type", "cache-control", "content-encoding"];

/// Parts of a page of an upload's.
const PAGE_PARTS: usize = 2;

/// A store's content. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    name: &'static str,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    begun: usize,
    reads: usize,
}

#[derive(Debug, Clone)]
struct Object {
    etag: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

#[derive(Debug)]
struct Upload {
    path: String,
    headers: Vec<String>,
    parts: BTreeMap<u16, (String, Vec<u8>)>,
}

impl Shelf {
    /// An empty one.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, state: Arc::default() }
    }

    /// A store with a recorder in front of it.
    pub(crate) async fn start(name: &'static str) -> (Self, Recorder) {
        Self::start_with(name, |_| None).await
    }

    /// The same, but what `instead` has an answer to is answered so.
    pub(crate) async fn start_with(
        name: &'static str,
        instead: impl Fn(&Recorded) -> Option<Answer> + Send + Sync + 'static,
    ) -> (Self, Recorder) {
        let shelf = Self::new(name);
        let own = shelf.clone();
        let answer = move |request: &Recorded| {
            instead(request).or_else(|| request.is_complete.then(|| own.answer(request)))
        };
        (shelf, Recorder::answering(answer).await)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What is stored at `path`: bucket and key.
    pub(crate) fn object(&self, path: &str) -> Option<Vec<u8>> {
        self.state().objects.get(path).map(|object| object.body.clone())
    }

    /// Puts an object there, and gives its `ETag`.
    pub(crate) fn keep(&self, path: &str, body: &[u8]) -> String {
        let etag = self.tag(body, "");
        let object = Object { etag: etag.clone(), headers: Vec::new(), body: body.to_vec() };
        self.state().objects.insert(path.to_owned(), object);
        etag
    }

    /// The `ETag` of what is stored at `path`.
    pub(crate) fn etag(&self, path: &str) -> Option<String> {
        self.state().objects.get(path).map(|object| object.etag.clone())
    }

    /// How often an object was read.
    pub(crate) fn reads(&self) -> usize {
        self.state().reads
    }

    /// How many multipart uploads have begun and not ended.
    pub(crate) fn uploads(&self) -> usize {
        self.state().uploads.len()
    }

    /// Does what a complete request asks for, and answers it.
    pub(crate) fn answer(&self, request: &Recorded) -> Answer {
        let (path, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
        let path = path.to_owned();
        match (request.method(), query) {
            ("GET", query) if query.starts_with("tagging") => {
                document("<Tagging><TagSet></TagSet></Tagging>")
            }
            ("PUT", "") => self.put(path, request),
            ("HEAD" | "GET", "") => self.get(&path, request),
            ("DELETE", "") => {
                self.state().objects.remove(&path);
                status("204 No Content")
            }
            (method, query) => self.multipart(method, path, query, request),
        }
    }

    fn put(&self, path: String, request: &Recorded) -> Answer {
        let etag = self.tag(&request.body, "");
        let object = Object { etag: etag.clone(), headers: kept(request), body: request.body.clone() };
        self.state().objects.insert(path, object);
        Answer::new(format!("HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: 0\r\n\r\n"))
    }

    fn get(&self, path: &str, request: &Recorded) -> Answer {
        let Some(Object { etag, headers, body }) = self.state().objects.get(path).cloned() else {
            return match request.method() {
                "HEAD" => status("404 Not Found"),
                _ => error("404 Not Found", "NoSuchKey"),
            };
        };
        if request.header("if-none-match") == Some(&etag) {
            return Answer::new(format!("HTTP/1.1 304 Not Modified\r\netag: {etag}\r\n\r\n"));
        }
        if request.method() == "GET" {
            self.state().reads += 1;
        }
        let mut head = format!("HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {}\r\n", body.len());
        head.push_str("last-modified: Sun, 22 Nov 2026 10:00:00 GMT\r\n");
        for line in headers {
            write!(head, "{line}\r\n").unwrap();
        }
        let body = if request.method() == "HEAD" { Vec::new() } else { body };
        Answer::new([head.as_bytes(), b"\r\n", &body].concat())
    }

    fn multipart(&self, method: &str, path: String, query: &str, request: &Recorded) -> Answer {
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(found, _)| *found == name);
            found.map(|(_, value)| String::from_utf8(decode_query(value).into_owned()).unwrap())
        };
        let mut state = self.state();
        let Some(id) = value("uploadId") else {
            state.begun += 1;
            let id = format!("{}-{}", self.name, state.begun);
            let upload = Upload { path, headers: kept(request), parts: BTreeMap::new() };
            state.uploads.insert(id.clone(), upload);
            return document(&format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            ));
        };
        let Some(upload) = state.uploads.get_mut(&id) else { return error("404 Not Found", "NoSuchUpload") };
        match method {
            "PUT" => {
                let etag = self.tag(&request.body, "");
                let number = value("partNumber").unwrap().parse().unwrap();
                upload.parts.insert(number, (etag.clone(), request.body.clone()));
                Answer::new(format!("HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: 0\r\n\r\n"))
            }
            "DELETE" => {
                state.uploads.remove(&id);
                status("204 No Content")
            }
            "GET" => list(upload, value("part-number-marker").map_or(0, |after| after.parse().unwrap())),
            _ => self.complete(&mut state, &id, request),
        }
    }

    fn complete(&self, state: &mut State, id: &str, request: &Recorded) -> Answer {
        let upload = &state.uploads[id];
        let listed = xml::read_complete_multipart(&request.body).expect("a list of parts");
        let mut body = Vec::new();
        for (number, etag) in &listed {
            match upload.parts.get(number) {
                Some((found, part)) if found.trim_matches('"') == etag.trim_matches('"') => {
                    body.extend_from_slice(part);
                }
                _ => return error("400 Bad Request", "InvalidPart"),
            }
        }
        let etag = self.tag(&body, &format!("-{}", listed.len()));
        let object = Object { etag: etag.clone(), headers: upload.headers.clone(), body };
        let path = upload.path.clone();
        state.objects.insert(path, object);
        state.uploads.remove(id);
        document(&format!(
            "<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>",
            etag.replace('"', "&quot;")
        ))
    }

    fn tag(&self, body: &[u8], suffix: &str) -> String {
        let mut md5 = Md5Hasher::default();
        md5.update(self.name.as_bytes());
        md5.update(body);
        format!("{}{suffix}\"", md5.finish().to_etag().trim_end_matches('"'))
    }
}

fn kept(request: &Recorded) -> Vec<String> {
    let is_kept = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        KEPT.contains(&&*name) || name.starts_with("x-amz-meta-")
    };
    request.head.lines().skip(1).filter(is_kept).map(str::to_owned).collect()
}

fn status(line: &str) -> Answer {
    Answer::new(format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n"))
}

/// An error of S3's.
pub(crate) fn error(line: &str, code: &str) -> Answer {
    let document = format!("<Error><Code>{code}</Code><Message>No.</Message></Error>");
    Answer::new(format!("HTTP/1.1 {line}\r\ncontent-length: {}\r\n\r\n{document}", document.len()))
}

/// A page of an upload's parts.
fn list(upload: &Upload, after: u16) -> Answer {
    let rest = upload.parts.range(after + 1..);
    let is_truncated = rest.clone().count() > PAGE_PARTS;
    let mut text = format!("<ListPartsResult><IsTruncated>{is_truncated}</IsTruncated>");
    let mut last = after;
    for (number, (etag, body)) in rest.take(PAGE_PARTS) {
        let (etag, bytes) = (etag.replace('"', "&quot;"), body.len());
        write!(text, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag><Size>{bytes}</Size></Part>")
            .unwrap();
        last = *number;
    }
    document(&format!("{text}<NextPartNumberMarker>{last}</NextPartNumberMarker></ListPartsResult>"))
}

/// A success with a document.
pub(crate) fn document(text: &str) -> Answer {
    Answer::new(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()))
}
