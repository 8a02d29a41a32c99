//! What goes to a provider besides the operation and the names.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use wharf_wire::{
    checksum::Md5Hasher,
    names::{BucketName, ObjectKey},
    s3::Operation,
    sigv4::{HexDigest, payload_sha256},
};

use crate::backend::{Outgoing, Payload, upstream::SendBody};

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Headers and body of a request to a provider.
#[derive(Debug)]
pub struct Sending {
    /// What may pass of the caller's, or was made here.
    pub headers: HeaderMap,
    /// What is signed of the body.
    pub payload: Payload,
    /// The body.
    pub body: SendBody,
}

impl Sending {
    /// Nothing but headers.
    pub fn without_body(headers: HeaderMap) -> Self {
        Self { headers, payload: Payload::Sha256(HexDigest::OF_NOTHING), body: SendBody::Empty }
    }

    /// A document, whose hash is signed. S3 wants a digest of some documents besides, and no client's is passed on: it may
    /// be another document that they sent.
    pub fn document(mut headers: HeaderMap, document: Bytes) -> Self {
        let mut md5 = Md5Hasher::default();
        md5.update(&document);
        if let Ok(md5) = HeaderValue::from_str(&md5.finish().to_base64()) {
            headers.insert(CONTENT_MD5, md5);
        }
        Self::completion(headers, document)
    }

    /// The document that completes an upload in parts. It may have a megabyte, and S3 wants no digest of it but the signed
    /// one: an MD5 would take longer than all the rest.
    pub fn completion(headers: HeaderMap, document: Bytes) -> Self {
        Self { headers, payload: Payload::Sha256(payload_sha256(&document)), body: SendBody::from(document) }
    }
}

impl Sending {
    /// The request that asks for `operation`: of the object `key`, or with none, of the bucket. All names are the provider's.
    pub fn asking<'a>(
        self,
        operation: Operation,
        bucket: &'a BucketName,
        key: Option<&'a ObjectKey>,
        query: &'a [(&'a str, &'a str)],
    ) -> Outgoing<'a> {
        Outgoing {
            method: method(operation),
            bucket: Some(bucket),
            key,
            query,
            headers: self.headers,
            payload: self.payload,
            body: self.body,
            may_repeat: operation.may_be_sent_twice(),
            is_slow: operation.is_slow(),
        }
    }
}

/// The method that asks for `operation`.
fn method(operation: Operation) -> Method {
    match operation.verb().method_name() {
        "HEAD" => Method::HEAD,
        "PUT" => Method::PUT,
        "POST" => Method::POST,
        "DELETE" => Method::DELETE,
        _ => Method::GET,
    }
}
