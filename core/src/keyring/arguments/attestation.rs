use super::Change;
use super::metadata::{self, Metadata};
use crate::error::Error;
use crate::input::{Fields, Value, identifier};

/// How many agents one call speaks of.
const MOST: usize = 100;

/// How many agents one call by a key speaks of, and how many bytes their claims have together. The audit keeps them, and
/// the holder of a key is a stranger to it.
const MOST_BY_KEY: usize = 10;
const LARGEST_BY_KEY: usize = 8 * 1024;

/// What agents claim to do with a key, for the audit: `keys.attest`. Each claim has the bounds of metadata, 16 KiB of JSON
/// and 8 levels, and up to 100 are written together.
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
    pub(crate) all: Vec<Attested>,
    pub(crate) change: Change,
}

/// What one agent claims.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attested {
    pub(crate) agent: String,
    pub(crate) claims: Metadata,
}

impl Attestation {
    /// What an agent claims: 1 to 128 of `A-Za-z0-9_.:-`, and data that JSON can say.
    pub fn of(agent: impl Into<String>, claims: Metadata) -> Self {
        Self { all: vec![Attested { agent: agent.into(), claims }], change: Change::default() }
    }

    /// What another claims, or the same one claims further.
    pub fn and(mut self, agent: impl Into<String>, claims: Metadata) -> Self {
        self.all.push(Attested { agent: agent.into(), claims });
        self
    }

    /// Who says so (1 to 200 characters).
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { change: self.change.actor(actor), ..self }
    }

    pub(crate) fn by(self, who: Change) -> Self {
        Self { change: self.change.by(who), ..self }
    }

    /// Reads the arguments of an `attest` call: `agent` and `claims`, or a list of both as `attestations`; `actor`.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        Self::read_of(fields.only(&["agent", "claims", "attestations", "actor"])?, None)
    }

    /// As [`read`](Self::read), for a request that is made on behalf of `agent`: it speaks of no other.
    pub(crate) fn read_of(mut fields: Fields, agent: Option<&str>) -> Result<Self, Error> {
        let all = match fields.given("attestations") {
            None => vec![Attested::take(&mut fields, agent)?],
            Some(several) => {
                if fields.given("agent").is_some() || fields.given("claims").is_some() {
                    let fix = "give one agent with its claims, or a list of both";
                    return Err(Error::invalid_request("attestations", "is given together with agent or claims", fix));
                }
                let items = several.into_list("attestations")?.into_iter();
                items.map(|it| Attested::read(&fields, it, agent)).collect::<Result<_, _>>()?
            }
        };
        let change = Change { actor: fields.text("actor")?, ..Change::default() };
        let attestation = Self { all, change };
        attestation.check()?;
        Ok(attestation)
    }

    /// What no type rules out.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(1..=MOST).contains(&self.all.len()) {
            let reason = if self.all.is_empty() { "is empty".into() } else { format!("has more than {MOST} items") };
            return Err(Error::validation_failed("attestations", reason, format!("give 1 to {MOST}")));
        }
        for it in &self.all {
            identifier("agent", &it.agent, "is no id of an agent")?;
            metadata::check("claims", &it.claims)?;
        }
        self.change.check()
    }

    /// The narrower bounds of a call that a key makes.
    pub(crate) fn check_by_key(&self) -> Result<(), Error> {
        if self.all.len() > MOST_BY_KEY {
            let reason = format!("has more than {MOST_BY_KEY} items, which is the most from a key");
            return Err(Error::validation_failed("attestations", reason, "send fewer together"));
        }
        let size = |it: &Attested| serde_json::Value::Object(it.claims.clone()).to_string().len();
        if self.all.iter().map(size).sum::<usize>() > LARGEST_BY_KEY {
            let reason = format!("has more than {LARGEST_BY_KEY} bytes in all, which is the most from a key");
            return Err(Error::validation_failed(
                "claims",
                reason,
                "say less, or keep the data elsewhere and name its digest",
            ));
        }
        Ok(())
    }
}

impl Attested {
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
    use crate::input::Casing;

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
