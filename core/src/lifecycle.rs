//! The states of a key as a pure machine: what may follow what, and when a secret is over.

use serde::{Deserialize, Serialize};

use crate::clock::{Millis, SECOND};
use crate::error::Error;
use crate::record::Status;

/// The times that decide a key's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Life {
    pub(crate) expires_at: Option<Millis>,
    pub(crate) disabled_at: Option<Millis>,
    pub(crate) revoked_at: Option<Millis>,
}

impl Life {
    /// An instant equal to an end is past it.
    pub(crate) fn status(&self, now: Millis) -> Status {
        if self.revoked_at.is_some() {
            Status::Revoked
        } else if self.expires_at.is_some_and(|it| now >= it) {
            Status::Expired
        } else if self.disabled_at.is_some() {
            Status::Disabled
        } else {
            Status::Active
        }
    }

    fn unless(&self, now: Millis, refused: &[Status], done: &str) -> Result<(), Error> {
        let status = self.status(now);
        if refused.contains(&status) {
            let fix = if status == Status::Disabled { "enable it first" } else { "create a new key" };
            return Err(Error::conflict("id", format!("the key is {} and cannot be {done}", status.as_str()), fix));
        }
        Ok(())
    }

    /// Whether fields may be changed.
    pub(crate) fn may_update(&self, now: Millis) -> Result<(), Error> {
        self.unless(now, &[Status::Revoked], "changed")
    }

    /// Whether agents may claim to use it.
    pub(crate) fn may_attest(&self, now: Millis) -> Result<(), Error> {
        self.unless(now, &[Status::Revoked, Status::Expired, Status::Disabled], "attested with")
    }

    /// The life with another expiry, which only a key that has not expired may get.
    pub(crate) fn expiring(self, at: Option<Millis>, now: Millis) -> Result<Self, Error> {
        self.unless(now, &[Status::Revoked, Status::Expired], "extended")?;
        Ok(Self { expires_at: at, ..self })
    }

    /// Revoked; `None` when it already was.
    pub(crate) fn revoked(self, now: Millis) -> Option<Self> {
        self.revoked_at.is_none().then_some(Self { revoked_at: Some(now), ..self })
    }

    /// Disabled; `None` when it already was.
    pub(crate) fn disabled(self, now: Millis) -> Result<Option<Self>, Error> {
        self.unless(now, &[Status::Revoked], "disabled")?;
        Ok(self.disabled_at.is_none().then_some(Self { disabled_at: Some(now), ..self }))
    }

    /// Enabled; `None` when it already was.
    pub(crate) fn enabled(self, now: Millis) -> Result<Option<Self>, Error> {
        self.unless(now, &[Status::Revoked], "enabled")?;
        Ok(self.disabled_at.is_some().then_some(Self { disabled_at: None, ..self }))
    }

    /// Whether `purge` may wipe it.
    pub(crate) fn may_purge(&self, now: Millis) -> Result<(), Error> {
        const KEPT: Millis = 30 * crate::clock::DAY;
        match self.revoked_at {
            Some(at) if now - at > KEPT => Ok(()),
            Some(_) => Err(Error::conflict("id", "the key was revoked less than 30 days ago", "purge it later")),
            None => Err(Error::conflict("id", "the key is not revoked", "revoke it, and purge it 30 days later")),
        }
    }
}

/// The refusal of a change that gives power to a key of a disabled org.
pub(crate) fn org_disabled() -> Error {
    let reason = "is disabled: its keys can only be revoked, disabled, purged or their graces ended";
    Error::conflict("org", reason, "enable the org first")
}

/// A secret's part in a key's life. The current one has no end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Term {
    pub(crate) lookup: String,
    pub(crate) grace_ends_at: Option<Millis>,
}

impl Term {
    pub(crate) fn is_over(&self, now: Millis) -> bool {
        self.grace_ends_at.is_some_and(|it| now >= it)
    }

    fn in_grace(&self, now: Millis) -> bool {
        self.grace_ends_at.is_some_and(|it| now < it)
    }
}

/// The end of a grace that is over for ever: it lies before every time, so that no step of a clock undoes it.
pub(crate) const ENDED: Millis = 0;

/// How a rotation treats the secrets there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The current one lives on for so long; refused during a grace.
    Grace(Millis),
    /// All end now.
    AtOnce,
    /// The current one ends now; the former keeps its end.
    ReplaceCurrent,
}

/// Which secrets end when, as a rotation asks: at most two live afterwards.
pub(crate) fn rotate(life: Life, terms: &[Term], turn: Turn, now: Millis) -> Result<Vec<Term>, Error> {
    life.unless(now, &[Status::Revoked, Status::Expired, Status::Disabled], "rotated")?;
    let in_grace = terms.iter().any(|it| it.in_grace(now));
    let end = |term: &Term, at: Millis| Term { lookup: term.lookup.clone(), grace_ends_at: Some(at) };
    let current = terms.iter().filter(|it| it.grace_ends_at.is_none());
    match turn {
        Turn::Grace(_) if in_grace => Err(Error::conflict(
            "id",
            "the key is in the grace of its last rotation",
            "wait, end the grace, or rotate with grace 0 or replace_current",
        )),
        Turn::Grace(grace) => {
            let latest = now.saturating_add(grace);
            let latest = life.expires_at.map_or(latest, |it| it.min(latest));
            let whole = latest - latest.rem_euclid(SECOND);
            Ok(current.map(|it| end(it, if whole > now { whole } else { ENDED })).collect())
        }
        Turn::AtOnce => Ok(terms.iter().filter(|it| !it.is_over(now)).map(|it| end(it, ENDED)).collect()),
        Turn::ReplaceCurrent if in_grace => Ok(current.map(|it| end(it, ENDED)).collect()),
        Turn::ReplaceCurrent => Err(Error::conflict(
            "id",
            "the key is in no grace, so that no former secret would go on",
            "rotate with grace 0 to end the current secret now",
        )),
    }
}

/// The former secrets still in grace, ended now.
pub(crate) fn end_grace(life: Life, terms: &[Term], now: Millis) -> Result<Vec<Term>, Error> {
    life.unless(now, &[Status::Revoked], "changed")?;
    let former = terms.iter().filter(|it| it.in_grace(now));
    Ok(former.map(|it| Term { lookup: it.lookup.clone(), grace_ends_at: Some(ENDED) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn term(lookup: &str, grace_ends_at: Option<Millis>) -> Term {
        Term { lookup: lookup.into(), grace_ends_at }
    }

    #[test]
    fn the_instant_of_expiry_is_expired() {
        let life = Life { expires_at: Some(1_000), ..Life::default() };
        assert_eq!((life.status(999), life.status(1_000)), (Status::Active, Status::Expired));
    }

    #[test]
    fn a_grace_is_cut_at_the_expiry_and_to_whole_seconds() {
        let terms = [term("a", None)];
        let end = |life, grace, now| rotate(life, &terms, Turn::Grace(grace), now).unwrap()[0].grace_ends_at.unwrap();
        assert_eq!(end(Life::default(), 5_000, 1_234), 6_000);
        assert_eq!(end(Life { expires_at: Some(4_700), ..Life::default() }, 5_000, 1_234), 4_000);
        assert_eq!(end(Life { expires_at: Some(1_900), ..Life::default() }, 5_000, 1_234), ENDED);
    }

    #[test]
    fn what_a_second_rotation_may_do() {
        let terms = [term("new", None), term("old", Some(9_000))];
        assert_eq!(rotate(Life::default(), &terms, Turn::Grace(1), 1).unwrap_err().code(), "conflict");
        assert_eq!(
            rotate(Life::default(), &terms, Turn::AtOnce, 1).unwrap(),
            [term("new", Some(ENDED)), term("old", Some(ENDED))]
        );
        assert_eq!(rotate(Life::default(), &terms, Turn::ReplaceCurrent, 1).unwrap(), [term("new", Some(ENDED))]);
        assert_eq!(rotate(Life::default(), &terms[..1], Turn::ReplaceCurrent, 1).unwrap_err().code(), "conflict");
        assert!(rotate(Life::default(), &terms, Turn::Grace(1), 9_000).is_ok());
    }

    proptest! {
        #[test]
        fn no_sequence_of_rotations_leaves_three_live_secrets(turns in prop::collection::vec((0_u8..4, 0_i64..9_000), 1..30)) {
            let (mut terms, mut now) = (vec![term("0", None)], 0);
            for (index, (kind, amount)) in turns.into_iter().enumerate() {
                let turn = match kind { 0 => Turn::Grace(amount), 1 => Turn::AtOnce, 2 => Turn::ReplaceCurrent, _ => { now += amount; continue } };
                if let Ok(ends) = rotate(Life::default(), &terms, turn, now) {
                    for end in ends {
                        let old = terms.iter_mut().find(|it| it.lookup == end.lookup).unwrap();
                        prop_assert!(old.grace_ends_at.is_none_or(|it| it >= end.grace_ends_at.unwrap()));
                        *old = end;
                    }
                    terms.push(term(&(index + 1).to_string(), None));
                }
                prop_assert!(terms.iter().filter(|it| !it.is_over(now)).count() <= 2);
                prop_assert_eq!(terms.iter().filter(|it| it.grace_ends_at.is_none()).count(), 1);
            }
        }
    }
}
