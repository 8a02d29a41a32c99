//! Routes that stand beside the upload API's own, as whoever serves them describes them: the document is of the whole door.

use schemars::{Schema, json_schema};

use super::{
    document::{
        Content, Document, Media, OperationItem, Parameter, ParameterItem, RequestBody, ResponseItem,
        Security, Tag,
    },
    pointer, reference, reply,
};

/// What a group of such routes is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub description: &'static str,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admits {
    /// Whoever may ask the API.
    Caller,
    /// Whoever has what stands in the path.
    Path,
    /// Whoever has the token of the bucket's events.
    EventsToken,
}

/// How a failure looks, where it has not the API's own shape.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What the document calls it.
    pub name: &'static str,
    /// Its shape.
    pub schema: Schema,
}

/// Such a route.
#[derive(Debug, Clone)]
pub struct Outside {
    /// Its method.
    pub method: &'static str,
    /// Its path, as `OpenAPI` writes it.
    pub path: String,
    /// Its own name.
    pub name: String,
    /// What it does.
    pub summary: &'static str,
    /// Where it belongs.
    pub group: Group,
    /// Who may ask.
    pub admits: Admits,
    /// What stands in path and query.
    pub parameters: Vec<Parameter>,
    /// What it reads of a body, if it reads one.
    pub request: Option<Schema>,
    /// What it answers.
    pub reply: Schema,
    /// How it fails.
    pub failure: Option<Failure>,
}

impl Parameter {
    /// A part of the path.
    pub fn path(name: &'static str, description: &'static str) -> Self {
        let schema = json_schema!({ "type": "string", "minLength": 1 });
        Self { name, place: "path", required: true, description, schema }
    }

    /// A field of the query that must be there.
    pub fn query(name: &'static str, description: &'static str) -> Self {
        let schema = json_schema!({ "type": "string", "minLength": 1 });
        Self { name, place: "query", required: true, description, schema }
    }

    /// The same, if it need not be there.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { required: false, schema: json_schema!({ "type": "string" }), ..self }
    }

    /// The same with a value of `schema`.
    #[must_use]
    pub fn of(self, schema: Schema) -> Self {
        Self { schema, ..self }
    }
}

/// Adds `outside` to `document`, with every one of the `statuses` that a failure can have.
pub(super) fn add(document: &mut Document, outside: &Outside, statuses: &[u16]) {
    let Outside { method, path, name, group, failure, .. } = outside;
    let components = &mut document.components;
    components.schemas.insert([name, "_reply"].concat(), outside.reply.clone());
    if let Some(request) = &outside.request {
        components.schemas.insert([name, "_request"].concat(), request.clone());
    }
    if let Some(Failure { name, schema }) = failure {
        components.responses.entry((*name).to_owned()).or_insert_with(|| reply::failure(schema.clone()));
    }
    if !document.tags.iter().any(|tag| tag.name == group.name) {
        document.tags.push(Tag { name: group.name, description: group.description });
    }
    let methods = document.paths.entry(path.clone()).or_default();
    methods.insert(method.to_ascii_lowercase(), item(outside, statuses));
}

fn item(outside: &Outside, statuses: &[u16]) -> OperationItem {
    let Outside { name, summary, group, parameters, request, failure, .. } = outside;
    let failed = |status: &u16| match failure {
        Some(failure) => ["responses/", failure.name].concat(),
        None => format!("responses/Error{status}"),
    };
    let errors =
        statuses.iter().map(|status| (status.to_string(), ResponseItem::There(reference(&failed(status)))));
    let success = ResponseItem::Here(reply::success(pointer(&[name, "_reply"].concat())));
    OperationItem {
        operation: name.clone(),
        operation_id: name.clone(),
        tags: [group.name],
        summary: (*summary).to_owned(),
        description: None,
        security: outside.admits.security(),
        parameters: parameters.iter().cloned().map(ParameterItem::Here).collect(),
        request_body: request.is_some().then(|| {
            let schema = pointer(&[name, "_request"].concat());
            RequestBody { required: true, content: Content { json: Media { schema } } }
        }),
        responses: std::iter::once(("200".to_owned(), success)).chain(errors).collect(),
    }
}

impl Admits {
    /// What the document says of it where that is not what holds for the whole.
    fn security(self) -> Option<Vec<Security>> {
        match self {
            Self::Caller => None,
            Self::Path => Some(Vec::new()),
            Self::EventsToken => Some(vec![Security("eventsToken")]),
        }
    }
}
