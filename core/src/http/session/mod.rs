//! Sessions: callers without an API key, named by the host or by a signed token.

mod jwks;
#[cfg(feature = "provider")]
mod provider;
mod read;
mod source;
mod tokens;
mod verification_key;
mod verifier;

pub use self::tokens::SessionTokens;
pub(super) use self::verifier::TokenVerifier;
use crate::error::Error;
use crate::input::{Fields, FromFields, Value, identifier, plain};
use crate::scope;

const LONGEST_ACTOR: usize = 200;

/// A person or program that calls without an API key, with its scopes.
///
/// ```
/// use keywright::http::Session;
/// let session = Session::of("acme")?.actor("alice@acme.example").may("keys:manage")?;
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Session {
    pub(super) org: String,
    pub(super) actor: Option<String>,
    /// Scopes, separated by spaces.
    pub(super) may: String,
    pub(super) every_org: bool,
    /// Whether the session may be proved by a cookie: then a request with a cookie must name its origin.
    pub(super) by_cookie: bool,
}

impl Session {
    /// A session of one org, without scopes.
    ///
    /// # Errors
    /// `validation_failed` if it is not the id of an org.
    pub fn of(org: impl Into<String>) -> Result<Self, Error> {
        let org = org.into();
        identifier("org", &org, "is no id of an org")?;
        Ok(Self { org, actor: None, may: String::new(), every_org: false, by_cookie: true })
    }

    /// Names the actor, for the audit.
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { actor: Some(actor.into()), ..self }
    }

    /// Adds a scope: `keys:read`, `keys:manage` (which includes it), `audit:read`; for an operator, `orgs:manage` together with
    /// [`every_org`](Self::every_org).
    ///
    /// # Errors
    /// `validation_failed` if it is not a scope.
    pub fn may(mut self, scope: &str) -> Result<Self, Error> {
        scope::check(scope).map_err(|error| error.within("may"))?;
        if !self.may.is_empty() {
            self.may.push(' ');
        }
        self.may.push_str(scope);
        Ok(self)
    }

    /// Makes this the session of an operator, who reads and changes every org.
    pub fn every_org(self) -> Self {
        Self { every_org: true, ..self }
    }

    /// States that no cookie proves the session, so that a request with a cookie need not name its origin. A request that names
    /// another origin is refused all the same.
    pub fn without_cookie(self) -> Self {
        Self { by_cookie: false, ..self }
    }

    /// The org of the session.
    #[must_use]
    pub fn org(&self) -> &str {
        &self.org
    }

    /// The actor.
    #[must_use]
    pub fn actor_name(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    /// Checks what the types do not rule out.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.actor.as_deref().map_or(Ok(()), |it| plain("actor", it, LONGEST_ACTOR))
    }

    pub(super) fn is_granted(&self, scope: &str) -> bool {
        scope::missing(&self.may, &[scope.to_owned()]).is_empty()
    }
}

/// Reads a session from the named values of a host: `org`, `actor`, `may` (scopes), `every_org`, `cookie` (default true).
impl FromFields for Session {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&["org", "actor", "may", "every_org", "cookie"])?;
        let Some(org) = fields.text("org")? else {
            return Err(Error::invalid_request("org", "is missing", "say to which org the session belongs"));
        };
        let mut session = Self::of(org)?;
        if let Some(actor) = fields.text("actor")? {
            session = session.actor(actor);
        }
        session.may = may(fields.given("may"))?;
        session.every_org = flag(&mut fields, "every_org", false)?;
        session.by_cookie = flag(&mut fields, "cookie", true)?;
        session.check()?;
        Ok(session)
    }
}

fn may(value: Option<Value>) -> Result<String, Error> {
    let scopes = value.map(scope::read).transpose().map_err(|it| it.within("may"))?;
    Ok(scopes.unwrap_or_default().join(" "))
}

fn flag(fields: &mut Fields, name: &str, standard: bool) -> Result<bool, Error> {
    fields.given(name).map_or(Ok(standard), |it| it.into_bool(name))
}
