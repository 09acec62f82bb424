//! Tools for tests of the engine and of programs around it: clocks that only the test sets, the hash functions of the test
//! vectors, rows as an older release wrote them, the suite that any store must pass, and the protocols that a model checker searches.

mod contract;
#[cfg(feature = "postgres")]
mod freshness;
mod hashes;
mod leases;
mod plant;
#[cfg(all(feature = "cli", unix))]
mod serve;
#[cfg(feature = "webhooks")]
mod webhooks;

use crate::keyring::Keywright;

pub use crate::clock::{ManualClock, ShiftedClock};
pub use contract::{contract, shared_limits_contract};
#[cfg(feature = "postgres")]
pub use freshness::{ChangesOfModel, DroppedKeys, ProcessFreshness, TransactionOfModel};
pub use hashes::hash_case;
pub use leases::{LeasePurchase, LeaseSale, LeasedRequest, ProcessLease, SharedBudget};
pub use plant::plant;
#[cfg(all(feature = "cli", unix))]
pub use serve::serve;
#[cfg(feature = "webhooks")]
pub use webhooks::webhook_signature;

/// Repeats the first step of a verification: it checks this many times whether memory has every change that any process has
/// made to the database. Returns whether it always had. Benchmarks measure the cost of this step with it.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// use keywright::{NewKey, Request, blocking::Keywright, testing::ask_freshness};
/// let kw = Keywright::open(keywright::Keywright::builder(url).brand("liq").pepper([7; 32]))?;
/// let new = kw.keys().create(NewKey::named("CI"))?;
/// assert!(!ask_freshness(kw.engine(), 1)); // nobody has read the database since
/// assert!(kw.verify(new.api_key.reveal(), &Request::new()).is_allowed());
/// assert!(ask_freshness(kw.engine(), 1_000));
/// kw.close();
/// # Ok(()) }
/// ```
#[must_use]
pub fn ask_freshness(kw: &Keywright, times: usize) -> bool {
    kw.engine().ask_freshness(times)
}

/// The SQL of a verification's look-up on SQLite, with the time and the lookup as its parameters. For benchmarks that run
/// it without the engine.
///
/// ```
/// assert!(keywright::testing::find_statement().starts_with("SELECT"));
/// ```
#[must_use]
pub fn find_statement() -> &'static str {
    &crate::store::sqlite::FIND
}

/// The SQL of a statement of the store on PostgreSQL. For benchmarks that run it without the engine. `None` for a name that is
/// none of these:
///
/// | name | reads | parameters |
/// |---|---|---|
/// | `find` | all that a verification needs | the time, the lookup |
/// | `lock_sequence` | the number of the last change, locked | – |
/// | `audit_end` | the last entry of the audit chain | – |
/// | `taken` | whether an id or a lookup is taken | the id, the lookup |
/// | `org` | an org | its id |
/// | `get` | a key with its secrets | the time, its id |
/// | `restrictions` | the state of a key's org, and the number of its descendants | its id |
/// | `changes` | the changes after a number | the number |
///
/// ```
/// assert!(keywright::testing::postgres_statement("find").is_some_and(|sql| sql.starts_with("SELECT")));
/// assert_eq!(keywright::testing::postgres_statement("lose"), None);
/// ```
#[cfg(feature = "postgres")]
#[must_use]
pub fn postgres_statement(name: &str) -> Option<&'static str> {
    crate::store::postgres::statement(name)
}
