//! Cloudflare R2.

mod events;

use wharf_provider::{
    Addressing, CorsSupport, Encryption, EndpointRule, Features, Limits, PolicyRule, Profile, Provider,
    RegionRule, StorageClass,
    event::{Event, NoEvent},
};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Cloudflare R2.
#[derive(Debug)]
pub(crate) struct R2;

impl Provider for R2 {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn events(&self, message: &[u8]) -> Result<Vec<Event>, NoEvent> {
        events::read(message)
    }
}

static PROFILE: Profile = Profile {
    kind: "r2",
    title: "Cloudflare R2",
    field_prefix: "r2",
    // https://developers.cloudflare.com/r2/api/s3/api/, and for the jurisdictions
    // https://developers.cloudflare.com/r2/reference/data-location/
    endpoint: EndpointRule::AccountHost {
        suffix: "r2.cloudflarestorage.com",
        account_id_hex_digits: 32,
        jurisdictions: &["eu", "us", "fedramp"],
    },
    // https://developers.cloudflare.com/r2/api/s3/api/: `auto`, and `us-east-1` means the same.
    regions: RegionRule::Closed { names: &["auto", "us-east-1"], default: Some("auto"), global: None },
    // https://developers.cloudflare.com/r2/api/s3/presigned-urls/ shows both styles.
    addressing: &[Addressing::Path, Addressing::VirtualHost],
    reserved_bucket_suffixes: &[],
    credentials: None,
    // https://developers.cloudflare.com/r2/buckets/storage-classes/
    storage_classes: &[StorageClass::named("STANDARD"), StorageClass::named("STANDARD_IA")],
    refused_storage_classes: &[],
    // https://developers.cloudflare.com/r2/reference/data-security/
    encryption: &[Encryption::SseS3],
    // https://developers.cloudflare.com/r2/reference/data-security/
    encrypts_unasked: true,
    // https://developers.cloudflare.com/r2/api/tokens/
    policies: PolicyRule::Otherwise(
        "make an API token with the permission Object Read & Write, applied to this bucket alone",
    ),
    // https://developers.cloudflare.com/r2/buckets/cors/
    cors: CorsSupport::Bucket,
    limits: Limits {
        // https://developers.cloudflare.com/r2/platform/limits/: the sizes in its footnotes
        object_bytes_max: 5 * TIB - 5 * GIB,
        put_bytes_max: 5 * GIB - 5 * MIB,
        // https://developers.cloudflare.com/r2/objects/multipart-objects/
        part_bytes: 5 * MIB..=5 * GIB,
        parts_max: 10_000,
        // https://developers.cloudflare.com/r2/api/s3/presigned-urls/
        presign_seconds_max: 604_800,
        // No page states a number for S3's API; https://developers.cloudflare.com/r2/api/workers/workers-api-reference/
        // has 1,000 for its own, and requests of more than 700 keys were reported to fail.
        delete_batch_max: 700,
    },
    // No page says that checksums may follow a body. Forms are not taken, says
    // https://developers.cloudflare.com/r2/api/s3/presigned-urls/
    features: Features {
        accelerate: false,
        dualstack: false,
        fips: false,
        trailers: false,
        forms: false,
        // https://developers.cloudflare.com/r2/api/s3/conditional-operations/
        conditional_writes: true,
    },
    links: &["https://developers.cloudflare.com/r2/api/s3/api/"],
};
