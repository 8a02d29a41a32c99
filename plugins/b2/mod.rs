//! Backblaze B2, through its S3-compatible API.

use wharf_provider::{
    Addressing, CorsSupport, Encryption, EndpointRule, Features, Limits, PolicyRule, Profile, Provider,
    RegionRule, StorageClass,
};

const MB: u64 = 1_000_000;
const GB: u64 = 1_000_000_000;

/// Backblaze B2.
#[derive(Debug)]
pub(crate) struct B2;

impl Provider for B2 {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }
}

static PROFILE: Profile = Profile {
    kind: "b2",
    title: "Backblaze B2",
    field_prefix: "b2",
    // https://www.backblaze.com/docs/cloud-storage-call-the-s3-compatible-api
    endpoint: EndpointRule::RegionHost { suffix: "backblazeb2.com" },
    // https://www.backblaze.com/docs/cloud-storage-data-regions; each bucket shows its own
    regions: RegionRule::Closed {
        names: &[
            "us-west-000",
            "us-west-001",
            "us-west-002",
            "us-west-004",
            "us-east-005",
            "ca-east-006",
            "eu-central-003",
        ],
        default: None,
        global: None,
    },
    // https://www.backblaze.com/docs/cloud-storage-call-the-s3-compatible-api: both
    addressing: &[Addressing::Path, Addressing::VirtualHost],
    reserved_bucket_suffixes: &[],
    credentials: None,
    // https://www.backblaze.com/apidocs/s3-put-object
    storage_classes: &[StorageClass::named("STANDARD")],
    refused_storage_classes: &[],
    // https://www.backblaze.com/docs/cloud-storage-server-side-encryption: SSE-B2, asked for as SSE-S3 is
    encryption: &[Encryption::SseS3],
    // the same page: on request, or as the bucket is configured
    encrypts_unasked: false,
    // https://www.backblaze.com/docs/cloud-storage-application-keys
    policies: PolicyRule::Otherwise(
        "make an application key with read and write access, restricted to this bucket",
    ),
    // https://www.backblaze.com/docs/cloud-storage-cross-origin-resource-sharing-rules
    cors: CorsSupport::Bucket,
    limits: Limits {
        // https://www.backblaze.com/docs/cloud-storage-large-files
        object_bytes_max: 10_000 * GB,
        put_bytes_max: 5 * GB,
        part_bytes: 5 * MB..=5 * GB,
        parts_max: 10_000,
        // https://www.backblaze.com/docs/cloud-storage-call-the-s3-compatible-api
        presign_seconds_max: 604_800,
        // https://www.backblaze.com/apidocs/s3-delete-objects: as S3, no number of its own
        delete_batch_max: 1000,
    },
    // No page says that checksums may follow a body. Forms are not among the calls on
    // https://www.backblaze.com/docs/cloud-storage-call-the-s3-compatible-api
    features: Features {
        accelerate: false,
        dualstack: false,
        fips: false,
        trailers: false,
        forms: false,
        conditional_writes: false,
    },
    links: &["https://www.backblaze.com/docs/cloud-storage-s3-compatible-api"],
};
