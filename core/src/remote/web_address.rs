//! The address of a document on the web. It is read strictly, so that each reader of it finds the same server: no user, no
//! fragment, no character that some readers take for another. Without TLS it is an address of this machine.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::url;
use crate::error::Error;

const LONGEST: usize = 2_048;

/// An address of a document, `https://host:port/path?query`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebAddress {
    secure: bool,
    /// In lower case; an address of IPv6 without its brackets.
    host: String,
    port: u16,
    /// The path and the query, which begins with `/`.
    target: String,
}

impl WebAddress {
    /// Reads the address in a field.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, Error> {
        let refused = |reason: &str, fix: &str| Error::validation_failed(field, reason, fix);
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte);
        if text.len() > LONGEST || !text.bytes().all(is_plain) {
            return Err(refused("is no address", "write printable ASCII, with %XX for other characters, and no #"));
        }
        let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(refused("is no address", "write https:// and the host")),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(refused("names a user", "leave out what stands before the @: the document is public"));
        }
        let wrong_host = || refused("names no host", "write a name, or an address like 192.0.2.1 or [2001:db8::1]");
        let (host, port) = url::split_port(authority).map_err(|_| wrong_host())?;
        let port = url::port(port, if secure { 443 } else { 80 })
            .map_err(|_| refused("has a port that is none", "write a number from 1 to 65535"))?;
        let is_host = match authority.starts_with('[') {
            true => host.parse::<Ipv6Addr>().is_ok(),
            false => !host.is_empty() && host.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._".contains(&it)),
        };
        if !is_host {
            return Err(wrong_host());
        }
        let host = host.to_ascii_lowercase();
        if !secure && host != "localhost" && !host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback()) {
            return Err(refused("has no TLS", "write https://; http:// is only for this machine"));
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { secure, host, port, target: format!("{slash}{target}") })
    }

    /// The address of another document of the same server.
    #[cfg(feature = "provider")]
    pub(crate) fn with_target(&self, target: String) -> Self {
        Self { target, ..self.clone() }
    }

    /// Whether another document is on the same server: the same scheme, host and port.
    #[cfg(feature = "provider")]
    pub(crate) fn is_same_server(&self, other: &Self) -> bool {
        (self.secure, &self.host, self.port) == (other.secure, &other.host, other.port)
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The host and the port, as in the header `Host`.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.secure { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
}

/// Shows the server alone: a query may hold a token.
impl fmt::Display for WebAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}", if self.secure { "https" } else { "http" }, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<WebAddress, Error> {
        WebAddress::parse("issuer", text)
    }

    #[test]
    fn addresses_are_read() {
        let read = |text: &str| {
            let it = parse(text).unwrap();
            (it.to_string(), it.host().to_owned(), it.port(), it.target().to_owned())
        };
        let all = |shown: &str, host: &str, port, target: &str| (shown.into(), host.into(), port, target.into());
        assert_eq!(read("https://Login.Example"), all("https://login.example", "login.example", 443, "/"));
        assert_eq!(read("https://a.b:8443/x/y?z=1"), all("https://a.b:8443", "a.b", 8443, "/x/y?z=1"));
        assert_eq!(read("https://a.b?z=1"), all("https://a.b", "a.b", 443, "/?z=1"));
        assert_eq!(read("https://[2001:DB8::1]:443/"), all("https://[2001:db8::1]", "2001:db8::1", 443, "/"));
        assert_eq!(read("http://127.0.0.7:80/a"), all("http://127.0.0.7", "127.0.0.7", 80, "/a"));
        assert_eq!(read("http://[::1]:8080"), all("http://[::1]:8080", "::1", 8080, "/"));
        assert_eq!(read("http://localhost:8080"), all("http://localhost:8080", "localhost", 8080, "/"));
    }

    #[test]
    fn other_texts_are_refused_without_showing_them() {
        for text in [
            "",
            "login.example",
            "HTTPS://login.example",
            "ftp://login.example",
            "file:///etc/passwd",
            "https://",
            "https:///path",
            "https://user:hunter2@login.example",
            "https://login.example:0",
            "https://login.example:65536",
            "https://login.example:x",
            "https://2001:db8::1/",
            "https://[2001:db8::1",
            "https://[login.example]/",
            "https://login.example\\@evil.example/",
            "https://login.example/#a",
            "https://login.example/a b",
            "https://login.exämple",
            "https://login,example",
            "https://%6Cogin.example",
            "http://login.example",
            "http://10.0.0.1",
            "http://localhost.example",
            "http://[2001:db8::1]",
            "http://127.0.0.1.example",
        ] {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.field() == Some("issuer") && !refusal.to_string().contains("hunter2"), "{text} {refusal}");
        }
        assert!(parse(&format!("https://login.example/{}", "a".repeat(3_000))).is_err());
    }

    #[test]
    fn a_server_is_a_scheme_a_host_and_a_port() {
        let same = |one: &str, other: &str| parse(one).unwrap().is_same_server(&parse(other).unwrap());
        assert!(same("https://a.example/x", "https://A.example:443/y?z"));
        assert!(!same("https://a.example", "https://a.example:444"));
        assert!(!same("https://a.example", "https://b.a.example"));
        assert!(!same("https://localhost:80", "http://localhost:80"));
    }
}
