//! What the checks came to, and how long they may take together.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use wharf_wire::cors::CorsRule;

use crate::clock;

/// A [`CorsRule`] as it is written, for the API's document: the rule's own crate knows nothing of schemas.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase")]
#[expect(dead_code, reason = "it is never made: its schema is what it is for")]
pub struct CorsRuleSchema {
    #[schemars(rename = "ID", skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    allowed_origins: Vec<String>,
    allowed_methods: Vec<String>,
    allowed_headers: Vec<String>,
    expose_headers: Vec<String>,
    #[schemars(skip_serializing_if = "Option::is_none")]
    max_age_seconds: Option<u32>,
}

/// One thing that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The endpoint's name has an address.
    Resolve,
    /// Its certificate is trusted.
    Tls,
    /// Its clock and this machine's agree.
    ClockSkew,
    /// The credentials are known there.
    Credentials,
    /// They may list buckets.
    ListBuckets,
    /// The bucket is there.
    Bucket,
    /// An object can be stored.
    Write,
    /// It is what was stored.
    ReadBack,
    /// An object can be stored in parts.
    Multipart,
    /// Objects can be deleted.
    Delete,
    /// A page may upload.
    Cors,
}

impl Check {
    /// Every check, in the order in which they are made.
    pub const ALL: [Self; 11] = [
        Self::Resolve,
        Self::Tls,
        Self::ClockSkew,
        Self::Credentials,
        Self::ListBuckets,
        Self::Bucket,
        Self::Write,
        Self::ReadBack,
        Self::Multipart,
        Self::Delete,
        Self::Cors,
    ];

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Tls => "TLS",
            Self::ClockSkew => "clock skew",
            Self::Credentials => "credentials",
            Self::ListBuckets => "list buckets",
            Self::Bucket => "bucket reachable",
            Self::Write => "write",
            Self::ReadBack => "read back",
            Self::Multipart => "multipart",
            Self::Delete => "delete",
            Self::Cors => "CORS for browsers",
        }
    }
}

/// What a check came to. No text in it holds a secret, or a control character that a provider sent.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// It is as it should be.
    Passed {
        /// What was seen.
        detail: String,
    },
    /// It is not.
    Failed {
        /// What was seen.
        reason: String,
        /// What to change.
        fix: String,
        /// The rules to give the bucket, where these are what is missing.
        #[serde(rename = "corsRules", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<Vec<CorsRuleSchema>>")]
        cors_rules: Option<Box<[CorsRule; 1]>>,
    },
    /// It was not checked.
    Skipped {
        /// Why.
        reason: String,
    },
}

impl Outcome {
    pub(super) fn passed(detail: impl Into<String>) -> Self {
        Self::Passed { detail: detail.into() }
    }

    pub(super) fn failed(reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into(), fix: fix.into(), cors_rules: None }
    }

    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self::Skipped { reason: reason.into() }
    }
}

/// A check and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Row {
    /// What was checked.
    pub check: Check,
    /// What it came to.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// One row per check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Report {
    /// In the order in which they were made.
    pub rows: Vec<Row>,
}

impl Report {
    /// How many checks failed.
    pub fn failed(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.outcome, Outcome::Failed { .. })).count()
    }

    fn has_failed(&self, check: Check) -> bool {
        self.rows.iter().any(|row| row.check == check && matches!(row.outcome, Outcome::Failed { .. }))
    }
}

/// Makes checks, one after the other, while there is time.
#[derive(Debug)]
pub(super) struct Steps {
    pub(super) report: Report,
    deadline: Instant,
}

impl Steps {
    /// As many as can be made within `patience`.
    pub(super) fn within(patience: Duration) -> Self {
        Self { report: Report::default(), deadline: clock::instant() + patience }
    }

    /// Makes a check, unless one that it needs did not pass.
    pub(super) async fn step(
        &mut self,
        check: Check,
        needs: &[Check],
        making: impl Future<Output = Outcome>,
    ) {
        let lacks = needs.iter().copied().find(|needed| self.report.has_failed(*needed));
        let outcome = match lacks {
            Some(lacks) => Outcome::skipped(format!("{} failed", lacks.title())),
            None if self.deadline <= clock::instant() => {
                Outcome::skipped("the checks before it took all the time")
            }
            None => timeout_at(self.deadline, making).await.unwrap_or_else(|_| {
                Outcome::failed(
                    "the time for all checks was over before there was an answer",
                    "see whether the store, or the way to it, is slow; `wharf test` waits longer",
                )
            }),
        };
        self.report.rows.push(Row { check, outcome });
    }

    /// Makes a check for which there is always time: what cleans up must not be left out because the store was slow.
    pub(super) async fn last(
        &mut self,
        check: Check,
        patience: Duration,
        making: impl Future<Output = Outcome>,
    ) {
        self.deadline = self.deadline.max(clock::instant() + patience);
        self.step(check, &[], making).await;
    }

    /// Leaves checks out.
    pub(super) fn skip(&mut self, checks: &[Check], reason: &str) {
        let rows = checks.iter().map(|check| Row { check: *check, outcome: Outcome::skipped(reason) });
        self.report.rows.extend(rows);
    }
}
