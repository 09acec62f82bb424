//! Endpoints, as a host configures them.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::signature::SigningSecret;
use super::types;
use crate::casing::Casing;
use crate::error::Error;
use crate::hash::hex;
use crate::input::{Fields, Value, meant};
use crate::remote::web_address::WebAddress;

const FIELD: &str = "webhooks";
const MAX_ENDPOINTS: usize = 16;
const MAX_SECRETS: usize = 4;
/// The longest part of a path that is shown.
const LONGEST_WORD: usize = 16;
const HIDDEN: &str = "…";

/// An endpoint that receives events as webhooks, signed as [Standard Webhooks](https://www.standardwebhooks.com) says.
///
/// ```
/// use keywright::{Keywright, Webhook};
/// let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"; // from a secret store
/// let webhook = Webhook::new("https://hooks.example/keys", secret).events(["key.created", "key.revoked"]);
/// assert!(Keywright::builder("sqlite:keys.db").brand("acme").webhook(webhook).check().is_ok());
/// ```
#[derive(Clone)]
#[must_use]
pub struct Webhook {
    url: String,
    secrets: Vec<Zeroizing<String>>,
    events: Option<Vec<String>>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A path may be a secret.
        let origin = WebAddress::parse(FIELD, &self.url).map(|it| it.to_string()).unwrap_or_default();
        out.debug_struct("Webhook").field("origin", &origin).field("events", &self.events).finish_non_exhaustive()
    }
}

impl Webhook {
    /// An endpoint at an `https://` URL, or an `http://` one of this machine. The secret is `whsec_` and the base64 of 24 to 64
    /// random bytes.
    pub fn new(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { url: url.into(), secrets: vec![Zeroizing::new(secret.into())], events: None }
    }

    /// A further secret that signs as well, up to 4 together, so that a receiver can change its own at any time.
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secrets.push(Zeroizing::new(secret.into()));
        self
    }

    /// The types of events to send, such as `key.revoked`. Default: all.
    pub fn events<T: Into<String>>(self, types: impl IntoIterator<Item = T>) -> Self {
        Self { events: Some(types.into_iter().map(Into::into).collect()), ..self }
    }

    /// Reads the endpoints of a configuration: a list of mappings with a URL and a secret.
    pub(crate) fn read(value: Value) -> Result<Vec<Self>, Error> {
        match value.into_argument() {
            Value::List(items) => items.into_iter().map(Self::read_one).collect(),
            other => Err(other.refused(FIELD, "a list of mappings with url and secret")),
        }
    }

    fn read_one(value: Value) -> Result<Self, Error> {
        let inside = |error: Error| error.within(FIELD);
        let entries = match value.into_argument() {
            Value::Map(entries) => entries,
            other => return Err(other.refused(FIELD, "a mapping with url and secret for each endpoint")),
        };
        let mut fields = Fields::new(Casing::Snake, entries).only(&["url", "secret", "events"]).map_err(inside)?;
        let missing = |name: &str, fix: &str| Error::invalid_request(FIELD, format!("{name} is missing"), fix);
        let url = fields.text("url").map_err(inside)?.ok_or_else(|| missing("url", "give the URL of the receiver"))?;
        let secrets = match fields.given("secret") {
            None => return Err(missing("secret", "give whsec_ and the base64 of 24 to 64 random bytes")),
            Some(Value::List(items)) => Value::List(items).into_texts("secret").map_err(inside)?,
            Some(one) => vec![one.into_text("secret").map_err(inside)?],
        };
        let events = fields.given("events").map(|it| it.into_texts("events")).transpose().map_err(inside)?;
        Ok(Self { url, secrets: secrets.into_iter().map(Zeroizing::new).collect(), events })
    }

    fn checked(&self) -> Result<WebhookTarget, Error> {
        let address = address(&self.url)?;
        if !(1..=MAX_SECRETS).contains(&self.secrets.len()) {
            let fix = format!("give 1 to {MAX_SECRETS}; the receiver needs one of them");
            return Err(Error::validation_failed("secret", "is no list of secrets", fix));
        }
        let secrets = self.secrets.iter().map(|text| SigningSecret::parse(text)).collect::<Result<_, _>>()?;
        if let Some(events) = &self.events {
            if events.is_empty() {
                return Err(Error::validation_failed("events", "is an empty list", "leave it out for all types"));
            }
            if let Some(stranger) = events.iter().find(|it| types::all().all(|known| known != *it)) {
                let all = types::all().collect::<Vec<_>>().join(", ");
                let fix = meant(stranger, types::all(), format!("use some of {all}"));
                return Err(Error::validation_failed("events", "holds no type of an event", fix));
            }
        }
        let digest = Sha256::new().chain_update("keywright webhook/v1").chain_update(address.to_string());
        let digest = digest.chain_update(address.target()).finalize();
        let id = format!("we_{}", hex(digest.get(..8).unwrap_or_default()));
        Ok(WebhookTarget { id, secrets, actions: types::actions(self.events.as_deref()), address })
    }
}

/// Reads the URL of an endpoint. The error does not show it.
fn address(url: &str) -> Result<WebAddress, Error> {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        let fix = "leave out what stands before the @: the signature tells the receiver who sends";
        return Err(Error::validation_failed("url", "names a user", fix));
    }
    WebAddress::parse("url", url)
}

/// An endpoint that is ready for use.
pub(crate) struct WebhookTarget {
    /// The name of the endpoint in the database, which all processes derive from the URL.
    pub(crate) id: String,
    pub(crate) address: WebAddress,
    pub(super) secrets: Vec<SigningSecret>,
    /// The actions of the audit that it hears of, separated by spaces.
    pub(crate) actions: String,
}

impl WebhookTarget {
    /// The URL as it may be shown: what may be a secret in it is `…`.
    pub(crate) fn shown_url(&self) -> String {
        let (path, query) =
            self.address.target().split_once('?').map_or((self.address.target(), ""), |(path, _)| (path, "?…"));
        let shown = |part: &str| if is_word(part) { part } else { HIDDEN }.to_owned();
        let parts: Vec<String> = path.split('/').map(shown).collect();
        format!("{}{}{query}", self.address, parts.join("/"))
    }
}

/// Whether a part of a path is a word or a version. Services write their secrets with digits, with capitals or at length.
fn is_word(part: &str) -> bool {
    let is_version = part.strip_prefix('v').is_some_and(|it| it.len() <= 2 && it.bytes().all(|it| it.is_ascii_digit()));
    is_version || part.len() <= LONGEST_WORD && part.bytes().all(|it| it.is_ascii_lowercase() || b"-_.".contains(&it))
}

/// Checks the endpoints of a configuration.
pub(crate) fn check_all(webhooks: &[Webhook]) -> Result<Vec<WebhookTarget>, Error> {
    if webhooks.len() > MAX_ENDPOINTS {
        let reason = format!("has more than {MAX_ENDPOINTS} endpoints");
        return Err(Error::validation_failed(FIELD, reason, "send to one that tells the others"));
    }
    let targets: Vec<WebhookTarget> =
        webhooks.iter().map(Webhook::checked).collect::<Result<_, _>>().map_err(|error: Error| error.within(FIELD))?;
    let is_double = |(place, target): (usize, &WebhookTarget)| targets.iter().take(place).any(|it| it.id == target.id);
    if targets.iter().enumerate().any(is_double) {
        return Err(Error::validation_failed(
            FIELD,
            "names a URL twice",
            "give all its types and secrets at one place",
        ));
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn refused(webhook: Webhook) -> String {
        check_all(&[webhook]).err().unwrap().to_string()
    }

    #[test]
    fn errors_name_the_part_and_show_neither_url_nor_secret() {
        for (webhook, start) in [
            (Webhook::new("https://me:hunter2@hooks.example/", SECRET), "webhooks: url names a user"),
            (Webhook::new("http://hooks.example/hunter2", SECRET), "webhooks: url has no TLS"),
            (Webhook::new("ftp://hooks.example/hunter2", SECRET), "webhooks: url is no address"),
            (Webhook::new("https://hooks.example", "hunter2"), "webhooks: secret does not begin with whsec_"),
            (Webhook::new("https://hooks.example", SECRET).events(["key.revokd"]), "webhooks: events holds no type"),
            (Webhook::new("https://hooks.example", SECRET).events([""; 0]), "webhooks: events is an empty list"),
        ] {
            let refusal = refused(webhook);
            assert!(refusal.starts_with(start) && !refusal.contains("hunter2"), "{refusal}");
        }
        assert!(refused(Webhook::new("https://a.example", SECRET).events(["key.revokd"])).contains("key.revoked?"));
    }

    #[test]
    fn no_part_of_a_url_is_shown_that_may_be_a_secret() {
        let shown = |url: &str| check_all(&[Webhook::new(url, SECRET)]).map(|all| all[0].shown_url());
        for (url, text) in [
            ("https://Hooks.example", "https://hooks.example/"),
            ("https://hooks.example:8443/keys/v1/new.json", "https://hooks.example:8443/keys/v1/new.json"),
            ("https://hooks.example/services/T01AB/B02CD/XyZ", "https://hooks.example/services/…/…/…"),
            ("https://hooks.example/hunter2/?token=hunter2", "https://hooks.example/…/?…"),
            ("https://hooks.example/qwertyuiopasdfghj", "https://hooks.example/…"),
            ("https://hooks.example/v1234/%68/a@b", "https://hooks.example/…/…/…"),
            ("http://[::1]:80/hooks?", "http://[::1]/hooks?…"),
        ] {
            assert_eq!(shown(url).unwrap(), text);
        }
    }

    #[test]
    fn a_url_names_one_endpoint() {
        let ids = |urls: &[&str]| -> Result<Vec<String>, Error> {
            let webhooks: Vec<Webhook> = urls.iter().map(|url| Webhook::new(*url, SECRET)).collect();
            Ok(check_all(&webhooks)?.into_iter().map(|it| it.id).collect())
        };
        let found = ids(&["https://a.example/x", "https://a.example/y", "http://127.0.0.1:1/x"]).unwrap();
        assert!(found[0] != found[1] && found[1] != found[2] && found[0].len() == 19);
        assert_eq!(ids(&["https://A.example:443/x"]).unwrap()[0], found[0]);
        assert!(ids(&["https://a.example", "https://a.example/"]).is_err());
        assert!(ids(&vec!["https://a.example"; 17]).is_err());
    }
}
