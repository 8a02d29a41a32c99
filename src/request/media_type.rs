//! Media types as clients write them, compared.

/// Whether `content_type`, without its parameters, is `pattern`: `image/png`, or `image/*` for all that begin so.
pub(crate) fn matches_type(pattern: &str, content_type: &str) -> bool {
    let (pattern, content_type) = (canonical_type(pattern), canonical_type(content_type));
    match pattern.strip_suffix('*') {
        Some("*/" | "") => true,
        Some(start) => content_type.starts_with(start),
        None => pattern == content_type,
    }
}

/// Whether an object has the type that was declared of it. Some stores have a name of their own for bytes of no type.
pub(crate) fn is_same_type(declared: &str, stored: &str) -> bool {
    let named = |content_type: &str| match canonical_type(content_type).as_str() {
        "" | "binary/octet-stream" => "application/octet-stream".to_owned(),
        other => other.to_owned(),
    };
    named(declared) == named(stored)
}

/// The type in lower case, without parameters, under the one of its names that is registered.
pub(crate) fn canonical_type(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let registered = match essence.as_str() {
        "image/jpg" | "image/pjpeg" => "image/jpeg",
        "image/x-png" => "image/png",
        "image/x-ms-bmp" | "image/x-bmp" => "image/bmp",
        "image/x-icon" => "image/vnd.microsoft.icon",
        "audio/mp3" | "audio/x-mpeg" => "audio/mpeg",
        "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "audio/wav",
        "audio/m4a" | "audio/x-m4a" => "audio/mp4",
        "audio/x-flac" => "audio/flac",
        "video/avi" | "video/msvideo" => "video/x-msvideo",
        "video/x-m4v" => "video/mp4",
        "application/x-zip-compressed" | "application/x-zip" => "application/zip",
        "application/x-gzip" => "application/gzip",
        "application/xml" => "text/xml",
        "application/x-sh" => "text/x-shellscript",
        "text/rtf" => "application/rtf",
        _ => return essence,
    };
    registered.to_owned()
}
