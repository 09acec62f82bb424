//! The verification path: from a text to a decision.

mod flight;
mod memory;
mod permits;
mod rehash;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use self::flight::Flights;
use self::memory::Memory;
use self::permits::Permits;
use self::rehash::Rehash;
use self::state::State;
use crate::clock::{Clock, Millis};
use crate::decision::{Allowed, Code, Decision, Denial, Request, RequestContext, UNAVAILABLE, check_limits};
use crate::error::{Error, UnavailableCause};
use crate::events::Events;
use crate::fork::PerProcess;
use crate::hash::{Claim, Hasher, Stored, Verdict};
use crate::key::{Format, Formats, Shape, Tail};
use crate::lifecycle::ENDED;
use crate::limit::{AnyKeyLimit, AnyLimiter, ChargeOutcome, KeyLimit, LimitRule, LimitRules, Limiter};
use crate::record::{Limit, Per};
use crate::scope::Catalogue;
use crate::store::{AnyStore, LookupResult, KeyRow, Store, Tenant};
use crate::usage::{EndedGraces, Metered, Usage};
use crate::wait::at_once;
use crate::worker::Workers;

pub(crate) use self::rehash::filter;

/// A text as a request presents it.
///
/// ```
/// use keywright::Presented;
/// let (text, header): (Presented, Presented) = ("liq_live_…".into(), None::<&str>.into());
/// ```
#[derive(Clone, Copy)]
pub struct Presented<'a>(Option<&'a [u8]>);

impl<'a> From<&'a str> for Presented<'a> {
    fn from(text: &'a str) -> Self {
        Self(Some(text.as_bytes()))
    }
}

impl<'a> From<&'a String> for Presented<'a> {
    fn from(text: &'a String) -> Self {
        text.as_str().into()
    }
}

impl<'a> From<&'a [u8]> for Presented<'a> {
    fn from(text: &'a [u8]) -> Self {
        Self(Some(text))
    }
}

impl<'a, T: ?Sized + AsRef<[u8]>> From<Option<&'a T>> for Presented<'a> {
    fn from(text: Option<&'a T>) -> Self {
        Self(text.map(AsRef::as_ref))
    }
}

/// How many wrong secrets a minute may be tried for a lookup whose check is slow and has no filter.
const FAILURES: u64 = 5;

/// How many attestations a minute a key may make in one process.
const ATTESTATIONS: u64 = 60;

/// What a verification needs of an engine.
pub(crate) struct Verifier {
    pub(crate) formats: Arc<Formats>,
    pub(crate) accepted: Vec<String>,
    pub(crate) catalogue: Option<Catalogue>,
    pub(crate) hasher: Arc<Hasher>,
    pub(crate) clock: Clock,
    pub(crate) store: Arc<AnyStore>,
    pub(crate) slow: Workers,
    pub(crate) closed: AtomicBool,
    pub(crate) rules: LimitRules,
    pub(crate) hot: Hot,
}

/// What an engine knows and does in one process, for each its own.
pub(crate) struct Hot {
    /// Distinguishes the engines of a process.
    engine: u64,
    here: PerProcess<Here>,
    make: Box<dyn Fn() -> Here + Send + Sync>,
}

pub(crate) struct Here {
    memory: Memory,
    limiter: AnyLimiter,
    pub(crate) permits: Permits,
    flights: Flights,
    rehash: Rehash,
    graces: Arc<EndedGraces>,
    /// `None` where nothing may be written.
    pub(crate) usage: Option<Usage>,
    /// `None` where nobody listens.
    pub(crate) events: Option<Arc<Events>>,
}

/// Makes the events of a process.
pub(crate) type Listening = Box<dyn Fn() -> Events + Send + Sync>;

impl Hot {
    pub(crate) fn new(
        formats: &Formats,
        capacity: usize,
        clock: Clock,
        metered: Option<Arc<AnyStore>>,
        listening: Option<Listening>,
    ) -> Self {
        static ENGINES: AtomicU64 = AtomicU64::new(1);
        let heads = formats.heads();
        let make = move || {
            let events = listening.as_ref().map(|it| Arc::new(it()));
            let graces = Arc::<EndedGraces>::default();
            let usage = |it| Usage::new(it, clock.clone(), Arc::clone(&graces), events.clone());
            Here {
                memory: Memory::new(heads, capacity),
                limiter: AnyLimiter::new(),
                permits: Permits::default(),
                flights: Flights::default(),
                rehash: Rehash::new(metered.is_none()),
                usage: metered.clone().map(usage),
                graces,
                events,
            }
        };
        let engine = ENGINES.fetch_add(1, Ordering::Relaxed);
        Self { engine, here: PerProcess::new(make()), make: Box::new(make) }
    }

    pub(crate) fn here(&self) -> &Here {
        self.here.get(&self.make)
    }
}

impl Here {
    /// Whether the grace of a former secret is over. Once it was, it is over whatever the clock says: this process knows
    /// at once, and the others as soon as it is written down.
    fn is_grace_over(&self, state: &Arc<State>, now: Millis) -> bool {
        if now < state.grace_ends_at() {
            return self.graces.contains(state.lookup());
        }
        if state.grace_ends_at() != ENDED
            && self.graces.insert(state.lookup())
            && let Some(usage) = &self.usage
        {
            usage.end_grace(state);
        }
        true
    }
}

/// A proved key, judged but for its limits.
struct Judged {
    state: Arc<State>,
    now: Millis,
    verdict: Result<(), Box<Denial>>,
}

impl Judged {
    /// What is to be charged. Limits come last: what was refused is charged by none.
    fn owed(&self) -> Result<&[AnyKeyLimit], Box<Denial>> {
        match (&self.verdict, self.state.limits()) {
            (Err(_), _) => Ok(&[]),
            (Ok(()), Some(charges)) => Ok(charges),
            (Ok(()), None) => Err(Denial::from_error(&unknown_tier()).into()),
        }
    }
}

impl Verifier {
    /// Answers from memory alone, on the caller's thread; `None` when the store has to be asked.
    pub(crate) fn try_verify(
        &self,
        tenant: &Tenant,
        presented: Presented<'_>,
        context: RequestContext<'_>,
    ) -> Option<Decision> {
        if let Err(error) = self.admit(context.required) {
            return Some(refusal(Denial::from_misuse(error).into()));
        }
        let Some(text) = presented.0 else {
            return Some(refusal(Denial::new(Code::Missing, "An API key is required").into()));
        };
        let Some(tail) = self.formats.tail(text) else { return Some(refusal(invalid())) };
        let here = self.hot.here();
        let about = self.clock.coarse_now();
        if !AnyLimiter::SHARED
            && self.is_fresh(here, about)
            && let Some(remembered) = self.remembered(here, tenant, tail, context, about)
        {
            let drawn = match remembered.owed() {
                Ok([]) => Ok(ChargeOutcome::default()),
                _ => at_once(self.draw(here, &remembered, context))?,
            };
            return Some(self.told(here, remembered, drawn, context));
        }
        // What is no key at all need not be looked for.
        self.formats.read(text).is_none().then(|| refusal(invalid()))
    }

    /// Whether memory knows of every change, of whichever process.
    fn is_fresh(&self, here: &Here, about: Millis) -> bool {
        self.store.commit_stamp().is_some_and(|it| here.memory.is_fresh(it, about))
    }

    /// For who measures that question by itself: it is asked so many times.
    #[cfg(feature = "testing")]
    pub(crate) fn ask_freshness(&self, times: usize) -> bool {
        let (here, about) = (self.hot.here(), self.clock.coarse_now());
        (0..times).filter(|_| self.is_fresh(here, std::hint::black_box(about))).count() == times
    }

    pub(crate) async fn verify(
        &self,
        tenant: &Tenant,
        presented: Presented<'_>,
        context: RequestContext<'_>,
    ) -> Decision {
        if let Some(decision) = self.try_verify(tenant, presented, context) {
            return decision;
        }
        let here = self.hot.here();
        let judged = match self.look(here, tenant, presented, context).await {
            Ok(judged) => judged,
            Err(denial) => return refusal(denial),
        };
        let drawn = self.draw(here, &judged, context).await;
        self.told(here, judged, drawn, context)
    }

    /// Judges without a trace: nothing is counted or charged.
    pub(crate) async fn weigh(
        &self,
        tenant: &Tenant,
        presented: Presented<'_>,
        context: RequestContext<'_>,
    ) -> Decision {
        if let Err(error) = self.admit(context.required) {
            return refusal(Denial::from_misuse(error).into());
        }
        match self.look(self.hot.here(), tenant, presented, context).await {
            Err(denial) => refusal(denial),
            Ok(Judged { state, now, verdict }) => {
                let (proved, agent) = (state.proved(now, ChargeOutcome::default()), context.agent.cloned());
                match verdict {
                    Ok(()) => Decision::Allowed(Allowed::new(proved, agent)),
                    Err(denial) => refusal(denial.of(proved, agent).into()),
                }
            }
        }
    }

    /// Judges by what is held of the text, if anything is.
    fn remembered(
        &self,
        here: &Here,
        tenant: &Tenant,
        tail: Tail<'_>,
        context: RequestContext<'_>,
        about: Millis,
    ) -> Option<Judged> {
        let state = here.memory.state(tail)?;
        // Another tenant's is as unknown here as to the store, which is asked.
        let judged = state.is_of(tenant).then(|| self.judged(here, state, context, about))?;
        (!judged.state.is_ahead(judged.now)).then_some(judged)
    }

    /// Asks the store.
    async fn look(
        &self,
        here: &Here,
        tenant: &Tenant,
        presented: Presented<'_>,
        context: RequestContext<'_>,
    ) -> Result<Judged, Box<Denial>> {
        let read = |text| Some((self.formats.tail(text)?, self.formats.read(text)?));
        let (tail, (format, shape)) = presented.0.and_then(read).ok_or_else(invalid)?;
        let now = self.clock.now();
        let failed = |error: Error| Box::new(Denial::from_error(&error));
        let generation = here.memory.catch_up(&self.store, now).await.map_err(failed)?;
        if let Some(judged) = self.remembered(here, tenant, tail, context, self.clock.coarse_now()) {
            return Ok(judged);
        }
        let found = self.store.find(shape.lookup, now).await.map_err(failed)?;
        let mut found = found.filter(|it| belongs(it, tenant, format, &shape)).ok_or_else(invalid)?;
        self.prove(here, &found, &shape, here.memory.is_proved(tail, &found.secret.verifier)).await?;
        let charges = self.charges(here, &found.view.key);
        let integer_ids = self.store.info().integer_ids;
        let verifier = std::mem::take(&mut found.secret.verifier);
        let state = Arc::new(State::new(found, &self.accepted, charges, integer_ids, now));
        here.memory.keep(tail, &verifier, (generation, Arc::clone(&state))).await;
        Ok(self.judged(here, state, context, self.clock.coarse_now()))
    }

    /// Refuses what the host cannot have meant, before anything is read.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        if request.is_validated_by(self.hot.engine) {
            return Ok(());
        }
        request.check(self.catalogue.as_ref(), &self.rules, &self.accepted)?;
        self.formats.harmless("agent", request.agent.as_deref())?;
        request.mark_validated_by(self.hot.engine);
        Ok(())
    }

    /// Compares the secret with the stored verifier, unless that is known; a slow one only behind its filter, on
    /// threads of its own.
    async fn prove(&self, here: &Here, found: &LookupResult, shape: &Shape<'_>, known: bool) -> Result<(), Box<Denial>> {
        let stored = Stored::parse(&found.secret.verifier).ok_or_else(unusable)?;
        let claim = Claim {
            environment: found.view.key.environment.clone(),
            key_id: found.view.key.id.clone(),
            lookup: shape.lookup.to_owned(),
            secret: zeroize::Zeroizing::new(shape.secret.to_owned()),
        };
        if let Some(filter) = &found.secret.filter
            && !known
            && !constant_time_eq::constant_time_eq(&claim.filter(&self.store.info().filter_key), filter)
        {
            return Err(invalid());
        }
        let verdict = if known {
            Verdict::Match
        } else if Hasher::is_slow(&stored) {
            let unfiltered = found.secret.filter.is_none();
            self.check_slowly(here, stored.clone(), claim.clone(), unfiltered)
                .await
                .map_err(|it| Denial::from_error(&it))?
        } else {
            self.hasher.check(&stored, &claim)
        };
        match verdict {
            Verdict::Match => {}
            Verdict::Mismatch => return Err(invalid()),
            Verdict::Unusable => return Err(unusable()),
        }
        if self.hasher.is_retired(&stored) {
            here.rehash.offer(&self.slow, &here.permits, &self.hasher, &self.store, claim, &found.secret.verifier);
        }
        Ok(())
    }

    /// One hash for all who context for the same, within the memory that hashes may take. Without a filter strangers can
    /// make it run, and each may fail only so often.
    async fn check_slowly(
        &self,
        here: &Here,
        stored: Stored,
        claim: Claim,
        unfiltered: bool,
    ) -> Result<Verdict, Error> {
        let failures = LimitRule::new(Limit::new("failures", FAILURES), 1);
        let budget = unfiltered.then(|| here.limiter.budget(&claim.lookup, &failures, &self.clock));
        let now = self.clock.monotonic_micros();
        if budget.as_ref().is_some_and(|it| it.take(1, now).is_none()) {
            let reason = "too many wrong secrets were tried for a key whose check is slow";
            return Err(Error::unavailable(UnavailableCause::Busy, reason, "try again in a minute"));
        }
        let proof = claim.digest(&self.store.info().filter_key);
        let (hasher, permits) = (Arc::clone(&self.hasher), here.permits.clone());
        let check = move || permits.within(Hasher::memory(&stored), || hasher.check(&stored, &claim));
        let checked = here.flights.join(proof, &self.slow, check).await;
        if let Some(budget) = budget.filter(|_| checked != Ok(Verdict::Mismatch)) {
            budget.refund(1, now, || self.clock.monotonic_micros());
        }
        checked
    }

    /// See [`Keywright::charge_attestations`](crate::Keywright::charge_attestations).
    pub(crate) fn charge_attestations(&self, key_id: &str, count: u64) -> Result<(), u64> {
        let rule = LimitRule::new(Limit::new("attestations", ATTESTATIONS), 1);
        // No id of a key or an org holds a space, so that no configured limit shares the budget.
        let budget = self.hot.here().limiter.budget(&format!("attestations {key_id}"), &rule, &self.clock);
        let now = self.clock.monotonic_micros();
        let wait = || rule.params.wait_seconds(budget.backlog(now), count).unwrap_or(u64::MAX);
        budget.take(count, now).map(|_| ()).ok_or_else(wait)
    }

    /// What a key is charged by, in the order in which it is charged. `None` for a tier that is not configured.
    fn charges(&self, here: &Here, key: &KeyRow) -> Option<Box<[AnyKeyLimit]>> {
        let rules = self.rules.of(key.tier.as_deref(), &key.limits).ok()?;
        let budget = |rule: &LimitRule| match rule.limit.per {
            Per::Key => Some(here.limiter.budget(&key.id, rule, &self.clock)),
            Per::Org => Some(here.limiter.budget(&key.org, rule, &self.clock)),
            Per::Agent => None,
        };
        Some(rules.into_iter().map(|rule| KeyLimit { budget: budget(&rule), rule }).collect())
    }

    fn judged(&self, here: &Here, state: Arc<State>, context: RequestContext<'_>, about: Millis) -> Judged {
        let now = self.clock.now_near(about, state.turns_at());
        let grace_over = state.is_former() && here.is_grace_over(&state, now);
        Judged { verdict: state.judge(context, grace_over, now), now, state }
    }

    async fn draw(
        &self,
        here: &Here,
        judged: &Judged,
        context: RequestContext<'_>,
    ) -> Result<ChargeOutcome, Box<Denial>> {
        let (charges, request) = (judged.owed()?, context.charge(&*judged.state, judged.now));
        let drawn = here.limiter.charge(charges, judged.state.org(), &request, &self.clock).await;
        drawn.map_err(|it| Denial::from_error(&it).into())
    }

    /// Counts what was decided, and says it.
    fn told(
        &self,
        here: &Here,
        judged: Judged,
        drawn: Result<ChargeOutcome, Box<Denial>>,
        context: RequestContext<'_>,
    ) -> Decision {
        let Judged { state, now, verdict } = judged;
        let (drawn, charged) = match drawn {
            Ok(drawn) => {
                let charged = check_limits(&drawn, &context.charge(&*state, now), &*state);
                (drawn, charged)
            }
            Err(denial) => (ChargeOutcome::default(), Err(denial)),
        };
        let verdict = verdict.and(charged);
        if let Some(usage) = &here.usage
            && match &verdict {
                Ok(()) => context.prior(&*state, now).is_none(),
                Err(denial) => denial.misuse().is_none(),
            }
        {
            let denied = verdict.as_ref().err().map(|it| it.code);
            usage.count(&state, denied, context.agent, now);
        }
        let (proved, agent) = (state.proved(now, drawn), context.agent.cloned());
        match verdict {
            Ok(()) => Decision::Allowed(Allowed::new(proved, agent)),
            Err(denial) => refusal(denial.of(proved, agent).into()),
        }
    }
}

/// A key with such a tier would go unlimited.
fn unknown_tier() -> Error {
    Error::unavailable(UnavailableCause::Tier, "the key has a tier that this engine was not given", "name it in tiers")
}

fn refusal(denial: Box<Denial>) -> Decision {
    Decision::Denied(denial)
}

fn invalid() -> Box<Denial> {
    Denial::invalid().into()
}

/// Whether a row is what the text speaks of: another tenant's, or one whose text had another format or
/// environment, is as unknown as none.
fn belongs(found: &LookupResult, tenant: &Tenant, format: &Format, shape: &Shape<'_>) -> bool {
    tenant.sees(&found.view.key.org)
        && found.secret.format == format.template()
        && (!format.has_environment() || shape.environment == found.view.key.environment)
}

fn unusable() -> Box<Denial> {
    Denial::new(Code::Unavailable, UNAVAILABLE).into()
}
