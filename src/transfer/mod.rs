//! An object on its way from one provider to another: what the one sends, the other gets, and nothing of it is kept here.
//!
//! ```text
//! Source::open ── GET there ─┬─ up to 64 MiB: PUT here
//!                            └─ larger: parts side by side, each read by its range if the source is unchanged
//!        └─ every byte is counted and digested on its way; no target is complete before its bytes are proven
//! Target::verify ── what was written is what was sent: by its MD5, else by asking for size and checksum
//! ```
//!
//! The S3 endpoint copies so on behalf of a client, and the mirrors' workers on behalf of nobody. Both have errors of their
//! own, so a [`TransferError`] says what either needs: what the provider answered, whose fault it is, what can help.

mod answer;
mod body;
mod digest;
mod error;
mod metadata;
mod object;
mod range;
mod run;
mod sending;
mod source;
mod tags;
mod target;
mod upload;

pub use answer::{Answer, late_error, succeeded};
pub use error::{Class, Side, TransferError};
pub use metadata::{Defaults, is_metadata, strip_aws_chunked};
pub use object::Object;
pub use range::{Range, part_count};
pub use run::{Transfer, Written};
pub use sending::Sending;
pub use source::{Found, Opened, Source};
pub use tags::{Tags, tags_as_query, tags_header};
pub use target::{Stored, Target};
pub use upload::Upload;
