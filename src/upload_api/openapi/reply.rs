//! The schemas of replies, from the structs that are written, and of errors, from the codes that there are.

use std::collections::BTreeMap;

use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::Value;

use super::document::{Content, Header, Media, Response};
use crate::{
    error::{self, Code},
    upload_api::{
        access_token, analytics, batch, cdn_cookies, cors, download, form, multipart, objects,
        operation::Operation, signed_url, test_connection, uppy_token, validate_key, webhooks,
    },
};

/// Makes schemas of what is written, each whole: a document of one's own has no names to look up elsewhere.
pub fn generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.with(|settings| settings.inline_subschemas = true).into_generator()
}

/// The schema of `operation`'s success when it is asked for with `method`, if it ever has one.
pub(super) fn schema(operation: Operation, method: &str, generator: &mut SchemaGenerator) -> Option<Schema> {
    use analytics::{Daily, Providers, Sums, Taken};

    Some(match operation {
        Operation::Analytics if method == "GET" => generator.subschema_for::<analytics::Reply<Sums>>(),
        Operation::Analytics | Operation::Track => generator.subschema_for::<Taken>(),
        Operation::AnalyticsDaily => generator.subschema_for::<analytics::Reply<Daily>>(),
        Operation::AnalyticsProviders => generator.subschema_for::<analytics::Reply<Providers<'_>>>(),
        Operation::SignedUrl => generator.subschema_for::<signed_url::Reply<'_>>(),
        Operation::BatchSignedUrl => generator.subschema_for::<batch::Reply<'_>>(),
        Operation::Form => generator.subschema_for::<form::Reply<'_>>(),
        Operation::DownloadSignedUrl => generator.subschema_for::<download::Reply<'_>>(),
        Operation::CdnCookies => generator.subschema_for::<cdn_cookies::Reply<'_>>(),
        Operation::CorsSetUp => generator.subschema_for::<cors::SetUp<'_>>(),
        Operation::CorsVerify => generator.subschema_for::<cors::Verified<'_>>(),
        Operation::TestConnection => generator.subschema_for::<test_connection::Reply<'_>>(),
        Operation::InitiateMultipart => with_urls::<multipart::Initiated<'_>>(generator),
        Operation::MultipartParts => with_urls::<multipart::PartsReply<'_>>(generator),
        Operation::CompleteMultipart => generator.subschema_for::<multipart::Completed<'_>>(),
        Operation::AbortMultipart => generator.subschema_for::<multipart::Aborted<'_>>(),
        Operation::Delete => generator.subschema_for::<objects::Deleted<'_>>(),
        Operation::BatchDelete => generator.subschema_for::<objects::BatchDeleted<'_>>(),
        Operation::List => generator.subschema_for::<objects::Listed<'_>>(),
        Operation::Metadata => generator.subschema_for::<objects::Described<'_>>(),
        Operation::Versions => generator.subschema_for::<objects::Versions<'_>>(),
        Operation::Complete => generator.subschema_for::<objects::Completed<'_>>(),
        Operation::AccessToken => generator.subschema_for::<access_token::Issued<'_>>(),
        Operation::RevokeAccessToken => generator.subschema_for::<access_token::Revoked<'_>>(),
        Operation::UppyToken => generator.subschema_for::<uppy_token::Reply<'_>>(),
        Operation::ValidateKey => generator.subschema_for::<validate_key::Reply<'_>>(),
        Operation::WebhookConfirm => generator.subschema_for::<webhooks::Confirmed>(),
        Operation::WebhookCreate => generator.subschema_for::<webhooks::Created<'_>>(),
        Operation::WebhookList => generator.subschema_for::<webhooks::Listed>(),
        Operation::WebhookStatus => generator.subschema_for::<webhooks::Status>(),
        Operation::WebhookRetry => generator.subschema_for::<webhooks::Retried>(),
        Operation::WebhookDelete => generator.subschema_for::<webhooks::Deleted<'_>>(),
        Operation::Foreign => return None,
    })
}

/// The same with the parts' URLs, which are written behind the rest.
fn with_urls<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut reply = generator.subschema_for::<T>();
    let urls =
        json_schema!({ "type": "array", "items": generator.subschema_for::<multipart::PartUrl<'_>>() });
    if let Some(Value::Object(properties)) = reply.get_mut("properties") {
        properties.insert("partUrls".to_owned(), urls.into());
    }
    if let Some(Value::Array(required)) = reply.get_mut("required") {
        required.push("partUrls".into());
    }
    reply
}

/// Every status that an error has, with its codes.
pub(super) fn statuses() -> BTreeMap<StatusCodeKey, Vec<Code>> {
    let mut statuses: BTreeMap<_, Vec<Code>> = BTreeMap::new();
    for code in Code::ALL {
        statuses.entry(code.status().as_u16()).or_default().push(*code);
    }
    statuses
}

/// A status as a number, which sorts.
pub(super) type StatusCodeKey = u16;

/// The response of one status: the envelope, with the codes that it can have.
pub(super) fn error(status: StatusCodeKey, codes: &[Code], generator: &mut SchemaGenerator) -> Response {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let mut schema = error::schema(generator);
    schema.insert("properties".to_owned(), with_codes(&schema, &names));
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    Response {
        description: format!("{}: {}.", reason.unwrap_or("Error"), names.join(", ")),
        headers: headers(),
        content: Content { json: Media { schema } },
    }
}

/// The envelope's properties, of which `error` is one of `names`.
fn with_codes(envelope: &Schema, names: &[&str]) -> Value {
    let mut properties = envelope.get("properties").cloned().unwrap_or_default();
    if let Some(error) = properties.get_mut("error") {
        *error = json_schema!({ "type": "string", "enum": names }).into();
    }
    properties
}

/// The response of a failure that has a shape of its own, whatever its status.
pub(super) fn failure(schema: Schema) -> Response {
    Response {
        description: "Failed.".to_owned(),
        headers: headers(),
        content: Content { json: Media { schema } },
    }
}

/// The response of a success.
pub(super) fn success(schema: Schema) -> Response {
    Response {
        description: "Done.".to_owned(),
        headers: headers(),
        content: Content { json: Media { schema } },
    }
}

/// What every reply has.
fn headers() -> BTreeMap<&'static str, Header> {
    let schema = json_schema!({ "type": "string" });
    let id = Header { description: "The request's id, as in the logs.", schema };
    BTreeMap::from([("x-request-id", id)])
}
