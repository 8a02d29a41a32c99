//! What a signed CDN URL allows, and the JSON that says so.

use ipnet::Ipv4Net;
use serde::Serialize;
use wharf_wire::date::Timestamp;

use super::CdnError;

/// What a signed CDN URL allows.
///
/// With `starts_at` or `source_ip` it is a custom policy, which travels in the URL; without, a canned one, which
/// CloudFront puts together itself from the URL and its `Expires`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdnPolicy {
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it begins.
    pub starts_at: Option<Timestamp>,
    /// The addresses that it holds for. CloudFront knows IPv4 alone here, and the distribution must not have IPv6.
    pub source_ip: Option<Ipv4Net>,
}

impl CdnPolicy {
    /// A canned policy.
    pub const fn until(expires_at: Timestamp) -> Self {
        Self { expires_at, starts_at: None, source_ip: None }
    }

    pub(super) const fn is_canned(&self) -> bool {
        self.starts_at.is_none() && self.source_ip.is_none()
    }

    /// The policy for `resource`, a whole percent-encoded address, as JSON without white space. For a canned policy these
    /// bytes are the very ones that CloudFront hashes, order of members included.
    pub(super) fn document(&self, resource: &str) -> Result<String, CdnError> {
        if self.starts_at.is_some_and(|start| start >= self.expires_at) {
            return Err(CdnError::EmptyPeriod);
        }
        let condition = Condition {
            date_less_than: EpochTime::of(self.expires_at),
            ip_address: self.source_ip.map(|block| SourceIp { block: block.to_string() }),
            date_greater_than: self.starts_at.map(EpochTime::of),
        };
        let document = Document { statement: [Statement { resource, condition }] };
        // A struct of strings and numbers always has its JSON form.
        serde_json::to_string(&document).map_err(|_| CdnError::Signing)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "Statement")]
    statement: [Statement<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement<'a> {
    resource: &'a str,
    condition: Condition,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    date_less_than: EpochTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<SourceIp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_greater_than: Option<EpochTime>,
}

#[derive(Serialize)]
struct EpochTime {
    #[serde(rename = "AWS:EpochTime")]
    seconds: u64,
}

impl EpochTime {
    const fn of(time: Timestamp) -> Self {
        Self { seconds: time.unix_seconds() }
    }
}

#[derive(Serialize)]
struct SourceIp {
    #[serde(rename = "AWS:SourceIp")]
    block: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://d111111abcdef8.cloudfront.net/image.jpg";

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1000)
    }

    #[test]
    fn a_canned_policy_is_byte_for_byte_the_one_that_cloudfront_builds() {
        let policy = CdnPolicy::until(at(1_357_034_400));
        assert!(policy.is_canned());
        assert_eq!(
            policy.document(URL).unwrap(),
            r#"{"Statement":[{"Resource":"https://d111111abcdef8.cloudfront.net/image.jpg","Condition":{"DateLessThan":{"AWS:EpochTime":1357034400}}}]}"#
        );
    }

    #[test]
    fn a_custom_policy_names_its_beginning_and_its_addresses() {
        let policy = CdnPolicy {
            expires_at: at(1_357_120_800),
            starts_at: Some(at(1_357_034_400)),
            source_ip: Some("192.0.2.0/24".parse().unwrap()),
        };
        assert!(!policy.is_canned());
        assert_eq!(
            policy.document(URL).unwrap(),
            r#"{"Statement":[{"Resource":"https://d111111abcdef8.cloudfront.net/image.jpg","Condition":{"DateLessThan":{"AWS:EpochTime":1357120800},"IpAddress":{"AWS:SourceIp":"192.0.2.0/24"},"DateGreaterThan":{"AWS:EpochTime":1357034400}}}]}"#
        );
    }

    #[test]
    fn a_policy_that_would_never_hold_is_refused() {
        let policy = CdnPolicy { starts_at: Some(at(1_000)), ..CdnPolicy::until(at(1_000)) };
        assert_eq!(policy.document(URL), Err(CdnError::EmptyPeriod));
    }
}
