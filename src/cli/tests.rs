//! The subcommands as a person meets them: a line is parsed, run on a configuration, and what it wrote is read.

use clap::{CommandFactory, Parser};
use serde_json::{Value, json};
use wharf_wire::date::Timestamp;

use super::*;
use crate::config::{self, Environment};

/// The time of the examples in the S3 documentation, 2013-05-24T00:00:00Z, and a little.
const NOW: Timestamp = Timestamp::from_unix_millis(1_369_353_600_999);

/// What a line writes: to standard output, and to standard error.
fn run(line: &str) -> Result<(String, String), String> {
    let arguments = std::iter::once("wharf").chain(line.split(' '));
    let parsed = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let result = match parsed.command.as_ref().unwrap_or(&Command::Serve) {
        Command::Check => check::run(parsed.config.as_deref(), &Environment::default(), &mut out).map(|_| ()),
        Command::Presign(arguments) => presign::run(arguments, &config(), NOW, &mut out, &mut notes),
        Command::Credentials(arguments) => credentials::run(arguments, &with_sealing_key(), NOW, &mut out),
        Command::Policy(arguments) => policy::run(arguments, &config(), &mut out),
        Command::Providers(arguments) => providers::run(arguments, wharf_plugins::PROVIDERS, &mut out),
        Command::Completions(arguments) => completions::run(arguments, &mut Cli::command(), &mut out),
        Command::Man(arguments) => completions::run_man(arguments, Cli::command(), &mut out),
        Command::Serve | Command::Demo(_) => return Err("serves until it is stopped".to_owned()),
        Command::Sync(_) | Command::Restore(_) | Command::Mirror(_) => {
            return Err("opens the database; tests/it does".to_owned());
        }
        Command::Test(_) => return Err("asks a provider; tests/it does".to_owned()),
    };
    result.map_err(|error| error.to_string())?;
    Ok((String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap()))
}

/// The configuration with a sealing key, so that none is made in a directory.
fn with_sealing_key() -> Config {
    let mut config = config();
    config.server.sealing_keys = vec!["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".into()];
    config
}

fn written(line: &str) -> String {
    run(line).unwrap().0
}

fn json(line: &str) -> Value {
    serde_json::from_str(&written(line)).unwrap()
}

const CONFIG: &str = r#"
[upload.cors]
origins = ["https://app.example.com"]
max_age_seconds = 600

[providers]
global = { plugin = "s3", region = "aws-global", access_key_id = "AKIAIOSFODNN7EXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" }
ireland = { plugin = "s3", region = "eu-west-1", access_key_id = "AKIAIOSFODNN7EXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" }
beijing = { plugin = "s3", region = "cn-north-1", access_key_id = "AKIAIOSFODNN7EXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" }
wasabi = { plugin = "wasabi", region = "eu-central-1", access_key_id = "id", secret_access_key = "secret" }
minio = { plugin = "minio", endpoint = "http://127.0.0.1:9000", access_key_id = "id", secret_access_key = "secret" }
r2 = { plugin = "r2", account_id = "0123456789abcdef0123456789abcdef", access_key_id = "id", secret_access_key = "secret" }

[[keys]]
id = "signs"
secret = "wharf-secret-0123456789abcdef"
allow = [{ bucket = "*", actions = ["read", "list"] }]

[buckets]
example = { provider = "global", bucket = "examplebucket" }
photos = { provider = "ireland", bucket = "acme-photos", key_prefix = "uploads/", storage_class = "STANDARD_IA" }
chinese = { provider = "beijing", bucket = "acme-china" }
public = { provider = "wasabi", bucket = "acme-public", public = true }
local = { provider = "minio", bucket = "local" }
r2 = { provider = "r2", bucket = "acme" }

[buckets.key-by-id]
provider = "ireland"
bucket = "secrets"
encryption = { type = "SSE-KMS", key_id = "1234abcd-12ab-34cd-56ef-1234567890ab" }
[buckets.key-by-arn]
provider = "ireland"
bucket = "secrets"
encryption = { type = "SSE-KMS", key_id = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd" }
[buckets.key-by-alias]
provider = "ireland"
bucket = "secrets"
encryption = { type = "SSE-KMS", key_id = "arn:aws:kms:eu-west-1:111122223333:alias/photos" }
[buckets.mirrored]
provider = "ireland"
bucket = "acme-films"
[[buckets.mirrored.mirrors]]
provider = "beijing"
bucket = "acme-films-copy"
key_prefix = "films/"
"#;

fn config() -> Config {
    config::from_toml_text(CONFIG, &Environment::default()).unwrap()
}

#[test]
fn presign_prints_the_url_that_the_s3_documentation_prints() {
    // https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    let expected = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
                    &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
                    &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
                    &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404\n";
    assert_eq!(run("presign get example test.txt --expires 1d"), Ok((expected.to_owned(), String::new())));
}

#[test]
fn presign_put_uses_the_buckets_prefix_and_class_and_tells_the_headers() {
    let answer = json("presign put photos süd.jpg --json --content-type image/jpeg");
    let url = answer["url"].as_str().unwrap();
    assert!(url.starts_with("https://acme-photos.s3.eu-west-1.amazonaws.com/uploads/s%C3%BCd.jpg?"), "{url}");
    assert!(url.contains("&x-amz-storage-class=STANDARD_IA"), "{url}");
    assert_eq!(
        (&answer["method"], &answer["key"], &answer["expiresIn"], &answer["expiresAt"]),
        (&json!("PUT"), &json!("uploads/süd.jpg"), &json!(3600), &json!("2013-05-24T01:00:00.000Z"))
    );
    assert_eq!(answer["requiredHeaders"], json!({"content-type": "image/jpeg"}));

    let (url, notes) = run("presign put key-by-id a --storage-class GLACIER_INSTANT_RETRIEVAL").unwrap();
    assert!(url.contains("X-Amz-SignedHeaders=host%3Bx-amz-server-side-encryption%3B"), "{url}");
    assert!(url.contains("&x-amz-storage-class=GLACIER_IR"), "{url}");
    assert_eq!(
        notes,
        "send this header with the request: x-amz-server-side-encryption: aws:kms\n\
         send this header with the request: x-amz-server-side-encryption-aws-kms-key-id: \
         1234abcd-12ab-34cd-56ef-1234567890ab\n"
    );
}

#[test]
fn presign_get_names_version_and_type() {
    let url = written("presign get photos a --version-id v/1 --content-type text/plain");
    assert!(url.contains("versionId=v%2F1"), "{url}");
    assert!(url.contains("response-content-type=text%2Fplain"), "{url}");
}

#[test]
fn presign_says_what_would_do_instead() {
    let error = |line| run(line).unwrap_err();
    assert!(
        error("presign get nothing a").contains("no configured bucket `nothing`; there is chinese, example,")
    );
    assert!(error("presign put r2 a --storage-class GLACIER").contains("there is STANDARD, STANDARD_IA"));
    assert!(
        error("presign get photos a --expires 8d")
            .contains("presigned URLs for other than 1 to 604800 seconds")
    );
    assert!(error("presign get photos a --expires 0").contains("other than 1 to"));
    assert!(error("presign get photos ").contains("the key cannot be"), "an empty key under a prefix");
}

#[test]
fn the_iam_policy_holds_the_wanted_rights_on_the_prefix_and_no_more() {
    assert_eq!(
        json("policy photos --for iam"),
        json!({
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "WharfObjects",
                    "Effect": "Allow",
                    "Action": [
                        "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:GetObjectVersion",
                        "s3:ListMultipartUploadParts", "s3:PutObject",
                    ],
                    "Resource": ["arn:aws:s3:::acme-photos/uploads/*"],
                },
                {
                    "Sid": "WharfBucket",
                    "Effect": "Allow",
                    "Action": ["s3:ListBucket", "s3:ListBucketVersions"],
                    "Resource": ["arn:aws:s3:::acme-photos"],
                    "Condition": {"StringLike": {"s3:prefix": "uploads/*"}},
                },
                {
                    "Sid": "WharfUploads",
                    "Effect": "Allow",
                    "Action": ["s3:ListBucketMultipartUploads"],
                    "Resource": ["arn:aws:s3:::acme-photos"],
                },
            ],
        })
    );
    let statements = &json("policy photos --for iam --rights read")["Statement"];
    assert_eq!(statements.as_array().unwrap().len(), 1);
    assert_eq!(statements[0]["Action"], json!(["s3:GetObject", "s3:GetObjectVersion"]));
}

#[test]
fn a_mirrored_bucket_and_its_mirror_have_tags() {
    let actions = json!([
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:DeleteObjectTagging",
        "s3:GetObject",
        "s3:GetObjectTagging",
        "s3:GetObjectVersion",
        "s3:GetObjectVersionTagging",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
        "s3:PutObjectTagging",
    ]);
    for (line, objects) in [
        ("policy mirrored --for iam", "arn:aws:s3:::acme-films/*"),
        ("policy mirrored --for iam --mirror beijing", "arn:aws-cn:s3:::acme-films-copy/films/*"),
    ] {
        let statement = json(line)["Statement"][0].clone();
        assert_eq!((&statement["Action"], &statement["Resource"]), (&actions, &json!([objects])), "{line}");
    }
    let unknown = run("policy mirrored --mirror wasabi").unwrap_err();
    assert_eq!(unknown, "there is no configured mirror `wasabi`; there is beijing");
}

#[test]
fn arns_are_of_the_partition_of_the_region() {
    for (bucket, arn) in [
        ("chinese", "arn:aws-cn:s3:::acme-china/*"),
        ("example", "arn:aws:s3:::examplebucket/*"),
        ("public", "arn:aws:s3:::acme-public/*"),
        ("local", "arn:aws:s3:::local/*"),
    ] {
        let policy = json(&format!("policy {bucket} --for iam"));
        assert_eq!(policy["Statement"][0]["Resource"], json!([arn]), "{bucket}");
    }
}

#[test]
fn rights_on_a_kms_key_follow_how_it_is_named() {
    let statement = |bucket| json(&format!("policy {bucket} --for iam"))["Statement"][2].clone();
    let by_id = statement("key-by-id");
    assert_eq!(by_id["Action"], json!(["kms:Decrypt", "kms:GenerateDataKey"]));
    assert_eq!(
        by_id["Resource"],
        json!(["arn:aws:kms:eu-west-1:*:key/1234abcd-12ab-34cd-56ef-1234567890ab"])
    );
    assert_eq!(
        statement("key-by-arn")["Resource"],
        json!(["arn:aws:kms:eu-west-1:111122223333:key/1234abcd"])
    );
    let by_alias = statement("key-by-alias");
    assert_eq!(by_alias["Resource"], json!(["arn:aws:kms:eu-west-1:*:key/*"]));
    assert_eq!(
        by_alias["Condition"],
        json!({"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/photos"}})
    );
    assert_eq!(json("policy key-by-id --for iam --rights list")["Statement"].as_array().unwrap().len(), 1);
}

#[test]
fn the_bucket_policy_opens_what_is_public_and_refuses_plain_http() {
    let statements = json("policy public --for bucket")["Statement"].clone();
    assert_eq!(statements.as_array().unwrap().len(), 2);
    assert_eq!(
        statements[0],
        json!({
            "Sid": "PublicRead", "Effect": "Allow", "Principal": {"AWS": "*"},
            "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::acme-public/*"],
        })
    );
    assert_eq!(statements[1]["Effect"], json!("Deny"));
    assert_eq!(statements[1]["Condition"], json!({"Bool": {"aws:SecureTransport": "false"}}));

    let role = "arn:aws:iam::111122223333:role/wharf";
    let statements = json(&format!("policy local --for bucket --principal {role}"))["Statement"].clone();
    assert_eq!(statements.as_array().unwrap().len(), 3, "no TLS rule behind a custom endpoint");
    assert_eq!(statements[0]["Principal"], json!({"AWS": role}));
    assert_eq!(
        run("policy local --for bucket"),
        Err("The IAM policy alone is enough for a private bucket of one's own.".to_owned())
    );
}

#[test]
fn cors_rules_let_the_configured_origins_upload_by_every_way_and_read_the_etag() {
    assert_eq!(
        json("policy photos --for cors"),
        json!([{
            "AllowedOrigins": ["https://app.example.com"],
            "AllowedMethods": ["GET", "HEAD", "PUT", "POST", "DELETE"],
            "AllowedHeaders": [
                "content-type", "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id",
            ],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 600,
        }])
    );
    assert_eq!(json("policy r2 --for cors")[0]["AllowedHeaders"], json!(["content-type"]));
}

#[test]
fn a_provider_that_takes_no_document_says_what_to_do_instead() {
    let instead = "Make an API token with the permission Object Read & Write, applied to this bucket alone.";
    assert_eq!(run("policy r2 --for iam"), Err(instead.to_owned()));
    assert!(run("policy local --for cors").unwrap_err().starts_with("Set MINIO_API_CORS_ALLOW_ORIGIN "));
    let all = written("policy r2");
    assert!(all.contains(&format!("# Bucket policy: none. {instead}\n")), "{all}");
    assert!(all.contains("# CORS rules\n[\n"), "{all}");
}

#[test]
fn providers_are_shown_as_their_profiles_state_them() {
    let table = written("providers");
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 1 + wharf_plugins::PROVIDERS.len());
    for (line, plugin) in lines[1..].iter().zip(wharf_plugins::PROVIDERS) {
        assert!(line.starts_with(plugin.profile().kind) && line.contains(plugin.profile().title), "{line}");
    }
    let column = lines[0].find("ENCRYPTION").unwrap();
    assert!(lines[1..].iter().all(|line| line[column - 2..].starts_with("  SSE-")), "{table}");

    let s3 = &json("providers s3 --json")[0];
    assert_eq!(s3["hosts"], json!(["accelerate", "dualstack", "FIPS"]));
    assert!(s3["regions"].as_array().unwrap().contains(&json!("eu-west-1")));
    assert_eq!(json("providers --json").as_array().unwrap().len(), wharf_plugins::PROVIDERS.len());
    assert!(written("providers minio").contains("\nregions             any\n"));
    assert!(run("providers ftp").unwrap_err().contains("no provider plugin `ftp`; there is s3, "));
}

#[test]
fn every_shell_gets_a_script_that_knows_the_subcommands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = written(&format!("completions {shell}"));
        assert!(script.contains("presign") && script.contains("storage-class"), "{shell}");
    }
    assert!(run("completions tcsh").is_err());
}

#[test]
fn there_is_a_page_for_the_program_and_for_each_subcommand() {
    let titles = ["man", "man presign", "man presign put"].map(|line| {
        let page = written(line);
        page.lines().find(|line| line.starts_with(".TH")).unwrap().to_owned()
    });
    assert_eq!(
        titles,
        [
            concat!(".TH wharf 1  \"wharf ", env!("CARGO_PKG_VERSION"), "\" "),
            concat!(".TH wharf-presign 1  \"wharf ", env!("CARGO_PKG_VERSION"), "\" "),
            concat!(".TH wharf-presign-put 1  \"wharf ", env!("CARGO_PKG_VERSION"), "\" "),
        ]
    );
    assert!(written("man presign put").contains("storage class"));
    let unknown = run("man fly").unwrap_err();
    assert!(
        unknown.contains("no subcommand `fly`; there is ")
            && unknown.contains("presign, credentials, policy"),
        "{unknown}"
    );
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let failed = |kind: io::ErrorKind| CliError::Output(kind.into());
    assert!(failed(io::ErrorKind::BrokenPipe).is_closed_pipe());
    assert!(!failed(io::ErrorKind::StorageFull).is_closed_pipe());
}

#[test]
fn an_empty_choice_is_said_to_be_empty() {
    let error = CliError::Unknown { what: "configured bucket", name: "photos".to_owned(), known: Vec::new() };
    assert_eq!(
        error.to_string(),
        "there is no configured bucket `photos`, and no other; `wharf check` says which file was read"
    );
}

#[test]
fn credentials_are_what_sdks_read_from_a_process() {
    let made = json("credentials signs --expires 15m --read-only");
    assert_eq!(
        (made["Version"].as_u64(), made["Expiration"].as_str()),
        (Some(1), Some("2013-05-24T00:15:00.999Z"))
    );
    assert!(made["AccessKeyId"].as_str().unwrap().starts_with("WHARFSESSION"));
    assert!(made["SessionToken"].as_str().unwrap().len() > 100);
    assert!(run("credentials nobody").unwrap_err().contains("no configured key with a secret `nobody`"));
    let other_bucket = run("credentials signs --bucket nowhere").unwrap_err();
    assert!(other_bucket.contains("no configured bucket `nowhere`"), "{other_bucket}");
}
