//! The S3 endpoint's door: framing, preflight, admission, address and operation, signature, handler, reply.
//!
//! What is asked is read before who asks: it comes from the same bytes that the signature covers, and a request that is
//! none of S3's needs no key to be told so. Nothing is sent anywhere, and no body is read, before the signature holds.

use std::{borrow::Cow, net::SocketAddr, sync::Arc};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts,
};
use http_body_util::Full;
use hyper::body::Incoming;
use tracing::Instrument;
use wharf_wire::{
    s3::{self, Address, ErrorCode, Head},
    sigv4::verify::{Presented, Received},
};

use crate::{
    error::{self, S3Error},
    mirror::crash_point::{self, Point},
    request::{authenticate::Expected, body::ReplyBody, exchange::Exchange, framing},
    s3_endpoint::{Call, Caller, Content},
    server::Handler,
};

use super::{Pipeline, Refusal, Snapshot, finish};

const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");
const X_AMZ_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
/// S3's methods, for pages that ask before they send.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, PUT, POST, DELETE");

/// Answers S3 clients.
#[derive(Debug)]
pub struct S3Door(pub Arc<Pipeline>);

impl S3Door {
    /// The straight path; every refusal is an early return.
    async fn answer(
        &self,
        snapshot: &Snapshot,
        head: &Parts,
        body: Incoming,
        exchange: &mut Exchange,
    ) -> Result<Response<Content>, S3Error> {
        framing::check(head, &snapshot.config.server.limits)?;
        if let Some(response) = snapshot.s3_cors.preflight(head, |_| Some(METHODS)) {
            return Ok(response.map(Content::Whole));
        }
        self.0.admit(snapshot, exchange)?;
        let authority = authority(head);
        // First of all: what is signed in another way cannot be read as S3's either.
        let presented = presented(head, &authority)?;
        let request = read(head, &authority, &snapshot.config.s3.domains)?;
        exchange.route = request.operation.name();
        let expected = Expected {
            region: &snapshot.config.s3.region,
            now: exchange.context.received,
            signing_keys: &snapshot.signing_keys,
            sealer: &snapshot.sealer,
        };
        let proof = match presented {
            Presented::Anonymous => None,
            Presented::Claim(claim) => Some(snapshot.authenticator.prove(&claim, expected)?),
        };
        if let Some(proof) = &proof {
            exchange.standing.tighten(snapshot.rate_limits.identity(&proof.identity)?);
            exchange.identity = Some(proof.identity.clone());
            if proof.verified.payload.is_streaming() && !request.operation.takes_streaming_payload() {
                return Err(S3Error::new(
                    ErrorCode::InvalidRequest,
                    "This operation takes no STREAMING payload.",
                ));
            }
        }
        let headers = with_query_headers(head, &request.query_headers)?;
        let call = Call {
            request: &request,
            head,
            headers: &headers,
            authority: &authority,
            identity: proof.as_ref().map(|proof| &proof.identity),
            proof: proof.as_ref(),
            authenticator: &snapshot.authenticator,
            expected,
            context: &exchange.context,
        };
        let caller = Caller { standing: &mut exchange.standing, identity: &mut exchange.identity };
        snapshot.s3.handle(&call, body, caller).await
    }

    fn refuse(&self, error: &S3Error, head: &Parts, exchange: &Exchange) -> Response<Content> {
        let refusal = Refusal {
            code: error.code.as_str(),
            fault: error.fault,
            message: &error.message,
            cause: error.cause.as_deref(),
        };
        self.0.note(&refusal, &exchange.context);
        let reply = error::render_s3(error, head.uri.path(), &exchange.context.request_id);
        // hyper keeps a body from the answer to HEAD over HTTP/1.1, and not over HTTP/2.
        let has_body = head.method != Method::HEAD;
        reply.map(|document| Content::Whole(if has_body { document } else { Full::default() }))
    }
}

/// What the request says of who sends it.
fn presented<'a>(head: &'a Parts, authority: &'a str) -> Result<Presented<'a>, S3Error> {
    Ok(Presented::parse(Received {
        method: &head.method,
        authority,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
    })?)
}

/// The host that was asked for: HTTP/1.1's `Host` as it came, or HTTP/2's `:authority`.
fn authority(head: &Parts) -> Cow<'_, str> {
    let host = head.headers.get(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()));
    host.or_else(|| head.uri.authority().map(|authority| Cow::Borrowed(authority.as_str())))
        .unwrap_or_default()
}

/// What is asked, of whom.
fn read(head: &Parts, authority: &str, domains: &[String]) -> Result<s3::Request, S3Error> {
    let address = Address::parse(authority, head.uri.path(), domains)?;
    let asked = Head {
        method: &head.method,
        query: head.uri.query().unwrap_or_default(),
        has_copy_source: head.headers.contains_key(COPY_SOURCE),
    };
    Ok(s3::parse(address, asked)?)
}

/// All headers, those of a presigned URL's query among them. What stands in both would be read in two ways.
fn with_query_headers<'a>(
    head: &'a Parts,
    query_headers: &[(String, String)],
) -> Result<Cow<'a, HeaderMap>, S3Error> {
    if query_headers.is_empty() {
        return Ok(Cow::Borrowed(&head.headers));
    }
    let mut headers = head.headers.clone();
    for (name, value) in query_headers {
        let parsed = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()));
        let (Ok(name), Ok(value)) = parsed else {
            return Err(S3Error::new(ErrorCode::InvalidArgument, "A query parameter is no header."));
        };
        if headers.insert(&name, value).is_some() {
            let message = format!("{name} stands in the query and in the headers.");
            return Err(S3Error::new(ErrorCode::InvalidArgument, message));
        }
    }
    Ok(Cow::Owned(headers))
}

impl Handler for S3Door {
    type Body = ReplyBody<Content>;

    async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Self::Body> {
        let snapshot = self.0.snapshot();
        let (head, body) = request.into_parts();
        let mut exchange = self.0.begin(&head, head.uri.path(), peer, &snapshot);
        let span = exchange.span.clone();
        async {
            let mut response = match self.answer(&snapshot, &head, body, &mut exchange).await {
                Ok(response) => response,
                Err(error) => self.refuse(&error, &head, &exchange),
            };
            snapshot.s3_cors.write(head.headers.get(header::ORIGIN), response.headers_mut());
            done(response, &head, exchange)
        }
        .instrument(span)
        .await
    }

    fn refuse_head(&self, status: StatusCode, peer: SocketAddr) -> Response<Self::Body> {
        let snapshot = self.0.snapshot();
        let exchange = self.0.begin_unread(peer, &snapshot);
        let error = framing::unreadable(status, &snapshot.config.server.limits);
        let (nothing_read, ()) = Request::new(()).into_parts();
        done(self.refuse(&error.into(), &nothing_read, &exchange), &nothing_read, exchange)
    }
}

/// What every reply carries: S3's clients look for the id under their own name.
fn done(
    mut response: Response<Content>,
    head: &Parts,
    exchange: Box<Exchange>,
) -> Response<ReplyBody<Content>> {
    if let Ok(id) = HeaderValue::from_str(&exchange.context.request_id) {
        response.headers_mut().insert(X_AMZ_REQUEST_ID, id);
    }
    let response = finish(response, head, exchange);
    crash_point::reached(Point::Acknowledged);
    response
}
