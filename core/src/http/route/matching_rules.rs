//! The rules that match a request.

use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

use super::path::PathMatch;
use super::{Access, Needs, Rule};

/// The result of a search for the rules of a request.
pub(in crate::http) enum RuleMatch<'t> {
    Rules(MatchingRules<'t>),
    /// Routers may read the path in several ways.
    Ambiguous,
}

/// Every rule that the route of a request may have. The request must meet all of them.
#[derive(Default)]
pub(in crate::http) struct MatchingRules<'t> {
    rules: SmallVec<[&'t Rule; 2]>,
    is_listed: bool,
}

impl<'t> MatchingRules<'t> {
    /// Adds a rule. Another spelling of a public route may be another route, and the bare prefix of a `{*rest}` may be a route
    /// of its own.
    pub(super) fn add(&mut self, rule: &'t Rule, path_match: PathMatch) {
        self.is_listed |= match path_match {
            PathMatch::Exact => true,
            PathMatch::Respelt => rule.needs.access != Access::Public,
            PathMatch::Empty => false,
        };
        self.rules.push(rule);
    }

    /// Adds the rules of another path of the same request. They do not make the route a listed one.
    pub(in crate::http) fn and(mut self, other: Self) -> Self {
        self.rules.extend(other.rules);
        self
    }

    /// Whether the route surely has a rule; else it may be a route without one.
    pub(in crate::http) fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// The needs of all rules together, with those of an unlisted route if it may be one. `None` if no caller can meet them
    /// all.
    pub(in crate::http) fn needs(self, unlisted: &'t Needs) -> Option<Cow<'t, Needs>> {
        let unlisted = (!self.is_listed).then_some(unlisted);
        let mut every = unlisted.into_iter().chain(self.rules.into_iter().map(|it| &it.needs));
        let first = Cow::Borrowed(every.next()?);
        every.try_fold(first, |all, needs| all.and(needs).map(Cow::Owned))
    }
}

/// The form in logs and explanations.
impl fmt::Display for MatchingRules<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.rules.iter().enumerate() {
            write!(out, "{}{rule}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
