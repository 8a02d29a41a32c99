//! Which of Uppy's routes a request asks for.

use std::fmt;

use http::Method;

use crate::{
    error::{Code, Error},
    upload_api::{method_not_allowed, segment},
};

/// What stands before a token, in place of a bucket.
const TOKEN: &str = "t";
/// What Uppy's clients put behind the endpoint that they are given.
const S3: &str = "s3";

/// `BASE[/t/TOKEN]/BUCKET/s3/…`
#[derive(Clone, PartialEq, Eq)]
pub struct Route<'p> {
    /// What the page shows in place of a key.
    pub token: Option<&'p str>,
    /// The bucket, decoded.
    pub bucket: String,
    /// What is to be done there.
    pub operation: Operation<'p>,
}

/// Without the token, which is a credential.
impl fmt::Debug for Route<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, bucket, operation } = self;
        out.debug_struct("Route")
            .field("has_token", &token.is_some())
            .field("bucket", bucket)
            .field("operation", &operation.name())
            .finish()
    }
}

/// What a route does. Ids of uploads are as they stand in the path: what is sealed there needs no escape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation<'p> {
    /// Say how one file is uploaded in one request.
    Params,
    /// Begin an upload in parts.
    Create,
    /// List the parts that are stored.
    Parts(&'p str),
    /// Sign the upload of one part.
    Part(&'p str, &'p str),
    /// Sign the uploads of several.
    Batch(&'p str),
    /// Put the parts together.
    Complete(&'p str),
    /// Give an upload up.
    Abort(&'p str),
    /// Hand out a short-lived key for Wharf's S3 endpoint.
    Sts,
    /// Sign one request of a client that speaks S3 itself.
    Sign,
}

impl Operation<'_> {
    /// For logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Params => "uppy_params",
            Self::Create => "uppy_multipart_create",
            Self::Parts(_) => "uppy_multipart_parts",
            Self::Part(..) => "uppy_multipart_part",
            Self::Batch(_) => "uppy_multipart_batch",
            Self::Complete(_) => "uppy_multipart_complete",
            Self::Abort(_) => "uppy_multipart_abort",
            Self::Sts => "uppy_sts",
            Self::Sign => "uppy_sign",
        }
    }
}

/// What follows `base` in `path`, if that is where it is.
pub fn below<'p>(base: Option<&str>, path: &'p str) -> Option<&'p str> {
    let rest = path.strip_prefix(base?)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// Finds the route of `path`, which is as it was sent, below the base.
pub fn route<'p>(method: &Method, path: &'p str) -> Result<Route<'p>, Error> {
    let segments: Vec<&str> = path.split('/').collect();
    let (token, rest) = match segments.as_slice() {
        [TOKEN, token, rest @ ..] if *token != S3 => (Some(*token), rest),
        rest => (None, rest),
    };
    let [bucket, S3, rest @ ..] = rest else { return Err(not_found()) };
    let bucket = segment(bucket).ok_or_else(not_found)?;
    Ok(Route { token, bucket, operation: operation(method, rest)? })
}

fn operation<'p>(method: &Method, path: &[&'p str]) -> Result<Operation<'p>, Error> {
    Ok(match (path, method) {
        (["params"], &Method::GET) => Operation::Params,
        (["sts"], &Method::GET) => Operation::Sts,
        (["sign"], &Method::POST) => Operation::Sign,
        (["multipart"], &Method::POST) => Operation::Create,
        (["multipart", id], &Method::GET) => Operation::Parts(id),
        (["multipart", id], &Method::DELETE) => Operation::Abort(id),
        (["multipart", id, "complete"], &Method::POST) => Operation::Complete(id),
        (["multipart", id, "batch"], &Method::GET) => Operation::Batch(id),
        (["multipart", id, number], &Method::GET) if *number != "complete" => Operation::Part(id, number),
        (["sign" | "multipart"] | ["multipart", _, "complete"], _) => {
            return Err(method_not_allowed(&["POST"]));
        }
        (["multipart", _], _) => return Err(method_not_allowed(&["GET", "DELETE"])),
        (["params" | "sts"] | ["multipart", _, _], _) => return Err(method_not_allowed(&["GET"])),
        _ => return Err(not_found()),
    })
}

fn not_found() -> Error {
    Error::new(Code::NotFound, "There is no such route.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'p>(method: &Method, path: &'p str) -> Result<Operation<'p>, Code> {
        let path = below(Some("/companion"), path).ok_or(Code::NotFound)?;
        let route = route(method, path).map_err(|error| error.code)?;
        assert_eq!((route.token, route.bucket.as_str()), (None, "photos"));
        Ok(route.operation)
    }

    #[test]
    fn every_path_of_the_contract_has_its_route() {
        for (method, path, operation) in [
            (Method::GET, "params", Operation::Params),
            (Method::POST, "multipart", Operation::Create),
            (Method::GET, "multipart/AQ-_", Operation::Parts("AQ-_")),
            (Method::GET, "multipart/AQ-_/7", Operation::Part("AQ-_", "7")),
            (Method::GET, "multipart/AQ-_/batch", Operation::Batch("AQ-_")),
            (Method::POST, "multipart/AQ-_/complete", Operation::Complete("AQ-_")),
            (Method::DELETE, "multipart/AQ-_", Operation::Abort("AQ-_")),
            (Method::GET, "sts", Operation::Sts),
            (Method::POST, "sign", Operation::Sign),
        ] {
            assert_eq!(found(&method, &format!("/companion/p%68otos/s3/{path}")), Ok(operation), "{path}");
        }
    }

    #[test]
    fn a_token_stands_before_the_bucket() {
        let with_token = route(&Method::GET, "t/AQ-_/photos/s3/sts").unwrap();
        assert_eq!((with_token.token, with_token.bucket.as_str()), (Some("AQ-_"), "photos"));
        assert!(!format!("{with_token:?}").contains("AQ-_"));
        // A bucket may be called so, too.
        let without = route(&Method::GET, "t/s3/sts").unwrap();
        assert_eq!((without.token, without.bucket.as_str()), (None, "t"));
    }

    #[test]
    fn other_paths_are_not_found() {
        for path in [
            "",
            "/companion",
            "/companion/",
            "/companions/photos/s3/params",
            "/companion/photos",
            "/companion/photos/s3",
            "/companion/photos/s3/",
            "/companion/photos/s3/params/",
            "/companion/photos/params",
            "/companion//s3/params",
            "/companion/a%2Fb/s3/params",
            "/companion/t/token/s3/params",
            "/companion/photos/s3/multipart/a/b/c",
            "/photos/s3/params",
        ] {
            assert_eq!(found(&Method::GET, path), Err(Code::NotFound), "{path}");
        }
        assert_eq!(below(None, "/companion/photos/s3/params"), None);
    }

    #[test]
    fn other_methods_are_told_which_ones_to_use() {
        for (method, path, allow) in [
            (Method::POST, "params", "GET"),
            (Method::DELETE, "sts", "GET"),
            (Method::GET, "sign", "POST"),
            (Method::GET, "multipart", "POST"),
            (Method::POST, "multipart/a", "GET, DELETE"),
            (Method::GET, "multipart/a/complete", "POST"),
            (Method::POST, "multipart/a/1", "GET"),
        ] {
            let error = route(&method, &format!("photos/s3/{path}")).unwrap_err();
            assert_eq!(error.code, Code::MethodNotAllowed, "{path}");
            assert!(error.headers.iter().any(|(_, value)| value == allow), "{path} {error:?}");
        }
    }
}
