//! The scripts that change keys and their secrets.

use std::sync::Arc;

use super::audit::Chain;
use super::reads::{FormerSecret, LockedKey, Reads, Rows};
use super::write::Write;
use super::{ChangeScript, Decided, TransactionScript};
use crate::audit::AuditDraft;
use crate::clock::{Clock, Millis, time};
use crate::error::Error;
use crate::lifecycle::{self, ENDED, SecretLifetime};
use crate::record::wire_time;
use crate::rights::ChangeAuthority;
use crate::store::key::{KeyRow, KeyView, LookupResult};
use crate::store::rows::{AuditRow, OrgRow, SecretRow, Tenant};

/// A change of one key. A rule computes it inside the transaction.
pub(crate) struct KeyEdit {
    pub(crate) key: KeyRow,
    pub(crate) grace_ends: Vec<SecretLifetime>,
    pub(crate) new_secret: Option<SecretRow>,
    pub(crate) audit: AuditDraft,
}

/// A rule that gets a key and the time, and returns the change, or `None` if there is nothing to change. It can run more than
/// once.
pub(crate) type KeyRule = Box<dyn Fn(&KeyView, Millis) -> Result<Option<KeyEdit>, Error> + Send + Sync>;

/// A rule that leaves the key as it is and returns audit entries about it.
pub(crate) type AuditRule = Box<dyn Fn(&KeyView, Millis) -> Result<Vec<AuditDraft>, Error> + Send + Sync>;

/// The rights of the key that makes a change, if a key does.
pub(super) type Authority = Option<Arc<ChangeAuthority>>;

/// Inserts a key and its secret, and the org if it is new. Its outcome is `false` if the id or the lookup is taken.
pub(crate) struct CreateKey {
    pub(crate) key: KeyRow,
    pub(crate) secret: SecretRow,
    pub(crate) audit: AuditDraft,
    pub(crate) authority: Authority,
}

impl TransactionScript for CreateKey {
    type Outcome = bool;

    fn reads(&self) -> Reads<'_> {
        Reads {
            ordered: true,
            new_key: Some((&self.key.id, &self.secret.lifetime.lookup)),
            org: Some(&self.key.org),
            authority: lookup(&self.authority),
            ..Reads::default()
        }
    }

    fn decide(&self, rows: Rows, chain: &mut Chain) -> Result<Decided<bool>, Error> {
        if rows.taken {
            return Ok(Decided::unchanged(false));
        }
        let org_disabled = rows.org.as_ref().is_some_and(|org| org.disabled_at.is_some());
        check_caller(&self.audit, &self.authority, org_disabled, rows.authority)?;
        let mut writes = Vec::new();
        if rows.org.is_none() {
            writes.extend(new_org(&self.key.org, &self.audit, chain));
        }
        writes.extend([
            Write::InsertKey(self.key.clone()),
            Write::InsertSecret { key_id: self.key.id.clone(), secret: self.secret.clone() },
            Write::AppendAudit(chain.append(&self.audit)),
        ]);
        Ok(Decided { outcome: true, writes })
    }
}

/// Creates the org of its first key, whose entry in the audit is given.
pub(super) fn new_org(id: &str, AuditDraft { at, actor, .. }: &AuditDraft, chain: &mut Chain) -> [Write; 2] {
    let org =
        OrgRow { id: id.to_owned(), networks: None, created_at: *at, updated_at: *at, disabled_at: None, reason: None };
    let audit = AuditDraft {
        at: *at,
        org: Some(org.id.clone()),
        actor: actor.clone(),
        action: "org.create",
        target: Some(org.id.clone()),
        reason: None,
        details: serde_json::Map::new(),
    };
    [Write::InsertOrg(org), Write::AppendAudit(chain.append(&audit))]
}

impl ChangeScript for CreateKey {
    fn changed_id(&self, made: &bool) -> Option<String> {
        made.then(|| self.key.id.clone())
    }
}

/// Applies a rule to a key. Its outcome is the key after it, or `None` if the tenant has no such key.
pub(crate) struct ChangeKey {
    pub(crate) tenant: Tenant,
    pub(crate) id: String,
    /// The clock is read inside the transaction: a time that was read before a wait for the lock may no longer be right.
    pub(crate) clock: Clock,
    pub(crate) rule: KeyRule,
    pub(crate) authority: Authority,
}

impl TransactionScript for ChangeKey {
    type Outcome = Option<KeyView>;

    fn reads(&self) -> Reads<'_> {
        let authority = lookup(&self.authority);
        Reads { ordered: true, key: Some(&self.id), authority, ..Reads::default() }
    }

    fn decide(&self, rows: Rows, chain: &mut Chain) -> Result<Decided<Option<KeyView>>, Error> {
        let Some(found) = seen(rows.key, &self.tenant) else { return Ok(Decided::unchanged(None)) };
        let now = self.clock.now();
        let (before, over) = split(found.view, now);
        let Some(mut edit) = (self.rule)(&before, now)? else { return Ok(Decided::unchanged(Some(before))) };
        check_caller(&edit.audit, &self.authority, found.org_disabled, rows.authority)?;
        if before.key.life.revoked_at.is_none() && edit.key.life.revoked_at.is_some() && found.descendants > 0 {
            edit.audit.details.insert("children_revoked".into(), found.descendants.into());
        }
        let mut writes = vec![Write::UpdateKey(edit.key.clone())];
        if edit.new_secret.is_some() {
            // Otherwise a clock that steps back would revive a third secret.
            writes.extend(over.into_iter().flat_map(|former| end_grace(former, now, chain)));
        }
        writes.extend(edit.grace_ends.iter().cloned().map(Write::EndSecret));
        if let Some(secret) = &edit.new_secret {
            writes.push(Write::InsertSecret { key_id: self.id.clone(), secret: secret.clone() });
        }
        writes.push(Write::AppendAudit(chain.append(&edit.audit)));
        Ok(Decided { outcome: Some(after(before, edit, now)), writes })
    }
}

impl ChangeScript for ChangeKey {
    fn changed_id(&self, outcome: &Option<KeyView>) -> Option<String> {
        outcome.as_ref().map(|view| view.key.id.clone())
    }
}

/// Appends the entries that a rule returns. Its outcome is the entries, or `None` if the tenant has no such key.
pub(crate) struct AppendAudit {
    pub(crate) tenant: Tenant,
    pub(crate) id: String,
    pub(crate) clock: Clock,
    pub(crate) rule: AuditRule,
    pub(crate) authority: Authority,
}

impl TransactionScript for AppendAudit {
    type Outcome = Option<Vec<AuditRow>>;

    fn reads(&self) -> Reads<'_> {
        let authority = lookup(&self.authority);
        Reads { ordered: true, key: Some(&self.id), authority, ..Reads::default() }
    }

    fn decide(&self, rows: Rows, chain: &mut Chain) -> Result<Decided<Self::Outcome>, Error> {
        let Some(found) = seen(rows.key, &self.tenant) else { return Ok(Decided::unchanged(None)) };
        let now = self.clock.now();
        let (view, _) = split(found.view, now);
        let drafts = (self.rule)(&view, now)?;
        if let Some(draft) = drafts.first() {
            check_caller(draft, &self.authority, found.org_disabled, rows.authority)?;
        }
        let rows: Vec<AuditRow> = drafts.iter().map(|draft| chain.append(draft)).collect();
        Ok(Decided { writes: rows.iter().cloned().map(Write::AppendAudit).collect(), outcome: Some(rows) })
    }
}

impl ChangeScript for AppendAudit {
    fn changed_id(&self, outcome: &Self::Outcome) -> Option<String> {
        let rows = outcome.as_ref()?;
        Some(format!("{}+{}", rows.first()?.entry.seq, rows.len()))
    }
}

/// Replaces the verifier of a secret, if it is still `from`.
pub(crate) struct ReplaceVerifier {
    pub(crate) lookup: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) filter: Option<Vec<u8>>,
}

impl TransactionScript for ReplaceVerifier {
    type Outcome = ();

    fn reads(&self) -> Reads<'_> {
        Reads { ordered: true, ..Reads::default() }
    }

    fn decide(&self, _: Rows, _: &mut Chain) -> Result<Decided<()>, Error> {
        let Self { lookup, from, to, filter } = self;
        let write = Write::ReplaceVerifier {
            lookup: lookup.clone(),
            from: from.clone(),
            to: to.clone(),
            filter: filter.clone(),
        };
        Ok(Decided { outcome: (), writes: vec![write] })
    }
}

/// Ends graces for ever, with an audit entry for each that was not ended before.
pub(crate) struct EndGraces {
    pub(crate) lookups: Vec<String>,
    pub(crate) now: Millis,
}

impl TransactionScript for EndGraces {
    type Outcome = ();

    fn reads(&self) -> Reads<'_> {
        Reads { ordered: true, former: &self.lookups, ..Reads::default() }
    }

    fn decide(&self, rows: Rows, chain: &mut Chain) -> Result<Decided<()>, Error> {
        let writes = rows.former.into_iter().flat_map(|former| end_grace(former, self.now, chain)).collect();
        Ok(Decided { outcome: (), writes })
    }
}

pub(super) fn lookup(authority: &Authority) -> Option<&str> {
    authority.as_ref().map(|authority| authority.lookup.as_str())
}

pub(super) fn seen(key: Option<LockedKey>, tenant: &Tenant) -> Option<LockedKey> {
    key.filter(|found| tenant.sees(&found.view.key.org))
}

/// Checks inside the transaction what may have changed since the call began: by now the org may be disabled, or the key that
/// makes the change revoked.
pub(super) fn check_caller(
    audit: &AuditDraft,
    authority: &Authority,
    org_disabled: bool,
    found: Option<LookupResult>,
) -> Result<(), Error> {
    if org_disabled && !audit.is_allowed_when_disabled() {
        return Err(lifecycle::org_disabled());
    }
    let Some(authority) = authority else { return Ok(()) };
    let found = found.filter(|found| !found.org_disabled);
    let LookupResult { secret, view: KeyView { key, .. }, .. } = found.ok_or_else(ChangeAuthority::ended)?;
    authority.recheck(&key.rights(), key.life, &secret.lifetime, audit.at)
}

/// The key with its live secrets, and the former secrets whose grace is over by the clock alone.
pub(super) fn split(mut view: KeyView, now: Millis) -> (KeyView, Vec<FormerSecret>) {
    let (over, live) = view.secrets.into_iter().partition::<Vec<_>, _>(|secret| secret.lifetime.is_over(now));
    view.secrets = live;
    let over = over.into_iter().map(|secret| FormerSecret {
        org: view.key.org.clone(),
        key_id: view.key.id.clone(),
        prefix: secret.prefix,
        lifetime: secret.lifetime,
    });
    let over = over.collect();
    (view, over)
}

/// Stores that a grace is over, so that a clock that steps back revives no secret.
fn end_grace(former: FormerSecret, now: Millis, chain: &mut Chain) -> [Write; 2] {
    let FormerSecret { org, key_id, prefix, lifetime } = former;
    let end = lifetime.grace_ends_at.map(|end| wire_time(&time(end)));
    let details = [("prefix".to_owned(), prefix.into()), ("grace_ends_at".to_owned(), end.into())];
    let audit = AuditDraft {
        at: now,
        org: Some(org),
        actor: None,
        action: "key.grace_ended",
        target: Some(key_id),
        reason: None,
        details: details.into_iter().collect(),
    };
    let lifetime = SecretLifetime { grace_ends_at: Some(ENDED), ..lifetime };
    [Write::EndSecret(lifetime), Write::AppendAudit(chain.append(&audit))]
}

/// The key after an edit.
fn after(before: KeyView, edit: KeyEdit, now: Millis) -> KeyView {
    let KeyView { mut secrets, usage, .. } = before;
    for lifetime in edit.grace_ends {
        let ended = secrets.iter_mut().filter(|secret| secret.lifetime.lookup == lifetime.lookup);
        ended.for_each(|secret| secret.lifetime.grace_ends_at = lifetime.grace_ends_at);
    }
    secrets.retain(|secret| !secret.lifetime.is_over(now));
    secrets.extend(edit.new_secret.map(|secret| secret.view()));
    KeyView { key: edit.key, secrets, usage }.newest_first()
}
