//! The records of management as data: their fields, in the order in which they are shown.

use std::sync::LazyLock;

use super::view::View;
use crate::record::Key;

/// A field of a record.
pub(in crate::http) struct RecordField {
    /// Its name in `snake_case`.
    pub(in crate::http) name: &'static str,
    pub(in crate::http) shape: RecordShape,
}

/// The shape of a response, or of a field in it.
#[derive(Clone, Copy)]
pub(in crate::http) enum RecordShape {
    /// A value that is shown as it is: text, numbers, lists of them, and data with names of the host.
    Value,
    Key(View),
    /// The revoked key, or only that the revocation succeeded.
    Revocation,
    Record(&'static [RecordField]),
    Records(&'static [RecordField]),
    /// A page of a list.
    Page(&'static RecordShape),
}

const fn value(name: &'static str) -> RecordField {
    RecordField { name, shape: RecordShape::Value }
}

/// The fields of a [`Key`], and the text of a new one.
pub(in crate::http) static KEY: LazyLock<Vec<RecordField>> = LazyLock::new(|| {
    let shape = |name: &str| match name {
        "limits" => LIMITS,
        "quotas" => QUOTAS,
        "secrets" => SECRETS,
        _ => RecordShape::Value,
    };
    Key::FIELDS.iter().chain(&["api_key"]).map(|name| RecordField { name, shape: shape(name) }).collect()
});

const LIMITS: RecordShape = RecordShape::Records(&[
    value("name"),
    value("rate"),
    value("burst"),
    value("per"),
    value("operation"),
    value("exact"),
    value("when_unreachable"),
]);

const QUOTAS: RecordShape = RecordShape::Records(&[
    value("name"),
    value("amount"),
    value("every"),
    value("anchor"),
    value("per"),
    value("operation"),
]);

/// A [`QuotaState`](crate::QuotaState).
pub(in crate::http) const QUOTA_STATE: RecordShape = RecordShape::Record(&[
    value("name"),
    value("amount"),
    value("used"),
    value("remaining"),
    value("every"),
    value("starts_at"),
    value("resets_at"),
    value("reset_seconds"),
]);

const SECRETS: RecordShape =
    RecordShape::Records(&[value("prefix"), value("created_at"), value("grace_ends_at"), value("last_used_at")]);

pub(in crate::http) const USAGE: RecordShape = RecordShape::Record(&[
    value("id"),
    value("usage_count"),
    value("denied_count"),
    value("last_used_at"),
    RecordField { name: "secrets", shape: SECRETS },
]);

/// The usage of a key by one agent.
pub(in crate::http) const AGENT_USAGE: RecordShape =
    RecordShape::Record(&[value("agent"), value("usage_count"), value("denied_count"), value("last_used_at")]);

/// An [`OrgRecord`](crate::OrgRecord).
pub(in crate::http) const ORG: RecordShape = RecordShape::Record(&[
    value("id"),
    value("status"),
    value("networks"),
    value("created_at"),
    value("updated_at"),
    value("disabled_at"),
    value("reason"),
]);

/// An [`AuditEntry`](crate::AuditEntry). Its hash covers the details as they are stored.
pub(in crate::http) const AUDIT_ENTRY: RecordShape = RecordShape::Record(&[
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

pub(in crate::http) const SCOPE: RecordShape = RecordShape::Record(&[value("scope"), value("description")]);

pub(in crate::http) const REVOKED_KEYS: RecordShape = RecordShape::Record(&[value("revoked")]);

/// The caller: a session or a key.
pub(in crate::http) const WHOAMI: RecordShape = RecordShape::Record(&[
    value("type"),
    value("org"),
    value("actor"),
    value("may"),
    value("every_org"),
    RecordField { name: "key", shape: RecordShape::Key(View::Get) },
    value("agent"),
]);
