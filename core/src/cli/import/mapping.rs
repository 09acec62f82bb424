//! The parts of a key that the caller decides on: its org, and the scopes that the abilities of another product mean.

use std::cell::Cell;
use std::collections::HashMap;

use super::columns::RenamedColumns;
use crate::error::Error;
use crate::scope::{self, IntoScopes};

/// The parts of a key that its row leaves open.
#[derive(Default)]
pub(super) struct Mapping {
    /// The org of a row that names none.
    pub(super) org: Option<String>,
    /// The column that names the org of each row.
    pub(super) org_column: Option<String>,
    pub(super) columns: RenamedColumns,
    pub(super) environment: Option<String>,
    /// The scopes of a row that says nothing of scopes.
    pub(super) scopes: Option<Vec<String>>,
    pub(super) level: Option<String>,
    pub(super) tier: Option<String>,
    /// The scopes that an ability of the product means.
    pub(super) abilities: HashMap<String, MappedAbility>,
    /// Whether a key has the id that the product gave it.
    pub(super) keeps_ids: bool,
}

pub(super) struct MappedAbility {
    scopes: Vec<String>,
    /// Whether a row has the ability.
    is_used: Cell<bool>,
}

impl Mapping {
    /// Reads `ABILITY=SCOPES`. Without scopes the ability grants nothing.
    pub(super) fn map(&mut self, words: &str) -> Result<(), Error> {
        let refused = |reason: &str| {
            let fix = "write it like server:update=servers:write,servers:read";
            Err(Error::validation_failed("map_scope", reason, fix))
        };
        let Some((ability, scopes)) = words.split_once('=') else { return refused("has no =") };
        if ability.is_empty() {
            return refused("names no ability");
        }
        let scopes = scopes.into_scopes().map_err(|error| error.within("map_scope"))?;
        let mapped = MappedAbility { scopes, is_used: Cell::new(false) };
        match self.abilities.insert(ability.to_owned(), mapped) {
            None => Ok(()),
            Some(_) => refused("names an ability twice"),
        }
    }

    /// The scopes of a row. `abilities` are those that it has, if it tells.
    pub(super) fn scopes(&self, field: &str, abilities: Option<Vec<String>>) -> Result<Option<Vec<String>>, Error> {
        let Some(abilities) = abilities else { return Ok(self.scopes.clone()) };
        let mut scopes = Vec::new();
        for ability in abilities {
            if let Some(mapped) = self.mapped(&ability) {
                scopes.extend_from_slice(mapped);
            } else {
                scope::check(&ability).map_err(|error| {
                    let fix = "say with --map-scope ABILITY=SCOPES which scopes it means";
                    error.with_fix(fix).at_field(field)
                })?;
                scopes.push(ability);
            }
        }
        Ok(Some(scopes))
    }

    /// The scopes of roles, which mean nothing until they are mapped.
    pub(super) fn scopes_of_roles(&self, roles: &[String]) -> Vec<String> {
        roles.iter().filter_map(|role| self.mapped(role)).flatten().cloned().collect()
    }

    fn mapped(&self, ability: &str) -> Option<&[String]> {
        let mapped = self.abilities.get(ability)?;
        mapped.is_used.set(true);
        Some(&mapped.scopes)
    }

    /// The abilities that are mapped and that no row has.
    pub(super) fn unused(&self) -> Vec<&str> {
        let unused = self.abilities.iter().filter(|(_, mapped)| !mapped.is_used.get());
        let mut names: Vec<&str> = unused.map(|(ability, _)| ability.as_str()).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(words: &[&str]) -> Mapping {
        let mut mapping = Mapping::default();
        words.iter().for_each(|it| mapping.map(it).unwrap());
        mapping
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|it| (*it).to_owned()).collect()
    }

    #[test]
    fn abilities_are_scopes_or_mapped() {
        let mapping = mapping(&["*=deals:read,deals:write", "check-status=status:read", "legacy="]);
        let granted = |abilities: &[&str]| mapping.scopes("abilities", Some(names(abilities)));
        assert_eq!(granted(&["deals:read"]), Ok(Some(names(&["deals:read"]))));
        assert_eq!(granted(&["*", "check-status"]), Ok(Some(names(&["deals:read", "deals:write", "status:read"]))));
        assert_eq!(granted(&["legacy"]), Ok(Some(Vec::new())));
        assert_eq!(granted(&[]), Ok(Some(Vec::new())));
        assert_eq!(mapping.unused(), [] as [&str; 0]);
        let error = granted(&["other"]).unwrap_err();
        assert_eq!(error.field(), Some("abilities"));
        assert!(error.to_string().contains("--map-scope"), "{error}");
    }

    #[test]
    fn a_row_that_says_nothing_has_the_scopes_of_the_option() {
        let mapping = Mapping { scopes: Some(names(&["deals:read"])), ..Mapping::default() };
        assert_eq!(mapping.scopes("scopes", None), Ok(Some(names(&["deals:read"]))));
        assert_eq!(mapping.scopes("scopes", Some(Vec::new())), Ok(Some(Vec::new())));
    }

    #[test]
    fn a_mapping_is_refused_that_nobody_could_mean() {
        for words in ["deals", "=deals:read", "*=Deals", "*=*"] {
            assert_eq!(Mapping::default().map(words).unwrap_err().field(), Some("map_scope"), "{words}");
        }
        assert!(mapping(&["a=b:c"]).map("a=b:d").is_err());
    }
}
