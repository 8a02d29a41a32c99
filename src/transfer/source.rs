//! The side of a copy that is read.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::Body;
use wharf_wire::s3::{Operation, Parameter, Parameters};

use super::{
    Object, Range, Sending, Side, TransferError, answer,
    tags::{self, Tags},
};
use crate::backend::upstream::ReplyStream;

/// Asks for an object's checksum.
pub(super) const CHECKSUM_MODE: HeaderName = HeaderName::from_static("x-amz-checksum-mode");
pub(super) const ENABLED: HeaderValue = HeaderValue::from_static("ENABLED");

const FIRST_BYTE: HeaderValue = HeaderValue::from_static("bytes=0-0");
const TAG_COUNT: HeaderName = HeaderName::from_static("x-amz-tagging-count");

/// The object that is copied.
#[derive(Debug)]
pub struct Source {
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
pub struct Found {
    /// Its size.
    pub bytes: u64,
    /// Its metadata.
    pub headers: HeaderMap,
}

/// A source that is being read.
#[derive(Debug)]
pub struct Opened {
    /// How many bytes come.
    pub bytes: u64,
    /// Whether these are all that the object has.
    pub is_whole: bool,
    /// What the provider says of the object.
    pub headers: HeaderMap,
    /// The bytes.
    pub body: ReplyStream,
}

impl Found {
    /// From the reply to `HEAD`.
    pub(super) fn of(side: Side, reply: Response<ReplyStream>) -> Result<Self, TransferError> {
        let length = reply.headers().get(header::CONTENT_LENGTH);
        let bytes = length.and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = bytes.ok_or_else(|| no_length(side))?;
        Ok(Self { bytes, headers: reply.into_parts().0.headers })
    }
}

impl Source {
    /// The object as it is now.
    pub fn new(object: Object) -> Self {
        Self {
            object,
            parameters: Parameters::default(),
            headers: HeaderMap::new(),
            conditions: HeaderMap::new(),
        }
    }

    /// Its version `id`.
    #[must_use]
    pub fn version(mut self, id: String) -> Self {
        self.parameters.set(Parameter::VersionId, id);
        self
    }

    /// The same, asked for with `headers`: a key that decrypts it, who pays.
    #[must_use]
    pub fn with(self, headers: HeaderMap) -> Self {
        Self { headers, ..self }
    }

    /// The same, if `conditions` hold when it is first looked at.
    #[must_use]
    pub fn on(self, conditions: HeaderMap) -> Self {
        Self { conditions, ..self }
    }

    /// Asks what it is, if the caller's conditions hold.
    pub async fn look(&self) -> Result<Found, TransferError> {
        let mut headers = self.headers.clone();
        headers.extend(self.conditions.clone());
        Found::of(Side::Source, self.ask(Operation::HeadObject, headers).await?)
    }

    /// Why the provider refused. A reply to `HEAD` has no document, and a 404 may be a bucket's as well as an object's: the same
    /// question as a `GET` is refused for the same reason, and says it.
    pub async fn explained(&self, refusal: TransferError) -> TransferError {
        if refusal.status() != Some(StatusCode::NOT_FOUND) || refusal.code().is_some() {
            return refusal;
        }
        let mut headers = self.headers.clone();
        headers.insert(header::RANGE, FIRST_BYTE);
        self.ask(Operation::GetObject, headers).await.err().unwrap_or(refusal)
    }

    /// Begins to read, if the caller's conditions hold.
    pub async fn open(&self, range: Option<Range>) -> Result<Opened, TransferError> {
        let mut headers = self.headers.clone();
        headers.extend(self.conditions.clone());
        self.read(range, headers).await
    }

    /// The same, unless the object is the one that has this `etag`: then there is nothing.
    pub async fn open_unless(&self, etag: Option<&str>) -> Result<Option<Opened>, TransferError> {
        let mut headers = self.headers.clone();
        if let Some(etag) = etag {
            headers.insert(header::IF_NONE_MATCH, value(etag.to_owned())?);
        }
        match self.read(None, headers).await {
            Err(error) if error.status() == Some(StatusCode::NOT_MODIFIED) => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Reads on, if the object is still the one that has this `etag`.
    pub async fn reopen(&self, range: Range, etag: &HeaderValue) -> Result<Opened, TransferError> {
        let mut headers = self.headers.clone();
        headers.insert(header::IF_MATCH, etag.clone());
        let opened = self.read(Some(range), headers).await.map_err(|error| match error.status() {
            Some(StatusCode::PRECONDITION_FAILED) => TransferError::Changed,
            _ => error,
        })?;
        // A store without conditions sends what it has now.
        if opened.headers.get(header::ETAG) == Some(etag) { Ok(opened) } else { Err(TransferError::Changed) }
    }

    async fn read(&self, range: Option<Range>, mut headers: HeaderMap) -> Result<Opened, TransferError> {
        headers.insert(CHECKSUM_MODE, ENABLED);
        if let Some(range) = range {
            headers.insert(header::RANGE, value(range.header())?);
        }
        let reply = self.ask(Operation::GetObject, headers).await?;
        match range {
            Some(range) => check_range(&reply, range)?,
            None if reply.status() == StatusCode::OK => {}
            None => return Err(senseless("the source came in part")),
        }
        let bytes = reply.body().size_hint().exact().ok_or_else(|| no_length(Side::Source))?;
        let (head, body) = reply.into_parts();
        Ok(Opened { bytes, is_whole: range.is_none(), headers: head.headers, body })
    }

    async fn ask(
        &self,
        operation: Operation,
        headers: HeaderMap,
    ) -> Result<Response<ReplyStream>, TransferError> {
        let sent = self.object.send(operation, &self.parameters, Sending::without_body(headers)).await;
        let reply = sent.map_err(|error| TransferError::unanswered(Side::Source, error))?;
        answer::succeeded(Side::Source, reply).await
    }

    /// The object's tags. `found` says whether there are any; one that may not be asked for is an error, and never an
    /// object without its tags.
    pub async fn tags(&self, found: &HeaderMap) -> Result<Tags, TransferError> {
        if found.get(TAG_COUNT).is_none_or(|count| count == "0") {
            return Ok(Tags::new());
        }
        let reply = self.ask(Operation::GetObjectTagging, self.headers.clone()).await?;
        tags::read(Side::Source, reply).await
    }
}

fn value(text: String) -> Result<HeaderValue, TransferError> {
    HeaderValue::try_from(text).map_err(|error| senseless(error.to_string()))
}

fn senseless(what: impl Into<String>) -> TransferError {
    TransferError::Senseless { side: Side::Source, what: what.into() }
}

fn no_length(side: Side) -> TransferError {
    TransferError::Senseless { side, what: "it does not say how long the object is".to_owned() }
}

fn check_range(reply: &Response<ReplyStream>, range: Range) -> Result<(), TransferError> {
    let came = reply.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    if reply.status() == StatusCode::PARTIAL_CONTENT && came.is_some_and(|came| range.is_what_came(came)) {
        return Ok(());
    }
    Err(TransferError::Range(came.unwrap_or("all of it").to_owned()))
}
