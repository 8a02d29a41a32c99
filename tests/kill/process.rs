//! Wharf as a child process, and its configuration.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use serde::Deserialize;
use tokio::time::{Instant, sleep};
use wharf::mirror::crash_point::Point;

use super::{
    arguments::{Arguments, StoreArgument},
    victim,
};

/// The bucket that writers know.
pub(crate) const BUCKET: &str = "files";
const KEY_ID: &str = "KILLHARNESSKEY000001";
const SECRET: &str = "kill-harness-secret-0123456789abcdef";

/// The stores are on this machine: what Wharf has sent them is done soon after, or never.
const LATE_EFFECT_SECONDS: u64 = 5;
const START_TIMEOUT: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(5);
/// The signal that nothing survives.
const SIGKILL: i32 = 9;

/// Where one run lives.
pub(crate) struct Place {
    directory: PathBuf,
    config: PathBuf,
    s3: SocketAddr,
    admin: SocketAddr,
}

/// A point, and the how-manieth pass of it ends the process.
pub(crate) type End = Option<(Point, u64)>;

impl Place {
    pub(crate) fn new(directory: &Path, arguments: &Arguments) -> Self {
        let [api, s3, admin] = [free_address(), free_address(), free_address()];
        let config = directory.join("wharf.toml");
        let text = config_text(arguments, directory, [api, s3, admin]);
        fs::write(&config, text).expect("a configuration can be written");
        Self { directory: directory.to_owned(), config, s3, admin }
    }

    /// Wharf's S3 endpoint, as writers see it.
    pub(crate) fn endpoint(&self) -> StoreArgument {
        StoreArgument {
            url: format!("http://{}", self.s3),
            bucket: BUCKET.to_owned(),
            access_key_id: KEY_ID.to_owned(),
            secret: SECRET.to_owned(),
            is_teed: false,
        }
    }

    /// Wharf's log.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory.join("wharf.log")
    }

    /// Starts Wharf, to end as `end` says. It may have ended before it is ready.
    pub(crate) async fn start(&self, end: End) -> Result<Victim, String> {
        let log =
            File::options().append(true).create(true).open(self.log()).map_err(|error| error.to_string())?;
        let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
        command.arg(victim::COMMAND).arg(&self.config).arg(self.passed_file());
        if let Some((point, pass)) = end {
            command.args([point.as_str(), &pass.to_string()]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let mut victim = Victim { child: child.map_err(|error| error.to_string())? };
        let started = Instant::now();
        while TcpStream::connect(self.admin).is_err() {
            if victim.ended()?.is_some() {
                break;
            }
            if started.elapsed() > START_TIMEOUT {
                return Err(format!("Wharf does not start; see {}", self.log().display()));
            }
            sleep(PAUSE).await;
        }
        Ok(victim)
    }

    /// How often each point was passed since this was asked last.
    pub(crate) fn passed(&self) -> Vec<Point> {
        let bytes = fs::read(self.passed_file()).unwrap_or_default();
        // A file that is not there has nothing to say.
        let _gone = fs::remove_file(self.passed_file());
        bytes.iter().filter_map(|index| Point::ALL.get(usize::from(*index)).copied()).collect()
    }

    fn passed_file(&self) -> PathBuf {
        self.directory.join("passed")
    }

    /// What `wharf mirror status` says.
    pub(crate) fn status(&self) -> Result<Vec<Status>, String> {
        let output = Command::new(env!("CARGO_BIN_EXE_wharf"))
            .arg("--config")
            .arg(&self.config)
            .args(["mirror", "status", "--json"])
            .output()
            .map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice(&output.stdout).map_err(|error| format!("mirror status: {error} {said}"))
    }

    /// What `wharf mirror dead` says.
    pub(crate) fn dead(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        let output = command.arg("--config").arg(&self.config).args(["mirror", "dead"]).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    }
}

/// How a mirror stands.
#[derive(Deserialize)]
pub(crate) struct Status {
    pub(crate) mirror: String,
    pub(crate) dirty: u64,
    pub(crate) held: u64,
    pub(crate) dead: BTreeMap<String, u64>,
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mirror, dirty, held, dead } = self;
        write!(out, "{mirror}: {dirty} dirty, {held} held, dead {dead:?}")
    }
}

/// A process that is going to be killed, also when the harness ends before.
pub(crate) struct Victim {
    child: Child,
}

impl Victim {
    /// Whether it has ended, as it should: killed.
    pub(crate) fn ended(&mut self) -> Result<Option<()>, String> {
        match self.child.try_wait().map_err(|error| error.to_string())? {
            None => Ok(None),
            Some(status) if was_killed(status) => Ok(Some(())),
            Some(status) => Err(format!("Wharf ended by itself: {status}")),
        }
    }

    /// Waits for its end, and kills it after `patience`. Whether it came to its end by itself.
    pub(crate) async fn end(mut self, patience: Duration) -> Result<bool, String> {
        let started = Instant::now();
        while started.elapsed() < patience {
            if self.ended()?.is_some() {
                return Ok(true);
            }
            sleep(PAUSE).await;
        }
        self.child.kill().map_err(|error| error.to_string())?;
        self.child.wait().map_err(|error| error.to_string())?;
        Ok(false)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It has mostly ended before.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(SIGKILL)
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port")
}

fn config_text(arguments: &Arguments, directory: &Path, [api, s3, admin]: [SocketAddr; 3]) -> String {
    let data = directory.join("data");
    let mut text = format!(
        "[server]\napi_listen = \"{api}\"\ns3_listen = \"{s3}\"\nadmin_listen = \"{admin}\"\n\
         data_directory = \"{}\"\n\n[store]\nlate_effect_seconds = {LATE_EFFECT_SECONDS}\n\n[log]\nfilter = \"warn\"\naccess = false\n\n\
         [[keys]]\nid = \"{KEY_ID}\"\nsecret = \"{SECRET}\"\n\
         allow = [{{ bucket = \"*\", actions = [\"read\", \"write\", \"delete\", \"list\"] }}]\n\n",
        data.display()
    );
    add_provider(&mut text, "primary", &arguments.primary);
    text.push_str("conditional_writes = true\n");
    add_provider(&mut text, "old", &arguments.old);
    for (index, mirror) in arguments.mirrors.iter().enumerate() {
        add_provider(&mut text, &format!("mirror{index}"), mirror);
    }
    let bucket = &arguments.primary.bucket;
    let old = &arguments.old.bucket;
    writeln!(
        text,
        "[buckets.{BUCKET}]\nprovider = \"primary\"\nbucket = \"{bucket}\"\n\
         backfill = {{ provider = \"old\", bucket = \"{old}\" }}\n"
    )
    .expect("a string");
    for (index, mirror) in arguments.mirrors.iter().enumerate() {
        let bucket = &mirror.bucket;
        let mode = if mirror.is_teed { "tee" } else { "async" };
        writeln!(
            text,
            "[[buckets.{BUCKET}.mirrors]]\nprovider = \"mirror{index}\"\nbucket = \"{bucket}\"\nmode = \"{mode}\"\n"
        )
        .expect("a string");
    }
    text
}

fn add_provider(text: &mut String, name: &str, store: &StoreArgument) {
    let StoreArgument { url, access_key_id, secret, .. } = store;
    writeln!(
        text,
        "[providers.{name}]\nplugin = \"minio\"\nendpoint = \"{url}\"\naccess_key_id = \"{access_key_id}\"\n\
         secret_access_key = \"{secret}\"\n"
    )
    .expect("a string");
}
