//! The fields of a key as a client sends them.

use serde::Serialize;
use serde_json::{Map, Value};

use super::expiry::Expiry;
use crate::clock::time;
use crate::record::wire_time;

/// The arguments of a call, by name.
pub(crate) type WireFields = Map<String, Value>;

/// A field of a key in the arguments of a call.
pub(super) trait WireSetting {
    fn write(&self, name: &str, to: &mut WireFields);
}

impl<T: Serialize> WireSetting for T {
    fn write(&self, name: &str, to: &mut WireFields) {
        // Each of these types is text, a number or a list of records, and has a JSON form.
        to.insert(name.to_owned(), serde_json::to_value(self).unwrap_or_default());
    }
}

impl WireSetting for Expiry {
    fn write(&self, name: &str, to: &mut WireFields) {
        match self {
            Self::Never => Value::Null.write(name, to),
            Self::InDays(days) => days.write("expires_in_days", to),
            Self::At(at) => wire_time(&time(*at)).write(name, to),
        }
    }
}
