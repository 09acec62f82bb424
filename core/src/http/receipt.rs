//! The receipt by which an inner guard knows what an outer guard has already counted, and its text form.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::decision::PriorVerification;
use crate::error::Error;
use crate::input::identifier;

/// The longest id of a request.
const LONGEST_ID: usize = 128;

/// Receipt of a verification by an outer guard, for an inner guard of the same request; see
/// [`Head::earlier`](super::Head::earlier).
///
/// The inner guard counts the request no second time, and charges each limit only for a cost that exceeds the first. It
/// judges its own needs anew.
///
/// # Text form
///
/// Hosts that cannot hold a Rust value, such as the adapters of Node, carry the receipt as text ([`Display`](fmt::Display)
/// and [`FromStr`]). It is valid only in the process that wrote it, and is no credential: a false one spares nothing. The
/// words are separated by one space each:
///
/// ```text
/// receipt    = revision " " request-id [" " charges " " agent " " once]
/// revision   = 1*DIGIT                   ; of the key as it was verified, 0 without a key
/// request-id = 1*128(ALPHA / DIGIT / "." / "_" / "-")
/// charges    = [charge *("," charge)]
/// charge     = 1*DIGIT ":" 1*DIGIT       ; the position of a limit, and the cost that it was charged
/// agent      = [1*128(ALPHA / DIGIT / "." / "_" / "-" / ":")]
/// once       = ["once"]                  ; an outer guard handles the idempotency key
/// ```
///
/// The last three words are absent if all three are empty. The first two are always there, so that a host can look a key up
/// by its revision without another call.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// use keywright::http::{Config, Head, Needs, Outcome, VerificationReceipt};
/// let http = kw.http(Config::new())?;
/// let headers: [(&[u8], &[u8]); 1] = [(b"api-key", new.api_key.reveal().as_bytes())];
/// let head = Head::new("GET", "/v1/deals").headers(&headers);
/// let Outcome::Allowed(context) = http.authenticate(&head, None).await else { panic!("it is a valid key") };
/// let text = context.earlier().to_string();
/// let (earlier, needs) = (text.parse::<VerificationReceipt>()?, Needs::key().scopes("deals:write")?);
/// let Outcome::Refused(response) = http.authenticate(&head.earlier(Some(&earlier)), Some(&needs)).await else { panic!() };
/// assert_eq!((response.status, response.header("x-request-id")), (403, Some(&*context.request_id)));
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationReceipt {
    pub(super) request_id: Cow<'static, str>,
    pub(super) prior: PriorVerification,
    /// Whether an outer guard handles the idempotency key.
    pub(super) once: bool,
}

impl VerificationReceipt {
    /// The revision of the key as it was verified, unique in this process; 0 without a key.
    #[must_use]
    pub fn key_revision(&self) -> u64 {
        self.prior.key_revision
    }

    /// The id of the request.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The agent on whose behalf the request was counted.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        self.prior.agent.as_deref()
    }

    /// The charges: the position of a limit in the process, and the cost that it was charged.
    pub fn charges(&self) -> impl Iterator<Item = (u32, u32)> {
        self.prior.charged.iter().copied()
    }

    /// Whether an outer guard handles the idempotency key of the request.
    #[must_use]
    pub fn is_once(&self) -> bool {
        self.once
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let key_revision = words.next()?.parse().ok()?;
        let request_id = words.next().filter(|id| is_request_id(id.as_bytes()))?.to_owned().into();
        let mut prior = PriorVerification { key_revision, ..PriorVerification::default() };
        let mut once = false;
        if let Some(charges) = words.next() {
            let charge = |pair: &str| {
                let (position, cost) = pair.split_once(':')?;
                Some((position.parse().ok()?, cost.parse().ok()?))
            };
            let charges = charges.split(',').filter(|_| !charges.is_empty());
            prior.charged = charges.map(charge).collect::<Option<_>>()?;
            let agent = words.next()?;
            if !agent.is_empty() {
                identifier("agent", agent, "").ok()?;
                prior.agent = Some(agent.into());
            }
            once = match words.next()? {
                "once" => true,
                "" => false,
                _ => return None,
            };
        }
        words.next().is_none().then_some(Self { request_id, prior, once })
    }
}

impl fmt::Display for VerificationReceipt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PriorVerification { key_revision, agent, charged } = &self.prior;
        write!(out, "{key_revision} {}", self.request_id)?;
        if charged.is_empty() && agent.is_none() && !self.once {
            return Ok(());
        }
        out.write_str(" ")?;
        for (index, (position, cost)) in charged.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{position}:{cost}")?;
        }
        let once = if self.once { "once" } else { "" };
        write!(out, " {} {once}", agent.as_deref().unwrap_or_default())
    }
}

impl FromStr for VerificationReceipt {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let reason = "is not a receipt of a guard";
        Self::parse(text)
            .ok_or_else(|| Error::invalid_request("earlier", reason, "hand on what the outer guard returned"))
    }
}

/// Whether a text can be the id of a request, which is harmless in headers and logs.
pub(super) fn is_request_id(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=LONGEST_ID).contains(&text.len()) && text.iter().all(is_plain)
}
