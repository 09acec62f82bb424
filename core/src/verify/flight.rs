use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::error::{Error, UnavailableCause};
use crate::fork::lock;
use crate::hash::Verdict;
use crate::worker::Workers;

type Answer = Result<Verdict, Error>;
type Waiting = Vec<oneshot::Sender<Answer>>;

/// Slow checks under way: whoever asks for the same one waits for it, so that one key costs one hash at a time.
#[derive(Clone, Default)]
pub(crate) struct Flights {
    waiting: Arc<Mutex<HashMap<[u8; 32], Waiting>>>,
}

impl Flights {
    /// Runs `check` on the slow threads, or waits for the run of the same `claim`. Callers may go; the run stays.
    pub(crate) async fn join(
        &self,
        claim: [u8; 32],
        slow: &Workers,
        check: impl FnOnce() -> Verdict + Send + 'static,
    ) -> Answer {
        let (reply, answer) = oneshot::channel();
        let first = {
            let mut all = lock(&self.waiting);
            let waiting = all.entry(claim).or_default();
            waiting.push(reply);
            waiting.len() == 1
        };
        if first {
            let landing = Landing { flights: self.clone(), claim, answer: Err(stopped()) };
            // Refused work is dropped, and lands with that error.
            slow.offer(move || {
                let mut landing = landing;
                landing.answer = Ok(check());
            });
        }
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// Tells all who wait, however the run ended.
struct Landing {
    flights: Flights,
    claim: [u8; 32],
    answer: Answer,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let all = lock(&self.flights.waiting).remove(&self.claim);
        for waiting in all.unwrap_or_default() {
            let _ = waiting.send(self.answer.clone());
        }
    }
}

fn stopped() -> Error {
    Error::unavailable(UnavailableCause::Busy, "too many slow hashes are queued", "try again in a moment")
}
