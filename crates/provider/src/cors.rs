//! The CORS rule that a bucket needs before pages can use signed URLs of it.

use wharf_wire::cors::CorsRule;

use crate::{Encryption, Profile};

/// What pages do with a bucket: they read and put what was signed for them, post forms, and where they speak S3 themselves
/// (Uppy's `signRequest`) begin, complete and abort uploads in parts. None of it is a right: without a signature the provider
/// refuses it all the same.
pub const METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "POST", "DELETE"];

/// The least that pages of `origins` need: to do all of [`METHODS`], with the headers that a signed upload can ask for, and to
/// see the `ETag`, without which no upload in parts can be completed.
pub fn rule_for_pages(profile: &Profile, origins: &[String], max_age_seconds: u32) -> CorsRule {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    CorsRule {
        allowed_origins: origins.to_vec(),
        allowed_methods: owned(&METHODS),
        allowed_headers: owned(&headers(profile)),
        expose_headers: owned(&["ETag"]),
        max_age_seconds: Some(max_age_seconds),
        ..CorsRule::default()
    }
}

/// The headers that a page sends with a signed upload.
fn headers(profile: &Profile) -> Vec<&'static str> {
    let mut headers = vec!["content-type"];
    let signs_encryption = !profile.encrypts_unasked && !profile.encryption.is_empty();
    if signs_encryption || profile.encryption.contains(&Encryption::SseKms) {
        headers.push("x-amz-server-side-encryption");
    }
    if profile.encryption.contains(&Encryption::SseKms) {
        headers.push("x-amz-server-side-encryption-aws-kms-key-id");
    }
    headers
}
