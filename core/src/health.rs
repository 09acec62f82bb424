//! Trouble of a store while a process runs. Clients only see that the engine is unavailable, so the cause is reported to the
//! operator: once when it begins, and once when it is over.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::error::{Error, UnavailableCause};
use crate::fork::{self, lock};
use crate::worker::Workers;

/// A trouble that was over and comes back within this time is not reported again before it ends.
const PAUSE: Duration = Duration::from_secs(60);

/// Reports that wait; a process cannot have more kinds of trouble at a time.
const WAITING: usize = 64;

thread_local! {
    /// Whether this thread makes a report, and cannot wait for it.
    static REPORTS: Cell<bool> = const { Cell::new(false) };
}

/// A message to the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    Failed(Error),
    Recovered,
}

/// A kind of work of the store: reads may work while writes fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Open,
    Read,
    Write,
}

/// The health of one store. Reports are made on a thread of their own: no lock is held, and a reporter may call the engine.
pub(crate) struct Health {
    failing: AtomicBool,
    /// Locked only behind the fork gate, so that a child finds it at rest.
    told: Mutex<Told>,
    reporter: Arc<dyn Fn(Report) + Send + Sync>,
    reports: Workers,
}

#[derive(Default)]
struct Told {
    /// The work that fails, and why. An error of opening may be about a setting, which is no trouble of the store.
    now: Vec<(Work, Option<UnavailableCause>)>,
    /// Troubles that were reported and are not over.
    reported: Vec<Option<UnavailableCause>>,
    /// Troubles that were reported and are over, with the time of their end.
    before: Vec<(Option<UnavailableCause>, Instant)>,
}

impl Health {
    pub(crate) fn new(reporter: impl Fn(Report) + Send + Sync + 'static) -> Self {
        Self {
            failing: AtomicBool::new(false),
            told: Mutex::default(),
            reporter: Arc::new(reporter),
            reports: Workers::new("keywright-reports", 1, WAITING),
        }
    }

    /// Takes note of an outcome. An error that is not about the store itself shows that the store works.
    pub(crate) fn note<T>(&self, work: Work, outcome: &Result<T, Error>) {
        match outcome {
            Err(Error::Closed) => {}
            Err(error) if error.unavailable_cause().is_some() || work == Work::Open => {
                if self.fails(work, error.unavailable_cause()) {
                    self.report(Report::Failed(error.clone()));
                }
            }
            _ => {
                if self.failing.load(Ordering::Relaxed) && self.works(work) {
                    self.report(Report::Recovered);
                }
            }
        }
    }

    /// Whether the trouble is to be reported.
    fn fails(&self, work: Work, trouble: Option<UnavailableCause>) -> bool {
        let _gate = fork::gate();
        let mut told = lock(&self.told);
        self.failing.store(true, Ordering::Relaxed);
        told.before.retain(|it| it.1.elapsed() < PAUSE);
        if !told.now.contains(&(work, trouble)) {
            told.now.push((work, trouble));
        }
        let is_new = !told.reported.contains(&trouble) && !told.before.iter().any(|it| it.0 == trouble);
        if is_new {
            told.reported.push(trouble);
        }
        is_new
    }

    /// Whether it is to be reported that all works again.
    fn works(&self, work: Work) -> bool {
        let _gate = fork::gate();
        let mut told = lock(&self.told);
        let Told { now, reported, before } = &mut *told;
        now.retain(|it| it.0 != work);
        self.failing.store(!now.is_empty(), Ordering::Relaxed);
        if !now.is_empty() || reported.is_empty() {
            return false;
        }
        before.extend(reported.drain(..).map(|trouble| (trouble, Instant::now())));
        true
    }

    fn report(&self, report: Report) {
        let reporter = Arc::clone(&self.reporter);
        // Where no thread can be had, the report is lost and nothing else is concerned.
        self.reports.offer(move || {
            REPORTS.set(true);
            reporter(report);
        });
    }

    /// Waits until what was to be reported is.
    pub(crate) async fn finish(&self) {
        // A reporter that closes the engine would wait for itself.
        if REPORTS.get() {
            return;
        }
        self.reports.finish().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::wait::block_on;

    fn trouble(trouble: UnavailableCause) -> Result<(), Error> {
        Err(Error::unavailable(trouble, "reason", "fix"))
    }

    #[test]
    fn each_trouble_is_reported_once_and_its_end_once() {
        let (say, said) = channel();
        let health = Health::new(move |report| say.send(report).unwrap());
        let conflict: Result<(), Error> = Err(Error::conflict("id", "reason", "fix"));
        health.note(Work::Write, &Ok(()));
        for _ in 0..3 {
            health.note(Work::Write, &trouble(UnavailableCause::Locked));
            health.note(Work::Write, &trouble(UnavailableCause::Full));
            // Reads that work say nothing about writes.
            health.note(Work::Read, &Ok(()));
            health.note(Work::Write, &Err::<(), _>(Error::Closed));
        }
        health.note(Work::Write, &conflict);
        // The same trouble comes and goes.
        for _ in 0..3 {
            health.note(Work::Write, &trouble(UnavailableCause::Locked));
            health.note(Work::Write, &Ok(()));
        }
        // One trouble of reads and writes is one.
        health.note(Work::Read, &trouble(UnavailableCause::Corrupt));
        health.note(Work::Write, &trouble(UnavailableCause::Corrupt));
        health.note(Work::Read, &Ok(()));
        health.note(Work::Write, &Ok(()));
        block_on(health.finish());
        let failed = |it| Report::Failed(Error::unavailable(it, "reason", "fix"));
        let right = [
            failed(UnavailableCause::Locked),
            failed(UnavailableCause::Full),
            Report::Recovered,
            failed(UnavailableCause::Corrupt),
            Report::Recovered,
        ];
        assert_eq!(said.try_iter().collect::<Vec<_>>(), right);
    }
}
