//! The HTTP contract, without I/O: how requests are authenticated, and how keys are managed over HTTP. Adapters only translate
//! between it and their framework.

mod agent;
mod auth_context;
mod authenticate;
mod client_address;
mod config;
mod credential;
mod explain;
mod forward;
mod forward_auth_proxy;
mod header;
mod idempotency_key;
mod idempotent_request;
mod manage;
mod message;
mod peer;
mod preflight;
mod rate_limit;
mod receipt;
mod refusal;
mod request_id;
mod response_style;
mod route;
mod session;

use std::sync::Arc;

pub use self::auth_context::{AuthContext, Outcome, Principal};
use self::config::CheckedHttpConfig;
pub use self::config::Config;
pub use self::explain::Explanation;
pub use self::forward_auth_proxy::ForwardAuthProxy;
pub use self::idempotent_request::{IdempotencyCheck, Lease};
#[cfg(feature = "cli")]
pub(crate) use self::manage::VerificationCallers;
#[cfg(feature = "client")]
pub(crate) use self::manage::{ManagementRoute, Repetition, VERIFY_PATH};
pub use self::manage::{SelfService, Spelling, View};
pub use self::message::{Head, Header, Message, Response};
pub use self::peer::Peer;
pub use self::preflight::Preflight;
pub use self::rate_limit::RateLimitHeaders;
pub use self::receipt::VerificationReceipt;
pub use self::response_style::ErrorFormat;
pub use self::route::{Access, Needs, Rule};
pub use self::session::{Session, SessionTokens};
pub use crate::casing::Casing;
use crate::error::Error;
use crate::keyring::Keywright;

/// An engine with an HTTP layer: it authenticates requests, and answers requests for management. Clones share it.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// use keywright::http::{Config, Head, Outcome};
/// let http = kw.http(Config::new())?;
/// let line = format!("Bearer {}", new.api_key.reveal());
/// let headers: [(&[u8], &[u8]); 1] = [(b"authorization", line.as_bytes())];
/// match http.authenticate(&Head::new("GET", "/v1/deals").headers(&headers), None).await {
///     Outcome::Allowed(context) => assert_eq!(context.key().map(|it| it.name.as_str()), Some("CI")),
///     Outcome::Refused(response) => panic!("{}", response.status),
/// }
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct Http {
    kw: Keywright,
    config: Arc<CheckedHttpConfig>,
}

impl Http {
    /// The names, in lower case, of all request headers that are read, for hosts in which each header has a cost.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// assert!(kw.http(keywright::http::Config::new())?.request_headers().any(|it| it == "authorization"));
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub fn request_headers(&self) -> impl Iterator<Item = &str> {
        self.config.request_headers()
    }

    /// The headers of every response, without the request id, for hosts that prepare them once.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// let config = keywright::http::Config::new().credentials(["X-API-Key"])?;
    /// assert_eq!(kw.http(config)?.response_headers(), [("cache-control", "no-store"), ("vary", "x-api-key")]);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    #[must_use]
    pub fn response_headers(&self) -> [(&'static str, &str); 2] {
        self.config.style.common_headers()
    }

    /// Whether a request header, by its name in lower case, may carry a key.
    #[cfg(feature = "tower")]
    pub(crate) fn is_credential(&self, name: &str) -> bool {
        self.config.options.credentials.iter().any(|it| it.name() == name)
    }

    /// The response of a server to a request that it could not read to its end.
    #[cfg(feature = "cli")]
    pub(crate) fn refuse_unread(&self, status: u16, code: &'static str, message: &'static str) -> Response {
        let request_id = self.request_id(&Head::new("GET", "/"));
        refusal::Refusal::new(status, code, message).response(&self.config.style, request_id, false)
    }

    /// Refuses needs that no caller can meet, before there is any request.
    ///
    /// # Errors
    /// `validation_failed` for a contradiction, for a scope or operation that is not in the catalogue, and for sessions if the
    /// API accepts none.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// use keywright::http::{Config, Needs};
    /// assert!(kw.http(Config::new())?.check(&Needs::session()).is_err());
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub fn check(&self, needs: &Needs) -> Result<(), Error> {
        needs.check_alone(self.config.session.is_some())?;
        self.kw.admit(&needs.request)
    }
}

impl Keywright {
    /// Adds an HTTP layer to the engine.
    ///
    /// # Errors
    /// `validation_failed` and `invalid_request` for a wrong option, such as two rules for the same requests, or a scope that
    /// is not in the catalogue.
    pub fn http(&self, config: Config) -> Result<Http, Error> {
        let config = config.checked()?;
        for rule in config.table.iter().flat_map(|table| table.rules()) {
            self.admit(&rule.needs.request).map_err(|error| error.within("routes"))?;
        }
        #[cfg(feature = "provider")]
        if let Some(session) = &config.session {
            session.end_with(self);
        }
        Ok(Http { kw: self.clone(), config: Arc::new(config) })
    }
}
