//! The side of a copy that is read.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::Body;
use wharf_wire::{
    s3::{CopySource, ErrorCode, Operation, Parameter, Parameters},
    xml::{self, DOCUMENT_BYTES_MAX},
};

use super::{
    super::{
        Place,
        forward::{Sending, tags_as_query},
        reply::{self, upstream_error},
    },
    object::Object,
    plan::Range,
};
use crate::{backend::upstream::ReplyStream, error::S3Error};

const CHECKSUM_MODE: HeaderName = HeaderName::from_static("x-amz-checksum-mode");
const TAG_COUNT: HeaderName = HeaderName::from_static("x-amz-tagging-count");
const ENABLED: HeaderValue = HeaderValue::from_static("ENABLED");

/// What a copy asks of its source, and what a read asks the same with.
const CONDITIONS: [(&str, HeaderName); 4] = [
    ("x-amz-copy-source-if-match", header::IF_MATCH),
    ("x-amz-copy-source-if-modified-since", header::IF_MODIFIED_SINCE),
    ("x-amz-copy-source-if-none-match", header::IF_NONE_MATCH),
    ("x-amz-copy-source-if-unmodified-since", header::IF_UNMODIFIED_SINCE),
];

/// The same, for what every read needs.
const KEYS: [(&str, &str); 5] = [
    (
        "x-amz-copy-source-server-side-encryption-customer-algorithm",
        "x-amz-server-side-encryption-customer-algorithm",
    ),
    ("x-amz-copy-source-server-side-encryption-customer-key", "x-amz-server-side-encryption-customer-key"),
    (
        "x-amz-copy-source-server-side-encryption-customer-key-md5",
        "x-amz-server-side-encryption-customer-key-md5",
    ),
    ("x-amz-request-payer", "x-amz-request-payer"),
    ("x-amz-source-expected-bucket-owner", "x-amz-expected-bucket-owner"),
];

/// The object that is copied.
#[derive(Debug)]
pub(super) struct Source {
    object: Object,
    /// Its version, if one was named.
    parameters: Parameters,
    /// Of every request.
    headers: HeaderMap,
    /// Of the first one.
    conditions: HeaderMap,
}

/// What a provider says of a source.
#[derive(Debug)]
pub(super) struct Found {
    /// Its size.
    pub(super) bytes: u64,
    /// Its metadata.
    pub(super) headers: HeaderMap,
}

/// A source that is being read.
#[derive(Debug)]
pub(super) struct Opened {
    /// How many bytes come.
    pub(super) bytes: u64,
    /// Whether these are all that the object has.
    pub(super) is_whole: bool,
    /// What the provider says of the object.
    pub(super) headers: HeaderMap,
    /// The bytes.
    pub(super) body: ReplyStream,
}

impl Source {
    /// What `asked`, the headers of a copy that may pass, says of its source.
    pub(super) fn new(place: &Place<'_>, source: &CopySource, asked: &HeaderMap) -> Result<Self, S3Error> {
        let mut parameters = Parameters::default();
        if let Some(id) = &source.version_id {
            parameters.set(Parameter::VersionId, id.clone());
        }
        let keys = KEYS.map(|(asked, read)| (asked, HeaderName::from_static(read)));
        Ok(Self {
            object: Object::at(place, &source.key)?,
            parameters,
            headers: renamed(asked, keys),
            conditions: renamed(asked, CONDITIONS),
        })
    }

    /// Asks what it is, if the caller's conditions hold.
    pub(super) async fn look(&self) -> Result<Found, S3Error> {
        let mut headers = self.headers.clone();
        headers.extend(self.conditions.clone());
        let reply = self.ask(Operation::HeadObject, headers).await?;
        let bytes =
            reply.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = bytes.ok_or_else(no_length)?;
        Ok(Found { bytes, headers: reply.into_parts().0.headers })
    }

    /// Begins to read, if the caller's conditions hold.
    pub(super) async fn open(&self, range: Option<Range>) -> Result<Opened, S3Error> {
        let mut headers = self.headers.clone();
        headers.extend(self.conditions.clone());
        self.read(range, headers).await
    }

    /// Reads on, if the object is still the one that has this `etag`.
    pub(super) async fn reopen(&self, range: Range, etag: &HeaderValue) -> Result<Opened, S3Error> {
        let mut headers = self.headers.clone();
        headers.insert(header::IF_MATCH, etag.clone());
        let opened = self.read(Some(range), headers).await;
        let opened = opened
            .map_err(|error| if error.code == ErrorCode::PreconditionFailed { changed() } else { error })?;
        // A store without conditions sends what it has now.
        if opened.headers.get(header::ETAG) == Some(etag) { Ok(opened) } else { Err(changed()) }
    }

    async fn read(&self, range: Option<Range>, mut headers: HeaderMap) -> Result<Opened, S3Error> {
        headers.insert(CHECKSUM_MODE, ENABLED);
        if let Some(range) = range {
            let value = HeaderValue::try_from(range.header());
            headers.insert(header::RANGE, value.map_err(|error| upstream_error(error.to_string()))?);
        }
        let reply = self.ask(Operation::GetObject, headers).await?;
        match range {
            Some(range) => check_range(&reply, range)?,
            None if reply.status() == StatusCode::OK => {}
            None => return Err(upstream_error("the source came in part")),
        }
        let bytes = reply.body().size_hint().exact().ok_or_else(no_length)?;
        let (head, body) = reply.into_parts();
        Ok(Opened { bytes, is_whole: range.is_none(), headers: head.headers, body })
    }

    async fn ask(&self, operation: Operation, headers: HeaderMap) -> Result<Response<ReplyStream>, S3Error> {
        let sending = Sending::without_body(headers);
        let reply = self.object.send(operation, &self.parameters, sending).await?;
        if reply.status() == StatusCode::NOT_MODIFIED {
            // What a read does not get because it has it, a copy does not get at all.
            return Err(ErrorCode::PreconditionFailed.into());
        }
        reply::succeeded(reply).await
    }

    /// The object's tags, as the header of a new object has them. `opened` says whether there are any; one that may
    /// not be asked for is an error, and never an object without its tags.
    pub(super) async fn tags(&self, opened: &Opened) -> Result<Option<HeaderValue>, S3Error> {
        if opened.headers.get(TAG_COUNT).is_none_or(|count| count == "0") {
            return Ok(None);
        }
        let body = self.ask(Operation::GetObjectTagging, self.headers.clone()).await?.into_body();
        let document = reply::read_bounded(body, DOCUMENT_BYTES_MAX).await?;
        let tags = xml::read_tagging(&document).map_err(|error| upstream_error(error.to_string()))?;
        let header = HeaderValue::try_from(tags_as_query(&tags));
        header.map(Some).map_err(|error| upstream_error(error.to_string()))
    }
}

fn no_length() -> S3Error {
    upstream_error("the source's provider does not say how long it is")
}

fn changed() -> S3Error {
    S3Error::new(ErrorCode::PreconditionFailed, "The source changed while it was copied.")
}

/// Of `asked`, the headers on the left under the names on the right.
fn renamed<const N: usize>(asked: &HeaderMap, names: [(&str, HeaderName); N]) -> HeaderMap {
    let found = names.into_iter().filter_map(|(name, read)| Some((read, asked.get(name)?.clone())));
    found.collect()
}

fn check_range(reply: &Response<ReplyStream>, range: Range) -> Result<(), S3Error> {
    let came = reply.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    if reply.status() == StatusCode::PARTIAL_CONTENT && came.is_some_and(|came| range.is_what_came(came)) {
        return Ok(());
    }
    let message = "The source does not have all bytes of x-amz-copy-source-range.";
    Err(S3Error::new(ErrorCode::InvalidArgument, message).cause(format!("what came is {came:?}")))
}
