//! The same engine for programs without `async`: each call blocks until it is done.
//!
//! ```
//! # fn main() -> Result<(), keywright::Error> {
//! # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
//! use keywright::{NewKey, Request, blocking::Keywright};
//! let kw = Keywright::open(keywright::Keywright::builder(url).brand("liq").pepper([7; 32]))?;
//! let new = kw.keys().create(NewKey::named("CI"))?;
//! assert!(kw.verify(new.api_key.reveal(), &Request::new()).is_allowed());
//! kw.close();
//! # Ok(()) }
//! ```

use chrono::{DateTime, Utc};

use crate::wait::block_on;
use crate::{
    AgentUsage, Allowed, Attestation, AuditCheck, AuditEntry, AuditHead, Change, Config, Credit, Decision, Denial,
    Error, HashedImport, ImportReport, IssuedKey, Key, KeyId, KeyUpdate, ListAudit, ListKeys, ListOrgs, NewKey,
    OrgRecord, OrgUpdate, Page, Presented, QuotaState, Request, Rotation,
};

/// Blocking [`crate::Keywright`]. Calls that never wait are on [`engine`](Self::engine).
#[derive(Clone)]
pub struct Keywright(crate::Keywright);

/// Blocking [`crate::Org`].
#[derive(Clone)]
pub struct Org(crate::Org);

/// Blocking [`crate::Keys`].
#[derive(Clone)]
pub struct Keys(crate::Keys);

/// Blocking [`crate::Orgs`].
#[derive(Clone)]
pub struct Orgs(crate::Orgs);

/// Blocking [`crate::Audit`].
#[derive(Clone)]
pub struct Audit(crate::Audit);

/// Defines methods that block on the method of the same name.
macro_rules! blocking {
    ($($(#[$doc:meta])* $name:ident $(<$life:lifetime>)? ($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $($(#[$doc])* #[allow(clippy::missing_errors_doc)] pub fn $name $(<$life>)? (&self, $($argument: $kind),*) -> $answer {
            block_on(self.0.$name($($argument),*))
        })*
    };
}

impl Keywright {
    /// Opens the engine of a configuration.
    ///
    /// # Errors
    /// As [`Config::build`].
    pub fn open(config: Config) -> Result<Self, Error> {
        block_on(config.build()).map(Self)
    }

    /// The engine with its `async` calls.
    #[must_use]
    pub fn engine(&self) -> &crate::Keywright {
        &self.0
    }

    /// See [`crate::Keywright::keys`].
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys(self.0.keys())
    }

    /// See [`crate::Keywright::org`].
    ///
    /// # Errors
    /// `validation_failed` for an invalid id.
    pub fn org(&self, id: &str) -> Result<Org, Error> {
        self.0.org(id).map(Org)
    }

    /// See [`crate::Keywright::every_org`].
    #[must_use]
    pub fn every_org(&self) -> Org {
        Org(self.0.every_org())
    }

    /// See [`crate::Keywright::orgs`].
    #[must_use]
    pub fn orgs(&self) -> Orgs {
        Orgs(self.0.orgs())
    }

    /// See [`crate::Keywright::audit`].
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit(self.0.audit())
    }

    /// See [`crate::Keywright::verify`].
    pub fn verify<'a>(&self, presented: impl Into<Presented<'a>>, request: &Request) -> Decision {
        let presented = presented.into();
        // Memory answers most calls without a future.
        self.0.try_verify(presented, request).unwrap_or_else(|| block_on(self.0.verify(presented, request)))
    }

    /// See [`crate::Keywright::try_verify`].
    pub fn try_verify<'a>(&self, presented: impl Into<Presented<'a>>, request: &Request) -> Option<Decision> {
        self.0.try_verify(presented, request)
    }

    blocking! {
        /// See [`crate::Keywright::authenticate`].
        authenticate<'a>(presented: impl Into<Presented<'a>>, request: &Request) -> Result<Allowed, Box<Denial>>;
        /// See [`crate::Keywright::flush`].
        flush() -> Result<(), Error>;
        /// See [`crate::Keywright::close`].
        close() -> ();
    }
}

impl Org {
    /// See [`crate::Org::keys`].
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys(self.0.keys())
    }

    /// See [`crate::Org::audit`].
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit(self.0.audit())
    }

    /// See [`crate::Org::verify`].
    pub fn verify<'a>(&self, presented: impl Into<Presented<'a>>, request: &Request) -> Decision {
        let presented = presented.into();
        self.0.try_verify(presented, request).unwrap_or_else(|| block_on(self.0.verify(presented, request)))
    }

    blocking! {
        /// See [`crate::Org::authenticate`].
        authenticate<'a>(presented: impl Into<Presented<'a>>, request: &Request) -> Result<Allowed, Box<Denial>>;
    }
}

impl Keys {
    blocking! {
        /// See [`crate::Keys::create`].
        create(new: NewKey) -> Result<IssuedKey, Error>;
        /// See [`crate::Keys::list`].
        list(query: ListKeys) -> Result<Page<Key>, Error>;
        /// See [`crate::Keys::get`].
        get(id: impl Into<KeyId>) -> Result<Key, Error>;
        /// See [`crate::Keys::find`].
        find(prefix: &str) -> Result<Key, Error>;
        /// See [`crate::Keys::update`].
        update(id: impl Into<KeyId>, update: KeyUpdate) -> Result<Key, Error>;
        /// See [`crate::Keys::rotate`].
        rotate(id: impl Into<KeyId>, rotation: Rotation) -> Result<IssuedKey, Error>;
        /// See [`crate::Keys::end_grace`].
        end_grace(id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error>;
        /// See [`crate::Keys::revoke`].
        revoke(id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error>;
        /// See [`crate::Keys::disable`].
        disable(id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error>;
        /// See [`crate::Keys::enable`].
        enable(id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error>;
        /// See [`crate::Keys::purge`].
        purge(id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error>;
        /// See [`crate::Keys::credit`].
        credit(id: impl Into<KeyId>, credit: Credit) -> Result<QuotaState, Error>;
        /// See [`crate::Keys::import_hashed`].
        import_hashed(import: HashedImport) -> Result<ImportReport, Error>;
        /// See [`crate::Keys::agents`].
        agents(id: impl Into<KeyId>) -> Result<Vec<AgentUsage>, Error>;
        /// See [`crate::Keys::attest`].
        attest(id: impl Into<KeyId>, attestation: Attestation) -> Result<Vec<AuditEntry>, Error>;
    }
}

impl Orgs {
    blocking! {
        /// See [`crate::Orgs::get`].
        get(id: &str) -> Result<OrgRecord, Error>;
        /// See [`crate::Orgs::list`].
        list(query: ListOrgs) -> Result<Page<OrgRecord>, Error>;
        /// See [`crate::Orgs::update`].
        update(id: &str, update: OrgUpdate) -> Result<OrgRecord, Error>;
        /// See [`crate::Orgs::disable`].
        disable(id: &str, change: impl Into<Change>) -> Result<OrgRecord, Error>;
        /// See [`crate::Orgs::enable`].
        enable(id: &str, change: impl Into<Change>) -> Result<OrgRecord, Error>;
        /// See [`crate::Orgs::revoke_keys`].
        revoke_keys(id: &str, change: impl Into<Change>) -> Result<u64, Error>;
    }
}

impl Audit {
    blocking! {
        /// See [`crate::Audit::list`].
        list(query: ListAudit) -> Result<Page<AuditEntry>, Error>;
        /// See [`crate::Audit::head`].
        head() -> Result<AuditHead, Error>;
        /// See [`crate::Audit::verify`].
        verify() -> Result<AuditCheck, Error>;
        /// See [`crate::Audit::prune`].
        prune(before: DateTime<Utc>) -> Result<u64, Error>;
    }
}

/// Blocking [`crate::Client`].
///
/// ```no_run
/// use keywright::{ListKeys, blocking::Client};
/// let client = Client::new("unix:/run/keywright/keywright.sock", std::env::var("KEYWRIGHT_API_KEY").unwrap_or_default())?;
/// println!("{} keys", client.keys().list(ListKeys::new())?.data.len());
/// # Ok::<(), keywright::Error>(())
/// ```
#[cfg(feature = "client")]
#[derive(Debug, Clone)]
pub struct Client(crate::Client);

/// Blocking [`crate::client::ClientOrg`].
#[cfg(feature = "client")]
#[derive(Debug, Clone)]
pub struct ClientOrg(crate::client::ClientOrg);

/// Blocking [`crate::client::ClientKeys`].
#[cfg(feature = "client")]
#[derive(Debug, Clone)]
pub struct ClientKeys(crate::client::ClientKeys);

/// Blocking [`crate::client::ClientOrgs`].
#[cfg(feature = "client")]
#[derive(Debug, Clone)]
pub struct ClientOrgs(crate::client::ClientOrgs);

/// Blocking [`crate::client::ClientAudit`].
#[cfg(feature = "client")]
#[derive(Debug, Clone)]
pub struct ClientAudit(crate::client::ClientAudit);

#[cfg(feature = "client")]
impl From<crate::Client> for Client {
    fn from(client: crate::Client) -> Self {
        Self(client)
    }
}

#[cfg(feature = "client")]
impl Client {
    /// See [`crate::Client::new`]. For other settings, build a [`crate::Client`] and convert it.
    ///
    /// # Errors
    /// As [`crate::Client::new`].
    pub fn new(url: impl Into<String>, api_key: impl Into<String>) -> Result<Self, Error> {
        crate::Client::new(url, api_key).map(Self)
    }

    /// See [`crate::Client::keys`].
    #[must_use]
    pub fn keys(&self) -> ClientKeys {
        ClientKeys(self.0.keys())
    }

    /// See [`crate::Client::orgs`].
    #[must_use]
    pub fn orgs(&self) -> ClientOrgs {
        ClientOrgs(self.0.orgs())
    }

    /// See [`crate::Client::audit`].
    #[must_use]
    pub fn audit(&self) -> ClientAudit {
        ClientAudit(self.0.audit())
    }

    /// See [`crate::Client::org`].
    #[must_use]
    pub fn org(&self, id: impl Into<String>) -> ClientOrg {
        ClientOrg(self.0.org(id))
    }

    blocking! {
        /// See [`crate::Client::verify`].
        verify<'a>(presented: impl Into<Presented<'a>>, request: &Request) -> Decision;
        /// See [`crate::Client::authenticate`].
        authenticate<'a>(presented: impl Into<Presented<'a>>, request: &Request) -> Result<Allowed, Box<Denial>>;
    }
}

#[cfg(feature = "client")]
impl ClientOrg {
    blocking! {
        /// See [`crate::client::ClientOrg::verify`].
        verify<'a>(presented: impl Into<Presented<'a>>, request: &Request) -> Decision;
        /// See [`crate::client::ClientOrg::authenticate`].
        authenticate<'a>(presented: impl Into<Presented<'a>>, request: &Request) -> Result<Allowed, Box<Denial>>;
    }
}

#[cfg(feature = "client")]
impl ClientKeys {
    blocking! {
        /// See [`crate::Keys::create`].
        create(new: NewKey) -> Result<IssuedKey, Error>;
        /// See [`crate::Keys::list`].
        list(query: ListKeys) -> Result<Page<Key>, Error>;
        /// See [`crate::Keys::get`].
        get(id: impl Into<KeyId>) -> Result<Key, Error>;
        /// See [`crate::Keys::update`].
        update(id: impl Into<KeyId>, update: KeyUpdate) -> Result<Key, Error>;
        /// See [`crate::Keys::rotate`].
        rotate(id: impl Into<KeyId>, rotation: Rotation) -> Result<IssuedKey, Error>;
        /// See [`crate::Keys::end_grace`].
        end_grace(id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error>;
        /// See [`crate::Keys::revoke`].
        revoke(id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error>;
        /// See [`crate::Keys::disable`].
        disable(id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error>;
        /// See [`crate::Keys::enable`].
        enable(id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error>;
        /// See [`crate::Keys::credit`].
        credit(id: impl Into<KeyId>, credit: Credit) -> Result<QuotaState, Error>;
        /// See [`crate::Keys::agents`].
        agents(id: impl Into<KeyId>) -> Result<Vec<AgentUsage>, Error>;
        /// See [`crate::Keys::attest`].
        attest(id: impl Into<KeyId>, attestation: Attestation) -> Result<Vec<AuditEntry>, Error>;
    }
}

#[cfg(feature = "client")]
impl ClientOrgs {
    blocking! {
        /// See [`crate::Orgs::get`].
        get(id: &str) -> Result<OrgRecord, Error>;
        /// See [`crate::Orgs::list`].
        list(query: ListOrgs) -> Result<Page<OrgRecord>, Error>;
        /// See [`crate::Orgs::update`].
        update(id: &str, update: OrgUpdate) -> Result<OrgRecord, Error>;
        /// See [`crate::Orgs::disable`].
        disable(id: &str, change: impl Into<Change>) -> Result<OrgRecord, Error>;
        /// See [`crate::Orgs::enable`].
        enable(id: &str, change: impl Into<Change>) -> Result<OrgRecord, Error>;
        /// See [`crate::Orgs::revoke_keys`].
        revoke_keys(id: &str, change: impl Into<Change>) -> Result<u64, Error>;
    }
}

#[cfg(feature = "client")]
impl ClientAudit {
    blocking! {
        /// See [`crate::Audit::list`].
        list(query: ListAudit) -> Result<Page<AuditEntry>, Error>;
    }
}
