//! Received text of a URI, decoded once and strictly: a broken escape or what is no UTF-8 has no meaning to S3.

use std::borrow::Cow;

use crate::encode;

use super::{ErrorCode, Refusal};

/// The text of a path's part. `+` is a plus.
pub(super) fn decode_path(received: &str) -> Result<Cow<'_, str>, Refusal> {
    text(received, encode::decode_path)
}

/// The text of a query's name or value. `+` is a space.
pub(super) fn decode_query(received: &str) -> Result<Cow<'_, str>, Refusal> {
    text(received, encode::decode_query)
}

fn text(received: &str, decode: fn(&str) -> Cow<'_, [u8]>) -> Result<Cow<'_, str>, Refusal> {
    if !encode::has_whole_escapes(received) {
        return Err(ErrorCode::InvalidURI.into());
    }
    match decode(received) {
        Cow::Borrowed(_) => Ok(received.into()),
        Cow::Owned(bytes) => {
            String::from_utf8(bytes).map(Cow::from).map_err(|_| ErrorCode::InvalidURI.into())
        }
    }
}
