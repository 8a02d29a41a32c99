//! Uploads in parts: the client sends each part to a URL of its own, and then says which parts make up the object.
//!
//! ```text
//! initiate ─ plan ─▶ CreateMultipartUpload ─▶ uploadId (sealed), a URL for each part
//! parts    ─ open ─▶ ListParts, all pages  ─▶ what is there, URLs for what is missing
//! complete ─ open ─▶ ListParts (the size) ─ intent ─▶ CompleteMultipartUpload ─▶ settled by its document
//! abort    ─ open ─▶ AbortMultipartUpload
//! janitor  ──────── ListMultipartUploads, now and then: what was begun here and left is aborted
//! ```
//!
//! Nothing is kept here between these requests. Whose upload it is stands in its sealed id (`ticket`), which parts there
//! are is known to the provider, and so is what became of it: a completion that is repeated is answered from the object
//! itself (`finish`).
//!
//! [`Multipart`] has the verbs; the routes, and Uppy's, put requests into them and their results into replies.

mod abort;
mod begin;
mod complete;
mod finish;
mod initiate;
mod janitor;
mod part_list;
mod parts;
mod plan;
mod stored;
mod ticket;
mod urls;

use http::HeaderMap;
use wharf_wire::{
    date::Timestamp,
    s3::{Parameter, Parameters},
    sigv4::presign::Series,
};

pub(crate) use begin::NewUpload;
pub use janitor::{Janitor, abort_stale_uploads};
pub(crate) use part_list::{PartList, part_number};
pub(crate) use plan::Plan;
pub(crate) use ticket::Upload;

pub(super) use abort::{Reply as Aborted, handle as abort};
pub(super) use complete::{Reply as Completed, handle as complete};
pub(super) use initiate::{Reply as Initiated, handle as initiate};
pub(super) use parts::{Reply as PartsReply, handle as parts};
pub(super) use urls::PartUrl;

use super::{
    Parts, Request,
    body::non_empty,
    remote::Remote,
    target::{AskedParts, Target},
};
use crate::{
    error::{Code, Error},
    mirror::ClientUpload,
    request::authenticate::Identity,
    transfer::Sending,
};

/// Uploads into one bucket, on behalf of one caller.
#[derive(Clone, Copy)]
pub(crate) struct Multipart<'r> {
    pub(crate) parts: &'r Parts,
    pub(crate) target: &'r Target<'r>,
    pub(crate) identity: &'r Identity,
    pub(crate) now: Timestamp,
}

impl Multipart<'_> {
    /// Signs the URLs of an upload's parts, by their numbers.
    pub(crate) fn part_urls(&self, upload: &Upload, expires_seconds: u32) -> Result<Series, Error> {
        let Upload { key, object, id, .. } = upload;
        let asked = AskedParts { key, object, upload_id: id, expires_seconds };
        let signing_key = self.target.signing_key(&self.parts.signing_keys, self.now);
        self.target.presign_parts(asked, &signing_key, self.now)
    }

    fn remote(&self) -> Result<Remote, Error> {
        Remote::of(self.target, &self.parts.origins)
    }

    /// The upload as its mirrors are told of it. Its parts go through Wharf only where the bucket's URLs point at it, and
    /// else there is nothing to send them.
    fn teed<'a>(&'a self, upload: &'a Upload) -> Option<ClientUpload<'a>> {
        let bucket = self.target.configured.filter(|_| self.target.own_door.is_some())?;
        let (mirrors, origins) = (&self.parts.mirrors, &self.parts.origins);
        Some(ClientUpload { mirrors, origins, bucket, key: &upload.key, id: &upload.id })
    }
}

impl Upload {
    /// The parameters of a question about the upload.
    fn named(&self) -> Parameters {
        let mut parameters = Parameters::default();
        parameters.set(Parameter::UploadId, self.id.clone());
        parameters
    }
}

impl<'r> Request<'r> {
    fn multipart(&self) -> Multipart<'r> {
        let Request { parts, call, target, .. } = *self;
        Multipart { parts, target, identity: call.identity, now: call.context.received }
    }

    /// The upload that the body names.
    fn upload(&self) -> Result<Upload, Error> {
        let id = non_empty(self.body.multipart.upload_id.as_ref());
        let key = non_empty(self.body.get.key.as_ref());
        let (Some(id), Some(key)) = (id, key) else {
            let fields = [("`uploadId`", id), ("`key`", key)];
            let missing = fields.into_iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name);
            let missing = missing.collect::<Vec<_>>().join(", ");
            return Err(Error::new(Code::MissingFields, format!("Missing: {missing}.")));
        };
        self.multipart().open(id, key)
    }
}

/// No headers and no body.
fn nothing() -> Sending {
    Sending::without_body(HeaderMap::new())
}
