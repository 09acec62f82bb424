//! Slow hashes: what one key suffers makes no other hash again.

use std::fs;

use keywright::blocking::Keywright;
use keywright::{IssuedKey, Request};

use super::{Site, carry_out};
use keywright_tests::site::process::{self, inside};
use keywright_tests::site::{create, plain, until, verdict};

const KEYS: usize = 20;

/// The nanoseconds that the threads for slow hashes of this process have run, once they have come to rest.
fn hashing() -> u64 {
    let count = || -> (u64, bool) {
        let threads = fs::read_dir("/proc/self/task").unwrap().map(|it| it.unwrap().path());
        let named =
            threads.filter(|it| fs::read_to_string(it.join("comm")).is_ok_and(|it| it.trim() == "keywright-hash"));
        named.fold((0, true), |(sum, rests), it| {
            let ran = fs::read_to_string(it.join("schedstat")).unwrap();
            let state = fs::read_to_string(it.join("stat")).unwrap();
            let ran: u64 = ran.split(' ').next().unwrap().parse().unwrap();
            (sum + ran, rests && state.rsplit(')').next().unwrap().trim().starts_with('S'))
        })
    };
    let (mut last, mut settled) = (count().0, 0);
    until("the hash threads rest", || {
        let (now, rests) = count();
        settled = if rests && now == last { settled + 1 } else { 0 };
        last = now;
        settled > 10
    });
    last
}

fn hashes<T>(act: impl FnOnce() -> T) -> (bool, T) {
    let before = hashing();
    let done = act();
    (hashing() > before, done)
}

#[test]
fn a_change_of_one_key_makes_no_other_hash_again() {
    let test = a_change_of_one_key_makes_no_other_hash_again;
    match inside() {
        // Alone in its process, where no other test hashes.
        None => {
            let site = Site::new();
            process::start(test, &[], site.folder(), "alone").passes();
        }
        Some((folder, name)) if name == "alone" => {
            alone(&folder, |order| process::start(test, &[], &folder, order).passes())
        }
        // The pepper is of no concern to who only revokes.
        Some((folder, order)) => carry_out(&folder, &order),
    }
}

fn alone(folder: &std::path::Path, other: impl Fn(&str)) {
    let kw = Keywright::open(plain(&folder.join("keys.db"))).unwrap();
    let keys: Vec<IssuedKey> = (0..KEYS).map(|n| create(&kw, &format!("{n}"))).collect();
    let all = || keys.iter().map(|it| verdict(&kw, it.api_key.reveal())).collect::<Vec<_>>();
    assert_eq!(hashes(all), (true, vec!["allowed"; KEYS]));
    assert_eq!(hashes(all), (false, vec!["allowed"; KEYS]));

    other(&format!("revoke {}", keys[0].id));
    let (hashed, found) = hashes(all);
    assert!(!hashed, "one key's revocation made another hash");
    assert_eq!((found[0], &found[1..]), ("revoked", &vec!["allowed"; KEYS - 1][..]));

    // Nor does a key's own change, nor one of its org, nor one of all rows.
    for change in [
        format!("rename {}", keys[1].id),
        format!("disable {}", keys[2].id),
        "org.disable default".to_owned(),
        "org.enable default".to_owned(),
        "sql UPDATE keys SET updated_at = updated_at + 1; UPDATE orgs SET updated_at = updated_at + 1".to_owned(),
        "sql PRAGMA wal_checkpoint(TRUNCATE); VACUUM".to_owned(),
    ] {
        other(&change);
        assert!(!hashes(all).0, "{change} made keys hash again");
    }
    let decision = kw.verify(keys[1].api_key.reveal(), &Request::new());
    assert_eq!(decision.key().unwrap().name, "another name");

    // A wrong secret stops at the filter, and a new verifier has to be hashed, once.
    assert!(!hashes(|| verdict(&kw, &keywright_tests::site::forged(keys[3].api_key.reveal()))).0);
    other(&format!(
        "sql UPDATE secrets SET verifier = (SELECT verifier FROM secrets WHERE key_id = '{}') WHERE key_id = '{}'",
        keys[4].id, keys[5].id
    ));
    assert_eq!(hashes(|| verdict(&kw, keys[5].api_key.reveal())), (true, "invalid"));
    let (hashed, found) = hashes(all);
    assert_eq!((found[4], found[5], found[6]), ("allowed", "invalid", "allowed"));
    assert!(hashed, "an unproved text was answered without a hash");
    let others = || keys[6..].iter().all(|it| verdict(&kw, it.api_key.reveal()) == "allowed");
    assert_eq!(hashes(others), (false, true));
    kw.close();
}
