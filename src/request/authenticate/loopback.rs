//! Without keys and tokens this machine alone is served, and whoever is on it may do everything.
//!
//! A browser on this machine runs pages from anywhere. One whose host name has been pointed at 127.0.0.1 (DNS rebinding) is
//! of the same origin as Wharf as far as the browser can tell, and needs no permission by CORS. But browsers say where a
//! page came from, and a page can neither leave that out of a POST nor change it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Method, Uri, header, request::Parts, uri::Authority};

use super::{Identity, credentials::refuse};
use crate::{
    config::checked::Origins,
    error::{Code, Error},
    request::Context,
};

/// Lets in who is on this machine, unless it is a page from elsewhere that the configuration does not list.
pub(super) fn identify(head: &Parts, context: &Context, pages: &Origins) -> Result<Identity, Error> {
    if !context.is_loopback {
        return Err(refuse(
            Code::MissingApiKey,
            "No keys are configured, so only this machine itself is served.",
            "Add a [[keys]] entry (or [jwt]) to the configuration to serve others.",
        ));
    }
    if !comes_from_known_page(&head.headers, pages) || is_read_by_rebound_page(head) {
        return Err(Error::new(Code::AccessDenied, "A page from elsewhere needs a key.").hint(
            "Add the page's origin to `origins` in [upload.cors], or add a [[keys]] entry and send its key.",
        ));
    }
    Ok(Identity::Loopback)
}

fn comes_from_known_page(headers: &HeaderMap, pages: &Origins) -> bool {
    let is_known = |origin: &HeaderValue| match pages {
        Origins::Any => true,
        Origins::Listed(listed) => {
            listed.iter().any(|known| known.as_bytes() == origin.as_bytes()) || is_of_this_machine(origin)
        }
    };
    headers.get_all(header::ORIGIN).iter().all(is_known)
}

/// With a GET to its own origin a page says nothing of where it came from. But it was found under a name, which its browser
/// still sends: one that is not this machine's own was made to lead here.
fn is_read_by_rebound_page(head: &Parts) -> bool {
    if !matches!(head.method, Method::GET | Method::HEAD) || head.headers.contains_key(header::ORIGIN) {
        return false;
    }
    let host = head.headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let host = host.or_else(|| head.uri.authority().cloned());
    !host.is_some_and(|host| is_this_machine(host.host()))
}

fn is_of_this_machine(origin: &HeaderValue) -> bool {
    let Ok(origin) = Uri::try_from(origin.as_bytes()) else { return false };
    is_this_machine(origin.host().unwrap_or_default())
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let is_loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    is_loopback || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_known(origin: &'static str, pages: &Origins) -> bool {
        let headers = [(header::ORIGIN, HeaderValue::from_static(origin))].into_iter().collect();
        comes_from_known_page(&headers, pages)
    }

    #[test]
    fn a_page_that_reads_from_its_own_origin_is_known_by_its_host() {
        let is_refused = |method: Method, host: &str, origin: Option<&str>| {
            let mut request = http::Request::builder().method(method).header("host", host);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            is_read_by_rebound_page(&request.body(()).unwrap().into_parts().0)
        };
        for host in ["127.0.0.1:8080", "localhost", "demo.localhost:8080", "[::1]:8080"] {
            assert!(!is_refused(Method::GET, host, None), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:8080", "192.168.1.5"] {
            assert!(is_refused(Method::GET, host, None), "{host}");
            // What says where it came from is judged by that.
            assert!(!is_refused(Method::GET, host, Some("https://app.example")), "{host}");
            assert!(!is_refused(Method::POST, host, None), "{host}");
        }
    }

    #[test]
    fn a_page_from_elsewhere_is_told_from_one_of_this_machine() {
        let listed = Origins::Listed(vec!["https://app.example".to_owned()]);
        assert!(comes_from_known_page(&HeaderMap::new(), &listed), "no browser at all");
        for origin in [
            "https://app.example",
            "http://localhost:3000",
            "http://demo.localhost",
            "http://127.0.0.1:8080",
            "https://[::1]:8443",
        ] {
            assert!(is_known(origin, &listed), "{origin}");
        }
        for origin in [
            "null",
            "",
            "https://app.example:8443",
            "https://evil.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://192.168.1.5",
        ] {
            assert!(!is_known(origin, &listed), "{origin}");
            assert!(is_known(origin, &Origins::Any), "{origin}");
        }
    }
}
