//! One try of one delivery: a signed POST, and what its reply means.
//!
//! Of a reply only the status counts, and only the status is kept: what an address inside some network answers is not for
//! whoever chose the address. A redirect is not followed, since nobody has checked where it leads.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use sha2::Sha256;
use wharf_wire::date::Timestamp;

use crate::{
    backend::upstream::{SendBody, Upstream},
    store::ClaimedDelivery,
    webhooks::{Current, receiver::Receiver, sealed::Sealed},
};

const SIGNATURE: HeaderName = HeaderName::from_static("x-webhook-signature");
const DELIVERY_ID: HeaderName = HeaderName::from_static("x-webhook-id");
const EVENT: HeaderName = HeaderName::from_static("x-webhook-event");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-webhook-timestamp");
const ATTEMPT: HeaderName = HeaderName::from_static("x-webhook-attempt");
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("wharf/", env!("CARGO_PKG_VERSION")));

/// Bytes of a reply that are read, so that its connection can be used again. Nobody looks at them.
const REPLY_BYTES_MAX: usize = 16 * 1024;

/// What came of a try.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: Option<u16>,
    /// What went wrong; empty if nothing did.
    pub(super) error: String,
}

impl Outcome {
    pub(super) fn failed(error: impl Into<String>) -> Self {
        Self { status: None, error: error.into() }
    }

    fn of(status: StatusCode) -> Self {
        let error = match status {
            status if status.is_success() => String::new(),
            status if status.is_redirection() => {
                format!("answered {}; redirects are not followed", status.as_u16())
            }
            status => format!("answered {}", status.as_u16()),
        };
        Self { status: Some(status.as_u16()), error }
    }
}

/// Posts `delivery`.
pub(super) async fn attempt(
    current: &Current,
    client: &Upstream,
    delivery: &ClaimedDelivery,
    now: Timestamp,
) -> Outcome {
    let Ok(sealed) = Sealed::open(&delivery.sealed, &current.sealer) else {
        return Outcome::failed("the webhook was sealed with a key that this server has no more");
    };
    let Ok(receiver) = Receiver::parse(&sealed.url) else {
        return Outcome::failed("the address is none");
    };
    let Some(request) = request(&receiver, &sealed, delivery, now) else {
        return Outcome::failed("the request could not be made");
    };
    match client.send(request, receiver.reach(&current.config.webhooks.endpoints)).await {
        Ok(reply) => {
            let status = reply.status();
            let _read = client.read(reply, REPLY_BYTES_MAX).await;
            Outcome::of(status)
        }
        Err(error) => Outcome::failed(error.to_string()),
    }
}

fn request(
    receiver: &Receiver,
    sealed: &Sealed,
    delivery: &ClaimedDelivery,
    now: Timestamp,
) -> Option<Request<SendBody>> {
    let body = Bytes::from(delivery.body.clone());
    let text = |text: &str| HeaderValue::from_str(text).ok();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::USER_AGENT, USER_AGENT),
        (SIGNATURE, text(&signature(sealed.secret.as_bytes(), &body)?)?),
        (DELIVERY_ID, text(&delivery.id)?),
        (EVENT, text(&delivery.event)?),
        (TIMESTAMP, HeaderValue::from(now.unix_seconds())),
        (ATTEMPT, HeaderValue::from(delivery.attempts.saturating_add(1))),
    ];
    let mut request = Request::new(SendBody::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = receiver.uri().clone();
    request.headers_mut().extend(headers);
    Some(request)
}

/// `sha256=` and the hexadecimal HMAC-SHA256 of the body, as it is sent. A key of any length will do.
fn signature(secret: &[u8], body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(body);
    Some(["sha256=", &hex::encode(mac.finalize().into_bytes())].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_rfc_4231() {
        let signature = signature(b"Jefe", b"what do ya want for nothing?").unwrap();
        assert_eq!(signature, "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn only_a_success_is_one() {
        for (status, is_delivered) in
            [(200, true), (204, true), (301, false), (307, false), (400, false), (410, false), (500, false)]
        {
            let outcome = Outcome::of(StatusCode::from_u16(status).unwrap());
            assert_eq!((outcome.status, outcome.error.is_empty()), (Some(status), is_delivered));
        }
    }
}
