//! Cross-origin requests: which pages may call Wharf and read its replies.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use http_body_util::Full;

use crate::config::checked::{Cors, Origins};

const API_ALLOWS: HeaderValue = HeaderValue::from_static(
    "x-api-key, x-api-secret, x-signature, x-timestamp, authorization, content-type",
);
/// What Uppy's clients send beside what the API takes.
const COMPANION_ALLOWS: HeaderValue = HeaderValue::from_static(
    "uppy-auth-token, uppy-credentials-params, authorization, origin, content-type, accept, x-api-key, x-api-secret, \
     x-signature, x-timestamp",
);
const COMPANION_EXPOSES: HeaderValue =
    HeaderValue::from_static("i-am, x-request-id, retry-after, ratelimit, ratelimit-policy");
const API_EXPOSES: HeaderValue =
    HeaderValue::from_static("x-request-id, retry-after, ratelimit, ratelimit-policy");
/// An object's metadata has names of its own. Replies without cookies are read whole.
const S3_EXPOSES: HeaderValue = HeaderValue::from_static("*");
const PREFLIGHT_VARY: HeaderValue =
    HeaderValue::from_static("access-control-request-method, access-control-request-headers");
const ANY: HeaderValue = HeaderValue::from_static("*");

const TRUE: HeaderValue = HeaderValue::from_static("true");

/// One door's rules, as header values.
#[derive(Debug)]
pub struct CorsPolicy {
    /// `None`: any origin.
    listed: Option<Vec<HeaderValue>>,
    max_age: HeaderValue,
    /// Headers that a request may have. `None`: those that it asks for.
    allows: Option<HeaderValue>,
    /// Headers of a reply that a page may read.
    exposes: HeaderValue,
    /// Whether a listed origin's requests may carry cookies. Wharf has none, but proxies in front of it may.
    with_cookies: bool,
}

impl CorsPolicy {
    /// The upload API's: `[upload.cors]`.
    pub fn of_api(config: &Cors) -> Self {
        Self::new(config, Some(API_ALLOWS), API_EXPOSES)
    }

    /// The S3 endpoint's: `[s3.cors]`. What a client may send, its signature says.
    pub fn of_s3(config: &Cors) -> Self {
        Self::new(config, None, S3_EXPOSES)
    }

    /// Uppy's: `[upload.cors]` as well. Its clients may be told to send cookies.
    pub fn of_companion(config: &Cors) -> Self {
        Self { with_cookies: true, ..Self::new(config, Some(COMPANION_ALLOWS), COMPANION_EXPOSES) }
    }

    fn new(config: &Cors, allows: Option<HeaderValue>, exposes: HeaderValue) -> Self {
        let listed = match &config.origins {
            Origins::Any => None,
            Origins::Listed(origins) => {
                Some(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect())
            }
        };
        let max_age = HeaderValue::from(config.max_age_seconds);
        Self { listed, max_age, allows, exposes, with_cookies: false }
    }

    /// The answer to a preflight, if the request is one; [`Self::write`] completes it. An origin that is not allowed gets
    /// an answer without permission: the browser then says why. `methods` knows those of a path; a path without any needs
    /// no permission for the methods that browsers send unasked, so that its 404 can be read.
    pub fn preflight(
        &self,
        head: &Parts,
        methods: impl FnOnce(&str) -> Option<HeaderValue>,
    ) -> Option<Response<Full<Bytes>>> {
        let is_preflight = head.method == Method::OPTIONS
            && head.headers.contains_key(header::ORIGIN)
            && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight {
            return None;
        }
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::VARY, PREFLIGHT_VARY);
        if self.allowed(head.headers.get(header::ORIGIN)).is_some() {
            if let Some(methods) = methods(head.uri.path()) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            }
            let asked = head.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
            if let Some(allowed) = self.allows.as_ref().or(asked) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed.clone());
            }
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        Some(response)
    }

    /// Lets the page of `origin` read a reply, an error too.
    pub fn write(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if self.listed.is_some() {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Some(allowed) = self.allowed(origin) {
            // Browsers take cookies to no `*`, and any page at all should not have them.
            if self.with_cookies && self.listed.is_some() {
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
            }
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, self.exposes.clone());
        }
    }

    /// What `Access-Control-Allow-Origin` says to `origin`.
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        match &self.listed {
            None => Some(ANY),
            Some(listed) => listed.iter().find(|allowed| *allowed == origin).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const METHODS: HeaderValue = HeaderValue::from_static("POST");

    fn policy(origins: Origins) -> CorsPolicy {
        CorsPolicy::of_api(&Cors { origins, max_age_seconds: 600 })
    }

    fn listed() -> CorsPolicy {
        policy(Origins::Listed(vec!["https://app.example".to_owned()]))
    }

    fn preflight(policy: &CorsPolicy, origin: &str) -> Response<Full<Bytes>> {
        let request = Request::options("/api/v1/upload/photos/signed-url")
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        let head = request.body(()).unwrap().into_parts().0;
        let mut response = policy.preflight(&head, |_| Some(METHODS)).unwrap();
        policy.write(head.headers.get("origin"), response.headers_mut());
        response
    }

    #[test]
    fn a_listed_origin_is_reflected_and_caches_are_told() {
        let response = preflight(&listed(), "https://app.example");
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example");
        assert_eq!(response.headers()["access-control-max-age"], "600");
        assert_eq!(response.headers()["access-control-allow-methods"], METHODS);
        assert!(response.headers().get_all("vary").iter().any(|names| names == "origin"));
        for name in
            ["x-api-key", "x-api-secret", "x-signature", "x-timestamp", "authorization", "content-type"]
        {
            assert!(response.headers()["access-control-allow-headers"].to_str().unwrap().contains(name));
        }
    }

    #[test]
    fn another_origin_gets_no_permission() {
        let response = preflight(&listed(), "https://evil.example");
        assert!(!response.headers().contains_key("access-control-allow-origin"));
        assert!(!response.headers().contains_key("access-control-allow-methods"));
        let mut headers = HeaderMap::new();
        listed().write(Some(&HeaderValue::from_static("https://evil.example")), &mut headers);
        assert!(!headers.contains_key("access-control-allow-origin"));
        assert_eq!(headers["vary"], "origin");
    }

    #[test]
    fn any_origin_is_answered_with_a_star() {
        let mut headers = HeaderMap::new();
        policy(Origins::Any).write(Some(&HeaderValue::from_static("null")), &mut headers);
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(headers["access-control-expose-headers"].to_str().unwrap().contains("x-request-id"));
    }

    #[test]
    fn s3_clients_may_send_what_they_ask_for() {
        let origins = Origins::Listed(vec!["https://app.example".to_owned()]);
        let s3 = CorsPolicy::of_s3(&Cors { origins, max_age_seconds: 600 });
        let preflight = |origin: &str| {
            let request = Request::options("/photos/cat.jpg")
                .header("origin", origin)
                .header("access-control-request-method", "PUT")
                .header("access-control-request-headers", "x-amz-meta-a,authorization");
            s3.preflight(&request.body(()).unwrap().into_parts().0, |_| Some(METHODS)).unwrap()
        };
        let allowed = preflight("https://app.example");
        assert_eq!(allowed.headers()["access-control-allow-headers"], "x-amz-meta-a,authorization");
        assert!(!preflight("https://evil.example").headers().contains_key("access-control-allow-headers"));
        let mut headers = HeaderMap::new();
        s3.write(Some(&HeaderValue::from_static("https://app.example")), &mut headers);
        assert_eq!(headers["access-control-expose-headers"], "*");
    }

    #[test]
    fn uppy_may_send_cookies_from_a_listed_origin_alone() {
        let listed = Origins::Listed(vec!["https://app.example".to_owned()]);
        for (origins, origin, credentials) in [
            (listed.clone(), "https://app.example", Some("true")),
            (listed, "https://evil.example", None),
            (Origins::Any, "https://evil.example", None),
        ] {
            let uppy = CorsPolicy::of_companion(&Cors { origins, max_age_seconds: 600 });
            let mut headers = HeaderMap::new();
            uppy.write(Some(&HeaderValue::from_static(origin)), &mut headers);
            let allowed =
                headers.get("access-control-allow-credentials").map(|value| value.to_str().unwrap());
            assert_eq!(allowed, credentials, "{origin}");
        }
    }

    #[test]
    fn a_plain_options_request_is_no_preflight() {
        let request = Request::options("/").header("origin", "https://app.example").body(()).unwrap();
        assert!(listed().preflight(&request.into_parts().0, |_| Some(METHODS)).is_none());
    }
}
