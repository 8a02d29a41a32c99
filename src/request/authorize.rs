//! What a caller may do, checked on the one parsed (bucket, key) that is also signed.

use crate::{
    config::checked::{Action, Grant, GrantBucket},
    error::{Code, Error},
};

use super::authenticate::Identity;

/// Refuses with `ACCESS_DENIED` unless `identity` may do `action` on `key` of the configured bucket `bucket`.
///
/// Nothing is allowed that no grant names: a key without grants can do nothing with configured buckets. For a
/// listing, `key` is the prefix that is to be listed.
pub fn authorize(identity: &Identity, action: Action, bucket: &str, key: &str) -> Result<(), Error> {
    let allow = |grants: &[Grant]| grants.iter().any(|grant| allows(grant, action, bucket, key));
    let is_granted = grants(identity).is_none_or(allow) && parent_grants(identity).is_none_or(allow);
    if is_granted && is_about(identity, key) {
        return Ok(());
    }
    Err(refusal(action))
}

/// The same in a bucket of the caller's own, which its provider guards: only an access token bounds what is done there.
pub fn authorize_brought(identity: &Identity, action: Action, bucket: &str, key: &str) -> Result<(), Error> {
    let Identity::Session(session) = identity else { return Ok(()) };
    let is_granted = session.allow.iter().any(|grant| allows(grant, action, bucket, key));
    if is_granted && is_about(identity, key) { Ok(()) } else { Err(refusal(action)) }
}

/// Whether an access token that is about one key is about this one.
fn is_about(identity: &Identity, key: &str) -> bool {
    match identity {
        Identity::Session(session) => {
            let object = session.access.as_ref().and_then(|access| access.object.as_deref());
            object.is_none_or(|object| object == key)
        }
        Identity::Key(_) | Identity::User { .. } | Identity::Loopback => true,
    }
}

fn refusal(action: Action) -> Error {
    let prefix = match action {
        Action::Configure => "no prefix",
        Action::Read | Action::Write | Action::Delete | Action::List | Action::Acl | Action::Lock => {
            "a prefix of the object's key"
        }
    };
    let action = action.as_str();
    Error::new(Code::AccessDenied, "This key may not do this here.").hint(format!(
        "A grant of the key in the configuration must name the bucket, {prefix}, and the action \"{action}\"."
    ))
}

/// Whether an error may tell the caller of `bucket`: a name is no secret to whoever may use it, and to nobody else.
pub fn may_know(identity: &Identity, bucket: &str) -> bool {
    let know = |grants: &[Grant]| grants.iter().any(|grant| is_for(grant, bucket));
    grants(identity).is_none_or(know) && parent_grants(identity).is_none_or(know)
}

/// The caller's grants; `None` is a caller who may do everything.
pub(crate) fn grants(identity: &Identity) -> Option<&[Grant]> {
    match identity {
        Identity::Key(key) => Some(&key.allow),
        Identity::Session(session) => Some(&session.allow),
        Identity::User { allow, .. } => Some(allow),
        Identity::Loopback => None,
    }
}

/// What holds besides: a session may do nothing that its maker may not.
fn parent_grants(identity: &Identity) -> Option<&[Grant]> {
    match identity {
        Identity::Session(session) => session.maker.grants(),
        Identity::Key(_) | Identity::User { .. } | Identity::Loopback => None,
    }
}

/// Whether a grant says anything about `bucket`.
pub(crate) fn is_for(grant: &Grant, bucket: &str) -> bool {
    match &grant.bucket {
        GrantBucket::Any => true,
        GrantBucket::Named(name) => name == bucket,
    }
}

fn allows(grant: &Grant, action: Action, bucket: &str, key: &str) -> bool {
    is_for(grant, bucket) && grant.actions.contains(&action) && is_below(&grant.prefix, key)
}

/// Whether `key` is below `prefix`: `uploads/../private` is not below `uploads/`.
fn is_below(prefix: &str, key: &str) -> bool {
    prefix.is_empty() || (key.starts_with(prefix) && !walks_up(key))
}

/// Whether `key` may lead out of a prefix. S3 takes `..` as it stands, but some stores keep objects as files and walk up
/// with it.
pub(crate) fn walks_up(key: &str) -> bool {
    key.split(['/', '\\']).any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn user(prefix: &str, actions: &[Action]) -> Identity {
        let grant = Grant {
            bucket: GrantBucket::Named("photos".into()),
            prefix: prefix.into(),
            actions: actions.to_vec(),
        };
        Identity::User { subject: "ada".into(), allow: Arc::from([grant]) }
    }

    fn is_allowed(identity: &Identity, action: Action, bucket: &str, key: &str) -> bool {
        authorize(identity, action, bucket, key).is_ok()
    }

    #[test]
    fn a_grant_names_bucket_prefix_and_action() {
        let ada = user("uploads/", &[Action::Write, Action::Read]);
        assert!(is_allowed(&ada, Action::Write, "photos", "uploads/a.png"));
        assert!(is_allowed(&ada, Action::Read, "photos", "uploads/"));
        assert!(!is_allowed(&ada, Action::Delete, "photos", "uploads/a.png"));
        assert!(!is_allowed(&ada, Action::Write, "photos", "a.png"));
        assert!(!is_allowed(&ada, Action::Write, "photos", "Uploads/a.png"));
        assert!(!is_allowed(&ada, Action::Write, "photo", "uploads/a.png"));
        assert!(!is_allowed(&ada, Action::Write, "photos2", "uploads/a.png"));
    }

    #[test]
    fn a_key_that_walks_up_is_not_below_a_prefix() {
        let ada = user("uploads/", &[Action::Read]);
        for key in
            ["uploads/../private", "uploads/a/..", "uploads/a/../../b", "uploads/..\\b", "uploads/x\\..\\b"]
        {
            assert!(!is_allowed(&ada, Action::Read, "photos", key), "{key}");
        }
        assert!(is_allowed(&ada, Action::Read, "photos", "uploads/a..b/...png"));
        assert!(is_allowed(&user("", &[Action::Read]), Action::Read, "photos", "a/../b"));
    }

    #[test]
    fn the_refusal_is_a_403_that_names_no_other_grant() {
        let error = authorize(&user("uploads/", &[]), Action::Read, "photos", "uploads/a").unwrap_err();
        assert_eq!(error.code, Code::AccessDenied);
        assert!(!format!("{error:?}").contains("uploads/"));
    }

    #[test]
    fn no_grants_allow_nothing_and_loopback_everything() {
        let nobody = Identity::User { subject: "ada".into(), allow: Arc::from([]) };
        assert!(!is_allowed(&nobody, Action::Read, "photos", "a"));
        assert!(is_allowed(&Identity::Loopback, Action::Delete, "photos", "a/../b"));
    }
}
