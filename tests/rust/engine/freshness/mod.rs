//! Memory answers as the store does: after any change of the database, by any program, the next verification has the same
//! outcome as that of an engine without a memory.

mod changes;
mod clocks;
mod files;
mod hashes;
mod kills;
mod logs;
mod races;
mod rights;

use std::path::Path;
use std::time::Duration;

use keywright::blocking::Keywright;
use keywright::testing::ManualClock;
use keywright::{Config, IssuedKey, KeyUpdate, NewKey, Request, Rotation};
use rusqlite::Connection;
use rusqlite::backup::Backup;

use keywright_tests::site::process::inside;
use keywright_tests::site::{Site, config, create, until, verdict};

/// Between two tries to get at the database.
const PAUSE: Duration = Duration::from_millis(2);

/// Whether an engine asks the database on each verification. Without a mapping of the WAL index all do.
fn asks_each_time(name: &str) -> bool {
    cfg!(keywright_portable) || name.starts_with("un")
}

/// One database, and engines that cache its rows, each with other settings.
struct Stage {
    site: Site,
    clock: ManualClock,
    engines: Vec<(&'static str, Keywright)>,
}

impl Stage {
    /// With engines that count, whose counts are commits too, and with readers, which commit nothing.
    fn new() -> Self {
        let site = Site::new();
        let clock = ManualClock::new(chrono::Utc::now());
        let config = site.config().clock(clock.clone());
        let engines = [
            ("watched", config.clone()),
            ("unwatched", config.clone().unwatched()),
            ("watched reader", config.clone().read_only(true)),
            ("unwatched reader", config.read_only(true).unwatched()),
        ];
        let open = |(name, config): (_, Config)| (name, Keywright::open(config).unwrap());
        Self { engines: engines.map(open).into(), site, clock }
    }

    /// The same without engines that count, so that only the test commits.
    fn of_readers() -> Self {
        let mut stage = Self::new();
        stage.engines.drain(..2).for_each(|(_, kw)| kw.close());
        stage
    }

    /// One that writes.
    fn kw(&self) -> &Keywright {
        &self.engines[0].1
    }

    /// The engines that commit nothing and answer from memory.
    fn readers(&self) -> impl Iterator<Item = &Keywright> {
        self.engines.iter().filter(|it| it.0 == "watched reader" && !asks_each_time(it.0)).map(|it| &it.1)
    }

    /// Waits until every engine that may answer from memory does so for these texts.
    fn warm(&self, texts: &[&str]) {
        until("all is remembered", || {
            let known = |kw: &Keywright, text: &&str| {
                verdict(kw, text);
                kw.try_verify(*text, &Request::new()).is_some()
            };
            self.engines.iter().all(|(name, kw)| {
                let known = texts.iter().filter(|it| known(kw, it)).count();
                if asks_each_time(name) { known == 0 } else { known == texts.len() }
            })
        });
    }

    /// Checks that the next two verifications of each engine have the outcome of an engine without a memory.
    fn agree(&self, texts: &[&str], after: &str) -> Vec<&'static str> {
        let said = |kw: &Keywright| texts.iter().map(|it| verdict(kw, it)).collect::<Vec<_>>();
        let first: Vec<_> = self.engines.iter().map(|(_, kw)| said(kw)).collect();
        let cold = self.cold(texts);
        for ((name, kw), first) in self.engines.iter().zip(first) {
            assert_eq!(first, cold, "{name}, next after {after}");
            assert_eq!(said(kw), cold, "{name}, later after {after}");
        }
        cold
    }

    fn cold(&self, texts: &[&str]) -> Vec<&'static str> {
        let config = self.site.config().clock(self.clock.clone());
        let cold = Keywright::open(config.read_only(true).keys_in_memory(0)).unwrap();
        let said = texts.iter().map(|it| verdict(&cold, it)).collect();
        cold.close();
        said
    }

    fn close(&self) {
        self.engines.iter().for_each(|(_, kw)| kw.close());
    }
}

/// Runs an order in another program: `revoke ID`, `sql STATEMENTS` and others.
fn carry_out(folder: &Path, order: &str) {
    let file = folder.join("keys.db");
    let (verb, rest) = order.split_once(' ').unwrap();
    if verb == "sql" {
        let on = Connection::open(file).unwrap();
        on.busy_timeout(keywright_tests::site::PATIENCE).unwrap();
        return on.execute_batch(rest).unwrap_or_else(|it| panic!("{rest}: {it}"));
    }
    if verb == "restore" {
        let (from, mut to) = (Connection::open(folder.join(rest)).unwrap(), Connection::open(file).unwrap());
        to.busy_timeout(keywright_tests::site::PATIENCE).unwrap();
        let restore = Backup::new(&from, &mut to).unwrap();
        return restore.run_to_completion(1_000, PAUSE, None).unwrap();
    }
    let kw = Keywright::open(config(&file)).unwrap();
    let (keys, orgs) = (kw.every_org().keys(), kw.orgs());
    match verb {
        "revoke" => drop(keys.revoke(rest, ()).unwrap()),
        "disable" => drop(keys.disable(rest, ()).unwrap()),
        "enable" => drop(keys.enable(rest, ()).unwrap()),
        "end_grace" => drop(keys.end_grace(rest, ()).unwrap()),
        "rotate" => drop(keys.rotate(rest, Rotation::at_once()).unwrap()),
        "extend" => drop(keys.update(rest, KeyUpdate::new().expires_in_days(10)).unwrap()),
        "rename" => drop(keys.update(rest, KeyUpdate::new().name("another name")).unwrap()),
        "org.disable" => drop(orgs.disable(rest, ()).unwrap()),
        "org.enable" => drop(orgs.enable(rest, ()).unwrap()),
        "org.revoke_keys" => drop(orgs.revoke_keys(rest, ()).unwrap()),
        _ => panic!("{order}"),
    }
    kw.close();
}

/// In a process that was started to carry out an order: does so.
fn carried_out() -> bool {
    let Some((folder, order)) = inside() else { return false };
    carry_out(&folder, &order);
    true
}

/// A key that expires in a day.
fn short(kw: &Keywright) -> IssuedKey {
    kw.keys().create(NewKey::named("short").expires_in_days(1)).unwrap()
}

fn create_in(kw: &Keywright, org: &str) -> IssuedKey {
    kw.org(org).unwrap().keys().create(NewKey::named("CI")).unwrap()
}

fn pair(kw: &Keywright) -> (IssuedKey, IssuedKey) {
    (create(kw, "one"), create(kw, "another"))
}
