//! The routes that Uppy's S3 plugin (`@uppy/aws-s3`) calls in place of a Companion, so that a page needs nothing but Uppy.
//!
//! ```text
//! BASE[/t/TOKEN]/BUCKET/s3/… ─→ route ─→ token, or key ─→ bucket (the caller's rights, the provider's limit) ─→ one handler each
//! ```
//!
//! What they do is the upload API's (`upload_api::Bucket`); here it is told in the plugin's words. Version 5 of the plugin asks with
//! headers of the app's choice. Version 6 sends none, so its pages show a token in the path; and it posts every file that it
//! does not send in parts in a form, whatever the store takes.

mod describe;
mod multipart;
mod params;
mod query;
mod route;
mod sign;
mod sts;

use std::fmt;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde::de::DeserializeOwned;

use crate::{
    config::checked::Action,
    error::{Code, Error},
    request::rate_limit::Standing,
    upload_api::{Asking, UploadApi},
};

pub use describe::describe;
pub use route::{Operation, Route, below, route};

use query::Query;

/// Characters of a file's name that count, from its end.
const NAME_CHARACTERS_MAX: usize = 500;

/// A request, authenticated.
pub struct Asked<'a> {
    /// What is asked.
    pub route: &'a Route<'a>,
    /// Who asks, and when.
    pub asking: Asking<'a>,
    /// The query, as it was sent.
    pub query: &'a str,
    /// The raw body.
    pub body: &'a [u8],
    /// Whether the client says that it reads JSON, as version 5 does and version 6 does not.
    pub accepts_json: bool,
}

/// Without what stands in query and body: names of people's files.
impl fmt::Debug for Asked<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Asked").field("route", &self.route).finish_non_exhaustive()
    }
}

/// Answers one request. `standing` is tightened by the provider's limit.
pub async fn answer(
    api: &UploadApi,
    asked: &Asked<'_>,
    standing: &mut Standing,
) -> Result<Response<Full<Bytes>>, Error> {
    let Asked { route, body, .. } = asked;
    let action = if matches!(route.operation, Operation::Sign) { sign::action(body)? } else { Action::Write };
    let bucket = api.bucket(&route.bucket, action, asked.asking, standing)?;
    let query = Query::parse(asked.query)?;
    let answer = match route.operation {
        Operation::Params => params::params(&bucket, &query, asked.accepts_json),
        Operation::Create => multipart::create(&bucket, body).await,
        Operation::Parts(id) => multipart::parts(&bucket, id, &query).await,
        Operation::Part(id, number) => multipart::part(&bucket, (id, number), &query),
        Operation::Batch(id) => multipart::batch(&bucket, id, &query),
        Operation::Complete(id) => multipart::complete(&bucket, id, &query, body).await,
        Operation::Abort(id) => multipart::abort(&bucket, id, &query).await,
        Operation::Sts => sts::sts(&bucket),
        Operation::Sign => sign::sign(&bucket, body),
    };
    if answer.is_ok() {
        bucket.count(route.operation.name());
    }
    answer
}

/// A file's name, or what there is of it within bounds.
fn file_name(name: Option<&str>) -> Result<&str, Error> {
    let name = name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| {
        Error::new(
            Code::MissingFields,
            "the file's name is required, as text in `filename` that is not empty.",
        )
    })?;
    let cut = name.char_indices().rev().nth(NAME_CHARACTERS_MAX - 1).map_or(0, |(at, _)| at);
    Ok(name.get(cut..).unwrap_or(name))
}

/// Reads a body. What is wrong with it is not echoed.
fn read<T: DeserializeOwned>(body: &[u8], expected: &'static str) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|problem| {
        let place = format!("line {}, column {}", problem.line(), problem.column());
        Error::new(Code::InvalidJson, format!("the body must be {expected} ({place})."))
    })
}

/// A field of the query that must be there.
fn required<'q>(query: &'q Query<'_>, name: &'static str) -> Result<&'q str, Error> {
    query.value(name)?.ok_or_else(|| {
        Error::new(Code::MissingFields, format!("`{name}` must be there as a query parameter."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_name_its_end_counts() {
        let long = ["ü".repeat(600), ".png".to_owned()].concat();
        let name = file_name(Some(&long)).unwrap();
        assert_eq!(name.chars().count(), NAME_CHARACTERS_MAX);
        assert!(name.starts_with('ü') && name.ends_with("ü.png"), "{name}");
        assert_eq!(file_name(Some("a.png")).unwrap(), "a.png");
        for name in [None, Some("")] {
            assert_eq!(file_name(name).unwrap_err().code, Code::MissingFields);
        }
    }
}
