//! What a caller's grants say about buckets, beside the one check that guards an object (`request::authorize`).

use crate::{
    config::checked::{Action, Grant},
    request::{
        authenticate::Identity,
        authorize::{grants, is_for},
    },
};

/// The shortest prefix in `bucket` that the caller may do `action` below; for writing it is where uploads go, since the
/// rest of a key is Wharf's own making. Without a grant it is empty, and `authorize` refuses.
pub(super) fn shortest_prefix<'a>(identity: &'a Identity, action: Action, bucket: &str) -> &'a str {
    let allows = |grant: &&Grant| is_for(grant, bucket) && grant.actions.contains(&action);
    let prefixes = grants(identity).into_iter().flatten().filter(allows).map(|grant| grant.prefix.as_str());
    prefixes.min_by_key(|prefix| prefix.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{config::checked::GrantBucket, request::authorize::may_know};

    fn identity(grants: &[(&str, &str, Action)]) -> Identity {
        let allow = grants.iter().map(|(bucket, prefix, action)| Grant {
            bucket: if *bucket == "*" { GrantBucket::Any } else { GrantBucket::Named((*bucket).to_owned()) },
            prefix: (*prefix).to_owned(),
            actions: vec![*action],
        });
        Identity::User { subject: "ann".to_owned(), allow: allow.collect::<Arc<_>>() }
    }

    #[test]
    fn uploads_go_where_the_caller_may_write() {
        let one = identity(&[("photos", "read/", Action::Read), ("photos", "in/", Action::Write)]);
        assert_eq!(shortest_prefix(&one, Action::Write, "photos"), "in/");
        assert_eq!(shortest_prefix(&one, Action::Write, "films"), "");
        let two = identity(&[("photos", "in/", Action::Write), ("*", "", Action::Write)]);
        assert_eq!(shortest_prefix(&two, Action::Write, "photos"), "");
        assert_eq!(shortest_prefix(&Identity::Loopback, Action::Write, "photos"), "");
    }

    #[test]
    fn a_bucket_is_known_to_those_who_may_use_it() {
        let ann = identity(&[("photos", "", Action::Read)]);
        assert!(may_know(&ann, "photos"));
        assert!(!may_know(&ann, "films"));
        assert!(may_know(&identity(&[("*", "", Action::List)]), "films"));
        assert!(may_know(&Identity::Loopback, "films"));
        assert!(!may_know(&identity(&[]), "photos"));
    }
}
