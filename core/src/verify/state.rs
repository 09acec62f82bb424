use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::IpNet;

use crate::clock::{LAG, Millis};
use crate::decision::{Ask, Denial, Facts, Proved, Source, judge};
use crate::lifecycle::Life;
use crate::limit::{AnyLimiter, Charge, Drawn, Limiter, Rule};
use crate::network;
use crate::record::{Key, Level};
use crate::store::{Found, KeyView, Tenant};
use crate::usage::Meter;

/// A key and one of its secrets as last read: what is judged lies open, the rest is packed until somebody asks for it.
pub(crate) struct State {
    /// The org, the environment and the scopes, in one text.
    words: Box<str>,
    org_ends: u16,
    environment_ends: u16,
    accepted: bool,
    level: Option<Level>,
    org_disabled: bool,
    disabled: bool,
    revoked: bool,
    expires_at: Option<Millis>,
    /// When the secret that proved the key is over.
    grace_ends_at: Option<Millis>,
    networks: Option<Box<Networks>>,
    integer_ids: bool,
    read_at: Millis,
    /// Even, so that the next number is free for the same reading without the former secret.
    reading: u64,
    /// Until when a former secret is listed.
    former_until: Millis,
    /// `None` when the key has a tier that the engine does not know.
    charges: Option<Box<[AnyCharge]>>,
    meter: Arc<Meter>,
    /// A [`KeyView`].
    view: Box<[u8]>,
}

struct Networks {
    own: Option<Box<[IpNet]>>,
    org: Option<Box<[IpNet]>>,
}

pub(crate) type AnyCharge = Charge<<AnyLimiter as Limiter>::Budget>;

impl State {
    pub(crate) fn new(
        found: &Found,
        accepted: &[String],
        charges: Option<Box<[AnyCharge]>>,
        integer_ids: bool,
        read_at: Millis,
    ) -> Self {
        let Found { secret, view, org_disabled, org_networks } = found;
        let KeyView { key, .. } = view;
        let words = [key.org.as_str(), &key.environment, &key.scopes.join(" ")].concat();
        let stored = |it: &Option<Vec<String>>| it.as_deref().map(network::stored);
        let networks = Networks { own: stored(&key.networks), org: stored(org_networks) };
        static READINGS: AtomicU64 = AtomicU64::new(2);
        let end = |it: usize| u16::try_from(it).unwrap_or(u16::MAX);
        Self {
            org_ends: end(key.org.len()),
            environment_ends: end(key.org.len() + key.environment.len()),
            words: words.into(),
            accepted: accepted.contains(&key.environment),
            level: key.level,
            org_disabled: *org_disabled,
            disabled: key.life.disabled_at.is_some(),
            revoked: key.life.revoked_at.is_some(),
            expires_at: key.life.expires_at,
            grace_ends_at: secret.term.grace_ends_at,
            networks: (networks.own.is_some() || networks.org.is_some()).then(|| Box::new(networks)),
            integer_ids,
            read_at,
            reading: READINGS.fetch_add(2, Ordering::Relaxed),
            former_until: view.secrets.iter().filter_map(|it| it.term.grace_ends_at).min().unwrap_or(Millis::MAX),
            charges,
            meter: Arc::new(Meter::new(&key.id, &secret.term.lookup)),
            view: postcard::to_allocvec(view).unwrap_or_default().into(),
        }
    }

    fn words(&self, from: u16, to: usize) -> &str {
        self.words.get(usize::from(from)..to).unwrap_or_default()
    }

    pub(crate) fn org(&self) -> &str {
        self.words(0, self.org_ends.into())
    }

    pub(crate) fn is_of(&self, tenant: &Tenant) -> bool {
        tenant.sees(self.org())
    }

    /// Whether it was read at a time that, by a step of the clock, is still to come: what was over then was left out.
    pub(crate) fn is_ahead(&self, now: Millis) -> bool {
        now.saturating_add(LAG) < self.read_at
    }

    /// The first instant at which the verdict may change by itself.
    pub(crate) fn turns_at(&self) -> Millis {
        let never = Millis::MAX;
        self.expires_at.unwrap_or(never).min(self.grace_ends_at.unwrap_or(never))
    }

    /// Judges the proved secret.
    pub(crate) fn judge(&self, ask: Ask<'_>, now: Millis) -> Result<(), Box<Denial>> {
        let facts = Facts {
            environment: self.words(self.org_ends, self.environment_ends.into()),
            accepted: self.accepted,
            life: Life {
                expires_at: self.expires_at,
                disabled_at: self.disabled.then_some(0),
                revoked_at: self.revoked.then_some(0),
            },
            grace_over: self.grace_ends_at.is_some_and(|it| now >= it),
            org_disabled: self.org_disabled,
            networks: match &self.networks {
                Some(it) => [it.own.as_deref(), it.org.as_deref()],
                None => [None, None],
            },
            level: self.level,
            scopes: self.words(self.environment_ends, self.words.len()),
        };
        judge(&facts, ask, now)
    }

    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    pub(crate) fn charges(&self) -> Option<&[AnyCharge]> {
        self.charges.as_deref()
    }

    pub(crate) fn proved(self: Arc<Self>, now: Millis, drawn: Drawn) -> Proved {
        let grace_ends_at = self.grace_ends_at.filter(|it| now < *it);
        Proved::new(self, now, grace_ends_at, drawn)
    }
}

impl Source for State {
    fn key(&self, now: Millis) -> Key {
        // What was packed here is read here: it cannot be damaged.
        postcard::from_bytes::<KeyView>(&self.view).unwrap_or_default().show(self.integer_ids, now)
    }

    fn reading(&self, now: Millis) -> u64 {
        self.reading + u64::from(now >= self.former_until)
    }

    fn rule(&self, place: u32) -> Option<&Rule> {
        Some(&self.charges()?.get(usize::try_from(place).ok()?)?.rule)
    }
}
