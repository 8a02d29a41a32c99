//! What a file is by its first bytes, against what its client says that it is.

use crate::{error::Error, request::media_type::canonical_type};

use super::{super::body::MagicBytes, failed, refuse_unless};

/// Compares the type that the client names with the one that the first bytes show.
pub(super) fn check_magic(
    content_type: &str,
    magic: &MagicBytes,
    blocks_dangerous: bool,
) -> Result<(), Error> {
    refuse_unless(!magic.is_malformed, || {
        failed("`magicBytes` holds more than bytes, or too many of them.")
    })?;
    let declared = canonical_type(content_type);
    let Some(detected) = infer::get(&magic.bytes).map(|kind| canonical_type(kind.mime_type())) else {
        let is_absent = magic.bytes.len() >= SHORT_BYTES && SHORT_SIGNATURES.contains(&declared.as_str());
        return refuse_unless(!is_absent, || {
            failed(format!("The file does not begin as {declared} begins.")).options([declared.as_str()])
        });
    };
    refuse_unless(!(blocks_dangerous && EXECUTABLES.contains(&detected.as_str())), || {
        failed("The file begins as a program begins.")
    })?;
    refuse_unless(agrees(&declared, &detected), || {
        failed(format!("The file is declared as one type and begins as another, {detected}."))
    })
}

/// Whether a file declared as one type may begin as another: many types are containers of one kind.
fn agrees(declared: &str, detected: &str) -> bool {
    let is_family = |(outer, inner): &(&str, &[&str])| {
        *outer == detected && inner.iter().any(|start| declared.starts_with(start))
    };
    declared == detected || declared == "application/octet-stream" || CONTAINERS.iter().any(is_family)
}

/// What is detected, and what the declared type may begin with.
const CONTAINERS: &[(&str, &[&str])] = &[
    ("application/zip", &["application/"]),
    ("application/x-ole-storage", &["application/"]),
    ("application/gzip", &["application/"]),
    ("application/octet-stream", &["application/"]),
    ("text/xml", &["application/", "image/svg+xml", "text/"]),
    ("text/html", &["application/xhtml+xml", "text/"]),
    ("text/x-shellscript", &["application/", "text/"]),
    ("video/mp4", &["audio/mp4", "audio/x-m4a", "video/", "application/mp4"]),
    ("video/quicktime", &["video/", "audio/"]),
    ("video/x-matroska", &["video/webm", "audio/webm", "audio/x-matroska"]),
    ("video/webm", &["audio/webm", "video/x-matroska"]),
    ("audio/ogg", &["video/ogg", "application/ogg", "audio/"]),
    ("image/heif", &["image/heic", "image/avif"]),
    ("image/tiff", &["image/"]),
];

/// Types whose signature ends within [`SHORT_BYTES`]: a file of theirs that shows none of it is no such file.
const SHORT_SIGNATURES: &[&str] = &[
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/bmp",
    "application/pdf",
    "application/zip",
    "application/gzip",
];

/// Bytes that clients send at the least.
const SHORT_BYTES: usize = 8;

/// What the first bytes of programs are detected as.
const EXECUTABLES: &[&str] = &[
    "application/vnd.microsoft.portable-executable",
    "application/x-executable",
    "application/x-mach-binary",
    "application/java",
    "application/vnd.android.dex",
    "text/x-shellscript",
];
