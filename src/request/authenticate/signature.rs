//! Signed requests: lower-case hex HMAC-SHA256(secret, `METHOD|path?query|timestamp|body`) in `X-Signature`.
//!
//! The text is made of the bytes that came: the target as it stood in the request line (without a `?` where there is
//! no query), the timestamp as it stood in its header, the raw body.

use hmac::{Hmac, KeyInit, Mac};
use http::{Method, Uri, request::Parts};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use wharf_wire::date::Timestamp;

use crate::error::{Code, Error};

use super::credentials::{API_SECRET, SIGNATURE, TIMESTAMP, refuse, single};

/// Milliseconds that a signed request may be old: what an eavesdropper has to replay it.
const AGE_MILLIS_MAX: u64 = 300_000;
/// Milliseconds that a caller's clock may be ahead.
const AHEAD_MILLIS_MAX: u64 = 30_000;
/// Digits of a timestamp: enough until the year 5138, few enough for any overflow.
const TIMESTAMP_DIGITS_MAX: usize = 14;

const TIMESTAMP_HINT: &str = "X-Timestamp is the time of signing in Unix milliseconds, digits alone.";
const SIGNATURE_HINT: &str = "X-Signature is lower-case hex HMAC-SHA256(secret, \"METHOD|path?query|timestamp|body\") over the bytes as sent.";

/// A key's secret, ready to verify with: the HMAC state is keyed once.
pub(super) struct Secret {
    text: SecretString,
    keyed: Hmac<Sha256>,
}

/// A signature that waits for the body.
pub(super) struct Awaited {
    mac: Hmac<Sha256>,
    signature: [u8; 32],
}

impl Secret {
    pub(super) fn new(text: &SecretString) -> Result<Self, String> {
        let keyed =
            Hmac::new_from_slice(text.expose_secret().as_bytes()).map_err(|error| error.to_string())?;
        Ok(Self { text: text.clone(), keyed })
    }

    /// Checks what the headers of a request at `received` can tell, in the order that helps most: a secret that was
    /// sent along, whether there is a signature at all, then its time, then its form.
    pub(super) fn begin(&self, head: &Parts, received: Timestamp) -> Result<Awaited, Error> {
        if let Some(secret) = single(&head.headers, &API_SECRET, Code::InvalidSecret)? {
            self.compare(secret)?;
        }
        let signature = single(&head.headers, &SIGNATURE, Code::InvalidSignature)?.ok_or_else(|| {
            refuse(
                Code::MissingSignature,
                "This key has a secret, so its requests must be signed.",
                SIGNATURE_HINT,
            )
        })?;
        let timestamp = single(&head.headers, &TIMESTAMP, Code::InvalidTimestamp)?.ok_or_else(|| {
            refuse(Code::MissingTimestamp, "A signed request needs its time of signing.", TIMESTAMP_HINT)
        })?;
        check_age(timestamp, received)?;
        Ok(Awaited { mac: self.started(&head.method, &head.uri, timestamp), signature: parse(signature)? })
    }

    fn compare(&self, sent: &[u8]) -> Result<(), Error> {
        if bool::from(self.text.expose_secret().as_bytes().ct_eq(sent)) {
            return Ok(());
        }
        Err(refuse(
            Code::InvalidSecret,
            "X-API-Secret is not this key's secret.",
            "The header is not needed: the signature proves the secret without sending it.",
        ))
    }

    fn started(&self, method: &Method, uri: &Uri, timestamp: &[u8]) -> Hmac<Sha256> {
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        let mut mac = self.keyed.clone();
        for part in [method.as_str().as_bytes(), b"|", target.as_bytes(), b"|", timestamp, b"|"] {
            mac.update(part);
        }
        mac
    }
}

impl Awaited {
    /// Verifies the signature, in constant time, over the head and `body`.
    pub(super) fn finish(mut self, body: &[u8]) -> Result<(), Error> {
        self.mac.update(body);
        if bool::from(self.mac.finalize().into_bytes().ct_eq(&self.signature)) {
            return Ok(());
        }
        Err(refuse(Code::InvalidSignature, "The signature does not fit this request.", SIGNATURE_HINT))
    }
}

fn check_age(timestamp: &[u8], received: Timestamp) -> Result<(), Error> {
    let signed = parse_millis(timestamp)
        .ok_or_else(|| refuse(Code::InvalidTimestamp, "X-Timestamp is no time.", TIMESTAMP_HINT))?;
    let now = received.unix_millis();
    if signed > now.saturating_add(AHEAD_MILLIS_MAX) {
        return Err(refuse(
            Code::InvalidTimestamp,
            "X-Timestamp lies more than 30 seconds ahead.",
            "Set the caller's clock, and send milliseconds.",
        ));
    }
    if now.saturating_sub(signed) > AGE_MILLIS_MAX {
        return Err(refuse(
            Code::ExpiredTimestamp,
            "The request was signed more than 300 seconds ago.",
            "Sign each request when it is sent, set the caller's clock, and send milliseconds.",
        ));
    }
    Ok(())
}

/// Digits alone: no sign, no space, no fraction, and not so many that they could overflow.
fn parse_millis(text: &[u8]) -> Option<u64> {
    let is_number = text.len() <= TIMESTAMP_DIGITS_MAX && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| str::from_utf8(text).ok()?.parse().ok())?
}

fn parse(signature: &[u8]) -> Result<[u8; 32], Error> {
    let is_lower = signature.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; 32];
    match hex::decode_to_slice(signature, &mut bytes) {
        Ok(()) if is_lower => Ok(bytes),
        Ok(()) | Err(_) => Err(refuse(
            Code::InvalidSignature,
            "X-Signature is not 64 lower-case hex digits.",
            SIGNATURE_HINT,
        )),
    }
}
