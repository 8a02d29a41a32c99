//! Whether a page may upload: the question that a browser asks before it sends a PUT to another origin, and where the answer
//! is no, the rules to give the bucket.

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response, header};
use wharf_provider::{CorsSupport, cors::rule_for_pages};
use wharf_wire::{cors::CorsRule, names::ObjectKey, xml};

use super::{Call, Outcome, Probe, ProbeBucket, ProbeError, Reply, advice::printable};
use crate::backend::upstream::{SendBody, UpstreamError};

/// Pages that are asked for: each costs a request.
const ORIGINS_MAX: usize = 4;
/// The page that stands for the app's own where any may upload.
const SOME_ORIGIN: &str = "https://app.example.com";

impl Probe<'_> {
    pub(super) async fn cors(&self, bucket: ProbeBucket<'_>) -> Outcome {
        let origins = match self.origins {
            [] => vec![SOME_ORIGIN],
            origins => {
                let origins = origins.iter().take(ORIGINS_MAX);
                origins.map(|origin| if origin == "*" { SOME_ORIGIN } else { origin.as_str() }).collect()
            }
        };
        let rules = self.rules(bucket).await;
        for origin in &origins {
            let reply = match self.preflight(bucket, origin).await {
                Ok(reply) => reply,
                Err(error) => return error.into(),
            };
            if let Some(refused) = refused(&reply, origin) {
                let reason = printable(&format!("a page of {origin} may not upload: {refused}"));
                return self.advised(reason, rules.as_deref());
            }
        }
        Outcome::passed(allowed(&origins, rules.as_deref()))
    }

    /// Asks as a browser does: without credentials, for a PUT with a content type.
    async fn preflight(&self, bucket: ProbeBucket<'_>, origin: &str) -> Reply {
        let key = ObjectKey::parse(".wharf-test/page")?;
        let url = self.account.location(Some(bucket.name), Some(&key))?.url();
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri(url)
            .header(header::ORIGIN, origin)
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
        let reply = reply.ok()?;
        if reply.status().is_success() {
            return xml::read_cors(reply.body()).ok();
        }
        let error = xml::read_error(reply.body()).ok()?;
        (error.code == "NoSuchCORSConfiguration").then(Vec::new)
    }

    /// What to change where a page may not upload. `rules` are the bucket's own, as far as they are known.
    fn advised(&self, reason: String, rules: Option<&[CorsRule]>) -> Outcome {
        let profile = self.account.profile();
        let fix = match (profile.cors, rules) {
            (CorsSupport::Otherwise(instead), None) => return Outcome::failed(reason, instead),
            (_, Some([])) => "the bucket has no CORS rules: give it this one".to_owned(),
            (_, Some(rules)) => format!("none of the bucket's {} rules fits: add this one", rules.len()),
            (CorsSupport::Bucket, None) => "give the bucket this CORS rule".to_owned(),
        };
        let any = [String::from("*")];
        let origins = if self.origins.is_empty() { &any } else { self.origins };
        let rule = rule_for_pages(profile, origins, MAX_AGE_SECONDS);
        Outcome::Failed { reason, fix, cors_rules: Some(Box::new([rule])) }
    }
}

/// Seconds that a browser may keep its answer, in the rule that is advised.
const MAX_AGE_SECONDS: u32 = 3600;

fn allowed(origins: &[&str], rules: Option<&[CorsRule]>) -> String {
    let says = format!("a page of {} may upload", origins.join(", "));
    match rules {
        Some(rules) if !rules.iter().any(|rule| rule.exposes("ETag")) => {
            format!("{says}, but not read `ETag`, which uploads in parts need: add it to ExposeHeaders")
        }
        Some(_) | None => says,
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
