//! Stored verifiers, and checking a secret against them.

mod argon2id;
mod foreign;
mod hasher;
mod pepper;
mod secret;
mod stored;

#[cfg(feature = "testing")]
pub(crate) use argon2id::{raw as raw_argon2id, salted};
pub use foreign::Hashed;
pub(crate) use foreign::{DigestAlgorithm, ForeignVerifier, IMPORTED};
pub(crate) use hasher::Hasher;
pub use hasher::Scheme;
pub(crate) use pepper::{Pepper, hex};
pub(crate) use secret::{BoundSecret, HmacSha256, SecretCheck, frame, hmac_sha256, keyed};
pub(crate) use stored::{StoredVerifier, TAG};
