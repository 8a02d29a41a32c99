//! A bucket's CORS rules: which of them answers a browser's question, as S3 decides it.
//!
//! S3 takes the first rule that allows origin, method and every header that the browser names, and nothing of the rules
//! behind it: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html>. So a rule can be there, be right, and never
//! be asked.

use serde::Serialize;

/// One rule of a bucket's CORS configuration. As JSON it is what vendors' consoles take.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CorsRule {
    /// `ID`, which whoever wrote the rule may have given it.
    #[serde(rename = "ID", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `AllowedOrigin`s.
    pub allowed_origins: Vec<String>,
    /// `AllowedMethod`s.
    pub allowed_methods: Vec<String>,
    /// `AllowedHeader`s.
    pub allowed_headers: Vec<String>,
    /// `ExposeHeader`s.
    pub expose_headers: Vec<String>,
    /// `MaxAgeSeconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
    /// Whether the document said more of it: it cannot be written again as it was.
    #[serde(skip)]
    pub has_more: bool,
}

/// What a browser asks before it sends a request to another origin.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The page's origin, `https://app.example.com`.
    pub origin: &'a str,
    /// The method that the page wants to use.
    pub method: &'a str,
    /// The headers that it wants to send.
    pub headers: &'a [&'a str],
}

impl CorsRule {
    /// Whether the rule answers `question` with yes.
    pub fn allows(&self, question: &Question<'_>) -> bool {
        let allows_header = |header: &&str| {
            let header = header.to_ascii_lowercase();
            self.allowed_headers.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &header))
        };
        self.allowed_origins.iter().any(|pattern| matches(pattern, question.origin))
            && self.allowed_methods.iter().any(|method| method == question.method)
            && question.headers.iter().all(allows_header)
    }

    /// Whether a page may read the reply's header `name`.
    pub fn exposes(&self, name: &str) -> bool {
        self.expose_headers.iter().any(|exposed| exposed == "*" || exposed.eq_ignore_ascii_case(name))
    }
}

/// The rule that answers `question`: S3 looks at no other.
///
/// ```
/// use wharf_wire::cors::{CorsRule, Question, answering};
///
/// let rule = CorsRule {
///     allowed_origins: vec!["https://*.example.com".to_owned()],
///     allowed_methods: vec!["PUT".to_owned()],
///     allowed_headers: vec!["*".to_owned()],
///     ..CorsRule::default()
/// };
/// let rules = [rule];
/// let mut question = Question { origin: "https://app.example.com", method: "PUT", headers: &["content-type"] };
/// assert!(answering(&rules, &question).is_some());
/// question.method = "DELETE";
/// assert!(answering(&rules, &question).is_none());
/// ```
pub fn answering<'r>(rules: &'r [CorsRule], question: &Question<'_>) -> Option<&'r CorsRule> {
    rules.iter().find(|rule| rule.allows(question))
}

/// Whether `text` is what `pattern` says, in which one `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.strip_prefix(start).is_some_and(|rest| rest.len() >= end.len() && rest.ends_with(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CorsRule {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        CorsRule {
            allowed_origins: owned(origins),
            allowed_methods: owned(methods),
            allowed_headers: owned(headers),
            ..CorsRule::default()
        }
    }

    const PUT: Question<'static> = Question {
        origin: "https://app.example.com",
        method: "PUT",
        headers: &["content-type", "x-amz-meta-a"],
    };

    #[test]
    fn a_rule_allows_what_its_patterns_say() {
        for (origin, header, allows) in [
            ("*", "*", true),
            ("https://app.example.com", "*", true),
            ("https://*.example.com", "*", true),
            ("https://*", "*", true),
            ("*example.com", "*", true),
            ("http://*.example.com", "*", false),
            ("https://app.example.com.evil.example", "*", false),
            ("https://APP.example.com", "*", false),
            ("https://app.example.com*.com", "*", false),
            ("", "*", false),
            ("*", "Content-Type", false),
            ("*", "x-amz-*", false),
        ] {
            assert_eq!(rule(&[origin], &["GET", "PUT"], &[header]).allows(&PUT), allows, "{origin} {header}");
        }
        assert!(rule(&["*"], &["PUT"], &["Content-Type", "X-Amz-Meta-*"]).allows(&PUT));
        assert!(!rule(&["*"], &["put"], &["*"]).allows(&PUT));
        assert!(rule(&["*"], &["PUT"], &[]).allows(&Question { headers: &[], ..PUT }));
    }

    #[test]
    fn the_first_rule_that_allows_answers_alone() {
        let mut rules =
            [rule(&["*"], &["GET"], &["*"]), rule(&["*"], &["PUT"], &["*"]), rule(&["*"], &["PUT"], &["*"])];
        rules[2].expose_headers = vec!["ETag".to_owned()];
        let answer = answering(&rules, &PUT).unwrap();
        assert_eq!(answer, &rules[1]);
        assert!(!answer.exposes("etag") && rules[2].exposes("etag"));
        assert!(answering(&rules, &Question { method: "DELETE", ..PUT }).is_none());
    }

    #[test]
    fn as_json_it_is_what_consoles_take() {
        let mut rule = rule(&["*"], &["PUT"], &["content-type"]);
        assert_eq!(
            serde_json::to_string(&rule).unwrap(),
            r#"{"AllowedOrigins":["*"],"AllowedMethods":["PUT"],"AllowedHeaders":["content-type"],"ExposeHeaders":[]}"#
        );
        rule.id = Some("mine".to_owned());
        rule.max_age_seconds = Some(60);
        let json = serde_json::to_string(&rule).unwrap();
        assert!(json.starts_with(r#"{"ID":"mine","#) && json.ends_with(r#""MaxAgeSeconds":60}"#), "{json}");
    }
}
