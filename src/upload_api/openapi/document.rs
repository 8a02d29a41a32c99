//! The parts of an `OpenAPI` 3.1 document that Wharf has use for (<https://spec.openapis.org/oas/v3.1.0>), as they are written.

use std::collections::BTreeMap;

use schemars::Schema;
use serde::{Serialize, Serializer};

/// The document.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    pub(super) openapi: &'static str,
    pub(super) info: Info,
    pub(super) servers: [Server; 1],
    /// Any one of them will do.
    pub(super) security: Vec<Security>,
    pub(super) tags: Vec<Tag>,
    /// By path, then by method in lower case.
    pub(super) paths: BTreeMap<String, BTreeMap<String, OperationItem>>,
    pub(super) components: Components,
}

#[derive(Debug, Serialize)]
pub(super) struct Info {
    pub(super) title: &'static str,
    pub(super) version: &'static str,
    pub(super) description: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Server {
    pub(super) url: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Tag {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
}

/// A scheme that will do by itself. None of Wharf's has scopes.
#[derive(Debug)]
pub(super) struct Security(pub(super) &'static str);

impl Serialize for Security {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, [""; 0])])
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OperationItem {
    /// Its own name, by which its schemas are found.
    #[serde(skip)]
    pub(super) operation: String,
    pub(super) operation_id: String,
    pub(super) tags: [&'static str; 1],
    pub(super) summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// Where it is not what holds for the whole document; none at all, if the path says enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) security: Option<Vec<Security>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parameters: Vec<ParameterItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_body: Option<RequestBody>,
    /// By status.
    pub(super) responses: BTreeMap<String, ResponseItem>,
}

#[derive(Debug, Serialize)]
pub(super) struct RequestBody {
    pub(super) required: bool,
    pub(super) content: Content,
}

/// What stands in full, or in `components`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ParameterItem {
    Here(Parameter),
    There(Reference),
}

/// The same of responses.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ResponseItem {
    Here(Response),
    There(Reference),
}

#[derive(Debug, Serialize)]
pub(super) struct Reference {
    #[serde(rename = "$ref")]
    pub(super) to: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Response {
    pub(super) description: String,
    pub(super) headers: BTreeMap<&'static str, Header>,
    pub(super) content: Content,
}

#[derive(Debug, Serialize)]
pub(super) struct Header {
    pub(super) description: &'static str,
    pub(super) schema: Schema,
}

#[derive(Debug, Serialize)]
pub(super) struct Content {
    #[serde(rename = "application/json")]
    pub(super) json: Media,
}

#[derive(Debug, Serialize)]
pub(super) struct Media {
    pub(super) schema: Schema,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Components {
    pub(super) parameters: BTreeMap<&'static str, Parameter>,
    pub(super) schemas: BTreeMap<String, Schema>,
    pub(super) responses: BTreeMap<String, Response>,
    pub(super) security_schemes: BTreeMap<&'static str, SecurityScheme>,
}

/// What stands in a path or a query.
#[derive(Debug, Clone, Serialize)]
pub struct Parameter {
    pub(super) name: &'static str,
    #[serde(rename = "in")]
    pub(super) place: &'static str,
    pub(super) required: bool,
    pub(super) description: &'static str,
    pub(super) schema: Schema,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum SecurityScheme {
    ApiKey {
        #[serde(rename = "in")]
        place: &'static str,
        name: &'static str,
        description: &'static str,
    },
    Http {
        scheme: &'static str,
        description: &'static str,
    },
}
