//! The composition root: the only file that sees everything.
//!
//! ```text
//! Config ─→ Snapshot (authenticator, rate limits, CORS, API) ─→ Pipeline ─→ api door
//!       ├─→ Live rules, certificates ─────────────────────────────────────↗
//!       ├─→ Origins (a client for each provider) ─→ S3 endpoint ─→ Pipeline ─→ s3 door
//!       ├─→ SharedStore (the database, opened with the first setting that needs one)
//!       ├─→ Webhooks (who is told of uploads; they record and deliver) ─→ Mirrors, API
//!       ├─→ Mirrors (the journal of mirrored buckets) ─↗
//!       │      └─→ Workers (they copy what the journal says)
//!       ├─→ AppProxy (a client for the app behind Wharf) ─→ Pipeline ─→ api door
//!       └─→ Metrics ─→ Admin ─→ admin door
//! ```
//!
//! A reload builds all of it anew from the new configuration and swaps it in only when everything could be built.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use thiserror::Error;

use crate::{
    admin::{Admin, Metrics, MirrorPage},
    app_proxy::{AppProxy, AppProxyError},
    backend::{Origins, Shared, SigningKeys},
    clock::Clock,
    companion,
    config::{
        Config, ConfigError,
        checked::{Listener, Server},
        restart_needed,
    },
    events::{self, Events},
    mirror::{
        Mirrors,
        moved::MoveError,
        sweep::Sweeper,
        worker::{self, Current, Workers},
    },
    pipeline::{ApiDoor, Pipeline, S3Door, Snapshot},
    request::{authenticate::Authenticator, cors::CorsPolicy, rate_limit::RateLimits},
    s3_endpoint::S3Endpoint,
    sealing_key::{self, SealingKeyError},
    server::{Certificates, Door, DoorError, Drain, Live, TlsError},
    store::{SharedStore, StoreError},
    upload_api::{Janitor, Parts, UploadApi, openapi::Description},
    usage::Usage,
    webhooks::{self, WebhookError, Webhooks},
};

/// Derived signing keys that are kept, about 200 bytes each. Callers that bring credentials fill this, so it is bounded.
const SIGNING_KEYS_MAX: usize = 10_000;

/// Health and metrics are read in no time: who still reads when the API has drained is not waited for.
const ADMIN_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Why the gateway does not start, or does not take a new configuration.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A listener.
    #[error("server.{setting}: {source}")]
    Door {
        /// The setting with its address.
        setting: &'static str,
        /// Why.
        source: DoorError,
    },
    /// The sealing key that Wharf keeps itself.
    #[error(transparent)]
    SealingKey(#[from] SealingKeyError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Webhooks.
    #[error(transparent)]
    Webhooks(#[from] WebhookError),
    /// Buckets and mirrors that are elsewhere now, and cannot be yet.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The way to the app behind Wharf.
    #[error(transparent)]
    App(#[from] AppProxyError),
    /// A setting that only its user can judge.
    #[error("{0}")]
    Setting(String),
}

/// A running gateway. Dropping it leaves its tasks to the runtime; [`Gateway::shutdown`] ends them.
#[derive(Debug)]
pub struct Gateway {
    core: Arc<Core>,
    api_address: SocketAddr,
    s3_address: Option<SocketAddr>,
    admin_address: SocketAddr,
    admin_drain: Drain,
}

/// What a reload changes, and what it keeps.
#[derive(Debug)]
struct Core {
    shared: Shared,
    pipeline: Arc<Pipeline>,
    live: Arc<Live>,
    certificates: DoorCertificates,
    store: SharedStore,
    webhooks: Webhooks,
    mirrors: Arc<Mirrors>,
    usage: Usage,
    /// Begun with the first configuration that has mirrors.
    workers: OnceLock<Workers>,
    /// Of all doors that apps use, and of the workers.
    drain: Drain,
}

/// What each door shows of itself, where it speaks TLS.
#[derive(Debug)]
struct DoorCertificates {
    api: Option<Arc<Certificates>>,
    s3: Option<Arc<Certificates>>,
    admin: Option<Arc<Certificates>>,
}

impl Gateway {
    /// Starts to serve as `config` says.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        let (drain, admin_drain) = (Drain::default(), Drain::default());
        let core = Arc::new(Box::pin(Core::new(config, clock, drain.clone())).await?);
        let snapshot = core.pipeline.snapshot();
        let (server, metrics) = (&snapshot.config.server, &core.shared.metrics);
        let failed = |setting| move |source| StartError::Door { setting, source };
        let api = core.open(&server.api, core.certificates.api.as_ref(), metrics.api_door.clone());
        let api = api.await.map_err(failed("api_listen"))?;
        let s3 = match &server.s3 {
            Some(door) => {
                let s3 = core.open(door, core.certificates.s3.as_ref(), metrics.s3_door.clone());
                Some(s3.await.map_err(failed("s3_listen"))?)
            }
            None => None,
        };
        let admin = core.open(&server.admin, core.certificates.admin.as_ref(), metrics.admin_door.clone());
        let admin = admin.await.map_err(failed("admin_listen"))?;
        let (api_address, admin_address) = (api.address(), admin.address());
        let s3_address = s3.as_ref().map(Door::address);
        drain.spawn(api.serve(Arc::new(ApiDoor(Arc::clone(&core.pipeline))), drain.clone()));
        if let Some(s3) = s3 {
            drain.spawn(s3.serve(Arc::new(S3Door(Arc::clone(&core.pipeline))), drain.clone()));
        }
        drain.spawn(core.sweeper().run(core.in_force()));
        let in_force = core.in_force();
        drain.spawn(core.usage.clone().run(clock, drain.clone(), move || in_force().0));
        drain.spawn(Janitor { clock, drain: drain.clone() }.run(core.in_force()));
        let mirrors =
            MirrorPage { mirrors: Arc::clone(&core.mirrors), pipeline: Arc::clone(&core.pipeline), clock };
        let pages = Arc::new(Admin::new(Arc::clone(metrics), mirrors, drain.clone()));
        admin_drain.spawn(admin.serve(pages, admin_drain.clone()));
        let s3_shown = s3_address.map(tracing::field::display);
        tracing::info!(api = %api_address, s3 = s3_shown, admin = %admin_address, "serving");
        Ok(Self { core, api_address, s3_address, admin_address, admin_drain })
    }

    /// Where the API listens.
    pub fn api_address(&self) -> SocketAddr {
        self.api_address
    }

    /// Where the S3 endpoint listens, if there is one.
    pub fn s3_address(&self) -> Option<SocketAddr> {
        self.s3_address
    }

    /// Where health and metrics are.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Puts a configuration in force for requests to come. If it could not be loaded or fails, all stays as it was.
    pub async fn reload(&self, loaded: Result<Config, ConfigError>) -> Result<(), StartError> {
        let outcome = match loaded {
            Ok(config) => Box::pin(self.core.reload(config)).await,
            Err(problems) => Err(problems.into()),
        };
        self.core.shared.metrics.reload(outcome.is_ok());
        outcome
    }

    /// Serves what is in flight for as long as the configuration allows, then ends. Returns whether nothing had to be
    /// aborted. While it waits `/readyz` says 503.
    pub async fn shutdown(&self) -> bool {
        let patience = self.core.pipeline.snapshot().config.server.drain_timeout;
        let in_time = self.core.drain.finish(patience).await;
        let config = Arc::clone(&self.core.pipeline.snapshot().config);
        if let Err(error) = self.core.usage.write(&config, self.core.shared.clock.now()).await {
            tracing::warn!(%error, "the last usage could not be written");
        }
        // What requests have told and settled is written before the process ends.
        self.core.webhooks.close().await;
        self.core.store.close().await;
        self.admin_drain.finish(ADMIN_DRAIN_TIMEOUT).await;
        in_time
    }

    /// Cuts a [`Self::shutdown`] short.
    pub fn abort(&self) {
        self.core.drain.abort();
        self.admin_drain.abort();
    }
}

impl Core {
    async fn new(config: Config, clock: Clock, drain: Drain) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::default());
        let signing_keys = Arc::new(SigningKeys::new(SIGNING_KEYS_MAX));
        let shared = Shared { signing_keys, clock, metrics: Arc::clone(&metrics) };
        let live = Arc::new(Live::new(&config.server));
        let certificates = DoorCertificates::read(&config.server)?;
        let store = SharedStore::new(clock);
        let webhooks = Webhooks::new(store.clone(), clock, metrics.webhooks.clone());
        let mirrors = Mirrors::new(store.clone()).counted_in(Arc::clone(&metrics)).telling(webhooks.clone());
        let (mirrors, usage) = (Arc::new(mirrors), Usage::new(store.clone()));
        store.prepare(&config).await?;
        mirrors.prepare(&config, &drain);
        let tellers = Tellers { mirrors: &mirrors, webhooks: &webhooks, usage: &usage };
        let snapshot = snapshot(config, &shared, tellers, &drain, None)?;
        mirrors.settle(&snapshot.config).await?;
        webhooks.prepare(&snapshot.config).await?;
        let pipeline = Arc::new(Pipeline::new(snapshot, clock, metrics));
        let workers = OnceLock::new();
        let core =
            Self { shared, pipeline, live, certificates, store, webhooks, mirrors, usage, workers, drain };
        core.mirror();
        core.deliver();
        Ok(core)
    }

    /// What looks for objects that went past Wharf.
    fn sweeper(&self) -> Sweeper {
        let (mirrors, clock) = (Arc::clone(&self.mirrors), self.shared.clock);
        Sweeper { mirrors, clock, drain: self.drain.clone() }
    }

    /// Says what is in force, whenever it is asked.
    fn in_force(&self) -> impl Fn() -> (Arc<Config>, Arc<Origins>) + Send + use<> {
        let pipeline = Arc::clone(&self.pipeline);
        move || {
            let Current { config, origins } = current(&pipeline);
            (config, origins)
        }
    }

    /// Has the workers mirror as the configuration in force says.
    fn mirror(&self) {
        let Some(journal) = self.mirrors.journal() else { return };
        let in_force = current(&self.pipeline);
        if let Some(workers) = self.workers.get() {
            return workers.replace(in_force);
        }
        let parts = worker::Parts {
            journal: journal.clone(),
            metrics: Arc::clone(&self.shared.metrics),
            clock: self.shared.clock,
            drain: self.drain.clone(),
        };
        self.workers.get_or_init(|| Workers::start(parts, in_force));
        if let Some(tee) = self.mirrors.tee() {
            let pipeline = Arc::clone(&self.pipeline);
            self.drain.spawn(tee.clone().keep_clean(self.shared.clock, move || current(&pipeline)));
        }
    }

    /// Has webhooks told, as the configuration in force says.
    fn deliver(&self) {
        let pipeline = Arc::clone(&self.pipeline);
        let current = move || {
            let snapshot = pipeline.snapshot();
            webhooks::Current {
                config: Arc::clone(&snapshot.config),
                origins: Arc::clone(&snapshot.origins),
                sealer: Arc::clone(&snapshot.sealer),
            }
        };
        self.webhooks.start(&self.drain, current);
    }

    async fn open(
        &self,
        listener: &Listener,
        certificates: Option<&Arc<Certificates>>,
        metrics: crate::server::DoorMetrics,
    ) -> Result<Door, DoorError> {
        Door::open(listener, certificates.cloned(), Arc::clone(&self.live), metrics).await
    }

    async fn reload(&self, config: Config) -> Result<(), StartError> {
        let previous = self.pipeline.snapshot();
        for setting in restart_needed(&previous.config, &config) {
            tracing::warn!(setting, "this setting changes only with a restart");
        }
        let certificates = DoorCertificates::read(&config.server)?;
        let server = config.server.clone();
        self.store.prepare(&config).await?;
        self.mirrors.prepare(&config, &self.drain);
        let tellers = Tellers { mirrors: &self.mirrors, webhooks: &self.webhooks, usage: &self.usage };
        let snapshot = snapshot(config, &self.shared, tellers, &self.drain, Some(&previous))?;
        self.mirrors.settle(&snapshot.config).await?;
        self.webhooks.prepare(&snapshot.config).await?;
        // From here on nothing can fail.
        self.certificates.replace(&certificates);
        self.live.replace(&server);
        self.pipeline.replace(snapshot);
        self.mirror();
        self.deliver();
        Ok(())
    }
}

/// What mirroring goes by.
fn current(pipeline: &Pipeline) -> Current {
    let snapshot = pipeline.snapshot();
    Current { config: Arc::clone(&snapshot.config), origins: Arc::clone(&snapshot.origins) }
}

/// Who is told of what doors do.
#[derive(Clone, Copy)]
struct Tellers<'a> {
    mirrors: &'a Arc<Mirrors>,
    webhooks: &'a Webhooks,
    usage: &'a Usage,
}

fn snapshot(
    config: Config,
    shared: &Shared,
    Tellers { mirrors, webhooks, usage }: Tellers<'_>,
    drain: &Drain,
    previous: Option<&Snapshot>,
) -> Result<Snapshot, StartError> {
    let Shared { signing_keys, clock, .. } = shared;
    let config = Arc::new(config);
    let authenticator = Authenticator::new(&config.keys, config.jwt.as_ref(), &config.upload.cors.origins)
        .map_err(StartError::Setting)?;
    let sealer = Arc::new(sealing_key::sealer(&config.server)?);
    let rate_limits =
        Arc::new(RateLimits::new(&config, *clock, previous.map(|old| old.rate_limits.as_ref())));
    let origins = Origins::new(&config, shared, previous.map(|old| old.origins.as_ref()));
    let origins =
        Arc::new(origins.map_err(|error| StartError::Setting(format!("the client for providers: {error}")))?);
    let s3 = S3Endpoint::new(
        Arc::clone(&config),
        Arc::clone(&origins),
        Arc::clone(&rate_limits),
        Arc::clone(mirrors),
        drain.clone(),
    )
    .succeeding(previous.map(|old| &old.s3))
    .counted_by(usage.clone());
    let api = UploadApi::new(Parts {
        config: Arc::clone(&config),
        signing_keys: Arc::clone(signing_keys),
        origins: Arc::clone(&origins),
        mirrors: Arc::clone(mirrors),
        usage: usage.clone(),
        webhooks: webhooks.clone(),
        rate_limits: Arc::clone(&rate_limits),
        sealer: Arc::clone(&sealer),
        clock: *clock,
        drain: drain.clone(),
    });
    let events = Events::new(Arc::clone(&config), Arc::clone(mirrors));
    let events = events
        .map_err(|error| StartError::Setting(format!("the client for what topics sign with: {error}")))?;
    let app = config.upstream.as_ref().map(AppProxy::new).transpose()?;
    let cors = CorsPolicy::of_api(&config.upload.cors);
    let companion_cors = CorsPolicy::of_companion(&config.upload.cors);
    let s3_cors = CorsPolicy::of_s3(&config.s3.cors);
    let signing_keys = Arc::clone(signing_keys);
    let uppys = companion::describe(config.companion.base.as_deref());
    let description = Description::with(uppys.chain([events::describe()]).collect());
    Ok(Snapshot {
        config,
        authenticator,
        rate_limits,
        cors,
        companion_cors,
        s3_cors,
        signing_keys,
        sealer,
        origins,
        api,
        description,
        s3,
        events,
        app,
    })
}

impl DoorCertificates {
    fn read(server: &Server) -> Result<Self, TlsError> {
        let read = |listener: &Listener| {
            listener.tls.as_ref().map(|files| Certificates::read(files).map(Arc::new)).transpose()
        };
        Ok(Self {
            api: read(&server.api)?,
            s3: server.s3.as_ref().map(read).transpose()?.flatten(),
            admin: read(&server.admin)?,
        })
    }

    /// Takes over the certificates of doors that had some.
    fn replace(&self, new: &Self) {
        for (current, new) in [(&self.api, &new.api), (&self.s3, &new.s3), (&self.admin, &new.admin)] {
            if let (Some(current), Some(new)) = (current, new) {
                current.replace(new);
            }
        }
    }
}
