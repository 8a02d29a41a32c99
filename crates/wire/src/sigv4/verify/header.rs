//! A signature in the `Authorization` header.
//!
//! `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`

use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, DATE},
};

use crate::{
    date::{AmzDate, Timestamp},
    sigv4::{ALGORITHM, PayloadMode},
};

use super::{AuthError, Fields, Form, Malformed, error};

const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// The parts of the header's value.
const PARTS: [&str; 3] = ["Credential", "SignedHeaders", "Signature"];

/// The header itself.
pub(super) fn authorization(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    single(headers, &AUTHORIZATION)
}

pub(super) fn parse<'a>(authorization: &'a str, headers: &'a HeaderMap) -> Result<Fields<'a>, AuthError> {
    let [credential, signed_headers, signature] =
        parts(parameters(authorization)?).map_err(AuthError::AuthorizationHeaderMalformed)?.map(Into::into);
    Ok(Fields {
        form: Form::Header,
        credential,
        date: date(headers)?,
        signed_headers,
        signature,
        session_token: single(headers, &SECURITY_TOKEN)?.map(Into::into),
        payload: payload(headers)?.ok_or(AuthError::InvalidRequest(error::NO_PAYLOAD))?,
    })
}

/// `x-amz-content-sha256`, if it came.
pub(super) fn payload(headers: &HeaderMap) -> Result<Option<PayloadMode>, AuthError> {
    let Some(text) = single(headers, &CONTENT_SHA256)? else {
        return Ok(None);
    };
    PayloadMode::parse(text).map(Some).ok_or(AuthError::InvalidArgument(error::UNKNOWN_PAYLOAD))
}

/// What stands behind the name of the algorithm.
fn parameters(authorization: &str) -> Result<&str, AuthError> {
    match authorization.split_once(' ').unwrap_or((authorization, "")) {
        (ALGORITHM, parameters) => Ok(parameters),
        ("AWS", _) => Err(AuthError::InvalidRequest(error::SIGV2)),
        ("AWS4-ECDSA-P256-SHA256", _) => Err(AuthError::InvalidRequest(error::SIGV4A)),
        _ => Err(AuthError::InvalidArgument(error::UNKNOWN_SCHEME)),
    }
}

/// The values of the [`PARTS`], which may come in any order.
fn parts(parameters: &str) -> Result<[&str; 3], Malformed> {
    let mut values = [None; 3];
    for parameter in parameters.split(',') {
        let (name, value) = parameter.trim_matches(' ').split_once('=').ok_or(Malformed::Unknown)?;
        let mut slots = PARTS.into_iter().zip(&mut values);
        let (name, slot) = slots.find(|(known, _)| *known == name).ok_or(Malformed::Unknown)?;
        if slot.replace(value).is_some() {
            return Err(Malformed::Twice(name));
        }
    }
    let [credential, signed_headers, signature] = values;
    Ok([
        credential.ok_or(Malformed::Missing("Credential"))?,
        signed_headers.ok_or(Malformed::Missing("SignedHeaders"))?,
        signature.ok_or(Malformed::Missing("Signature"))?,
    ])
}

/// `x-amz-date`, or `Date` in either of the forms that S3 takes there.
fn date(headers: &HeaderMap) -> Result<AmzDate, AuthError> {
    let date = match single(headers, &AMZ_DATE)? {
        Some(text) => AmzDate::parse(text),
        None => single(headers, &DATE)?.and_then(|text| {
            AmzDate::parse(text).or_else(|| Timestamp::from_http_date(text).map(Timestamp::amz_date))
        }),
    };
    date.ok_or(AuthError::AccessDenied(error::NO_DATE))
}

/// The one value of a header.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, AuthError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str()).transpose();
    if values.next().is_some() {
        return Err(AuthError::InvalidArgument(error::HEADER_TWICE));
    }
    value.map_err(|_| AuthError::InvalidArgument(error::HEADER_TEXT))
}
