//! Who is measured, with what, and the table of it.

use std::{sync::Arc, time::Duration};

use tokio::runtime::Runtime;

use super::{
    load::{self, Peer},
    request::{Mode, Object, Prepared},
    servers::{Server, signer},
};

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// Objects that each connection goes round.
const OBJECTS_PER_STREAM: usize = 5;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// CPU seconds for 1,000 PUTs of a small object.
    SmallPut,
    /// CPU seconds for 1,000 GETs of a small object.
    SmallGet,
    /// CPU seconds for 1 GiB put.
    BigPut,
    /// CPU seconds for 1 GiB got.
    BigGet,
}

const COLUMNS: [Measure; 4] = [Measure::SmallGet, Measure::SmallPut, Measure::BigGet, Measure::BigPut];

/// What is sent in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) measure: Measure,
    pub(crate) streams: usize,
    pub(crate) requests: usize,
    pub(crate) bytes: u64,
}

impl Work {
    fn is_big(self) -> bool {
        matches!(self.measure, Measure::BigPut | Measure::BigGet)
    }

    fn puts(self) -> bool {
        matches!(self.measure, Measure::BigPut | Measure::SmallPut)
    }

    /// CPU seconds, in the column's unit.
    #[expect(clippy::cast_precision_loss, reason = "counts and bytes are far below 2^52")]
    fn figure(self, cpu: Duration) -> f64 {
        let amount = if self.is_big() {
            self.requests as f64 * self.bytes as f64 / GIB
        } else {
            self.requests as f64 / 1000.0
        };
        cpu.as_secs_f64() / amount
    }
}

/// A row: a server, and how it is asked.
pub(crate) struct Contender<'a> {
    name: &'a str,
    server: &'a Server,
    pub(crate) peer: &'a Peer,
    mode: Mode,
    figures: Vec<(Measure, Result<f64, String>)>,
}

impl<'a> Contender<'a> {
    pub(crate) fn of(name: &'a str, server: &'a Server, peer: Option<&'a Peer>, mode: Mode) -> Option<Self> {
        peer.map(|peer| Self { name, server, peer, mode, figures: Vec::new() })
    }

    /// The requests of `work`, one list for each connection.
    fn lists(&self, work: Work) -> Result<Vec<Arc<[Prepared]>>, String> {
        let signer = signer(self.peer)?;
        let objects = if work.is_big() { 1 } else { OBJECTS_PER_STREAM };
        let request = |index| {
            let object = Object { bytes: work.bytes, index };
            if work.puts() { signer.put(self.mode, object) } else { signer.get(self.mode, object) }
        };
        let list = |stream| (0..objects).map(|object| request(stream * objects + object)).collect();
        (0..work.streams).map(list).collect()
    }

    /// The CPU time of one round.
    fn round(&self, runtime: &Runtime, lists: &[Arc<[Prepared]>], work: Work) -> Result<Duration, String> {
        let objects = lists.first().map_or(1, |list| list.len());
        let times = (work.requests / work.streams / objects).max(1);
        let load = || runtime.block_on(load::run(self.peer, lists.to_vec(), times));
        self.server.process.cpu_during(load).map(|((), cpu)| cpu)
    }

    fn figure(&self, wanted: Measure) -> Option<&Result<f64, String>> {
        self.figures.iter().find_map(|(measure, figure)| (*measure == wanted).then_some(figure))
    }
}

/// A server, or a word on why there is none.
pub(crate) fn unless_absent(name: &str, server: Result<Server, String>) -> Option<Server> {
    server.inspect_err(|problem| println!("without {name}: {problem}")).ok()
}

/// Lets all contenders do `work`, in turns. Whoever fails once is out.
pub(crate) fn measure(
    runtime: &Runtime,
    contenders: &mut [Contender<'_>],
    work: Work,
    rounds: usize,
) -> Result<(), String> {
    let lists = contenders.iter().map(|contender| contender.lists(work)).collect::<Result<Vec<_>, _>>()?;
    let mut runs: Vec<Result<Vec<f64>, String>> = contenders.iter().map(|_| Ok(Vec::new())).collect();
    // Small requests are warmed up for: their first round fills caches and pools on all sides. It would cost big ones
    // minutes, and change nothing.
    let warm_up = usize::from(!work.is_big());
    for round in 0..rounds + warm_up {
        for ((contender, lists), runs) in contenders.iter().zip(&lists).zip(&mut runs) {
            let Ok(figures) = runs else { continue };
            match contender.round(runtime, lists, work) {
                Ok(cpu) if round >= warm_up => figures.push(work.figure(cpu)),
                Ok(_) => {}
                Err(problem) => *runs = Err(problem),
            }
        }
    }
    for (contender, runs) in contenders.iter_mut().zip(runs) {
        contender.figures.push((work.measure, runs.map(median)));
    }
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// The table; beside each figure what it is of the first row's.
pub(crate) fn print(contenders: &[Contender<'_>]) {
    let [first, ..] = contenders else { return };
    println!("\n{:<30} {:>27} {:>27}", "CPU seconds", "for 1,000 of 4 KiB", "for 1 GiB");
    println!(
        "{:<30} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6}",
        "", "GET", "of it", "PUT", "of it", "GET", "of it", "PUT", "of it"
    );
    for contender in contenders {
        print!("{:<30}", contender.name);
        for measure in COLUMNS {
            match (contender.figure(measure), first.figure(measure)) {
                (Some(Ok(figure)), Some(Ok(base))) => print!(" {figure:>6.3} {:>6.2}", figure / base),
                _ => print!(" {:>6} {:>6}", "-", "-"),
            }
        }
        println!();
    }
    for contender in contenders {
        for (measure, figure) in &contender.figures {
            if let Err(problem) = figure {
                println!("{}, {measure:?}: {problem}", contender.name);
            }
        }
    }
}
