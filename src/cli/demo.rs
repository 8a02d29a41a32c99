//! `wharf demo`: two S3 stores, Wharf in front of them, and a page, in one process and without an account.
//!
//! ```text
//! browser ──→ page       what to show, and where Wharf is; the switches of the stores
//!         ──→ Wharf      a signed URL, then the file itself, through that URL
//!                └─→ first store ─→ (mirrored) second store
//! ```
//!
//! Wharf runs here as it does anywhere: from a configuration, which this module writes, with keys that live as long as
//! the process. Nothing but the loopback interface is listened on.

use std::{
    fmt::Write as _,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use thiserror::Error;
use tokio::net::TcpListener;
use wharf_demo::{Page, PageError, PageSettings, StoreAccess, StoreError, Stores};

use crate::{
    clock::Clock,
    config::{self, Config, ConfigError, Environment},
    gateway::{Gateway, StartError},
    seal::{self, CannotSeal},
    telemetry::{self, TelemetryError},
};

/// The bucket, under the same name in Wharf's configuration and in the stores.
const BUCKET: &str = "demo";

/// The stores, as the page and Wharf's configuration name them: objects are written to the first, and mirrored to the second.
const STORES: [&str; 2] = ["first", "second"];

/// A file to upload from a terminal.
const SAMPLE_NAME: &str = "hello.txt";
const SAMPLE_TEXT: &str = "Hello from the wharf.\n";

/// What `wharf demo` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The page's port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 7070)]
    port: u16,
    /// Keep the objects in this folder. Without it they are in a temporary one that goes when the demo ends.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

/// Why there is no demo.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The page's port.
    #[error(
        "the page cannot listen on {address}: {source}; name another port with --port, or 0 for a free one"
    )]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The folder.
    #[error("cannot use the folder {}: {source}", directory.display())]
    Folder {
        /// Which.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The page.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The keys of this run.
    #[error(transparent)]
    Key(#[from] CannotSeal),
    /// The configuration that this module wrote.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Wharf itself.
    #[error(transparent)]
    Gateway(#[from] StartError),
    /// The logs.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The instructions could not be written.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
}

/// Runs the demo until `stop` is ready, and tells `output` what to do with it.
pub async fn run(
    arguments: &Arguments,
    output: &mut impl io::Write,
    stop: impl Future<Output = ()>,
) -> Result<(), DemoError> {
    let demo = Demo::start(arguments.port, arguments.directory.clone()).await?;
    output.write_all(demo.instructions().as_bytes())?;
    output.flush()?;
    stop.await;
    demo.stop().await;
    Ok(())
}

/// All that runs.
#[derive(Debug)]
struct Demo {
    folder: Folder,
    stores: Arc<Stores>,
    gateway: Gateway,
    page: Page,
    commands: Vec<String>,
}

impl Demo {
    /// Starts the store first and the page last: what is told of something is told where it listens.
    async fn start(port: u16, directory: Option<PathBuf>) -> Result<Self, DemoError> {
        let folder = Folder::open(directory)?;
        let sample = folder.write_sample()?;
        let keys = [seal::make_key()?, seal::make_key()?];
        let stores = Stores::start(folder.path(), BUCKET, STORES.into_iter().zip(keys)).await?;
        let stores = Arc::new(stores);
        let page_socket = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let page_address = page_socket.local_addr()?;

        let api_key = seal::make_key()?;
        let s3_address = free_address().await?;
        let setup = Setup {
            stores: &stores,
            api_key: &api_key,
            page: page_address,
            s3: s3_address,
            data: &folder.path().join("wharf"),
        };
        let config = gateway_config(&setup)?;
        telemetry::init(&config.log)?;
        let gateway = Gateway::start(config, Clock::System).await?;

        let api = Api { endpoint: format!("http://{}", gateway.api_address()), key: api_key };
        let commands = commands(&api, &sample);
        let settings = PageSettings {
            api_endpoint: api.endpoint,
            api_key: api.key.expose_secret().to_owned(),
            bucket: BUCKET.to_owned(),
            s3_endpoint: format!("http://{s3_address}"),
            stores: STORES.map(str::to_owned).to_vec(),
            commands: commands.clone(),
        };
        let page = Page::start(page_socket, &settings, Arc::clone(&stores))?;
        Ok(Self { folder, stores, gateway, page, commands })
    }

    fn instructions(&self) -> String {
        let mut text = format!("Wharf is at the quay. Drop a file here:\n\n    {}\n\n", self.page.url());
        text.push_str("Or paste these into a terminal: ask for an upload URL, upload, download.\n\n");
        for command in &self.commands {
            text.push_str(command);
            text.push_str("\n\n");
        }
        let fate = match &self.folder {
            Folder::Kept(_) => "they stay there",
            Folder::Temporary(_) => "they go when this ends",
        };
        let [first, second] = STORES.map(|name| self.stores.objects(name).unwrap_or_default());
        let _ = writeln!(
            text,
            "Objects are in {}, with a second copy in {}; {fate}. Ctrl-C ends it.",
            first.display(),
            second.display()
        );
        text
    }

    /// From the front to the back, so that nothing in flight loses what it stands on.
    async fn stop(self) {
        self.page.stop().await;
        self.gateway.shutdown().await;
        self.stores.stop().await;
    }
}

/// Where everything is kept.
#[derive(Debug)]
enum Folder {
    /// The user's, which stays.
    Kept(PathBuf),
    /// Ours, removed when this is dropped.
    Temporary(TempDir),
}

impl Folder {
    fn open(directory: Option<PathBuf>) -> Result<Self, DemoError> {
        let Some(directory) = directory else {
            let made = tempfile::Builder::new().prefix("wharf-demo-").tempdir();
            return made
                .map(Self::Temporary)
                .map_err(|source| folder_error(Path::new("for temporary files"), source));
        };
        fs::create_dir_all(&directory).map_err(|source| folder_error(&directory, source))?;
        // The printed commands are pasted in any working directory.
        let absolute = directory.canonicalize().map_err(|source| folder_error(&directory, source))?;
        Ok(Self::Kept(absolute))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(made) => made.path(),
        }
    }

    fn write_sample(&self) -> Result<PathBuf, DemoError> {
        let sample = self.path().join(SAMPLE_NAME);
        fs::write(&sample, SAMPLE_TEXT).map_err(|source| folder_error(&sample, source))?;
        Ok(sample)
    }
}

fn folder_error(directory: &Path, source: io::Error) -> DemoError {
    DemoError::Folder { directory: directory.to_owned(), source }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, DemoError> {
    TcpListener::bind(address).await.map_err(|source| DemoError::Listen { address, source })
}

/// An address on this machine that nobody listens on: signed URLs name it, so it must be known before Wharf starts.
async fn free_address() -> Result<SocketAddr, DemoError> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    listen(any).await?.local_addr().map_err(|source| DemoError::Listen { address: any, source })
}

/// What Wharf is configured with.
struct Setup<'a> {
    stores: &'a Stores,
    api_key: &'a SecretString,
    page: SocketAddr,
    s3: SocketAddr,
    data: &'a Path,
}

/// Everything that is put into the text is made here: addresses, names, and keys in base64. Nothing in it needs escaping
/// but the folder.
fn gateway_config(setup: &Setup<'_>) -> Result<Config, DemoError> {
    let [address_origin, name_origin] = Page::origins(setup.page);
    let [first, second] = STORES;
    let text = format!(
        r#"
        [server]
        api_listen = "127.0.0.1:0"
        s3_listen = "{s3}"
        admin_listen = "127.0.0.1:0"
        data_directory = {data}
        sealing_keys = ["{sealing_key}"]
        drain_timeout_seconds = 5

        [log]
        # The stores tell their client what was wrong; here it would only be in the way of the commands above.
        filter = "error,s3s=off,s3s_fs=off"
        access = false

        [upload.cors]
        origins = ["{address_origin}", "{name_origin}"]

        [s3]
        public_endpoint = "http://{s3}"
        [s3.cors]
        origins = ["{address_origin}", "{name_origin}"]

        [buckets.{BUCKET}]
        provider = "{first}"
        bucket = "{BUCKET}"
        direct_uploads = "wharf"
        [[buckets.{BUCKET}.mirrors]]
        provider = "{second}"
        bucket = "{BUCKET}"

        [[keys]]
        id = "{api_key}"
        allow = [{{ bucket = "{BUCKET}", actions = ["read", "write", "delete", "list"] }}]
        "#,
        s3 = setup.s3,
        data = quoted(setup.data),
        sealing_key = seal::make_key()?.expose_secret(),
        api_key = setup.api_key.expose_secret(),
    );
    let text = setup.stores.access().map(provider_config).fold(text, |text, provider| text + &provider);
    // The environment configures the gateway that the user runs for good, not this one.
    Ok(config::from_toml_text(&text, &Environment::default())?)
}

/// A path as TOML has it: its texts are escaped as JSON's are.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}

fn provider_config(store: StoreAccess<'_>) -> String {
    format!(
        r#"
        [providers.{name}]
        plugin = "s3"
        endpoint = "{endpoint}"
        addressing = "path"
        region = "us-east-1"
        access_key_id = "{access_key}"
        secret_access_key = "{secret_key}"
        timeouts = {{ connect_seconds = 1 }}
        "#,
        name = store.name,
        endpoint = store.endpoint,
        access_key = store.access_key,
        secret_key = store.secret_key.expose_secret(),
    )
}

/// What a client must know of Wharf.
struct Api {
    endpoint: String,
    key: SecretString,
}

/// Three commands for any POSIX shell that has curl. The first keeps the reply in a variable for the others.
fn commands(api: &Api, sample: &Path) -> Vec<String> {
    let Api { endpoint, key } = api;
    let post = format!("-H 'x-api-key: {}' -H 'content-type: application/json'", key.expose_secret());
    let upload = format!("{endpoint}/api/v1/upload/{BUCKET}/signed-url");
    let download = format!("{endpoint}/api/v1/upload/download/{BUCKET}/signed-url");
    let field = |name| format!("grep -o '\"{name}\":\"[^\"]*' | cut -d'\"' -f4");
    let of_reply = |name| format!("$(echo \"$reply\" | {})", field(name));
    let sample = shell_quoted(sample);
    vec![
        format!(
            r#"reply=$(curl -s {upload} {post} -d '{{"filename":"{SAMPLE_NAME}","contentType":"text/plain"}}'); echo "$reply""#
        ),
        format!(r#"curl -T {sample} -H 'content-type: text/plain' "{}""#, of_reply("uploadUrl")),
        format!(
            r#"curl "$(curl -s {download} {post} -d "{{\"key\":\"{}\"}}" | {})""#,
            of_reply("key"),
            field("downloadUrl"),
        ),
    ]
}

/// A path as one word of a POSIX shell.
fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
