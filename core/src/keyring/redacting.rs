use std::io::{self, Write};

use super::Texts;

/// A writer that masks API keys in what passes through it, line by line: put it between a logger and its output.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> { keywright::wait::block_on(async {
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
pub struct Redacting<W: Write> {
    texts: Texts,
    line: Vec<u8>,
    to: W,
}

impl<W: Write> Redacting<W> {
    pub(super) fn new(texts: Texts, to: W) -> Self {
        Self { texts, line: Vec::new(), to }
    }

    /// Passes on the first `length` bytes. Those that are no text can hold no key, and are shown as such.
    fn pass(&mut self, length: usize) -> io::Result<()> {
        let rest = self.line.split_off(length.min(self.line.len()));
        let line = std::mem::replace(&mut self.line, rest);
        self.to.write_all(self.texts.redact(&String::from_utf8_lossy(&line)).as_bytes())
    }
}

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(end) = self.line.iter().rposition(|it| *it == b'\n') {
            self.pass(end + 1)?;
        }
        Ok(bytes.len())
    }

    /// Holds back what could be the first half of a key.
    fn flush(&mut self) -> io::Result<()> {
        // An escaped character of a key holds % or a backslash, and perhaps braces.
        let separates = |it: &u8| !(it.is_ascii_alphanumeric() || b"_-%\\{}".contains(it));
        if let Some(end) = self.line.iter().rposition(separates) {
            self.pass(end + 1)?;
        }
        self.to.flush()
    }
}

impl<W: Write> Drop for Redacting<W> {
    fn drop(&mut self) {
        let _ = self.pass(usize::MAX);
        let _ = self.to.flush();
    }
}
