//! What of a request goes to the bucket's mirrors at the same time (`mode = "tee"`). The client waits for nothing here.

use std::sync::Arc;

use http::HeaderMap;
use wharf_wire::{endpoint::Scheme, names::ObjectKey, s3::Parameter};

use super::forward::Handling;
use crate::{
    backend::Payload,
    config::checked::{MirrorConfig, MirrorMode},
    error::S3Error,
    mirror::{
        ClientUpload, Intents,
        tee::{Target, Teeing},
    },
    store::Intent,
};

impl<'a> Handling<'a> {
    /// The mirrors that will be sent the object, of which the provider is told `described`, besides what its body's framing
    /// adds.
    pub(super) fn teeing_object(&self, described: &HeaderMap) -> Result<Option<Teeing<'a>>, S3Error> {
        let (Some(tee), Some(key)) = (self.endpoint.mirrors.tee(), self.key()) else { return Ok(None) };
        let targets = self.tee_targets();
        if targets.is_empty() {
            return Ok(None);
        }
        let primary = self.place.object(key)?;
        Ok(Some(Teeing::of_object(tee, targets, described, || primary)))
    }

    /// The mirrors that will be sent the part, of which the provider is told `sent`.
    pub(super) fn teeing_part(&self, sent: &HeaderMap) -> Option<Teeing<'a>> {
        let targets = self.tee_targets();
        let tee = self.endpoint.mirrors.tee().filter(|_| !targets.is_empty())?;
        Some(Teeing::of_part(tee, targets, sent))
    }

    /// Says that the object is about to change, and begins to send it to the mirrors. `payload` is what is signed of the
    /// provider's body.
    pub(super) async fn intend_object(
        &self,
        teeing: Option<Teeing<'_>>,
        payload: Payload,
    ) -> Result<Intents, S3Error> {
        let Some(teeing) = teeing else { return self.intend().await };
        let (intents, teed) = self.intend_teed(&teeing.names()).await?;
        Ok(intents.judged(Some(teeing.begin(payload, teed))))
    }

    /// Begins to send a part to the mirrors. The journal does not know of parts.
    pub(super) fn begin_part(&self, teeing: Option<Teeing<'_>>, payload: Payload) -> Intents {
        let number = self.parameters().get(Parameter::PartNumber).and_then(|number| number.parse().ok());
        let judge = match (teeing, self.upload(), number) {
            (Some(teeing), Some(upload), Some(number)) => {
                Some(teeing.begin_part(&upload.name(), number, payload))
            }
            _ => None,
        };
        Intents::default().judged(judge)
    }

    /// The provider has begun an upload that it calls `id`, of which it was told `described`: so will the mirrors.
    pub(super) fn begin_upload(&self, id: &str, described: &HeaderMap) {
        if let Some(upload) = self.upload_called(id) {
            upload.begin(described);
        }
    }

    /// Says that an object of the `listed` parts is about to be made. So will the mirrors make it, when the provider has.
    pub(super) async fn intend_complete(&self, listed: Vec<(u16, String)>) -> Result<Intents, S3Error> {
        match self.upload() {
            Some(upload) => Ok(upload.intend_complete(listed).await?),
            None => self.intend().await,
        }
    }

    /// The provider has aborted an upload: so will the mirrors.
    pub(super) fn abort_upload(&self) {
        if let Some(upload) = self.upload() {
            upload.abort();
        }
    }

    async fn intend_teed(&self, teed: &[Arc<str>]) -> Result<(Intents, Vec<Intent>), S3Error> {
        let key = self.key().map_or("", ObjectKey::as_str);
        Ok(self.endpoint.mirrors.intend_teed(self.place.bucket, key, teed).await?)
    }

    /// Whether mirrors are sent what clients upload.
    pub(super) fn is_teed(&self) -> bool {
        self.place.bucket.mirrors.iter().any(|mirror| mirror.mode == MirrorMode::Tee)
    }

    /// Whether nobody on the way to the mirrors can read what they are sent.
    pub(super) fn tees_in_secret(&self) -> bool {
        let is_secret = |mirror: &MirrorConfig| {
            let origin = self.endpoint.origins.get(&mirror.provider);
            origin.is_some_and(|origin| origin.account().endpoint().scheme() == Scheme::Https)
        };
        self.place.bucket.mirrors.iter().all(is_secret)
    }

    /// Where mirrors keep the object that is asked for.
    fn tee_targets(&self) -> Vec<Target<'a>> {
        let targets = |key| Target::all(self.place.bucket, &self.endpoint.origins, key);
        self.key().map(targets).unwrap_or_default()
    }

    /// The multipart upload that is asked for.
    fn upload(&self) -> Option<ClientUpload<'_>> {
        self.upload_called(self.parameters().get(Parameter::UploadId)?)
    }

    /// The multipart upload of the asked object that the provider calls `id`.
    fn upload_called<'u>(&'u self, id: &'u str) -> Option<ClientUpload<'u>> {
        let (mirrors, origins) = (&self.endpoint.mirrors, &self.endpoint.origins);
        Some(ClientUpload { mirrors, origins, bucket: self.place.bucket, key: self.key()?, id })
    }
}
