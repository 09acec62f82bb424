//! Laravel Sanctum. A token is `ID|SECRET`, and `token` is the SHA-256 of the secret in hex.

use super::{KeyDraft, Mapping, Row};
use crate::cli::import::draft::sha256;
use crate::error::Error;

pub(super) const COLUMNS: [(&str, &str); 3] = [("lookup", "id"), ("verifier", "token"), ("scopes", "abilities")];

pub(super) const READ: [&str; 9] =
    ["id", "token", "name", "abilities", "tokenable_id", "tokenable_type", "created_at", "expires_at", "last_used_at"];

pub(super) fn read(row: &mut Row, draft: &mut KeyDraft, mapping: &Mapping) -> Result<(), Error> {
    let id = row.needed("id")?;
    draft.text("lookup", Some(id.clone()));
    draft.text("verifier", Some(sha256("token", row)?));
    draft.text("name", Some(row.needed("name")?));
    let abilities = row.texts("abilities")?;
    draft.texts("scopes", mapping.scopes("abilities", abilities)?);
    draft.note("owner", row.text("tokenable_id")?);
    draft.note("owner_type", row.text("tokenable_type")?);
    draft.time("created_at", row.time("created_at")?);
    draft.time("expires_at", row.time("expires_at")?);
    draft.time("last_used_at", row.time("last_used_at")?);
    draft.id(Some(id), mapping);
    row.ignore(&["updated_at"]);
    Ok(())
}
