use crate::decision::Request;
use crate::error::Error;
use crate::input::{Casing, Fields, Value, chosen};
use crate::scope::IntoScopes;

/// Who may enter a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Whoever presents a key.
    #[default]
    Key,
    /// Whoever presents a session token.
    Session,
    /// Whoever presents either.
    Either,
    /// Anybody. Nothing is looked at.
    Public,
    /// Whoever the rule of the path lets in, see [`Needs::by_rule`].
    Rule,
}

/// Whether a route takes idempotency keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(in crate::http) enum Idempotent {
    #[default]
    No,
    Yes,
    Required,
}

/// What a route asks of who enters it.
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

    /// A key.
    pub fn key() -> Self {
        Self::default()
    }

    /// A session token, see [`Config::session`](crate::http::Config::session); a key is refused.
    pub fn session() -> Self {
        Self { access: Access::Session, ..Self::default() }
    }

    /// A key or a session token. What is asked of scopes and limits is asked of a key alone.
    pub fn either() -> Self {
        Self { access: Access::Either, ..Self::default() }
    }

    /// Nothing: anybody may enter.
    pub fn nothing() -> Self {
        Self { access: Access::Public, ..Self::default() }
    }

    /// The rule of the path, for a guard of one route.
    ///
    /// A guard that gets no needs at all also follows the rule, but may guard a whole application, with a CORS layer behind
    /// it. Behind a guard of one route stands only the handler. So it answers preflights itself, even with
    /// [`Preflight::Pass`](crate::http::Preflight::Pass).
    pub fn by_rule() -> Self {
        Self { access: Access::Rule, ..Self::default() }
    }

    /// The needs that a guard states itself; `None` if the rule of the path states them.
    pub(in crate::http) fn stated(needs: Option<&Self>) -> Option<&Self> {
        needs.filter(|needs| needs.access != Access::Rule)
    }

    /// Scopes, all of them.
    ///
    /// # Errors
    /// `validation_failed` for what is no scope.
    pub fn scopes(self, scopes: impl IntoScopes) -> Result<Self, Error> {
        let request = scopes.into_scopes()?.iter().fold(self.request, |it, scope| it.scope(scope));
        Ok(Self { request, ..self })
    }

    /// The class of the operation; see [`Request::operation`].
    pub fn operation(self, operation: impl Into<String>) -> Self {
        Self { request: self.request.operation(operation), ..self }
    }

    /// How much of each limit it takes; see [`Request::cost`].
    pub fn cost(self, cost: u64) -> Self {
        Self { request: self.request.cost(cost), ..self }
    }

    /// The one environment whose keys may enter; see [`Request::environment`].
    pub fn environment(self, environment: impl Into<String>) -> Self {
        Self { request: self.request.environment(environment), ..self }
    }

    /// Takes an `Idempotency-Key`: what is sent again under one is done once, see [`Http::once`](crate::http::Http::once).
    /// GET, HEAD, OPTIONS and TRACE take none.
    pub fn idempotent(self) -> Self {
        Self { idempotent: Idempotent::Yes, ..self }
    }

    /// Refuses what comes without an `Idempotency-Key`, see [`idempotent`](Self::idempotent).
    pub fn idempotency_key_required(self) -> Self {
        Self { idempotent: Idempotent::Required, ..self }
    }

    /// Reads `scopes`, `operation`, `cost`, `environment`, `access` (`key`, `session`, `either`, `public`, `rule`) and
    /// `idempotent` (true, or `required`).
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&Self::FIELDS)?;
        let needs = Self::take(&mut fields)?;
        needs.check("this route")?;
        Ok(needs)
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
        // An empty list is a route that needs no scope; in `verify`, where no route is declared, it is a mistake.
        let scopes = fields.take("scopes").filter(|it| *it != Value::List(Vec::new()));
        let rest = ["operation", "cost", "environment"].map(|it| (it, fields.take(it)));
        let given = [("scopes", scopes)].into_iter().chain(rest);
        let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Ok(Self { request: Request::read(Fields::new(Casing::Snake, given))?, access, idempotent })
    }

    /// The needs of two routes together, where a path could mean either. `None` where nobody could meet both.
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

    /// As [`check`](Self::check), of a route outside of the rules, where session tokens can be checked or not.
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
