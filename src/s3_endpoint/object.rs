//! One object: get, head, put, delete, and what is kept beside it.

use http::Response;
use hyper::body::Incoming;
use wharf_wire::{
    s3::{Body, ErrorCode, Operation},
    xml::{self, XmlError},
};

use super::{
    Content,
    body::{self, Sent},
    failover,
    forward::{Handling, Sending},
    reply,
};
use crate::error::S3Error;

/// Everything that is the same here and there but for bucket and key: what it sends is nothing, or a document that
/// means nothing to Wharf (tags, ACLs, retention, a bucket's settings), and its answer names nothing. JSON never passes so
/// (a test of `wire`'s operations sees to that): in a policy the bucket has a name.
pub(super) async fn pass(handling: &Handling<'_>, incoming: Incoming) -> Result<Response<Content>, S3Error> {
    match handling.operation().body() {
        Body::Xml { root, .. } => document(handling, incoming, root).await,
        Body::None | Body::Object | Body::Form | Body::Json { .. } => plain(handling).await,
    }
}

async fn plain(handling: &Handling<'_>) -> Result<Response<Content>, S3Error> {
    let headers = handling.headers()?;
    failover::check(handling, &headers).await?;
    let intents = handling.intend().await?;
    let reply = reply::pass(handling.change(intents, Sending::without_body(headers)).await?).await;
    if failover::is_read_elsewhere(handling.operation()) {
        return failover::or_elsewhere(handling, reply).await;
    }
    let reply = reply?;
    if handling.operation() == Operation::AbortMultipartUpload {
        handling.abort_upload();
    }
    Ok(reply)
}

/// `PutObject`, and `UploadPart`: the body streams through.
pub(super) async fn upload(
    handling: &Handling<'_>,
    incoming: Incoming,
) -> Result<Response<Content>, S3Error> {
    let is_whole = handling.operation() == Operation::PutObject;
    let mut headers = if is_whole { handling.headers_of_new_object()? } else { handling.headers()? };
    failover::check(handling, &headers).await?;
    let mut teeing =
        if is_whole { handling.teeing_object(&headers)? } else { handling.teeing_part(&headers) };
    let Sent { payload, body } = body::upload(handling, &mut headers, incoming, teeing.as_mut()).await?;
    let intents = if is_whole {
        handling.intend_object(teeing, payload).await?
    } else {
        handling.begin_part(teeing, payload)
    };
    let reply = failover::put(handling, intents, Sending { headers, payload, body }).await?;
    Ok(reply.map(Content::Stream))
}

async fn document(
    handling: &Handling<'_>,
    incoming: Incoming,
    root: &'static str,
) -> Result<Response<Content>, S3Error> {
    let headers = handling.headers()?;
    let document = body::document(handling, incoming).await?;
    if !document.is_empty() {
        xml::check(&document, root).map_err(malformed)?;
    }
    if handling.operation() == Operation::RestoreObject && !document.is_empty() {
        check_restore(&document)?;
    }
    failover::check(handling, &headers).await?;
    let intents = handling.intend().await?;
    reply::pass(handling.change(intents, Sending::document(headers, document)).await?).await
}

/// Its results would go to a bucket that the document names, and for which nobody's rights are checked.
fn check_restore(document: &[u8]) -> Result<(), S3Error> {
    if xml::restores_in_place(document).map_err(malformed)? {
        return Ok(());
    }
    Err(S3Error::new(ErrorCode::NotImplemented, "Wharf restores objects, and runs no queries over them."))
}

fn malformed(error: XmlError) -> S3Error {
    S3Error::new(ErrorCode::MalformedXML, format!("The body is {error}."))
}
