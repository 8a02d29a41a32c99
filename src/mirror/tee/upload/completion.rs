//! The end of an upload.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;
use wharf_wire::{s3::Operation, xml};

use super::{UploadError, UploadName, ask, named};
use crate::{
    mirror::{
        crash_point::{Point, reached},
        tee::{
            Target, Tee,
            branch::Copied,
            object::End,
            verdict::{Awaited, Judge, Verdict, judge},
        },
    },
    store::{Intent, TeeName, TeePart},
    transfer::{Object, Sending, Side, late_error},
};

/// A part as a client lists it: its number, and the `ETag` that the primary gave it.
pub type Listed = Arc<[(u16, String)]>;

/// The end of one mirror's upload.
struct Completion {
    tee: Tee,
    name: TeeName,
    object: Object,
    listed: Listed,
    intent: Intent,
}

impl Tee {
    /// The primary is about to complete an upload of the `listed` parts: each mirror, with its intent, will do the same when
    /// it has. Gives who tells them.
    pub fn complete_upload(
        &self,
        upload: &UploadName,
        targets: Vec<Target<'_>>,
        listed: &Listed,
        intents: Vec<Intent>,
    ) -> Judge {
        let (judge, primary) = judge();
        for (target, intent) in targets.into_iter().zip(intents) {
            let name = upload.at(&target.config.name);
            let listed = Arc::clone(listed);
            let object = target.object.while_held(self.journal.tenure());
            let completion = Completion { tee: self.clone(), name, object, listed, intent };
            self.drain.spawn(completion.run(primary.clone()));
        }
        judge
    }
}

impl Completion {
    async fn run(self, mut primary: Awaited) {
        let verdict = primary.verdict().await;
        let (copied, bytes) = match &verdict {
            Verdict::Stored { .. } => self.complete().await,
            // The client may try again, so the parts are kept.
            Verdict::Refused | Verdict::Unknown => (Copied::No(UploadError::Unwanted.into()), 0),
        };
        let metrics = self.tee.metrics;
        End { intent: self.intent, mirror: self.name.mirror, bytes, metrics }.settle(verdict, copied);
    }

    /// What came of it, and how many bytes the object has.
    async fn complete(&self) -> (Copied, u64) {
        self.tee.settled(&self.name).await;
        match self.find().await {
            Ok((id, parts)) => {
                let bytes = parts.iter().map(|part| part.bytes).sum();
                (self.complete_at(&id, &parts).await, bytes)
            }
            Err(error) => (Copied::No(error.into()), 0),
        }
    }

    /// The mirror's upload, and its parts in the order of the list. An upload that lacks one is aborted.
    async fn find(&self) -> Result<(String, Vec<TeePart>), UploadError> {
        let journal = &self.tee.journal;
        let id = journal.tee_id(&self.name).await?.ok_or(UploadError::NotBegun)?;
        let parts = listed_parts(journal.tee_parts(&self.name).await?, &self.listed);
        if parts.is_err() {
            self.tee.abort_and_forget(&self.name, &self.object, &id).await?;
        }
        Ok((id, parts?))
    }

    async fn complete_at(&self, id: &str, parts: &[TeePart]) -> Copied {
        let journal = &self.tee.journal;
        // Whoever finds it after a crash knows that it may be complete.
        if let Err(error) = journal.end_tee(&self.name).await {
            return Copied::No(UploadError::from(error).into());
        }
        reached(Point::TeeCompleting);
        let outcome = self.ask_to_complete(id, parts).await;
        reached(Point::TeeCopied);
        let was_refused = matches!(&outcome, Err(UploadError::Mirror(error)) if error.was_refused());
        let ended = match &outcome {
            Ok(_) => journal.forget_tee(&self.name).await.map_err(UploadError::from),
            Err(_) if was_refused => self.tee.abort_and_forget(&self.name, &self.object, id).await,
            Err(_) => Ok(()),
        };
        if let Err(error) = ended {
            tracing::debug!(mirror = &*self.name.mirror, %error, "an upload is cleaned up later");
        }
        match outcome {
            Ok(etag) => Copied::Yes { etag },
            Err(error) if was_refused => Copied::No(error.into()),
            Err(error) => Copied::Unsure(error.into()),
        }
    }

    async fn ask_to_complete(&self, id: &str, parts: &[TeePart]) -> Result<String, UploadError> {
        let parts: Vec<_> = parts.iter().map(|part| (part.number, part.mirror_etag.as_str())).collect();
        let document = Bytes::from(xml::write_complete_multipart(&parts));
        let sending = Sending::completion(HeaderMap::new(), document);
        let answer = ask(&self.object, Operation::CompleteMultipartUpload, &named(id), sending).await?;
        let completed =
            xml::read_completed(&answer).map_err(|error| late_error(Side::Target, &answer, error))?;
        Ok(quoted(&completed.etag))
    }
}

/// What a mirror has of the listed parts, if it has all of them as the primary has them.
fn listed_parts(parts: Vec<TeePart>, listed: &[(u16, String)]) -> Result<Vec<TeePart>, UploadError> {
    let mut parts: BTreeMap<u16, TeePart> = parts.into_iter().map(|part| (part.number, part)).collect();
    let part = |(number, etag): &(u16, String)| {
        let part = parts.remove(number).filter(|part| bare(&part.primary_etag) == bare(etag));
        part.ok_or(UploadError::Part(*number))
    };
    listed.iter().map(part).collect()
}

/// Clients list `ETag`s with their quotes, or without.
fn bare(etag: &str) -> &str {
    etag.trim_matches('"')
}

/// An `ETag` as headers have it. Some stores leave the quotes out of documents.
pub fn quoted(etag: &str) -> String {
    ["\"", bare(etag), "\""].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u16, primary_etag: &str) -> TeePart {
        let (primary_etag, mirror_etag) = (primary_etag.to_owned(), format!("\"mirror-{number}\""));
        TeePart { number, primary_etag, mirror_etag, bytes: 5 }
    }

    #[test]
    fn a_mirror_completes_what_it_has_as_the_primary_has_it() {
        let list = |listed: &[(u16, &str)]| {
            let listed: Vec<_> = listed.iter().map(|(number, etag)| (*number, (*etag).to_owned())).collect();
            let parts = vec![part(1, "\"a\""), part(2, "\"b\""), part(7, "\"c\"")];
            let numbers = |parts: Vec<TeePart>| parts.iter().map(|part| part.number).collect::<Vec<_>>();
            listed_parts(parts, &listed).map(numbers).map_err(|error| error.to_string())
        };
        assert_eq!(list(&[(1, "\"a\""), (2, "b"), (7, "\"c\"")]), Ok(vec![1, 2, 7]));
        assert_eq!(list(&[(1, "a"), (7, "c")]), Ok(vec![1, 7]), "a client may leave parts out");
        for listed in [vec![(1, "a"), (3, "d")], vec![(3, "d")]] {
            assert_eq!(list(&listed), Err("part 3 is missing there, or is another one".to_owned()));
        }
        assert!(list(&[(1, "b")]).is_err(), "the primary has another one");
        assert!(list(&[(1, "a"), (1, "a")]).is_err(), "S3 takes no part twice");
    }
}
