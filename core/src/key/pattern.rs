use std::str::FromStr;

use crate::error::Error;
use crate::input::chosen;

/// The syntax of a regular expression.
///
/// ```
/// use keywright::PatternSyntax;
///
/// assert_eq!("ere".parse::<PatternSyntax>()?, PatternSyntax::Ere);
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PatternSyntax {
    /// Perl's syntax, which Python, JavaScript, Rust and most secret scanners read. Groups are non-capturing.
    #[default]
    Perl,
    /// POSIX extended regular expressions, the syntax of `grep -E`.
    Ere,
}

impl PatternSyntax {
    /// A group that matches any of the patterns.
    pub(super) fn any_of(self, patterns: &[String]) -> String {
        let open = match self {
            Self::Perl => "(?:",
            Self::Ere => "(",
        };
        format!("{open}{})", patterns.join("|"))
    }
}

impl FromStr for PatternSyntax {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        let all = [("perl", Self::Perl), ("ere", Self::Ere)];
        chosen("syntax", word, "is no syntax of regular expressions", &all)
    }
}
