//! The servers under load: Wharf, and whatever of the others is installed.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use super::{
    load::{Peer, trusting},
    process::{Process, free_port, on_server_core},
    request::Signer,
};

const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// Memory, where objects would otherwise be written to a disk that the others do not have to wait for.
const MEMORY: &str = "/dev/shm";

const WHARF: &str = r#"
[server]
api_listen = "127.0.0.1:API_PORT"
admin_listen = "127.0.0.1:ADMIN_PORT"
s3_listen = "127.0.0.1:S3_PORT"

[log]
filter = "error"
access = false

[providers.origin]
plugin = "minio"
endpoint = "http://ORIGIN"
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

[buckets.bench]
provider = "origin"
bucket = "bench"

[[keys]]
id = "AKIAIOSFODNN7EXAMPLE"
secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
allow = [{ bucket = "*", actions = ["read", "write"] }]
"#;

const NGINX: &str = r#"
daemon off;
master_process off;
pid DIRECTORY/nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path DIRECTORY/client;
  proxy_temp_path DIRECTORY/proxy;
  fastcgi_temp_path DIRECTORY/fastcgi;
  uwsgi_temp_path DIRECTORY/uwsgi;
  scgi_temp_path DIRECTORY/scgi;
  upstream origin {
    server ORIGIN;
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:PLAIN_PORT;
    listen 127.0.0.1:TLS_PORT ssl;
    ssl_certificate DIRECTORY/cert.pem;
    ssl_certificate_key DIRECTORY/key.pem;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
    }
  }
}
"#;

const SEAWEEDFS_IDENTITIES: &str = r#"{"identities": [{"name": "bench",
"credentials": [{"accessKey": "AKIAIOSFODNN7EXAMPLE", "secretKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}],
"actions": ["Admin", "Read", "List", "Write"]}]}"#;

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) process: Process,
    /// What it stands on, for as long as it runs.
    _beneath: Option<Process>,
    pub(crate) plain: Option<Peer>,
    pub(crate) tls: Option<Peer>,
    _directory: TempDir,
}

/// Where processes may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    /// On the servers' one.
    One,
    /// On any.
    All,
}

impl Cores {
    fn command(self, program: &str) -> Command {
        match self {
            Self::One => on_server_core(program),
            Self::All => Command::new(program),
        }
    }
}

impl Server {
    /// The `wharf` binary of this build, in front of `origin`.
    pub(crate) fn wharf(origin: SocketAddr, has_tls: bool, cores: Cores) -> Result<Self, String> {
        let directory = directory()?;
        let (address, admin) = (free_address()?, free_address()?);
        let mut config = WHARF
            .replace("ORIGIN", &origin.to_string())
            .replace("API_PORT", &free_port()?.to_string())
            .replace("ADMIN_PORT", &admin.port().to_string())
            .replace("S3_PORT", &address.port().to_string());
        let mut tls = None;
        if has_tls {
            let certificate = write_certificate(directory.path())?;
            config.push_str(
                "[server.s3_tls]\ncertificate_file = \"cert.pem\"\nprivate_key_file = \"key.pem\"\n",
            );
            tls = Some(Peer { address, tls: Some(trusting(certificate)?) });
        }
        write(directory.path(), "wharf.toml", &config)?;
        let mut command = cores.command(env!("CARGO_BIN_EXE_wharf"));
        command.args(["serve", "--config", "wharf.toml"]).current_dir(directory.path());
        let process = start(command, admin)?;
        let plain = (!has_tls).then_some(Peer { address, tls: None });
        Ok(Self { process, _beneath: None, plain, tls, _directory: directory })
    }

    /// nginx as a plain reverse proxy: one process, connections kept, requests not buffered, no log.
    pub(crate) fn nginx(origin: SocketAddr) -> Result<Self, String> {
        let program = find("nginx")?;
        let directory = directory()?;
        let certificate = write_certificate(directory.path())?;
        let (plain, tls) = (free_address()?, free_address()?);
        let config = NGINX
            .replace("DIRECTORY", &directory.path().to_string_lossy())
            .replace("ORIGIN", &origin.to_string())
            .replace("PLAIN_PORT", &plain.port().to_string())
            .replace("TLS_PORT", &tls.port().to_string());
        let file = write(directory.path(), "nginx.conf", &config)?;
        let mut command = on_server_core(&program);
        command.args(["-c", &file]).stderr(Stdio::null());
        let process = start(command, plain)?;
        let tls = Some(Peer { address: tls, tls: Some(trusting(certificate)?) });
        let plain = Some(Peer { address: plain, tls: None });
        Ok(Self { process, _beneath: None, plain, tls, _directory: directory })
    }

    /// `s3s-proxy` in front of `origin`.
    pub(crate) fn s3s_proxy(origin: SocketAddr) -> Result<Self, String> {
        let address = free_address()?;
        let mut command = on_server_core(&find("s3s-proxy")?);
        command
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
            .args(["--endpoint-url", &format!("http://{origin}")])
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_REGION", "us-east-1");
        Self::of_command(command, address, directory()?)
    }

    /// `rclone serve s3` over a folder in memory: a store of its own, with nothing behind it.
    pub(crate) fn rclone() -> Result<Self, String> {
        let directory = directory()?;
        let address = free_address()?;
        let folder = directory.path().join("objects");
        fs::create_dir_all(folder.join("bench")).map_err(|error| error.to_string())?;
        let mut command = on_server_core(&find("rclone")?);
        command
            .args(["--config", "/dev/null", "--cache-dir", &directory.path().join("cache").to_string_lossy()])
            .args(["serve", "s3", &folder.to_string_lossy(), "--addr", &address.to_string()])
            .args(["--auth-key", &format!("{ACCESS_KEY_ID},{SECRET}")]);
        Self::of_command(command, address, directory)
    }

    /// The S3 gateway of `SeaweedFS` as a process of its own; its store, in memory, is another, and not in the figures.
    pub(crate) fn seaweedfs() -> Result<Self, String> {
        let program = find("weed")?;
        let directory = directory()?;
        let (address, filer) = (free_address()?, free_address()?);
        let identities = write(directory.path(), "s3.json", SEAWEEDFS_IDENTITIES)?;
        let mut store = Command::new(&program);
        store
            .args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-master.telemetry=false"])
            .args([format!("-dir={}", directory.path().display()), format!("-filer.port={}", filer.port())])
            .args([format!("-master.port={}", free_port()?), format!("-volume.port={}", free_port()?)])
            .args(["-volume.max=50", "-master.volumeSizeLimitMB=1024"]);
        let beneath = start(store, filer)?;
        let mut command = on_server_core(&program);
        command
            .args(["s3", "-ip.bind=127.0.0.1", "-port.iceberg=0", "-port.lance=0"])
            .args([format!("-port={}", address.port()), format!("-filer={filer}")])
            .arg(format!("-config={identities}"));
        let process = start(command, address)?;
        let plain = Some(Peer { address, tls: None });
        Ok(Self { process, _beneath: Some(beneath), plain, tls: None, _directory: directory })
    }

    fn of_command(command: Command, address: SocketAddr, directory: TempDir) -> Result<Self, String> {
        let process = start(command, address)?;
        let plain = Some(Peer { address, tls: None });
        Ok(Self { process, _beneath: None, plain, tls: None, _directory: directory })
    }
}

/// Who signs what is sent to `peer`.
pub(crate) fn signer(peer: &Peer) -> Result<Signer, String> {
    Signer::new(ACCESS_KEY_ID, SECRET, peer.address.to_string())
}

/// Starts `command` and waits until somebody listens on `address`.
fn start(mut command: Command, address: SocketAddr) -> Result<Process, String> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut process = Process::from(child.map_err(|error| format!("it does not start: {error}"))?);
    process.wait_until(|| TcpStream::connect(address).is_ok())?;
    Ok(process)
}

fn directory() -> Result<TempDir, String> {
    let made = if Path::new(MEMORY).is_dir() { TempDir::new_in(MEMORY) } else { TempDir::new() };
    made.map_err(|error| error.to_string())
}

/// An address that was free a moment ago. `SeaweedFS` also takes the port 10,000 above its own.
fn free_address() -> Result<SocketAddr, String> {
    loop {
        let port = free_port()?;
        if port < 55_000 {
            return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
        }
    }
}

fn find(program: &str) -> Result<String, String> {
    let found = Command::new("sh")
        .args(["-c", &format!("PATH=$PATH:/usr/sbin command -v {program}")])
        .output()
        .map_err(|error| error.to_string())?;
    let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    if path.is_empty() { Err(format!("{program} is not installed")) } else { Ok(path) }
}

fn write(directory: &Path, name: &str, text: &str) -> Result<String, String> {
    let file = directory.join(name);
    fs::write(&file, text).map_err(|error| error.to_string())?;
    Ok(file.to_string_lossy().into_owned())
}

fn write_certificate(directory: &Path) -> Result<rustls::pki_types::CertificateDer<'static>, String> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).map_err(|error| error.to_string())?;
    write(directory, "cert.pem", &cert.pem())?;
    write(directory, "key.pem", &signing_key.serialize_pem())?;
    Ok(cert.der().clone())
}
