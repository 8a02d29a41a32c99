//! `ListParts`, followed to its end.

use wharf_wire::{
    s3::{Operation, Parameter},
    xml::{self, ListedPart},
};

use super::{Multipart, Upload, nothing};
use crate::{
    error::Error,
    transfer::{Side, TransferError, late_error},
    upload_api::remote::{Question, Remote},
};

/// Parts that are read of a listing: an upload has at most 10,000, but there are stores that list each as often as it was
/// sent. More would fill the memory.
const PARTS_MAX: usize = 40_000;

impl Multipart<'_> {
    /// All parts that the provider has of `upload`, in the order of their numbers.
    pub(crate) async fn stored(&self, upload: &Upload) -> Result<Vec<ListedPart>, Error> {
        Ok(newest(list(&self.remote()?, upload).await?))
    }
}

/// Of each part the one that was stored last.
fn newest(mut parts: Vec<ListedPart>) -> Vec<ListedPart> {
    parts.reverse();
    parts.dedup_by_key(|part| part.number);
    parts.reverse();
    parts
}

/// All that the provider lists, by number and time, with its refusal as it came.
pub(super) async fn list(remote: &Remote, upload: &Upload) -> Result<Vec<ListedPart>, TransferError> {
    let mut parts = Vec::new();
    let mut parameters = upload.named();
    let mut after = 0;
    loop {
        let (operation, key) = (Operation::ListParts, Some(&upload.object));
        let question = Question { operation, key, parameters: &parameters, sending: nothing() };
        let document = remote.document(question).await?;
        let page = xml::read_parts(&document).map_err(|error| late_error(Side::Target, &document, error))?;
        let last = page.next_marker.or_else(|| page.parts.iter().map(|part| part.number).max());
        parts.extend(page.parts);
        if parts.len() > PARTS_MAX {
            return Err(senseless("it lists more parts than an upload can have"));
        }
        if !page.is_truncated {
            break;
        }
        // Every page goes further, so there are no more of them than there are numbers.
        after =
            last.filter(|last| *last > after).ok_or_else(|| senseless("it lists the same parts again"))?;
        parameters.set(Parameter::PartNumberMarker, after.to_string());
    }
    // Not every store lists them in order.
    parts.sort_by_key(|part| (part.number, part.last_modified));
    Ok(parts)
}

fn senseless(what: &str) -> TransferError {
    TransferError::Senseless { side: Side::Target, what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use wharf_wire::date::Timestamp;

    use super::*;

    #[test]
    fn of_a_part_that_was_sent_twice_the_last_one_is_there() {
        let part = |number, bytes, seconds: Option<u64>| ListedPart {
            number,
            etag: None,
            bytes,
            last_modified: seconds.map(|seconds| Timestamp::from_unix_millis(seconds * 1000)),
        };
        let mut listed = vec![part(2, 7, Some(9)), part(1, 5, None), part(2, 6, Some(8)), part(3, 1, None)];
        listed.sort_by_key(|part| (part.number, part.last_modified));
        let sizes: Vec<_> = newest(listed).iter().map(|part| (part.number, part.bytes)).collect();
        assert_eq!(sizes, [(1, 5), (2, 7), (3, 1)]);
    }
}
