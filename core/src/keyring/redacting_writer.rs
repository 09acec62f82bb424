use std::io::{self, Write};
use std::sync::Arc;

use super::Engine;
use crate::key::{Formats, belongs_to_imported};

/// A writer that masks API keys line by line. Put it between a logger and its output. That of an engine also masks keys that were
/// imported, as [`Keywright::redact`](crate::Keywright::redact) does.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> { pollster::block_on(async {
/// # let folder = tempfile::tempdir()?; let url = format!("sqlite:{}/keys.db", folder.path().display());
/// use std::io::Write;
/// use keywright::{Keywright, NewKey};
/// let kw = Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// let new = kw.keys().create(NewKey::named("CI")).await?;
/// let mut log = Vec::new();
/// writeln!(kw.redacting(&mut log), "got {}", new.api_key.reveal())?;
/// assert_eq!(String::from_utf8(log)?, format!("got {}_[redacted]\n", new.prefix));
/// # kw.close().await; Ok(()) }) }
/// ```
pub struct RedactingWriter<W: Write> {
    mask: Mask,
    line: Vec<u8>,
    to: W,
}

/// The texts that a writer masks.
pub(super) enum Mask {
    /// Those of the formats that are configured.
    Configured(Arc<Formats>),
    /// Those and the imported ones of the database.
    Every(Arc<Engine>),
}

impl Mask {
    fn apply(&self, text: &str) -> String {
        match self {
            Self::Configured(formats) => formats.redact(text),
            Self::Every(engine) => engine.redact(text),
        }
    }
}

impl<W: Write> RedactingWriter<W> {
    pub(super) fn new(mask: Mask, to: W) -> Self {
        Self { mask, line: Vec::new(), to }
    }

    /// Writes the first `length` bytes of the buffer. Bytes that are not UTF-8 cannot be part of a key: they become U+FFFD.
    fn write_out(&mut self, length: usize) -> io::Result<()> {
        let rest = self.line.split_off(length.min(self.line.len()));
        let line = std::mem::replace(&mut self.line, rest);
        self.to.write_all(self.mask.apply(&String::from_utf8_lossy(&line)).as_bytes())
    }
}

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(end) = self.line.iter().rposition(|it| *it == b'\n') {
            self.write_out(end + 1)?;
        }
        Ok(bytes.len())
    }

    /// Writes the buffer up to the last character that cannot be part of a key.
    fn flush(&mut self) -> io::Result<()> {
        // An escaped character of a key can hold %, a backslash and braces, and a key of another product a few more.
        let separates = |byte: &u8| !(belongs_to_imported(char::from(*byte)) || b"%\\{}".contains(byte));
        if let Some(end) = self.line.iter().rposition(separates) {
            self.write_out(end + 1)?;
        }
        self.to.flush()
    }
}

impl<W: Write> Drop for RedactingWriter<W> {
    fn drop(&mut self) {
        let _ = self.write_out(usize::MAX);
        let _ = self.to.flush();
    }
}
