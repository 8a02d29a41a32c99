//! What a request's headers present: at most one key or token, each header at most once.

use http::{HeaderMap, HeaderName, header};

use crate::error::{Code, Error};

pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
pub(super) const API_SECRET: HeaderName = HeaderName::from_static("x-api-secret");
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-signature");
pub(super) const TIMESTAMP: HeaderName = HeaderName::from_static("x-timestamp");

/// What a request presents itself with.
#[derive(Debug)]
pub(super) enum Presented<'a> {
    /// Neither key nor token.
    Nothing,
    /// `x-api-key: KEY`
    ApiKey(&'a [u8]),
    /// `Authorization: Bearer …`: a key, or a token of the app.
    Bearer(&'a [u8]),
}

/// Reads the key or token. Two that differ are refused: there is no telling which of them the caller means to be.
pub(super) fn presented(headers: &HeaderMap) -> Result<Presented<'_>, Error> {
    let api_key = single(headers, &API_KEY, Code::InvalidApiKey)?;
    let bearer = single(headers, &header::AUTHORIZATION, Code::InvalidApiKey)?.and_then(bearer_token);
    match (api_key, bearer) {
        (None, None) => Ok(Presented::Nothing),
        (None, Some(token)) => Ok(Presented::Bearer(token)),
        (Some(key), Some(token)) if key != token => Err(refuse(
            Code::InvalidApiKey,
            "x-api-key and Authorization name two different callers.",
            "Send one of the two headers.",
        )),
        (Some(key), _) => Ok(Presented::ApiKey(key)),
    }
}

/// The value of a header that may come once. An empty value is none.
pub(super) fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    code: Code,
) -> Result<Option<&'a [u8]>, Error> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|value| value.as_bytes().trim_ascii()).filter(|value| !value.is_empty());
    if values.next().is_some() {
        return Err(refuse(code, format!("{name} was sent more than once."), "Send the header once."));
    }
    Ok(first)
}

/// The token of `Bearer TOKEN`; other schemes are none of ours.
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

/// A refusal for whoever is not known (RFC 9110 asks for the challenge).
pub(super) fn refuse(
    code: Code,
    message: impl Into<std::borrow::Cow<'static, str>>,
    hint: &'static str,
) -> Error {
    Error::new(code, message)
        .hint(hint)
        .header(header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer realm=\"wharf\""))
}
