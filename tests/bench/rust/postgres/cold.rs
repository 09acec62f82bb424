//! Verifications that ask the store, beside its SELECT by tokio-postgres.

use std::fs;
use std::io::stdin;
use std::sync::Arc;

use keywright::Request;
use keywright::blocking::Keywright;
use tokio::runtime::Builder;

use crate::raw::Select;
use crate::timing::{Subject, race};
use crate::{AT_ONCE, Run, config, request, texts, together};

/// How many look-ups each of the callers at once makes in a turn.
const EACH: usize = 4;

/// As many as the engine has by default.
const CONNECTIONS: usize = 4;

/// An engine that has so few keys in memory that each verification asks the store, also when the texts come again.
fn open_cold(run: &Run<'_>, texts: &[String]) -> Keywright {
    Keywright::open(config(run.url).keys_in_memory(texts.len() / 2)).unwrap()
}

pub fn one_at_a_time(run: &Run<'_>, texts: &[String]) {
    let (kw, request) = (open_cold(run, texts), Request::new());
    let select = run.runtime.block_on(Select::new(run.url));
    let own_thread = Builder::new_current_thread().enable_all().build().unwrap();
    let own_select = own_thread.block_on(Select::new(run.url));
    let mut strangers = texts::Texts::new(1);
    let text = |at: usize| texts[at % texts.len()].as_str();
    // Other keys than the engine in the same round, which would have brought their pages into the CPU's caches.
    let other = |at: usize| text(at + texts.len() / 2);
    let subjects = [
        Subject::new("cold verification", 1, |at| kw.verify(text(at), &request).is_allowed()),
        Subject::new("the same SELECT by tokio-postgres", 1, |at| run.runtime.block_on(select.run(other(at)))),
        Subject::new("the same SELECT by tokio-postgres on the caller's own thread", 1, |at| {
            own_thread.block_on(own_select.run(other(at)))
        }),
        Subject::new("well-formed text of no key", 1, |_| {
            !kw.verify(strangers.draw().whole().as_str(), &request).is_allowed()
        }),
    ];
    race(run.out, 400, subjects);
    kw.close();
}

pub fn at_once(run: &Run<'_>, texts: &[String]) {
    let engine = open_cold(run, texts).engine().clone();
    let texts: Arc<[String]> = texts.into();
    let selects: Vec<Arc<Select>> =
        (0..CONNECTIONS).map(|_| Arc::new(run.runtime.block_on(Select::new(run.url)))).collect();
    let place = |turn: usize, task: usize| (turn * AT_ONCE + task) * EACH;
    let ours = |turn: usize| {
        let task = |task: usize| {
            let (engine, texts, request) = (engine.clone(), Arc::clone(&texts), request());
            async move {
                let mut right = true;
                for at in place(turn, task)..place(turn, task) + EACH {
                    right &= engine.verify(texts[at % texts.len()].as_str(), &request).await.is_allowed();
                }
                right
            }
        };
        run.runtime.block_on(together(task))
    };
    let theirs = |turn: usize| {
        let task = |task: usize| {
            let (select, texts) = (Arc::clone(&selects[task % CONNECTIONS]), Arc::clone(&texts));
            async move {
                let mut right = true;
                for at in place(turn, task)..place(turn, task) + EACH {
                    right &= select.run(&texts[(at + texts.len() / 2) % texts.len()]).await;
                }
                right
            }
        };
        run.runtime.block_on(together(task))
    };
    // Opens the connections of the engine.
    assert!(ours(1_000));
    let subjects = [
        Subject::new("cold verification, 64 at once on 4 connections", AT_ONCE * EACH, ours),
        Subject::new("the same SELECT by tokio-postgres, 64 at once on 4 connections", AT_ONCE * EACH, theirs),
    ];
    race(run.out, 3, subjects);
    run.runtime.block_on(engine.close());
}

/// The reference of the other languages: for each line of the standard input it runs the SELECT as often as that says, and
/// answers with a line.
pub fn answer(run: &Run<'_>) {
    let texts = fs::read_to_string(run.data.join("postgres.txt")).unwrap();
    let mut texts = texts.lines().rev().cycle();
    let select = run.runtime.block_on(Select::new(run.url));
    for times in stdin().lines() {
        let times: usize = times.unwrap().parse().unwrap();
        println!("{}", (0..times).all(|_| run.runtime.block_on(select.run(texts.next().unwrap()))));
    }
}
