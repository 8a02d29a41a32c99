//! A credential as requests and forms carry it: `AKIDEXAMPLE/20130524/us-east-1/s3/aws4_request`.

use crate::{
    date::AmzDate,
    sigv4::{AccessKeyId, Scope},
};

use super::Malformed;

const SERVICE: &str = "s3";
const TERMINATOR: &str = "aws4_request";

/// Who signs, and what the key is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Who signs.
    pub access_key_id: AccessKeyId,
    /// What the key is good for: `date`'s day, any region, S3.
    pub scope: Scope,
}

impl Credential {
    /// Reads the credential of something signed at `date`.
    pub fn parse(text: &str, date: &AmzDate) -> Result<Self, Malformed> {
        // From the end: an access key id may hold slashes.
        let mut parts = text.rsplitn(5, '/');
        let mut next = || parts.next().ok_or(Malformed::Credential);
        let (terminator, service, region, day, id) = (next()?, next()?, next()?, next()?, next()?);
        let access_key_id = AccessKeyId::parse(id).map_err(|_| Malformed::Credential)?;
        if terminator != TERMINATOR {
            return Err(Malformed::Terminator);
        }
        if service != SERVICE {
            return Err(Malformed::Service);
        }
        if day != date.day() {
            return Err(Malformed::Day);
        }
        Ok(Self { access_key_id, scope: Scope::new(*date, region, service) })
    }
}
