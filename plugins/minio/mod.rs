//! MinIO, on whatever host its operator runs it.

use wharf_provider::{
    Addressing, CorsSupport, Encryption, EndpointRule, Features, Limits, PolicyRule, Profile, Provider,
    RegionRule, StorageClass,
};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// MinIO.
#[derive(Debug)]
pub(crate) struct Minio;

impl Provider for Minio {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }
}

static PROFILE: Profile = Profile {
    kind: "minio",
    title: "MinIO",
    field_prefix: "minio",
    endpoint: EndpointRule::CustomOnly,
    // https://min.io/docs/minio/linux/reference/minio-server/settings/core.html (MINIO_SITE_REGION): any name
    regions: RegionRule::Any { default: "us-east-1" },
    // https://min.io/docs/minio/linux/reference/minio-server/settings/core.html: hosts of buckets need MINIO_DOMAIN
    addressing: &[Addressing::Path, Addressing::VirtualHost],
    reserved_bucket_suffixes: &[],
    credentials: None,
    // https://min.io/docs/minio/linux/reference/minio-server/settings/storage-class.html
    storage_classes: &[StorageClass::named("STANDARD"), StorageClass::named("REDUCED_REDUNDANCY")],
    refused_storage_classes: &[],
    // https://min.io/docs/minio/linux/administration/server-side-encryption.html
    encryption: &[Encryption::SseS3, Encryption::SseKms],
    // the same page: on request, or as the bucket is configured
    encrypts_unasked: false,
    // https://min.io/docs/minio/linux/administration/identity-access-management/policy-based-access-control.html
    policies: PolicyRule::Documents { arn_partition: "aws", grants_keys: false },
    // https://min.io/docs/minio/linux/reference/minio-server/settings/core.html (MINIO_API_CORS_ALLOW_ORIGIN)
    cors: CorsSupport::Otherwise(
        "set MINIO_API_CORS_ALLOW_ORIGIN on the server to your pages' origins; it is for all buckets, and `*` by default",
    ),
    limits: Limits {
        // https://min.io/docs/minio/linux/operations/concepts/thresholds.html
        object_bytes_max: 50 * TIB,
        put_bytes_max: 5 * TIB,
        part_bytes: 5 * MIB..=5 * GIB,
        parts_max: 10_000,
        // https://min.io/docs/minio/linux/developers/go/API.html#presignedputobject
        presign_seconds_max: 604_800,
        // https://min.io/docs/minio/linux/reference/s3-api-compatibility.html: as S3
        delete_batch_max: 1000,
    },
    // No page says that checksums may follow a body. For forms, see
    // https://min.io/docs/minio/linux/developers/go/API.html#presignedpostpolicy
    features: Features {
        accelerate: false,
        dualstack: false,
        fips: false,
        trailers: false,
        forms: true,
        conditional_writes: false,
    },
    links: &["https://min.io/docs/minio/linux/reference/s3-api-compatibility.html"],
};
