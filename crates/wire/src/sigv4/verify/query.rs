//! A signature in the query: a presigned request.
//!
//! `X-Amz-Algorithm=…&X-Amz-Credential=…&X-Amz-Date=…&X-Amz-Expires=…&X-Amz-SignedHeaders=…&X-Amz-Signature=…`

use std::{array, borrow::Cow};

use http::HeaderMap;

use crate::{
    date::AmzDate,
    encode,
    sigv4::{
        ALGORITHM, PayloadMode,
        presign::{EXPIRES_SECONDS_MAX, name},
    },
};

use super::{AuthError, Fields, Form, Malformed, error, header};

/// Some presigners put this header into the query, as they do with any `x-amz-*` header.
const CONTENT_SHA256: &str = "X-Amz-Content-Sha256";
const KNOWN: [&str; 8] = [
    name::ALGORITHM,
    name::CREDENTIAL,
    name::DATE,
    name::EXPIRES,
    name::SECURITY_TOKEN,
    name::SIGNED_HEADERS,
    name::SIGNATURE,
    CONTENT_SHA256,
];
/// Parameters of Signature Version 2.
const SIGV2: [&str; 2] = ["AWSAccessKeyId", "Signature"];
const SIGV4A: &str = "AWS4-ECDSA-P256-SHA256";

type Text<'a> = Cow<'a, str>;

/// Whether any parameter of a signature is there, of whichever version.
pub(super) fn is_signed(query: &str) -> bool {
    names(query).any(|name| is_own(&name) || SIGV2.iter().any(|sigv2| sigv2.as_bytes() == name.as_ref()))
}

pub(super) fn parse<'a>(query: &'a str, headers: &HeaderMap) -> Result<Fields<'a>, AuthError> {
    if !names(query).any(|name| is_own(&name)) {
        return Err(AuthError::InvalidRequest(error::SIGV2));
    }
    let values = values(query).map_err(AuthError::AuthorizationQueryParametersError)?;
    let [algorithm, credential, date, expires, token, signed_headers, signature, payload] = values;
    if algorithm.as_deref() == Some(SIGV4A) {
        return Err(AuthError::InvalidRequest(error::SIGV4A));
    }
    let payload = payload_mode(payload.as_deref(), headers)?;
    let fields = || {
        if required(algorithm, name::ALGORITHM)? != ALGORITHM {
            return Err(Malformed::Algorithm);
        }
        Ok(Fields {
            form: Form::Query { expires_seconds: seconds(&required(expires, name::EXPIRES)?)? },
            credential: required(credential, name::CREDENTIAL)?,
            date: AmzDate::parse(&required(date, name::DATE)?).ok_or(Malformed::Date)?,
            signed_headers: required(signed_headers, name::SIGNED_HEADERS)?,
            signature: required(signature, name::SIGNATURE)?,
            session_token: token.map(|token| token.into_owned().into()),
            payload,
        })
    };
    fields().map_err(AuthError::AuthorizationQueryParametersError)
}

/// The values of the [`KNOWN`] parameters. No `X-Amz-*` parameter may be there twice, in whatever case.
fn values(query: &str) -> Result<[Option<Text<'_>>; KNOWN.len()], Malformed> {
    let mut values = array::from_fn(|_| None);
    let mut others = Vec::new();
    for (name, value) in encode::query_pairs(query) {
        let name = encode::decode_query(name);
        let mut slots = KNOWN.into_iter().zip(&mut values);
        if let Some((known, slot)) = slots.find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())) {
            if known.as_bytes() != name.as_ref() && known != CONTENT_SHA256 {
                return Err(Malformed::Case(known));
            }
            let value = text(encode::decode_query(value)).ok_or(Malformed::Text(known))?;
            if slot.replace(value).is_some() {
                return Err(Malformed::Twice(known));
            }
        } else if name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"x-amz-")) {
            others.push(name.to_ascii_lowercase());
        }
    }
    others.sort_unstable();
    if others.is_sorted_by(|a, b| a < b) { Ok(values) } else { Err(Malformed::Twice("an X-Amz-* parameter")) }
}

fn names(query: &str) -> impl Iterator<Item = Cow<'_, [u8]>> {
    encode::query_pairs(query).map(|(name, _)| encode::decode_query(name))
}

fn is_own(name: &[u8]) -> bool {
    name::ALL.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

fn text(bytes: Cow<'_, [u8]>) -> Option<Text<'_>> {
    match bytes {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).ok().map(Cow::from),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::from),
    }
}

fn required<'a>(value: Option<Text<'a>>, name: &'static str) -> Result<Text<'a>, Malformed> {
    value.ok_or(Malformed::Missing(name))
}

/// Digits alone, no more than the greatest number has.
fn seconds(text: &str) -> Result<u32, Malformed> {
    let is_number = text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds =
        text.parse().ok().filter(|seconds| is_number && (1..=EXPIRES_SECONDS_MAX).contains(seconds));
    seconds.ok_or(Malformed::Expires)
}

/// A presigned request's payload is not signed, unless `x-amz-content-sha256` says otherwise, here or in the headers.
fn payload_mode(parameter: Option<&str>, headers: &HeaderMap) -> Result<PayloadMode, AuthError> {
    let parameter = parameter
        .map(|text| PayloadMode::parse(text).ok_or(AuthError::InvalidArgument(error::UNKNOWN_PAYLOAD)))
        .transpose()?;
    match (parameter, header::payload(headers)?) {
        (Some(parameter), Some(header)) if parameter != header => {
            Err(AuthError::InvalidArgument(error::TWO_PAYLOADS))
        }
        (parameter, header) => Ok(parameter.or(header).unwrap_or(PayloadMode::Unsigned)),
    }
}
