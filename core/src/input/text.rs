use crate::error::Error;

/// Checks a name, reason or actor: one line of 1 to `most` characters without control characters.
pub(crate) fn plain(field: &str, text: &str, most: usize) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(Error::validation_failed(field, "is empty", format!("give 1 to {most} characters")));
    }
    if text.chars().count() > most {
        return Err(Error::validation_failed(field, format!("is longer than {most} characters"), "shorten it"));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::validation_failed(
            field,
            "holds a control character",
            "remove line breaks, tabs, NUL and escapes",
        ));
    }
    Ok(())
}

/// Checks text of several lines: up to `most` characters, without control characters except line breaks.
pub(crate) fn prose(field: &str, text: &str, most: usize) -> Result<(), Error> {
    if text.chars().count() > most {
        return Err(Error::validation_failed(field, format!("is longer than {most} characters"), "shorten it"));
    }
    let mut lines = text.split("\r\n").flat_map(|line| line.split('\n'));
    if lines.any(|line| line.chars().any(char::is_control)) {
        let fix = "remove tabs, NUL and escapes; a line ends with LF or CRLF";
        return Err(Error::validation_failed(field, "holds a control character", fix));
    }
    Ok(())
}

/// Checks the id of an org or an agent, which the host chooses.
pub(crate) fn identifier(field: &str, id: &str, reason: &str) -> Result<(), Error> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.' | b':' | b'-');
    if (1..=128).contains(&id.len()) && id.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::validation_failed(field, reason, "use 1 to 128 of A-Z, a-z, 0-9, _ . : and -"))
}
