//! The tables of the schema, which every engine has. Each has one list of its columns, and every statement that reads or writes
//! whole rows is made from it: a column that is missing in a list, in a read or in a write fails the compiler or a test.

/// A table, with its columns in the order in which rows are read and written.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    /// The number of leading columns that never change. The first ones are the primary key.
    pub(super) fixed: usize,
}

/// How an engine writes the parts of a statement.
pub(super) struct Dialect {
    /// The start of the name of a table.
    pub(super) schema: &'static str,
    /// The parameter for a column, by its number, which starts at 1.
    pub(super) parameter: fn(column: &str, number: usize) -> String,
    /// A column in a list of columns to select, after its alias.
    pub(super) selected: fn(column: &str) -> String,
}

pub(super) const KEYS: Table = Table {
    name: "keys",
    columns: &[
        "id",
        "org",
        "environment",
        "created_at",
        "parent",
        "created_by",
        "name",
        "description",
        "scopes",
        "level",
        "tier",
        "limits",
        "quotas",
        "networks",
        "metadata",
        "updated_at",
        "expires_at",
        "disabled_at",
        "revoked_at",
        "reason",
    ],
    fixed: 5,
};

pub(super) const SECRETS: Table = Table {
    name: "secrets",
    columns: &["lookup", "key_id", "prefix", "format", "created_at", "grace_ends_at", "verifier", "filter"],
    fixed: 5,
};

pub(super) const ORGS: Table =
    Table { name: "orgs", columns: &["id", "created_at", "networks", "updated_at", "disabled_at", "reason"], fixed: 2 };

pub(super) const AUDIT: Table = Table {
    name: "audit",
    columns: &["seq", "at", "org", "actor", "action", "target", "reason", "details", "pepper", "hash"],
    fixed: 10,
};

pub(super) const USAGE: Table =
    Table { name: "usage", columns: &["key_id", "lookup", "usage_count", "denied_count", "last_used_at"], fixed: 2 };

pub(super) const AGENTS: Table =
    Table { name: "agents", columns: &["key_id", "agent", "usage_count", "denied_count", "last_used_at"], fixed: 2 };

/// The row of an expired request is replaced by another one, so that only the primary key is fixed.
pub(super) const IDEMPOTENCY: Table = Table {
    name: "idempotency",
    columns: &["org", "name", "request", "caller", "expires_at", "token", "changed", "status", "headers", "body"],
    fixed: 2,
};

pub(super) const WEBHOOK_ENDPOINTS: Table = Table {
    name: "webhook_endpoints",
    columns: &["id", "created_at", "origin", "actions", "kept_until", "disabled_at", "reason"],
    fixed: 2,
};

pub(super) const WEBHOOK_OUTBOX: Table = Table {
    name: "webhook_outbox",
    columns: &[
        "endpoint", "seq", "message", "at", "org", "actor", "action", "target", "reason", "details", "attempts",
        "next_at", "body", "failure", "dead_at",
    ],
    fixed: 10,
};

impl Table {
    /// The number of columns.
    pub(super) const fn len(&self) -> usize {
        self.columns.len()
    }

    /// The number of columns that [`select_mutable`](Self::select_mutable) selects.
    pub(super) const fn mutable(&self) -> usize {
        self.len() - self.fixed
    }

    /// The columns that may change.
    pub(super) fn mutable_columns(&self) -> &[&'static str] {
        self.columns.get(self.fixed..).unwrap_or_default()
    }

    /// The columns for a `SELECT` from the table under an alias.
    pub(super) fn select(&self, dialect: &Dialect, alias: &str) -> String {
        dialect.qualified(self.columns, alias)
    }

    /// The columns that may change, for a `SELECT` from the table under an alias.
    pub(super) fn select_mutable(&self, dialect: &Dialect, alias: &str) -> String {
        dialect.qualified(self.mutable_columns(), alias)
    }

    /// An `INSERT` of a row, with one parameter for each column.
    pub(super) fn insert(&self, dialect: &Dialect) -> String {
        let parameters: Vec<String> =
            self.columns.iter().zip(1..).map(|(column, number)| (dialect.parameter)(column, number)).collect();
        let (columns, parameters) = (self.columns.join(", "), parameters.join(", "));
        format!("INSERT INTO {}{} ({columns}) VALUES ({parameters})", dialect.schema, self.name)
    }

    /// An `UPDATE` of the row whose first column is the first parameter. It takes the same parameters as the `INSERT`, and
    /// writes each column that may change.
    pub(super) fn update(&self, dialect: &Dialect) -> String {
        let [key, ..] = self.columns else { return String::new() };
        let assignment =
            |(column, number): (&&str, usize)| format!("{column} = {}", (dialect.parameter)(column, number));
        let assignments: Vec<String> = self.mutable_columns().iter().zip(self.fixed + 1..).map(assignment).collect();
        let first = (dialect.parameter)(key, 1);
        format!("UPDATE {}{} SET {} WHERE {key} = {first}", dialect.schema, self.name, assignments.join(", "))
    }
}

impl Dialect {
    fn qualified(&self, columns: &[&str], alias: &str) -> String {
        let columns: Vec<String> =
            columns.iter().map(|column| format!("{alias}.{}", (self.selected)(column))).collect();
        columns.join(", ")
    }
}
