//! Parts and their URLs, written into a reply.
//!
//! Ten thousand of them are about ten milliseconds of work. Done in one go, it would keep every other request on the same
//! thread waiting for as long; so they are written some at a time, and others are served in between.

use schemars::JsonSchema;
use serde::Serialize;
use tokio::task::yield_now;
use wharf_wire::sigv4::presign::Series;

use crate::{
    error::Error,
    upload_api::reply::{LongReply, Plain},
};

/// Entries that are written before others get their turn: with their URLs, some hundred microseconds of work.
const AT_A_TIME: usize = 128;

/// Bytes of an entry beside its URL.
const ENTRY_BYTES: usize = r#"{"partNumber":10000,"uploadUrl":""},"#.len();

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct PartUrl<'a> {
    part_number: u16,
    upload_url: Plain<&'a str>,
}

/// Bytes that the URLs of `count` parts take in a reply.
pub(super) fn bytes(urls: &Series, count: usize) -> usize {
    (urls.url_bytes() + ENTRY_BYTES) * count
}

/// Writes the URL of each part.
pub(super) async fn write(
    reply: &mut LongReply,
    urls: &Series,
    numbers: impl Iterator<Item = u16>,
) -> Result<(), Error> {
    reply.list("partUrls");
    for (index, part_number) in numbers.enumerate() {
        let url = urls.url(part_number.into());
        reply.push(&PartUrl { part_number, upload_url: Plain(url.expose()) })?;
        pause_after(index).await;
    }
    Ok(())
}

/// Lets others have their turn, if it is time for that after the entry `index`.
pub(super) async fn pause_after(index: usize) {
    if index % AT_A_TIME == AT_A_TIME - 1 {
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join;
    use http::Method;
    use wharf_wire::{
        date::Timestamp,
        endpoint::Scheme,
        names::Region,
        sigv4::{
            AccessKeyId, Credentials, Scope, SigningKey,
            presign::{PresignInput, series},
        },
    };

    use super::*;

    fn upload() -> Series {
        let now = Timestamp::from_unix_millis(1_795_307_826_434);
        let credentials = Credentials {
            access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        };
        let input = PresignInput {
            method: &Method::PUT,
            scheme: Scheme::Https,
            authority: "store.example.com",
            path: "/photos/a",
            query: &[("uploadId", "id")],
            headers: &[],
            expires_seconds: 60,
            now,
        };
        let scope = Scope::s3(now.amz_date(), &Region::parse("us-east-1").unwrap());
        series(&input, "partNumber", &credentials, &SigningKey::derive(&credentials, scope)).unwrap()
    }

    #[tokio::test]
    async fn others_have_their_turn_while_ten_thousand_urls_are_signed() {
        let (is_done, turns, urls) = (Cell::new(false), Cell::new(0), upload());
        let mut reply = LongReply::begin(&[0], 0).unwrap();
        let signing = async {
            write(&mut reply, &urls, 1..=10_000).await.unwrap();
            is_done.set(true);
        };
        let others = async {
            while !is_done.get() {
                turns.set(turns.get() + 1);
                yield_now().await;
            }
        };
        join(signing, others).await;
        assert!(turns.get() >= 10_000 / AT_A_TIME, "{} turns", turns.get());
    }
}
