//! The verification path: from a text to a decision.

mod cache;
#[cfg(test)]
mod cache_orders;
mod cached_key;
mod coalesce;
mod imported;
mod imported_formats;
mod memory_budget;
mod presented;
mod process;
pub(crate) mod quotas;
mod upgrade;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use self::cache::Generation;
use self::cached_key::{CachedKey, LimitsAndQuotas};
use self::process::ProcessState;
use crate::clock::{Clock, Millis};
use crate::decision::{
    Allowed, Code, Decision, Denial, Request, RequestContext, UNAVAILABLE, check_limits, check_quotas,
};
use crate::error::{Error, UnavailableCause};
use crate::hash::{BoundSecret, Hasher, SecretCheck, StoredVerifier};
use crate::key::{Format, Formats, KeyParts, MatchedText};
use crate::limit::{Charge, ChargeOutcome, HeldOutcome, KeyLimit, LimitRule, LimitRules};
use crate::record::Limit;
use crate::scope::Catalogue;
use crate::store::{AnyStore, KeyRow, LookupResult, Store, Tenant};
use crate::usage::Metered;
use crate::verify::quotas::{KeyQuota, Quotas};
use crate::wait::{at_once, join};
use crate::worker::Workers;

pub use self::presented::Presented;
#[cfg(feature = "webhooks")]
pub(crate) use self::process::DeliveriesFactory;
pub(crate) use self::process::{EventsFactory, ProcessThreads, Runtime};

/// Wrong secrets a minute for a lookup whose check is slow and has no filter.
const FAILURES: u64 = 5;

/// Attestations a minute for one key in one process.
const ATTESTATIONS: u64 = 60;

/// The parts of an engine that verify.
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
    pub(crate) runtime: Runtime,
}

/// A verified key, judged by everything but its limits.
struct Judgement {
    key: Arc<CachedKey>,
    now: Millis,
    verdict: Result<(), Box<Denial>>,
}

/// A secret as a request presents it, and the lookup that found its row.
struct SecretOf<'a> {
    lookup: &'a str,
    secret: &'a str,
    /// The whole text, of a key that another product has issued.
    text: Option<Zeroizing<String>>,
}

impl Judgement {
    /// The limits to charge. They come last: a request that is refused for another reason charges none.
    fn charges_due(&self) -> Result<&[KeyLimit], Box<Denial>> {
        match (&self.verdict, self.key.limits()) {
            (Err(_), _) => Ok(&[]),
            (Ok(()), Some(limits)) => Ok(limits),
            (Ok(()), None) => Err(Denial::from_error(&unknown_tier()).into()),
        }
    }

    /// The quotas to charge, after all limits.
    fn quotas_due(&self) -> &[KeyQuota] {
        if self.verdict.is_ok() { self.key.quotas() } else { &[] }
    }

    /// The index of the first quota: limits come first.
    fn first_quota(&self) -> u32 {
        self.key.limits().map_or(0, |limits| u32::try_from(limits.len()).unwrap_or(u32::MAX))
    }
}

impl Verifier {
    /// Answers from memory alone, on the caller's thread; `None` if only the store can tell.
    pub(crate) fn try_verify(
        &self,
        tenant: &Tenant,
        presented: Presented<'_>,
        context: RequestContext<'_>,
    ) -> Option<Decision> {
        if let Err(error) = self.check_request(context.required) {
            return Some(denied(Denial::from_misuse(error).into()));
        }
        let Some(text) = presented.0 else {
            return Some(denied(Denial::new(Code::Missing, "An API key is required").into()));
        };
        let Some(matched) = self.formats.match_start(text) else {
            return self.try_verify_imported(tenant, text, context);
        };
        let process = self.runtime.process();
        let coarse_now = self.clock.coarse_now();
        if self.is_fresh(process, coarse_now)
            && let Some(judgement) = self.judge_cached(process, tenant, matched, context, coarse_now)
        {
            return self.try_decide(process, judgement, context);
        }
        // The store has no row of our own for a malformed text.
        if self.formats.read(text).is_none() { self.try_verify_imported(tenant, text, context) } else { None }
    }

    /// Charges and counts a judgement without leaving this thread; `None` if only a shared place or the store can tell.
    #[inline(always)]
    fn try_decide(
        &self,
        process: &ProcessState,
        judgement: Judgement,
        context: RequestContext<'_>,
    ) -> Option<Decision> {
        let charged = match (judgement.charges_due(), judgement.quotas_due()) {
            (Ok([]), []) => Ok(ChargeOutcome::default()),
            _ => self.try_charge(process, &judgement, context)?,
        };
        Some(self.record(process, judgement, charged, context))
    }

    /// Whether the cache has every change of every process.
    fn is_fresh(&self, process: &ProcessState, coarse_now: Millis) -> bool {
        self.store.freshness(coarse_now).is_some_and(|freshness| process.cache.is_fresh(freshness))
    }

    /// Makes this check many times, for benchmarks of the check alone.
    #[cfg(feature = "testing")]
    pub(crate) fn ask_freshness(&self, times: usize) -> bool {
        let (process, coarse_now) = (self.runtime.process(), self.clock.coarse_now());
        (0..times).filter(|_| self.is_fresh(process, std::hint::black_box(coarse_now))).count() == times
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
        let process = self.runtime.process();
        let judgement = match self.load(process, tenant, presented, context).await {
            Ok(judgement) => judgement,
            Err(denial) => return denied(denial),
        };
        let charged = self.charge(process, &judgement, context).await;
        self.record(process, judgement, charged, context)
    }

    /// Decides without an effect: it counts nothing, charges no limit, and looks at quotas alone.
    pub(crate) async fn dry_run(
        &self,
        tenant: &Tenant,
        presented: Presented<'_>,
        context: RequestContext<'_>,
    ) -> Decision {
        if let Err(error) = self.check_request(context.required) {
            return denied(Denial::from_misuse(error).into());
        }
        match self.load(self.runtime.process(), tenant, presented, context).await {
            Err(denial) => denied(denial),
            Ok(judgement) => self.decide_dry(judgement, context).await,
        }
    }

    async fn decide_dry(&self, mut judgement: Judgement, context: RequestContext<'_>) -> Decision {
        let mut charged = ChargeOutcome::default();
        let quotas = judgement.quotas_due();
        if !quotas.is_empty() {
            let charge = context.charge(&*judgement.key, judgement.now);
            let process = self.runtime.process();
            let first = judgement.first_quota();
            if let Err(error) = Quotas::admit_cost(quotas, first, &charge) {
                return denied(Denial::from_misuse(error).into());
            }
            let verdict = match process.quotas.dry_run(quotas, first, &charge).await {
                Ok(outcome) => {
                    let verdict = check_quotas(&outcome, &charge, &*judgement.key, judgement.now);
                    charged.quotas = Some(outcome.into());
                    verdict
                }
                Err(error) => Err(Denial::from_error(&error).into()),
            };
            judgement.verdict = judgement.verdict.and(verdict);
        }
        decide(judgement, charged, context)
    }

    /// Judges by the cached key of the text, if there is one.
    fn judge_cached(
        &self,
        process: &ProcessState,
        tenant: &Tenant,
        matched: MatchedText<'_>,
        context: RequestContext<'_>,
        coarse_now: Millis,
    ) -> Option<Judgement> {
        let key = process.cache.key(matched)?;
        // Leaves another tenant's key to the store, which does not find it either.
        let judgement = key.is_of(tenant).then(|| self.judge(process, key, context, coarse_now))?;
        (!judgement.key.is_ahead(judgement.now)).then_some(judgement)
    }

    /// Reads the key from the store, verifies the secret and judges.
    async fn load(
        &self,
        process: &ProcessState,
        tenant: &Tenant,
        presented: Presented<'_>,
        context: RequestContext<'_>,
    ) -> Result<Judgement, Box<Denial>> {
        let text = presented.0.ok_or_else(invalid)?;
        let read = |text| Some((self.formats.match_start(text)?, self.formats.read(text)?));
        let Some((matched, (format, parts))) = read(text) else {
            return self.load_imported(process, tenant, text, context).await;
        };
        let now = self.clock.now();
        let failed = |error: Error| Box::new(Denial::from_error(&error));
        let catch_up = process.cache.catch_up(&self.store, now);
        let find = async { (process.cache.generation(), self.store.find(parts.lookup, now).await) };
        let (generation, found) = if process.cache.key(matched).is_some() {
            catch_up.await.map_err(failed)?;
            if let Some(judgement) = self.judge_cached(process, tenant, matched, context, self.clock.coarse_now()) {
                return Ok(judgement);
            }
            find.await
        } else {
            // A store on another machine answers both questions in one round trip.
            let (caught_up, found) = join(catch_up, find).await;
            caught_up.map_err(failed)?;
            found
        };
        let found = found.map_err(failed)?;
        let found = found.filter(|found| belongs(found, tenant, format, &parts)).ok_or_else(invalid)?;
        let presented = SecretOf { lookup: parts.lookup, secret: parts.secret, text: None };
        let key = self.admit(process, found, presented, matched, generation, now).await?;
        Ok(self.judge(process, key, context, self.clock.coarse_now()))
    }

    /// Verifies the secret of a key that was read from the store, and caches both.
    async fn admit(
        &self,
        process: &ProcessState,
        mut found: LookupResult,
        presented: SecretOf<'_>,
        matched: MatchedText<'_>,
        generation: Generation,
        now: Millis,
    ) -> Result<Arc<CachedKey>, Box<Denial>> {
        let is_known = process.cache.is_verified(matched, &found.secret.verifier);
        self.check_secret(process, &found, presented, is_known).await?;
        let budgets = self.budgets_of(process, &found.view.key);
        let integer_ids = self.store.info().integer_ids;
        let verifier = std::mem::take(&mut found.secret.verifier);
        let key = CachedKey::new(found, &self.accepted, budgets, integer_ids, now);
        let key = Arc::new(key.after(process.cache.last_read(matched).as_deref()));
        process.cache.insert(matched, &verifier, (generation, Arc::clone(&key)));
        Ok(key)
    }

    /// Learns at once of the formats of keys that this process has imported. If the store does not answer, a later
    /// verification learns of them.
    pub(crate) async fn learn_imported_formats(&self) {
        let _ = self.runtime.process().cache.catch_up(&self.store, self.clock.now()).await;
    }

    /// Refuses a request that is a mistake of the host, before anything is read.
    pub(crate) fn check_request(&self, request: &Request) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        if request.is_validated_by(self.runtime.engine) {
            return Ok(());
        }
        request.check(self.catalogue.as_ref(), &self.rules, &self.accepted)?;
        self.formats.refuse_api_key("agent", request.agent.as_deref())?;
        request.mark_validated_by(self.runtime.engine);
        Ok(())
    }

    /// Compares the secret with the stored verifier, unless the cache has done so before. A slow verifier runs behind its
    /// filter, on threads of its own.
    async fn check_secret(
        &self,
        process: &ProcessState,
        found: &LookupResult,
        presented: SecretOf<'_>,
        is_known: bool,
    ) -> Result<(), Box<Denial>> {
        let stored = StoredVerifier::parse(&found.secret.verifier).ok_or_else(unusable)?;
        let secret = BoundSecret {
            environment: found.view.key.environment.clone(),
            key_id: found.view.key.id.clone(),
            lookup: presented.lookup.to_owned(),
            secret: Zeroizing::new(presented.secret.to_owned()),
            text: presented.text,
        };
        if let Some(filter) = found.secret.filter.as_deref().filter(|_| !is_known) {
            let expected = secret.filter(&self.store.info().filter_key);
            if filter.len() != expected.len() {
                return Err(unusable());
            }
            if !constant_time_eq::constant_time_eq(&expected, filter) {
                return Err(invalid());
            }
        }
        let check = if is_known {
            SecretCheck::Match
        } else if Hasher::is_slow(&stored) {
            let is_unfiltered = found.secret.filter.is_none();
            let checked = self.check_slowly(process, stored.clone(), secret.clone(), is_unfiltered).await;
            checked.map_err(|error| Denial::from_error(&error))?
        } else {
            self.hasher.check(&stored, &secret)
        };
        match check {
            SecretCheck::Match => {}
            SecretCheck::Mismatch => return Err(invalid()),
            SecretCheck::Unusable => return Err(unusable()),
        }
        if self.hasher.is_retired(&stored, &secret) {
            let verifier = &found.secret.verifier;
            process.upgrades.start(&self.slow, &process.hash_memory, &self.hasher, &self.store, secret, verifier);
        }
        Ok(())
    }

    /// Runs one hash for all callers with the same secret, within the memory for slow hashes. Without a filter anybody can
    /// start one, so that each lookup has a budget for failures.
    async fn check_slowly(
        &self,
        process: &ProcessState,
        stored: StoredVerifier,
        secret: BoundSecret,
        is_unfiltered: bool,
    ) -> Result<SecretCheck, Error> {
        let failures = LimitRule::new(Limit::new("failures", FAILURES));
        let budget = is_unfiltered.then(|| process.limiter.local().budget(&secret.lookup, &failures, &self.clock));
        let now = self.clock.monotonic_micros();
        if budget.as_ref().is_some_and(|budget| budget.take(1, now).is_none()) {
            let reason = "too many wrong secrets were tried for a key whose check is slow";
            return Err(Error::unavailable(UnavailableCause::Busy, reason, "try again in a minute"));
        }
        let digest = secret.digest(&self.store.info().filter_key);
        let (hasher, memory) = (Arc::clone(&self.hasher), process.hash_memory.clone());
        let check = move || memory.within(Hasher::memory(&stored), || hasher.check(&stored, &secret));
        let checked = process.checks.run(digest, &self.slow, check).await;
        if let Some(budget) = budget.filter(|_| checked != Ok(SecretCheck::Mismatch)) {
            budget.refund(1, now, || self.clock.monotonic_micros());
        }
        checked
    }

    /// See [`Keywright::charge_attestations`](crate::Keywright::charge_attestations).
    pub(crate) fn charge_attestations(&self, key_id: &str, count: u64) -> Result<(), u64> {
        let rule = LimitRule::new(Limit::new("attestations", ATTESTATIONS));
        // The ids of keys and orgs have no space, so that no configured limit shares this budget.
        let budget =
            self.runtime.process().limiter.local().budget(&format!("attestations {key_id}"), &rule, &self.clock);
        let now = self.clock.monotonic_micros();
        let wait = || rule.params.wait_seconds(budget.backlog(now), count).unwrap_or(u64::MAX);
        budget.take(count, now).map(|_| ()).ok_or_else(wait)
    }

    /// The limits and quotas of a key, in the order in which they are charged. `None` for a tier that is not configured.
    fn budgets_of(&self, process: &ProcessState, key: &KeyRow) -> Option<LimitsAndQuotas> {
        let rules = self.rules.of(key.tier.as_deref(), &key.limits, &key.quotas).ok()?;
        let limit = |rule| process.limiter.key_limit(rule, &key.id, &key.org, &self.clock);
        let quota = |rule| process.quotas.key_quota(rule, &key.id, &key.org);
        Some(LimitsAndQuotas {
            limits: rules.limits.into_iter().map(limit).collect(),
            quotas: rules.quotas.into_iter().map(quota).collect(),
        })
    }

    fn judge(
        &self,
        process: &ProcessState,
        key: Arc<CachedKey>,
        context: RequestContext<'_>,
        coarse_now: Millis,
    ) -> Judgement {
        let now = self.clock.now_near(coarse_now, key.changes_at());
        let grace_over = key.is_former() && process.is_grace_over(&key, now);
        Judgement { verdict: key.judge(context, grace_over, now), now, key }
    }

    /// Charges limits and quotas without leaving this thread. `None` if only a shared place or the store can tell.
    fn try_charge(
        &self,
        process: &ProcessState,
        judgement: &Judgement,
        context: RequestContext<'_>,
    ) -> Option<Result<ChargeOutcome, Box<Denial>>> {
        let Judgement { key, now, .. } = judgement;
        let limits = match judgement.charges_due() {
            Ok(limits) => limits,
            Err(denial) => return Some(Err(denial)),
        };
        let (charge, quotas) = (context.charge(&**key, *now), judgement.quotas_due());
        if let Err(error) = Quotas::admit_cost(quotas, judgement.first_quota(), &charge) {
            return Some(Err(Denial::from_misuse(error).into()));
        }
        if !quotas.is_empty() && !process.quotas.is_known(quotas, judgement.first_quota(), &charge) {
            return None;
        }
        match process.limiter.try_charge(limits, key.org(), &charge, &self.clock)? {
            Ok(charged) => at_once(charge_quotas(process, judgement, &charge, charged)),
            Err(error) => Some(Err(Denial::from_error(&error).into())),
        }
    }

    async fn charge(
        &self,
        process: &ProcessState,
        judgement: &Judgement,
        context: RequestContext<'_>,
    ) -> Result<ChargeOutcome, Box<Denial>> {
        let Judgement { key, now, .. } = judgement;
        let (limits, charge) = (judgement.charges_due()?, context.charge(&**key, *now));
        Quotas::admit_cost(judgement.quotas_due(), judgement.first_quota(), &charge).map_err(Denial::from_misuse)?;
        let charged = process.limiter.charge(limits, key.org(), &charge, &self.clock).await;
        let charged = charged.map_err(|error| Denial::from_error(&error))?;
        charge_quotas(process, judgement, &charge, charged).await
    }

    /// Counts the decision, and returns it.
    fn record(
        &self,
        process: &ProcessState,
        judgement: Judgement,
        charged: Result<ChargeOutcome, Box<Denial>>,
        context: RequestContext<'_>,
    ) -> Decision {
        let Judgement { key, now, verdict } = judgement;
        let (charged, allowed) = match charged {
            Ok(charged) => {
                let charge = context.charge(&*key, now);
                let allowed = check_limits(&charged, &charge, &*key).and_then(|()| {
                    let quotas = charged.quotas.as_deref();
                    quotas.map_or(Ok(()), |quotas| check_quotas(quotas, &charge, &*key, now))
                });
                (charged, allowed)
            }
            Err(denial) => (ChargeOutcome::default(), Err(denial)),
        };
        let verdict = verdict.and(allowed);
        if let Some(usage) = &process.usage
            && match &verdict {
                Ok(()) => context.prior(&*key, now).is_none(),
                Err(denial) => denial.misuse().is_none(),
            }
        {
            let denied = verdict.as_ref().err().map(|denial| denial.code);
            usage.count(&key, denied, context.agent, now);
        }
        decide(Judgement { key, now, verdict }, charged, context)
    }
}

/// Charges the quotas of a request that its limits allow. Unless all of them allow it, the limits get back what it has taken:
/// also after an error, or if its caller goes away.
async fn charge_quotas(
    process: &ProcessState,
    judgement: &Judgement,
    charge: &Charge<'_>,
    (mut charged, held): HeldOutcome<'_>,
) -> Result<ChargeOutcome, Box<Denial>> {
    let (Some(held), quotas) = (held, judgement.quotas_due()) else { return Ok(charged) };
    if quotas.is_empty() {
        held.spend();
        return Ok(charged);
    }
    let outcome = process.quotas.charge(quotas, judgement.first_quota(), charge).await;
    let outcome = outcome.map_err(|error| Denial::from_error(&error))?;
    if outcome.refused {
        charged = held.put_back();
    } else {
        held.spend();
    }
    charged.quotas = Some(outcome.into());
    Ok(charged)
}

fn decide(judgement: Judgement, charged: ChargeOutcome, context: RequestContext<'_>) -> Decision {
    let Judgement { key, now, verdict } = judgement;
    let (verified, agent) = (key.verified(now, charged), context.agent.cloned());
    match verdict {
        Ok(()) => Decision::Allowed(Allowed::new(verified, agent)),
        Err(denial) => denied(denial.of(verified, agent).into()),
    }
}

/// The error for a key whose tier is not configured. Without it the key would pass unlimited.
fn unknown_tier() -> Error {
    Error::unavailable(UnavailableCause::Tier, "the key has a tier that this engine was not given", "name it in tiers")
}

fn denied(denial: Box<Denial>) -> Decision {
    Decision::Denied(denial)
}

fn invalid() -> Box<Denial> {
    Denial::invalid().into()
}

/// Whether the row is the one that the text names. A row of another tenant, or one whose text had another format or
/// environment, counts as unknown.
fn belongs(found: &LookupResult, tenant: &Tenant, format: &Format, parts: &KeyParts<'_>) -> bool {
    tenant.sees(&found.view.key.org)
        && found.secret.format == format.template()
        && (!format.has_environment() || parts.environment == found.view.key.environment)
}

fn unusable() -> Box<Denial> {
    Denial::new(Code::Unavailable, UNAVAILABLE).into()
}
