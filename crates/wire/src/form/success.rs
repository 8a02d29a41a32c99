//! How a form wants its success to be answered.

use crate::encode;

use super::Form;

/// The answer to a form whose file is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Success {
    /// 204, without a body: what S3 does unless asked for something else.
    NoContent,
    /// 200, without a body.
    Ok,
    /// 201 with a `PostResponse`.
    Created,
    /// 303 to this URL of the form's own, to which what was stored is added.
    Redirect(String),
}

impl Form {
    /// What the form asks for. Like S3, it passes over what makes no sense instead of refusing a stored file.
    pub fn success(&self) -> Success {
        let redirect = self.field("success_action_redirect").or_else(|| self.field("redirect"));
        if let Some(url) = redirect.filter(|url| is_http_url(url)) {
            return Success::Redirect(url.to_owned());
        }
        match self.field("success_action_status") {
            Some("200") => Success::Ok,
            Some("201") => Success::Created,
            _ => Success::NoContent,
        }
    }
}

impl Success {
    /// The URL of a redirect: the form's, with bucket, key and `ETag` in its query.
    pub fn location(url: &str, bucket: &str, key: &str, etag: &str) -> String {
        let (url, fragment) = url.split_at_checked(url.find('#').unwrap_or(url.len())).unwrap_or((url, ""));
        let mut location = String::from(url);
        let mut separator = if url.contains('?') { '&' } else { '?' };
        for (name, value) in [("bucket", bucket), ("key", key), ("etag", etag)] {
            location.push(separator);
            location.extend([name, "="]);
            encode::query(value, &mut location);
            separator = '&';
        }
        location + fragment
    }
}

/// It becomes a header: no line break, no other byte that cannot stand in a URL.
fn is_http_url(url: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn success(fields: &[(&str, &str)]) -> Success {
        let mut form = Form::default();
        for (name, value) in fields {
            form.add(name, value).unwrap();
        }
        form.success()
    }

    #[test]
    fn a_redirect_wins_over_a_status() {
        let url = "https://app.example/done?a=b";
        let redirect = Success::Redirect(url.to_owned());
        assert_eq!(success(&[("success_action_status", "201"), ("success_action_redirect", url)]), redirect);
        assert_eq!(success(&[("redirect", url)]), redirect);
        for (status, expected) in [
            ("200", Success::Ok),
            ("201", Success::Created),
            ("204", Success::NoContent),
            ("500", Success::NoContent),
        ] {
            assert_eq!(success(&[("success_action_status", status)]), expected);
        }
        assert_eq!(success(&[]), Success::NoContent);
    }

    #[test]
    fn only_a_url_is_redirected_to() {
        for url in ["", "/done", "javascript:alert(1)", "https://a\r\nX: b", "https://a b", "https://ü", "ü"]
        {
            assert_eq!(success(&[("success_action_redirect", url)]), Success::NoContent, "{url}");
        }
    }

    #[test]
    fn what_was_stored_is_added_to_the_query() {
        let location = |url| Success::location(url, "photos", "a b/ü", "\"e\"");
        let added = "bucket=photos&key=a%20b%2F%C3%BC&etag=%22e%22";
        assert_eq!(location("https://a/"), ["https://a/?", added].concat());
        assert_eq!(location("https://a/?b=c#d"), ["https://a/?b=c&", added, "#d"].concat());
    }
}
