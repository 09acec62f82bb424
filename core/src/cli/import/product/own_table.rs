//! Tables whose columns no product fixes: the hashes of a library in a table of your own. All columns but two have the names of
//! `keys.import_hashed`.

use super::{KeyDraft, Mapping, Product, Row, shown, unnamed};
use crate::error::Error;
use crate::input::{Value, meant};
use crate::keyring::HashedKey;

/// The columns for the lookup and for the hash.
pub(super) struct OwnTable {
    product: Product,
    lookup: &'static str,
    verifier: &'static str,
    /// Begins every hash, where the library leaves out the name of the scheme.
    scheme: &'static str,
}

pub(super) const PREFIXED_API_KEY: OwnTable =
    OwnTable { product: Product::PrefixedApiKey, lookup: "shortToken", verifier: "longTokenHash", scheme: "sha256$" };
pub(super) const BCRYPT: OwnTable =
    OwnTable { product: Product::Bcrypt, lookup: "prefix", verifier: "hash", scheme: "" };
pub(super) const GENERIC: OwnTable =
    OwnTable { product: Product::Generic, lookup: "lookup", verifier: "verifier", scheme: "" };

impl OwnTable {
    pub(super) const fn renamed(&self) -> [(&'static str, &'static str); 2] {
        [("lookup", self.lookup), ("verifier", self.verifier)]
    }

    /// The arguments of the call, two of them under the names of the table.
    pub(super) fn columns(&self) -> Vec<&'static str> {
        let name = |field: &'static str| {
            self.renamed().into_iter().find(|(it, _)| *it == field).map_or(field, |(_, column)| column)
        };
        HashedKey::NAMES.iter().map(|field| name(field)).collect()
    }

    pub(super) fn read(&self, row: &mut Row, draft: &mut KeyDraft, mapping: &Mapping) -> Result<(), Error> {
        let lookup = row.text(self.lookup)?;
        draft.text("verifier", Some(format!("{}{}", self.scheme, row.needed(self.verifier)?)));
        let name = row.text("name")?;
        draft.text("name", name.or_else(|| lookup.as_deref().map(|lookup| unnamed(self.product, lookup))));
        draft.text("lookup", lookup);
        for column in ["description", "start", "environment", "level", "tier", "created_by", "reason"] {
            draft.text(column, row.text(column)?);
        }
        if mapping.org_column.is_none() {
            draft.text("org", row.text("org")?);
        }
        let abilities = row.texts("scopes")?;
        draft.texts("scopes", mapping.scopes("scopes", abilities)?);
        draft.texts("networks", row.texts("networks")?);
        for column in ["limits", "quotas"] {
            draft.put(column, row.map(column)?.map(Value::Map));
        }
        draft.metadata(row.map("metadata")?);
        for column in ["created_at", "expires_at", "disabled_at", "revoked_at", "last_used_at"] {
            draft.time(column, row.time(column)?);
        }
        draft.put("usage_count", row.integer("usage_count")?);
        let id = row.text("id")?;
        // The ids of a file that is made for Keywright are meant.
        draft.text("id", id.filter(|_| mapping.keeps_ids || self.product == Product::Generic));
        Ok(())
    }
}

/// Refuses a column that a file for Keywright does not have: a misspelt `expires_at` would make a key that never expires.
pub(super) fn refuse_others(row: &Row) -> Result<(), Error> {
    let Some(other) = row.left().next() else { return Ok(()) };
    let (known, shown) = (HashedKey::NAMES, shown(other));
    let fix = meant(shown, known.iter().copied(), format!("known are {}", known.join(", ")));
    Err(Error::invalid_request(shown, "is no column of an import", fix))
}

/// Columns that tell whether a key works, in a way that is not understood: without them it would work.
const STATES: [&str; 9] =
    ["revoked", "is_revoked", "disabled", "is_disabled", "active", "is_active", "enabled", "expired", "status"];

/// Refuses a column that may say that a key does not work.
pub(super) fn refuse_states(row: &Row) -> Result<(), Error> {
    let is_state = |name: &str| STATES.iter().any(|state| state.eq_ignore_ascii_case(name));
    let Some(state) = row.left().find(|name| is_state(name)) else { return Ok(()) };
    let fix = "export the time in revoked_at, disabled_at or expires_at in place of it, or leave out the keys that do not work";
    Err(Error::invalid_request(shown(state), "may say that the key does not work, and is not understood", fix))
}
