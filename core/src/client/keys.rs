use super::{Client, answer};
use crate::error::Error;
use crate::http::ManagementRoute;
use crate::keyring::{Attestation, Change, Credit, KeyUpdate, ListKeys, NewKey, Rotation, WireArguments, WireFields};
use crate::record::{AgentUsage, AuditEntry, IssuedKey, Key, KeyId, Page, QuotaState};

/// The keys of the org of a [`Client`]'s caller. The calls are those of [`Keys`](crate::Keys), with the same errors; `unavailable`
/// also means that the server cannot be asked, and `forbidden` that it refuses the client.
#[derive(Debug, Clone)]
pub struct ClientKeys(pub(super) Client);

#[allow(clippy::missing_errors_doc, reason = "each call fails as the one of the engine, and as the type says")]
impl ClientKeys {
    /// See [`Keys::create`](crate::Keys::create). It is a `conflict` that names the key if the server made it, and its text was
    /// lost with the connection.
    pub async fn create(&self, new: NewKey) -> Result<IssuedKey, Error> {
        answer::issued(&self.0.call(ManagementRoute::Create, "", new.to_wire()).await?)
    }

    /// See [`Keys::list`](crate::Keys::list).
    pub async fn list(&self, query: ListKeys) -> Result<Page<Key>, Error> {
        answer::record(&self.0.call(ManagementRoute::List, "", query.to_wire()).await?)
    }

    /// See [`Keys::get`](crate::Keys::get).
    pub async fn get(&self, id: impl Into<KeyId>) -> Result<Key, Error> {
        self.key(ManagementRoute::Get, id.into(), WireFields::new()).await
    }

    /// See [`Keys::update`](crate::Keys::update).
    pub async fn update(&self, id: impl Into<KeyId>, update: KeyUpdate) -> Result<Key, Error> {
        self.key(ManagementRoute::Update, id.into(), update.to_wire()).await
    }

    /// See [`Keys::rotate`](crate::Keys::rotate). It is a `conflict` that names the key if the new text was lost with the
    /// connection.
    pub async fn rotate(&self, id: impl Into<KeyId>, rotation: Rotation) -> Result<IssuedKey, Error> {
        answer::issued(&self.0.call(ManagementRoute::Rotate, &id.into().to_string(), rotation.to_wire()).await?)
    }

    /// See [`Keys::end_grace`](crate::Keys::end_grace).
    pub async fn end_grace(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        self.key(ManagementRoute::EndGrace, id.into(), change.into().to_wire()).await
    }

    /// See [`Keys::revoke`](crate::Keys::revoke).
    pub async fn revoke(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        self.key(ManagementRoute::Revoke, id.into(), change.into().to_wire()).await
    }

    /// See [`Keys::disable`](crate::Keys::disable).
    pub async fn disable(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        self.key(ManagementRoute::Disable, id.into(), change.into().to_wire()).await
    }

    /// See [`Keys::enable`](crate::Keys::enable).
    pub async fn enable(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        self.key(ManagementRoute::Enable, id.into(), change.into().to_wire()).await
    }

    /// See [`Keys::credit`](crate::Keys::credit).
    pub async fn credit(&self, id: impl Into<KeyId>, credit: Credit) -> Result<QuotaState, Error> {
        answer::record(&self.0.call(ManagementRoute::Credit, &id.into().to_string(), credit.to_wire()).await?)
    }

    /// See [`Keys::agents`](crate::Keys::agents).
    pub async fn agents(&self, id: impl Into<KeyId>) -> Result<Vec<AgentUsage>, Error> {
        answer::records(&self.0.call(ManagementRoute::Agents, &id.into().to_string(), WireFields::new()).await?)
    }

    /// See [`Keys::attest`](crate::Keys::attest).
    pub async fn attest(&self, id: impl Into<KeyId>, attestation: Attestation) -> Result<Vec<AuditEntry>, Error> {
        answer::records(&self.0.call(ManagementRoute::Attest, &id.into().to_string(), attestation.to_wire()).await?)
    }

    async fn key(&self, route: ManagementRoute, id: KeyId, arguments: WireFields) -> Result<Key, Error> {
        answer::record(&self.0.call(route, &id.to_string(), arguments).await?)
    }
}
