//! A client's write on its way through a door.

use wharf::mirror::{
    crash_point::Point,
    state::{Change, Outcome},
};

use super::{
    journal::{LATE, OpenIntent, Settlement, Teed},
    stores::{Action, MIRRORS, PRIMARY, Reply, Request, Sender},
    tee::{TEED, Tee},
    world::{Crash, World},
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) node: usize,
    pub(super) key: usize,
    action: Action,
    stage: Stage,
    intent: Option<OpenIntent>,
    /// The mirror's own, where it is sent the same bytes.
    tee_intent: Option<OpenIntent>,
    /// What was written has this number.
    version: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Nothing has happened.
    Wanted,
    /// The intents are on disk.
    Durable,
    /// The primary has been asked.
    Asked(u32),
    /// What came of it is known, as far as it ever will be.
    Answered(Outcome),
    /// The journal's writer has been told.
    Queued(Outcome),
    Over,
}

impl Operation {
    pub(super) fn new(node: usize, key: usize, action: Action) -> Self {
        Self { node, key, action, stage: Stage::Wanted, intent: None, tee_intent: None, version: None }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// The request that it waits for.
    pub(super) fn request(&self) -> Option<u32> {
        match self.stage {
            Stage::Asked(request) => Some(request),
            Stage::Wanted | Stage::Durable | Stage::Answered(_) | Stage::Queued(_) | Stage::Over => None,
        }
    }

    /// Its intents that are not settled. Those with an outcome are settled as soon as that is written.
    pub(super) fn open_intents(&self) -> impl Iterator<Item = OpenIntent> {
        let is_open = matches!(self.stage, Stage::Durable | Stage::Asked(_) | Stage::Answered(_));
        self.intent.into_iter().chain(self.tee_intent).filter(move |_| is_open)
    }

    fn change(&self) -> Change {
        match self.action {
            Action::Delete => Change::Delete,
            Action::Put(_) | Action::Tag(_) => Change::Write,
        }
    }
}

impl World {
    /// Takes one step of an operation.
    pub(super) fn step_operation(&mut self, index: usize) -> Result<(), Crash> {
        let operation = self.operations[index];
        let node = operation.node;
        let next = match operation.stage {
            Stage::Wanted => {
                self.reached(node, Point::IntentWanted)?;
                self.open_intents(index)
            }
            Stage::Durable => {
                self.reached(node, Point::IntentDurable)?;
                self.forward(index)
            }
            Stage::Asked(request) => self.wait(index, request),
            Stage::Answered(outcome) => {
                self.reached(node, Point::PrimaryAnswered)?;
                self.settle(index, outcome);
                self.reached(node, Point::SettleQueued)?;
                Stage::Queued(outcome)
            }
            Stage::Queued(outcome) => {
                self.note(|| format!("operation {index}: told the client {outcome:?}"));
                self.reached(node, Point::Acknowledged)?;
                Stage::Over
            }
            Stage::Over => Stage::Over,
        };
        self.operations[index].stage = next;
        Ok(())
    }

    /// Without an intent on disk the client gets a 503, and nothing is forwarded.
    fn open_intents(&mut self, index: usize) -> Stage {
        let operation = self.operations[index];
        let Operation { node, key, action, .. } = operation;
        let Some(run) = self.held_run(node).filter(|_| !self.journal.is_down) else { return Stage::Over };
        let is_teed = self.is_teed && matches!(action, Action::Put(_));
        let mut mirrors = [true; MIRRORS];
        mirrors[TEED] = !is_teed;
        let (change, opened_at) = (operation.change(), self.now);
        let intent = OpenIntent { id: 0, key, change, mirrors, opened_at };
        self.operations[index].intent = Some(self.journal.open(run, intent));
        if is_teed {
            let own = OpenIntent { mirrors: mirrors.map(|is_there| !is_there), ..intent };
            self.operations[index].tee_intent = Some(self.journal.open(run, own));
        }
        self.note(|| format!("operation {index}: intent {change:?} on key {key} by node {node}"));
        self.may_stall(node);
        Stage::Durable
    }

    /// No request leaves for the primary while the node's run is over: its intents may have been promoted.
    fn forward(&mut self, index: usize) -> Stage {
        let Operation { node, key, action, .. } = self.operations[index];
        if self.held_run(node).is_none() {
            return Stage::Answered(Outcome::Unchanged);
        }
        let sender = Sender::Door(node);
        let arrives_at = self.arrival();
        let request =
            Request { id: 0, sender, store: PRIMARY, key, action, version: 0, arrives_at, reply: None };
        self.note(|| format!("operation {index}: forwards {action:?}"));
        self.may_stall(node);
        Stage::Asked(self.stores.send(request))
    }

    fn wait(&mut self, index: usize, request: u32) -> Stage {
        match self.stores.take_reply(request) {
            Some(Reply::Done) => {
                self.operations[index].version = self.deletes.written(request);
                Stage::Answered(Outcome::Changed)
            }
            Some(Reply::Refused | Reply::Unreachable) => Stage::Answered(Outcome::Unchanged),
            Some(Reply::Failed) => {
                self.give_up(index);
                Stage::Answered(Outcome::Unknown)
            }
            None if self.has_fault(10) || !self.stores.is_on_its_way(request) => {
                self.give_up(index);
                Stage::Answered(Outcome::Unknown)
            }
            None => Stage::Asked(request),
        }
    }

    /// Tells the journal's writer, and the mirror that was sent the same bytes, which goes on by itself.
    fn settle(&mut self, index: usize, outcome: Outcome) {
        let Operation { node, action, intent, tee_intent, version, .. } = self.operations[index];
        let Some(intent) = intent else { return };
        self.nodes[node].queue.push(Settlement { intent, outcome, version, teed: Teed::No });
        match (tee_intent, action, version) {
            (Some(intent), Action::Put(value), Some(version)) => {
                self.tees.push(Tee::new(node, intent, value, version));
            }
            (Some(intent), ..) => {
                self.nodes[node].queue.push(Settlement { intent, outcome, version, teed: Teed::No });
            }
            (None, ..) => {}
        }
    }

    /// Nobody waits for the primary any more.
    pub(super) fn give_up(&mut self, index: usize) {
        let operation = self.operations[index];
        let Some(request) = operation.request() else { return };
        let until = self.now.min(self.nodes[operation.node].held_until) + LATE;
        self.stores.give_up(request, until);
        self.note(|| format!("operation {index}: nobody knows what came of it"));
    }
}
