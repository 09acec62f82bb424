//! Session tokens with arbitrary input: only a complete, valid token that the key has signed gives a session.

use jsonwebtoken::{EncodingKey, Header, encode};
use keywright::Keywright;
use keywright::ffi::block_on;
use keywright::http::{Config, Head, Http, Needs, Outcome, Principal, SessionTokens};
use keywright::testing::ManualClock;
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
        Self::with(SessionTokens::key("HS256", SECRET).issuer("https://login.example"))
    }

    fn with(tokens: SessionTokens) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(chrono::DateTime::from_timestamp(NOW, 0).unwrap());
        let url = format!("sqlite:{}/keys.db", folder.path().display());
        let kw = block_on(Keywright::builder(url).brand("liq").pepper([7; 32]).clock(clock).build()).unwrap();
        Self { _folder: folder, http: kw.http(Config::new().session(tokens)).unwrap(), needs: Needs::session() }
    }

    /// The org of the session of a token.
    fn org(&self, token: &[u8]) -> Option<String> {
        let line = [b"Bearer ", token].concat();
        let lines = [(b"authorization".as_slice(), line.as_slice())];
        match block_on(self.http.authenticate(&Head::new("GET", "/").headers(&lines), Some(&self.needs))) {
            Outcome::Allowed(passed) => match passed.principal {
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

/// Valid and invalid values of claims.
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

/// A second implementation of the check of claims.
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

/// The key of RFC 8037, appendix A.1, private and public.
const ED25519_PRIVATE: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const ED25519_PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn secret_of(letter: &str) -> String {
    letter.repeat(44)
}

/// A set with one key for HS256.
fn set_of(letter: &str) -> String {
    json!({"keys": [{"kty": "oct", "alg": "HS256", "kid": letter, "k": secret_of(letter)}]}).to_string()
}

fn signed_by(letter: &str) -> String {
    let header = Header { kid: Some(letter.into()), ..Header::default() };
    encode(&header, &good(), &EncodingKey::from_base64_secret(&secret_of(letter)).unwrap()).unwrap()
}

#[test]
fn a_changed_key_set_is_read_again_and_a_broken_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, set_of("A")).unwrap();
    let contract = Contract::with(SessionTokens::jwks_file(&file));
    let is_session = |letter: &str| contract.org(signed_by(letter).as_bytes()).is_some();
    assert!(is_session("A") && !is_session("B"));

    // Written in place, to the same length.
    std::fs::write(&file, set_of("B")).unwrap();
    assert!(!is_session("A") && is_session("B"));

    // Replaced by a file with an old time, as orchestrators do with secrets.
    let next = folder.path().join("next.json");
    std::fs::write(&next, set_of("C")).unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    std::fs::File::options().write(true).open(&next).unwrap().set_modified(long_ago).unwrap();
    std::fs::rename(&next, &file).unwrap();
    assert!(!is_session("B") && is_session("C"));

    for broken in ["", "{\"keys\": []}", "{"] {
        std::fs::write(&file, broken).unwrap();
        assert!(is_session("C"), "the last good keys stay");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(is_session("C"));
    std::fs::write(&file, set_of("A")).unwrap();
    assert!(is_session("A") && !is_session("C"));
}

#[test]
fn a_changed_key_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let token =
        |secret: &str| encode(&Header::default(), &good(), &EncodingKey::from_secret(secret.as_bytes())).unwrap();
    let (old, new) = ("o".repeat(40), "n".repeat(40));
    std::fs::write(&file, &old).unwrap();
    let contract = Contract::with(SessionTokens::key_file("HS256", &file));
    assert!(contract.org(token(&old).as_bytes()).is_some());
    std::fs::write(&file, &new).unwrap();
    assert!(contract.org(token(&new).as_bytes()).is_some() && contract.org(token(&old).as_bytes()).is_none());
}

#[test]
fn key_sets_that_cannot_be_used_are_refused_with_the_reason() {
    let ed = |more: Value| {
        let mut key = json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519_PUBLIC, "kid": "1"});
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"keys": [key]}).to_string()
    };
    let refusal = |tokens: SessionTokens| {
        let engine = Keywright::builder("sqlite:none.db").brand("liq").pepper([7; 32]);
        Config::new().session(tokens).check(&engine).map_err(|error| error.to_string())
    };
    for (document, reason) in [
        ("[]".to_owned(), "session: jwks is no JWKS document"),
        (json!({"keys": []}).to_string(), "session: jwks holds no key"),
        (ed(json!({"alg": "Ed25519", "d": ED25519_PRIVATE})), "session: jwks holds a private key"),
        (ed(json!({})), "the first one names no alg"),
        (ed(json!({"alg": "RS256"})), "the first one has an alg that does not fit its kind"),
        (ed(json!({"alg": "ES512"})), "the first one is of another kind"),
        (ed(json!({"alg": "Ed25519", "use": "enc"})), "the first one is of another kind"),
        (ed(json!({"alg": "Ed25519", "x": "?"})), "the first one cannot be read"),
        (json!({"keys": [{"kty": "oct", "alg": "HS256", "k": "c2hvcnQ"}]}).to_string(), "the first one is too short"),
    ] {
        let error = refusal(SessionTokens::jwks(document)).unwrap_err();
        assert!(error.contains(reason), "{error}");
        assert!(!error.contains(ED25519_PRIVATE));
    }
    assert_eq!(refusal(SessionTokens::jwks(ed(json!({}))).algorithms(["Ed25519"])), Ok(()));
    assert_eq!(refusal(SessionTokens::jwks(ed(json!({"alg": "EdDSA"})))), Ok(()));
    for (tokens, reason) in [
        (
            SessionTokens::jwks(ed(json!({"alg": "Ed25519"}))).algorithms(["RS256"]),
            "the option algorithms does not name",
        ),
        (SessionTokens::jwks(ed(json!({}))).algorithms(["none"]), "session: algorithms names an algorithm"),
        (SessionTokens::jwks(ed(json!({}))).algorithms(Vec::<String>::new()), "session: algorithms is empty"),
        (SessionTokens::key("HS256", SECRET).algorithms(["HS256"]), "session: algorithms is given beside one key"),
    ] {
        let error = refusal(tokens).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}
