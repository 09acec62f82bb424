//! The row of a key, and its other forms: the record, the purged row, the rights.

use serde::{Deserialize, Serialize};

use super::column::{Column, ColumnReader, ColumnWriter, ObjectText};
use super::rows::{Counts, SecretRow, SecretView};
#[cfg(feature = "testing")]
use crate::clock::DAY;
use crate::clock::{Millis, time};
use crate::error::Error;
use crate::lifecycle::{Lifecycle, SecretLifetime};
use crate::record::{Key, KeyId, Level, Limit, Quota};
use crate::rights::Rights;

/// Defines the row of a key: each field once, in the order of [`KEYS`](super::table::KEYS), and whether `purge` keeps or wipes it.
macro_rules! key_row {
    ($($(#[$about:meta])* $field:ident: $type:ty => $rule:ident,)+) => {
        /// A key's row.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub(crate) struct KeyRow {
            $($(#[$about])* pub(crate) $field: $type,)+
        }

        impl KeyRow {
            /// Writes all columns.
            pub(super) fn write<'a>(&'a self, to: &mut impl ColumnWriter<'a>) -> Result<(), Error> {
                $(self.$field.write(to)?;)+
                Ok(())
            }

            /// Reads all columns.
            pub(super) fn read(from: &mut impl ColumnReader) -> Result<Self, Error> {
                // Fields are evaluated in the order in which they are written.
                Ok(Self { $($field: Column::read(from)?,)+ })
            }

            /// The row without the fields that can name a person.
            pub(crate) fn purged(self) -> Self {
                Self { $($field: key_row!($rule self.$field),)+ }
            }

            #[cfg(feature = "testing")]
            fn with_all_fields() -> Self {
                Self { $($field: Column::sample(stringify!($field)),)+ }
            }
        }
    };
    (keep $value:expr) => { $value };
    (wipe $value:expr) => { Default::default() };
}

key_row! {
    id: String => keep,
    org: String => keep,
    environment: String => keep,
    created_at: Millis => keep,
    /// The key that created this key, if revoking that one revokes this one too.
    parent: Option<String> => keep,
    created_by: Option<String> => wipe,
    name: String => wipe,
    description: Option<String> => wipe,
    scopes: Vec<String> => keep,
    level: Option<Level> => keep,
    tier: Option<String> => keep,
    limits: Vec<Limit> => keep,
    quotas: Vec<Quota> => keep,
    networks: Option<Vec<String>> => keep,
    metadata: ObjectText => wipe,
    updated_at: Millis => keep,
    life: Lifecycle => keep,
    reason: Option<String> => wipe,
}

/// A key with its live secrets, newest first, and its counters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyView {
    pub(crate) key: KeyRow,
    pub(crate) secrets: Vec<SecretView>,
    pub(crate) usage: Counts,
}

/// The rows that a verification needs: the secret, its key and the restrictions of its org.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LookupResult {
    pub(crate) secret: SecretRow,
    pub(crate) view: KeyView,
    pub(crate) org_disabled: bool,
    pub(crate) org_networks: Option<Vec<String>>,
}

impl KeyRow {
    pub(crate) fn rights(&self) -> Rights {
        Rights {
            environment: self.environment.clone(),
            scopes: self.scopes.clone(),
            level: self.level,
            tier: self.tier.clone(),
            limits: self.limits.clone(),
            quotas: self.quotas.clone(),
            networks: self.networks.clone(),
            expires_at: self.life.expires_at,
        }
    }

    /// A row for tests of stores: an active key without a parent, with a value in every other field that can be empty.
    #[cfg(feature = "testing")]
    pub(super) fn sample(id: &str, org: &str, now: Millis) -> Self {
        Self {
            id: id.to_owned(),
            org: org.to_owned(),
            created_at: now,
            updated_at: now,
            life: Lifecycle { expires_at: Some(now + DAY), ..Lifecycle::default() },
            parent: None,
            ..Self::with_all_fields()
        }
    }
}

impl KeyView {
    /// Puts the current secret first, then the former one. There are two at most, and sorting them here spares a store a sort
    /// of whole rows.
    pub(super) fn newest_first(mut self) -> Self {
        let order =
            |secret: &SecretView| (secret.lifetime.grace_ends_at.is_some(), std::cmp::Reverse(secret.created_at));
        self.secrets.sort_by_key(order);
        self
    }

    pub(crate) fn secret_lifetimes(&self) -> Vec<SecretLifetime> {
        self.secrets.iter().map(|secret| secret.lifetime.clone()).collect()
    }

    /// The record of the key in its state at `now`.
    pub(crate) fn into_record(self, integer_ids: bool, now: Millis) -> Key {
        let Self { key, mut secrets, usage } = self;
        // Some may be over since they were read.
        secrets.retain(|it| !it.lifetime.is_over(now));
        Key {
            id: KeyId::of_row(key.id, integer_ids),
            name: key.name,
            description: key.description,
            org: key.org,
            environment: key.environment,
            prefix: secrets.first().map(|it| it.prefix.clone()).unwrap_or_default(),
            status: key.life.status(now),
            scopes: key.scopes,
            level: key.level,
            tier: key.tier,
            limits: key.limits,
            quotas: key.quotas,
            networks: key.networks,
            metadata: match key.metadata.0.as_str() {
                "{}" => serde_json::Map::new(),
                text => serde_json::from_str(text).unwrap_or_default(),
            },
            created_at: time(key.created_at),
            created_by: key.created_by,
            updated_at: time(key.updated_at),
            expires_at: key.life.expires_at.map(time),
            disabled_at: key.life.disabled_at.map(time),
            revoked_at: key.life.revoked_at.map(time),
            reason: key.reason,
            last_used_at: usage.last_used_at.map(time),
            usage_count: usage.usage_count,
            denied_count: usage.denied_count,
            secrets: secrets.into_iter().map(SecretView::into_record).collect(),
        }
    }
}

/// The parts at the end of a prefix that may be the lookup, whose length only the format tells.
pub(super) fn possible_lookups(prefix: &str) -> impl Iterator<Item = &str> {
    (10..=32).filter_map(|length| prefix.len().checked_sub(length).and_then(|from| prefix.get(from..)))
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::store::table::KEYS;

    /// Notes the value of each column as text; `None` is NULL.
    struct Columns(Vec<Option<String>>);

    impl<'a> ColumnWriter<'a> for Columns {
        fn text(&mut self, value: Option<Cow<'a, str>>) {
            self.0.push(value.map(Cow::into_owned));
        }

        fn list(&mut self, value: Option<&'a [String]>) {
            self.0.push(value.map(|it| it.join(" ")));
        }

        fn time(&mut self, value: Option<Millis>) {
            self.0.push(value.map(|it| it.to_string()));
        }
    }

    /// The columns of the sample, with their values.
    fn sample() -> Vec<(&'static str, Option<String>)> {
        let (row, mut columns) = (KeyRow::sample("id", "org", 0), Columns(Vec::new()));
        row.write(&mut columns).unwrap();
        assert_eq!(columns.0.len(), KEYS.columns.len(), "the row does not write one value for each column");
        KEYS.columns.iter().copied().zip(columns.0).collect()
    }

    #[test]
    fn the_sample_has_a_value_in_each_column_that_it_can() {
        let empty = sample().into_iter().filter(|(_, value)| value.is_none()).map(|(column, _)| column);
        assert_eq!(empty.collect::<Vec<_>>(), ["parent", "disabled_at", "revoked_at"]);
    }

    /// Two columns that change places would go unnoticed: rows are read in the order in which they are written.
    #[test]
    fn each_text_is_in_the_column_of_its_name() {
        let mut texts = 0;
        for (column, value) in sample() {
            // The sample of a text or of a list starts with the name of its field.
            let value = value.unwrap_or_default();
            let field = value.trim_start_matches('\u{feff}').split([':', ';']).next().unwrap_or_default();
            if KEYS.columns.contains(&field) {
                assert_eq!(field, column, "the columns of KEYS are in another order than the fields of the row");
                texts += 1;
            }
        }
        assert!(texts > 9, "the sample names only {texts} of its fields");
    }
}
