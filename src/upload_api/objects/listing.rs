//! One page of a listing, in the caller's keys: what `list` and `versions` have in common.
//!
//! The provider lists below the bucket's prefix, which no caller sees, and URL-encodes keys, since XML cannot hold every
//! key. Some stores say that they do and write them as they are; such a store is asked which of both keys it has.

use std::borrow::Cow;

use http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;
use wharf_wire::{
    date::Timestamp,
    names::ObjectKey,
    s3::{Operation, Parameter, Parameters},
    xml::{ListedKey, ListedObject, Written, XmlError},
};

use super::{look::look, named::Named};
use crate::{
    config::checked::Action,
    error::{Code, Error},
    mirror::tee::quoted,
    transfer::{Sending, Side, TransferError, late_error},
    upload_api::{
        Request,
        body::{Number, non_empty},
        remote::{Question, Remote},
        rights,
    },
};

/// Keys of a page, as S3 has it.
const KEYS_MAX: u64 = 1000;
/// Keys of a page that a store is asked about at most, when it does not get clear how it writes them.
const QUESTIONS_MAX: usize = 3;
/// What S3 calls the class of an object that names none.
const STORAGE_CLASS_DEFAULT: &str = "STANDARD";

/// A page that a request asks for.
pub(super) struct Listing<'r> {
    request: &'r Request<'r>,
    remote: Remote,
    /// What the caller's keys begin with.
    pub(super) prefix: &'r str,
    pub(super) keys_max: u64,
    /// The same for the provider.
    parameters: Parameters,
}

/// An object of a page.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub(super) key: String,
    size: u64,
    last_modified: Option<String>,
    etag: Option<String>,
    storage_class: String,
}

impl<'r> Listing<'r> {
    /// What `request` asks for, if its caller may list that. Who names no prefix means what they may list.
    pub(super) fn of(request: &'r Request<'r>) -> Result<Self, Error> {
        let Request { call, target, body, .. } = request;
        let keys_max = keys_max(body.listing.keys_max)?;
        let prefix = match (non_empty(body.listing.prefix.as_ref()), target.configured) {
            (Some(prefix), _) => prefix,
            (None, Some(bucket)) => rights::shortest_prefix(call.identity, Action::List, &bucket.name),
            (None, None) => "",
        };
        target.authorize(call.identity, Action::List, prefix)?;
        let mut parameters = Parameters::default();
        parameters.set(Parameter::EncodingType, "url".to_owned());
        parameters.set(Parameter::MaxKeys, keys_max.to_string());
        let whole_prefix = target.below_prefix(prefix)?;
        if whole_prefix.len() > ObjectKey::BYTES_MAX {
            let message = format!("`prefix` is longer than the {} bytes of a key.", ObjectKey::BYTES_MAX);
            return Err(Error::new(Code::InvalidField, message));
        }
        if !whole_prefix.is_empty() {
            parameters.set(Parameter::Prefix, whole_prefix);
        }
        Ok(Self { request, remote: request.remote()?, prefix, keys_max, parameters })
    }

    /// Begins behind the caller's `key`, which the provider reads from `parameter`.
    pub(super) fn begin_behind(&mut self, parameter: Parameter, key: &str) -> Result<(), Error> {
        let whole = self.request.target.below_prefix(key)?;
        self.parameters.set(parameter, whole);
        Ok(())
    }

    /// Sets a parameter that holds no key.
    pub(super) fn set(&mut self, parameter: Parameter, value: String) {
        self.parameters.set(parameter, value);
    }

    /// Asks for the page, which `read` reads.
    pub(super) async fn ask<T>(
        &self,
        operation: Operation,
        read: impl FnOnce(&[u8]) -> Result<T, XmlError>,
    ) -> Result<T, TransferError> {
        let sending = Sending::without_body(HeaderMap::new());
        let question = Question { operation, key: None, parameters: &self.parameters, sending };
        let document = self.remote.document(question).await?;
        read(&document).map_err(|error| late_error(Side::Source, &document, error))
    }

    /// Whether a page's keys are URL-encoded.
    pub(super) async fn is_encoded(&self, written: Written<'_>) -> Result<bool, Error> {
        let Written::Encoded { in_doubt } = written else { return Ok(false) };
        for key in in_doubt.into_iter().take(QUESTIONS_MAX) {
            let meant = key.meant(true).unwrap_or_default();
            let (has_plain, has_meant) = (self.has(key.as_written()).await, self.has(&meant).await);
            // With both, or with neither since it was deleted meanwhile, nothing is known.
            if has_plain != has_meant {
                return Ok(has_meant);
            }
        }
        Ok(true)
    }

    /// Whether the store has an object that it knows as `whole_key`. One that it does not let us see is none.
    async fn has(&self, whole_key: &str) -> bool {
        match Named::whole(whole_key) {
            Some(named) => look(&self.remote, &named, HeaderMap::new()).await.is_ok(),
            None => false,
        }
    }

    /// `key` as the caller knows it. What stands before every key of a bucket can itself be a key there, and is none of the
    /// caller's.
    pub(super) fn own<'k>(
        &self,
        key: &'k ListedKey,
        is_encoded: bool,
    ) -> Result<Option<Cow<'k, str>>, Error> {
        let prefix = self.request.target.key_prefix();
        let asked = self.parameters.prefix();
        let whole = key.meant(is_encoded).filter(|whole| whole.starts_with(asked)).ok_or_else(|| {
            let what = format!("it lists {}, which is not below {asked}", key.as_written());
            TransferError::Senseless { side: Side::Source, what }
        })?;
        if whole.len() == prefix.len() {
            return Ok(None);
        }
        Ok(Some(match whole {
            Cow::Borrowed(whole) => Cow::Borrowed(whole.get(prefix.len()..).unwrap_or_default()),
            Cow::Owned(mut whole) => Cow::Owned(whole.split_off(prefix.len())),
        }))
    }

    /// A listed object, unless it is none of the caller's.
    pub(super) fn file(&self, object: &ListedObject, is_encoded: bool) -> Result<Option<File>, Error> {
        let Some(key) = self.own(&object.key, is_encoded)? else { return Ok(None) };
        Ok(Some(File {
            key: key.into_owned(),
            size: object.bytes,
            last_modified: object.last_modified.map(Timestamp::rfc3339),
            etag: object.etag.as_deref().map(quoted),
            storage_class: object.storage_class.as_deref().unwrap_or(STORAGE_CLASS_DEFAULT).to_owned(),
        }))
    }
}

fn keys_max(asked: Option<Number>) -> Result<u64, Error> {
    let Some(asked) = asked else { return Ok(KEYS_MAX) };
    asked.whole().filter(|count| (1..=KEYS_MAX).contains(count)).ok_or_else(|| {
        Error::new(Code::InvalidMaxKeys, format!("`maxKeys` must be a whole number from 1 to {KEYS_MAX}."))
    })
}
