//! Windows of calls, since one is too short to time, and one line of JSON for each figure that comes out.

use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Barrier;
use std::time::Instant;

use keywright::Request;
use keywright::blocking::Keywright;

/// How many calls make a window.
const WINDOW: usize = 128;

/// By how much `QUICK=100` divides the work, for who wants to see it run and not to measure.
pub fn share() -> usize {
    std::env::var("QUICK").map_or(1, |it| it.parse().unwrap())
}

/// Nanoseconds of a call, in each window.
pub struct Spent(Vec<f64>);

impl Spent {
    /// So many windows of so many calls, which `act` makes.
    pub fn of(windows: usize, calls: usize, mut act: impl FnMut(usize)) -> Self {
        let window = |_| {
            let begin = Instant::now();
            act(calls);
            begin.elapsed().as_nanos() as f64 / calls as f64
        };
        Self((0..windows).map(window).collect())
    }

    /// Each call by itself.
    pub fn each<T>(of: impl Iterator<Item = T>, mut call: impl FnMut(T)) -> Self {
        let time = |it| {
            let begin = Instant::now();
            call(it);
            begin.elapsed().as_nanos() as f64
        };
        Self(of.map(time).collect())
    }
}

pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Verifies all texts in turn, so many times.
pub fn turns(kw: &Keywright, texts: &[String], request: &Request, times: usize) -> Spent {
    let mut all = texts.iter().cycle();
    let windows = (texts.len() * times / share()).div_ceil(WINDOW);
    Spent::of(windows, WINDOW, |calls| {
        for text in all.by_ref().take(calls) {
            let _ = black_box(kw.verify(black_box(text.as_str()), request));
        }
    })
}

/// As [`turns`], in two threads at once that share the texts between them.
pub fn together(kw: &Keywright, texts: &[String], request: &Request, times: usize) -> Spent {
    let barrier = Barrier::new(2);
    let one = |part: &[String]| {
        barrier.wait();
        turns(kw, part, request, times)
    };
    let (first, second) = texts.split_at(texts.len() / 2);
    std::thread::scope(|scope| {
        let threads = [first, second].map(|part| scope.spawn(move || one(part)));
        Spent(threads.into_iter().flat_map(|it| it.join().unwrap().0).collect())
    })
}

/// The lines of the table.
pub struct Figures<'a>(&'a Path);

impl<'a> Figures<'a> {
    pub fn new(out: &'a Path) -> Self {
        Self(out)
    }

    /// What a call took, and how long it may take.
    pub fn add(&self, what: &str, spent: &Spent, goal: Option<f64>) {
        let mut sorted = spent.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |share: usize| sorted[(sorted.len() * share / 100).min(sorted.len() - 1)];
        self.line(serde_json::json!({
            "language": "Rust", "what": what, "value": at(50), "p99": at(99), "unit": "ns", "goal": goal,
        }));
    }

    /// A number that is no time of calls.
    pub fn count(&self, what: &str, value: f64, unit: &str, goal: Option<f64>) {
        self.line(serde_json::json!({"language": "Rust", "what": what, "value": value, "unit": unit, "goal": goal}));
    }

    fn line(&self, line: serde_json::Value) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.0).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}
