use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::IpNet;

use crate::clock::{COARSE_LAG, Millis};
use crate::decision::{Denial, KeyFacts, KeySnapshot, RequestContext, VerifiedKey, judge};
use crate::lifecycle::Life;
use crate::limit::{AnyKeyLimit, ChargeOutcome, LimitRule};
use crate::network;
use crate::record::{Key, Level};
use crate::store::{KeyView, LookupResult, Tenant};
use crate::usage::{Meter, Metered};

/// A key and one of its secrets as last read: what is judged lies open, the rest is packed until somebody asks for it.
pub(crate) struct State {
    /// The id, the lookup of the secret that proved the key, the org, the environment and the scopes, in one text.
    words: Box<str>,
    ends: Ends,
    accepted: bool,
    level: Option<Level>,
    org_disabled: bool,
    disabled: bool,
    revoked: bool,
    integer_ids: bool,
    /// [`NEVER`] for no end.
    expires_at: Millis,
    /// When the secret that proved the key is over, [`NEVER`] for a current one.
    grace_ends_at: Millis,
    /// `None` where nothing but time and scopes bounds the key, as it is with most.
    bounds: Option<Box<Bounds>>,
    read_at: Millis,
    /// Even, so that the next number is free for the same reading without the former secret.
    reading: u64,
    /// Until when a former secret is listed, [`NEVER`] without one.
    former_until: Millis,
    meter: Meter,
    /// A [`KeyView`] without what stands in `words`.
    view: Box<[u8]>,
}

/// Where in the text of words each of them ends; the scopes stand last.
struct Ends {
    id: u16,
    lookup: u16,
    org: u16,
    environment: u16,
}

const NEVER: Millis = Millis::MAX;

struct Bounds {
    /// Those of the key and those of its org.
    networks: [Option<Box<[IpNet]>>; 2],
    /// `None` when the key has a tier that the engine does not know.
    limits: Option<Box<[AnyKeyLimit]>>,
}

impl State {
    pub(crate) fn new(
        found: LookupResult,
        accepted: &[String],
        limits: Option<Box<[AnyKeyLimit]>>,
        integer_ids: bool,
        read_at: Millis,
    ) -> Self {
        static READINGS: AtomicU64 = AtomicU64::new(2);
        let LookupResult { secret, mut view, org_disabled, org_networks } = found;
        let stored = |it: &Option<Vec<String>>| it.as_deref().map(network::stored);
        let bounds = Bounds { networks: [stored(&view.key.networks), stored(&org_networks)], limits };
        let bounded =
            bounds.networks.iter().any(Option::is_some) || bounds.limits.as_ref().is_none_or(|it| !it.is_empty());
        let accepted = accepted.contains(&view.key.environment);
        let (words, ends) = take_words(&mut view, secret.term.lookup);
        let KeyView { key, .. } = &view;
        Self {
            words,
            ends,
            accepted,
            level: key.level,
            org_disabled,
            disabled: key.life.disabled_at.is_some(),
            revoked: key.life.revoked_at.is_some(),
            integer_ids,
            expires_at: key.life.expires_at.unwrap_or(NEVER),
            grace_ends_at: secret.term.grace_ends_at.unwrap_or(NEVER),
            bounds: bounded.then(|| Box::new(bounds)),
            read_at,
            reading: READINGS.fetch_add(2, Ordering::Relaxed),
            former_until: view.secrets.iter().filter_map(|it| it.term.grace_ends_at).min().unwrap_or(NEVER),
            meter: Meter::default(),
            view: postcard::to_allocvec(&view).unwrap_or_default().into(),
        }
    }

    fn words(&self, from: u16, to: u16) -> &str {
        self.words.get(from.into()..to.into()).unwrap_or_default()
    }

    pub(crate) fn org(&self) -> &str {
        self.words(self.ends.lookup, self.ends.org)
    }

    fn environment(&self) -> &str {
        self.words(self.ends.org, self.ends.environment)
    }

    fn scopes(&self) -> &str {
        self.words.get(self.ends.environment.into()..).unwrap_or_default()
    }

    pub(crate) fn is_of(&self, tenant: &Tenant) -> bool {
        tenant.sees(self.org())
    }

    /// Whether it was read at a time that, by a step of the clock, is still to come: what was over then was left out.
    pub(crate) fn is_ahead(&self, now: Millis) -> bool {
        now.saturating_add(COARSE_LAG) < self.read_at
    }

    /// The first instant at which the verdict may change by itself.
    pub(crate) fn turns_at(&self) -> Millis {
        self.expires_at.min(self.grace_ends_at)
    }

    /// [`Millis::MAX`] for a current secret.
    pub(crate) fn grace_ends_at(&self) -> Millis {
        self.grace_ends_at
    }

    /// Judges the proved secret.
    pub(crate) fn judge(&self, context: RequestContext<'_>, grace_over: bool, now: Millis) -> Result<(), Box<Denial>> {
        let facts = KeyFacts {
            environment: self.environment(),
            accepted: self.accepted,
            life: Life {
                expires_at: Some(self.expires_at),
                disabled_at: self.disabled.then_some(0),
                revoked_at: self.revoked.then_some(0),
            },
            grace_over,
            org_disabled: self.org_disabled,
            networks: self.bounds.as_ref().map_or([None, None], |it| it.networks.each_ref().map(Option::as_deref)),
            level: self.level,
            scopes: self.scopes(),
        };
        judge(&facts, context, now)
    }

    pub(crate) fn limits(&self) -> Option<&[AnyKeyLimit]> {
        self.bounds.as_ref().map_or(Some(&[]), |it| it.limits.as_deref())
    }

    pub(crate) fn proved(self: Arc<Self>, now: Millis, charged: ChargeOutcome) -> VerifiedKey {
        let grace_ends_at = if now < self.grace_ends_at { self.grace_ends_at } else { NEVER };
        VerifiedKey::new(self, now, grace_ends_at, charged)
    }
}

/// Takes out of a view what is kept as words: a key is held once, and not twice.
fn take_words(view: &mut KeyView, lookup: String) -> (Box<str>, Ends) {
    let mut words = String::new();
    let mut add = |word: &str| {
        words.push_str(word);
        u16::try_from(words.len()).unwrap_or(u16::MAX)
    };
    let key = &mut view.key;
    let ends = Ends {
        id: add(&std::mem::take(&mut key.id)),
        lookup: add(&lookup),
        org: add(&std::mem::take(&mut key.org)),
        environment: add(&std::mem::take(&mut key.environment)),
    };
    add(&std::mem::take(&mut key.scopes).join(" "));
    let own = view.secrets.iter_mut().find(|it| it.term.lookup == lookup);
    if let Some(secret) = own.filter(|it| it.prefix.ends_with(&lookup)) {
        secret.prefix.truncate(secret.prefix.len() - lookup.len());
        secret.term.lookup.clear();
    }
    (words.into(), ends)
}

impl Metered for State {
    fn meter(&self) -> &Meter {
        &self.meter
    }

    fn key_id(&self) -> &str {
        self.words(0, self.ends.id)
    }

    fn lookup(&self) -> &str {
        self.words(self.ends.id, self.ends.lookup)
    }

    fn is_former(&self) -> bool {
        self.grace_ends_at != NEVER
    }
}

impl KeySnapshot for State {
    fn key(&self, now: Millis) -> Key {
        // What was packed here is read here: it cannot be damaged.
        let mut view: KeyView = postcard::from_bytes(&self.view).unwrap_or_default();
        let key = &mut view.key;
        (key.id, key.org) = (self.key_id().to_owned(), self.org().to_owned());
        key.environment = self.environment().to_owned();
        key.scopes = self.scopes().split_terminator(' ').map(str::to_owned).collect();
        if let Some(own) = view.secrets.iter_mut().find(|it| it.term.lookup.is_empty()) {
            own.term.lookup.push_str(self.lookup());
            own.prefix.push_str(self.lookup());
        }
        view.into_record(self.integer_ids, now)
    }

    fn reading(&self, now: Millis) -> u64 {
        self.reading + u64::from(now >= self.former_until)
    }

    fn used_lookup(&self) -> &str {
        self.lookup()
    }

    fn rule(&self, index: u32) -> Option<&LimitRule> {
        Some(&self.limits()?.get(usize::try_from(index).ok()?)?.rule)
    }
}
