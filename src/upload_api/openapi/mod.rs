//! The API's own description: an `OpenAPI` 3.1 document, and a page that renders it.
//!
//! Neither is written by hand. Paths, methods and summaries come from the table of operations, a request's fields from the
//! table of names that the one reader reads by, replies from the structs that are written, errors from their codes. What is
//! said here of an operation besides is which of the names it reads, and a test holds that all are read by some. Routes that
//! others serve at the same door describe themselves ([`Outside`]).

mod document;
mod outside;
mod page;
mod reply;
mod request;

use std::{collections::BTreeMap, fmt, sync::OnceLock};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};
use http_body_util::Full;
use schemars::{Schema, json_schema};

pub use self::{
    document::Parameter,
    outside::{Admits, Failure, Group, Outside},
    reply::generator,
};

use self::document::{
    Components, Content, Document, Info, Media, OperationItem, ParameterItem, Reference, RequestBody,
    ResponseItem, Security, SecurityScheme, Server, Tag,
};
use super::{
    Answer,
    operation::{Operation, Scope},
    route::{BASE, WEBHOOKS_BASE, method_not_allowed},
};

const DESCRIPTION: &str = "Signs uploads and downloads for apps, so that the bytes go straight between a browser and the \
    provider. `{provider}` is a configured bucket's name, or a configured provider's or a plugin's where that is no doubt. \
    A body may bring credentials of the caller's own, if the configuration allows it. Unknown fields are ignored, and null \
    means absent. Times are seconds, sizes bytes.";

/// The two, as they are sent.
struct Described {
    json: Bytes,
    page: Bytes,
}

/// What describes the API of one configuration. It is made when somebody first asks for it.
#[derive(Default)]
pub struct Description {
    others: Vec<Outside>,
    described: OnceLock<Described>,
}

impl Description {
    /// Of the API, and of `others` at the same door.
    pub fn with(others: Vec<Outside>) -> Self {
        Self { others, described: OnceLock::new() }
    }

    fn described(&self) -> &Described {
        self.described.get_or_init(|| {
            let document = describe(&self.others);
            // Structs of text always have their JSON form.
            Described {
                json: serde_json::to_vec(&document).unwrap_or_default().into(),
                page: page::render(&document).into(),
            }
        })
    }

    /// Answers who asks for it. Nobody needs a key: it says nothing of this server but where its routes are.
    pub fn answer(&self, form: Form, method: &Method) -> Answer {
        if *method != Method::GET && *method != Method::HEAD {
            return Err(method_not_allowed(&["GET", "HEAD"]));
        }
        let Described { json, page } = self.described();
        let (body, media_type) = match form {
            Form::Json => (json, "application/json"),
            Form::Page => (page, "text/html; charset=utf-8"),
        };
        let mut response = Response::new(Full::new(body.clone()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
        Ok(response)
    }
}

impl fmt::Debug for Description {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Description").field("others", &self.others.len()).finish_non_exhaustive()
    }
}

/// In which form the API is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The document.
    Json,
    /// The page that renders it.
    Page,
}

/// The description at `path`: below the API's own path, and at the root where no app is behind Wharf.
pub fn at(path: &str) -> Option<Form> {
    match path.strip_prefix(BASE).or_else(|| path.strip_prefix('/'))? {
        "openapi.json" => Some(Form::Json),
        "docs" => Some(Form::Page),
        _ => None,
    }
}

/// The page loads nothing and runs nothing; its style is its own.
const PAGE_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");

/// The whole of it.
fn describe(others: &[Outside]) -> Document {
    let mut document = of_the_api();
    let statuses: Vec<u16> = reply::statuses().keys().copied().collect();
    for other in others {
        outside::add(&mut document, other, &statuses);
    }
    document
}

fn of_the_api() -> Document {
    let mut generator = reply::generator();
    let statuses = reply::statuses();
    let responses = statuses
        .iter()
        .map(|(status, codes)| (format!("Error{status}"), reply::error(*status, codes, &mut generator)));
    let responses = responses.collect();
    let mut schemas = BTreeMap::from([("Account".to_owned(), request::account())]);
    for (operation, method) in asked() {
        let name = named(operation, method);
        let reply = reply::schema(operation, method, &mut generator);
        schemas.extend(reply.map(|reply| ([&name, "_reply"].concat(), reply)));
        if method != "GET" {
            schemas.insert([&name, "_request"].concat(), request::of(operation));
        }
    }
    Document {
        openapi: "3.1.0",
        info: Info {
            title: "Wharf: the upload API",
            version: env!("CARGO_PKG_VERSION"),
            description: DESCRIPTION,
        },
        servers: [Server { url: "/" }],
        security: vec![Security("apiKey"), Security("bearer")],
        tags: vec![
            Tag { name: BUCKET, description: "About a bucket and its objects." },
            Tag { name: CALLER, description: "About the caller." },
        ],
        paths: paths(&statuses.keys().copied().collect::<Vec<_>>()),
        components: Components {
            parameters: parameters(),
            schemas,
            responses,
            security_schemes: security_schemes(),
        },
    }
}

const BUCKET: &str = "bucket";
const CALLER: &str = "caller";

/// Every operation with every method that asks for it.
fn asked() -> impl Iterator<Item = (Operation, &'static str)> {
    let methods = |operation: Operation| operation.methods().iter().map(move |method| (operation, *method));
    Operation::ALL.iter().copied().flat_map(methods)
}

/// What the document calls an operation.
fn named(operation: Operation, method: &str) -> String {
    [&method.to_ascii_lowercase(), "_", operation.name()].concat()
}

/// Every path of every operation.
fn paths(statuses: &[u16]) -> BTreeMap<String, BTreeMap<String, OperationItem>> {
    let mut paths: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for (operation, method) in asked() {
        for (index, path) in operation.paths().iter().enumerate() {
            let mut item = operation_item((operation, method), path.scope, statuses);
            if index > 0 {
                item.operation_id = format!("{}_{}", item.operation_id, index + 1);
            }
            let methods = paths.entry(template(path.scope, path.path)).or_default();
            methods.insert(method.to_ascii_lowercase(), item);
        }
    }
    paths
}

fn operation_item((operation, method): (Operation, &str), scope: Scope, statuses: &[u16]) -> OperationItem {
    let name = named(operation, method);
    let names_a_bucket = matches!(scope, Scope::Bucket | Scope::Download);
    let is_about_a_bucket = names_a_bucket || operation == Operation::Complete;
    let errors = statuses.iter().map(|status| {
        (status.to_string(), ResponseItem::There(reference(&format!("responses/Error{status}"))))
    });
    let success = (operation != Operation::Foreign).then(|| {
        let reply = reply::success(pointer(&[&name, "_reply"].concat()));
        ("200".to_owned(), ResponseItem::Here(reply))
    });
    let has_days = method == "GET" && scope == Scope::Nothing;
    let provider = names_a_bucket.then_some("provider");
    let names = provider.into_iter().chain(has_days.then_some("days")).chain(of_webhooks(operation));
    let parameters =
        names.map(|name| ParameterItem::There(reference(&["parameters/", name].concat()))).collect();
    OperationItem {
        tags: [if is_about_a_bucket { BUCKET } else { CALLER }],
        summary: operation.summary().trim().trim_end_matches('.').to_owned(),
        description: is_about_a_bucket.then(|| right(operation)),
        security: None,
        parameters,
        request_body: (method != "GET").then(|| {
            let request = pointer(&[&name, "_request"].concat());
            let of_an_account = || json_schema!({ "allOf": [pointer("Account"), request.clone()] });
            let schema = if is_about_a_bucket { of_an_account() } else { request.clone() };
            RequestBody {
                required: operation != Operation::ValidateKey && scope != Scope::Webhooks,
                content: Content { json: Media { schema } },
            }
        }),
        responses: success.into_iter().chain(errors).collect(),
        operation_id: name.clone(),
        operation: name,
    }
}

fn right(operation: Operation) -> String {
    let action = format!("{:?}", operation.action()).to_lowercase();
    format!("In a configured bucket it takes the right \"{action}\".")
}

/// A path as `OpenAPI` writes it.
fn template(scope: Scope, path: &str) -> String {
    match scope {
        Scope::Bucket => [BASE, "{provider}/", path].concat(),
        Scope::Download => [BASE, "download/{provider}/", path].concat(),
        Scope::Nothing => [BASE, path].concat(),
        Scope::Webhooks => [WEBHOOKS_BASE, path].concat(),
    }
}

/// Every parameter of a path or a query, by its name.
fn parameters() -> BTreeMap<&'static str, Parameter> {
    let days = json_schema!({ "type": "integer", "minimum": 1, "maximum": 366 });
    let limit = json_schema!({ "type": "integer", "minimum": 1, "maximum": 200 });
    let state = json_schema!({ "enum": ["pending", "delivering", "completed", "dead_letter"] });
    [
        Parameter::path("provider", "A configured bucket's name, a configured provider's, or a plugin's."),
        Parameter::path("id", "The webhook's id, or a delivery's."),
        Parameter::query("days", "How many days back, today among them.").optional().of(days),
        Parameter::query("limit", "How many entries.").optional().of(limit),
        Parameter::query("cursor", "The `nextCursor` of the page before.").optional(),
        Parameter::query("status", "Deliveries that stand so.").optional().of(state),
    ]
    .map(|parameter| (parameter.name, parameter))
    .into()
}

/// How a request is signed.
const SIGNED: &str = "A key with a secret must sign its requests: X-Signature is the lower-case hex HMAC-SHA256 of \
    `METHOD|path?query|timestamp|body`, X-Timestamp the Unix milliseconds in it.";

/// The parameters of webhooks' routes.
fn of_webhooks(operation: Operation) -> impl Iterator<Item = &'static str> {
    let names_one = operation.paths().iter().any(|path| path.path.contains("{id}"));
    let is_a_list = operation == Operation::WebhookList;
    let lists_deliveries = matches!(operation, Operation::WebhookStatus | Operation::WebhookConfirm);
    let pages = (is_a_list || lists_deliveries).then_some(["limit", "cursor"]).into_iter().flatten();
    names_one.then_some("id").into_iter().chain(pages).chain(lists_deliveries.then_some("status"))
}

fn security_schemes() -> BTreeMap<&'static str, SecurityScheme> {
    BTreeMap::from([
        ("apiKey", SecurityScheme::ApiKey { place: "header", name: "x-api-key", description: SIGNED }),
        (
            "bearer",
            SecurityScheme::Http {
                scheme: "bearer",
                description: "The same key, or a token of the app (JWT).",
            },
        ),
        (
            "eventsToken",
            SecurityScheme::Http { scheme: "bearer", description: "The token of the bucket's `events`." },
        ),
    ])
}

fn reference(to: &str) -> Reference {
    Reference { to: ["#/components/", to].concat() }
}

fn pointer(schema: &str) -> Schema {
    let to = ["#/components/schemas/", schema].concat();
    json_schema!({ "$ref": to })
}
