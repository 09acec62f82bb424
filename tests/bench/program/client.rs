//! The client of a server beside the same request by reqwest, both in the runtime of `#[tokio::main]`.

use std::path::Path;

use keywright::{Client, Request};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::timing::{Subject, race};

/// How many requests are timed at once.
const CALLS: usize = 50;

pub fn measure(out: &Path, port: &str, verifier: &str, text: &str) {
    let place = format!("http://127.0.0.1:{port}");
    let client = Client::new(&place, verifier).unwrap();
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let http = reqwest::Client::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (request, url, bearer) = (Request::new(), format!("{place}/verify"), format!("Bearer {verifier}"));

    let ours = async || {
        for _ in 0..CALLS {
            if !client.verify(text, &request).await.is_allowed() {
                return false;
            }
        }
        true
    };
    let theirs = async || {
        for _ in 0..CALLS {
            let body = json!({"api_key": text}).to_string();
            let sent =
                http.post(&url).header(AUTHORIZATION, &bearer).header(CONTENT_TYPE, "application/json").body(body);
            let answer: Value = serde_json::from_slice(&sent.send().await.unwrap().bytes().await.unwrap()).unwrap();
            if answer["allowed"] != true {
                return false;
            }
        }
        true
    };
    let subjects = [
        Subject::new("`client.verify(text, &request).await`", CALLS, |_| runtime.block_on(ours())),
        Subject::new("the same request by reqwest", CALLS, |_| runtime.block_on(theirs())),
    ];
    race(out, 5, subjects);
}
