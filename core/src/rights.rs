//! The rights of a key, and their comparison: a key that creates or changes others never gives more than it has.

use ipnet::IpNet;

use crate::clock::Millis;
use crate::error::Error;
use crate::lifecycle::{Lifecycle, SecretLifetime};
use crate::record::{Key, KeyId, Level, Limit, Quota, Status};
use crate::{network, scope};

/// Every dimension in which one key can have more rights than another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) environment: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) level: Option<Level>,
    pub(crate) tier: Option<String>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) quotas: Vec<Quota>,
    pub(crate) networks: Option<Vec<String>>,
    pub(crate) expires_at: Option<Millis>,
}

/// A key that manages other keys of its org.
#[derive(Debug, Clone)]
pub(crate) struct ManagingKey {
    pub(crate) id: KeyId,
    pub(crate) rights: Rights,
    /// Whether the keys that it creates are revoked with it.
    pub(crate) revoke_children: bool,
}

/// The authority for a change that a key makes: the secret that it presented, and its rights at the time of verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangeAuthority {
    pub(crate) lookup: String,
    pub(crate) grace_ends_at: Option<Millis>,
    pub(crate) rights: Rights,
}

impl ChangeAuthority {
    /// Refuses a change if the key has changed between its verification and the write.
    pub(crate) fn recheck(
        &self,
        rights: &Rights,
        life: Lifecycle,
        secret: &SecretLifetime,
        now: Millis,
    ) -> Result<(), Error> {
        let lives = life.status(now) == Status::Active && secret.grace_ends_at.is_none_or(|it| now < it);
        if lives && secret.grace_ends_at == self.grace_ends_at && *rights == self.rights {
            return Ok(());
        }
        Err(Self::ended())
    }

    pub(crate) fn ended() -> Error {
        let fix = "look at the key with whoami, and ask again if it still may";
        Error::forbidden("api_key", "was changed while this was asked", fix)
    }
}

impl Rights {
    pub(crate) fn of(key: &Key) -> Self {
        Self {
            environment: key.environment.clone(),
            scopes: key.scopes.clone(),
            level: key.level,
            tier: key.tier.clone(),
            limits: key.limits.clone(),
            quotas: key.quotas.clone(),
            networks: key.networks.clone(),
            expires_at: key.expires_at.map(|it| it.timestamp_millis()),
        }
    }

    /// Refuses rights that exceed these in any dimension.
    pub(crate) fn cover(&self, other: &Self) -> Result<(), Error> {
        let granted = self.scopes.join(" ");
        let more = scope::missing(&granted, &other.scopes);
        if !more.is_empty() {
            return Err(exceeds("scopes", format!("has {}, which the managing key has not", more.join(", "))));
        }
        if other.environment != self.environment {
            return Err(exceeds("environment", "is not that of the managing key"));
        }
        if rank(other.level) > rank(self.level) {
            return Err(exceeds("level", "is higher than that of the managing key"));
        }
        if other.tier != self.tier {
            return Err(exceeds("tier", "is not that of the managing key"));
        }
        if let Some(limit) = self.limits.iter().find(|own| !other.limits.iter().any(|other| is_within(other, own))) {
            return Err(exceeds("limits", format!("are wider than '{}' of the managing key", limit.name)));
        }
        if let Some(quota) = self.quotas.iter().find(|own| !other.quotas.iter().any(|other| is_part(other, own))) {
            return Err(exceeds("quotas", format!("are wider than '{}' of the managing key", quota.name)));
        }
        if !nets_cover(self.networks.as_deref(), other.networks.as_deref()) {
            return Err(exceeds("networks", "reach further than those of the managing key"));
        }
        let end = |it: Option<Millis>| it.unwrap_or(Millis::MAX);
        if end(other.expires_at) > end(self.expires_at) {
            return Err(exceeds("expires_at", "is later than that of the managing key"));
        }
        Ok(())
    }
}

impl ManagingKey {
    /// Refuses to manage a key with more rights, and the managing key itself.
    pub(crate) fn admit(&self, id: &str, rights: &Rights) -> Result<(), Error> {
        if self.id.to_string() == id {
            return Err(Error::forbidden(
                "id",
                "is that of the managing key",
                "a key rotates and revokes itself under whoami, and changes no more of itself",
            ));
        }
        self.rights.cover(rights)
    }
}

fn exceeds(field: &str, reason: impl Into<String>) -> Error {
    Error::forbidden(field, reason, "give no more than the managing key has, or use a session")
}

/// A key without a level may use any method, like one with the highest level.
fn rank(level: Option<Level>) -> u8 {
    match level {
        Some(Level::Read) => 0,
        Some(Level::ReadWrite) => 1,
        Some(Level::Full) | None => 2,
    }
}

fn is_within(limit: &Limit, bound: &Limit) -> bool {
    (&limit.name, &limit.operation, limit.per) == (&bound.name, &bound.operation, bound.per)
        && limit.rate <= bound.rate
        && limit.burst <= bound.burst
        && limit.exact >= bound.exact
        && limit.when_unreachable <= bound.when_unreachable
}

fn is_part(quota: &Quota, bound: &Quota) -> bool {
    let kind = |quota: &Quota| Quota { amount: 0, ..quota.clone() };
    kind(quota) == kind(bound) && quota.amount <= bound.amount
}

fn nets_cover(bound: Option<&[String]>, networks: Option<&[String]>) -> bool {
    match (bound, networks) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(bound), Some(networks)) => {
            let bound = network::stored(bound);
            let stored = network::stored(networks);
            // An entry that cannot be parsed allows no address, so it cannot exceed the bound.
            stored.iter().all(|it: &IpNet| bound.iter().any(|other| other.contains(it)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::WhenUnreachable;

    fn rights() -> Rights {
        Rights {
            environment: "live".into(),
            scopes: vec!["deals:*".into(), "keys:manage".into()],
            level: Some(Level::ReadWrite),
            tier: Some("basic".into()),
            limits: vec![own_limit()],
            quotas: vec![Quota::new("own-quota", 10)],
            networks: Some(vec!["10.0.0.0/8".into()]),
            expires_at: Some(1_000),
        }
    }

    fn own_limit() -> Limit {
        Limit::new("own", 10).burst(5)
    }

    #[test]
    fn no_dimension_may_be_exceeded() {
        let own = rights();
        assert_eq!(own.cover(&rights()), Ok(()));
        let less = Rights {
            scopes: vec!["deals:read".into()],
            level: Some(Level::Read),
            limits: vec![Limit::new("own", 9).burst(5), Limit::new("more", 1)],
            quotas: vec![Quota::new("own-quota", 9), Quota::new("more", 1)],
            networks: Some(vec!["10.1.0.0/16".into()]),
            expires_at: Some(999),
            ..rights()
        };
        assert_eq!(own.cover(&less), Ok(()));
        assert_eq!(own.cover(&Rights { networks: Some(vec![]), scopes: vec![], ..less.clone() }), Ok(()));
        let strict = own_limit().exact(true).when_unreachable(WhenUnreachable::Refuse);
        let stricter = Rights { limits: vec![strict], ..rights() };
        assert_eq!(own.cover(&stricter), Ok(()));
        assert_eq!(stricter.cover(&own).unwrap_err().field(), Some("limits"));
        let more = [
            ("scopes", Rights { scopes: vec!["users:read".into()], ..rights() }),
            ("scopes", Rights { scopes: vec!["keys:*".into()], ..rights() }),
            ("environment", Rights { environment: "test".into(), ..rights() }),
            ("level", Rights { level: Some(Level::Full), ..rights() }),
            ("level", Rights { level: None, ..rights() }),
            ("tier", Rights { tier: None, ..rights() }),
            ("tier", Rights { tier: Some("premium".into()), ..rights() }),
            ("limits", Rights { limits: vec![], ..rights() }),
            ("limits", Rights { limits: vec![Limit::new("own", 11).burst(5)], ..rights() }),
            ("limits", Rights { limits: vec![Limit::new("own", 10).burst(6)], ..rights() }),
            ("limits", Rights { limits: vec![Limit::new("other", 1)], ..rights() }),
            ("limits", Rights { limits: vec![own_limit().when_unreachable(WhenUnreachable::Allow)], ..rights() }),
            ("limits", Rights { limits: vec![Limit::new("own", 1).burst(1).operation("read")], ..rights() }),
            ("quotas", Rights { quotas: vec![], ..rights() }),
            ("quotas", Rights { quotas: vec![Quota::new("own-quota", 11)], ..rights() }),
            (
                "quotas",
                Rights { quotas: vec![Quota::new("own-quota", 1).every(crate::record::Period::Day)], ..rights() },
            ),
            ("networks", Rights { networks: None, ..rights() }),
            ("networks", Rights { networks: Some(vec!["0.0.0.0/0".into()]), ..rights() }),
            ("networks", Rights { networks: Some(vec!["10.0.0.0/8".into(), "11.0.0.1/32".into()]), ..rights() }),
            ("expires_at", Rights { expires_at: None, ..rights() }),
            ("expires_at", Rights { expires_at: Some(1_001), ..rights() }),
        ];
        for (field, wanted) in more {
            let error = own.cover(&wanted).unwrap_err();
            assert_eq!((error.code(), error.field()), ("forbidden", Some(field)), "{wanted:?}");
        }
    }

    #[test]
    fn a_key_does_not_manage_itself() {
        let bounds = ManagingKey { id: KeyId::Integer(7), rights: rights(), revoke_children: false };
        assert_eq!(bounds.admit("7", &rights()).unwrap_err().field(), Some("id"));
        assert_eq!(bounds.admit("8", &rights()), Ok(()));
    }
}
