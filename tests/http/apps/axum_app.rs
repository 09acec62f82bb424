//! The test app on axum.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Mutex;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use keywright::ffi::{Fields, FromFields, Value};
use keywright::http::{AuthContext, Config, Principal, Session};
use keywright::integrations::axum::{guarded, managed, management};
use keywright::testing::ManualClock;
use keywright_tests::interpreter::value::{self, Saved};
use serde_json::{Value as Given, json};

fn fields(given: &Given) -> Fields {
    value::fields(given.as_object().unwrap(), &Saved::new())
}

async fn app(setup: &Given) -> Router {
    let url = Value::Text(setup["url"].as_str().unwrap().into());
    let clock = ManualClock::new(setup["now"].as_str().unwrap().parse().unwrap());
    let kw = keywright::ffi::read_config(url, fields(&setup["engine"])).unwrap().clock(clock).build().await.unwrap();
    let http = kw.http(Config::read(fields(&setup["http"])).unwrap()).unwrap();
    let session = setup.get("principal").filter(|it| !it.is_null()).map(|it| Session::read(fields(it)).unwrap());
    let principal = move |_| std::future::ready(session.clone());
    // Twice: a guard behind a guard changes nothing.
    let routes = guarded(guarded(Router::new().fallback(route), http.clone()), http.clone());
    if setup["http"].get("path").is_some() {
        return managed(routes, http, principal);
    }
    routes.nest_service("/manage", management(http, principal))
}

/// How often a query was run.
fn counted(query: &str) -> u32 {
    static RUNS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
    let mut runs = RUNS.lock().unwrap();
    let count = runs.entry(query.to_owned()).or_default();
    *count += 1;
    *count
}

async fn route(request: Request) -> Response {
    let context = request.extensions().get::<AuthContext>().unwrap();
    let (principal, org) = match &context.principal {
        Principal::Anyone => ("anyone", None),
        Principal::Key(key) => ("key", Some(key.org.clone())),
        Principal::Session(session) => ("session", Some(session.org().to_owned())),
    };
    let key = context.key().map(|it| &it.name);
    if request.uri().path() == "/count" {
        let count = counted(request.uri().query().unwrap_or_default());
        return (StatusCode::CREATED, [("location", "/counted")], Json(json!({ "count": count }))).into_response();
    }
    let body = Json(json!({"principal": principal, "key": key, "org": org, "agent": context.agent.as_deref()}));
    match request.uri().path() {
        "/fail" => (StatusCode::IM_A_TEAPOT, body).into_response(),
        "/crash" => (StatusCode::INTERNAL_SERVER_ERROR, "it broke").into_response(),
        "/own" => ([("cache-control", "private"), ("vary", "accept")], body).into_response(),
        _ => body.into_response(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let setup = std::env::args().nth(1).unwrap();
    let setup: Given = serde_json::from_str(&std::fs::read_to_string(setup).unwrap()).unwrap();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("listening {}", listener.local_addr().unwrap().port());
    let service = app(&setup).await.into_make_service_with_connect_info::<SocketAddr>();
    std::thread::spawn(|| {
        // The app runs until its input ends.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    axum::serve(listener, service).await.unwrap();
}
