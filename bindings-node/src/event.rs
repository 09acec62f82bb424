//! Delivery of events and reports to JavaScript, on its own thread.

use std::sync::mpsc::channel;
use std::time::Duration;

use keywright::{Event, EventKind};
use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

use crate::call::json;

/// A JavaScript function that takes the JSON of an event or a line of a report. It does not keep the process alive.
pub(crate) type EventCallback = ThreadsafeFunction<String, (), String, Status, false, true>;

/// The longest wait for one callback. After it, the next events queue up in Node.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Returns a listener that waits until the callback has run, so that closing an engine waits for the last event.
pub(crate) fn event_listener(callback: EventCallback) -> impl Fn(&Event) + Send + Sync {
    move |event| {
        if let Ok(text) = json(event) {
            call_and_wait(&callback, text);
        }
    }
}

/// Returns a log function that waits in the same way.
pub(crate) fn log_writer(callback: EventCallback) -> impl Fn(EventKind, &str) + Send + Sync {
    move |_, line| call_and_wait(&callback, line.to_owned())
}

fn call_and_wait(callback: &EventCallback, text: String) {
    let (reply, done) = channel();
    let on_return = move |_: napi::Result<()>, _| {
        let _ = reply.send(());
        Ok(())
    };
    // A JavaScript thread that has ended drops the call, and with it the sender of the reply.
    let status = callback.call_with_return_value(text, ThreadsafeFunctionCallMode::NonBlocking, on_return);
    if status == Status::Ok {
        let _ = done.recv_timeout(TIMEOUT);
    }
}
