use super::Value;
use super::suggestion::nearest;
use crate::casing::Casing;
use crate::error::Error;

/// The named arguments of one call.
///
/// ```
/// use keywright::ffi::{Casing, Fields, FromFields, Value};
/// let fields = Fields::new(Casing::Snake, vec![("nmae".into(), Value::Text("CI".into()))]);
/// let error = keywright::NewKey::read(fields).unwrap_err();
/// assert_eq!(error.to_string(), "nmae: is no option of this call; did you mean name?");
/// ```
#[derive(Debug, Default)]
pub struct Fields {
    casing: Casing,
    entries: Vec<(String, Value)>,
}

impl Fields {
    /// Takes the arguments that the caller gave, in any order.
    #[must_use]
    pub fn new(casing: Casing, entries: Vec<(String, Value)>) -> Self {
        Self { casing, entries }
    }

    pub(crate) fn casing(&self) -> Casing {
        self.casing
    }

    /// Refuses names that are not in `known`, and suggests the nearest known name.
    pub(crate) fn only(self, known: &[&str]) -> Result<Self, Error> {
        let spelt: Vec<String> = known.iter().map(|it| self.casing.spell(it)).collect();
        for (index, (name, _)) in self.entries.iter().enumerate() {
            if !spelt.contains(name) {
                return Err(unknown(name, &spelt));
            }
            if self.entries.iter().take(index).any(|(other, _)| other == name) {
                return Err(Error::invalid_request(name, "is given twice", "give it once"));
            }
        }
        Ok(self)
    }

    /// Takes a field; `None` if the caller omitted it.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let spelt = self.casing.spell(name);
        let index = self.entries.iter().position(|(it, _)| *it == spelt)?;
        Some(self.entries.swap_remove(index).1.into_argument())
    }

    /// Takes a field; `None` if it is omitted or null.
    pub(crate) fn given(&mut self, name: &str) -> Option<Value> {
        self.take(name).filter(|it| *it != Value::Null)
    }

    /// Treats a field that is null as omitted.
    pub(crate) fn omit_null(&mut self, name: &str) {
        let spelt = self.casing.spell(name);
        self.entries.retain(|(name, value)| *name != spelt || *value != Value::Null);
    }

    /// Takes the text of a field; `None` if it is omitted or null.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        self.given(name).map(|it| it.into_text(name)).transpose()
    }
}

/// Arguments that are read from the names and values of any language.
pub trait FromFields: Sized {
    /// Reads all fields.
    ///
    /// # Errors
    /// `invalid_request` and `validation_failed`, naming the field.
    fn read(fields: Fields) -> Result<Self, Error>;
}

/// The error for an unknown name.
fn unknown(name: &str, known: &[String]) -> Error {
    // A long name could be an API key in the wrong place.
    let is_name = name.len() <= 32 && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-');
    let shown = if is_name { name } else { "(option)" };
    let near = nearest(shown, known.iter().map(String::as_str));
    let fix = match near {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "this call takes no options".to_owned(),
        None => format!("known are {}", known.join(", ")),
    };
    Error::invalid_request(shown, "is no option of this call", fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelt_and_suggested_in_the_callers_casing() {
        let fields = Fields::new(Casing::Camel, vec![("key_format".into(), Value::Null)]);
        let error = fields.only(&["key_format", "brand"]).unwrap_err();
        assert_eq!(error.to_string(), "key_format: is no option of this call; did you mean keyFormat?");
    }

    #[test]
    fn far_names_are_not_suggested() {
        assert_eq!(nearest("zzzz", ["name", "scopes"].into_iter()), None);
        assert_eq!(nearest("scope", ["name", "scopes"].into_iter()), Some("scopes"));
    }
}
