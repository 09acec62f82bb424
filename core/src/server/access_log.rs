//! The access log: one line for each request on standard output, without secrets.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::settings::LogForm;
use crate::fork::lock;
use crate::record::wire_time;
use crate::sys;
use crate::worker::Workers;

/// How many bytes of lines may wait to be written.
const MOST_WAITING: usize = 1 << 20;

/// How many jobs may wait. One is enough for all lines, but threads that are interrupted may each add another.
const MOST_JOBS: usize = 4_096;

/// How many characters of a method or a path a line shows. A client may send thousands.
const MOST_SHOWN: usize = 1_024;

/// The pause between two writes. Lines gather meanwhile, and no request has to wake the thread that writes them.
const PAUSE: Duration = Duration::from_millis(2);

/// A request as the log tells of it. The target is without its query, and keys in it are masked.
pub(super) struct AccessEntry<'a> {
    pub(super) at: DateTime<Utc>,
    pub(super) peer: &'a str,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) status: u16,
    pub(super) bytes: usize,
    pub(super) took: Duration,
    pub(super) request_id: &'a str,
}

/// An entry as one line of JSON.
#[derive(Serialize)]
struct JsonLine<'a> {
    at: String,
    peer: &'a str,
    method: &'a str,
    path: &'a str,
    status: u16,
    bytes: usize,
    milliseconds: f64,
    request_id: &'a str,
}

/// Lines are written by a thread of their own: a full disk, or a pipe that nobody reads, delays no answer.
pub(super) struct AccessLog {
    form: LogForm,
    lines: Arc<WaitingLines>,
    /// Its jobs write all lines that wait, those that wait together at once.
    writer: Workers<()>,
}

#[derive(Default)]
struct WaitingLines {
    text: Mutex<Vec<u8>>,
    /// Lines that could not be written.
    lost: AtomicU64,
    /// Whether a part of a line was written last, as on a full disk. The next line shall not continue it.
    is_cut: AtomicBool,
}

impl WaitingLines {
    /// Takes the lines, and leaves room for as many.
    fn take(&self) -> Vec<u8> {
        let mut text = lock(&self.text);
        let room = Vec::with_capacity(text.len());
        std::mem::replace(&mut text, room)
    }

    /// Writes lines to standard output. Only the thread of the log calls this.
    fn write(&self, lines: &[u8]) {
        let is_cut = &self.is_cut;
        if is_cut.load(Ordering::Relaxed) && sys::write_output(&mut b"\n".as_slice()).is_err() {
            return self.lose(lines);
        }
        let mut rest = lines;
        let written = sys::write_output(&mut rest);
        let count = lines.len().saturating_sub(rest.len());
        let last = lines.get(..count).and_then(|written| written.last());
        is_cut.store(last.is_some_and(|byte| *byte != b'\n'), Ordering::Relaxed);
        if written.is_err() {
            self.lose(rest);
        }
    }

    fn lose(&self, lines: &[u8]) {
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        self.lost.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl AccessLog {
    pub(super) fn new(form: LogForm) -> Self {
        let lines = Arc::<WaitingLines>::default();
        let waiting = Arc::clone(&lines);
        let writer = Workers::batches("keywright-log", MOST_JOBS, MOST_JOBS, move |_| {
            waiting.write(&waiting.take());
            std::thread::sleep(PAUSE);
        });
        Self { form, lines, writer }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lines.lost.load(Ordering::Relaxed)
    }

    /// Whether lines are written at all. If not, nobody has to prepare an entry.
    pub(super) fn is_on(&self) -> bool {
        self.form != LogForm::Off
    }

    pub(super) fn write(&self, entry: &AccessEntry<'_>) {
        let line = line(self.form, entry);
        let mut text = lock(&self.lines.text);
        if text.len() + line.len() > MOST_WAITING {
            drop(text);
            return self.lines.lose(&line);
        }
        let is_first = text.is_empty();
        text.extend_from_slice(&line);
        drop(text);
        // Later lines wait for the same job. Without a thread nobody would ever take them.
        if is_first && self.writer.push(()).is_err() {
            self.lines.lose(&self.lines.take());
        }
    }

    /// Returns once the lines that wait are written.
    pub(super) async fn finish(&self) {
        self.writer.finish().await;
    }
}

fn line(form: LogForm, entry: &AccessEntry<'_>) -> Vec<u8> {
    let AccessEntry { at, peer, method, path, status, bytes, took, request_id } = entry;
    let (method, path) = (start(method), start(path));
    let (at, millis) = (wire_time(at), took.as_secs_f64() * 1_000.0);
    let mut line = Vec::with_capacity(256);
    // Writing to memory cannot fail.
    if form == LogForm::Json {
        let milliseconds = (millis * 1_000.0).round() / 1_000.0;
        let record = JsonLine { at, peer, method, path, status: *status, bytes: *bytes, milliseconds, request_id };
        let _ = serde_json::to_writer(&mut line, &record);
        line.push(b'\n');
    } else {
        // Quoted, so that no client adds a field or a line.
        let _ = writeln!(line, "{at} {peer} {method:?} {path:?} {status} {bytes} {millis:.3}ms {request_id:?}");
    }
    line
}

fn start(text: &str) -> &str {
    text.char_indices().nth(MOST_SHOWN).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_adds_a_line_or_a_field() {
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        let (took, path) = (Duration::from_micros(1_500), "/a\n\"b\u{1b}");
        let entry =
            AccessEntry { at, peer: "unix:", method: "GET", path, status: 200, bytes: 3, took, request_id: "r" };
        let text = line(LogForm::Text, &entry);
        assert_eq!(
            str::from_utf8(&text),
            Ok("2026-01-01T00:00:00.000Z unix: \"GET\" \"/a\\n\\\"b\\u{1b}\" 200 3 1.500ms \"r\"\n")
        );
        let read: serde_json::Value = serde_json::from_slice(&line(LogForm::Json, &entry)).unwrap();
        assert_eq!((read["path"].as_str(), read["milliseconds"].as_f64()), (Some(path), Some(1.5)));
    }

    #[test]
    fn long_paths_are_cut_between_characters() {
        let path = "é".repeat(5_000);
        assert_eq!(start(&path), "é".repeat(MOST_SHOWN));
        assert_eq!(start("/a"), "/a");
    }
}
