//! Which operation a request asks for: the path says which, and the method has to be one of its own.

use std::borrow::Cow;

use http::{HeaderValue, Method, header};

use super::operation::{Operation, Scope};
use crate::error::{Code, Error};

/// Where the upload API is.
pub const BASE: &str = "/api/v1/upload/";

/// Where webhooks are.
pub const WEBHOOKS_BASE: &str = "/api/v1/webhooks/";

/// Which operation a method and path ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What is to be done.
    pub operation: Operation,
    /// Whom the path names, decoded: a bucket, a provider or a plugin.
    pub provider: Option<String>,
    /// The webhook, or the delivery to one, that the path names.
    pub webhook: Option<String>,
}

impl Route {
    fn plain(operation: Operation) -> Self {
        Self { operation, provider: None, webhook: None }
    }

    fn of_bucket(operation: Operation, provider: &str) -> Option<Self> {
        Some(Self { provider: Some(segment(provider)?), ..Self::plain(operation) })
    }

    fn of_webhook(pattern: &'static str, id: &str) -> Option<Self> {
        let operation = Operation::at(Scope::Webhooks, pattern)?;
        Some(Self { webhook: Some(segment(id)?), ..Self::plain(operation) })
    }
}

/// Whether `path` is the upload API's, with or without a route there.
pub fn is_own(path: &str) -> bool {
    let is_below = |base: &str| {
        let rest = path.strip_prefix(base.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    is_below(BASE) || is_below(WEBHOOKS_BASE)
}

/// Finds the operation: `NOT_FOUND`, or `METHOD_NOT_ALLOWED` with `Allow`. `path` is as it was sent, without its query.
///
/// ```
/// use http::Method;
/// use wharf::upload_api::{Operation, Route, route};
///
/// let route = route(&Method::POST, "/api/v1/upload/photos/signed-url").unwrap();
/// let provider = Some("photos".to_owned());
/// assert_eq!(route, Route { operation: Operation::SignedUrl, provider, webhook: None });
/// ```
pub fn route(method: &Method, path: &str) -> Result<Route, Error> {
    let route = find(path).ok_or_else(not_found)?;
    let methods = route.operation.methods();
    if methods.contains(&method.as_str()) { Ok(route) } else { Err(method_not_allowed(methods)) }
}

/// The methods that `path` has, as headers name them; `None` where there is no route.
pub fn methods(path: &str) -> Option<HeaderValue> {
    find(path).map(|route| route.operation.allow())
}

fn find(path: &str) -> Option<Route> {
    if let Some(rest) = path.strip_prefix(WEBHOOKS_BASE) {
        return find_webhook(rest);
    }
    let rest = path.strip_prefix(BASE)?;
    if let Some(operation) = Operation::at(Scope::Nothing, rest) {
        return Some(Route::plain(operation));
    }
    let (first, rest) = rest.split_once('/')?;
    if first == "download" {
        let (provider, rest) = rest.split_once('/')?;
        return Route::of_bucket(Operation::at(Scope::Download, rest)?, provider);
    }
    Route::of_bucket(Operation::at(Scope::Bucket, rest)?, first)
}

/// A word of its own is never an id.
fn find_webhook(rest: &str) -> Option<Route> {
    match rest.split_once('/') {
        Some(("status", id)) => Route::of_webhook("status/{id}", id),
        Some((id, "retry")) => Route::of_webhook("{id}/retry", id),
        Some(_) => None,
        None => Operation::at(Scope::Webhooks, rest)
            .filter(|_| !rest.contains('{'))
            .map(Route::plain)
            .or_else(|| Route::of_webhook("{id}", rest)),
    }
}

/// One segment, percent-decoded; `None` if it is empty, has a slash in it or is not text.
pub(crate) fn segment(raw: &str) -> Option<String> {
    let decoded = percent_decode(raw)?;
    let is_name = !decoded.is_empty() && !decoded.contains('/') && !decoded.contains(char::is_control);
    is_name.then(|| decoded.into_owned())
}

/// Decodes strictly: every `%` begins two hexadecimal digits, and the result is UTF-8.
pub(crate) fn percent_decode(raw: &str) -> Option<Cow<'_, str>> {
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
    Error::new(Code::NotFound, "There is no such route.").hint(
        "Uploads are signed at POST /api/v1/upload/{provider}/signed-url; all routes are listed at \
             GET /api/v1/upload/docs.",
    )
}

/// What is said of every method but `methods`.
pub fn method_not_allowed(methods: &[&'static str]) -> Error {
    let listed = methods.join(", ");
    let error = Error::new(Code::MethodNotAllowed, format!("This route takes {listed}."));
    let error = error.options(methods.iter().copied());
    match HeaderValue::from_str(&listed) {
        Ok(allow) => error.header(header::ALLOW, allow),
        Err(_) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(path: &str) -> Result<Route, Code> {
        route(&Method::POST, path).map_err(|error| error.code)
    }

    #[test]
    fn every_path_of_the_contract_has_its_route() {
        let photos = Some("photos");
        for (path, operation, provider) in [
            ("photos/signed-url", Operation::SignedUrl, photos),
            ("photos/batch-signed-url", Operation::BatchSignedUrl, photos),
            ("photos/batch/signed-urls", Operation::BatchSignedUrl, photos),
            ("download/photos/signed-url", Operation::DownloadSignedUrl, photos),
            ("photos/download-url", Operation::DownloadSignedUrl, photos),
            ("photos/download", Operation::DownloadSignedUrl, photos),
            ("p%68oto%73/signed-url", Operation::SignedUrl, photos),
            ("photos/multipart/initiate", Operation::InitiateMultipart, photos),
            ("photos/multipart/parts", Operation::MultipartParts, photos),
            ("photos/multipart/complete", Operation::CompleteMultipart, photos),
            ("photos/multipart/abort", Operation::AbortMultipart, photos),
            ("photos/delete", Operation::Delete, photos),
            ("photos/batch-delete", Operation::BatchDelete, photos),
            ("photos/batch/delete", Operation::BatchDelete, photos),
            ("photos/list", Operation::List, photos),
            ("photos/metadata", Operation::Metadata, photos),
            ("photos/versions", Operation::Versions, photos),
            ("complete", Operation::Complete, None),
            ("analytics", Operation::Analytics, None),
            ("track", Operation::Track, None),
            ("photos/buckets", Operation::Foreign, photos),
            ("photos/scan-status", Operation::Foreign, photos),
            ("validate-key", Operation::ValidateKey, None),
        ] {
            let path = format!("/api/v1/upload/{path}");
            let expected = Route { operation, provider: provider.map(str::to_owned), webhook: None };
            assert_eq!((post(&path), methods(&path)), (Ok(expected), Some(operation.allow())), "{path}");
        }
    }

    #[test]
    fn webhooks_have_paths_of_their_own() {
        let id = Some("0199-a");
        for (path, operation, webhook) in [
            ("confirm", Operation::WebhookConfirm, None),
            ("create", Operation::WebhookCreate, None),
            ("list", Operation::WebhookList, None),
            ("status/0199-a", Operation::WebhookStatus, id),
            ("0199-a/retry", Operation::WebhookRetry, id),
            ("0199-a", Operation::WebhookDelete, id),
        ] {
            let path = format!("/api/v1/webhooks/{path}");
            let expected = Route { operation, provider: None, webhook: webhook.map(str::to_owned) };
            assert_eq!(find(&path), Some(expected), "{path}");
        }
        for path in ["", "status/", "status/a/b", "/retry", "a/b", "a/retry/", "%00"] {
            assert_eq!(find(&format!("/api/v1/webhooks/{path}")), None, "{path}");
        }
        let deleted = route(&Method::DELETE, "/api/v1/webhooks/list").unwrap_err();
        assert_eq!(deleted.code, Code::MethodNotAllowed);
        assert!(is_own("/api/v1/webhooks") && !is_own("/api/v1/webhooks2"));
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
            "/api/v1/upload/s3/multipart",
            "/api/v1/upload/s3/multipart/",
            "/api/v1/upload/multipart/initiate",
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
