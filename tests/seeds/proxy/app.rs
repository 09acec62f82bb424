//! Proxy on axum: one host for keys of both environments, limits of an org by operation, requests done once, agents.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::routing::get;
use axum::{Extension, Json, Router};
use keywright::http::{AuthContext, Config, Needs, Rule};
use keywright::integrations::axum::{ApiKey, guarded};
use keywright::{Keywright, Limit, Per};
use serde_json::{Value, json};

async fn app(url: String, pepper: String) -> Result<Router, keywright::Error> {
    let per_org = |name: &str, rate, burst| Limit::new(name, rate).burst(burst).per(Per::Org).operation(name);
    let kw = Keywright::builder(url)
        .pepper(pepper.into_bytes())
        .key_format("lk_{env}_{lookup:12}_{secret:32}{checksum:6}")
        .environments(["live", "dev"])
        .environment(["*"])
        .limit(per_org("read", 100, 20))
        .limit(per_org("write", 30, 10))
        .limit(per_org("card_creation", 10, 5))
        .build()
        .await?;
    let write = || Needs::key().operation("write");
    let config = Config::new()
        .credentials(["Api-Key"])?
        .agent_header("X-Agent-Id")?
        .rule(Rule::new("GET", "/{*rest}", Needs::key().operation("read")))
        .rule(Rule::new("POST", "/cards", Needs::key().operation("card_creation").idempotent()))
        .rule(Rule::new("POST", "/transfers", write().idempotent()))
        .rule(Rule::new("PATCH", "/{*rest}", write()))
        .rule(Rule::new("DELETE", "/{*rest}", write()));
    let all = get(answer).post(answer).patch(answer).delete(answer);
    let routes = Router::new().route("/balance", all.clone()).route("/cards", all.clone()).route("/transfers", all);
    Ok(guarded(routes, kw.http(config)?))
}

/// How often something was done.
static DONE: AtomicU64 = AtomicU64::new(0);

async fn answer(ApiKey(key): ApiKey, Extension(context): Extension<AuthContext>) -> Json<Value> {
    let done = DONE.fetch_add(1, Ordering::Relaxed);
    Json(json!({
        "done": done,
        "org": key.org,
        "environment": key.environment,
        "agent": context.agent.as_deref(),
        "request_id": context.request_id,
    }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let [url, pepper] = [1, 2].map(|at| std::env::args().nth(at).unwrap());
    let service = app(url, pepper).await.unwrap().into_make_service_with_connect_info::<SocketAddr>();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("listening {}", listener.local_addr().unwrap().port());
    std::thread::spawn(|| {
        // It runs until its input ends.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    axum::serve(listener, service).await.unwrap();
}
