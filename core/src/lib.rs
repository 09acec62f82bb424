//! Keywright: the API-key engine that a SaaS back end embeds.
//!
//! It issues keys and shows each once, stores only a verifier, decides each request in the caller's process, rotates keys
//! without downtime and revokes them for good. Rust, Python and Node programs share one SQLite file.
//!
//! Start with [`Keywright::builder`]; [`blocking`] has the same calls for programs without `async`. A key that does not verify
//! gives a [`Decision`] with exactly one [`Code`], not an [`Error`].

#![cfg_attr(
    not(all(feature = "postgres", feature = "webhooks")),
    allow(
        dead_code,
        unused_imports,
        unused_variables,
        reason = "shared limits have parts that only stores on servers use"
    )
)]
#![cfg_attr(test, allow(clippy::string_slice, reason = "a test may panic"))]

pub mod blocking;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
#[doc(hidden)]
pub mod ffi;
#[cfg(any(doc, doctest))]
pub mod guide;
pub mod http;
#[cfg(any(feature = "axum", feature = "tower"))]
pub mod integrations;
#[cfg(feature = "testing")]
pub mod testing;

mod audit;
mod casing;
mod clock;
mod decision;
mod entropy;
mod error;
mod events;
mod fork;
mod hash;
mod health;
mod idempotency;
mod input;
mod key;
mod keyring;
mod level;
mod lifecycle;
mod limit;
mod network;
mod record;
#[cfg(any(feature = "client", feature = "postgres", feature = "provider", feature = "redis", feature = "webhooks"))]
mod remote;
mod rights;
mod scope;
#[cfg(feature = "cli")]
mod server;
mod store;
mod sys;
mod usage;
mod verify;
mod wait;
#[cfg(feature = "webhooks")]
mod webhooks;
mod worker;

#[cfg(feature = "client")]
pub use client::Client;
pub use clock::Clock;
pub use decision::{Allowed, Code, Decision, Denial, Request};
pub use error::{Error, ErrorKind, FieldError, UnavailableCause};
pub use events::{Event, EventKind};
pub use hash::{Hashed, Scheme};
pub use key::PatternSyntax;
pub use keyring::{
    Attestation, Audit, Change, Config, Credit, HashedImport, HashedKey, ImportFormat, KeyFormats, KeyUpdate, Keys,
    Keywright, ListAudit, ListKeys, ListOrgs, NewKey, Org, OrgUpdate, Orgs, RedactingWriter, Rotation,
};
pub use record::{
    AgentUsage, ApiKey, AuditCheck, AuditEntry, AuditHead, ImportOutcome, ImportReport, ImportedKey, IssuedKey, Key,
    KeyId, Level, Limit, LimitState, Limiter, OrgRecord, Page, Parsed, Per, Period, Quota, QuotaState, RedisUrl,
    Revealed, Secret, Status, WhenUnreachable,
};
pub use scope::{Catalogue, IntoScopes};
pub use verify::Presented;
#[cfg(feature = "webhooks")]
pub use webhooks::Webhook;
