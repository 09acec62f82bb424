//! Signatures of webhooks, for test vectors.

use crate::error::Error;
use crate::webhooks::{SigningSecret, sign};

/// The value of the header `webhook-signature`, with a signature for each secret.
///
/// ```
/// use keywright::testing::webhook_signature;
/// let signed = webhook_signature(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_1", 1_700_000_000, "{}").unwrap();
/// assert!(signed.starts_with("v1,"));
/// ```
///
/// # Errors
/// `validation_failed` for what is no secret.
pub fn webhook_signature(secrets: &[&str], id: &str, timestamp: i64, body: &str) -> Result<String, Error> {
    let secrets = secrets.iter().map(|text| SigningSecret::parse(text)).collect::<Result<Vec<_>, _>>()?;
    Ok(sign(&secrets, id, timestamp, body))
}
