use std::collections::BTreeMap;

use super::{check, covers};
use crate::error::Error;
use crate::input::{Value, meant};

/// The scopes of a product, each with a description. It checks the scopes that are required and granted; it grants nothing.
///
/// ```
/// let scopes = keywright::Catalogue::new([("deals:read", "Read deals"), ("deals:write", "Create deals")])?;
/// assert_eq!(scopes.describe("deals:read"), Some("Read deals"));
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue(BTreeMap<String, String>);

impl Catalogue {
    /// A catalogue of (scope, description). It refuses wildcards, because it lists the scopes that exist.
    pub fn new<S: Into<String>, D: Into<String>>(scopes: impl IntoIterator<Item = (S, D)>) -> Result<Self, Error> {
        let scopes: BTreeMap<String, String> = scopes.into_iter().map(|(s, d)| (s.into(), d.into())).collect();
        for scope in scopes.keys() {
            check(scope)?;
            if scope.ends_with('*') {
                return Err(Error::validation_failed(
                    "scopes",
                    "has a wildcard in the catalogue",
                    "list the scopes it stands for",
                ));
            }
        }
        if scopes.is_empty() {
            return Err(Error::validation_failed(
                "scopes",
                "is an empty catalogue",
                "list the product's scopes, or leave it out",
            ));
        }
        Ok(Self(scopes))
    }

    pub(crate) fn read(value: Value) -> Result<Self, Error> {
        match value {
            Value::Map(entries) => {
                let described = entries.into_iter().map(|(scope, it)| Ok((scope, it.into_text("scopes")?)));
                Self::new(described.collect::<Result<Vec<_>, Error>>()?)
            }
            other => Self::new(other.into_texts("scopes")?.into_iter().map(|it| (it, String::new()))),
        }
    }

    /// The description of a scope.
    #[must_use]
    pub fn describe(&self, scope: &str) -> Option<&str> {
        self.0.get(scope).map(String::as_str)
    }

    /// Each scope with its description, in canonical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(scope, text)| (scope.as_str(), text.as_str()))
    }

    /// Refuses scopes that are not in the catalogue, and wildcards that cover nothing in it.
    pub(crate) fn admit(&self, scopes: &[String]) -> Result<(), Error> {
        let known = |scope: &&String| self.0.keys().any(|it| covers(scope, it));
        let Some(unknown) = scopes.iter().find(|it| !known(it)) else { return Ok(()) };
        let fix = meant(unknown, self.0.keys().map(String::as_str), "use a scope of the catalogue, or add it there");
        Err(Error::validation_failed("scopes", format!("'{unknown}' is not in the catalogue"), fix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_members_and_wildcards_over_members() {
        let catalogue = Catalogue::new([("deals:read", ""), ("keys:manage", "")]).unwrap();
        let admit = |scope: &str| catalogue.admit(&[scope.to_owned()]);
        assert!(admit("deals:read").is_ok() && admit("deals:*").is_ok());
        assert!(admit("deals:raed").unwrap_err().to_string().contains("did you mean deals:read?"));
        assert!(admit("rules:*").is_err() && admit("deals:read:*").is_err());
    }
}
