//! From a checked request to the provider's: built anew, of the method, the parameters and the headers that the
//! operation has, and of nothing else.

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use wharf_wire::{
    encode,
    names::{ObjectKey, Region},
    s3::{
        ErrorCode, Operation, Parameters,
        headers::{self, Passage},
    },
    xml::rewrite::{Asked, Names},
};

use super::{Call, Place, S3Endpoint, accept, mirrored, rights};
use crate::{
    backend::upstream::{ReplyStream, UpstreamError},
    config::checked::ServerLimits,
    error::S3Error,
    transfer::{Defaults, strip_aws_chunked},
};

pub(super) use crate::transfer::Sending;

const REQUEST_PAYER: HeaderName = HeaderName::from_static("x-amz-request-payer");

/// A request on its way through a handler: what was asked, and where it goes.
pub(super) struct Handling<'a> {
    pub(super) endpoint: &'a S3Endpoint,
    pub(super) call: &'a Call<'a>,
    pub(super) place: Place<'a>,
}

impl<'a> Handling<'a> {
    /// What is asked.
    pub(super) fn operation(&self) -> Operation {
        self.call.request.operation
    }

    /// The caller's parameters.
    pub(super) fn parameters(&self) -> &'a Parameters {
        &self.call.request.parameters
    }

    /// The caller's key.
    pub(super) fn key(&self) -> Option<&'a ObjectKey> {
        self.call.request.address.key()
    }

    /// The caller's headers that go to the provider. One that needs a right of its own needs it here; one that S3 does
    /// not have is refused, as S3 does.
    pub(super) fn headers(&self) -> Result<HeaderMap, S3Error> {
        let mut sent = HeaderMap::with_capacity(self.call.headers.len());
        for (name, value) in self.call.headers {
            match headers::request(self.operation(), name.as_str(), value.as_bytes()) {
                // Whoever may spend the account's money has a grant.
                Passage::Upstream(_)
                    if *name == REQUEST_PAYER && rights::reads_as_anyone(self.call, &self.place) => {}
                Passage::Upstream(right) => {
                    if let Some(right) = right {
                        let key = self.key().map_or("", |key| key.as_str());
                        rights::check_key(self.call, &self.place, right, key)?;
                    }
                    add(name, value, &mut sent)?;
                }
                Passage::Held => {}
                Passage::Unknown => {
                    let message = "A header you provided implies functionality that is not implemented.";
                    return Err(
                        S3Error::new(ErrorCode::NotImplemented, message).detail("Header", name.as_str())
                    );
                }
            }
        }
        Ok(sent)
    }

    /// The same for an object that is to be: as it will be stored, as its bucket takes it, and with the bucket's defaults.
    pub(super) fn headers_of_new_object(&self) -> Result<HeaderMap, S3Error> {
        let mut headers = self.headers()?;
        strip_aws_chunked(&mut headers);
        accept::check_object(self, &headers)?;
        mirrored::check_readable(self, &headers)?;
        add_defaults(&self.place, &mut headers)?;
        Ok(headers)
    }

    /// The bounds on what a client can make Wharf hold.
    pub(super) fn limits(&self) -> &'a ServerLimits {
        &self.endpoint.config.server.limits
    }

    /// The region that clients sign for.
    pub(super) fn region(&self) -> &'a Region {
        &self.endpoint.config.s3.region
    }

    /// The URL that was asked for: an object's, as the caller knows it.
    pub(super) fn location(&self) -> String {
        self.url(self.call.head.uri.path())
    }

    /// The URL of `key` in the bucket that was asked for.
    pub(super) fn location_below(&self, key: &str) -> String {
        let mut path = self.call.head.uri.path().trim_end_matches('/').to_owned();
        path.push('/');
        encode::path(key, &mut path);
        self.url(&path)
    }

    fn url(&self, path: &str) -> String {
        let door = self.endpoint.config.server.s3.as_ref();
        let scheme = if door.is_some_and(|door| door.tls.is_some()) { "https" } else { "http" };
        [scheme, "://", self.call.authority, path].concat()
    }

    /// Sends the request as it was asked, with the provider's names.
    pub(super) async fn send(&self, sending: Sending) -> Result<Response<ReplyStream>, S3Error> {
        self.send_with(self.parameters(), sending).await
    }

    /// The same with other parameters.
    pub(super) async fn send_with(
        &self,
        parameters: &Parameters,
        sending: Sending,
    ) -> Result<Response<ReplyStream>, S3Error> {
        let key = self.provider_key()?;
        Ok(self.ask(key.as_ref(), parameters, sending).await?)
    }

    /// The caller's key as the provider knows it.
    pub(super) fn provider_key(&self) -> Result<Option<ObjectKey>, S3Error> {
        self.key().map(|key| self.place.provider_key(key)).transpose()
    }

    /// The same, and what went wrong in the words of whoever sends it. `key` is the provider's.
    pub(super) async fn ask(
        &self,
        key: Option<&ObjectKey>,
        parameters: &Parameters,
        sending: Sending,
    ) -> Result<Response<ReplyStream>, UpstreamError> {
        let operation = self.operation();
        let query: Vec<_> = parameters.pairs(operation).collect();
        self.place.origin.send(sending.asking(operation, &self.place.bucket.bucket, key, &query)).await
    }

    /// How the reply's names become the caller's.
    pub(super) fn names(&self) -> Names {
        let bucket = self.place.bucket;
        Names {
            bucket: bucket.name.clone(),
            provider_bucket: bucket.bucket.as_str().to_owned(),
            key_prefix: bucket.key_prefix.clone(),
            resource: self.call.head.uri.path().to_owned(),
            request_id: self.call.context.request_id.clone(),
            asked: Asked::default(),
            ..Names::default()
        }
    }
}

/// Adds a caller's header to those that are `sent`. Of two values Wharf would check one and a provider might obey the other.
fn add(name: &HeaderName, value: &HeaderValue, sent: &mut HeaderMap) -> Result<(), S3Error> {
    if sent.contains_key(name) && !headers::may_come_twice(name.as_str()) {
        let message = format!("The header {name} came twice.");
        return Err(S3Error::new(ErrorCode::InvalidRequest, message));
    }
    let mut value = value.clone();
    value.set_sensitive(name.as_str().ends_with("-customer-key"));
    sent.append(name.clone(), value);
    Ok(())
}

/// Adds what the configuration wants of every new object of the bucket and the caller did not say otherwise.
pub(super) fn add_defaults(place: &Place<'_>, headers: &mut HeaderMap) -> Result<(), S3Error> {
    let bucket = place.bucket;
    let defaults = Defaults { storage_class: bucket.storage_class, encryption: bucket.encryption.as_ref() };
    defaults.add_to(headers, place.origin.account().profile()).map_err(|error| {
        S3Error::from(ErrorCode::InternalError).cause(format!("the bucket's KMS key: {error}"))
    })
}
