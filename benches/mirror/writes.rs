//! What mirroring costs a client: `PUT`s through Wharf to a bucket that is mirrored and to one that is not, in turns, at a
//! pace that leaves the machine air; and how long after its answer an object is at the mirror.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hdrhistogram::Histogram;
use tokio::{
    task::JoinSet,
    time::{sleep, sleep_until},
};
use wharf::{
    clock::Clock,
    config::{Environment, from_toml_text},
    gateway::Gateway,
};
use wharf_wire::s3::Operation;

use super::{ACCESS_KEY, BUCKET, OBJECT_BYTES, SECRET_KEY, client::Client, place, provider};

const CLIENTS: usize = 64;
const PER_SECOND: usize = 200;
const ROUNDS: usize = 5;
/// Of each client, in a round.
const WRITES: usize = 12;
/// Every so many writes the mirror is asked whether it has the object.
const LOOK_EVERY: usize = 10;
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Of a round: what clients waited, and how long later the mirror had it, in microseconds.
struct Round {
    writes: Histogram<u64>,
    lag: Histogram<u64>,
}

pub(crate) async fn measure(stores: &[wharf_demo::Store; 2]) {
    let folder = tempfile::tempdir_in(place()).unwrap();
    let [primary, spare] = stores.each_ref().map(wharf_demo::Store::endpoint);
    let server = format!(
        "[server]\napi_listen = \"127.0.0.1:0\"\ns3_listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
         data_directory = \"{}\"\n[log]\naccess = false\n",
        folder.path().display()
    );
    let bucket = |name: &str| format!("[buckets.{name}]\nprovider = \"primary\"\nbucket = \"{BUCKET}\"\n");
    let mirror = format!("[[buckets.{BUCKET}.mirrors]]\nprovider = \"spare\"\nbucket = \"{BUCKET}\"\n");
    let key = format!(
        "[[keys]]\nid = \"{ACCESS_KEY}\"\nsecret = \"{SECRET_KEY}\"\n\
         allow = [{{ bucket = \"*\", actions = [\"read\", \"write\"] }}]\n"
    );
    let providers = [provider("primary", &primary), provider("spare", &spare)].concat();
    let toml = [server, providers.clone(), bucket("plain"), bucket(BUCKET), mirror, key].concat();
    let config = from_toml_text(&toml, &Environment::default()).unwrap();
    let gateway = Gateway::start(config, Clock::System).await.unwrap();
    let door = format!("http://{}", gateway.s3_address().unwrap());
    let toml = [providers, provider("wharf", &door)].concat();
    let client = Arc::new(Client::new(&from_toml_text(&toml, &Environment::default()).unwrap()));

    println!("{PER_SECOND} PUT/s of {OBJECT_BYTES} bytes by {CLIENTS} clients");
    println!("{:10} {:>14} {:>14} {:>9}   at the mirror", "p50 ms", "not mirrored", "mirrored", "more");
    for number in 0..ROUNDS {
        let plain = round(&client, "plain", number).await;
        let mirrored = round(&client, BUCKET, number).await;
        let [plain, more] = [&plain, &mirrored].map(|round| milliseconds(&round.writes, 0.5));
        let [lag, lag_high] = [0.5, 0.99].map(|quantile| milliseconds(&mirrored.lag, quantile));
        println!(
            "round {number:<4} {plain:>14.2} {more:>14.2} {:>9.2}   p50 {lag:.0} ms, p99 {lag_high:.0} ms",
            more - plain
        );
    }
    assert!(gateway.shutdown().await);
}

fn milliseconds(calls: &Histogram<u64>, quantile: f64) -> f64 {
    calls.value_at_quantile(quantile) as f64 / 1000.0
}

async fn round(client: &Arc<Client>, bucket: &'static str, number: usize) -> Round {
    let pause = Duration::from_secs_f64(CLIENTS as f64 / PER_SECOND as f64);
    let mut tasks = JoinSet::new();
    for writer in 0..CLIENTS {
        let client = Arc::clone(client);
        tasks.spawn(async move {
            sleep(pause.mul_f64(writer as f64 / CLIENTS as f64)).await;
            write(&client, bucket, &format!("{bucket}/{number}/{writer}"), (pause, WRITES)).await
        });
    }
    let mut all = Round { writes: Histogram::new(3).unwrap(), lag: Histogram::new(3).unwrap() };
    for one in tasks.join_all().await {
        all.writes.add(one.writes).unwrap();
        all.lag.add(one.lag).unwrap();
    }
    all
}

async fn write(client: &Client, bucket: &str, prefix: &str, (pause, count): (Duration, usize)) -> Round {
    let mut own = Round { writes: Histogram::new(3).unwrap(), lag: Histogram::new(3).unwrap() };
    let mut due = tokio::time::Instant::now();
    for number in 0..count {
        sleep_until(due).await;
        due += pause;
        let key = format!("{prefix}/{number}");
        let asked = Instant::now();
        client.ask(Operation::PutObject, ("wharf", bucket), &key, Bytes::from(vec![7; OBJECT_BYTES])).await;
        own.writes.record(micros(asked)).unwrap();
        if bucket == BUCKET && number % LOOK_EVERY == 0 {
            let answered = Instant::now();
            while client.try_ask(Operation::HeadObject, ("spare", BUCKET), &key, Bytes::new()).await.is_none()
            {
                sleep(LOOK_PAUSE).await;
            }
            own.lag.record(micros(answered)).unwrap();
        }
    }
    own
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
