//! A plain S3 client: presigned URLs, and nothing repeated.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;
use wharf::clock::Clock;
use wharf_wire::{
    endpoint::Scheme,
    names::Region,
    sigv4::{
        AccessKeyId, Credentials, Scope, SigningKey,
        presign::{PresignInput, presign},
    },
};

use super::arguments::StoreArgument;

/// No object is larger.
const BODY_BYTES_MAX: usize = 128 << 20;
const PATIENCE: Duration = Duration::from_mins(1);
const EXPIRES_SECONDS: u32 = 600;

/// A bucket, and who reads and writes it.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    http: Client<HttpConnector, Full<Bytes>>,
    authority: String,
    name: String,
    access_key_id: String,
    secret: String,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing was sent: there was no connection.
    Unsent,
    /// It broke off.
    Broken,
}

impl Bucket {
    pub(crate) fn new(store: &StoreArgument) -> Self {
        let http = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .pool_max_idle_per_host(0)
            .build(HttpConnector::new());
        Self {
            http,
            authority: store.url.trim_start_matches("http://").trim_end_matches('/').to_owned(),
            name: store.bucket.clone(),
            access_key_id: store.access_key_id.clone(),
            secret: store.secret.clone(),
        }
    }

    /// Sends one request; `key` with none is the bucket.
    pub(crate) async fn ask(
        &self,
        method: Method,
        key: Option<&str>,
        query: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, Silence> {
        let url = self.url(&method, key, query);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = url;
        request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/kill"));
        match timeout(PATIENCE, self.answer(request)).await {
            Ok(answer) => answer,
            Err(_late) => Err(Silence::Broken),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "`Limited` is the bound")]
    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<Answer, Silence> {
        let reply = self
            .http
            .request(request)
            .await
            .map_err(|error| if error.is_connect() { Silence::Unsent } else { Silence::Broken })?;
        let (head, body) = reply.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|_broken| Silence::Broken)?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    fn url(&self, method: &Method, key: Option<&str>, query: &[(&str, &str)]) -> Uri {
        let now = Clock::System.now();
        let credentials = Credentials {
            access_key_id: AccessKeyId::parse(&self.access_key_id).expect("an access key"),
            secret_access_key: self.secret.as_str().into(),
            session_token: None,
        };
        let region = Region::parse("us-east-1").expect("a region");
        let signing_key = SigningKey::derive(&credentials, Scope::s3(now.amz_date(), &region));
        let path = format!("/{}/{}", self.name, key.unwrap_or_default());
        let path = path.trim_end_matches('/');
        let input = PresignInput {
            method,
            scheme: Scheme::Http,
            authority: &self.authority,
            path,
            query,
            headers: &[],
            expires_seconds: EXPIRES_SECONDS,
            now,
        };
        let url = presign(&input, &credentials, &signing_key).expect("a URL that can be signed");
        url.expose().parse().expect("a URL")
    }

    /// Every key of the bucket, in order.
    pub(crate) async fn keys(&self) -> Result<Vec<String>, String> {
        let mut keys: Vec<String> = Vec::new();
        loop {
            let after = keys.last().cloned().unwrap_or_default();
            let mut query = vec![("list-type", "2")];
            if !after.is_empty() {
                query.push(("start-after", &after));
            }
            let answer = self.expect(Method::GET, None, &query).await?;
            let text = String::from_utf8_lossy(&answer.body);
            let page: Vec<String> = text
                .split("<Key>")
                .skip(1)
                .filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned()))
                .collect();
            if page.is_empty() {
                return Ok(keys);
            }
            keys.extend(page);
        }
    }

    /// An answer that has to be a success.
    pub(crate) async fn expect(
        &self,
        method: Method,
        key: Option<&str>,
        query: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let answer = self.ask(method.clone(), key, query, Bytes::new()).await;
        match answer {
            Ok(answer) if answer.status.is_success() => Ok(answer),
            other => Err(format!("{method} {key:?} {query:?} at {}: {other:?}", self.authority)),
        }
    }
}
