//! The values of one imported key, under the names of `keys.import_hashed`.

use chrono::{DateTime, Utc};

use super::mapping::Mapping;
use super::rows::Row;
use super::seen::KeyIdentity;
use crate::casing::Casing;
use crate::error::Error;
use crate::input::{Fields, Value};

/// The values that are found so far.
#[derive(Debug, Default)]
pub(super) struct KeyDraft {
    values: Vec<(String, Value)>,
    metadata: Vec<(String, Value)>,
}

impl KeyDraft {
    pub(super) fn put(&mut self, name: &str, value: Option<Value>) {
        self.values.extend(value.map(|value| (name.to_owned(), value)));
    }

    pub(super) fn text(&mut self, name: &str, text: Option<String>) {
        self.put(name, text.map(Value::Text));
    }

    pub(super) fn texts(&mut self, name: &str, texts: Option<Vec<String>>) {
        self.put(name, texts.map(|texts| Value::List(texts.into_iter().map(Value::Text).collect())));
    }

    pub(super) fn time(&mut self, name: &str, time: Option<DateTime<Utc>>) {
        self.put(name, time.map(Value::Time));
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(it, _)| it == name)
    }

    /// Adds an entry to the metadata, unless the product has one of this name.
    pub(super) fn note(&mut self, name: &str, text: Option<String>) {
        if let Some(text) = text
            && !self.metadata.iter().any(|(it, _)| it == name)
        {
            self.metadata.push((name.to_owned(), Value::Text(text)));
        }
    }

    /// Takes the metadata of the product.
    pub(super) fn metadata(&mut self, entries: Option<Vec<(String, Value)>>) {
        self.metadata.extend(entries.unwrap_or_default());
    }

    /// Marks a key that has the flag and no time of its own as ended at this time, or else now.
    pub(super) fn ended(&mut self, name: &str, is_ended: bool, at: Option<DateTime<Utc>>) {
        if is_ended && !self.has(name) {
            self.time(name, Some(at.unwrap_or_else(Utc::now)));
        }
    }

    /// Fills in what every product leaves to the caller, and returns all values.
    pub(super) fn finish(mut self, mapping: &Mapping) -> (Fields, KeyIdentity) {
        for (name, value) in [
            ("org", &mapping.org),
            ("environment", &mapping.environment),
            ("level", &mapping.level),
            ("tier", &mapping.tier),
        ] {
            if !self.has(name) {
                self.text(name, value.clone());
            }
        }
        if !self.metadata.is_empty() {
            let metadata = Value::Map(std::mem::take(&mut self.metadata));
            self.put("metadata", Some(metadata));
        }
        let place = self.place();
        (Fields::new(Casing::Snake, self.values), place)
    }

    fn place(&self) -> KeyIdentity {
        let text = |name: &str| {
            let found = self.values.iter().find(|(it, _)| it == name);
            found.and_then(|(_, value)| if let Value::Text(text) = value { Some(text.clone()) } else { None })
        };
        let verifier = text("verifier").unwrap_or_default();
        KeyIdentity { lookup: text("lookup").unwrap_or_else(|| verifier.clone()), verifier, id: text("id") }
    }

    /// Takes the id of the product's row, if keys keep theirs.
    pub(super) fn id(&mut self, id: Option<String>, mapping: &Mapping) {
        self.text("id", id.filter(|_| mapping.keeps_ids));
    }
}

/// The verifier of an unsalted SHA-256 digest.
pub(super) fn sha256(column: &str, row: &mut Row) -> Result<String, Error> {
    Ok(format!("sha256${}", row.needed(column)?))
}
