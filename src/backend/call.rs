//! One request to a provider's S3 API: from what is wanted to what is signed and sent.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use thiserror::Error;
use wharf_provider::{Account, Location, Unsupported};
use wharf_wire::{
    date::Timestamp,
    encode,
    names::{BucketName, ObjectKey},
    sigv4::{HeaderSigning, PayloadMode, SignError, SigningKey, payload_sha256, sign_headers},
};

use super::upstream::SendBody;

/// What is wanted of a provider. Everything in it is unencoded.
#[derive(Debug, Default)]
pub struct Call<'a> {
    /// The request's method.
    pub method: Method,
    /// The bucket, as the provider calls it; with none, the account.
    pub bucket: Option<&'a BucketName>,
    /// The object; with none, the bucket.
    pub key: Option<&'a ObjectKey>,
    /// Query parameters, in any order.
    pub query: &'a [(&'a str, &'a str)],
    /// Headers besides `host`, lower-case names; all are signed.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: Bytes,
}

/// Why a request cannot be made.
#[derive(Debug, Error)]
pub enum CallError {
    /// The account cannot address the bucket.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// It cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// It is no HTTP request.
    #[error(transparent)]
    Http(#[from] http::Error),
}

impl Call<'_> {
    /// Signs the call for `account` at `now`. The body's hash is signed with it.
    pub fn sign(self, account: &Account, now: Timestamp) -> Result<Request<SendBody>, CallError> {
        let location = account.location(self.bucket, self.key)?;
        let (mut encoded_path, encoded_query) = (String::new(), self.encoded_query());
        encode::path(&location.path, &mut encoded_path);
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(target(&location, &encoded_query))
            .body(self.body.clone().into())?;
        *request.headers_mut() = self.headers(&location)?;
        let signing = HeaderSigning {
            method: &self.method,
            encoded_path: &encoded_path,
            encoded_query: &encoded_query,
            payload: PayloadMode::Sha256(payload_sha256(&self.body)),
            now,
        };
        let key = SigningKey::derive(account.credentials(), account.scope(now));
        sign_headers(&signing, request.headers_mut(), account.credentials(), &key)?;
        Ok(request)
    }

    fn headers(&self, location: &Location) -> Result<HeaderMap, http::Error> {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 5);
        headers.insert(header::HOST, HeaderValue::from_str(&location.authority)?);
        for (name, value) in self.headers {
            headers.append(HeaderName::try_from(*name)?, HeaderValue::from_str(value)?);
        }
        Ok(headers)
    }

    fn encoded_query(&self) -> String {
        let mut encoded = String::new();
        for (name, value) in self.query {
            if !encoded.is_empty() {
                encoded.push('&');
            }
            encode::query(name, &mut encoded);
            encoded.push('=');
            encode::query(value, &mut encoded);
        }
        encoded
    }
}

fn target(location: &Location, encoded_query: &str) -> String {
    let mut url = location.url();
    if !encoded_query.is_empty() {
        url.push('?');
        url.push_str(encoded_query);
    }
    url
}

#[cfg(test)]
mod tests {
    use wharf_provider::Settings;
    use wharf_wire::sigv4::{AccessKeyId, Credentials};

    use super::*;

    #[test]
    fn what_is_signed_is_what_is_sent() {
        let credentials = Credentials {
            access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: Some("a token".into()),
        };
        let mut settings = Settings::new(credentials);
        settings.region = Some("us-east-1".into());
        settings.endpoint = Some("http://127.0.0.1:9000".into());
        let account = wharf_plugins::PROVIDERS[0].bind(settings).unwrap();
        let (bucket, key) =
            (BucketName::parse("my-bucket").unwrap(), ObjectKey::parse("a b/../ü?#%2F").unwrap());
        let call = Call {
            method: Method::PUT,
            bucket: Some(&bucket),
            key: Some(&key),
            query: &[("partNumber", "1"), ("uploadId", "a/b+c=")],
            headers: &[("content-type", "text/plain")],
            body: Bytes::from_static(b"hello"),
        };
        let request = call.sign(&account, Timestamp::from_unix_millis(1_369_353_600_000)).unwrap();
        assert_eq!(
            request.uri(),
            "http://127.0.0.1:9000/my-bucket/a%20b/../%C3%BC%3F%23%252F?partNumber=1&uploadId=a%2Fb%2Bc%3D"
        );
        let headers = request.headers();
        assert_eq!(headers["host"], "127.0.0.1:9000");
        assert_eq!(headers["x-amz-content-sha256"], payload_sha256(b"hello").as_str());
        let authorization = headers["authorization"].to_str().unwrap();
        assert!(authorization.contains(
            "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token"
        ));
        assert!(headers["authorization"].is_sensitive());
    }
}
