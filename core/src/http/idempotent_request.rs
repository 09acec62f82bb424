//! Idempotent requests to the routes of a host: a repeat gets the stored response.

use std::borrow::Cow;

use super::idempotency_key::KeyedRequest;
use super::refusal::Refusal;
use super::{AuthContext, Header, Http, Principal, Response};
use crate::clock::Millis;
use crate::decision::Code;
use crate::error::Error;
use crate::idempotency::{self, BeginOutcome, IdempotentRequest, RequestOutcome, StoredResponse};

/// Tells a client that its request was not run this time.
pub(super) const REPLAYED: Header = ("idempotent-replayed", Cow::Borrowed("true"));

/// The response headers that are stored for a repeat.
const KEPT: [&str; 5] = ["content-type", "content-encoding", "content-language", "etag", "location"];

/// The exclusive right to run an idempotent request. No other process has it for 60 seconds, or until [`Http::finish`] or
/// [`Http::release`].
#[derive(Debug)]
#[must_use]
pub struct Lease(idempotency::RequestLease);

/// The result of [`Http::once`].
#[derive(Debug)]
#[must_use]
pub enum IdempotencyCheck {
    /// The request is to run. End the lease, if there is one, with [`Http::finish`] or [`Http::release`].
    Run(Option<Lease>),
    /// The request is not to run, because it ran before or is refused. This is its response.
    Answered(Response),
}

impl Http {
    /// The longest body of an idempotent request: 1 MiB. A server may stop reading at the first byte beyond it, and pass on
    /// the bytes it has.
    pub const LARGEST_ONCE: usize = 1024 * 1024;

    /// The longest response body that is stored for a repeat: 64 KiB. A server may likewise stop at the first byte beyond it.
    pub const LARGEST_KEPT: usize = 64 * 1024;

    /// Starts an idempotent request: takes a lease, or returns the stored response of an earlier run.
    ///
    /// An [idempotency key](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/) is valid for its
    /// caller and for 24 hours. It is refused with another method, target or body. A new key is refused while 10,000 keys of
    /// its caller are stored. If [`AuthContext::is_once`] is false, the request is to run, and this needs no body.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::http::{Config, Head, IdempotencyCheck, Needs, Outcome};
    /// let http = kw.http(Config::new())?;
    /// let headers: [(&[u8], &[u8]); 2] = [(b"api-key", new.api_key.reveal().as_bytes()), (b"idempotency-key", b"k1")];
    /// for is_repeat in [false, true] {
    ///     let head = Head::new("POST", "/v1/deals").headers(&headers);
    ///     let Outcome::Allowed(context) = http.authenticate(&head, Some(&Needs::key().idempotent())).await else { panic!() };
    ///     match http.once(&context, b"{}").await {
    ///         IdempotencyCheck::Run(Some(lease)) => http.finish(lease, 201, [("content-type", "text/plain")], b"made").await?,
    ///         IdempotencyCheck::Run(None) => panic!("it came without a key"),
    ///         IdempotencyCheck::Answered(answer) => assert_eq!((is_repeat, answer.status, answer.body), (true, 201, b"made".to_vec())),
    ///     }
    /// }
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub async fn once(&self, context: &AuthContext, body: &[u8]) -> IdempotencyCheck {
        let checked = match &context.once {
            None => return IdempotencyCheck::Run(None),
            Some(_) if body.len() > Self::LARGEST_ONCE => Err(Refusal::new(
                413,
                "TOO_LARGE",
                "The body of a request with an idempotency key is larger than 1 MiB",
            )),
            Some(request) => self.start(context, request, body).await,
        };
        checked.unwrap_or_else(|refusal| {
            IdempotencyCheck::Answered(refusal.response(&self.config.style, context.request_id.clone(), false))
        })
    }

    async fn start(
        &self,
        context: &AuthContext,
        request: &KeyedRequest,
        body: &[u8],
    ) -> Result<IdempotencyCheck, Refusal> {
        let parts = [b"host", request.method.as_bytes(), &request.target, body];
        let attempt = self.attempt(&context.principal, context.agent.as_deref(), &request.key, parts)?;
        // There is always an attempt, because no public route is idempotent.
        match self.kw.begin(attempt.ok_or_else(Refusal::unavailable)?).await? {
            BeginOutcome::Started(lease) => Ok(IdempotencyCheck::Run(Some(Lease(lease)))),
            BeginOutcome::Repeated(RequestOutcome::Answered(kept)) => {
                replayed(kept, context).map(IdempotencyCheck::Answered)
            }
            BeginOutcome::Repeated(RequestOutcome::Full(until)) => Err(self.too_many_stored(until)),
            BeginOutcome::Repeated(_) => Err(Refusal::unavailable()),
        }
    }

    /// Refuses a new idempotency key of a caller who has reached the limit of stored keys until that time.
    pub(super) fn too_many_stored(&self, until: Millis) -> Refusal {
        let wait = u64::try_from(until - self.kw.now()).unwrap_or_default().div_ceil(1000).max(1);
        let message = format!(
            "Nothing was done: {} requests with an Idempotency-Key are remembered for this caller, and no more; try again later",
            idempotency::MAX_REQUESTS_PER_CALLER
        );
        Refusal::new(429, Code::RateLimited.wire(), message).with("retry-after", wait.to_string())
    }

    /// Binds a request to its idempotency key and caller. `None` if the caller is unknown; an error if the caller is a
    /// session without an actor.
    pub(super) fn attempt(
        &self,
        principal: &Principal,
        agent: Option<&str>,
        key: &str,
        request: [&[u8]; 4],
    ) -> Result<Option<IdempotentRequest>, Error> {
        let (org, kind, id) = match principal {
            Principal::Anyone => return Ok(None),
            Principal::Key(key) => (key.org.as_str(), "key", key.id.to_string()),
            Principal::Session(session) => {
                (session.org(), "session", session.actor_name().ok_or_else(idempotency::anonymous_session)?.to_owned())
            }
        };
        Ok(Some(IdempotentRequest::new(org, [kind, &id, agent.unwrap_or_default()], key, request, self.kw.now())))
    }

    /// Ends a lease with the response of the host, which is stored for 24 hours.
    ///
    /// Of the headers, `content-type`, `content-encoding`, `content-language`, `etag` and `location` are stored. A body of
    /// more than 64 KiB is not stored, nor one with which the bodies of its caller would exceed 64 MiB: a repeat then gets
    /// 409.
    ///
    /// Three kinds of responses are not stored, so that the same request may run again: the statuses 400, 401, 403, 404, 408,
    /// 409, 413, 415, 422, 425 and 429, which refuse a request before anything happens or ask for a retry; every 5xx; and a
    /// body that is shorter than its `content-length`.
    ///
    /// # Errors
    /// `unavailable`: the response is not stored, and the request may run again after the lease.
    pub async fn finish<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        lease: Lease,
        status: u16,
        headers: impl IntoIterator<Item = (N, V)>,
        body: &[u8],
    ) -> Result<(), Error> {
        if matches!(status, 400 | 401 | 403 | 404 | 408 | 409 | 413 | 415 | 422 | 425 | 429 | 500..) {
            return self.release(lease).await;
        }
        let (mut content_length, mut kept) = (None::<usize>, serde_json::Map::new());
        for (name, value) in headers {
            let value = std::str::from_utf8(value.as_ref()).ok();
            let is = |known: &str| name.as_ref().eq_ignore_ascii_case(known.as_bytes());
            if is("content-length") {
                content_length = value.and_then(|text| text.trim().parse().ok());
            } else if let (Some(name), Some(value)) = (KEPT.into_iter().find(|it| is(it)), value) {
                kept.insert(name.to_owned(), value.into());
            }
        }
        // A body that is shorter than its length has broken off. A 204 or 304 has no body, whatever length it states.
        let is_cut = content_length.is_some_and(|length| length > body.len());
        if is_cut && body.len() <= Self::LARGEST_KEPT && !matches!(status, 204 | 304) {
            return self.release(lease).await;
        }
        let headers = serde_json::Value::Object(kept).to_string();
        let body = (body.len() <= Self::LARGEST_KEPT).then(|| body.to_vec());
        self.kw.settle(lease.0, Some(StoredResponse { status, headers, body })).await
    }

    /// Ends a lease without a response, because the request broke off. It may run again at once.
    ///
    /// # Errors
    /// `unavailable`: the request may run again after the lease.
    pub async fn release(&self, lease: Lease) -> Result<(), Error> {
        self.kw.settle(lease.0, None).await
    }
}

/// The stored response, with the headers of the present request.
fn replayed(kept: StoredResponse, context: &AuthContext) -> Result<Response, Refusal> {
    let Some(body) = kept.body else {
        let message = "The request was done before, and its answer is not kept: it was streamed, larger than 64 KiB, or \
                       beyond the 64 MiB that are kept for one caller";
        return Err(Refusal::new(409, "CONFLICT", message));
    };
    let stored: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&kept.headers).map_err(|_| Refusal::unavailable())?;
    let named = |name: &'static str| Some((name, stored.get(name)?.as_str()?.to_owned().into()));
    let ours = context.headers().map(|(name, value)| (name, value.to_owned().into()));
    let headers = ours.chain(KEPT.into_iter().filter_map(named)).chain([REPLAYED]).collect();
    Ok(Response { status: kept.status, headers, body })
}
