//! What the API's document says of Uppy's routes, from what is read and written here.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::{
    multipart::{Aborted, Completed, Created, SignedPart, SignedParts, StoredPart},
    params,
    route::Operation,
    sign, sts,
};
use crate::{
    error::companion_schema,
    upload_api::openapi::{Admits, Failure, Group, Outside, Parameter, generator},
};

/// Every route: its method, and its path behind `BASE/{bucket}/s3/`.
const ROUTES: [(&str, &str, Operation<'static>); 9] = [
    ("GET", "params", Operation::Params),
    ("POST", "multipart", Operation::Create),
    ("GET", "multipart/{uploadId}", Operation::Parts("{uploadId}")),
    ("GET", "multipart/{uploadId}/{partNumber}", Operation::Part("{uploadId}", "{partNumber}")),
    ("GET", "multipart/{uploadId}/batch", Operation::Batch("{uploadId}")),
    ("POST", "multipart/{uploadId}/complete", Operation::Complete("{uploadId}")),
    ("DELETE", "multipart/{uploadId}", Operation::Abort("{uploadId}")),
    ("GET", "sts", Operation::Sts),
    ("POST", "sign", Operation::Sign),
];

const GROUP: Group = Group {
    name: "uppy",
    description: "What @uppy/aws-s3 asks of a Companion. A page has a token in the path, or a key in a header.",
};

/// What is said of one route.
struct Said {
    summary: &'static str,
    query: Vec<Parameter>,
    request: Option<Schema>,
    reply: Schema,
}

/// The routes below `base`, each for those with a key and for those with a token; none without a base.
pub fn describe(base: Option<&str>) -> impl Iterator<Item = Outside> {
    let mut generator = generator();
    let failure = Failure { name: "UppyError", schema: companion_schema(&mut generator) };
    let routes = base.into_iter().flat_map(|base| ROUTES.iter().map(move |route| (base, route)));
    let described = routes.flat_map(|(base, (method, path, operation))| {
        let said = said(operation, &mut generator);
        [Admits::Caller, Admits::Path].map(|admits| {
            let (token, suffix) =
                if admits == Admits::Path { ("t/{token}/", "_with_token") } else { ("", "") };
            Outside {
                method,
                path: [base, "/", token, "{bucket}/s3/", path].concat(),
                name: [operation.name(), suffix].concat(),
                summary: said.summary,
                group: GROUP,
                admits,
                parameters: in_path(token, path).into_iter().chain(said.query.clone()).collect(),
                request: said.request.clone(),
                reply: said.reply.clone(),
                failure: Some(failure.clone()),
            }
        })
    });
    described.collect::<Vec<_>>().into_iter()
}

/// What stands in a path.
fn in_path(token: &str, path: &str) -> Vec<Parameter> {
    let number = json_schema!({ "type": "integer", "minimum": 1, "maximum": 10_000 });
    let mut parameters = vec![Parameter::path("bucket", "A configured bucket's name.")];
    if !token.is_empty() {
        parameters.push(Parameter::path("token", "What `uppy-token` has made."));
    }
    if path.contains("{uploadId}") {
        parameters.push(Parameter::path("uploadId", "The upload's id, as it was given."));
    }
    if path.contains("{partNumber}") {
        parameters.push(Parameter::path("partNumber", "The part's number.").of(number));
    }
    parameters
}

fn said(operation: &Operation<'_>, generator: &mut SchemaGenerator) -> Said {
    let key = || Parameter::query("key", "The object's key, as it was given.");
    let (summary, query, request, reply) = match operation {
        Operation::Params => (
            "Say how one file is uploaded in one request",
            vec![
                Parameter::query("filename", "The file's name. Metadata comes as metadata[NAME]."),
                Parameter::query("type", "Its type.").optional(),
            ],
            None,
            generator.subschema_for::<params::Reply<'_>>(),
        ),
        Operation::Create => {
            ("Begin an upload in parts", vec![], Some(new_file()), generator.subschema_for::<Created<'_>>())
        }
        Operation::Parts(_) => (
            "List the parts that are stored",
            vec![key()],
            None,
            generator.subschema_for::<Vec<StoredPart>>(),
        ),
        Operation::Part(..) => {
            ("Sign the upload of one part", vec![key()], None, generator.subschema_for::<SignedPart<'_>>())
        }
        Operation::Batch(_) => {
            let numbers = Parameter::query("partNumbers", "The parts' numbers: 1,2,3.");
            let reply = generator.subschema_for::<SignedParts<'_>>();
            ("Sign the uploads of several parts", vec![key(), numbers], None, reply)
        }
        Operation::Complete(_) => {
            ("Put the parts together", vec![key()], Some(parts()), generator.subschema_for::<Completed<'_>>())
        }
        Operation::Abort(_) => ("Give an upload up", vec![key()], None, generator.subschema_for::<Aborted>()),
        Operation::Sts => (
            "Hand out a short-lived key for Wharf's S3 endpoint",
            vec![],
            None,
            generator.subschema_for::<sts::Reply<'_>>(),
        ),
        Operation::Sign => (
            "Sign one request of a page that speaks S3 itself",
            vec![],
            Some(asked()),
            generator.subschema_for::<sign::Reply<'_>>(),
        ),
    };
    Said { summary, query, request, reply }
}

fn new_file() -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "filename": { "type": "string", "minLength": 1 },
            "type": { "type": ["string", "null"] },
            "metadata": { "type": ["object", "null"], "description": "Values that are no text, number or flag are left out." },
        },
        "required": ["filename"],
    })
}

fn parts() -> Schema {
    let part = json_schema!({
        "type": "object",
        "properties": {
            "PartNumber": { "type": "integer", "minimum": 1, "maximum": 10_000 }, "ETag": { "type": "string" },
        },
        "required": ["PartNumber", "ETag"],
    });
    json_schema!({
        "type": "object",
        "properties": { "parts": { "type": "array", "items": part, "minItems": 1 } },
        "required": ["parts"],
    })
}

fn asked() -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "method": { "enum": ["GET", "PUT", "POST", "DELETE"] },
            "key": { "type": "string", "minLength": 1 },
            "contentType": { "type": ["string", "null"] },
            "expiresIn": { "type": ["number", "null"], "description": "Seconds." },
            "uploadId": { "type": ["string", "null"], "description": "The store's own: pages that sign like this see it." },
            "partNumber": { "type": ["integer", "null"], "minimum": 1, "maximum": 10_000 },
        },
        "required": ["method", "key"],
    })
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::{super::route::route, *};

    #[test]
    fn what_is_described_is_what_is_served() {
        for (method, path, operation) in ROUTES {
            let method: Method = method.parse().unwrap();
            for token in ["", "t/AQ/"] {
                let path = format!("{token}photos/s3/{path}");
                let served = route(&method, &path).unwrap();
                assert_eq!(
                    (served.operation, served.token.is_some()),
                    (operation, !token.is_empty()),
                    "{path}"
                );
            }
        }
        assert_eq!(describe(Some("/uppy")).count(), 2 * ROUTES.len());
        assert_eq!(describe(None).count(), 0);
    }
}
