use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::error::{Error, Trouble};
use crate::fork::{self, Process};
use crate::hash::Verdict;
use crate::worker::Workers;

type Answer = Result<Verdict, Error>;

/// What is being checked, in which process: a forked child has none of its parent's threads to wait for.
type Claimed = (Process, [u8; 32]);

/// Slow checks under way: whoever asks for the same one waits for it, so that one key costs one hash at a time.
#[derive(Clone, Default)]
pub(crate) struct Flights {
    waiting: Arc<Mutex<HashMap<Claimed, Vec<oneshot::Sender<Answer>>>>>,
}

impl Flights {
    /// Runs `check` on the slow threads, or waits for the run of the same `claim`. Callers may go; the run stays.
    pub(crate) async fn join(
        &self,
        claim: [u8; 32],
        slow: &Workers,
        check: impl FnOnce() -> Verdict + Send + 'static,
    ) -> Answer {
        let claimed = (Process::current(), claim);
        let (reply, answer) = oneshot::channel();
        let first = self.with(|it| {
            let waiting = it.entry(claimed).or_default();
            waiting.push(reply);
            waiting.len() == 1
        });
        if first {
            let landing = Landing { flights: self.clone(), claimed, answer: Err(stopped()) };
            // Refused work is dropped, and lands with that error.
            slow.offer(move || {
                let mut landing = landing;
                landing.answer = Ok(check());
            });
        }
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Claimed, Vec<oneshot::Sender<Answer>>>) -> T) -> T {
        let _gate = fork::gate();
        act(&mut fork::lock(&self.waiting))
    }
}

/// Tells all who wait, however the run ended.
struct Landing {
    flights: Flights,
    claimed: Claimed,
    answer: Answer,
}

impl Drop for Landing {
    fn drop(&mut self) {
        for waiting in self.flights.with(|it| it.remove(&self.claimed)).unwrap_or_default() {
            let _ = waiting.send(self.answer.clone());
        }
    }
}

fn stopped() -> Error {
    Error::unavailable(Trouble::Busy, "too many slow hashes are queued", "try again in a moment")
}
