//! A client's multipart upload, as a door tells the mirrors of it, whichever door that is.

use std::sync::Arc;

use http::HeaderMap;
use wharf_wire::names::ObjectKey;

use super::{
    Intents, Mirrors,
    state::Change,
    tee::{Listed, Target, UploadName},
};
use crate::{backend::Origins, config::checked::BucketConfig, store::JournalError};

/// An upload into a configured bucket. Where no mirror is sent what clients upload, there is nobody to tell of its begin
/// and of its parts.
#[derive(Debug, Clone, Copy)]
pub struct ClientUpload<'a> {
    /// Who tells them.
    pub mirrors: &'a Mirrors,
    /// The way to them.
    pub origins: &'a Origins,
    /// The bucket.
    pub bucket: &'a BucketConfig,
    /// The caller's key.
    pub key: &'a ObjectKey,
    /// The primary's id of the upload.
    pub id: &'a str,
}

impl ClientUpload<'_> {
    /// The primary has begun the upload, of which it was told `described`: so will the mirrors.
    pub fn begin(&self, described: &HeaderMap) {
        if let Some(tee) = self.mirrors.tee() {
            tee.begin_upload(&self.name(), self.targets(), described);
        }
    }

    /// Says that an object of the `listed` parts is about to be made. So will the mirrors make it, when the primary has.
    pub async fn intend_complete(&self, listed: Vec<(u16, String)>) -> Result<Intents, JournalError> {
        let (targets, key) = (self.targets(), self.key.as_str());
        let Some(tee) = self.mirrors.tee().filter(|_| !targets.is_empty()) else {
            return self.mirrors.intend(self.bucket, std::iter::once(key), Change::Write).await;
        };
        let names: Vec<_> = targets.iter().map(|target| Arc::clone(target.name())).collect();
        let (intents, teed) = self.mirrors.intend_teed(self.bucket, key, &names).await?;
        let judge = tee.complete_upload(&self.name(), targets, &Listed::from(listed), teed);
        Ok(intents.judged(Some(judge)))
    }

    /// The primary has aborted the upload: so will the mirrors.
    pub fn abort(&self) {
        if let Some(tee) = self.mirrors.tee() {
            tee.abort_upload(&self.name(), self.targets());
        }
    }

    /// The mirrors that are sent what clients upload.
    fn targets(&self) -> Vec<Target<'_>> {
        Target::all(self.bucket, self.origins, self.key)
    }

    /// What the journal calls it.
    pub fn name(&self) -> UploadName {
        let (bucket, key) = (self.bucket.name.as_str(), self.key.as_str());
        UploadName { bucket: Arc::from(bucket), key: Arc::from(key), upload: Arc::from(self.id) }
    }
}
