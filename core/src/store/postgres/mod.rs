//! PostgreSQL.

#[cfg(feature = "testing")]
pub(crate) mod freshness;
