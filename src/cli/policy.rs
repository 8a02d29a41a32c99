//! `wharf policy`: the least that an operator has to grant, as documents to paste.
//!
//! Three documents: rights for the account that Wharf signs with (IAM), the bucket's own policy, and the rules that let pages
//! use signed URLs (CORS). What a provider takes, and the partition in its ARNs, are facts of its profile; where it takes no
//! such document, its profile says what to do instead.

use std::{collections::BTreeMap, io::Write};

use clap::{Args, ValueEnum};
use serde::Serialize;
use wharf_provider::{Account, CorsSupport, PolicyRule, cors::rule_for_pages};
use wharf_wire::names::BucketName;

use super::{CliError, configured, configured_provider, one_mirror};
use crate::config::{
    Config,
    checked::{BucketConfig, Cors, EncryptionChoice, MirrorConfig, Origins},
};

/// What `wharf policy` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The bucket's name in the configuration.
    bucket: String,
    /// The mirror of it whose documents are wanted, in place of its own.
    #[arg(long, value_name = "NAME")]
    mirror: Option<String>,
    /// Which document to print; one alone is printed as bare JSON.
    #[arg(long = "for", value_name = "DOCUMENT", value_enum, default_value_t = Wanted::All)]
    wanted: Wanted,
    /// What Wharf is to do with the objects. `wharf test` needs all of it.
    #[arg(long, value_name = "RIGHT", value_enum, value_delimiter = ',', default_values_t = Right::ALL)]
    rights: Vec<Right>,
    /// The ARN of a user or role in another account whom the bucket's own policy is to give these rights.
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wanted {
    /// Rights for the account that Wharf signs with.
    Iam,
    /// The bucket's own policy.
    Bucket,
    /// Rules for browsers.
    Cors,
    /// All three, each under a heading.
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Right {
    /// Sign downloads.
    Read,
    /// Sign uploads, in one piece or in parts.
    Write,
    /// Delete objects, but none of their old versions.
    Delete,
    /// List objects; also, a missing object is told from a forbidden one.
    List,
}

impl Right {
    const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Delete, Self::List];

    /// What it takes on the objects
    /// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>).
    const fn object_actions(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["s3:GetObject", "s3:GetObjectVersion"],
            // Starting, sending and completing the parts of an upload are all PutObject.
            Self::Write => &["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
            // Without `s3:DeleteObjectVersion`: with it, whoever has the key could destroy what versioning keeps.
            Self::Delete => &["s3:DeleteObject"],
            Self::List => &[],
        }
    }

    /// What it takes on their tags, which clients of the S3 endpoint and mirrors know of.
    const fn tag_actions(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["s3:GetObjectTagging", "s3:GetObjectVersionTagging"],
            Self::Write => &["s3:DeleteObjectTagging", "s3:PutObjectTagging"],
            Self::Delete | Self::List => &[],
        }
    }

    /// What it takes on the key that the objects are encrypted with. Parts are decrypted when they are put together
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html>).
    const fn key_actions(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["kms:Decrypt"],
            Self::Write => &["kms:Decrypt", "kms:GenerateDataKey"],
            Self::Delete | Self::List => &[],
        }
    }
}

/// A document as JSON, or why there is none and what to do instead.
type Document = Result<String, String>;

/// Writes the document or documents.
pub fn run(arguments: &Arguments, config: &Config, out: &mut impl Write) -> Result<(), CliError> {
    let (bucket, provider) = configured(config, &arguments.bucket)?;
    let (place, account) = match &arguments.mirror {
        None => (Place::of_bucket(bucket), &provider.account),
        Some(name) => {
            let mirror = one_mirror(bucket, name)?;
            (Place::of_mirror(mirror), &configured_provider(config, &mirror.provider)?.account)
        }
    };
    let has_tags = config.server.s3.is_some() || !bucket.mirrors.is_empty();
    let (rights, principal) = (arguments.rights.as_slice(), arguments.principal.as_deref());
    let subject = Subject { place, account, rights, has_tags, principal };
    let text = render(arguments.wanted, &subject, &config.upload.cors)?;
    out.write_all(text.as_bytes())?;
    Ok(())
}

fn render(wanted: Wanted, subject: &Subject<'_>, cors: &Cors) -> Result<String, CliError> {
    let bare = |document: Document| document.map(|json| json + "\n").map_err(CliError::Refused);
    match wanted {
        Wanted::Iam => bare(subject.iam_policy()),
        Wanted::Bucket => bare(subject.bucket_policy()),
        Wanted::Cors => bare(subject.cors_rules(cors)),
        Wanted::All => Ok([
            section("IAM policy, for the user or role that Wharf signs as", subject.iam_policy()),
            section("Bucket policy", subject.bucket_policy()),
            section("CORS rules", subject.cors_rules(cors)),
        ]
        .join("\n")),
    }
}

fn section(heading: &str, document: Document) -> String {
    match document {
        Ok(json) => format!("# {heading}\n{json}\n"),
        Err(reason) => format!("# {heading}: none. {reason}\n"),
    }
}

/// Where objects are.
struct Place<'a> {
    bucket: &'a BucketName,
    key_prefix: &'a str,
    encryption: Option<&'a EncryptionChoice>,
    public: bool,
}

impl<'a> Place<'a> {
    fn of_bucket(bucket: &'a BucketConfig) -> Self {
        let BucketConfig { bucket, key_prefix, encryption, public, .. } = bucket;
        Self { bucket, key_prefix, encryption: encryption.as_ref(), public: *public }
    }

    fn of_mirror(mirror: &'a MirrorConfig) -> Self {
        let MirrorConfig { bucket, key_prefix, encryption, .. } = mirror;
        Self { bucket, key_prefix, encryption: encryption.as_ref(), public: false }
    }
}

/// Whom and what the documents are about.
struct Subject<'a> {
    place: Place<'a>,
    account: &'a Account,
    rights: &'a [Right],
    /// Whether anybody reads and writes tags.
    has_tags: bool,
    principal: Option<&'a str>,
}

impl Subject<'_> {
    /// Rights for the account that Wharf signs with.
    fn iam_policy(&self) -> Document {
        let partition = self.partition()?;
        let mut statements = vec![];
        statements.extend(self.objects_statement(partition));
        statements.extend(self.bucket_statement(partition));
        statements.extend(self.key_statement(partition));
        statements.extend(self.uploads_statement(partition));
        policy(statements)
    }

    /// The bucket's own policy: rights for another account, reading for everyone if the bucket is public, and no plain HTTP.
    fn bucket_policy(&self) -> Document {
        let partition = self.partition()?;
        let mut statements = vec![];
        if let Some(principal) = self.principal {
            let granted = [
                self.objects_statement(partition),
                self.bucket_statement(partition),
                self.uploads_statement(partition),
            ];
            statements.extend(granted.into_iter().flatten().map(|statement| statement.to(principal)));
        }
        statements.extend(self.place.public.then(|| self.public_statement(partition)));
        statements.extend(self.tls_statement(partition));
        if statements.is_empty() {
            return Err("The IAM policy alone is enough for a private bucket of one's own.".to_owned());
        }
        policy(statements)
    }

    /// The rules that let pages use signed URLs, as the consoles take them
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html>).
    fn cors_rules(&self, cors: &Cors) -> Document {
        if let CorsSupport::Otherwise(instead) = self.account.profile().cors {
            return Err(sentence(instead));
        }
        let origins = match &cors.origins {
            Origins::Any => vec!["*".to_owned()],
            Origins::Listed(origins) => origins.clone(),
        };
        json(&[rule_for_pages(self.account.profile(), &origins, cors.max_age_seconds)])
    }

    fn partition(&self) -> Result<&'static str, String> {
        self.account.profile().arn_partition(self.account.region().as_str()).map_err(sentence)
    }

    fn bucket_arn(&self, partition: &str) -> String {
        format!("arn:{partition}:s3:::{}", self.place.bucket.as_str())
    }

    fn objects_arn(&self, partition: &str) -> String {
        format!("{}/{}*", self.bucket_arn(partition), self.place.key_prefix)
    }

    fn objects_statement(&self, partition: &str) -> Option<Statement> {
        let mut actions = self.actions(Right::object_actions);
        if self.has_tags {
            actions.extend(self.actions(Right::tag_actions));
            actions.sort_unstable();
        }
        Statement::allow("WharfObjects", actions, vec![self.objects_arn(partition)])
    }

    fn bucket_statement(&self, partition: &str) -> Option<Statement> {
        let actions = if self.rights.contains(&Right::List) {
            vec!["s3:ListBucket", "s3:ListBucketVersions"]
        } else {
            vec![]
        };
        let statement = Statement::allow("WharfBucket", actions, vec![self.bucket_arn(partition)])?;
        if self.place.key_prefix.is_empty() {
            return Some(statement);
        }
        Some(statement.when("StringLike", "s3:prefix", format!("{}*", self.place.key_prefix)))
    }

    /// Uploads that were left are found by listing them. No condition knows the prefix of that listing.
    fn uploads_statement(&self, partition: &str) -> Option<Statement> {
        let writes = self.rights.contains(&Right::Write);
        let actions = if writes { vec!["s3:ListBucketMultipartUploads"] } else { vec![] };
        Statement::allow("WharfUploads", actions, vec![self.bucket_arn(partition)])
    }

    /// Rights on the key that the bucket's objects are encrypted with, where the provider grants them in the same document.
    fn key_statement(&self, partition: &str) -> Option<Statement> {
        let PolicyRule::Documents { grants_keys: true, .. } = self.account.profile().policies else {
            return None;
        };
        let Some(EncryptionChoice::SseKms { key_id }) = self.place.encryption else { return None };
        let any_key = format!("arn:{partition}:kms:{}:*:key/", self.account.region().as_str());
        let allow = |resource| Statement::allow("WharfKey", self.actions(Right::key_actions), vec![resource]);
        // Rights on a key cannot be granted by its alias; a condition can name it.
        // https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
        if let Some((_, name)) = key_id.rsplit_once("alias/") {
            let alias = format!("alias/{name}");
            return Some(allow(any_key + "*")?.when(
                "ForAnyValue:StringEquals",
                "kms:ResourceAliases",
                alias,
            ));
        }
        allow(if key_id.starts_with("arn:") { key_id.clone() } else { any_key + key_id })
    }

    fn public_statement(&self, partition: &str) -> Statement {
        Statement {
            sid: "PublicRead",
            effect: "Allow",
            principal: Some(everyone()),
            action: vec!["s3:GetObject"],
            resource: vec![self.objects_arn(partition)],
            condition: None,
        }
    }

    /// On the provider's own hosts alone: behind a custom endpoint TLS may end before the store, which would then see plain
    /// HTTP in every request.
    fn tls_statement(&self, partition: &str) -> Option<Statement> {
        if self.account.is_custom_endpoint() {
            return None;
        }
        let bucket = self.bucket_arn(partition);
        let statement = Statement {
            sid: "DenyPlainHttp",
            effect: "Deny",
            principal: Some(everyone()),
            action: vec!["s3:*"],
            resource: vec![format!("{bucket}/*"), bucket],
            condition: None,
        };
        Some(statement.when("Bool", "aws:SecureTransport", "false".to_owned()))
    }

    /// The actions of all wanted rights, sorted and each once.
    fn actions(&self, of: fn(Right) -> &'static [&'static str]) -> Vec<&'static str> {
        let mut actions: Vec<_> = self.rights.iter().flat_map(|right| of(*right)).copied().collect();
        actions.sort_unstable();
        actions.dedup();
        actions
    }
}

/// A policy in IAM's language
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: &'static str,
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    action: Vec<&'static str>,
    resource: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition>,
}

/// Who, by kind.
type Principal = BTreeMap<&'static str, String>;
/// Operator, then key, then value.
type Condition = BTreeMap<&'static str, BTreeMap<&'static str, String>>;

impl Statement {
    /// A statement that allows `actions`; none where there are none.
    fn allow(sid: &'static str, actions: Vec<&'static str>, resource: Vec<String>) -> Option<Self> {
        let statement =
            Self { sid, effect: "Allow", principal: None, action: actions, resource, condition: None };
        (!statement.action.is_empty()).then_some(statement)
    }

    fn to(self, principal: &str) -> Self {
        Self { principal: Some(Principal::from([("AWS", principal.to_owned())])), ..self }
    }

    fn when(self, operator: &'static str, key: &'static str, value: String) -> Self {
        let condition = Condition::from([(operator, BTreeMap::from([(key, value)]))]);
        Self { condition: Some(condition), ..self }
    }
}

fn everyone() -> Principal {
    Principal::from([("AWS", "*".to_owned())])
}

fn policy(statement: Vec<Statement>) -> Document {
    json(&Policy { version: "2012-10-17", statement })
}

fn json(document: &impl Serialize) -> Document {
    serde_json::to_string_pretty(document).map_err(|error| error.to_string())
}

/// A profile's remark as a sentence.
fn sentence(remark: &str) -> String {
    let mut letters = remark.chars();
    letters
        .next()
        .map_or_else(String::new, |first| format!("{}{}.", first.to_ascii_uppercase(), letters.as_str()))
}
