//! Buckets as such: which of S3's operations a shared one has, and what Wharf says of one in its own words.
//!
//! A bucket with a key prefix shares the provider's bucket with others. To its callers it is a whole bucket all the same,
//! so whatever would show or change something about everybody's keys is refused, with the reason.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header};
use hyper::body::Incoming;
use wharf_wire::{
    names::Region,
    s3::{ErrorCode, Operation},
    xml,
};

use super::{
    Content, body,
    forward::{Handling, Sending},
    list, reply,
};
use crate::error::S3Error;

const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

/// Refuses what is about the whole bucket at the provider, where this bucket is but a part of it.
pub(super) fn check_shared(handling: &Handling<'_>) -> Result<(), S3Error> {
    if handling.place.bucket.key_prefix.is_empty() || handling.operation().suits_shared_bucket() {
        return Ok(());
    }
    // Some clients make their bucket before each upload, and go on when it is there.
    if handling.operation() == Operation::CreateBucket {
        return Err(ErrorCode::BucketAlreadyOwnedByYou.into());
    }
    let message = "This bucket shares a bucket at its provider with others, so it has no settings of its own and is \
                   neither created nor deleted here. What holds for all of them is set at the provider.";
    Err(S3Error::new(ErrorCode::NotImplemented, message))
}

/// `CreateBucket`: makes the provider's bucket, in the provider's own region. The caller knows Wharf's region alone.
pub(super) async fn create(
    handling: &Handling<'_>,
    incoming: Incoming,
) -> Result<Response<Content>, S3Error> {
    let headers = handling.headers()?;
    let document = body::document(handling, incoming).await?;
    check_new(&document, handling.region())?;
    let region = handling.place.origin.account().region();
    let document = match constraint(region) {
        Some(region) => Bytes::from(xml::write_create_bucket(region)),
        None => Bytes::new(),
    };
    let mut reply = reply::pass(handling.send(Sending::document(headers, document)).await?).await?;
    if let Ok(location) = HeaderValue::from_str(&["/", &handling.place.bucket.name].concat()) {
        reply.headers_mut().insert(header::LOCATION, location);
    }
    Ok(reply)
}

/// Refuses a bucket that is to be in another region, or something else than a bucket like all others.
fn check_new(document: &[u8], region: &Region) -> Result<(), S3Error> {
    if document.is_empty() {
        return Ok(());
    }
    let asked = xml::read_create_bucket(document)
        .map_err(|error| S3Error::new(ErrorCode::MalformedXML, format!("The body is {error}.")))?;
    if asked.has_more {
        let message = "Of a CreateBucketConfiguration, only LocationConstraint is implemented.";
        return Err(S3Error::new(ErrorCode::NotImplemented, message));
    }
    match asked.region {
        Some(asked) if asked != region.as_str() => {
            let message = format!("Buckets here are in the region {}.", region.as_str());
            Err(S3Error::new(ErrorCode::IllegalLocationConstraintException, message))
        }
        Some(_) | None => Ok(()),
    }
}

/// `GetBucketLocation`: Wharf's own region, for which clients sign. Where the provider keeps the bucket is its own matter.
pub(super) fn location(handling: &Handling<'_>) -> Response<Content> {
    list::document(xml::write_location(constraint(handling.region())))
}

/// `HeadBucket`: whether the bucket is there, and for which region clients sign.
pub(super) async fn head(handling: &Handling<'_>) -> Result<Response<Content>, S3Error> {
    let headers = handling.headers()?;
    let mut reply = reply::pass(handling.send(Sending::without_body(headers)).await?).await?;
    if let Ok(region) = HeaderValue::from_str(handling.region().as_str()) {
        reply.headers_mut().insert(BUCKET_REGION, region);
    }
    Ok(reply)
}

/// A region as `LocationConstraint` names it: S3's first one has no name there.
fn constraint(region: &Region) -> Option<&str> {
    Some(region.as_str()).filter(|_| *region != Region::us_east_1())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_bucket_is_in_wharfs_region() {
        let check = |content: &str| {
            let document = ["<CreateBucketConfiguration>", content, "</CreateBucketConfiguration>"].concat();
            check_new(document.as_bytes(), &Region::parse("eu-west-1").unwrap()).map_err(|error| error.code)
        };
        assert!(check_new(b"", &Region::us_east_1()).is_ok());
        assert_eq!(check(""), Ok(()));
        assert_eq!(check("<LocationConstraint>eu-west-1</LocationConstraint>"), Ok(()));
        let elsewhere = Err(ErrorCode::IllegalLocationConstraintException);
        assert_eq!(check("<LocationConstraint>us-west-2</LocationConstraint>"), elsewhere);
        assert_eq!(check("<Tags/>"), Err(ErrorCode::NotImplemented));
        assert_eq!(check("<a>"), Err(ErrorCode::MalformedXML));
    }

    #[test]
    fn the_first_region_has_no_name() {
        assert_eq!(constraint(&Region::us_east_1()), None);
        assert_eq!(constraint(&Region::parse("auto").unwrap()), Some("auto"));
    }
}
