//! Unkey: its table of keys, or the rows for its own migration. `hash` is the SHA-256 of the whole key in base64.

use super::{KeyDraft, Mapping, Product, Row, unnamed};
use crate::cli::import::draft::sha256;
use crate::error::Error;

pub(super) const COLUMNS: [(&str, &str); 4] =
    [("verifier", "hash"), ("scopes", "permissions"), ("expires_at", "expires"), ("revoked_at", "deleted_at")];

pub(super) const READ: [&str; 18] = [
    "hash",
    "id",
    "name",
    "start",
    "permissions",
    "roles",
    "meta",
    "externalId",
    "owner_id",
    "identity_id",
    "environment",
    "enabled",
    "created_at_m",
    "created_at",
    "updated_at_m",
    "expires",
    "deleted_at_m",
    "deleted_at",
];

pub(super) fn read(row: &mut Row, draft: &mut KeyDraft, mapping: &Mapping) -> Result<(), Error> {
    // A row for a migration may say `{"hash": {"value": "…", "variant": "sha256_base64"}}`.
    if row.flatten("hash") {
        refuse_variant(row.text("variant")?.as_deref())?;
        draft.text("verifier", Some(sha256("value", row).map_err(|error| error.at_field("hash"))?));
    } else {
        draft.text("verifier", Some(sha256("hash", row)?));
    }
    let (id, start) = (row.text("id")?, row.text("start")?);
    let name = row.text("name")?;
    let shown = id.as_deref().or(start.as_deref()).unwrap_or("key");
    draft.text("name", Some(name.unwrap_or_else(|| unnamed(Product::Unkey, shown))));
    draft.text("start", start);
    let roles = row.texts("roles")?;
    let permissions = mapping.scopes("permissions", row.texts("permissions")?)?;
    draft.texts("scopes", with_roles(permissions, roles.as_deref(), mapping));
    draft.metadata(row.map("meta")?);
    let external = row.text("externalId")?;
    let owner = external.or(row.text("owner_id")?);
    draft.note("owner", owner.or(row.text("identity_id")?));
    draft.note("roles", roles.filter(|roles| !roles.is_empty()).map(|roles| roles.join(",")));
    draft.text("environment", row.text("environment")?);
    let updated_at = row.time("updated_at_m")?;
    draft.ended("disabled_at", row.flag("enabled")? == Some(false), updated_at);
    // Unkey has kept its times as dates, and then as milliseconds in columns of their own.
    let created_at = row.time("created_at_m")?;
    draft.time("created_at", created_at.or(row.time("created_at")?));
    draft.time("expires_at", row.time("expires")?);
    let deleted_at = row.time("deleted_at_m")?;
    draft.time("revoked_at", deleted_at.or(row.time("deleted_at")?));
    draft.id(id, mapping);
    row.ignore(&["prefix", "workspace_id", "key_auth_id", "for_workspace_id"]);
    Ok(())
}

fn refuse_variant(variant: Option<&str>) -> Result<(), Error> {
    match variant {
        None | Some("sha256_base64") => Ok(()),
        Some(_) => Err(Error::validation_failed(
            "hash",
            "has a variant other than sha256_base64",
            "import it with --from generic",
        )),
    }
}

/// The scopes with those that the roles mean.
fn with_roles(scopes: Option<Vec<String>>, roles: Option<&[String]>, mapping: &Mapping) -> Option<Vec<String>> {
    let of_roles = mapping.scopes_of_roles(roles.unwrap_or_default());
    if of_roles.is_empty() {
        return scopes;
    }
    Some(scopes.into_iter().flatten().chain(of_roles).collect())
}
