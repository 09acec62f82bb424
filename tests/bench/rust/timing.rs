//! Times subjects in turn and writes one line of JSON per figure; `report.py` reads them.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// How often each subject has its turn. Figures are medians over these rounds.
pub const ROUNDS: usize = 21;

/// One call that is timed.
pub struct Subject<'a> {
    pub name: String,
    /// How many times one call does the thing: more than once where reading the clock costs as much as the thing.
    pub times: usize,
    /// Gets the number of the call and returns whether the answer was right.
    pub call: Box<dyn FnMut(usize) -> bool + 'a>,
}

impl<'a> Subject<'a> {
    pub fn new(name: impl Into<String>, times: usize, call: impl FnMut(usize) -> bool + 'a) -> Self {
        Self { name: name.into(), times, call: Box::new(call) }
    }
}

/// Divides the work by `QUICK`, for a run that only shows that everything works.
pub fn share(of: usize) -> usize {
    (of / std::env::var("QUICK").map_or(1, |divisor| divisor.parse().unwrap())).max(1)
}

/// Calls the subjects in turn, `block` calls of each in a round, so that a disturbance hits all of them alike.
/// Returns the median of each round in nanoseconds, by subject.
pub fn race<const N: usize>(out: &Path, block: usize, mut subjects: [Subject<'_>; N]) -> [Vec<f64>; N] {
    let block = share(block);
    let mut rounds = subjects.each_ref().map(|_| Vec::with_capacity(ROUNDS));
    let mut all = subjects.each_ref().map(|_| Vec::with_capacity(ROUNDS * block));
    for round in 0..ROUNDS {
        for (index, subject) in subjects.iter_mut().enumerate() {
            let mut spent: Vec<f64> = (0..block).map(|step| time(subject, round * block + step)).collect();
            all[index].extend_from_slice(&spent);
            rounds[index].push(quantile(&mut spent, 50));
        }
    }
    for ((subject, rounds), mut all) in subjects.iter().zip(&rounds).zip(all) {
        let calls = all.len() * subject.times;
        write(out, &subject.name, "ns", rounds, Some(quantile(&mut all, 99)), Some(calls));
    }
    rounds
}

/// Nanoseconds of the thing that a subject does.
fn time(subject: &mut Subject<'_>, number: usize) -> f64 {
    let started = Instant::now();
    let right = (subject.call)(number);
    let spent = started.elapsed().as_nanos() as f64;
    assert!(right, "{}: unexpected answer", subject.name);
    spent / subject.times as f64
}

pub fn quantile(of: &mut [f64], percent: usize) -> f64 {
    of.sort_by(f64::total_cmp);
    of[(of.len() * percent / 100).min(of.len() - 1)]
}

/// Writes a figure, which is a time of calls or a number that was counted.
pub fn write(out: &Path, name: &str, unit: &str, rounds: &[f64], p99: Option<f64>, calls: Option<usize>) {
    let line = serde_json::json!({
        "group": "Rust", "name": name, "unit": unit, "rounds": rounds, "p99": p99, "calls": calls,
    });
    let mut file = OpenOptions::new().create(true).append(true).open(out).unwrap();
    writeln!(file, "{line}").unwrap();
}
