//! The states of a key and its secrets, as a pure state machine.

use serde::{Deserialize, Serialize};

use crate::clock::{Millis, SECOND};
use crate::error::Error;
use crate::record::Status;

/// The times that determine the state of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Lifecycle {
    pub(crate) expires_at: Option<Millis>,
    pub(crate) disabled_at: Option<Millis>,
    pub(crate) revoked_at: Option<Millis>,
}

impl Lifecycle {
    /// The state at `now`. A key has expired at the exact time of its expiry.
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

    /// The times that end this key, and end no key with the times of `known`, or end it later.
    pub(crate) fn ends_beyond(&self, known: &Self) -> Vec<&'static str> {
        let expires_sooner = self.expires_at.is_some_and(|at| known.expires_at.is_none_or(|known| at < known));
        let beyond = [
            ("revoked_at", self.revoked_at.is_some()),
            ("disabled_at", self.disabled_at.is_some() && known.disabled_at.is_none()),
            ("expires_at", expires_sooner),
        ];
        let may_live = known.revoked_at.is_none();
        beyond.into_iter().filter(|(_, is_beyond)| *is_beyond && may_live).map(|(name, _)| name).collect()
    }

    fn refuse_if(&self, now: Millis, refused: &[Status], done: &str) -> Result<(), Error> {
        let status = self.status(now);
        if refused.contains(&status) {
            let fix = if status == Status::Disabled { "enable it first" } else { "create a new key" };
            return Err(Error::conflict("id", format!("the key is {} and cannot be {done}", status.as_str()), fix));
        }
        Ok(())
    }

    /// Refuses a change of the fields of a revoked key.
    pub(crate) fn may_update(&self, now: Millis) -> Result<(), Error> {
        self.refuse_if(now, &[Status::Revoked], "changed")
    }

    /// Refuses an attestation by a key that is not active.
    pub(crate) fn may_attest(&self, now: Millis) -> Result<(), Error> {
        self.refuse_if(now, &[Status::Revoked, Status::Expired, Status::Disabled], "attested with")
    }

    /// Changes the expiry. An expired key keeps its expiry.
    pub(crate) fn expiring(self, at: Option<Millis>, now: Millis) -> Result<Self, Error> {
        self.refuse_if(now, &[Status::Revoked, Status::Expired], "extended")?;
        Ok(Self { expires_at: at, ..self })
    }

    /// Revokes the key; `None` if it is revoked already.
    pub(crate) fn revoked(self, now: Millis) -> Option<Self> {
        self.revoked_at.is_none().then_some(Self { revoked_at: Some(now), ..self })
    }

    /// Disables the key; `None` if it is disabled already.
    pub(crate) fn disabled(self, now: Millis) -> Result<Option<Self>, Error> {
        self.refuse_if(now, &[Status::Revoked], "disabled")?;
        Ok(self.disabled_at.is_none().then_some(Self { disabled_at: Some(now), ..self }))
    }

    /// Enables the key; `None` if it is enabled already.
    pub(crate) fn enabled(self, now: Millis) -> Result<Option<Self>, Error> {
        self.refuse_if(now, &[Status::Revoked], "enabled")?;
        Ok(self.disabled_at.is_some().then_some(Self { disabled_at: None, ..self }))
    }

    /// Refuses a purge of a key that was not revoked at least 30 days ago.
    pub(crate) fn may_purge(&self, now: Millis) -> Result<(), Error> {
        const KEPT: Millis = 30 * crate::clock::DAY;
        match self.revoked_at {
            Some(at) if now - at > KEPT => Ok(()),
            Some(_) => Err(Error::conflict("id", "the key was revoked less than 30 days ago", "purge it later")),
            None => Err(Error::conflict("id", "the key is not revoked", "revoke it, and purge it 30 days later")),
        }
    }
}

/// The error for a change that would give power to a key of a disabled org.
pub(crate) fn org_disabled() -> Error {
    let reason = "is disabled: its keys can only be revoked, disabled, purged or their graces ended";
    Error::conflict("org", reason, "enable the org first")
}

/// The lifetime of a secret. The current secret has no end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretLifetime {
    pub(crate) lookup: String,
    pub(crate) grace_ends_at: Option<Millis>,
}

impl SecretLifetime {
    pub(crate) fn is_over(&self, now: Millis) -> bool {
        self.grace_ends_at.is_some_and(|it| now >= it)
    }

    fn in_grace(&self, now: Millis) -> bool {
        self.grace_ends_at.is_some_and(|it| now < it)
    }
}

/// The end of a grace that is over for ever. It is before every time, so that a clock that goes back does not undo it.
pub(crate) const ENDED: Millis = 0;

/// The effect of a rotation on the existing secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RotationMode {
    /// The current secret stays valid for this long. A rotation in this mode is refused during a grace.
    Grace(Millis),
    /// All secrets end now.
    Immediate,
    /// The current secret ends now; the former one keeps its end.
    ReplaceCurrent,
}

/// The secrets that a rotation ends, with their new ends. At most two secrets are valid afterwards, with the new one.
pub(crate) fn rotate(
    life: Lifecycle,
    secrets: &[SecretLifetime],
    mode: RotationMode,
    now: Millis,
) -> Result<Vec<SecretLifetime>, Error> {
    life.refuse_if(now, &[Status::Revoked, Status::Expired, Status::Disabled], "rotated")?;
    let in_grace = secrets.iter().any(|it| it.in_grace(now));
    let end =
        |secret: &SecretLifetime, at: Millis| SecretLifetime { lookup: secret.lookup.clone(), grace_ends_at: Some(at) };
    let current = secrets.iter().filter(|it| it.grace_ends_at.is_none());
    match mode {
        RotationMode::Grace(_) if in_grace => Err(Error::conflict(
            "id",
            "the key is in the grace of its last rotation",
            "wait, end the grace, or rotate with grace 0 or replace_current",
        )),
        RotationMode::Grace(grace) => {
            let latest = now.saturating_add(grace);
            let latest = life.expires_at.map_or(latest, |it| it.min(latest));
            let whole = latest - latest.rem_euclid(SECOND);
            Ok(current.map(|it| end(it, if whole > now { whole } else { ENDED })).collect())
        }
        RotationMode::Immediate => Ok(secrets.iter().filter(|it| !it.is_over(now)).map(|it| end(it, ENDED)).collect()),
        RotationMode::ReplaceCurrent if in_grace => Ok(current.map(|it| end(it, ENDED)).collect()),
        RotationMode::ReplaceCurrent => Err(Error::conflict(
            "id",
            "the key is in no grace, so that no former secret would go on",
            "rotate with grace 0 to end the current secret now",
        )),
    }
}

/// Ends the grace of all former secrets, and returns them.
pub(crate) fn end_grace(
    life: Lifecycle,
    secrets: &[SecretLifetime],
    now: Millis,
) -> Result<Vec<SecretLifetime>, Error> {
    life.refuse_if(now, &[Status::Revoked], "changed")?;
    let former = secrets.iter().filter(|it| it.in_grace(now));
    Ok(former.map(|it| SecretLifetime { lookup: it.lookup.clone(), grace_ends_at: Some(ENDED) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(lookup: &str, grace_ends_at: Option<Millis>) -> SecretLifetime {
        SecretLifetime { lookup: lookup.into(), grace_ends_at }
    }

    #[test]
    fn the_instant_of_expiry_is_expired() {
        let life = Lifecycle { expires_at: Some(1_000), ..Lifecycle::default() };
        assert_eq!((life.status(999), life.status(1_000)), (Status::Active, Status::Expired));
    }

    #[test]
    fn a_grace_is_cut_at_the_expiry_and_to_whole_seconds() {
        let secrets = [secret("a", None)];
        let end = |life, grace, now| {
            rotate(life, &secrets, RotationMode::Grace(grace), now).unwrap()[0].grace_ends_at.unwrap()
        };
        assert_eq!(end(Lifecycle::default(), 5_000, 1_234), 6_000);
        assert_eq!(end(Lifecycle { expires_at: Some(4_700), ..Lifecycle::default() }, 5_000, 1_234), 4_000);
        assert_eq!(end(Lifecycle { expires_at: Some(1_900), ..Lifecycle::default() }, 5_000, 1_234), ENDED);
    }

    #[test]
    fn a_second_rotation_ends_secrets_by_its_mode() {
        let secrets = [secret("new", None), secret("old", Some(9_000))];
        assert_eq!(rotate(Lifecycle::default(), &secrets, RotationMode::Grace(1), 1).unwrap_err().code(), "conflict");
        assert_eq!(
            rotate(Lifecycle::default(), &secrets, RotationMode::Immediate, 1).unwrap(),
            [secret("new", Some(ENDED)), secret("old", Some(ENDED))]
        );
        assert_eq!(
            rotate(Lifecycle::default(), &secrets, RotationMode::ReplaceCurrent, 1).unwrap(),
            [secret("new", Some(ENDED))]
        );
        assert_eq!(
            rotate(Lifecycle::default(), &secrets[..1], RotationMode::ReplaceCurrent, 1).unwrap_err().code(),
            "conflict"
        );
        assert!(rotate(Lifecycle::default(), &secrets, RotationMode::Grace(1), 9_000).is_ok());
    }

    proptest! {
        #[test]
        fn no_sequence_of_rotations_leaves_three_live_secrets(turns in prop::collection::vec((0_u8..4, 0_i64..9_000), 1..30)) {
            let (mut secrets, mut now) = (vec![secret("0", None)], 0);
            for (index, (kind, amount)) in turns.into_iter().enumerate() {
                let mode = match kind { 0 => RotationMode::Grace(amount), 1 => RotationMode::Immediate, 2 => RotationMode::ReplaceCurrent, _ => { now += amount; continue } };
                if let Ok(ends) = rotate(Lifecycle::default(), &secrets, mode, now) {
                    for end in ends {
                        let old = secrets.iter_mut().find(|it| it.lookup == end.lookup).unwrap();
                        prop_assert!(old.grace_ends_at.is_none_or(|it| it >= end.grace_ends_at.unwrap()));
                        *old = end;
                    }
                    secrets.push(secret(&(index + 1).to_string(), None));
                }
                prop_assert!(secrets.iter().filter(|it| !it.is_over(now)).count() <= 2);
                prop_assert_eq!(secrets.iter().filter(|it| it.grace_ends_at.is_none()).count(), 1);
            }
        }
    }
}
