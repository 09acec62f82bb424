//! Findings about the database.

use super::{Finding, Severity, keys};
use crate::clock::Millis;
use crate::error::Error;
use crate::keyring::{Config, Keywright};
use crate::store::{EndpointState, Store};

/// A clock that differs by more milliseconds from that of the database is a problem.
const MOST_SKEW: i64 = 1_000;

pub(super) async fn findings(config: Config) -> Vec<Finding> {
    match look(config).await {
        Ok(findings) => findings,
        Err(Error::Unavailable { reason, fix, .. }) => vec![Finding::new(Severity::Problem, reason, fix)],
        Err(error) => vec![Finding::new(Severity::Problem, error.to_string(), "mend the settings")],
    }
}

async fn look(config: Config) -> Result<Vec<Finding>, Error> {
    let config = config.read_only(true);
    let plan = config.clone().schema_plan().await?;
    if plan.found == 0 {
        let finding = "the database does not exist yet, or has no tables";
        return Ok(vec![Finding::new(Severity::Note, finding, "`keywright migrate` creates it")]);
    }
    if plan.found < plan.newest {
        let finding = format!("the database has schema {}, and this release writes {}", plan.found, plan.newest);
        return Ok(vec![Finding::new(Severity::Warning, finding, "run `keywright migrate`")]);
    }
    let kw = config.build().await?;
    let mut findings = Vec::new();
    let outcome = look_inside(&kw, &mut findings).await;
    kw.close().await;
    outcome.map(|()| findings)
}

async fn look_inside(kw: &Keywright, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let before = kw.now();
    if let Some(time) = kw.engine().store().database_time().await? {
        findings.extend(skew(before, time, kw.now()));
    }
    findings.extend(kw.engine().store().webhook_endpoints().await?.iter().filter_map(|it| of_endpoint(it, before)));
    keys::findings(kw, findings).await
}

/// The worst about a webhook endpoint.
fn of_endpoint(endpoint: &EndpointState, now: Millis) -> Option<Finding> {
    let EndpointState { id, url, disabled_at, reason, pending, dead, .. } = endpoint;
    if disabled_at.is_some() {
        let reason = reason.as_deref().unwrap_or("somebody disabled it");
        let finding = format!("the webhook endpoint {url} gets no events: {reason}");
        return Some(Finding::new(
            Severity::Problem,
            finding,
            format!("`keywright webhooks enable {id}`, or remove it"),
        ));
    }
    if endpoint.kept_until <= now {
        let finding =
            format!("no program was configured with the webhook endpoint {url} for 30 days, and {pending} events wait");
        return Some(Finding::new(
            Severity::Warning,
            finding,
            format!("`keywright webhooks remove {id}`, or configure it"),
        ));
    }
    if *dead > 0 {
        let finding = format!("{dead} webhooks to {url} were given up");
        return Some(Finding::new(Severity::Problem, finding, format!("`keywright webhooks retry {id}`")));
    }
    if url.starts_with("http://") {
        let finding = format!("the webhook endpoint {url} is without TLS, and {pending} events wait for it");
        return Some(Finding::new(Severity::Note, finding, "it must be a program on this machine"));
    }
    None
}

/// The difference between the clocks, if the time of the database is not one between the question and the answer.
fn skew(asked: i64, time: i64, answered: i64) -> Option<Finding> {
    let ahead = if time < asked { asked - time } else { answered - time };
    let is_wrong = (time < asked || time > answered) && ahead.abs() > MOST_SKEW;
    is_wrong.then(|| {
        let direction = if ahead > 0 { "ahead of" } else { "behind" };
        let finding = format!("the clock of this machine is {} ms {direction} that of the database", ahead.abs());
        Finding::new(Severity::Problem, finding, "let both machines follow one time server (NTP)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_is_no_skew() {
        let found = |asked, time, answered| skew(asked, time, answered).map(|finding| finding.finding);
        assert_eq!(found(10_000, 12_000, 15_000), None);
        assert_eq!(found(10_000, 9_500, 10_010), None);
        assert!(found(10_000, 8_000, 10_010).unwrap().contains("2000 ms ahead"));
        assert!(found(10_000, 12_010, 10_010).unwrap().contains("2000 ms behind"));
    }
}
