//! Events and reports as JavaScript hears them: on its own thread, when that has time for them.

use std::sync::mpsc::channel;
use std::time::Duration;

use keywright::{Event, EventKind};
use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

use crate::call::json;

/// A function of JavaScript that takes the JSON of an event, or a line of a report. It keeps no process alive.
pub(crate) type Heard = ThreadsafeFunction<String, (), String, Status, false, true>;

/// How long one event may keep the next ones waiting. After it they queue up in Node.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hands each event over and waits until it was heard, so that closing an engine waits for the last one.
pub(crate) fn listener(heard: Heard) -> impl Fn(&Event) + Send + Sync {
    move |event| {
        if let Ok(text) = json(event) {
            hand_over(&heard, text);
        }
    }
}

/// Hands each line of a report over, likewise.
pub(crate) fn written(log: Heard) -> impl Fn(EventKind, &str) + Send + Sync {
    move |_, line| hand_over(&log, line.to_owned())
}

fn hand_over(heard: &Heard, text: String) {
    let (reply, done) = channel();
    let tell = move |_: napi::Result<()>, _| {
        let _ = reply.send(());
        Ok(())
    };
    // A thread of JavaScript that has ended drops what it was to tell, and with it the reply.
    let status = heard.call_with_return_value(text, ThreadsafeFunctionCallMode::NonBlocking, tell);
    if status == Status::Ok {
        let _ = done.recv_timeout(PATIENCE);
    }
}
