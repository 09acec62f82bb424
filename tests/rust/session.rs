//! Session tokens under whatever anybody signs, forges or sends: a session begins only with a token that is whole, signed by
//! the key and for now.

use jsonwebtoken::{EncodingKey, Header, encode};
use keywright::Keywright;
use keywright::http::{Config, Head, Http, Needs, Outcome, Principal, SessionTokens};
use keywright::testing::ManualClock;
use keywright::wait::block_on;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const SECRET: &str = "a secret of these sessions, longer than 32 bytes";

/// The first second of 2026, in seconds.
const NOW: i64 = 1_767_225_600;

struct Contract {
    _folder: tempfile::TempDir,
    http: Http,
    needs: Needs,
}

impl Contract {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(chrono::DateTime::from_timestamp(NOW, 0).unwrap());
        let url = format!("sqlite:{}/keys.db", folder.path().display());
        let kw = block_on(Keywright::builder(url).brand("liq").pepper([7; 32]).clock(clock).build()).unwrap();
        let tokens = SessionTokens::key("HS256", SECRET).issuer("https://login.example");
        Self { _folder: folder, http: kw.http(Config::new().session(tokens)).unwrap(), needs: Needs::session() }
    }

    /// The org of the session that a token begins.
    fn org(&self, token: &[u8]) -> Option<String> {
        let line = [b"Bearer ", token].concat();
        let lines = [(b"authorization".as_slice(), line.as_slice())];
        match block_on(self.http.authenticate(&Head::new("GET", "/").headers(&lines), Some(&self.needs))) {
            Outcome::Passed(passed) => match passed.principal {
                Principal::Session(session) => Some(session.org().to_owned()),
                other => panic!("let in as {other:?}"),
            },
            Outcome::Refused(response) => {
                assert!((400..500).contains(&response.status), "{response:?}");
                None
            }
        }
    }
}

fn signed(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn good() -> Value {
    json!({"sub": "alice", "org": "acme", "exp": NOW + 60, "iss": "https://login.example"})
}

#[test]
fn no_other_token_begins_a_session() {
    let contract = Contract::new();
    let token = signed(&good());
    assert_eq!(contract.org(token.as_bytes()), Some("acme".into()));
    for cut in 0..token.len() {
        assert_eq!(contract.org(&token.as_bytes()[..cut]), None);
    }
    let changed = (0..token.len(), any::<u8>());
    let words = ("ey[A-Za-z0-9_-]{0,40}", "[A-Za-z0-9_=.-]{0,60}", "[A-Za-z0-9_-]{0,50}");
    let part = token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let swapped = (0..3usize, proptest::collection::vec(any::<u8>(), 0..80));
    proptest!(ProptestConfig::with_cases(2_000), |(at in changed, other in words, place in swapped)| {
        let mut bytes = token.clone().into_bytes();
        let before = std::mem::replace(&mut bytes[at.0], at.1);
        prop_assert!(before == at.1 || contract.org(&bytes).is_none());
        prop_assert_eq!(contract.org(format!("{}.{}.{}", other.0, other.1, other.2).as_bytes()), None);
        let mut parts = part.iter().map(|it| it.clone().into_bytes()).collect::<Vec<_>>();
        parts[place.0] = place.1;
        prop_assert_eq!(contract.org(&parts.join(&b'.')), None);
    });
}

/// Values that claims should and should not have.
fn claim() -> impl Strategy<Value = Value> {
    let times = proptest::sample::select(vec![NOW - 1, NOW, NOW + 1, NOW + 3_600, 0, -1, i64::MAX, i64::MIN]);
    let words = vec!["acme", "alice", "", " ", "a b", "*", "https://login.example", "https://evil.example", "\u{0}"];
    prop_oneof![
        times.prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(words).prop_map(Value::from),
        "\\PC{0,10}".prop_map(Value::from),
        proptest::sample::select(vec![
            Value::Null,
            json!(true),
            json!([]),
            json!({}),
            json!(["acme"]),
            json!([["acme"]])
        ]),
    ]
}

/// What a token must say, once more and in other words.
fn holds(claims: &Map<String, Value>) -> bool {
    let word = |name: &str| claims.get(name).and_then(Value::as_str);
    let plain = |it: &str| !it.trim().is_empty() && it.chars().count() <= 200 && !it.chars().any(char::is_control);
    let id = |it: &str| {
        (1..=128).contains(&it.len()) && it.chars().all(|it| it.is_ascii_alphanumeric() || "_.:-".contains(it))
    };
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
    #[expect(clippy::cast_precision_loss, reason = "exact for this date")]
    let now = NOW as f64;
    seconds("exp").is_some_and(|it| now < it)
        && claims.get("nbf").is_none_or(|_| seconds("nbf").is_some_and(|it| it <= now))
        && word("iss") == Some("https://login.example")
        && !claims.contains_key("aud")
        && word("org").is_some_and(id)
        && word("sub").is_some_and(plain)
}

#[test]
fn what_the_key_signed_is_judged_all_the_same() {
    let contract = Contract::new();
    let names = proptest::sample::select(vec!["exp", "nbf", "iss", "aud", "org", "sub", "may", "other"]);
    let changes = proptest::collection::vec((names, proptest::option::weighted(0.8, claim())), 0..3);
    proptest!(ProptestConfig::with_cases(4_000), |(changes in changes)| {
        let mut claims = good().as_object().unwrap().clone();
        for (name, value) in changes {
            match value {
                Some(value) => claims.insert(name.into(), value),
                None => claims.remove(name),
            };
        }
        let org = contract.org(signed(&Value::Object(claims.clone())).as_bytes());
        let wanted = holds(&claims).then(|| claims["org"].as_str().unwrap().to_owned());
        prop_assert_eq!(org, wanted, "{:?}", claims);
    });
}
