//! What a request wants of the rule. It is checked here as far as S3 says what a rule may hold, so that a mistake is told by
//! its field and not by the provider's `MalformedXML`.

use wharf_provider::cors;
use wharf_wire::cors::CorsRule;

use crate::{
    error::{Code, Error},
    upload_api::body::{CorsFields, Number, Text, Texts},
};

use super::RULE_ID;

/// S3's own bound of methods.
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];
const MAX_AGE_SECONDS_DEFAULT: u32 = 3600;
/// What S3 takes for it: a signed 32-bit number. Browsers keep an answer for a day at most.
const MAX_AGE_SECONDS_MAX: u64 = 2_147_483_647;
/// Values of one list. Each is sent with the rule, and compared at every preflight.
const VALUES_MAX: usize = 100;
const VALUE_BYTES_MAX: usize = 255;
/// Without it a page cannot complete an upload in parts.
const ETAG: &str = "ETag";

/// The rule that the fields ask for.
pub(super) fn rule(fields: &CorsFields<'_>) -> Result<CorsRule, Error> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let methods = list("allowedMethods", fields.methods.as_ref(), method)?;
    let headers = list("allowedHeaders", fields.headers.as_ref(), header)?;
    let mut expose_headers =
        list("exposeHeaders", fields.expose_headers.as_ref(), exposed)?.unwrap_or_default();
    if !expose_headers.iter().any(|name| name.eq_ignore_ascii_case(ETAG)) {
        expose_headers.insert(0, ETAG.to_owned());
    }
    Ok(CorsRule {
        id: Some(RULE_ID.to_owned()),
        allowed_origins: origins(fields)?.unwrap_or_else(|| owned(&["*"])),
        allowed_methods: methods.unwrap_or_else(|| owned(&cors::METHODS)),
        allowed_headers: headers.unwrap_or_else(|| owned(&["*"])),
        expose_headers,
        max_age_seconds: Some(max_age(fields.max_age_seconds)?),
        has_more: false,
    })
}

/// The pages that the fields name, under either name. Clients send both.
pub(super) fn origins(fields: &CorsFields<'_>) -> Result<Option<Vec<String>>, Error> {
    let origins = list("origins", fields.origins.as_ref(), origin)?;
    let allowed = list("allowedOrigins", fields.allowed_origins.as_ref(), origin)?;
    match (origins, allowed) {
        (Some(origins), Some(allowed)) if origins != allowed => {
            Err(Error::new(Code::InvalidField, "`origins` and `allowedOrigins` name different pages."))
        }
        (Some(origins), _) => Ok(Some(origins)),
        (None, allowed) => Ok(allowed),
    }
}

/// The values of a list, each as `check` has it; an empty list says nothing.
fn list(
    field: &str,
    texts: Option<&Texts<'_>>,
    check: fn(&str) -> Result<String, &'static str>,
) -> Result<Option<Vec<String>>, Error> {
    let Some(texts) = texts.filter(|texts| texts.count > 0) else { return Ok(None) };
    let refused = |problem: &str| Error::new(Code::InvalidField, format!("`{field}`: {problem}."));
    if texts.count > VALUES_MAX {
        return Err(refused(&format!("it has {} values; a rule has at most {VALUES_MAX}", texts.count)));
    }
    let mut values = Vec::with_capacity(texts.entries.len());
    for text in texts.entries.iter().map(Text::as_str) {
        let is_sound = text.len() <= VALUE_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        let value = if is_sound {
            check(text)
        } else {
            Err("a value is longer than 255 bytes, or has characters that none can have")
        };
        let value = value.map_err(refused)?;
        if !values.contains(&value) {
            values.push(value);
        }
    }
    Ok(Some(values))
}

/// As browsers send it, with one `*` perhaps. A path behind it, a lone slash too, is the mistake that nobody sees.
fn origin(text: &str) -> Result<String, &'static str> {
    const PROBLEM: &str = "write what browsers send, `https://app.example.com`, with neither path nor slash at its end; `*` is any";
    if text.matches('*').count() > 1 {
        return Err("an origin has at most one `*`");
    }
    let host = text.split_once("://").map_or(text, |(_, host)| host);
    let is_origin = text.contains("://") && !host.is_empty() && !host.contains(['/', '?', '#', '@']);
    if text == "*" || is_origin { Ok(text.to_owned()) } else { Err(PROBLEM) }
}

fn method(text: &str) -> Result<String, &'static str> {
    let method = text.to_ascii_uppercase();
    if METHODS.contains(&method.as_str()) {
        return Ok(method);
    }
    Err(
        "a rule has the methods GET, PUT, POST, DELETE and HEAD alone; browsers ask with OPTIONS by themselves",
    )
}

fn header(text: &str) -> Result<String, &'static str> {
    match text.matches('*').count() {
        0 | 1 if is_name(&text.replace('*', "")) || text == "*" => Ok(text.to_owned()),
        _ => Err("write a header's name, with one `*` in it at most"),
    }
}

fn exposed(text: &str) -> Result<String, &'static str> {
    if is_name(text) {
        Ok(text.to_owned())
    } else {
        Err("write each header's whole name: S3 knows no `*` there")
    }
}

/// A header's name (RFC 9110), of the characters that anyone uses.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn max_age(number: Option<Number>) -> Result<u32, Error> {
    let Some(number) = number else { return Ok(MAX_AGE_SECONDS_DEFAULT) };
    let seconds = number.whole().filter(|seconds| *seconds <= MAX_AGE_SECONDS_MAX);
    seconds.and_then(|seconds| u32::try_from(seconds).ok()).ok_or_else(|| {
        let message = format!("`maxAgeSeconds` must be a whole number from 0 to {MAX_AGE_SECONDS_MAX}.");
        Error::new(Code::InvalidField, message)
    })
}

#[cfg(test)]
mod tests {
    use crate::upload_api::body::Body;

    use super::*;

    fn asked(json: &str) -> Result<CorsRule, String> {
        let body = Body::parse(json.as_bytes(), "s3").map_err(|error| error.message.into_owned())?;
        rule(&body.cors).map_err(|error| {
            assert_eq!(error.code, Code::InvalidField);
            error.message.into_owned()
        })
    }

    #[test]
    fn a_rule_that_nobody_describes_lets_any_page_upload() {
        let rule = asked(r#"{"origins":[],"exposeHeaders":null}"#).unwrap();
        assert_eq!((rule.id.as_deref(), rule.allowed_origins), (Some("wharf"), vec!["*".to_owned()]));
        assert_eq!(rule.allowed_methods, ["GET", "HEAD", "PUT", "POST", "DELETE"]);
        assert_eq!(rule.allowed_headers, ["*"]);
        assert_eq!((rule.expose_headers, rule.max_age_seconds), (vec!["ETag".to_owned()], Some(3600)));
    }

    #[test]
    fn what_is_asked_is_written_and_the_etag_is_exposed() {
        let rule = asked(
            r#"{"origins":["https://a.example"],"allowedOrigins":["https://a.example"],"allowedMethods":["put","PUT","HEAD"],
                "allowedHeaders":["x-amz-meta-*"],"exposeHeaders":["x-amz-version-id"],"maxAgeSeconds":0}"#,
        )
        .unwrap();
        assert_eq!(rule.allowed_origins, ["https://a.example"]);
        assert_eq!(rule.allowed_methods, ["PUT", "HEAD"]);
        assert_eq!((rule.allowed_headers, rule.max_age_seconds), (vec!["x-amz-meta-*".to_owned()], Some(0)));
        assert_eq!(rule.expose_headers, ["ETag", "x-amz-version-id"]);
        assert_eq!(asked(r#"{"exposeHeaders":["etag"]}"#).unwrap().expose_headers, ["etag"]);
    }

    #[test]
    fn what_no_rule_can_hold_is_told_by_its_field() {
        let many = format!(r#"{{"allowedHeaders":[{}"a"]}}"#, "\"a\",".repeat(100));
        for (json, field) in [
            (r#"{"origins":["https://app.example.com/"]}"#, "origins"),
            (r#"{"allowedOrigins":["app.example.com"]}"#, "allowedOrigins"),
            (r#"{"origins":["https://*.*.example.com"]}"#, "origins"),
            (r#"{"origins":["https://a b"]}"#, "origins"),
            (r#"{"origins":["https://a.example"],"allowedOrigins":["*"]}"#, "allowedOrigins"),
            (r#"{"allowedMethods":["PATCH"]}"#, "allowedMethods"),
            (r#"{"allowedHeaders":["a*b*"]}"#, "allowedHeaders"),
            (r#"{"allowedHeaders":["a:b"]}"#, "allowedHeaders"),
            (r#"{"exposeHeaders":["x-amz-meta-*"]}"#, "exposeHeaders"),
            (r#"{"maxAgeSeconds":-1}"#, "maxAgeSeconds"),
            (r#"{"maxAgeSeconds":1.5}"#, "maxAgeSeconds"),
            (many.as_str(), "allowedHeaders"),
        ] {
            let message = asked(json).unwrap_err();
            assert!(message.contains(&format!("`{field}`")), "{json}: {message}");
        }
    }
}
