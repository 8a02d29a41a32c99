//! What a request counts for, where usage is kept.

use http::{HeaderMap, HeaderName, Response, header};
use wharf_wire::s3::{Group, Operation};

use super::{Content, forward::Handling};
use crate::usage::{Caller, Event, Use};

const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");

/// Counts a request that was answered with `reply`. A download counts whole, wherever its client breaks off.
pub(super) fn count(handling: &Handling<'_>, reply: &Response<Content>) {
    let (call, operation) = (handling.call, handling.operation());
    let bytes = if operation.group() == Group::Upload {
        length(call.headers, DECODED_LENGTH).or(length(call.headers, header::CONTENT_LENGTH))
    } else if operation == Operation::GetObject {
        length(reply.headers(), header::CONTENT_LENGTH)
    } else {
        None
    };
    count_bytes(handling, operation, bytes.unwrap_or_default());
}

/// Counts an `operation` that was about so many bytes. Who has no key counts for nobody.
pub(super) fn count_bytes(handling: &Handling<'_>, operation: Operation, bytes: u64) {
    let (endpoint, call) = (handling.endpoint, handling.call);
    let Some(usage) = endpoint.usage.as_ref().filter(|_| endpoint.config.usage.enabled) else { return };
    let Some(caller) = call.identity.and_then(Caller::of) else { return };
    let (provider, event) = (&handling.place.bucket.provider, Event::Operation(operation.name()));
    usage.count(Use { caller, provider, event, times: 1, bytes, at: call.context.received });
}

fn length(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
