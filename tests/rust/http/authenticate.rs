//! The HTTP contract with arbitrary input: no bytes break it, let anybody in, or return a secret, and no route allows more than
//! its rule.

use keywright::ffi::block_on;
use keywright::http::{
    AuthContext, Config, Head, Http, Message, Needs, Outcome, Preflight, Rule, Session, VerificationReceipt,
};
use keywright::{KeyUpdate, Keywright, Level, Limit, NewKey};
use keywright_tests::site::Site;
use proptest::prelude::*;

struct Contract {
    _site: Site,
    kw: Keywright,
}

impl Contract {
    fn new() -> Self {
        let site = Site::new();
        let kw = block_on(site.config().build()).unwrap();
        Self { _site: site, kw }
    }

    fn key(&self, new: NewKey) -> String {
        block_on(self.kw.keys().create(new)).unwrap().api_key.reveal().to_owned()
    }
}

/// The status of the response, 200 if the request may go on.
fn status(http: &Http, head: &Head<'_>) -> u16 {
    match block_on(http.authenticate(head, None)) {
        Outcome::Allowed(_) => 200,
        Outcome::Refused(response) => response.status,
    }
}

fn ask(http: &Http, method: &str, path: &str, lines: &[(&str, &str)]) -> u16 {
    let lines: Vec<(&[u8], &[u8])> = lines.iter().map(|it| (it.0.as_bytes(), it.1.as_bytes())).collect();
    status(http, &Head::new(method, path).headers(&lines).peer("127.0.0.1"))
}

/// Bytes that resemble the values of our headers.
fn near(key: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let key = key.to_owned();
    let cut = (0..key.len()).prop_map({
        let key = key.clone();
        move |it| format!("Bearer {}", &key[..it]).into_bytes()
    });
    let changed = (0..key.len(), any::<u8>()).prop_filter_map("the key itself", {
        let key = key.clone();
        move |(at, byte)| {
            let mut bytes = format!("Bearer {key}").into_bytes();
            let before = std::mem::replace(&mut bytes[7 + at], byte);
            (before != byte).then_some(bytes)
        }
    });
    let words = "(Bearer|bearer|Basic|) ?[A-Za-z0-9_.,;= ]{0,60}".prop_map(String::into_bytes);
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..120), words, cut, changed]
}

#[test]
fn no_bytes_let_anybody_in() {
    let contract = Contract::new();
    let key = contract.key(NewKey::named("the one"));
    let secret = &key[key.len() - 38..key.len() - 6];
    let http = contract.kw.http(Config::new().trusted_proxies(["127.0.0.0/8"]).unwrap()).unwrap();
    let names = ["authorization", "api-key", "x-api-key", "cookie", "x-forwarded-for", "x-request-id", "x-other", ""];
    let lines = proptest::collection::vec((proptest::sample::select(names.to_vec()), near(&key)), 0..6);
    let method = proptest::sample::select(vec!["GET", "HEAD", "POST", "OPTIONS", "", "get", "\u{e9}"]);
    let request = (method, proptest::collection::vec(any::<u8>(), 0..80), lines);
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 4_000, ..ProptestConfig::default() });
    let outcome = runner.run(&request, |(method, target, lines)| {
        let lines: Vec<(&[u8], &[u8])> = lines.iter().map(|it| (it.0.as_bytes(), it.1.as_slice())).collect();
        let head = Head::new(method, &target).headers(&lines).peer("127.0.0.1");
        match block_on(http.authenticate(&head, None)) {
            Outcome::Allowed(passed) => prop_assert!(false, "{passed:?}"),
            Outcome::Refused(response) => {
                prop_assert!((400..500).contains(&response.status), "{response:?}");
                let said = format!("{response:?} {}", String::from_utf8_lossy(&response.body));
                prop_assert!(!said.contains(secret));
            }
        }
        Ok(())
    });
    outcome.unwrap();
    assert_eq!(ask(&http, "GET", "/", &[("api-key", &key)]), 200);
}

#[test]
fn no_bytes_break_management() {
    let contract = Contract::new();
    let http = contract.kw.http(Config::new()).unwrap();
    let session = || Session::of("acme").unwrap().may("keys:manage").unwrap();
    let paths = ["/keys", "/keys/x", "/keys/x/rotate", "/orgs/x", "/audit", "/whoami", "/keys?limit=", "/keys?cursor="];
    let target =
        (proptest::sample::select(paths.to_vec()), "[ -~]{0,20}").prop_map(|(path, more)| format!("{path}{more}"));
    let fields =
        "\\{\"(name|scopes|level|limits|networks|metadata|expires_at|grace|org)\": ?[\"\\[\\]{}0-9a-z:.,-]{0,30}\\}?";
    let body = prop_oneof![proptest::collection::vec(any::<u8>(), 0..100), fields.prop_map(String::into_bytes)];
    let method = proptest::sample::select(vec!["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD"]);
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 1_500, ..ProptestConfig::default() });
    let outcome = runner.run(&(method, target, body, any::<bool>()), |(method, target, body, known)| {
        let message = Message::new(method, target).header("content-type", "application/json").body(body);
        let response = block_on(http.manage(message, known.then(session)));
        prop_assert!(response.status < 500, "{response:?}");
        prop_assert!(known || response.status >= 400, "{response:?}");
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_preflight_reaches_no_handler() {
    let contract = Contract::new();
    let http = |preflight| contract.kw.http(Config::new().preflight(preflight)).unwrap();
    let (answering, passing) = (http(Preflight::Answer), http(Preflight::Pass));
    let lines: [(&[u8], &[u8]); 2] =
        [(b"origin", b"https://evil.example"), (b"access-control-request-method", b"POST")];
    let head = Head::new("OPTIONS", "/deals").headers(&lines);
    let needs = Needs::key().scopes("deals:read").unwrap();
    // The guard of one route has only a handler behind it, no CORS layer.
    let rule = Needs::by_rule();
    for (http, needs) in
        [(&answering, None), (&answering, Some(&needs)), (&passing, Some(&needs)), (&passing, Some(&rule))]
    {
        let outcome = block_on(http.authenticate(&head, needs));
        let Outcome::Refused(response) = outcome else { panic!("it reaches a handler") };
        assert_eq!((response.status, response.body.len()), (204, 0));
        assert!(response.headers.iter().all(|(name, _)| !name.starts_with("access-control-")), "{response:?}");
        let told = block_on(http.explain(&head, needs));
        assert_eq!((told.allowed, told.status), (false, 204));
    }
    let Outcome::Allowed(passed) = block_on(passing.authenticate(&head, None)) else {
        panic!("no layer can answer it")
    };
    assert!(passed.key().is_none() && block_on(passing.explain(&head, None)).allowed);
    let earlier = passed.earlier();
    let behind = block_on(passing.authenticate(&head.earlier(Some(&earlier)), Some(&needs)));
    assert!(matches!(behind, Outcome::Refused(response) if response.status == 204));
}

#[test]
fn a_guard_behind_a_guard_counts_a_request_once() {
    let site = Site::new();
    let writes = Limit::new("writes", 4).operation("write");
    let kw = block_on(site.config().limit(Limit::new("all", 10)).limit(writes).build()).unwrap();
    let new = block_on(kw.keys().create(NewKey::named("CI").scopes("deals:write").unwrap())).unwrap();
    let http = kw.http(Config::new()).unwrap();
    let lines: [(&[u8], &[u8]); 1] = [(b"api-key", new.api_key.reveal().as_bytes())];
    let head = Head::new("POST", "/deals").headers(&lines);
    let judged = |needs: Needs, earlier: Option<&VerificationReceipt>| match block_on(
        http.authenticate(&head.earlier(earlier), Some(&needs)),
    ) {
        Outcome::Allowed(passed) => Ok(passed),
        Outcome::Refused(response) => Err(response.status),
    };
    let told = |it: &AuthContext| it.headers().find(|it| it.0 == "ratelimit").unwrap().1.replace(";t=", " ");
    let remaining = |it: &AuthContext, all: u64| told(it).contains(&format!("\"all\";r={all} "));
    let counts = || {
        block_on(kw.flush()).unwrap();
        let key = block_on(kw.keys().get(&new.id)).unwrap();
        (key.usage_count, key.denied_count)
    };

    let first = judged(Needs::key(), None).unwrap();
    assert!(remaining(&first, 9));
    let write = || Needs::key().scopes("deals:write").unwrap().operation("write").cost(3);
    let second = judged(write(), Some(&first.earlier())).unwrap();
    assert!(remaining(&second, 7) && told(&second).contains("\"writes\";r=1"), "{}", told(&second));
    assert_eq!(second.request_id, first.request_id);
    let told_on: VerificationReceipt = second.earlier().to_string().parse().unwrap();
    assert_eq!(told_on, second.earlier());
    let third = judged(Needs::key(), Some(&told_on)).unwrap();
    assert_eq!((told(&third), counts()), (told(&second), (1, 0)));

    // The stricter needs hold, also for the same request.
    assert_eq!(judged(Needs::key().scopes("deals:read").unwrap(), Some(&third.earlier())).unwrap_err(), 403);
    assert_eq!(judged(write().cost(4), Some(&first.earlier())).unwrap_err(), 429);
    assert_eq!(counts(), (1, 2));

    // A key that is read again, and is the same, keeps its receipts: only its org has changed, and has changed back.
    block_on(kw.orgs().disable("default", ())).unwrap();
    block_on(kw.orgs().enable("default", ())).unwrap();
    assert!(remaining(&judged(Needs::key(), Some(&first.earlier())).unwrap(), 7));
    assert_eq!(counts(), (1, 2));

    // A receipt of another key, or from before a change, spares nothing.
    let other: VerificationReceipt = "1000001 x 0:9  ".parse().unwrap();
    assert!(remaining(&judged(Needs::key(), Some(&other)).unwrap(), 6));
    block_on(kw.keys().update(&new.id, KeyUpdate::new().name("other"))).unwrap();
    assert!(remaining(&judged(Needs::key(), Some(&first.earlier())).unwrap(), 5));
    assert_eq!(counts(), (3, 2));
    block_on(kw.keys().revoke(&new.id, ())).unwrap();
    assert_eq!(judged(Needs::key(), Some(&first.earlier())).unwrap_err(), 401);
}

/// Rules, with the requests that each scope allows.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const PATHS: [&str; 4] = ["/deals", "/deals/7", "/users", "/deals/7/notes"];
const SCOPES: [&str; 3] = ["deals:read", "deals:write", "users:read"];
const RULES: [(&str, &str, &str); 5] = [
    ("GET", "/deals", "deals:read"),
    ("GET", "/deals/{id}", "deals:read"),
    ("POST", "/deals", "deals:write"),
    ("PATCH", "/deals/{id}", "deals:write"),
    ("GET", "/users", "users:read"),
];

#[test]
fn what_no_rule_names_is_denied() {
    let contract = Contract::new();
    let mut config = Config::new();
    for (method, path, scope) in RULES {
        config = config.rule(Rule::new(method, path, Needs::key().scopes(scope).unwrap()));
    }
    let http = contract.kw.http(config).unwrap();
    let levels = [None, Some(Level::Read), Some(Level::ReadWrite)];
    let mut let_in = 0;
    for granted in 0..1 << SCOPES.len() {
        let scopes: Vec<&str> = (0..SCOPES.len()).filter(|it| granted & 1 << it != 0).map(|it| SCOPES[it]).collect();
        for level in levels {
            let new = NewKey::named("role").scopes(scopes.join(",").as_str()).unwrap();
            let key = contract.key(level.into_iter().fold(new, NewKey::level));
            for (method, path) in METHODS.iter().flat_map(|it| PATHS.iter().map(move |path| (*it, *path))) {
                let pattern = path.replace('7', "{id}");
                let rule = RULES.iter().find(|it| (it.0, it.1) == (method, pattern.as_str()));
                let leveled = level != Some(Level::Read) || method == "GET";
                let leveled = leveled && (level != Some(Level::ReadWrite) || method != "DELETE");
                let expected = rule.is_some_and(|it| scopes.contains(&it.2)) && leveled;
                for header in ["api-key", "x-api-key", "authorization"] {
                    let text = if header == "authorization" { format!("Bearer {key}") } else { key.clone() };
                    let found = ask(&http, method, path, &[(header, &text)]);
                    assert_eq!(
                        found,
                        if expected { 200 } else { 403 },
                        "{method} {path} {scopes:?} {level:?} {header}"
                    );
                    let_in += u32::from(found == 200);
                }
                assert_eq!(ask(&http, method, path, &[]), 401);
                assert_eq!(ask(&http, method, path, &[("api-key", &key), ("x-api-key", &key)]), 400);
            }
        }
    }
    assert!(let_in > 0);
}
