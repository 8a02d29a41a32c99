//! Which operation a request asks for: one match over the path, one over the method.

use std::borrow::Cow;

use http::{HeaderValue, Method, header};

use crate::error::{Code, Error};

/// Where the upload API is.
pub const BASE: &str = "/api/v1/upload/";

/// Every route so far changes or signs something, so it is POST alone.
const METHODS: HeaderValue = HeaderValue::from_static("POST");

/// Which operation a method and path ask for. `provider` is the path's segment, decoded: the name of a bucket, a
/// provider or a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Sign the upload of one file.
    SignedUrl {
        /// Whom the path names.
        provider: String,
    },
    /// Sign the uploads of up to 100 files.
    BatchSignedUrl {
        /// Whom the path names.
        provider: String,
    },
    /// Sign a download.
    DownloadSignedUrl {
        /// Whom the path names.
        provider: String,
    },
    /// Tell the caller about the key that it came with.
    ValidateKey,
}

impl Route {
    /// The path's `{provider}`, where it has one.
    pub fn provider(&self) -> Option<&str> {
        match self {
            Self::SignedUrl { provider }
            | Self::BatchSignedUrl { provider }
            | Self::DownloadSignedUrl { provider } => Some(provider),
            Self::ValidateKey => None,
        }
    }

    /// The operation's name, for logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SignedUrl { .. } => "signed_url",
            Self::BatchSignedUrl { .. } => "batch_signed_url",
            Self::DownloadSignedUrl { .. } => "download_signed_url",
            Self::ValidateKey => "validate_key",
        }
    }
}

/// Whether `path` is the upload API's, with or without a route there.
pub fn is_own(path: &str) -> bool {
    let base = BASE.trim_end_matches('/');
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Finds the operation: `NOT_FOUND`, or `METHOD_NOT_ALLOWED` with `Allow`. `path` is as it was sent, without its query.
///
/// ```
/// use http::Method;
/// use wharf::upload_api::{Route, route};
///
/// let route = route(&Method::POST, "/api/v1/upload/photos/signed-url").unwrap();
/// assert_eq!(route, Route::SignedUrl { provider: "photos".to_owned() });
/// ```
pub fn route(method: &Method, path: &str) -> Result<Route, Error> {
    let route = find(path).ok_or_else(not_found)?;
    if method == Method::POST { Ok(route) } else { Err(method_not_allowed()) }
}

/// The methods that `path` has, as headers name them; `None` where there is no route.
pub fn methods(path: &str) -> Option<HeaderValue> {
    find(path).map(|_| METHODS)
}

fn find(path: &str) -> Option<Route> {
    let rest = path.strip_prefix(BASE)?;
    if rest == "validate-key" {
        return Some(Route::ValidateKey);
    }
    if let Some(rest) = rest.strip_prefix("download/") {
        let provider = segment(rest.strip_suffix("/signed-url")?)?;
        return Some(Route::DownloadSignedUrl { provider });
    }
    let (provider, operation) = rest.split_once('/')?;
    let provider = segment(provider)?;
    match operation {
        "signed-url" => Some(Route::SignedUrl { provider }),
        "batch-signed-url" | "batch/signed-urls" => Some(Route::BatchSignedUrl { provider }),
        "download-url" | "download" => Some(Route::DownloadSignedUrl { provider }),
        _ => None,
    }
}

/// One segment, percent-decoded; `None` if it is empty, has a slash in it or is not text.
fn segment(raw: &str) -> Option<String> {
    let decoded = percent_decode(raw)?;
    let is_name = !decoded.is_empty() && !decoded.contains('/') && !decoded.contains(char::is_control);
    is_name.then(|| decoded.into_owned())
}

/// Decodes strictly: every `%` begins two hexadecimal digits, and the result is UTF-8.
fn percent_decode(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('%') {
        return Some(Cow::Borrowed(raw));
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (hex_digit(bytes.next()?)?, hex_digit(bytes.next()?)?);
            decoded.push(high << 4 | low);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn not_found() -> Error {
    Error::new(Code::NotFound, "There is no such route.")
        .hint("Uploads are signed at POST /api/v1/upload/{provider}/signed-url.")
}

/// What is said of every method but POST.
pub fn method_not_allowed() -> Error {
    Error::new(Code::MethodNotAllowed, "This route takes POST.")
        .options(["POST"])
        .header(header::ALLOW, METHODS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(path: &str) -> Result<Route, Code> {
        route(&Method::POST, path).map_err(|error| error.code)
    }

    #[test]
    fn every_path_of_the_contract_has_its_route() {
        let provider = || "photos".to_owned();
        for (path, expected) in [
            ("photos/signed-url", Route::SignedUrl { provider: provider() }),
            ("photos/batch-signed-url", Route::BatchSignedUrl { provider: provider() }),
            ("photos/batch/signed-urls", Route::BatchSignedUrl { provider: provider() }),
            ("download/photos/signed-url", Route::DownloadSignedUrl { provider: provider() }),
            ("photos/download-url", Route::DownloadSignedUrl { provider: provider() }),
            ("photos/download", Route::DownloadSignedUrl { provider: provider() }),
            ("p%68oto%73/signed-url", Route::SignedUrl { provider: provider() }),
            ("validate-key", Route::ValidateKey),
        ] {
            let path = format!("/api/v1/upload/{path}");
            assert_eq!((post(&path), methods(&path)), (Ok(expected), Some(METHODS)), "{path}");
        }
    }

    #[test]
    fn other_paths_are_not_found() {
        for path in [
            "",
            "/",
            "/api/v1/upload",
            "/api/v1/upload/",
            "/api/v1/uploads/s3/signed-url",
            "/api/v2/upload/s3/signed-url",
            "/api/v1/upload//signed-url",
            "/api/v1/upload/s3/signed-url/",
            "/api/v1/upload/s3//signed-url",
            "/api/v1/upload/s3/SIGNED-URL",
            "/api/v1/upload/s3/x/signed-url",
            "/api/v1/upload/s3%2Fx/signed-url",
            "/api/v1/upload/s3%/signed-url",
            "/api/v1/upload/s3%4/signed-url",
            "/api/v1/upload/s3%zz/signed-url",
            "/api/v1/upload/%ff/signed-url",
            "/api/v1/upload/%00/signed-url",
            "/api/v1/upload/s3%0d%0a/signed-url",
            "/api/v1/upload/download/signed-url",
            "/api/v1/upload/download//signed-url",
            "/api/v1/upload/download/s3",
            "/api/v1/upload/s3/multipart/initiate",
            "/api/v1/upload/validate-key/",
        ] {
            assert_eq!((post(path), methods(path)), (Err(Code::NotFound), None), "{path}");
        }
    }

    #[test]
    fn what_lies_below_the_base_is_the_apis_own() {
        for path in ["/api/v1/upload", "/api/v1/upload/", "/api/v1/upload/x", "/api/v1/upload//"] {
            assert!(is_own(path), "{path}");
        }
        for path in
            ["/", "/api/v1", "/api/v1/uploads", "/api/v1/upload%2Fx", "//api/v1/upload/x", "/x/api/v1/upload"]
        {
            assert!(!is_own(path), "{path}");
        }
    }

    #[test]
    fn other_methods_are_told_which_one_to_use() {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD, Method::PATCH] {
            let error = route(&method, "/api/v1/upload/s3/signed-url").unwrap_err();
            assert_eq!(error.code, Code::MethodNotAllowed);
            assert_eq!(error.headers, [(header::ALLOW, methods("/api/v1/upload/s3/signed-url").unwrap())]);
            assert_eq!(route(&method, "/nowhere").unwrap_err().code, Code::NotFound);
        }
    }
}
