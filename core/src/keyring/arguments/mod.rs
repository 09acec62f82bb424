//! The arguments of the management calls: builders for Rust, and their reading from named values for everyone else.

mod attestation;
mod change;
mod expiry;
mod key;
mod list;
mod metadata;
mod org;
mod settings;

pub use attestation::Attestation;
pub(super) use attestation::Attested;
pub use change::{Change, Rotation};
pub use key::{KeyUpdate, NewKey};
pub use list::{ListAudit, ListKeys, ListOrgs};
pub use org::OrgUpdate;
pub(super) use settings::KeySettings;

use crate::error::Error;
use crate::input::Value;
use crate::network;
use crate::record::KeyId;

/// The longest name, actor or reason, in characters.
const LONGEST_NAME: usize = 200;

impl KeyId {
    /// Reads the `id` argument of a call.
    pub fn read(value: Value) -> Result<Self, Error> {
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
            // Text that cannot be stored names nothing.
            Value::BrokenText => Ok(Self::Text(String::new())),
            Value::Text(text) => Ok(Self::Text(text)),
            _ => Err(Error::invalid_request(field, "is no id", "give the id as the key shows it, text or an integer")),
        }
    }
}

fn read_networks(value: Value) -> Result<Vec<String>, Error> {
    network::parse(value.into_texts("networks")?)
}
