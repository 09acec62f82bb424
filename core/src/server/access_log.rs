//! The access log: one line for each request on standard output, without secrets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::settings::LogForm;
use crate::record::wire_time;
use crate::sys;
use crate::worker::Workers;

/// How many lines may wait to be written.
const MOST_WAITING: usize = 4_096;

/// How many lines one write takes at most.
const BATCH: usize = 1_024;

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

/// Lines are written by a thread of their own: a full disk, or a pipe that nobody reads, delays no answer.
pub(super) struct AccessLog {
    form: LogForm,
    writer: Workers<String>,
    /// Lines that could not be written.
    lost: Arc<AtomicU64>,
}

impl AccessLog {
    pub(super) fn new(form: LogForm) -> Self {
        let lost = Arc::new(AtomicU64::new(0));
        let unwritten = Arc::clone(&lost);
        let writer = Workers::batches("keywright-log", MOST_WAITING, BATCH, move |lines: Vec<String>| {
            if sys::write_output(lines.concat().as_bytes()).is_err() {
                unwritten.fetch_add(lines.len() as u64, Ordering::Relaxed);
            }
            std::thread::sleep(PAUSE);
        });
        Self { form, writer, lost }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Whether lines are written at all. If not, nobody has to prepare an entry.
    pub(super) fn is_on(&self) -> bool {
        self.form != LogForm::Off
    }

    pub(super) fn write(&self, entry: &AccessEntry<'_>) {
        if self.writer.push(line(self.form, entry) + "\n").is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns once the lines that wait are written.
    pub(super) async fn finish(&self) {
        self.writer.finish().await;
    }
}

fn line(form: LogForm, entry: &AccessEntry<'_>) -> String {
    let AccessEntry { at, peer, method, path, status, bytes, took, request_id } = entry;
    let (method, path) = (start(method), start(path));
    let (at, millis) = (wire_time(at), took.as_secs_f64() * 1_000.0);
    if form == LogForm::Json {
        let record = json!({
            "at": at,
            "peer": peer,
            "method": method,
            "path": path,
            "status": status,
            "bytes": bytes,
            "milliseconds": (millis * 1_000.0).round() / 1_000.0,
            "request_id": request_id,
        });
        return record.to_string();
    }
    // Quoted, so that no client adds a field or a line.
    format!("{at} {peer} {method:?} {path:?} {status} {bytes} {millis:.3}ms {request_id:?}")
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
        assert_eq!(text, "2026-01-01T00:00:00.000Z unix: \"GET\" \"/a\\n\\\"b\\u{1b}\" 200 3 1.500ms \"r\"");
        let read: serde_json::Value = serde_json::from_str(&line(LogForm::Json, &entry)).unwrap();
        assert_eq!((read["path"].as_str(), read["milliseconds"].as_f64()), (Some(path), Some(1.5)));
    }

    #[test]
    fn long_paths_are_cut_between_characters() {
        let path = "é".repeat(5_000);
        assert_eq!(start(&path), "é".repeat(MOST_SHOWN));
        assert_eq!(start("/a"), "/a");
    }
}
