//! A hello route of axum, without keys or with: `hello axum VARIANT FOLDER`.

use std::io::Read;
use std::net::SocketAddr;

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Router, routing::get};
use keywright::http::{Config, Needs, Rule};
use keywright::integrations::axum::guarded;

/// A middleware that adds as many bytes of headers as the guard and does nothing else.
async fn nothing(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    headers.insert("vary", HeaderValue::from_static("authorization, api-key, x-api-key"));
    headers.insert("x-request-id", HeaderValue::from_static("000000000000000000000000000000000000"));
    response
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (variant, folder) = (&arguments[2], &arguments[3]);
    let text = std::fs::read_to_string(format!("{folder}/key.txt")).unwrap();
    let mut app = Router::new()
        .route("/hello", get(|| async { ([("content-type", "application/json")], r#"{"hello":"world"}"#) }));
    if variant == "nothing" {
        app = app.layer(middleware::from_fn(nothing));
    } else if variant == "keywright" {
        let pepper = "a pepper of the benchmark, of 32 bytes or more";
        let kw = keywright::Keywright::builder(format!("sqlite:{folder}/keys.db")).brand("bench").pepper(pepper);
        let rule = Rule::new("GET", "/hello", Needs::key().scopes("deals:read").unwrap());
        app = guarded(app, kw.build().await.unwrap().http(Config::new().rule(rule)).unwrap());
    }
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("{} {text}", listener.local_addr().unwrap().port());
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
}
