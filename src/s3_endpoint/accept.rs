//! Holds an object against what its bucket takes, as far as the head of a request tells.

use http::{HeaderMap, header};
use wharf_wire::{names::ObjectKey, s3::ErrorCode};

use super::{Place, forward::Handling};
use crate::{
    error::S3Error,
    request::accept::{NotAccepted, check_extension, check_type, file_bytes_max},
};

/// The type of an object that was sent without one, as S3 stores it.
const UNTYPED: &str = "binary/octet-stream";

/// Refuses a new object whose key or type the bucket does not take. `headers` say what the object will be.
pub(super) fn check_object(handling: &Handling<'_>, headers: &HeaderMap) -> Result<(), S3Error> {
    check_key(handling)?;
    let content_type =
        headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let content_type = content_type.as_deref().unwrap_or(UNTYPED);
    check_type(&handling.place.bucket.accept, content_type).map_err(refused)
}

/// Refuses a key whose extension the bucket does not take.
pub(super) fn check_key(handling: &Handling<'_>) -> Result<(), S3Error> {
    let key = handling.key().map_or("", ObjectKey::as_str);
    check_extension(&handling.place.bucket.accept, key).map_err(refused)
}

/// Refuses what is larger than the provider takes in one request, or the bucket at all.
pub(super) fn check_bytes(place: &Place<'_>, bytes: u64) -> Result<(), S3Error> {
    let put_bytes_max = place.origin.account().profile().limits.put_bytes_max;
    let bytes_max = file_bytes_max(put_bytes_max, Some(&place.bucket.accept));
    if bytes <= bytes_max {
        return Ok(());
    }
    let message = format!("This bucket takes at most {bytes_max} bytes in one request.");
    let error = S3Error::new(ErrorCode::EntityTooLarge, message);
    Err(error.detail("ProposedSize", bytes.to_string()).detail("MaxSizeAllowed", bytes_max.to_string()))
}

/// Bytes of the largest object that the bucket takes, in however many requests.
pub(super) fn object_bytes_max(place: &Place<'_>) -> u64 {
    let limits = &place.origin.account().profile().limits;
    file_bytes_max(limits.object_bytes_max, Some(&place.bucket.accept))
}

/// An object has more than `bytes_max`.
pub(super) fn too_large(bytes_max: u64) -> S3Error {
    let message = format!("This bucket takes objects of at most {bytes_max} bytes.");
    S3Error::new(ErrorCode::EntityTooLarge, message)
}

fn refused(refusal: NotAccepted<'_>) -> S3Error {
    let message = format!("{refusal} It takes {}.", refusal.options().join(", "));
    S3Error::new(ErrorCode::InvalidRequest, message)
}
