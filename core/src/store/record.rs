//! Rows as the records that surfaces show.

use super::{AgentCounts, KeyView, OTHER_AGENTS, OrgRow, SecretView};
use crate::clock::{Millis, time};
use crate::record::{AgentUsage, Key, KeyId, OrgRecord, Secret, Status};

impl KeyView {
    /// The record of the key in its state at `now`.
    pub(crate) fn into_record(self, integer_ids: bool, now: Millis) -> Key {
        let Self { key, mut secrets, usage } = self;
        // Some may be over since they were read.
        secrets.retain(|it| !it.lifetime.is_over(now));
        let id = match key.id.parse() {
            Ok(number) if integer_ids => KeyId::Integer(number),
            _ => KeyId::Text(key.id),
        };
        Key {
            id,
            name: key.name,
            description: key.description,
            org: key.org,
            environment: key.environment,
            prefix: secrets.first().map(|it| it.prefix.clone()).unwrap_or_default(),
            status: key.life.status(now),
            scopes: key.scopes,
            level: key.level,
            tier: key.tier,
            limits: key.limits,
            networks: key.networks,
            metadata: match key.metadata.as_str() {
                "{}" => serde_json::Map::new(),
                text => serde_json::from_str(text).unwrap_or_default(),
            },
            created_at: time(key.created_at),
            created_by: key.created_by,
            updated_at: time(key.updated_at),
            expires_at: key.life.expires_at.map(time),
            disabled_at: key.life.disabled_at.map(time),
            revoked_at: key.life.revoked_at.map(time),
            reason: key.reason,
            last_used_at: usage.last_used_at.map(time),
            usage_count: usage.usage_count,
            denied_count: usage.denied_count,
            secrets: secrets.into_iter().map(SecretView::into_record).collect(),
        }
    }
}

impl SecretView {
    fn into_record(self) -> Secret {
        Secret {
            prefix: self.prefix,
            created_at: time(self.created_at),
            grace_ends_at: self.lifetime.grace_ends_at.map(time),
            last_used_at: self.last_used_at.map(time),
        }
    }
}

impl AgentCounts {
    /// The record of what was counted for the agent.
    pub(crate) fn into_record(self) -> AgentUsage {
        AgentUsage {
            agent: (&*self.agent != OTHER_AGENTS).then(|| self.agent.to_string()),
            usage_count: self.counts.usage_count,
            denied_count: self.counts.denied_count,
            last_used_at: self.counts.last_used_at.map(time),
        }
    }
}

impl OrgRow {
    /// The record of the org.
    pub(crate) fn into_record(self) -> OrgRecord {
        OrgRecord {
            status: if self.disabled_at.is_some() { Status::Disabled } else { Status::Active },
            id: self.id,
            networks: self.networks,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            disabled_at: self.disabled_at.map(time),
            reason: self.reason,
        }
    }
}
