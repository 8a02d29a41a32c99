//! `params`: how one file is uploaded in one request.
//!
//! ```text
//! the store takes forms, or uploads pass through Wharf anyway ─→ a form for it
//! version 5, and the bucket bounds no size                    ─→ a PUT, straight to the store
//! else                                                        ─→ a form for Wharf's S3 endpoint, which PUTs the file
//! ```
//!
//! The plugin takes the key from the form. Where the store knows the object under another one (`key_prefix`), a form for the
//! store is what there is left when Wharf has no endpoint that browsers know.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Response, header::CONTENT_TYPE};
use http_body_util::Full;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    error::Error,
    upload_api::{self, Bucket, NewFile, Object},
};

use super::{file_name, query::Query};

#[derive(JsonSchema, Serialize)]
pub(super) struct Reply<'a> {
    method: &'static str,
    url: &'a str,
    #[schemars(with = "BTreeMap<String, String>")]
    fields: Object<'a, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BTreeMap<String, String>")]
    headers: Option<Object<'a, &'static str>>,
    expires: u32,
}

/// Answers the route.
pub(super) fn params(
    bucket: &Bucket<'_>,
    query: &Query<'_>,
    accepts_json: bool,
) -> Result<Response<Full<Bytes>>, Error> {
    let file = NewFile {
        name: file_name(query.value("filename")?)?,
        content_type: query.value("type")?.unwrap_or_default(),
        metadata: query.metadata().collect(),
    };
    if !bucket.takes_forms() && accepts_json && !bucket.bounds_size() {
        return put(bucket, file);
    }
    let form = bucket.form(file)?;
    upload_api::reply(&Reply {
        method: "POST",
        url: &form.url,
        fields: Object(form.fields.expose()),
        headers: None,
        expires: form.expires_seconds,
    })
}

fn put(bucket: &Bucket<'_>, file: NewFile<'_>) -> Result<Response<Full<Bytes>>, Error> {
    let content_type = (CONTENT_TYPE.as_str(), file.content_type.to_owned());
    let put = bucket.put(file)?;
    let mut headers = put.required_headers;
    headers.push(content_type);
    upload_api::reply(&Reply {
        method: "PUT",
        url: put.url.expose(),
        // The plugin reads the key there, and sends none of it.
        fields: Object(&[("key".to_owned(), put.key)]),
        headers: Some(Object(&headers)),
        expires: put.expires_seconds,
    })
}
