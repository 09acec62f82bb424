//! A key in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::IpNet;

use crate::clock::{COARSE_LAG, Millis};
use crate::decision::{Denial, KeyFacts, KeySnapshot, RequestContext, VerifiedKey, judge};
use crate::lifecycle::Lifecycle;
use crate::limit::{ChargeOutcome, KeyLimit, LimitRule};
use crate::network;
use crate::record::{Key, Level, Quota};
use crate::store::{Counts, KeyView, LookupResult, Tenant};
use crate::usage::{Meter, Metered};
use crate::verify::quotas::KeyQuota;

/// A key and one of its secrets, as last read from the store. The fields that decide a request are directly readable. The
/// rest is serialized until somebody asks for it, because a cached key has to stay small.
pub(crate) struct CachedKey {
    /// The id, the lookup of the verified secret, the org, the environment and the scopes, in one text.
    texts: Box<str>,
    ends: TextEnds,
    accepted: bool,
    level: Option<Level>,
    org_disabled: bool,
    disabled: bool,
    revoked: bool,
    integer_ids: bool,
    /// [`NEVER`] for a key that does not expire.
    expires_at: Millis,
    /// The end of the grace of the verified secret, [`NEVER`] for the current secret.
    grace_ends_at: Millis,
    /// `None` for the usual key, which only time and scopes restrict.
    restrictions: Option<Box<KeyRestrictions>>,
    read_at: Millis,
    /// Even: the next number is for the same snapshot after the grace of the former secret.
    revision: u64,
    /// The time from which the record no longer lists a former secret, [`NEVER`] without one.
    former_until: Millis,
    meter: Meter,
    /// A serialized [`KeyView`] without the texts that are in `texts`.
    view: Box<[u8]>,
}

/// The end of each text in `texts`. The scopes come last.
#[derive(PartialEq)]
struct TextEnds {
    id: u16,
    lookup: u16,
    org: u16,
    environment: u16,
}

const NEVER: Millis = Millis::MAX;

struct KeyRestrictions {
    /// The networks of the key and those of its org.
    networks: [Option<Box<[IpNet]>>; 2],
    /// `None` if the engine does not know the key's tier.
    budgets: Option<LimitsAndQuotas>,
}

/// The limits and quotas of a key, with their budgets.
#[derive(Default)]
pub(crate) struct LimitsAndQuotas {
    pub(crate) limits: Box<[KeyLimit]>,
    pub(crate) quotas: Box<[KeyQuota]>,
}

impl CachedKey {
    pub(crate) fn new(
        found: LookupResult,
        accepted: &[String],
        budgets: Option<LimitsAndQuotas>,
        integer_ids: bool,
        read_at: Millis,
    ) -> Self {
        static REVISIONS: AtomicU64 = AtomicU64::new(2);
        let LookupResult { secret, mut view, org_disabled, org_networks } = found;
        let networks = |texts: &Option<Vec<String>>| texts.as_deref().map(network::stored);
        let restrictions =
            KeyRestrictions { networks: [networks(&view.key.networks), networks(&org_networks)], budgets };
        let is_restricted = restrictions.networks.iter().any(Option::is_some)
            || restrictions.budgets.as_ref().is_none_or(|it| !it.limits.is_empty() || !it.quotas.is_empty());
        let accepted = accepted.contains(&view.key.environment);
        let (texts, ends) = take_texts(&mut view, secret.lifetime.lookup);
        let KeyView { key, .. } = &view;
        Self {
            texts,
            ends,
            accepted,
            level: key.level,
            org_disabled,
            disabled: key.life.disabled_at.is_some(),
            revoked: key.life.revoked_at.is_some(),
            integer_ids,
            expires_at: key.life.expires_at.unwrap_or(NEVER),
            grace_ends_at: secret.lifetime.grace_ends_at.unwrap_or(NEVER),
            restrictions: is_restricted.then(|| Box::new(restrictions)),
            read_at,
            revision: REVISIONS.fetch_add(2, Ordering::Relaxed),
            former_until: view.secrets.iter().filter_map(|it| it.lifetime.grace_ends_at).min().unwrap_or(NEVER),
            meter: Meter::default(),
            view: postcard::to_allocvec(&view).unwrap_or_default().into(),
        }
    }

    /// Keeps the revision of an earlier read if only counters have changed since.
    pub(crate) fn after(self, earlier: Option<&Self>) -> Self {
        match earlier.filter(|earlier| self.is_same_as(earlier)) {
            Some(earlier) => Self { revision: earlier.revision, ..self },
            None => self,
        }
    }

    fn is_same_as(&self, other: &Self) -> bool {
        let facts = |key: &Self| (key.org_disabled, key.expires_at, key.grace_ends_at, key.former_until, key.revoked);
        let rules = |key: &Self| Some(key.limits()?.iter().map(|limit| Arc::clone(&limit.rule)).collect::<Vec<_>>());
        let quotas = |key: &Self| key.quotas().iter().map(|quota| Arc::clone(&quota.rule)).collect::<Vec<_>>();
        (&self.texts, &self.ends, facts(self)) == (&other.texts, &other.ends, facts(other))
            && self.networks() == other.networks()
            && rules(self) == rules(other)
            && quotas(self) == quotas(other)
            && self.view_without_counters() == other.view_without_counters()
    }

    /// The stored view. These are bytes that `new` has written, so that they cannot be damaged.
    fn view(&self) -> KeyView {
        postcard::from_bytes(&self.view).unwrap_or_default()
    }

    fn view_without_counters(&self) -> KeyView {
        let mut view = KeyView { usage: Counts::default(), ..self.view() };
        view.secrets.iter_mut().for_each(|secret| secret.last_used_at = None);
        view
    }

    fn text(&self, from: u16, to: u16) -> &str {
        self.texts.get(from.into()..to.into()).unwrap_or_default()
    }

    pub(crate) fn org(&self) -> &str {
        self.text(self.ends.lookup, self.ends.org)
    }

    fn environment(&self) -> &str {
        self.text(self.ends.org, self.ends.environment)
    }

    fn scopes(&self) -> &str {
        self.texts.get(self.ends.environment.into()..).unwrap_or_default()
    }

    pub(crate) fn is_of(&self, tenant: &Tenant) -> bool {
        tenant.sees(self.org())
    }

    /// Whether the clock went back to before the time of the read. The read left out secrets whose grace was over then,
    /// which may be valid again now.
    pub(crate) fn is_ahead(&self, now: Millis) -> bool {
        now.saturating_add(COARSE_LAG) < self.read_at
    }

    /// The first time at which the verdict can change without a change of the key.
    pub(crate) fn changes_at(&self) -> Millis {
        self.expires_at.min(self.grace_ends_at)
    }

    /// Whether the key is revoked, or a rotation has replaced the secret.
    pub(crate) fn is_ended(&self) -> bool {
        self.revoked || self.grace_ends_at != NEVER
    }

    /// [`Millis::MAX`] for the current secret.
    pub(crate) fn grace_ends_at(&self) -> Millis {
        self.grace_ends_at
    }

    /// Judges the verified secret.
    pub(crate) fn judge(&self, context: RequestContext<'_>, grace_over: bool, now: Millis) -> Result<(), Box<Denial>> {
        let facts = KeyFacts {
            environment: self.environment(),
            accepted: self.accepted,
            life: Lifecycle {
                expires_at: Some(self.expires_at),
                disabled_at: self.disabled.then_some(0),
                revoked_at: self.revoked.then_some(0),
            },
            grace_over,
            org_disabled: self.org_disabled,
            networks: self.networks(),
            level: self.level,
            scopes: self.scopes(),
        };
        judge(&facts, context, now)
    }

    fn networks(&self) -> [Option<&[IpNet]>; 2] {
        match &self.restrictions {
            Some(restrictions) => restrictions.networks.each_ref().map(Option::as_deref),
            None => [None, None],
        }
    }

    /// `None` if the engine does not know the key's tier.
    pub(crate) fn limits(&self) -> Option<&[KeyLimit]> {
        self.restrictions.as_ref().map_or(Some(&[]), |it| it.budgets.as_ref().map(|budgets| &*budgets.limits))
    }

    pub(crate) fn quotas(&self) -> &[KeyQuota] {
        let budgets = self.restrictions.as_ref().and_then(|it| it.budgets.as_ref());
        budgets.map_or(&[], |budgets| &budgets.quotas)
    }

    pub(crate) fn verified(self: Arc<Self>, now: Millis, charged: ChargeOutcome) -> VerifiedKey {
        let grace_ends_at = if now < self.grace_ends_at { self.grace_ends_at } else { NEVER };
        VerifiedKey::new(self, now, grace_ends_at, charged)
    }
}

/// Moves the texts out of a view, so that memory holds each of them once.
fn take_texts(view: &mut KeyView, lookup: String) -> (Box<str>, TextEnds) {
    let mut texts = String::new();
    let mut add = |text: &str| {
        texts.push_str(text);
        u16::try_from(texts.len()).unwrap_or(u16::MAX)
    };
    let key = &mut view.key;
    let ends = TextEnds {
        id: add(&std::mem::take(&mut key.id)),
        lookup: add(&lookup),
        org: add(&std::mem::take(&mut key.org)),
        environment: add(&std::mem::take(&mut key.environment)),
    };
    add(&std::mem::take(&mut key.scopes).join(" "));
    let own = view.secrets.iter_mut().find(|it| it.lifetime.lookup == lookup);
    if let Some(secret) = own.filter(|it| it.prefix.ends_with(&lookup)) {
        secret.prefix.truncate(secret.prefix.len() - lookup.len());
        secret.lifetime.lookup.clear();
    }
    (texts.into(), ends)
}

impl Metered for CachedKey {
    fn meter(&self) -> &Meter {
        &self.meter
    }

    fn key_id(&self) -> &str {
        self.text(0, self.ends.id)
    }

    fn lookup(&self) -> &str {
        self.text(self.ends.id, self.ends.lookup)
    }

    fn is_former(&self) -> bool {
        self.grace_ends_at != NEVER
    }
}

impl KeySnapshot for CachedKey {
    fn key(&self, now: Millis) -> Key {
        let mut view = self.view();
        let key = &mut view.key;
        (key.id, key.org) = (self.key_id().to_owned(), self.org().to_owned());
        key.environment = self.environment().to_owned();
        key.scopes = self.scopes().split_terminator(' ').map(str::to_owned).collect();
        if let Some(own) = view.secrets.iter_mut().find(|it| it.lifetime.lookup.is_empty()) {
            own.lifetime.lookup.push_str(self.lookup());
            own.prefix.push_str(self.lookup());
        }
        view.into_record(self.integer_ids, now)
    }

    fn revision(&self, now: Millis) -> u64 {
        self.revision + u64::from(now >= self.former_until)
    }

    fn used_lookup(&self) -> &str {
        self.lookup()
    }

    fn rule(&self, index: u32) -> Option<&LimitRule> {
        Some(&self.limits()?.get(usize::try_from(index).ok()?)?.rule)
    }

    fn quota(&self, index: u32) -> Option<&Quota> {
        let index = usize::try_from(index).ok()?.checked_sub(self.limits()?.len())?;
        Some(&self.quotas().get(index)?.rule)
    }
}
