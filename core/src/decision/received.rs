//! A decision that a server made, from its JSON.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::Decision;
use super::allowed::Allowed;
use super::code::Code;
use super::denial::Denial;
use super::verified::{KeySnapshot, VerifiedKey};
use crate::clock::Millis;
use crate::limit::{ChargeOutcome, LimitRule};
use crate::record::{Key, LimitState, Quota, QuotaState, rfc3339_option};

/// The record of a decision, as [`Decision`] serializes it.
#[derive(Deserialize)]
struct DecisionRecord {
    allowed: bool,
    code: Option<String>,
    message: String,
    key: Option<Key>,
    missing_scopes: Vec<String>,
    limits: Vec<LimitState>,
    quotas: Vec<QuotaState>,
    retry_after_seconds: Option<u64>,
    #[serde(with = "rfc3339_option")]
    grace_ends_at: Option<DateTime<Utc>>,
    agent: Option<String>,
}

/// A key as a server sent it, with the states of the limits and quotas that applied to the request.
struct ReceivedKey {
    key: Key,
    limits: Vec<LimitState>,
    quotas: Vec<QuotaState>,
}

impl Decision {
    /// Reads the record of a decision; `None` if it is not one, or has a code that this release does not know.
    pub(crate) fn received(json: &[u8]) -> Option<Self> {
        let record: DecisionRecord = serde_json::from_slice(json).ok()?;
        let agent: Option<Arc<str>> = record.agent.map(Into::into);
        let ends = record.grace_ends_at.map_or(Millis::MAX, |end| end.timestamp_millis());
        let verified = record.key.map(|key| {
            let received = ReceivedKey { key, limits: record.limits, quotas: record.quotas };
            VerifiedKey::new(Arc::new(received), 0, ends, ChargeOutcome::default())
        });
        if record.allowed {
            return Some(Self::Allowed(Allowed::new(verified?, agent)));
        }
        let code = *Code::ALL.iter().find(|code| Some(code.as_str()) == record.code.as_deref())?;
        let mut denial = Denial::new(code, record.message);
        denial.missing_scopes = record.missing_scopes;
        denial.retry_after_seconds = record.retry_after_seconds;
        Some(Self::Denied(Box::new(match verified {
            Some(verified) => denial.of(verified, agent),
            None => denial,
        })))
    }
}

/// The server has judged the key and charged its limits. This process has no rules about it, and no guard of its own.
impl KeySnapshot for ReceivedKey {
    fn key(&self, _now: Millis) -> Key {
        self.key.clone()
    }

    fn revision(&self, _now: Millis) -> u64 {
        0
    }

    fn used_lookup(&self) -> &str {
        ""
    }

    fn rule(&self, _index: u32) -> Option<&LimitRule> {
        None
    }

    fn quota(&self, _index: u32) -> Option<&Quota> {
        None
    }

    fn received(&self) -> Option<(&[LimitState], &[QuotaState])> {
        Some((&self.limits, &self.quotas))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn key() -> Value {
        json!({
            "id": "7", "name": "CI", "description": null, "org": "default", "environment": "live", "prefix": "acme_live_x",
            "status": "active", "scopes": ["deals:read"], "level": "read", "tier": null, "limits": [], "quotas": [],
            "networks": null, "metadata": {"share": 0.5}, "created_at": "2026-01-01T00:00:00.000Z", "created_by": null,
            "updated_at": "2026-01-01T00:00:00.000Z", "expires_at": null, "disabled_at": null, "revoked_at": null,
            "reason": null, "last_used_at": null, "usage_count": 1, "denied_count": 0,
            "secrets": [{"prefix": "acme_live_x", "created_at": "2026-01-01T00:00:00.000Z", "grace_ends_at": null, "last_used_at": null}],
        })
    }

    fn decision(allowed: bool, code: Option<&str>, key: Value) -> Value {
        let limit = json!({"name": "own", "limit": 10, "remaining": 9, "reset_seconds": 6, "shared": true});
        let quota = json!({
            "name": "credits", "amount": 10, "used": 1, "remaining": 9, "every": null, "starts_at": null, "resets_at": null,
            "reset_seconds": null,
        });
        let status = Code::ALL.iter().find(|it| Some(it.as_str()) == code).map_or(200, |it| it.status());
        json!({
            "allowed": allowed, "code": code, "message": if allowed { "The API key is valid" } else { "No" }, "status": status,
            "key": key, "missing_scopes": if allowed { json!([]) } else { json!(["deals:write"]) }, "limits": [limit],
            "quotas": [quota], "retry_after_seconds": if allowed { Value::Null } else { 9.into() }, "deprecated": true,
            "grace_ends_at": "2026-01-02T00:00:00.000Z", "agent": "robot",
        })
    }

    fn read(record: &Value) -> Option<Decision> {
        Decision::received(record.to_string().as_bytes())
    }

    #[test]
    fn a_decision_is_the_same_after_it_was_sent() {
        for record in [decision(true, None, key()), decision(false, Some("insufficient_scope"), key())] {
            assert_eq!(serde_json::to_value(read(&record).unwrap()).unwrap(), record);
        }
        let Some(Decision::Allowed(allowed)) = read(&decision(true, None, key())) else { panic!() };
        assert!(allowed.is_limited() && allowed.is_deprecated());
    }

    #[test]
    fn any_other_record_is_no_decision() {
        for record in [
            json!([]),
            json!({"allowed": true}),
            decision(true, None, Value::Null),
            decision(false, None, key()),
            decision(false, Some("of_a_later_release"), key()),
        ] {
            assert!(read(&record).is_none(), "{record}");
        }
    }
}
