//! The checks that every provider must pass, each seen failing on one wrong fact.
//!
//! A check asks the provider's verbs whether they do what its profile says, so that neither a mistyped fact nor an
//! overridden verb goes unnoticed. Checks hold no vendor's name: what they expect is in the profile.

mod facts;
mod sample;
#[cfg(test)]
mod tests;
mod verbs;

use crate::Provider;

/// `Err` says what does not hold.
type Outcome = Result<(), String>;

/// One thing that must hold of every provider.
#[derive(Debug)]
pub struct Check {
    /// What must hold, in a word or three.
    pub name: &'static str,
    run: fn(&dyn Provider) -> Outcome,
}

/// All of them.
pub const CHECKS: &[Check] = &[
    Check { name: "names", run: facts::names },
    Check { name: "links", run: facts::links },
    Check { name: "regions", run: facts::regions },
    Check { name: "unknown regions", run: facts::unknown_regions },
    Check { name: "partitions", run: facts::partitions },
    Check { name: "hosts", run: facts::hosts },
    Check { name: "account ids", run: facts::account_ids },
    Check { name: "jurisdictions", run: facts::jurisdictions },
    Check { name: "addressing", run: facts::addressing },
    Check { name: "reserved buckets", run: facts::reserved_buckets },
    Check { name: "credentials", run: facts::credentials },
    Check { name: "switches", run: facts::switches },
    Check { name: "trailers", run: facts::trailers },
    Check { name: "form endpoints", run: facts::form_endpoints },
    Check { name: "conditional writes", run: facts::conditional_writes },
    Check { name: "policies", run: facts::policies },
    Check { name: "browser rules", run: facts::browser_rules },
    Check { name: "sizes", run: facts::sizes },
    Check { name: "part sizes", run: facts::part_sizes },
    Check { name: "batches", run: facts::batches },
    Check { name: "storage classes", run: verbs::storage_classes },
    Check { name: "refused storage classes", run: verbs::refused_storage_classes },
    Check { name: "encryption", run: verbs::encryption },
    Check { name: "expiry", run: verbs::expiry },
    Check { name: "presigned uploads", run: verbs::presigned_uploads },
    Check { name: "presigned downloads", run: verbs::presigned_downloads },
    Check { name: "uploads in parts", run: verbs::uploads_in_parts },
    Check { name: "forms", run: verbs::forms },
    Check { name: "presigned parts", run: verbs::presigned_parts },
    Check { name: "public addresses", run: verbs::public_addresses },
];

/// The checks that `provider` fails, each with what does not hold.
pub fn failures(provider: &dyn Provider) -> Vec<(&'static str, String)> {
    let run = |check: &Check| (check.run)(provider).err().map(|failure| (check.name, failure));
    CHECKS.iter().filter_map(run).collect()
}

fn ensure(holds: bool, otherwise: impl Into<String>) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

/// Whether no value is there twice.
fn are_distinct(values: &[&str]) -> bool {
    values.iter().enumerate().all(|(at, value)| !values.iter().take(at).any(|earlier| earlier == value))
}
