//! The CORS rule that a bucket needs before pages can use signed URLs of it.

use wharf_wire::cors::CorsRule;

use crate::{Encryption, Profile};

/// The least that pages of `origins` need: to read, to upload with the headers that a signed upload can ask for, and to see
/// the `ETag`, without which no upload in parts can be completed.
pub fn rule_for_pages(profile: &Profile, origins: &[String], max_age_seconds: u32) -> CorsRule {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    CorsRule {
        allowed_origins: origins.to_vec(),
        allowed_methods: owned(&["GET", "HEAD", "PUT"]),
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
