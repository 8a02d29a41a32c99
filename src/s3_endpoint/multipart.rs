//! Multipart uploads: begin, list the parts, complete. An upload's id is the provider's own.

use http::Response;
use hyper::body::Incoming;
use wharf_wire::{s3::ErrorCode, xml};

use super::{
    Content, body,
    forward::{Handling, Sending},
    reply,
};
use crate::error::S3Error;

/// `CreateMultipartUpload`: type, class and encryption of the object are chosen here.
pub(super) async fn create(handling: &Handling<'_>) -> Result<Response<Content>, S3Error> {
    let headers = handling.headers_of_new_object()?;
    reply::pass_renamed(handling.send(Sending::without_body(headers)).await?, handling.names()).await
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
    let headers = handling.headers()?;
    let document = body::document(handling, incoming).await?;
    xml::check_complete_multipart(&document)
        .map_err(|error| S3Error::new(ErrorCode::MalformedXML, format!("The body is {error}.")))?;
    let mut names = handling.names();
    names.location = handling.location();
    reply::pass_renamed(handling.send(Sending::document(headers, document)).await?, names).await
}
