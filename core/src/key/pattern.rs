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
    /// That of Perl, which Python, JavaScript, Rust and most secret scanners read. Groups capture nothing.
    #[default]
    Perl,
    /// POSIX extended regular expressions, as `grep -E` reads them.
    Ere,
}

impl PatternSyntax {
    /// A group that matches any of some patterns.
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
