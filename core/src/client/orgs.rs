use serde::Deserialize;

use super::{Client, answer};
use crate::error::Error;
use crate::http::ManagementRoute;
use crate::keyring::{Change, ListAudit, ListOrgs, OrgUpdate, WireArguments, WireFields};
use crate::record::{AuditEntry, OrgRecord, Page};

/// The orgs, for a [`Client`] with a session that may manage all of them. The calls are those of [`Orgs`](crate::Orgs).
#[derive(Debug, Clone)]
pub struct ClientOrgs(pub(super) Client);

/// The audit of the org of a [`Client`]'s caller. The call is that of [`Audit`](crate::Audit).
#[derive(Debug, Clone)]
pub struct ClientAudit(pub(super) Client);

#[derive(Deserialize)]
struct RevokedKeys {
    revoked: u64,
}

#[allow(clippy::missing_errors_doc, reason = "each call fails as the one of the engine")]
impl ClientOrgs {
    /// See [`Orgs::get`](crate::Orgs::get).
    pub async fn get(&self, id: &str) -> Result<OrgRecord, Error> {
        self.org(ManagementRoute::Org, id, WireFields::new()).await
    }

    /// See [`Orgs::list`](crate::Orgs::list).
    pub async fn list(&self, query: ListOrgs) -> Result<Page<OrgRecord>, Error> {
        answer::record(&self.0.call(ManagementRoute::Orgs, "", query.to_wire()).await?)
    }

    /// See [`Orgs::update`](crate::Orgs::update).
    pub async fn update(&self, id: &str, update: OrgUpdate) -> Result<OrgRecord, Error> {
        self.org(ManagementRoute::UpdateOrg, id, update.to_wire()).await
    }

    /// See [`Orgs::disable`](crate::Orgs::disable).
    pub async fn disable(&self, id: &str, change: impl Into<Change>) -> Result<OrgRecord, Error> {
        self.org(ManagementRoute::DisableOrg, id, change.into().to_wire()).await
    }

    /// See [`Orgs::enable`](crate::Orgs::enable).
    pub async fn enable(&self, id: &str, change: impl Into<Change>) -> Result<OrgRecord, Error> {
        self.org(ManagementRoute::EnableOrg, id, change.into().to_wire()).await
    }

    /// See [`Orgs::revoke_keys`](crate::Orgs::revoke_keys).
    pub async fn revoke_keys(&self, id: &str, change: impl Into<Change>) -> Result<u64, Error> {
        let body = self.0.call(ManagementRoute::RevokeKeys, id, change.into().to_wire()).await?;
        Ok(answer::record::<RevokedKeys>(&body)?.revoked)
    }

    async fn org(&self, route: ManagementRoute, id: &str, arguments: WireFields) -> Result<OrgRecord, Error> {
        answer::record(&self.0.call(route, id, arguments).await?)
    }
}

impl ClientAudit {
    /// See [`Audit::list`](crate::Audit::list).
    #[allow(clippy::missing_errors_doc, reason = "it fails as the call of the engine")]
    pub async fn list(&self, query: ListAudit) -> Result<Page<AuditEntry>, Error> {
        answer::record(&self.0.call(ManagementRoute::Audit, "", query.to_wire()).await?)
    }
}
