//! The JSON of a request, read once into a struct.
//!
//! One reader serves every route: unknown fields are skipped, `null` means absent, a field that has two values is refused
//! (two readers of one body could disagree on it). Secrets go from the text straight into their type, and an error tells
//! a field's name, never its value: serde's own messages quote values, so they are not passed on.

mod name;
mod value;

use std::{borrow::Cow, fmt};

use secrecy::{ExposeSecret, SecretString};
use serde::{
    Deserialize, Deserializer as _,
    de::{DeserializeSeed, Error as _, MapAccess, Visitor},
};

pub(super) use name::{Kind, Name};
pub(super) use value::{
    FileEntry, Files, MagicBytes, Metadata, NetworkInfo, Number, Part, Parts, Rules, Secret, Skipped, Text,
    Texts, Validation, Webhook,
};

use crate::error::{Code, Error};

/// What a request said. Every field is optional here; the routes know what they need.
#[derive(Default)]
pub(super) struct Body<'a> {
    pub(super) bucket: Option<Text<'a>>,
    pub(super) brought: BroughtFields<'a>,
    pub(super) file: FileEntry<'a>,
    pub(super) files: Option<Files<'a>>,
    pub(super) put: PutFields<'a>,
    pub(super) expiry: ExpiryFields<'a>,
    pub(super) get: GetFields<'a>,
    pub(super) cdn_domain: Option<Text<'a>>,
    pub(super) validation: Option<Validation<'a>>,
    pub(super) webhook: Option<Webhook<'a>>,
    pub(super) hook: HookFields<'a>,
    pub(super) multipart: MultipartFields<'a>,
    pub(super) keys: Option<Texts<'a>>,
    pub(super) listing: ListFields<'a>,
    pub(super) complete: CompleteFields<'a>,
    pub(super) cors: CorsFields<'a>,
    pub(super) cookies: CookieFields<'a>,
    pub(super) access: AccessFields<'a>,
}

/// Credentials that the caller brought, and where they are good. It has no `Debug`, so that no log can hold it.
#[derive(Default)]
pub(super) struct BroughtFields<'a> {
    pub(super) access_key_id: Option<Text<'a>>,
    pub(super) secret_access_key: Option<SecretString>,
    pub(super) session_token: Option<SecretString>,
    pub(super) bucket: Option<Text<'a>>,
    pub(super) region: Option<Text<'a>>,
    pub(super) endpoint: Option<Text<'a>>,
    pub(super) account_id: Option<Text<'a>>,
    pub(super) public_url: Option<Text<'a>>,
}

impl BroughtFields<'_> {
    /// Whether the caller means an account of their own. A region alone does not say so: clients fill it in unasked,
    /// and what may be left out of an account is absent where it is empty.
    pub(super) fn is_any(&self) -> bool {
        let is_filled = |text: &Option<Text<'_>>| non_empty(text.as_ref()).is_some();
        self.access_key_id.is_some()
            || self.secret_access_key.is_some()
            || self.bucket.is_some()
            || self.session_token.as_ref().is_some_and(|token| !token.expose_secret().is_empty())
            || is_filled(&self.endpoint)
            || is_filled(&self.account_id)
    }
}

/// How an object is to be stored.
#[derive(Debug, Default)]
pub(super) struct PutFields<'a> {
    pub(super) storage_class: Option<Text<'a>>,
    pub(super) encryption_type: Option<Text<'a>>,
    pub(super) kms_key_id: Option<Text<'a>>,
    pub(super) metadata: Option<Metadata<'a>>,
}

/// How long a URL is to live, and what an estimate of it stands on.
#[derive(Debug, Default)]
pub(super) struct ExpiryFields<'a> {
    pub(super) expires_in: Option<Number>,
    pub(super) network: Option<NetworkInfo<'a>>,
    pub(super) buffer_multiplier: Option<Number>,
    pub(super) seconds_min: Option<Number>,
    pub(super) seconds_max: Option<Number>,
}

/// An upload in parts.
#[derive(Debug, Default)]
pub(super) struct MultipartFields<'a> {
    pub(super) upload_id: Option<Text<'a>>,
    pub(super) part_size: Option<Number>,
    pub(super) parts: Option<Parts<'a>>,
}

/// Which keys are to be listed.
#[derive(Debug, Default)]
pub(super) struct ListFields<'a> {
    pub(super) prefix: Option<Text<'a>>,
    pub(super) keys_max: Option<Number>,
    pub(super) continuation_token: Option<Text<'a>>,
    pub(super) key_marker: Option<Text<'a>>,
    pub(super) version_id_marker: Option<Text<'a>>,
}

/// What an object that was sent straight to the provider is held against.
#[derive(Debug, Default)]
pub(super) struct CompleteFields<'a> {
    pub(super) token: Option<Text<'a>>,
    pub(super) etag: Option<Text<'a>>,
}

/// Which pages may use a bucket.
#[derive(Debug, Default)]
pub(super) struct CorsFields<'a> {
    /// Clients send the same under both names.
    pub(super) origins: Option<Texts<'a>>,
    pub(super) allowed_origins: Option<Texts<'a>>,
    pub(super) methods: Option<Texts<'a>>,
    pub(super) headers: Option<Texts<'a>>,
    pub(super) expose_headers: Option<Texts<'a>>,
    pub(super) max_age_seconds: Option<Number>,
}

/// When and from where a CDN's cookies open anything.
#[derive(Debug, Default)]
pub(super) struct CookieFields<'a> {
    pub(super) starts_at: Option<Text<'a>>,
    pub(super) source_ip: Option<Text<'a>>,
}

/// An access token, and what it is to allow. It has no `Debug`, so that no log can hold one.
#[derive(Default)]
pub(super) struct AccessFields<'a> {
    pub(super) token: Option<SecretString>,
    pub(super) permissions: Option<Texts<'a>>,
}

/// A webhook of its own. It has no `Debug`, so that no log can hold its secret.
#[derive(Default)]
pub(super) struct HookFields<'a> {
    pub(super) id: Option<Text<'a>>,
    pub(super) url: Option<Text<'a>>,
    pub(super) secret: Option<SecretString>,
    pub(super) events: Option<Texts<'a>>,
}

/// Which object is to be read, and how it is to be served.
#[derive(Debug, Default)]
pub(super) struct GetFields<'a> {
    pub(super) key: Option<Text<'a>>,
    pub(super) version_id: Option<Text<'a>>,
    pub(super) response_content_type: Option<Text<'a>>,
    pub(super) response_content_disposition: Option<Text<'a>>,
}

impl<'a> Body<'a> {
    /// Reads `bytes`; `prefix` is what stands before `AccessKey`, `Bucket`, … for the provider that was asked for.
    pub(super) fn parse(bytes: &'a [u8], prefix: &str) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Error::new(Code::InvalidJson, "The body is not UTF-8 text."))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let mut reader = Reader { prefix, name: None, is_repeated: false, body: Self::default() };
        let read = deserializer.deserialize_map(&mut reader).and_then(|()| deserializer.end());
        match read {
            Ok(()) => Ok(reader.body),
            Err(problem) => Err(reader.error(&problem)),
        }
    }
}

/// Fills a [`Body`], and remembers where it was when something went wrong.
struct Reader<'p, 'a> {
    prefix: &'p str,
    name: Option<Name>,
    is_repeated: bool,
    body: Body<'a>,
}

impl<'de> Visitor<'de> for &mut Reader<'_, 'de> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(NameSeed(self.prefix))? {
            let Some(name) = name else {
                map.next_value::<Skipped>()?;
                continue;
            };
            self.name = Some(name);
            self.is_repeated = self.read(name, &mut map)? == Filled::Twice;
            if self.is_repeated {
                return Err(A::Error::custom("repeated"));
            }
            self.name = None;
        }
        Ok(())
    }
}

impl<'de> Reader<'_, 'de> {
    fn read<A: MapAccess<'de>>(&mut self, name: Name, map: &mut A) -> Result<Filled, A::Error> {
        let body = &mut self.body;
        match name {
            Name::Bucket => fill(&mut body.bucket, map),
            Name::AccessKey => fill(&mut body.brought.access_key_id, map),
            Name::SecretKey => fill_secret(&mut body.brought.secret_access_key, map),
            Name::SessionToken => fill_secret(&mut body.brought.session_token, map),
            Name::BroughtBucket => fill(&mut body.brought.bucket, map),
            Name::Region => fill(&mut body.brought.region, map),
            Name::Endpoint => fill(&mut body.brought.endpoint, map),
            Name::AccountId => fill(&mut body.brought.account_id, map),
            Name::PublicUrl => fill(&mut body.brought.public_url, map),
            Name::Filename => fill(&mut body.file.filename, map),
            Name::ContentType => fill(&mut body.file.content_type, map),
            Name::FileSize => fill(&mut body.file.file_size, map),
            Name::MagicBytes => fill(&mut body.file.magic_bytes, map),
            Name::Files => fill(&mut body.files, map),
            Name::StorageClass => fill(&mut body.put.storage_class, map),
            Name::EncryptionType => fill(&mut body.put.encryption_type, map),
            Name::KmsKeyId => fill(&mut body.put.kms_key_id, map),
            Name::Metadata => fill(&mut body.put.metadata, map),
            Name::ExpiresIn => fill(&mut body.expiry.expires_in, map),
            Name::NetworkInfo => fill(&mut body.expiry.network, map),
            Name::BufferMultiplier => fill(&mut body.expiry.buffer_multiplier, map),
            Name::MinExpirySeconds => fill(&mut body.expiry.seconds_min, map),
            Name::MaxExpirySeconds => fill(&mut body.expiry.seconds_max, map),
            Name::Key => fill(&mut body.get.key, map),
            Name::VersionId => fill(&mut body.get.version_id, map),
            Name::ResponseContentType => fill(&mut body.get.response_content_type, map),
            Name::ResponseContentDisposition => fill(&mut body.get.response_content_disposition, map),
            Name::CdnDomain => fill(&mut body.cdn_domain, map),
            Name::Validation => fill(&mut body.validation, map),
            Name::Webhook => fill(&mut body.webhook, map),
            Name::UploadId => fill(&mut body.multipart.upload_id, map),
            Name::PartSize => fill(&mut body.multipart.part_size, map),
            Name::Parts => fill(&mut body.multipart.parts, map),
            Name::Keys => fill(&mut body.keys, map),
            Name::Prefix => fill(&mut body.listing.prefix, map),
            Name::MaxKeys => fill(&mut body.listing.keys_max, map),
            Name::ContinuationToken => fill(&mut body.listing.continuation_token, map),
            Name::KeyMarker => fill(&mut body.listing.key_marker, map),
            Name::VersionIdMarker => fill(&mut body.listing.version_id_marker, map),
            Name::CompleteToken => fill(&mut body.complete.token, map),
            Name::Etag => fill(&mut body.complete.etag, map),
            Name::Origins => fill(&mut body.cors.origins, map),
            Name::AllowedOrigins => fill(&mut body.cors.allowed_origins, map),
            Name::AllowedMethods => fill(&mut body.cors.methods, map),
            Name::AllowedHeaders => fill(&mut body.cors.headers, map),
            Name::ExposeHeaders => fill(&mut body.cors.expose_headers, map),
            Name::MaxAgeSeconds => fill(&mut body.cors.max_age_seconds, map),
            Name::StartsAt => fill(&mut body.cookies.starts_at, map),
            Name::SourceIp => fill(&mut body.cookies.source_ip, map),
            Name::Token => fill_secret(&mut body.access.token, map),
            Name::Permissions => fill(&mut body.access.permissions, map),
            Name::WebhookId => fill(&mut body.hook.id, map),
            Name::Url => fill(&mut body.hook.url, map),
            Name::Secret => fill_secret(&mut body.hook.secret, map),
            Name::Events => fill(&mut body.hook.events, map),
        }
    }

    /// What the client is told. `problem` gives its kind and place; its text may quote a value and stays here.
    fn error(&self, problem: &serde_json::Error) -> Error {
        let field = self.name.map(|name| name.shown(self.prefix));
        let place = format!("line {}, column {}", problem.line(), problem.column());
        match (problem.is_data(), self.name, field) {
            (true, Some(_), Some(field)) if self.is_repeated => {
                Error::new(Code::InvalidJson, format!("`{field}` is there more than once."))
            }
            (true, Some(name), Some(field)) => {
                let message = format!("`{field}` must be {} ({place}).", name.kind().expected());
                Error::new(name.wrong_type(), message)
            }
            (true, _, _) => Error::new(Code::InvalidJson, "The body must be one JSON object."),
            (false, _, Some(field)) if is_number_out_of_range(problem) => Error::new(
                Code::InvalidJson,
                format!("`{field}` holds a number that is too large ({place})."),
            ),
            (false, _, Some(field)) => Error::new(
                Code::InvalidJson,
                format!("The body stops being JSON that can be read at `{field}` ({place})."),
            ),
            (false, _, None) => {
                Error::new(Code::InvalidJson, format!("The body is not JSON that can be read ({place})."))
            }
        }
    }
}

/// `1e309` is good JSON and more than an `f64` holds. `serde_json` tells that in its text alone.
fn is_number_out_of_range(problem: &serde_json::Error) -> bool {
    problem.to_string().starts_with("number out of range")
}

/// How often a field had a value so far.
#[derive(PartialEq, Eq)]
enum Filled {
    AtMostOnce,
    Twice,
}

impl Filled {
    /// Puts `value` into `slot`, unless it is absent or another is there.
    fn put<T>(slot: &mut Option<T>, value: Option<T>) -> Self {
        match (value, &slot) {
            (Some(_), Some(_)) => return Self::Twice,
            (Some(value), None) => *slot = Some(value),
            (None, _) => {}
        }
        Self::AtMostOnce
    }
}

fn fill<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    map: &mut A,
) -> Result<Filled, A::Error> {
    Ok(Filled::put(slot, map.next_value()?))
}

fn fill_secret<'de, A: MapAccess<'de>>(
    slot: &mut Option<SecretString>,
    map: &mut A,
) -> Result<Filled, A::Error> {
    let secret = map.next_value::<Option<Secret>>()?;
    Ok(Filled::put(slot, secret.map(|secret| secret.0)))
}

/// Reads a field's name without keeping it; `None` is a field that no route knows.
struct NameSeed<'p>(&'p str);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<Name>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<Name>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a field's name")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Name::parse(text, self.0))
    }
}

/// `text` unless it is empty: clients fill optional fields with `""`.
pub(super) fn non_empty<'b>(text: Option<&'b Text<'_>>) -> Option<&'b str> {
    text.map(Text::as_str).filter(|text| !text.is_empty())
}

impl<'a> From<Text<'a>> for Cow<'a, str> {
    fn from(text: Text<'a>) -> Self {
        text.0
    }
}
