//! The layer and the router of axum beyond the vectors: nested routers, needs of routes, and mistakes of a host.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Request, Response};
use axum::middleware::{Next, from_fn};
use axum::routing::{any, get};
use axum::{Extension, Router};
use keywright::ffi::block_on;
use keywright::http::{AuthContext, Config, Http, Needs, Rule};
use keywright::integrations::axum::{ApiKey, guarded, management, requiring};
use keywright::integrations::tower::Peer;
use keywright::{Catalogue, Keywright, NewKey};
use keywright_tests::site::Site;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_service::Service;

struct Api {
    _site: Site,
    kw: Keywright,
}

impl Api {
    fn new() -> Self {
        let site = Site::new();
        let kw = block_on(site.config().build()).unwrap();
        Self { _site: site, kw }
    }

    fn http(&self, config: Config) -> Http {
        self.kw.http(config).unwrap()
    }

    fn key(&self, new: NewKey) -> String {
        block_on(self.kw.keys().create(new)).unwrap().api_key.reveal().to_owned()
    }
}

async fn named(ApiKey(key): ApiKey) -> String {
    key.name
}

async fn named_or_nobody(passed: Extension<AuthContext>) -> String {
    passed.key().map(|it| it.name.clone()).unwrap_or_default()
}

fn ask(app: &Router, path: &str, key: &str) -> Response<Body> {
    let request = Request::get(path).header("api-key", key).body(Body::empty()).unwrap();
    block_on(app.clone().call(request)).unwrap()
}

fn status(app: &Router, path: &str, key: &str) -> u16 {
    ask(app, path, key).status().as_u16()
}

/// A key that is bound to a network enters through a real Unix socket if the router names the socket and the proxy there is
/// trusted.
#[tokio::test]
async fn a_trusted_proxy_on_a_unix_socket_tells_the_address() {
    let site = Site::new();
    let kw = site.config().build().await.unwrap();
    let new = NewKey::named("CI").networks(["203.0.113.0/24"]).unwrap();
    let text = kw.keys().create(new).await.unwrap().api_key.reveal().to_owned();
    let http = kw.http(Config::new().trusted_proxies(["unix:"]).unwrap()).unwrap();
    let app = requiring(Router::new().route("/", get(|| async {})), http, Needs::key()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, app, forwarded, status) in [
        ("said", app.clone().layer(Extension(Peer::Unix)), "203.0.113.9", 200),
        ("another", app.clone().layer(Extension(Peer::Unix)), "203.0.113.9, 198.51.100.1", 403),
        ("unsaid", app, "203.0.113.9", 403),
    ] {
        let path = folder.path().join(name);
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await });
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\napi-key: {text}\r\nx-forwarded-for: {forwarded}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&line), format!("HTTP/1.1 {status}"), "{name}");
        serving.abort();
    }
    kw.close().await;
}

#[test]
fn rules_are_about_whole_paths() {
    let api = Api::new();
    let config = Config::new().rule(Rule::any("/health", Needs::nothing())).rule(Rule::new(
        "GET",
        "/v1/deals",
        Needs::key().scopes("deals:read").unwrap(),
    ));
    let inside = Router::new().route("/health", get(|| async { "secret" })).route("/deals", get(named));
    // The nested router sees neither path with its prefix.
    let app = Router::new().nest("/v1", guarded(inside, api.http(config)));
    let key = api.key(NewKey::named("CI").scopes("deals:read").unwrap());
    assert_eq!(status(&app, "/v1/health", ""), 401);
    assert_eq!(status(&app, "/v1/health", &key), 403);
    assert_eq!(status(&app, "/v1/deals", &key), 200);
}

#[test]
fn a_rewrite_in_front_is_refused_unless_it_is_expected() {
    let api = Api::new();
    let key = api.key(NewKey::named("CI").scopes("deals:admin").unwrap());
    let app = |config: Config| {
        let config = config
            .rule(Rule::any("/static/{*rest}", Needs::nothing()))
            .rule(Rule::any("/api/deals", Needs::key().scopes("deals:admin").unwrap()));
        let routes =
            Router::new().route("/static/{*rest}", get(named_or_nobody)).route("/api/deals", get(named_or_nobody));
        let rewrite = |mut request: axum::extract::Request, next: Next| async move {
            if request.uri().path().ends_with("/rewritten") {
                *request.uri_mut() = "/api/deals".parse().unwrap();
            }
            next.run(request).await
        };
        Router::new().fallback_service(guarded(routes, api.http(config))).layer(from_fn(rewrite))
    };
    let (refusing, expecting) = (app(Config::new()), app(Config::new().rewrites()));
    for (path, key, status_of_both) in [
        ("/static/x", "", [200, 200]),
        ("/api/deals", "", [401, 401]),
        ("/api/deals", key.as_str(), [200, 200]),
        ("/static/rewritten", "", [400, 401]),
        ("/static/rewritten", key.as_str(), [400, 200]),
    ] {
        assert_eq!([&refusing, &expecting].map(|it| status(it, path, key)), status_of_both, "{path}");
    }
}

#[test]
fn routes_have_needs_of_their_own() {
    let api = Api::new();
    let http = api.http(Config::new());
    let reading = Router::new().route("/deals", get(named));
    let open = Router::new().route("/open", get(|| async { "open" }));
    let app = requiring(reading, http, Needs::key().scopes("deals:read").unwrap()).unwrap().merge(open);
    let (reader, other) = (api.key(NewKey::named("a").scopes("deals:read").unwrap()), api.key(NewKey::named("b")));
    let answers = [(&*reader, 200), (&*other, 403), ("nonsense", 401)];
    for (key, expected) in answers {
        let response = ask(&app, "/deals", key);
        assert_eq!(response.status(), expected);
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    assert_eq!(status(&app, "/open", ""), 200);
    assert_eq!(status(&app, "/elsewhere", ""), 404);
}

#[test]
fn a_route_behind_a_guarded_router_counts_once() {
    let api = Api::new();
    let new = block_on(api.kw.keys().create(NewKey::named("a").scopes("deals:read").unwrap())).unwrap();
    let needs = |scope: &str| Needs::key().scopes(scope).unwrap();
    let route = |path: &str, scope| {
        requiring(Router::new().route(path, get(named)), api.http(Config::new()), needs(scope)).unwrap()
    };
    let inside = Router::new().nest("/v1", route("/deals", "deals:read").merge(route("/users", "users:read")));
    let inside = inside.nest_service("/manage", management(api.http(Config::new()), |_| async { None }));
    let app = guarded(inside, api.http(Config::new()));
    let response = ask(&app, "/v1/deals", new.api_key.reveal());
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers().get_all("vary").iter().count(), 1);
    assert_eq!(response.headers().get_all("x-request-id").iter().count(), 1);
    let refused = ask(&app, "/v1/users", new.api_key.reveal());
    assert_eq!((refused.status().as_u16(), refused.headers().get_all("vary").iter().count()), (403, 1));
    let whoami = ask(&app, "/manage/whoami", new.api_key.reveal());
    assert_eq!((whoami.status().as_u16(), whoami.headers().get_all("vary").iter().count()), (200, 1));
    block_on(api.kw.flush()).unwrap();
    let key = block_on(api.kw.keys().get(&new.id)).unwrap();
    assert_eq!((key.usage_count, key.denied_count), (3, 1));
}

#[test]
fn needs_that_nobody_meets_are_refused_at_the_start() {
    let site = Site::new();
    let kw = block_on(site.config().scopes(Catalogue::new([("deals:read", "reads")]).unwrap()).build()).unwrap();
    let refused = |needs: Needs| {
        let error = requiring(Router::<()>::new(), kw.http(Config::new()).unwrap(), needs).unwrap_err();
        error.to_string()
    };
    assert!(refused(Needs::key().scopes("deals:raed").unwrap()).contains("scopes"));
    assert!(refused(Needs::session()).contains("session"));
    assert!(refused(Needs::nothing().cost(2)).contains("access"));
}

#[test]
fn what_a_host_forgets_lets_nobody_in() {
    let api = Api::new();
    // A handler that extracts a key, on a route without a guard, or on a public one.
    assert_eq!(status(&Router::new().route("/deals", get(named)), "/deals", ""), 500);
    let public = Config::new().rule(Rule::any("/deals", Needs::nothing()));
    let app = guarded(Router::new().route("/deals", get(named)), api.http(public));
    assert_eq!(status(&app, "/deals", &api.key(NewKey::named("a"))), 500);

    // Without connect info no address is known.
    let bound = api.key(NewKey::named("bound").networks(["127.0.0.0/8"]).unwrap());
    let told = |Extension(passed): Extension<AuthContext>| async move { passed.request_id.into_owned() };
    let app = guarded(Router::new().route("/deals", get(told)), api.http(Config::new()));
    assert_eq!(status(&app, "/deals", &bound), 403);
    for (address, expected) in [("127.0.0.1:7", 200), ("10.0.0.1:7", 403), ("[::ffff:127.0.0.1]:7", 200)] {
        let address: SocketAddr = address.parse().unwrap();
        let request = Request::get("/deals").header("api-key", &bound).extension(ConnectInfo(address));
        let response = block_on(app.clone().call(request.body(Body::empty()).unwrap())).unwrap();
        assert_eq!(response.status(), expected, "{address}");
    }
}

#[test]
fn tracing_layers_behind_the_guard_print_no_key() {
    let api = Api::new();
    let key = api.key(NewKey::named("CI"));
    let shown = |headers: HeaderMap| async move { format!("{headers:?}") };
    let app = guarded(Router::new().route("/", get(shown)), api.http(Config::new()));
    let told = |parts: Parts| async move {
        assert!(parts.headers["api-key"].is_sensitive());
        None
    };
    let app = app.nest_service("/manage", management(api.http(Config::new()), told));
    let request = Request::get("/").header("api-key", &key).header("accept", "text/plain").body(Body::empty()).unwrap();
    let response = block_on(app.clone().call(request)).unwrap();
    let body = block_on(to_bytes(response.into_body(), 10_000)).unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains("\"api-key\": Sensitive") && text.contains("text/plain") && !text.contains(&key), "{text}");
    assert_eq!(status(&app, "/manage/whoami", &key), 200);
}

#[test]
fn a_preflight_runs_no_handler_and_a_layer_in_front_answers_it() {
    let api = Api::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let handler = {
        let ran = Arc::clone(&ran);
        move || async move { ran.fetch_add(1, Ordering::Relaxed).to_string() }
    };
    let app = guarded(Router::new().route("/deals", any(handler)), api.http(Config::new()));
    let ask = |app: &Router| {
        let request = Request::options("/deals").header("origin", "https://app.example");
        let request = request.header("access-control-request-method", "DELETE").body(Body::empty()).unwrap();
        block_on(app.clone().call(request)).unwrap()
    };
    let answer = ask(&app);
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("access-control-allow-origin")), (204, false));
    let permitting = |request: Request<Body>, next: Next| async move {
        assert_eq!(request.method(), "OPTIONS");
        let mut answer = next.run(request).await;
        answer.headers_mut().insert("access-control-allow-origin", HeaderValue::from_static("https://app.example"));
        answer
    };
    let answer = ask(&app.layer(from_fn(permitting)));
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example");
    assert_eq!(ran.load(Ordering::Relaxed), 0);
}
