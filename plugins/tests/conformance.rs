//! One suite walks every provider; `wharf_provider::conformance` shows each of its checks failing.

use std::collections::HashSet;

use wharf_plugins::{PROVIDERS, by_kind};
use wharf_provider::conformance;

#[test]
fn every_provider_conforms() {
    for provider in PROVIDERS {
        let failures = conformance::failures(*provider);
        assert!(failures.is_empty(), "{}: {failures:#?}", provider.profile().title);
    }
}

#[test]
fn kinds_and_prefixes_are_not_shared() {
    let kinds: HashSet<_> = PROVIDERS.iter().map(|provider| provider.profile().kind).collect();
    let prefixes: HashSet<_> = PROVIDERS.iter().map(|provider| provider.profile().field_prefix).collect();
    assert_eq!((kinds.len(), prefixes.len()), (PROVIDERS.len(), PROVIDERS.len()));
    for kind in kinds {
        assert_eq!(by_kind(kind).map(|provider| provider.profile().kind), Some(kind));
    }
}
