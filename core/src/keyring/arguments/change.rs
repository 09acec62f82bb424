use std::sync::Arc;

use super::MAX_NAME;
use crate::clock::{self, Millis};
use crate::error::Error;
use crate::input::{self, Fields, FromFields, Value, plain};
use crate::lifecycle::RotationMode;
use crate::rights::ChangeAuthority;

const MAX_GRACE: Millis = 365 * clock::DAY;
const DEFAULT_GRACE: Millis = clock::DAY;

/// The actor and the reason of a change; `()` gives neither.
///
/// ```
/// let change = keywright::Change::because("leaked in a log").actor("alice");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    pub(crate) actor: Option<String>,
    pub(crate) reason: Option<String>,
    /// The agent on whose behalf the call is made.
    pub(crate) agent: Option<String>,
    /// The rights of the key that makes the change, if a key does.
    pub(crate) authority: Option<Arc<ChangeAuthority>>,
}

impl Change {
    /// A change with its reason (1 to 200 characters).
    #[must_use]
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::default() }
    }

    /// The actor of the change (1 to 200 characters).
    #[must_use]
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { actor: Some(actor.into()), ..self }
    }

    /// The same change with another actor, agent and mandate.
    pub(crate) fn by(self, change: Self) -> Self {
        Self { reason: self.reason, ..change }
    }

    pub(super) fn take(fields: &mut Fields) -> Result<Self, Error> {
        let change = Self { actor: fields.text("actor")?, reason: fields.text("reason")?, ..Self::default() };
        change.check()?;
        Ok(change)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        for (field, text) in [("reason", &self.reason), ("actor", &self.actor)] {
            if let Some(text) = text {
                plain(field, text, MAX_NAME)?;
            }
        }
        Ok(())
    }
}

/// Reads the arguments of a call with a reason and an actor, such as `revoke`.
impl FromFields for Change {
    fn read(fields: Fields) -> Result<Self, Error> {
        Self::take(&mut fields.only(&["reason", "actor"])?)
    }
}

impl From<()> for Change {
    fn from((): ()) -> Self {
        Self::default()
    }
}

/// The arguments of `keys.rotate`.
///
/// ```
/// use keywright::Rotation;
/// let rotation = Rotation::grace("24h")?;
/// let leaked = Rotation::at_once().reason("compromised");
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotation {
    pub(super) grace: Option<Millis>,
    pub(super) replace_current: bool,
    pub(crate) change: Change,
}

impl Rotation {
    /// The grace of the former secret: a whole number with `s`, `m`, `h` or `d`, up to 365 days. Default: 24 hours.
    pub fn grace(grace: &str) -> Result<Self, Error> {
        let grace = input::span("grace", Value::Text(grace.to_owned()), MAX_GRACE)?;
        Ok(Self { grace: Some(grace), ..Self::default() })
    }

    /// Ends all former secrets now.
    #[must_use]
    pub fn at_once() -> Self {
        Self { grace: Some(0), ..Self::default() }
    }

    /// During a grace: ends the newest secret now, and keeps the end of the former one.
    #[must_use]
    pub fn replace_current() -> Self {
        Self { replace_current: true, ..Self::default() }
    }

    /// The reason; `compromised` ends all former secrets now.
    #[must_use]
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { change: Change { reason: Some(reason.into()), ..self.change }, ..self }
    }

    /// The actor of the rotation.
    #[must_use]
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { change: self.change.actor(actor), ..self }
    }

    pub(crate) fn by(self, change: Change) -> Self {
        Self { change: self.change.by(change), ..self }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.replace_current && self.grace.is_some() {
            return Err(Error::invalid_request(
                "replace_current",
                "is given together with grace",
                "leave grace out: the former secret keeps its end",
            ));
        }
        self.change.check()
    }

    pub(crate) fn mode(&self) -> RotationMode {
        let compromised = self.change.reason.as_deref() == Some("compromised");
        match self.grace.unwrap_or(DEFAULT_GRACE) {
            _ if compromised => RotationMode::Immediate,
            _ if self.replace_current => RotationMode::ReplaceCurrent,
            0 => RotationMode::Immediate,
            grace => RotationMode::Grace(grace),
        }
    }
}

/// Reads the arguments of a `rotate` call.
impl FromFields for Rotation {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&["grace", "replace_current", "reason", "actor"])?;
        let rotation = Self {
            grace: fields.given("grace").map(|it| input::span("grace", it, MAX_GRACE)).transpose()?,
            replace_current: fields.given("replace_current").map_or(Ok(false), |it| it.into_bool("replace_current"))?,
            change: Change::take(&mut fields)?,
        };
        rotation.check()?;
        Ok(rotation)
    }
}
