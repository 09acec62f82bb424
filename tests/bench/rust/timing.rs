//! Times calls one by one and writes one line of JSON per figure; `report.py` reads them.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// One thing that is measured. `call` gets the number of the call and says whether the answer was right.
pub struct Subject<'a> {
    pub figure: &'a str,
    pub name: &'a str,
    pub scheme: &'a str,
    /// How many times one call does the thing: more than once where a clock reading would cost as much as the thing.
    pub times: u32,
    pub call: Box<dyn FnMut(usize) -> bool + 'a>,
}

/// Calls each subject in turn, a block of calls at a time, so that a disturbed moment hits all of them alike.
/// Gives the nanoseconds of each, sorted.
pub fn race(out: &Path, subjects: &mut [Subject<'_>], rounds: usize, block: usize) -> Vec<Vec<u64>> {
    let mut spent = vec![Vec::with_capacity(rounds * block); subjects.len()];
    for round in 0..rounds {
        for (subject, spent) in subjects.iter_mut().zip(&mut spent) {
            for step in 0..block {
                let started = Instant::now();
                let right = (subject.call)(round * block + step);
                spent.push(started.elapsed().as_nanos() as u64);
                assert!(right, "{} of {}: unexpected answer", subject.figure, subject.name);
            }
        }
    }
    for (subject, spent) in subjects.iter().zip(&mut spent) {
        spent.sort_unstable();
        record(out, subject, spent);
    }
    spent
}

fn record(out: &Path, subject: &Subject<'_>, sorted: &[u64]) {
    let at = |share: f64| {
        sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)] as f64 / f64::from(subject.times)
    };
    let line = serde_json::json!({
        "figure": subject.figure,
        "subject": subject.name,
        "scheme": subject.scheme,
        "runs": sorted.len() * subject.times as usize,
        "median": at(0.5),
        "p99": at(0.99),
        "mean": sorted.iter().sum::<u64>() as f64 / sorted.len() as f64 / f64::from(subject.times),
    });
    let mut file = OpenOptions::new().create(true).append(true).open(out).unwrap();
    writeln!(file, "{line}").unwrap();
}
