//! `versions`: the versions of a bucket's objects and what deletes have left behind, page by page.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use wharf_wire::{
    date::Timestamp,
    s3::{Operation, Parameter},
    xml::{self, VersionPage},
};

use super::listing::{File, Listing};
use crate::{
    error::{Code, Error},
    upload_api::{
        Answer, Request,
        body::non_empty,
        key,
        reply::{self, Performance},
    },
};

/// Bytes of a reply for each version, about.
const REPLY_BYTES_PER_VERSION: usize = 256;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    region: &'a str,
    bucket: &'a str,
    prefix: &'a str,
    max_keys: u64,
    versions: Vec<Listed<'a>>,
    delete_markers: Vec<Marker<'a>>,
    count: usize,
    is_truncated: bool,
    next_key_marker: Option<String>,
    next_version_id_marker: Option<&'a str>,
    performance: Performance<'a>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    #[serde(flatten)]
    file: File,
    version_id: &'a str,
    is_latest: bool,
}

/// A delete that hides what was there before.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Marker<'a> {
    key: String,
    version_id: &'a str,
    is_latest: bool,
    last_modified: Option<String>,
}

/// Answers the route.
pub(in crate::upload_api) fn handle<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    Box::pin(async move {
        let mut listing = Listing::of(request)?;
        go_on(request, &mut listing)?;
        let page = listing.ask(Operation::ListObjectVersions, xml::read_versions).await?;
        let is_encoded = listing.is_encoded(page.written()).await?;
        let versions = versions(&listing, &page, is_encoded)?;
        let delete_markers = markers(&listing, &page, is_encoded)?;
        let next = page.next_key_marker.as_ref().filter(|_| page.is_truncated);
        let next = next.map(|key| listing.own(key, is_encoded)).transpose()?.flatten();
        let reply = Reply {
            success: true,
            provider: request.target.profile().kind,
            region: request.target.account.region().as_str(),
            bucket: request.target.bucket_name(),
            prefix: listing.prefix,
            max_keys: listing.keys_max,
            count: versions.len() + delete_markers.len(),
            is_truncated: page.is_truncated,
            next_version_id_marker: page.next_version_id_marker.as_deref().filter(|_| next.is_some()),
            next_key_marker: next.map(Into::into),
            versions,
            delete_markers,
            performance: request.performance(),
        };
        reply::ok(&reply, (reply.count + 1) * REPLY_BYTES_PER_VERSION)
    })
}

/// Has `listing` begin where the page before ended.
fn go_on(request: &Request<'_>, listing: &mut Listing<'_>) -> Result<(), Error> {
    let fields = &request.body.listing;
    let version = key::value(fields.version_id_marker.as_ref(), "versionIdMarker")?;
    match (non_empty(fields.key_marker.as_ref()), version) {
        (None, Some(_)) => Err(Error::new(Code::InvalidField, "`versionIdMarker` goes with a `keyMarker`.")),
        // What stands before every key can itself be a key: the listing begins behind it.
        (None, None) if listing.prefix.is_empty() && !request.target.key_prefix().is_empty() => {
            listing.begin_behind(Parameter::KeyMarker, "")
        }
        (None, None) => Ok(()),
        (Some(key), version) => {
            if let Some(version) = version {
                listing.set(Parameter::VersionIdMarker, version.to_owned());
            }
            listing.begin_behind(Parameter::KeyMarker, key)
        }
    }
}

fn versions<'p>(
    listing: &Listing<'_>,
    page: &'p VersionPage,
    is_encoded: bool,
) -> Result<Vec<Listed<'p>>, Error> {
    let own = page.versions.iter().filter_map(|listed| {
        let file = listing.file(&listed.object, is_encoded).transpose()?;
        Some(file.map(|file| Listed { file, version_id: &listed.version_id, is_latest: listed.is_latest }))
    });
    own.collect()
}

fn markers<'p>(
    listing: &Listing<'_>,
    page: &'p VersionPage,
    is_encoded: bool,
) -> Result<Vec<Marker<'p>>, Error> {
    let own = page.delete_markers.iter().filter_map(|marker| {
        let key = listing.own(&marker.key, is_encoded).transpose()?;
        Some(key.map(|key| Marker {
            key: key.into_owned(),
            version_id: &marker.version_id,
            is_latest: marker.is_latest,
            last_modified: marker.last_modified.map(Timestamp::rfc3339),
        }))
    });
    own.collect()
}
