use std::fmt;
use std::ops::Deref;

use serde::{Serialize, Serializer};

use super::key::Key;

/// The text that is shown in place of an API key.
pub const HIDDEN: &str = "<hidden: send new.reveal() once>";

/// The whole text of a key. `Debug`, `Display` and serde hide it; [`reveal`](Self::reveal) shows it.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// assert!(!format!("{:?}", new.api_key).contains(new.api_key.reveal()));
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(zeroize::Zeroizing<String>);

impl ApiKey {
    pub(crate) fn new(text: String) -> Self {
        Self(zeroize::Zeroizing::new(text))
    }

    /// Returns the text, for the one response that shows it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(HIDDEN)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(HIDDEN)
    }
}

impl Serialize for ApiKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(HIDDEN)
    }
}

/// A key that was just created or rotated, with the only copy of its text. It dereferences to its [`Key`].
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// let shown = serde_json::to_string(&new.reveal()).unwrap();
/// assert!(shown.contains(new.api_key.reveal()) && !serde_json::to_string(&new).unwrap().contains(new.api_key.reveal()));
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IssuedKey {
    /// The record.
    #[serde(flatten)]
    pub key: Key,
    /// The text, hidden from logs and JSON.
    pub api_key: ApiKey,
}

impl IssuedKey {
    /// Returns the plain record with the text in it, for the one response that shows it.
    #[must_use]
    pub fn reveal(&self) -> Revealed<'_> {
        Revealed { key: &self.key, api_key: self.api_key.reveal() }
    }
}

impl Deref for IssuedKey {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.key
    }
}

/// An [`IssuedKey`] whose serde form shows the text.
#[derive(Clone, PartialEq, Serialize)]
pub struct Revealed<'a> {
    /// The record.
    #[serde(flatten)]
    pub key: &'a Key,
    /// The text.
    pub api_key: &'a str,
}

impl fmt::Debug for Revealed<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Revealed").field("key", self.key).field("api_key", &HIDDEN).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_key_hides_in_debug_display_and_json() {
        let secret = ApiKey::new("liq_live_abc_secret".into());
        for shown in [format!("{secret:?}"), format!("{secret}"), serde_json::to_string(&secret).unwrap()] {
            assert!(shown.contains("hidden") && !shown.contains("secret\""), "{shown}");
        }
        assert_eq!(secret.reveal(), "liq_live_abc_secret");
    }
}
