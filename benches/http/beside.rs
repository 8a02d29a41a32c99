//! How long signed-url takes while another client has uploads of ten thousand parts begun, listed and completed.
//!
//! That client sends its next request when it has the reply to its last, so the server is never without one. Its provider is
//! an embedded store, beside the load: what it does is not the server's time.

use std::time::Duration;

use wharf_demo::{Store, StoreOptions};

use super::{
    bodies::BROUGHT,
    load::{self, Report, Target},
    process,
    server::{ACCESS_KEY, BUCKET, SECRET_KEY, Server},
};

/// As many parts as S3 takes.
const PARTS: u32 = 10_000;

/// Requests for a signed URL: few enough that they do not wait for each other.
const PER_SECOND: u32 = 500;
const CONNECTIONS: usize = 4;

/// Prints the table. Each row takes `during`.
pub(crate) fn run(during: Duration) -> Result<(), String> {
    process::hold_load_to_its_core()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let store = runtime.block_on(store())?;
    let wharf = Server::wharf(Some(&store.endpoint()))?;
    let (begun, aborted) = (Upload::begin(&wharf)?, Upload::begin(&wharf)?);
    load::reply(wharf.address(), &aborted.target("abort"))?;

    println!(
        "{:<44} {:>8} {:>8} {:>8} {:>8} {:>11}",
        format!("signed-url, {PER_SECOND} a second"),
        "p50 ms",
        "p99 ms",
        "p99.9",
        "longest",
        "other's ms"
    );
    let alone = signed_urls(&wharf, during)?;
    print("alone", &alone, None);
    for (name, target) in [
        ("beside initiate of 10,000 parts", initiate()),
        ("beside parts, of which 10,000 are missing", begun.target("parts")),
        ("beside complete of 10,000 parts", aborted.complete()),
    ] {
        let (report, other) = load::beside(wharf.address(), &target, || signed_urls(&wharf, during))?;
        print(name, &report, Some(&other));
    }
    runtime.block_on(store.stop());
    Ok(())
}

async fn store() -> Result<Store, String> {
    let options = StoreOptions {
        address: ([127, 0, 0, 1], 0).into(),
        directory: None,
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.into(),
    };
    let store = Store::start(options).await.map_err(|error| error.to_string())?;
    store.create_bucket(BUCKET).await.map_err(|error| error.to_string())?;
    Ok(store)
}

fn signed_urls(wharf: &Server, during: Duration) -> Result<Report, String> {
    let target = Target::new("/api/v1/upload/s3/signed-url", BROUGHT);
    load::paced(wharf.address(), &target, PER_SECOND, CONNECTIONS, during)
}

fn initiate() -> Target {
    let bytes = u64::from(PARTS) * 5 * 1024 * 1024;
    let json = format!(r#"{{"filename":"film.mp4","contentType":"video/mp4","fileSize":{bytes}}}"#);
    Target::new("/api/v1/upload/photos/multipart/initiate", &json)
}

/// An upload that was begun.
struct Upload {
    /// What names it in a body.
    name: String,
}

impl Upload {
    fn begin(wharf: &Server) -> Result<Self, String> {
        let reply = load::reply(wharf.address(), &initiate())?;
        let field = |name: &str| {
            let (_, rest) = reply.split_once(&format!("\"{name}\":\""))?;
            rest.split_once('"').map(|(value, _)| value)
        };
        let (id, key) = field("uploadId").zip(field("key")).ok_or("initiate's reply names no upload")?;
        Ok(Self { name: format!(r#""uploadId":"{id}","key":"{key}""#) })
    }

    fn target(&self, route: &str) -> Target {
        Target::new(&format!("/api/v1/upload/photos/multipart/{route}"), &format!("{{{}}}", self.name))
    }

    /// The store refuses it, again and again, once the upload was aborted. Before that it is as much work as any other.
    fn complete(&self) -> Target {
        let part = |number| format!(r#"{{"partNumber":{number},"etag":"\"{number:032x}\""}}"#);
        let parts: Vec<String> = (1..=PARTS).map(part).collect();
        let json = format!(r#"{{{},"parts":[{}]}}"#, self.name, parts.join(","));
        Target::new("/api/v1/upload/photos/multipart/complete", &json).refused()
    }
}

fn print(name: &str, report: &Report, other: Option<&Report>) {
    let other = other.map(|other| format!("{:.1}", other.latency_ms(0.5))).unwrap_or_default();
    println!(
        "{name:<44} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {other:>11}",
        report.latency_ms(0.5),
        report.latency_ms(0.99),
        report.latency_ms(0.999),
        report.latency_ms(1.0),
    );
}
