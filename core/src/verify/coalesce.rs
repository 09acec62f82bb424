//! Slow checks that several callers share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::error::{Error, UnavailableCause};
use crate::fork::lock;
use crate::hash::SecretCheck;
use crate::worker::Workers;

type CheckResult = Result<SecretCheck, Error>;
type Waiters = Vec<oneshot::Sender<CheckResult>>;

/// The slow checks that are running. Callers with the same secret share one check, so that one key costs one hash at a
/// time.
#[derive(Clone, Default)]
pub(crate) struct CoalescedChecks {
    waiters: Arc<Mutex<HashMap<[u8; 32], Waiters>>>,
}

impl CoalescedChecks {
    /// Runs `check` on the slow threads, or waits for the running check of the same `digest`. The check goes on when its
    /// callers are gone.
    pub(crate) async fn run(
        &self,
        digest: [u8; 32],
        slow: &Workers,
        check: impl FnOnce() -> SecretCheck + Send + 'static,
    ) -> CheckResult {
        let (sender, receiver) = oneshot::channel();
        let is_first = {
            let mut all = lock(&self.waiters);
            let waiters = all.entry(digest).or_default();
            waiters.push(sender);
            waiters.len() == 1
        };
        if is_first {
            let completion = Completion { checks: self.clone(), digest, result: Err(stopped()) };
            // Workers that refuse the job drop it, and its completion reports the error.
            slow.offer(move || {
                let mut completion = completion;
                completion.result = Ok(check());
            });
        }
        receiver.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// Reports the result to all waiters when it is dropped, so also when the check panics.
struct Completion {
    checks: CoalescedChecks,
    digest: [u8; 32],
    result: CheckResult,
}

impl Drop for Completion {
    fn drop(&mut self) {
        let waiters = lock(&self.checks.waiters).remove(&self.digest);
        for waiter in waiters.unwrap_or_default() {
            let _ = waiter.send(self.result.clone());
        }
    }
}

fn stopped() -> Error {
    Error::unavailable(UnavailableCause::Busy, "too many slow hashes are queued", "try again in a moment")
}
