//! Messages of a topic (Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages"): anyone can post one,
//! so its signature is what it is believed for.
//!
//! A message names the certificate that verifies it, and, when a topic wants to know whether anyone listens, a URL to be
//! fetched. Both must be of the host of the configured topic's own region, over TLS; the message must be of that topic, and
//! of today.

use std::{collections::HashMap, fmt, sync::Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Method, Request, StatusCode};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use wharf_wire::date::Timestamp;

use crate::{
    backend::upstream::{Reach, SendBody, Upstream},
    config::checked::Topic,
    error::{Code, Error},
};

/// A message that is older was kept by somebody.
const AGE_SECONDS_MAX: u64 = 60 * 60;
/// Bytes of a certificate, or of the answer to a confirmation.
const REPLY_BYTES_MAX: usize = 64 * 1024;
/// Certificates that are kept: a region has one for about a year.
const CERTIFICATES_MAX: usize = 16;

/// A topic's message as it is posted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Post {
    #[serde(rename = "Type")]
    kind: String,
    message_id: String,
    topic_arn: String,
    message: String,
    timestamp: String,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: String,
    subject: Option<String>,
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
}

impl Post {
    /// Checks all that needs no certificate.
    fn check(&self, topic: &Topic, now: Timestamp) -> Result<(), Error> {
        if self.topic_arn != topic.arn() {
            return Err(refused("The message is of another topic."));
        }
        if self.signature_version != "2" {
            return Err(refused("The message is signed with SHA-1.")
                .hint("Set the topic's attribute SignatureVersion to 2."));
        }
        if !topic.owns(&self.signing_cert_url) || !is_certificate(&self.signing_cert_url) {
            return Err(refused("The message's certificate is not of the topic's own host."));
        }
        let sent = OffsetDateTime::parse(&self.timestamp, &Rfc3339).map(OffsetDateTime::unix_timestamp);
        let sent = sent.ok().and_then(|seconds| u64::try_from(seconds).ok());
        if sent.is_none_or(|sent| sent.abs_diff(now.unix_seconds()) > AGE_SECONDS_MAX) {
            return Err(refused("The message is not of the last hour."));
        }
        Ok(())
    }

    /// What the signature covers: names and values, each on a line of its own, in the order of the names.
    fn signed_text(&self) -> String {
        let mut fields = vec![("Message", Some(&self.message)), ("MessageId", Some(&self.message_id))];
        if self.kind == "Notification" {
            fields.push(("Subject", self.subject.as_ref()));
        } else {
            fields.push(("SubscribeURL", self.subscribe_url.as_ref()));
        }
        fields.push(("Timestamp", Some(&self.timestamp)));
        if self.kind != "Notification" {
            fields.push(("Token", self.token.as_ref()));
        }
        fields.extend([("TopicArn", Some(&self.topic_arn)), ("Type", Some(&self.kind))]);
        let lines = fields.into_iter().filter_map(|(name, value)| Some([name, "\n", value?, "\n"].concat()));
        lines.collect()
    }

    /// Verifies the signature with a certificate in PEM.
    fn verify(&self, certificate: &[u8]) -> Result<(), Error> {
        let invalid = |cause: String| refused("The message's signature does not hold.").cause(cause);
        let signature = STANDARD.decode(&self.signature).map_err(|error| invalid(error.to_string()))?;
        let certificate =
            CertificateDer::from_pem_slice(certificate).map_err(|error| invalid(error.to_string()))?;
        let certificate =
            webpki::EndEntityCert::try_from(&certificate).map_err(|error| invalid(error.to_string()))?;
        certificate
            .verify_signature(
                webpki::ring::RSA_PKCS1_2048_8192_SHA256,
                self.signed_text().as_bytes(),
                &signature,
            )
            .map_err(|error| invalid(error.to_string()))
    }
}

/// Whether a URL is of what the service calls its certificates, and of nothing else that its host may answer with.
fn is_certificate(url: &str) -> bool {
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let name = path.strip_prefix("SimpleNotificationService-").and_then(|rest| rest.strip_suffix(".pem"));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Opens the messages of topics.
pub(super) struct Topics {
    upstream: Upstream,
    certificates: Mutex<HashMap<String, Vec<u8>>>,
}

impl Topics {
    /// `upstream` fetches certificates, and tells topics that somebody listens.
    pub(super) fn new(upstream: Upstream) -> Self {
        Self { upstream, certificates: Mutex::default() }
    }

    /// What a message of `topic` tells; none if it only asked whether anyone listens, and was told.
    pub(super) async fn open(
        &self,
        topic: &Topic,
        text: &[u8],
        now: Timestamp,
    ) -> Result<Option<String>, Error> {
        let message: Post = serde_json::from_slice(text)
            .map_err(|_| Error::new(Code::InvalidJson, "The body is no message of a topic."))?;
        message.check(topic, now)?;
        message.verify(&self.certificate(&message.signing_cert_url).await?)?;
        match message.kind.as_str() {
            "Notification" => Ok(Some(message.message)),
            "SubscriptionConfirmation" => {
                let url = message.subscribe_url.as_deref().unwrap_or_default();
                if !topic.owns(url) {
                    return Err(refused("The URL to confirm at is not of the topic's own host."));
                }
                self.fetch(url).await?;
                tracing::info!(topic = topic.arn(), "the topic's subscription is confirmed");
                Ok(None)
            }
            // Somebody ended the subscription: there is nothing to do, and nothing to fear.
            _ => Ok(None),
        }
    }

    async fn certificate(&self, url: &str) -> Result<Vec<u8>, Error> {
        if let Some(known) = self.known(url) {
            return Ok(known);
        }
        let fetched = self.fetch(url).await?;
        if let Ok(mut certificates) = self.certificates.lock() {
            if certificates.len() >= CERTIFICATES_MAX {
                certificates.clear();
            }
            certificates.insert(url.to_owned(), fetched.clone());
        }
        Ok(fetched)
    }

    fn known(&self, url: &str) -> Option<Vec<u8>> {
        self.certificates.lock().ok()?.get(url).cloned()
    }

    /// Fetches what is public. Only URLs of a topic's own host come here.
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, Error> {
        let failed = |cause: String| {
            Error::new(Code::UpstreamError, "The topic's host does not answer as it should.").cause(cause)
        };
        let request = Request::builder().method(Method::GET).uri(url).body(SendBody::Empty);
        let request = request.map_err(|error| failed(error.to_string()))?;
        let reply = self.upstream.send(request, Reach::Public).await;
        let reply = reply.map_err(|error| failed(error.to_string()))?;
        let reply = self.upstream.read(reply, REPLY_BYTES_MAX).await;
        let reply = reply.map_err(|error| failed(error.to_string()))?;
        if reply.status() != StatusCode::OK {
            return Err(failed(reply.status().to_string()));
        }
        Ok(reply.into_body().to_vec())
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Topics").finish_non_exhaustive()
    }
}

fn refused(message: &'static str) -> Error {
    Error::new(Code::InvalidApiKey, message)
}

#[cfg(test)]
mod tests;
