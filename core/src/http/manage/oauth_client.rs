//! OAuth clients that introspect tokens: the client secret is a key, and the client id is its id or prefix (RFC 6749,
//! section 2.3.1).

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::{Head, query};
use crate::decision::Allowed;
use crate::http::refusal::Refusal;

/// The credentials of an OAuth client, not yet verified.
pub(super) struct OAuthClient {
    id: String,
    pub(super) secret: Zeroizing<String>,
    is_basic: bool,
}

impl OAuthClient {
    /// Reads the credentials from `Authorization: Basic` or from a form; `None` if there is no client secret.
    pub(super) fn read(head: &Head<'_>, form: &[u8]) -> Result<Option<Self>, Refusal> {
        match (Self::from_basic(head)?, Self::from_form(form)?) {
            (Some(_), Some(_)) => Err(multiple_credentials()),
            (basic, form) => Ok(basic.or(form)),
        }
    }

    /// The verified key of the client, which has this prefix. A refusal names the scheme that the client uses (section 5.2).
    pub(super) fn authenticate(
        &self,
        key: Result<Allowed, Refusal>,
        prefix: Option<String>,
    ) -> Result<Allowed, Refusal> {
        let is_own = |key: &Allowed| self.id == key.key().id.to_string() || prefix.as_ref() == Some(&self.id);
        let key = key.and_then(|key| if is_own(&key) { Ok(key) } else { Err(Refusal::invalid_client()) });
        key.map_err(|refusal| if self.is_basic { refusal.for_basic() } else { refusal })
    }

    fn from_basic(head: &Head<'_>) -> Result<Option<Self>, Refusal> {
        let Some((scheme, encoded)) = head.single("authorization").and_then(|value| value.split_at_checked(6)) else {
            return Ok(None);
        };
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return Ok(None);
        }
        let read = || {
            let text = Zeroizing::new(Base64::decode_vec(std::str::from_utf8(encoded.trim_ascii()).ok()?).ok()?);
            let (id, secret) = std::str::from_utf8(&text).ok()?.split_once(':')?;
            Some(Self { id: query::decode(id)?, secret: Zeroizing::new(query::decode(secret)?), is_basic: true })
        };
        let broken = "The header Authorization holds no id and secret of a client";
        read().map(Some).ok_or_else(|| Refusal::invalid_request(broken))
    }

    fn from_form(form: &[u8]) -> Result<Option<Self>, Refusal> {
        let (mut id, mut secret) = (None, None);
        for (name, value) in query::pairs("body", form)? {
            // A parameter without a value counts as absent (RFC 6749, section 3.2).
            if value.is_empty() {
                continue;
            }
            let known = match name.as_str() {
                "client_id" => id.replace(value),
                "client_secret" => secret.replace(value),
                _ => None,
            };
            if known.is_some() {
                return Err(Refusal::invalid_request(format!("{name} is given twice; give it once")));
            }
        }
        let Some(secret) = secret.map(Zeroizing::new) else { return Ok(None) };
        let id = id.ok_or_else(|| Refusal::invalid_request("client_id is missing; send it beside client_secret"))?;
        Ok(Some(Self { id, secret, is_basic: false }))
    }
}

/// Refuses a client that authenticates in several ways.
pub(super) fn multiple_credentials() -> Refusal {
    Refusal::invalid_request("The request holds more than one credential; send one")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(authorization: &str, form: &str) -> Result<Option<(String, String)>, u16> {
        let lines: [(&[u8], &[u8]); 1] = [(b"authorization", authorization.as_bytes())];
        let client = OAuthClient::read(&Head::new("POST", "/introspect").headers(&lines), form.as_bytes());
        client.map(|found| found.map(|client| (client.id, client.secret.to_string()))).map_err(|refusal| refusal.status)
    }

    #[test]
    fn a_client_authenticates_in_one_way() {
        let client = Ok(Some(("an id".to_owned(), "a:secret".to_owned())));
        let basic = format!("basic {}", Base64::encode_string(b"an+id:a%3Asecret"));
        assert_eq!(found(&basic, "token=x"), client);
        assert_eq!(found(&format!("Basic  {}", Base64::encode_string(b"an%20id:a:secret")), ""), client);
        assert_eq!(found("Bearer x", "token=x&client_id=an+id&client_secret=a%3Asecret"), client);
        assert_eq!(found("", "token=x&client_id=alone"), Ok(None));
        assert_eq!(found(&basic, "client_id=an+id"), client);
        assert_eq!(found(&basic, "client_id=&client_secret="), client);
        assert_eq!(found("Bearer x", "client_secret="), Ok(None));
        for (authorization, form) in [
            (basic.as_str(), "client_id=x&client_secret=y"),
            ("", "client_secret=alone"),
            ("", "client_id=x&client_id=x&client_secret=y"),
            ("", "client_id=x&client_secret=y&client_secret=y"),
            ("Basic", "client_secret=%ff"),
            ("Basic x", ""),
            ("Basic eA==", ""),
            ("Basic /zo=", ""),
        ] {
            assert_eq!(found(authorization, form), Err(400), "{authorization} {form}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(authorization in proptest::collection::vec(any::<u8>(), 0..80), form in proptest::collection::vec(any::<u8>(), 0..80)) {
            let lines: [(&[u8], &[u8]); 1] = [(b"authorization", &authorization)];
            let _ = OAuthClient::read(&Head::new("POST", "/introspect").headers(&lines), &form);
        }
    }
}
