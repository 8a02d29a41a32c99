//! An S3 store over a folder, in this process. It verifies signatures, payload hashes and checksums as S3 does.
//!
//! ```text
//! socket → CORS in front → s3s (signatures, the protocol) → s3s-fs (one file per object, in one folder per bucket)
//!                                                         → ListParts, which s3s-fs answers without `ETag`s
//! ```

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use s3s::{
    HttpError, HttpResponse, S3Result,
    access::{S3Access, S3AccessContext},
    auth::SimpleAuth,
    path::{S3Path, check_bucket_name},
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::{fs, net::TcpListener};

use crate::{cors, listener::Listener, parts::ListParts};

/// The longest file name that the usual file systems take.
const FILE_NAME_BYTES_MAX: usize = 255;

/// How a store is started.
#[derive(Debug)]
pub struct StoreOptions {
    /// Where it listens; port 0 takes a free one. Meant for the loopback interface.
    pub address: SocketAddr,
    /// Where objects are kept. Without one they are in a temporary folder that goes with the store.
    pub directory: Option<PathBuf>,
    /// The access key that requests must be signed with.
    pub access_key: String,
    /// The secret that belongs to it.
    pub secret_key: SecretString,
}

/// Why a store did not start, or did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The folder cannot be made or used.
    #[error("cannot keep objects in {}: {source}", directory.display())]
    Directory {
        /// The folder.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The name breaks S3's rules for bucket names.
    #[error("`{0}` cannot be the name of a bucket")]
    BucketName(String),
}

/// A running store. Dropping it ends it at once; [`stop`](Self::stop) lets requests in flight finish.
pub struct Store {
    listener: Listener,
    folder: Folder,
    access_key: String,
    secret_key: SecretString,
}

impl Store {
    /// Starts a store: when this returns, it answers.
    pub async fn start(options: StoreOptions) -> Result<Self, StoreError> {
        let StoreOptions { address, directory, access_key, secret_key } = options;
        let folder = Folder::open(directory).await?;
        let service = S3Front { s3: s3_service(&folder, &access_key, &secret_key)? };
        let listen_error = |source| StoreError::Listen { address, source };
        let socket = TcpListener::bind(address).await.map_err(listen_error)?;
        let answer = service_fn(move |request| service.clone().answer(request));
        let listener = Listener::start(socket, answer).map_err(listen_error)?;
        Ok(Self { listener, folder, access_key, secret_key })
    }

    /// Its URL, without a slash at the end: `http://127.0.0.1:34567`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.listener.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The access key that requests must be signed with.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The secret that belongs to the access key.
    pub fn secret_key(&self) -> &SecretString {
        &self.secret_key
    }

    /// The folder that holds the buckets.
    pub fn directory(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a bucket; one that is there already stays as it is.
    pub async fn create_bucket(&self, name: &str) -> Result<(), StoreError> {
        if !check_bucket_name(name) {
            return Err(StoreError::BucketName(name.to_owned()));
        }
        make_directory(&self.folder.path().join(name)).await
    }

    /// Ends it, and removes its folder if that was a temporary one.
    pub async fn stop(self) {
        self.listener.stop().await;
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Store")
            .field("endpoint", &self.endpoint())
            .field("directory", &self.directory())
            .finish_non_exhaustive()
    }
}

/// Where the objects are.
enum Folder {
    /// The user's, which stays.
    Kept(PathBuf),
    /// Ours, removed when this is dropped.
    Temporary(TempDir),
}

impl Folder {
    async fn open(directory: Option<PathBuf>) -> Result<Self, StoreError> {
        if let Some(directory) = directory {
            make_directory(&directory).await?;
            return Ok(Self::Kept(directory));
        }
        let made = tempfile::Builder::new().prefix("wharf-store-").tempdir();
        made.map(Self::Temporary)
            .map_err(|source| StoreError::Directory { directory: "the temporary folder".into(), source })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(made) => made.path(),
        }
    }
}

async fn make_directory(directory: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(directory)
        .await
        .map_err(|source| StoreError::Directory { directory: directory.to_owned(), source })
}

fn s3_service(folder: &Folder, access_key: &str, secret_key: &SecretString) -> Result<S3Service, StoreError> {
    let mut builder = S3ServiceBuilder::new(files(folder)?);
    builder.set_route(ListParts::new(files(folder)?, folder.path()));
    builder.set_auth(SimpleAuth::from_single(access_key, secret_key.expose_secret()));
    builder.set_access(SignedAndStorable);
    Ok(builder.build())
}

fn files(folder: &Folder) -> Result<FileSystem, StoreError> {
    FileSystem::new(folder.path()).map_err(|error| StoreError::Directory {
        directory: folder.path().to_owned(),
        source: io::Error::other(format!("{error:?}")),
    })
}

/// The S3 protocol with CORS in front.
#[derive(Clone)]
struct S3Front {
    s3: S3Service,
}

impl S3Front {
    async fn answer(self, request: Request<Incoming>) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        if cors::is_preflight(&head) {
            return Ok(cors::preflight(&head));
        }
        let mut response = self.s3.call(Request::from_parts(head, body.into())).await?;
        cors::allow(response.headers_mut());
        Ok(response)
    }
}

/// Who may do what: everything, with a signature, and with a key that the folder can hold.
struct SignedAndStorable;

#[async_trait]
impl S3Access for SignedAndStorable {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Requests to this store must be signed."));
        }
        match context.s3_path() {
            S3Path::Object { bucket, key } if sidecar_name_bytes(bucket, key) > FILE_NAME_BYTES_MAX => {
                Err(s3_error!(
                    KeyTooLongError,
                    "This store keeps each object in a file; {} bytes of key are more than a file's name can hold.",
                    key.len()
                ))
            }
            S3Path::Root | S3Path::Bucket { .. } | S3Path::Object { .. } => Ok(()),
        }
    }
}

/// The length of the longest file name that s3s-fs makes for an object (the metadata of an unfinished multipart upload).
/// Without this check it would store the object, fail to write the metadata, and answer with an internal error.
fn sidecar_name_bytes(bucket: &str, key: &str) -> usize {
    const FIXED: usize = ".bucket-.object-.upload-00000000-0000-0000-0000-000000000000.metadata.json".len();
    let base64_bytes = |name: &str| (name.len() * 4).div_ceil(3);
    FIXED + base64_bytes(bucket) + base64_bytes(key)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    async fn store() -> Store {
        let options = StoreOptions {
            address: ([127, 0, 0, 1], 0).into(),
            directory: None,
            access_key: "AKIATEST".to_owned(),
            secret_key: "secret".into(),
        };
        Store::start(options).await.unwrap()
    }

    /// One request as it is on the wire, and all that came back.
    async fn exchange(store: &Store, request: &str) -> String {
        let mut stream = TcpStream::connect(store.listener.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.to_lowercase()
    }

    #[tokio::test]
    async fn an_unsigned_request_is_refused_and_a_browser_may_read_why() {
        let store = store().await;
        store.create_bucket("photos").await.unwrap();
        let request =
            "GET /photos/a.txt HTTP/1.1\r\nhost: h\r\norigin: http://page\r\nconnection: close\r\n\r\n";
        let answer = exchange(&store, request).await;
        assert!(answer.starts_with("http/1.1 403"), "{answer}");
        assert!(answer.contains("access-control-allow-origin: *\r\n"), "{answer}");
        assert!(answer.contains("access-control-expose-headers: etag,"), "{answer}");
        assert!(answer.contains("accessdenied"), "{answer}");
        store.stop().await;
    }

    #[tokio::test]
    async fn a_preflight_needs_no_signature() {
        let store = store().await;
        let request = "OPTIONS /photos/a.txt HTTP/1.1\r\nhost: h\r\norigin: http://page\r\n\
            access-control-request-method: PUT\r\naccess-control-request-headers: content-type\r\n\
            connection: close\r\n\r\n";
        let answer = exchange(&store, request).await;
        assert!(answer.starts_with("http/1.1 204"), "{answer}");
        assert!(answer.contains("access-control-allow-headers: content-type\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn a_temporary_folder_goes_with_its_store_and_a_named_one_stays() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("kept");
        let options = StoreOptions {
            address: ([127, 0, 0, 1], 0).into(),
            directory: Some(directory.clone()),
            access_key: "AKIATEST".to_owned(),
            secret_key: "secret".into(),
        };
        let kept = Store::start(options).await.unwrap();
        let temporary = store().await;
        let temporary_directory = temporary.directory().to_owned();
        assert!(temporary_directory.is_dir());

        kept.create_bucket("photos").await.unwrap();
        kept.create_bucket("photos").await.unwrap();
        kept.stop().await;
        temporary.stop().await;
        assert!(directory.join("photos").is_dir());
        assert!(!temporary_directory.exists());
    }

    #[tokio::test]
    async fn a_stopped_store_frees_its_address() {
        let store = store().await;
        let address = store.listener.address();
        store.stop().await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_bucket_name_cannot_leave_the_folder() {
        let store = store().await;
        for name in ["../up", "a/b", "", "UPPER", ".."] {
            assert!(matches!(store.create_bucket(name).await, Err(StoreError::BucketName(_))), "{name}");
        }
    }

    #[test]
    fn no_file_name_of_an_accepted_key_is_longer_than_a_file_system_takes() {
        // What s3s-fs 0.14 writes beside the object `k` in the bucket `photos`.
        let written = ".bucket-cGhvdG9z.object-aw.upload-00000000-0000-0000-0000-000000000000.metadata.json";
        assert_eq!(sidecar_name_bytes("photos", "k"), written.len());
    }

    #[tokio::test]
    async fn debug_shows_no_secret() {
        let store = store().await;
        assert!(!format!("{store:?}").contains("secret"));
    }
}
