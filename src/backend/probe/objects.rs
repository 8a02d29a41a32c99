//! The probe's objects: stored, read, stored in parts, and deleted whatever came of that.

use bytes::Bytes;
use http::{Method, Response, header};
use wharf_wire::{names::ObjectKey, xml};

use super::{Call, Outcome, Probe, ProbeBucket, ProbeError, Reply, is_denied, is_done, object_call, refusal};

const BODY: &[u8] = b"Wharf stored this to see whether it can, and was about to delete it again.\n";
/// Where the probe's objects are, below a bucket's prefix.
pub const FOLDER: &str = ".wharf-test/";
/// The version of a stored object, in buckets that keep them all.
const VERSION_ID: &str = "x-amz-version-id";

/// What the objects of the probe with `id` are called, below a bucket's prefix.
pub fn keys(id: &str) -> [String; 2] {
    ["object", "object-in-parts"].map(|name| [FOLDER, id, "/", name].concat())
}

/// The objects of one probe.
pub(super) struct Objects<'a> {
    probe: &'a Probe<'a>,
    bucket: ProbeBucket<'a>,
    plain: ObjectKey,
    in_parts: ObjectKey,
    /// What may be there now.
    written: Vec<Written>,
    /// The credentials may not store anything, which uploads in parts take as well.
    may_not_store: bool,
    /// An upload in parts that was begun and not ended. Its parts are kept, and billed, until it is aborted.
    begun: Option<String>,
}

struct Written {
    key: ObjectKey,
    version_id: Option<String>,
}

impl<'a> Objects<'a> {
    /// Fails where the bucket's prefix leaves no room for a key.
    pub(super) fn new(probe: &'a Probe<'a>, bucket: ProbeBucket<'a>) -> Result<Self, String> {
        let [plain, in_parts] = keys(probe.id);
        let key = |key: &str| {
            ObjectKey::parse(&[bucket.key_prefix, key].concat()).map_err(|error| error.to_string())
        };
        let (plain, in_parts) = (key(&plain)?, key(&in_parts)?);
        Ok(Self { probe, bucket, plain, in_parts, written: Vec::new(), may_not_store: false, begun: None })
    }

    pub(super) async fn write(&mut self) -> Outcome {
        // Noted before it is sent: a reply that is lost says nothing of the object.
        self.written.push(Written { key: self.plain.clone(), version_id: None });
        let call = Call {
            headers: &[("content-type", "text/plain")],
            body: Bytes::from_static(BODY),
            ..object_call(Method::PUT, self.bucket, &self.plain)
        };
        match self.probe.call(call).await {
            Err(error) => error.into(),
            Ok(reply) if is_done(&reply) => {
                self.note_version(&reply);
                Outcome::passed(self.plain.as_str())
            }
            Ok(reply) => {
                self.forget_if_refused(&reply);
                let refusal = refusal(&reply);
                self.may_not_store = refusal.is_about_rights;
                refusal.needing("s3:PutObject")
            }
        }
    }

    pub(super) async fn read_back(&self) -> Outcome {
        match self.probe.call(object_call(Method::GET, self.bucket, &self.plain)).await {
            Err(error) => error.into(),
            Ok(reply) if reply.status().is_success() && reply.body() == BODY => {
                Outcome::passed("the same bytes")
            }
            Ok(reply) if reply.status().is_success() => Outcome::failed(
                "other bytes came back than were stored",
                "see what changes bodies on the way to the store",
            ),
            Ok(reply) => refusal(&reply).needing("s3:GetObject"),
        }
    }

    pub(super) async fn multipart(&mut self) -> Outcome {
        if self.may_not_store {
            return Outcome::skipped("write failed, and this takes the same right");
        }
        let query = [("uploads", "")];
        let call = Call { query: &query, ..object_call(Method::POST, self.bucket, &self.in_parts) };
        let started = match self.probe.call(call).await {
            Err(error) => return error.into(),
            Ok(reply) if !is_done(&reply) => return refusal(&reply).needing("s3:PutObject"),
            Ok(reply) => xml::read_upload_id(reply.body()),
        };
        let upload_id = match started {
            Ok(upload_id) => upload_id,
            Err(error) => {
                return Outcome::failed(
                    error.to_string(),
                    "see the provider's documentation of multipart uploads",
                );
            }
        };
        self.begun = Some(upload_id.clone());
        let outcome = match self.one_part(&upload_id).await {
            Ok(Ok(())) => {
                self.begun = None;
                return Outcome::passed("one part, completed");
            }
            Ok(Err(reply)) => refusal(&reply).needing("s3:PutObject"),
            Err(error) => error.into(),
        };
        self.abort(outcome).await
    }

    /// Sends the only part and completes the upload; a reply that comes back refused one of the two.
    async fn one_part(&mut self, upload_id: &str) -> Result<Result<(), Response<Bytes>>, ProbeError> {
        let query = [("partNumber", "1"), ("uploadId", upload_id)];
        let part = Call {
            query: &query,
            body: Bytes::from_static(BODY),
            ..object_call(Method::PUT, self.bucket, &self.in_parts)
        };
        let reply = self.probe.call(part).await?;
        let Some(etag) = etag(&reply).filter(|_| is_done(&reply)) else { return Ok(Err(reply)) };
        let query = [("uploadId", upload_id)];
        let complete = Call {
            query: &query,
            headers: &[("content-type", "application/xml")],
            body: xml::write_complete_multipart(&[(1, etag)]).into(),
            ..object_call(Method::POST, self.bucket, &self.in_parts)
        };
        self.written.push(Written { key: self.in_parts.clone(), version_id: None });
        let reply = self.probe.call(complete).await?;
        if !is_done(&reply) {
            self.forget_if_refused(&reply);
            return Ok(Err(reply));
        }
        self.note_version(&reply);
        Ok(Ok(()))
    }

    /// Ends an upload that was begun, if one was; `outcome` is what is to be told, and also whether that failed.
    async fn abort(&mut self, outcome: Outcome) -> Outcome {
        let Some(upload_id) = self.begun.take() else { return outcome };
        let query = [("uploadId", upload_id.as_str())];
        let call = Call { query: &query, ..object_call(Method::DELETE, self.bucket, &self.in_parts) };
        let left = match self.probe.call(call).await {
            Ok(reply) if reply.status().is_success() || reply.status() == 404 => return outcome,
            Ok(reply) => refusal(&reply).needing("s3:AbortMultipartUpload"),
            Err(error) => error.into(),
        };
        match (outcome, left) {
            (Outcome::Failed { reason, fix, .. }, _) | (_, Outcome::Failed { reason, fix, .. }) => {
                let key = self.in_parts.as_str();
                Outcome::failed(reason, format!("{fix}; and abort the upload of {key}, which is left behind"))
            }
            (outcome, Outcome::Passed { .. } | Outcome::Skipped { .. }) => outcome,
        }
    }

    pub(super) async fn delete(&mut self) -> Outcome {
        if self.written.is_empty() && self.begun.is_none() {
            return Outcome::skipped("nothing was stored");
        }
        let mut worst = self.abort(Outcome::passed("nothing is left behind")).await;
        for written in std::mem::take(&mut self.written) {
            let outcome = match self.delete_one(&written).await {
                Ok(reply) if reply.status().is_success() || reply.status() == 404 => continue,
                Ok(reply) => refusal(&reply).needing("s3:DeleteObject"),
                Err(error) => error.into(),
            };
            if let Outcome::Failed { reason, fix, .. } = outcome {
                worst = Outcome::failed(
                    reason,
                    format!("{fix}; and delete {}, which is left behind", written.key.as_str()),
                );
            }
        }
        worst
    }

    /// The very version that was stored, where that is allowed; else as any client deletes.
    async fn delete_one(&self, written: &Written) -> Reply {
        let call = || object_call(Method::DELETE, self.bucket, &written.key);
        if let Some(version_id) = &written.version_id {
            let reply = self.probe.call(Call { query: &[("versionId", version_id)], ..call() }).await?;
            if !is_denied(&reply) {
                return Ok(reply);
            }
        }
        self.probe.call(call()).await
    }

    /// A store that says the request was wrong has stored nothing; after any other answer, and after none, it may have.
    fn forget_if_refused(&mut self, reply: &Response<Bytes>) {
        if reply.status().is_client_error() {
            self.written.pop();
        }
    }

    fn note_version(&mut self, reply: &Response<Bytes>) {
        let version_id = reply.headers().get(VERSION_ID).and_then(|id| id.to_str().ok());
        if let Some(written) = self.written.last_mut() {
            written.version_id = version_id.map(ToOwned::to_owned);
        }
    }
}

fn etag(reply: &Response<Bytes>) -> Option<&str> {
    reply.headers().get(header::ETAG)?.to_str().ok()
}
