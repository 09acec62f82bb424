//! The arguments of `keywright import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::columns::RenamedColumns;
use super::mapping::Mapping;
use super::product::Product;
use crate::cli::exit::Stop;
use crate::error::Error;
use crate::hash::Hashed;
use crate::keyring::ImportFormat;
use crate::scope::IntoScopes;

#[derive(Args)]
pub(in crate::cli) struct ImportArguments {
    /// The export of the table, as CSV with the names of its columns or as JSON; - for standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The product that the keys come from
    #[arg(long, value_name = "PRODUCT")]
    pub(super) from: Product,
    /// The fixed start of every key: acme for keys like acme_…
    #[arg(long, help_heading = "Format of the keys")]
    prefix: Option<String>,
    /// The format of the keys, if it is not the product's own: {lookup:8}.{secret:32}
    #[arg(
        long,
        value_name = "TEMPLATE",
        requires = "hashed",
        conflicts_with = "prefix",
        help_heading = "Format of the keys"
    )]
    format: Option<String>,
    /// With --format: what was hashed
    #[arg(long, requires = "format", conflicts_with = "prefix", help_heading = "Format of the keys")]
    hashed: Option<HashedPart>,
    /// A column of the file that has another name than usual: name=label; may be repeated
    #[arg(long, value_name = "NAME=COLUMN", help_heading = "Keys")]
    column: Vec<String>,
    /// The org of keys whose row names none
    #[arg(long, help_heading = "Keys")]
    org: Option<String>,
    /// The column that names the org of each key
    #[arg(long, value_name = "COLUMN", conflicts_with = "org", help_heading = "Keys")]
    org_column: Option<String>,
    /// The environment of keys whose row names none [default: the engine's own]
    #[arg(long, help_heading = "Keys")]
    environment: Option<String>,
    /// The scopes of keys whose row says nothing of scopes: deals:read,deals:write
    #[arg(long, help_heading = "Keys")]
    scopes: Option<String>,
    /// The scopes that an ability, permission or role means: '*=deals:read,deals:write'; may be repeated
    #[arg(long, value_name = "ABILITY=SCOPES", help_heading = "Keys")]
    map_scope: Vec<String>,
    /// The level of keys whose row names none: read, read_write or full
    #[arg(long, help_heading = "Keys")]
    level: Option<String>,
    /// The tier of keys whose row names none
    #[arg(long, help_heading = "Keys")]
    tier: Option<String>,
    /// Give each key the id of its row
    #[arg(long, help_heading = "Keys")]
    keep_ids: bool,
    /// The name of the person or program that imports, for the audit
    #[arg(long)]
    pub(super) actor: Option<String>,
    /// Check every row and show what would happen, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Leave out the rows that cannot be imported; without this, one of them stops the import before it begins
    #[arg(long)]
    pub(super) skip_broken: bool,
}

/// The part of a key's text that was hashed.
#[derive(Clone, Copy, ValueEnum)]
enum HashedPart {
    /// All of it
    Text,
    /// The secret alone
    Secret,
}

impl ImportArguments {
    pub(super) fn format(&self) -> Result<ImportFormat, Stop> {
        let format = match (&self.format, self.hashed) {
            (Some(template), Some(hashed)) => {
                let hashed = match hashed {
                    HashedPart::Text => Hashed::Text,
                    HashedPart::Secret => Hashed::Secret,
                };
                ImportFormat::template(template, hashed)
            }
            _ if self.from == Product::Generic => {
                let message = "--from generic needs the format of the keys: give --format '{lookup:8}_{secret:32}' and --hashed secret";
                return Err(Stop::Usage(message.into()));
            }
            _ => ImportFormat::named(self.from.name(), self.prefix.as_deref()),
        };
        if self.prefix.as_deref().is_some_and(|prefix| prefix.ends_with('_')) && self.from.separates_prefix() {
            let reason = "ends with _, which stands behind it in any case";
            return Err(Error::validation_failed("prefix", reason, "leave the _ out").into());
        }
        Ok(format.map_err(|error| self.about_prefix(error))?)
    }

    /// An error about the format of a product is one about the option that it takes.
    fn about_prefix(&self, error: Error) -> Error {
        if self.format.is_some() {
            return error;
        }
        let error = error.at_field("prefix");
        if !self.from.takes_prefix() {
            return error;
        }
        error.with_fix("give the fixed start of every key, like --prefix acme for keys like acme_…")
    }

    pub(super) fn mapping(&self) -> Result<Mapping, Stop> {
        let mut mapping = Mapping {
            org: self.org.clone(),
            org_column: self.org_column.clone(),
            columns: RenamedColumns::read(&self.column, self.from.name(), &self.from.columns())?,
            environment: self.environment.clone(),
            scopes: self.scopes.as_deref().map(IntoScopes::into_scopes).transpose()?,
            level: self.level.clone(),
            tier: self.tier.clone(),
            keeps_ids: self.keep_ids,
            ..Mapping::default()
        };
        self.map_scope.iter().try_for_each(|words| mapping.map(words))?;
        Ok(mapping)
    }
}
