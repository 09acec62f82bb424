//! The client of `keywright serve`: the calls, records and errors of the engine, over HTTP.

mod answer;
mod cache;
mod exchange;
mod keys;
mod orgs;
mod settings;

use std::fmt;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use self::cache::DecisionCache;
use self::exchange::{ServerConnection, ServerRequest};
pub use self::keys::ClientKeys;
pub use self::orgs::{ClientAudit, ClientOrgs};
pub use self::settings::ClientBuilder;
use self::settings::ClientSettings;
use crate::decision::{Allowed, Decision, Denial, Request};
use crate::entropy;
use crate::error::Error;
use crate::http::{ManagementRoute, Repetition, VERIFY_PATH};
use crate::keyring::{WireArguments, WireFields};
use crate::verify::Presented;

/// A client of `keywright serve`. It has the calls, records and errors of [`Keywright`](crate::Keywright), and holds no rule about
/// keys: the server decides. [`crate::blocking::Client`] has the same calls for programs without `async`; this one runs on any
/// executor.
///
/// The caller is the actor of a change, so a change that names an actor is refused. A request that gets no answer is sent again if
/// that is safe: a read, a change with an idempotency key, which the client makes, or a request that the server has not run.
///
/// ```no_run
/// # async fn example() -> Result<(), keywright::Error> {
/// use keywright::{Client, NewKey, Request};
/// let client = Client::new("https://keys.example", std::env::var("KEYWRIGHT_API_KEY").unwrap_or_default())?;
/// let new = client.keys().create(NewKey::named("CI").scopes("deals:read")?).await?;
/// assert!(client.verify(new.api_key.reveal(), &Request::new().scope("deals:read")).await.is_allowed());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client(Arc<ClientState>);

/// The parts that all handles of a client share.
struct ClientState {
    connection: ServerConnection,
    cache: Option<DecisionCache>,
    /// The server, in errors.
    server: String,
}

impl Client {
    /// A client of the server at a URL, or at `unix:` and the path of a socket, with a key or a session token.
    ///
    /// # Errors
    /// `validation_failed` for a URL or a text that cannot be used. The first call connects.
    pub fn new(url: impl Into<String>, api_key: impl Into<String>) -> Result<Self, Error> {
        Self::builder(url).api_key(api_key).build()
    }

    /// Settings for a client of the server at a URL, or at `unix:` and the path of a socket.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url.into())
    }

    fn open(settings: ClientSettings) -> Result<Self, Error> {
        let server = settings.address.shown();
        let cache = settings.max_staleness.map(DecisionCache::new).transpose()?;
        Ok(Self(Arc::new(ClientState { connection: ServerConnection::open(settings)?, cache, server })))
    }

    /// The keys of the caller's org.
    #[must_use]
    pub fn keys(&self) -> ClientKeys {
        ClientKeys(self.clone())
    }

    /// The orgs, for a session that may manage all of them.
    #[must_use]
    pub fn orgs(&self) -> ClientOrgs {
        ClientOrgs(self.clone())
    }

    /// The audit of the caller's org.
    #[must_use]
    pub fn audit(&self) -> ClientAudit {
        ClientAudit(self.clone())
    }

    /// A handle that verifies only the keys of this org.
    #[must_use]
    pub fn org(&self, id: impl Into<String>) -> ClientOrg {
        ClientOrg { client: self.clone(), org: id.into() }
    }

    /// Verifies the text of a key. The code is `unavailable` if the server cannot be asked; [`Denial::trouble`] tells why. If it
    /// refuses the client itself, or the request, the code is `invalid_request`, and [`Denial::misuse`] tells why.
    pub async fn verify<'a>(&self, presented: impl Into<Presented<'a>>, request: &Request) -> Decision {
        self.verify_in(presented.into(), request, None).await
    }

    /// Verifies like [`verify`](Self::verify), as a `Result`.
    ///
    /// # Errors
    /// The denial.
    pub async fn authenticate<'a>(
        &self,
        presented: impl Into<Presented<'a>>,
        request: &Request,
    ) -> Result<Allowed, Box<Denial>> {
        as_result(self.verify(presented, request).await)
    }

    async fn verify_in(&self, presented: Presented<'_>, request: &Request, org: Option<&str>) -> Decision {
        match self.ask(presented, request, org).await {
            Ok(decision) => decision,
            Err(error @ Error::Unavailable { .. }) => Decision::unavailable(&error),
            Err(error) => Decision::Denied(Box::new(Denial::from_misuse(error))),
        }
    }

    async fn ask(&self, presented: Presented<'_>, request: &Request, org: Option<&str>) -> Result<Decision, Error> {
        if let Some(error) = request.error() {
            return Err(error.clone());
        }
        let mut fields = request.to_wire();
        fields.insert("api_key".into(), presented.bytes().map(String::from_utf8_lossy).into());
        if let Some(org) = org {
            fields.insert("org".into(), org.into());
        }
        let body = Value::Object(fields).to_string().into_bytes();
        // A cost is taken each time.
        let cache = self.0.cache.as_ref().filter(|_| presented.bytes().is_some() && request.cost.is_none());
        let place = cache.and_then(|cache| Some((cache, cache.place(&body)?)));
        if let Some(decision) = place.and_then(|(cache, place)| cache.get(&place)) {
            return Ok(decision);
        }
        let place = place.map(|(cache, place)| (cache, place, cache.now()));
        // A verification counts, so it is sent again only if the server has not run it.
        let sent = ServerRequest {
            method: "POST",
            target: VERIFY_PATH.to_owned(),
            body: Some(body),
            idempotency_key: None,
            is_repeatable: false,
        };
        let answer = self.send(&sent).await.map_err(|error| match error {
            Error::Forbidden(told) if told.field == "api_key" => {
                let fix = "give the client a key with keys:verify";
                Error::forbidden("api_key", format!("of the client {}", told.reason), fix)
            }
            error => error,
        })?;
        let decision = Decision::received(&answer).ok_or_else(answer::foreign)?;
        if let Some((cache, place, asked)) = place {
            cache.put(place, asked, &decision);
        }
        Ok(decision)
    }

    async fn send(&self, request: &ServerRequest) -> Result<Vec<u8>, Error> {
        answer::accepted(self.0.connection.exchange(request).await?, &self.0.server)
    }

    /// Makes a call of management, and returns the body of its answer.
    async fn call(&self, route: ManagementRoute, id: &str, arguments: WireFields) -> Result<Vec<u8>, Error> {
        let (method, path) = route.request_line(id);
        if route.is_read() {
            let target = format!("{path}{}", query(&arguments));
            let read = ServerRequest { method, target, body: None, idempotency_key: None, is_repeatable: true };
            return self.send(&read).await;
        }
        let repetition = route.repetition();
        let idempotency_key = match repetition {
            Repetition::WithKey => Some(uuid::Uuid::from_bytes(entropy::bytes()?).simple().to_string()),
            Repetition::Plain | Repetition::Never => None,
        };
        let change = ServerRequest {
            method,
            target: path,
            body: Some(Value::Object(arguments).to_string().into_bytes()),
            idempotency_key,
            is_repeatable: repetition != Repetition::Never,
        };
        let answer = self.send(&change).await;
        // A change by this client shows in its next verification.
        if let Some(cache) = &self.0.cache {
            cache.clear();
        }
        answer
    }
}

/// The address without the credential.
impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Client").field(&self.0.server).finish()
    }
}

/// A [`Client`] that verifies only the keys of one org.
#[derive(Debug, Clone)]
pub struct ClientOrg {
    client: Client,
    org: String,
}

impl ClientOrg {
    /// Verifies the text of a key; see [`Client::verify`].
    pub async fn verify<'a>(&self, presented: impl Into<Presented<'a>>, request: &Request) -> Decision {
        self.client.verify_in(presented.into(), request, Some(&self.org)).await
    }

    /// Verifies like [`verify`](Self::verify), as a `Result`.
    ///
    /// # Errors
    /// The denial.
    pub async fn authenticate<'a>(
        &self,
        presented: impl Into<Presented<'a>>,
        request: &Request,
    ) -> Result<Allowed, Box<Denial>> {
        as_result(self.verify(presented, request).await)
    }
}

fn as_result(decision: Decision) -> Result<Allowed, Box<Denial>> {
    match decision {
        Decision::Allowed(allowed) => Ok(allowed),
        Decision::Denied(denial) => Err(denial),
    }
}

/// The query of a request, with its question mark.
fn query(arguments: &WireFields) -> String {
    let pairs = arguments.iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}={}", utf8_percent_encode(&text, NON_ALPHANUMERIC))
    });
    let pairs: Vec<String> = pairs.collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}
