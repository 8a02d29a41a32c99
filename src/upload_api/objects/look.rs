//! What is at a key.

use http::{HeaderMap, HeaderValue, header};
use wharf_wire::s3::Operation;

use super::named::Named;
use crate::{
    transfer::{Sending, TransferError},
    upload_api::remote::Remote,
};

const FIRST_BYTE: HeaderValue = HeaderValue::from_static("bytes=0-0");

/// Asks what the provider says of an object; `headers` go along.
pub(super) async fn look(
    remote: &Remote,
    named: &Named<'_>,
    headers: HeaderMap,
) -> Result<HeaderMap, TransferError> {
    match remote.ask(named.question(Operation::HeadObject, Sending::without_body(headers))).await {
        Err(refused @ TransferError::Refused { .. }) => Err(why(remote, named).await.unwrap_or(refused)),
        reply => Ok(reply?.into_parts().0.headers),
    }
}

/// Why the provider refuses to say anything: a reply to `HEAD` has no document, and a 404 may be a bucket's as well as an
/// object's. The same question as a `GET` is refused for the same reason, and says it.
async fn why(remote: &Remote, named: &Named<'_>) -> Option<TransferError> {
    let headers = HeaderMap::from_iter([(header::RANGE, FIRST_BYTE)]);
    let asked = remote.ask(named.question(Operation::GetObject, Sending::without_body(headers))).await;
    asked.err().filter(|error| error.code().is_some())
}
