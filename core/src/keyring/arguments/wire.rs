//! The arguments of calls as a client sends them to a server: by the names that [`FromFields`](crate::input::FromFields) reads.

use serde_json::{Value, json};

use super::wire_setting::WireFields;
use super::{Attestation, Change, Credit, KeyUpdate, ListAudit, ListKeys, ListOrgs, NewKey, OrgUpdate, Rotation};
use crate::clock::SECOND;
use crate::decision::Request;
use crate::store::StatusFilter;

/// Arguments that a client can send.
pub(crate) trait WireArguments {
    fn to_wire(&self) -> WireFields;
}

/// The fields with a value.
fn given<const N: usize>(fields: [(&str, Option<Value>); N]) -> WireFields {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn text(text: &Option<String>) -> Option<Value> {
    text.as_deref().map(Value::from)
}

impl WireArguments for NewKey {
    fn to_wire(&self) -> WireFields {
        let mut fields = self.settings.to_wire();
        fields.extend(given([("environment", text(&self.environment)), ("created_by", text(&self.created_by))]));
        fields
    }
}

impl WireArguments for KeyUpdate {
    fn to_wire(&self) -> WireFields {
        let mut fields = self.settings.to_wire();
        fields.extend(self.change.to_wire());
        fields
    }
}

impl WireArguments for Change {
    fn to_wire(&self) -> WireFields {
        given([("reason", text(&self.reason)), ("actor", text(&self.actor))])
    }
}

impl WireArguments for Rotation {
    fn to_wire(&self) -> WireFields {
        let mut fields = given([
            ("grace", self.grace.map(|grace| format!("{}s", grace / SECOND).into())),
            ("replace_current", self.replace_current.then_some(true.into())),
        ]);
        fields.extend(self.change.to_wire());
        fields
    }
}

impl WireArguments for Credit {
    fn to_wire(&self) -> WireFields {
        let mut fields = given([("amount", Some(self.amount.into())), ("quota", text(&self.quota))]);
        fields.extend(self.change.to_wire());
        fields
    }
}

impl WireArguments for Attestation {
    fn to_wire(&self) -> WireFields {
        let claims = self.all.iter().map(|one| json!({"agent": one.agent, "claims": one.claims}));
        let mut fields = given([("attestations", Some(claims.collect()))]);
        fields.extend(self.change.to_wire());
        fields
    }
}

impl WireArguments for OrgUpdate {
    fn to_wire(&self) -> WireFields {
        let mut fields = given([("networks", self.networks.as_ref().map(|networks| json!(networks)))]);
        fields.extend(self.change.to_wire());
        fields
    }
}

impl WireArguments for Request {
    fn to_wire(&self) -> WireFields {
        given([
            ("scopes", (!self.scopes.is_empty()).then(|| json!(self.scopes))),
            ("method", text(&self.method)),
            ("ip", self.ip.map(|address| address.to_string().into())),
            ("environment", text(&self.environment)),
            ("operation", text(&self.operation)),
            ("cost", self.cost.map(Value::from)),
            ("agent", self.agent.as_deref().map(Value::from)),
        ])
    }
}

impl WireArguments for ListKeys {
    fn to_wire(&self) -> WireFields {
        let status = match self.status {
            StatusFilter::NotRevoked => None,
            StatusFilter::Active => Some("active"),
            StatusFilter::Disabled => Some("disabled"),
            StatusFilter::Expired => Some("expired"),
            StatusFilter::Revoked => Some("revoked"),
            StatusFilter::All => Some("all"),
        };
        given([
            ("limit", Some(self.limit.get().into())),
            ("cursor", text(&self.cursor)),
            ("status", status.map(Value::from)),
            ("environment", text(&self.environment)),
            ("name", text(&self.name)),
            ("idle_days", self.idle_days.map(Value::from)),
        ])
    }
}

impl WireArguments for ListAudit {
    fn to_wire(&self) -> WireFields {
        given([
            ("limit", Some(self.limit.get().into())),
            ("cursor", text(&self.cursor)),
            ("key_id", self.key_id.as_ref().map(|id| json!(id))),
            ("action", text(&self.action)),
            ("agent", text(&self.agent)),
        ])
    }
}

impl WireArguments for ListOrgs {
    fn to_wire(&self) -> WireFields {
        given([("limit", Some(self.limit.get().into())), ("cursor", text(&self.cursor))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::casing::Casing;
    use crate::error::Error;
    use crate::input::{self, Fields, FromFields};
    use crate::record::{Level, Limit, Period, Quota};

    /// Returns the arguments after they were sent and read.
    fn again<T: WireArguments + FromFields>(given: &T) -> WireFields {
        let read = |(name, value): (String, Value)| {
            let value = match serde_json::from_value(value).unwrap() {
                input::Value::Text(text) if name == "expires_at" => input::parse_time(&name, &text).unwrap(),
                value => value,
            };
            (name, value)
        };
        let sent = given.to_wire().into_iter().map(read).collect();
        T::read(Fields::new(Casing::Snake, sent)).unwrap().to_wire()
    }

    fn same<T: WireArguments + FromFields>(given: &T) -> usize {
        let sent = given.to_wire();
        assert_eq!(again(given), sent);
        sent.len()
    }

    #[test]
    fn arguments_are_the_same_after_they_were_sent() -> Result<(), Error> {
        let at = "2031-02-03T04:05:06.789Z".parse().unwrap();
        let claims = json!({"usd": 40, "share": 0.5}).as_object().cloned().unwrap();
        let new = NewKey::named("CI")
            .description("Nightly")
            .scopes("deals:read")?
            .level(Level::Read)
            .tier("basic")
            .limit(Limit::new("own", 10).burst(2).exact(true))
            .quota(Quota::new("monthly", 5).every(Period::Month).anchor(3))
            .networks(["10.0.0.0/8"])?
            .metadata(claims.clone())
            .expires_at(at)
            .environment("test")
            .created_by("alice");
        // Every field of a key, the environment and the actor.
        assert_eq!(same(&new), KeyUpdate::NAMES.len() - 1 + 2);
        assert_eq!(new.expires_in_days(7).to_wire().get("expires_in_days"), Some(&json!(7)));
        let cleared =
            KeyUpdate::new().description(None).level(None).tier(None).limits([]).expires_at(None).actor("bob");
        assert_eq!(same(&cleared.networks(None)?), 7);
        assert_eq!(same(&Rotation::grace("90m")?.reason("routine").actor("bob")), 3);
        assert_eq!(
            (same(&Rotation::at_once()), same(&Rotation::replace_current()), same(&Rotation::default())),
            (1, 1, 0)
        );
        assert_eq!(same(&Credit::of(9).quota("credits").reason("invoice").actor("bob")), 4);
        assert_eq!(same(&Attestation::of("a", claims.clone()).and("b", claims).actor("bob")), 2);
        assert_eq!(same(&OrgUpdate::new().networks(Some(vec!["10.0.0.0/8".into()]))?), 1);
        assert_eq!(same(&Change::because("leaked").actor("bob")), 2);
        let keys = ListKeys::new().limit(7).cursor("x").any_status().environment("test").name("CI").idle_days(3);
        assert_eq!((same(&keys), same(&ListKeys::new())), (6, 1));
        assert_eq!(same(&ListAudit::new().cursor("x").key_id(7).action("key.revoke").agent("a")), 5);
        assert_eq!(same(&ListOrgs::new().cursor("x")), 2);
        let request = Request::new().scope("deals:read").method("GET").ip("2001:db8::1").environment("test");
        assert_eq!(same(&request.operation("read").cost(2).agent("robot")), Request::OPTIONS.len());
        Ok(())
    }
}
