//! What is remembered of requests under an idempotency key.

use super::Keywright;
use crate::entropy;
use crate::error::Error;
use crate::idempotency::{BeginOutcome, IdempotentRequest, RequestLease, RequestOutcome, StoredResponse};
use crate::store::Store;

impl Keywright {
    /// What came of the same request before.
    ///
    /// # Errors
    /// `idempotency_mismatch` where it was another one, `in_progress` while it runs, `unavailable`.
    pub(crate) async fn repeated(&self, attempt: &IdempotentRequest) -> Result<Option<RequestOutcome>, Error> {
        let memory = self.0.store().stored_outcome(attempt).await?;
        memory.map(|it| it.replay(attempt)).transpose()
    }

    /// Gives a request its turn, unless it came before.
    pub(crate) async fn begin(&self, attempt: IdempotentRequest) -> Result<BeginOutcome, Error> {
        // A look needs no lock, and most that were here before are done.
        if let Some(outcome) = self.repeated(&attempt).await? {
            return Ok(BeginOutcome::Repeated(outcome));
        }
        let lease = RequestLease {
            org: attempt.org.clone(),
            name: attempt.name,
            caller: attempt.caller,
            token: entropy::bytes()?,
        };
        match self.0.store().begin_request(attempt.clone(), lease.token).await? {
            None => Ok(BeginOutcome::Started(lease)),
            Some(memory) => memory.replay(&attempt).map(BeginOutcome::Repeated),
        }
    }

    /// Ends a turn, with the answer or without one. Nothing is changed where another has the turn by now.
    pub(crate) async fn settle(&self, lease: RequestLease, kept: Option<StoredResponse>) -> Result<(), Error> {
        self.0.store().finish_request(lease, kept, self.now()).await
    }
}
