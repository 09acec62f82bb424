//! The HTTP contract: how a request is authenticated and how keys are managed over the wire, without any I/O. Adapters
//! carry bytes.

mod address;
mod agent;
mod authenticate;
mod config;
mod credential;
mod explain;
mod forward;
mod header;
mod manage;
mod message;
mod once;
mod preflight;
mod rate_limit;
mod refusal;
mod request_id;
mod route;
mod session;

use std::sync::Arc;

pub use self::address::Peer;
pub use self::authenticate::{Earlier, Outcome, Passed, Principal};
use self::config::Plan;
pub use self::config::{Config, Errors};
pub use self::explain::Explanation;
pub use self::forward::Gateway;
pub use self::manage::{SelfService, Spelling, View};
pub use self::message::{Head, Header, Message, Response};
pub use self::once::{Lease, Turn};
pub use self::preflight::Preflight;
pub use self::rate_limit::RateLimitHeaders;
pub use self::route::{Access, Needs, Rule};
pub use self::session::{Session, SessionTokens};
use crate::error::Error;
use crate::keyring::Keywright;

/// An engine that speaks HTTP. Clones share it.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// use keywright::http::{Config, Head, Outcome};
/// let http = kw.http(Config::new())?;
/// let line = format!("Bearer {}", new.api_key.reveal());
/// let headers: [(&[u8], &[u8]); 1] = [(b"authorization", line.as_bytes())];
/// match http.authenticate(&Head::new("GET", "/v1/deals").headers(&headers), None).await {
///     Outcome::Passed(passed) => assert_eq!(passed.key().map(|it| it.name.as_str()), Some("CI")),
///     Outcome::Refused(response) => panic!("{}", response.status),
/// }
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct Http {
    kw: Keywright,
    plan: Arc<Plan>,
}

impl Http {
    /// The names, in lower case, of all headers that are looked at, for hosts to which each header costs something.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// assert!(kw.http(keywright::http::Config::new())?.reads().any(|it| it == "authorization"));
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        self.plan.reads()
    }

    /// The headers of every response but for its request's id, for hosts that have them ready.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// let config = keywright::http::Config::new().credentials(["X-API-Key"])?;
    /// assert_eq!(kw.http(config)?.headers(), [("cache-control", "no-store"), ("vary", "x-api-key")]);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 2] {
        self.plan.manner.headers()
    }

    /// Whether a header of a request, by its name in lower case, may hold a key.
    #[cfg(feature = "tower")]
    pub(crate) fn is_credential(&self, name: &str) -> bool {
        self.plan.credentials.iter().any(|it| it.name() == name)
    }

    /// Refuses needs that nobody could meet, before any request comes.
    ///
    /// # Errors
    /// `validation_failed` for a contradiction, for a scope or operation that is in no catalogue, and for sessions where
    /// none can be checked.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// use keywright::http::{Config, Needs};
    /// assert!(kw.http(Config::new())?.check(&Needs::session()).is_err());
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub fn check(&self, needs: &Needs) -> Result<(), Error> {
        needs.check_alone(self.plan.session.is_some())?;
        self.kw.admit(&needs.request)
    }
}

impl Keywright {
    /// Makes the engine speak HTTP.
    ///
    /// # Errors
    /// `validation_failed` and `invalid_request` for what has no meaning, such as two rules of the same requests or a
    /// scope that is in no catalogue.
    pub fn http(&self, config: Config) -> Result<Http, Error> {
        let plan = config.plan()?;
        for rule in plan.table.iter().flat_map(|it| it.rules()) {
            self.admit(&rule.needs.request).map_err(|it| it.within("routes"))?;
        }
        Ok(Http { kw: self.clone(), plan: Arc::new(plan) })
    }
}
