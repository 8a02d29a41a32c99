//! A bucket's policy, in which every resource names the bucket: the provider's document has the provider's name, and the
//! caller's has the caller's.

use bytes::Bytes;
use http::{Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use wharf_wire::s3::{ErrorCode, begins_names_in_policy, rename_in_policy};

use super::{
    Content, body,
    forward::{Handling, Sending},
    reply,
};
use crate::error::S3Error;

/// Bytes of a policy that is read from a provider. S3's have at most 20 KiB.
const POLICY_BYTES_MAX: usize = 64 * 1024;

const WILDCARD: &str = "A resource has a wildcard right behind the bucket's name, which is another one at the provider. Name the bucket \
                        as it is, and its keys behind a slash: arn:aws:s3:::BUCKET, arn:aws:s3:::BUCKET/*.";

/// `GetBucketPolicy`
pub(super) async fn read(handling: &Handling<'_>) -> Result<Response<Content>, S3Error> {
    let headers = handling.headers()?;
    let reply = handling.send(Sending::without_body(headers)).await?;
    let (mut head, body) = reply::succeeded(reply).await?.into_parts();
    let policy = body.read(POLICY_BYTES_MAX).await?;
    let bucket = handling.place.bucket;
    let policy = rename_in_policy(&policy, bucket.bucket.as_str(), &bucket.name);
    head.headers.insert(header::CONTENT_LENGTH, policy.len().into());
    Ok(Response::from_parts(head, Content::Whole(Full::from(policy))))
}

/// `PutBucketPolicy`
pub(super) async fn write(handling: &Handling<'_>, incoming: Incoming) -> Result<Response<Content>, S3Error> {
    let headers = handling.headers()?;
    let policy = body::document(handling, incoming).await?;
    let bucket = handling.place.bucket;
    if bucket.name != bucket.bucket.as_str() && begins_names_in_policy(&policy, &bucket.name) {
        return Err(S3Error::new(ErrorCode::MalformedPolicy, WILDCARD));
    }
    let policy = Bytes::from(rename_in_policy(&policy, &bucket.name, bucket.bucket.as_str()));
    reply::pass(handling.send(Sending::document(headers, policy)).await?).await
}
