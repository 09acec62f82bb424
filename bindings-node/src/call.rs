//! The management calls by their names: read the arguments, ask the core once, write the answer.

use keywright::input::{Casing, Fields, Value};
use keywright::{
    Attestation, Audit, Change, Error, FieldError, KeyId, KeyUpdate, Keywright, ListAudit, ListKeys, ListOrgs, NewKey,
    Org, OrgUpdate, Page, Rotation,
};
use serde::Serialize;

use crate::row::{Issued, Row};

/// One call as JavaScript makes it.
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) org: Tenant,
    /// The argument before the options: an id, a prefix, a time.
    pub(crate) subject: Value,
    pub(crate) fields: Fields,
}

/// On whose behalf a call is made.
pub(crate) enum Tenant {
    Default,
    One(String),
    Every,
}

impl Tenant {
    /// Undefined is nobody in particular and null is everybody.
    pub(crate) fn read(org: Option<Value>) -> Result<Self, Error> {
        match org {
            None => Ok(Self::Default),
            Some(Value::Null) => Ok(Self::Every),
            Some(org) => Keywright::read_org(org).map(Self::One),
        }
    }

    /// The handle, which the engine's own calls stand in for when no org was named.
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
            "keys.create" => json(&Issued(&keys.create(NewKey::read(fields)?).await?)),
            "keys.list" => json(&rows(&keys.list(ListKeys::read(fields)?).await?)),
            "keys.get" => json(&Row(&keys.get(KeyId::read(subject)?).await?)),
            "keys.find" => json(&Row(&keys.find(&subject.into_text("prefix")?).await?)),
            "keys.update" => json(&Row(&keys.update(KeyId::read(subject)?, KeyUpdate::read(fields)?).await?)),
            "keys.rotate" => json(&Issued(&keys.rotate(KeyId::read(subject)?, Rotation::read(fields)?).await?)),
            "keys.end_grace" => json(&Row(&keys.end_grace(KeyId::read(subject)?, Change::read(fields)?).await?)),
            "keys.revoke" => json(&Row(&keys.revoke(KeyId::read(subject)?, Change::read(fields)?).await?)),
            "keys.disable" => json(&Row(&keys.disable(KeyId::read(subject)?, Change::read(fields)?).await?)),
            "keys.enable" => json(&Row(&keys.enable(KeyId::read(subject)?, Change::read(fields)?).await?)),
            "keys.purge" => json(&Row(&keys.purge(KeyId::read(subject)?, Change::read(fields)?).await?)),
            "keys.agents" => json(&keys.agents(KeyId::read(subject)?).await?),
            "keys.attest" => json(&keys.attest(KeyId::read(subject)?, Attestation::read(fields)?).await?),
            "orgs.get" => json(&orgs.get(&id(subject)?).await?),
            "orgs.list" => json(&orgs.list(ListOrgs::read(fields)?).await?),
            "orgs.update" => json(&orgs.update(&id(subject)?, OrgUpdate::read(fields)?).await?),
            "orgs.disable" => json(&orgs.disable(&id(subject)?, Change::read(fields)?).await?),
            "orgs.enable" => json(&orgs.enable(&id(subject)?, Change::read(fields)?).await?),
            "orgs.revoke_keys" => json(&orgs.revoke_keys(&id(subject)?, Change::read(fields)?).await?),
            "audit.list" => json(&audit().list(ListAudit::read(fields)?).await?),
            "audit.verify" => json(&audit().verify().await?),
            "audit.head" => json(&audit().head().await?),
            "audit.prune" => json(&audit().prune(Audit::read_before(subject)?).await?),
            _ => Err(misuse("call", "is unknown", "install addon and library of one version")),
        }
    }
}

/// Named arguments out of an options object, which may be left out.
pub(crate) fn fields(casing: Casing, options: Option<Value>) -> Result<Fields, Error> {
    match options {
        None => Ok(Fields::new(casing, Vec::new())),
        Some(Value::Map(entries)) => Ok(Fields::new(casing, entries)),
        Some(_) => Err(misuse("options", "must be an object", "give named options in an object")),
    }
}

pub(crate) fn misuse(field: &str, reason: &str, fix: &str) -> Error {
    Error::InvalidRequest(FieldError { field: field.into(), reason: reason.into(), fix: fix.into() })
}

/// A page of keys as rows.
fn rows(page: &Page<keywright::Key>) -> impl Serialize {
    #[derive(Serialize)]
    struct Rows<'a> {
        data: Vec<Row<'a>>,
        has_more: bool,
        next_cursor: Option<&'a str>,
    }
    Rows {
        data: page.data.iter().map(Row).collect(),
        has_more: page.has_more,
        next_cursor: page.next_cursor.as_deref(),
    }
}

pub(crate) fn json(record: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(record).map_err(|it| Error::Unavailable {
        cause: keywright::UnavailableCause::Io,
        reason: format!("the answer could not be written: {it}"),
        fix: "report this".into(),
    })
}
