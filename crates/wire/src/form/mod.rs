//! POST Object: an upload from a browser's form.
//!
//! A form's fields say where the file goes and who allows it; the file comes last and streams on. Nothing here does
//! IO: bytes are pushed in, and what they were comes out.
//!
//! ```text
//! body ──▶ FormReader ──▶ Form ──▶ Claim ──verify(key)──▶ Policy ──check(form, bucket, now)
//!               └───────▶ FileReader ──▶ the file's bytes, then the end, verified
//!
//! FormInput ──sign(key)──▶ SignedFields, which a browser posts with a file
//! ```
//!
//! The framing is our own: a store needs the file's length before the file, which only somebody who knows the whole
//! frame can tell, and the crates that read multipart bodies take a stream and keep the frame to themselves.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>,
//! <https://www.rfc-editor.org/rfc/rfc7578>

mod claim;
mod error;
mod file;
mod header;
pub mod policy;
mod reader;
mod sign;
mod success;
#[cfg(test)]
mod tests;

use std::fmt;

pub use claim::{Claim, ClaimError};
pub use error::FormError;
pub use file::FileReader;
pub use reader::{FIELDS_MAX, FormReader, HEAD_BYTES_MAX, Progress};
pub use sign::{FormInput, FormSignError, Match, SignedFields, sign};
pub use success::Success;

/// The field that holds the file.
const FILE: &str = "file";
const KEY: &str = "key";
/// Stands for the file's name in a key.
pub const FILE_NAME: &str = "${filename}";

/// What a form says before its file begins.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// Names in lower case, with their values. None comes twice.
    fields: Vec<(String, String)>,
    /// The file's name without the folders of the user's machine; may be empty.
    pub file_name: String,
    /// What the browser takes the file for. S3 does not look at it: the field `content-type` counts.
    pub file_content_type: Option<String>,
}

/// Without values: the signature and the session token are among them.
impl fmt::Debug for Form {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.fields().map(|(name, _)| name).collect();
        out.debug_struct("Form").field("fields", &names).finish_non_exhaustive()
    }
}

impl Form {
    /// A field's value. Names have no case; give it in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// All fields but the file, in the order in which they came, with their names in lower case.
    ///
    /// In the key, the file's name already stands where the form had `${filename}`.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), FormError> {
        let name = name.to_ascii_lowercase();
        if self.field(&name).is_some() {
            return Err(FormError::FieldTwice);
        }
        self.fields.push((name, value.to_owned()));
        Ok(())
    }

    /// The fields are complete: here is the file.
    fn begin_file(&mut self, file_name: &str, content_type: Option<&str>) {
        let base_name = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
        base_name.clone_into(&mut self.file_name);
        self.file_content_type = content_type.map(str::to_owned);
        if let Some((_, key)) = self.fields.iter_mut().find(|(name, _)| name == KEY) {
            *key = key.replace(FILE_NAME, base_name);
        }
    }
}
