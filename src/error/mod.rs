//! Every error that a client can meet, and the one place where it becomes HTTP.
//!
//! A [`Code`] decides status and fault; an [`Error`] adds the client's text, and apart from it the log's. The client's
//! text never holds a secret, a signature or another tenant's name.

mod companion;
mod provider;
mod s3;

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use wharf_wire::s3::ErrorCode;

pub use companion::{companion_schema, render_companion};
pub use s3::{S3Error, provider_message, render_s3};

/// What a client is told whose change was made, and is not acknowledged.
const NOT_RECORDED: &str = "The change was made, but what subscribers of webhooks are to be told of it cannot be recorded now. \
    Make it again, so that they are.";

/// What a client is told that asks the provider about an object of which a mirror has a newer one.
const BEHIND: &str = "A mirror took a newer object while the provider behind this bucket was down, and it has not been copied back \
    yet. Nothing was changed. Try again later.";

/// Who is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request was wrong; the same request will fail again.
    Client,
    /// Wharf could not do it.
    Gateway,
    /// The provider, or the app behind Wharf, could not do it.
    Upstream,
}

macro_rules! codes {
    ($($variant:ident $s3:ident $code:literal $status:ident $fault:ident $summary:literal;)*) => {
        /// What went wrong, under the upload API's own names. Each has one status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $summary] $variant,)*
        }

        impl Code {
            /// Every code, for documents and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that clients see.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// Who is at fault.
            pub const fn fault(self) -> Fault {
                match self { $(Self::$variant => Fault::$fault,)* }
            }

            /// The same at the S3 endpoint. Most come from steps that it does not take.
            pub(super) const fn s3(self) -> ErrorCode {
                match self { $(Self::$variant => ErrorCode::$s3,)* }
            }
        }
    };
}

// A code, S3's nearest, its name, its status, whose fault it is, and what it says.
codes! {
    MissingApiKey InvalidAccessKeyId "MISSING_API_KEY" UNAUTHORIZED Client "No API key came with the request.";
    InvalidApiKey InvalidAccessKeyId "INVALID_API_KEY" UNAUTHORIZED Client "The API key or token is not known.";
    ExpiredApiKey InvalidAccessKeyId "EXPIRED_API_KEY" UNAUTHORIZED Client "The API key or token has expired.";
    MissingSignature InvalidAccessKeyId "MISSING_SIGNATURE" UNAUTHORIZED Client "The key has a secret, and the request no signature.";
    MissingTimestamp InvalidAccessKeyId "MISSING_TIMESTAMP" UNAUTHORIZED Client "A signed request without its time.";
    InvalidTimestamp InvalidAccessKeyId "INVALID_TIMESTAMP" UNAUTHORIZED Client "The time is not Unix milliseconds, or lies ahead.";
    ExpiredTimestamp InvalidAccessKeyId "EXPIRED_TIMESTAMP" UNAUTHORIZED Client "The time is too long ago.";
    InvalidSecret InvalidAccessKeyId "INVALID_SECRET" UNAUTHORIZED Client "The secret that was sent along is not the key's.";
    InvalidSignature InvalidAccessKeyId "INVALID_SIGNATURE" UNAUTHORIZED Client "The signature does not fit the request.";
    AccessDenied AccessDenied "ACCESS_DENIED" FORBIDDEN Client "The key may not do this.";
    InvalidRequest InvalidRequest "INVALID_REQUEST" BAD_REQUEST Client "The request is not well-formed HTTP for this server.";
    InvalidJson InvalidArgument "INVALID_JSON" BAD_REQUEST Client "The body is not the JSON that the route takes.";
    PayloadTooLarge MaxMessageLengthExceeded "PAYLOAD_TOO_LARGE" PAYLOAD_TOO_LARGE Client "The body is larger than the configured bound.";
    HeadersTooLarge RequestHeaderSectionTooLarge "HEADERS_TOO_LARGE" REQUEST_HEADER_FIELDS_TOO_LARGE Client "The headers are larger than the configured bound.";
    UnsupportedMediaType InvalidRequest "UNSUPPORTED_MEDIA_TYPE" UNSUPPORTED_MEDIA_TYPE Client "The body is not declared as JSON.";
    RequestTimeout RequestTimeout "REQUEST_TIMEOUT" REQUEST_TIMEOUT Client "The request did not arrive in time.";
    RateLimited SlowDown "RATE_LIMITED" TOO_MANY_REQUESTS Client "A rate limit was reached.";
    NotFound NoSuchBucket "NOT_FOUND" NOT_FOUND Client "No such route.";
    MethodNotAllowed MethodNotAllowed "METHOD_NOT_ALLOWED" METHOD_NOT_ALLOWED Client "The route takes other methods.";
    NotImplemented NotImplemented "NOT_IMPLEMENTED" NOT_IMPLEMENTED Client "HTTP knows the method, and Wharf does not serve it.";
    UnknownProvider NoSuchBucket "UNKNOWN_PROVIDER" NOT_FOUND Client "No such provider or bucket is served.";
    AmbiguousBucket InvalidArgument "AMBIGUOUS_BUCKET" BAD_REQUEST Client "The name fits several configured buckets.";
    EndpointNotAllowed InvalidArgument "ENDPOINT_NOT_ALLOWED" BAD_REQUEST Client "The caller's endpoint is not on the allow-list.";
    CallerCredentialsNotAllowed AccessDenied "CALLER_CREDENTIALS_NOT_ALLOWED" FORBIDDEN Client "The configuration takes no credentials from callers.";
    MissingFields InvalidArgument "MISSING_FIELDS" BAD_REQUEST Client "Required fields are missing.";
    MissingCredentials InvalidArgument "MISSING_CREDENTIALS" BAD_REQUEST Client "Some of the provider's credentials are missing.";
    InvalidCredentials InvalidArgument "INVALID_CREDENTIALS" BAD_REQUEST Client "The provider's credentials cannot be right.";
    InvalidField InvalidArgument "INVALID_FIELD" BAD_REQUEST Client "A field has a value that it cannot have.";
    InvalidBucketName InvalidBucketName "INVALID_BUCKET_NAME" BAD_REQUEST Client "The bucket's name breaks S3's rules.";
    InvalidRegion InvalidArgument "INVALID_REGION" BAD_REQUEST Client "The provider has no such region.";
    InvalidStorageClass InvalidStorageClass "INVALID_STORAGE_CLASS" BAD_REQUEST Client "The provider has no such storage class.";
    InvalidEncryptionType InvalidArgument "INVALID_ENCRYPTION_TYPE" BAD_REQUEST Client "The provider has no such encryption.";
    MissingKmsKey InvalidArgument "MISSING_KMS_KEY" BAD_REQUEST Client "SSE-KMS without a key.";
    InvalidKmsKeyFormat InvalidArgument "INVALID_KMS_KEY_FORMAT" BAD_REQUEST Client "The KMS key is no id, ARN or alias.";
    InvalidCdnDomain InvalidArgument "INVALID_CLOUDFRONT_DOMAIN" BAD_REQUEST Client "The CDN's domain cannot be one.";
    CdnNotConfigured InvalidArgument "CDN_NOT_CONFIGURED" BAD_REQUEST Client "Wharf signs for no CDN in front of the bucket.";
    ExpiryTooShort InvalidArgument "EXPIRY_TOO_SHORT" BAD_REQUEST Client "The URL would expire too soon.";
    ExpiryTooLong InvalidArgument "EXPIRY_TOO_LONG" BAD_REQUEST Client "The URL would live too long.";
    FileTooSmall EntityTooSmall "FILE_TOO_SMALL" BAD_REQUEST Client "The file is too small to be uploaded in parts.";
    FileTooLarge EntityTooLarge "FILE_TOO_LARGE" BAD_REQUEST Client "The file is larger than allowed.";
    ValidationFailed InvalidArgument "VALIDATION_FAILED" BAD_REQUEST Client "The file is not what it says, or not allowed.";
    InvalidFilesArray InvalidArgument "INVALID_FILES_ARRAY" BAD_REQUEST Client "`files` is not a list of files.";
    BatchTooLarge InvalidArgument "BATCH_TOO_LARGE" BAD_REQUEST Client "More entries than one request takes.";
    MissingKey InvalidArgument "MISSING_KEY" BAD_REQUEST Client "No object key.";
    FileNotFound NoSuchKey "FILE_NOT_FOUND" NOT_FOUND Client "There is no such object.";
    BucketNotFound NoSuchBucket "BUCKET_NOT_FOUND" NOT_FOUND Client "The provider has no such bucket.";
    UploadNotFound NoSuchUpload "UPLOAD_NOT_FOUND" NOT_FOUND Client "There is no such multipart upload, or no more.";
    InvalidCompleteToken InvalidArgument "INVALID_COMPLETE_TOKEN" BAD_REQUEST Client "`completeToken` is not good for this.";
    InvalidKeys InvalidArgument "INVALID_KEYS" BAD_REQUEST Client "`keys` is not a list of keys.";
    InvalidMaxKeys InvalidArgument "INVALID_MAX_KEYS" BAD_REQUEST Client "`maxKeys` is not a number from 1 to 1000.";
    InvalidPartSize InvalidArgument "INVALID_PART_SIZE" BAD_REQUEST Client "The provider takes no parts of this size.";
    TooManyParts InvalidArgument "TOO_MANY_PARTS" BAD_REQUEST Client "The file has more parts than an upload can have.";
    InvalidUploadId InvalidArgument "INVALID_UPLOAD_ID" BAD_REQUEST Client "The upload's id is not of this bucket and key, or has expired.";
    InvalidPart InvalidPart "INVALID_PART" BAD_REQUEST Client "A part is not stored as it is listed, or is too small.";
    InvalidPartsFormat InvalidArgument "INVALID_PARTS_FORMAT" BAD_REQUEST Client "`parts` is not a list of parts.";
    MissingBucket InvalidArgument "MISSING_BUCKET" BAD_REQUEST Client "No bucket.";
    InvalidPermissions InvalidArgument "INVALID_PERMISSIONS" BAD_REQUEST Client "`permissions` is not a list of those that there are.";
    NoS3Endpoint NotImplemented "NO_S3_ENDPOINT" NOT_IMPLEMENTED Gateway "What was asked for takes Wharf's own S3 endpoint, which is not set up.";
    WebhooksDisabled AccessDenied "WEBHOOKS_DISABLED" FORBIDDEN Client "The configuration has no webhooks.";
    WebhookNotFound InvalidRequest "WEBHOOK_NOT_FOUND" NOT_FOUND Client "The caller has no such webhook.";
    TooManyWebhooks InvalidRequest "TOO_MANY_WEBHOOKS" CONFLICT Client "There are as many webhooks for buckets as can be.";
    SigningError InternalError "S3_SIGNING_ERROR" INTERNAL_SERVER_ERROR Gateway "The request could not be signed.";
    UpstreamBusy SlowDown "UPSTREAM_BUSY" SERVICE_UNAVAILABLE Upstream "The provider has enough to do, or is left alone for a while.";
    JournalUnavailable ServiceUnavailable "JOURNAL_UNAVAILABLE" SERVICE_UNAVAILABLE Gateway "The journal of mirrored buckets cannot be written.";
    Overloaded SlowDown "OVERLOADED" SERVICE_UNAVAILABLE Gateway "More requests in flight than configured.";
    Internal InternalError "INTERNAL_ERROR" INTERNAL_SERVER_ERROR Gateway "A defect in Wharf.";
    CorsConfigurationFailed ServiceUnavailable "CORS_CONFIGURATION_FAILED" BAD_GATEWAY Upstream "The provider did not take the CORS rules.";
    UpstreamError ServiceUnavailable "UPSTREAM_ERROR" BAD_GATEWAY Upstream "The provider, or the app behind Wharf, gave no sound reply.";
    UpstreamTimeout ServiceUnavailable "UPSTREAM_TIMEOUT" GATEWAY_TIMEOUT Upstream "The provider, or the app behind Wharf, did not answer in time.";
}

/// An error on its way to a client.
#[derive(Debug, Clone)]
pub struct Error {
    /// What went wrong.
    pub code: Code,
    /// For the client: what went wrong here.
    pub message: Cow<'static, str>,
    /// For the client: what to do.
    pub hint: Option<Cow<'static, str>>,
    /// For the client: the closed set to choose from.
    pub valid_options: Vec<String>,
    /// The provider or bucket that the request named.
    pub provider: Option<String>,
    /// When trying again can help.
    pub retry_after: Option<Duration>,
    /// Headers that the status asks for: `Allow`, `WWW-Authenticate`, `RateLimit`.
    pub headers: Vec<(header::HeaderName, HeaderValue)>,
    /// For the log alone: the cause. It never holds a secret either.
    pub cause: Option<String>,
}

impl Error {
    /// An error with a message and nothing else.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            valid_options: Vec::new(),
            provider: None,
            retry_after: None,
            headers: Vec::new(),
            cause: None,
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what to choose from.
    #[must_use]
    pub fn options<T: Into<String>>(mut self, options: impl IntoIterator<Item = T>) -> Self {
        self.valid_options = options.into_iter().map(Into::into).collect();
        self
    }

    /// Says which provider or bucket the request named.
    #[must_use]
    pub fn provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Adds a header that the status asks for.
    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Tells the log why.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

/// The failure envelope of the upload API.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    success: bool,
    error: &'static str,
    message: &'a str,
    hint: Option<&'a str>,
    docs: String,
    request_id: &'a str,
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    valid_options: &'a [String],
}

/// The envelope's schema, for the API's document.
pub(crate) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Envelope<'_>>()
}

/// Where the errors are explained, in this repository; the code in lower case is the anchor.
const DOCS: &str = "docs/errors.md#";

/// What `Retry-After` says of a status that promises one, when nothing better is known.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// The one place where an error becomes HTTP; Uppy's clients and S3's have words of their own ([`render_companion`],
/// [`render_s3`]).
pub fn render(error: &Error, request_id: &str) -> Response<Full<Bytes>> {
    let envelope = Envelope {
        success: false,
        error: error.code.as_str(),
        message: &error.message,
        hint: error.hint.as_deref(),
        docs: format!("{DOCS}{}", error.code.as_str().to_ascii_lowercase()),
        request_id,
        provider: error.provider.as_deref(),
        valid_options: &error.valid_options,
    };
    response(error, &envelope)
}

/// Status and headers of an error, around a body of JSON.
fn response(error: &Error, body: &impl Serialize) -> Response<Full<Bytes>> {
    // A struct of text always has its JSON form.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let status = error.code.status();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let promises_retry = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if let Some(after) = error.retry_after.or(promises_retry.then_some(RETRY_AFTER_DEFAULT)) {
        headers.insert(header::RETRY_AFTER, seconds(after));
    }
    for (name, value) in &error.headers {
        headers.append(name, value.clone());
    }
    response
}

/// `Retry-After`, rounded up: who comes back early is only refused again.
fn seconds(after: Duration) -> HeaderValue {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    HeaderValue::from(seconds.max(1))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    fn body(response: Response<Full<Bytes>>) -> Value {
        let frame = response.into_body().frame().now_or_never().flatten().expect("a whole body").unwrap();
        serde_json::from_slice(&frame.into_data().unwrap()).unwrap()
    }

    #[test]
    fn the_envelope_has_one_shape() {
        let error = Error::new(Code::InvalidRegion, "unknown")
            .hint("choose")
            .options(["eu-west-1"])
            .provider("photos")
            .cause("for the log");
        let response = render(&error, "req-1");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        assert_eq!(
            body(response),
            json!({
                "success": false, "error": "INVALID_REGION", "message": "unknown", "hint": "choose",
                "docs": "docs/errors.md#invalid_region", "requestId": "req-1", "provider": "photos",
                "validOptions": ["eu-west-1"],
            })
        );
        let plain = body(render(&Error::new(Code::NotFound, "nothing"), "req-2"));
        assert_eq!(
            (&plain["hint"], &plain["provider"], plain.get("validOptions")),
            (&Value::Null, &Value::Null, None)
        );
    }

    #[test]
    fn a_status_that_promises_another_try_says_when() {
        for code in Code::ALL {
            let response = render(&Error::new(*code, "x"), "r");
            let promises = matches!(code.status().as_u16(), 429 | 503);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), promises, "{code:?}");
        }
        let later = Error::new(Code::RateLimited, "x").retry_after(Duration::from_millis(2500));
        assert_eq!(render(&later, "r").headers()[header::RETRY_AFTER], "3");
    }

    #[test]
    fn a_codes_status_says_who_is_at_fault() {
        for code in Code::ALL {
            let is_client = code.fault() == Fault::Client;
            let is_ours = *code == Code::NotImplemented;
            assert_eq!(code.status().is_client_error(), is_client && !is_ours, "{code:?}");
        }
        let names: HashSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn every_code_is_explained_and_nothing_else() {
        let document = include_str!("../../docs/errors.md");
        for code in Code::ALL {
            let section = format!("\n### {}\n\n{}. ", code.as_str(), code.status().as_u16());
            let (_, rest) = document.split_once(&section).unwrap_or_else(|| panic!("{section} is missing"));
            assert!(rest.split("###").next().unwrap().contains("\nWhat to do: "), "{section} has no cure");
        }
        assert_eq!(document.matches("\n### ").count(), Code::ALL.len());
    }
}
