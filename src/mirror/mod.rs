//! Backup mirroring: whatever is written through Wharf ends up at every mirror of its bucket, whatever breaks on the way.
//!
//! The journal says that a key *may* differ, never which bytes to copy. A worker makes the mirror equal to what the
//! primary holds by then, so it converges in whatever order writes raced. `state` is the pure heart of it; what does IO
//! is built around that.

mod ahead;
pub mod backfill;
mod burial;
mod client_upload;
pub mod crash_point;
mod deleted;
mod doors;
mod metrics;
pub mod moved;
pub mod report;
pub mod resync;
pub mod state;
pub mod sweep;
pub mod tee;
pub mod worker;

pub use ahead::Behind;
pub use client_upload::ClientUpload;
pub use doors::{Intents, Mirrors};
pub use metrics::{MirrorMetrics, ReadKind};
