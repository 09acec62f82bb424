//! A tokio runtime with one worker, for test_waiting.py.

use std::io::Write;
use std::thread;

use keywright::{Keywright, NewKey, Request};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// The lines of the standard input.
fn lines() -> UnboundedReceiver<String> {
    let (send, lines) = unbounded_channel();
    thread::spawn(move || std::io::stdin().lines().try_for_each(|line| send.send(line.unwrap())));
    lines
}

async fn serve(url: String, pepper: String) {
    let kw = Keywright::builder(url).brand("liq").pepper(pepper).build().await.unwrap();
    let mut running: Vec<JoinHandle<()>> = Vec::new();
    let mut lines = lines();
    say("ready");
    while let Some(line) = lines.recv().await {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let (kw, rest) = (kw.clone(), rest.to_owned());
        match word {
            "ping" => say("pong"),
            "verify" => running.push(tokio::spawn(async move {
                let decision = kw.verify(&rest, &Request::new()).await;
                say(&format!("verified {}", decision.code().map_or("allowed", |code| code.as_str())));
            })),
            "create" => running.push(tokio::spawn(async move {
                let new = kw.keys().create(NewKey::named(rest)).await.unwrap();
                say(&format!("created {}", new.name));
            })),
            "cancel" => {
                running.iter().for_each(JoinHandle::abort);
                for task in running.drain(..) {
                    let _ = task.await;
                }
                say("cancelled");
            }
            other => panic!("unknown word {other}"),
        }
    }
    kw.close().await;
}

fn main() {
    let [_, url, pepper] = <[String; 3]>::try_from(std::env::args().collect::<Vec<_>>()).unwrap();
    Builder::new_current_thread().enable_all().build().unwrap().block_on(serve(url, pepper));
}
