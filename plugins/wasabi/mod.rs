//! Wasabi.

use wharf_provider::{
    Addressing, CorsSupport, Encryption, EndpointRule, Features, Limits, PolicyRule, Profile, Provider,
    RegionRule, StorageClass,
};

const MIB: u64 = 1 << 20;
const GB: u64 = 1_000_000_000;

/// Wasabi.
#[derive(Debug)]
pub(crate) struct Wasabi;

impl Provider for Wasabi {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }
}

static PROFILE: Profile = Profile {
    kind: "wasabi",
    title: "Wasabi",
    field_prefix: "wasabi",
    // https://docs.wasabi.com/docs/service-urls-for-wasabis-storage-regions
    endpoint: EndpointRule::RegionHost { suffix: "wasabisys.com" },
    // https://docs.wasabi.com/docs/service-urls-for-wasabis-storage-regions
    regions: RegionRule::Closed {
        names: &[
            "us-east-1",
            "us-east-2",
            "us-central-1",
            "us-west-1",
            "us-west-2",
            "ca-central-1",
            "eu-central-1",
            "eu-central-2",
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "eu-south-1",
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-southeast-1",
            "ap-southeast-2",
        ],
        default: None,
        global: None,
    },
    // https://docs.wasabi.com/docs/rest-api-introduction: both, and path style is the one it recommends
    addressing: &[Addressing::Path, Addressing::VirtualHost],
    reserved_bucket_suffixes: &[],
    credentials: None,
    // https://docs.wasabi.com/apidocs/wasabi-api: one class, under S3's name for its default
    storage_classes: &[StorageClass::named("STANDARD")],
    refused_storage_classes: &[],
    // https://wasabi.com/cloud-object-storage/security: always, with keys of Wasabi's own
    encryption: &[Encryption::SseS3],
    encrypts_unasked: true,
    // https://docs.wasabi.com/docs/bucket-policy, for policies and for CORS
    policies: PolicyRule::Documents { arn_partition: "aws", grants_keys: false },
    cors: CorsSupport::Bucket,
    limits: Limits {
        // https://docs.wasabi.com/docs/what-are-the-minimum-and-maximum-object-sizes-that-can-be-stored-in-wasabi
        object_bytes_max: 5_000 * GB,
        put_bytes_max: 5 * GB,
        // https://docs.wasabi.com/docs/how-does-wasabi-handle-multipart-uploads: as S3, in parts no larger than a PUT
        part_bytes: 5 * MIB..=5 * GB,
        parts_max: 10_000,
        // https://docs.wasabi.com/docs/how-do-i-generate-pre-signed-urls-for-temporary-access-with-wasabi
        presign_seconds_max: 604_800,
        // https://docs.wasabi.com/apidocs/wasabi-api: as S3
        delete_batch_max: 1000,
    },
    // No page says that checksums may follow a body. Nor does one say it of forms.
    features: Features {
        accelerate: false,
        dualstack: false,
        fips: false,
        trailers: false,
        forms: false,
        conditional_writes: false,
    },
    links: &["https://docs.wasabi.com/apidocs/wasabi-api"],
};
