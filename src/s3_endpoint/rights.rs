//! What a request needs, and whether its caller has it.

use wharf_wire::s3::{ErrorCode, Level, Operation, Right};

use crate::{
    config::checked::Action,
    error::S3Error,
    request::{
        authenticate::Identity,
        authorize::{authorize, may_know},
    },
};

use super::{Call, Place};

/// Refuses unless the caller may do what the request asks, on the bucket and key that it names. What a body or a header
/// names besides (keys to delete, a copy's source) is checked where it is read, with [`check_key`].
pub(super) fn check(call: &Call<'_>, place: &Place<'_>) -> Result<(), S3Error> {
    let operation = call.request.operation;
    match (operation.right(), operation.level()) {
        // A form is a `PutObject` when it comes here, and a list of keys has a right for each.
        _ if matches!(operation, Operation::PostObject | Operation::DeleteObjects) => Ok(()),
        (None, _) => Ok(()),
        (Some(right), Level::Object) => {
            let key = call.request.address.key().map_or("", |key| key.as_str());
            check_key(call, place, right, key)
        }
        (Some(Right::List), _) if is_about_the_bucket(operation) => {
            let identity = identity(call)?;
            if may_know(identity, &place.bucket.name) { Ok(()) } else { Err(ErrorCode::AccessDenied.into()) }
        }
        (Some(right), _) => check_key(call, place, right, call.request.parameters.prefix()),
    }
}

/// Refuses unless the caller has `right` on `key`, which for a listing is its prefix.
pub(super) fn check_key(call: &Call<'_>, place: &Place<'_>, right: Right, key: &str) -> Result<(), S3Error> {
    match check_grant(call, place, right, key) {
        Err(refused) if place.bucket.public && is_public(call.request.operation) => {
            check_public(call, refused)
        }
        checked => checked,
    }
}

fn check_grant(call: &Call<'_>, place: &Place<'_>, right: Right, key: &str) -> Result<(), S3Error> {
    Ok(authorize(identity(call)?, action(right), &place.bucket.name, key)?)
}

/// Anyone may read a public object as it is now and as it was stored. The rest takes a grant, and is `refused` without.
fn check_public(call: &Call<'_>, refused: S3Error) -> Result<(), S3Error> {
    let parameters = &call.request.parameters;
    if call.identity.is_none() && parameters.override_reply() {
        let message = "Only a signed request may choose headers of the reply.";
        return Err(S3Error::new(ErrorCode::InvalidRequest, message));
    }
    let asks_more = parameters.override_reply() || parameters.version_id().is_some();
    if asks_more { Err(refused) } else { Ok(()) }
}

/// Whether the caller reads what anyone may, without a grant of their own.
pub(super) fn reads_as_anyone(call: &Call<'_>, place: &Place<'_>) -> bool {
    let key = call.request.address.key().map_or("", |key| key.as_str());
    is_public(call.request.operation) && check_grant(call, place, Right::Read, key).is_err()
}

/// Whoever may do anything with a bucket may know that it is there.
fn is_about_the_bucket(operation: Operation) -> bool {
    matches!(operation, Operation::HeadBucket | Operation::GetBucketLocation)
}

/// What anyone may do where the configuration calls a bucket public: what a browser does with a link.
fn is_public(operation: Operation) -> bool {
    matches!(operation, Operation::GetObject | Operation::HeadObject)
}

/// The caller, if there is one.
pub(super) fn identity<'a>(call: &Call<'a>) -> Result<&'a Identity, S3Error> {
    call.identity.ok_or_else(|| ErrorCode::AccessDenied.into())
}

const fn action(right: Right) -> Action {
    match right {
        Right::Read => Action::Read,
        Right::Write => Action::Write,
        Right::Delete => Action::Delete,
        Right::List => Action::List,
        Right::Acl => Action::Acl,
        Right::Lock => Action::Lock,
        Right::Configure => Action::Configure,
    }
}
