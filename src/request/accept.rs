//! What a bucket's uploads must be, whichever door they come through: `[buckets.NAME].accept`.
//!
//! This is about what the client says of a file; nobody looks into it.

use thiserror::Error;

use super::media_type::matches_type;
use crate::config::checked::Accept;

/// Why a bucket does not take a file, and what it takes instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum NotAccepted<'a> {
    #[error("The bucket does not take files of this type.")]
    Type(&'a [String]),
    #[error("The bucket does not take files with this extension.")]
    Extension(&'a [String]),
}

impl<'a> NotAccepted<'a> {
    /// What it takes.
    pub(crate) fn options(self) -> &'a [String] {
        match self {
            Self::Type(options) | Self::Extension(options) => options,
        }
    }
}

/// Bytes of the largest file that may be stored with one request.
pub(crate) fn file_bytes_max(put_bytes_max: u64, accept: Option<&Accept>) -> u64 {
    let accepted = accept.and_then(|accept| accept.file_bytes_max).unwrap_or(u64::MAX);
    put_bytes_max.min(accepted)
}

/// Refuses a type that the bucket does not take.
pub(crate) fn check_type<'a>(accept: &'a Accept, content_type: &str) -> Result<(), NotAccepted<'a>> {
    let types = &accept.content_types;
    let is_accepted = types.is_empty() || types.iter().any(|pattern| matches_type(pattern, content_type));
    if is_accepted { Ok(()) } else { Err(NotAccepted::Type(types)) }
}

/// Refuses a name, or a key, whose extension the bucket does not take.
pub(crate) fn check_extension<'a>(accept: &'a Accept, name: &str) -> Result<(), NotAccepted<'a>> {
    let extensions = &accept.extensions;
    let is_accepted = extensions.is_empty() || extensions.contains(&extension(name));
    if is_accepted { Ok(()) } else { Err(NotAccepted::Extension(extensions)) }
}

/// What follows the last dot of a path's last name, in lower case; empty if there is none.
pub(crate) fn extension(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => extension.to_lowercase(),
        Some(_) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_what_follows_the_last_dot() {
        for (path, expected) in [
            ("a.JPG", "jpg"),
            ("a.tar.gz", "gz"),
            ("README", ""),
            (".env", ""),
            ("a.", ""),
            ("a.ÄÖ", "äö"),
            ("a.b/c", ""),
            ("a/.env", ""),
        ] {
            assert_eq!(extension(path), expected, "{path}");
        }
    }

    #[test]
    fn what_is_not_listed_is_not_taken() {
        let accept = Accept {
            file_bytes_max: None,
            content_types: vec!["image/*".to_owned()],
            extensions: vec!["png".to_owned()],
        };
        assert_eq!(check_type(&accept, "image/PNG; charset=x"), Ok(()));
        assert_eq!(check_type(&accept, "text/html"), Err(NotAccepted::Type(&accept.content_types)));
        assert_eq!(check_extension(&accept, "a.exe/b.PNG"), Ok(()));
        for key in ["b.png/", "b.png/c", "png", "b.png.exe"] {
            assert_eq!(check_extension(&accept, key), Err(NotAccepted::Extension(&accept.extensions)));
        }
        let anything = Accept::default();
        assert!(check_type(&anything, "").is_ok() && check_extension(&anything, "").is_ok());
        assert_eq!(file_bytes_max(10, Some(&Accept { file_bytes_max: Some(9), ..anything })), 9);
    }
}
