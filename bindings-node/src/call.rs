//! The management calls by name. Each reads its arguments, makes one call of the core, and returns JSON.

use keywright::ffi::{Casing, Fields, FromFields, Value, read_key_id, read_org_id, read_prune_before};
use keywright::{
    Attestation, Change, Credit, Error, FieldError, HashedImport, KeyUpdate, Keywright, ListAudit, ListKeys, ListOrgs,
    NewKey, Org, OrgUpdate, Page, Rotation,
};
use serde::Serialize;

use crate::key_row::{KeyRow, NewKeyRow};

/// A management call from JavaScript.
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) org: OrgSelector,
    /// The positional argument before the options: an id, a prefix or a time.
    pub(crate) subject: Value,
    pub(crate) fields: Fields,
}

/// The org that a call is limited to.
pub(crate) enum OrgSelector {
    Default,
    One(String),
    Every,
}

impl OrgSelector {
    /// Reads `undefined` as the default, `null` as every org, and any other value as the id of one.
    pub(crate) fn read(org: Option<Value>) -> Result<Self, Error> {
        match org {
            None => Ok(Self::Default),
            Some(Value::Null) => Ok(Self::Every),
            Some(id) => read_org_id(id).map(Self::One),
        }
    }

    /// Returns the handle of the org. `None` means the calls of the engine itself.
    pub(crate) fn of(&self, kw: &Keywright) -> Result<Option<Org>, Error> {
        match self {
            Self::Default => Ok(None),
            Self::One(org) => kw.org(org).map(Some),
            Self::Every => Ok(Some(kw.every_org())),
        }
    }
}

impl Call {
    pub(crate) async fn run(self, kw: &Keywright) -> Result<String, Error> {
        let Self { name, org, subject, fields } = self;
        let org = org.of(kw)?;
        let keys = org.as_ref().map_or_else(|| kw.keys(), Org::keys);
        let audit = || org.as_ref().map_or_else(|| kw.audit(), Org::audit);
        let orgs = kw.orgs();
        let id = |subject: Value| subject.into_text("id");
        match name.as_str() {
            "keys.create" => json(&NewKeyRow(&keys.create(NewKey::read(fields)?).await?)),
            "keys.list" => json(&rows(&keys.list(ListKeys::read(fields)?).await?)),
            "keys.get" => json(&KeyRow(&keys.get(read_key_id(subject)?).await?)),
            "keys.find" => json(&KeyRow(&keys.find(&subject.into_text("prefix")?).await?)),
            "keys.update" => json(&KeyRow(&keys.update(read_key_id(subject)?, KeyUpdate::read(fields)?).await?)),
            "keys.rotate" => json(&NewKeyRow(&keys.rotate(read_key_id(subject)?, Rotation::read(fields)?).await?)),
            "keys.end_grace" => json(&KeyRow(&keys.end_grace(read_key_id(subject)?, Change::read(fields)?).await?)),
            "keys.revoke" => json(&KeyRow(&keys.revoke(read_key_id(subject)?, Change::read(fields)?).await?)),
            "keys.disable" => json(&KeyRow(&keys.disable(read_key_id(subject)?, Change::read(fields)?).await?)),
            "keys.enable" => json(&KeyRow(&keys.enable(read_key_id(subject)?, Change::read(fields)?).await?)),
            "keys.purge" => json(&KeyRow(&keys.purge(read_key_id(subject)?, Change::read(fields)?).await?)),
            "keys.agents" => json(&keys.agents(read_key_id(subject)?).await?),
            "keys.credit" => json(&keys.credit(read_key_id(subject)?, Credit::read(fields)?).await?),
            "keys.attest" => json(&keys.attest(read_key_id(subject)?, Attestation::read(fields)?).await?),
            "keys.import_hashed" => json(&keys.import_hashed(HashedImport::read(fields)?).await?),
            "orgs.get" => json(&orgs.get(&id(subject)?).await?),
            "orgs.list" => json(&orgs.list(ListOrgs::read(fields)?).await?),
            "orgs.update" => json(&orgs.update(&id(subject)?, OrgUpdate::read(fields)?).await?),
            "orgs.disable" => json(&orgs.disable(&id(subject)?, Change::read(fields)?).await?),
            "orgs.enable" => json(&orgs.enable(&id(subject)?, Change::read(fields)?).await?),
            "orgs.revoke_keys" => json(&orgs.revoke_keys(&id(subject)?, Change::read(fields)?).await?),
            "audit.list" => json(&audit().list(ListAudit::read(fields)?).await?),
            "audit.verify" => json(&audit().verify().await?),
            "audit.head" => json(&audit().head().await?),
            "audit.prune" => json(&audit().prune(read_prune_before(subject)?).await?),
            _ => Err(invalid_request("call", "is unknown", "install addon and library of one version")),
        }
    }
}

/// Reads an optional object of named options.
pub(crate) fn fields(casing: Casing, options: Option<Value>) -> Result<Fields, Error> {
    match options {
        None => Ok(Fields::new(casing, Vec::new())),
        Some(Value::Map(entries)) => Ok(Fields::new(casing, entries)),
        Some(_) => Err(invalid_request("options", "must be an object", "give named options in an object")),
    }
}

pub(crate) fn invalid_request(field: &str, reason: &str, fix: &str) -> Error {
    Error::InvalidRequest(FieldError { field: field.into(), reason: reason.into(), fix: fix.into() })
}

/// Converts a page of keys into rows.
fn rows(page: &Page<keywright::Key>) -> impl Serialize {
    #[derive(Serialize)]
    struct Rows<'a> {
        data: Vec<KeyRow<'a>>,
        has_more: bool,
        next_cursor: Option<&'a str>,
    }
    Rows {
        data: page.data.iter().map(KeyRow).collect(),
        has_more: page.has_more,
        next_cursor: page.next_cursor.as_deref(),
    }
}

pub(crate) fn json(record: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(record).map_err(|error| Error::Unavailable {
        cause: keywright::UnavailableCause::Io,
        reason: format!("the answer could not be written: {error}"),
        fix: "report this".into(),
    })
}
