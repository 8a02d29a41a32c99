//! The binary itself, as a process of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::{net::TcpListener, time::sleep};

use super::raw::Raw;

pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// `wharf serve` until it is dropped.
pub(crate) struct Process {
    child: Child,
    directory: PathBuf,
    pub(crate) api: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has mostly ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// With the `wharf.toml` in `directory`, when it serves.
    pub(crate) async fn start(directory: &Path) -> Self {
        let (api, admin) = (free_address().await, free_address().await);
        let child = spawn(directory, api, admin);
        let process = Self { child, directory: directory.to_owned(), api, admin };
        process.until_it_serves().await;
        process
    }

    /// Ends it with SIGKILL, and starts it again where it was.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("a child");
        self.child = spawn(&self.directory, self.api, self.admin);
        self.until_it_serves().await;
    }

    async fn until_it_serves(&self) {
        while tokio::net::TcpStream::connect(self.admin).await.is_err() {
            sleep(PAUSE).await;
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            sleep(PAUSE).await;
        }
    }

    pub(crate) async fn metrics(&self) -> String {
        Raw::connect(self.admin).await.ask("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await.body
    }

    pub(crate) async fn until_metrics_say(&self, line: &str) {
        while !self.metrics().await.contains(line) {
            sleep(PAUSE).await;
        }
    }
}

fn spawn(directory: &Path, api: SocketAddr, admin: SocketAddr) -> Child {
    Command::new(env!("CARGO_BIN_EXE_wharf"))
        .current_dir(directory)
        .env_clear()
        .env("WHARF_CONFIG", "wharf.toml")
        .env("WHARF_SERVER__API_LISTEN", api.to_string())
        .env("WHARF_SERVER__ADMIN_LISTEN", admin.to_string())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts")
}

/// Where nobody listens yet.
pub(crate) async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.and_then(|socket| socket.local_addr()).expect("a free port")
}
