//! A mirror that is sent the same bytes as the primary. It gets the last one when the primary has them all; its own intent
//! stays open until its request has ended.

use wharf::mirror::{crash_point::Point, state::Outcome};

use super::{
    journal::{LATE, OpenIntent, Settlement, Teed},
    stores::{Action, PRIMARY, Reply, Request, Sender, Stored, Value, described},
    worker::record,
    world::{Crash, World},
};

/// The mirror that is teed, in some runs.
pub(super) const TEED: usize = 0;

#[derive(Debug, Clone, Copy)]
pub(super) struct Tee {
    pub(super) node: usize,
    intent: OpenIntent,
    value: Value,
    /// The number of what the primary has.
    version: u32,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Parts of a multipart upload go along with the primary's.
    Begun,
    Parts,
    /// All is there but the last byte, or the request that puts parts together.
    Ready,
    Asked(u32),
    Over,
}

impl Tee {
    pub(super) fn new(node: usize, intent: OpenIntent, value: Value, version: u32) -> Self {
        let stage = if value.is_large() { Stage::Begun } else { Stage::Ready };
        Self { node, intent, value, version, stage }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    pub(super) fn open_intent(&self) -> Option<OpenIntent> {
        (!self.is_over()).then_some(self.intent)
    }

    fn request(&self) -> Option<u32> {
        if let Stage::Asked(request) = self.stage { Some(request) } else { None }
    }
}

impl World {
    /// Takes one step of a tee.
    pub(super) fn step_tee(&mut self, index: usize) -> Result<(), Crash> {
        let tee = self.tees[index];
        let node = tee.node;
        let next = match tee.stage {
            Stage::Begun => {
                self.reached(node, Point::TeeUploadBegun)?;
                Stage::Parts
            }
            Stage::Parts => {
                self.reached(node, Point::TeePartCopied)?;
                Stage::Ready
            }
            Stage::Ready => {
                let is_large = tee.value.is_large();
                self.reached(node, if is_large { Point::TeeCompleting } else { Point::TeeReleasing })?;
                self.release(tee)
            }
            Stage::Asked(request) => self.wait_for_mirror(index, request)?,
            Stage::Over => Stage::Over,
        };
        self.tees[index].stage = next;
        Ok(())
    }

    fn release(&mut self, tee: Tee) -> Stage {
        let Tee { node, intent, value, version, .. } = tee;
        if self.held_run(node).is_none() {
            return self.end_tee(tee, Teed::No);
        }
        let (store, key, arrives_at) = (1 + TEED, intent.key, self.arrival());
        let sender = Sender::Door(node);
        self.note(|| format!("tee of version {version}: sends the last byte"));
        let action = Action::Put(value);
        let request = Request { id: 0, sender, store, key, action, version, arrives_at, reply: None };
        Stage::Asked(self.stores.send(request))
    }

    fn wait_for_mirror(&mut self, index: usize, request: u32) -> Result<Stage, Crash> {
        let tee = self.tees[index];
        let teed = match self.stores.take_reply(request) {
            Some(Reply::Done) => {
                self.reached(tee.node, Point::TeeCopied)?;
                let stored = Stored { value: tee.value, version: tee.version, written_at: self.now };
                let [ours, theirs] = [PRIMARY, 1 + TEED].map(|store| described(store, &stored));
                let mut record = record(&ours, &theirs);
                // Nobody has asked the primary.
                (record.metadata_digest, record.last_modified) = (String::new(), None);
                Teed::Copied(record)
            }
            Some(Reply::Refused | Reply::Unreachable) => Teed::No,
            Some(Reply::Failed) => Teed::Unsure,
            None if self.has_fault(10) || !self.stores.is_on_its_way(request) => {
                self.give_up_tee(index);
                Teed::Unsure
            }
            None => return Ok(Stage::Asked(request)),
        };
        Ok(self.end_tee(tee, teed))
    }

    fn end_tee(&mut self, tee: Tee, teed: Teed) -> Stage {
        self.note(|| format!("tee of version {}: {teed:?}", tee.version));
        let (intent, version) = (tee.intent, Some(tee.version));
        let settlement = Settlement { intent, outcome: Outcome::Changed, version, teed };
        self.nodes[tee.node].queue.push(settlement);
        Stage::Over
    }

    /// Nobody waits for the mirror any more.
    pub(super) fn give_up_tee(&mut self, index: usize) {
        let tee = self.tees[index];
        let Some(request) = tee.request() else { return };
        let until = self.now.min(self.nodes[tee.node].held_until) + LATE;
        self.stores.give_up(request, until);
    }
}
