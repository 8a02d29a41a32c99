//! The page of `wharf demo`, on a listener of its own: a person drops a file, and the browser sends it through a URL that
//! Wharf signed. All that concerns files any app's page can do as well; the page has one door that others lack, which
//! shows what is on the stores' disks, and stops a store or starts it again.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header, request::Parts};
use hyper::{body::Incoming, service::service_fn};
use percent_encoding::percent_decode_str;
use s3s::{Body, HttpResponse};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::{Stores, listener::Listener};

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
    /// Wharf's S3 endpoint, which signed URLs point at.
    pub s3_endpoint: String,
    /// The stores' names, the primary first.
    pub stores: Vec<String>,
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
    pub fn start(
        socket: TcpListener,
        settings: &PageSettings,
        stores: Arc<Stores>,
    ) -> Result<Self, PageError> {
        let site = Arc::new(Site::new(socket.local_addr()?, settings, stores)?);
        let answer = service_fn(move |request: Request<Incoming>| {
            let site = Arc::clone(&site);
            async move { Ok(site.answer(&request.into_parts().0).await) }
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
    stores: Arc<Stores>,
}

impl Site {
    fn new(address: SocketAddr, settings: &PageSettings, stores: Arc<Stores>) -> Result<Self, PageError> {
        let PageSettings { api_endpoint, s3_endpoint, .. } = settings;
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' {s3_endpoint}; \
             connect-src 'self' {api_endpoint} {s3_endpoint}; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        Ok(Self {
            hosts: hosts(address),
            settings: serde_json::to_vec(settings)?.into(),
            content_security_policy: HeaderValue::try_from(policy)?,
            stores,
        })
    }

    async fn answer(&self, request: &Parts) -> HttpResponse {
        if !self.is_for_us(request) {
            return plain(StatusCode::MISDIRECTED_REQUEST, "This page is served to its own address alone.\n");
        }
        let path = request.uri.path();
        if let Some(rest) = path.strip_prefix("/stores") {
            return self.stores(request, rest).await;
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            return not_allowed("GET, HEAD");
        }
        self.file(path)
    }

    /// `GET /stores?key=…` tells of the stores; `POST /stores/NAME/stop` and `…/start` are their switches.
    async fn stores(&self, request: &Parts, rest: &str) -> HttpResponse {
        let switch = rest.strip_prefix('/').and_then(|rest| rest.split_once('/'));
        let known = match (request.method.as_str(), switch) {
            ("GET", None) if rest.is_empty() => {
                let key =
                    request.uri.query().and_then(|query| query.strip_prefix("key=")).unwrap_or_default();
                let key = percent_decode_str(key).decode_utf8_lossy();
                let states = serde_json::to_vec(&self.stores.states(&key)).unwrap_or_default();
                return answer(StatusCode::OK, "application/json", states.into());
            }
            (_, None) => return not_allowed("GET"),
            ("POST", Some(_)) if !self.is_from_us(request) => {
                return plain(StatusCode::FORBIDDEN, "Only this page turns stores on and off.\n");
            }
            ("POST", Some((name, "stop"))) => Ok(self.stores.cut(name)),
            ("POST", Some((name, "start"))) => self.stores.restore(name).await,
            (_, Some(_)) => return not_allowed("POST"),
        };
        match known {
            Ok(true) => plain(StatusCode::OK, "Done.\n"),
            Ok(false) => plain(StatusCode::NOT_FOUND, "There is no such store.\n"),
            Err(error) => {
                tracing::warn!(%error, "the store does not start");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "The store does not start.\n")
            }
        }
    }

    /// A page of another site can send a POST here; its browser says whose it is.
    fn is_from_us(&self, request: &Parts) -> bool {
        let origin = request.headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        let host = origin.and_then(|origin| origin.strip_prefix("http://"));
        host.is_some_and(|host| self.hosts.iter().any(|ours| ours == host))
    }

    fn file(&self, path: &str) -> HttpResponse {
        let (content_type, body) = match path {
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

fn not_allowed(methods: &'static str) -> HttpResponse {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "The method is not for this.\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
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

    async fn answer_to(method: Method, host: &str, path: &str, origin: Option<&str>) -> StatusCode {
        let settings = PageSettings {
            api_endpoint: "http://127.0.0.1:1".to_owned(),
            api_key: "key".to_owned(),
            bucket: "demo".to_owned(),
            s3_endpoint: "http://127.0.0.1:2".to_owned(),
            stores: vec!["first".to_owned()],
            commands: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::start(folder.path(), "demo", [("first", "secret".into())]).await.unwrap();
        let site = Site::new(([127, 0, 0, 1], 7070).into(), &settings, Arc::new(stores)).unwrap();
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, host);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        site.answer(&request.body(()).unwrap().into_parts().0).await.status()
    }

    async fn status(method: Method, host: &str, path: &str) -> StatusCode {
        answer_to(method, host, path, None).await
    }

    #[tokio::test]
    async fn only_the_page_itself_turns_stores_off() {
        let stop =
            async |origin| answer_to(Method::POST, "127.0.0.1:7070", "/stores/first/stop", origin).await;
        assert_eq!(stop(Some("http://127.0.0.1:7070")).await, StatusCode::OK);
        assert_eq!(stop(Some("http://evil.example")).await, StatusCode::FORBIDDEN);
        assert_eq!(stop(None).await, StatusCode::FORBIDDEN);
        let asked = answer_to(Method::GET, "127.0.0.1:7070", "/stores/first/stop", None).await;
        assert_eq!(asked, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(status(Method::GET, "127.0.0.1:7070", "/stores?key=a%20b").await, StatusCode::OK);
    }

    #[tokio::test]
    async fn the_page_and_its_parts_are_there() {
        for path in ["/", "/page.css", "/page.js", "/icon.svg", "/settings.json"] {
            assert_eq!(status(Method::GET, "127.0.0.1:7070", path).await, StatusCode::OK, "{path}");
            assert_eq!(status(Method::GET, "localhost:7070", path).await, StatusCode::OK, "{path}");
        }
        assert_eq!(status(Method::GET, "127.0.0.1:7070", "/page.rs").await, StatusCode::NOT_FOUND);
        assert_eq!(status(Method::POST, "127.0.0.1:7070", "/").await, StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test]
    async fn another_sites_name_does_not_reach_the_api_key() {
        let rebound = status(Method::GET, "evil.example:7070", "/settings.json").await;
        assert_eq!(rebound, StatusCode::MISDIRECTED_REQUEST);
        let absolute = status(Method::GET, "127.0.0.1:7070", "http://evil.example:7070/settings.json").await;
        assert_eq!(absolute, StatusCode::MISDIRECTED_REQUEST);
    }

    #[tokio::test]
    async fn everything_that_the_html_names_is_served() {
        let attributes = ["href=\"", "src=\""].into_iter().flat_map(|name| HTML.split(name).skip(1));
        let named: Vec<_> = attributes.map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(named.len() >= 4, "{named:?}");
        for path in named {
            assert_eq!(status(Method::GET, "127.0.0.1:7070", path).await, StatusCode::OK, "{path}");
        }
    }
}
