//! `{provider}/cors/setup` and `{provider}/cors/verify`: which pages may use a bucket, by the rules that its provider keeps.
//!
//! Wharf has one rule in a bucket, known by its id. Setting up replaces that one and leaves all others as they are. A new one
//! goes in front of them, since the first rule that fits answers alone; one that was there keeps its place, which somebody
//! may have chosen. Where a rule holds something that Wharf could not write again, nothing is changed.

mod asked;
mod judge;

use futures_util::future::BoxFuture;
use http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;
use wharf_provider::CorsSupport;
use wharf_wire::{
    cors::CorsRule,
    s3::{Operation, Parameters},
    xml,
};

use crate::{
    backend::probe::CorsRuleSchema,
    config::checked::{Action, Origins},
    error::{Code, Error},
    transfer::{Sending, Side, TransferError, late_error},
};

use super::{
    Answer, Request,
    remote::{Question, Remote},
    reply::{self, Performance},
    target::Target,
};

/// What Wharf's own rule is called.
const RULE_ID: &str = "wharf";

/// Bytes of a usual reply, so that its buffer grows once.
const REPLY_BYTES: usize = 1024;

#[derive(JsonSchema, Serialize)]
pub(super) struct SetUp<'a> {
    success: bool,
    provider: &'static str,
    message: String,
    configuration: Configuration<'a>,
    performance: Performance<'a>,
}

#[derive(JsonSchema, Serialize)]
struct Configuration<'a> {
    #[serde(rename = "CORSRules")]
    #[schemars(with = "Vec<CorsRuleSchema>")]
    rules: &'a [CorsRule],
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verified<'a> {
    success: bool,
    provider: &'static str,
    message: &'static str,
    configured: bool,
    is_valid: bool,
    #[schemars(with = "Vec<CorsRuleSchema>")]
    rules: &'a [CorsRule],
    /// The same under the name that the SDK reads.
    #[schemars(with = "Vec<CorsRuleSchema>")]
    cors_rules: &'a [CorsRule],
    issues: &'a [String],
    recommendation: &'static str,
    performance: Performance<'a>,
}

/// Answers `cors/setup`.
pub(super) fn set_up<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    Box::pin(async move {
        check_settings(request)?;
        let rule = asked::rule(&request.body.cors)?;
        let remote = request.remote()?;
        let found = rules(&remote).await?;
        let (rules, message) = placed(rule, found)?;
        write(&remote, &rules).await?;
        let reply = SetUp {
            success: true,
            provider: request.target.profile().kind,
            message,
            configuration: Configuration { rules: &rules },
            performance: request.performance(),
        };
        reply::ok(&reply, REPLY_BYTES)
    })
}

/// Answers `cors/verify`.
pub(super) fn verify<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    Box::pin(async move {
        check_settings(request)?;
        let origins = pages(request)?;
        let rules = rules(&request.remote()?).await?;
        let issues = judge::issues(&rules, &origins);
        let reply = Verified {
            success: true,
            provider: request.target.profile().kind,
            message: if issues.is_empty() {
                "Pages can upload to the bucket."
            } else {
                "Pages cannot use the bucket as they should."
            },
            configured: !rules.is_empty(),
            is_valid: issues.is_empty(),
            rules: &rules,
            cors_rules: &rules,
            issues: &issues,
            recommendation: if issues.is_empty() {
                "Nothing has to be done."
            } else {
                "Call cors/setup with the origins of your pages."
            },
            performance: request.performance(),
        };
        reply::ok(&reply, REPLY_BYTES)
    })
}

/// The pages that are asked for: those that the request names, else the configuration's. None: whichever there are.
pub(super) fn pages(request: &Request<'_>) -> Result<Vec<String>, Error> {
    Ok(match (asked::origins(&request.body.cors)?, &request.parts.config.upload.cors.origins) {
        (Some(asked), _) => asked,
        (None, Origins::Listed(configured)) => configured.clone(),
        (None, Origins::Any) => Vec::new(),
    })
}

/// The rules are about the whole bucket, so the caller must have a say in all of it, and the bucket be Wharf's alone.
fn check_settings(request: &Request<'_>) -> Result<(), Error> {
    let Request { call, target, .. } = request;
    target.authorize(call.identity, Action::Configure, "")?;
    target.check_bucket()?;
    refuse_shared(target)
}

fn refuse_shared(target: &Target<'_>) -> Result<(), Error> {
    if target.key_prefix().is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Code::AccessDenied,
        "This bucket shares a bucket at its provider with others, so it has no CORS rules of its own.",
    )
    .hint("The operator sets the rules for all of them at the provider; `wharf policy` prints them."))
}

/// All rules with Wharf's own among them, and where that stands.
fn placed(rule: CorsRule, mut rules: Vec<CorsRule>) -> Result<(Vec<CorsRule>, String), Error> {
    let is_own = |rule: &CorsRule| rule.id.as_deref() == Some(RULE_ID);
    if rules.iter().any(|rule| rule.has_more && !is_own(rule)) {
        return Err(Error::new(
            Code::CorsConfigurationFailed,
            "The bucket has a rule that says more than Wharf knows of rules. Nothing was changed.",
        )
        .hint("Add the rule at the provider's console instead: cors/verify shows those that are there."));
    }
    let message = if let Some(own) = rules.iter_mut().find(|rule| is_own(rule)) {
        *own = rule;
        "Wharf's rule was replaced"
    } else {
        rules.insert(0, rule);
        "Wharf's rule was added in front"
    };
    let message = match rules.len() - 1 {
        0 => format!("{message}; it is the only one."),
        1 => format!("{message}; the other rule of the bucket was kept."),
        others => format!("{message}; the {others} other rules of the bucket were kept."),
    };
    Ok((rules, message))
}

/// The rules that the provider keeps.
async fn rules(remote: &Remote) -> Result<Vec<CorsRule>, Error> {
    let question = Question {
        operation: Operation::GetBucketCors,
        key: None,
        parameters: &Parameters::default(),
        sending: Sending::without_body(HeaderMap::new()),
    };
    let document = match remote.document(question).await {
        Ok(document) => document,
        Err(TransferError::Refused { answer, .. }) if answer.code() == Some("NoSuchCORSConfiguration") => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(refused(error, remote, "s3:GetBucketCORS")),
    };
    xml::read_cors(&document)
        .map_err(|why| refused(late_error(Side::Target, &document, why), remote, "s3:GetBucketCORS"))
}

async fn write(remote: &Remote, rules: &[CorsRule]) -> Result<(), Error> {
    let question = Question {
        operation: Operation::PutBucketCors,
        key: None,
        parameters: &Parameters::default(),
        sending: Sending::document(HeaderMap::new(), xml::write_cors(rules).into()),
    };
    match remote.document(question).await {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(error, remote, "s3:PutBucketCORS")),
    }
}

/// What a provider's refusal means for rules: a right that is missing, a store that keeps none, or rules that it does not
/// take.
fn refused(error: TransferError, remote: &Remote, right: &str) -> Error {
    let (status, is_about_rights) = match &error {
        TransferError::Refused { answer, .. } => {
            (answer.status.as_u16(), answer.code().is_some_and(|code| code == "AccessDenied"))
        }
        TransferError::Unanswered { .. }
        | TransferError::Senseless { .. }
        | TransferError::Damaged { .. }
        | TransferError::Changed
        | TransferError::Range(_)
        | TransferError::Key { .. } => (0, false),
    };
    let error = Error::from(error);
    if is_about_rights {
        return error.hint(format!("Grant the provider's credentials {right} on the bucket."));
    }
    match (error.code, status, remote.origin().account().profile().cors) {
        (Code::UpstreamError, 405 | 501, CorsSupport::Otherwise(instead)) => {
            Error { code: Code::CorsConfigurationFailed, ..error }
                .hint(format!("This store keeps no rules by bucket. Instead: {instead}."))
        }
        (Code::UpstreamError, 400..=499 | 501, _) => Error { code: Code::CorsConfigurationFailed, ..error },
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: Option<&str>) -> CorsRule {
        CorsRule { id: id.map(str::to_owned), ..CorsRule::default() }
    }

    fn own() -> CorsRule {
        CorsRule { max_age_seconds: Some(7), ..rule(Some(RULE_ID)) }
    }

    #[test]
    fn wharfs_rule_is_replaced_and_all_others_are_kept() {
        let others = [rule(None), rule(Some("theirs"))];
        for (found, expected, says) in [
            (vec![], vec![own()], "Wharf's rule was added in front; it is the only one."),
            (
                others.to_vec(),
                vec![own(), others[0].clone(), others[1].clone()],
                "Wharf's rule was added in front; the 2 other rules of the bucket were kept.",
            ),
            (
                vec![others[0].clone(), rule(Some(RULE_ID))],
                vec![others[0].clone(), own()],
                "Wharf's rule was replaced; the other rule of the bucket was kept.",
            ),
        ] {
            assert_eq!(placed(own(), found).unwrap(), (expected, says.to_owned()));
        }
    }

    #[test]
    fn a_rule_that_could_not_be_written_again_is_left_alone() {
        let strange = CorsRule { has_more: true, ..rule(Some("theirs")) };
        assert_eq!(placed(own(), vec![strange]).unwrap_err().code, Code::CorsConfigurationFailed);
        let own_and_strange = CorsRule { has_more: true, ..own() };
        assert_eq!(placed(own(), vec![own_and_strange]).unwrap().0, [own()]);
    }
}
