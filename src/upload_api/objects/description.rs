//! An object as its provider describes it: the headers of its `HEAD`, under the names that clients read.

use std::{borrow::Cow, collections::BTreeMap};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use schemars::JsonSchema;
use serde::Serialize;
use wharf_wire::date::Timestamp;

use crate::upload_api::metadata;

/// What S3 calls the class of an object that names none.
const STORAGE_CLASS_DEFAULT: &str = "STANDARD";

const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
const PARTS_COUNT: HeaderName = HeaderName::from_static("x-amz-mp-parts-count");
const ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const KMS_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");
const BUCKET_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-bucket-key-enabled");

/// What stands before the names of a caller's own metadata.
const OWN_METADATA: &str = "x-amz-meta-";
/// What stands before the name of a checksum's algorithm.
const CHECKSUM: &str = "x-amz-checksum-";

/// An object, without its bytes.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct Description<'a> {
    /// As the caller calls it.
    pub(super) key: &'a str,
    /// In bytes.
    pub(super) size: u64,
    pub(super) content_type: Option<Cow<'a, str>>,
    pub(super) last_modified: Option<String>,
    /// With its quotes, as S3 writes it.
    pub(super) etag: Option<Cow<'a, str>>,
    pub(super) version_id: Option<Cow<'a, str>>,
    storage_class: Cow<'a, str>,
    encryption: AtRest<'a>,
    cache_control: Option<Cow<'a, str>>,
    content_disposition: Option<Cow<'a, str>>,
    content_encoding: Option<Cow<'a, str>>,
    content_language: Option<Cow<'a, str>>,
    custom_metadata: BTreeMap<&'a str, String>,
    /// By algorithm, `crc32`, and what they are of, `type`.
    checksums: BTreeMap<&'a str, Cow<'a, str>>,
    parts_count: Option<u32>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct AtRest<'a> {
    server_side_encryption: Option<Cow<'a, str>>,
    kms_key_id: Option<Cow<'a, str>>,
    bucket_key_enabled: bool,
}

impl<'a> Description<'a> {
    /// Of the object that the caller calls `key`; `None` if `headers` do not say how long it is.
    pub(super) fn new(key: &'a str, headers: &'a HeaderMap) -> Option<Self> {
        let text = |name: HeaderName| headers.get(name).map(text);
        let etag = text(header::ETAG);
        let parts_count = text(PARTS_COUNT).and_then(|count| count.parse().ok());
        let date = text(header::LAST_MODIFIED).and_then(|date| Timestamp::from_http_date(&date));
        let custom_metadata = below(headers, OWN_METADATA);
        Some(Self {
            key,
            size: text(header::CONTENT_LENGTH)?.parse().ok()?,
            content_type: text(header::CONTENT_TYPE),
            last_modified: date.map(Timestamp::rfc3339),
            parts_count: parts_count.or_else(|| parts_in(etag.as_deref()?)),
            etag,
            version_id: text(VERSION_ID),
            storage_class: text(STORAGE_CLASS).unwrap_or(Cow::Borrowed(STORAGE_CLASS_DEFAULT)),
            encryption: AtRest {
                server_side_encryption: text(ENCRYPTION),
                kms_key_id: text(KMS_KEY),
                bucket_key_enabled: text(BUCKET_KEY).is_some_and(|enabled| enabled == "true"),
            },
            cache_control: text(header::CACHE_CONTROL),
            content_disposition: text(header::CONTENT_DISPOSITION),
            content_encoding: text(header::CONTENT_ENCODING),
            content_language: text(header::CONTENT_LANGUAGE),
            custom_metadata: custom_metadata.map(|(name, value)| (name, metadata::decode(&value))).collect(),
            checksums: below(headers, CHECKSUM).collect(),
        })
    }
}

/// The headers whose names start with `start`, by what follows it.
fn below<'a>(headers: &'a HeaderMap, start: &'static str) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> {
    headers.iter().filter_map(move |(name, value)| Some((name.as_str().strip_prefix(start)?, text(value))))
}

/// Stores write whatever bytes they were given, most of them as UTF-8.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// How many parts an object was uploaded in, by the end that S3 gives the `ETag` of such a one.
fn parts_in(etag: &str) -> Option<u32> {
    let (digest, count) = etag.strip_prefix('"')?.strip_suffix('"')?.rsplit_once('-')?;
    let is_digest = digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    count.parse().ok().filter(|_| is_digest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn described(headers: &[(&'static str, &str)]) -> Option<serde_json::Value> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                (HeaderName::from_static(name), value)
            })
            .collect();
        let description = Description::new("a/b.txt", &headers)?;
        Some(serde_json::to_value(description).unwrap())
    }

    #[test]
    fn everything_that_a_provider_says_has_its_name() {
        let all = described(&[
            ("content-length", "17"),
            ("content-type", "text/plain; charset=utf-8"),
            ("last-modified", "Mon, 12 Oct 2009 17:50:30 GMT"),
            ("etag", "\"d41d8cd98f00b204e9800998ecf8427e-3\""),
            ("x-amz-version-id", "v1"),
            ("x-amz-storage-class", "GLACIER_IR"),
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:eu-west-1:1:key/k"),
            ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
            ("cache-control", "no-cache"),
            ("content-disposition", "attachment; filename=\"ü.txt\""),
            ("content-encoding", "gzip"),
            ("content-language", "de"),
            ("x-amz-meta-order", "17"),
            ("x-amz-meta-author", "=?UTF-8?B?Wm/Dqw==?="),
            ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
            ("x-amz-checksum-type", "FULL_OBJECT"),
            ("x-amz-request-id", "not of the object"),
        ]);
        assert_eq!(
            all.unwrap(),
            json!({
                "key": "a/b.txt",
                "size": 17,
                "contentType": "text/plain; charset=utf-8",
                "lastModified": "2009-10-12T17:50:30.000Z",
                "etag": "\"d41d8cd98f00b204e9800998ecf8427e-3\"",
                "versionId": "v1",
                "storageClass": "GLACIER_IR",
                "encryption": {
                    "serverSideEncryption": "aws:kms",
                    "kmsKeyId": "arn:aws:kms:eu-west-1:1:key/k",
                    "bucketKeyEnabled": true,
                },
                "cacheControl": "no-cache",
                "contentDisposition": "attachment; filename=\"ü.txt\"",
                "contentEncoding": "gzip",
                "contentLanguage": "de",
                "customMetadata": {"order": "17", "author": "Zoë"},
                "checksums": {"crc64nvme": "AAAAAAAAAAA=", "type": "FULL_OBJECT"},
                "partsCount": 3,
            })
        );
    }

    #[test]
    fn what_is_not_said_is_null_and_a_class_is_s3s_own() {
        let least = described(&[("content-length", "0")]).unwrap();
        assert_eq!((&least["size"], &least["storageClass"]), (&json!(0), &json!("STANDARD")));
        for field in ["contentType", "lastModified", "etag", "versionId", "partsCount", "cacheControl"] {
            assert!(least[field].is_null(), "{field}");
        }
        assert_eq!(least["encryption"]["bucketKeyEnabled"], false);
        assert_eq!((&least["customMetadata"], &least["checksums"]), (&json!({}), &json!({})));
        assert_eq!(described(&[("content-type", "text/plain")]), None);
        assert_eq!(described(&[("content-length", "-1")]), None);
    }

    #[test]
    fn parts_are_told_or_seen() {
        let count = |headers: &[(&'static str, &str)]| {
            described(&[&[("content-length", "1")], headers].concat()).unwrap()["partsCount"].clone()
        };
        assert_eq!(count(&[("x-amz-mp-parts-count", "7"), ("etag", "\"x\"")]), 7);
        for etag in ["\"d41d8cd98f00b204e9800998ecf8427e\"", "\"an-etag-3\"", "W/\"a-3\"", "\"-3\""] {
            assert!(count(&[("etag", etag)]).is_null(), "{etag}");
        }
    }
}
