//! Why a request is not served: a code of S3's, and what is wrong here.

use std::{borrow::Cow, fmt};

use super::ErrorCode;

/// The longest part of a caller's own text that a message repeats.
const ECHO_CHARACTERS_MAX: usize = 64;

/// An error that answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// S3's code, which decides the status.
    pub code: ErrorCode,
    /// What is wrong here, for the client.
    pub message: Cow<'static, str>,
    /// The methods that would be served, for the header `Allow` of a 405. Empty otherwise.
    pub allow: Vec<&'static str>,
}

impl Refusal {
    /// A refusal with a message of its own.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), allow: Vec::new() }
    }

    /// A refusal that repeats `text` of the caller's, cut and made printable.
    pub(crate) fn about(code: ErrorCode, message: &str, text: &str) -> Self {
        let echo: String = text.chars().take(ECHO_CHARACTERS_MAX).flat_map(char::escape_default).collect();
        Self::new(code, format!("{message}: {echo}"))
    }
}

impl From<ErrorCode> for Refusal {
    /// A refusal with the code's standard message.
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.message())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_sent_is_repeated_printable_and_short() {
        let refusal = Refusal::about(ErrorCode::NotImplemented, "not served", "a\r\n\u{202e}<");
        assert_eq!(refusal.to_string(), "NotImplemented: not served: a\\r\\n\\u{202e}<");
        let long = Refusal::about(ErrorCode::NotImplemented, "not served", &"x".repeat(1000));
        assert_eq!(long.message.len(), "not served: ".len() + ECHO_CHARACTERS_MAX);
    }
}
