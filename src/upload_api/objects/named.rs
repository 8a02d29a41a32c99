//! The object that a request names, once its caller was found to have the right.

use http::HeaderName;
use wharf_wire::{
    names::ObjectKey,
    s3::{Operation, Parameter, Parameters},
};

use crate::{
    config::checked::Action,
    error::{Code, Error},
    transfer::{Sending, TransferError},
    upload_api::{Request, key, remote::Question},
};

const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");

/// An object, and its version if one was named.
pub(super) struct Named<'r> {
    /// As the caller calls it.
    pub(super) key: &'r str,
    /// As the provider knows it.
    whole: ObjectKey,
    parameters: Parameters,
}

impl<'r> Named<'r> {
    /// The object of `request`, on which its caller may do `action`.
    pub(super) fn of(request: &'r Request<'_>, action: Action) -> Result<Self, Error> {
        let fields = &request.body.get;
        let named = Self::called(key::required(fields)?, request, action)?;
        let mut parameters = Parameters::default();
        if let Some(version) = key::version_id(fields)? {
            parameters.set(Parameter::VersionId, version.to_owned());
        }
        Ok(Self { parameters, ..named })
    }

    /// The newest version of the object called `key`.
    pub(super) fn called(key: &'r str, request: &Request<'_>, action: Action) -> Result<Self, Error> {
        request.target.authorize(request.call.identity, action, key)?;
        let whole = request.target.object_key(key)?;
        Ok(Self { key, whole, parameters: Parameters::default() })
    }

    /// The object that the provider knows as `whole_key`, if that can be one.
    pub(super) fn whole(whole_key: &'r str) -> Option<Self> {
        let whole = ObjectKey::parse(whole_key).ok()?;
        Some(Self { key: whole_key, whole, parameters: Parameters::default() })
    }

    /// Makes sure that the provider has the newest, where that is asked for.
    pub(super) async fn check_not_behind(&self, request: &Request<'_>) -> Result<(), Error> {
        match request.target.configured {
            Some(bucket) if !self.has_version() => {
                Ok(request.parts.mirrors.check_not_behind(bucket, self.key).await?)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a version was named.
    pub(super) fn has_version(&self) -> bool {
        self.parameters.version_id().is_some()
    }

    /// What to ask of it.
    pub(super) fn question(&self, operation: Operation, sending: Sending) -> Question<'_> {
        Question { operation, key: Some(&self.whole), parameters: &self.parameters, sending }
    }

    /// Why the provider refuses it.
    pub(super) fn refused(&self, error: TransferError) -> Error {
        let TransferError::Refused { answer, .. } = &error else { return error.into() };
        if is_delete_marker(&error) {
            return Error::new(Code::FileNotFound, "The object was deleted: this is its delete marker.")
                .cause(error.to_string());
        }
        if self.has_version() && answer.status == http::StatusCode::BAD_REQUEST {
            return Error::new(Code::InvalidField, "`versionId` is none of the provider's versions.")
                .cause(error.to_string());
        }
        error.into()
    }
}

/// Whether a refusal says that the object was deleted, and that a marker stands in its place.
pub(super) fn is_delete_marker(refusal: &TransferError) -> bool {
    let TransferError::Refused { answer, .. } = refusal else { return false };
    answer.headers.get(DELETE_MARKER).is_some_and(|marker| marker == "true")
}
