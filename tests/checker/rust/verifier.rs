//! Verifies announced texts in a tight loop, and records runs of equal verdicts for each text.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::Ordering;

use keywright::{Decision, Request};

use crate::{Dice, Site};

/// A run spans at most this long, which is less than any state of a key lasts. `judge.py` says why that is enough.
const SPAN: i64 = 100_000_000;

/// Between two looks for new texts.
const LOOK: i64 = 2_000_000;

/// Between two writes of the runs that have ended.
const WRITE: i64 = 250_000_000;

/// How long a revoked text is verified at full rate; afterwards it is verified rarely.
const INTEREST: i64 = 1_200_000_000;

struct Run {
    code: &'static str,
    count: u64,
    first: (i64, i64),
    last: (i64, i64),
}

struct Text {
    name: String,
    text: String,
    run: Option<Run>,
    /// Whether somebody in this process has verified it.
    known: bool,
    revoked_since: Option<i64>,
}

impl Text {
    /// Adds a verification to the run, or begins a new one.
    fn add(&mut self, code: &'static str, (start, end): (i64, i64), ended: &mut Vec<String>) {
        match &mut self.run {
            Some(run) if run.code == code && end - run.first.0 <= SPAN => {
                run.count += 1;
                run.last = (start, end);
            }
            _ => {
                self.end(ended);
                self.run = Some(Run { code, count: 1, first: (start, end), last: (start, end) });
            }
        }
    }

    fn end(&mut self, ended: &mut Vec<String>) {
        ended.extend(self.run.take().map(|run| {
            let (first, last) = (run.first, run.last);
            format!("{} {} {} {} {} {} {}", self.name, run.code, run.count, first.0, first.1, last.0, last.1)
        }));
    }
}

pub(crate) fn run(site: &Site, number: usize) -> io::Result<()> {
    let name = &format!("{}-{number}", site.name);
    let (mut announced, mut unread) = (File::open(site.announced())?, String::new());
    let (mut texts, mut current, mut former) = (Vec::<Text>::new(), Vec::new(), Vec::new());
    let mut dice = Dice::new(name.bytes().map(u64::from).sum::<u64>() + site.base as u64);
    let mut kept: HashMap<usize, (i64, &'static str)> = HashMap::new();
    let (request, mut looked, mut wrote) = (Request::new(), 0, 0);
    let (mut runs, mut ended) = (site.lines(name, "runs")?, Vec::new());
    while !site.is_stopped() {
        if site.now() - looked > LOOK {
            std::thread::sleep(site.pause);
            looked = site.now();
            if looked - wrote > WRITE {
                wrote = looked;
                runs.write(ended.drain(..))?;
            }
            announced.read_to_string(&mut unread)?;
            let whole = unread.rfind('\n').map_or(0, |it| it + 1);
            for line in unread.drain(..whole).collect::<String>().lines() {
                let (name, text) = line.split_once(' ').unwrap();
                current.push(texts.len());
                texts.push(Text {
                    name: name.to_owned(),
                    text: text.to_owned(),
                    run: None,
                    known: false,
                    revoked_since: None,
                });
            }
        }
        let of_former = current.is_empty() || (!former.is_empty() && dice.below(site.rarely) == 0);
        let choice: &[usize] = if of_former { &former } else { &current };
        if choice.is_empty() {
            std::thread::yield_now();
            continue;
        }
        let place = dice.below(choice.len());
        let at = choice[place];
        let text = &mut texts[at];
        if number >= site.scouts && !text.known {
            text.known = site.known.lock().unwrap().contains(&text.name);
            continue;
        }
        let start = site.now();
        let code = match kept.get(&at) {
            Some((since, code)) if start - since < site.stale => code,
            _ => {
                let known = site.kw.try_verify(&text.text, &request);
                site.hot.fetch_add(known.is_some().into(), Ordering::Relaxed);
                match known.unwrap_or_else(|| site.kw.verify(&text.text, &request)) {
                    Decision::Allowed(_) => "allowed",
                    Decision::Denied(it) => it.code.as_str(),
                }
            }
        };
        let end = site.now();
        text.add(code, (start, end), &mut ended);
        site.verified.fetch_add(1, Ordering::Relaxed);
        if code != "unavailable" {
            site.answered.fetch_add(1, Ordering::Relaxed);
            if !text.known {
                text.known = true;
                site.known.lock().unwrap().insert(text.name.clone());
            }
        }
        if site.stale > 0 && kept.get(&at).is_none_or(|it| start - it.0 >= site.stale) {
            kept.insert(at, (start, code));
        }
        if code == "revoked" && !of_former && start - *text.revoked_since.get_or_insert(start) > INTEREST {
            former.push(current.swap_remove(place));
        }
    }
    texts.iter_mut().for_each(|text| text.end(&mut ended));
    runs.write(ended)
}
