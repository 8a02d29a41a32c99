//! Multipart uploads: begin, list the parts, complete. An upload's id is the provider's own.

use bytes::Bytes;
use http::{HeaderMap, Response};
use hyper::body::Incoming;
use wharf_wire::{s3::ErrorCode, xml};

use super::{
    Content, body, failover,
    forward::{Handling, Sending},
    reply,
};
use crate::error::S3Error;

/// `CreateMultipartUpload`: type, class and encryption of the object are chosen here.
pub(super) async fn create(handling: &Handling<'_>) -> Result<Response<Content>, S3Error> {
    let mut headers = handling.headers_of_new_object()?;
    if !keeps_checksums(handling) {
        drop_checksums(&mut headers);
    }
    let described = handling.is_teed().then(|| headers.clone());
    let reply = handling.send(Sending::without_body(headers)).await?;
    let Some(described) = described else { return reply::pass_renamed(reply, handling.names()).await };
    let (reply, begun) = reply::pass_read(reply, handling.names()).await?;
    if let Ok(id) = xml::read_upload_id(&begun) {
        handling.begin_upload(&id, &described);
    }
    Ok(reply)
}

/// `ListParts`.
pub(super) async fn list_parts(handling: &Handling<'_>) -> Result<Response<Content>, S3Error> {
    let headers = handling.headers()?;
    reply::pass_renamed(handling.send(Sending::without_body(headers)).await?, handling.names()).await
}

/// `CompleteMultipartUpload`: the provider may answer 200 at once, white space while it works, and an error in the end;
/// all of that streams through as it comes.
pub(super) async fn complete(
    handling: &Handling<'_>,
    incoming: Incoming,
) -> Result<Response<Content>, S3Error> {
    let mut headers = handling.headers()?;
    failover::check(handling, &headers).await?;
    let mut document = body::document(handling, incoming).await?;
    let parts = xml::read_complete_multipart(&document)
        .map_err(|error| S3Error::new(ErrorCode::MalformedXML, format!("The body is {error}.")))?;
    if !keeps_checksums(handling) {
        drop_checksums(&mut headers);
        let listed: Vec<_> = parts.iter().map(|(number, etag)| (*number, etag.as_str())).collect();
        document = Bytes::from(xml::write_complete_multipart(&listed));
    }
    let mut names = handling.names();
    names.location = handling.location();
    let intents = handling.intend_complete(parts).await?;
    let (reply, intents) = handling.change_slowly(intents, Sending::completion(headers, document)).await?;
    reply::pass_settled(reply, names, intents).await
}

/// Whether the provider gets every checksum of a part. Those that follow a part go no further than Wharf where it takes no
/// trailers, and an upload that was promised checksums would be refused without them.
fn keeps_checksums(handling: &Handling<'_>) -> bool {
    handling.place.origin.account().takes_trailers()
}

/// Forgets what is promised of checksums, and a whole object's that the provider has none of its own to compare with.
pub(super) fn drop_checksums(headers: &mut HeaderMap) {
    let promised = headers.keys().filter(|name| name.as_str().starts_with("x-amz-checksum-"));
    for name in promised.cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
}
