//! What is remembered of requests under an idempotency key.

use super::Keywright;
use crate::entropy;
use crate::error::Error;
use crate::idempotency::{Attempt, Begun, Kept, Lease, Outcome};
use crate::store::Store;

impl Keywright {
    /// What came of the same request before.
    ///
    /// # Errors
    /// `idempotency_mismatch` where it was another one, `in_progress` while it runs, `unavailable`.
    pub(crate) async fn repeated(&self, attempt: &Attempt) -> Result<Option<Outcome>, Error> {
        let memory = self.0.store().remembered(attempt).await?;
        memory.map(|it| it.repeated(attempt)).transpose()
    }

    /// Gives a request its turn, unless it came before.
    pub(crate) async fn begin(&self, attempt: Attempt) -> Result<Begun, Error> {
        // A look needs no lock, and most that were here before are done.
        if let Some(outcome) = self.repeated(&attempt).await? {
            return Ok(Begun::Repeated(outcome));
        }
        let lease =
            Lease { org: attempt.org.clone(), name: attempt.name, caller: attempt.caller, token: entropy::bytes()? };
        match self.0.store().begin(attempt.clone(), lease.token).await? {
            None => Ok(Begun::Running(lease)),
            Some(memory) => memory.repeated(&attempt).map(Begun::Repeated),
        }
    }

    /// Ends a turn, with the answer or without one. Nothing is changed where another has the turn by now.
    pub(crate) async fn settle(&self, lease: Lease, kept: Option<Kept>) -> Result<(), Error> {
        self.0.store().settle(lease, kept, self.now()).await
    }
}
