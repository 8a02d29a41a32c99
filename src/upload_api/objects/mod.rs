//! What a bucket holds: objects are described, listed and deleted, and those that a browser sent to the provider are
//! taken note of.
//!
//! ```text
//! named (key, rights) ─→ remote ─┬─ look: HEAD, and GET for the reason of a refusal ─→ metadata, complete
//!                                ├─ listing: a page in the caller's keys            ─→ list, versions
//!                                └─ intend ─→ DELETE or DeleteObjects ─→ settle     ─→ delete, batch-delete
//! ```

mod batch_delete;
mod complete;
mod delete;
mod description;
mod list;
mod listing;
mod look;
mod metadata;
mod moved;
mod named;
mod versions;

pub(super) use batch_delete::{Reply as BatchDeleted, handle as batch_delete};
pub(super) use complete::{Reply as Completed, handle as complete, provider as completed_provider};
pub(super) use delete::{Reply as Deleted, handle as delete};
pub(super) use list::{Reply as Listed, handle as list};
pub(super) use metadata::{Reply as Described, handle as metadata};
pub(super) use versions::{Reply as Versions, handle as versions};
