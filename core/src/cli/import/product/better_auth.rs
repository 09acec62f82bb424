//! The API-key plugin of better-auth. `key` is the SHA-256 of the whole key in base64url.

use super::{KeyDraft, Mapping, Product, Row, unnamed};
use crate::cli::import::draft::sha256;
use crate::error::Error;
use crate::input::Value;

pub(super) const COLUMNS: [(&str, &str); 7] = [
    ("verifier", "key"),
    ("networks", "ipAllowlist"),
    ("scopes", "permissions"),
    ("created_at", "createdAt"),
    ("expires_at", "expiresAt"),
    ("disabled_at", "updatedAt"),
    ("last_used_at", "lastRequest"),
];

pub(super) const READ: [&str; 14] = [
    "key",
    "id",
    "name",
    "start",
    "permissions",
    "metadata",
    "referenceId",
    "userId",
    "ipAllowlist",
    "enabled",
    "createdAt",
    "updatedAt",
    "expiresAt",
    "lastRequest",
];

pub(super) fn read(row: &mut Row, draft: &mut KeyDraft, mapping: &Mapping) -> Result<(), Error> {
    draft.text("verifier", Some(sha256("key", row)?));
    let (id, start) = (row.text("id")?, row.text("start")?);
    let name = row.text("name")?;
    let shown = id.as_deref().or(start.as_deref()).unwrap_or("key");
    draft.text("name", Some(name.unwrap_or_else(|| unnamed(Product::BetterAuth, shown))));
    draft.text("start", start);
    draft.texts("networks", row.texts("ipAllowlist")?);
    let permissions = row.map("permissions")?.map(abilities).transpose()?;
    draft.texts("scopes", mapping.scopes("permissions", permissions)?);
    draft.metadata(row.map("metadata")?);
    // Newer releases name the owner, a user or an organization, in `referenceId`.
    let owner = row.text("referenceId")?;
    draft.note("owner", owner.or(row.text("userId")?));
    let updated_at = row.time("updatedAt")?;
    draft.ended("disabled_at", row.flag("enabled")? == Some(false), updated_at);
    draft.time("created_at", row.time("createdAt")?);
    draft.time("expires_at", row.time("expiresAt")?);
    draft.time("last_used_at", row.time("lastRequest")?);
    draft.id(id, mapping);
    row.ignore(&["prefix", "requestCount"]);
    Ok(())
}

/// Permissions are actions by resource: `{"files": ["read", "write"]}`.
fn abilities(permissions: Vec<(String, Value)>) -> Result<Vec<String>, Error> {
    let mut abilities = Vec::new();
    for (resource, actions) in permissions {
        let actions = actions.into_texts("permissions")?;
        abilities.extend(actions.iter().map(|action| format!("{resource}:{action}")));
    }
    Ok(abilities)
}
