//! An object's tags: read, compared and written apart from the object.

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use wharf_wire::{
    encode,
    s3::{Operation, Parameters},
    xml::{self, DOCUMENT_BYTES_MAX},
};

use super::{Object, Sending, Side, TransferError, answer};
use crate::backend::upstream::{ReplyStream, UpstreamError};

/// Names and values, as the provider lists them.
pub type Tags = Vec<(String, String)>;

/// Tags as a header has them: `a=b&c=d`.
pub fn tags_as_query(tags: &[(String, String)]) -> String {
    let mut query = String::new();
    for (key, value) in tags {
        if !query.is_empty() {
            query.push('&');
        }
        encode::query(key, &mut query);
        query.push('=');
        encode::query(value, &mut query);
    }
    query
}

/// The header of a new object that has these tags; none where there are none.
pub fn tags_header(tags: &[(String, String)]) -> Result<Option<HeaderValue>, TransferError> {
    if tags.is_empty() {
        return Ok(None);
    }
    let header = HeaderValue::try_from(tags_as_query(tags));
    header.map(Some).map_err(|error| TransferError::Senseless { side: Side::Source, what: error.to_string() })
}

impl Object {
    /// The object's tags; `None` where its provider has no such thing. Some say so; others do not know the question, and
    /// answer with the object.
    pub async fn tags(&self, side: Side) -> Result<Option<Tags>, TransferError> {
        let operation = Operation::GetObjectTagging;
        let sent =
            self.send(operation, &Parameters::default(), Sending::without_body(HeaderMap::new())).await;
        let reply = sent.map_err(|error| TransferError::unanswered(side, error))?;
        if reply.status() == StatusCode::NOT_IMPLEMENTED {
            return Ok(None);
        }
        match read(side, answer::succeeded(side, reply).await?).await {
            Ok(tags) => Ok(Some(tags)),
            Err(
                TransferError::Senseless { .. }
                | TransferError::Unanswered { error: UpstreamError::TooLarge(_), .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Reads the answer to `GetObjectTagging`.
pub(super) async fn read(side: Side, reply: Response<ReplyStream>) -> Result<Tags, TransferError> {
    let document = reply.into_body().read(DOCUMENT_BYTES_MAX).await;
    let document = document.map_err(|error| TransferError::unanswered(side, error))?;
    xml::read_tagging(&document).map_err(|error| answer::late_error(side, &document, error))
}
