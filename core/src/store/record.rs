//! Rows as the records that surfaces show.

use crate::clock::time;
use crate::record::{AgentUsage, OrgRecord, Secret, Status};
use crate::store::rows::{AgentCounts, OTHER_AGENTS, OrgRow, SecretView};

impl SecretView {
    pub(super) fn into_record(self) -> Secret {
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
