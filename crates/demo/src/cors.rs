//! The browser's way to a store: the embedded one answers no CORS preflight, so it is answered in front of it.
//!
//! Any origin may ask. What protects an object is the signature in the URL, and a page that holds one was given it.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use s3s::{Body, HttpResponse};

/// What a script may read of an answer beyond the few headers that every browser hands out.
const EXPOSED: &str = "ETag, Content-Range, x-amz-request-id, x-amz-version-id";

/// What a signed URL can be for.
const METHODS: &str = "GET, HEAD, PUT, POST, DELETE";

/// Whether a browser asks if it may send a request, rather than sending it.
pub(crate) fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(header::ORIGIN)
        && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Yes: any method that S3 has, with the headers that the browser named.
pub(crate) fn preflight(request: &Parts) -> HttpResponse {
    let mut response = HttpResponse::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    allow(headers);
    set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    set(headers, header::ACCESS_CONTROL_MAX_AGE, "3600");
    if let Some(asked) = request.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    response
}

/// Lets a script read a response: its body, and the `ETag` among its headers. Errors need it as much as successes:
/// without it the browser tells the script nothing but "network error".
pub(crate) fn allow(headers: &mut HeaderMap) {
    set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: Method, headers: &[(HeaderName, &'static str)]) -> Parts {
        let mut request = http::Request::new(());
        *request.method_mut() = method;
        for (name, value) in headers {
            set(request.headers_mut(), name.clone(), value);
        }
        request.into_parts().0
    }

    #[test]
    fn only_a_browsers_question_is_a_preflight() {
        let origin = (header::ORIGIN, "http://127.0.0.1:7070");
        let method = (header::ACCESS_CONTROL_REQUEST_METHOD, "PUT");
        assert!(is_preflight(&parts(Method::OPTIONS, &[origin.clone(), method.clone()])));
        assert!(!is_preflight(&parts(Method::OPTIONS, std::slice::from_ref(&origin))));
        assert!(!is_preflight(&parts(Method::OPTIONS, std::slice::from_ref(&method))));
        assert!(!is_preflight(&parts(Method::PUT, &[origin, method])));
    }

    #[test]
    fn a_preflight_allows_the_headers_that_were_named() {
        let asked = (header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type,x-amz-meta-a");
        let response = preflight(&parts(Method::OPTIONS, &[asked]));
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS], "content-type,x-amz-meta-a");
        assert!(response.headers()[header::ACCESS_CONTROL_ALLOW_METHODS].to_str().unwrap().contains("PUT"));
        assert!(response.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().contains("ETag"));
    }
}
