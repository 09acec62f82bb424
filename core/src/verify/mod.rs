//! The verification path: from a text to a decision.

mod flight;
mod rehash;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::Clock;
use crate::decision::{Allowed, Code, Decision, Denial, Facts, Request, UNAVAILABLE, judge};
use crate::error::Error;
use crate::hash::{Claim, Hasher, Stored, Verdict};
use crate::key::{Format, Formats, Shape};
use crate::scope::Catalogue;
use crate::store::{AnyStore, Found, Store, Tenant};
use crate::worker::Workers;
use crate::{clock, input};

pub(crate) use self::flight::Flights;
pub(crate) use self::rehash::{Rehash, filter};

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

/// What a verification needs of an engine.
pub(crate) struct Verifier {
    pub(crate) formats: Arc<Formats>,
    pub(crate) accepted: Vec<String>,
    pub(crate) catalogue: Option<Catalogue>,
    pub(crate) hasher: Arc<Hasher>,
    pub(crate) clock: Clock,
    pub(crate) store: Arc<AnyStore>,
    pub(crate) slow: Workers,
    pub(crate) flights: Flights,
    pub(crate) rehash: Rehash,
    pub(crate) closed: AtomicBool,
}

impl Verifier {
    pub(crate) async fn verify(&self, tenant: &Tenant, presented: Presented<'_>, request: &Request) -> Decision {
        match self.decide(tenant, presented, request).await {
            Ok(allowed) => Decision::Allowed(Box::new(allowed)),
            Err(denial) => Decision::Denied(denial),
        }
    }

    async fn decide(
        &self,
        tenant: &Tenant,
        presented: Presented<'_>,
        request: &Request,
    ) -> Result<Allowed, Box<Denial>> {
        self.admit(request).map_err(Denial::misused)?;
        let Some(text) = presented.0 else {
            return Err(Denial::new(Code::Missing, "An API key is required").into());
        };
        let (format, shape) = self.formats.read(text).ok_or_else(Denial::invalid)?;
        let now = self.clock.now();
        let found = self.store.find(shape.lookup, now).await.map_err(|it| Denial::failed(&it))?;
        let found = found.filter(|it| belongs(it, tenant, format, &shape)).ok_or_else(Denial::invalid)?;
        self.prove(&found, &shape).await?;
        self.weigh(found, request)
    }

    /// Refuses what the host cannot have meant, before anything is read.
    fn admit(&self, request: &Request) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        if let Some(flaw) = request.flaw() {
            return Err(flaw.clone());
        }
        if let Some(catalogue) = &self.catalogue {
            catalogue.admit(&request.scopes)?;
        }
        match &request.environment {
            Some(it) if !self.accepted.contains(it) => Err(Error::wrong(
                "environment",
                "is none that this engine accepts",
                input::meant(
                    it,
                    self.accepted.iter().map(String::as_str),
                    format!("use one of {}", self.accepted.join(", ")),
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Compares the secret with the stored verifier; a slow one only behind its filter, on threads of its own.
    async fn prove(&self, found: &Found, shape: &Shape<'_>) -> Result<(), Box<Denial>> {
        let stored = Stored::parse(&found.secret.verifier).ok_or_else(unusable)?;
        let claim = Claim {
            environment: found.view.key.environment.clone(),
            key_id: found.view.key.id.clone(),
            lookup: shape.lookup.to_owned(),
            secret: zeroize::Zeroizing::new(shape.secret.to_owned()),
        };
        if let Some(filter) = &found.secret.filter
            && !constant_time_eq::constant_time_eq(&claim.filter(&self.store.birth().filter_key), filter)
        {
            return Err(Denial::invalid().into());
        }
        let verdict = if Hasher::is_slow(&stored) {
            let (hasher, stored, claim) = (Arc::clone(&self.hasher), stored.clone(), claim.clone());
            let proof = claim.digest(&self.store.birth().filter_key);
            let check = move || hasher.check(&stored, &claim);
            self.flights.join(proof, &self.slow, check).await.map_err(|it| Denial::failed(&it))?
        } else {
            self.hasher.check(&stored, &claim)
        };
        match verdict {
            Verdict::Match => {}
            Verdict::Mismatch => return Err(Denial::invalid().into()),
            Verdict::Unusable => return Err(unusable()),
        }
        if self.hasher.is_retired(&stored) {
            self.rehash.offer(&self.slow, &self.hasher, &self.store, claim, &found.secret.verifier);
        }
        Ok(())
    }

    /// Judges a proved secret.
    fn weigh(&self, found: Found, request: &Request) -> Result<Allowed, Box<Denial>> {
        // Asked anew: a slow hash may have outlasted an expiry.
        let now = self.clock.now();
        let Found { secret, view, org_disabled, org_networks } = found;
        let facts = Facts {
            environment: &view.key.environment,
            life: view.key.life,
            grace_over: secret.term.is_over(now),
            org_disabled,
            networks: [view.key.networks.as_deref(), org_networks.as_deref()],
            level: view.key.level,
            scopes: &view.key.scopes,
        };
        let judged = judge(&facts, &self.accepted, request, now);
        let grace_ends_at = secret.term.grace_ends_at.filter(|_| !secret.term.is_over(now)).map(clock::time);
        let key = view.show(self.store.birth().integer_ids, now);
        match judged {
            Ok(()) => Ok(Allowed { key, grace_ends_at, limits: Vec::new(), agent: None }),
            Err(denial) => Err(denial.of(key, grace_ends_at).into()),
        }
    }
}

/// Whether a row is what the text speaks of: another tenant's, or one whose text had another format or
/// environment, is as unknown as none.
fn belongs(found: &Found, tenant: &Tenant, format: &Format, shape: &Shape<'_>) -> bool {
    tenant.sees(&found.view.key.org)
        && found.secret.format == format.template()
        && (!format.has_environment() || shape.environment == found.view.key.environment)
}

fn unusable() -> Box<Denial> {
    Denial::new(Code::Unavailable, UNAVAILABLE).into()
}
