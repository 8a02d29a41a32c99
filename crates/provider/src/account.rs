//! An account somewhere, and where its objects are.

use wharf_wire::{
    date::Timestamp,
    encode,
    endpoint::{Endpoint, Scheme},
    names::{BucketName, ObjectKey, Region},
    sigv4::{Credentials, Scope},
};

use crate::{Profile, Unsupported, endpoint::Hosts};

/// An account that requests can be made for.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are facts that do not depend on one another")]
pub struct Account {
    pub(crate) profile: &'static Profile,
    pub(crate) credentials: Credentials,
    pub(crate) region: Region,
    pub(crate) hosts: Hosts,
    pub(crate) is_custom_endpoint: bool,
    pub(crate) takes_trailers: bool,
    pub(crate) takes_forms: bool,
    pub(crate) holds_conditions: bool,
    /// What stands before `/key` in a public address, where that is not the endpoint.
    pub(crate) public_base: Option<String>,
}

/// Where an object or bucket is: URL parts, unencoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The `Host` header.
    pub authority: String,
    /// `/bucket/key` or `/key`, unencoded.
    pub path: String,
}

impl Location {
    /// The whole URL, percent-encoded.
    pub fn url(&self) -> String {
        let mut url = String::with_capacity(self.authority.len() + self.path.len() + 16);
        url.push_str(self.scheme.as_str());
        url.push_str("://");
        url.push_str(&self.authority);
        encode::path(&self.path, &mut url);
        url
    }
}

impl Account {
    /// The facts of the account's provider.
    pub fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// Who signs.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The region that requests are signed with.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The endpoint without a bucket in its host.
    pub fn endpoint(&self) -> &Endpoint {
        &self.hosts.endpoint
    }

    /// Whether the endpoint is a custom one, not the provider's own.
    pub fn is_custom_endpoint(&self) -> bool {
        self.is_custom_endpoint
    }

    /// Whether a checksum may follow a body there. What a profile says holds for the provider's own hosts alone.
    pub fn takes_trailers(&self) -> bool {
        self.takes_trailers
    }

    /// Whether browsers may post forms there. What a profile says holds for the provider's own hosts, and for any where it
    /// has none of its own.
    pub fn takes_forms(&self) -> bool {
        self.takes_forms
    }

    /// Whether a write with `If-None-Match: *` overwrites nothing there. What a profile says holds for the provider's own
    /// hosts alone: some stores take the header and overwrite.
    pub fn holds_conditions(&self) -> bool {
        self.holds_conditions
    }

    /// The scope that a request at `now` is signed for.
    pub fn scope(&self, now: Timestamp) -> Scope {
        Scope::s3(now.amz_date(), &self.region)
    }

    /// Where `key` in `bucket` is; with no key, where the bucket is; with neither, where the account's buckets are listed.
    ///
    /// Refused are buckets that the account's hosts cannot address: names kept for other kinds of buckets, and names
    /// with dots on acceleration hosts. What a configured bucket is refused for is known as soon as the configuration is.
    pub fn location(
        &self,
        bucket: Option<&BucketName>,
        key: Option<&ObjectKey>,
    ) -> Result<Location, Unsupported> {
        self.locate(bucket.map(BucketName::as_str), key.map(ObjectKey::as_str))
    }

    /// As [`Self::location`], for a bucket name that was not checked: S3 still has buckets that are older than its
    /// naming rules, always in path style.
    pub fn locate(&self, bucket: Option<&str>, key: Option<&str>) -> Result<Location, Unsupported> {
        bucket.map_or(Ok(()), |bucket| self.check(bucket))?;
        Ok(self.hosts.preferred(bucket, key))
    }

    /// Refuses the buckets that [`Self::location`] refuses.
    pub fn check_bucket(&self, bucket: &BucketName) -> Result<(), Unsupported> {
        self.check(bucket.as_str())
    }

    fn check(&self, bucket: &str) -> Result<(), Unsupported> {
        let mut reserved = self.profile.reserved_bucket_suffixes.iter();
        if let Some(reserved) = reserved.find(|it| bucket.ends_with(it.suffix)) {
            return Err(self.unsupported(format!(
                "general purpose bucket whose name ends in {}: such names are those of {}",
                reserved.suffix, reserved.names
            )));
        }
        if self.hosts.can_address(bucket) {
            return Ok(());
        }
        Err(self
            .unsupported("transfer acceleration for bucket names with more in them than a-z, 0-9 and `-`"))
    }

    /// The object's address without a signature, percent-encoded; never on acceleration hosts, which bill a download.
    pub fn public_url(&self, bucket: &BucketName, key: &ObjectKey) -> String {
        let Some(base) = &self.public_base else {
            return self.hosts.plain(Some(bucket.as_str()), Some(key.as_str())).url();
        };
        let mut url = String::with_capacity(base.len() + key.as_str().len() + 1);
        url.push_str(base);
        url.push('/');
        encode::path(key.as_str(), &mut url);
        url
    }

    fn unsupported(&self, feature: impl Into<String>) -> Unsupported {
        Unsupported { provider: self.profile.title, feature: feature.into() }
    }
}
