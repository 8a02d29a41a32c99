//! `CompleteMultipartUpload` and `AbortMultipartUpload`.
//!
//! Whoever does not hear what came of a completion asks again, and by then the provider no longer knows the upload. No
//! record of what was answered is kept for that: the object is the record, and it outlives this process, and is the same
//! for every node. It is what the repeated completion asks for if its `ETag` is the one that follows from the listed parts.
//! Where `ETag`s are no MD5s (SSE-KMS, some stores), the key decides: it was drawn for this upload alone, so an object of as
//! many parts under it, or of the size that was announced, was made by no other.

use std::iter;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use tokio::task::yield_now;
use wharf_wire::{
    s3::{Operation, Parameters},
    xml::{self, ListedPart},
};

use super::{Multipart, PartList, Upload, nothing, stored};
use crate::{
    error::{Code, Error},
    mirror::{Intents, state::Change, tee::quoted},
    transfer::{Sending, Side, TransferError, late_error},
    upload_api::{
        remote::{Question, Remote, read},
        upload_id::UploadId,
    },
    webhooks::{EventName, Facts, Telling},
};

/// An object that was made of its parts.
#[derive(Debug)]
pub(crate) struct Completed {
    /// Its `ETag`, with its quotes.
    pub(crate) etag: String,
    /// Its own address.
    pub(crate) location: String,
}

/// Why there is no object.
enum Failure {
    /// Nothing was asked of the provider.
    Own(Error),
    /// What the provider answered, or did not.
    Provider(TransferError),
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        Self::Provider(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Own(error)
    }
}

impl Multipart<'_> {
    /// Makes the object of the parts in `list`. The same again is answered the same.
    pub(crate) async fn complete(&self, upload: &Upload, list: &PartList) -> Result<Completed, Error> {
        let remote = self.remote()?;
        let etag = match self.ask_to_complete(&remote, upload, list).await {
            Ok(etag) => etag,
            Err(Failure::Own(error)) => return Err(error),
            Err(Failure::Provider(refusal)) => {
                let etag = earlier(&remote, upload, list, &refusal).await.ok_or_else(|| refused(refusal))?;
                self.tell_again(upload, &etag).await?;
                etag
            }
        };
        Ok(Completed { etag, location: self.target.public_url(&upload.object) })
    }

    /// Whoever asks again may not have heard of the first time because subscribers were not certain to be told of it.
    fn tell_again(&self, upload: &Upload, etag: &str) -> Telling {
        let Some(bucket) = self.target.configured else { return Telling::default() };
        let facts = Facts { etag: Some(etag.to_owned()), ..Facts::default() };
        let keys = iter::once(upload.key.as_str());
        self.parts.webhooks.tell(&bucket.name, EventName::UploadCompleted, keys, &facts)
    }

    /// Forgets the upload and its parts.
    pub(crate) async fn abort(&self, upload: &Upload) -> Result<(), Error> {
        let (operation, key) = (Operation::AbortMultipartUpload, Some(&upload.object));
        let question = Question { operation, key, parameters: &upload.named(), sending: nothing() };
        self.remote()?.ask(question).await?;
        if let Some(teed) = self.teed(upload) {
            teed.abort();
        }
        Ok(())
    }

    async fn ask_to_complete(
        &self,
        remote: &Remote,
        upload: &Upload,
        list: &PartList,
    ) -> Result<String, Failure> {
        if let Some(bytes_max) = upload.bytes_max {
            check_size(&stored::list(remote, upload).await?, list, bytes_max)?;
        }
        let intents = self.intend(upload, list).await?;
        let document = Bytes::from(list.document());
        // It may have a megabyte: others have their turn before it is hashed.
        yield_now().await;
        let sending = Sending::completion(HeaderMap::new(), document);
        let (operation, key) = (Operation::CompleteMultipartUpload, Some(&upload.object));
        let question = Question { operation, key, parameters: &upload.named(), sending };
        let (reply, intents) = remote.change(intents, question).await;
        let document = read(reply?).await?;
        // An error below a 200 leaves unknown what was done: dropped, that is what the intents say.
        let object =
            xml::read_completed(&document).map_err(|error| late_error(Side::Target, &document, error))?;
        let etag = quoted(&object.etag);
        intents.settle_changed(Some(etag.clone())).await.map_err(Error::from)?;
        Ok(etag)
    }

    async fn intend(&self, upload: &Upload, list: &PartList) -> Result<Intents, Error> {
        if let Some(teed) = self.teed(upload) {
            return Ok(teed.intend_complete(list.to_vec()).await?);
        }
        let Some(bucket) = self.target.configured else { return Ok(Intents::default()) };
        let keys = iter::once(upload.key.as_str());
        Ok(self.parts.mirrors.intend(bucket, keys, Change::Write).await?)
    }
}

/// Refuses parts that make more than was said, while they are no object yet. What a client says of their sizes counts for
/// nothing.
fn check_size(stored: &[ListedPart], list: &PartList, bytes_max: u64) -> Result<(), Error> {
    let parts = stored.chunk_by(|one, other| one.number == other.number);
    let bytes = parts.fold(0, |sum: u64, same| sum.saturating_add(bytes_of(same, list)));
    if bytes <= bytes_max {
        return Ok(());
    }
    let message = format!("The parts have {bytes} bytes together; this upload may have {bytes_max}.");
    Err(Error::new(Code::FileTooLarge, message).hint("Abort it, and begin one with the file's real size."))
}

/// What a part adds to the object. There are stores that list a part as often as it was sent: its `ETag` says which one is
/// meant, and where that is not listed, the largest counts.
fn bytes_of(same: &[ListedPart], list: &PartList) -> u64 {
    let Some(etag) = same.first().and_then(|part| list.etag(part.number)) else { return 0 };
    let is_meant = |part: &&ListedPart| part.etag.as_deref().is_some_and(|listed| quoted(listed) == etag);
    let meant = same.iter().find(is_meant).map(|part| part.bytes);
    meant.or_else(|| same.iter().map(|part| part.bytes).max()).unwrap_or(0)
}

/// The `ETag` of the object, if an earlier completion of the same upload has made it.
async fn earlier(
    remote: &Remote,
    upload: &Upload,
    list: &PartList,
    refusal: &TransferError,
) -> Option<String> {
    refusal.status().filter(StatusCode::is_client_error)?;
    let (operation, key) = (Operation::HeadObject, Some(&upload.object));
    let question = Question { operation, key, parameters: &Parameters::default(), sending: nothing() };
    let reply = remote.ask(question).await.ok()?;
    let etag = quoted(reply.headers().get(header::ETAG)?.to_str().ok()?);
    let is_of_these_parts = list.object_etag().as_deref() == Some(&etag);
    let is_upload_gone = refusal.code() == Some("NoSuchUpload");
    let is_own_key = UploadId::in_key(upload.object.as_str()).is_some();
    let is_of_as_many = etag.ends_with(&format!("-{}\"", list.len()));
    let bytes =
        reply.headers().get(header::CONTENT_LENGTH).and_then(|bytes| bytes.to_str().ok()?.parse().ok());
    let is_as_large = upload.plan.is_some_and(|plan| bytes == Some(plan.file_bytes()));
    let is_of_this_upload = is_upload_gone && is_own_key && (is_of_as_many || is_as_large);
    (is_of_these_parts || is_of_this_upload).then_some(etag)
}

/// What the client is told of a refusal. Parts that are not there, or too small, are its own mistake.
fn refused(refusal: TransferError) -> Error {
    let message = match refusal.code() {
        Some("InvalidPart" | "InvalidPartOrder") => {
            "A part is not there, or is another one than `parts` says: its ETag differs."
        }
        Some("EntityTooSmall") => "A part other than the last one is smaller than the provider takes.",
        Some(_) | None => return refusal.into(),
    };
    Error::new(Code::InvalidPart, message)
        .hint("Ask multipart/parts what is stored, send what is missing, and complete again.")
        .cause(refusal.to_string())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn what_is_listed_counts_once_and_as_it_is_stored() {
        let part = |number, etag: &str, bytes| ListedPart {
            number,
            etag: (!etag.is_empty()).then(|| etag.to_owned()),
            bytes,
            last_modified: None,
        };
        let stored = [part(1, "\"a\"", 10), part(1, "b", 7), part(2, "", 5), part(3, "\"c\"", 100)];
        let check = |listed: &[(u64, &str)], bytes_max| {
            let list = PartList::read(listed.iter().copied().map(Ok)).now_or_never().unwrap().unwrap();
            check_size(&stored, &list, bytes_max).map_err(|error| error.code)
        };
        for (listed, bytes) in [
            (vec![(1, "a"), (2, "x")], 15),
            (vec![(1, "b"), (2, "x")], 12),
            // Nobody knows which one would be taken.
            (vec![(1, "x")], 10),
            (vec![(4, "x")], 0),
        ] {
            assert_eq!(check(&listed, bytes), Ok(()), "{listed:?}");
            if bytes > 0 {
                assert_eq!(check(&listed, bytes - 1), Err(Code::FileTooLarge), "{listed:?}");
            }
        }
    }
}
