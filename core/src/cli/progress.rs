//! The progress of a long command, for a person who watches.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use terminal_size::{Width, terminal_size_of};

use super::CommandContext;

/// The time between two lines.
const PAUSE: Duration = Duration::from_millis(500);

/// Moves to the start of the line and clears it.
const CLEAR: &str = "\r\u{1b}[K";

/// Shows how much is done, how fast, and for how long it goes on. It writes to a terminal only. A command whose rows may go to the
/// same terminal calls [`Progress::clear`] before them.
pub(super) struct Progress {
    noun: &'static str,
    is_shown: bool,
    /// Whether the last line is told.
    is_whole: bool,
    began_at: Instant,
    told_at: Option<Instant>,
}

impl Progress {
    pub(super) fn new(noun: &'static str, context: &CommandContext) -> Self {
        let is_shown = !context.global.quiet && std::io::stderr().is_terminal();
        Self { noun, is_shown, is_whole: false, began_at: Instant::now(), told_at: None }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.is_shown && self.told_at.is_some() && !self.is_whole {
            let mut to = std::io::stderr();
            let _ = to.write_all(CLEAR.as_bytes()).and_then(|()| to.flush());
        }
    }

    pub(super) fn tell(&mut self, done: u64, total: u64) {
        let is_due = done == total || self.told_at.is_none_or(|at| at.elapsed() >= PAUSE);
        if !self.is_shown || !is_due || self.is_whole {
            return;
        }
        self.told_at = Some(Instant::now());
        self.is_whole = done == total;
        let line = line(self.noun, done, total, self.began_at.elapsed());
        let line = cut(&line, terminal_size_of(std::io::stderr()).map(|(Width(width), _)| width));
        let end = if done == total { "\n" } else { "" };
        let mut to = std::io::stderr();
        // Nobody is left to tell when the terminal is gone.
        let _ = write!(to, "{CLEAR}{line}{end}").and_then(|()| to.flush());
    }
}

/// The part of a line that fits: one that wraps could not be cleared. A full last column wraps on some terminals.
fn cut(line: &str, width: Option<u16>) -> &str {
    let most = width.map_or(usize::MAX, |width| usize::from(width).saturating_sub(1));
    line.char_indices().nth(most).map_or(line, |(end, _)| line.get(..end).unwrap_or_default())
}

fn line(noun: &str, done: u64, total: u64, took: Duration) -> String {
    let millis = took.as_millis().max(1);
    let rate = u128::from(done) * 1_000 / millis;
    let left = u128::from(total.saturating_sub(done)) * millis / u128::from(done).max(1) / 1_000;
    format!("{done} of {total} {noun}, {rate} a second, {left} s left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_rate_and_rest() {
        assert_eq!(line("rows", 500, 2_000, Duration::from_secs(2)), "500 of 2000 rows, 250 a second, 6 s left");
        assert_eq!(line("rows", 0, 0, Duration::ZERO), "0 of 0 rows, 0 a second, 0 s left");
    }

    #[test]
    fn a_line_is_cut_before_the_last_column() {
        assert_eq!(cut("500 of 2000 rows", Some(9)), "500 of 2");
        assert_eq!(cut("500 of 2000 rows", Some(80)), "500 of 2000 rows");
        assert_eq!(cut("500 of 2000 rows", None), "500 of 2000 rows");
        assert_eq!((cut("500", Some(0)), cut("500", Some(1))), ("", ""));
    }
}
