//! The spelling of names in other languages.

/// The spelling of field names in the caller's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Casing {
    /// `expires_in_days`
    #[default]
    Snake,
    /// `expiresInDays`
    Camel,
}

impl Casing {
    /// Spells a snake_case name in this casing.
    pub(crate) fn spell(self, name: &str) -> String {
        match self {
            Self::Snake => name.to_owned(),
            Self::Camel => {
                let mut words = name.split('_');
                let mut out = words.next().unwrap_or_default().to_owned();
                for word in words {
                    let mut letters = word.chars();
                    out.extend(letters.next().map(|it| it.to_ascii_uppercase()));
                    out.push_str(letters.as_str());
                }
                out
            }
        }
    }
}
