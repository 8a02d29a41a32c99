//! Making a mirror complete, or a primary from its mirror: what was there before Wharf, and what went past it.
//!
//! ```text
//! listing of the source ─┐
//!                        ├─ merge ─ compare ─┬─ equal ──────────────▶ a record, so that failover knows it
//! listing of the target ─┘                   ├─ missing, different ─▶ a dirty row; the workers copy, as always
//!                                            └─ at the target alone ▶ reported; deleted only when an operator says so
//! ```
//!
//! The walk itself copies nothing. What it finds goes through the journal, so a key that is written while the walk passes
//! it is no special case, and a walk that is broken off leaves nothing half done: the cursor says where it goes on. It
//! holds a page of each side, however large the bucket is.

mod compare;
mod complete;
mod listing;
mod merge;
mod pace;
mod place;
mod restore;
mod threshold;
mod walk;

pub use compare::{Etags, Verdict, by_listing, by_look};
pub use complete::{Complete, CompleteError, Options, Progress, Stage};
pub use listing::{Listing, Page};
pub use merge::{Disordered, Listed, Merge, Next, Pair};
pub use pace::{Pace, Rates};
pub use place::Place;
pub use restore::{Restore, RestoreOptions, Restored, other_mirrors};
pub use threshold::{InvalidThreshold, Threshold};
pub use walk::{Batch, Found, Route, Totals, Walk, WalkError, What};
