//! Whether a page may upload: the question that a browser asks before it sends a PUT to another origin, and where the answer
//! is no, what the bucket's rules say.

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response, header};
use wharf_provider::CorsSupport;
use wharf_wire::{
    names::ObjectKey,
    xml::{self, CorsRule},
};

use super::{Call, Outcome, Probe, ProbeBucket, ProbeError, Reply, advice::printable};
use crate::backend::upstream::{SendBody, UpstreamError};

impl Probe<'_> {
    pub(super) async fn cors(&self, bucket: ProbeBucket<'_>) -> Outcome {
        let reply = match self.preflight(bucket).await {
            Ok(reply) => reply,
            Err(error) => return error.into(),
        };
        let rules = self.rules(bucket).await;
        match refused(&reply, self.origin) {
            None => Outcome::passed(self.allowed(rules.as_deref())),
            Some(refused) => Outcome::failed(
                printable(&format!("a page of {} may not upload: {refused}", self.origin)),
                self.fix(rules.as_deref()),
            ),
        }
    }

    /// Asks as a browser does: without credentials, for a PUT with a content type.
    async fn preflight(&self, bucket: ProbeBucket<'_>) -> Reply {
        let key = ObjectKey::parse(".wharf-test/page")?;
        let url = self.account.location(Some(bucket.name), Some(&key))?.url();
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri(url)
            .header(header::ORIGIN, self.origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "PUT")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type")
            .body(SendBody::Empty)
            .map_err(|error| UpstreamError::Request(error.to_string()))?;
        let reply = self.upstream.send(request, self.reach).await?;
        Ok(self.upstream.read(reply, xml::DOCUMENT_BYTES_MAX).await?)
    }

    /// The bucket's rules, where the provider keeps such and the credentials may read them.
    async fn rules(&self, bucket: ProbeBucket<'_>) -> Option<Vec<CorsRule>> {
        let query = [("cors", "")];
        let call = Call { bucket: Some(bucket.name), query: &query, ..Call::default() };
        let reply: Result<_, ProbeError> = self.call(call).await;
        let reply = reply.ok().filter(|reply| reply.status().is_success())?;
        xml::read_cors(reply.body()).ok()
    }

    fn allowed(&self, rules: Option<&[CorsRule]>) -> String {
        let says = format!("a page of {} may upload", self.origin);
        let exposes = |rule: &CorsRule| {
            rule.expose_headers.iter().any(|name| name == "*" || name.eq_ignore_ascii_case("etag"))
        };
        match rules {
            Some(rules) if !rules.iter().any(exposes) => {
                format!("{says}, but not read `ETag`, which uploads in parts need: add it to ExposeHeaders")
            }
            Some(_) | None => says,
        }
    }

    fn fix(&self, rules: Option<&[CorsRule]>) -> String {
        match (self.account.profile().cors, rules) {
            (CorsSupport::Otherwise(instead), _) => instead.to_owned(),
            (CorsSupport::Bucket, Some(rules)) => format!(
                "none of the bucket's {} rules fits; set those that `wharf policy` prints",
                rules.len()
            ),
            (CorsSupport::Bucket, None) => {
                "give the bucket the CORS rules that `wharf policy` prints".to_owned()
            }
        }
    }
}

/// What a browser would miss in the answer.
fn refused(reply: &Response<Bytes>, origin: &str) -> Option<String> {
    if !reply.status().is_success() {
        return Some(format!("the question was answered with HTTP {}", reply.status().as_u16()));
    }
    let allows = |name: &HeaderName, wanted: &str| {
        let listed = reply.headers().get_all(name).iter().filter_map(|value| value.to_str().ok());
        listed
            .flat_map(|value| value.split(','))
            .any(|item| item.trim() == "*" || item.trim().eq_ignore_ascii_case(wanted))
    };
    let wanted = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "PUT"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
    ];
    let missing = wanted.into_iter().find(|(name, wanted)| !allows(name, wanted))?;
    Some(format!("{} does not hold {}", missing.0, missing.1))
}
