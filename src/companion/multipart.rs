//! `multipart/…`: uploads in parts. The ids that browsers get are sealed, so no list of them is kept.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use wharf_wire::{date::Timestamp, sigv4::presign::Series};

use crate::{
    error::{Code, Error},
    upload_api::{self, Bucket, NewFile, PartList, part_number},
};

use super::{file_name, query::Query, read, required};

/// What one request may ask to have signed: more parts no upload has.
const BATCH_MAX: usize = 10_000;

#[derive(Deserialize)]
struct Create {
    filename: Option<String>,
    #[serde(rename = "type")]
    content_type: Option<String>,
    metadata: Option<Metadata>,
}

/// Names and values, which the plugin takes over from the page as they are.
struct Metadata(Vec<(String, String)>);

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Created<'a> {
    key: &'a str,
    upload_id: &'a str,
    bucket: &'a str,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StoredPart {
    part_number: u16,
    #[serde(rename = "ETag")]
    etag: Option<String>,
    size: u64,
    last_modified: Option<String>,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct SignedPart<'a> {
    url: &'a str,
    expires: u32,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignedParts<'a> {
    #[schemars(with = "BTreeMap<String, String>")]
    presigned_urls: Urls<'a>,
}

/// URLs by their part's number.
struct Urls<'a> {
    numbers: &'a [u16],
    series: &'a Series,
}

#[derive(Deserialize)]
struct Complete {
    parts: Vec<SentPart>,
}

#[derive(Deserialize)]
struct SentPart {
    #[serde(rename = "PartNumber")]
    number: u64,
    #[serde(rename = "ETag")]
    etag: String,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Completed<'a> {
    location: &'a str,
    key: &'a str,
    bucket: &'a str,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Aborted {}

/// Begins an upload.
pub(super) async fn create(bucket: &Bucket<'_>, body: &[u8]) -> Result<Response<Full<Bytes>>, Error> {
    let create: Create = read(body, "an object with text in `filename` and `type`")?;
    let metadata = create.metadata.map(|metadata| metadata.0).unwrap_or_default();
    let begun = bucket
        .begin(NewFile {
            name: file_name(create.filename.as_deref())?,
            content_type: create.content_type.as_deref().unwrap_or_default(),
            metadata: metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        })
        .await?;
    upload_api::reply(&Created { key: &begun.key, upload_id: &begun.upload_id, bucket: bucket.name() })
}

/// Lists the parts that are stored, all of them.
pub(super) async fn parts(
    bucket: &Bucket<'_>,
    id: &str,
    query: &Query<'_>,
) -> Result<Response<Full<Bytes>>, Error> {
    let uploads = bucket.multipart();
    let upload = uploads.open(id, required(query, "key")?)?;
    let stored = uploads.stored(&upload).await?.into_iter().map(|part| StoredPart {
        part_number: part.number,
        etag: part.etag,
        size: part.bytes,
        last_modified: part.last_modified.map(Timestamp::rfc3339),
    });
    upload_api::reply(&stored.collect::<Vec<_>>())
}

/// Signs the upload of one part.
pub(super) fn part(
    bucket: &Bucket<'_>,
    (id, number): (&str, &str),
    query: &Query<'_>,
) -> Result<Response<Full<Bytes>>, Error> {
    let number = read_number(number)?;
    let (series, expires) = series(bucket, id, query)?;
    let url = series.url(u32::from(number));
    upload_api::reply(&SignedPart { url: url.expose(), expires })
}

/// Signs the uploads of several.
pub(super) fn batch(
    bucket: &Bucket<'_>,
    id: &str,
    query: &Query<'_>,
) -> Result<Response<Full<Bytes>>, Error> {
    let numbers = required(query, "partNumbers")?.split(',').map(|number| read_number(number.trim()));
    let numbers = numbers.take(BATCH_MAX).collect::<Result<Vec<_>, _>>()?;
    let (series, _) = series(bucket, id, query)?;
    upload_api::reply(&SignedParts { presigned_urls: Urls { numbers: &numbers, series: &series } })
}

/// Puts the parts together.
pub(super) async fn complete(
    bucket: &Bucket<'_>,
    id: &str,
    query: &Query<'_>,
    body: &[u8],
) -> Result<Response<Full<Bytes>>, Error> {
    let key = required(query, "key")?;
    let sent: Complete = read(body, "an object with an array of {ETag, PartNumber} in `parts`")?;
    let list = PartList::read(sent.parts.iter().map(|part| Ok((part.number, &part.etag)))).await?;
    let uploads = bucket.multipart();
    let upload = uploads.open(id, key)?;
    let completed = uploads.complete(&upload, &list).await?;
    upload_api::reply(&Completed { location: &completed.location, key, bucket: bucket.name() })
}

/// Gives an upload up. One that is gone already is fine.
pub(super) async fn abort(
    bucket: &Bucket<'_>,
    id: &str,
    query: &Query<'_>,
) -> Result<Response<Full<Bytes>>, Error> {
    let uploads = bucket.multipart();
    let upload = uploads.open(id, required(query, "key")?)?;
    uploads.abort(&upload).await?;
    upload_api::reply(&Aborted {})
}

fn series(bucket: &Bucket<'_>, id: &str, query: &Query<'_>) -> Result<(Series, u32), Error> {
    let uploads = bucket.multipart();
    let upload = uploads.open(id, required(query, "key")?)?;
    let expires = bucket.expires_seconds(None)?;
    Ok((uploads.part_urls(&upload, expires)?, expires))
}

fn read_number(text: &str) -> Result<u16, Error> {
    let number = text.parse().ok().and_then(|number| part_number(number).ok());
    number.ok_or_else(|| {
        Error::new(Code::InvalidField, "the part number must be a number between 1 and 10000.")
    })
}

impl Serialize for Urls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = |number: &u16| (*number, self.series.url(u32::from(*number)).into_exposed());
        serializer.collect_map(self.numbers.iter().map(entry))
    }
}

/// A value of a page's metadata, as text. What has none is left out, as is `null`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Whole(i64),
    Number(f64),
    Flag(bool),
    Other(IgnoredAny),
}

impl Value {
    fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Whole(number) => Some(number.to_string()),
            Self::Number(number) => Some(number.to_string()),
            Self::Flag(flag) => Some(flag.to_string()),
            Self::Other(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Metadata;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    fields.extend(value.into_text().map(|text| (name, text)));
                }
                Ok(Metadata(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_comes_as_pages_have_it() {
        let body = r#"{"filename":"a","metadata":{"name":"ü","size":7,"ratio":1.5,"ok":true,"none":null,"exif":{"a":[1]},"list":[]}}"#;
        let create: Create = read(body.as_bytes(), "an object").unwrap();
        let fields = create.metadata.unwrap().0;
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(fields, [("name", "ü"), ("size", "7"), ("ratio", "1.5"), ("ok", "true")]);
    }

    #[test]
    fn what_is_not_as_expected_is_told_without_an_echo() {
        for body in
            ["", "[]", r#"{"filename":7}"#, r#"{"type":["s3cret"]}"#, r#"{"metadata":"s3cret"}"#, "{}x"]
        {
            let error = read::<Create>(body.as_bytes(), "an object").map(drop).unwrap_err();
            assert_eq!(error.code, Code::InvalidJson, "{body}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn part_numbers_have_bounds() {
        assert_eq!(["1", "10000"].map(|text| read_number(text).unwrap()), [1, 10_000]);
        for text in ["", "0", "10001", "-1", "1.0", "a", "1a", "99999999999999999999"] {
            assert_eq!(read_number(text).unwrap_err().code, Code::InvalidField, "{text}");
        }
    }
}
