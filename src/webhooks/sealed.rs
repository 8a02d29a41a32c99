//! What of a webhook nobody reads in the database: its address, which is often a secret in itself, the secret that signs,
//! and what was said of its upload.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{
    error::{Code, Error},
    seal::{NotSealedHere, Purpose, Sealer, TOKEN_CHARACTERS_MAX},
};

/// What is sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct Sealed {
    pub(super) url: Zeroizing<String>,
    pub(super) secret: Zeroizing<String>,
    pub(super) upload: Option<Upload>,
}

/// The upload that a webhook waits for, as it was signed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Upload {
    /// The name that its uploader gave it.
    pub filename: String,
    /// The object's own address.
    pub public_url: String,
    /// What the caller calls the provider and the bucket.
    pub provider: String,
    /// The bucket's name.
    pub bucket: String,
    /// The type that was declared. Webhooks that were kept before it was have none.
    #[serde(default)]
    pub content_type: Option<String>,
    /// The size that was declared.
    pub file_bytes: Option<u64>,
    /// Bytes of the largest object that will do.
    pub file_bytes_max: u64,
    /// How to ask for an object in an account of the caller's own.
    pub head: Option<Head>,
    /// What the caller wants to be told besides.
    pub metadata: Option<Box<RawValue>>,
}

/// What can see one object, and no more.
#[derive(Debug, Serialize, Deserialize)]
pub struct Head {
    /// A signed URL, which ends.
    pub url: Zeroizing<String>,
    /// Whether the operator has listed its endpoint, so that it may be in a network of the operator's own.
    pub is_listed: bool,
}

impl Sealed {
    pub(super) fn seal(&self, sealer: &Sealer) -> Result<String, Error> {
        let token = sealer.seal(Purpose::Webhook, self).map_err(|problem| {
            Error::new(Code::Internal, "The webhook could not be sealed.").cause(problem.to_string())
        })?;
        if token.len() > TOKEN_CHARACTERS_MAX {
            let message =
                "The webhook, with the upload's names and the session token, is longer than can be kept.";
            return Err(Error::new(Code::InvalidField, message));
        }
        Ok(token)
    }

    pub(super) fn open(token: &str, sealer: &Sealer) -> Result<Self, NotSealedHere> {
        sealer.open(Purpose::Webhook, token)
    }
}
