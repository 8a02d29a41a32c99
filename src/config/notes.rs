//! What is in order and may surprise all the same: `wharf check` says it.

use wharf_provider::Profile;

use super::{
    Config,
    checked::{BucketConfig, DirectUploads, FailoverReads, MirrorConfig},
};

/// What the buckets' mirrors and backfills do not do, each under the path of what it is about.
pub fn notes(config: &Config) -> Vec<String> {
    config.buckets.values().flat_map(|bucket| of_bucket(config, bucket)).collect()
}

fn of_bucket(config: &Config, bucket: &BucketConfig) -> Vec<String> {
    let mut notes: Vec<_> = not_kept(config, bucket).into_iter().collect();
    if !bucket.mirrors.is_empty() {
        notes.extend(of_mirrors(config, bucket));
    }
    notes
}

/// Where a write could overwrite what a client has written meanwhile, nothing is written unasked.
fn not_kept(config: &Config, bucket: &BucketConfig) -> Option<String> {
    let provider = config.providers.get(&bucket.provider)?;
    (bucket.backfill.is_some() && !provider.account.holds_conditions()).then(|| {
        format!(
            "buckets.{}.backfill: what is read there is not kept here, since {} is not known to hold `If-None-Match: *` \
             on writes here; if it does, write `conditional_writes = true` into [providers.{}]",
            bucket.name,
            provider.plugin.profile().title,
            bucket.provider
        )
    })
}

fn of_mirrors(config: &Config, bucket: &BucketConfig) -> Vec<String> {
    let customer_keys =
        if bucket.is_teed() { "reach a mirror only while they are uploaded" } else { "are refused" };
    let not_mirrored = format!(
        "buckets.{}.mirrors: objects are mirrored with their metadata and tags; ACLs, retention, legal holds, old \
         versions and the bucket's settings are not. Objects encrypted with a client's own key (SSE-C) {customer_keys}",
        bucket.name
    );
    let direct = (bucket.direct_uploads == DirectUploads::Provider).then(|| {
        format!(
            "buckets.{}.direct_uploads: the upload API's signed URLs lead to the provider, and what is sent there is \
             mirrored only when the provider tells of it; \"wharf\" leads them to the S3 endpoint, where Wharf sees it",
            bucket.name
        )
    });
    let of_mirrors = bucket.mirrors.iter().enumerate().flat_map(|(index, mirror)| {
        let path = format!("buckets.{}.mirrors[{index}]", bucket.name);
        of_mirror(config, bucket, mirror).into_iter().map(move |note| format!("{path}: {note}"))
    });
    std::iter::once(not_mirrored).chain(direct).chain(of_mirrors).collect()
}

fn of_mirror(config: &Config, bucket: &BucketConfig, mirror: &MirrorConfig) -> Vec<String> {
    let profile = |name| config.providers.get(name).map(|provider| provider.plugin.profile());
    let mut notes = Vec::new();
    if let (Some(primary), Some(own)) = (profile(&bucket.provider), profile(&mirror.provider)) {
        notes.extend(smaller_objects(bucket, primary, own));
    }
    let longer = mirror.key_prefix.len().saturating_sub(bucket.key_prefix.len());
    if longer > 0 {
        notes.push(format!("its key_prefix is {longer} bytes longer: the longest keys cannot be mirrored"));
    }
    if let Some(class) = mirror.storage_class.filter(|class| class.is_archive)
        && bucket.failover.reads != FailoverReads::Off
    {
        let class = class.name;
        notes.push(format!("{class} has to be restored before it is read: no read can be served from here"));
    }
    notes
}

fn smaller_objects(bucket: &BucketConfig, primary: &Profile, own: &Profile) -> Option<String> {
    let accepted = bucket.accept.file_bytes_max.unwrap_or(u64::MAX).min(primary.limits.object_bytes_max);
    let bytes_max = own.limits.object_bytes_max;
    (bytes_max < accepted).then(|| {
        format!("{} stores at most {bytes_max} bytes in an object: larger ones cannot be mirrored", own.title)
    })
}
