//! A place for a test: a folder with one database, the engine on it, and other programs beside it.

pub mod chance;
pub mod process;
pub mod receiver;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use keywright::blocking::Keywright;
use keywright::{Config, Decision, Error, IssuedKey, Key, KeyUpdate, NewKey, OrgUpdate, Request, Rotation};
use rusqlite::Connection;
use tempfile::TempDir;

pub const PEPPER: &str = "the pepper of these tests, longer than 32 bytes";

/// Longer than anything here takes on a busy machine, so that only what never comes runs out of it.
pub const PATIENCE: Duration = Duration::from_secs(300);

pub struct Site {
    folder: TempDir,
}

impl Site {
    #[allow(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self) -> PathBuf {
        self.folder().join("keys.db")
    }

    pub fn config(&self) -> Config {
        config(&self.file())
    }

    pub fn open(&self) -> Keywright {
        Keywright::open(self.config()).unwrap()
    }

    /// The database as another program has it open.
    pub fn sql(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }
}

/// A set-up without a pepper.
pub fn plain(file: &Path) -> Config {
    keywright::Keywright::builder(format!("sqlite:{}", file.display())).brand("liq").busy_timeout(PATIENCE)
}

pub fn config(file: &Path) -> Config {
    plain(file).pepper(PEPPER)
}

pub fn create(kw: &Keywright, name: &str) -> IssuedKey {
    kw.keys().create(NewKey::named(name)).unwrap()
}

/// The outcome of a verification: `allowed`, or the code of the denial.
pub fn verdict(kw: &Keywright, text: &str) -> &'static str {
    word(&kw.verify(text, &Request::new()))
}

pub fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allowed(_) => "allowed",
        Decision::Denied(it) => it.code.as_str(),
    }
}

/// The text with another secret and the checksum that fits it.
pub fn forged(text: &str) -> String {
    let (head, sum) = text.split_at(text.len() - 6);
    let (head, last) = head.split_at(head.len() - 1);
    let head = format!("{head}{}", if last == "A" { "B" } else { "A" });
    let forged = format!("{head}{}", base62(crc32fast::hash(head.as_bytes())));
    assert_eq!(forged.len(), head.len() + sum.len());
    forged
}

/// The logs of a redacting writer that gets a line with this key in two pieces, one log for each place of the cut.
pub fn logs_in_pieces(kw: &Keywright, key: &str) -> Vec<String> {
    let log = |at| {
        let mut log = Vec::new();
        let mut writer = kw.engine().redacting(&mut log);
        for piece in ["got ", &key[..at], &key[at..], "\n"] {
            writer.write_all(piece.as_bytes()).unwrap();
            writer.flush().unwrap();
        }
        drop(writer);
        String::from_utf8(log).unwrap()
    };
    (1..key.len()).map(log).collect()
}

fn base62(mut number: u32) -> String {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut out = [b'0'; 6];
    for place in out.iter_mut().rev() {
        *place = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    String::from_utf8(out.to_vec()).unwrap()
}

/// Every call that writes, on an active key of the org `default`. Run on a sound database, each changes something.
pub fn changes(kw: &Keywright, key: &Key) -> Vec<(&'static str, Result<(), Error>)> {
    // Pruned entries lie at least a millisecond back.
    std::thread::sleep(Duration::from_millis(2));
    let before = key.created_at + chrono::TimeDelta::milliseconds(1);
    let (keys, orgs, id) = (kw.keys(), kw.orgs(), &key.id);
    vec![
        ("audit.prune", kw.audit().prune(before).map(drop)),
        ("keys.create", keys.create(NewKey::named("another")).map(drop)),
        ("keys.update", keys.update(id, KeyUpdate::new().name("another name")).map(drop)),
        ("keys.rotate", keys.rotate(id, Rotation::default()).map(drop)),
        ("keys.disable", keys.disable(id, ()).map(drop)),
        ("orgs.update", orgs.update("default", OrgUpdate::new().networks(Some(vec![])).unwrap()).map(drop)),
        ("orgs.disable", orgs.disable("default", ()).map(drop)),
        ("keys.revoke", keys.revoke(id, ()).map(drop)),
        ("orgs.revoke_keys", orgs.revoke_keys("default", ()).map(drop)),
    ]
}

/// Each key has exactly one current secret, at most one in grace, and its entries in the chain; how many keys there are.
pub fn whole(sql: &Connection) -> i64 {
    let number = |query: &str| sql.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    let told = |action: &str| number(&format!("SELECT count(*) FROM audit WHERE action = '{action}'"));
    let keys = number("SELECT count(*) FROM keys");
    assert_eq!(number("SELECT count(*) FROM secrets WHERE grace_ends_at IS NULL"), keys);
    assert_eq!(number("SELECT count(DISTINCT key_id) FROM secrets WHERE grace_ends_at IS NULL"), keys);
    assert_eq!(told("key.create"), keys);
    assert_eq!(told("key.rotate"), number("SELECT count(*) FROM secrets") - keys);
    keys
}

/// The bytes of a file that SQLite may have open here: read by another process, since closing it here would drop
/// SQLite's locks. Empty for a file that is not there.
pub fn bytes(file: &Path) -> Vec<u8> {
    Command::new("cat").arg(file).output().unwrap().stdout
}

/// The database with its `-wal` and `-shm`.
pub fn files(file: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{}{end}", file.display())))
}

pub fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|it| it == text)
}

/// Waits until it holds, and fails when it never does.
pub fn until(what: &str, holds: impl FnMut() -> bool) {
    let (end, mut holds) = (Instant::now() + PATIENCE, holds);
    while !holds() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
