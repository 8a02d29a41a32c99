//! What a form says that a browser posts to a bucket, signed.
//!
//! A form's fields are S3's headers under the same names, so class, encryption and metadata all stand in it, and the policy
//! holds the browser to them; nothing has to be sent besides.

use thiserror::Error;
use wharf_wire::{
    date::Timestamp,
    form::{self, FormInput, FormSignError, Match, SignedFields},
    names::BucketName,
    sigv4::SigningKey,
};

use crate::{
    Account, Profile, PutOptions, Unsupported,
    presign::{put_headers, put_query},
};

/// What S3 answers a form with, unless a page is to follow: a document that says where the object is.
const STATUS: (&str, &str) = ("success_action_status", "201");

/// One form that is to be signed.
#[derive(Debug, Clone, Copy)]
pub struct FormRequest<'a> {
    /// The bucket, as the provider calls it.
    pub bucket: &'a BucketName,
    /// The object's key, or how it begins.
    pub key: Match<'a>,
    /// The object's type, or how it begins.
    pub content_type: Match<'a>,
    /// How the object is to be stored.
    pub options: PutOptions<'a>,
    /// Bytes of the file, from and to.
    pub file_bytes: (u64, u64),
    /// Seconds until the form is dead.
    pub expires_seconds: u32,
}

/// Where a form is posted, and what is in it.
#[derive(Debug)]
pub struct SignedForm {
    /// The bucket's address.
    pub url: String,
    /// All fields but the file, which comes last.
    pub fields: SignedFields,
}

/// Why a form was not signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormError {
    /// The provider cannot do what is asked.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// No store would take such a form.
    #[error(transparent)]
    Signing(#[from] FormSignError),
}

pub(crate) fn sign(
    profile: &'static Profile,
    account: &Account,
    request: &FormRequest<'_>,
    key: &SigningKey,
    now: Timestamp,
) -> Result<SignedForm, FormError> {
    if !account.takes_forms() {
        return Err(Unsupported { provider: profile.title, feature: "form uploads".to_owned() }.into());
    }
    let url = account.location(Some(request.bucket), None)?.url();
    let metadata_names = request.options.metadata_names();
    let headers = put_headers(profile, &request.options)?;
    let mut fields = put_query(profile, &request.options, &metadata_names)?;
    fields.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
    fields.push(STATUS);
    let input = FormInput {
        bucket: request.bucket.as_str(),
        key: request.key,
        content_type: request.content_type,
        fields: &fields,
        file_bytes: request.file_bytes,
        expires_seconds: request.expires_seconds,
        now,
    };
    Ok(SignedForm { url, fields: form::sign(&input, account.credentials(), key)? })
}
