//! The n-th call to the operating system is refused, for every n of a piece of work and every kind of call: at most an
//! answer is `unavailable`. No answer is wrong, no acknowledged change is lost, none is half done, and when the trouble
//! is over the same engine and a new one work.

use std::cell::Cell;
use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use keywright::blocking::Keywright;
use keywright::ffi::block_on;
use keywright::http::{Config, Message, Session};
use keywright::{Error, IssuedKey, ListKeys, NewKey, Rotation, UnavailableCause};
use rusqlite::ffi::SQLITE_FULL;

use super::watch::{Call, Fault, Watch};
use keywright_tests::site::chance::Chance;
use keywright_tests::site::{PATIENCE, Site, bytes, create, files, forged, verdict, whole};

/// A database before the trouble, with an active and a revoked key.
struct Before {
    files: Vec<(&'static str, Vec<u8>)>,
    active: IssuedKey,
    revoked: IssuedKey,
}

impl Before {
    /// Closed in order, or left with its log as by a process that was killed.
    fn new(closed: bool) -> Self {
        let site = Site::new();
        let kw = site.open();
        let (active, revoked) = (create(&kw, "active"), create(&kw, "revoked"));
        kw.keys().revoke(&revoked.id, ()).unwrap();
        if closed {
            kw.close();
        }
        let [database, log, _] = files(&site.file());
        let files = vec![("keys.db", bytes(&database)), ("keys.db-wal", bytes(&log))];
        kw.close();
        Self { files: files.into_iter().filter(|it| !it.1.is_empty()).collect(), active, revoked }
    }
}

/// One piece of work with one fault in it.
struct Run<'a> {
    site: Site,
    watch: Arc<Watch>,
    before: Option<&'a Before>,
    /// Whether the active key was once refused as revoked.
    refused: Cell<bool>,
}

/// The changes that were acknowledged.
#[derive(Default)]
struct Told {
    created: Option<IssuedKey>,
    disabled: bool,
    rotated: Option<IssuedKey>,
    revoked: bool,
    /// The id of what was made under an idempotency key.
    once: Option<String>,
}

impl<'a> Run<'a> {
    fn new(before: Option<&'a Before>, fault: Fault) -> Self {
        let site = Site::new();
        for (name, bytes) in before.iter().flat_map(|it| &it.files) {
            fs::write(site.folder().join(name), bytes).unwrap();
        }
        let watch = Watch::on(site.folder());
        watch.breaks(fault);
        Self { site, watch, before, refused: Cell::new(false) }
    }

    fn call<T>(&self, name: &str, act: impl FnOnce() -> Result<T, Error>) -> Option<T> {
        let threatened = self.watch.threatens();
        let error = match act() {
            Ok(done) => return Some(done),
            Err(error) => error,
        };
        assert!(threatened && self.watch.hit(), "{name} met no failure: {error:?}");
        let known = matches!(
            error.unavailable_cause(),
            Some(UnavailableCause::Io | UnavailableCause::Full | UnavailableCause::Access)
        );
        assert!(known && !error.to_string().contains("thread stopped"), "{name}: {error:?}");
        None
    }

    fn verify(&self, kw: &Keywright, text: &str, right: &[&str]) -> &'static str {
        let threatened = self.watch.threatens();
        let found = verdict(kw, text);
        let met = found == "unavailable" && threatened && self.watch.hit();
        assert!(met || right.contains(&found), "{found} in place of {right:?}");
        found
    }

    /// The answers that each text must get, apart from changes that were not acknowledged.
    fn stands(&self, kw: &Keywright, told: &Told) {
        if let Some(before) = self.before {
            self.verify(kw, before.revoked.api_key.reveal(), &["revoked"]);
            self.verify(kw, &forged(before.revoked.api_key.reveal()), &["invalid"]);
            let rotated = told.rotated.iter().map(|it| it.api_key.reveal());
            for text in rotated.chain([before.active.api_key.reveal()]) {
                let over = told.revoked || self.refused.get();
                let found = self.verify(kw, text, if over { &["revoked"] } else { &["allowed", "revoked"] });
                self.refused.set(over || found == "revoked");
                self.verify(kw, &forged(text), &["invalid"]);
            }
        }
        if let Some(created) = &told.created {
            let right: &[&str] = if told.disabled { &["disabled"] } else { &["allowed", "disabled"] };
            self.verify(kw, created.api_key.reveal(), right);
        }
    }

    fn open(&self) -> Option<Keywright> {
        self.call("open", || Keywright::open(self.site.config()))
    }

    fn work(&self, kw: &Keywright) -> Told {
        let mut told = Told::default();
        if let Some(before) = self.before {
            self.verify(kw, before.active.api_key.reveal(), &["allowed"]);
            self.stands(kw, &told);
        }
        told.created = self.call("create", || kw.keys().create(NewKey::named("new")));
        if let Some(created) = &told.created {
            self.verify(kw, created.api_key.reveal(), &["allowed"]);
            told.disabled = self.call("disable", || kw.keys().disable(&created.id, ())).is_some();
        }
        if let Some(before) = self.before {
            let id = &before.active.id;
            told.rotated = self.call("rotate", || kw.keys().rotate(id, Rotation::default()));
            if let Some(rotated) = &told.rotated {
                self.verify(kw, rotated.api_key.reveal(), &["allowed"]);
            }
            told.revoked = self.call("revoke", || kw.keys().revoke(id, ())).is_some();
        }
        told.once = self.once(kw);
        self.stands(kw, &told);
        self.call("list", || kw.keys().list(ListKeys::new().any_status()));
        if let Some(check) = self.call("audit.verify", || kw.audit().verify()) {
            assert!(check.ok, "{check:?}");
        }
        told
    }

    /// Makes a key once, however often this is called: its id, where that was acknowledged.
    fn once(&self, kw: &Keywright) -> Option<String> {
        let http = kw.engine().http(Config::new()).unwrap();
        let session = Session::of("default").unwrap().actor("alice").may("keys:manage").unwrap();
        let message = Message::new("POST", "/keys").header("content-type", "application/json");
        let message = message.header("idempotency-key", "once").body(r#"{"name": "once"}"#);
        let threatened = self.watch.threatens();
        let response = block_on(http.manage(message, Some(session)));
        if response.status == 201 {
            let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
            return Some(body["id"].as_str().unwrap().to_owned());
        }
        assert!(response.status == 503 && threatened && self.watch.hit(), "once met no failure: {}", response.status);
        None
    }

    /// With the trouble over, every answer is right and changes are done.
    fn recovers(&self, kw: &Keywright, told: &Told) {
        self.watch.mends();
        self.stands(kw, told);
        create(kw, "after");
        let again = self.once(kw);
        assert!(again.is_some() && (told.once.is_none() || told.once == again), "{:?} became {again:?}", told.once);
        assert_eq!(kw.keys().list(ListKeys::new().name("once")).unwrap().data.len(), 1);
        assert!(kw.audit().verify().unwrap().ok);
    }

    /// Whether the work met the fault. The engine outlives it, or is closed in it.
    fn passes(&self, outlives: bool) -> bool {
        // A program that could not open the engine tries once more.
        let kw = self.open().or_else(|| self.open());
        let told = kw.as_ref().map(|it| self.work(it)).unwrap_or_default();
        if let Some(kw) = &kw {
            if outlives {
                self.recovers(kw, &told);
            }
            kw.close();
        }
        self.watch.mends();
        let kw = self.site.open();
        self.recovers(&kw, &told);
        kw.close();
        let sql = self.site.sql();
        whole(&sql);
        let integrity: String = sql.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(integrity, "ok");
        self.watch.hit()
    }
}

/// Tries every `n` of these faults until one is not met. Reports the `n` of a run that fails or hangs.
fn every(faults: Vec<Fault>) {
    let (say, said) = channel();
    let runs = thread::spawn(move || {
        let mut count = 0;
        let befores = [Some(Before::new(true)), Some(Before::new(false)), None];
        for fault in faults {
            let mut met_by_it = 0;
            for (before, name) in befores.iter().zip(["closed", "left", "new"]) {
                let met = (1..).map(|nth| Fault { nth, ..fault }).take_while(|fault| {
                    let outlives = Chance::new(fault.nth as u64).percent(50);
                    say.send(format!("{fault:?}, on a database {name}, outlived: {outlives}")).unwrap();
                    Run::new(before.as_ref(), *fault).passes(outlives)
                });
                met_by_it += met.count();
            }
            assert!(met_by_it > 0, "the work makes no such call");
            count += met_by_it;
        }
        count
    });
    let mut last = String::new();
    loop {
        match said.recv_timeout(PATIENCE) {
            Ok(it) => last = it,
            Err(RecvTimeoutError::Timeout) => panic!("hangs with {last}"),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    match runs.join() {
        Ok(count) => println!("{count} failures met"),
        Err(_) => panic!("fails with {last}"),
    }
}

#[test]
fn a_call_that_fails_once_costs_one_answer() {
    let once = |call| Fault { call: Some(call), nth: 0, lasts: false, code: None };
    let full = Fault { code: Some(SQLITE_FULL), ..once(Call::Write) };
    every(Call::ALL.map(once).into_iter().chain([full]).collect());
}

#[test]
fn a_kind_of_call_that_fails_from_some_moment_on_changes_nothing() {
    let lasting = |call| Fault { call: Some(call), nth: 0, lasts: true, code: None };
    let full = Fault { code: Some(SQLITE_FULL), ..lasting(Call::Write) };
    every(Call::ALL.map(lasting).into_iter().chain([full]).collect());
}

#[test]
fn a_disk_that_is_gone_from_some_moment_on_changes_nothing() {
    every(vec![Fault { call: None, nth: 0, lasts: true, code: None }]);
}
