//! The arguments of the management calls: builders for Rust, and readers of named values for the other languages.

mod attestation;
mod change;
mod credit;
mod expiry;
mod import;
mod key;
mod list;
mod metadata;
mod org;
mod settings;
#[cfg(feature = "client")]
mod wire;
#[cfg(feature = "client")]
mod wire_setting;

pub(super) use attestation::AgentClaims;
pub use attestation::Attestation;
pub use change::{Change, Rotation};
pub use credit::Credit;
pub use import::{HashedImport, HashedKey, ImportFormat};
pub use list::{ListAudit, ListKeys, ListOrgs};
pub use org::OrgUpdate;
pub(super) use settings::KeySettings;
pub use settings::{KeyUpdate, NewKey};
#[cfg(feature = "client")]
pub(crate) use wire::WireArguments;
#[cfg(feature = "client")]
pub(crate) use wire_setting::WireFields;

use crate::error::Error;
use crate::input::Value;
use crate::network;
use crate::record::KeyId;

/// The length of the longest name, actor or reason in characters.
const MAX_NAME: usize = 200;

impl KeyId {
    /// Reads the argument `id` of a call.
    pub(crate) fn read(value: Value) -> Result<Self, Error> {
        Self::read_as("id", value)
    }

    fn read_as(field: &str, value: Value) -> Result<Self, Error> {
        match value.into_argument() {
            Value::Integer(number) => u64::try_from(number)
                .map(Self::Integer)
                .map_err(|_| Error::validation_failed(field, "is no id of a key", "give the id as the key shows it")),
            Value::Float(_) => {
                Err(Error::validation_failed(field, "is not a whole number", "give the id as the key shows it"))
            }
            // The store cannot hold this text, so it is no key's id.
            Value::BrokenText => Ok(Self::Text(String::new())),
            Value::Text(text) => Ok(Self::Text(text)),
            _ => Err(Error::invalid_request(field, "is no id", "give the id as the key shows it, text or an integer")),
        }
    }
}

fn read_networks(value: Value) -> Result<Vec<String>, Error> {
    network::parse(value.into_texts("networks")?)
}
