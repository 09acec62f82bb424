//! Requests of the host's own routes that are done once, however often they are sent.

use std::borrow::Cow;

use super::refusal::Refusal;
use super::route::Idempotent;
use super::{Head, Header, Http, Passed, Principal, Response};
use crate::clock::Millis;
use crate::decision::Code;
use crate::error::Error;
use crate::idempotency::{self, BeginOutcome, IdempotentRequest, RequestOutcome, StoredResponse};

/// What tells a client that nothing was done this time.
pub(super) const REPLAYED: Header = ("idempotent-replayed", Cow::Borrowed("true"));

/// The headers of an answer that are kept with it.
const KEPT: [&str; 5] = ["content-type", "content-encoding", "content-language", "etag", "location"];

/// A request that was let in, and is to be done once.
#[derive(Debug, Clone)]
pub(super) struct Once {
    key: String,
    method: String,
    target: Vec<u8>,
}

/// What a request says of it, before it is known who makes it.
pub(super) type Asked = Option<Result<Box<Once>, Refusal>>;

impl Once {
    /// What a request says of itself on a route that is `idempotent`. What changes nothing can be done as often as it is
    /// asked (RFC 9110, section 9.2.1).
    pub(super) fn of(head: &Head<'_>, idempotent: Idempotent) -> Asked {
        if idempotent == Idempotent::No || matches!(head.judged_method(), "GET" | "OPTIONS" | "TRACE") {
            return None;
        }
        match idempotency::parse_header(head.values("idempotency-key")) {
            Err(error) => Some(Err(error.into())),
            // A guard before this one sees to it.
            Ok(Some(_)) if head.earlier.is_some_and(|it| it.once) => None,
            Ok(Some(key)) => {
                Some(Ok(Box::new(Self { key, method: head.method.to_owned(), target: head.target().to_vec() })))
            }
            Ok(None) if idempotent == Idempotent::Required => {
                let message = "This takes the header Idempotency-Key; send one for each new request";
                Some(Err(Refusal::invalid_request(message)))
            }
            Ok(None) => None,
        }
    }
}

/// The right to do a request, which no other process has meanwhile: for 60 seconds, or until [`Http::finish`] or
/// [`Http::release`].
#[derive(Debug)]
#[must_use]
pub struct Lease(idempotency::RequestLease);

/// What becomes of a request that was let in.
#[derive(Debug)]
#[must_use]
pub enum Turn {
    /// It is to be done; with a lease, its end is to be told.
    Run(Option<Lease>),
    /// It came before, or is not to be done for another reason, and is answered with this.
    Answered(Response),
}

impl Passed {
    /// Whether the request is to be done once: its route is idempotent, and it came with an idempotency key. Such a one
    /// goes through [`Http::once`] with its body.
    #[must_use]
    pub fn is_once(&self) -> bool {
        self.once.is_some()
    }
}

impl Http {
    /// The longest body of a request that can be done once: 1 MiB. A server may stop at the first byte beyond it, and hand
    /// on what it has.
    pub const LARGEST_ONCE: usize = 1024 * 1024;

    /// The longest body of an answer that is kept for a repeat: 64 KiB. Likewise.
    pub const LARGEST_KEPT: usize = 64 * 1024;

    /// Asks, before a request is done, whether it was done before: then the answer is what it was then. An
    /// [idempotency key](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/) counts for who sent
    /// it, for 24 hours; with another method, target or body it is refused, and so is a new one while 10,000 of who sent it
    /// are remembered. Where [`Passed::is_once`] says no, the request
    /// is to be done, and this needs no body.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::http::{Config, Head, Needs, Outcome, Turn};
    /// let http = kw.http(Config::new())?;
    /// let headers: [(&[u8], &[u8]); 2] = [(b"api-key", new.api_key.reveal().as_bytes()), (b"idempotency-key", b"k1")];
    /// for is_repeat in [false, true] {
    ///     let head = Head::new("POST", "/v1/deals").headers(&headers);
    ///     let Outcome::Passed(passed) = http.authenticate(&head, Some(&Needs::key().idempotent())).await else { panic!() };
    ///     match http.once(&passed, b"{}").await {
    ///         Turn::Run(Some(lease)) => http.finish(lease, 201, [("content-type", "text/plain")], b"made").await?,
    ///         Turn::Run(None) => panic!("it came without a key"),
    ///         Turn::Answered(answer) => assert_eq!((is_repeat, answer.status, answer.body), (true, 201, b"made".to_vec())),
    ///     }
    /// }
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub async fn once(&self, passed: &Passed, body: &[u8]) -> Turn {
        let done = match &passed.once {
            None => return Turn::Run(None),
            Some(_) if body.len() > Self::LARGEST_ONCE => Err(Refusal::new(
                413,
                "TOO_LARGE",
                "The body of a request with an idempotency key is larger than 1 MiB",
            )),
            Some(once) => self.turn(passed, once, body).await,
        };
        done.unwrap_or_else(|it| Turn::Answered(it.response(&self.plan.manner, passed.request_id.clone(), false)))
    }

    async fn turn(&self, passed: &Passed, once: &Once, body: &[u8]) -> Result<Turn, Refusal> {
        let request = [b"host", once.method.as_bytes(), &once.target, body];
        let attempt = self.attempt(&passed.principal, passed.agent.as_deref(), &once.key, request)?;
        // No route that lets anybody in is idempotent.
        match self.kw.begin(attempt.ok_or_else(Refusal::unavailable)?).await? {
            BeginOutcome::Started(lease) => Ok(Turn::Run(Some(Lease(lease)))),
            BeginOutcome::Repeated(RequestOutcome::Answered(kept)) => replayed(kept, passed).map(Turn::Answered),
            BeginOutcome::Repeated(RequestOutcome::Full(until)) => Err(self.full(until)),
            BeginOutcome::Repeated(_) => Err(Refusal::unavailable()),
        }
    }

    /// The refusal of a new request, whose caller has as many as are remembered until then.
    pub(super) fn full(&self, until: Millis) -> Refusal {
        let wait = u64::try_from(until - self.kw.now()).unwrap_or_default().div_ceil(1000).max(1);
        let message = format!(
            "Nothing was done: {} requests with an Idempotency-Key are remembered for this caller, and no more; try again later",
            idempotency::MAX_REQUESTS_PER_CALLER
        );
        Refusal::new(429, Code::RateLimited.wire(), message).with("retry-after", wait.to_string())
    }

    /// A request under a key, which is that of who makes it. `None` where that may be anybody, refused where nobody knows.
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
            Principal::Session(it) => {
                (it.org(), "session", it.actor_name().ok_or_else(idempotency::anonymous_session)?.to_owned())
            }
        };
        Ok(Some(IdempotentRequest::new(org, [kind, &id, agent.unwrap_or_default()], key, request, self.kw.now())))
    }

    /// Ends a lease with the answer that a host gives. It is kept for 24 hours, with its type and location; one of more
    /// than 64 KiB is not, nor one beyond 64 MiB of its caller, and a repeat is refused as a conflict. Not kept is either what asks to come again or was refused
    /// before anything was done, 400, 401, 403, 404, 408, 409, 413, 415, 422, 425, 429, and any 5xx, nor one that is
    /// shorter than its `content-length`: the same request may be done anew.
    ///
    /// # Errors
    /// `unavailable`: the answer was not kept, and the request may be done anew after the lease.
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
        let (mut told, mut kept) = (None::<usize>, serde_json::Map::new());
        for (name, value) in headers {
            let value = std::str::from_utf8(value.as_ref()).ok();
            let is = |it: &str| name.as_ref().eq_ignore_ascii_case(it.as_bytes());
            if is("content-length") {
                told = value.and_then(|it| it.trim().parse().ok());
            } else if let (Some(name), Some(value)) = (KEPT.into_iter().find(|it| is(it)), value) {
                kept.insert(name.to_owned(), value.into());
            }
        }
        // An answer that is not as long as it says has broken off; one of 204 or 304 has no body, whatever it says.
        if told.is_some_and(|it| it > body.len()) && body.len() <= Self::LARGEST_KEPT && !matches!(status, 204 | 304) {
            return self.release(lease).await;
        }
        let headers = serde_json::Value::Object(kept).to_string();
        let body = (body.len() <= Self::LARGEST_KEPT).then(|| body.to_vec());
        self.kw.settle(lease.0, Some(StoredResponse { status, headers, body })).await
    }

    /// Ends a lease without an answer: the request broke off, and may be done anew.
    ///
    /// # Errors
    /// `unavailable`: it may be done anew after the lease.
    pub async fn release(&self, lease: Lease) -> Result<(), Error> {
        self.kw.settle(lease.0, None).await
    }
}

/// The answer that was kept, among the headers of this exchange.
fn replayed(kept: StoredResponse, passed: &Passed) -> Result<Response, Refusal> {
    let Some(body) = kept.body else {
        let message = "The request was done before, and its answer is not kept: it was streamed, larger than 64 KiB, or \
                       beyond the 64 MiB that are kept for one caller";
        return Err(Refusal::new(409, "CONFLICT", message));
    };
    let stored: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&kept.headers).map_err(|_| Refusal::unavailable())?;
    let named = |name: &'static str| Some((name, stored.get(name)?.as_str()?.to_owned().into()));
    let ours = passed.headers().map(|(name, value)| (name, value.to_owned().into()));
    let headers = ours.chain(KEPT.into_iter().filter_map(named)).chain([REPLAYED]).collect();
    Ok(Response { status: kept.status, headers, body })
}
