//! The effect of a revocation in another process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use keywright::blocking::Keywright;
use keywright::{Code, IssuedKey, KeyId, NewKey, Request};

use crate::counted::count;
use crate::timing::share;
use crate::{argon2, open};

/// Revokes each key whose id it reads, and writes the id once that is done.
pub fn obey(file: &Path) {
    let kw = open(file);
    for id in std::io::stdin().lines() {
        let revoked = kw.keys().revoke(KeyId::Text(id.unwrap()), ()).unwrap();
        println!("{}", revoked.id);
    }
    kw.close();
}

/// Runs `act` with a function that revokes a key in another process.
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

/// Counts revoked keys whose next verification is not refused.
pub fn everywhere(data: &Path, out: &Path) {
    let (file, rounds) = (data.join("revoked.db"), share(10_000));
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
    count(out, "10,000 revocations in another process: keys that were allowed after theirs", missed as f64, "");
    kw.close();
}

/// Counts slow hashes that run again when one key of many is revoked.
pub fn alone(data: &Path, out: &Path) {
    let (file, keys) = (data.join("argon2id.db"), share(1_000));
    let slow =
        || Keywright::open(keywright::Keywright::builder(format!("sqlite:{}", file.display())).brand("bench")).unwrap();
    let (kw, request) = (slow(), Request::new());
    let keys: Vec<_> = (0..keys).map(|_| kw.keys().create(NewKey::named("key")).unwrap()).collect();
    let pass =
        |keys: &[IssuedKey]| assert!(keys.iter().all(|key| kw.verify(key.api_key.reveal(), &request).is_allowed()));
    pass(&keys);
    let before = hashed();
    assert!(before > 0, "the threads for slow hashes have another name");
    with_other(&file, |revoke| revoke(&keys[0].id.to_string()));
    assert_eq!(kw.verify(keys[0].api_key.reveal(), &request).code(), Some(Code::Revoked));
    pass(&keys[1..]);
    let again = (hashed() - before) as f64 / (argon2() * 1e6);
    count(out, "a revocation beside 1,000 hot argon2id keys: keys that hash again", again.round(), "");
    kw.close();
}

/// Nanoseconds for which this process's threads for slow hashes have run.
fn hashed() -> u64 {
    let threads = fs::read_dir("/proc/self/task").unwrap().map(|it| it.unwrap().path());
    let named = threads.filter(|it| fs::read_to_string(it.join("comm")).is_ok_and(|it| it.trim() == "keywright-hash"));
    let ran = named.map(|it| fs::read_to_string(it.join("schedstat")).unwrap());
    ran.map(|it| it.split(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}
