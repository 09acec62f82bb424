use std::sync::Arc;

use super::LONGEST_NAME;
use crate::clock::{self, Millis};
use crate::error::Error;
use crate::input::{self, Fields, Value, plain};
use crate::lifecycle::RotationMode;
use crate::rights::ChangeAuthority;

const LONGEST_GRACE: Millis = 365 * clock::DAY;
const STANDARD_GRACE: Millis = clock::DAY;

/// Who makes a change and why; `()` says neither.
///
/// ```
/// let change = keywright::Change::because("leaked in a log").actor("alice");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    pub(crate) actor: Option<String>,
    pub(crate) reason: Option<String>,
    /// The agent that the call is made on behalf of.
    pub(crate) agent: Option<String>,
    /// On what it stands, where a key makes it.
    pub(crate) authority: Option<Arc<ChangeAuthority>>,
}

impl Change {
    /// A change with its reason (1 to 200 characters).
    #[must_use]
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::default() }
    }

    /// Who makes it (1 to 200 characters).
    #[must_use]
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { actor: Some(actor.into()), ..self }
    }

    /// The same change, made by whoever `who` says.
    pub(crate) fn by(self, who: Self) -> Self {
        Self { reason: self.reason, ..who }
    }

    /// Reads the arguments of `revoke`, `disable` and their like.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        Self::take(&mut fields.only(&["reason", "actor"])?)
    }

    pub(super) fn take(fields: &mut Fields) -> Result<Self, Error> {
        let change = Self { actor: fields.text("actor")?, reason: fields.text("reason")?, ..Self::default() };
        change.check()?;
        Ok(change)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        for (field, text) in [("reason", &self.reason), ("actor", &self.actor)] {
            if let Some(text) = text {
                plain(field, text, LONGEST_NAME)?;
            }
        }
        Ok(())
    }
}

impl From<()> for Change {
    fn from((): ()) -> Self {
        Self::default()
    }
}

/// How a key gets a new secret: `keys.rotate`.
///
/// ```
/// use keywright::Rotation;
/// let rotation = Rotation::grace("24h")?;
/// let leaked = Rotation::at_once().reason("compromised");
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotation {
    grace: Option<Millis>,
    replace_current: bool,
    pub(crate) change: Change,
}

impl Rotation {
    /// Lets the former secret verify for so long: a whole number with `s`, `m`, `h` or `d`, up to 365 days. The
    /// standard is 24 hours.
    pub fn grace(grace: &str) -> Result<Self, Error> {
        let grace = input::span("grace", Value::Text(grace.to_owned()), LONGEST_GRACE)?;
        Ok(Self { grace: Some(grace), ..Self::default() })
    }

    /// Ends all former secrets now.
    #[must_use]
    pub fn at_once() -> Self {
        Self { grace: Some(0), ..Self::default() }
    }

    /// During a grace: ends the newest secret now, and lets the former one keep its end.
    #[must_use]
    pub fn replace_current() -> Self {
        Self { replace_current: true, ..Self::default() }
    }

    /// Why; `compromised` ends all former secrets now.
    #[must_use]
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { change: Change { reason: Some(reason.into()), ..self.change }, ..self }
    }

    /// Who rotates.
    #[must_use]
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { change: self.change.actor(actor), ..self }
    }

    pub(crate) fn by(self, who: Change) -> Self {
        Self { change: self.change.by(who), ..self }
    }

    /// Reads the arguments of a `rotate` call.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&["grace", "replace_current", "reason", "actor"])?;
        let rotation = Self {
            grace: fields.given("grace").map(|it| input::span("grace", it, LONGEST_GRACE)).transpose()?,
            replace_current: fields.given("replace_current").map_or(Ok(false), |it| it.into_bool("replace_current"))?,
            change: Change::take(&mut fields)?,
        };
        rotation.check()?;
        Ok(rotation)
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
        match self.grace.unwrap_or(STANDARD_GRACE) {
            _ if compromised => RotationMode::Immediate,
            _ if self.replace_current => RotationMode::ReplaceCurrent,
            0 => RotationMode::Immediate,
            grace => RotationMode::Grace(grace),
        }
    }
}
