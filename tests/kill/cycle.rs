//! The run: kill and start again, as often as asked, then drain and compare.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::Method;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use wharf::mirror::crash_point::Point;

use super::{
    arguments::Arguments,
    check,
    client::Bucket,
    history::History,
    process::{Place, Status},
    random::Random,
    writer::{Orders, Writer, fill_old_place},
};

const WRITERS: u64 = 8;
/// A point that is not passed so often by then is not waited for.
const CYCLE: Duration = Duration::from_secs(6);
/// A large object takes its time.
const LARGE_CYCLE: Duration = Duration::from_secs(15);
/// What may still come is waited for, so this is more than that takes.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(15);
/// With fewer cycles than this for each point, not every point is the end of one.
const CYCLES_FOR_EACH_POINT: usize = 4;

pub(crate) async fn run(arguments: &Arguments) -> Result<(), String> {
    println!("seed {}", arguments.seed);
    for store in [&arguments.primary, &arguments.old].into_iter().chain(&arguments.mirrors) {
        Bucket::new(store).expect(Method::PUT, None, &[]).await?;
    }
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let place = Place::new(directory.path(), arguments);
    let outcome = run_in(&place, arguments).await;
    if outcome.is_err() {
        let log = fs::read_to_string(place.log()).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(40).collect();
        println!("the end of Wharf's log:");
        last.iter().rev().for_each(|line| println!("  {line}"));
        println!("kept: {}", directory.keep().display());
    }
    outcome
}

async fn run_in(place: &Place, arguments: &Arguments) -> Result<(), String> {
    let (history, orders) = (Arc::new(History::default()), Arc::new(Orders::default()));
    fill_old_place(&Bucket::new(&arguments.old), &history).await?;
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let random = Random::new(arguments.seed.wrapping_mul(31).wrapping_add(number));
        let (history, orders) = (Arc::clone(&history), Arc::clone(&orders));
        writers.spawn(Writer { bucket: Bucket::new(&place.endpoint()), history, orders, random }.run());
    }
    let mut tally = Tally::default();
    let mut random = Random::new(arguments.seed);
    for cycle in 1..=arguments.cycles {
        let point = tally.rarest();
        kill_once(place, &orders, (point, 1 + random.below(passes_max(point))), &mut tally).await?;
        if cycle % 10 == 0 {
            let (acknowledged, unknown) = history.counts();
            println!("{cycle} cycles: {acknowledged} writes acknowledged, {unknown} of which nobody knows");
        }
    }
    let last = place.start(None).await?;
    orders.is_over.store(true, Ordering::SeqCst);
    writers.join_all().await;
    drain(place).await?;
    tally.add(place);
    check::stores(arguments, &Bucket::new(&place.endpoint()), &history).await?;
    drop(last);
    tally.print();
    tally.check(arguments.cycles)
}

/// Starts Wharf, and has it end at `end`, or a little later at no point of ours.
async fn kill_once(
    place: &Place,
    orders: &Orders,
    end: (Point, u64),
    tally: &mut Tally,
) -> Result<(), String> {
    let is_large = is_of_large_objects(end.0);
    orders.wants_large.store(is_large, Ordering::SeqCst);
    orders.wants_moved.store(is_of_a_move(end.0), Ordering::SeqCst);
    let victim = place.start(Some(end)).await?;
    if victim.end(if is_large { LARGE_CYCLE } else { CYCLE }).await? {
        tally.count(end.0).ended += 1;
    } else {
        tally.count(end.0).missed += 1;
    }
    tally.add(place);
    Ok(())
}

fn is_of_large_objects(point: Point) -> bool {
    matches!(point, Point::UploadBegun | Point::PartStored | Point::UploadCompleting | Point::UploadCompleted)
}

fn is_of_a_move(point: Point) -> bool {
    matches!(point, Point::KeyBuried | Point::FillBegun | Point::FillWritten)
}

/// How often a point may be passed before the pass that is the end.
fn passes_max(point: Point) -> u64 {
    match point {
        Point::PromotionCommitting | Point::Promoted => 1,
        Point::UploadBegun
        | Point::PartStored
        | Point::UploadCompleting
        | Point::UploadCompleted
        | Point::TeeUploadBegun
        | Point::TeePartCopied
        | Point::TeeCompleting => 2,
        Point::TargetTagged
        | Point::TargetDeleting
        | Point::TargetDeleted
        | Point::KeyBuried
        | Point::FillBegun
        | Point::FillWritten => 5,
        Point::TeeReleasing | Point::TeeCopied => 60,
        Point::IntentWanted
        | Point::IntentDurable
        | Point::PrimaryAnswered
        | Point::SettleQueued
        | Point::Acknowledged
        | Point::SettleCommitting
        | Point::Settled
        | Point::Claimed
        | Point::Planned
        | Point::SourceOpened
        | Point::TargetLastByte
        | Point::TargetWritten
        | Point::SourceRechecked
        | Point::FinishCommitting
        | Point::Finished => 300,
    }
}

/// Waits until no mirror lacks anything, and no change can come any more.
async fn drain(place: &Place) -> Result<(), String> {
    let started = Instant::now();
    loop {
        let status = place.status()?;
        let said: Vec<String> = status.iter().map(Status::to_string).collect();
        let said = said.join("; ");
        if status.iter().any(|mirror| !mirror.dead.is_empty()) {
            return Err(format!("keys were given up: {said}\n{}", place.dead()));
        }
        if status.iter().all(|Status { dirty, held, .. }| dirty + held == 0) {
            println!("drained in {:.1} s", started.elapsed().as_secs_f64());
            return Ok(());
        }
        if started.elapsed() > DRAIN_TIMEOUT {
            return Err(format!("it does not drain: {said}"));
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// How one point fared.
#[derive(Default, Clone, Copy)]
struct Count {
    passed: u64,
    ended: u64,
    /// It was meant to be an end, and was not passed so often in time.
    missed: u64,
}

/// What was passed, and where processes ended.
#[derive(Default)]
struct Tally(BTreeMap<Point, Count>);

impl Tally {
    fn count(&mut self, point: Point) -> &mut Count {
        self.0.entry(point).or_default()
    }

    fn of(&self, point: Point) -> Count {
        self.0.get(&point).copied().unwrap_or_default()
    }

    /// The point at which the fewest processes have ended, or were meant to.
    fn rarest(&self) -> Point {
        let tries = |point: &Point| {
            let Count { ended, missed, .. } = self.of(*point);
            (2 * ended + missed, *point)
        };
        Point::ALL.into_iter().min_by_key(tries).expect("there are points")
    }

    fn add(&mut self, place: &Place) {
        for point in place.passed() {
            self.count(point).passed += 1;
        }
    }

    fn print(&self) {
        for point in Point::ALL {
            let Count { passed, ended, missed } = self.of(point);
            let name = point.as_str();
            println!(
                "{name:>20}: passed {passed:>6} times, killed there {ended:>3} times, missed {missed:>3}"
            );
        }
    }

    fn check(&self, cycles: usize) -> Result<(), String> {
        let never = Point::ALL.into_iter().filter(|point| self.of(*point).ended == 0);
        let never: Vec<_> = never.map(Point::as_str).collect();
        if never.is_empty() {
            return Ok(());
        }
        if cycles < CYCLES_FOR_EACH_POINT * Point::ALL.len() {
            println!("too few cycles to be killed at each point; not at {}", never.join(", "));
            return Ok(());
        }
        Err(format!("never killed at {}", never.join(", ")))
    }
}
