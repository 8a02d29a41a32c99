//! `batch-delete`: up to a thousand objects, and an answer for each.
//!
//! ```text
//! keys ── right for each? ── the provider's keys, in batches that it takes ── what became of each, in the order asked
//!             └─ no: an error among the results
//! ```

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;
use wharf_wire::{
    names::ObjectKey,
    s3::{Operation, Parameters},
    xml::{self, DeleteResult, ObjectToDelete},
};

use crate::{
    config::checked::Action,
    error::{Code, Error, provider_message},
    mirror::{
        Intents,
        state::{Change, Outcome},
    },
    transfer::{Sending, Side, TransferError, late_error},
    upload_api::{
        Answer, Request,
        body::{Text, Texts},
        key,
        remote::{self, Question, Remote},
        reply::{self, Performance},
    },
    webhooks::Telling,
};

/// Bytes of a reply for each key, about.
const REPLY_BYTES_PER_KEY: usize = 64;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    region: &'a str,
    deleted: Vec<&'a str>,
    deleted_count: usize,
    errors: Vec<Refused<'a>>,
    error_count: usize,
    summary: Summary,
    deleted_at: String,
    performance: Performance<'a>,
}

#[derive(JsonSchema, Serialize)]
struct Summary {
    total: usize,
    successful: usize,
    failed: usize,
}

/// A key whose object was not deleted, and why.
#[derive(JsonSchema, Serialize)]
struct Refused<'a> {
    key: &'a str,
    code: &'static str,
    message: String,
}

/// Answers the route.
pub(in crate::upload_api) fn handle<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    Box::pin(async move {
        let keys = keys(request.body.keys.as_ref())?;
        let answers = Batches::of(request, &keys)?.delete().await?;
        let (mut deleted, mut errors) = (Vec::with_capacity(keys.len()), Vec::new());
        for (key, answer) in keys.iter().copied().zip(answers) {
            match answer {
                Ok(()) => deleted.push(key),
                Err(error) => errors.push(Refused::new(key, &error)),
            }
        }
        let reply = Reply {
            success: true,
            provider: request.target.profile().kind,
            region: request.target.account.region().as_str(),
            deleted_count: deleted.len(),
            error_count: errors.len(),
            summary: Summary { total: keys.len(), successful: deleted.len(), failed: errors.len() },
            deleted,
            errors,
            deleted_at: request.call.context.received.rfc3339(),
            performance: request.performance(),
        };
        reply::ok(&reply, keys.len() * REPLY_BYTES_PER_KEY)
    })
}

fn keys<'b>(keys: Option<&'b Texts<'_>>) -> Result<Vec<&'b str>, Error> {
    let invalid = |message: &'static str| Err(Error::new(Code::InvalidKeys, message));
    match keys {
        None => invalid("Missing: `keys` (or `fileKeys`)."),
        Some(keys) if keys.count == 0 => invalid("`keys` is empty."),
        Some(keys) if keys.count > Texts::MAX => {
            let message = format!("`keys` has {}, and one request takes {}.", keys.count, Texts::MAX);
            Err(Error::new(Code::BatchTooLarge, message))
        }
        Some(keys) => Ok(keys.entries.iter().map(Text::as_str).collect()),
    }
}

impl<'a> Refused<'a> {
    fn new(key: &'a str, error: &Error) -> Self {
        Self { key, code: error.code.as_str(), message: error.message.clone().into_owned() }
    }
}

/// The keys of a request, on their way to the provider.
struct Batches<'r> {
    request: &'r Request<'r>,
    remote: Remote,
    /// What became of each key; `Ok` until something else is known.
    answers: Vec<Result<(), Error>>,
    /// Those that may be deleted, and where they stand in the request.
    allowed: Vec<ObjectToDelete>,
    places: Vec<usize>,
}

impl<'r> Batches<'r> {
    fn of(request: &'r Request<'r>, keys: &[&str]) -> Result<Self, Error> {
        let (mut answers, mut allowed, mut places) = (Vec::with_capacity(keys.len()), Vec::new(), Vec::new());
        for (place, key) in keys.iter().enumerate() {
            answers.push(allow(request, key).map(|object| {
                allowed.push(object);
                places.push(place);
            }));
        }
        Ok(Self { request, remote: request.remote()?, answers, allowed, places })
    }

    /// Deletes what may be deleted. Fails as a whole only when nothing was deleted because the provider refused.
    async fn delete(mut self) -> Result<Vec<Result<(), Error>>, Error> {
        let keys = self.allowed.iter().map(|object| object.key.as_str());
        let mut intents = self.request.intend(keys, Change::Delete).await?;
        let batch_max = self.request.target.profile().limits.delete_batch_max;
        let batches = self.allowed.chunks(batch_max).zip(self.places.chunks(batch_max));
        for (index, (objects, places)) in batches.enumerate() {
            let own = intents.take_first(objects.len());
            let answers = match send(self.request, &self.remote, objects, own).await {
                Ok((result, telling)) => {
                    telling.await?;
                    told(objects, result)
                }
                Err(error) if index == 0 => {
                    // The other batches were never sent.
                    intents.settle(Outcome::Unchanged);
                    return Err(error.into());
                }
                Err(error) => {
                    tracing::warn!(%error, "a later batch of keys was not deleted");
                    let error = Error::from(error);
                    objects.iter().map(|_| Err(error.clone())).collect()
                }
            };
            for (place, answer) in places.iter().zip(answers) {
                if let Some(known) = self.answers.get_mut(*place) {
                    *known = answer;
                }
            }
        }
        Ok(self.answers)
    }
}

/// The object called `key`, if the caller may delete it.
fn allow(request: &Request<'_>, key: &str) -> Result<ObjectToDelete, Error> {
    key::check(key)?;
    request.target.authorize(request.call.identity, Action::Delete, key)?;
    request.target.object_key(key)?;
    let key = ObjectKey::parse(key)
        .map_err(|problem| Error::new(Code::InvalidField, format!("`key`: {problem}.")))?;
    Ok(ObjectToDelete { key, version_id: None, etag: None, last_modified_time: None, size: None })
}

/// Has one batch deleted. The result has the caller's keys.
async fn send(
    request: &Request<'_>,
    remote: &Remote,
    objects: &[ObjectToDelete],
    intents: Intents,
) -> Result<(DeleteResult, Telling), TransferError> {
    let prefix = request.target.key_prefix();
    let document = Bytes::from(xml::write_delete(objects, prefix, false));
    let question = Question {
        operation: Operation::DeleteObjects,
        key: None,
        parameters: &Parameters::default(),
        sending: Sending::document(HeaderMap::new(), document),
    };
    let (reply, intents) = remote.change(intents, question).await;
    let answer = remote::read(reply?).await?;
    let mut result =
        xml::read_delete_result(&answer).map_err(|error| late_error(Side::Target, &answer, error))?;
    let deleted = result.deleted.iter_mut().map(|deleted| &mut deleted.key);
    for key in deleted.chain(result.errors.iter_mut().map(|error| &mut error.key)) {
        let own = key.strip_prefix(prefix).ok_or_else(|| TransferError::Senseless {
            side: Side::Target,
            what: "the answer names a key of others".to_owned(),
        })?;
        *key = own.to_owned();
    }
    let telling = intents.settle_deleted(objects, &result.errors);
    Ok((result, telling))
}

/// What the provider tells of each of `objects`.
fn told(objects: &[ObjectToDelete], result: DeleteResult) -> Vec<Result<(), Error>> {
    let mut told = HashMap::with_capacity(objects.len());
    told.extend(result.deleted.into_iter().map(|deleted| (deleted.key, Ok(()))));
    for refused in result.errors {
        tracing::debug!(code = refused.code, cause = refused.message, "a key was not deleted");
        told.insert(refused.key, Err(of_code(&refused.code)));
    }
    let silent = || Err(Error::new(Code::UpstreamError, "The provider does not say what became of it."));
    objects.iter().map(|object| told.get(object.key.as_str()).cloned().unwrap_or_else(silent)).collect()
}

/// What the provider's `code` for one object is here.
fn of_code(code: &str) -> Error {
    match code {
        "AccessDenied" => Error::new(Code::AccessDenied, provider_message(code)),
        "NoSuchKey" | "NoSuchVersion" => Error::new(Code::FileNotFound, provider_message(code)),
        _ => Error::new(Code::UpstreamError, provider_message(code)),
    }
}

#[cfg(test)]
mod tests {
    use wharf_wire::xml::{DeleteError, Deleted};

    use super::*;

    fn object(key: &str) -> ObjectToDelete {
        let key = ObjectKey::parse(key).unwrap();
        ObjectToDelete { key, version_id: None, etag: None, last_modified_time: None, size: None }
    }

    #[test]
    fn every_object_has_an_answer_whatever_the_provider_tells() {
        let objects = ["a", "b", "c", "d", "a"].map(object);
        let error = |key: &str, code: &str| DeleteError {
            key: key.into(),
            code: code.into(),
            ..DeleteError::default()
        };
        let result = DeleteResult {
            deleted: ["a", "x"].map(|key| Deleted { key: key.into(), ..Deleted::default() }).into(),
            errors: vec![error("b", "AccessDenied"), error("c", "InternalError")],
        };
        let codes: Vec<_> =
            told(&objects, result).into_iter().map(|answer| answer.map_err(|error| error.code)).collect();
        let (denied, upstream) = (Err(Code::AccessDenied), Err(Code::UpstreamError));
        assert_eq!(codes, [Ok(()), denied, upstream, upstream, Ok(())]);
    }

    #[test]
    fn keys_are_one_to_a_thousand() {
        for (count, code) in
            [(0, Some(Code::InvalidKeys)), (1, None), (1000, None), (1001, Some(Code::BatchTooLarge))]
        {
            let body = format!(r#"{{"fileKeys":[{}]}}"#, vec![r#""k""#; count].join(","));
            let body = crate::upload_api::body::Body::parse(body.as_bytes(), "s3").unwrap();
            assert_eq!(keys(body.keys.as_ref()).err().map(|error| error.code), code, "{count}");
        }
        assert_eq!(keys(None).unwrap_err().code, Code::InvalidKeys);
    }
}
