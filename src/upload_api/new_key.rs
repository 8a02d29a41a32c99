//! Keys of new objects: `{id}_{sanitised name}`, below where the caller may write. Two uploads never have the same one.

use wharf_wire::{date::Timestamp, names::ObjectKey};

use super::{file_name, rights, target::Target, upload_id::UploadId};
use crate::{config::checked::Action, error::Error, request::authenticate::Identity};

/// What the keys of one request's files have in common.
#[derive(Clone, Copy)]
pub(crate) struct NewKeys<'r> {
    target: &'r Target<'r>,
    identity: &'r Identity,
    /// The caller's own: the shortest below which it may write.
    prefix: &'r str,
    now: Timestamp,
}

/// A key that was drawn for one upload.
#[derive(Debug)]
pub(crate) struct NewKey {
    pub(crate) id: UploadId,
    /// `{id}_{sanitised name}`
    pub(crate) name: String,
    /// The key as the caller calls it: below the caller's prefix, without the bucket's.
    pub(crate) key: String,
    /// The same, as the provider knows it.
    pub(crate) object: ObjectKey,
}

impl<'r> NewKeys<'r> {
    /// Of uploads into `target` on behalf of `identity`.
    pub(crate) fn new(target: &'r Target<'r>, identity: &'r Identity, now: Timestamp) -> Self {
        let prefix = match target.configured {
            Some(bucket) => rights::shortest_prefix(identity, Action::Write, &bucket.name),
            None => "",
        };
        Self { target, identity, prefix, now }
    }

    /// Draws the key of a file that its client calls `original`.
    pub(crate) fn draw(&self, original: &str) -> Result<NewKey, Error> {
        let Self { target, identity, prefix, now } = *self;
        let id = UploadId::new(now);
        let before = target.key_prefix().len() + prefix.len() + id.as_str().len() + "_".len();
        let name_bytes_max = ObjectKey::BYTES_MAX.saturating_sub(before).max(1);
        let name = [id.as_str(), "_", &file_name::sanitise(original, name_bytes_max)].concat();
        let key = [prefix, &name].concat();
        target.authorize(identity, Action::Write, &key)?;
        let object = target.object_key(&key)?;
        Ok(NewKey { id, name, key, object })
    }
}

impl NewKey {
    /// The sanitised name.
    pub(crate) fn file_name(&self) -> &str {
        self.name.get(self.id.as_str().len() + "_".len()..).unwrap_or_default()
    }
}
