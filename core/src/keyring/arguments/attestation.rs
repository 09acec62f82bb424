use super::Change;
use super::metadata::{self, Metadata};
use crate::error::Error;
use crate::input::{Fields, FromFields, Value, identifier};

/// The largest number of agents in one call.
const MAX_AGENTS: usize = 100;

/// The largest number of agents, and of bytes of all claims, in one call by a key. The audit stores the claims, and the host does
/// not know the holder of a key.
const MAX_AGENTS_BY_KEY: usize = 10;
const MAX_BYTES_BY_KEY: usize = 8 * 1024;

/// The arguments of `keys.attest`: claims of agents about their use of a key, for the audit. One call has up to 100 agents. The
/// claims of an agent have the bounds of metadata: 16 KiB of JSON and 8 levels.
///
/// ```
/// use serde_json::json;
/// let claims = |it: serde_json::Value| it.as_object().cloned().unwrap_or_default();
/// let attestation = keywright::Attestation::of("buyer-7", claims(json!({"purchase": "A4 paper", "usd": 40})))
///     .and("buyer-8", claims(json!({"purchase": "ink"})))
///     .actor("procurement");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Attestation {
    pub(crate) all: Vec<AgentClaims>,
    pub(crate) change: Change,
}

/// The claims of one agent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AgentClaims {
    pub(crate) agent: String,
    pub(crate) claims: Metadata,
}

impl Attestation {
    /// The claims of one agent. Its id has 1 to 128 of `A-Za-z0-9_.:-`.
    pub fn of(agent: impl Into<String>, claims: Metadata) -> Self {
        Self { all: vec![AgentClaims { agent: agent.into(), claims }], change: Change::default() }
    }

    /// Adds the claims of another agent, or more claims of the same one.
    pub fn and(mut self, agent: impl Into<String>, claims: Metadata) -> Self {
        self.all.push(AgentClaims { agent: agent.into(), claims });
        self
    }

    /// The actor that reports the claims (1 to 200 characters).
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { change: self.change.actor(actor), ..self }
    }

    pub(crate) fn by(self, change: Change) -> Self {
        Self { change: self.change.by(change), ..self }
    }

    /// As [`read`](Self::read), for a request on behalf of `agent`, which may report only claims of that agent.
    pub(crate) fn read_of(mut fields: Fields, agent: Option<&str>) -> Result<Self, Error> {
        let all = match fields.given("attestations") {
            None => vec![AgentClaims::take(&mut fields, agent)?],
            Some(several) => {
                if fields.given("agent").is_some() || fields.given("claims").is_some() {
                    let fix = "give one agent with its claims, or a list of both";
                    return Err(Error::invalid_request("attestations", "is given together with agent or claims", fix));
                }
                let items = several.into_list("attestations")?.into_iter();
                items.map(|it| AgentClaims::read(&fields, it, agent)).collect::<Result<_, _>>()?
            }
        };
        let change = Change { actor: fields.text("actor")?, ..Change::default() };
        let attestation = Self { all, change };
        attestation.check()?;
        Ok(attestation)
    }

    /// Checks what the types of the arguments do not rule out.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(1..=MAX_AGENTS).contains(&self.all.len()) {
            let reason =
                if self.all.is_empty() { "is empty".into() } else { format!("has more than {MAX_AGENTS} items") };
            return Err(Error::validation_failed("attestations", reason, format!("give 1 to {MAX_AGENTS}")));
        }
        for agent in &self.all {
            identifier("agent", &agent.agent, "is no id of an agent")?;
            metadata::check("claims", &agent.claims)?;
        }
        self.change.check()
    }

    /// Checks the narrower bounds of a call by a key.
    pub(crate) fn check_by_key(&self) -> Result<(), Error> {
        if self.all.len() > MAX_AGENTS_BY_KEY {
            let reason = format!("has more than {MAX_AGENTS_BY_KEY} items, which is the most from a key");
            return Err(Error::validation_failed("attestations", reason, "send fewer together"));
        }
        let size = |agent: &AgentClaims| metadata::text(&agent.claims).len();
        if self.all.iter().map(size).sum::<usize>() > MAX_BYTES_BY_KEY {
            let reason = format!("has more than {MAX_BYTES_BY_KEY} bytes in all, which is the most from a key");
            return Err(Error::validation_failed(
                "claims",
                reason,
                "say less, or keep the data elsewhere and name its digest",
            ));
        }
        Ok(())
    }
}

/// Reads the arguments of an `attest` call: `agent` and `claims`, or a list of both as `attestations`; `actor`.
impl FromFields for Attestation {
    fn read(fields: Fields) -> Result<Self, Error> {
        Self::read_of(fields.only(&["agent", "claims", "attestations", "actor"])?, None)
    }
}

impl AgentClaims {
    fn read(outer: &Fields, item: Value, agent: Option<&str>) -> Result<Self, Error> {
        let mut fields = Fields::new(outer.casing(), item.into_map("attestations")?).only(&["agent", "claims"])?;
        Self::take(&mut fields, agent)
    }

    fn take(fields: &mut Fields, agent: Option<&str>) -> Result<Self, Error> {
        let agent = match (fields.text("agent")?, agent) {
            (Some(named), Some(other)) if named != other => {
                let reason = "is not the agent on whose behalf the request is made";
                return Err(Error::validation_failed(
                    "agent",
                    reason,
                    "leave it out, or send the request without that header",
                ));
            }
            (Some(named), _) => named,
            (None, Some(agent)) => agent.to_owned(),
            (None, None) => return Err(Error::invalid_request("agent", "is missing", "say who claims it")),
        };
        let claims = fields.given("claims");
        let claims =
            claims.ok_or_else(|| Error::invalid_request("claims", "is missing", "say what the agent claims"))?;
        Ok(Self { agent, claims: metadata::read("claims", claims)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::casing::Casing;

    fn read(agent: Option<&str>, entries: &[(&str, Value)]) -> Result<Vec<String>, (String, String)> {
        let entries = entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let read = Attestation::read_of(Fields::new(Casing::Snake, entries), agent);
        let told = |it: Error| (it.code().to_owned(), it.field().unwrap_or_default().to_owned());
        read.map(|it| it.all.into_iter().map(|it| it.agent).collect()).map_err(told)
    }

    #[test]
    fn a_request_on_behalf_of_an_agent_speaks_of_no_other() {
        let (text, claims) = (|it: &str| Value::Text(it.into()), ("claims", Value::Map(vec![])));
        let wrong = |field: &str| Err(("validation_failed".to_owned(), field.to_owned()));
        assert_eq!(read(Some("a"), std::slice::from_ref(&claims)), Ok(vec!["a".into()]));
        assert_eq!(read(Some("a"), &[("agent", text("a")), claims.clone()]), Ok(vec!["a".into()]));
        assert_eq!(read(Some("a"), &[("agent", text("b")), claims.clone()]), wrong("agent"));
        let items = |agents: &[&str]| {
            let one = |it: &&str| Value::Map(vec![("agent".into(), text(it)), ("claims".into(), Value::Map(vec![]))]);
            ("attestations", Value::List(agents.iter().map(one).collect()))
        };
        assert_eq!(read(None, &[items(&["a", "b"])]), Ok(vec!["a".into(), "b".into()]));
        assert_eq!(read(Some("a"), &[items(&["a", "b"])]), wrong("agent"));
        assert_eq!(read(None, &[items(&[])]), wrong("attestations"));
        assert_eq!(read(None, &[items(&["a"; 101])]), wrong("attestations"));
    }
}
