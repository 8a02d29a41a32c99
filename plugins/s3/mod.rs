//! Amazon S3, and any store that wants to be addressed as S3 is.

mod regions;

use wharf_provider::{
    Addressing, CorsSupport, CredentialRule, Encryption, EndpointRule, Features, GlobalRegion, Limits,
    PolicyRule, Profile, Provider, RefusedStorageClass, RegionRule, ReservedSuffix, StorageClass,
};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Amazon S3.
#[derive(Debug)]
pub(crate) struct S3;

impl Provider for S3 {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }
}

static PROFILE: Profile = Profile {
    kind: "s3",
    title: "Amazon S3",
    field_prefix: "s3",
    // https://docs.aws.amazon.com/general/latest/gr/s3.html
    endpoint: EndpointRule::Partitions(regions::PARTITIONS),
    // https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
    regions: RegionRule::Closed {
        names: regions::REGIONS,
        default: None,
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html#deprecated-global-endpoint
        global: Some(GlobalRegion { name: "aws-global", signs_as: "us-east-1" }),
    },
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
    addressing: &[Addressing::VirtualHost, Addressing::Path],
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    reserved_bucket_suffixes: &[
        ReservedSuffix { suffix: "--x-s3", names: "directory buckets (S3 Express)" },
        ReservedSuffix { suffix: "--xa-s3", names: "access points of directory buckets (S3 Express)" },
        ReservedSuffix { suffix: "--op-s3", names: "access points on Outposts" },
        ReservedSuffix { suffix: "--ol-s3", names: "access points of S3 Object Lambda" },
    ],
    // https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html states the key id's length;
    // no page states the secret's: those that AWS makes have 40 characters.
    credentials: Some(CredentialRule { access_key_id: 16..=128, secret_access_key: 32..=128 }),
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html#AmazonS3-PutObject-request-header-StorageClass,
    // and for archives https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html
    storage_classes: &[
        StorageClass::named("STANDARD"),
        StorageClass::named("STANDARD_IA"),
        StorageClass::named("ONEZONE_IA"),
        StorageClass::named("INTELLIGENT_TIERING"),
        StorageClass { name: "GLACIER_IR", aliases: &["GLACIER_INSTANT_RETRIEVAL"], is_archive: false },
        StorageClass { name: "GLACIER", aliases: &["GLACIER_FLEXIBLE_RETRIEVAL"], is_archive: true },
        StorageClass { name: "DEEP_ARCHIVE", aliases: &["GLACIER_DEEP_ARCHIVE"], is_archive: true },
        StorageClass::named("REDUCED_REDUNDANCY"),
    ],
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
    refused_storage_classes: &[
        RefusedStorageClass {
            name: "EXPRESS_ONEZONE",
            reason: "is the class of directory buckets (S3 Express); an ordinary bucket cannot store in it",
        },
        RefusedStorageClass { name: "OUTPOSTS", reason: "is the class of buckets on Outposts" },
        RefusedStorageClass { name: "SNOW", reason: "is the class of buckets on Snow devices" },
    ],
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html
    encryption: &[Encryption::SseS3, Encryption::SseKms],
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html
    encrypts_unasked: true,
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html, and for keys
    // https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
    policies: PolicyRule::Documents { arn_partition: "aws", grants_keys: true },
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html
    cors: CorsSupport::Bucket,
    limits: Limits {
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html: 48.8 TiB, 10,000 parts of 5 GiB
        object_bytes_max: 10_000 * 5 * GIB,
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
        put_bytes_max: 5 * GIB,
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
        part_bytes: 5 * MIB..=5 * GIB,
        parts_max: 10_000,
        // https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
        presign_seconds_max: 604_800,
        // https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
        delete_batch_max: 1000,
    },
    features: Features {
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/transfer-acceleration.html
        accelerate: true,
        // https://docs.aws.amazon.com/AmazonS3/latest/API/dual-stack-endpoints.html
        dualstack: true,
        // https://aws.amazon.com/compliance/fips/
        fips: true,
        // https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
        trailers: true,
        // https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
        forms: true,
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        conditional_writes: true,
    },
    links: &["https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html"],
};
