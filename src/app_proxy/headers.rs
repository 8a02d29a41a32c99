//! What of a head concerns one connection alone, and so does not pass from one to the other (RFC 9110, 7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, header};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// The settings of an upgrade to HTTP/2, which is not passed on.
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
/// A CGI program takes it for its `HTTP_PROXY` variable, and calls out through whom the client names ("httpoxy").
const PROXY: HeaderName = HeaderName::from_static("proxy");

/// What `Connection` cannot remove: who names one of these wants to hide it from the app, which is no hop's business.
const END_TO_END: [HeaderName; 9] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
    header::CACHE_CONTROL,
];

/// Removes what concerned the connection that the head came on. `Trailer` stays, since trailers pass.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        if !END_TO_END.contains(&name) {
            headers.remove(name);
        }
    }
    for name in [
        header::CONNECTION,
        KEEP_ALIVE,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HTTP2_SETTINGS,
        PROXY,
    ] {
        headers.remove(name);
    }
    let to_proxies: Vec<_> =
        headers.keys().filter(|name| name.as_str().starts_with("proxy-")).cloned().collect();
    for name in to_proxies {
        headers.remove(name);
    }
}

/// The header names in `Connection`.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, &header::CONNECTION).filter_map(|token| HeaderName::from_bytes(token).ok()).collect()
}

/// The members of a header that is a list of words.
pub(super) fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// Whether the list `name` has the member `word`.
pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(word.as_bytes()))
}

/// HTTP/2 clients may send cookies one by one; HTTP/1.1 has one line for all (RFC 9113, 8.2.3).
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() < 2 {
        return;
    }
    // Joined values are still a value.
    if let Ok(joined) = HeaderValue::from_bytes(&cookies.join(b"; ".as_slice())) {
        headers.insert(header::COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn left(lines: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = headers(lines);
        remove_hop_by_hop(&mut headers);
        let mut names: Vec<_> = headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn what_concerns_one_connection_does_not_pass() {
        let lines = [
            ("connection", "close, X-Hop"),
            ("connection", "x-other,,"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("proxy", "http://evil.example"),
            ("proxy-authorization", "Basic eDp5"),
            ("proxy-connection", "keep-alive"),
            ("x-hop", "1"),
            ("x-other", "2"),
            ("trailer", "x-sum"),
            ("x-kept", "3"),
        ];
        assert_eq!(left(&lines), ["trailer", "x-kept"]);
    }

    #[test]
    fn a_client_cannot_take_from_the_app_what_is_meant_for_it() {
        let lines = [
            ("connection", "Content-Length, Authorization, Cookie, Host, Content-Type"),
            ("host", "a"),
            ("content-length", "1"),
            ("content-type", "text/plain"),
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
        ];
        assert_eq!(left(&lines), ["authorization", "content-length", "content-type", "cookie", "host"]);
    }

    #[test]
    fn cookies_become_one_line() {
        let mut cookies = headers(&[("cookie", "a=b"), ("cookie", "c=d")]);
        join_cookies(&mut cookies);
        let lines: Vec<_> = cookies.get_all("cookie").iter().collect();
        assert_eq!(lines, ["a=b; c=d"]);
    }
}
