//! The stores that may have one object: its bucket's mirrors, and the primary.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use wharf_wire::{
    names::{BucketName, ObjectKey},
    s3::{Operation, Parameters},
};

use super::{
    super::forward::Handling,
    conditions::opaque,
    copy::{Extent, etag_header, strong_etag},
};
use crate::{
    backend::{Origins, upstream::ReplyStream},
    config::{Config, checked::MirrorConfig},
    mirror::{
        Mirrors, ReadKind,
        state::{Currency, Record},
    },
    request::authorize::walks_up,
    transfer::{Object, Sending},
};

/// What is known of one object's whereabouts. It is read on behalf of a body, too, when its handler has long ended.
#[derive(Clone)]
pub(super) struct Stores {
    config: Arc<Config>,
    origins: Arc<Origins>,
    mirrors: Arc<Mirrors>,
    bucket: String,
    key: ObjectKey,
}

/// The bytes that a download still lacks.
#[derive(Debug)]
pub(super) struct Missing {
    /// Of which object, as the primary calls it.
    pub(super) etag: String,
    pub(super) extent: Extent,
}

impl Stores {
    /// Those of the request's object, where its bucket has mirrors.
    pub(super) fn of(handling: &Handling<'_>) -> Option<Self> {
        let (endpoint, bucket) = (handling.endpoint, handling.place.bucket);
        if bucket.mirrors.is_empty() {
            return None;
        }
        Some(Self {
            config: Arc::clone(&endpoint.config),
            origins: Arc::clone(&endpoint.origins),
            mirrors: Arc::clone(&endpoint.mirrors),
            bucket: bucket.name.clone(),
            key: handling.key()?.clone(),
        })
    }

    /// What the journal says of the object at `mirror`. One that does not answer says nothing.
    pub(super) async fn currency(&self, mirror: &MirrorConfig) -> Currency {
        let Some(journal) = self.mirrors.journal() else { return Currency::Unknown };
        let currency = journal.currency(&self.bucket, &mirror.name, self.key.as_str()).await;
        currency.unwrap_or_else(|error| {
            tracing::warn!(%error, "nobody can say whether a mirror is current");
            Currency::Unknown
        })
    }

    /// Counts an answer of `mirror`.
    pub(super) fn count(&self, mirror: &MirrorConfig, kind: ReadKind) {
        self.mirrors.metrics().mirror_read(&self.bucket, &mirror.name, kind);
    }

    /// The object at `mirror`; none where its key could lead out of the mirror's prefix, or be too long.
    pub(super) fn at_mirror(&self, mirror: &MirrorConfig) -> Option<Object> {
        self.at(&mirror.provider, &mirror.bucket, &mirror.key_prefix)
    }

    fn at(&self, provider: &str, bucket: &BucketName, key_prefix: &str) -> Option<Object> {
        let key = self.key.as_str();
        if !key_prefix.is_empty() && walks_up(key) {
            return None;
        }
        let key = ObjectKey::parse(&[key_prefix, key].concat()).ok()?;
        Some(Object::new(Arc::clone(self.origins.get(provider)?), bucket.clone(), key))
    }

    /// Reads on with what is `missing`: at a mirror that has this very object, or at the primary, which may be back.
    pub(super) async fn find(&self, missing: &Missing) -> Option<ReplyStream> {
        let bucket = self.config.buckets.get(&self.bucket)?;
        for mirror in &bucket.mirrors {
            let Currency::Current(record) = self.currency(mirror).await else { continue };
            if !missing.is_of(&record) {
                continue;
            }
            let Some(object) = self.at_mirror(mirror) else { continue };
            if let Some(body) = rest(&object, &record.mirror_etag, missing.extent).await {
                tracing::info!(
                    mirror = &*mirror.name,
                    at = missing.extent.first,
                    "a download goes on at a mirror"
                );
                self.count(mirror, ReadKind::Resumed);
                return Some(body);
            }
        }
        let primary = self.at(&bucket.provider, &bucket.bucket, &bucket.key_prefix)?;
        rest(&primary, &missing.etag, missing.extent).await
    }
}

impl Missing {
    fn is_of(&self, record: &Record) -> bool {
        opaque(&record.primary_etag) == opaque(&self.etag) && record.bytes == self.extent.whole
    }
}

/// The bytes of `extent` of the object that has this `etag` at its store, and nothing else.
async fn rest(object: &Object, etag: &str, extent: Extent) -> Option<ReplyStream> {
    let range = format!("bytes={}-{}", extent.first, extent.end.checked_sub(1)?);
    let headers = HeaderMap::from_iter([
        (header::RANGE, HeaderValue::try_from(range).ok()?),
        (header::IF_MATCH, etag_header(etag)?),
    ]);
    let sending = Sending::without_body(headers);
    let reply = object.send(Operation::GetObject, &Parameters::default(), sending).await;
    let reply = reply.inspect_err(|error| tracing::debug!(%error, "a download cannot go on here")).ok()?;
    let is_same = strong_etag(reply.headers()).is_some_and(|found| opaque(found) == opaque(etag));
    let is_rest = reply.status() == StatusCode::PARTIAL_CONTENT && Extent::of(&reply) == Some(extent);
    (is_same && is_rest).then(|| reply.into_body())
}
