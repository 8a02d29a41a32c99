//! Objects that are encrypted with a customer's own key (SSE-C). Nobody can read them later but who has the key, so no
//! worker can mirror or even compare them: the tee is the only one who ever can, while it has the key from the request.

use http::HeaderMap;
use wharf_wire::s3::{Operation, Parameters};

use super::branch::etag;
use crate::transfer::{Object, Sending};

/// Looks at both sides of such an object, with its key.
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) primary: Object,
    pub(super) mirror: Object,
    /// The headers that carry the key.
    pub(super) key: HeaderMap,
}

impl Witness {
    /// Whether both sides hold the objects with these `ETag`s, now that the mirror has been written. Had two uploads raced
    /// and arrived in different orders, the one that the mirror has would see the other at the primary.
    pub(super) async fn agrees(&self, primary_etag: &str, mirror_etag: &str) -> bool {
        self.has(&self.primary, primary_etag).await && self.has(&self.mirror, mirror_etag).await
    }

    async fn has(&self, object: &Object, expected: &str) -> bool {
        let sending = Sending::without_body(self.key.clone());
        let reply = object.send(Operation::HeadObject, &Parameters::default(), sending).await;
        reply.is_ok_and(|reply| {
            reply.status().is_success() && etag(reply.headers()).is_some_and(|found| found == expected)
        })
    }
}
