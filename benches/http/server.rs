//! The servers under load.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::Stdio,
    time::{Duration, Instant},
};

use super::process::{Process, free_port, on_server_core};

/// The provider's credentials, and the bucket that is there.
pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const BUCKET: &str = "my-bucket";

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
ENDPOINT
access_key_id = "ACCESS_KEY"
secret_access_key = "SECRET_KEY"

[buckets.photos]
provider = "main"
bucket = "BUCKET"

[[keys]]
id = "bench-key-0123456789abcdef"
allow = [{ bucket = "*", actions = ["read", "write"] }]
"#;

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) process: Process,
    address: SocketAddr,
    ready_after: Duration,
    _directory: tempfile::TempDir,
}

impl Server {
    /// The `wharf` binary of this build, with a key that has no secret and the access log off. Its provider is at `endpoint`,
    /// else nowhere: then it can do no more than sign.
    pub(crate) fn wharf(endpoint: Option<&str>) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (api_port, admin_port) = (free_port()?, free_port()?);
        let endpoint = endpoint.map(|endpoint| format!("endpoint = \"{endpoint}\"")).unwrap_or_default();
        let config = CONFIG
            .replace("API_PORT", &api_port.to_string())
            .replace("ADMIN_PORT", &admin_port.to_string())
            .replace("ACCESS_KEY", ACCESS_KEY)
            .replace("SECRET_KEY", SECRET_KEY)
            .replace("BUCKET", BUCKET)
            .replace("ENDPOINT", &endpoint);
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
        let mut process = Process::from(child);
        process.wait_until(|| is_ready(SocketAddr::from(([127, 0, 0, 1], admin_port))))?;
        Ok(Self { process, address, ready_after: started.elapsed(), _directory: directory })
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
        let process = Process::from(child);
        Ok(Self { process, address, ready_after: Duration::ZERO, _directory: directory })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From spawn to the first 200 on `/readyz`, polled each millisecond.
    pub(crate) fn ready_after_ms(&self) -> f64 {
        self.ready_after.as_secs_f64() * 1000.0
    }
}

fn is_ready(admin: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin) else { return false };
    let mut reply = String::new();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").is_ok()
        && stream.read_to_string(&mut reply).is_ok()
        && reply.starts_with("HTTP/1.1 200")
}
