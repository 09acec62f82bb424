//! Findings about keys and orgs.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use ipnet::IpNet;

use super::{Finding, Severity};
use crate::clock::time;
use crate::error::Error;
use crate::keyring::{Keywright, ListKeys, ListOrgs};
use crate::record::{Key, Status};

/// A key that was not used for so many days is idle.
const IDLE_DAYS: i64 = 90;

/// How many keys a finding names.
const MOST_NAMED: usize = 5;

const PAGE: usize = 1_000;

/// The networks for examples in documentation (RFC 5737, RFC 3849).
const DOCUMENTATION: [&str; 4] = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"];

/// The keys or orgs that one finding is about.
#[derive(Default)]
struct Found {
    count: usize,
    names: Vec<String>,
}

impl Found {
    fn add(&mut self, name: &str, is_found: bool) {
        if is_found {
            self.count += 1;
            if self.names.len() < MOST_NAMED {
                self.names.push(name.to_owned());
            }
        }
    }

    /// `3 keys never expire: a, b, c`
    fn finding(&self, level: Severity, one: &str, many: &str, fix: &str) -> Option<Finding> {
        let names = self.names.join(", ");
        let more = if self.count > self.names.len() { ", …" } else { "" };
        let said = if self.count == 1 { one } else { many };
        (self.count > 0).then(|| Finding::new(level, format!("{} {said}: {names}{more}", self.count), fix))
    }
}

pub(super) async fn findings(kw: &Keywright, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let [mut endless, mut idle, mut wide, mut example, mut example_orgs] = <[Found; 5]>::default();
    let idle_since = time(kw.now()) - TimeDelta::days(IDLE_DAYS);
    let (keys, mut query) = (kw.every_org().keys(), Some(ListKeys::new().limit(PAGE)));
    while let Some(next) = query.take() {
        let page = keys.list(next).await?;
        for key in page.data.iter().filter(|key| key.status != Status::Expired) {
            endless.add(&key.prefix, key.expires_at.is_none());
            idle.add(&key.prefix, is_idle(key, idle_since));
            wide.add(&key.prefix, key.scopes.iter().any(|scope| scope.contains('*')));
            example.add(&key.prefix, key.networks.iter().flatten().any(|network| is_example(network)));
        }
        query = page.next_cursor.map(|cursor| ListKeys::new().limit(PAGE).cursor(cursor));
    }
    let (orgs, mut query) = (kw.orgs(), Some(ListOrgs::new().limit(PAGE)));
    while let Some(next) = query.take() {
        let page = orgs.list(next).await?;
        for org in &page.data {
            example_orgs.add(&org.id, org.networks.iter().flatten().any(|network| is_example(network)));
        }
        query = page.next_cursor.map(|cursor| ListOrgs::new().limit(PAGE).cursor(cursor));
    }
    let mend_networks = "name the real networks with --networks";
    findings.extend(
        [
            endless.finding(
                Severity::Note,
                "key never expires",
                "keys never expire",
                "`keywright keys update ID --expires-in-days 365`",
            ),
            idle.finding(
                Severity::Warning,
                "key was not used for 90 days",
                "keys were not used for 90 days",
                "revoke those that nobody needs: `keywright keys list --idle-days 90`",
            ),
            wide.finding(
                Severity::Warning,
                "key has a scope with *",
                "keys have scopes with *",
                "grant the scopes that are needed: `keywright keys update ID --scopes …`",
            ),
            example.finding(
                Severity::Warning,
                "key names a network of documentation, where no client is",
                "keys name networks of documentation, where no client is",
                mend_networks,
            ),
            example_orgs.finding(
                Severity::Warning,
                "org names a network of documentation, where no client is",
                "orgs name networks of documentation, where no client is",
                mend_networks,
            ),
        ]
        .into_iter()
        .flatten(),
    );
    Ok(())
}

fn is_idle(key: &Key, since: DateTime<Utc>) -> bool {
    key.last_used_at.unwrap_or(key.created_at) < since
}

fn is_example(network: &str) -> bool {
    let network = network.parse::<IpNet>().or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
    let of_documentation = |network: IpNet| {
        DOCUMENTATION.iter().filter_map(|it| it.parse::<IpNet>().ok()).any(|whole| whole.contains(&network))
    };
    network.is_ok_and(of_documentation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_documentation_are_known() {
        for network in ["203.0.113.0/24", "203.0.113.7", "198.51.100.128/25", "2001:db8:1::/48", "2001:db8::1"] {
            assert!(is_example(network), "{network}");
        }
        for network in ["10.0.0.0/8", "0.0.0.0/0", "203.0.112.0/23", "::/0", "not a network"] {
            assert!(!is_example(network), "{network}");
        }
    }

    #[test]
    fn a_finding_names_some_of_many() {
        let mut found = Found::default();
        (0..7).for_each(|number| found.add(&format!("k{number}"), number != 3));
        let finding = found.finding(Severity::Note, "key is", "keys are", "fix").unwrap();
        assert_eq!(finding.finding, "6 keys are: k0, k1, k2, k4, k5, …");
        assert!(Found::default().finding(Severity::Note, "", "", "").is_none());
    }
}
