//! The parts of the crate that only the Python and Node packages need. They are no part of the public API, and may change in
//! any release.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::decision::{Allowed, Decision, Request};
use crate::error::Error;
use crate::http::{Head, Http, Needs, Outcome};
use crate::keyring::{Audit, Config, Keywright};
use crate::record::{ApiKey, KeyId};

pub use crate::casing::Casing;
pub use crate::input::{Fields, FromFields, Value};
pub use crate::key::LONGEST_TEXT;
pub use crate::keyring::{end_events, flush_open};
pub use crate::record::HIDDEN;
pub use crate::wait::{Boxed, Ready, block_for, block_on, is_locked_out, now_or_later};

/// The text of a key that a server has sent, hidden from logs and JSON.
///
/// ```
/// assert!(!format!("{:?}", keywright::ffi::hidden("acme_live_x".into())).contains("acme"));
/// ```
#[must_use]
pub fn hidden(text: String) -> ApiKey {
    ApiKey::new(text)
}

/// The handlers of a fork, for `pthread_atfork`.
pub mod fork {
    pub use crate::fork::{child, parent, prepare};
}

/// The options of a `verify` call, which a binding compares with its own list when it is compiled.
pub const VERIFY_OPTIONS: [&str; Request::OPTIONS.len()] = Request::OPTIONS;

/// Whether two lists of names are equal. A binding compares its own copy of a record with the core's when it is compiled.
#[must_use]
pub const fn same_names(left: &[&str], right: &[&str]) -> bool {
    const fn same(left: &[u8], right: &[u8]) -> bool {
        match (left, right) {
            ([], []) => true,
            ([first, left @ ..], [second, right @ ..]) => *first == *second && same(left, right),
            _ => false,
        }
    }
    match (left, right) {
        ([], []) => true,
        ([first, left @ ..], [second, right @ ..]) => {
            same(first.as_bytes(), second.as_bytes()) && same_names(left, right)
        }
        _ => false,
    }
}

/// Reads the arguments of a constructor, and checks everything that can be checked without the database.
///
/// # Errors
/// `invalid_request` and `validation_failed`, naming the option.
pub fn read_config(url: Value, fields: Fields) -> Result<Config, Error> {
    Config::read(url, fields)
}

/// Reads the argument `id` of a call about one key.
///
/// # Errors
/// `invalid_request` for a value that is neither text nor an integer, `validation_failed` for a number that is no id.
///
/// ```
/// use keywright::ffi::{Value, read_key_id};
/// assert_eq!(read_key_id(Value::Integer(456)), Ok(456.into()));
/// assert_eq!(read_key_id(Value::Bool(true)).unwrap_err().code(), "invalid_request");
/// ```
pub fn read_key_id(value: Value) -> Result<KeyId, Error> {
    KeyId::read(value)
}

/// Reads the id of an org.
///
/// # Errors
/// As [`Keywright::org`], and `invalid_request` for a value that is not text.
pub fn read_org_id(value: Value) -> Result<String, Error> {
    Keywright::read_org(value)
}

/// Reads the argument of an `audit.prune` call.
///
/// # Errors
/// `invalid_request` for a value that is not a time, `validation_failed` for a time without an offset.
pub fn read_prune_before(value: Value) -> Result<DateTime<Utc>, Error> {
    Audit::read_before(value)
}

/// The error for an `on_event` that is not a listener.
#[must_use]
pub fn no_listener(is_async: bool) -> Error {
    Config::no_listener(is_async)
}

/// Reports a failure to open the database in the same way as a later failure. It is for an engine that its first call opens,
/// where no caller may see the error. Call it last.
pub fn opened_by_calls(config: Config) -> Config {
    config.opened_by_calls()
}

/// Whether there may be a database, as far as can be told without opening it: where there is none, there are no imported keys.
///
/// ```
/// let config = keywright::Keywright::builder("sqlite:no/such/keys.db").brand("liq");
/// assert!(!keywright::ffi::has_database(&config));
/// ```
#[must_use]
pub fn has_database(config: &Config) -> bool {
    config.has_database()
}

/// Whether this is the last handle of the engine. Dropping the last handle writes the counts of this process, unless the
/// engine was closed before.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// let keys = kw.keys();
/// assert!(!keywright::ffi::is_last(&kw));
/// drop(keys);
/// assert!(keywright::ffi::is_last(&kw));
/// # kw.close().await; Ok(()) }) }
/// ```
#[must_use]
pub fn is_last(kw: &Keywright) -> bool {
    Arc::strong_count(kw.engine()) == 1
}

/// The number of the snapshot from which an allowed decision was made. Two decisions of a process share it only if their keys
/// come from the same read of the store, so it is a cache key for values that are built from a key.
#[must_use]
pub fn key_revision(allowed: &Allowed) -> u64 {
    allowed.key_revision()
}

/// The [`key_revision`] of an allowed decision that carries nothing but its key. Two decisions with the same number are
/// equal, so it is a cache key for values that are built from a decision.
#[must_use]
pub fn cache_key(decision: &Decision) -> Option<u64> {
    let Decision::Allowed(allowed) = decision else { return None };
    let has_more = allowed.is_deprecated() || allowed.is_limited() || allowed.agent().is_some();
    (!has_more).then(|| allowed.key_revision())
}

/// The runtime of the connections of an engine, `None` if its database is a file. A task that waits for an answer is best spawned
/// there: the thread that reads the answer goes on with the task, and no other thread has to wake. The task must not block.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// assert!(keywright::ffi::network(&kw).is_none());
/// # kw.close().await; Ok(()) }) }
/// ```
#[cfg(feature = "postgres")]
#[must_use]
pub fn network(kw: &Keywright) -> Option<tokio::runtime::Handle> {
    kw.engine().store().network()
}

/// Authenticates a request as [`Http::authenticate`] does, but returns at once if there is nothing to wait for. That is always
/// so with SQLite and `hmac-sha256`, unless requests of a quota have to be bought.
pub fn begin(http: &Http, head: &Head<'_>, needs: Option<&Needs>) -> Ready<Outcome> {
    http.begin(head, needs)
}
