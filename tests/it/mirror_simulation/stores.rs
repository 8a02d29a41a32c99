//! A primary and its mirrors, and the requests on their way to them.

use wharf::mirror::state::{Object, Seen};
use wharf_wire::date::Timestamp;

use super::random::Random;

pub(super) const KEYS: usize = 2;
pub(super) const MIRRORS: usize = 2;
pub(super) const PRIMARY: usize = 0;
const STORES: usize = 1 + MIRRORS;
/// A store that keeps no tags.
const WITHOUT_TAGS: usize = 2;

/// What an object holds, by the numbers of the writes that it came from. Writes may share `bytes`, and so an `ETag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) bytes: u32,
    pub(super) metadata: u32,
    pub(super) tags: u32,
}

impl Value {
    /// Whether it is copied in parts.
    pub(super) fn is_large(self) -> bool {
        self.bytes.is_multiple_of(3)
    }
}

/// An object at a store. `version` counts what happened at the primary; a copy has that of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) value: Value,
    pub(super) version: u32,
    pub(super) written_at: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Put(Value),
    Delete,
    Tag(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// Done.
    Done,
    /// A 4xx: nothing was done.
    Refused,
    /// A 5xx: who knows.
    Failed,
    /// No connection: nothing was done.
    Unreachable,
}

/// Who sent a request, and until when it can take effect at the latest if nobody waits for it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// A door of this node.
    Door(usize),
    Worker(usize),
    Nobody {
        until: u64,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) id: u32,
    pub(super) sender: Sender,
    pub(super) store: usize,
    pub(super) key: usize,
    pub(super) action: Action,
    /// The version of a copy's source.
    pub(super) version: u32,
    /// Before this it is on its way.
    pub(super) arrives_at: u64,
    pub(super) reply: Option<Reply>,
}

pub(super) struct Stores {
    objects: [[Option<Stored>; KEYS]; STORES],
    pub(super) is_down: [bool; STORES],
    pub(super) requests: Vec<Request>,
    version: u32,
    request: u32,
}

impl Stores {
    pub(super) fn new() -> Self {
        let requests = Vec::new();
        Self { objects: [[None; KEYS]; STORES], is_down: [false; STORES], requests, version: 0, request: 0 }
    }

    /// Has all stores hold `value` from the beginning.
    pub(super) fn begin_with(&mut self, key: usize, value: Value, now: u64) {
        self.version += 1;
        let stored = Stored { value, version: self.version, written_at: now };
        for (store, objects) in self.objects.iter_mut().enumerate() {
            let tags = if store == WITHOUT_TAGS { 0 } else { value.tags };
            objects[key] = Some(Stored { value: Value { tags, ..value }, ..stored });
        }
    }

    pub(super) fn object(&self, store: usize, key: usize) -> Option<Stored> {
        self.objects[store][key]
    }

    /// What a look at the key says.
    pub(super) fn seen(&self, store: usize, key: usize) -> Seen {
        self.object(store, key).map_or(Seen::Absent, |stored| Seen::Present(described(store, &stored)))
    }

    /// Whether `mirror` holds what the primary holds, as far as it can.
    pub(super) fn is_equal(&self, mirror: usize, key: usize) -> bool {
        let comparable = |stored: Stored| Value {
            tags: if mirror == WITHOUT_TAGS { 0 } else { stored.value.tags },
            ..stored.value
        };
        self.object(PRIMARY, key).map(comparable) == self.object(mirror, key).map(comparable)
    }

    /// Sends a request; its id.
    pub(super) fn send(&mut self, request: Request) -> u32 {
        self.request += 1;
        self.requests.push(Request { id: self.request, ..request });
        self.request
    }

    /// The reply to a request, once.
    pub(super) fn take_reply(&mut self, id: u32) -> Option<Reply> {
        let index = self.requests.iter().position(|request| request.id == id && request.reply.is_some())?;
        self.requests.swap_remove(index).reply
    }

    pub(super) fn is_on_its_way(&self, id: u32) -> bool {
        self.requests.iter().any(|request| request.id == id)
    }

    /// Whether any request may still change the key at the store.
    pub(super) fn may_change(&self, store: usize, key: usize) -> bool {
        self.requests.iter().any(|sent| (sent.store, sent.key) == (store, key) && sent.reply.is_none())
    }

    /// Nobody waits for the request any more; it may take effect for a while.
    pub(super) fn give_up(&mut self, id: u32, until: u64) {
        self.requests.retain(|request| request.id != id || request.reply.is_none());
        if let Some(request) = self.requests.iter_mut().find(|request| request.id == id) {
            request.sender = Sender::Nobody { until };
        }
    }

    /// Takes one request at its store, which may fail if `faults` says so; what was done, and its number at the primary.
    pub(super) fn take(
        &mut self,
        index: usize,
        now: u64,
        faults: Option<&mut Random>,
    ) -> Option<(Request, u32)> {
        let request = self.requests[index];
        let fault = faults.map_or(99, |random| random.below(100));
        let (reply, is_done) = match fault {
            _ if self.is_down[request.store] => (Reply::Unreachable, false),
            0..3 => (Reply::Refused, false),
            3..6 => (Reply::Failed, false),
            _ if self.is_missing(&request) => (Reply::Refused, false),
            6..9 => (Reply::Failed, true),
            _ => (Reply::Done, true),
        };
        if matches!(request.sender, Sender::Nobody { .. }) {
            self.requests.swap_remove(index);
        } else {
            self.requests[index].reply = Some(reply);
        }
        is_done.then(|| (request, self.apply(&request, now)))
    }

    /// Tags need an object.
    fn is_missing(&self, request: &Request) -> bool {
        matches!(request.action, Action::Tag(_)) && self.object(request.store, request.key).is_none()
    }

    /// Does what the request says; the number that this has at the primary.
    pub(super) fn apply(&mut self, request: &Request, now: u64) -> u32 {
        let mut version = request.version;
        if request.store == PRIMARY {
            self.version += 1;
            version = self.version;
        }
        let slot = &mut self.objects[request.store][request.key];
        match request.action {
            Action::Put(value) => *slot = Some(Stored { value, version, written_at: now }),
            Action::Delete => *slot = None,
            Action::Tag(tags) => {
                if let Some(stored) = slot {
                    stored.value.tags = tags;
                }
            }
        }
        version
    }
}

/// What a store says of an object.
pub(super) fn described(store: usize, stored: &Stored) -> Object {
    let Value { bytes, metadata, tags } = stored.value;
    Object {
        etag: if store == PRIMARY { format!("p{bytes}") } else { format!("m{bytes}") },
        bytes: bytes.into(),
        // In whole seconds, as stores say it.
        last_modified: Some(Timestamp::from_unix_millis(stored.written_at / 1000 * 1000)),
        metadata_digest: metadata.to_string(),
        tags_digest: (store != WITHOUT_TAGS).then(|| tags.to_string()),
    }
}
