//! What is known of the agents that use a key.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Keys;
use super::arguments::{Attestation, Attested, Change};
use super::keys::{admitted, draft, note, unknown};
use crate::clock::Millis;
use crate::error::Error;
use crate::record::{AgentUsage, AuditEntry, KeyId};
use crate::store::{AgentCounts, Counts, KeyView, Store};

impl Keys {
    /// What was counted for the agents that have used a key, the last used first. Up to 1,000 are counted by themselves,
    /// and all others together.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
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
    /// `not_found` for an unknown id, and for another org's.
    pub async fn agents(&self, id: impl Into<KeyId>) -> Result<Vec<AgentUsage>, Error> {
        let (engine, now) = (&self.engine, self.engine.now());
        let id = engine.id_text("id", &id.into())?.ok_or_else(unknown)?;
        engine.store().get(&self.tenant, &id, now).await?.ok_or_else(unknown)?;
        let mut found: BTreeMap<Arc<str>, Counts> = BTreeMap::new();
        let mut add = |it: AgentCounts| found.entry(it.agent).or_default().add(it.counts);
        match &engine.verifier.runtime.process().usage {
            None => engine.store().agents(&id).await?.into_iter().for_each(add),
            Some(usage) => {
                let pause = usage.pause_flushes().await;
                engine.store().agents(&id).await?.into_iter().for_each(&mut add);
                pause.pending_agents(&id).into_iter().for_each(add);
            }
        }
        let mut told: Vec<_> =
            found.into_iter().map(|(agent, counts)| AgentCounts { agent, counts }.into_record()).collect();
        // The sort keeps the order of names among equals.
        told.sort_by_key(|it| Reverse(it.last_used_at));
        Ok(told)
    }

    /// Writes down what agents claim to do with a key: one audit entry each, of the action `agent.attest`, all of them or
    /// none. Nothing of the key changes, and no claim is judged.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::{Attestation, ListAudit};
    /// let claims = serde_json::json!({"purchase": "A4 paper"}).as_object().cloned().unwrap_or_default();
    /// let told = kw.keys().attest(&new.id, Attestation::of("buyer-7", claims)).await?;
    /// assert_eq!(told[0].action, "agent.attest");
    /// assert_eq!(kw.audit().list(ListAudit::new().agent("buyer-7")).await?.data, told);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a revoked, expired or disabled key, `validation_failed` for claims beyond their bounds, or with the
    /// secret part of an API key in them.
    pub async fn attest(&self, id: impl Into<KeyId>, attestation: Attestation) -> Result<Vec<AuditEntry>, Error> {
        let engine = &self.engine;
        attestation.check()?;
        engine.harmless("actor", attestation.change.actor.as_deref())?;
        for it in &attestation.all {
            engine.harmless("agent", Some(&it.agent))?;
            engine.harmless("claims", Some(&serde_json::Value::Object(it.claims.clone()).to_string()))?;
        }
        let id = engine.id_text("id", &id.into())?.ok_or_else(unknown)?;
        let bounds = self.bounds.clone();
        let rule = move |view: &KeyView, now: Millis| {
            admitted(bounds.as_deref(), &view.key)?;
            view.key.life.may_attest(now)?;
            let Attestation { all, change } = attestation;
            let told = |it: Attested| {
                let of = Change { agent: Some(it.agent), ..change.clone() };
                let mut draft = draft("agent.attest", &view.key, &of, now);
                note(&mut draft, "claims", it.claims);
                draft
            };
            Ok(all.into_iter().map(told).collect())
        };
        let told = engine
            .store()
            .append_audit(&self.tenant, &id, &engine.verifier.clock, Box::new(rule), self.attempt.clone())
            .await?;
        Ok(told.ok_or_else(unknown)?.into_iter().map(|it| it.entry).collect())
    }

    /// The entries that were told at one time, as far as they were not pruned since.
    pub(crate) async fn told(&self, first: u64, count: usize) -> Result<Vec<AuditEntry>, Error> {
        let rows = self.engine.store().audit_scan(first.saturating_sub(1), count).await?;
        let last = first.saturating_add(count as u64);
        let ours = |it: &AuditEntry| it.seq < last && it.org.as_deref().is_some_and(|org| self.tenant.sees(org));
        Ok(rows.into_iter().map(|it| it.entry).filter(ours).collect())
    }
}
