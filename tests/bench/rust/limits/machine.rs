//! Limits in a file that all processes of the machine map, beside limits in memory.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;

use super::timing::{self, ROUNDS, quantile, race};
use super::{check, file, open, share, subject, time};

/// The limiters that are compared.
const COMPARED: [&str; 2] = ["process", "machine"];

pub fn measure(data: &Path, out: &Path, texts: &[String]) {
    let [none, process, machine] = ["none", "process", "machine"].map(|limiter| open(&file(data), limiter));
    check(&process, texts, false);
    check(&machine, texts, true);
    let subjects = [
        subject("without a limit", &none, texts),
        subject("with one limit, process", &process, texts),
        subject("with one limit, machine", &machine, texts),
    ];
    let [without, process_rounds, machine_rounds] = race(out, 2_000, subjects);
    for (limiter, rounds) in COMPARED.iter().zip([process_rounds, machine_rounds]) {
        let more: Vec<f64> = rounds.iter().zip(&without).map(|(with, without)| with - without).collect();
        timing::write(out, &format!("one limit more, {limiter}"), "ns", &more, None, None);
    }
    // The limiters have their turns round by round, and all threads of a round begin together.
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (kw, rounds) in [&process, &machine].into_iter().zip(&mut rounds) {
            let begin = Barrier::new(2);
            let work = || {
                begin.wait();
                let mut times: Vec<f64> = (0..share(1_000)).map(|_| time(kw, texts)).collect();
                quantile(&mut times, 50)
            };
            let slower = std::thread::scope(|scope| {
                let other = scope.spawn(work);
                work().max(other.join().unwrap())
            });
            rounds.push(slower);
        }
    }
    for (limiter, rounds) in COMPARED.iter().zip(&rounds) {
        timing::write(out, &format!("with one limit on each of 2 threads, {limiter}"), "ns", rounds, None, None);
    }
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (limiter, rounds) in COMPARED.iter().zip(&mut rounds) {
            rounds.push(together(data, limiter));
        }
    }
    for (limiter, rounds) in COMPARED.iter().zip(&rounds) {
        timing::write(out, &format!("with one limit in each of 4 processes, {limiter}"), "ns", rounds, None, None);
    }
    [none, process, machine].iter().for_each(|kw| kw.close());
}

/// The median of four processes that verify at once.
fn together(data: &Path, limiter: &str) -> f64 {
    let windows = share(2_000).to_string();
    let start = |_| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.arg(data).args(["-", "-", limiter, &windows]).stdout(Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = (0..4).map(start).collect();
    let told = |process: std::process::Child| {
        String::from_utf8(process.wait_with_output().unwrap().stdout).unwrap().trim().parse().unwrap()
    };
    let mut medians: Vec<f64> = running.into_iter().map(told).collect();
    quantile(&mut medians, 50)
}

/// Prints the median of so many windows.
pub fn one_of_several(data: &Path, limiter: &str, windows: usize) {
    let texts = std::fs::read_to_string(data.join("limits.txt")).unwrap();
    let texts: Vec<String> = texts.lines().take(super::WINDOW).map(str::to_owned).collect();
    let kw = open(&file(data), limiter);
    check(&kw, &texts, limiter != "process");
    let mut times: Vec<f64> = (0..windows).map(|_| time(&kw, &texts)).collect();
    println!("{}", quantile(&mut times, 50));
    kw.close();
}
