//! Processes killed in the middle of their changes, again and again on one file: what they had acknowledged is there,
//! and what they were at is done wholly or not at all.
//!
//! A process writes a line before each change and one after it returned. The kernel has taken a line once it is
//! written, so that it outlasts the process as the answer to a client would.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use keywright::blocking::Keywright;
use keywright::{IssuedKey, Rotation, Status};

use keywright_tests::site::chance::Chance;
use keywright_tests::site::process::{self, Process, inside};
use keywright_tests::site::{Site, config, create, until, verdict, whole};

/// How often processes are killed; more often when the environment says so.
const ROUNDS: usize = 200;
const MORE: &str = "KEYWRIGHT_KILL_ROUNDS";

/// A file serves so many rounds.
const OF_A_FILE: usize = 50;

/// How many keys of earlier rounds a process works on.
const SHARE: usize = 6;

const SIGKILL: i32 = 9;

/// The state of a key, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    status: Status,
    /// The text of the current secret.
    text: String,
    /// The text of the secret in grace.
    former: Option<String>,
    /// The texts of those that are over.
    ended: Vec<String>,
}

impl Known {
    fn new(text: &str) -> Self {
        Self { status: Status::Active, text: text.to_owned(), former: None, ended: Vec::new() }
    }

    /// The line that tells a process about the key that it works on.
    fn line(&self, id: &str) -> String {
        format!("{id} {} {} {}", self.status.as_str(), self.text, self.former.as_deref().unwrap_or("-"))
    }

    fn read(line: &str) -> (String, Self) {
        let [id, status, text, former] = words(line);
        let status = if status == "disabled" { Status::Disabled } else { Status::Active };
        (id.to_owned(), Self { status, former: (former != "-").then(|| former.to_owned()), ..Self::new(text) })
    }

    /// The changes that are possible.
    fn changes(&self) -> &'static [&'static str] {
        match self.status {
            Status::Active if self.former.is_none() => &["rotate", "replace", "disable", "revoke"],
            Status::Active => &["replace", "disable", "revoke"],
            Status::Disabled => &["enable", "enable", "revoke"],
            _ => &[],
        }
    }

    /// After a change, with the new text where there is one.
    fn after(&self, change: &str, text: &str) -> Self {
        let (mut next, text) = (self.clone(), text.to_owned());
        match change {
            "disable" => next.status = Status::Disabled,
            "enable" => next.status = Status::Active,
            "revoke" => next.status = Status::Revoked,
            "rotate" => next.former = Some(std::mem::replace(&mut next.text, text)),
            "replace" => {
                next.ended.extend(next.former.take());
                next.ended.push(std::mem::replace(&mut next.text, text));
            }
            other => panic!("{other}"),
        }
        next
    }

    /// Returns the faults. A text that died with its process is empty.
    fn differs(&self, kw: &Keywright, id: &str) -> Option<String> {
        let key = kw.keys().get(id).unwrap();
        let right = if self.status == Status::Active { "allowed" } else { self.status.as_str() };
        let live = [Some(&self.text), self.former.as_ref()].into_iter().flatten().filter(|it| !it.is_empty());
        let live = live.map(|it| verdict(kw, it)).find(|it| *it != right);
        let ended = self.ended.iter().map(|it| verdict(kw, it)).find(|it| !["revoked", "disabled"].contains(it));
        let current = self.text.is_empty() || self.text.starts_with(&key.prefix);
        let secrets = key.secrets.len() == 1 + usize::from(self.former.is_some());
        let sound = key.status == self.status && live.or(ended).is_none() && current && secrets;
        (!sound).then(|| format!("{self:?} is {:?}, {live:?}, {ended:?}, with {:?}", key.status, key.secrets))
    }
}

fn words<const N: usize>(line: &str) -> [&str; N] {
    line.split(' ').collect::<Vec<_>>().try_into().unwrap_or_else(|it| panic!("{it:?}"))
}

fn text(new: &IssuedKey) -> String {
    new.api_key.reveal().to_owned()
}

/// Makes changes until it is killed.
fn work(folder: &Path, name: &str) {
    let mut chance = Chance::new(name.split_once('-').unwrap().1.parse().unwrap());
    let mut said = OpenOptions::new().create(true).append(true).open(folder.join(format!("{name}.said"))).unwrap();
    let mut say = |line: &str| said.write_all(format!("{line}\n").as_bytes()).unwrap();
    let told = fs::read_to_string(folder.join(format!("{name}.keys"))).unwrap();
    let mut keys: Vec<(String, Known)> = told.lines().map(Known::read).collect();
    let kw = Keywright::open(config(&folder.join("keys.db"))).unwrap();
    loop {
        if keys.is_empty() || chance.percent(25) {
            say("try create -");
            let new = create(&kw, name);
            let (id, text) = (new.id.to_string(), text(&new));
            say(&format!("done create {id} {text}"));
            keys.push((id, Known::new(&text)));
            continue;
        }
        let place = chance.below(keys.len());
        let (id, known) = (keys[place].0.as_str(), &keys[place].1);
        let change = *chance.pick(known.changes()).unwrap();
        say(&format!("try {change} {id}"));
        let text = match change {
            "rotate" => text(&kw.keys().rotate(id, Rotation::default()).unwrap()),
            "replace" => text(&kw.keys().rotate(id, Rotation::at_once()).unwrap()),
            "disable" => kw.keys().disable(id, ()).map(|_| "-".to_owned()).unwrap(),
            "enable" => kw.keys().enable(id, ()).map(|_| "-".to_owned()).unwrap(),
            _ => kw.keys().revoke(id, ()).map(|_| "-".to_owned()).unwrap(),
        };
        say(&format!("done {change} {id} {text}"));
        let next = known.after(change, &text);
        assert_eq!(next.differs(&kw, id), None);
        match next.status {
            Status::Revoked => drop(keys.swap_remove(place)),
            _ => keys[place].1 = next,
        }
    }
}

/// A file that processes work on, and what they acknowledged of it.
struct Ledger {
    site: Site,
    /// Open since an earlier round, or not.
    kw: Option<Keywright>,
    known: BTreeMap<String, Known>,
    /// The keys of this round.
    touched: BTreeSet<String>,
    keys: i64,
    seq: u64,
}

/// Counts over all files.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    acknowledged: u64,
    /// Changes that a kill met before they were acknowledged.
    met: usize,
    /// Those of them that were done.
    done: u64,
}

impl Ledger {
    fn new() -> Self {
        let site = Site::new();
        let kw = site.open();
        let first = create(&kw, "first");
        let known = [(first.id.to_string(), Known::new(&text(&first)))].into();
        let seq = kw.audit().head().unwrap().seq;
        Self { site, kw: Some(kw), known, touched: BTreeSet::new(), keys: 1, seq }
    }

    fn said(&self, name: &str) -> String {
        fs::read_to_string(self.site.folder().join(format!("{name}.said"))).unwrap_or_default()
    }

    /// Starts processes on keys of their own, and kills them at some moment.
    fn round(&mut self, names: &[String], chance: &mut Chance, tally: &mut Tally) {
        let mut open: Vec<_> =
            self.known.iter().filter(|it| !it.1.changes().is_empty() && !it.1.text.is_empty()).collect();
        let mut start = |name: &String| {
            let share = (0..SHARE.min(open.len())).map(|_| open.swap_remove(chance.below(open.len())));
            let lines = share.map(|(id, known)| known.line(id) + "\n").collect::<String>();
            fs::write(self.site.folder().join(format!("{name}.keys")), lines).unwrap();
            process::start(acknowledged_changes_survive_a_kill, &[], self.site.folder(), name)
        };
        let processes: Vec<Process> = names.iter().map(&mut start).collect();
        // At its beginning, or at work.
        let pause = if chance.percent(25) {
            chance.below(60_000)
        } else {
            let wanted = chance.below(60);
            until("changes are acknowledged", || {
                names.iter().map(|it| self.said(it).lines().count()).sum::<usize>() >= wanted
            });
            chance.below(4_000)
        };
        thread::sleep(Duration::from_micros(pause as u64));
        for mut process in processes {
            let ended = process.kill();
            assert_eq!(ended.signal(), Some(SIGKILL), "{}", process.output());
        }
        let said: Vec<String> = names.iter().map(|it| self.said(it)).collect();
        let before = tally.acknowledged;
        let met: Vec<_> = said.iter().filter_map(|it| self.learn(it, tally)).collect();
        self.check(tally.acknowledged - before, &met, tally);
        tally.kills += names.len();
        tally.met += met.len();
    }

    /// Takes in what a process acknowledged. What it was at when it was killed: the change and the key's id.
    fn learn<'a>(&mut self, said: &'a str, tally: &mut Tally) -> Option<(&'a str, &'a str)> {
        let mut met = None;
        for line in said.lines() {
            let Some(done) = line.strip_prefix("done ") else {
                let [_, change, id] = words(line);
                met = Some((change, id));
                continue;
            };
            let [change, id, text] = words(done);
            let next = self.known.get(id).map(|it| it.after(change, text));
            self.keys += i64::from(next.is_none());
            self.known.insert(id.to_owned(), next.unwrap_or_else(|| Known::new(text)));
            self.touched.insert(id.to_owned());
            tally.acknowledged += 1;
            met = None;
        }
        met
    }

    fn check(&mut self, acknowledged: u64, met: &[(&str, &str)], tally: &mut Tally) {
        let kw = self.kw.get_or_insert_with(|| self.site.open()).clone();
        let mut done = 0;
        for (change, id) in met.iter().filter(|it| it.0 != "create") {
            let known = &self.known[*id];
            let next = known.after(change, "");
            if known.differs(&kw, id).is_some() && next.differs(&kw, id).is_none() {
                self.known.insert((*id).to_owned(), next);
                done += 1;
            }
            self.touched.insert((*id).to_owned());
        }
        for id in std::mem::take(&mut self.touched) {
            assert_eq!(self.known[&id].differs(&kw, &id), None, "a kill met {met:?}");
        }
        // Every change that is there has its entry in the chain, and every entry is of a change that is there.
        let keys = whole(&self.site.sql());
        let created = u64::try_from(keys - self.keys).unwrap();
        assert!(created <= met.iter().filter(|it| it.0 == "create").count() as u64);
        let head = kw.audit().head().unwrap().seq;
        assert_eq!(head, self.seq + acknowledged + done + created, "a kill met {met:?}");
        assert!(kw.audit().verify().unwrap().ok);
        (self.keys, self.seq) = (keys, head);
        tally.done += done + created;
    }

    /// Everything that was ever acknowledged, in a new engine.
    fn ends(mut self) {
        self.kw.take().iter().for_each(Keywright::close);
        let kw = self.site.open();
        for (id, known) in &self.known {
            assert_eq!(known.differs(&kw, id), None);
        }
        kw.close();
        let integrity: String = self.site.sql().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(integrity, "ok");
    }
}

#[test]
fn acknowledged_changes_survive_a_kill() {
    if let Some((folder, name)) = inside() {
        return work(&folder, &name);
    }
    let rounds = std::env::var(MORE).map_or(ROUNDS, |it| it.parse().unwrap());
    let mut chance = Chance::new(rounds as u64);
    let (mut tally, mut ledger) = (Tally::default(), Ledger::new());
    for round in 1..=rounds {
        let both = [format!("a-{round}"), format!("b-{round}")];
        ledger.round(if round % 4 == 0 { &both } else { &both[..1] }, &mut chance, &mut tally);
        // The next ones work beside an engine that stays, or alone on a file that was never closed.
        if chance.percent(50) {
            ledger.kw.take().iter().for_each(Keywright::close);
        }
        if round % OF_A_FILE == 0 {
            std::mem::replace(&mut ledger, Ledger::new()).ends();
        }
    }
    ledger.ends();
    assert!(rounds < 10 || tally.acknowledged > 0, "nothing was checked");
    let Tally { kills, acknowledged, met, done } = tally;
    println!(
        "{rounds} rounds, {kills} kills; {acknowledged} acknowledged changes are there, and {done} of {met} others"
    );
}
