use crate::audit::AuditDraft;
use crate::casing::Casing;
use crate::clock::Millis;
use crate::error::Error;
use crate::input::{Fields, Value};
use crate::keyring::Keywright;
use crate::lifecycle::SecretLifetime;
use crate::scope;
use crate::store::{CreateKey, KeyRow, SecretRow, Store};
use crate::wait::block_on;

/// Writes a key's row as an earlier release wrote it: the fields of `row` in `tests/vectors/stored_rows.json`.
///
/// # Errors
/// As `keys.create`; `invalid_request` for a missing field, `conflict` for a row that is there.
pub fn plant(kw: &Keywright, row: Value) -> Result<(), Error> {
    const MADE: Millis = 0;
    let known = ["key_id", "org", "environment", "lookup", "prefix", "format", "verifier", "filter", "scopes"];
    let mut fields = Fields::new(Casing::Snake, row.into_map("row")?).only(&known)?;
    let mut text = |name: &str| fields.text(name)?.ok_or_else(|| Error::invalid_request(name, "is missing", "give it"));
    let key = KeyRow {
        id: text("key_id")?,
        org: text("org")?,
        environment: text("environment")?,
        name: "planted".to_owned(),
        created_at: MADE,
        updated_at: MADE,
        ..KeyRow::default()
    };
    let secret = SecretRow {
        lifetime: SecretLifetime { lookup: text("lookup")?, grace_ends_at: None },
        prefix: text("prefix")?,
        format: text("format")?,
        verifier: text("verifier")?,
        filter: None,
        created_at: MADE,
    };
    if fields.given("filter").is_some() {
        return Err(Error::validation_failed("filter", "is made under a random key of each database", "leave it null"));
    }
    let scopes = fields.given("scopes").map_or(Ok(vec![]), scope::read)?;
    let audit = AuditDraft {
        at: MADE,
        org: Some(key.org.clone()),
        actor: None,
        action: "key.create",
        target: Some(key.id.clone()),
        reason: None,
        details: serde_json::Map::new(),
    };
    let key = KeyRow { scopes, ..key };
    let made = kw.engine().store().run(CreateKey { key, secret, audit, authority: None });
    if block_on(made)? { Ok(()) } else { Err(Error::conflict("key_id", "is there already", "use another id")) }
}
