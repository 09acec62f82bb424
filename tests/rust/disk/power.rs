//! Power is lost at any moment of a day's work: what was acknowledged is there, and what was not is there wholly or
//! not at all.
//!
//! The work runs once, on a recorded disk. After each step a portrait is taken of everything the engine shows. Then
//! the disk is cut off after one event or another, and a new engine on what remains must show the last portrait that
//! was complete by then, or the next one.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use keywright::blocking::Keywright;
use keywright::{AuditHead, IssuedKey, Key, KeyId, KeyUpdate, ListKeys, NewKey, OrgUpdate, Rotation};

use super::remains::{Disk, Files, Loss};
use super::watch::{Call, Event, Fault, Watch};
use keywright_tests::site::chance::Chance;
use keywright_tests::site::{Site, create, verdict};

/// How many disks with chance remains are looked at; more of them when the environment says so.
const IMAGES: usize = 400;
const MORE: &str = "KEYWRIGHT_POWER_IMAGES";

/// Everything that an engine shows and a change can change.
#[derive(Debug, Clone, PartialEq)]
struct Portrait {
    keys: Vec<Key>,
    head: AuditHead,
    org: Option<String>,
    /// One for each text in the order in which they were made.
    verdicts: Vec<&'static str>,
}

impl Portrait {
    fn of(kw: &Keywright, texts: &[String]) -> Self {
        let mut keys = kw.keys().list(ListKeys::new().any_status().limit(1_000)).unwrap().data;
        // Meters may lag behind.
        for key in &mut keys {
            (key.last_used_at, key.usage_count, key.denied_count) = (None, 0, 0);
            key.secrets.iter_mut().for_each(|it| it.last_used_at = None);
        }
        let org = kw.orgs().get("default").ok().map(|it| serde_json::to_string(&it).unwrap());
        let verdicts = texts.iter().map(|it| verdict(kw, it)).collect();
        Self { keys, head: kw.audit().head().unwrap(), org, verdicts }
    }

    /// With the texts that were made later, which no row has yet.
    fn knowing(&self, texts: usize) -> Self {
        let mut wider = self.clone();
        wider.verdicts.resize(texts, "invalid");
        wider
    }
}

/// Work on a recorded disk.
struct Work {
    site: Site,
    watch: Arc<Watch>,
    kw: Keywright,
    texts: Vec<String>,
    /// After how many events which portrait was complete.
    portraits: Vec<(usize, Portrait)>,
}

impl Work {
    fn begin() -> Self {
        let site = Site::new();
        let watch = Watch::recording(site.folder());
        let kw = site.open();
        let mut work = Self { site, watch, kw, texts: Vec::new(), portraits: Vec::new() };
        work.done();
        // That a database was made and opened is no promise yet: on a new disk there is the same to see.
        work.portraits[0].0 = 0;
        work
    }

    /// All changes so far are acknowledged.
    fn done(&mut self) {
        let moment = self.watch.moment();
        self.portraits.push((moment, Portrait::of(&self.kw, &self.texts)));
    }

    fn issued(&mut self, key: &IssuedKey) -> KeyId {
        self.texts.push(key.api_key.reveal().to_owned());
        self.done();
        key.id.clone()
    }

    /// The SQL of another program, which has the same rights to the file.
    fn other(&self, sql: &str) {
        self.site.sql().execute_batch(sql).unwrap();
    }

    /// Every kind of change, with rows of several pages among them, and each way in which the log meets the file.
    fn day() -> Self {
        let mut work = Self::begin();
        for round in 0..20 {
            let long = serde_json::Value::from("x".repeat(if round % 2 == 0 { 15_000 } else { 10 }));
            let metadata = [("note".to_owned(), long)].into_iter().collect::<serde_json::Map<_, _>>();
            let new = NewKey::named(format!("{round}")).metadata(metadata.clone());
            let key = work.kw.keys().create(new).unwrap();
            let id = work.issued(&key);
            let rotated = work.kw.keys().rotate(&id, Rotation::default()).unwrap();
            work.issued(&rotated);
            work.kw.keys().disable(&id, ()).unwrap();
            work.done();
            work.kw.keys().enable(&id, ()).unwrap();
            work.done();
            work.kw.keys().update(&id, KeyUpdate::new().name("another").metadata(metadata)).unwrap();
            work.done();
            if round % 3 == 0 {
                work.kw.keys().revoke(&id, ()).unwrap();
                work.done();
            }
            match round {
                15 => work.other("PRAGMA wal_checkpoint(RESTART)"),
                16 => {
                    work.kw.close();
                    work.kw = work.site.open();
                }
                17 => work.other("PRAGMA wal_checkpoint(TRUNCATE)"),
                18 => work.other("PRAGMA wal_checkpoint(PASSIVE)"),
                _ => {}
            }
        }
        let networks = OrgUpdate::new().networks(Some(vec!["10.0.0.0/8".into()])).unwrap();
        work.kw.orgs().update("default", networks).unwrap();
        work.done();
        work.kw.orgs().revoke_keys("default", ()).unwrap();
        work.done();
        work
    }

    fn ends(self) -> Past {
        let events = self.watch.events();
        self.kw.close();
        Past { events, portraits: self.portraits, texts: self.texts }
    }
}

/// Work that was done, to be cut off anywhere.
struct Past {
    events: Vec<Event>,
    portraits: Vec<(usize, Portrait)>,
    texts: Vec<String>,
}

impl Past {
    /// Looks at what remains after so many events, given in order; what is wrong with it, for each that is not sound.
    fn cut(&self, cuts: &[(usize, Loss)], lies: bool, seed: u64) -> Vec<String> {
        let (mut disk, mut applied, mut chance) = (Disk::new(lies), 0, Chance::new(seed));
        let mut wrong = Vec::new();
        for (at, loss) in cuts {
            self.events[applied..*at].iter().for_each(|it| disk.apply(it));
            applied = *at;
            if let Err(it) = self.check(*at, disk.remains(*loss, &mut chance)) {
                wrong.push(format!("after event {at} of {}, {loss:?}, seed {seed}: {it}", self.events.len()));
            }
        }
        wrong
    }

    fn check(&self, at: usize, files: Files) -> Result<(), String> {
        let complete = self.portraits.iter().rposition(|it| it.0 <= at).unwrap();
        let allowed = self.portraits.iter().skip(complete).take(2).map(|it| &it.1).collect::<Vec<_>>();
        let texts = &self.texts[..allowed.last().unwrap().verdicts.len()];
        let site = Site::new();
        for (name, bytes) in files {
            fs::write(site.folder().join(name), bytes).unwrap();
        }
        let kw = Keywright::open(site.config()).map_err(|it| format!("it does not open: {it}"))?;
        let found = Portrait::of(&kw, texts);
        if !allowed.iter().any(|it| it.knowing(texts.len()) == found) {
            return Err(format!("it shows {found:?}\nafter {:?}", allowed[0]));
        }
        let check = kw.audit().verify().map_err(|it| it.to_string())?;
        let key = create(&kw, "after");
        kw.keys().revoke(&key.id, ()).map_err(|it| it.to_string())?;
        let text = verdict(&kw, key.api_key.reveal());
        kw.close();
        let integrity: String = site.sql().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        let sound = check.ok && text == "revoked" && integrity == "ok";
        if sound { Ok(()) } else { Err(format!("{check:?}, {text}, {integrity}")) }
    }

    /// Every moment at which more became certain: something was synced or renamed, or a change acknowledged.
    fn turns(&self) -> Vec<(usize, Loss)> {
        let turn = |it: &Event| !matches!(it, Event::Written(..) | Event::Truncated(..));
        let synced = (1..=self.events.len()).filter(|it| turn(&self.events[it - 1]));
        let acknowledged = self.portraits.iter().map(|it| it.0);
        let turns: BTreeSet<usize> = synced.chain(acknowledged).collect();
        turns.into_iter().map(|it| (it, Loss::All)).collect()
    }
}

fn assert_sound(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} disks are not sound; the first: {}", wrong.len(), wrong[0]);
}

#[test]
fn an_acknowledged_change_survives_the_loss_of_power() {
    let past = Work::day().ends();
    // The day held what it should: the log went into the file by itself, was cut to nothing, and was made again.
    let count = |holds: fn(&Event) -> bool| past.events.iter().filter(|it| holds(it)).count();
    let synced = count(|it| matches!(it, Event::Synced(name) if name == "keys.db"));
    assert!(synced >= 6, "{synced}");
    assert!(count(|it| matches!(it, Event::Truncated(name, 0) if name == "keys.db-wal")) >= 1);
    assert!(count(|it| matches!(it, Event::Deleted(name) if name == "keys.db-wal")) >= 1);
    let turns = past.turns();
    assert_sound(past.cut(&turns, false, 0));
    let images = std::env::var(MORE).map_or(IMAGES, |it| it.parse().unwrap());
    let mut chance = Chance::new(images as u64);
    let mut cuts: Vec<(usize, Loss)> = (0..images)
        .map(|n| (chance.below(past.events.len() + 1), if n % 8 == 0 { Loss::Nothing } else { Loss::Some }))
        .collect();
    cuts.sort_by_key(|it| it.0);
    assert_sound(past.cut(&cuts, false, images as u64));
    println!(
        "{} losses of power after {} events, {} changes",
        turns.len() + images,
        past.events.len(),
        past.portraits.len() - 1
    );
}

/// The kernel lets go of what it could not sync, while every program still reads it.
#[test]
fn nothing_rests_on_writes_that_failed_to_sync() {
    let mut failed = 0;
    loop {
        let mut work = Work::begin();
        work.watch.breaks(Fault { call: Some(Call::Sync), nth: failed + 1, lasts: false, code: None });
        for _ in 0..3 {
            let new = || work.kw.keys().create(NewKey::named("CI"));
            let key = new().or_else(|_| new()).unwrap();
            let id = work.issued(&key);
            let revoke = || work.kw.keys().revoke(&id, ());
            revoke().or_else(|_| revoke()).unwrap();
            work.done();
            // Nothing promises when the log goes into the file.
            let _ = work.site.sql().execute_batch("PRAGMA wal_checkpoint(RESTART)");
        }
        work.kw.close();
        work.kw = work.site.open();
        let met = work.watch.hit();
        let past = work.ends();
        assert_sound(past.cut(&past.turns(), false, 0));
        if !met {
            break;
        }
        failed += 1;
    }
    assert!(failed > 10, "{failed}");
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    let mut work = Work::begin();
    let key = create(&work.kw, "CI");
    let id = work.issued(&key);
    work.kw.keys().revoke(&id, ()).unwrap();
    work.done();
    let past = work.ends();
    let end = (past.events.len(), Loss::All);
    assert_eq!(past.cut(&[end], false, 0), [""; 0]);
    assert_eq!(past.cut(&[end], true, 0).len(), 1);
}

#[test]
fn a_change_that_was_not_synced_is_found_lost() {
    let mut work = Work::begin();
    let key = create(&work.kw, "CI");
    work.issued(&key);
    let revoked = "UPDATE keys SET revoked_at = created_at";
    work.other(&format!("PRAGMA synchronous = OFF; {revoked}"));
    work.done();
    assert_eq!(work.portraits.last().unwrap().1.verdicts, ["revoked"]);
    let past = work.ends();
    let wrong = past.cut(&[(past.events.len(), Loss::All)], false, 0);
    assert!(wrong.len() == 1 && wrong[0].contains("allowed"), "{wrong:?}");
}
