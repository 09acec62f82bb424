//! Secrets come on standard input, from a file, or from a prompt that does not show them.

use std::io::{BufRead, ErrorKind, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::exit::{INTERRUPTED, Stop, say};
use crate::sys;

/// The most bytes that a secret may have.
const MOST: u64 = 64 * 1024;

pub(super) const NO_ARGUMENT: &str = "a key is no argument, because the list of processes shows arguments; \
     send it on standard input, as in `printf %s \"$KEY\" | keywright verify`, or give --file FILE";

pub(super) type SecretText = Zeroizing<Vec<u8>>;

/// Reads an API key: from a file, else from standard input, on a terminal by a hidden prompt.
pub(super) fn read_api_key(file: Option<&Path>) -> Result<SecretText, Stop> {
    match file {
        Some(file) => read_file("--file", file),
        None if std::io::stdin().is_terminal() => prompt("API key: "),
        None => read_all(std::io::stdin().lock())
            .map_err(|error| Stop::Failed(format!("standard input cannot be read: {}", sys::reason(&error)))),
    }
}

/// Reads a file that holds one secret, and that `option` names. The line break at its end does not count.
pub(super) fn read_file(option: &str, file: &Path) -> Result<SecretText, Stop> {
    let opened = std::fs::File::open(file).and_then(read_all);
    opened.map_err(|error| Stop::unreadable(option, file, &error))
}

/// The files that others than their owner may use.
pub(super) fn open_to_others(files: &[PathBuf]) -> Vec<&Path> {
    let is_open = |file: &&PathBuf| std::fs::metadata(file).is_ok_and(|file| !sys::is_private(&file));
    files.iter().filter(is_open).map(PathBuf::as_path).collect()
}

fn read_all(from: impl Read) -> std::io::Result<SecretText> {
    let mut text = Zeroizing::new(Vec::new());
    from.take(MOST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MOST {
        return Err(ErrorKind::FileTooLarge.into());
    }
    strip_line_break(&mut text);
    Ok(text)
}

fn strip_line_break(text: &mut Vec<u8>) {
    if text.last() == Some(&b'\n') {
        text.pop();
        if text.last() == Some(&b'\r') {
            text.pop();
        }
    }
}

fn prompt(question: &str) -> Result<SecretText, Stop> {
    let line = sys::without_echo(|| {
        let mut to = std::io::stderr();
        let _ = write!(to, "{question}").and_then(|()| to.flush());
        let line = typed_line(std::io::stdin().lock());
        say("");
        line
    });
    match line.and_then(|line| line) {
        Ok(Some(line)) => Ok(line),
        Ok(None) => Err(Stop::Code(INTERRUPTED)),
        Err(error) if error.kind() == ErrorKind::Unsupported => Err(Stop::Usage(
            "this system has no hidden prompt; send the key on standard input, or give --file FILE".into(),
        )),
        Err(error) => Err(Stop::Failed(format!("the terminal cannot be read: {}", sys::reason(&error)))),
    }
}

/// Reads one line from a terminal that hands on each byte as it is typed. `None` after Ctrl-C.
fn typed_line(from: impl BufRead) -> std::io::Result<Option<SecretText>> {
    const INTERRUPT: u8 = 3;
    const END_OF_INPUT: u8 = 4;
    const CLEAR_LINE: u8 = 21;
    let mut line = Zeroizing::new(Vec::new());
    for byte in from.bytes() {
        match byte? {
            b'\n' | b'\r' | END_OF_INPUT => break,
            INTERRUPT => return Ok(None),
            CLEAR_LINE => line.clear(),
            8 | 127 => drop(line.pop()),
            byte if (line.len() as u64) < MOST => line.push(byte),
            _ => {}
        }
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_does_not_count() {
        for (text, read) in [("a\n", "a"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n"), ("", ""), ("\n", "")] {
            assert_eq!(**read_all(text.as_bytes()).unwrap(), *read.as_bytes());
        }
        assert!(read_all(std::io::repeat(b'a')).is_err());
    }

    #[test]
    fn a_typed_line_can_be_mended_and_given_up() {
        let typed = |keys: &[u8]| typed_line(keys).unwrap().map(|line| line.to_vec());
        assert_eq!(typed(b"abc\x7f\x08d\rrest"), Some(b"ad".to_vec()));
        assert_eq!(typed(b"wrong\x15right\n"), Some(b"right".to_vec()));
        assert_eq!(typed(b"abc\x03"), None);
        assert_eq!(typed(b"abc\x04"), Some(b"abc".to_vec()));
    }
}
