//! A hello route of axum, without keys or with: `hello VARIANT FOLDER`.

use std::io::Read;
use std::net::SocketAddr;

use axum::{Router, routing::get};
use keywright::http::{Config, Needs, Rule};
use keywright::integrations::axum::guarded;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (variant, folder) = (&arguments[1], &arguments[2]);
    let text = std::fs::read_to_string(format!("{folder}/key.txt")).unwrap();
    let mut app = Router::new()
        .route("/hello", get(|| async { ([("content-type", "application/json")], r#"{"hello":"world"}"#) }));
    if variant == "axum keywright" {
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
