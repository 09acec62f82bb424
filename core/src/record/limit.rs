use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::input::chosen;

/// The requests that one budget of a rate limit covers.
///
/// ```
/// assert_eq!(keywright::Per::Org.as_str(), "org");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// The requests of one key.
    #[default]
    Key,
    /// The requests of all keys of an org.
    Org,
    /// The requests on behalf of one agent within an org.
    Agent,
}

impl Per {
    /// The name on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Org => "org",
            Self::Agent => "agent",
        }
    }
}

/// The place that keeps the budgets of limits.
///
/// ```
/// assert_eq!("machine".parse(), Ok(keywright::Limiter::Machine));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limiter {
    /// The memory of one process. Each process admits what the limit says.
    Process,
    /// A file beside the SQLite database, which all processes of the machine map into memory. Together they admit what the
    /// limit says. Where the file cannot be used, and for budgets that it has no room for, each process counts alone.
    Machine,
}

impl Limiter {
    const NAMES: [(&str, Self); 2] = [("process", Self::Process), ("machine", Self::Machine)];
}

impl FromStr for Limiter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        chosen("limiter", text, "is no limiter", &Self::NAMES)
    }
}

/// A rate limit: requests per minute, and requests at once. A window of length `t` admits at most `burst + rate * t`.
///
/// ```
/// use keywright::{Limit, Per};
/// let limit = Limit::new("read", 100).burst(20).per(Per::Org).operation("read");
/// assert_eq!((limit.rate, limit.burst), (100, 20));
/// assert_eq!(Limit::new("basic", 100).burst, 100);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Limit {
    /// The name: `[a-z][a-z0-9_.-]{0,63}`.
    pub name: String,
    /// Requests per minute, 1 to 1,000,000,000.
    pub rate: u64,
    /// Requests at once, 1 to 1,000,000,000. Default: the rate.
    pub burst: u64,
    /// The requests that one budget covers.
    pub per: Per,
    /// The class of operations that the limit covers, named like a limit; `None` covers every request.
    pub operation: Option<String>,
}

impl Limit {
    /// A limit on all requests of a key, per minute.
    #[must_use]
    pub fn new(name: impl Into<String>, rate: u64) -> Self {
        Self { name: name.into(), rate, burst: rate, per: Per::Key, operation: None }
    }

    /// Sets how many requests may come at once.
    #[must_use]
    pub fn burst(self, burst: u64) -> Self {
        Self { burst, ..self }
    }

    /// Sets the requests that one budget covers.
    #[must_use]
    pub fn per(self, per: Per) -> Self {
        Self { per, ..self }
    }

    /// Sets the class of operations that the limit covers.
    #[must_use]
    pub fn operation(self, operation: impl Into<String>) -> Self {
        Self { operation: Some(operation.into()), ..self }
    }
}

/// The state of a limit after a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LimitState {
    /// The name of the limit.
    pub name: String,
    /// Requests per minute.
    pub limit: u64,
    /// Requests that the limit admits now.
    pub remaining: u64,
    /// Seconds until the budget is full again.
    pub reset_seconds: u64,
    /// Whether all processes share the budget.
    pub shared: bool,
}
