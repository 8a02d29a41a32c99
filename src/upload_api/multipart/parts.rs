//! `{provider}/multipart/parts`: what is stored already, and URLs for what is missing, so that an upload goes on after its
//! page was loaded again.

use futures_util::{FutureExt, future::BoxFuture};
use schemars::JsonSchema;
use serde::Serialize;
use wharf_wire::{date::Timestamp, xml::ListedPart};

use super::{Plan, Upload, initiate, urls};
use crate::{
    error::{Code, Error},
    upload_api::{
        Answer, Request,
        body::{Number, Text},
        expiry,
        reply::{Hints, LongReply, Performance},
    },
};

/// Bytes of a reply beside its lists, and of a stored part in it, so that its buffer grows once.
const REPLY_BYTES: usize = 1024;
const PART_BYTES: usize = 160;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    upload_id: &'a str,
    key: &'a str,
    object_key: &'a str,
    /// `null` with `partCount` where it is not known how the file is cut.
    part_size: Option<u64>,
    part_count: Option<u16>,
    expires_in: u32,
    expires_at: String,
    hint: Hints,
    performance: Performance<'a>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct StoredPart<'a> {
    part_number: u16,
    etag: Option<&'a str>,
    size: u64,
    last_modified: Option<String>,
}

/// Answers the route.
pub(in crate::upload_api) fn handle<'r>(request: &'r Request<'r>) -> BoxFuture<'r, Answer> {
    answer(request).boxed()
}

async fn answer(request: &Request<'_>) -> Answer {
    let Request { target, body, .. } = request;
    let upload = request.upload()?;
    let plan = plan(request, &upload)?;
    let rest = plan.map(Plan::file_bytes);
    let expires_in = expiry::choose(&body.expiry, rest, request.expiry_bounds())?.seconds;
    let multipart = request.multipart();
    let stored = multipart.stored(&upload).await?;
    let urls = multipart.part_urls(&upload, expires_in)?;
    let key = upload.key.as_str();
    let head = Reply {
        success: true,
        provider: target.profile().kind,
        upload_id: body.multipart.upload_id.as_ref().map_or("", Text::as_str),
        key,
        object_key: key,
        part_size: plan.map(Plan::part_bytes),
        part_count: plan.map(Plan::count),
        expires_in,
        expires_at: request.expires_at(expires_in),
        hint: Hints::default().when(
            plan.is_none(),
            "How the file is cut is not known here: send fileSize, and partSize if it was chosen, for the URLs of all \
             missing parts.",
        ),
        performance: request.performance(),
    };
    let missing = missing(&stored, plan);
    let bytes = REPLY_BYTES + PART_BYTES * stored.len() + urls::bytes(&urls, missing.clone().count());
    let mut reply = LongReply::begin(&head, bytes)?;
    reply.list("parts");
    for (index, part) in stored.iter().enumerate() {
        reply.push(&StoredPart::of(part))?;
        urls::pause_after(index).await;
    }
    urls::write(&mut reply, &urls, missing).await?;
    Ok(reply.end())
}

/// How the file is cut: as it was planned, else, for a caller with credentials of its own, as the body says again.
fn plan(request: &Request<'_>, upload: &Upload) -> Result<Option<Plan>, Error> {
    let (Some(bytes), None) = (request.body.file.file_size, upload.plan) else { return Ok(upload.plan) };
    let bytes = Number::whole(bytes)
        .ok_or_else(|| Error::new(Code::InvalidField, "`fileSize` must be a whole number of bytes."))?;
    initiate::plan(bytes, request.body.multipart.part_size, request).map(Some)
}

/// The parts that are to be sent: those that are not there, and those that are of another size than planned. Without a plan,
/// the gaps below the last part that is there. `stored` is in the order of the numbers.
fn missing(stored: &[ListedPart], plan: Option<Plan>) -> impl Iterator<Item = u16> + Clone {
    let last = stored.last().map_or(0, |part| part.number);
    let is_missing = move |number: &u16| {
        let found = stored.binary_search_by_key(number, |part| part.number);
        let found = found.ok().and_then(|index| stored.get(index));
        let planned = plan.and_then(|plan| plan.bytes_of(*number));
        found.is_none_or(|part| planned.is_some_and(|bytes| bytes != part.bytes))
    };
    (1..=plan.map_or(last, Plan::count)).filter(is_missing)
}

impl<'a> StoredPart<'a> {
    fn of(part: &'a ListedPart) -> Self {
        let ListedPart { number, etag, bytes, last_modified } = part;
        Self {
            part_number: *number,
            etag: etag.as_deref(),
            size: *bytes,
            last_modified: last_modified.map(Timestamp::rfc3339),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(parts: &[(u16, u64)]) -> Vec<ListedPart> {
        let part = |(number, bytes): &(u16, u64)| ListedPart {
            number: *number,
            etag: None,
            bytes: *bytes,
            last_modified: None,
        };
        parts.iter().map(part).collect()
    }

    fn missing_of(parts: &[(u16, u64)], plan: Option<Plan>) -> Vec<u16> {
        missing(&stored(parts), plan).collect()
    }

    #[test]
    fn what_is_not_there_or_of_another_size_is_missing() {
        let plan = Plan::sealed((25, 10));
        assert_eq!(missing_of(&[], plan), [1, 2, 3]);
        assert_eq!(missing_of(&[(1, 10), (3, 5)], plan), [2]);
        assert_eq!(missing_of(&[(1, 10), (2, 9), (3, 10)], plan), [2, 3]);
        assert!(missing_of(&[(1, 10), (2, 10), (3, 5), (9, 10)], plan).is_empty());
    }

    #[test]
    fn without_a_plan_only_gaps_are_known() {
        assert!(missing_of(&[], None).is_empty());
        assert_eq!(missing_of(&[(2, 10), (5, 1)], None), [1, 3, 4]);
    }
}
