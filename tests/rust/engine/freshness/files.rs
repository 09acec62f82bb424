//! The database taken away from under engines that have all by heart.
//!
//! The bound: for up to a second an engine with a WAL index answers from memory, and one without asks each time.
//! After it every engine that had the files open is `unavailable` for every key, until it is opened anew. Who opens anew
//! goes by what is there. A database that another program overwrites in place, not through SQLite, is damaged by SQLite's
//! own rules, and nothing is promised of it.

use std::fs;

use keywright::blocking::Keywright;
use keywright::{IssuedKey, KeyUpdate, ListKeys, UnavailableCause};

use super::{Stage, asks_each_time, carried_out, carry_out, pair};
use keywright_tests::site::{config, files, process, verdict};

const SECOND: i64 = 1_000;

/// Engines that know two keys, and another copy of their database in which one of these is revoked.
struct Taken {
    stage: Stage,
    live: IssuedKey,
    gone: IssuedKey,
}

impl Taken {
    fn new() -> Self {
        let stage = Stage::new();
        let (live, gone) = pair(stage.kw());
        let taken = Self { stage, live, gone };
        let copy = taken.copy("copy.db");
        let other = Keywright::open(config(&copy)).unwrap();
        other.keys().revoke(&taken.gone.id, ()).unwrap();
        other.close();
        taken.stage.warm(&taken.texts());
        taken
    }

    fn texts(&self) -> [&str; 2] {
        [self.live.api_key.reveal(), self.gone.api_key.reveal()]
    }

    fn copy(&self, name: &str) -> std::path::PathBuf {
        carry_out(self.stage.site.folder(), &format!("sql VACUUM INTO '{}'", self.at(name).display()));
        self.at(name)
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.stage.site.folder().join(name)
    }

    fn said(&self, kw: &Keywright) -> [&'static str; 2] {
        self.texts().map(|it| verdict(kw, it))
    }

    /// Within the second every answer was true of this database once, and after it there are none.
    fn is_noticed(&self, before: [&str; 2]) {
        for (name, kw) in &self.stage.engines {
            let found = self.said(kw);
            let at_once = asks_each_time(name);
            assert!(found == ["unavailable"; 2] || (found == before && !at_once), "{name} at once: {found:?}");
        }
        self.stage.clock.advance(SECOND);
        for (name, kw) in &self.stage.engines {
            assert_eq!(self.said(kw), ["unavailable"; 2], "{name} after a second");
            assert_eq!(
                kw.keys().list(ListKeys::new()).unwrap_err().unavailable_cause(),
                Some(UnavailableCause::Location),
                "{name}"
            );
        }
        self.is_silent();
    }

    /// Not even when all is put back: what was open led elsewhere meanwhile.
    fn is_silent(&self) {
        self.stage.clock.advance(SECOND * 3_600);
        for (name, kw) in &self.stage.engines {
            assert_eq!(self.said(kw), ["unavailable"; 2], "{name} after an hour");
        }
    }

    /// The state that a program finds when it opens the file now.
    fn anew(&self) -> [&'static str; 2] {
        let kw = Keywright::open(self.stage.site.config()).unwrap();
        let found = self.said(&kw);
        kw.close();
        found
    }

    fn remove(&self, which: &[usize]) {
        let all = files(&self.stage.site.file());
        which.iter().for_each(|it| fs::remove_file(&all[*it]).unwrap());
    }
}

const DATABASE: usize = 0;
const LOG: usize = 1;
const INDEX: usize = 2;

#[test]
fn a_database_taken_away_is_noticed() {
    for which in [&[DATABASE][..], &[DATABASE, LOG], &[DATABASE, LOG, INDEX], &[INDEX], &[LOG, INDEX]] {
        let taken = Taken::new();
        taken.remove(which);
        taken.is_noticed(["allowed"; 2]);
    }
    let taken = Taken::new();
    fs::rename(taken.stage.site.file(), taken.at("elsewhere.db")).unwrap();
    taken.is_noticed(["allowed"; 2]);
    fs::rename(taken.at("elsewhere.db"), taken.stage.site.file()).unwrap();
    taken.is_silent();
    assert_eq!(taken.anew(), ["allowed"; 2]);
}

#[test]
fn a_copy_in_place_of_the_database_is_noticed() {
    for others in [&[][..], &[LOG], &[INDEX], &[LOG, INDEX]] {
        let taken = Taken::new();
        fs::rename(taken.at("copy.db"), taken.stage.site.file()).unwrap();
        taken.remove(others);
        taken.is_noticed(["allowed"; 2]);
        if others.len() == 2 {
            assert_eq!(taken.anew(), ["allowed", "revoked"]);
            taken.is_silent();
        }
    }
}

/// A revocation that an older copy lacks may be unknown to a new engine, and never to one that knew of it.
#[test]
fn an_older_copy_in_place_of_the_database_is_noticed() {
    let taken = Taken::new();
    let older = taken.copy("older.db");
    taken.stage.kw().keys().revoke(&taken.gone.id, ()).unwrap();
    taken.stage.warm(&taken.texts());
    taken.remove(&[LOG, INDEX]);
    fs::rename(older, taken.stage.site.file()).unwrap();
    taken.is_noticed(["allowed", "revoked"]);
    assert_eq!(taken.anew(), ["allowed"; 2]);
    taken.is_silent();
}

/// A program that has a deleted log open reads old pages from it, while others write a new one. Pages of equal
/// changes lie at equal places, so that nothing looks wrong.
#[test]
fn a_log_taken_away_is_noticed() {
    if carried_out() {
        return;
    }
    let order = |taken: &Taken, order: &str| {
        process::start(a_log_taken_away_is_noticed, &[], taken.stage.site.folder(), order).passes();
    };
    let set = |taken: &Taken, what: &str| {
        order(taken, &format!("sql UPDATE keys SET {what} WHERE id = '{}'", taken.gone.id));
    };
    let taken = Taken::new();
    taken.remove(&[LOG]);
    taken.is_noticed(["allowed"; 2]);
    let taken = Taken::new();
    order(&taken, "sql PRAGMA wal_checkpoint(TRUNCATE)");
    set(&taken, "name = 'another name'");
    order(&taken, "sql PRAGMA wal_checkpoint(PASSIVE)");
    taken.stage.warm(&taken.texts());
    taken.remove(&[LOG]);
    set(&taken, "revoked_at = 1");
    assert_eq!(taken.anew(), ["allowed", "revoked"]);
    taken.is_noticed(["allowed"; 2]);
}

/// SQLite's own way to bring a copy back under running programs is a commit like any other, although the copy's
/// sequence may be ahead of ours, equal to it or behind.
#[test]
fn a_restored_copy_is_known_to_the_next_verification() {
    if carried_out() {
        return;
    }
    let test = a_restored_copy_is_known_to_the_next_verification;
    for (ours, theirs) in [(0, 0), (0, 9), (1, 0), (6, 9), (9, 0)] {
        let taken = Taken::new();
        let rename = |kw: &Keywright, times: i32| {
            for n in 0..times {
                kw.keys().update(&taken.live.id, KeyUpdate::new().name(format!("{n}"))).unwrap();
            }
        };
        rename(taken.stage.kw(), ours);
        let other = Keywright::open(config(&taken.at("copy.db"))).unwrap();
        rename(&other, theirs);
        other.close();
        taken.stage.warm(&taken.texts());
        process::start(test, &[], taken.stage.site.folder(), "restore copy.db").passes();
        let found = taken.stage.agree(&taken.texts(), &format!("a restore, {ours} changes here and {theirs} there"));
        assert_eq!(found, ["allowed", "revoked"]);
        taken.stage.close();
    }
}
