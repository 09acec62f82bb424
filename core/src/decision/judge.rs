//! The order in which a verified key is judged.

use std::borrow::Cow;

use ipnet::IpNet;

use super::code::Code;
use super::context::RequestContext;
use super::denial::Denial;
use super::verified::KeySnapshot;
use crate::clock::Millis;
use crate::error::Error;
use crate::lifecycle::Lifecycle;
use crate::limit::{Charge, ChargeOutcome, ChargedLimit, QuotaOutcome};
use crate::record::{Level, Status};
use crate::{level, network, scope};

/// The facts about a verified key that the judgement uses.
pub(crate) struct KeyFacts<'a> {
    pub(crate) environment: &'a str,
    /// Whether the engine accepts that environment.
    pub(crate) accepted: bool,
    pub(crate) life: Lifecycle,
    pub(crate) grace_over: bool,
    pub(crate) org_disabled: bool,
    pub(crate) networks: [Option<&'a [IpNet]>; 2],
    pub(crate) level: Option<Level>,
    /// Separated by single spaces.
    pub(crate) scopes: &'a str,
}

/// Judges a verified key, in the order of the codes. `Ok` is allowed.
pub(crate) fn judge(facts: &KeyFacts<'_>, context: RequestContext<'_>, now: Millis) -> Result<(), Box<Denial>> {
    if !facts.accepted || context.required.environment.as_ref().is_some_and(|only| only != facts.environment) {
        return deny(
            Code::WrongEnvironment,
            format!("This API key is for the environment '{}', which is not accepted here", facts.environment),
        );
    }
    match facts.life.status(now) {
        Status::Revoked => return deny(Code::Revoked, "The API key has been revoked"),
        Status::Expired => return deny(Code::Expired, "The API key has expired"),
        Status::Disabled => return deny(Code::Disabled, "The API key is disabled"),
        Status::Active => {}
    }
    if facts.grace_over {
        return deny(Code::Revoked, "The API key was replaced by a rotation and its grace is over");
    }
    if facts.org_disabled {
        return deny(Code::Disabled, "The organization of this API key is disabled");
    }
    if !facts.networks.iter().all(|networks| network::allows(*networks, context.ip)) {
        return deny(Code::IpNotAllowed, "The API key may not be used from this address");
    }
    if let Some(level) = facts.level
        && !level::allows(level, context.method)
    {
        return deny(Code::MethodNotAllowed, level::refusal(level, context.method));
    }
    let missing = scope::missing(facts.scopes, &context.required.scopes);
    if !missing.is_empty() {
        let message = format!("The API key lacks the scope {}", missing.join(", "));
        let mut denial = Denial::new(Code::InsufficientScope, message);
        denial.missing_scopes = missing;
        return Err(denial.into());
    }
    Ok(())
}

fn deny(code: Code, message: impl Into<Cow<'static, str>>) -> Result<(), Box<Denial>> {
    Err(Box::new(Denial::new(code, message)))
}

/// Checks that every limit that applies to the request allowed its charge.
pub(crate) fn check_limits(
    outcome: &ChargeOutcome,
    charge: &Charge<'_>,
    snapshot: &dyn KeySnapshot,
) -> Result<(), Box<Denial>> {
    if outcome.refused.is_none() {
        return Ok(());
    }
    // The answer names the limit with the longest wait, so that a client that waits is not refused by another limit
    // right after. Of two equal waits it names the first limit.
    let waits = outcome.limits.iter().rev().filter_map(|ChargedLimit { index, backlog, .. }| {
        let rule = snapshot.rule(*index)?;
        Some((&*rule.limit.name, rule.params.wait_seconds(*backlog, charge.due(*index, rule)?.cost)))
    });
    let (name, wait) = waits.max_by_key(|(_, wait)| wait.unwrap_or(u64::MAX)).unwrap_or(("", Some(0)));
    let Some(wait) = wait else {
        let reason = format!("is {}, which the limit '{name}' allows at no time", charge.cost);
        let error = Error::validation_failed("cost", reason, "lower it, or give the limit a larger burst");
        return Err(Denial::from_misuse(error).into());
    };
    // Another thread may have returned its charge in the meantime, which makes the wait 0.
    let seconds = wait.max(1);
    let message = format!("The rate limit '{name}' of this API key is used up; try again in {seconds} s");
    let mut denial = Denial::new(Code::RateLimited, message);
    denial.retry_after_seconds = Some(seconds);
    Err(denial.into())
}

/// Checks that every quota that applies to the request allowed its charge.
pub(crate) fn check_quotas(
    outcome: &QuotaOutcome,
    charge: &Charge<'_>,
    snapshot: &dyn KeySnapshot,
    now: Millis,
) -> Result<(), Box<Denial>> {
    if !outcome.refused {
        return Ok(());
    }
    // As for limits, the answer names the longest wait. Nobody knows when a balance is raised.
    let waits = outcome.quotas.iter().rev().filter_map(|charged| {
        let quota = snapshot.quota(charged.index)?;
        let cost = charge.due_of_quota(charged.index, quota)?.cost;
        (cost > charged.totals.left()).then(|| (&quota.name, charged.totals.span.seconds_left(now)))
    });
    let Some((name, wait)) = waits.max_by_key(|(_, wait)| wait.unwrap_or(u64::MAX)) else {
        // Another thread has given back what this request lacked.
        return deny(Code::QuotaExceeded, "A quota of this API key is used up; try again");
    };
    let message = match wait {
        Some(seconds) => format!("The quota '{name}' of this API key is used up; it begins anew in {seconds} s"),
        None => format!("The quota '{name}' of this API key is used up"),
    };
    let mut denial = Denial::new(Code::QuotaExceeded, message);
    denial.retry_after_seconds = wait;
    Err(denial.into())
}

#[cfg(test)]
mod tests {
    use super::super::request::Request;
    use super::*;

    #[test]
    fn denials_come_in_the_order_of_the_design() {
        let request = Request::new().scope("a:b").method("POST").ip("10.0.0.1");
        let mut facts = KeyFacts {
            environment: "live",
            accepted: false,
            life: Lifecycle { expires_at: Some(5), disabled_at: Some(1), revoked_at: Some(1) },
            grace_over: true,
            org_disabled: true,
            networks: [None, Some(&[])],
            level: Some(Level::Read),
            scopes: "",
        };
        let code =
            |facts: &KeyFacts<'_>| judge(facts, RequestContext::from(&request), 5).err().map(|denial| denial.code);
        assert_eq!(code(&facts), Some(Code::WrongEnvironment));
        facts.accepted = true;
        assert_eq!(code(&facts), Some(Code::Revoked));
        facts.life.revoked_at = None;
        assert_eq!(code(&facts), Some(Code::Expired));
        facts.life.expires_at = None;
        assert_eq!(code(&facts), Some(Code::Disabled));
        facts.life.disabled_at = None;
        assert_eq!(code(&facts), Some(Code::Revoked));
        facts.grace_over = false;
        assert_eq!(code(&facts), Some(Code::Disabled));
        facts.org_disabled = false;
        assert_eq!(code(&facts), Some(Code::IpNotAllowed));
        facts.networks = [None, None];
        assert_eq!(code(&facts), Some(Code::MethodNotAllowed));
        facts.level = Some(Level::ReadWrite);
        assert_eq!(code(&facts), Some(Code::InsufficientScope));
        facts.scopes = "a:* b:c";
        assert_eq!(code(&facts), None);
    }
}
