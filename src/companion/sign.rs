//! `sign`: one request of a page that speaks S3 itself, and asks for nothing but the signature.
//!
//! The page names the key. A new object whose key is not below where its caller may write is put there, and the reply says so.
//! Where the bucket bounds the size of files, no signature of a PUT will do: a form's policy does, under a key of Wharf's making.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::checked::Action,
    error::{Code, Error},
    upload_api::{self, Bucket, NewFile, Object, S3Request, part_number},
};

use super::read;

const EXPECTED: &str = "an object with text in `method`, `key`, `uploadId` and `contentType`, and numbers in `partNumber` and `expiresIn`";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    method: Option<String>,
    key: Option<String>,
    expires_in: Option<f64>,
    upload_id: Option<String>,
    part_number: Option<u64>,
    content_type: Option<String>,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Reply<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BTreeMap<String, String>")]
    headers: Option<Object<'a, &'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BTreeMap<String, String>")]
    fields: Option<Object<'a, String>>,
}

impl Asked {
    fn request(&self) -> Result<S3Request<'_>, Error> {
        let number = self.part_number.map(part_number).transpose()?;
        let method = self.method.as_deref().unwrap_or_default();
        Ok(match (method, self.upload_id.as_deref(), number) {
            ("PUT", None, None) => S3Request::Put,
            ("DELETE", None, None) => S3Request::Delete,
            ("POST", None, None) => S3Request::CreateUpload,
            ("PUT", Some(upload_id), Some(number)) => S3Request::UploadPart { upload_id, number },
            ("GET", Some(upload_id), None) => S3Request::ListParts { upload_id },
            ("POST", Some(upload_id), None) => S3Request::CompleteUpload { upload_id },
            ("DELETE", Some(upload_id), None) => S3Request::AbortUpload { upload_id },
            _ => {
                let message =
                    "`method`, `uploadId` and `partNumber` are together none of an upload's requests.";
                return Err(Error::new(Code::InvalidField, message));
            }
        })
    }
}

/// What the caller must be allowed to do somewhere in the bucket.
pub(super) fn action(body: &[u8]) -> Result<Action, Error> {
    let asked: Asked = read(body, EXPECTED)?;
    Ok(asked.request()?.action())
}

/// Answers the route.
pub(super) fn sign(bucket: &Bucket<'_>, body: &[u8]) -> Result<Response<Full<Bytes>>, Error> {
    let asked: Asked = read(body, EXPECTED)?;
    let request = asked.request()?;
    let key = asked.key.as_deref().filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| Error::new(Code::MissingKey, "`key` must be text that is not empty."))?;
    let is_new = matches!(request, S3Request::Put | S3Request::CreateUpload);
    let key = if is_new { bucket.key_of_new(key) } else { key.to_owned() };
    let content_type = asked.content_type.as_deref().unwrap_or_default();
    if is_new {
        bucket.check(&key, content_type)?;
    }
    if is_new && bucket.bounds_size() {
        let is_put = request == S3Request::Put;
        return if is_put { form(bucket, &key, content_type) } else { Err(unbounded()) };
    }
    let expires_seconds = bucket.expires_seconds(asked.expires_in)?;
    let signed = bucket.presign(&key, request, expires_seconds)?;
    upload_api::reply(&Reply {
        url: signed.url.expose(),
        key: is_new.then_some(key.as_str()),
        headers: (!signed.required_headers.is_empty()).then_some(Object(&signed.required_headers)),
        fields: None,
    })
}

fn form(bucket: &Bucket<'_>, key: &str, content_type: &str) -> Result<Response<Full<Bytes>>, Error> {
    let form = bucket.form(NewFile { name: key, content_type, metadata: Vec::new() })?;
    let fields = Some(Object(form.fields.expose()));
    upload_api::reply(&Reply { url: &form.url, key: None, headers: None, fields })
}

fn unbounded() -> Error {
    let message = "the bucket bounds the size of files, and a signature cannot: use `companionEndpoint`.";
    Error::new(Code::ValidationFailed, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str) -> Result<String, Code> {
        let asked: Asked = read(body.as_bytes(), EXPECTED).map_err(|error| error.code)?;
        asked.request().map(|request| format!("{request:?}")).map_err(|error| error.code)
    }

    #[test]
    fn every_request_of_the_plugin_is_known() {
        for (body, expected) in [
            (r#"{"method":"PUT","key":"a","contentType":"a/b"}"#, "Put"),
            (r#"{"method":"DELETE","key":"a"}"#, "Delete"),
            (r#"{"method":"POST","key":"a"}"#, "CreateUpload"),
            (r#"{"method":"GET","key":"a","uploadId":"u"}"#, r#"ListParts { upload_id: "u" }"#),
            (r#"{"method":"POST","key":"a","uploadId":"u"}"#, r#"CompleteUpload { upload_id: "u" }"#),
            (r#"{"method":"DELETE","key":"a","uploadId":"u"}"#, r#"AbortUpload { upload_id: "u" }"#),
            (
                r#"{"method":"PUT","key":"a","uploadId":"u","partNumber":7}"#,
                r#"UploadPart { upload_id: "u", number: 7 }"#,
            ),
        ] {
            assert_eq!(request(body).as_deref(), Ok(expected), "{body}");
        }
    }

    #[test]
    fn others_are_refused() {
        for body in [
            r#"{"method":"GET","key":"a"}"#,
            r#"{"method":"HEAD","key":"a","uploadId":"u"}"#,
            r#"{"method":"PUT","key":"a","uploadId":"u"}"#,
            r#"{"method":"PUT","key":"a","partNumber":1}"#,
            r#"{"key":"a"}"#,
        ] {
            assert_eq!(request(body), Err(Code::InvalidField), "{body}");
        }
        assert!(request(r#"{"method":"PUT","key":"a","uploadId":"u","partNumber":10001}"#).is_err());
        assert_eq!(request(r#"{"method":"PUT","partNumber":-1}"#), Err(Code::InvalidJson));
    }
}
