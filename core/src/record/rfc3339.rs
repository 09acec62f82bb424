//! The serde form of a time: [`wire_time`].

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serializer, de};

/// Formats a time as every wire form has it: RFC 3339 with milliseconds and `Z`.
pub(crate) fn wire_time(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub(super) fn read_wire_time<E: de::Error>(text: &str) -> Result<DateTime<Utc>, E> {
    DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc)).map_err(E::custom)
}

pub(crate) fn serialize<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&wire_time(at))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
    read_wire_time(&String::deserialize(from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_on_the_wire_has_milliseconds_and_ends_with_z() {
        let at: DateTime<Utc> = "2026-01-01T01:00:00+01:00".parse().unwrap();
        assert_eq!(wire_time(&at), "2026-01-01T00:00:00.000Z");
        assert_eq!(read_wire_time::<serde_json::Error>("2026-01-01T00:00:00.000Z").unwrap(), at);
    }
}
