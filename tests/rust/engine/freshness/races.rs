//! Changes that fall into the middle of a look: nothing that was read before one is remembered after it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use keywright::blocking::Keywright;

use keywright_tests::site::{PATIENCE, Site, create, until, verdict};

const ROUNDS: usize = 1_000;

#[test]
fn what_was_read_before_a_change_is_not_remembered_after_it() {
    let site = Site::new();
    let kw = site.open();
    let (key, org) = (create(&kw, "CI"), "default");
    let text = key.api_key.reveal();
    let noise = format!("UPDATE keys SET updated_at = updated_at + 1 WHERE id = '{}'", create(&kw, "another").id);
    let readers =
        [site.config(), site.config().keys_in_memory(1)].map(|it| Keywright::open(it.read_only(true)).unwrap());
    let on = site.sql();
    // Changes as fast as they come: what is lost with the power is of no concern here.
    on.execute_batch("PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 200").unwrap();
    on.busy_timeout(PATIENCE).unwrap();
    let (over, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for reader in readers.iter().cycle().take(6) {
            let (over, looks) = (&over, &looks);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    assert!(matches!(verdict(reader, text), "allowed" | "disabled"));
                    looks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let act = || {
            for round in 0..ROUNDS {
                let changes = 1 + round % 7;
                for n in (0..changes).rev() {
                    // While they look because of another key, theirs changes.
                    on.execute(&noise, []).unwrap();
                    let value = if (round + n) % 2 == 0 { "NULL" } else { "1" };
                    let (table, id) = if round % 3 == 0 { ("orgs", org) } else { ("keys", &*key.id.to_string()) };
                    on.execute(&format!("UPDATE {table} SET disabled_at = {value} WHERE id = '{id}'"), []).unwrap();
                }
                let expected = if round % 2 == 0 { "allowed" } else { "disabled" };
                for _ in 0..3 {
                    let found = readers.each_ref().map(|it| verdict(it, text));
                    assert_eq!(found, [expected; 2], "in round {round}");
                }
                let before = looks.load(Ordering::Relaxed);
                until("the others have looked", || looks.load(Ordering::Relaxed) > before + 6);
                let found = readers.each_ref().map(|it| verdict(it, text));
                assert_eq!(found, [expected; 2], "after others looked, in round {round}");
                on.execute_batch("UPDATE orgs SET disabled_at = NULL; UPDATE keys SET disabled_at = NULL").unwrap();
            }
        };
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        over.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|it| std::panic::resume_unwind(it));
    });
    readers.iter().chain([&kw]).for_each(Keywright::close);
}
