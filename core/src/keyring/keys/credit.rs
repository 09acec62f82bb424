use std::sync::Arc;

use super::{Keys, draft, note, unknown_key};
use crate::error::Error;
use crate::events::{Event, EventKind};
use crate::input::meant;
use crate::keyring::Engine;
use crate::keyring::arguments::Credit;
use crate::limit::quota::{MAX_AMOUNT, Span};
use crate::record::{KeyId, Per, Quota, QuotaState};
use crate::store::{CreditBalance, KeyRow, KeyView, QuotaId, Store};

/// A balance that a key draws on.
struct Balance {
    quota: Arc<Quota>,
    id: QuotaId,
}

impl Keys {
    /// Raises a balance that the key draws on, its own or its org's, and returns the state of the balance. The audit gets an entry
    /// and the listener an event. Other processes admit requests by it after a second at most.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// use keywright::{Credit, NewKey, Quota};
    /// let new = kw.keys().create(NewKey::named("CI").quota(Quota::new("credits", 100))).await?;
    /// let balance = kw.keys().credit(&new.id, Credit::of(500).actor("billing")).await?;
    /// assert_eq!((balance.amount, balance.remaining), (600, 600));
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `validation_failed` for a name that is no balance of the key, and for a balance of more than 999,999,999,999,999;
    /// `conflict` for a revoked key; `forbidden` for a key that manages keys.
    pub async fn credit(&self, id: impl Into<KeyId>, credit: Credit) -> Result<QuotaState, Error> {
        let engine = &self.engine;
        credit.check()?;
        engine.refuse_api_key("actor", credit.change.actor.as_deref())?;
        engine.refuse_api_key("reason", credit.change.reason.as_deref())?;
        if self.bounds.is_some() {
            let reason = "is that of a key, which could raise what it draws on itself";
            return Err(Error::forbidden("api_key", reason, "use a session"));
        }
        let key_id = engine.id_text("id", &id.into())?.ok_or_else(unknown_key)?;
        let view = engine.store().get(&self.tenant, &key_id, engine.now()).await?.ok_or_else(unknown_key)?;
        let Balance { quota, id: balance } = engine.balance(&view.key, credit.quota.as_deref())?;
        let given = quota.amount + engine.store().quota_count(&balance).await?.credited;
        if credit.amount > MAX_AMOUNT.saturating_sub(given) {
            let fix = format!("give at most {}", MAX_AMOUNT.saturating_sub(given));
            return Err(Error::validation_failed("amount", format!("makes the balance more than {MAX_AMOUNT}"), fix));
        }
        let (amount, change, name) = (credit.amount, credit.change.clone(), quota.name.clone());
        let rule = move |view: &KeyView, now| {
            view.key.life.may_update(now)?;
            let mut draft = draft("key.credit", &view.key, &change, now);
            note(&mut draft, "quota", name.as_str());
            note(&mut draft, "amount", amount);
            Ok(draft)
        };
        let script = CreditBalance {
            tenant: self.tenant.clone(),
            key_id,
            clock: engine.verifier.clock.clone(),
            balance: balance.clone(),
            amount,
            rule: Box::new(rule),
            authority: credit.change.authority.clone(),
        };
        let view = engine.store().run_once(script, self.request.clone()).await?.ok_or_else(unknown_key)?;
        engine.verifier.runtime.process().quotas.ask_again(&quota, &balance.owner);
        engine.emit(|| {
            let now = engine.now();
            let key = view.into_record(engine.integer_ids(), now);
            Event::of(EventKind::Credited, &key, crate::clock::time(now)).by(credit.change.actor).counting(amount)
        });
        engine.balance_state(&Balance { quota, id: balance }).await
    }

    /// The present state of a balance, for the repetition of a request that raised it.
    pub(crate) async fn credited(&self, key_id: &str, name: &str) -> Result<QuotaState, Error> {
        let engine = &self.engine;
        let view = engine.store().get(&self.tenant, key_id, engine.now()).await?.ok_or_else(unknown_key)?;
        engine.balance_state(&engine.balance(&view.key, Some(name))?).await
    }
}

impl Engine {
    /// The balance of a key with a name, or its only one.
    fn balance(&self, key: &KeyRow, name: Option<&str>) -> Result<Balance, Error> {
        let rules = self.verifier.rules.of(key.tier.as_deref(), &key.limits, &key.quotas)?;
        let balances: Vec<Arc<Quota>> = rules.quotas.into_iter().filter(|quota| quota.every.is_none()).collect();
        let names = || balances.iter().map(|quota| quota.name.as_str());
        let all = names().collect::<Vec<_>>().join(", ");
        let refused = |reason: &str, fix: String| Err(Error::validation_failed("quota", reason, fix));
        let quota = match (name, balances.as_slice()) {
            (_, []) => {
                return refused("is missing: the key has no balance", "give the key a quota without every".into());
            }
            (None, [only]) => only,
            (None, _) => return refused("is missing, and the key has several balances", format!("name one of {all}")),
            (Some(name), _) => match balances.iter().find(|quota| quota.name == name) {
                Some(quota) => quota,
                None => return refused("is no balance of the key", meant(name, names(), format!("use one of {all}"))),
            },
        };
        let owner = if quota.per == Per::Key { key.id.clone() } else { key.org.clone() };
        let id = QuotaId {
            per: quota.per,
            owner,
            name: quota.name.clone(),
            every: None,
            starts_at: Span::ENDLESS.starts_at,
        };
        Ok(Balance { quota: Arc::clone(quota), id })
    }

    async fn balance_state(&self, balance: &Balance) -> Result<QuotaState, Error> {
        let count = self.store().quota_count(&balance.id).await?;
        let quotas = &self.verifier.runtime.process().quotas;
        Ok(balance.quota.state(quotas.totals_of(count, &balance.quota, &balance.id.owner), self.now()))
    }
}
