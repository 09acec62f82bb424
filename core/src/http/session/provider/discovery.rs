//! Discovery: the document in which an identity provider tells where its keys are (OpenID Connect Discovery 1.0, section 4;
//! RFC 8414, section 3).

use serde::Deserialize;

use crate::error::Error;
use crate::remote::web_address::WebAddress;

/// An identity provider, named by its issuer.
#[derive(Debug, Clone)]
pub(super) struct Issuer {
    /// As the host wrote it, because tokens and documents must name it letter for letter.
    name: String,
    address: WebAddress,
}

#[derive(Deserialize)]
struct ProviderMetadata {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    pub(super) fn parse(name: &str) -> Result<Self, Error> {
        let address = WebAddress::parse("issuer", name)?;
        if name.contains('?') {
            let fix = "give the issuer as its tokens name it in iss; if that has a query, give jwks_url beside it";
            return Err(Error::validation_failed("issuer", "has a query, which no issuer with discovery has", fix));
        }
        Ok(Self { name: name.to_owned(), address })
    }

    pub(super) fn address(&self) -> &WebAddress {
        &self.address
    }

    /// The places of the document, in the order in which they are tried.
    pub(super) fn places(&self) -> [WebAddress; 2] {
        let target = self.address.target();
        let path = target.strip_suffix('/').unwrap_or(target);
        [
            self.address.with_target(format!("{path}/.well-known/openid-configuration")),
            self.address.with_target(format!("/.well-known/oauth-authorization-server{path}")),
        ]
    }

    /// The address of the keys that the document names. A provider may send its clients nowhere but to itself.
    pub(super) fn keys_address(&self, document: &[u8]) -> Result<WebAddress, Error> {
        let refused = |reason: &str, fix: &str| Error::validation_failed("issuer", reason, fix);
        let metadata: ProviderMetadata = serde_json::from_slice(document).map_err(|_| {
            refused("has a document of discovery without issuer or jwks_uri", "name the issuer as the provider does")
        })?;
        if metadata.issuer != self.name {
            let fix = "write it letter for letter as the document of discovery does, with or without the last /";
            return Err(refused("is not the one that its document of discovery names", fix));
        }
        let fix = "if that is right, give the address as jwks_url beside the issuer";
        let address = WebAddress::parse("issuer", &metadata.jwks_uri)
            .map_err(|_| refused("names an address of keys that cannot be used", fix))?;
        if !self.address.is_same_server(&address) {
            return Err(refused("keeps its keys on another server", fix));
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_below_the_issuer_or_at_the_place_of_rfc_8414() {
        let places = |name: &str| Issuer::parse(name).unwrap().places().map(|it| it.target().to_owned());
        for name in ["https://login.example", "https://login.example/"] {
            let wanted = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];
            assert_eq!(places(name), wanted, "{name}");
        }
        for name in ["https://login.example/realms/a", "https://login.example/realms/a/"] {
            let wanted =
                ["/realms/a/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/realms/a"];
            assert_eq!(places(name), wanted, "{name}");
        }
        assert!(Issuer::parse("https://login.example/?tenant=a").is_err());
    }

    #[test]
    fn a_document_counts_only_for_its_own_issuer_and_its_own_server() {
        let issuer = Issuer::parse("https://login.example/a").unwrap();
        let keys = |issuer_name: &str, keys: &str| {
            let document = serde_json::json!({"issuer": issuer_name, "jwks_uri": keys, "other": [1]}).to_string();
            issuer.keys_address(document.as_bytes()).map(|it| it.target().to_owned())
        };
        assert_eq!(keys("https://login.example/a", "https://LOGIN.example:443/k?v=1"), Ok("/k?v=1".to_owned()));
        for (name, address) in [
            ("https://login.example/a/", "https://login.example/k"),
            ("https://login.example", "https://login.example/k"),
            ("https://LOGIN.example/a", "https://login.example/k"),
            ("https://login.example/a", "https://keys.login.example/k"),
            ("https://login.example/a", "https://login.example:444/k"),
            ("https://login.example/a", "http://login.example/k"),
            ("https://login.example/a", "http://localhost/k"),
            ("https://login.example/a", "https://login.example@evil.example/k"),
            ("https://login.example/a", "/k"),
            ("https://login.example/a", ""),
        ] {
            let refusal = keys(name, address).unwrap_err().to_string();
            assert!(refusal.starts_with("issuer: ") && !refusal.contains("evil"), "{name} {address}: {refusal}");
        }
        for document in ["", "[]", "{}", r#"{"issuer": "https://login.example/a"}"#, r#"{"issuer": 1, "jwks_uri": 2}"#]
        {
            assert!(issuer.keys_address(document.as_bytes()).is_err(), "{document}");
        }
        // Two readers of such a document would find two addresses.
        let twice = r#"{"issuer": "https://login.example/a", "jwks_uri": "https://login.example/1", "jwks_uri": "https://login.example/2"}"#;
        assert!(issuer.keys_address(twice.as_bytes()).is_err());
    }
}
