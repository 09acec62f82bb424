//! What is known of the agents that use a key.

use super::Keys;
use super::arguments::{Attestation, Attested, Change};
use super::keys::{admitted, draft, note, unknown};
use crate::clock::Millis;
use crate::error::Error;
use crate::record::{AuditEntry, KeyId};
use crate::store::{KeyView, Store};

impl Keys {
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
            .tell(&self.tenant, &id, &engine.verifier.clock, Box::new(rule), self.attempt.clone())
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
