//! Whether an upload is there: its provider is asked, since whoever says so may be wrong, or lie.

use http::{HeaderMap, Method, Request, StatusCode, header};
use thiserror::Error;
use wharf_wire::date::Timestamp;

use super::{
    Current,
    event::Facts,
    receiver::Receiver,
    sealed::{Head, Upload},
};
use crate::{
    backend::upstream::{Reach, SendBody, Upstream, UpstreamError},
    error::{Code, Error as ApiError},
    request::media_type::is_same_type,
    store::Webhook,
    transfer::{Object, Source, TransferError},
};

/// What is done with an object that is another one than was declared.
const KEPT: &str = "It was left where it is: delete it, or upload the right one with a new signed URL.";

/// Why nobody knows.
#[derive(Debug, Error)]
pub(super) enum LookError {
    /// The bucket, or its provider, is configured no more.
    #[error("the bucket is configured no more")]
    NoBucket,
    /// The key cannot be one in this bucket.
    #[error("the key cannot be one there: {0}")]
    NoKey(&'static str),
    /// The provider said something else, or nothing.
    #[error(transparent)]
    Provider(#[from] TransferError),
    /// The same of a provider that a caller brought.
    #[error(transparent)]
    Brought(#[from] UpstreamError),
    /// It refused.
    #[error("the provider answered {0}")]
    Refused(StatusCode),
    /// The object is not what was declared.
    #[error("the object has {found} bytes, and {declared} were declared")]
    OtherSize {
        /// What it has.
        found: u64,
        /// What it should have.
        declared: u64,
    },
    /// The same of its type.
    #[error("the object's type is `{found}`, and `{declared}` was declared")]
    OtherType {
        /// What it has.
        found: String,
        /// What it should have.
        declared: String,
    },
}

/// What the provider says of the object that `webhook` waits for; `None`: it is not there.
pub(super) async fn look(
    current: &Current,
    client: &Upstream,
    webhook: &Webhook,
    upload: &Upload,
) -> Result<Option<Facts>, LookError> {
    let headers = match &upload.head {
        None => look_here(current, webhook).await?,
        Some(head) => look_there(client, head).await?,
    };
    let Some(headers) = headers else { return Ok(None) };
    let facts = facts(&headers);
    check(&facts, upload)?;
    Ok(Some(facts))
}

/// In a configured bucket.
async fn look_here(current: &Current, webhook: &Webhook) -> Result<Option<HeaderMap>, LookError> {
    let bucket = current.config.buckets.get(&webhook.bucket).ok_or(LookError::NoBucket)?;
    let origin = current.origins.get(&bucket.provider).ok_or(LookError::NoBucket)?;
    let object = Object::below(origin.clone(), bucket.bucket.clone(), &bucket.key_prefix, &webhook.prefix);
    match Source::new(object.map_err(LookError::NoKey)?).look().await {
        Ok(found) => Ok(Some(found.headers)),
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// In an account of the caller's own, with the URL that was signed for it.
async fn look_there(client: &Upstream, head: &Head) -> Result<Option<HeaderMap>, LookError> {
    let receiver =
        Receiver::parse_signed(&head.url).ok_or(UpstreamError::Request("the object's address".to_owned()))?;
    let reach = if head.is_listed { Reach::Anywhere } else { Reach::Public };
    let mut request = Request::new(SendBody::Empty);
    *request.method_mut() = Method::HEAD;
    *request.uri_mut() = receiver.uri().clone();
    let reply = client.send(request, reach).await?;
    match reply.status() {
        status if status.is_success() => Ok(Some(reply.into_parts().0.headers)),
        StatusCode::NOT_FOUND => Ok(None),
        status => Err(LookError::Refused(status)),
    }
}

fn facts(headers: &HeaderMap) -> Facts {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let date = text(header::LAST_MODIFIED).and_then(|date| Timestamp::from_http_date(&date));
    Facts {
        bytes: text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        content_type: text(header::CONTENT_TYPE),
        etag: text(header::ETAG),
        last_modified: date.map(Timestamp::rfc3339),
    }
}

/// A signed URL does not hold a browser to the size and the type that it was asked for.
pub(super) fn check(facts: &Facts, upload: &Upload) -> Result<(), LookError> {
    check_type(facts, upload)?;
    let Some(found) = facts.bytes else { return Ok(()) };
    match upload.file_bytes {
        Some(declared) if declared != found => Err(LookError::OtherSize { found, declared }),
        _ if found > upload.file_bytes_max => {
            Err(LookError::OtherSize { found, declared: upload.file_bytes_max })
        }
        Some(_) | None => Ok(()),
    }
}

fn check_type(facts: &Facts, upload: &Upload) -> Result<(), LookError> {
    let Some(declared) = &upload.content_type else { return Ok(()) };
    let found = facts.content_type.as_deref().unwrap_or_default();
    if is_same_type(declared, found) {
        return Ok(());
    }
    Err(LookError::OtherType { found: found.to_owned(), declared: declared.clone() })
}

impl From<LookError> for ApiError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::NoBucket => Self::new(Code::UnknownProvider, "The upload's bucket is served no more."),
            LookError::NoKey(problem) => Self::new(Code::InvalidField, format!("`key`: {problem}.")),
            LookError::Provider(error) => error.into(),
            LookError::Brought(error) => error.into(),
            LookError::Refused(StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED) => {
                let message = "The provider does not let the upload be seen with what it was signed with.";
                Self::new(Code::AccessDenied, message)
                    .hint("The credentials need the right to read the object.")
            }
            LookError::Refused(status) => {
                Self::new(Code::UpstreamError, "The provider does not say whether the upload is there.")
                    .hint(format!("The provider answered {}.", status.as_u16()))
            }
            LookError::OtherSize { found, declared } => {
                let message = format!("The upload has {found} bytes, and {declared} were declared.");
                Self::new(Code::ValidationFailed, message).hint(KEPT)
            }
            LookError::OtherType { found, declared } => {
                let message = format!("The upload's type is `{found}`, and `{declared}` was declared.");
                Self::new(Code::ValidationFailed, message).hint(KEPT)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(content_type: Option<&str>, file_bytes: Option<u64>) -> Upload {
        Upload {
            filename: String::new(),
            public_url: String::new(),
            provider: String::new(),
            bucket: String::new(),
            content_type: content_type.map(str::to_owned),
            file_bytes,
            file_bytes_max: 100,
            head: None,
            metadata: None,
        }
    }

    #[test]
    fn an_object_is_what_was_declared() {
        let found = |bytes, content_type: &str| Facts {
            bytes: Some(bytes),
            content_type: Some(content_type.to_owned()),
            ..Facts::default()
        };
        let exact = upload(Some("image/png"), Some(5));
        assert!(check(&found(5, "image/png"), &exact).is_ok());
        assert!(check(&found(5, "IMAGE/x-png; a=b"), &exact).is_ok());
        assert!(matches!(check(&found(4, "image/png"), &exact), Err(LookError::OtherSize { found: 4, .. })));
        for other in ["text/html", ""] {
            assert!(matches!(check(&found(5, other), &exact), Err(LookError::OtherType { .. })), "{other}");
        }
        let before = upload(None, None);
        assert!(check(&found(100, "text/html"), &before).is_ok());
        assert!(matches!(check(&found(101, ""), &before), Err(LookError::OtherSize { declared: 100, .. })));
    }
}
