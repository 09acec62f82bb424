//! The script that raises a balance.

use super::audit::Chain;
use super::keys::{Authority, check_caller, lookup, seen, split};
use super::reads::{Reads, Rows};
use super::write::Write;
use super::{ChangeScript, Decided, TransactionScript};
use crate::audit::AuditDraft;
use crate::clock::{Clock, Millis};
use crate::error::Error;
use crate::store::key::KeyView;
use crate::store::rows::{QuotaId, Tenant};

/// A rule that gets a key and the time, and returns the audit entry of the credit. It can run more than once.
pub(crate) type CreditRule = Box<dyn Fn(&KeyView, Millis) -> Result<AuditDraft, Error> + Send + Sync>;

/// Raises a balance. Its outcome is the key, or `None` if the tenant has no such key.
pub(crate) struct CreditBalance {
    pub(crate) tenant: Tenant,
    pub(crate) key_id: String,
    pub(crate) clock: Clock,
    pub(crate) balance: QuotaId,
    pub(crate) amount: u64,
    pub(crate) rule: CreditRule,
    pub(crate) authority: Authority,
}

impl TransactionScript for CreditBalance {
    type Outcome = Option<KeyView>;

    fn reads(&self) -> Reads<'_> {
        let authority = lookup(&self.authority);
        Reads { ordered: true, key: Some(&self.key_id), authority, ..Reads::default() }
    }

    fn decide(&self, rows: Rows, chain: &mut Chain) -> Result<Decided<Option<KeyView>>, Error> {
        let Some(found) = seen(rows.key, &self.tenant) else { return Ok(Decided::unchanged(None)) };
        let now = self.clock.now();
        let (view, _) = split(found.view, now);
        let draft = (self.rule)(&view, now)?;
        check_caller(&draft, &self.authority, found.org_disabled, rows.authority)?;
        let credit = Write::CreditBalance { balance: self.balance.clone(), amount: self.amount };
        Ok(Decided { writes: vec![credit, Write::AppendAudit(chain.append(&draft))], outcome: Some(view) })
    }
}

impl ChangeScript for CreditBalance {
    fn changed_id(&self, outcome: &Option<KeyView>) -> Option<String> {
        outcome.as_ref().map(|view| format!("{}+{}", view.key.id, self.balance.name))
    }
}
