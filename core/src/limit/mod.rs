//! Rate limits: how they are read and configured, and what they count with.

mod gcra;
mod local;
pub(crate) mod rule;

pub(crate) use gcra::{Debt, Gcra, Pace};
pub(crate) use local::Local;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::Clock;
use crate::error::Error;
use crate::input::{Value, meant};
use crate::record::Limit;

pub(crate) const MOST_PROCESSES: i64 = 4_096;

/// A limit as it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) limit: Limit,
    pub(crate) pace: Pace,
}

impl Rule {
    pub(crate) fn new(limit: Limit, processes: u64) -> Self {
        Self { pace: Pace::of(&limit, processes), limit }
    }

    /// Whether it counts requests of this class.
    pub(crate) fn concerns(&self, operation: Option<&str>) -> bool {
        self.limit.operation.is_none() || self.limit.operation.as_deref() == operation
    }
}

/// What a key is charged by: a rule, and the budget that it takes from.
pub(crate) struct Charge<B> {
    pub(crate) rule: Arc<Rule>,
    /// `None` where it is that of the request's agent.
    pub(crate) budget: Option<B>,
}

/// What became of a cost that was asked of several budgets. It is taken from all, or from none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Drawn {
    /// Of each that concerns the request.
    pub(crate) shares: SmallVec<[Share; 1]>,
    /// The place of the one that refused.
    pub(crate) refused: Option<u32>,
}

/// What a request has of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// Its place among the charges.
    pub(crate) place: u32,
    /// How much was taken for the request in all. No limit gives more at once than 32 bits hold.
    pub(crate) taken: u32,
    /// Where the limit stands.
    pub(crate) debt: Debt,
}

/// Where budgets are kept: in the memory of a process, [`Local`], or where several machines share them.
pub(crate) trait Limiter: Send + Sync {
    /// A budget that somebody holds on to.
    type Budget: Send + Sync;

    /// Whether all processes draw on the same budgets.
    const SHARED: bool;

    /// The budget of a key or an org, by its id.
    fn hold(&self, id: &str, rule: &Rule, clock: &Clock) -> Self::Budget;

    /// Takes `cost` from the budgets of all charges that concern the operation, in their order. What an agent takes is
    /// also its `org`'s; requests without an agent are those of one.
    fn draw(
        &self,
        charges: &[Charge<Self::Budget>],
        org: &str,
        request: &Draw<'_>,
        clock: &Clock,
    ) -> impl Future<Output = Result<Drawn, Error>> + Send;
}

/// The store of budgets of an engine; the place where a shared one will stand beside.
pub(crate) type AnyLimiter = Local;

/// What of a request concerns limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Draw<'a> {
    pub(crate) operation: Option<&'a str>,
    pub(crate) agent: Option<&'a str>,
    pub(crate) cost: u64,
    /// What the request has of limits already, by their places: of each it takes what is left to its cost.
    pub(crate) taken: &'a [(u32, u32)],
}

/// What a limit still has to give for a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    before: u32,
    pub(crate) cost: u64,
}

impl Draw<'_> {
    /// `None` where a limit does not concern the request.
    pub(crate) fn due(&self, place: u32, rule: &Rule) -> Option<Due> {
        let before = self.taken.iter().find(|it| it.0 == place).map(|it| it.1);
        let cost = if rule.concerns(self.operation) { self.cost } else { u64::from(before?) };
        let before = before.unwrap_or(0);
        Some(Due { before, cost: cost.saturating_sub(before.into()) })
    }
}

impl Due {
    fn in_all(self) -> u32 {
        self.before.saturating_add(self.cost.try_into().unwrap_or(u32::MAX))
    }
}

/// The limits of an engine, ready to be judged.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) limits: Limits,
    tiers: BTreeMap<String, Vec<Arc<Rule>>>,
    every: Vec<Arc<Rule>>,
}

impl Rules {
    pub(crate) fn new(limits: Limits) -> Self {
        let rules = |of: &[Limit]| of.iter().map(|it| Arc::new(Rule::new(it.clone(), limits.processes))).collect();
        Self {
            tiers: limits.tiers.iter().map(|(tier, it)| (tier.clone(), rules(it))).collect(),
            every: rules(&limits.every),
            limits,
        }
    }

    /// What a key is judged by, in this order: the limits of every key, those of its tier, its own.
    ///
    /// # Errors
    /// `validation_failed` for a tier that is not configured, unless none is: such an engine limits nothing by tiers.
    pub(crate) fn of(&self, tier: Option<&str>, own: &[Limit]) -> Result<Vec<Arc<Rule>>, Error> {
        let tier = match tier.filter(|_| !self.tiers.is_empty()) {
            Some(tier) => self.tiers.get(tier).ok_or_else(|| self.limits.unknown(tier))?.as_slice(),
            None => &[],
        };
        let own = own.iter().map(|it| Arc::new(Rule::new(it.clone(), self.limits.processes)));
        Ok(self.every.iter().chain(tier).cloned().chain(own).collect())
    }

    /// Refuses an operation that no limit is for, as it would pass unlimited.
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

/// The limits that an engine is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The limits of the keys of a tier, by its name.
    pub(crate) tiers: BTreeMap<String, Vec<Limit>>,
    /// Those of every key.
    pub(crate) every: Vec<Limit>,
    /// How many processes divide each limit between them.
    pub(crate) processes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tiers: BTreeMap::new(), every: Vec::new(), processes: 1 }
    }
}

impl Limits {
    /// What no type rules out.
    pub(crate) fn check(&self) -> Result<(), Error> {
        rule::check("limits", &self.every)?;
        for (tier, limits) in &self.tiers {
            rule::check_name("tiers", "the name of a tier", tier)?;
            if limits.is_empty() {
                let fix = "give it a rate, or leave the tier of such keys out";
                return Err(Error::validation_failed("tiers", format!("'{tier}' has no limit"), fix));
            }
            rule::check("tiers", limits)?;
            if let Some(twice) = limits.iter().find(|it| self.every.iter().any(|other| other.name == it.name)) {
                let reason = format!("'{}' of '{tier}' is also the name of a limit of every key", twice.name);
                return Err(Error::validation_failed("tiers", reason, "give one of them another name"));
            }
        }
        Value::Integer(self.processes.into()).into_integer("processes", 1, MOST_PROCESSES).map(drop)
    }

    pub(crate) fn tier_known(&self, tier: &str) -> bool {
        self.tiers.contains_key(tier)
    }

    /// Every limit there is, of whichever tier.
    fn all(&self) -> impl Iterator<Item = &Limit> {
        self.every.iter().chain(self.tiers.values().flatten())
    }

    /// The classes of operations that have a limit.
    pub(crate) fn operations(&self) -> BTreeSet<&str> {
        self.all().filter_map(|it| it.operation.as_deref()).collect()
    }

    /// Refuses a tier that is not configured.
    pub(crate) fn admit_tier(&self, tier: &str) -> Result<(), Error> {
        if self.tier_known(tier) { Ok(()) } else { Err(self.unknown(tier)) }
    }

    /// Refuses limits of one key that no verification could tell from others, or that none would ever judge.
    pub(crate) fn admit_own(&self, own: &[Limit]) -> Result<(), Error> {
        if let Some(taken) = own.iter().find(|it| self.all().any(|other| other.name == it.name)) {
            let reason = format!("'{}' is the name of a limit of the engine", taken.name);
            return Err(Error::validation_failed("limits", reason, "give the key's own limit another name"));
        }
        let known = self.operations();
        let strange = own.iter().filter_map(|it| it.operation.as_deref()).find(|it| !known.contains(it));
        match strange {
            Some(it) if !known.is_empty() => {
                let all: Vec<&str> = known.iter().copied().collect();
                let fix = meant(it, known.into_iter(), format!("use one of {}", all.join(", ")));
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
            processes: 1,
        }
    }

    fn names(rules: &[Arc<Rule>]) -> Vec<&str> {
        rules.iter().map(|it| it.limit.name.as_str()).collect()
    }

    #[test]
    fn rules_stand_in_order() {
        let (rules, own) = (Rules::new(limits()), [Limit::new("own", 5)]);
        assert_eq!(names(&rules.of(Some("split"), &own).unwrap()), ["org", "read", "write", "own"]);
        assert_eq!(names(&rules.of(None, &[]).unwrap()), ["org"]);
        let error = rules.of(Some("basix"), &own).unwrap_err();
        assert_eq!(error.to_string(), "tier: is none of the engine's tiers; did you mean basic?");
        assert!(rules.admit("write").is_ok());
        assert!(rules.admit("wriet").unwrap_err().to_string().contains("did you mean write?"));
        let none = Rules::default();
        assert!(none.of(Some("any"), &[]).unwrap().is_empty() && none.admit("any").is_ok());
    }

    #[test]
    fn a_key_is_admitted_with_what_the_engine_can_judge() {
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
    fn what_cannot_be_told_apart_or_limits_nothing_is_refused() {
        assert_eq!((limits().check(), Limits::default().check()), (Ok(()), Ok(())));
        let tier = |name: &str, rules: &[Limit]| {
            let mut limits = limits();
            limits.tiers.insert(name.to_owned(), rules.to_vec());
            limits.check().unwrap_err().to_string()
        };
        assert!(tier("none", &[]).contains("'none' has no limit"));
        assert!(tier("Basic", &[Limit::new("x", 1)]).contains("the name of a tier"));
        assert!(tier("x", &[Limit::new("org", 1)]).contains("'org' of 'x' is also"));
        for processes in [0, 4_097, u64::MAX] {
            assert_eq!(Limits { processes, ..limits() }.check().unwrap_err().field(), Some("processes"));
        }
    }
}
