//! AWS's own endpoint tests, as botocore carries them (`scripts/generate_s3_data.py` cuts them down to data).
//!
//! Every case belongs to one of three kinds, and the totals are fixed, so that none drops out unseen:
//!
//! | kind | what must hold |
//! |---|---|
//! | ordinary | the same URL and signing region, or a refusal where AWS refuses, of the setting that AWS names |
//! | another kind of bucket | a name that addresses access points, Outposts, Express buckets or object lambda is refused |
//! | another operation | `UseObjectLambdaEndpoint` and `UseS3ExpressControlEndpoint` without a bucket: Wharf has no such operation, so there is no request that it could refuse |
//!
//! How AWS's parameters become settings:
//!
//! | parameter | setting |
//! |---|---|
//! | `Region`, `Endpoint`, `UseFIPS`, `UseDualStack`, `Accelerate` | the setting of that name |
//! | `ForcePathStyle` | `addressing = "path"` |
//! | `UseGlobalEndpoint` | the region `aws-global`, where AWS heeds it: for `us-east-1`. Not with dualstack acceleration, whose one host AWS's rules give two names: with the region in it for `aws-global`, without it here |
//! | `Key`, `Prefix`, `CopySource`, `UseArnRegion`, `Disable…` | nothing: no ordinary case depends on them |

#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

use std::collections::BTreeMap;

use serde::Deserialize;
use wharf_plugins::by_kind;
use wharf_provider::{Account, Addressing, Location, Settings};
use wharf_wire::{
    names::{BucketName, ObjectKey},
    sigv4::{AccessKeyId, Credentials},
};

#[derive(Deserialize)]
struct Case {
    index: usize,
    params: Params,
    url: Option<String>,
    signing_region: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "they are AWS's")]
struct Params {
    bucket: Option<String>,
    region: Option<String>,
    endpoint: Option<String>,
    #[serde(rename = "UseFIPS")]
    use_fips: bool,
    use_dual_stack: bool,
    accelerate: bool,
    force_path_style: bool,
    use_global_endpoint: bool,
    use_object_lambda_endpoint: bool,
    use_s3_express_control_endpoint: bool,
}

/// What AWS says when it refuses an ordinary case, and the setting that Wharf names.
const REFUSALS: &[(&str, &str)] = &[
    ("Invalid region: region was not a valid DNS name.", "region"),
    ("A region must be set when sending requests to S3.", "region"),
    ("Partition does not support FIPS", "fips"),
    ("A custom endpoint cannot be combined with FIPS", "fips"),
    ("Accelerate cannot be used with FIPS", "accelerate"),
    ("Cannot set dual-stack in combination with a custom endpoint.", "dualstack"),
    ("A custom endpoint cannot be combined with S3 Accelerate", "accelerate"),
    ("Path-style addressing cannot be used with S3 Accelerate", "accelerate"),
    ("S3 Accelerate cannot be used in this region", "accelerate"),
    ("Custom endpoint `abcde://nota#url` was not a valid URI", "endpoint"),
];

#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    ordinary_urls: usize,
    ordinary_refusals: usize,
    other_buckets: usize,
    other_operations: usize,
}

#[test]
fn aws_and_wharf_agree() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("data/s3-endpoints.json")).unwrap();
    let mut totals = Totals::default();
    let mut differences = BTreeMap::new();
    for case in &cases {
        let (total, difference) = match kind(&case.params) {
            Kind::OtherOperation => (&mut totals.other_operations, None),
            Kind::OtherBucket => (&mut totals.other_buckets, other_bucket(&case.params)),
            Kind::Ordinary => match &case.error {
                Some(error) => (&mut totals.ordinary_refusals, refusal(&case.params, error)),
                None => (&mut totals.ordinary_urls, url(case)),
            },
        };
        *total += 1;
        differences.extend(difference.map(|difference| (case.index, difference)));
    }
    let refused_names = cases.iter().filter(|case| has_refused_name(&case.params)).count();
    println!("{} cases: {totals:?}, {} differ", cases.len(), differences.len());
    println!(
        "{refused_names} of the ordinary ones have a bucket name that S3 takes no longer, and Wharf neither"
    );
    assert!(differences.is_empty(), "{differences:#?}");
    let expected =
        Totals { ordinary_urls: 121, ordinary_refusals: 41, other_buckets: 217, other_operations: 14 };
    assert_eq!((totals, refused_names), (expected, 42));
}

fn has_refused_name(params: &Params) -> bool {
    matches!(kind(params), Kind::Ordinary)
        && params.bucket.as_deref().is_some_and(|name| BucketName::parse(name).is_err())
}

enum Kind {
    Ordinary,
    OtherBucket,
    OtherOperation,
}

fn kind(params: &Params) -> Kind {
    let is_other = |bucket: &str| bucket.starts_with("arn:") || suffix(bucket).is_some();
    match &params.bucket {
        Some(bucket) if is_other(bucket) => Kind::OtherBucket,
        None if params.use_object_lambda_endpoint || params.use_s3_express_control_endpoint => {
            Kind::OtherOperation
        }
        Some(_) | None => Kind::Ordinary,
    }
}

/// How the names of directory buckets, their access points and those on Outposts end.
fn suffix(bucket: &str) -> Option<&'static str> {
    ["--x-s3", "--xa-s3", "--op-s3"].into_iter().find(|suffix| bucket.ends_with(suffix))
}

fn settings(params: &Params) -> Settings {
    let credentials = Credentials {
        access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        session_token: None,
    };
    let global = params.use_global_endpoint
        && params.region.as_deref() == Some("us-east-1")
        && !(params.use_dual_stack && params.accelerate);
    Settings {
        region: if global { Some("aws-global".to_owned()) } else { params.region.clone() },
        endpoint: params.endpoint.clone(),
        fips: params.use_fips,
        dualstack: params.use_dual_stack,
        accelerate: params.accelerate,
        addressing: params.force_path_style.then_some(Addressing::Path),
        ..Settings::new(credentials)
    }
}

/// A name that Wharf takes goes the way that every request goes. A name older than S3's rules (or that never was one)
/// is refused there, before an account is asked; the account still agrees with AWS on where it would be.
fn locate(account: &Account, bucket: Option<&str>) -> Result<Location, String> {
    let unchecked = account.locate(bucket, None).map_err(|error| error.to_string());
    let key = ObjectKey::parse("a/b").unwrap();
    if let Some(Ok(name)) = bucket.map(BucketName::parse) {
        let checked = account.location(Some(&name), None).map_err(|error| error.to_string());
        assert_eq!(unchecked, checked);
        let object = account.location(Some(&name), Some(&key));
        assert_eq!(checked.is_ok(), object.is_ok());
        if let (Ok(bucket), Ok(object)) = (&checked, object) {
            assert_eq!(object.path, bucket.path.trim_end_matches('/').to_owned() + "/a/b");
        }
    }
    unchecked
}

/// `None` if all is as AWS has it.
fn url(case: &Case) -> Option<String> {
    let account = match by_kind("s3").unwrap().bind(settings(&case.params)) {
        Ok(account) => account,
        Err(problems) => return Some(format!("refused: {problems:?}")),
    };
    let location = match locate(&account, case.params.bucket.as_deref()) {
        Ok(location) => location,
        Err(error) => return Some(format!("refused: {error}")),
    };
    let url = location.url();
    let ours = (url.trim_end_matches('/'), account.region().as_str());
    let theirs = (case.url.as_deref().unwrap(), case.signing_region.as_deref().unwrap());
    (ours != theirs).then(|| format!("{ours:?} in place of {theirs:?}"))
}

fn refusal(params: &Params, error: &str) -> Option<String> {
    let Some((_, setting)) = REFUSALS.iter().find(|(theirs, _)| *theirs == error) else {
        return Some(format!("a refusal without a counterpart: {error}"));
    };
    match by_kind("s3").unwrap().bind(settings(params)) {
        Err(problems) if problems.iter().any(|problem| problem.setting == *setting) => None,
        Err(problems) => Some(format!("refused for another reason than {setting}: {problems:?}")),
        Ok(account) => match locate(&account, params.bucket.as_deref()) {
            Err(error) if *setting == "accelerate" && error.contains("acceleration") => None,
            other => Some(format!("not refused: {other:?}")),
        },
    }
}

/// Its settings may be wrong too (AWS tests that), so the name is tried on an account that can do everything.
fn other_bucket(params: &Params) -> Option<String> {
    let bucket = params.bucket.as_deref().unwrap();
    let account = by_kind("s3")
        .unwrap()
        .bind(settings(&Params { region: Some("us-west-2".to_owned()), ..Params::default() }))
        .unwrap();
    let error = match BucketName::parse(bucket) {
        Err(error) => error.to_string(),
        Ok(name) => match account.location(Some(&name), None) {
            Err(error) => error.to_string(),
            Ok(location) => return Some(format!("not refused: {}", location.url())),
        },
    };
    let named = if bucket.starts_with("arn:") { "ARN" } else { suffix(bucket).unwrap_or_default() };
    // Two of the names hold characters that no name may hold, and are refused for those.
    let is_clear = error.contains(named) || error.contains("a bucket name is made of lower-case letters");
    (!is_clear).then(|| format!("an unclear refusal: {error}"))
}
