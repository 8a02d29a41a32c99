//! `list`: the objects of a bucket, page by page.
//!
//! How a listing goes on is the provider's own token, and some make it of the last key, with what stands before every key
//! of the bucket. So callers get it sealed.

use std::borrow::Cow;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wharf_wire::{
    s3::{Operation, Parameter},
    xml::{self, ListPage},
};

use super::listing::{File, Listing};
use crate::{
    error::{Code, Error},
    seal::Purpose,
    upload_api::{
        Answer, Request,
        body::non_empty,
        reply::{self, Performance},
    },
};

/// Bytes of a reply for each object, about: it is there twice.
const REPLY_BYTES_PER_FILE: usize = 400;

/// Where a listing goes on.
#[derive(Debug, Serialize, Deserialize)]
enum Cursor<'a> {
    /// Where the provider's token says.
    Token(Cow<'a, str>),
    /// Behind the caller's key: there are stores without tokens, which list in the older way whatever they are asked.
    Behind(Cow<'a, str>),
}

#[derive(JsonSchema, Serialize)]
pub(in crate::upload_api) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    region: &'a str,
    #[serde(flatten)]
    page: &'a Page<'a>,
    /// The same, where other clients look for it.
    data: &'a Page<'a>,
    performance: Performance<'a>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    bucket: &'a str,
    prefix: &'a str,
    max_keys: u64,
    files: Vec<File>,
    count: usize,
    is_truncated: bool,
    next_continuation_token: Option<String>,
}

/// Answers the route.
pub(in crate::upload_api) fn handle<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    Box::pin(async move {
        let page = page(request).await?;
        let reply = Reply {
            success: true,
            provider: request.target.profile().kind,
            region: request.target.account.region().as_str(),
            page: &page,
            data: &page,
            performance: request.performance(),
        };
        reply::ok(&reply, (page.count + 1) * REPLY_BYTES_PER_FILE)
    })
}

async fn page<'r>(request: &'r Request<'r>) -> Result<Page<'r>, Error> {
    let mut listing = Listing::of(request)?;
    let operation = go_on(request, &mut listing)?;
    let page = match listing.ask(operation, xml::read_list).await {
        // The older way is all that some stores know.
        Err(error) if error.is_not_implemented() => listing.ask(Operation::ListObjects, xml::read_list).await,
        page => page,
    }?;
    let is_encoded = listing.is_encoded(page.written()).await?;
    let files = page.objects.iter().filter_map(|object| listing.file(object, is_encoded).transpose());
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let next = next(&page, &files)?;
    let seal = |cursor| request.parts.sealer.seal(Purpose::Listing, &cursor);
    let next_continuation_token = next.map(seal).transpose().map_err(|problem| {
        Error::new(Code::Internal, "The listing's token could not be sealed.").cause(problem.to_string())
    })?;
    Ok(Page {
        bucket: request.target.bucket_name(),
        prefix: listing.prefix,
        max_keys: listing.keys_max,
        count: files.len(),
        is_truncated: next_continuation_token.is_some(),
        next_continuation_token,
        files,
    })
}

/// Has `listing` begin where the page before ended, and says in which of S3's two ways.
fn go_on(request: &Request<'_>, listing: &mut Listing<'_>) -> Result<Operation, Error> {
    let Some(token) = non_empty(request.body.listing.continuation_token.as_ref()) else {
        return Ok(Operation::ListObjectsV2);
    };
    let cursor = request.parts.sealer.open(Purpose::Listing, token).map_err(|_| {
        Error::new(Code::InvalidField, "`continuationToken` is none that this server has made.")
            .hint("Take it from `nextContinuationToken` of the page before.")
    })?;
    match cursor {
        Cursor::Token(token) => {
            listing.set(Parameter::ContinuationToken, token.into_owned());
            Ok(Operation::ListObjectsV2)
        }
        Cursor::Behind(key) => {
            listing.begin_behind(Parameter::Marker, &key)?;
            Ok(Operation::ListObjects)
        }
    }
}

/// Where what follows `page` begins, if anything does.
fn next<'p>(page: &'p ListPage, files: &'p [File]) -> Result<Option<Cursor<'p>>, Error> {
    match (page.is_truncated, &page.next_token, files.last()) {
        (false, _, _) => Ok(None),
        (true, Some(token), _) => Ok(Some(Cursor::Token(Cow::Borrowed(token)))),
        (true, None, Some(last)) => Ok(Some(Cursor::Behind(Cow::Borrowed(&last.key)))),
        (true, None, None) => {
            let message = "The provider has more objects to list, and does not say behind which one.";
            Err(Error::new(Code::UpstreamError, message))
        }
    }
}
