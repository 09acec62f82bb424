//! The limits and quotas of an engine: as they are configured, and as they are enforced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::rule::LimitRule;
use super::{named, quota, read};
use crate::casing::Casing;
use crate::error::Error;
use crate::input::{Value, meant};
use crate::record::{Limit, Quota};

/// The limits and quotas of an engine, ready to be enforced.
#[derive(Debug, Default)]
pub(crate) struct LimitRules {
    pub(crate) limits: Limits,
    tiers: BTreeMap<String, KeyRules>,
    every: KeyRules,
}

/// Rules to be enforced: those of every key, of a tier, or of one key.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyRules {
    pub(crate) limits: Vec<Arc<LimitRule>>,
    pub(crate) quotas: Vec<Arc<Quota>>,
}

impl KeyRules {
    fn new(limits: &[Limit], quotas: &[Quota]) -> Self {
        Self {
            limits: limits.iter().map(|limit| Arc::new(LimitRule::new(limit.clone()))).collect(),
            quotas: quotas.iter().cloned().map(Arc::new).collect(),
        }
    }

    fn extend(&mut self, other: &Self) {
        self.limits.extend(other.limits.iter().cloned());
        self.quotas.extend(other.quotas.iter().cloned());
    }
}

impl LimitRules {
    pub(crate) fn new(limits: Limits) -> Self {
        let rules = |of: &RuleSet| KeyRules::new(&of.limits, &of.quotas);
        Self {
            tiers: limits.tiers.iter().map(|(tier, of_tier)| (tier.clone(), rules(of_tier))).collect(),
            every: rules(&limits.every),
            limits,
        }
    }

    /// The rules of a key, in this order: those of every key, those of its tier, its own.
    ///
    /// # Errors
    /// `validation_failed` for a tier that is not configured. An engine without tiers accepts any tier and ignores it.
    pub(crate) fn of(&self, tier: Option<&str>, limits: &[Limit], quotas: &[Quota]) -> Result<KeyRules, Error> {
        let mut rules = self.every.clone();
        if let Some(tier) = tier.filter(|_| !self.tiers.is_empty()) {
            rules.extend(self.tiers.get(tier).ok_or_else(|| self.limits.unknown(tier))?);
        }
        rules.extend(&KeyRules::new(limits, quotas));
        Ok(rules)
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

/// Limits and quotas that stand together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RuleSet {
    pub(crate) limits: Vec<Limit>,
    pub(crate) quotas: Vec<Quota>,
}

impl RuleSet {
    /// Refuses values that the types allow and the engine does not.
    fn check(&self, limits: &str, quotas: &str) -> Result<(), Error> {
        read::check(limits, &self.limits)?;
        quota::read::check(quotas, &self.quotas)?;
        match self.quotas.iter().find(|quota| self.limits.iter().any(|limit| limit.name == quota.name)) {
            None => Ok(()),
            Some(quota) => {
                let reason = format!("'{}' is the name of a limit and of a quota", quota.name);
                Err(Error::validation_failed(quotas, reason, "give one of them another name"))
            }
        }
    }

    /// The names of the limits and quotas.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.limits.iter().map(|limit| limit.name.as_str()).chain(self.quotas.iter().map(|quota| quota.name.as_str()))
    }

    fn operations(&self) -> impl Iterator<Item = &str> {
        let limits = self.limits.iter().filter_map(|limit| limit.operation.as_deref());
        limits.chain(self.quotas.iter().filter_map(|quota| quota.operation.as_deref()))
    }
}

/// The configured limits and quotas of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Those of the keys of a tier, by its name.
    pub(crate) tiers: BTreeMap<String, RuleSet>,
    /// Those of every key.
    pub(crate) every: RuleSet,
}

impl Limits {
    /// Reads tiers: a mapping of names to rates, mappings or lists of mappings, each of a limit or a quota. One without a name gets
    /// the tier's name.
    pub(crate) fn read_tiers(value: Value) -> Result<BTreeMap<String, RuleSet>, Error> {
        let mut tiers = BTreeMap::new();
        for (name, value) in value.into_map("tiers")? {
            named::check_name("tiers", "the name of a tier", &name)?;
            let items = match value.into_argument() {
                Value::List(items) => items,
                one => vec![one],
            };
            let mut rules = RuleSet::default();
            for item in items {
                let item = item.into_argument();
                if quota::read::is_quota(&item) {
                    rules.quotas.push(quota::read::read_one("tiers", Some(&name), item)?);
                } else {
                    rules.limits.push(read::read_one("tiers", Some(&name), item, Casing::Snake)?);
                }
            }
            rules.check("tiers", "tiers")?;
            tiers.insert(name, rules);
        }
        Ok(tiers)
    }

    /// Refuses values that the types allow and the engine does not.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.every.check("limits", "quotas")?;
        for (tier, rules) in &self.tiers {
            named::check_name("tiers", "the name of a tier", tier)?;
            if *rules == RuleSet::default() {
                let fix = "give it a rate, or leave the tier of such keys out";
                return Err(Error::validation_failed("tiers", format!("'{tier}' has no limit"), fix));
            }
            rules.check("tiers", "tiers")?;
            if let Some(twice) = rules.names().find(|name| self.every.names().any(|other| other == *name)) {
                let reason = format!("'{twice}' of '{tier}' is also the name of a limit of every key");
                return Err(Error::validation_failed("tiers", reason, "give one of them another name"));
            }
        }
        Ok(())
    }

    pub(crate) fn tier_known(&self, tier: &str) -> bool {
        self.tiers.contains_key(tier)
    }

    fn all(&self) -> impl Iterator<Item = &RuleSet> {
        self.tiers.values().chain([&self.every])
    }

    /// The operations that limits and quotas name.
    pub(crate) fn operations(&self) -> BTreeSet<&str> {
        self.all().flat_map(RuleSet::operations).collect()
    }

    /// Refuses a tier that is not configured.
    pub(crate) fn admit_tier(&self, tier: &str) -> Result<(), Error> {
        if self.tier_known(tier) { Ok(()) } else { Err(self.unknown(tier)) }
    }

    /// Refuses limits of one key that share a name with others, or that name an operation no request may have.
    pub(crate) fn admit_own_limits(&self, own: &[Limit]) -> Result<(), Error> {
        let operations = own.iter().filter_map(|limit| limit.operation.as_deref());
        self.admit_own("limits", own.iter().map(|limit| limit.name.as_str()), operations)
    }

    /// As [`admit_own_limits`](Self::admit_own_limits), for quotas of one key.
    pub(crate) fn admit_own_quotas(&self, own: &[Quota]) -> Result<(), Error> {
        let operations = own.iter().filter_map(|quota| quota.operation.as_deref());
        self.admit_own("quotas", own.iter().map(|quota| quota.name.as_str()), operations)
    }

    fn admit_own<'a>(
        &self,
        field: &str,
        mut names: impl Iterator<Item = &'a str>,
        mut operations: impl Iterator<Item = &'a str>,
    ) -> Result<(), Error> {
        if let Some(taken) = names.find(|name| self.all().flat_map(RuleSet::names).any(|other| other == *name)) {
            let kind = field.trim_end_matches('s');
            let reason = format!("'{taken}' is the name of a limit or quota of the engine");
            return Err(Error::validation_failed(field, reason, format!("give the key's own {kind} another name")));
        }
        let known = self.operations();
        match operations.find(|operation| !known.contains(operation)) {
            Some(operation) if !known.is_empty() => {
                let all: Vec<&str> = known.iter().copied().collect();
                let fix = meant(operation, known.into_iter(), format!("use one of {}", all.join(", ")));
                Err(Error::validation_failed(field, "names an operation that no limit of the engine is for", fix))
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
    use crate::record::{Per, Period};

    fn limits() -> Limits {
        let split = [Limit::new("read", 100).operation("read"), Limit::new("write", 10).operation("write")];
        let set = |limits: &[Limit], quotas: &[Quota]| RuleSet { limits: limits.to_vec(), quotas: quotas.to_vec() };
        Limits {
            tiers: BTreeMap::from([
                ("basic".to_owned(), set(&[Limit::new("basic", 100)], &[Quota::new("credits", 5)])),
                ("split".to_owned(), set(&split, &[])),
            ]),
            every: set(&[Limit::new("org", 1_000).per(Per::Org)], &[Quota::new("daily", 9).operation("read")]),
        }
    }

    fn names(rules: &KeyRules) -> Vec<&str> {
        let quotas = rules.quotas.iter().map(|quota| quota.name.as_str());
        rules.limits.iter().map(|rule| rule.limit.name.as_str()).chain(quotas).collect()
    }

    #[test]
    fn rules_stand_in_order() {
        let (rules, own) = (LimitRules::new(limits()), [Limit::new("own", 5)]);
        let of = |tier| rules.of(tier, &own, &[Quota::new("mine", 1)]);
        assert_eq!(names(&of(Some("split")).unwrap()), ["org", "read", "write", "own", "daily", "mine"]);
        assert_eq!(names(&of(Some("basic")).unwrap()), ["org", "basic", "own", "daily", "credits", "mine"]);
        assert_eq!(names(&rules.of(None, &[], &[]).unwrap()), ["org", "daily"]);
        let error = of(Some("basix")).unwrap_err();
        assert_eq!(error.to_string(), "tier: is none of the engine's tiers; did you mean basic?");
        assert!(rules.admit("write").is_ok());
        assert!(rules.admit("wriet").unwrap_err().to_string().contains("did you mean write?"));
        let none = LimitRules::default();
        assert!(names(&none.of(Some("any"), &[], &[]).unwrap()).is_empty() && none.admit("any").is_ok());
    }

    #[test]
    fn a_tier_is_a_rate_a_mapping_or_a_list_of_limits_and_quotas() {
        let map = |entries: &[(&str, Value)]| {
            Value::Map(entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
        };
        let quota = map(&[("amount", Value::Integer(9)), ("every", Value::Text("day".to_owned()))]);
        let named = map(&[("name", Value::Text("x".to_owned())), ("amount", Value::Integer(1))]);
        let limit = map(&[("rate", Value::Integer(10)), ("burst", Value::Null)]);
        let both = Value::List(vec![limit.clone(), named]);
        let read = map(&[("basic", Value::Integer(100)), ("one", limit), ("daily", quota), ("both", both)]);
        let set = |limits: &[Limit], quotas: &[Quota]| RuleSet { limits: limits.to_vec(), quotas: quotas.to_vec() };
        let tiers = BTreeMap::from([
            ("basic".to_owned(), set(&[Limit::new("basic", 100)], &[])),
            ("one".to_owned(), set(&[Limit::new("one", 10)], &[])),
            ("daily".to_owned(), set(&[], &[Quota::new("daily", 9).every(Period::Day)])),
            ("both".to_owned(), set(&[Limit::new("both", 10)], &[Quota::new("x", 1)])),
        ]);
        assert_eq!(Limits::read_tiers(read), Ok(tiers));
    }

    #[test]
    fn a_key_is_admitted_with_limits_that_the_engine_can_enforce() {
        let (limits, none) = (limits(), Limits::default());
        assert!(
            limits.admit_tier("basic").is_ok() && limits.admit_tier("").is_err() && none.admit_tier("basic").is_err()
        );
        let own = |name: &str, operation: &str| [Limit::new(name, 5).operation(operation)];
        assert!(limits.admit_own_limits(&own("own", "read")).is_ok() && limits.admit_own_limits(&[]).is_ok());
        assert!(none.admit_own_limits(&own("own", "anything")).is_ok());
        for taken in ["org", "basic", "write", "daily", "credits"] {
            let errors = [
                limits.admit_own_limits(&own(taken, "read")).unwrap_err(),
                limits.admit_own_quotas(&[Quota::new(taken, 5)]).unwrap_err(),
            ];
            assert!(errors.iter().all(|error| error.to_string().contains("quota of the engine")), "{taken}");
        }
        assert!(limits.admit_own_quotas(&[Quota::new("own", 5).operation("write")]).is_ok());
        assert!(limits.admit_own_limits(&own("own", "raed")).unwrap_err().to_string().contains("did you mean read?"));
    }

    #[test]
    fn limits_with_one_name_and_tiers_without_limits_are_refused() {
        assert_eq!((limits().check(), Limits::default().check()), (Ok(()), Ok(())));
        let tier = |name: &str, of_tier: &[Limit]| {
            let mut limits = limits();
            limits
                .tiers
                .insert(name.to_owned(), RuleSet { limits: of_tier.to_vec(), quotas: vec![Quota::new("q", 1)] });
            limits.check().unwrap_err().to_string()
        };
        let mut empty = limits();
        empty.tiers.insert("none".to_owned(), RuleSet::default());
        assert!(empty.check().unwrap_err().to_string().contains("'none' has no limit"));
        assert!(tier("x", &[Limit::new("q", 1)]).contains("'q' is the name of a limit and of a quota"));
        assert!(tier("Basic", &[Limit::new("x", 1)]).contains("the name of a tier"));
        assert!(tier("x", &[Limit::new("org", 1)]).contains("'org' of 'x' is also"));
        assert!(tier("x", &[Limit::new("daily", 1)]).contains("'daily' of 'x' is also"));
    }
}
