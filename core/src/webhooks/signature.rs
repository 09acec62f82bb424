//! Signatures of messages, as Standard Webhooks has them.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::hash::hmac_sha256;

/// The start of the text of a secret.
const PREFIX: &str = "whsec_";

/// The lengths that the specification allows, in bytes.
const SHORTEST: usize = 24;
const LONGEST: usize = 64;

/// The secret that an endpoint shares with the engine.
pub(crate) struct SigningSecret(Zeroizing<Vec<u8>>);

impl SigningSecret {
    /// Reads the text of a secret. The error does not show it.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let refused = |reason: &str| {
            let fix = format!("write {PREFIX} and the base64 of {SHORTEST} to {LONGEST} random bytes");
            Error::validation_failed("secret", reason, fix)
        };
        let encoded = text.trim().strip_prefix(PREFIX).ok_or_else(|| refused("does not begin with whsec_"))?;
        let bytes = Base64::decode_vec(encoded).map_err(|_| refused("is no base64 after whsec_"))?;
        let bytes = Zeroizing::new(bytes);
        if !(SHORTEST..=LONGEST).contains(&bytes.len()) {
            return Err(refused("is too short or too long"));
        }
        Ok(Self(bytes))
    }

    fn sign(&self, message: &[u8]) -> String {
        format!("v1,{}", Base64::encode_string(&hmac_sha256(&self.0, message)))
    }
}

/// The value of the header `webhook-signature`: one signature for each secret.
pub(crate) fn sign(secrets: &[SigningSecret], id: &str, timestamp: i64, body: &str) -> String {
    let message = format!("{id}.{timestamp}.{body}");
    secrets.iter().map(|secret| secret.sign(message.as_bytes())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_strictly_and_never_shown() {
        for text in [
            "",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_",
            "whsec_c2hvcnQ=",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
            "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            let refusal = SigningSecret::parse(text).err().unwrap().to_string();
            assert!(refusal.starts_with("secret: ") && !refusal.contains("MfKQ"), "{text} {refusal}");
        }
        assert!(SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").is_ok());
    }

    #[test]
    fn each_secret_signs() {
        let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];
        let secrets: Vec<_> = secrets.iter().map(|text| SigningSecret::parse(text).unwrap()).collect();
        let both = sign(&secrets, "msg_1", 1_700_000_000, "{}");
        let one = sign(&secrets[1..], "msg_1", 1_700_000_000, "{}");
        assert_eq!(both.split(' ').count(), 2);
        assert!(both.ends_with(&one) && one.starts_with("v1,"));
    }
}
