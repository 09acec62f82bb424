//! The script that imports keys of another product.

use std::collections::{HashMap, HashSet};

use super::audit::Chain;
use super::keys::new_org;
use super::reads::{FoundLookup, ImportReads, Reads, Rows};
use super::write::Write;
use super::{Decided, TransactionScript};
use crate::audit::AuditDraft;
use crate::error::Error;
use crate::hash::IMPORTED;
use crate::lifecycle;
use crate::store::key::KeyRow;
use crate::store::rows::{Counts, SecretRow};

/// How many formats of imported keys a database has at most. A text of no other shape is compared with all of them.
const MOST_FORMATS: usize = 16;

/// A key to import.
pub(crate) struct NewImport {
    pub(crate) key: KeyRow,
    pub(crate) secret: SecretRow,
    pub(crate) counts: Counts,
    pub(crate) audit: AuditDraft,
    /// Whether the id is that of the other product.
    pub(crate) keeps_id: bool,
}

/// Imports keys in one transaction. Without `skip_refused` the first one that is refused is the error, with its index.
pub(crate) struct ImportKeys {
    pub(crate) keys: Vec<NewImport>,
    pub(crate) skip_refused: bool,
    pub(crate) dry_run: bool,
    ids: Vec<String>,
    lookups: Vec<String>,
    orgs: Vec<String>,
}

/// The outcome of a key to import.
#[derive(Debug)]
pub(crate) enum Imported {
    /// It is new.
    New,
    /// It was imported before, and stays as it is.
    Existing {
        id: String,
        /// The times of the import that end the key, and are not applied.
        not_applied: Vec<&'static str>,
    },
    Refused(Error),
    /// The random id is taken, which another try replaces.
    IdTaken,
}

/// The error for a key, by its index.
#[derive(Debug)]
pub(crate) struct RefusedImport {
    pub(crate) index: usize,
    pub(crate) error: Error,
}

pub(crate) type ImportOutcomes = Result<Vec<Imported>, RefusedImport>;

impl ImportKeys {
    pub(crate) fn new(keys: Vec<NewImport>, skip_refused: bool, dry_run: bool) -> Self {
        let ids = keys.iter().map(|it| it.key.id.clone()).collect();
        let lookups = keys.iter().map(|it| it.secret.lifetime.lookup.clone()).collect();
        let mut orgs: Vec<String> = keys.iter().map(|it| it.key.org.clone()).collect();
        orgs.sort_unstable();
        orgs.dedup();
        Self { keys, skip_refused, dry_run, ids, lookups, orgs }
    }
}

impl TransactionScript for ImportKeys {
    type Outcome = ImportOutcomes;

    fn reads(&self) -> Reads<'_> {
        let import = ImportReads { ids: &self.ids, lookups: &self.lookups, orgs: &self.orgs };
        Reads { ordered: true, import: Some(import), ..Reads::default() }
    }

    fn is_large(&self) -> bool {
        self.keys.len() > 16
    }

    fn decide(&self, rows: Rows, chain: &mut Chain) -> Result<Decided<ImportOutcomes>, Error> {
        let before = chain.clone();
        let mut state = ImportState {
            lookups: rows.import.lookups,
            ids: rows.import.ids,
            orgs: rows.import.orgs.into_iter().map(|org| (org.id, org.disabled_at.is_some())).collect(),
            formats: rows.import.formats.lines().map(str::to_owned).collect(),
        };
        let (mut outcomes, mut writes) = (Vec::with_capacity(self.keys.len()), Vec::with_capacity(3 * self.keys.len()));
        for (index, new) in self.keys.iter().enumerate() {
            let outcome = state.judge(new);
            match outcome {
                Imported::New => state.add(new, chain, &mut writes),
                Imported::Refused(error) if !self.skip_refused => {
                    *chain = before;
                    return Ok(Decided::unchanged(Err(RefusedImport { index, error })));
                }
                _ => {}
            }
            outcomes.push(outcome);
        }
        if self.dry_run || outcomes.iter().any(|it| matches!(it, Imported::IdTaken)) {
            *chain = before;
            writes.clear();
        }
        Ok(Decided { outcome: Ok(outcomes), writes })
    }
}

/// The rows that a key can meet, with those of the keys before it.
struct ImportState {
    lookups: HashMap<String, FoundLookup>,
    ids: HashSet<String>,
    /// Whether each org is disabled.
    orgs: HashMap<String, bool>,
    formats: HashSet<String>,
}

impl ImportState {
    fn judge(&self, new: &NewImport) -> Imported {
        let conflict = |field: &str, reason: &str, fix: &str| Imported::Refused(Error::conflict(field, reason, fix));
        if let Some(found) = self.lookups.get(&new.secret.lifetime.lookup) {
            // A good use has replaced the verifier since it was imported.
            let is_upgraded = !found.verifier.starts_with(IMPORTED);
            if found.org != new.key.org {
                let fix = "import each key into one org";
                return conflict("lookup", "belongs to a key of another org", fix);
            }
            if found.verifier != new.secret.verifier && !is_upgraded {
                let fix = "look which of the two rows is right, and leave out the other one";
                return conflict("lookup", "belongs to a key with another verifier", fix);
            }
            if new.keeps_id && found.key_id != new.key.id {
                return conflict(
                    "id",
                    "is not that of the key with this lookup",
                    "give the id that it was imported with",
                );
            }
            return Imported::Existing { id: found.key_id.clone(), not_applied: new.key.life.ends_beyond(&found.life) };
        }
        if self.ids.contains(&new.key.id) {
            if !new.keeps_id {
                return Imported::IdTaken;
            }
            return conflict("id", "belongs to another key", "leave the id out, and the key gets a new one");
        }
        if self.orgs.get(&new.key.org) == Some(&true) {
            return Imported::Refused(lifecycle::org_disabled());
        }
        if self.formats.len() >= MOST_FORMATS && !self.formats.contains(&new.secret.format) {
            let reason = format!(
                "is the {}th format of imported keys, of which a database has {MOST_FORMATS} at most",
                MOST_FORMATS + 1
            );
            return Imported::Refused(Error::validation_failed("format", reason, "use a format that is there already"));
        }
        Imported::New
    }

    fn add(&mut self, new: &NewImport, chain: &mut Chain, writes: &mut Vec<Write>) {
        let NewImport { key, secret, counts, audit, keeps_id: _ } = new;
        if !self.orgs.contains_key(&key.org) {
            writes.extend(new_org(&key.org, audit, chain));
            self.orgs.insert(key.org.clone(), false);
        }
        self.ids.insert(key.id.clone());
        self.formats.insert(secret.format.clone());
        let (key_id, org, verifier) = (key.id.clone(), key.org.clone(), secret.verifier.clone());
        let lookup = secret.lifetime.lookup.clone();
        writes.extend([
            Write::InsertKey(key.clone()),
            Write::InsertSecret { key_id: key.id.clone(), secret: secret.clone() },
            Write::AppendAudit(chain.append(audit)),
        ]);
        if *counts != Counts::default() {
            writes.push(Write::InsertCounts { key_id: key.id.clone(), lookup: lookup.clone(), counts: *counts });
        }
        self.lookups.insert(lookup, FoundLookup { key_id, org, life: key.life, verifier });
    }
}
