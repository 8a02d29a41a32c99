//! Replies: one struct per shape, written straight into the response's one buffer.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;
use serde::{Serialize, Serializer};

use crate::error::{Code, Error};

/// What a client has to know before it uses a reply, in one text.
#[derive(Debug, Default)]
pub(super) struct Hints(String);

impl Hints {
    /// Adds `hint` if it `applies`.
    #[must_use]
    pub(super) fn when(mut self, applies: bool, hint: &str) -> Self {
        if applies {
            if !self.0.is_empty() {
                self.0.push(' ');
            }
            self.0.push_str(hint);
        }
        self
    }

    /// Says that headers belong to a signature.
    #[must_use]
    pub(super) fn required_headers(self, applies: bool) -> Self {
        self.when(
            applies,
            "Send the headers in requiredHeaders with the PUT: they are part of the signature. A client that sends \
             Content-Type alone needs the bucket's default encryption instead.",
        )
    }

    /// Says that a bucket is private.
    #[must_use]
    pub(super) fn private(self, applies: bool) -> Self {
        self.when(applies, "The bucket is private: publicUrl says where the object is, and reading it there takes a signed download URL.")
    }

    /// Says that no webhook was registered.
    #[must_use]
    pub(super) fn webhook(self, applies: bool) -> Self {
        self.when(applies, "No webhook was registered: this server sends none.")
    }
}

/// `null` if there are none.
impl Serialize for Hints {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (!self.0.is_empty()).then_some(self.0.as_str()).serialize(serializer)
    }
}

/// Headers that a client must send, as a JSON object.
#[derive(Debug)]
pub(super) struct RequiredHeaders(pub(super) Vec<(&'static str, String)>);

impl Serialize for RequiredHeaders {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// How a request went, for the client's log.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Performance<'a> {
    pub(super) request_id: &'a str,
    /// Milliseconds, with their unit: clients print it.
    pub(super) total_time: String,
}

/// 200 with `reply` as its JSON. `bytes` is about as many as it will have.
pub(super) fn ok<T: Serialize>(reply: &T, bytes: usize) -> Result<Response<Full<Bytes>>, Error> {
    let mut json = Vec::with_capacity(bytes);
    serde_json::to_writer(&mut json, reply).map_err(|problem| {
        Error::new(Code::Internal, "The reply could not be written.").cause(problem.to_string())
    })?;
    let mut response = Response::new(Full::new(Bytes::from(json)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
