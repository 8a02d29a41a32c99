//! An upload on its way to its mirrors: an object, or a part of one.

use std::sync::Arc;

use http::HeaderMap;
use wharf_wire::s3::{Operation, Parameters};

use super::{
    Target, Tee,
    branch::{Branch, Copied},
    customer_key::Witness,
    fork::{Fork, Hold, Transfer},
    headers,
    verdict::{Awaited, Judge, Verdict, judge},
};
use crate::{
    admin::Metrics,
    backend::{Payload, upstream::SendBody},
    mirror::state::{Outcome, Record},
    store::Intent,
    transfer::{Object, Sending},
};

/// What one mirror will be sent.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) mirror: Arc<str>,
    object: Object,
    headers: HeaderMap,
    body: SendBody,
    hold: Option<Hold>,
}

/// An upload and its mirrors, of which nobody has been sent anything yet.
#[derive(Debug)]
pub struct Teeing<'a> {
    pub(super) tee: &'a Tee,
    pub(super) mirrors: Vec<Prepared>,
    pub(super) bytes: u64,
    /// Where the primary keeps an object that is encrypted with a customer's key, and the headers with that key.
    locked: Option<(Object, HeaderMap)>,
}

impl<'a> Teeing<'a> {
    /// An object, which the primary keeps at `primary`. `described` is what it is told of it, before the framing of its body
    /// is added.
    pub fn of_object(
        tee: &'a Tee,
        targets: Vec<Target<'_>>,
        described: &HeaderMap,
        primary: impl FnOnce() -> Object,
    ) -> Self {
        let headers = |target: &Target<'_>| {
            let mut headers = target.headers(described);
            headers.extend(headers::of_bytes(described));
            headers
        };
        let key = Some(headers::of_customer(described)).filter(|key| !key.is_empty());
        Self { locked: key.map(|key| (primary(), key)), ..Self::new(tee, targets, headers) }
    }

    /// A part of one. `sent` is what the primary is told of it.
    pub fn of_part(tee: &'a Tee, targets: Vec<Target<'_>>, sent: &HeaderMap) -> Self {
        Self::new(tee, targets, |_| headers::of_bytes(sent))
    }

    fn new(tee: &'a Tee, targets: Vec<Target<'_>>, headers: impl Fn(&Target<'_>) -> HeaderMap) -> Self {
        let prepared = |target: Target<'_>| {
            let headers = headers(&target);
            let Target { config, object } = target;
            Prepared { mirror: Arc::clone(&config.name), object, headers, body: SendBody::Empty, hold: None }
        };
        Self { tee, mirrors: targets.into_iter().map(prepared).collect(), bytes: 0, locked: None }
    }

    /// Where the payload goes in, which has as many bytes.
    pub fn fork(&mut self, bytes: u64) -> Fork {
        let mut fork = Fork::default();
        let Tee { skew_bytes_max, ref memory, .. } = *self.tee;
        let transfer = Transfer { bytes, skew_bytes_max, memory: memory.clone() };
        self.bytes = bytes;
        for mirror in self.mirrors.iter_mut().filter(|_| bytes > 0) {
            let (body, hold) = fork.branch(&transfer);
            (mirror.body, mirror.hold) = (body, Some(hold));
        }
        fork
    }

    /// The mirrors' names.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.mirrors.iter().map(|mirror| Arc::clone(&mirror.mirror)).collect()
    }

    /// Sends an object to every mirror, each with its intent, and gives who tells them what the primary made of it.
    /// `payload` is what is signed of the body that the primary gets.
    pub fn begin(self, payload: Payload, intents: Vec<Intent>) -> Judge {
        let (judge, primary) = judge();
        let tenure = self.tee.journal.tenure();
        for (mut mirror, intent) in self.mirrors.into_iter().zip(intents) {
            mirror.object = mirror.object.while_held(tenure);
            let witness = self.locked.as_ref().map(|(primary, key)| Witness {
                primary: primary.clone(),
                mirror: mirror.object.clone(),
                key: key.clone(),
            });
            let (name, metrics) = (Arc::clone(&mirror.mirror), Arc::clone(&self.tee.metrics));
            let end = End { intent, mirror: name, bytes: self.bytes, metrics };
            let branch = mirror.branch(Operation::PutObject, Parameters::default(), payload);
            self.tee.drain.spawn(mirror_object(branch, primary.clone(), witness, end));
        }
        judge
    }
}

impl Prepared {
    pub(super) fn branch(self, operation: Operation, parameters: Parameters, payload: Payload) -> Branch {
        let Self { object, headers, body, hold, .. } = self;
        let payload = match payload {
            Payload::Sha256(_) => payload,
            // The primary's framing is not for the mirrors, which get the payload alone.
            Payload::Unsigned | Payload::UnsignedTrailer => Payload::Unsigned,
        };
        let sending = Sending { headers, payload, body };
        Branch { object, operation, parameters, sending, hold }
    }
}

async fn mirror_object(branch: Branch, primary: Awaited, witness: Option<Witness>, end: End) {
    let (verdict, copied) = branch.send(primary).await;
    match (&witness, &verdict, &copied) {
        (Some(witness), Verdict::Stored { etag }, Copied::Yes { etag: mirror_etag })
            if witness.agrees(etag, mirror_etag).await =>
        {
            // A worker could not even look.
            end.count(&copied);
            end.settle_copied(Outcome::Unchanged, etag, mirror_etag);
        }
        _ => end.settle(verdict, copied),
    }
}

/// What is left to say when a mirror's request and the primary's have ended.
pub(super) struct End {
    pub(super) intent: Intent,
    pub(super) mirror: Arc<str>,
    /// The length of the object.
    pub(super) bytes: u64,
    pub(super) metrics: Arc<Metrics>,
}

impl End {
    /// Says what primary and mirror made of it.
    pub(super) fn settle(self, verdict: Verdict, copied: Copied) {
        self.count(&copied);
        let mirror = &*self.mirror;
        match (verdict, copied) {
            // The mirror never had the last byte of either.
            (Verdict::Refused, _) => self.intent.settle(Outcome::Unchanged),
            (Verdict::Unknown, _) => self.intent.settle(Outcome::Unknown),
            (Verdict::Stored { etag }, Copied::Yes { etag: mirror_etag }) => {
                self.settle_copied(Outcome::Changed, &etag, &mirror_etag);
            }
            (Verdict::Stored { .. }, Copied::No(why)) => {
                tracing::debug!(mirror, %why, "a copy is left to the mirror's worker");
                self.intent.settle(Outcome::Changed);
            }
            (Verdict::Stored { .. }, Copied::Unsure(why)) => {
                tracing::debug!(mirror, %why, "whether a mirror has its copy is not known");
                self.intent.settle_unsure();
            }
        }
    }

    fn count(&self, copied: &Copied) {
        self.metrics.tee(self.intent.bucket(), &self.mirror, copied.as_str());
    }

    fn settle_copied(self, outcome: Outcome, primary_etag: &str, mirror_etag: &str) {
        let record = Record {
            primary_etag: primary_etag.to_owned(),
            mirror_etag: mirror_etag.to_owned(),
            bytes: self.bytes,
            checksum: None,
            last_modified: None,
            metadata_digest: String::new(),
        };
        self.intent.settle_copied(outcome, record);
    }
}
