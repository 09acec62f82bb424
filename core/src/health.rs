//! Failures of a store while a process runs. Clients only see that the engine is unavailable, so the cause is reported to
//! the operator: once when it begins, and once when it ends.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::error::{Error, UnavailableCause};
use crate::fork::{self, lock};
use crate::worker::Workers;

/// A failure that comes back within this time after its end is not reported again.
const REPEAT_AFTER: Duration = Duration::from_secs(60);

/// How many reports may wait. There are fewer kinds of failure.
const MAX_QUEUED: usize = 64;

thread_local! {
    /// Whether this thread runs the reporter, and so cannot wait for it.
    static REPORTING: Cell<bool> = const { Cell::new(false) };
}

/// A report to the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HealthReport {
    Failed(Error),
    Recovered,
    /// Another database answers than before.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "a file that is replaced fails"))]
    Replaced,
    /// Each process counts limits on its own, though they should be shared.
    LimitsUnshared(Error),
    /// The keys of an identity provider cannot be fetched.
    #[cfg_attr(not(feature = "provider"), expect(dead_code, reason = "nothing is fetched"))]
    ProviderFailed(Error),
    #[cfg_attr(not(feature = "provider"), expect(dead_code, reason = "nothing is fetched"))]
    ProviderRecovered,
    /// The receiver of an endpoint of webhooks wants no more. The text says which.
    #[cfg_attr(not(feature = "webhooks"), expect(dead_code, reason = "nothing is sent"))]
    ReceiverGone(String),
}

/// A kind of operation of the store. Reads may succeed while writes fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Open,
    Read,
    Write,
}

/// The health of one store. The reporter runs on a thread of its own without any lock, so it may call the engine.
pub(crate) struct Health {
    failing: AtomicBool,
    /// Locked only behind the fork gate, so that a forked child finds it unlocked.
    state: Mutex<ReportState>,
    reporter: Arc<dyn Fn(HealthReport) + Send + Sync>,
    reports: Workers,
}

#[derive(Default)]
struct ReportState {
    /// The operations that fail, and the causes. `None` is an error of opening that is about a setting.
    failing: Vec<(Operation, Option<UnavailableCause>)>,
    /// The causes that were reported and have not ended.
    reported: Vec<Option<UnavailableCause>>,
    /// The causes that were reported and have ended, with the time of their end.
    resolved: Vec<(Option<UnavailableCause>, Instant)>,
}

impl Health {
    pub(crate) fn new(reporter: impl Fn(HealthReport) + Send + Sync + 'static) -> Self {
        Self {
            failing: AtomicBool::new(false),
            state: Mutex::default(),
            reporter: Arc::new(reporter),
            reports: Workers::new("keywright-reports", 1, MAX_QUEUED),
        }
    }

    /// Records an outcome. An error without a cause in the store, such as a conflict, shows that the store works.
    pub(crate) fn note<T>(&self, operation: Operation, outcome: &Result<T, Error>) {
        match outcome {
            Err(Error::Closed) => {}
            Err(error) if error.unavailable_cause().is_some() || operation == Operation::Open => {
                if self.record_failure(operation, error.unavailable_cause()) {
                    self.report(HealthReport::Failed(error.clone()));
                }
            }
            _ => {
                if self.failing.load(Ordering::Relaxed) && self.record_success(operation) {
                    self.report(HealthReport::Recovered);
                }
            }
        }
    }

    /// Reports that another database answers than before.
    #[cfg(feature = "postgres")]
    pub(crate) fn note_replaced(&self) {
        self.report(HealthReport::Replaced);
    }

    /// Reports that limits are not shared. The caller does so once.
    pub(crate) fn report_unshared_limits(&self, error: Error) {
        self.report(HealthReport::LimitsUnshared(error));
    }

    /// Reports that the keys of an identity provider cannot be fetched, or can be fetched again.
    #[cfg(feature = "provider")]
    pub(crate) fn report_provider(&self, outcome: Result<(), Error>) {
        self.report(outcome.map_or_else(HealthReport::ProviderFailed, |()| HealthReport::ProviderRecovered));
    }

    /// Reports that the receiver of a webhook endpoint wants no more messages.
    #[cfg(feature = "webhooks")]
    pub(crate) fn report_gone_receiver(&self, origin: &str, id: &str) {
        let text = format!("{origin} answered 410 Gone; to send to it again, run keywright webhooks enable {id}");
        self.report(HealthReport::ReceiverGone(text));
    }

    /// Returns whether to report the failure.
    fn record_failure(&self, operation: Operation, cause: Option<UnavailableCause>) -> bool {
        let _gate = fork::gate();
        let mut state = lock(&self.state);
        self.failing.store(true, Ordering::Relaxed);
        state.resolved.retain(|(_, ended)| ended.elapsed() < REPEAT_AFTER);
        if !state.failing.contains(&(operation, cause)) {
            state.failing.push((operation, cause));
        }
        let is_new = !state.reported.contains(&cause) && !state.resolved.iter().any(|(former, _)| *former == cause);
        if is_new {
            state.reported.push(cause);
        }
        is_new
    }

    /// Returns whether to report that the store works again.
    fn record_success(&self, operation: Operation) -> bool {
        let _gate = fork::gate();
        let mut state = lock(&self.state);
        let ReportState { failing, reported, resolved } = &mut *state;
        failing.retain(|(failed, _)| *failed != operation);
        self.failing.store(!failing.is_empty(), Ordering::Relaxed);
        if !failing.is_empty() || reported.is_empty() {
            return false;
        }
        resolved.extend(reported.drain(..).map(|cause| (cause, Instant::now())));
        true
    }

    fn report(&self, report: HealthReport) {
        let reporter = Arc::clone(&self.reporter);
        // If no thread can be started, the report is lost, and nothing else is affected.
        self.reports.offer(move || {
            REPORTING.set(true);
            reporter(report);
        });
    }

    /// Waits until all reports are made.
    pub(crate) async fn finish(&self) {
        // A reporter that closes the engine would wait for itself.
        if REPORTING.get() {
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
        health.note(Operation::Write, &Ok(()));
        for _ in 0..3 {
            health.note(Operation::Write, &trouble(UnavailableCause::Locked));
            health.note(Operation::Write, &trouble(UnavailableCause::Full));
            // Reads that work say nothing about writes.
            health.note(Operation::Read, &Ok(()));
            health.note(Operation::Write, &Err::<(), _>(Error::Closed));
        }
        health.note(Operation::Write, &conflict);
        // The same trouble comes and goes.
        for _ in 0..3 {
            health.note(Operation::Write, &trouble(UnavailableCause::Locked));
            health.note(Operation::Write, &Ok(()));
        }
        // One trouble of reads and writes is one.
        health.note(Operation::Read, &trouble(UnavailableCause::Corrupt));
        health.note(Operation::Write, &trouble(UnavailableCause::Corrupt));
        health.note(Operation::Read, &Ok(()));
        health.note(Operation::Write, &Ok(()));
        block_on(health.finish());
        let failed = |it| HealthReport::Failed(Error::unavailable(it, "reason", "fix"));
        let right = [
            failed(UnavailableCause::Locked),
            failed(UnavailableCause::Full),
            HealthReport::Recovered,
            failed(UnavailableCause::Corrupt),
            HealthReport::Recovered,
        ];
        assert_eq!(said.try_iter().collect::<Vec<_>>(), right);
    }
}
