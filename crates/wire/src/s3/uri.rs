//! Received text of a URI, decoded once and strictly: what is no text has no meaning to S3.

use std::borrow::Cow;

use super::{ErrorCode, Refusal};

/// The text of a path's part. `+` is a plus.
pub(super) fn decode_path(received: &str) -> Result<Cow<'_, str>, Refusal> {
    if received.contains('%') { decode(received, |byte| byte) } else { Ok(received.into()) }
}

/// The text of a query's name or value. `+` is a space.
pub(super) fn decode_query(received: &str) -> Result<Cow<'_, str>, Refusal> {
    if received.contains(['%', '+']) {
        decode(received, |byte| if byte == b'+' { b' ' } else { byte })
    } else {
        Ok(received.into())
    }
}

fn decode(received: &str, plain: impl Fn(u8) -> u8) -> Result<Cow<'_, str>, Refusal> {
    let mut out = Vec::with_capacity(received.len());
    let mut rest = received.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let (byte, after) =
            if *first == b'%' { unescape(tail).ok_or(ErrorCode::InvalidURI)? } else { (plain(*first), tail) };
        out.push(byte);
        rest = after;
    }
    String::from_utf8(out).map(Cow::from).map_err(|_| ErrorCode::InvalidURI.into())
}

fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = text.split_first_chunk::<2>()?;
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    Some((u8::try_from(high? << 4 | low?).ok()?, after))
}
