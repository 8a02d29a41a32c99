//! Who may tell of objects that came to a bucket's provider without Wharf.

use secrecy::SecretString;

/// `events = { … }` of a bucket: one of them at least.
#[derive(Debug, Clone)]
pub struct EventsConfig {
    /// What whoever posts events has to send.
    pub token: Option<SecretString>,
    /// The topic whose messages are taken.
    pub topic: Option<Topic>,
}

/// Amazon's resource name of a topic: `arn:aws:sns:eu-west-1:123456789012:uploads`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    arn: String,
    /// The host that signs for it.
    host: String,
}

impl Topic {
    /// Parses a resource name. The error says what to write.
    pub fn parse(arn: &str) -> Result<Self, &'static str> {
        const HINT: &str = "is no topic's ARN: arn:aws:sns:REGION:ACCOUNT:NAME";
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts.as_slice() else { return Err(HINT) };
        let is_word = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let is_region = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if !is_region(region) || !account.bytes().all(|byte| byte.is_ascii_digit()) || !is_word(name) {
            return Err(HINT);
        }
        let domain = if *partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        Ok(Self { arn: arn.to_owned(), host: format!("sns.{region}.{domain}") })
    }

    /// The resource name.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Whether `url` is of the topic's host, over TLS. What follows the host begins with a slash, so that the host is not the
    /// beginning of another, and no user stands before it.
    pub fn owns(&self, url: &str) -> bool {
        let rest = url.strip_prefix("https://").and_then(|rest| rest.strip_prefix(self.host.as_str()));
        rest.is_some_and(|rest| rest.starts_with('/') && rest.bytes().all(|byte| byte.is_ascii_graphic()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_a_region_an_account_and_a_name() {
        let host = |arn| Topic::parse(arn).unwrap().host;
        assert_eq!(host("arn:aws:sns:eu-west-1:123456789012:uploads"), "sns.eu-west-1.amazonaws.com");
        assert_eq!(host("arn:aws-cn:sns:cn-north-1:123456789012:uploads"), "sns.cn-north-1.amazonaws.com.cn");
        for arn in
            ["", "uploads", "arn:aws:sqs:eu-west-1:1:a", "arn:aws:sns:evil.example/:1:a", "arn:aws:sns:e:x:a"]
        {
            assert!(Topic::parse(arn).is_err(), "{arn}");
        }
    }
}
