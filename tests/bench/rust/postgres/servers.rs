//! Requests to the servers of the run; `tests/servers/README.md` lists them.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

/// A proxy before the server, which counts round trips and can cut them off.
pub struct Proxy {
    requests: BufReader<UnixStream>,
    name: String,
    /// The URL of the server through the proxy.
    pub url: String,
}

impl Proxy {
    pub fn start(tcp_url: &str) -> Self {
        let config: tokio_postgres::Config = tcp_url.parse().unwrap();
        let to = config.get_ports()[0];
        let socket = UnixStream::connect(env::var("KEYWRIGHT_TEST_SERVERS").unwrap()).unwrap();
        let mut proxy = Self { requests: BufReader::new(socket), name: String::new(), url: String::new() };
        let started = proxy.ask(json!({"ask": "proxy", "to": to}));
        proxy.name = started["name"].as_str().unwrap().to_owned();
        proxy.url = tcp_url.replace(&format!(":{to}/"), &format!(":{}/", started["port"]));
        proxy
    }

    fn ask(&mut self, request: Value) -> Value {
        writeln!(self.requests.get_mut(), "{request}").unwrap();
        let mut answer = String::new();
        self.requests.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"].is_null(), "{}", answer["error"]);
        answer["ok"].clone()
    }

    fn state(&mut self, field: &str) -> u64 {
        let name = self.name.clone();
        self.ask(json!({"ask": "state", "name": name}))[field].as_u64().unwrap()
    }

    /// The round trips that passed during a call.
    pub fn trips_of(&mut self, act: impl FnOnce()) -> u64 {
        let before = self.state("trips");
        act();
        self.state("trips") - before
    }

    /// The statements that have passed.
    pub fn requests(&mut self) -> u64 {
        self.state("requests")
    }

    /// Resets every connection, and refuses new ones, or accepts them again.
    pub fn cut_off(&mut self, cut: bool) {
        let name = self.name.clone();
        self.ask(json!({"ask": "refuse", "name": name, "refuses": cut}));
        if cut {
            self.ask(json!({"ask": "cut", "name": name}));
        }
    }
}
