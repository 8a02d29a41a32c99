//! `{provider}/batch-signed-url`: URLs to upload up to 100 files with. A file that is refused does not stop the others.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Code, Error};

use super::{
    Request,
    body::{FileEntry, Files, Number, Text},
    expiry::SmartExpiry,
    reply::{self, Hints, Performance, Plain, RequiredHeaders},
    storage::EncryptionReply,
    upload::{Placed, Signed, Uploads},
};

/// Bytes of a usual result, so that the reply's buffer grows once.
const RESULT_BYTES: usize = 1536;

#[derive(JsonSchema, Serialize)]
pub(super) struct Reply<'a> {
    success: bool,
    provider: &'static str,
    region: &'a str,
    results: &'a [FileResult<'a>],
    summary: Summary,
    hint: Hints,
    /// Always `null`: nothing is registered, and the hint says so where one was asked for.
    webhook: (),
    performance: Performance<'a>,
}

#[derive(JsonSchema, Serialize)]
struct Summary {
    total: usize,
    successful: usize,
    failed: usize,
}

#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
enum FileResult<'a> {
    Signed(Box<SignedFile<'a>>),
    Refused(RefusedFile<'a>),
}

impl<'a> FileResult<'a> {
    fn signed(&self) -> Option<&SignedFile<'a>> {
        match self {
            Self::Signed(file) => Some(file),
            Self::Refused(_) => None,
        }
    }
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedFile<'a> {
    success: bool,
    index: usize,
    original_filename: &'a str,
    upload_filename: String,
    key: String,
    upload_url: Plain<String>,
    public_url: Plain<String>,
    cdn_url: Option<Plain<String>>,
    content_type: &'a str,
    file_size: Option<u64>,
    expires_in: u32,
    expires_at: String,
    storage_class: &'static str,
    encryption: EncryptionReply<'a>,
    smart_expiry: SmartExpiry,
    upload_id: String,
    required_headers: RequiredHeaders,
    complete_token: Plain<String>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct RefusedFile<'a> {
    success: bool,
    index: usize,
    original_filename: &'a str,
    error: &'static str,
    message: String,
}

/// Answers the route.
pub(super) fn handle(request: &Request<'_>) -> Result<Response<Full<Bytes>>, Error> {
    let entries = entries(request.body.files.as_ref())?;
    let uploads = Uploads::new(request)?;
    let batch_bytes = batch_bytes(entries);
    let results = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| sign(&uploads, index, entry, batch_bytes))
        .collect::<Result<Vec<_>, _>>()?;
    let signed = || results.iter().filter_map(FileResult::signed);
    let reply = Reply {
        success: true,
        provider: request.target.profile().kind,
        region: request.target.account.region().as_str(),
        summary: Summary {
            total: results.len(),
            successful: signed().count(),
            failed: results.len() - signed().count(),
        },
        hint: Hints::default()
            .required_headers(signed().any(|file| !file.required_headers.0.is_empty()))
            .private(request.target.is_private())
            .webhook(request.body.webhook.is_some()),
        results: &results,
        webhook: (),
        performance: request.performance(),
    };
    reply::ok(&reply, RESULT_BYTES * entries.len())
}

fn entries<'b>(files: Option<&'b Files<'_>>) -> Result<&'b [FileEntry<'b>], Error> {
    match files {
        Some(files) if files.count > Files::MAX => Err(Error::new(
            Code::BatchTooLarge,
            format!("`files` has {} entries; one request takes at most {}.", files.count, Files::MAX),
        )),
        Some(files) if !files.entries.is_empty() => Ok(&files.entries),
        Some(_) | None => {
            Err(Error::new(Code::InvalidFilesArray, "`files` must be a list of 1 to 100 files."))
        }
    }
}

/// The size of the whole batch, as far as it is known: a client may upload one file after the other, and the last URL
/// must outlive the first uploads.
fn batch_bytes(entries: &[FileEntry<'_>]) -> Option<u64> {
    let sizes = entries.iter().filter_map(|entry| entry.file_size.and_then(Number::whole));
    sizes.reduce(u64::saturating_add)
}

/// One file's result. What is wrong with the file is its own affair; what is wrong with Wharf is the request's.
fn sign<'f>(
    uploads: &Uploads<'f>,
    index: usize,
    entry: &'f FileEntry<'_>,
    batch_bytes: Option<u64>,
) -> Result<FileResult<'f>, Error> {
    let signed = match uploads.sign(entry, batch_bytes) {
        Ok(signed) => signed,
        Err(error) if error.code.status().is_client_error() => {
            return Ok(FileResult::Refused(RefusedFile {
                success: false,
                index,
                original_filename: entry.filename.as_ref().map_or("", Text::as_str),
                error: error.code.as_str(),
                message: error.message.into_owned(),
            }));
        }
        Err(error) => return Err(error),
    };
    let complete_token = uploads.complete_token(&signed.file, signed.expiry.seconds)?;
    let expires_at = uploads.request.expires_at(signed.expiry.seconds);
    let Signed { file, url, required_headers, public_url, cdn_url, expiry } = signed;
    let Placed { new, original_name, content_type, bytes } = file;
    Ok(FileResult::Signed(Box::new(SignedFile {
        success: true,
        index,
        original_filename: original_name,
        upload_filename: new.name,
        key: new.key,
        upload_url: Plain(url.into_exposed()),
        public_url: Plain(public_url),
        cdn_url: cdn_url.map(Plain),
        content_type,
        file_size: bytes,
        expires_in: expiry.seconds,
        expires_at,
        storage_class: uploads.storage.class_name(),
        encryption: uploads.storage.encryption(),
        smart_expiry: expiry.smart,
        upload_id: new.id.into_string(),
        required_headers,
        complete_token: Plain(complete_token),
    })))
}
