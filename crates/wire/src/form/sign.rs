//! Signing a form: the fields that let whoever has them post one file, until its policy ends.
//!
//! What is allowed is written as the very [`Policy`] that a store reads, and each field is covered by a condition.

use std::fmt;

use secrecy::ExposeSecret;
use thiserror::Error;

use crate::{
    date::Timestamp,
    sigv4::{ALGORITHM, Credentials, SigningKey, presign::EXPIRES_SECONDS_MAX},
};

use super::{
    FIELDS_MAX, FILE, FILE_NAME, KEY,
    claim::{CREDENTIAL, DATE, POLICY, SECURITY_TOKEN, SIGNATURE, SIGNING_ALGORITHM},
    policy::{BUCKET, CONTENT_TYPE, Condition, Policy},
};

/// What has another place in the input, or none.
const MADE_HERE: [&str; 10] =
    [KEY, BUCKET, CONTENT_TYPE, SIGNING_ALGORITHM, CREDENTIAL, DATE, SECURITY_TOKEN, POLICY, SIGNATURE, FILE];

/// What a form may hold. Everything in it is unencoded.
#[derive(Clone, Copy)]
pub struct FormInput<'a> {
    /// The bucket, as the store calls it.
    pub bucket: &'a str,
    /// The object's key. Behind a beginning stands the name that the user's file has.
    pub key: Match<'a>,
    /// The object's type. Behind a beginning the form's user says the rest, in a field `Content-Type`.
    pub content_type: Match<'a>,
    /// More fields, as they stand here: names in lower case, `x-amz-meta-…`, `x-amz-storage-class`, ….
    pub fields: &'a [(&'a str, &'a str)],
    /// Bytes of the file, from and to: the smallest and the largest.
    pub file_bytes: (u64, u64),
    /// Seconds from `now` until the form is dead: 1 to 604,800.
    pub expires_seconds: u32,
    /// The time of signing. Its day must be the key's.
    pub now: Timestamp,
}

/// What a field may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match<'a> {
    /// This.
    Exactly(&'a str),
    /// Whatever begins with this.
    StartsWith(&'a str),
}

/// Why a form cannot be signed. No store would accept it, or not for what it was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormSignError {
    /// Outside of S3's bounds.
    #[error("a form lives 1 to 604800 seconds")]
    Expires,
    /// The key was derived for another day than `now`'s.
    #[error("the signing key is not for the day of signing")]
    KeyDay,
    /// The store would put the file's name in its place.
    #[error("a form's key does not hold ${{filename}}")]
    FileNameInKey,
    /// It belongs to the signature or the file, has another place in the input, or stands there twice.
    #[error("a form's field is in lower case, stands there once, and is none that is made here")]
    Field,
    /// More than a store reads.
    #[error("a form has at most {FIELDS_MAX} fields")]
    TooManyFields,
    /// The smallest file is larger than the largest.
    #[error("no file is as small and as large as this")]
    NoSize,
}

/// A form's fields in the order in which they are posted, to be followed by the file. They are a credential: `Debug` shows
/// their names.
#[derive(Clone)]
pub struct SignedFields(Vec<(String, String)>);

impl SignedFields {
    /// The fields themselves, to be handed to whom they were made for.
    pub fn expose(&self) -> &[(String, String)] {
        &self.0
    }
}

impl fmt::Debug for SignedFields {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        out.write_str("SignedFields")?;
        out.debug_list().entries(names).finish()
    }
}

/// Signs what `input` allows.
pub fn sign(
    input: &FormInput<'_>,
    credentials: &Credentials,
    key: &SigningKey,
) -> Result<SignedFields, FormSignError> {
    check(input, key)?;
    let mut draft = Draft::of(input);
    draft.field(SIGNING_ALGORITHM, ALGORITHM);
    draft.field(CREDENTIAL, &[credentials.access_key_id.as_str(), "/", key.scope().as_str()].concat());
    draft.field(DATE, input.now.amz_date().as_str());
    if let Some(token) = &credentials.session_token {
        draft.field(SECURITY_TOKEN, token.expose_secret());
    }
    let Draft { mut fields, conditions } = draft;
    let expiration = input.now.plus_seconds(u64::from(input.expires_seconds));
    let policy = Policy::new(expiration, conditions).encode();
    let signature = key.sign_text(&policy).expose().to_owned();
    fields.extend([(POLICY.to_owned(), policy), (SIGNATURE.to_owned(), signature)]);
    Ok(SignedFields(fields))
}

fn check(input: &FormInput<'_>, key: &SigningKey) -> Result<(), FormSignError> {
    if !(1..=EXPIRES_SECONDS_MAX).contains(&input.expires_seconds) {
        return Err(FormSignError::Expires);
    }
    if input.now.amz_date().day() != key.scope().day() {
        return Err(FormSignError::KeyDay);
    }
    let (Match::Exactly(name) | Match::StartsWith(name)) = input.key;
    if name.contains(FILE_NAME) {
        return Err(FormSignError::FileNameInKey);
    }
    if input.file_bytes.0 > input.file_bytes.1 {
        return Err(FormSignError::NoSize);
    }
    if input.fields.len() > FIELDS_MAX - MADE_HERE.len() {
        return Err(FormSignError::TooManyFields);
    }
    let names = || input.fields.iter().map(|(name, _)| *name);
    let is_free =
        |name: &str| !MADE_HERE.contains(&name) && !name.bytes().any(|byte| byte.is_ascii_uppercase());
    let is_once = |name: &str| names().filter(|other| *other == name).count() == 1;
    if names().all(|name| is_free(name) && is_once(name)) { Ok(()) } else { Err(FormSignError::Field) }
}

/// Fields, and the conditions that cover them.
#[derive(Default)]
struct Draft {
    fields: Vec<(String, String)>,
    conditions: Vec<Condition>,
}

impl Draft {
    /// All but the signature's own fields.
    fn of(input: &FormInput<'_>) -> Self {
        let mut draft = Self::default();
        draft.conditions.push(equal(BUCKET, input.bucket));
        match input.key {
            Match::Exactly(key) => draft.field(KEY, key),
            Match::StartsWith(prefix) => {
                draft.fields.push((KEY.to_owned(), [prefix, FILE_NAME].concat()));
                draft.conditions.push(starts_with(KEY, prefix));
            }
        }
        match input.content_type {
            Match::Exactly(content_type) => draft.field(CONTENT_TYPE, content_type),
            Match::StartsWith(prefix) => draft.conditions.push(starts_with(CONTENT_TYPE, prefix)),
        }
        for (name, value) in input.fields {
            draft.field(name, value);
        }
        let (min, max) = input.file_bytes;
        draft.conditions.push(Condition::LengthRange { min, max });
        draft
    }

    /// A field that is posted as it stands here.
    fn field(&mut self, name: &str, value: &str) {
        self.fields.push((name.to_owned(), value.to_owned()));
        self.conditions.push(equal(name, value));
    }
}

fn equal(field: &str, value: &str) -> Condition {
    Condition::Equal { field: field.to_owned(), value: value.to_owned() }
}

fn starts_with(field: &str, value: &str) -> Condition {
    Condition::StartsWith { field: field.to_owned(), value: value.to_owned() }
}
