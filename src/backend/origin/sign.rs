//! From what is wanted of a provider to the request that is sent: encoded once, signed in its headers.

use std::fmt::Display;

use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use hyper::body::Body;
use wharf_provider::{Account, Location};
use wharf_wire::{
    date::Timestamp,
    encode,
    sigv4::{HeaderSigning, SigningKey, sign_headers},
};

use super::Outgoing;
use crate::backend::upstream::{SendBody, UpstreamError};

/// Signs `outgoing` for `account` with `key`, which is the account's of `now`'s day.
pub(in crate::backend) fn request(
    outgoing: Outgoing<'_>,
    account: &Account,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Request<SendBody>, UpstreamError> {
    let Outgoing { method, mut headers, body, payload, .. } = outgoing;
    let location = account.location(outgoing.bucket, outgoing.key).map_err(unmade)?;
    let target = Target::new(&location, outgoing.query);
    headers.insert(header::HOST, HeaderValue::from_str(&location.authority).map_err(unmade)?);
    // Framing is for each connection to say; what is signed must come through it.
    headers.remove(header::CONTENT_LENGTH);
    let signing = HeaderSigning {
        method: &method,
        encoded_path: target.path(),
        encoded_query: target.query(),
        payload: payload.into(),
        now,
    };
    sign_headers(&signing, &mut headers, account.credentials(), key).map_err(unmade)?;
    set_length(&method, &body, &mut headers);
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = target.into_uri()?;
    *request.headers_mut() = headers;
    Ok(request)
}

fn unmade(error: impl Display) -> UpstreamError {
    UpstreamError::Request(error.to_string())
}

/// A PUT or POST without a body says so: S3 refuses one that says nothing.
fn set_length(method: &Method, body: &SendBody, headers: &mut HeaderMap) {
    let length = body.size_hint().exact();
    let usual = matches!(*method, Method::PUT | Method::POST);
    if let Some(length) = length.filter(|length| *length > 0 || usual) {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
}

/// The URL as it is signed and sent.
struct Target {
    url: String,
    path_at: usize,
    query_at: usize,
}

impl Target {
    fn new(location: &Location, query: &[(&str, &str)]) -> Self {
        let mut url = location.url();
        let path_at = location.scheme.as_str().len() + "://".len() + location.authority.len();
        let query_at = url.len();
        for (index, (name, value)) in query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            encode::query(name, &mut url);
            url.push('=');
            encode::query(value, &mut url);
        }
        Self { url, path_at, query_at }
    }

    fn path(&self) -> &str {
        self.url.get(self.path_at..self.query_at).unwrap_or_default()
    }

    fn query(&self) -> &str {
        self.url.get(self.query_at + 1..).unwrap_or_default()
    }

    fn into_uri(self) -> Result<Uri, UpstreamError> {
        Uri::try_from(self.url).map_err(unmade)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wharf_provider::Settings;
    use wharf_wire::{
        names::{BucketName, ObjectKey},
        sigv4::{AccessKeyId, Credentials, payload_sha256},
    };

    use super::*;
    use crate::backend::Payload;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_000);

    fn account() -> Account {
        let credentials = Credentials {
            access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: Some("a token".into()),
        };
        let mut settings = Settings::new(credentials);
        settings.region = Some("us-east-1".into());
        settings.endpoint = Some("http://127.0.0.1:9000".into());
        wharf_plugins::PROVIDERS[0].bind(settings).unwrap()
    }

    fn signed(outgoing: Outgoing<'_>) -> Request<SendBody> {
        let account = account();
        let key = SigningKey::derive(account.credentials(), account.scope(NOW));
        request(outgoing, &account, &key, NOW).unwrap()
    }

    #[test]
    fn what_is_signed_is_what_is_sent() {
        let (bucket, key) =
            (BucketName::parse("my-bucket").unwrap(), ObjectKey::parse("a b/../ü?#%2F").unwrap());
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        headers.insert("x-amz-meta-name", HeaderValue::from_bytes("ü".as_bytes()).unwrap());
        let request = signed(Outgoing {
            bucket: Some(&bucket),
            key: Some(&key),
            query: &[("partNumber", "1"), ("uploadId", "a/b+c=")],
            headers,
            payload: Payload::Sha256(payload_sha256(b"hello")),
            body: Bytes::from_static(b"hello").into(),
            ..Outgoing::new(Method::PUT)
        });
        assert_eq!(
            request.uri(),
            "http://127.0.0.1:9000/my-bucket/a%20b/../%C3%BC%3F%23%252F?partNumber=1&uploadId=a%2Fb%2Bc%3D"
        );
        let headers = request.headers();
        assert_eq!(headers["host"], "127.0.0.1:9000");
        assert_eq!(headers["content-length"], "5");
        assert_eq!(headers["x-amz-content-sha256"], payload_sha256(b"hello").as_str());
        let authorization = headers["authorization"].to_str().unwrap();
        assert!(authorization.contains(
            "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-name;x-amz-security-token"
        ));
        assert!(headers["authorization"].is_sensitive());
    }

    #[test]
    fn an_upload_says_its_length_even_when_it_is_empty_and_a_download_says_none() {
        for (method, length) in
            [(Method::PUT, Some("0")), (Method::POST, Some("0")), (Method::GET, None), (Method::DELETE, None)]
        {
            let request = signed(Outgoing::new(method));
            let found = request.headers().get(header::CONTENT_LENGTH).map(|length| length.to_str().unwrap());
            assert_eq!(found, length, "{}", request.method());
            assert_eq!(request.uri(), "http://127.0.0.1:9000/");
        }
    }
}
