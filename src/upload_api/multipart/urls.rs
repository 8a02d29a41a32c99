//! The URLs of parts, written into a reply.
//!
//! Ten thousand of them are about ten milliseconds of work. Signed in one go, they would keep every other request on the
//! same thread waiting for as long; so they are signed some at a time, and others are served in between.

use serde::Serialize;
use tokio::task::yield_now;
use wharf_wire::sigv4::presign::Series;

use crate::{
    error::Error,
    upload_api::reply::{LongReply, Plain},
};

/// URLs that are signed before others get their turn: some hundred microseconds of work.
const AT_A_TIME: usize = 128;

/// Bytes of an entry beside its URL.
const ENTRY_BYTES: usize = r#"{"partNumber":10000,"uploadUrl":""},"#.len();

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartUrl<'a> {
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
    for (index, part_number) in numbers.enumerate() {
        if index % AT_A_TIME == AT_A_TIME - 1 {
            yield_now().await;
        }
        let url = urls.url(part_number.into());
        reply.push(&PartUrl { part_number, upload_url: Plain(url.expose()) })?;
    }
    Ok(())
}
