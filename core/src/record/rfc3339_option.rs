//! The serde form of a time that may be missing: as [`rfc3339`](super::rfc3339), or null.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serializer};

use super::rfc3339::{read_wire_time, wire_time};

pub(crate) fn serialize<S: Serializer>(at: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.serialize_str(&wire_time(at)),
        None => to.serialize_none(),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    Option::<String>::deserialize(from)?.map(|text| read_wire_time(&text)).transpose()
}
