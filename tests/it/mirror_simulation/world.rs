//! Everything that happens in one run: nodes with doors and workers, the stores, the journal, and what goes wrong.

use wharf::mirror::{
    crash_point::Point,
    state::{Class, Row, RowState},
};

use super::{
    checks::Deletes,
    door::Operation,
    journal::{Journal, LATE, RUN_LEASE, Settlement},
    random::Random,
    stores::{Action, KEYS, MIRRORS, PRIMARY, Request, Sender, Stores, Value, described},
    tee::Tee,
    worker::{Worker, record},
};

const NODES: usize = 2;
const WRITES_MAX: u32 = 24;
/// Steps in which things go wrong.
const STEPS: usize = 500;
/// Steps after which a calm world must have converged. It needs about a tenth of them.
const CALM_STEPS_MAX: usize = 6000;
pub(super) const POINTS: usize = Point::ALL.len();

/// Somebody who does not go through Wharf.
const FOREIGN: Sender = Sender::Nobody { until: 0 };

/// The node of whoever got this is gone.
pub(super) struct Crash(usize);

pub(super) struct Node {
    /// Its run, while the process lives.
    run: Option<u32>,
    /// Until when it holds its run, as far as it knows.
    pub(super) held_until: u64,
    /// A process that does nothing for a while, and then goes on as if nothing had happened.
    frozen_until: u64,
    /// What the journal's writer has not written yet.
    pub(super) queue: Vec<Settlement>,
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) random: Random,
    pub(super) now: u64,
    pub(super) stores: Stores,
    pub(super) journal: Journal,
    pub(super) nodes: [Node; NODES],
    pub(super) operations: Vec<Operation>,
    pub(super) workers: Vec<Worker>,
    pub(super) tees: Vec<Tee>,
    /// Whether a mirror is sent what clients upload.
    pub(super) is_teed: bool,
    /// Keys that something happened to since they were last checked.
    pub(super) touched: [bool; KEYS],
    /// Keys that somebody changed at the primary past Wharf.
    pub(super) is_foreign: [bool; KEYS],
    pub(super) deletes: Deletes,
    /// Key, content and metadata of every object that somebody sent to the primary.
    pub(super) sent: Vec<(usize, u32, u32)>,
    pub(super) hits: [u32; POINTS],
    pub(super) crashes: [u32; POINTS],
    /// Nothing goes wrong any more.
    is_calm: bool,
    writes: u32,
    trace: Option<Vec<String>>,
}

impl World {
    pub(super) fn new(seed: u64, is_traced: bool) -> Self {
        let node = || Node { run: None, held_until: 0, frozen_until: 0, queue: Vec::new() };
        let pairs = (0..NODES).flat_map(|node| (0..MIRRORS).map(move |mirror| (node, mirror)));
        Self {
            seed,
            random: Random::new(seed),
            now: 1000,
            stores: Stores::new(),
            journal: Journal::default(),
            nodes: [node(), node()],
            operations: Vec::new(),
            workers: pairs.map(|(node, mirror)| Worker::new(node, mirror)).collect(),
            tees: Vec::new(),
            is_teed: seed.is_multiple_of(3),
            touched: [false; KEYS],
            is_foreign: [false; KEYS],
            deletes: Deletes::default(),
            sent: Vec::new(),
            hits: [0; POINTS],
            crashes: [0; POINTS],
            is_calm: false,
            writes: 0,
            trace: is_traced.then(Vec::new),
        }
    }

    /// All that goes wrong, then a drain, and a check of what is left.
    pub(super) fn run(&mut self) {
        self.fill();
        for _ in 0..STEPS {
            self.step();
            self.check_currency();
        }
        self.drain();
        self.check_end();
    }

    /// Most keys have been there, and everywhere, for long.
    fn fill(&mut self) {
        for key in 0..KEYS {
            if self.random.percent(30) {
                continue;
            }
            self.writes += 1;
            let value = Value { bytes: self.writes, metadata: self.writes, tags: self.writes };
            self.stores.begin_with(key, value, self.now);
            self.sent.push((key, value.bytes, value.metadata));
            for mirror in 0..MIRRORS {
                let described =
                    |store| self.stores.object(store, key).map(|stored| described(store, &stored));
                if let (Some(source), Some(copy)) = (described(PRIMARY), described(1 + mirror)) {
                    self.journal.begin_with(mirror, key, record(&source, &copy));
                }
            }
        }
    }

    pub(super) fn take_trace(&mut self) -> String {
        self.trace.take().unwrap_or_default().join("\n")
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:>6} {}", what()));
        }
    }

    /// Whether something goes wrong that does so in `percent` of all cases.
    pub(super) fn has_fault(&mut self, percent: usize) -> bool {
        !self.is_calm && self.random.percent(percent)
    }

    /// A process is at `point`, and may end there. Each seed has one point that it does not survive for long.
    pub(super) fn reached(&mut self, node: usize, point: Point) -> Result<(), Crash> {
        let index = point as usize;
        self.hits[index] += 1;
        let is_marked = usize::try_from(self.seed % POINTS as u64) == Ok(index);
        if !self.has_fault(if is_marked { 40 } else { 1 }) {
            return Ok(());
        }
        self.crashes[index] += 1;
        self.note(|| format!("node {node}: killed at {point:?}"));
        Err(Crash(node))
    }

    /// A process may stand still at the worst time: before it sends what others can see, and while that is on its way. It
    /// wakes up when its leases are gone.
    pub(super) fn may_stall(&mut self, node: usize) {
        if self.has_fault(8) {
            self.nodes[node].frozen_until = self.now + RUN_LEASE + self.random.below(900) as u64;
            self.note(|| format!("node {node}: stands still"));
        }
    }

    /// The node's run, while it holds it.
    pub(super) fn held_run(&self, node: usize) -> Option<u32> {
        let node = &self.nodes[node];
        node.run.filter(|_| node.held_until > self.now)
    }

    // --- What happens next

    fn step(&mut self) {
        match self.random.below(100) {
            0..70 => self.step_actor(),
            70..84 => self.step_request(),
            84..91 => self.pass(20),
            91 => self.pass(700),
            92..96 => self.step_client(),
            _ => self.step_fate(),
        }
    }

    fn is_running(&self, node: usize) -> bool {
        let node = &self.nodes[node];
        node.run.is_some() && node.frozen_until <= self.now
    }

    /// A step of a door, a worker or a node's housekeeping.
    fn step_actor(&mut self) {
        let actors = self.operations.len() + self.workers.len() + self.tees.len() + 3 * NODES;
        let actor = self.random.below(actors);
        self.step_one(actor);
    }

    fn step_one(&mut self, actor: usize) {
        let operations = self.operations.len();
        let outcome = if let Some(operation) = self.operations.get(actor) {
            if !self.is_running(operation.node) || operation.is_over() {
                return;
            }
            self.step_operation(actor)
        } else if let Some(worker) = self.workers.get(actor - operations) {
            if !self.is_running(worker.node) {
                return;
            }
            self.step_worker(actor - operations)
        } else if let Some(tee) = self.tees.get(actor - operations - self.workers.len()) {
            if !self.is_running(tee.node) {
                return;
            }
            self.step_tee(actor - operations - self.workers.len())
        } else {
            let task = actor - operations - self.workers.len() - self.tees.len();
            self.step_node(task / 3, task % 3)
        };
        if let Err(Crash(node)) = outcome {
            self.crash(node);
        }
    }

    fn step_node(&mut self, node: usize, task: usize) -> Result<(), Crash> {
        if self.journal.is_down || self.nodes[node].frozen_until > self.now {
            return Ok(());
        }
        let Some(run) = self.nodes[node].run else {
            self.start(node);
            return Ok(());
        };
        match task {
            0 => self.write_settlements(node),
            1 => {
                self.heartbeat(node, run);
                Ok(())
            }
            _ => self.promote(node, run),
        }
    }

    fn start(&mut self, node: usize) {
        let run = self.journal.start_run(node, self.now);
        self.nodes[node].run = Some(run);
        self.nodes[node].held_until = self.now + RUN_LEASE;
        self.note(|| format!("node {node}: starts"));
    }

    fn heartbeat(&mut self, node: usize, run: u32) {
        if self.journal.heartbeat(run, self.now) {
            self.nodes[node].held_until = self.now + RUN_LEASE;
        } else {
            self.note(|| format!("node {node}: lost its run"));
            self.start(node);
            self.open_again(node);
        }
    }

    /// In the transaction that begins the new run: what is open stays open.
    fn open_again(&mut self, node: usize) {
        let Some(run) = self.nodes[node].run else { return };
        let open = self.operations.iter().filter(|operation| operation.node == node);
        let open = open.flat_map(Operation::open_intents);
        let teed = self.tees.iter().filter(|tee| tee.node == node).filter_map(Tee::open_intent);
        let unwritten = self.nodes[node].queue.iter().map(|settlement| settlement.intent);
        self.journal.open_again(run, open.chain(teed).chain(unwritten));
    }

    /// A transaction of the journal's writer.
    fn write_settlements(&mut self, node: usize) -> Result<(), Crash> {
        if self.nodes[node].queue.is_empty() {
            return Ok(());
        }
        self.reached(node, Point::SettleCommitting)?;
        for settlement in std::mem::take(&mut self.nodes[node].queue) {
            self.note(|| format!("node {node}: settles {settlement:?}"));
            self.journal.settle(&settlement, self.now);
            self.remember(&settlement);
            self.touched[settlement.intent.key] = true;
        }
        self.reached(node, Point::Settled)
    }

    fn promote(&mut self, node: usize, run: u32) -> Result<(), Crash> {
        if !self.journal.can_promote(node, run, self.now) {
            return Ok(());
        }
        self.reached(node, Point::PromotionCommitting)?;
        for key in self.journal.promote(node, run, self.now) {
            self.deletes.over(key, self.now + LATE);
        }
        self.note(|| format!("node {node}: promotes what others left"));
        self.touched = [true; KEYS];
        self.reached(node, Point::Promoted)
    }

    /// The process is gone; what it had sent may still take effect.
    fn crash(&mut self, node: usize) {
        for index in 0..self.operations.len() {
            if self.operations[index].node == node {
                self.give_up(index);
            }
        }
        self.operations.retain(|operation| operation.node != node);
        for index in 0..self.tees.len() {
            if self.tees[index].node == node {
                self.give_up_tee(index);
            }
        }
        self.tees.retain(|tee| tee.node != node);
        for index in 0..self.workers.len() {
            let worker = self.workers[index].clone();
            if worker.node == node {
                if let Some(request) = worker.request() {
                    self.stores.give_up(request, worker.late_until(self.now));
                }
                self.workers[index] = Worker::new(node, worker.mirror);
            }
        }
        self.nodes[node] = Node { run: None, held_until: 0, frozen_until: 0, queue: Vec::new() };
    }

    /// A client writes.
    fn step_client(&mut self) {
        self.operations.retain(|operation| !operation.is_over());
        self.tees.retain(|tee| !tee.is_over());
        let node = self.random.below(NODES);
        if !self.is_running(node) || self.operations.len() > 4 || self.writes >= WRITES_MAX {
            return;
        }
        let key = self.random.below(KEYS);
        let action = self.action(key);
        self.operations.push(Operation::new(node, key, action));
    }

    fn action(&mut self, key: usize) -> Action {
        self.writes += 1;
        let number = self.writes;
        match self.random.below(10) {
            0..3 => Action::Delete,
            3..5 => Action::Tag(number),
            _ => Action::Put(self.value(key, number)),
        }
    }

    /// The same content as before now and then, so that the `ETag` does not tell.
    fn value(&mut self, key: usize, number: u32) -> Value {
        let before = self.stores.object(PRIMARY, key).filter(|_| self.random.percent(30));
        Value { bytes: before.map_or(number, |stored| stored.value.bytes), metadata: number, tags: number }
    }

    // --- Requests and time

    fn step_request(&mut self) {
        if self.stores.requests.is_empty() {
            return;
        }
        let index = self.random.below(self.stores.requests.len());
        let Request { reply, arrives_at, .. } = self.stores.requests[index];
        if reply.is_some() || arrives_at > self.now {
            return;
        }
        let faults = (!self.is_calm).then_some(&mut self.random);
        if let Some((request, version)) = self.stores.take(index, self.now, faults) {
            self.happened(&request, version);
        }
    }

    fn happened(&mut self, request: &Request, version: u32) {
        let Request { store, key, action, sender, .. } = *request;
        self.note(|| format!("store {store}: {action:?} on key {key} for {sender:?}"));
        self.touched[key] = true;
        if store == PRIMARY
            && let Action::Put(value) = action
        {
            self.sent.push((key, value.bytes, value.metadata));
            self.deletes.wrote(request.id, version);
        }
        if store == PRIMARY && action == Action::Delete && sender != FOREIGN {
            self.deletes.done(key, version);
        }
    }

    /// When a request that is sent now is at its store: mostly at once, now and then almost too late.
    pub(super) fn arrival(&mut self) -> u64 {
        let is_slow = self.has_fault(25);
        self.now + if is_slow { 300 + self.random.below(600) as u64 } else { 0 }
    }

    fn pass(&mut self, most: usize) {
        self.now += 1 + self.random.below(most) as u64;
        self.expire();
    }

    /// Drops requests that nobody waits for, when they cannot take effect any more.
    fn expire(&mut self) {
        let (now, nodes, workers) = (self.now, &self.nodes, &self.workers);
        self.stores.requests.retain(|request| {
            request.reply.is_some()
                || match request.sender {
                    Sender::Nobody { until } => until > now,
                    Sender::Door(node) => nodes[node].held_until + LATE > now,
                    Sender::Worker(index) => workers[index].late_until(now) > now,
                }
        });
    }

    // --- What goes wrong

    fn step_fate(&mut self) {
        let node = self.random.below(NODES);
        match self.random.below(20) {
            0..7 => {
                self.stores.is_down = [false; 1 + MIRRORS];
                self.journal.is_down = false;
                self.note(|| "all is up".to_owned());
            }
            7..11 => {
                let store = self.random.below(1 + MIRRORS);
                self.stores.is_down[store] = true;
                self.note(|| format!("store {store}: goes down"));
            }
            11 => {
                self.journal.is_down = true;
                self.note(|| "the journal: goes down".to_owned());
            }
            12..14 => {
                self.note(|| format!("node {node}: killed"));
                self.crash(node);
            }
            14..16 => {
                let most = if self.random.percent(20) { 4000 } else { 900 };
                self.nodes[node].frozen_until = self.now + 100 + self.random.below(most) as u64;
                self.note(|| format!("node {node}: freezes"));
            }
            _ => self.foreign(),
        }
    }

    /// Somebody else changes the primary, in half of the runs.
    fn foreign(&mut self) {
        if self.seed.is_multiple_of(2) {
            return;
        }
        let key = self.random.below(KEYS);
        self.writes += 1;
        let number = self.writes;
        let action =
            if self.random.percent(50) { Action::Delete } else { Action::Put(self.value(key, number)) };
        let (sender, arrives_at) = (FOREIGN, self.now);
        let request =
            Request { id: 0, sender, store: PRIMARY, key, action, version: 0, arrives_at, reply: None };
        self.is_foreign[key] = true;
        let version = self.stores.apply(&request, self.now);
        self.happened(&request, version);
    }

    // --- The drain

    /// Everything works again. What is left to do is done; then a sweep says which keys others changed.
    fn drain(&mut self) {
        self.note(|| "calm".to_owned());
        self.is_calm = true;
        self.stores.is_down = [false; 1 + MIRRORS];
        self.journal.is_down = false;
        self.nodes.iter_mut().for_each(|node| node.frozen_until = self.now);
        self.converge();
        for key in 0..KEYS {
            if self.is_foreign[key] {
                self.journal.mark_dirty(key, self.now);
            }
        }
        self.converge();
    }

    fn converge(&mut self) {
        for _ in 0..CALM_STEPS_MAX {
            match self.random.below(10) {
                0..6 => self.step_actor(),
                6..9 => self.step_request(),
                _ if self.is_idle() => self.skip(),
                _ => self.pass(60),
            }
            self.check_currency();
            self.redrive();
            if self.is_drained() {
                return;
            }
        }
        panic!("does not converge: {:?}", self.journal.rows().collect::<Vec<_>>());
    }

    /// The operator has what is dead tried again, but leaves alone what others deleted.
    fn redrive(&mut self) {
        for key in 0..KEYS {
            let rows = (0..MIRRORS).filter_map(|mirror| self.journal.row(mirror, key));
            let is_dead = |row: &Row| row.state == RowState::Dead && row.class != Some(Class::Absence);
            if rows.copied().any(|row| is_dead(&row)) {
                self.journal.mark_dirty(key, self.now);
            }
        }
    }

    /// Whether nothing happens before a row is due.
    fn is_idle(&self) -> bool {
        self.operations.iter().all(Operation::is_over)
            && self.tees.iter().all(Tee::is_over)
            && self.nodes.iter().all(|node| node.run.is_some() && node.queue.is_empty())
            && self.workers.iter().all(Worker::is_idle)
            && !self.journal.has_intents()
            && self.stores.requests.is_empty()
    }

    fn is_drained(&self) -> bool {
        self.is_idle() && self.journal.rows().all(|row| row.state == RowState::Dead)
    }

    /// Goes on to when something is due.
    fn skip(&mut self) {
        let due =
            self.journal.rows().filter(|row| row.state != RowState::Dead).map(|row| row.due.unix_millis());
        self.now = due.min().unwrap_or_default().max(self.now + 1);
    }
}
