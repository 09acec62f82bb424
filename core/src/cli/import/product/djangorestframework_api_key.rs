//! Django REST Framework API Key. A key is `PREFIX.SECRET`, and `hashed_key` is Django's hash of all of it.

use super::{KeyDraft, Mapping, Row};
use crate::error::Error;

pub(super) const COLUMNS: [(&str, &str); 4] =
    [("lookup", "prefix"), ("verifier", "hashed_key"), ("created_at", "created"), ("expires_at", "expiry_date")];

pub(super) const READ: [&str; 6] = ["prefix", "hashed_key", "name", "created", "revoked", "expiry_date"];

pub(super) fn read(row: &mut Row, draft: &mut KeyDraft, mapping: &Mapping) -> Result<(), Error> {
    draft.text("lookup", Some(row.needed("prefix")?));
    draft.text("verifier", Some(row.needed("hashed_key")?));
    draft.text("name", Some(row.needed("name")?));
    draft.texts("scopes", mapping.scopes("scopes", None)?);
    draft.time("created_at", row.time("created")?);
    draft.time("expires_at", row.time("expiry_date")?);
    draft.ended("revoked_at", row.flag("revoked")? == Some(true), None);
    // The id holds the hash, so it does not become the id of the key.
    row.ignore(&["id", "pk", "model"]);
    Ok(())
}
