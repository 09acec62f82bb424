use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

use super::path::Match;
use super::{Access, Needs, Rule};

/// The rules of a request in a table of rules.
pub(in crate::http) enum Found<'t> {
    Rules(Rules<'t>),
    /// Routers could read the path in several ways.
    Ambiguous,
}

/// Every rule that a route may have, all of which have to be met.
#[derive(Default)]
pub(in crate::http) struct Rules<'t> {
    rules: SmallVec<[&'t Rule; 2]>,
    is_listed: bool,
}

impl<'t> Rules<'t> {
    /// Another spelling of a public route may be another route, and nothing after the prefix of a `{*rest}` may be one of its own.
    pub(super) fn add(&mut self, rule: &'t Rule, found: Match) {
        self.is_listed |= match found {
            Match::Exact => true,
            Match::Respelt => rule.needs.access != Access::Public,
            Match::Empty => false,
        };
        self.rules.push(rule);
    }

    /// Adds the rules of another path that the same request may have. A route that only that path has is none of these.
    pub(in crate::http) fn and(mut self, other: Self) -> Self {
        self.rules.extend(other.rules);
        self
    }

    /// Whether the route has a rule at all; else it may be a route without one.
    pub(in crate::http) fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// The needs of all, beside those of a route without a rule where it may be one. `None` where nobody could meet them all.
    pub(in crate::http) fn needs(self, unlisted: &'t Needs) -> Option<Cow<'t, Needs>> {
        let unlisted = (!self.is_listed).then_some(unlisted);
        let mut every = unlisted.into_iter().chain(self.rules.into_iter().map(|it| &it.needs));
        let first = Cow::Borrowed(every.next()?);
        every.try_fold(first, |all, needs| all.and(needs).map(Cow::Owned))
    }
}

/// As a log or an explanation names them.
impl fmt::Display for Rules<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.rules.iter().enumerate() {
            write!(out, "{}{rule}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
