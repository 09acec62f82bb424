//! Events: which process delivers them, in which order, and that a slow subscriber holds nothing up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier, Mutex};

use keywright::ffi::block_on;
use keywright::testing::ManualClock;
use keywright::{Change, Config, Credit, Event, Keywright, NewKey, Per, Quota, Request, Rotation};

use keywright_tests::site::{PATIENCE, until};

const DAY: i64 = 86_400_000;

struct Site {
    folder: tempfile::TempDir,
    clock: ManualClock,
}

impl Site {
    fn new() -> Self {
        let clock = ManualClock::new("2026-01-10T12:00:00Z".parse().unwrap());
        Self { folder: tempfile::tempdir().unwrap(), clock }
    }

    fn config(&self) -> Config {
        let url = format!("sqlite:{}/keys.db", self.folder.path().display());
        Keywright::builder(url).brand("liq").pepper([7; 32]).clock(self.clock.clone())
    }

    fn listening(&self, set: impl FnOnce(Config) -> Config) -> (Keywright, Receiver<Event>) {
        let (tell, told) = channel();
        let listener = move |event: &Event| drop(tell.send(event.clone()));
        (block_on(set(self.config()).on_event(listener).build()).unwrap(), told)
    }
}

fn next(told: &Receiver<Event>) -> Event {
    told.recv_timeout(PATIENCE).expect("an event")
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|it| it.kind.as_str()).collect()
}

#[test]
fn a_life_is_told_in_its_order() {
    let site = Site::new();
    let (kw, told) = site.listening(|it| it.expiring_days(30).idle_days(60));
    let keys = kw.org("acme").unwrap().keys();
    let verify = |text: &str| block_on(kw.verify(text, &Request::new())).is_allowed();
    let new = block_on(keys.create(NewKey::named("CI").expires_in_days(90).created_by("alice"))).unwrap();
    let created = next(&told);
    assert_eq!(
        (created.kind.as_str(), created.actor.as_deref(), created.org.as_deref().unwrap_or_default()),
        ("created", Some("alice"), "acme")
    );
    assert_eq!((created.key_id.as_ref(), created.name.as_deref()), (Some(&new.id), Some("CI")));
    assert_eq!((created.prefix.as_deref(), created.expires_at), (Some(new.prefix.as_str()), new.expires_at));

    let newer = block_on(keys.rotate(&new.id, Rotation::grace("24h").unwrap().actor("bob"))).unwrap();
    let rotated = next(&told);
    assert_eq!((rotated.kind.as_str(), rotated.actor.as_deref()), ("rotated", Some("bob")));
    assert_eq!((rotated.prefix.as_deref(), rotated.grace_ends_at.is_some()), (Some(newer.prefix.as_str()), true));

    // A use of the newest secret causes no event, and a use of the former one causes one a day.
    assert!(verify(newer.api_key.reveal()));
    for _ in 0..3 {
        assert!(verify(new.api_key.reveal()));
    }
    block_on(kw.flush()).unwrap();
    assert!(verify(new.api_key.reveal()));
    block_on(kw.flush()).unwrap();
    let used = next(&told);
    assert_eq!((used.kind.as_str(), used.prefix.as_deref()), ("former_secret_used", Some(new.prefix.as_str())));
    assert!((1..=3).contains(&used.count));

    site.clock.advance(DAY);
    assert!(!verify(new.api_key.reveal()), "its grace is over");
    block_on(kw.flush()).unwrap();
    let refused = next(&told);
    assert_eq!(
        (refused.kind.as_str(), refused.code.map(|it| it.as_str())),
        ("refused_after_revocation", Some("revoked"))
    );

    site.clock.advance(61 * DAY);
    block_on(kw.flush()).unwrap();
    let daily = [next(&told), next(&told)];
    assert_eq!(kinds(&daily), ["expiring", "idle"]);
    assert!(daily.iter().all(|it| it.key_id.as_ref() == Some(&new.id) && it.last_used_at.is_some()));
    block_on(kw.flush()).unwrap();

    block_on(keys.revoke(&new.id, Change::because("gone").actor("carol"))).unwrap();
    block_on(keys.revoke(&new.id, ())).unwrap();
    assert_eq!((next(&told).kind.as_str(), verify(newer.api_key.reveal())), ("revoked", false));
    block_on(kw.close());
    let rest: Vec<Event> = told.try_iter().collect();
    assert_eq!(kinds(&rest), ["refused_after_revocation"], "nothing is told twice, and closing tells what is left");
    let shown = format!("{rest:?}{created:?}{rotated:?}{used:?}");
    for text in [new.api_key.reveal(), newer.api_key.reveal()] {
        assert!(!shown.contains(&text[text.len() - 30..]), "an event holds a secret");
    }
}

#[test]
fn a_credit_is_told_unless_it_fails() {
    let site = Site::new();
    let (kw, told) = site.listening(|it| it.quota(Quota::new("credits", 0).per(Per::Org)));
    let keys = kw.org("acme").unwrap().keys();
    let new = block_on(keys.create(NewKey::named("CI"))).unwrap();
    assert!(block_on(keys.credit(&new.id, Credit::of(9).quota("other"))).is_err());
    block_on(keys.credit(&new.id, Credit::of(500).actor("billing"))).unwrap();
    block_on(kw.close());
    let events: Vec<Event> = told.try_iter().collect();
    assert_eq!(kinds(&events), ["created", "credited"]);
    let credited = &events[1];
    assert_eq!((credited.org.as_deref(), &credited.key_id), (Some("acme"), &Some(new.id.clone())));
    assert_eq!((credited.actor.as_deref(), credited.count), (Some("billing"), 500));
}

#[test]
fn a_revocation_is_told_of_each_key_and_of_an_org_as_a_whole() {
    use keywright::http::{Config as Http, Message};
    let site = Site::new();
    let (kw, told) = site.listening(|it| it);
    let http = kw.http(Http::new().keys_may_manage().revoke_children()).unwrap();
    let parent = block_on(kw.keys().create(NewKey::named("parent").scopes("keys:manage").unwrap())).unwrap();
    let message = Message::new("POST", "/keys").header("api-key", parent.api_key.reveal());
    let message = message.header("content-type", "application/json").body(r#"{"name": "child"}"#);
    assert_eq!(block_on(http.manage(message, None)).status, 201);
    block_on(kw.keys().revoke(&parent.id, ())).unwrap();
    block_on(kw.keys().create(NewKey::named("other"))).unwrap();
    block_on(kw.orgs().revoke_keys("default", Change::default().actor("olga"))).unwrap();
    block_on(kw.orgs().revoke_keys("default", ())).unwrap();
    block_on(kw.close());
    let events: Vec<Event> = told.try_iter().collect();
    let names: Vec<_> = events.iter().map(|it| (it.kind.as_str(), it.name.as_deref())).collect();
    let wanted = [
        ("created", Some("parent")),
        ("created", Some("child")),
        ("revoked", Some("parent")),
        ("revoked", Some("child")),
        ("created", Some("other")),
        ("revoked", None),
    ];
    assert_eq!(names, wanted);
    let last = events.last().unwrap();
    assert_eq!((last.key_id.as_ref(), last.count, last.actor.as_deref()), (None, 1, Some("olga")));
}

#[test]
fn a_listener_that_panics_concerns_nobody() {
    let site = Site::new();
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    let listener = move |_: &Event| {
        count.fetch_add(1, Ordering::SeqCst);
        panic!("a listener of the test");
    };
    let kw = block_on(site.config().on_event(listener).build()).unwrap();
    for number in 0..3 {
        block_on(kw.keys().create(NewKey::named(format!("key {number}")))).unwrap();
    }
    block_on(kw.close());
    assert_eq!(heard.load(Ordering::SeqCst), 3);
}

#[test]
fn a_listener_that_stands_still_holds_up_nothing_and_learns_what_it_missed() {
    const MORE: usize = 1_100;
    let site = Site::new();
    let (held, go) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = {
        let (held, go, heard) = (Arc::clone(&held), Arc::clone(&go), Arc::clone(&heard));
        move |event: &Event| {
            let mut heard = heard.lock().unwrap();
            heard.push(event.lost);
            if heard.len() == 1 {
                held.wait();
                go.wait();
            }
        }
    };
    let kw = block_on(site.config().on_event(listener).build()).unwrap();
    block_on(kw.keys().create(NewKey::named("first"))).unwrap();
    held.wait();
    let new = block_on(kw.keys().create(NewKey::named("second"))).unwrap();
    for _ in 0..MORE {
        block_on(kw.keys().rotate(&new.id, Rotation::at_once())).unwrap();
    }
    go.wait();
    block_on(kw.close());
    let heard = heard.lock().unwrap();
    let lost: u64 = heard.iter().sum();
    assert_eq!(heard.len() + usize::try_from(lost).unwrap(), 2 + MORE, "an event is neither told nor counted");
    assert!(lost > 0 && heard.iter().filter(|it| **it > 0).count() == 1);
}

#[test]
fn a_listener_may_close_the_engine() {
    let site = Site::new();
    let slot: Arc<Mutex<Option<Keywright>>> = Arc::default();
    let (tell, told) = channel();
    let own = Arc::clone(&slot);
    let listener = move |_: &Event| {
        if let Some(kw) = own.lock().unwrap().take() {
            block_on(kw.close());
        }
        tell.send(()).unwrap();
    };
    let kw = block_on(site.config().on_event(listener).build()).unwrap();
    *slot.lock().unwrap() = Some(kw.clone());
    block_on(kw.keys().create(NewKey::named("CI"))).unwrap();
    told.recv_timeout(PATIENCE).expect("closing waits for no listener that waits for it");
}

#[test]
fn of_two_engines_each_tells_what_it_did_and_one_looks_at_the_day() {
    let site = Site::new();
    let (first, heard) = site.listening(|it| it.idle_days(30));
    let (second, overheard) = site.listening(|it| it.idle_days(30));
    let new = block_on(first.keys().create(NewKey::named("CI"))).unwrap();
    block_on(second.keys().revoke(&new.id, ())).unwrap();
    block_on(first.keys().create(NewKey::named("idle"))).unwrap();
    for _ in 0..3 {
        site.clock.advance(31 * DAY);
        block_on(first.flush()).unwrap();
        block_on(second.flush()).unwrap();
        let mut idle = None;
        until("a key is idle", || {
            let mut told = heard.try_iter().chain(overheard.try_iter());
            idle = told.find(|event| event.kind.as_str() == "idle");
            idle.is_some()
        });
        assert_eq!(idle.unwrap().name.as_deref(), Some("idle"), "a revoked key is not idle");
    }
    block_on(first.close());
    block_on(second.close());
    let rest: Vec<Event> = heard.try_iter().chain(overheard.try_iter()).collect();
    assert!(!kinds(&rest).contains(&"idle"), "a day was looked at twice: {rest:?}");
}

#[test]
fn read_only_engines_tell_of_no_day_and_days_can_be_left_out() {
    let site = Site::new();
    let kw = block_on(site.config().build()).unwrap();
    block_on(kw.keys().create(NewKey::named("CI").expires_in_days(1))).unwrap();
    let (reader, told) = site.listening(|it| it.read_only(true));
    let (silent, overheard) = site.listening(|it| it.expiring_days(0).idle_days(0));
    block_on(silent.flush()).unwrap();
    for kw in [reader, silent] {
        block_on(kw.close());
    }
    assert_eq!(told.try_iter().chain(overheard.try_iter()).count(), 0);
    assert!(site.config().idle_days(3_651).check().is_err());
}
