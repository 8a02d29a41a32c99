//! Processes under load: each held to one core with `taskset`, and what they burn and hold.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The core that servers run on; the load runs on the other.
const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";

/// A process that runs until it is dropped.
pub(crate) struct Process {
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have died by itself; then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl From<Child> for Process {
    fn from(child: Child) -> Self {
        Self { child }
    }
}

impl Process {
    /// Runs `work` and returns the CPU time that the process burnt meanwhile.
    pub(crate) fn cpu_during<T>(
        &self,
        work: impl FnOnce() -> Result<T, String>,
    ) -> Result<(T, Duration), String> {
        let before = self.cpu()?;
        let result = work()?;
        Ok((result, self.cpu()?.saturating_sub(before)))
    }

    /// Resident memory now.
    pub(crate) fn resident_mib(&self) -> Result<f64, String> {
        self.status_mib("VmRSS:")
    }

    /// The most that was ever resident.
    #[allow(dead_code, reason = "one bench of two has a use for it")]
    pub(crate) fn resident_peak_mib(&self) -> Result<f64, String> {
        self.status_mib("VmHWM:")
    }

    /// Waits until `is_ready`, which is asked each millisecond.
    pub(crate) fn wait_until(&mut self, is_ready: impl Fn() -> bool) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if is_ready() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it stopped: {status}"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("it did not become ready in 30 s".to_owned())
    }

    fn status_mib(&self, field: &str) -> Result<f64, String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .map_err(|error| error.to_string())?;
        let kib: f64 = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|kib| kib.parse().ok())
            .ok_or_else(|| format!("no {field}"))?;
        Ok(kib / 1024.0)
    }

    /// Time on a core so far, of all threads that there are: to the nanosecond (`/proc/PID/task/TID/schedstat`, the first
    /// number), where `/proc/PID/stat` counts hundredths of a second, and by sampling.
    fn cpu(&self) -> Result<Duration, String> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut nanoseconds = 0;
        for task in fs::read_dir(tasks).map_err(|error| error.to_string())? {
            let task = task.map_err(|error| error.to_string())?;
            // A thread may have ended meanwhile.
            let Ok(figures) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            nanoseconds +=
                figures.split_whitespace().next().and_then(|ran| ran.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanoseconds))
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

/// `program`, on the servers' core.
pub(crate) fn on_server_core(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CORE, program]);
    command
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, String> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    Ok(listener.local_addr().map_err(|error| error.to_string())?.port())
}

/// Keeps the load's core awake. On loopback whoever sends pays for waking the receiver's core (in a virtual machine, by
/// leaving it), and the server that answers slower would pay more often: the load would be in its figures.
pub(crate) async fn spin() {
    loop {
        tokio::task::yield_now().await;
    }
}
