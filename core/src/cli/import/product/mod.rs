//! The products whose keys can be imported. Each file reads the rows of one table.

mod better_auth;
mod djangorestframework_api_key;
mod own_table;
mod sanctum;
mod unkey;

use clap::ValueEnum;

use super::draft::KeyDraft;
use super::mapping::Mapping;
use super::rows::{Row, shown};
use super::seen::KeyIdentity;
use crate::error::Error;
use crate::input::Fields;

/// The product that a file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Product {
    /// The table of Django REST Framework API Key
    DjangorestframeworkApiKey,
    /// The table apikey of better-auth's plugin
    BetterAuth,
    /// The table personal_access_tokens of Laravel Sanctum
    Sanctum,
    /// The table keys of Unkey, or a list for its migration
    Unkey,
    /// A table with the short tokens and the hashes of prefixed-api-key
    PrefixedApiKey,
    /// A table of your own with prefixes and bcrypt hashes
    Bcrypt,
    /// A table with the columns of Keywright
    Generic,
}

impl Product {
    /// The name of the format, as `keys.import_hashed` knows it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DjangorestframeworkApiKey => "djangorestframework-api-key",
            Self::BetterAuth => "better-auth",
            Self::Sanctum => "sanctum",
            Self::Unkey => "unkey",
            Self::PrefixedApiKey => "prefixed-api-key",
            Self::Bcrypt => "bcrypt",
            Self::Generic => "generic",
        }
    }

    /// Whether its texts have a `_` behind their prefix.
    pub(super) fn separates_prefix(self) -> bool {
        matches!(self, Self::PrefixedApiKey | Self::Bcrypt)
    }

    /// Whether its texts have a fixed start that the caller knows.
    pub(super) fn takes_prefix(self) -> bool {
        self.separates_prefix() || matches!(self, Self::BetterAuth | Self::Unkey)
    }

    /// The columns that are read.
    pub(super) fn columns(self) -> Vec<&'static str> {
        match self {
            Self::DjangorestframeworkApiKey => djangorestframework_api_key::READ.into(),
            Self::BetterAuth => better_auth::READ.into(),
            Self::Sanctum => sanctum::READ.into(),
            Self::Unkey => unkey::READ.into(),
            Self::PrefixedApiKey => own_table::PREFIXED_API_KEY.columns(),
            Self::Bcrypt => own_table::BCRYPT.columns(),
            Self::Generic => own_table::GENERIC.columns(),
        }
    }

    /// Moves nested columns to the others.
    pub(super) fn flatten(self, row: &mut Row) {
        if self == Self::DjangorestframeworkApiKey {
            // `dumpdata` writes the columns beside the name of the model.
            row.flatten("fields");
        }
    }

    /// The columns that a table must have.
    pub(super) fn needed(self) -> &'static [&'static str] {
        match self {
            Self::DjangorestframeworkApiKey => &["prefix", "hashed_key", "name", "revoked", "expiry_date"],
            Self::BetterAuth => &["key"],
            Self::Sanctum => &["id", "name", "token"],
            Self::Unkey => &["hash"],
            Self::PrefixedApiKey => &["shortToken", "longTokenHash"],
            Self::Bcrypt => &["prefix", "hash"],
            Self::Generic => &["name", "verifier"],
        }
    }

    /// Reads one row.
    pub(super) fn read(self, row: &mut Row, mapping: &Mapping) -> Result<(Fields, KeyIdentity), Error> {
        let mut draft = KeyDraft::default();
        self.flatten(row);
        // The column may also tell something else about the key, so it stays in the row.
        draft.text("org", mapping.org_column.as_deref().map(|column| row.clone_text(column)).transpose()?);
        mapping.columns.rename(row);
        match self {
            Self::DjangorestframeworkApiKey => djangorestframework_api_key::read(row, &mut draft, mapping)?,
            Self::BetterAuth => better_auth::read(row, &mut draft, mapping)?,
            Self::Sanctum => sanctum::read(row, &mut draft, mapping)?,
            Self::Unkey => unkey::read(row, &mut draft, mapping)?,
            Self::PrefixedApiKey => own_table::PREFIXED_API_KEY.read(row, &mut draft, mapping)?,
            Self::Bcrypt => own_table::BCRYPT.read(row, &mut draft, mapping)?,
            Self::Generic => own_table::GENERIC.read(row, &mut draft, mapping)?,
        }
        if let Some(column) = &mapping.org_column {
            row.ignore(&[column]);
        }
        match self {
            Self::Generic => own_table::refuse_others(row)?,
            Self::PrefixedApiKey | Self::Bcrypt => own_table::refuse_states(row)?,
            _ => {}
        }
        Ok(draft.finish(mapping))
    }

    /// The column that a field of `keys.import_hashed` comes from.
    pub(super) fn column(self, field: &str) -> &str {
        let renamed: &[(&str, &str)] = match self {
            Self::DjangorestframeworkApiKey => &djangorestframework_api_key::COLUMNS,
            Self::BetterAuth => &better_auth::COLUMNS,
            Self::Sanctum => &sanctum::COLUMNS,
            Self::Unkey => &unkey::COLUMNS,
            Self::PrefixedApiKey => &PREFIXED,
            Self::Bcrypt => &BCRYPT,
            Self::Generic => &[],
        };
        renamed.iter().find(|(name, _)| *name == field).map_or(field, |(_, column)| column)
    }
}

const PREFIXED: [(&str, &str); 2] = own_table::PREFIXED_API_KEY.renamed();
const BCRYPT: [(&str, &str); 2] = own_table::BCRYPT.renamed();

/// A name for a key that has none.
fn unnamed(product: Product, id: &str) -> String {
    format!("{} {id}", product.name())
}

#[cfg(test)]
mod tests;
