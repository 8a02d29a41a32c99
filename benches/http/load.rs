//! The load: keep-alive connections that send one prepared request after another and read whole replies.
//!
//! It is as light as it can be (bytes made once, no HTTP library), so that the core it runs on is not the bottleneck.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::process::spin;

/// A reply's head and body fit in here, or the bench fails.
const REPLY_BYTES_MAX: usize = 64 * 1024;

/// The same for the URLs of ten thousand parts.
const LONG_REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One request, ready to be written.
#[derive(Clone)]
pub(crate) struct Target {
    bytes: Vec<u8>,
    /// What replies to it begin with.
    status: &'static str,
}

impl Target {
    /// A POST of `json` to `path`, with an API key that has no secret.
    pub(crate) fn new(path: &str, json: &str) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: bench-key-0123456789abcdef\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            json.len()
        );
        Self { bytes: [head.as_bytes(), json.as_bytes()].concat(), status: "HTTP/1.1 200" }
    }

    /// The same, which is refused: as the client's mistake.
    pub(crate) fn refused(self) -> Self {
        Self { status: "HTTP/1.1 4", ..self }
    }
}

/// What a stretch of load saw.
pub(crate) struct Report {
    latencies: Histogram<u64>,
    elapsed: Duration,
}

impl Report {
    /// Replies per second.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// A quantile of the latency, in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "microseconds are far below 2^52")]
    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// `cpu` shared out over the replies, in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(crate) fn micros_each(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.latencies.len() as f64
    }
}

/// The body of one reply, which may be a long one.
pub(crate) fn reply(address: SocketAddr, target: &Target) -> Result<String, String> {
    runtime()?.block_on(async {
        let mut stream = TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?;
        let mut buffer = vec![0; LONG_REPLY_BYTES_MAX];
        let bytes = exchange(&mut stream, target, &mut buffer).await?;
        let reply = String::from_utf8_lossy(buffer.get(..bytes).unwrap_or_default()).into_owned();
        reply.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).ok_or_else(|| "no body".to_owned())
    })
}

/// As many requests as the server answers: each connection sends its next when it has the reply to its last.
pub(crate) fn saturated(
    address: SocketAddr,
    target: &Target,
    connections: usize,
    during: Duration,
) -> Result<Report, String> {
    run(address, target, connections, during, None)
}

/// `per_second` requests, each due at a set time. Latency counts from that time, so a stall is not hidden by the
/// requests that it kept back.
pub(crate) fn paced(
    address: SocketAddr,
    target: &Target,
    per_second: u32,
    connections: usize,
    during: Duration,
) -> Result<Report, String> {
    let connections_u32 = u32::try_from(connections).map_err(|_| "too many connections")?;
    run(address, target, connections, during, Some(Duration::from_secs(1) * connections_u32 / per_second))
}

/// Does `work` while another client sends `target` over and over. Gives what came of the work, and what the other saw. It
/// has a thread of its own, so that its long replies keep nobody's request back on this side.
pub(crate) fn beside<T>(
    address: SocketAddr,
    target: &Target,
    work: impl FnOnce() -> Result<T, String>,
) -> Result<(T, Report), String> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| over_and_over(address, target, &is_over));
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        let seen = other.join().map_err(|_| "the other client panicked")??;
        Ok((done?, seen))
    })
}

fn over_and_over(address: SocketAddr, target: &Target, is_over: &AtomicBool) -> Result<Report, String> {
    runtime()?.block_on(async {
        let (started, mut latencies) = (Instant::now(), histogram()?);
        let mut stream = TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?;
        let mut buffer = vec![0; LONG_REPLY_BYTES_MAX];
        while !is_over.load(Ordering::Relaxed) {
            let sent = Instant::now();
            exchange(&mut stream, target, &mut buffer).await?;
            record(&mut latencies, sent);
        }
        Ok(Report { latencies, elapsed: started.elapsed() })
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())
}

fn run(
    address: SocketAddr,
    target: &Target,
    connections: usize,
    during: Duration,
    interval: Option<Duration>,
) -> Result<Report, String> {
    runtime()?.block_on(async {
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        let _spinning = JoinSet::from_iter(interval.is_none().then(spin));
        for index in 0..connections {
            let first_due = interval.map_or(started, |interval| {
                started
                    + interval.mul_f64(
                        f64::from(u32::try_from(index).unwrap_or(0))
                            / f64::from(u32::try_from(connections).unwrap_or(1)),
                    )
            });
            let pace = Pace { first_due, interval, until: started + during };
            tasks.spawn(connection(address, target.clone(), pace));
        }
        let mut latencies = histogram()?;
        while let Some(finished) = tasks.join_next().await {
            let one = finished.map_err(|error| error.to_string())??;
            latencies.add(one).map_err(|error| error.to_string())?;
        }
        Ok(Report { latencies, elapsed: started.elapsed() })
    })
}

/// When a connection's requests are due.
struct Pace {
    first_due: Instant,
    interval: Option<Duration>,
    until: Instant,
}

fn histogram() -> Result<Histogram<u64>, String> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(|error| error.to_string())
}

async fn connection(address: SocketAddr, target: Target, pace: Pace) -> Result<Histogram<u64>, String> {
    let mut latencies = histogram()?;
    let mut stream = TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut buffer = vec![0; REPLY_BYTES_MAX];
    let mut due = pace.first_due;
    loop {
        if let Some(interval) = pace.interval {
            tokio::time::sleep_until(due.into()).await;
            exchange(&mut stream, &target, &mut buffer).await?;
            record(&mut latencies, due);
            due += interval;
        } else {
            due = Instant::now();
            exchange(&mut stream, &target, &mut buffer).await?;
            record(&mut latencies, due);
        }
        if due >= pace.until {
            return Ok(latencies);
        }
    }
}

fn record(latencies: &mut Histogram<u64>, since: Instant) {
    latencies.saturating_record(u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX));
}

/// Sends one request and reads its whole reply, which must have the expected status. Returns the reply's bytes, head and all.
async fn exchange(stream: &mut TcpStream, target: &Target, buffer: &mut [u8]) -> Result<usize, String> {
    stream.write_all(&target.bytes).await.map_err(|error| format!("write: {error}"))?;
    let mut filled = 0;
    loop {
        let free =
            buffer.get_mut(filled..).filter(|free| !free.is_empty()).ok_or("the reply is too large")?;
        let count = stream.read(free).await.map_err(|error| format!("read: {error}"))?;
        if count == 0 {
            return Err("the server closed the connection".to_owned());
        }
        filled += count;
        let reply = buffer.get(..filled).unwrap_or_default();
        if reply_bytes(reply, target.status)?.is_some_and(|whole| filled >= whole) {
            return Ok(filled);
        }
    }
}

/// The bytes of head and body together, once the head is there.
fn reply_bytes(reply: &[u8], status: &str) -> Result<Option<usize>, String> {
    let Some(head_end) = reply.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head =
        std::str::from_utf8(reply.get(..head_end).unwrap_or_default()).map_err(|error| error.to_string())?;
    if !head.starts_with(status) {
        return Err(format!("not {status}: {}", String::from_utf8_lossy(reply)));
    }
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .ok_or("a reply without a length")?;
    Ok(Some(head_end + 4 + length))
}
