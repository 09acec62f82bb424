//! The agents that use a key: their counts and their claims.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Keys;
use super::arguments::{AgentClaims, Attestation, Change};
use super::keys::{admitted, draft, note, unknown_key};
use crate::clock::Millis;
use crate::error::Error;
use crate::record::{AgentUsage, AuditEntry, KeyId};
use crate::store::{AgentCounts, AppendAudit, Counts, KeyView, Store};

impl Keys {
    /// Returns the counts of the agents that have used a key, the last used first. Up to 1,000 agents have counts of their own;
    /// the others share one.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::Request;
    /// kw.verify(new.api_key.reveal(), &Request::new().agent("buyer-7")).await;
    /// let agents = kw.keys().agents(&new.id).await?;
    /// assert_eq!((agents[0].agent.as_deref(), agents[0].usage_count), (Some("buyer-7"), 1));
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `not_found` for an unknown id and for a key of another org.
    pub async fn agents(&self, id: impl Into<KeyId>) -> Result<Vec<AgentUsage>, Error> {
        let (engine, now) = (&self.engine, self.engine.now());
        let id = engine.id_text("id", &id.into())?.ok_or_else(unknown_key)?;
        engine.store().get(&self.tenant, &id, now).await?.ok_or_else(unknown_key)?;
        let mut found: BTreeMap<Arc<str>, Counts> = BTreeMap::new();
        let mut add = |counts: AgentCounts| found.entry(counts.agent).or_default().add(counts.counts);
        match &engine.verifier.runtime.process().usage {
            None => engine.store().agents(&id).await?.into_iter().for_each(add),
            Some(usage) => {
                let pause = usage.pause_flushes().await;
                engine.store().agents(&id).await?.into_iter().for_each(&mut add);
                pause.pending_agents(&id).into_iter().for_each(add);
            }
        }
        let mut agents: Vec<_> =
            found.into_iter().map(|(agent, counts)| AgentCounts { agent, counts }.into_record()).collect();
        // The sort is stable: agents with the same time stay in the order of their names.
        agents.sort_by_key(|agent| Reverse(agent.last_used_at));
        Ok(agents)
    }

    /// Records the claims of agents about their use of a key: one audit entry per agent, with the action `agent.attest`. All
    /// entries commit together. The key does not change, and the engine judges no claim.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::{Attestation, ListAudit};
    /// let claims = serde_json::json!({"purchase": "A4 paper"}).as_object().cloned().unwrap_or_default();
    /// let entries = kw.keys().attest(&new.id, Attestation::of("buyer-7", claims)).await?;
    /// assert_eq!(entries[0].action, "agent.attest");
    /// assert_eq!(kw.audit().list(ListAudit::new().agent("buyer-7")).await?.data, entries);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a revoked, expired or disabled key, `validation_failed` for claims that are too large or hold the secret part
    /// of an API key.
    pub async fn attest(&self, id: impl Into<KeyId>, attestation: Attestation) -> Result<Vec<AuditEntry>, Error> {
        let engine = &self.engine;
        attestation.check()?;
        engine.refuse_api_key("actor", attestation.change.actor.as_deref())?;
        for agent in &attestation.all {
            engine.refuse_api_key("agent", Some(&agent.agent))?;
            engine.refuse_api_key("claims", Some(&serde_json::Value::Object(agent.claims.clone()).to_string()))?;
        }
        let id = engine.id_text("id", &id.into())?.ok_or_else(unknown_key)?;
        let (bounds, authority) = (self.bounds.clone(), attestation.change.authority.clone());
        let Attestation { all, change } = attestation;
        let rule = move |view: &KeyView, now: Millis| {
            admitted(bounds.as_deref(), &view.key)?;
            view.key.life.may_attest(now)?;
            let entry = |agent: &AgentClaims| {
                let change = Change { agent: Some(agent.agent.clone()), ..change.clone() };
                let mut draft = draft("agent.attest", &view.key, &change, now);
                note(&mut draft, "claims", agent.claims.clone());
                draft
            };
            Ok(all.iter().map(entry).collect())
        };
        let script = AppendAudit {
            tenant: self.tenant.clone(),
            id,
            clock: engine.verifier.clock.clone(),
            rule: Box::new(rule),
            authority,
        };
        let rows = engine.store().run_once(script, self.request.clone()).await?;
        Ok(rows.ok_or_else(unknown_key)?.into_iter().map(|row| row.entry).collect())
    }

    /// The entries of one earlier `attest` call, except those that were pruned since.
    pub(crate) async fn attested(&self, first: u64, count: usize) -> Result<Vec<AuditEntry>, Error> {
        let rows = self.engine.store().audit_scan(first.saturating_sub(1), count).await?;
        let last = first.saturating_add(count as u64);
        let ours =
            |entry: &AuditEntry| entry.seq < last && entry.org.as_deref().is_some_and(|org| self.tenant.sees(org));
        Ok(rows.into_iter().map(|row| row.entry).filter(ours).collect())
    }
}
