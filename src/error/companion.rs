//! Errors as Uppy's clients read them.
//!
//! Version 5 shows `message`, and version 6 nothing but the reason phrase of the status line. So both say what is wrong, in a
//! provider's own word where it was the provider that refused.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::ext::ReasonPhrase;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::{Code, Error, Fault, response};

/// Characters of a reason phrase. It stands in one line, with the status.
const REASON_CHARACTERS_MAX: usize = 200;

/// The shapes that Uppy's clients know.
#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
enum Body<'a> {
    /// What was asked for cannot be.
    Input { error: String },
    /// There is nothing of that name.
    Nothing { message: &'static str },
    /// Everything else.
    #[serde(rename_all = "camelCase")]
    Failed { message: &'a str, request_id: &'a str },
}

/// The shape of such an error, for the API's document.
pub fn companion_schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Body<'_>>()
}

/// The same error for Uppy.
pub fn render_companion(error: &Error, request_id: &str) -> Response<Full<Bytes>> {
    let text = text(error);
    let body = match (error.code, error.code.status()) {
        (Code::NotFound | Code::UnknownProvider, _) => Body::Nothing { message: "Not Found" },
        (_, StatusCode::BAD_REQUEST) => Body::Input { error: ["s3: ", &text].concat() },
        _ => Body::Failed { message: &text, request_id },
    };
    let mut response = response(error, &body);
    // HTTP/2 has no such thing, and hyper leaves it out there.
    if let Ok(reason) = ReasonPhrase::try_from(reason(&text)) {
        response.extensions_mut().insert(reason);
    }
    response
}

/// What is wrong; and where it is not the caller's fault, or the provider's to say, who said what.
fn text(error: &Error) -> String {
    let is_upstream = error.code.fault() == Fault::Upstream || error.cause.is_some();
    match &error.hint {
        Some(hint) if is_upstream => [&error.message, " ", hint].concat(),
        Some(_) | None => error.message.clone().into_owned(),
    }
}

/// One line of plain ASCII.
fn reason(text: &str) -> String {
    let plain = |character: char| if matches!(character, ' '..='~') { character } else { '?' };
    text.chars().take(REASON_CHARACTERS_MAX).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    fn rendered(error: &Error) -> (u16, String, Value) {
        let response = render_companion(error, "req-1");
        let reason = response.extensions().get::<ReasonPhrase>().unwrap().as_bytes().to_vec();
        let status = response.status().as_u16();
        let frame = response.into_body().frame().now_or_never().flatten().expect("a whole body").unwrap();
        let body = serde_json::from_slice(&frame.into_data().unwrap()).unwrap();
        (status, String::from_utf8(reason).unwrap(), body)
    }

    #[test]
    fn each_kind_has_its_shape() {
        let missing = Error::new(Code::MissingFields, "`filename` is missing.").hint("Send it.");
        let (status, reason, body) = rendered(&missing);
        assert_eq!((status, reason.as_str()), (400, "`filename` is missing."));
        assert_eq!(body, json!({"error": "s3: `filename` is missing."}));

        for code in [Code::NotFound, Code::UnknownProvider] {
            let (status, _, body) = rendered(&Error::new(code, "There is no such bucket."));
            assert_eq!((status, body), (404, json!({"message": "Not Found"})));
        }

        let refused = Error::new(Code::UpstreamError, "The provider did not do it.")
            .hint("The provider answered 403 InvalidPart.")
            .cause("arn:aws:iam::1");
        let (status, reason, body) = rendered(&refused);
        let text = "The provider did not do it. The provider answered 403 InvalidPart.";
        assert_eq!((status, reason.as_str()), (502, text));
        assert_eq!(body, json!({"message": text, "requestId": "req-1"}));
    }

    #[test]
    fn a_reason_is_one_short_line() {
        let error = Error::new(Code::AccessDenied, format!("a\r\nx: y ü{}", "z".repeat(500)));
        let (_, reason, body) = rendered(&error);
        assert!(reason.starts_with("a??x: y ?zz") && reason.len() == REASON_CHARACTERS_MAX, "{reason}");
        assert_eq!(body["message"].as_str().unwrap().len(), error.message.len());
    }

    #[test]
    fn headers_that_a_status_asks_for_are_there() {
        let response = render_companion(&Error::new(Code::RateLimited, "x"), "r");
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["content-type"], "application/json");
    }
}
