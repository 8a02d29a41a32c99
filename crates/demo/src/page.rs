//! The page of `wharf demo`, on a listener of its own: a person drops a file, and the browser sends it to the store
//! through a URL that Wharf signed. Everything the page does, any app's page can do; it has no door that others lack.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header, request::Parts};
use hyper::{body::Incoming, service::service_fn};
use s3s::{Body, HttpResponse};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::listener::Listener;

const HTML: &str = include_str!("../page/index.html");
const STYLE: &str = include_str!("../page/page.css");
const SCRIPT: &str = include_str!("../page/page.js");
const ICON: &str = include_str!("../page/icon.svg");

/// What the page must know; the browser reads it as `settings.json`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageSettings {
    /// Wharf's upload API: `http://127.0.0.1:34567`.
    pub api_endpoint: String,
    /// A key that it takes.
    pub api_key: String,
    /// The configured bucket that files go to.
    pub bucket: String,
    /// The store that signed URLs point at.
    pub store_endpoint: String,
    /// Commands that do the same from a terminal.
    pub commands: Vec<String>,
}

/// Why the page did not start.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The socket is of no use.
    #[error("cannot serve the page: {0}")]
    Listen(#[from] io::Error),
    /// An endpoint cannot stand in a header.
    #[error("the page cannot be told of an endpoint: {0}")]
    Endpoint(#[from] header::InvalidHeaderValue),
    /// The settings are no JSON.
    #[error("the page's settings cannot be written: {0}")]
    Settings(#[from] serde_json::Error),
}

/// The page, served. Dropping it ends it.
#[derive(Debug)]
pub struct Page {
    listener: Listener,
}

impl Page {
    /// Serves the page on a socket that the caller bound: the gateway must know the page's origin before the page can
    /// know the gateway.
    pub fn start(socket: TcpListener, settings: &PageSettings) -> Result<Self, PageError> {
        let site = Arc::new(Site::new(socket.local_addr()?, settings)?);
        let answer = service_fn(move |request: Request<Incoming>| {
            let response = site.answer(&request.into_parts().0);
            async move { Ok(response) }
        });
        Ok(Self { listener: Listener::start(socket, answer)? })
    }

    /// The origins that a browser on this machine can have it under, for the gateway's CORS settings.
    pub fn origins(address: SocketAddr) -> [String; 2] {
        hosts(address).map(|host| format!("http://{host}"))
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/", self.listener.address())
    }

    /// Ends it.
    pub async fn stop(self) {
        self.listener.stop().await;
    }
}

fn hosts(address: SocketAddr) -> [String; 2] {
    [address.to_string(), format!("localhost:{}", address.port())]
}

/// What is served, worked out once.
struct Site {
    hosts: [String; 2],
    settings: Bytes,
    content_security_policy: HeaderValue,
}

impl Site {
    fn new(address: SocketAddr, settings: &PageSettings) -> Result<Self, PageError> {
        let PageSettings { api_endpoint, store_endpoint, .. } = settings;
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' {store_endpoint}; \
             connect-src 'self' {api_endpoint} {store_endpoint}; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        Ok(Self {
            hosts: hosts(address),
            settings: serde_json::to_vec(settings)?.into(),
            content_security_policy: HeaderValue::try_from(policy)?,
        })
    }

    fn answer(&self, request: &Parts) -> HttpResponse {
        if !self.is_for_us(request) {
            return plain(StatusCode::MISDIRECTED_REQUEST, "This page is served to its own address alone.\n");
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "This page can only be read.\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let (content_type, body) = match request.uri.path() {
            "/" => ("text/html; charset=utf-8", HTML.into()),
            "/page.css" => ("text/css; charset=utf-8", STYLE.into()),
            "/page.js" => ("text/javascript; charset=utf-8", SCRIPT.into()),
            "/icon.svg" => ("image/svg+xml", ICON.into()),
            "/settings.json" => ("application/json", self.settings.clone()),
            _ => return plain(StatusCode::NOT_FOUND, "There is nothing here but the page at /.\n"),
        };
        let mut response = answer(StatusCode::OK, content_type, body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, self.content_security_policy.clone());
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }

    /// The settings hold an API key, and a foreign site can point a name of its own at this machine: its pages would
    /// then be of the same origin as ours, were the name in `Host` not looked at.
    fn is_for_us(&self, request: &Parts) -> bool {
        let host = request.headers.get(header::HOST).map(HeaderValue::as_bytes);
        let authority = Uri::authority(&request.uri).map(|authority| authority.as_str().as_bytes());
        let asked = authority.or(host);
        self.hosts.iter().any(|ours| asked == Some(ours.as_bytes()))
    }
}

fn plain(status: StatusCode, text: &'static str) -> HttpResponse {
    answer(status, "text/plain; charset=utf-8", text.into())
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> HttpResponse {
    let mut response = HttpResponse::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, host: &str, path: &str) -> StatusCode {
        let settings = PageSettings {
            api_endpoint: "http://127.0.0.1:1".to_owned(),
            api_key: "key".to_owned(),
            bucket: "demo".to_owned(),
            store_endpoint: "http://127.0.0.1:2".to_owned(),
            commands: Vec::new(),
        };
        let site = Site::new(([127, 0, 0, 1], 7070).into(), &settings).unwrap();
        let request =
            Request::builder().method(method).uri(path).header(header::HOST, host).body(()).unwrap();
        site.answer(&request.into_parts().0).status()
    }

    #[test]
    fn the_page_and_its_parts_are_there() {
        for path in ["/", "/page.css", "/page.js", "/icon.svg", "/settings.json"] {
            assert_eq!(status(Method::GET, "127.0.0.1:7070", path), StatusCode::OK, "{path}");
            assert_eq!(status(Method::GET, "localhost:7070", path), StatusCode::OK, "{path}");
        }
        assert_eq!(status(Method::GET, "127.0.0.1:7070", "/page.rs"), StatusCode::NOT_FOUND);
        assert_eq!(status(Method::POST, "127.0.0.1:7070", "/"), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn another_sites_name_does_not_reach_the_api_key() {
        let rebound = status(Method::GET, "evil.example:7070", "/settings.json");
        assert_eq!(rebound, StatusCode::MISDIRECTED_REQUEST);
        let absolute = status(Method::GET, "127.0.0.1:7070", "http://evil.example:7070/settings.json");
        assert_eq!(absolute, StatusCode::MISDIRECTED_REQUEST);
    }

    #[test]
    fn everything_that_the_html_names_is_served() {
        let attributes = ["href=\"", "src=\""].into_iter().flat_map(|name| HTML.split(name).skip(1));
        let named: Vec<_> = attributes.map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(named.len() >= 4, "{named:?}");
        for path in named {
            assert_eq!(status(Method::GET, "127.0.0.1:7070", path), StatusCode::OK, "{path}");
        }
    }
}
