//! The API's own description: an `OpenAPI` 3.1 document, and a page that renders it.
//!
//! Neither is written by hand. Paths, methods and summaries come from the table of operations, a request's fields from the
//! table of names that the one reader reads by, replies from the structs that are written, errors from their codes. What is
//! said here of an operation besides is which of the names it reads, and a test holds that all are read by some.

mod document;
mod page;
mod reply;
mod request;

use std::{collections::BTreeMap, sync::LazyLock};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};
use http_body_util::Full;
use schemars::{Schema, json_schema};

use self::document::{
    Components, Content, Document, Info, Media, OperationItem, Parameter, Reference, RequestBody,
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

/// What both are made from, and the two as they are sent.
struct Described {
    json: Bytes,
    page: Bytes,
}

static DESCRIBED: LazyLock<Described> = LazyLock::new(|| {
    let document = describe();
    // Structs of text always have their JSON form.
    Described {
        json: serde_json::to_vec(&document).unwrap_or_default().into(),
        page: page::render(&document).into(),
    }
});

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

/// Answers who asks for the description. Nobody needs a key for it: it says nothing of this server.
pub fn answer(form: Form, method: &Method) -> Answer {
    if *method != Method::GET && *method != Method::HEAD {
        return Err(method_not_allowed(&["GET", "HEAD"]));
    }
    let (body, media_type) = match form {
        Form::Json => (&DESCRIBED.json, "application/json"),
        Form::Page => (&DESCRIBED.page, "text/html; charset=utf-8"),
    };
    let mut response = Response::new(Full::new(body.clone()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    Ok(response)
}

/// The page loads nothing and runs nothing; its style is its own.
const PAGE_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");

fn describe() -> Document {
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
            parameters: BTreeMap::from([("provider", provider()), ("days", days()), ("id", webhook())]),
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
    let days = (method == "GET" && scope == Scope::Nothing).then(|| reference("parameters/days"));
    let provider = names_a_bucket.then(|| reference("parameters/provider"));
    let webhook = names_a_webhook(operation).then(|| reference("parameters/id"));
    OperationItem {
        tags: [if is_about_a_bucket { BUCKET } else { CALLER }],
        summary: operation.summary().trim().trim_end_matches('.').to_owned(),
        description: is_about_a_bucket.then(|| right(operation)),
        parameters: provider.into_iter().chain(days).chain(webhook).collect(),
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

fn provider() -> Parameter {
    Parameter {
        name: "provider",
        place: "path",
        required: true,
        description: "A configured bucket's name, a configured provider's, or a plugin's.",
        schema: json_schema!({ "type": "string", "minLength": 1 }),
    }
}

/// How a request is signed.
const SIGNED: &str = "A key with a secret must sign its requests: X-Signature is the lower-case hex HMAC-SHA256 of \
    `METHOD|path?query|timestamp|body`, X-Timestamp the Unix milliseconds in it.";

fn names_a_webhook(operation: Operation) -> bool {
    operation.paths().iter().any(|path| path.path.contains("{id}"))
}

fn webhook() -> Parameter {
    Parameter {
        name: "id",
        place: "path",
        required: true,
        description: "The webhook's id.",
        schema: json_schema!({ "type": "string", "minLength": 1 }),
    }
}

fn days() -> Parameter {
    Parameter {
        name: "days",
        place: "query",
        required: false,
        description: "How many days back, today among them.",
        schema: json_schema!({ "type": "integer", "minimum": 1, "maximum": 366 }),
    }
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
    ])
}

fn reference(to: &str) -> Reference {
    Reference { to: ["#/components/", to].concat() }
}

fn pointer(schema: &str) -> Schema {
    let to = ["#/components/schemas/", schema].concat();
    json_schema!({ "$ref": to })
}
