//! The policy of a form: what its signer allows, until when.
//!
//! A policy is JSON in base64, and what is signed is that base64. Each field of the form must be covered by a
//! condition, so that nobody adds one to a form that somebody else signed.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{date::Timestamp, s3::ErrorCode};

use super::{FILE, Form};

pub(super) const BUCKET: &str = "bucket";
pub(super) const CONTENT_TYPE: &str = "content-type";
/// Fields that need no condition: they are the file, or prove the others.
const FREE_FIELDS: [&str; 3] = [FILE, "policy", "x-amz-signature"];
const IGNORED_PREFIX: &str = "x-ignore-";

/// Why a policy does not allow a form. The text is for the form's user, in S3's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It is no policy.
    #[error("Invalid Policy: {0}.")]
    Malformed(&'static str),
    /// Its time is over.
    #[error("Invalid according to Policy: Policy expired.")]
    Expired,
    /// The condition that does not hold.
    #[error("Invalid according to Policy: Policy Condition failed: {0}")]
    Condition(String),
    /// A field that no condition covers.
    #[error("Invalid according to Policy: Extra input fields: {0}")]
    ExtraField(String),
    /// The file is too small.
    #[error("The file is smaller than the policy allows.")]
    TooSmall,
    /// The file is too large.
    #[error("The file is larger than the policy allows.")]
    TooLarge,
}

impl PolicyError {
    /// S3's code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed(_) => ErrorCode::InvalidPolicyDocument,
            Self::Expired | Self::Condition(_) | Self::ExtraField(_) => ErrorCode::AccessDenied,
            Self::TooSmall => ErrorCode::EntityTooSmall,
            Self::TooLarge => ErrorCode::EntityTooLarge,
        }
    }
}

/// A policy, well-formed and not yet compared with anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
}

/// What must hold. Fields are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    Equal { field: String, value: String },
    StartsWith { field: String, value: String },
    LengthRange { min: u64, max: u64 },
}

impl Policy {
    /// A policy of one's own.
    pub(super) fn new(expiration: Timestamp, conditions: Vec<Condition>) -> Self {
        Self { expiration, conditions }
    }

    /// Writes it as it stands in a form, and as it is signed.
    pub(super) fn encode(&self) -> String {
        let document = Written { expiration: self.expiration.rfc3339(), conditions: &self.conditions };
        // Text and numbers always have their JSON form.
        STANDARD.encode(serde_json::to_vec(&document).unwrap_or_default())
    }

    /// Reads a policy as it stands in the form.
    pub fn parse(base64: &str) -> Result<Self, PolicyError> {
        let json = STANDARD.decode(base64).map_err(|_| PolicyError::Malformed("it is not in base64"))?;
        let document: Document = serde_json::from_slice(&json)
            .map_err(|_| PolicyError::Malformed("it is not the JSON of an expiration and conditions"))?;
        let expiration = OffsetDateTime::parse(&document.expiration, &Rfc3339)
            .ok()
            .and_then(|time| u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok())
            .ok_or(PolicyError::Malformed("its expiration is not a date such as 2026-01-31T12:00:00.000Z"))?;
        Ok(Self {
            expiration: Timestamp::from_unix_millis(expiration),
            conditions: document.conditions.into_iter().map(Condition::new).collect::<Result<_, _>>()?,
        })
    }

    /// Whether it allows this form to be posted to `bucket` at `now`. The file's length is for
    /// [`Self::check_length`].
    pub fn check(&self, form: &Form, bucket: &str, now: Timestamp) -> Result<(), PolicyError> {
        if now > self.expiration {
            return Err(PolicyError::Expired);
        }
        // The bucket is in the URL, and counts as a field. A field of that name in the form says nothing.
        let value = |field: &str| if field == BUCKET { Some(bucket) } else { form.field(field) };
        if let Some(failed) = self.conditions.iter().find(|condition| !condition.holds(value)) {
            return Err(PolicyError::Condition(failed.to_json()));
        }
        let mut fields = form.fields().map(|(name, _)| name).chain([BUCKET]);
        match fields.find(|field| !self.covers(field)) {
            Some(field) => Err(PolicyError::ExtraField(field.to_owned())),
            None => Ok(()),
        }
    }

    /// Whether it allows a file of this length.
    pub fn check_length(&self, bytes: u64) -> Result<(), PolicyError> {
        if self.length_ranges().any(|(min, _)| bytes < min) {
            return Err(PolicyError::TooSmall);
        }
        self.check_largest(bytes)
    }

    /// Whether it allows a file of which there are so many bytes, or more.
    pub fn check_largest(&self, bytes: u64) -> Result<(), PolicyError> {
        if self.length_ranges().any(|(_, max)| bytes > max) { Err(PolicyError::TooLarge) } else { Ok(()) }
    }

    fn length_ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.conditions.iter().filter_map(|condition| match condition {
            Condition::LengthRange { min, max } => Some((*min, *max)),
            Condition::Equal { .. } | Condition::StartsWith { .. } => None,
        })
    }

    fn covers(&self, name: &str) -> bool {
        FREE_FIELDS.contains(&name)
            || name.starts_with(IGNORED_PREFIX)
            || self.conditions.iter().any(|condition| condition.field() == Some(name))
    }
}

/// The JSON that we write.
#[derive(Serialize)]
struct Written<'a> {
    expiration: String,
    conditions: &'a [Condition],
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Equal { field, value } => ("eq", ["$", field].concat(), value).serialize(serializer),
            Self::StartsWith { field, value } => {
                ("starts-with", ["$", field].concat(), value).serialize(serializer)
            }
            Self::LengthRange { min, max } => ("content-length-range", min, max).serialize(serializer),
        }
    }
}

/// The JSON as others write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    expiration: String,
    conditions: Vec<RawCondition>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawCondition {
    /// `{"acl": "public-read"}`
    Object(BTreeMap<String, String>),
    /// `["starts-with", "$key", "user/"]`
    Match(String, String, String),
    /// `["content-length-range", 0, 1048576]`
    Range(String, u64, u64),
}

impl Condition {
    fn new(raw: RawCondition) -> Result<Self, PolicyError> {
        match raw {
            RawCondition::Object(properties) => match Vec::from_iter(properties).as_slice() {
                [(field, value)] => {
                    Ok(Self::Equal { field: field.to_ascii_lowercase(), value: value.clone() })
                }
                _ => Err(PolicyError::Malformed("a condition that is an object has one property")),
            },
            RawCondition::Match(operator, field, value) => {
                let field = field
                    .strip_prefix('$')
                    .ok_or(PolicyError::Malformed("the field of a condition begins with a dollar sign"))?
                    .to_ascii_lowercase();
                match operator.as_str() {
                    "eq" => Ok(Self::Equal { field, value }),
                    "starts-with" => Ok(Self::StartsWith { field, value }),
                    _ => {
                        Err(PolicyError::Malformed("a condition is eq, starts-with or content-length-range"))
                    }
                }
            }
            RawCondition::Range(operator, min, max) if operator == "content-length-range" => {
                Ok(Self::LengthRange { min, max })
            }
            RawCondition::Range(..) => {
                Err(PolicyError::Malformed("a condition with two numbers is a content-length-range"))
            }
        }
    }

    fn field(&self) -> Option<&str> {
        match self {
            Self::Equal { field, .. } | Self::StartsWith { field, .. } => Some(field),
            Self::LengthRange { .. } => None,
        }
    }

    /// A field that the form does not have meets no condition, as at S3: not even that it starts with nothing.
    fn holds<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> bool {
        match self {
            Self::Equal { field, value } => value_of(field) == Some(value),
            // Several content types with commas between them are a list, of which each must meet the condition.
            Self::StartsWith { field, value } if field == CONTENT_TYPE => value_of(field)
                .is_some_and(|types| types.split(',').all(|one| one.trim().starts_with(value.as_str()))),
            Self::StartsWith { field, value } => {
                value_of(field).is_some_and(|text| text.starts_with(value.as_str()))
            }
            Self::LengthRange { .. } => true,
        }
    }

    /// As S3 shows it: `["eq", "$acl", "public-read"]`.
    fn to_json(&self) -> String {
        match self {
            Self::Equal { field, value } => format!("[\"eq\", \"${field}\", {value:?}]"),
            Self::StartsWith { field, value } => format!("[\"starts-with\", \"${field}\", {value:?}]"),
            Self::LengthRange { min, max } => format!("[\"content-length-range\", {min}, {max}]"),
        }
    }
}
