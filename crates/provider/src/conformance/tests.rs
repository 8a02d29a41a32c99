//! Each check is seen failing on one wrong fact, or on one verb that does another thing than the facts say, and no
//! other check fails with it.

use std::ops::RangeInclusive;

use wharf_wire::{
    date::Timestamp,
    names::{BucketName, ObjectKey},
    sigv4::{SigningKey, presign::Series},
};

use super::*;
use crate::{
    Account, Addressing, CorsSupport, CredentialRule, Encryption, EndpointRule, Features, FormError,
    FormRequest, GetOptions, Limits, Partition, PartsRequest, PolicyRule, PresignError, PresignRequest,
    Presigned, Profile, PutOptions, RefusedStorageClass, RegionRule, ReservedSuffix, SettingProblem,
    Settings, SignedForm, Step, StorageClass, Verb,
};

/// A provider that is in order, with hosts by region.
const RIGHT: Profile = Profile {
    kind: "right",
    title: "Right",
    field_prefix: "right",
    endpoint: EndpointRule::RegionHost { suffix: "right.example" },
    regions: RegionRule::Closed { names: &["north-1", "south-1"], default: None, global: None },
    addressing: &[Addressing::Path, Addressing::VirtualHost],
    reserved_bucket_suffixes: &[ReservedSuffix { suffix: "--other", names: "other buckets" }],
    credentials: Some(CredentialRule { access_key_id: 16..=128, secret_access_key: 32..=128 }),
    storage_classes: &[
        StorageClass::named("STANDARD"),
        StorageClass { name: "COLD", aliases: &["FREEZING"], is_archive: true },
    ],
    refused_storage_classes: &[RefusedStorageClass { name: "HOT", reason: "is for other buckets" }],
    encryption: &[Encryption::SseS3, Encryption::SseKms],
    encrypts_unasked: true,
    policies: documents("right", false),
    cors: CorsSupport::Bucket,
    limits: Limits {
        object_bytes_max: 10,
        put_bytes_max: 5,
        part_bytes: 2..=5,
        parts_max: 10,
        presign_seconds_max: 604_800,
        delete_batch_max: 1000,
    },
    features: Features {
        accelerate: false,
        dualstack: false,
        fips: false,
        trailers: false,
        forms: true,
        conditional_writes: false,
    },
    links: &["https://right.example/docs"],
};

/// One that is in order, with hosts by account.
const BY_ACCOUNT: Profile = Profile {
    endpoint: account_hosts(32, &["eu"]),
    regions: RegionRule::Closed { names: &["auto"], default: Some("auto"), global: None },
    ..RIGHT
};

/// One that is in order, with hosts by partition.
const BY_PARTITION: Profile = Profile {
    endpoint: EndpointRule::Partitions(&[partition("one", &["north-1"]), partition("two", &["south-1"])]),
    features: Features {
        accelerate: true,
        dualstack: true,
        fips: true,
        trailers: true,
        forms: false,
        conditional_writes: true,
    },
    ..RIGHT
};

/// One that is in order, without hosts of its own.
const CUSTOM: Profile = Profile {
    endpoint: EndpointRule::CustomOnly,
    regions: RegionRule::Any { default: "us-east-1" },
    credentials: None,
    encryption: &[Encryption::SseS3],
    encrypts_unasked: false,
    policies: PolicyRule::Otherwise("do it by hand"),
    cors: CorsSupport::Otherwise("do it by hand"),
    ..RIGHT
};

const fn account_hosts(account_id_hex_digits: usize, jurisdictions: &'static [&'static str]) -> EndpointRule {
    EndpointRule::AccountHost { suffix: "right.example", account_id_hex_digits, jurisdictions }
}

const fn partition(id: &'static str, regions: &'static [&'static str]) -> Partition {
    Partition { id, dns_suffix: "right.example", regions, fips: true, accelerate: true }
}

/// A provider that says this of itself.
struct Says(&'static Profile);

impl Provider for Says {
    fn profile(&self) -> &'static Profile {
        self.0
    }
}

/// Says what is right, and signs something else than it is asked to.
struct Signs(for<'a> fn(Verb<'a>) -> Verb<'a>);

impl Provider for Signs {
    fn profile(&self) -> &'static Profile {
        Says(&RIGHT).profile()
    }
    fn presign(
        &self,
        account: &Account,
        request: &PresignRequest<'_>,
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<Presigned, PresignError> {
        let other = PresignRequest { verb: (self.0)(request.verb), ..*request };
        Says(&RIGHT).presign(account, &other, key, now)
    }
}

/// Says what is right, and signs another form than it is asked to.
struct Forms(for<'a> fn(PutOptions<'a>) -> PutOptions<'a>);

impl Provider for Forms {
    fn profile(&self) -> &'static Profile {
        Says(&RIGHT).profile()
    }
    fn form(
        &self,
        account: &Account,
        request: &FormRequest<'_>,
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<SignedForm, FormError> {
        let other = FormRequest { options: (self.0)(request.options), ..*request };
        Says(&RIGHT).form(account, &other, key, now)
    }
}

/// Says what is right, and binds other settings than it is given.
struct Binds(fn(Settings) -> Settings);

impl Provider for Binds {
    fn profile(&self) -> &'static Profile {
        Says(&RIGHT).profile()
    }
    fn bind(&self, settings: Settings) -> Result<Account, Vec<SettingProblem>> {
        Says(&RIGHT).bind((self.0)(settings))
    }
}

/// Says what is right, and signs the parts of another upload.
struct SignsPartsElsewhere;

impl Provider for SignsPartsElsewhere {
    fn profile(&self) -> &'static Profile {
        Says(&RIGHT).profile()
    }
    fn presign_parts(
        &self,
        account: &Account,
        request: &PartsRequest<'_>,
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<Series, PresignError> {
        Says(&RIGHT).presign_parts(account, &PartsRequest { upload_id: "another", ..*request }, key, now)
    }
}

/// Says what is right, and calls every object public at one address.
struct Publishes(&'static str);

impl Provider for Publishes {
    fn profile(&self) -> &'static Profile {
        Says(&RIGHT).profile()
    }
    fn public_url(&self, _: &Account, _: &BucketName, _: &ObjectKey) -> String {
        self.0.to_owned()
    }
}

const fn documents(arn_partition: &'static str, grants_keys: bool) -> PolicyRule {
    PolicyRule::Documents { arn_partition, grants_keys }
}

const fn regions(names: &'static [&'static str]) -> RegionRule {
    RegionRule::Closed { names, default: None, global: None }
}

const fn sizes(object_bytes_max: u64, put_bytes_max: u64) -> Limits {
    Limits { object_bytes_max, put_bytes_max, ..RIGHT.limits }
}

const ELSEWHERE: EndpointRule =
    EndpointRule::Partitions(&[partition("one", &["north-1"]), partition("two", &["south-1", "west-1"])]);

/// Providers that are wrong in one thing, under the check that finds it.
const WRONG: &[(&str, &dyn Provider)] = &[
    ("names", &Says(&Profile { kind: "Right Store", ..RIGHT })),
    ("names", &Says(&Profile { field_prefix: "", ..RIGHT })),
    ("names", &Says(&Profile { title: "", ..RIGHT })),
    ("links", &Says(&Profile { links: &[], ..RIGHT })),
    ("links", &Says(&Profile { links: &["http://right.example"], ..RIGHT })),
    ("regions", &Says(&Profile { regions: regions(&["north-1", "north-1"]), ..RIGHT })),
    ("unknown regions", &Says(&Profile { regions: RegionRule::Any { default: "north-1" }, ..RIGHT })),
    ("partitions", &Says(&Profile { endpoint: ELSEWHERE, ..BY_PARTITION })),
    ("hosts", &Says(&Profile { endpoint: EndpointRule::RegionHost { suffix: "right_.example" }, ..RIGHT })),
    ("account ids", &Says(&Profile { endpoint: account_hosts(0, &["eu"]), ..BY_ACCOUNT })),
    ("jurisdictions", &Says(&Profile { endpoint: account_hosts(32, &[""]), ..BY_ACCOUNT })),
    ("addressing", &Says(&Profile { addressing: &[Addressing::Path, Addressing::Path], ..RIGHT })),
    (
        "reserved buckets",
        &Says(&Profile {
            reserved_bucket_suffixes: &[ReservedSuffix { suffix: "--OTHER", names: "other buckets" }],
            ..RIGHT
        }),
    ),
    (
        "credentials",
        &Says(&Profile {
            credentials: Some(CredentialRule { access_key_id: 16..=256, secret_access_key: 32..=128 }),
            ..RIGHT
        }),
    ),
    ("switches", &Says(&Profile { features: Features { accelerate: true, ..RIGHT.features }, ..RIGHT })),
    ("switches", &Says(&Profile { features: Features { dualstack: true, ..RIGHT.features }, ..RIGHT })),
    ("switches", &Says(&Profile { features: Features { fips: true, ..RIGHT.features }, ..RIGHT })),
    ("trailers", &Says(&Profile { features: Features { trailers: true, ..RIGHT.features }, ..CUSTOM })),
    ("form endpoints", &Binds(|settings| Settings { forms: Some(true), ..settings })),
    (
        "conditional writes",
        &Says(&Profile { features: Features { conditional_writes: true, ..RIGHT.features }, ..CUSTOM }),
    ),
    ("policies", &Says(&Profile { policies: documents("a:b", false), ..RIGHT })),
    (
        "policies",
        &Says(&Profile { encryption: &[Encryption::SseS3], policies: documents("right", true), ..RIGHT }),
    ),
    ("policies", &Says(&Profile { policies: PolicyRule::Otherwise("Do it."), ..RIGHT })),
    ("browser rules", &Says(&Profile { cors: CorsSupport::Otherwise(""), ..RIGHT })),
    ("sizes", &Says(&Profile { limits: sizes(5, 10), ..RIGHT })),
    ("sizes", &Says(&Profile { limits: sizes(5, 0), ..RIGHT })),
    ("part sizes", &Says(&Profile { limits: Limits { parts_max: 10_001, ..RIGHT.limits }, ..RIGHT })),
    ("part sizes", &Says(&Profile { limits: Limits { part_bytes: 0..=5, ..RIGHT.limits }, ..RIGHT })),
    (
        "part sizes",
        &Says(&Profile { limits: Limits { part_bytes: RangeInclusive::new(6, 5), ..RIGHT.limits }, ..RIGHT }),
    ),
    ("batches", &Says(&Profile { limits: Limits { delete_batch_max: 0, ..RIGHT.limits }, ..RIGHT })),
    ("batches", &Says(&Profile { limits: Limits { delete_batch_max: 1001, ..RIGHT.limits }, ..RIGHT })),
    (
        "storage classes",
        &Says(&Profile {
            storage_classes: &[
                StorageClass::named("STANDARD"),
                StorageClass { name: "COLD", aliases: &["STANDARD"], is_archive: false },
            ],
            ..RIGHT
        }),
    ),
    (
        "storage classes",
        &Says(&Profile {
            storage_classes: &[StorageClass::named("STANDARD"), StorageClass::named("GLACIER")],
            ..RIGHT
        }),
    ),
    (
        "refused storage classes",
        &Says(&Profile {
            refused_storage_classes: &[RefusedStorageClass { name: "COLD", reason: "is for others" }],
            ..RIGHT
        }),
    ),
    ("encryption", &Says(&Profile { encryption: &[Encryption::SseKms], ..RIGHT })),
    ("expiry", &Says(&Profile { limits: Limits { presign_seconds_max: 604_801, ..RIGHT.limits }, ..RIGHT })),
    ("presigned uploads", &Signs(forgets_metadata)),
    ("presigned downloads", &Signs(forgets_the_version)),
    ("uploads in parts", &Signs(forgets_the_part)),
    ("forms", &Forms(forgets_the_class)),
    ("presigned parts", &SignsPartsElsewhere),
    ("public addresses", &Publishes("https://right.example/photos/a")),
];

fn forgets_metadata(verb: Verb<'_>) -> Verb<'_> {
    match verb {
        Verb::Put(put) => Verb::Put(PutOptions { metadata: &[], ..put }),
        other @ (Verb::Get(_) | Verb::Head | Verb::Delete | Verb::Multipart(_)) => other,
    }
}

fn forgets_the_version(verb: Verb<'_>) -> Verb<'_> {
    match verb {
        Verb::Get(get) => Verb::Get(GetOptions { version_id: None, ..get }),
        other @ (Verb::Put(_) | Verb::Head | Verb::Delete | Verb::Multipart(_)) => other,
    }
}

fn forgets_the_part(verb: Verb<'_>) -> Verb<'_> {
    match verb {
        Verb::Multipart(Step::Part { upload_id, .. }) => Verb::Multipart(Step::List(upload_id)),
        other @ (Verb::Put(_) | Verb::Get(_) | Verb::Head | Verb::Delete | Verb::Multipart(_)) => other,
    }
}

fn forgets_the_class(put: PutOptions<'_>) -> PutOptions<'_> {
    PutOptions { storage_class: None, ..put }
}

#[test]
fn what_is_right_passes() {
    for profile in [&RIGHT, &BY_ACCOUNT, &BY_PARTITION, &CUSTOM] {
        assert_eq!(failures(&Says(profile)), [], "{:?}", profile.endpoint);
    }
}

#[test]
fn each_wrong_fact_fails_its_check_and_no_other() {
    for (check, provider) in WRONG {
        let failures = failures(*provider);
        let names: Vec<_> = failures.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [*check], "{failures:#?}");
    }
}

#[test]
fn each_check_is_seen_failing() {
    for check in CHECKS {
        assert!(WRONG.iter().any(|(name, _)| *name == check.name), "nothing fails {}", check.name);
    }
}
