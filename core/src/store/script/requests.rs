//! The scripts that start and end idempotent requests.

use super::audit::Chain;
use super::reads::{Reads, RequestId, Rows};
use super::write::{RequestState, Write};
use super::{ChangeScript, Decided, TransactionScript};
use crate::clock::Millis;
use crate::error::Error;
use crate::idempotency::{
    self, IdempotentRequest, LEASE_DURATION, MAX_BYTES_PER_CALLER, RETENTION, RequestLease, StoredOutcome,
    StoredResponse,
};

/// Makes a change and stores its outcome: both, or none. If the same request came in the meantime, the error is
/// `in_progress`; the caller then reads the stored outcome.
pub(crate) struct Once<S> {
    pub(crate) script: S,
    pub(crate) request: Option<IdempotentRequest>,
}

impl<S: ChangeScript> TransactionScript for Once<S> {
    type Outcome = S::Outcome;

    fn reads(&self) -> Reads<'_> {
        Reads { request: self.request.as_ref().map(RequestId::from), ..self.script.reads() }
    }

    fn decide(&self, mut rows: Rows, chain: &mut Chain) -> Result<Decided<S::Outcome>, Error> {
        let found = std::mem::take(&mut rows.request);
        if self.request.as_ref().is_some_and(|request| found.outcome(request).is_some()) {
            return Err(idempotency::in_progress());
        }
        let mut decided = self.script.decide(rows, chain)?;
        if let Some(request) = &self.request
            && let Some(id) = self.script.changed_id(&decided.outcome)
        {
            decided.writes.extend(store(request, RETENTION, RequestState::Changed(id)));
        }
        Ok(decided)
    }
}

/// Starts a request. Its outcome is `None` with the lease taken, or the stored outcome if there is one.
pub(crate) struct BeginRequest {
    pub(crate) request: IdempotentRequest,
    /// The token of the lease.
    pub(crate) token: [u8; 16],
}

impl TransactionScript for BeginRequest {
    type Outcome = Option<StoredOutcome>;

    fn reads(&self) -> Reads<'_> {
        Reads { request: Some(RequestId::from(&self.request)), ..Reads::default() }
    }

    fn decide(&self, rows: Rows, _: &mut Chain) -> Result<Decided<Option<StoredOutcome>>, Error> {
        if let Some(outcome) = rows.request.outcome(&self.request) {
            return Ok(Decided::unchanged(Some(outcome)));
        }
        let writes = store(&self.request, LEASE_DURATION, RequestState::Running(self.token)).into();
        Ok(Decided { outcome: None, writes })
    }
}

/// The writes that store a new request: they make room first, since clients choose how many there are.
fn store(request: &IdempotentRequest, lifetime: Millis, state: RequestState) -> [Write; 2] {
    let IdempotentRequest { org, caller, at, .. } = request;
    let make_room = Write::DeleteExpiredRequests { org: org.clone(), caller: *caller, now: *at };
    [make_room, Write::StoreRequest { request: request.clone(), expires_at: at + lifetime, state }]
}

/// Ends a lease. It stores the response, with its body if the caller has room for it, or deletes the row if there is no
/// response. It does nothing if the lease has expired and another one was taken.
pub(crate) struct FinishRequest {
    pub(crate) lease: RequestLease,
    pub(crate) response: Option<StoredResponse>,
    pub(crate) now: Millis,
}

impl TransactionScript for FinishRequest {
    type Outcome = ();

    fn reads(&self) -> Reads<'_> {
        Reads { request: Some(RequestId::of_lease(&self.lease, self.now)), ..Reads::default() }
    }

    fn decide(&self, rows: Rows, _: &mut Chain) -> Result<Decided<()>, Error> {
        let lease = self.lease.clone();
        let write = match &self.response {
            Some(response) => {
                let room = MAX_BYTES_PER_CALLER.saturating_sub(rows.request.bytes);
                let size = |body: &[u8]| u64::try_from(response.headers.len() + body.len()).unwrap_or(u64::MAX);
                let body = response.body.as_deref().filter(|body| size(body) <= room).map(<[u8]>::to_vec);
                // A response without its body is not repeated, so its headers are of no use.
                let headers = if body.is_some() { response.headers.clone() } else { String::new() };
                let response = StoredResponse { status: response.status, headers, body };
                Write::FinishRequest { lease, response, expires_at: self.now + RETENTION }
            }
            None => Write::DeleteRequest(lease),
        };
        Ok(Decided { outcome: (), writes: vec![write] })
    }
}
