//! Webhooks from the engine to real receivers: signed, at least once, whatever ends in between.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use keywright::blocking::Keywright;
use keywright::testing::{ManualClock, ShiftedClock, webhook_signature};
use keywright::{Change, Config, Credit, Event, EventKind, KeyUpdate, NewKey, OrgUpdate, Quota, Rotation, Webhook};
use serde_json::{Value, json};

use keywright_tests::interpreter::case;
use keywright_tests::site::process::{self, Process, inside};
use keywright_tests::site::receiver::{Answer, Received, Receiver};
use keywright_tests::site::{PATIENCE, PEPPER, Site, config, create, until};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn with(config: Config, receiver: &Receiver) -> Config {
    config.webhook(Webhook::new(&receiver.url, SECRET))
}

fn open(site: &Site, receiver: &Receiver) -> Keywright {
    Keywright::open(with(site.config(), receiver)).unwrap()
}

/// The number of deliveries that are not done, and of those that are dead.
fn queued(site: &Site) -> (i64, i64) {
    let count = "SELECT count(*) FILTER (WHERE dead_at IS NULL), count(*) FILTER (WHERE dead_at IS NOT NULL) FROM webhook_outbox";
    site.sql().query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

fn done(site: &Site) {
    until("all is delivered", || queued(site).0 == 0);
}

fn accept() -> Receiver {
    Receiver::new(|_, _| Answer::Status(204))
}

fn is_signed(message: &Received, secrets: &[&str]) -> bool {
    let timestamp = message.timestamp.parse().unwrap();
    message.signature == webhook_signature(secrets, &message.id, timestamp, &message.text).unwrap()
}

#[test]
fn each_change_is_sent_once_and_signed_by_each_secret() {
    let (site, receiver) = (Site::new(), accept());
    let webhook = Webhook::new(&receiver.url, SECRET).secret(OTHER);
    let kw = Keywright::open(site.config().webhook(webhook)).unwrap();
    let new = kw
        .keys()
        .create(NewKey::named("CI").metadata(json!({"plan": "basic"}).as_object().unwrap().clone()).created_by("alice"))
        .unwrap();
    kw.keys().revoke(&new.id, Change::because("leaked").actor("bob")).unwrap();
    let messages = receiver.wait_for(3);
    done(&site);
    kw.close();
    assert_eq!(receiver.received().len(), 3, "a message came twice");
    let ids: BTreeSet<&String> = messages.iter().map(|it| &it.id).collect();
    assert_eq!(ids.len(), 3);
    for message in &messages {
        assert!(is_signed(message, &[SECRET, OTHER]) && !message.text.contains(new.api_key.reveal()), "{message:?}");
        assert!(message.id.starts_with("msg_") && message.signature.split(' ').count() == 2);
    }
    let revoked = messages.iter().find(|it| it.kind() == "key.revoked").unwrap();
    let data = &revoked.body["data"];
    assert_eq!((&data["id"], &data["actor"], &data["reason"]), (&json!(new.id), &json!("bob"), &json!("leaked")));
    assert_eq!((&data["org"], &data["record"]["status"]), (&json!("default"), &json!("revoked")));
    assert_eq!(data["record"]["metadata"], json!({"plan": "basic"}));
}

#[test]
fn without_endpoints_nothing_is_queued_and_later_ones_hear_of_nothing_before() {
    let (site, receiver) = (Site::new(), accept());
    let kw = site.open();
    create(&kw, "before");
    assert_eq!(queued(&site), (0, 0));
    let with_webhooks = open(&site, &receiver);
    // Another program makes this change, which has no webhooks.
    create(&kw, "after");
    let messages = receiver.wait_for(1);
    done(&site);
    assert_eq!((messages.len(), &messages[0].body["data"]["record"]["name"]), (1, &json!("after")));
    with_webhooks.close();
    create(&kw, "while nobody delivers");
    assert_eq!(queued(&site), (1, 0));
    let with_webhooks = open(&site, &receiver);
    assert_eq!(receiver.wait_for(2)[1].body["data"]["record"]["name"], "while nobody delivers");
    with_webhooks.close();
    kw.close();
}

#[test]
fn an_endpoint_hears_of_the_types_that_it_names() {
    let (site, receiver, all) = (Site::new(), accept(), accept());
    let some = Webhook::new(&receiver.url, SECRET).events(["key.disabled", "org.updated"]);
    let config = with(site.config(), &all).webhook(some);
    let kw = Keywright::open(config).unwrap();
    let new = create(&kw, "CI");
    kw.keys().disable(&new.id, ()).unwrap();
    kw.keys().enable(&new.id, ()).unwrap();
    kw.orgs().update("default", OrgUpdate::new().networks(Some(vec![])).unwrap()).unwrap();
    assert_eq!(all.wait_for(5).len(), 5);
    done(&site);
    kw.close();
    let kinds: BTreeSet<String> = receiver.received().iter().map(|it| it.kind().to_owned()).collect();
    assert_eq!(kinds, ["key.disabled", "org.updated"].map(str::to_owned).into());
}

#[test]
fn every_type_has_its_change() {
    let (site, receiver, clock) = (Site::new(), accept(), ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let config = || with(site.config(), &receiver).clock(clock.clone()).quota(Quota::new("credits", 1));
    let kw = Keywright::open(config()).unwrap();
    let keys = kw.keys();
    let new = create(&kw, "CI");
    keys.update(&new.id, KeyUpdate::new().name("renamed")).unwrap();
    keys.rotate(&new.id, Rotation::default()).unwrap();
    keys.end_grace(&new.id, ()).unwrap();
    keys.credit(&new.id, Credit::of(5)).unwrap();
    keys.disable(&new.id, ()).unwrap();
    keys.enable(&new.id, ()).unwrap();
    keys.revoke(&new.id, ()).unwrap();
    done(&site);
    kw.close();
    clock.advance(31 * 86_400_000);
    let kw = Keywright::open(config()).unwrap();
    kw.keys().purge(&new.id, ()).unwrap();
    create(&kw, "another");
    let orgs = kw.orgs();
    orgs.update("default", OrgUpdate::new().networks(Some(vec!["10.0.0.0/8".into()])).unwrap()).unwrap();
    orgs.disable("default", ()).unwrap();
    orgs.enable("default", ()).unwrap();
    orgs.revoke_keys("default", ()).unwrap();
    done(&site);
    kw.close();
    let kinds: BTreeSet<String> = receiver.received().iter().map(|it| it.kind().to_owned()).collect();
    let wanted = vectors("event").into_iter().map(|case| case.expect["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, wanted);
    for case in vectors("event") {
        let received = receiver.received();
        let body = &received.iter().find(|it| it.kind() == case.expect["type"]).unwrap().body;
        let fields: Vec<&String> = body["data"].as_object().unwrap().keys().collect();
        assert_eq!(json!(fields), case.expect["data"], "{}", case.id);
        assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["type", "timestamp", "data"]);
    }
}

#[derive(serde::Deserialize)]
struct WebhookCase {
    id: String,
    op: String,
    input: Value,
    expect: Value,
}

/// The cases of one operation.
fn vectors(op: &str) -> Vec<WebhookCase> {
    let cases = case::file::<WebhookCase>("webhook").tests;
    cases.into_iter().filter(|case| case.op == op).collect()
}

#[test]
fn signatures_and_secrets_are_those_of_the_vectors() {
    for WebhookCase { id, input, expect, .. } in vectors("sign") {
        let secrets: Vec<&str> = input["secrets"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        let text = |name: &str| input[name].as_str().unwrap();
        let signed = webhook_signature(&secrets, text("message"), input["timestamp"].as_i64().unwrap(), text("body"));
        assert_eq!(signed.unwrap(), expect["signature"], "{id}");
    }
    for WebhookCase { id, input, expect, .. } in vectors("secret") {
        let secret = input["secret"].as_str().unwrap();
        let config = keywright::Keywright::builder("sqlite:keys.db").brand("liq");
        let refusal = config.webhook(Webhook::new("https://hooks.example", secret)).check().unwrap_err();
        assert_eq!(
            (json!(refusal.field()), json!(refusal.code())),
            (expect["field"].clone(), expect["code"].clone()),
            "{id}"
        );
        assert!(secret.is_empty() || !refusal.to_string().contains(secret) || secret == "whsec_", "{id}");
    }
    let cases = ["sign", "secret", "event"].map(|op| vectors(op).len()).iter().sum::<usize>();
    assert_eq!(cases, case::file::<WebhookCase>("webhook").count);
    writeln!(std::io::stdout(), "vectors rust: webhook {cases}").unwrap();
}

#[test]
fn a_failure_is_attempted_again_by_the_schedule_and_given_up_after_the_tenth() {
    let (site, clock) = (Site::new(), ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let receiver = Receiver::new(|_, _| Answer::Head(500, "retry-after: 7\r\n"));
    let webhook = Webhook::new(&receiver.url, SECRET).events(["key.created"]);
    let kw = Keywright::open(site.config().clock(clock.clone()).webhook(webhook)).unwrap();
    let new = create(&kw, "CI");
    receiver.wait_for(1);
    let attempts =
        || site.sql().query_row("SELECT attempts FROM webhook_outbox", [], |row| row.get::<_, i64>(0)).unwrap();
    let next_at =
        || site.sql().query_row("SELECT next_at FROM webhook_outbox", [], |row| row.get::<_, i64>(0)).unwrap();
    // Only the schedule is of interest here, and not the pause of an endpoint that is down.
    let mut kw = kw;
    for attempt in 1..=10_i64 {
        until("an attempt is noted", || attempts() == attempt);
        if attempt == 10 {
            break;
        }
        let pause = next_at() - clock.now().timestamp_millis();
        let plain = [7_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000];
        let plain: i64 = plain[usize::try_from(attempt - 1).unwrap()];
        assert!((plain..=plain + plain / 5).contains(&pause), "attempt {attempt} pauses for {pause} ms");
        if attempt == 1 {
            kw.keys().update(&new.id, KeyUpdate::new().name("later")).unwrap();
        }
        kw.close();
        clock.advance(pause);
        let webhook = Webhook::new(&receiver.url, SECRET).events(["key.created"]);
        kw = Keywright::open(site.config().clock(clock.clone()).webhook(webhook)).unwrap();
    }
    assert_eq!(queued(&site), (0, 1));
    kw.close();
    let messages = receiver.received();
    assert_eq!(messages.len(), 10);
    assert!(
        messages.iter().all(|it| it.id == messages[0].id && it.text == messages[0].text && is_signed(it, &[SECRET]))
    );
}

#[test]
fn a_receiver_that_dies_comes_back_to_all_messages() {
    let (site, clock) = (Site::new(), ShiftedClock::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let webhook = || Webhook::new(format!("http://{address}/hooks"), SECRET);
    let kw = Keywright::open(site.config().clock(clock.clone()).webhook(webhook())).unwrap();
    for number in 0..5 {
        create(&kw, &format!("key {number}"));
    }
    let failed = "SELECT count(*) FROM webhook_outbox WHERE attempts > 0 AND failure LIKE '%nothing listens there%'";
    until("attempts fail", || site.sql().query_row(failed, [], |row| row.get::<_, i64>(0)).unwrap() > 0);
    let receiver = Receiver::at(TcpListener::bind(address).unwrap(), |_, _| Answer::Status(200));
    clock.set(10_000);
    assert_eq!(receiver.wait_for_ids(6).len(), 6);
    done(&site);
    kw.close();
}

#[test]
fn a_retry_does_not_wait_for_the_end_of_new_messages() {
    let (site, clock) = (Site::new(), ShiftedClock::default());
    let receiver = Receiver::new(|_, _| Answer::Status(500));
    let open = || {
        let webhook = Webhook::new(&receiver.url, SECRET).events(["key.created"]);
        Keywright::open(site.config().clock(clock.clone()).webhook(webhook)).unwrap()
    };
    let kw = open();
    create(&kw, "the first");
    let first = receiver.wait_for(1)[0].id.clone();
    kw.close();
    let kw = site.open();
    for number in 0..40 {
        create(&kw, &format!("key {number}"));
    }
    kw.close();
    clock.set(60_000);
    let kw = open();
    // The first batch of the second engine has 16 messages.
    let messages = receiver.wait_for(17);
    kw.close();
    assert!(messages[1..17].iter().any(|it| it.id == first), "a retry is not in the first batch");
    assert!(messages[1..17].iter().any(|it| it.id != first), "new messages wait for retries");
}

#[test]
fn a_message_about_a_damaged_record_goes_without_it() {
    let (site, receiver) = (Site::new(), accept());
    open(&site, &receiver).close();
    let kw = site.open();
    let new = create(&kw, "CI");
    kw.close();
    assert_eq!(queued(&site), (2, 0));
    site.sql().execute("UPDATE keys SET limits = '{'", []).unwrap();
    let kw = open(&site, &receiver);
    let messages = receiver.wait_for(2);
    done(&site);
    kw.close();
    let created = messages.iter().find(|it| it.kind() == "key.created").unwrap();
    let data = &created.body["data"];
    assert_eq!((&data["id"], &data["org"], &data["record"]), (&json!(new.id), &json!("default"), &Value::Null));
    assert!(is_signed(created, &[SECRET]));
}

#[test]
fn a_slow_receiver_holds_up_no_other() {
    let (site, receiver, slow) = (Site::new(), accept(), Receiver::new(|_, _| Answer::Silence));
    let kw = Keywright::open(with(with(site.config(), &slow), &receiver)).unwrap();
    create(&kw, "one");
    slow.wait_for(1);
    create(&kw, "two");
    assert_eq!(receiver.wait_for_ids(3).len(), 3);
    kw.close();
}

#[test]
fn a_receiver_that_is_gone_gets_no_more_until_it_is_enabled() {
    let site = Site::new();
    let receiver = Receiver::new(|_, number| Answer::Status(if number == 0 { 410 } else { 200 }));
    let webhook = Webhook::new(&receiver.url, SECRET).events(["key.created"]);
    let (tell, told) = channel();
    let listener = move |event: &Event| tell.send((event.kind, event.reason.clone())).unwrap();
    let kw = Keywright::open(site.config().webhook(webhook).on_event(listener)).unwrap();
    create(&kw, "one");
    let disabled = "SELECT count(*) FROM webhook_endpoints WHERE disabled_at IS NOT NULL";
    until("the endpoint is disabled", || site.sql().query_row(disabled, [], |row| row.get::<_, i64>(0)).unwrap() == 1);
    create(&kw, "two");
    assert_eq!(queued(&site), (0, 1));
    let pepper = site.folder().join("pepper");
    std::fs::write(&pepper, PEPPER).unwrap();
    let run = |words: &[&str]| {
        let (url, pepper) = (format!("sqlite:{}", site.file().display()), pepper.display().to_string());
        let first =
            ["keywright", "--url", &url, "--brand", "liq", "--pepper-file", &pepper, "webhooks"].map(str::to_owned);
        keywright::cli::run(first.into_iter().chain(words.iter().map(|it| (*it).to_owned())).map(Into::into))
    };
    let id: String = site.sql().query_row("SELECT id FROM webhook_endpoints", [], |row| row.get(0)).unwrap();
    let is_notice = |(kind, _): &(EventKind, Option<String>)| *kind == EventKind::WebhookDisabled;
    let mut heard = std::iter::from_fn(|| told.recv_timeout(PATIENCE).ok());
    let (_, reason) = heard.find(is_notice).unwrap();
    let reason = reason.unwrap();
    assert!(reason.contains(&id) && reason.contains("410 Gone") && !reason.contains("/hooks"), "{reason}");
    assert_eq!((run(&["list"]), run(&["enable", &id]), run(&["enable", "we_0"]), run(&["retry", &id])), (0, 0, 1, 0));
    let messages = receiver.wait_for(2);
    assert_eq!(messages[0].id, messages[1].id);
    done(&site);
    kw.close();
    assert_eq!(run(&["remove", &id, "--yes"]), 0);
    let left: i64 = site.sql().query_row("SELECT count(*) FROM webhook_endpoints", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

/// Opens an engine in a process of its own, and makes keys.
fn work(folder: &Path, name: &str) {
    let (url, keys) = name.rsplit_once(' ').unwrap();
    let webhook = Webhook::new(url, SECRET).events(["key.created"]);
    let kw = Keywright::open(config(&folder.join("keys.db")).webhook(webhook)).unwrap();
    for number in 0..keys.parse().unwrap() {
        create(&kw, &format!("{}-{number}", std::process::id()));
    }
    std::fs::write(folder.join(format!("{}.made", std::process::id())), "").unwrap();
    if keys == "20" {
        // Until it is killed.
        std::thread::sleep(PATIENCE);
    }
    until("all is delivered", || {
        let left = "SELECT count(*) FROM webhook_outbox WHERE dead_at IS NULL";
        let sql = rusqlite::Connection::open(folder.join("keys.db")).unwrap();
        sql.query_row(left, [], |row| row.get::<_, i64>(0)).is_ok_and(|left| left == 0)
    });
    kw.close();
}

fn made(site: &Site) -> usize {
    let names = std::fs::read_dir(site.folder()).unwrap().map(|it| it.unwrap().file_name());
    names.filter(|it| it.to_string_lossy().ends_with(".made")).count()
}

#[test]
fn a_sender_that_is_killed_loses_nothing() {
    if let Some((folder, name)) = inside() {
        return work(&folder, &name);
    }
    let site = Site::new();
    let silent = Arc::new(AtomicBool::new(true));
    let hush = Arc::clone(&silent);
    let receiver = Receiver::new(move |_, number| match hush.load(Ordering::SeqCst) {
        true if number >= 2 => Answer::Silence,
        _ => Answer::Status(200),
    });
    let name = format!("{} 20", receiver.url);
    let mut child = process::start(a_sender_that_is_killed_loses_nothing, &[], site.folder(), &name);
    until("the changes are made", || made(&site) == 1);
    receiver.wait_for(4);
    child.kill();
    silent.store(false, Ordering::SeqCst);
    // The claims of the process are over after a minute.
    let clock = ShiftedClock::default();
    clock.set(120_000);
    let webhook = Webhook::new(&receiver.url, SECRET).events(["key.created"]);
    let kw = Keywright::open(site.config().clock(clock).webhook(webhook)).unwrap();
    done(&site);
    kw.close();
    let (messages, created) = (receiver.received(), ids_of_created(&site));
    assert_eq!(created.len(), 20);
    assert_eq!(messages.iter().map(|it| it.id.clone()).collect::<BTreeSet<_>>(), created, "a message is lost");
    assert!(messages.len() > 20, "the process was killed with no message under way");
    for message in &messages {
        let first = messages.iter().find(|it| it.id == message.id).unwrap();
        assert_eq!(first.body["data"]["id"], message.body["data"]["id"]);
    }
}

/// The ids that the messages about new keys have, from the audit.
fn ids_of_created(site: &Site) -> BTreeSet<String> {
    let sql = site.sql();
    let ids = "SELECT 'msg_' || lower(hex(substr(hash, 1, 16))) FROM audit WHERE action = 'key.create'";
    let mut statement = sql.prepare(ids).unwrap();
    let ids = statement.query_map([], |row| row.get(0)).unwrap();
    ids.collect::<Result<_, _>>().unwrap()
}

#[test]
fn four_processes_share_one_outbox() {
    if let Some((folder, name)) = inside() {
        return work(&folder, &name);
    }
    let (site, receiver) = (Site::new(), accept());
    site.open().close();
    let start = || process::start(four_processes_share_one_outbox, &[], site.folder(), &format!("{} 10", receiver.url));
    let processes: Vec<Process> = (0..4).map(|_| start()).collect();
    processes.into_iter().for_each(Process::passes);
    let ids: Vec<String> = receiver.received().into_iter().map(|it| it.id).collect();
    assert_eq!(ids.iter().cloned().collect::<BTreeSet<_>>(), ids_of_created(&site));
    // No claim ran out, so that none came twice.
    assert_eq!(ids.len(), 40);
}
