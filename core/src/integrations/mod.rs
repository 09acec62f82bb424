//! Frameworks of Rust, each behind a feature of its own. Header and body glue only: what is decided is in
//! [`http`](crate::http).

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "tower")]
mod once;
#[cfg(feature = "tower")]
pub mod tower;
