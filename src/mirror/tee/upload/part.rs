//! One part.

use wharf_wire::s3::{Operation, Parameter};

use super::{UploadName, named};
use crate::{
    backend::Payload,
    mirror::{
        crash_point::{Point, reached},
        tee::{
            Tee,
            branch::Copied,
            object::{Prepared, Teeing},
            verdict::{Awaited, Judge, Verdict, judge},
        },
    },
    store::{JournalError, TeeName, TeePart},
};

/// What is the same for every mirror.
#[derive(Debug, Clone, Copy)]
struct Part {
    number: u16,
    bytes: u64,
    payload: Payload,
}

impl Teeing<'_> {
    /// Sends a part to every mirror where the upload has begun, and gives who tells them what the primary made of it.
    /// `payload` is what is signed of the body that the primary gets.
    pub fn begin_part(self, upload: &UploadName, number: u16, payload: Payload) -> Judge {
        let (judge, primary) = judge();
        let Self { tee, mirrors, bytes, .. } = self;
        for mirror in mirrors {
            let name = upload.at(&mirror.mirror);
            let (work, primary, tee) = (tee.parts.begin(&name), primary.clone(), tee.clone());
            let part = Part { number, bytes, payload };
            tee.drain.clone().spawn(async move {
                if let Err(error) = tee.mirror_part(&name, mirror, part, primary).await {
                    tracing::debug!(mirror = &*name.mirror, part = number, %error, "a part is not recorded");
                }
                drop(work);
            });
        }
        judge
    }
}

impl Tee {
    async fn mirror_part(
        &self,
        name: &TeeName,
        mirror: Prepared,
        part: Part,
        primary: Awaited,
    ) -> Result<(), JournalError> {
        // What the client sends meanwhile waits in the branch's queue.
        self.begins.over(name).await;
        let Some(id) = self.journal.tee_id(name).await? else { return Ok(()) };
        let mut parameters = named(&id);
        parameters.set(Parameter::PartNumber, part.number.to_string());
        let branch = mirror.branch(Operation::UploadPart, parameters, part.payload);
        let (Verdict::Stored { etag: primary_etag }, copied) = branch.send(primary).await else {
            return Ok(());
        };
        match copied {
            Copied::Yes { etag: mirror_etag } => {
                reached(Point::TeePartCopied);
                let Part { number, bytes, .. } = part;
                self.journal.add_tee_part(name, TeePart { number, primary_etag, mirror_etag, bytes }).await
            }
            Copied::No(why) | Copied::Unsure(why) => {
                tracing::debug!(mirror = &*name.mirror, part = part.number, %why, "a part is not teed");
                Ok(())
            }
        }
    }
}
