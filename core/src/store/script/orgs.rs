//! The scripts that change orgs.

use super::audit::Chain;
use super::reads::{Reads, Rows};
use super::write::Write;
use super::{ChangeScript, Decided, TransactionScript};
use crate::audit::AuditDraft;
use crate::error::Error;
use crate::store::rows::OrgRow;

/// A change of one org. A rule computes it inside the transaction.
pub(crate) struct OrgEdit {
    pub(crate) org: OrgRow,
    pub(crate) audit: AuditDraft,
}

/// A rule that gets an org and returns the change, or `None` if there is nothing to change.
pub(crate) type OrgRule = Box<dyn Fn(&OrgRow) -> Result<Option<OrgEdit>, Error> + Send + Sync>;

/// Applies a rule to an org. Its outcome is the org after it, or `None` for an unknown org.
pub(crate) struct ChangeOrg {
    pub(crate) id: String,
    pub(crate) rule: OrgRule,
}

impl TransactionScript for ChangeOrg {
    type Outcome = Option<OrgRow>;

    fn reads(&self) -> Reads<'_> {
        Reads { ordered: true, org: Some(&self.id), ..Reads::default() }
    }

    fn decide(&self, rows: Rows, chain: &mut Chain) -> Result<Decided<Option<OrgRow>>, Error> {
        let Some(before) = rows.org else { return Ok(Decided::unchanged(None)) };
        let Some(edit) = (self.rule)(&before)? else { return Ok(Decided::unchanged(Some(before))) };
        let writes = vec![Write::UpdateOrg(edit.org.clone()), Write::AppendAudit(chain.append(&edit.audit))];
        Ok(Decided { outcome: Some(edit.org), writes })
    }
}

impl ChangeScript for ChangeOrg {
    fn changed_id(&self, outcome: &Option<OrgRow>) -> Option<String> {
        outcome.as_ref().map(|org| org.id.clone())
    }
}

/// Revokes every key of an org that is not yet revoked. Its outcome is their number, or `None` for an unknown org.
pub(crate) struct RevokeKeys {
    pub(crate) org: String,
    pub(crate) reason: Option<String>,
    pub(crate) audit: AuditDraft,
}

impl TransactionScript for RevokeKeys {
    type Outcome = Option<u64>;

    fn reads(&self) -> Reads<'_> {
        Reads { ordered: true, org: Some(&self.org), revoked_org: Some(&self.org), ..Reads::default() }
    }

    fn decide(&self, rows: Rows, chain: &mut Chain) -> Result<Decided<Option<u64>>, Error> {
        if rows.org.is_none() {
            return Ok(Decided::unchanged(None));
        }
        if rows.unrevoked == 0 {
            return Ok(Decided::unchanged(Some(0)));
        }
        let mut audit = self.audit.clone();
        audit.details.insert("revoked".into(), rows.unrevoked.into());
        let revoke = Write::RevokeKeys { org: self.org.clone(), at: audit.at, reason: self.reason.clone() };
        let writes = vec![revoke, Write::AppendAudit(chain.append(&audit))];
        Ok(Decided { outcome: Some(rows.unrevoked), writes })
    }
}

impl ChangeScript for RevokeKeys {
    fn changed_id(&self, outcome: &Option<u64>) -> Option<String> {
        outcome.map(|count| count.to_string())
    }
}
