//! The configuration as used: every value checked, every name resolved. Nothing behind this door checks again.

mod access;
mod buckets;
mod events;
mod mirroring;
mod webhooks;

use std::{
    collections::BTreeMap, net::SocketAddr, num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration,
};

use ipnet::IpNet;
use secrecy::SecretString;
use wharf_provider::{Account, Provider};
use wharf_wire::{endpoint::Endpoint, names::Region};

pub use access::{Action, Grant, GrantBucket, JwtConfig, JwtKeys, KeyConfig};
pub use buckets::{Accept, BucketConfig, CdnConfig, CdnCookies, DirectUploads, EncryptionChoice};
pub use events::{EventsConfig, Topic};
pub use mirroring::{
    BackfillConfig, Failover, FailoverReads, FailoverWrites, MirrorConfig, MirrorMode, Mirroring, SweepConfig,
};
pub use webhooks::WebhooksConfig;

/// Everything that Wharf was told.
#[derive(Debug)]
pub struct Config {
    /// Listeners, limits and drain.
    pub server: Server,
    /// What is logged, and how.
    pub log: Log,
    /// The upload API's own settings.
    pub upload: Upload,
    /// Where Uppy's routes are.
    pub companion: Companion,
    /// The S3 endpoint's own settings.
    pub s3: S3,
    /// The database.
    pub store: StoreConfig,
    /// What is counted.
    pub usage: UsageConfig,
    /// Who is told of uploads.
    pub webhooks: WebhooksConfig,
    /// The app behind Wharf, if there is one.
    pub upstream: Option<UpstreamConfig>,
    /// What holds for all mirrors.
    pub mirroring: Mirroring,
    /// Accounts, by the name that the config gives them.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Buckets, by the name that apps ask for.
    pub buckets: BTreeMap<String, BucketConfig>,
    /// Who may come in with a key. Empty (and no `jwt`): loopback alone is served, and everyone there may do everything.
    pub keys: Vec<Arc<KeyConfig>>,
    /// Who may come in with the app's token.
    pub jwt: Option<JwtConfig>,
}

impl Config {
    /// Whether any bucket has mirrors.
    pub fn has_mirrors(&self) -> bool {
        self.buckets.values().any(|bucket| !bucket.mirrors.is_empty())
    }

    /// Whether any bucket is filled from where it was before.
    pub fn has_backfills(&self) -> bool {
        self.buckets.values().any(|bucket| bucket.backfill.is_some())
    }

    /// Whether anything is to be kept that must outlive the process.
    pub fn needs_database(&self) -> bool {
        self.has_mirrors()
            || self.has_backfills()
            || self.usage.enabled
            || self.webhooks.enabled
            || self.upload.access_tokens
    }
}

/// `[server]`
#[derive(Debug, Clone)]
pub struct Server {
    /// The upload API's door.
    pub api: Listener,
    /// The S3 endpoint's door, if there is one.
    pub s3: Option<Listener>,
    /// Health and metrics; loopback by default.
    pub admin: Listener,
    /// Peers whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Where Wharf keeps what it makes itself: a sealing key.
    pub data_directory: PathBuf,
    /// Keys that seal tokens (32 bytes each): the first seals, all open. Empty: one is made in the data directory.
    pub sealing_keys: Vec<SecretString>,
    /// Bounds on what a peer can make Wharf hold.
    pub limits: ServerLimits,
    /// How long a drain waits for requests in flight.
    pub drain_timeout: Duration,
}

/// One door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// TLS; without it the door is plain HTTP.
    pub tls: Option<TlsFiles>,
}

/// PEM files; they are read again at a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub certificate_file: PathBuf,
    /// The private key.
    pub private_key_file: PathBuf,
}

/// `[server.limits]`: each names the harm that it bounds in `config.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLimits {
    /// Open connections per listener.
    pub connections_max: usize,
    /// Open connections from one client address.
    pub connections_per_ip_max: usize,
    /// Requests in flight in the whole process.
    pub requests_in_flight_max: usize,
    /// Bytes of a request's head.
    pub header_bytes_max: usize,
    /// Header lines of a request.
    pub headers_max: usize,
    /// Bytes of a JSON body.
    pub body_bytes_max: usize,
    /// Bytes of S3's XML documents that are held at once.
    pub documents_bytes_max: usize,
    /// From the first byte of a connection or request to the end of its head (the TLS handshake included).
    pub header_timeout: Duration,
    /// A keep-alive connection without a request.
    pub idle_timeout: Duration,
    /// A whole JSON body.
    pub body_timeout: Duration,
    /// The slowest that a body may come, after a grace of a few seconds.
    pub body_bytes_per_second_min: u64,
    /// A reply of which the client takes nothing.
    pub write_timeout: Duration,
    /// The slowest that a client may take a reply, after a grace of a few seconds.
    pub reply_bytes_per_second_min: u64,
    /// HTTP/2 streams on one connection.
    pub streams_per_connection_max: u32,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A tracing filter: `info`, `wharf=debug,warn`.
    pub filter: String,
    /// Text or JSON lines.
    pub format: LogFormat,
    /// One line per request.
    pub access: bool,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `[upload]`
#[derive(Debug)]
pub struct Upload {
    /// Who may call from a browser.
    pub cors: Cors,
    /// Credentials that callers bring in the body.
    pub callers: Callers,
    /// Whether callers may make access tokens.
    pub access_tokens: bool,
    /// Seconds that a signed URL lives when the caller says nothing.
    pub expires_default_seconds: u32,
    /// How old an upload in parts may become before it is aborted; none is without it.
    pub stale_uploads_after: Option<Duration>,
    /// Requests per client address.
    pub rate_limit_per_ip: Option<RateLimit>,
    /// Requests to one provider with credentials that callers bring, per plugin.
    pub rate_limit_callers: Option<RateLimit>,
    /// Client addresses whose rate is counted apart; the rest share one bucket.
    pub rate_limit_clients_max: usize,
}

/// `[upload.cors]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Origins as browsers send them, or any.
    pub origins: Origins,
    /// Seconds that a browser may keep a preflight's answer.
    pub max_age_seconds: u32,
}

/// Which origins may read replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// `["*"]`
    Any,
    /// These alone, `https://app.example.com`.
    Listed(Vec<String>),
}

/// `[upload.callers]`
#[derive(Debug, Clone, Default)]
pub struct Callers {
    /// Whether callers may bring credentials at all.
    pub allowed: bool,
    /// Endpoints that callers may name beyond the provider's own. Addresses must be listed as such.
    pub endpoints: Vec<EndpointRule>,
    /// The endpoint for callers who name none, by plugin.
    pub default_endpoints: BTreeMap<String, Endpoint>,
}

/// One line of the allow-list of endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointRule {
    /// This endpoint: scheme, host and port.
    Exact(Endpoint),
    /// `https://*.example.com[:port]`: any host below the domain, over TLS.
    Below {
        /// The domain, lower case.
        domain: String,
        /// The port, when not 443.
        port: Option<u16>,
    },
}

/// `[companion]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// The path below which Uppy's routes are. Without one there are none.
    pub base: Option<String>,
}

/// `[s3]`
#[derive(Debug)]
pub struct S3 {
    /// The region that requests are signed for.
    pub region: Region,
    /// Domains that a bucket's name can stand before, lower case.
    pub domains: Vec<String>,
    /// Where browsers find the endpoint, for signed URLs that point at it.
    pub public_endpoint: Option<Endpoint>,
    /// Which pages may use the endpoint from a browser.
    pub cors: Cors,
}

/// `[usage]`
#[derive(Debug, Clone, Copy)]
pub struct UsageConfig {
    /// Whether anything is counted; only then the database is opened for it.
    pub enabled: bool,
    /// Days that are kept.
    pub keep_days: u32,
}

/// `[store]`
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The address of PostgreSQL; without it the database is a file in the data directory.
    pub url: Option<SecretString>,
    /// For the database to do one transaction.
    pub timeout: Duration,
    /// How long a node that gives no sign of life is waited for.
    pub lease: Duration,
    /// How long a provider may work on a request that was given up: until then, what it was to do may still happen.
    pub late_effect: Duration,
}

/// `[upstream]`: the app that is served what Wharf does not own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// How long to wait for it.
    pub timeouts: Timeouts,
    /// For an upgraded connection (a WebSocket) on which nothing moves in either direction.
    pub tunnel_idle_timeout: Duration,
}

/// `[providers.NAME]`
#[derive(Clone)]
pub struct ProviderConfig {
    /// The name in the config.
    pub name: String,
    /// The plugin.
    pub plugin: &'static dyn Provider,
    /// The settings, checked by the plugin.
    pub account: Account,
    /// Requests to this provider.
    pub rate_limit: Option<RateLimit>,
    /// How long to wait for it.
    pub timeouts: Timeouts,
    /// Requests that it is sent at once; the rest wait.
    pub requests_in_flight_max: usize,
}

/// `timeouts = { … }`: how long to wait for a provider, or for the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection: name, TCP (all of a name's addresses together) and TLS. A peer that never answers would hold a
    /// task.
    pub connect: Duration,
    /// For the head of a reply, from when the request has been handed over; a large body takes as long as it takes.
    pub first_byte: Duration,
    /// For each piece in either direction: until the provider takes more of a body, or sends more of its reply.
    pub stall: Duration,
}

/// Of providers of which no configuration says anything else.
impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            stall: Duration::from_secs(30),
        }
    }
}

impl std::fmt::Debug for ProviderConfig {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ProviderConfig")
            .field("name", &self.name)
            .field("plugin", &self.plugin.profile().kind)
            .field("account", &self.account)
            .field("rate_limit", &self.rate_limit)
            .field("timeouts", &self.timeouts)
            .field("requests_in_flight_max", &self.requests_in_flight_max)
            .finish()
    }
}

/// `{ requests_per_second = 10, burst = 20 }`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The steady rate.
    pub requests_per_second: NonZeroU32,
    /// How many may come at once.
    pub burst: NonZeroU32,
}
