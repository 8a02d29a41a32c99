//! The object that a body names, as far as it can be judged before the bucket is known.

use crate::error::{Code, Error};

use super::body::{GetFields, Text, non_empty};

/// Bytes of a version's id or of a response header that anyone has reason to ask for.
const VALUE_BYTES_MAX: usize = 1024;

/// The caller's key.
pub(super) fn required<'b>(fields: &'b GetFields<'_>) -> Result<&'b str, Error> {
    let key = non_empty(fields.key.as_ref())
        .ok_or_else(|| Error::new(Code::MissingKey, "Missing: `key` (or `fileKey`)."))?;
    check(key)?;
    Ok(key)
}

/// Refuses a key that a store might normalise: asked for as `a/../b`, a store that walks up would serve `b`.
pub(super) fn check(key: &str) -> Result<(), Error> {
    if key.split(['/', '\\']).any(|part| matches!(part, "." | "..")) {
        return Err(Error::new(Code::InvalidField, "`key` has `.` or `..` for one of its segments."));
    }
    if key.contains(char::is_control) {
        return Err(Error::new(Code::InvalidField, "`key` holds a control character."));
    }
    Ok(())
}

/// The version that is meant, if it is not the newest.
pub(super) fn version_id<'b>(fields: &'b GetFields<'_>) -> Result<Option<&'b str>, Error> {
    value(fields.version_id.as_ref(), "versionId")
}

/// The value of `field`, which may stand in a URL or a header.
pub(super) fn value<'b>(text: Option<&'b Text<'_>>, field: &str) -> Result<Option<&'b str>, Error> {
    match non_empty(text) {
        Some(value) if value.len() > VALUE_BYTES_MAX || value.contains(char::is_control) => {
            let message =
                format!("`{field}` must be at most {VALUE_BYTES_MAX} bytes without control characters.");
            Err(Error::new(Code::InvalidField, message))
        }
        value => Ok(value),
    }
}
