//! `[companion]`: where the routes are that Uppy's S3 plugin calls.

use super::{checked::Companion, raw::Table};

const DEFAULT: &str = "/companion";
const HINT: &str = "write a path such as `/companion`, or nothing between the quotes for no such routes";

/// Paths of Wharf's own.
const TAKEN: &str = "/api";

/// Reads `[companion]`.
pub(super) fn read(table: &mut Table<'_>) -> Companion {
    let base = table.parsed("base", HINT, base);
    Companion { base: base.unwrap_or_else(|| Some(DEFAULT.to_owned())) }
}

/// A path without a slash at its end, of characters that no client escapes.
fn base(text: &str) -> Result<Option<String>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let segments = text.strip_prefix('/').ok_or("does not begin with a slash")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte);
    let is_segment =
        |segment: &str| segment.bytes().all(is_plain) && segment.bytes().any(|byte| byte != b'.');
    if !segments.split('/').all(is_segment) {
        return Err(
            "has a segment that is empty, or with more in it than letters, digits, `-`, `_`, `~` and dots",
        );
    }
    if text == TAKEN || text.strip_prefix(TAKEN).is_some_and(|rest| rest.starts_with('/')) {
        return Err("is where Wharf's own API is");
    }
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_a_plain_path() {
        for text in ["/companion", "/uploads/uppy", "/a.b~c", "/apis"] {
            assert_eq!(base(text), Ok(Some(text.to_owned())));
        }
        assert_eq!(base(""), Ok(None));
        for text in
            ["companion", "/", "/companion/", "//a", "/a/../b", "/a b", "/ü", "/a%20", "/api", "/api/v1/x"]
        {
            assert!(base(text).is_err(), "{text}");
        }
    }
}
