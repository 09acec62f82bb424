use std::fmt;
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limiter {
    /// The memory of one process. Each process admits what the limit says.
    Process,
    /// A file beside the SQLite database, which all processes of the machine map into memory. Together they admit what the
    /// limit says. Where the file cannot be used, and for budgets that it has no room for, each process counts alone.
    Machine,
    /// A table of the PostgreSQL database. The processes of all machines buy requests there in advance, and spend them in
    /// memory within 0.1 s. Together they admit at most `burst + rate * (t + 0.1 s)` in a window of length `t`.
    Store,
    /// A Redis or Valkey, for the processes of all machines, which buy requests in advance. It needs the feature `redis`, or else
    /// building the engine fails. `"redis://…".parse()` gives it.
    Redis(RedisUrl),
}

impl Limiter {
    const NAMES: [(&str, Self); 3] = [("process", Self::Process), ("machine", Self::Machine), ("store", Self::Store)];
}

/// The answer for a request when the place that keeps a shared limit cannot be reached.
///
/// ```
/// assert_eq!(keywright::WhenUnreachable::Local.as_str(), "local");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnreachable {
    /// The request is refused with the code `unavailable`.
    Refuse,
    /// The process enforces the limit on its own.
    #[default]
    Local,
    /// The request passes without being counted.
    Allow,
}

impl WhenUnreachable {
    /// The name on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Local => "local",
            Self::Allow => "allow",
        }
    }
}

impl FromStr for Limiter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once("://") {
            Some((scheme, _)) if ["redis", "valkey"].iter().any(|product| scheme.starts_with(product)) => {
                Ok(Self::Redis(RedisUrl(text.to_owned())))
            }
            _ => chosen("limiter", text, "is no limiter", &Self::NAMES),
        }
    }
}

/// The URL of a Redis. It does not show itself, because it may hold a password.
///
/// ```
/// let limiter: keywright::Limiter = "redis://:hunter2@localhost".parse()?;
/// assert_eq!(format!("{limiter:?}"), "Redis(<hidden>)");
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RedisUrl(String);

impl RedisUrl {
    #[cfg(feature = "redis")]
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<hidden>")
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
    /// Whether processes of several machines buy each request of its own, so that no window of length `t` admits more than
    /// `burst + rate * t`. Each request then takes a round trip. Default: `false`.
    #[serde(default)]
    pub exact: bool,
    /// The answer when the place that keeps the budget cannot be reached.
    #[serde(default)]
    pub when_unreachable: WhenUnreachable,
}

impl Limit {
    /// A limit on all requests of a key, per minute.
    #[must_use]
    pub fn new(name: impl Into<String>, rate: u64) -> Self {
        Self {
            name: name.into(),
            rate,
            burst: rate,
            per: Per::Key,
            operation: None,
            exact: false,
            when_unreachable: WhenUnreachable::Local,
        }
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

    /// Sets whether processes of several machines buy each request of its own.
    #[must_use]
    pub fn exact(self, exact: bool) -> Self {
        Self { exact, ..self }
    }

    /// Sets the answer when the place that keeps the budget cannot be reached.
    #[must_use]
    pub fn when_unreachable(self, when_unreachable: WhenUnreachable) -> Self {
        Self { when_unreachable, ..self }
    }
}

/// The state of a limit after a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether processes shared the budget for this verification: with [`Limiter::Process`], and while the shared place cannot be
    /// reached, they do not.
    pub shared: bool,
}
