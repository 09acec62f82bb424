//! The limits of an engine: as they are configured, and as they are enforced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::read;
use super::rule::LimitRule;
use crate::error::Error;
use crate::input::meant;
use crate::record::Limit;

/// The limits of an engine, ready to be enforced.
#[derive(Debug, Default)]
pub(crate) struct LimitRules {
    pub(crate) limits: Limits,
    tiers: BTreeMap<String, Vec<Arc<LimitRule>>>,
    every: Vec<Arc<LimitRule>>,
}

impl LimitRules {
    pub(crate) fn new(limits: Limits) -> Self {
        let rules = |of: &[Limit]| of.iter().map(|limit| Arc::new(LimitRule::new(limit.clone()))).collect();
        Self {
            tiers: limits.tiers.iter().map(|(tier, of_tier)| (tier.clone(), rules(of_tier))).collect(),
            every: rules(&limits.every),
            limits,
        }
    }

    /// The rules of a key, in this order: the limits of every key, those of its tier, its own.
    ///
    /// # Errors
    /// `validation_failed` for a tier that is not configured. An engine without tiers accepts any tier and ignores it.
    pub(crate) fn of(&self, tier: Option<&str>, own: &[Limit]) -> Result<Vec<Arc<LimitRule>>, Error> {
        let tier = match tier.filter(|_| !self.tiers.is_empty()) {
            Some(tier) => self.tiers.get(tier).ok_or_else(|| self.limits.unknown(tier))?.as_slice(),
            None => &[],
        };
        let own = own.iter().map(|limit| Arc::new(LimitRule::new(limit.clone())));
        Ok(self.every.iter().chain(tier).cloned().chain(own).collect())
    }

    /// Refuses an operation that no limit names, because it would pass unlimited.
    pub(crate) fn admit(&self, operation: &str) -> Result<(), Error> {
        let known = self.limits.operations();
        if known.is_empty() || known.contains(operation) {
            return Ok(());
        }
        let all: Vec<&str> = known.iter().copied().collect();
        let fix = meant(operation, known.into_iter(), format!("use one of {}", all.join(", ")));
        Err(Error::validation_failed("operation", "is none that a limit of the engine is for", fix))
    }
}

/// The configured limits of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The limits of the keys of a tier, by its name.
    pub(crate) tiers: BTreeMap<String, Vec<Limit>>,
    /// The limits of every key.
    pub(crate) every: Vec<Limit>,
}

impl Limits {
    /// Refuses values that the types allow and the engine does not.
    pub(crate) fn check(&self) -> Result<(), Error> {
        read::check("limits", &self.every)?;
        for (tier, limits) in &self.tiers {
            read::check_name("tiers", "the name of a tier", tier)?;
            if limits.is_empty() {
                let fix = "give it a rate, or leave the tier of such keys out";
                return Err(Error::validation_failed("tiers", format!("'{tier}' has no limit"), fix));
            }
            read::check("tiers", limits)?;
            if let Some(twice) = limits.iter().find(|limit| self.every.iter().any(|other| other.name == limit.name)) {
                let reason = format!("'{}' of '{tier}' is also the name of a limit of every key", twice.name);
                return Err(Error::validation_failed("tiers", reason, "give one of them another name"));
            }
        }
        Ok(())
    }

    pub(crate) fn tier_known(&self, tier: &str) -> bool {
        self.tiers.contains_key(tier)
    }

    /// Every limit of every tier.
    fn all(&self) -> impl Iterator<Item = &Limit> {
        self.every.iter().chain(self.tiers.values().flatten())
    }

    /// The operations that limits name.
    pub(crate) fn operations(&self) -> BTreeSet<&str> {
        self.all().filter_map(|it| it.operation.as_deref()).collect()
    }

    /// Refuses a tier that is not configured.
    pub(crate) fn admit_tier(&self, tier: &str) -> Result<(), Error> {
        if self.tier_known(tier) { Ok(()) } else { Err(self.unknown(tier)) }
    }

    /// Refuses limits of one key that share a name with others, or that name an operation no request may have.
    pub(crate) fn admit_own(&self, own: &[Limit]) -> Result<(), Error> {
        if let Some(taken) = own.iter().find(|limit| self.all().any(|other| other.name == limit.name)) {
            let reason = format!("'{}' is the name of a limit of the engine", taken.name);
            return Err(Error::validation_failed("limits", reason, "give the key's own limit another name"));
        }
        let known = self.operations();
        let unknown =
            own.iter().filter_map(|limit| limit.operation.as_deref()).find(|operation| !known.contains(operation));
        match unknown {
            Some(operation) if !known.is_empty() => {
                let all: Vec<&str> = known.iter().copied().collect();
                let fix = meant(operation, known.into_iter(), format!("use one of {}", all.join(", ")));
                Err(Error::validation_failed("limits", "names an operation that no limit of the engine is for", fix))
            }
            _ => Ok(()),
        }
    }

    fn unknown(&self, tier: &str) -> Error {
        let tiers: Vec<&str> = self.tiers.keys().map(String::as_str).collect();
        let otherwise = match tiers.as_slice() {
            [] => "name it in the engine's option tiers first".to_owned(),
            all => format!("use one of {}", all.join(", ")),
        };
        Error::validation_failed("tier", "is none of the engine's tiers", meant(tier, tiers.into_iter(), otherwise))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Per;

    fn limits() -> Limits {
        let split = [Limit::new("read", 100).operation("read"), Limit::new("write", 10).operation("write")];
        Limits {
            tiers: BTreeMap::from([
                ("basic".to_owned(), vec![Limit::new("basic", 100)]),
                ("split".to_owned(), split.to_vec()),
            ]),
            every: vec![Limit::new("org", 1_000).per(Per::Org)],
        }
    }

    fn names(rules: &[Arc<LimitRule>]) -> Vec<&str> {
        rules.iter().map(|it| it.limit.name.as_str()).collect()
    }

    #[test]
    fn rules_stand_in_order() {
        let (rules, own) = (LimitRules::new(limits()), [Limit::new("own", 5)]);
        assert_eq!(names(&rules.of(Some("split"), &own).unwrap()), ["org", "read", "write", "own"]);
        assert_eq!(names(&rules.of(None, &[]).unwrap()), ["org"]);
        let error = rules.of(Some("basix"), &own).unwrap_err();
        assert_eq!(error.to_string(), "tier: is none of the engine's tiers; did you mean basic?");
        assert!(rules.admit("write").is_ok());
        assert!(rules.admit("wriet").unwrap_err().to_string().contains("did you mean write?"));
        let none = LimitRules::default();
        assert!(none.of(Some("any"), &[]).unwrap().is_empty() && none.admit("any").is_ok());
    }

    #[test]
    fn a_key_is_admitted_with_limits_that_the_engine_can_enforce() {
        let (limits, none) = (limits(), Limits::default());
        assert!(
            limits.admit_tier("basic").is_ok() && limits.admit_tier("").is_err() && none.admit_tier("basic").is_err()
        );
        let own = |name: &str, operation: &str| [Limit::new(name, 5).operation(operation)];
        assert!(limits.admit_own(&own("own", "read")).is_ok() && limits.admit_own(&[]).is_ok());
        assert!(none.admit_own(&own("own", "anything")).is_ok());
        for taken in ["org", "basic", "write"] {
            assert!(limits.admit_own(&own(taken, "read")).unwrap_err().to_string().contains("the engine"), "{taken}");
        }
        assert!(limits.admit_own(&own("own", "raed")).unwrap_err().to_string().contains("did you mean read?"));
    }

    #[test]
    fn limits_with_one_name_and_tiers_without_limits_are_refused() {
        assert_eq!((limits().check(), Limits::default().check()), (Ok(()), Ok(())));
        let tier = |name: &str, rules: &[Limit]| {
            let mut limits = limits();
            limits.tiers.insert(name.to_owned(), rules.to_vec());
            limits.check().unwrap_err().to_string()
        };
        assert!(tier("none", &[]).contains("'none' has no limit"));
        assert!(tier("Basic", &[Limit::new("x", 1)]).contains("the name of a tier"));
        assert!(tier("x", &[Limit::new("org", 1)]).contains("'org' of 'x' is also"));
    }
}
