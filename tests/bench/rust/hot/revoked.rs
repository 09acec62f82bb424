//! What a revocation in one process does in another.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use keywright::blocking::Keywright;
use keywright::{Code, IssuedKey, KeyId, NewKey, Request};

use crate::spent::{self, Figures};
use crate::{argon2, open};

/// Revokes each key that is named to it, and says so once that is done.
pub fn obey(file: &Path) {
    let kw = open(file);
    for id in std::io::stdin().lines() {
        let revoked = kw.keys().revoke(KeyId::Text(id.unwrap()), ()).unwrap();
        println!("{}", revoked.id);
    }
    kw.close();
}

/// Another process that revokes.
fn with_other<T>(file: &Path, act: impl FnOnce(&mut dyn FnMut(&str)) -> T) -> T {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([file, file]).arg("revoke").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut other = command.spawn().unwrap();
    let (mut orders, mut answers) = (other.stdin.take().unwrap(), BufReader::new(other.stdout.take().unwrap()).lines());
    let done = act(&mut |id| {
        writeln!(orders, "{id}").unwrap();
        assert_eq!(answers.next().unwrap().unwrap(), id);
    });
    drop(orders);
    assert!(other.wait().unwrap().success());
    done
}

/// Whether the first verification after a revocation in another process is refused, ten thousand times.
pub fn everywhere(data: &Path, figures: &Figures) {
    let (file, rounds) = (data.join("revoked.db"), 10_000 / spent::share());
    let (kw, request) = (open(&file), Request::new());
    let missed = with_other(&file, |revoke| {
        let missed = (0..rounds).filter(|_| {
            let new = kw.keys().create(NewKey::named("key")).unwrap();
            assert!((0..2).all(|_| kw.verify(new.api_key.reveal(), &request).is_allowed()));
            revoke(&new.id.to_string());
            kw.verify(new.api_key.reveal(), &request).code() != Some(Code::Revoked)
        });
        missed.count()
    });
    let what = format!("{rounds} revocations in another process: verifications after one that were not refused");
    figures.count(&what, missed as f64, "", Some(0.0));
    kw.close();
}

/// How often others hash again when one key of many is revoked whose hash is slow.
pub fn alone(data: &Path, figures: &Figures) {
    let (file, count) = (data.join("argon2id.db"), 1_000 / spent::share());
    let slow =
        || Keywright::open(keywright::Keywright::builder(format!("sqlite:{}", file.display())).brand("bench")).unwrap();
    let (kw, request) = (slow(), Request::new());
    let keys: Vec<_> = (0..count).map(|_| kw.keys().create(NewKey::named("key")).unwrap()).collect();
    let pass =
        |keys: &[IssuedKey]| assert!(keys.iter().all(|it| kw.verify(it.api_key.reveal(), &request).is_allowed()));
    pass(&keys);
    let before = hashed();
    with_other(&file, |revoke| revoke(&keys[0].id.to_string()));
    assert_eq!(kw.verify(keys[0].api_key.reveal(), &request).code(), Some(Code::Revoked));
    pass(&keys[1..]);
    let again = (hashed() - before) as f64 / (argon2() * 1e6);
    let what = format!("a revocation while {count} argon2id keys are hot: how many others hash again");
    figures.count(&what, again.round(), "", Some(0.0));
    kw.close();
}

/// The nanoseconds that the threads for slow hashes of this process have run.
fn hashed() -> u64 {
    let threads = fs::read_dir("/proc/self/task").unwrap().map(|it| it.unwrap().path());
    let named = threads.filter(|it| fs::read_to_string(it.join("comm")).is_ok_and(|it| it.trim() == "keywright-hash"));
    let ran = named.map(|it| fs::read_to_string(it.join("schedstat")).unwrap());
    ran.map(|it| it.split(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}
