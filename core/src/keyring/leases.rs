//! Idempotent requests: their leases and stored outcomes.

use super::Keywright;
use crate::entropy;
use crate::error::Error;
use crate::idempotency::{BeginOutcome, IdempotentRequest, RequestLease, RequestOutcome, StoredResponse};
use crate::store::Store;

impl Keywright {
    /// Returns the stored outcome of the same request.
    ///
    /// # Errors
    /// `idempotency_mismatch` for another request, `in_progress` while the same one runs, `unavailable`.
    pub(crate) async fn repeated(&self, attempt: &IdempotentRequest) -> Result<Option<RequestOutcome>, Error> {
        let memory = self.0.store().stored_outcome(attempt).await?;
        memory.map(|it| it.replay(attempt)).transpose()
    }

    /// Starts a request: takes a lease, or returns the stored outcome if there is one.
    pub(crate) async fn begin(&self, attempt: IdempotentRequest) -> Result<BeginOutcome, Error> {
        // A read needs no lock, and most repeated requests are done.
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

    /// Ends a lease, with the answer to store or without one. Does nothing when the lease is over and another request has it.
    pub(crate) async fn settle(&self, lease: RequestLease, kept: Option<StoredResponse>) -> Result<(), Error> {
        self.0.store().finish_request(lease, kept, self.now()).await
    }
}
