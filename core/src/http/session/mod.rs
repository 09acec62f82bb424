//! Sessions: who calls without an API key, as the host says it or as a signed token says it.

mod jwks;
mod read;
mod source;
mod tokens;
mod verification_key;

pub use self::tokens::SessionTokens;
pub(super) use self::tokens::Verifier;
use crate::error::Error;
use crate::input::{Fields, Value, identifier, plain};
use crate::scope;

const LONGEST_ACTOR: usize = 200;

/// A person or program that manages keys, and how far it may go.
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
    /// Scopes with a space after each but the last.
    pub(super) may: String,
    pub(super) every_org: bool,
    /// Whether a cookie can be its proof: a request with a cookie then has to say where it comes from.
    pub(super) by_cookie: bool,
}

impl Session {
    /// A session of one org, which may do nothing yet.
    ///
    /// # Errors
    /// `validation_failed` for what is no id of an org.
    pub fn of(org: impl Into<String>) -> Result<Self, Error> {
        let org = org.into();
        identifier("org", &org, "is no id of an org")?;
        Ok(Self { org, actor: None, may: String::new(), every_org: false, by_cookie: true })
    }

    /// Who it is, for the audit.
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { actor: Some(actor.into()), ..self }
    }

    /// What it may do: `keys:read`, `keys:manage` (which includes it), `audit:read`; called again, more. For an
    /// operator, `orgs:manage` beside [`every_org`](Self::every_org).
    ///
    /// # Errors
    /// `validation_failed` for what is no scope.
    pub fn may(mut self, what: &str) -> Result<Self, Error> {
        scope::check(what).map_err(|it| it.within("may"))?;
        if !self.may.is_empty() {
            self.may.push(' ');
        }
        self.may.push_str(what);
        Ok(self)
    }

    /// Makes it an operator's, who sees and changes every org.
    pub fn every_org(self) -> Self {
        Self { every_org: true, ..self }
    }

    /// Says that no cookie is its proof, so that a request with a cookie need not say where it comes from. A request that
    /// says it comes from another origin is refused all the same.
    pub fn without_cookie(self) -> Self {
        Self { by_cookie: false, ..self }
    }

    /// The org it is of.
    #[must_use]
    pub fn org(&self) -> &str {
        &self.org
    }

    /// Who it is.
    #[must_use]
    pub fn actor_name(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    /// Reads what a host's own function says of a request: `org`, `actor`, `may` (scopes), `every_org`, `cookie` (true
    /// when left out).
    pub fn read(fields: Fields) -> Result<Self, Error> {
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

    /// What no type rules out.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.actor.as_deref().map_or(Ok(()), |it| plain("actor", it, LONGEST_ACTOR))
    }

    pub(super) fn is_granted(&self, what: &str) -> bool {
        scope::missing(&self.may, &[what.to_owned()]).is_empty()
    }
}

fn may(value: Option<Value>) -> Result<String, Error> {
    let scopes = value.map(scope::read).transpose().map_err(|it| it.within("may"))?;
    Ok(scopes.unwrap_or_default().join(" "))
}

fn flag(fields: &mut Fields, name: &str, standard: bool) -> Result<bool, Error> {
    fields.given(name).map_or(Ok(standard), |it| it.into_bool(name))
}
