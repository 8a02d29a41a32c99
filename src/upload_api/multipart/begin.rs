//! `CreateMultipartUpload`: what the object is to be is said here, and its parts bring nothing but bytes.

use http::HeaderMap;
use wharf_wire::{
    names::ObjectKey,
    s3::{Operation, Parameters},
    xml,
};

use super::{Multipart, Upload, plan::Plan};
use crate::{
    config::checked::Action,
    error::Error,
    transfer::{Sending, Side, late_error},
    upload_api::{remote::Question, storage::Storage, target::parse_key},
};

/// An upload that is to begin.
#[derive(Clone, Copy)]
pub(crate) struct NewUpload<'a> {
    /// The key, as the caller calls it.
    pub(crate) key: &'a str,
    /// How the object is to be stored.
    pub(crate) storage: &'a Storage<'a>,
    pub(crate) content_type: &'a str,
    /// How the file is cut; a client that does not tell its size cuts it as it likes.
    pub(crate) plan: Option<Plan>,
}

impl Multipart<'_> {
    /// Begins an upload. Gives it, and what its caller calls it from now on.
    pub(crate) async fn create(&self, new: NewUpload<'_>) -> Result<(Upload, String), Error> {
        self.target.authorize(self.identity, Action::Write, new.key)?;
        let (key, object) = (parse_key(new.key)?, self.target.object_key(new.key)?);
        let headers = new.storage.headers(new.content_type)?;
        let id = self.create_at_provider(&object, headers.clone()).await?;
        let upload = Upload { key, object, id, bytes_max: self.bytes_max(new.plan), plan: new.plan };
        if let Some(teed) = self.teed(&upload) {
            teed.begin(&headers);
        }
        let sealed = self.seal(&upload)?;
        Ok((upload, sealed))
    }

    async fn create_at_provider(&self, object: &ObjectKey, headers: HeaderMap) -> Result<String, Error> {
        let question = Question {
            operation: Operation::CreateMultipartUpload,
            key: Some(object),
            parameters: &Parameters::default(),
            sending: Sending::without_body(headers),
        };
        let document = self.remote()?.document(question).await?;
        let id =
            xml::read_upload_id(&document).map_err(|error| late_error(Side::Target, &document, error))?;
        Ok(id)
    }

    /// What the object may have in the end: no more than the client said, else no more than the bucket takes.
    fn bytes_max(&self, plan: Option<Plan>) -> Option<u64> {
        let accepted = || self.target.configured.and_then(|bucket| bucket.accept.file_bytes_max);
        plan.map(Plan::file_bytes).or_else(accepted)
    }
}
