//! What the records of management hold, as plain data: their fields, in the order in which they are shown.

use std::sync::LazyLock;

use super::View;
use crate::record::Key;

/// A field of a record.
pub(in crate::http) struct Field {
    /// Its name in `snake_case`.
    pub(in crate::http) name: &'static str,
    pub(in crate::http) kind: Kind,
}

/// What a response, or a field of it, holds.
#[derive(Clone, Copy)]
pub(in crate::http) enum Kind {
    /// What is shown as it is: text, numbers, lists of them, and data whose names are the host's own.
    Value,
    Key(View),
    /// The key, or that it succeeded.
    Revocation,
    Record(&'static [Field]),
    Records(&'static [Field]),
    /// A list with what follows it.
    Page(&'static Kind),
}

const fn value(name: &'static str) -> Field {
    Field { name, kind: Kind::Value }
}

/// The fields of a [`Key`], and the text of one that was just made.
pub(in crate::http) static KEY: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let kind = |name: &str| match name {
        "limits" => LIMITS,
        "secrets" => SECRETS,
        _ => Kind::Value,
    };
    Key::FIELDS.iter().chain(&["api_key"]).map(|name| Field { name, kind: kind(name) }).collect()
});

const LIMITS: Kind = Kind::Records(&[value("name"), value("rate"), value("burst"), value("per"), value("operation")]);

const SECRETS: Kind =
    Kind::Records(&[value("prefix"), value("created_at"), value("grace_ends_at"), value("last_used_at")]);

pub(in crate::http) const USAGE: Kind = Kind::Record(&[
    value("id"),
    value("usage_count"),
    value("denied_count"),
    value("last_used_at"),
    Field { name: "secrets", kind: SECRETS },
]);

/// What one agent used of a key.
pub(in crate::http) const AGENT_USAGE: Kind =
    Kind::Record(&[value("agent"), value("usage_count"), value("denied_count"), value("last_used_at")]);

/// An [`OrgRecord`](crate::OrgRecord).
pub(in crate::http) const ORG: Kind = Kind::Record(&[
    value("id"),
    value("status"),
    value("networks"),
    value("created_at"),
    value("updated_at"),
    value("disabled_at"),
    value("reason"),
]);

/// An [`AuditEntry`](crate::AuditEntry). Its hash is over the details as they are.
pub(in crate::http) const AUDIT_ENTRY: Kind = Kind::Record(&[
    value("seq"),
    value("at"),
    value("org"),
    value("actor"),
    value("action"),
    value("target"),
    value("reason"),
    value("details"),
    value("hash"),
]);

pub(in crate::http) const SCOPE: Kind = Kind::Record(&[value("scope"), value("description")]);

pub(in crate::http) const REVOKED_KEYS: Kind = Kind::Record(&[value("revoked")]);

/// Whoever asks: a session or a key.
pub(in crate::http) const WHOAMI: Kind = Kind::Record(&[
    value("type"),
    value("org"),
    value("actor"),
    value("may"),
    value("every_org"),
    Field { name: "key", kind: Kind::Key(View::Get) },
    value("agent"),
]);
