//! The servers under load: processes of their own, each held to one core with `taskset`.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The core that servers run on; the load runs on the other.
const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";

/// The kernel's clock ticks per second in `/proc/PID/stat` (`getconf CLK_TCK`, 100 on every Linux that Wharf runs on).
const TICKS_PER_SECOND: u64 = 100;

const CONFIG: &str = r#"
[server]
api_listen = "127.0.0.1:API_PORT"
admin_listen = "127.0.0.1:ADMIN_PORT"

[log]
filter = "error"
access = false

[upload.callers]
allowed = true

[providers.main]
plugin = "s3"
region = "eu-west-1"
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

[buckets.photos]
provider = "main"
bucket = "my-bucket"

[[keys]]
id = "bench-key-0123456789abcdef"
allow = [{ bucket = "*", actions = ["read", "write"] }]
"#;

/// A server that runs until it is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    ready_after: Duration,
    _directory: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have died by itself; then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// The `wharf` binary of this build, with a key that has no secret and the access log off.
    pub(crate) fn wharf() -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (api_port, admin_port) = (free_port()?, free_port()?);
        let config =
            CONFIG.replace("API_PORT", &api_port.to_string()).replace("ADMIN_PORT", &admin_port.to_string());
        let file = directory.path().join("wharf.toml");
        std::fs::write(&file, config).map_err(|error| error.to_string())?;
        let started = Instant::now();
        let child = on_server_core(env!("CARGO_BIN_EXE_wharf"))
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .current_dir(directory.path())
            .spawn()
            .map_err(|error| format!("wharf does not start: {error}"))?;
        let address = SocketAddr::from(([127, 0, 0, 1], api_port));
        let mut server = Self { child, address, ready_after: Duration::ZERO, _directory: directory };
        server.wait_until_ready(SocketAddr::from(([127, 0, 0, 1], admin_port)))?;
        server.ready_after = started.elapsed();
        Ok(server)
    }

    /// This bench's own binary as the bare echo, or as bare hyper that answers everything with `answer`.
    pub(crate) fn echo(answer: Option<&str>) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut child = on_server_core(&own.to_string_lossy())
            .arg("--echo")
            .args(answer)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the echo does not start: {error}"))?;
        let stdout = child.stdout.take().ok_or("the echo has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        let address = line.trim().parse().map_err(|_| format!("the echo said {line:?}, not its address"))?;
        Ok(Self { child, address, ready_after: Duration::ZERO, _directory: directory })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From spawn to the first 200 on `/readyz`, polled each millisecond.
    pub(crate) fn ready_after_ms(&self) -> f64 {
        self.ready_after.as_secs_f64() * 1000.0
    }

    /// Resident memory (`VmRSS`).
    pub(crate) fn resident_mib(&self) -> Result<f64, String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .map_err(|error| error.to_string())?;
        let kib: f64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|kib| kib.parse().ok())
            .ok_or("no VmRSS")?;
        Ok(kib / 1024.0)
    }

    /// Runs `work` and returns the CPU time that the server burnt meanwhile.
    pub(crate) fn cpu_during<T>(
        &self,
        work: impl FnOnce() -> Result<T, String>,
    ) -> Result<(T, Duration), String> {
        let before = self.cpu()?;
        let result = work()?;
        Ok((result, self.cpu()?.saturating_sub(before)))
    }

    /// User and system time so far (`/proc/PID/stat`, fields 14 and 15).
    fn cpu(&self) -> Result<Duration, String> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))
            .map_err(|error| error.to_string())?;
        let (_, after_name) = stat.rsplit_once(')').ok_or("odd /proc/PID/stat")?;
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    fn wait_until_ready(&mut self, admin: SocketAddr) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if is_ready(admin) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("wharf stopped: {status}"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("wharf did not become ready in 10 s".to_owned())
    }
}

/// Moves this process to the core that the servers do not use.
pub(crate) fn hold_load_to_its_core() -> Result<(), String> {
    let done = Command::new("taskset")
        .args(["-cp", LOAD_CORE, &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("taskset (util-linux) is needed: {error}"))?;
    if done.success() { Ok(()) } else { Err("this bench needs two cores".to_owned()) }
}

fn on_server_core(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CORE, program]);
    command
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16, String> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    Ok(listener.local_addr().map_err(|error| error.to_string())?.port())
}

fn is_ready(admin: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin) else { return false };
    let mut reply = String::new();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").is_ok()
        && stream.read_to_string(&mut reply).is_ok()
        && reply.starts_with("HTTP/1.1 200")
}
