//! A form's file, of which nobody knows how long it is: some of it at a time, since a provider wants to know of each part
//! how long that one is.
//!
//! What is held counts among the documents that clients have sent, so that there is a bound on all of it together. The last
//! piece is given only when the form has ended as it should and every digest holds.

use bytes::{Bytes, BytesMut};
use wharf_wire::{
    form::{FileReader, policy::Policy},
    s3::ErrorCode,
};

use super::{super::accept, Checks, Handling, Source, room};
use crate::error::S3Error;

/// The file, piece by piece.
pub(in crate::s3_endpoint) struct FileParts<'a> {
    source: Source,
    reader: FileReader,
    /// Received, and not looked through yet.
    wrapped: Bytes,
    /// The file's, for which there was no room in the last piece.
    rest: Bytes,
    checks: Checks,
    policy: &'a Policy,
    /// Bytes of the file so far, and the most that the bucket takes.
    bytes: u64,
    bytes_max: u64,
    /// Bytes of a piece.
    part_bytes: usize,
    _place: room::Place,
}

/// A piece of the file.
pub(in crate::s3_endpoint) struct FilePart {
    pub(in crate::s3_endpoint) bytes: Bytes,
    /// Whether the file ends with it. It may be empty then.
    pub(in crate::s3_endpoint) is_last: bool,
}

impl<'a> FileParts<'a> {
    /// The file that `reader` finds in `source`, in pieces that are as small as the provider's parts can be.
    pub(in crate::s3_endpoint) fn new(
        handling: &Handling<'_>,
        (source, reader): (Source, FileReader),
        policy: &'a Policy,
    ) -> Result<Self, S3Error> {
        let limits = &handling.place.origin.account().profile().limits;
        let part_bytes = *limits.part_bytes.start();
        let bytes_max = part_bytes.saturating_mul(limits.parts_max.into());
        let part_bytes = usize::try_from(part_bytes).map_err(|_| ErrorCode::InternalError)?;
        let documents_bytes_max = handling.limits().documents_bytes_max;
        Ok(Self {
            source,
            reader,
            wrapped: Bytes::new(),
            rest: Bytes::new(),
            checks: Checks::of_headers(handling.call.headers)?,
            policy,
            bytes: 0,
            bytes_max: bytes_max.min(accept::object_bytes_max(&handling.place)),
            part_bytes,
            _place: handling.endpoint.documents.take(part_bytes, documents_bytes_max)?,
        })
    }

    /// Refuses a file that has `bytes`, or more than them.
    pub(in crate::s3_endpoint) fn check_bytes(&self, bytes: u64) -> Result<(), S3Error> {
        self.policy.check_largest(bytes)?;
        if bytes > self.bytes_max { Err(accept::too_large(self.bytes_max)) } else { Ok(()) }
    }

    /// The next piece: a whole one, or the last.
    pub(in crate::s3_endpoint) async fn next(&mut self) -> Result<FilePart, S3Error> {
        let mut part = BytesMut::with_capacity(self.part_bytes);
        loop {
            let room = self.part_bytes - part.len();
            part.extend_from_slice(&self.rest.split_to(room.min(self.rest.len())));
            if part.len() == self.part_bytes {
                return Ok(FilePart { bytes: part.freeze(), is_last: false });
            }
            match self.receive().await? {
                Some(payload) => self.rest = payload,
                None => return Ok(FilePart { bytes: part.freeze(), is_last: true }),
            }
        }
    }

    /// More of the file; nothing at its proven end.
    async fn receive(&mut self) -> Result<Option<Bytes>, S3Error> {
        loop {
            if let Some(payload) = self.reader.next(&mut self.wrapped)? {
                self.bytes = self.bytes.saturating_add(payload.len() as u64);
                self.check_bytes(self.bytes)?;
                self.checks.update(&payload);
                return Ok(Some(payload));
            }
            match self.source.next().await {
                Some(piece) => self.wrapped = piece?,
                None => return self.finish().map(|()| None),
            }
        }
    }

    fn finish(&mut self) -> Result<(), S3Error> {
        self.reader.finish()?;
        self.policy.check_length(self.bytes)?;
        self.checks.finish(None)
    }
}
