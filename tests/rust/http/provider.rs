//! The keys of an identity provider, in a runtime of one thread that serves both the provider and the guard.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use axum::{Json, Router};
use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use keywright::http::{Config, Needs, Rule, SessionTokens};
use keywright::integrations::axum::guarded;
use keywright::testing::ManualClock;
use keywright_tests::site::Site;
use serde_json::{Value, json};
use tower_service::Service;

/// Keys of RFC 8032, section 7.1, tests 1 and 2: the secret and the public part.
const KEYS: [(&str, &str); 2] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn jwks(number: usize) -> Value {
    let x = Base64UrlUnpadded::encode_string(&bytes(KEYS[number].1));
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": number.to_string(), "x": x}]})
}

fn token(number: usize, issuer: &str) -> String {
    let header = Header { kid: Some(number.to_string()), ..Header::new(Algorithm::EdDSA) };
    let der = [bytes("302e020100300506032b657004220420"), bytes(KEYS[number].0)].concat();
    let claims = json!({"iss": issuer, "sub": "alice", "org": "acme", "exp": 4_000_000_000_u64});
    encode(&header, &claims, &EncodingKey::from_ed_der(&der)).unwrap()
}

/// A provider in this runtime.
struct Provider {
    issuer: String,
    keys: Arc<Mutex<Value>>,
    asked: Arc<AtomicUsize>,
}

impl Provider {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (keys, asked) = (Arc::new(Mutex::new(jwks(0))), Arc::new(AtomicUsize::new(0)));
        let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks")});
        let (published, count) = (Arc::clone(&keys), Arc::clone(&asked));
        let routes =
            Router::new().route("/.well-known/openid-configuration", get(move || async { Json(document) })).route(
                "/jwks",
                get(move || async move {
                    count.fetch_add(1, Ordering::SeqCst);
                    Json(published.lock().unwrap().clone())
                }),
            );
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { issuer, keys, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn status(app: &Router, token: &str) -> u16 {
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    app.clone().call(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_guard_waits_for_keys_without_holding_up_its_thread() {
    let (provider, site, clock) = (Provider::start().await, Site::new(), ManualClock::new(chrono::Utc::now()));
    let kw = site.config().clock(clock.clone()).build().await.unwrap();
    let config = Config::new().rule(Rule::any("/", Needs::session()));
    let http = kw.http(config.session(SessionTokens::provider(&provider.issuer))).unwrap();
    let app = guarded(Router::new().route("/", get(|| async { "in" })), http);
    assert_eq!(provider.asked(), 0);
    let (first, second) = (token(0, &provider.issuer), token(1, &provider.issuer));
    let all = (0..20).map(|_| {
        let (app, first) = (app.clone(), first.clone());
        tokio::spawn(async move { status(&app, &first).await })
    });
    for asked in all.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap(), 200);
    }
    assert_eq!(provider.asked(), 1);

    *provider.keys.lock().unwrap() = jwks(1);
    assert_eq!((status(&app, &second).await, status(&app, &first).await), (401, 200));
    clock.advance(60_000);
    assert_eq!((status(&app, &second).await, status(&app, &first).await), (200, 401));
    assert_eq!(provider.asked(), 2);

    clock.advance(60_000);
    kw.close().await;
    // A closed engine asks nobody.
    assert_eq!((status(&app, &first).await, provider.asked()), (503, 2));
}
