//! The changes that a migration would make to a database.

/// The schema of a database, and the steps to the newest one.
#[derive(Debug)]
pub(crate) struct SchemaPlan {
    /// The present schema, 0 for a database that does not exist or has no tables.
    pub(crate) found: i64,
    /// The schema that this release writes.
    pub(crate) newest: i64,
    /// The SQL of each missing step, with the schema that it makes. The first step also inserts the row of `meta`, whose
    /// random keys are drawn when it runs.
    pub(crate) steps: Vec<(i64, &'static str)>,
}

impl SchemaPlan {
    /// The plan for a database with the schema `found`; `all` are the steps from the first on.
    pub(super) fn new(found: i64, all: impl Iterator<Item = &'static str>) -> Self {
        let all: Vec<(i64, &'static str)> = (1..).zip(all).collect();
        let newest = all.last().map_or(0, |(schema, _)| *schema);
        let steps = all.into_iter().filter(|(schema, _)| *schema > found).collect();
        Self { found, newest, steps }
    }
}
