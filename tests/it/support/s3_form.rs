//! A browser's form for the S3 endpoint, signed and written by hand.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::Sha256;
use wharf::clock::Clock;
use wharf_wire::{date::Timestamp, sigv4::Credentials};

use super::s3_client::{Ask, Mode, S3_KEY, S3_SECRET, Wire};

const BOUNDARY: &str = "----WharfFormBoundary7MA4YWxkTrZu0gW";

/// A form that is posted to `/photos`.
#[derive(Clone)]
pub(crate) struct PostForm {
    fields: Vec<(String, String)>,
    conditions: Vec<Value>,
    file: Vec<u8>,
    now: Timestamp,
    lives_seconds: u64,
    key_id: String,
    secret: String,
    /// What follows the file.
    ending: String,
}

impl PostForm {
    /// A form for `file` under `key`, to which its policy says yes.
    pub(crate) fn new(key: &str, file: impl Into<Vec<u8>>) -> Self {
        let form = Self {
            fields: Vec::new(),
            conditions: vec![json!({"bucket": "photos"})],
            file: file.into(),
            now: Clock::System.now(),
            lives_seconds: 600,
            key_id: S3_KEY.to_owned(),
            secret: S3_SECRET.to_owned(),
            ending: format!("\r\n--{BOUNDARY}--\r\n"),
        };
        form.field("key", key)
    }

    /// A field that the policy covers.
    pub(crate) fn field(self, name: &str, value: &str) -> Self {
        self.condition(json!(["starts-with", format!("${name}"), ""])).extra_field(name, value)
    }

    /// A field that it does not.
    pub(crate) fn extra_field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn condition(mut self, condition: Value) -> Self {
        self.conditions.push(condition);
        self
    }

    pub(crate) fn secret(self, secret: &str) -> Self {
        Self { secret: secret.to_owned(), ..self }
    }

    /// Signed with a short-lived key.
    pub(crate) fn session(self, credentials: &Credentials) -> Self {
        let token = credentials.session_token.as_ref().expect("a short-lived key has a token");
        let key_id = credentials.access_key_id.as_str().to_owned();
        let form = self.field("x-amz-security-token", token.expose_secret());
        Self { key_id, ..form.secret(credentials.secret_access_key.expose_secret()) }
    }

    /// Signed at `now`, good for `lives_seconds`.
    pub(crate) fn at(self, now: Timestamp, lives_seconds: u64) -> Self {
        Self { now, lives_seconds, ..self }
    }

    /// A field behind the file.
    pub(crate) fn field_behind(mut self, name: &str, value: &str) -> Self {
        self.ending = ["\r\n", &part(name, value), "--", BOUNDARY, "--\r\n"].concat();
        self
    }

    /// Ends without a line end.
    pub(crate) fn without_line_end(self) -> Self {
        Self { ending: format!("\r\n--{BOUNDARY}--"), ..self }
    }

    /// Does not end.
    pub(crate) fn without_end(self) -> Self {
        Self { ending: "\r\n".to_owned(), ..self }
    }

    /// Signs it.
    pub(crate) fn sign(self) -> Wire {
        let date = self.now.amz_date();
        let day = date.day().to_owned();
        let credential = format!("{}/{day}/us-east-1/s3/aws4_request", self.key_id);
        let form = self
            .field("x-amz-algorithm", "AWS4-HMAC-SHA256")
            .field("x-amz-credential", &credential)
            .field("x-amz-date", date.as_str());
        let expiration = form.now.plus_seconds(form.lives_seconds).rfc3339();
        let policy = json!({"expiration": expiration, "conditions": form.conditions}).to_string();
        let policy = STANDARD.encode(policy);
        let scope = [day.as_str(), "us-east-1", "s3", "aws4_request", policy.as_str()];
        let signature = scope.iter().fold(format!("AWS4{}", form.secret).into_bytes(), |key, text| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        });
        form.extra_field("policy", &policy).extra_field("x-amz-signature", &hex::encode(signature)).wire()
    }

    /// The request, with the fields as they are.
    pub(crate) fn wire(&self) -> Wire {
        let mut body: String = self.fields.iter().map(|(name, value)| part(name, value)).collect();
        body.extend([
            "--",
            BOUNDARY,
            "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cat.jpg\"\r\n\
             Content-Type: image/jpeg\r\n\r\n",
        ]);
        let body = [body.as_bytes(), &self.file, self.ending.as_bytes()].concat();
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        Ask::new(Method::POST, "/photos")
            .header("content-type", content_type)
            .body(Mode::Unsigned, &body)
            .anonymous()
    }
}

fn part(name: &str, value: &str) -> String {
    format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}
