//! Without keys and tokens this machine alone is served, and whoever is on it may do everything.
//!
//! A browser on this machine runs pages from anywhere. One whose host name has been pointed at 127.0.0.1 (DNS rebinding) is
//! of the same origin as Wharf as far as the browser can tell, and needs no permission by CORS. But browsers say where a
//! page came from, and a page can neither leave that out of a POST nor change it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Uri, header, request::Parts};

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
    if !comes_from_known_page(&head.headers, pages) {
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

fn is_of_this_machine(origin: &HeaderValue) -> bool {
    let Ok(origin) = Uri::try_from(origin.as_bytes()) else { return false };
    let host = origin.host().unwrap_or_default().trim_matches(['[', ']']);
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
