//! Adapters for Rust frameworks, each behind its own feature. They only translate headers and bodies; [`http`](crate::http)
//! decides.

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "tower")]
mod idempotent;
#[cfg(feature = "tower")]
pub mod tower;
