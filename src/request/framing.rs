//! Strict framing: what hyper lets through and a gateway must not, because the server behind or the proxy in front
//! might read the same bytes differently.
//!
//! One case cannot be seen here: hyper drops `Content-Length` where `Transfer-Encoding` stands beside it. The pipeline
//! closes every connection on which a chunked request came (RFC 9112, 6.1), so that bytes which a proxy in front took
//! for that length never become a request.

use http::{HeaderMap, Method, StatusCode, Uri, Version, header, request::Parts, uri::Authority};
use wharf_wire::encode;

use crate::{
    config::checked::ServerLimits,
    error::{Code, Error},
};

/// What a header line costs besides its name and value: a colon, a space and the line's end.
const HEADER_LINE_EXTRA_BYTES: usize = 4;

/// Refuses a head that is not the plain form of a request to an origin server.
pub fn check(head: &Parts, limits: &ServerLimits) -> Result<(), Error> {
    check_framing(head, limits)?;
    check_method(&head.method)?;
    check_escapes(&head.uri)
}

/// Refuses only what is dangerous to pass on. What a method or a path means is for the server behind to say.
pub fn check_framing(head: &Parts, limits: &ServerLimits) -> Result<(), Error> {
    check_size(head, limits)?;
    check_forwardable(&head.method)?;
    check_target(&head.uri, head.version)?;
    check_host(head)?;
    check_transfer_encoding(&head.headers)
}

/// Why a head was refused that hyper could not read; `status` is hyper's word for it.
pub fn unreadable(status: StatusCode, limits: &ServerLimits) -> Error {
    if matches!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG) {
        let ServerLimits { header_bytes_max, headers_max, .. } = limits;
        let message = format!(
            "The request's head is larger than {header_bytes_max} bytes or {headers_max} header lines."
        );
        return Error::new(Code::HeadersTooLarge, message);
    }
    invalid("The request's head is not HTTP that can be read.")
        .hint("Check the request line, the header lines and what they say of the body's length; HTTPS needs a TLS listener.")
}

fn invalid(message: &'static str) -> Error {
    Error::new(Code::InvalidRequest, message)
}

fn check_size(head: &Parts, limits: &ServerLimits) -> Result<(), Error> {
    let lines: usize = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + HEADER_LINE_EXTRA_BYTES)
        .sum();
    let target = head.uri.path().len() + head.uri.query().map_or(0, |query| query.len() + 1);
    if lines + target > limits.header_bytes_max {
        return Err(Error::new(
            Code::HeadersTooLarge,
            format!("The request's head is larger than {} bytes.", limits.header_bytes_max),
        ));
    }
    if head.headers.len() > limits.headers_max {
        return Err(Error::new(
            Code::HeadersTooLarge,
            format!("The request has more than {} header lines.", limits.headers_max),
        ));
    }
    Ok(())
}

/// TRACE would echo credentials, and CONNECT would make Wharf a proxy.
fn check_forwardable(method: &Method) -> Result<(), Error> {
    if *method == Method::TRACE || *method == Method::CONNECT { Err(not_served()) } else { Ok(()) }
}

/// A method that is none of HTTP's own is not ours.
fn check_method(method: &Method) -> Result<(), Error> {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => Ok(()),
        _ => Err(not_served()),
    }
}

fn not_served() -> Error {
    Error::new(Code::NotImplemented, "Wharf does not serve this method.")
}

fn check_target(uri: &Uri, version: Version) -> Result<(), Error> {
    if version < Version::HTTP_2 && (uri.scheme().is_some() || uri.authority().is_some()) {
        return Err(invalid("The request target must be a path, not a URL: Wharf is no proxy."));
    }
    if !uri.path().starts_with('/') {
        return Err(invalid("The request target must be a path."));
    }
    Ok(())
}

fn check_escapes(uri: &Uri) -> Result<(), Error> {
    if !encode::has_whole_escapes(uri.path()) || !uri.query().is_none_or(encode::has_whole_escapes) {
        return Err(invalid(
            "The request target holds a `%` that is not followed by two hexadecimal digits.",
        ));
    }
    Ok(())
}

/// One host, said once: HTTP/1.1 in `Host`, HTTP/2 in `:authority` (with a `host` that agrees, if any).
fn check_host(head: &Parts) -> Result<(), Error> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(invalid("The request has more than one Host header."));
    }
    let host = host
        .map(|value| Authority::try_from(value.as_bytes()))
        .transpose()
        .map_err(|_| invalid("The Host header is not a host."))?;
    let stated = match (host, head.uri.authority()) {
        (Some(host), Some(authority)) if host != *authority => {
            return Err(invalid("The Host header and the request's authority differ."));
        }
        (Some(host), _) => host,
        (None, Some(authority)) => authority.clone(),
        (None, None) if head.version == Version::HTTP_10 => return Ok(()),
        (None, None) => return Err(invalid("The request has no Host header.")),
    };
    if stated.as_str().contains('@') || stated.host().is_empty() {
        return Err(invalid("The Host header is not a host."));
    }
    Ok(())
}

/// `chunked`, once, or nothing: any list is read differently by someone.
fn check_transfer_encoding(headers: &HeaderMap) -> Result<(), Error> {
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(()),
        (Some(encoding), None) if encoding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(invalid("The only Transfer-Encoding that Wharf takes is a single `chunked`.")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, request::Builder};

    use super::*;

    fn limits() -> ServerLimits {
        ServerLimits {
            connections_max: 10,
            connections_per_ip_max: 10,
            requests_in_flight_max: 10,
            header_bytes_max: 1024,
            headers_max: 8,
            body_bytes_max: 1024,
            documents_bytes_max: 1,
            header_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(1),
            body_timeout: Duration::from_secs(1),
            body_bytes_per_second_min: 1,
            write_timeout: Duration::from_secs(1),
            reply_bytes_per_second_min: 1,
            streams_per_connection_max: 1,
        }
    }

    fn get(target: &str) -> Builder {
        Request::get(target).header("host", "wharf.example")
    }

    fn code(request: Builder) -> Option<Code> {
        let (head, ()) = request.body(()).unwrap().into_parts();
        check(&head, &limits()).err().map(|error| error.code)
    }

    #[test]
    fn plain_requests_pass() {
        for request in [
            get("/"),
            get("/a%2Fb?c=%20"),
            Request::get("/").header("host", "[::1]:8080"),
            Request::post("/").header("host", "a").header("transfer-encoding", "Chunked"),
            Request::options("/").header("host", "a:1"),
            Request::get("/").version(Version::HTTP_10),
            Request::get("https://a.example/").version(Version::HTTP_2),
            Request::get("https://a.example/").version(Version::HTTP_2).header("host", "A.example"),
        ] {
            let shown = format!("{request:?}");
            assert_eq!(code(request), None, "{shown}");
        }
    }

    #[test]
    fn ambiguous_requests_are_refused() {
        for request in [
            Request::get("/"),
            get("/").header("host", "wharf.example"),
            Request::get("/").header("host", "user@wharf.example"),
            Request::get("/").header("host", "user:password@wharf.example"),
            Request::get("/").header("host", ""),
            Request::get("/").header("host", "a b"),
            Request::get("/").header("host", "a/b"),
            get("http://wharf.example/"),
            Request::options("*").header("host", "a"),
            get("/%"),
            get("/%2"),
            get("/%zz"),
            get("/?a=%4"),
            get("/").header("transfer-encoding", "gzip, chunked"),
            get("/").header("transfer-encoding", "chunked, chunked"),
            get("/").header("transfer-encoding", "identity"),
            get("/").header("transfer-encoding", "chunked").header("transfer-encoding", "chunked"),
            Request::get("https://a.example/").version(Version::HTTP_2).header("host", "b.example"),
            Request::get("https://user@a.example/").version(Version::HTTP_2),
        ] {
            let shown = format!("{request:?}");
            assert_eq!(code(request), Some(Code::InvalidRequest), "{shown}");
        }
    }

    #[test]
    fn methods_that_are_not_for_us_are_refused() {
        for method in ["TRACE", "CONNECT", "PROPFIND", "get"] {
            let request = Request::builder().method(method).uri("/").header("host", "a");
            assert_eq!(code(request), Some(Code::NotImplemented), "{method}");
        }
    }

    #[test]
    fn what_is_only_passed_on_may_have_methods_and_escapes_of_its_own() {
        let check_framing = |request: Builder| {
            let (head, ()) = request.body(()).unwrap().into_parts();
            check_framing(&head, &limits()).err().map(|error| error.code)
        };
        for request in [get("/?q=100%"), get("/%zz"), get("//..//%2e%2F"), get("/").method("PROPFIND")] {
            let shown = format!("{request:?}");
            assert_eq!(check_framing(request), None, "{shown}");
        }
        for (request, code) in [
            (get("/").method("TRACE"), Code::NotImplemented),
            (get("/").method("CONNECT"), Code::NotImplemented),
            (get("http://wharf.example/"), Code::InvalidRequest),
            (get("/").header("host", "b.example"), Code::InvalidRequest),
            (get("/").header("transfer-encoding", "gzip, chunked"), Code::InvalidRequest),
            (get("/").header("x", "y".repeat(1024)), Code::HeadersTooLarge),
        ] {
            let shown = format!("{request:?}");
            assert_eq!(check_framing(request), Some(code), "{shown}");
        }
    }

    #[test]
    fn a_head_has_a_size() {
        assert_eq!(code(get("/").header("x", "y".repeat(1024))), Some(Code::HeadersTooLarge));
        assert_eq!(code(get(&format!("/{}", "y".repeat(1024)))), Some(Code::HeadersTooLarge));
        let many = (0..8).fold(get("/"), |request, _| request.header("x", "y"));
        assert_eq!(code(many), Some(Code::HeadersTooLarge));
    }
}
