use super::{Change, read_networks};
use crate::error::Error;
use crate::input::{Fields, FromFields, Value};
use crate::network;

/// The arguments of `orgs.update`. A field that is not set stays as it is.
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
    /// An update without a change.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The networks from which the org's keys verify; `None` lifts the restriction.
    pub fn networks(self, networks: Option<Vec<String>>) -> Result<Self, Error> {
        Ok(Self { networks: Some(networks.map(network::parse).transpose()?), ..self })
    }

    /// The actor of the change (1 to 200 characters).
    #[must_use]
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { change: self.change.actor(actor), ..self }
    }

    pub(crate) fn by(self, change: Change) -> Self {
        Self { change: self.change.by(change), ..self }
    }
}

/// Reads the arguments of an `orgs.update` call; null lifts the restriction.
impl FromFields for OrgUpdate {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&["networks", "actor"])?;
        let networks = fields.take("networks").map(|value| match value {
            Value::Null => Ok(None),
            value => read_networks(value).map(Some),
        });
        let change = Change { actor: fields.text("actor")?, ..Change::default() };
        change.check()?;
        Ok(Self { networks: networks.transpose()?, change })
    }
}
