//! The pure heart of mirroring: no IO, no clock, no randomness. Values go in, values come out, so that a test can drive
//! thousands of interleavings and crashes through the very rules that the journal's SQL and the workers follow.
//!
//! ```text
//! a door    intent ─ forward ─ settle ──▶ journal::settled ──▶ Row (this key may differ at that mirror)
//! a worker  journal::claimed ─ look ─ plan ─ Copy, Delete, Retag, Nothing, Hold ─ Finish ──▶ journal::finished
//! a reader  currency (may this mirror answer for the primary?)
//! ```
//!
//! What the rules rest on:
//!
//! - A row is cleared only by a look that began when everything that could still change the key was settled: the
//!   generation is the claimed one, no intent is open, and no request whose outcome nobody knows can still take effect
//!   (`unsure_until`).
//! - No store has fencing, so a worker whose lease ran out may still have a write on its way. Whoever claims its row
//!   mirrors the key, and looks once more when that write must be over.
//! - An absence is mirrored only for a delete that came through Wharf, and each such delete counts once: when the key has
//!   been seen present after it, a later absence is somebody else's.

mod currency;
mod error_class;
mod journal;
mod plan;
mod retry;
mod values;

pub use currency::{Currency, Known, currency};
pub use error_class::Class;
pub use journal::{
    Around, Claimed, Finish, Finished, Lease, Moment, Row, RowState, Settled, claimed, finished, settled,
};
pub use plan::{Step, plan};
pub use retry::{Failure, after_failure, rest};
pub use values::{Change, Object, Outcome, Record, Seen, Side, Unreadable};

#[cfg(test)]
mod tests;
