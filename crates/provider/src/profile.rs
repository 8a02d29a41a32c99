//! Facts about a provider. Each has a link to the vendor's page that states it, a reader, and a conformance check.

use std::ops::RangeInclusive;

use crate::SettingProblem;

/// The vendor's page that states a fact.
pub type Link = &'static str;

/// Everything that Wharf knows about a provider.
#[derive(Debug)]
pub struct Profile {
    /// Its name in the config (`plugin = "…"`) and in the upload API's paths.
    pub kind: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What stands before `AccessKey`, `Bucket`, … in the fields of a caller who brings credentials.
    pub field_prefix: &'static str,
    /// Where its hosts are.
    pub endpoint: EndpointRule,
    /// Which regions it has.
    pub regions: RegionRule,
    /// Addressing styles, the default first.
    pub addressing: &'static [Addressing],
    /// Bucket names that are not those of ordinary buckets, by how they end.
    pub reserved_bucket_suffixes: &'static [ReservedSuffix],
    /// What its own credentials look like, checked only on its own endpoints. `None` where the vendor states no lengths.
    pub credentials: Option<CredentialRule>,
    /// The classes that it stores in.
    pub storage_classes: &'static [StorageClass],
    /// Classes that exist, but that an ordinary bucket cannot store in, with the reason.
    pub refused_storage_classes: &'static [RefusedStorageClass],
    /// The ways that it encrypts at rest when asked.
    pub encryption: &'static [Encryption],
    /// Every object is encrypted at rest with the provider's own keys, unasked. Without it SSE-S3 must be asked for
    /// with a signed header, which the holder of a presigned URL then has to send.
    pub encrypts_unasked: bool,
    /// How an account is given rights.
    pub policies: PolicyRule,
    /// How a bucket is opened to browsers.
    pub cors: CorsSupport,
    /// Its limits.
    pub limits: Limits,
    /// What it can do beyond the least.
    pub features: Features,
    /// The vendor's pages for people, the one on its S3 API first. Each fact has its own page in a comment beside it.
    pub links: &'static [Link],
}

impl Profile {
    /// The storage class that `name` means, under its own name or an alias.
    pub fn storage_class(&self, name: &str) -> Result<&'static StorageClass, SettingProblem> {
        let known = self.storage_classes.iter();
        if let Some(class) = known.clone().find(|class| class.name == name || class.aliases.contains(&name)) {
            return Ok(class);
        }
        let refused = self.refused_storage_classes.iter().find(|refused| refused.name == name);
        let message = match refused {
            Some(refused) => format!("{} {}", refused.name, refused.reason),
            None => format!("{} has no such storage class", self.title),
        };
        let valid_options = known.map(|class| class.name.to_owned()).collect();
        Err(SettingProblem { setting: "storage_class", message, valid_options })
    }

    /// What stands after `arn:` in the name of a bucket in `region`; else what to do in place of writing a policy.
    pub fn arn_partition(&self, region: &str) -> Result<&'static str, &'static str> {
        let elsewhere = match self.policies {
            PolicyRule::Documents { arn_partition, .. } => arn_partition,
            PolicyRule::Otherwise(instead) => return Err(instead),
        };
        let partitions = match self.endpoint {
            EndpointRule::Partitions(partitions) => partitions,
            EndpointRule::AccountHost { .. } | EndpointRule::RegionHost { .. } | EndpointRule::CustomOnly => {
                &[]
            }
        };
        let own = partitions.iter().find(|partition| partition.regions.contains(&region));
        Ok(own.map_or(elsewhere, |partition| partition.id))
    }
}

/// Where a provider's hosts are; host parts, never a template.
#[derive(Debug)]
pub enum EndpointRule {
    /// `s3[-fips][.dualstack].<region>.<suffix>` and `s3-accelerate[.dualstack].<suffix>`, the suffix by partition.
    Partitions(&'static [Partition]),
    /// `<account id>[.<jurisdiction>].<suffix>`
    AccountHost {
        /// What follows the account's id and the jurisdiction.
        suffix: &'static str,
        /// Lower-case hexadecimal digits of an account's id.
        account_id_hex_digits: usize,
        /// The jurisdictions that have hosts of their own.
        jurisdictions: &'static [&'static str],
    },
    /// `s3.<region>.<suffix>`
    RegionHost {
        /// What follows the region.
        suffix: &'static str,
    },
    /// The provider has no hosts of its own: an endpoint must be given.
    CustomOnly,
}

/// A group of regions that share a domain and what their hosts can do.
#[derive(Debug)]
pub struct Partition {
    /// Its name at the vendor.
    pub id: &'static str,
    /// What its hosts end with.
    pub dns_suffix: &'static str,
    /// Its regions, sorted.
    pub regions: &'static [&'static str],
    /// It has FIPS 140 hosts for S3.
    pub fips: bool,
    /// It has hosts for transfer acceleration.
    pub accelerate: bool,
}

/// Which regions a provider has, and which one a request is signed with.
#[derive(Debug)]
pub enum RegionRule {
    /// These and no others on the provider's own hosts; any on a custom endpoint.
    Closed {
        /// The regions, in the order in which people are shown them.
        names: &'static [&'static str],
        /// What a request is signed with when no region is named; `None` where one must be named.
        default: Option<&'static str>,
        /// The name of the endpoint that has no region in its host.
        global: Option<GlobalRegion>,
    },
    /// Any region: it is a word in the operator's own configuration.
    Any {
        /// What a request is signed with when no region is named.
        default: &'static str,
    },
}

/// A name in place of a region, for the hosts that have no region in them.
#[derive(Debug)]
pub struct GlobalRegion {
    /// As people write it where a region is asked for.
    pub name: &'static str,
    /// The region that requests are signed with.
    pub signs_as: &'static str,
}

/// Where the bucket stands in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// `https://host/bucket/key`
    Path,
    /// `https://bucket.host/key`, for buckets whose name can stand in a host name; path style for the others.
    VirtualHost,
}

/// An ending of bucket names that marks another kind of bucket.
#[derive(Debug)]
pub struct ReservedSuffix {
    /// How such names end.
    pub suffix: &'static str,
    /// What they name.
    pub names: &'static str,
}

/// How long a provider's own keys are, in bytes.
#[derive(Debug)]
pub struct CredentialRule {
    /// Bytes of an access key id.
    pub access_key_id: RangeInclusive<usize>,
    /// Bytes of a secret access key.
    pub secret_access_key: RangeInclusive<usize>,
}

/// A storage class under S3's own name, and whatever else callers call it.
#[derive(Debug, PartialEq, Eq)]
pub struct StorageClass {
    /// As it is sent: `GLACIER_IR`.
    pub name: &'static str,
    /// As callers also write it: `GLACIER_INSTANT_RETRIEVAL`.
    pub aliases: &'static [&'static str],
    /// An object in it is read only after somebody had it restored, which takes minutes or hours.
    pub is_archive: bool,
}

impl StorageClass {
    /// A class that has one name, and whose objects are read at once.
    pub const fn named(name: &'static str) -> Self {
        Self { name, aliases: &[], is_archive: false }
    }
}

/// A storage class that is not for ordinary buckets.
#[derive(Debug)]
pub struct RefusedStorageClass {
    /// Its name.
    pub name: &'static str,
    /// Why not, as the rest of a sentence that begins with its name.
    pub reason: &'static str,
}

/// Encryption at rest, at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Keys that the provider keeps, AES256.
    SseS3,
    /// Keys in the provider's key management service.
    SseKms,
}

impl Encryption {
    /// As callers of the upload API write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SseS3 => "SSE-S3",
            Self::SseKms => "SSE-KMS",
        }
    }
}

/// How an operator says what an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyRule {
    /// Policy documents in IAM's language, attached to users and to buckets.
    Documents {
        /// The partition in ARNs, where the region does not decide it.
        arn_partition: &'static str,
        /// Rights on the keys of its key management service are granted in the same documents.
        grants_keys: bool,
    },
    /// No such documents. What to do instead, as a sentence without its full stop.
    Otherwise(&'static str),
}

/// How an operator says which pages may use a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorsSupport {
    /// By rules on the bucket.
    Bucket,
    /// Not by bucket. What to do instead, as a sentence without its full stop.
    Otherwise(&'static str),
}

/// A provider's limits.
#[derive(Debug)]
pub struct Limits {
    /// Bytes of the largest object.
    pub object_bytes_max: u64,
    /// Bytes of the largest single PUT.
    pub put_bytes_max: u64,
    /// Bytes of a part of a multipart upload. The last part may be smaller.
    pub part_bytes: RangeInclusive<u64>,
    /// Parts of one upload, which are numbered from 1.
    pub parts_max: u16,
    /// Seconds that a presigned URL may live.
    pub presign_seconds_max: u32,
    /// Keys of one `DeleteObjects`.
    pub delete_batch_max: usize,
}

/// What a provider can do beyond the least.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are facts that do not depend on one another")]
pub struct Features {
    /// Host names for transfer acceleration.
    pub accelerate: bool,
    /// Hosts that IPv6 reaches, under names of their own.
    pub dualstack: bool,
    /// FIPS 140 hosts.
    pub fips: bool,
    /// A checksum may follow a body in chunks without signatures (`STREAMING-UNSIGNED-PAYLOAD-TRAILER`).
    pub trailers: bool,
    /// Browsers may post a file in a form, with a signed policy (`PostObject`).
    pub forms: bool,
    /// A `PutObject` or `CompleteMultipartUpload` with `If-None-Match: *` overwrites nothing.
    pub conditional_writes: bool,
}
