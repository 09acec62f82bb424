//! The requirements of a request.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;
use crate::input::{Fields, FromFields, Value, identifier, meant};
use crate::limit::LimitRules;
use crate::scope::{self, Catalogue};

/// The requirements of a request to the key that it presents.
///
/// ```
/// let request = keywright::Request::new().scope("deals:read").method("GET").ip("203.0.113.7");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub(crate) scopes: Vec<String>,
    pub(crate) method: Option<String>,
    /// A text that is not an address counts as no address.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) environment: Option<String>,
    pub(crate) operation: Option<String>,
    /// `None` is 1.
    pub(crate) cost: Option<u64>,
    pub(crate) agent: Option<Arc<str>>,
    error: Option<Error>,
    validated_by: ValidatedBy,
}

/// The engine that found the request valid, 0 for none. It skips the check when the request is used again.
#[derive(Debug, Default)]
struct ValidatedBy(AtomicU64);

/// A copy starts unchecked, because the builder may change it.
impl Clone for ValidatedBy {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Request {
    /// A request that requires nothing but a valid key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires a scope. A malformed scope denies the request with [`Code::InvalidRequest`](crate::Code).
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        match scope::check(scope) {
            Ok(()) => self.scopes.push(scope.to_owned()),
            Err(error) => self.error = Some(error),
        }
        self.validated_by = ValidatedBy::default();
        self
    }

    /// The HTTP method, checked against the key's level. A key with a level other than `full` is denied without one.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// The client's address, checked against the allow lists of key and org. A key with an allow list is denied without
    /// one.
    #[must_use]
    pub fn ip(mut self, address: impl AsRef<str>) -> Self {
        self.ip = address.as_ref().parse().ok();
        self
    }

    /// Narrows the environments that the engine accepts to one.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self.validated_by = ValidatedBy::default();
        self
    }

    /// The class of the operation, for limits that count only one: `"read"`, `"write"`. A limit of the engine must name
    /// it.
    #[must_use]
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self.validated_by = ValidatedBy::default();
        self
    }

    /// How much the request takes of each limit: 1 by default. A cost above a limit's burst could never pass, and is
    /// refused with [`Code::InvalidRequest`](crate::Code).
    #[must_use]
    pub fn cost(mut self, cost: u64) -> Self {
        self.cost = Some(cost);
        self.validated_by = ValidatedBy::default();
        if cost == 0 {
            self.error = Some(Error::validation_failed("cost", "is 0", "give 1 or more"));
        }
        self
    }

    /// The logical identity on whose behalf the key is used: 1 to 128 of `A-Za-z0-9_.:-`. It never widens rights.
    #[must_use]
    pub fn agent(mut self, agent: impl Into<Arc<str>>) -> Self {
        let agent = agent.into();
        match identifier("agent", &agent, "is no id of an agent") {
            Ok(()) => self.agent = Some(agent),
            Err(error) => self.error = Some(error),
        }
        self.validated_by = ValidatedBy::default();
        self
    }

    /// The requirements of both requests; `None` if no key could meet both.
    pub(crate) fn and(&self, other: &Self) -> Option<Self> {
        fn both<T: Clone + PartialEq>(one: &Option<T>, other: &Option<T>) -> Option<Option<T>> {
            match (one, other) {
                (Some(one), Some(other)) if one != other => None,
                _ => Some(one.clone().or_else(|| other.clone())),
            }
        }
        // Without `..`, so that the compiler asks about a new requirement.
        let Self { scopes, environment, operation, cost, method: _, ip: _, agent: _, error: _, validated_by: _ } =
            other;
        let more = scopes.iter().filter(|scope| !self.scopes.contains(scope));
        let scopes = self.scopes.iter().chain(more).cloned().collect();
        let environment = both(&self.environment, environment)?;
        let operation = both(&self.operation, operation)?;
        let cost = self.cost.max(*cost);
        Some(Self { scopes, environment, operation, cost, ..self.clone() })
    }

    /// The options of a `verify` call.
    pub(crate) const OPTIONS: [&'static str; 7] =
        ["scopes", "method", "ip", "environment", "operation", "cost", "agent"];

    /// The same requirements for another method, address and agent.
    pub(super) fn with_client(&self, method: Option<String>, ip: Option<IpAddr>, agent: Option<Arc<str>>) -> Self {
        Self { method, ip, agent, ..self.clone() }
    }

    /// Whether a valid key alone does not satisfy the request.
    pub(crate) fn restricts_keys(&self) -> bool {
        // Without `..`, so that the compiler asks about a new requirement.
        let Self { scopes, environment, operation, cost, method: _, ip: _, agent: _, error: _, validated_by: _ } = self;
        !scopes.is_empty() || operation.is_some() || cost.is_some() || environment.is_some()
    }

    /// The first mistake that the builder met.
    pub(crate) fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Refuses a request that cannot be meant for an engine with this catalogue, these limits and these environments.
    pub(crate) fn check(
        &self,
        catalogue: Option<&Catalogue>,
        rules: &LimitRules,
        accepted: &[String],
    ) -> Result<(), Error> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        if let Some(catalogue) = catalogue {
            catalogue.admit(&self.scopes)?;
        }
        if let Some(operation) = &self.operation {
            rules.admit(operation)?;
        }
        match &self.environment {
            Some(environment) if !accepted.contains(environment) => {
                let otherwise = format!("use one of {}", accepted.join(", "));
                let fix = meant(environment, accepted.iter().map(String::as_str), otherwise);
                Err(Error::validation_failed("environment", "is none that this engine accepts", fix))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn is_validated_by(&self, engine: u64) -> bool {
        self.validated_by.0.load(Ordering::Relaxed) == engine
    }

    pub(crate) fn mark_validated_by(&self, engine: u64) {
        self.validated_by.0.store(engine, Ordering::Relaxed);
    }
}

/// Reads the options of a `verify` call.
impl FromFields for Request {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&Self::OPTIONS)?;
        let mut request = Self::new();
        if let Some(value) = fields.given("scopes") {
            request.scopes = scope::read(value)?;
            if request.scopes.is_empty() {
                return Err(Error::validation_failed(
                    "scopes",
                    "is empty, which could mean that nothing is required",
                    "leave it out when no scope is required",
                ));
            }
        }
        request.method = fields.text("method")?;
        match fields.given("ip") {
            // The client controls its address, so a broken one denies the request and raises no error.
            Some(Value::BrokenText) | None => {}
            Some(value) => request = request.ip(value.into_text("ip")?),
        }
        request.environment = fields.text("environment")?;
        request.operation = fields.text("operation")?;
        if let Some(cost) = fields.given("cost") {
            request = request.cost(cost.into_integer("cost", 1, i64::MAX)?.unsigned_abs());
        }
        if let Some(agent) = fields.text("agent")? {
            request = request.agent(agent);
        }
        request.error.take().map_or(Ok(request), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builder_has_a_method_for_each_option() {
        for option in Request::OPTIONS {
            // `scope` adds one of the scopes.
            let method = format!("pub fn {}(", option.trim_end_matches('s'));
            assert!(include_str!("request.rs").contains(&method), "Request has no method {option}");
        }
    }
}
