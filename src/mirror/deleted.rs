//! What a `DeleteResult` says of each object that was to be deleted.

use std::collections::HashMap;

use wharf_wire::{
    s3::ErrorCode,
    xml::{DeleteError, ObjectToDelete},
};

use super::{Intents, state::Outcome};
use crate::webhooks::Telling;

impl Intents {
    /// Settles those of `objects`, of which there is one each and in this order, by the `errors` of the result. A quiet
    /// result names nothing else.
    pub fn settle_deleted(self, objects: &[ObjectToDelete], errors: &[DeleteError]) -> Telling {
        let refused =
            errors.iter().map(|error| ((error.key.as_str(), error.version_id.as_deref()), outcome(error)));
        let refused: HashMap<_, _> = refused.collect();
        let outcome = |object: &ObjectToDelete| {
            let refused = refused.get(&(object.key.as_str(), object.version_id.as_deref()));
            refused.copied().unwrap_or(Outcome::Changed)
        };
        self.settle_each(objects.iter().map(outcome))
    }
}

/// What came of an object that the provider gives an error for: nothing, if it is one of S3's refusals.
fn outcome(error: &DeleteError) -> Outcome {
    match ErrorCode::from_name(&error.code) {
        // What is not here may still be elsewhere.
        Some(ErrorCode::NoSuchKey) => Outcome::Unknown,
        Some(code) if code.status().is_client_error() => Outcome::Unchanged,
        Some(_) | None => Outcome::Unknown,
    }
}
