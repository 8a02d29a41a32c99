//! Why a form cannot be read.

use thiserror::Error;

use crate::s3::ErrorCode;

use super::reader::{FIELDS_MAX, HEAD_BYTES_MAX};

/// Why a form was refused. The text echoes nothing of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormError {
    /// The request's `Content-Type` is another one, or has no sound boundary.
    #[error(
        "a POST of an object has the content type multipart/form-data with a boundary of 1 to 70 characters"
    )]
    ContentType,
    /// The body is no multipart form.
    #[error("the body is not well-formed multipart/form-data")]
    Malformed,
    /// More than [`HEAD_BYTES_MAX`]. The fields are held in memory.
    #[error("the fields before the file take more than {HEAD_BYTES_MAX} bytes")]
    HeadTooLarge,
    /// More than [`FIELDS_MAX`].
    #[error("the form has more than {FIELDS_MAX} fields")]
    TooManyFields,
    /// Which of the two counts would be anybody's guess.
    #[error("the form has a field twice")]
    FieldTwice,
    /// The form ended without one.
    #[error("the form has no field called file")]
    NoFile,
    /// The body ended before the form did.
    #[error("the body ended before the form did")]
    Truncated,
}

impl FormError {
    /// S3's code.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::ContentType | Self::Malformed => ErrorCode::MalformedPOSTRequest,
            Self::HeadTooLarge => ErrorCode::MaxPostPreDataLengthExceededError,
            Self::TooManyFields | Self::FieldTwice | Self::NoFile => ErrorCode::InvalidArgument,
            Self::Truncated => ErrorCode::IncompleteBody,
        }
    }
}
