//! Idempotent requests: their leases and stored outcomes.

use super::Keywright;
use crate::entropy;
use crate::error::Error;
use crate::idempotency::{BeginOutcome, IdempotentRequest, RequestLease, RequestOutcome, StoredResponse};
use crate::store::{BeginRequest, FinishRequest, Store};

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
        let begin = BeginRequest { request: attempt.clone(), token: lease.token };
        match self.0.store().run(begin).await? {
            None => Ok(BeginOutcome::Started(lease)),
            Some(memory) => memory.replay(&attempt).map(BeginOutcome::Repeated),
        }
    }

    /// Ends a lease, with the answer to store or without one. Does nothing when the lease is over and another request has it.
    pub(crate) async fn settle(&self, lease: RequestLease, response: Option<StoredResponse>) -> Result<(), Error> {
        self.0.store().run(FinishRequest { lease, response, now: self.now() }).await
    }
}
