//! The needs of a route.

use crate::casing::Casing;
use crate::decision::Request;
use crate::error::Error;
use crate::input::{Fields, FromFields, Value, chosen};
use crate::scope::IntoScopes;

/// The credentials with which a caller may enter a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// A key.
    #[default]
    Key,
    /// A session token.
    Session,
    /// A key or a session token.
    Either,
    /// None: everybody may enter, and no credential is read.
    Public,
    /// The credentials that the rule of the path accepts, see [`Needs::by_rule`].
    Rule,
}

/// Whether a route accepts idempotency keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(in crate::http) enum Idempotent {
    #[default]
    No,
    Yes,
    Required,
}

/// The needs of a route: who may enter, and what is required of a key.
///
/// ```
/// use keywright::http::Needs;
/// let needs = Needs::key().scopes("deals:write")?.operation("write").cost(5);
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Needs {
    pub(in crate::http) request: Request,
    pub(in crate::http) access: Access,
    pub(in crate::http) idempotent: Idempotent,
}

const ACCESSES: [(&str, Access); 5] = [
    ("key", Access::Key),
    ("session", Access::Session),
    ("either", Access::Either),
    ("public", Access::Public),
    ("rule", Access::Rule),
];

impl Needs {
    pub(super) const FIELDS: [&'static str; 6] = ["scopes", "operation", "cost", "environment", "access", "idempotent"];

    /// Needs a key.
    pub fn key() -> Self {
        Self::default()
    }

    /// Needs a session token, see [`Config::session`](crate::http::Config::session). A key is refused.
    pub fn session() -> Self {
        Self { access: Access::Session, ..Self::default() }
    }

    /// Needs a key or a session token. Scopes and limits count only for a key.
    pub fn either() -> Self {
        Self { access: Access::Either, ..Self::default() }
    }

    /// Needs nothing: everybody may enter.
    pub fn nothing() -> Self {
        Self { access: Access::Public, ..Self::default() }
    }

    /// Needs what the rule of the path states, for a guard of one route.
    ///
    /// A guard that gets no needs at all also follows the rule, but may guard a whole application, with a CORS layer behind
    /// it. A guard of one route has only the handler behind it. So it answers preflights itself, even with
    /// [`Preflight::Pass`](crate::http::Preflight::Pass).
    pub fn by_rule() -> Self {
        Self { access: Access::Rule, ..Self::default() }
    }

    /// The needs that a guard states itself; `None` if the rule of the path states them.
    pub(in crate::http) fn stated(needs: Option<&Self>) -> Option<&Self> {
        needs.filter(|needs| needs.access != Access::Rule)
    }

    /// Requires scopes, all of them.
    ///
    /// # Errors
    /// `validation_failed` if a text is not a scope.
    pub fn scopes(self, scopes: impl IntoScopes) -> Result<Self, Error> {
        let request = scopes.into_scopes()?.iter().fold(self.request, |it, scope| it.scope(scope));
        Ok(Self { request, ..self })
    }

    /// Sets the class of the operation; see [`Request::operation`].
    pub fn operation(self, operation: impl Into<String>) -> Self {
        Self { request: self.request.operation(operation), ..self }
    }

    /// Sets the cost that each limit is charged; see [`Request::cost`].
    pub fn cost(self, cost: u64) -> Self {
        Self { request: self.request.cost(cost), ..self }
    }

    /// Requires a key of this environment; see [`Request::environment`].
    pub fn environment(self, environment: impl Into<String>) -> Self {
        Self { request: self.request.environment(environment), ..self }
    }

    /// Accepts an `Idempotency-Key`: a request that is sent again with the same key runs once, see
    /// [`Http::once`](crate::http::Http::once). It does not count for GET, HEAD, OPTIONS and TRACE.
    pub fn idempotent(self) -> Self {
        Self { idempotent: Idempotent::Yes, ..self }
    }

    /// Requires an `Idempotency-Key`, see [`idempotent`](Self::idempotent).
    pub fn idempotency_key_required(self) -> Self {
        Self { idempotent: Idempotent::Required, ..self }
    }

    pub(super) fn take(fields: &mut Fields) -> Result<Self, Error> {
        let access = match fields.text("access")? {
            None => Access::default(),
            Some(word) => chosen("access", &word, "is no way to enter", &ACCESSES)?,
        };
        let idempotent = match fields.given("idempotent") {
            None | Some(Value::Bool(false)) => Idempotent::No,
            Some(Value::Bool(true)) => Idempotent::Yes,
            Some(Value::Text(text)) if text == "required" => Idempotent::Required,
            Some(_) => {
                return Err(Error::invalid_request(
                    "idempotent",
                    "is neither true, false nor required",
                    "use one of them",
                ));
            }
        };
        // For a route, an empty list means that it needs no scope. In `verify`, which declares no route, it is a mistake.
        let scopes = fields.take("scopes").filter(|it| *it != Value::List(Vec::new()));
        let rest = ["operation", "cost", "environment"].map(|it| (it, fields.take(it)));
        let given = [("scopes", scopes)].into_iter().chain(rest);
        let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Ok(Self { request: Request::read(Fields::new(Casing::Snake, given))?, access, idempotent })
    }

    /// The needs of two routes together, for a path that may mean either. `None` if no caller can meet both.
    pub(super) fn and(&self, other: &Self) -> Option<Self> {
        let access = match (self.access, other.access) {
            (Access::Public, access) | (access, Access::Public) => access,
            (Access::Either, access) | (access, Access::Either) => access,
            (one, other) if one == other => one,
            _ => return None,
        };
        let request = self.request.and(&other.request)?;
        Some(Self { request, access, idempotent: self.idempotent.max(other.idempotent) })
    }

    pub(in crate::http) fn lets_sessions_in(&self) -> bool {
        matches!(self.access, Access::Session | Access::Either)
    }

    /// Like [`check`](Self::check), for needs outside of the rules. `sessions` tells whether the API accepts session tokens.
    pub(in crate::http) fn check_alone(&self, sessions: bool) -> Result<(), Error> {
        self.check("this route")?;
        if self.lets_sessions_in() && !sessions {
            let fix = "say in the option session how tokens are checked, or let the route need a key";
            return Err(Error::validation_failed("access", "lets sessions in, and no session can be checked", fix));
        }
        Ok(())
    }

    pub(in crate::http) fn check(&self, route: &str) -> Result<(), Error> {
        if let Some(flaw) = self.request.error() {
            return Err(flaw.clone());
        }
        if self.access == Access::Rule && (self.request.restricts_keys() || self.idempotent != Idempotent::No) {
            let reason =
                format!("leaves everything to the rule of the path, and other needs stand beside it, for {route}");
            return Err(Error::validation_failed("access", reason, "drop the other needs, or name who may enter"));
        }
        if self.access == Access::Public && self.idempotent != Idempotent::No {
            let reason =
                format!("is said of what anybody may enter, and keys are told apart by who sends them, for {route}");
            return Err(Error::validation_failed("idempotent", reason, "let the route need a key or a session"));
        }
        if matches!(self.access, Access::Public | Access::Session) && self.request.restricts_keys() {
            let reason = format!("asks something of a key where none is needed, for {route}");
            return Err(Error::validation_failed(
                "access",
                reason,
                "drop scopes and limits, or let the route need a key",
            ));
        }
        Ok(())
    }
}

/// Reads the needs from named values: `scopes`, `operation`, `cost`, `environment`, `access` (`key`, `session`, `either`, `public`, `rule`) and
/// `idempotent` (true, or `required`).
impl FromFields for Needs {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&Self::FIELDS)?;
        let needs = Self::take(&mut fields)?;
        needs.check("this route")?;
        Ok(needs)
    }
}
