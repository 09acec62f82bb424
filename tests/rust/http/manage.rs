//! Key management over HTTP, in process: the rights of a key that manages others, and of the keys it created.

use std::collections::BTreeSet;

use keywright::ffi::{Ready, block_on, now_or_later};
use keywright::http::{Config, Http, Message, Response, SelfService, Session, Spelling};
use keywright::testing::ManualClock;
use keywright::{Keywright, ListAudit, NewKey, Request};
use serde_json::{Value, json};

struct Site {
    folder: tempfile::TempDir,
    clock: ManualClock,
    kw: Keywright,
    http: Http,
}

/// Every call of self-service.
const SELF_SERVICE: [SelfService; 4] =
    [SelfService::Show, SelfService::Rotate, SelfService::Revoke, SelfService::Attest];

impl Site {
    fn new(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-01-10T12:00:00Z".parse().unwrap());
        let url = format!("sqlite:{}/keys.db", folder.path().display());
        let kw = Keywright::builder(url).brand("liq").pepper([7; 32]).clock(clock.clone());
        let kw = block_on(kw.build()).unwrap();
        Self { folder, clock, http: kw.http(config).unwrap(), kw }
    }

    fn key(&self, new: NewKey) -> String {
        let new = block_on(self.kw.org("acme").unwrap().keys().create(new)).unwrap();
        new.api_key.reveal().to_owned()
    }

    fn ask(&self, method: &str, target: &str, key: &str, body: &Value) -> (u16, Value) {
        let message = Message::new(method, target).header("api-key", key).header("content-type", "application/json");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        told(&block_on(self.http.manage(message.body(body), None)))
    }
}

fn told(response: &Response) -> (u16, Value) {
    (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
}

fn manager() -> NewKey {
    NewKey::named("manager").scopes("deals:*,keys:manage").unwrap()
}

#[test]
fn a_key_manages_keys_only_where_that_is_switched_on() {
    let site = Site::new(Config::new());
    let key = site.key(manager());
    let (status, body) = site.ask("POST", "/keys", &key, &json!({"name": "x"}));
    assert_eq!((status, &body["code"]), (403, &json!("FORBIDDEN")), "{body}");
    assert_eq!(site.ask("GET", "/whoami", &key, &Value::Null).1["key"]["name"], "manager");
    assert_eq!(site.ask("GET", "/whoami", "liq_live_x", &Value::Null).0, 401);
}

#[test]
fn what_a_key_makes_has_no_more_rights_than_it_has() {
    let site = Site::new(Config::new().keys_may_manage());
    let bounded = manager().networks(["127.0.0.0/8"]).unwrap().expires_in_days(30).level(keywright::Level::ReadWrite);
    let key = site.key(bounded);
    let ask = |method: &str, target: &str, body: Value| {
        let message = Message::new(method, target).header("api-key", key.as_str()).peer("127.0.0.1");
        let message = message.header("content-type", "application/json").body(body.to_string());
        told(&block_on(site.http.manage(message, None)))
    };
    let (status, child) = ask("POST", "/keys", json!({"name": "child", "scopes": "deals:read"}));
    assert_eq!(status, 201, "{child}");
    for (field, value) in [
        ("level", json!("read_write")),
        ("networks", json!(["127.0.0.0/8"])),
        ("expires_at", json!("2026-02-09T12:00:00.000Z")),
        ("org", json!("acme")),
        ("environment", json!("live")),
    ] {
        assert_eq!(child[field], value, "{field} is inherited");
    }
    assert!(child["created_by"].as_str().unwrap().starts_with("key:"));
    for more in [
        json!({"scopes": "users:read"}),
        json!({"scopes": "keys:*"}),
        json!({"level": "full"}),
        json!({"networks": ["10.0.0.0/8"]}),
        json!({"expires_in_days": 31}),
        json!({"environment": "test"}),
        json!({"limits": [{"name": "x", "rate": 1}], "scopes": "users:read"}),
    ] {
        let mut body = json!({"name": "more"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, answer) = ask("POST", "/keys", body);
        assert_eq!((status, &answer["code"]), (403, &json!("FORBIDDEN")), "{more} {answer}");
    }
    let id = child["id"].as_str().unwrap();
    assert_eq!(ask("PATCH", &format!("/keys/{id}"), json!({"scopes": "users:read"})).0, 403);
    assert_eq!(ask("PATCH", &format!("/keys/{id}"), json!({"networks": null})).0, 403);
    assert_eq!(ask("PATCH", &format!("/keys/{id}"), json!({"name": "renamed"})).1["name"], "renamed");
    let stronger =
        block_on(site.kw.org("acme").unwrap().keys().create(NewKey::named("strong").scopes("users:*").unwrap()));
    let stronger = stronger.unwrap();
    for action in ["rotate", "disable", "enable", "end-grace"] {
        assert_eq!(ask("POST", &format!("/keys/{}/{action}", stronger.id), json!({})).0, 403, "{action}");
    }
    assert_eq!(ask("PATCH", &format!("/keys/{}", stronger.id), json!({"name": "mine"})).0, 403);
    let own = ask("GET", "/whoami", Value::Null).1["key"]["id"].as_str().unwrap().to_owned();
    assert_eq!(ask("PATCH", &format!("/keys/{own}"), json!({"name": "me"})).0, 403);
    assert_eq!(ask("POST", &format!("/keys/{own}/rotate"), json!({})).0, 403);
    // Identity is never taken from a body.
    for field in ["created_by", "org", "actor", "id"] {
        assert_eq!(ask("POST", "/keys", json!({"name": "x", field: "y"})).0, 400, "{field}");
    }
}

#[test]
fn a_former_secret_manages_nothing() {
    let site = Site::new(Config::new().keys_may_manage().self_service(SELF_SERVICE));
    let key = site.key(manager());
    let (status, rotated) = site.ask("POST", "/whoami/rotate", &key, &json!({"grace": "1h"}));
    assert_eq!(status, 200, "{rotated}");
    let newer = rotated["api_key"].as_str().unwrap();
    assert_eq!(site.ask("GET", "/keys", &key, &Value::Null).0, 403);
    assert_eq!(site.ask("DELETE", "/whoami", &key, &Value::Null).0, 403);
    assert_eq!(site.ask("POST", "/whoami/attest", &key, &json!({"agent": "a", "claims": {}})).0, 403);
    assert_eq!(site.ask("GET", "/keys", newer, &Value::Null).0, 200);
    site.clock.advance(3_600_000);
    assert_eq!(site.ask("GET", "/keys", &key, &Value::Null).1["code"], "API_KEY_REVOKED");
    assert_eq!(site.ask("DELETE", "/whoami", newer, &Value::Null).1["status"], "revoked");
    assert_eq!(site.ask("GET", "/whoami", newer, &Value::Null).0, 401);
}

/// Another program locks the database during the request of a session, and disables its org before it unlocks.
#[test]
fn nothing_is_made_in_an_org_that_was_disabled_meanwhile() {
    let site = Site::new(Config::new());
    let alice = || Session::of("acme").unwrap().actor("alice").may("keys:manage").unwrap().without_cookie();
    let id = block_on(site.kw.org("acme").unwrap().keys().create(NewKey::named("one"))).unwrap().id.clone();
    let sql = rusqlite::Connection::open(site.folder.path().join("keys.db")).unwrap();
    let rows = || -> i64 { sql.query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).unwrap() };
    for (target, body, status) in [
        ("/keys".to_owned(), json!({"name": "late"}), 409),
        (format!("/keys/{id}/rotate"), json!({}), 409),
        (format!("/keys/{id}/attest"), json!({"agent": "a", "claims": {}}), 409),
        (format!("/keys/{id}/disable"), json!({}), 200),
    ] {
        sql.execute_batch("BEGIN IMMEDIATE").unwrap();
        let message = Message::new("POST", target.as_str()).header("content-type", "application/json");
        let (http, message) = (site.http.clone(), message.body(body.to_string()));
        let Ready::Later(under_way) = now_or_later(async move { http.manage(message, Some(alice())).await }) else {
            panic!("{target} does not wait for the database")
        };
        assert_eq!(sql.execute("UPDATE orgs SET disabled_at = 1 WHERE id = 'acme'", []).unwrap(), 1);
        let before = rows();
        sql.execute_batch("COMMIT").unwrap();
        let (found, answer) = told(&block_on(under_way));
        assert_eq!((found, rows() == before), (status, status == 409), "{target}: {answer}");
        sql.execute_batch("UPDATE orgs SET disabled_at = NULL").unwrap();
    }
}

#[test]
fn the_openapi_document_lacks_calls_that_are_not_open() {
    let paths = |config: Config| {
        let document = Site::new(config).http.openapi();
        let methods = |path: &str| document["paths"][path].as_object().map(|it| it.keys().cloned().collect::<Vec<_>>());
        (methods("/whoami"), methods("/whoami/rotate"))
    };
    assert_eq!(paths(Config::new()), (Some(vec!["get".into(), "delete".into()]), None));
    assert_eq!(paths(Config::new().self_service([])), (None, None));
    assert_eq!(paths(Config::new().self_service([SelfService::Rotate])), (None, Some(vec!["post".into()])));
}

#[test]
fn the_openapi_document_has_the_schemas_that_it_refers_to_and_no_others() {
    for config in [Config::new(), Config::new().self_service([]), Config::new().self_service([SelfService::Attest])] {
        let document = Site::new(config).http.openapi();
        let text = document.to_string();
        let referred = text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
        let schemas = document["components"]["schemas"].as_object().unwrap().keys().map(String::as_str);
        assert_eq!(referred.collect::<BTreeSet<_>>(), schemas.collect());
    }
}

#[test]
fn children_die_with_their_parent_where_that_is_switched_on() {
    for dies in [true, false] {
        let config = Config::new().keys_may_manage();
        let site = Site::new(if dies { config.revoke_children() } else { config });
        let parent = site.key(manager());
        let (_, child) =
            site.ask("POST", "/keys", &parent, &json!({"name": "child", "scopes": "deals:read,keys:manage"}));
        let child = child["api_key"].as_str().unwrap().to_owned();
        let (_, grandchild) = site.ask("POST", "/keys", &child, &json!({"name": "grandchild"}));
        let grandchild = grandchild["api_key"].as_str().unwrap().to_owned();
        let allowed = |text: &str| block_on(site.kw.verify(text, &Request::new())).is_allowed();
        assert!(allowed(&child) && allowed(&grandchild));
        assert_eq!(site.ask("DELETE", "/whoami", &parent, &json!({"reason": "leaked"})).0, 200);
        assert_eq!((allowed(&child), allowed(&grandchild)), (!dies, !dies));
        let audit = site.kw.org("acme").unwrap().audit();
        let entry = block_on(audit.list(ListAudit::new().action("key.revoke"))).unwrap().data.remove(0);
        assert_eq!(entry.details.get("children_revoked"), dies.then(|| json!(2)).as_ref());
        assert!(block_on(site.kw.audit().verify()).unwrap().ok);
    }
}

#[test]
fn a_session_sees_its_org_alone() {
    let site = Site::new(Config::new());
    let foreign = block_on(site.kw.org("other").unwrap().keys().create(NewKey::named("foreign"))).unwrap();
    let session = || Session::of("acme").unwrap().actor("alice").may("keys:manage").unwrap().may("audit:read").unwrap();
    let ask = |method: &str, target: &str, session: Session| {
        let message = Message::new(method, target).header("content-type", "application/json");
        told(&block_on(site.http.manage(message, Some(session))))
    };
    let unknown = ask("GET", "/keys/0190a0a0-0000-7000-8000-000000000000", session());
    let (status, mut other) = ask("GET", &format!("/keys/{}", foreign.id), session());
    other["request_id"] = unknown.1["request_id"].clone();
    assert_eq!((status, other), (404, unknown.1));
    for (method, path) in [("DELETE", ""), ("POST", "/rotate"), ("POST", "/disable"), ("GET", "/usage")] {
        assert_eq!(ask(method, &format!("/keys/{}{path}", foreign.id), session()).0, 404, "{path}");
    }
    assert_eq!(ask("GET", "/keys", session()).1["data"], json!([]));
    assert_eq!(ask("GET", "/audit", session()).1["data"], json!([]));
    for path in ["/orgs/other", "/orgs/nobody"] {
        assert_eq!(ask("GET", path, session()).0, 404, "{path}");
    }
    for path in ["/orgs", "/orgs/other/disable", "/orgs/acme/disable"] {
        let method = if path == "/orgs" { "GET" } else { "POST" };
        assert_eq!(ask(method, path, session()).0, 403, "{path}");
    }
    let operator = || Session::of("ops").unwrap().may("orgs:manage").unwrap().may("keys:read").unwrap().every_org();
    assert_eq!(ask("GET", &format!("/keys/{}", foreign.id), operator()).0, 200);
    assert_eq!(ask("POST", "/orgs/other/disable", operator()).1["status"], "disabled");
    assert_eq!(ask("DELETE", &format!("/keys/{}", foreign.id), operator()).0, 403);
}

/// Each route of the guide's table, which equals that of the code, with each kind of caller.
#[test]
fn a_route_takes_who_has_its_right_and_nobody_else() {
    let site = Site::new(Config::new().self_service(SELF_SERVICE));
    let foreign = block_on(site.kw.org("other").unwrap().keys().create(NewKey::named("foreign"))).unwrap().id.clone();
    let session = |rights: &[&str]| {
        let nobody = Session::of("acme").unwrap().actor("alice").without_cookie();
        rights.iter().fold(nobody, |it, right| it.may(right).unwrap())
    };
    let (plain, manages) = (site.key(NewKey::named("plain")), site.key(manager()));
    let introspects = site.key(NewKey::named("gateway").scopes("keys:introspect").unwrap());
    let rights = ["keys:read", "keys:manage", "audit:read", "keys:introspect", "orgs:manage"];
    let mut who: Vec<(Option<Session>, Option<&str>, Vec<&str>)> = vec![(None, None, vec![])];
    who.push((Some(session(&[])), None, vec!["any"]));
    who.extend(rights.map(|it| {
        (Some(session(&[it])), None, vec!["any", it].into_iter().filter(|it| *it != "orgs:manage").collect())
    }));
    who.push((Some(session(&rights).every_org()), None, [&["any"][..], &rights].concat()));
    for (key, right) in [(&plain, "any"), (&manages, "any"), (&introspects, "keys:introspect")] {
        who.push((None, Some(key.as_str()), vec!["any", "the key itself", right]));
    }
    let table = include_str!("../../../core/guide/management.md").lines().filter(|it| it.starts_with("| `"));
    let mut asked = 0;
    for line in table {
        let cells: Vec<&str> = line.split(['|', '`']).map(str::trim).filter(|it| !it.is_empty()).collect();
        let [request, rest @ ..] = &cells[..] else { panic!("{line}") };
        let (method, path) = request.split_once(' ').unwrap();
        let right = rest.iter().find(|it| **it != "*once*").unwrap();
        for (session, key, may) in &who {
            // Such a call would revoke a key that later rows still need.
            if *right == "the key itself" && key.is_some() && method == "DELETE" {
                continue;
            }
            let target = path.replace("{id}", &foreign.to_string()).replace("{org}", "other");
            let message = Message::new(method, target).header("content-type", "application/json").body("{}");
            let message = key.iter().fold(message, |it, key| it.header("api-key", *key));
            let (status, body) = told(&block_on(site.http.manage(message, session.clone())));
            let is_let_in = may.contains(right) || (*right == "keys:read" && may.contains(&"keys:manage"));
            let expected = match (session, key) {
                (None, None) => status == 401,
                _ if is_let_in => !matches!(status, 401 | 403 | 500..),
                _ => status == 403,
            };
            assert!(expected, "{request} for {may:?}: {status} {body}");
            asked += 1;
        }
    }
    assert!(asked > 26 * 10, "{asked}");
}

/// Another program locks the database during a request, and revokes its key before it unlocks.
#[test]
fn nothing_is_made_by_a_key_that_was_revoked_while_it_asked() {
    let site = Site::new(Config::new().keys_may_manage().self_service(SELF_SERVICE));
    let other = block_on(site.kw.org("acme").unwrap().keys().create(NewKey::named("other"))).unwrap().id.clone();
    let file = site.folder.path().join("keys.db");
    let sql = rusqlite::Connection::open(file).unwrap();
    let ends = [
        "UPDATE keys SET revoked_at = 1 WHERE name = 'manager'",
        "UPDATE keys SET disabled_at = 1 WHERE name = 'manager'",
        "UPDATE keys SET scopes = 'keys:manage' WHERE name = 'manager'",
        "UPDATE secrets SET grace_ends_at = 9999999999999 WHERE key_id IN (SELECT id FROM keys WHERE name = 'manager')",
        "UPDATE orgs SET disabled_at = 1 WHERE id = 'acme'",
    ];
    let asked = [
        ("POST", "/keys".to_owned(), json!({"name": "late"})),
        ("PATCH", format!("/keys/{other}"), json!({"name": "late"})),
        ("POST", format!("/keys/{other}/rotate"), Value::Null),
        ("DELETE", format!("/keys/{other}"), Value::Null),
        ("POST", "/whoami/rotate".to_owned(), json!({"grace": "0s"})),
    ];
    let rows = || -> i64 { sql.query_row("SELECT (SELECT count(*) FROM audit)", [], |row| row.get(0)).unwrap() };
    for end in ends {
        for (method, target, body) in &asked {
            let key = site.key(manager());
            assert_eq!(site.ask("GET", "/whoami", &key, &Value::Null).0, 200);
            sql.execute_batch("BEGIN IMMEDIATE").unwrap();
            let message = Message::new(*method, target.as_str()).header("api-key", key.as_str());
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let message = message.header("content-type", "application/json").body(body);
            let http = site.http.clone();
            let Ready::Later(under_way) = now_or_later(async move { http.manage(message, None).await }) else {
                panic!("{method} {target} does not wait for the database")
            };
            assert_eq!(sql.execute(end, []).unwrap(), 1);
            let before = rows();
            sql.execute_batch("COMMIT").unwrap();
            let (status, answer) = told(&block_on(under_way));
            assert!(
                matches!(status, 403 | 409) && rows() == before,
                "{method} {target} after {end}: {status} {answer}"
            );
            let whole = "UPDATE orgs SET disabled_at = NULL; UPDATE keys SET name = 'done' WHERE name = 'manager'";
            sql.execute_batch(whole).unwrap();
        }
    }
}

#[test]
fn links_of_a_bare_list_lead_to_all_of_it() {
    let site = Site::new(Config::new().spelling(Spelling::new().bare_lists()));
    for name in ["a", "b", "c", "d", "e"] {
        site.key(NewKey::named(name).environment("live"));
    }
    let session = Session::of("acme").unwrap().may("keys:read").unwrap().without_cookie();
    let (mut target, mut seen) = ("/keys?limit=2&environment=live&status=%61ll".to_owned(), Vec::new());
    loop {
        let page = block_on(site.http.manage(Message::new("GET", target), Some(session.clone())));
        let items = told(&page).1;
        seen.extend(items.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()));
        let Some(link) = page.header("link") else { break };
        let query = link.strip_prefix("<?limit=2&environment=live&status=all&cursor=").unwrap();
        let cursor = query.strip_suffix(">; rel=\"next\"").unwrap();
        assert!(cursor.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.~%".contains(&it)), "{cursor}");
        target = format!("/keys?limit=2&environment=live&status=all&cursor={cursor}");
    }
    seen.sort();
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_link_holds_nothing_that_a_client_slipped_in() {
    let site = Site::new(Config::new().spelling(Spelling::new().bare_lists()));
    let odd = "x>; rel=\"evil\"\r\nset-cookie: a";
    for _ in 0..2 {
        let keys = block_on(async { site.kw.org("acme") }).unwrap().keys();
        block_on(keys.create(NewKey::named("a>b\"c,é"))).unwrap();
    }
    let session = Session::of("acme").unwrap().may("keys:read").unwrap().without_cookie();
    let ask = |target: &str| block_on(site.http.manage(Message::new("GET", target), Some(session.clone())));
    let page = ask("/keys?limit=1&name=a%3Eb%22c%2C%C3%A9");
    let link = page.header("link").unwrap();
    assert!(link.starts_with("<?limit=1&name=a%3Eb%22c%2C%C3%A9&cursor="), "{link}");
    assert_eq!(ask(&format!("/keys?limit=1&name={odd}")).header("link"), None);
}
