//! How many bytes of documents are held at once. A document is read whole before anything in it is believed, and many
//! clients that each send a large one would add up to more than the machine has.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use wharf_wire::s3::ErrorCode;

use crate::error::S3Error;

/// When a client for whose document there was no room should come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The room for documents. It outlives a reload, as the documents do.
#[derive(Debug, Clone, Default)]
pub(in crate::s3_endpoint) struct Room {
    held: Arc<AtomicUsize>,
}

/// The place of one document, until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    held: Arc<AtomicUsize>,
    bytes: usize,
}

impl Room {
    /// Takes place for a document of `bytes`, unless there would be more than `bytes_max` in all. Nobody waits: who did
    /// would hold a connection and a request meanwhile.
    pub(super) fn take(&self, bytes: usize, bytes_max: usize) -> Result<Place, S3Error> {
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        let place = Place { held: Arc::clone(&self.held), bytes };
        if before.saturating_add(bytes) <= bytes_max {
            return Ok(place);
        }
        let message = "Too many large documents are being read. Try again.";
        let mut error = S3Error::new(ErrorCode::SlowDown, message);
        error.retry_after = Some(RETRY_AFTER);
        Err(error)
    }
}

impl Place {
    /// The document that was read, which keeps its place for as long as anyone has it.
    pub(super) fn holding(self, document: Bytes) -> Bytes {
        Bytes::from_owner(Held { document, _place: self })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Held {
    document: Bytes,
    _place: Place,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_keeps_its_place_until_its_last_copy_is_gone() {
        let room = Room::default();
        let document = room.take(6, 10).unwrap().holding(Bytes::from_static(b"abcdef"));
        let copy = document.clone();
        drop(document);
        let refused = room.take(5, 10).unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (ErrorCode::SlowDown, Some(RETRY_AFTER)));
        let beside = room.take(4, 10).unwrap();
        drop(copy);
        assert!(room.take(6, 10).is_ok());
        drop(beside);
        assert!(room.take(10, 10).is_ok());
    }
}
