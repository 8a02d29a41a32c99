//! `ListParts` with the parts' `ETag`s. s3s-fs lists parts without them, and whoever goes on with an upload completes it with
//! the `ETag`s that were listed.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use http::{Extensions, HeaderMap, HeaderValue, Method, Uri, header};
use percent_encoding::percent_decode_str;
use s3s::{
    Body, S3, S3Error, S3Request, S3Response, S3Result,
    crypto::{Checksum, Md5},
    dto::{ETag, ListPartsInput, ListPartsOutput, Part},
    path::{S3Path, parse_path_style},
    route::S3Route,
    s3_error,
    xml::{Serialize, Serializer},
};
use s3s_fs::FileSystem;
use tokio::{fs::File, io::AsyncReadExt};

const UPLOAD_ID: &str = "uploadId";
/// Bytes of a part that are read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Answers `ListParts` for the files below a folder.
pub(crate) struct ListParts {
    files: FileSystem,
    directory: PathBuf,
}

impl ListParts {
    pub(crate) fn new(files: FileSystem, directory: &Path) -> Self {
        Self { files, directory: directory.to_owned() }
    }

    /// Where s3s-fs 0.14 keeps a part until its upload is complete.
    fn file(&self, upload_id: &str, number: i32) -> PathBuf {
        self.directory.join(format!(".upload_id-{upload_id}.part-{number}"))
    }

    async fn with_etag(&self, upload_id: &str, part: Part) -> Part {
        let Some(number) = part.part_number else { return part };
        // A part that has gone since it was listed is listed without.
        let e_tag = md5(&self.file(upload_id, number)).await.ok().map(ETag::Strong);
        Part { e_tag, ..part }
    }
}

#[async_trait]
impl S3Route for ListParts {
    fn is_match(
        &self,
        method: &Method,
        uri: &Uri,
        _headers: &HeaderMap,
        _extensions: &mut Extensions,
    ) -> bool {
        *method == Method::GET && upload_id(uri).is_some()
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let id = upload_id(&request.uri).unwrap_or_default().to_owned();
        let input = input(&request.uri, &id)?;
        let mut listed = self.files.list_parts(request.map_input(|_| input)).await?.output;
        let mut parts = Vec::new();
        for part in listed.parts.unwrap_or_default() {
            parts.push(self.with_etag(&id, part).await);
        }
        parts.sort_by_key(|part| part.part_number);
        listed.parts = Some(parts);
        let mut response = S3Response::new(document(&listed)?);
        response.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        Ok(response)
    }
}

/// The upload that a query names. Its id has no character that is escaped.
fn upload_id(uri: &Uri) -> Option<&str> {
    let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == UPLOAD_ID).map(|(_, id)| id)
}

fn input(uri: &Uri, upload_id: &str) -> S3Result<ListPartsInput> {
    if !upload_id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Err(s3_error!(NoSuchUpload));
    }
    let path = percent_decode_str(uri.path()).decode_utf8().map_err(|_| s3_error!(InvalidURI))?;
    let Ok(S3Path::Object { bucket, key }) = parse_path_style(&path) else {
        return Err(s3_error!(InvalidRequest, "Parts are those of an object."));
    };
    let (bucket, key, upload_id) = (bucket.into(), key.into(), upload_id.to_owned());
    Ok(ListPartsInput { bucket, key, upload_id, ..ListPartsInput::default() })
}

fn document(listed: &ListPartsOutput) -> S3Result<Body> {
    let mut xml = Vec::new();
    let mut serializer = Serializer::new(&mut xml);
    serializer.decl().and_then(|()| listed.serialize(&mut serializer)).map_err(S3Error::internal_error)?;
    Ok(Body::from(xml))
}

/// What s3s-fs answered when the part was sent.
async fn md5(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path).await?;
    let (mut digest, mut piece) = (Md5::new(), vec![0; PIECE_BYTES]);
    loop {
        let count = file.read(&mut piece).await?;
        match piece.get(..count) {
            Some([]) | None => return Ok(hex(&digest.finalize())),
            Some(read) => digest.update(read),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
