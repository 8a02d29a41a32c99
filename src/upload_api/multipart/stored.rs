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

/// Parts of an upload. A store that lists more than there can be would fill the memory.
const PARTS_MAX: usize = 10_000;

impl Multipart<'_> {
    /// All parts that the provider has of `upload`, in the order of their numbers.
    pub(crate) async fn stored(&self, upload: &Upload) -> Result<Vec<ListedPart>, Error> {
        Ok(list(&self.remote()?, upload).await?)
    }
}

/// The same, with the provider's refusal as it came.
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
    parts.sort_by_key(|part| part.number);
    Ok(parts)
}

fn senseless(what: &str) -> TransferError {
    TransferError::Senseless { side: Side::Target, what: what.to_owned() }
}
