use super::{Change, read_networks};
use crate::error::Error;
use crate::input::{Fields, Value};
use crate::network;

/// What to change of an org: `orgs.update`. What is not named stays.
///
/// ```
/// let open = keywright::OrgUpdate::new().networks(None)?;
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct OrgUpdate {
    pub(crate) networks: Option<Option<Vec<String>>>,
    pub(crate) change: Change,
}

impl OrgUpdate {
    /// A change of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The networks its keys may be used from, or `None` for no restriction.
    pub fn networks(self, networks: Option<Vec<String>>) -> Result<Self, Error> {
        Ok(Self { networks: Some(networks.map(network::parse).transpose()?), ..self })
    }

    /// Who changes it.
    #[must_use]
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { change: self.change.actor(actor), ..self }
    }

    pub(crate) fn by(self, who: Change) -> Self {
        Self { change: self.change.by(who), ..self }
    }

    /// Reads the arguments of an `orgs.update` call; null lifts the restriction.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&["networks", "actor"])?;
        let networks = fields.take("networks").map(|it| match it {
            Value::Null => Ok(None),
            it => read_networks(it).map(Some),
        });
        let change = Change { actor: fields.text("actor")?, ..Change::default() };
        change.check()?;
        Ok(Self { networks: networks.transpose()?, change })
    }
}
