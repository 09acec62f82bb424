//! Adapters for Rust frameworks, each behind its own feature. They only translate headers and bodies; [`http`](crate::http)
//! decides.

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "tower")]
mod idempotent;
#[cfg(feature = "tower")]
pub mod tower;

#[cfg(feature = "cli")]
pub(crate) use self::idempotent::read_body;
#[cfg(feature = "cli")]
pub(crate) use self::tower::{path_and_query, response};
