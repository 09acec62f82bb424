//! The address of the client of a request, behind proxies.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::Head;
use super::peer::{Peer, UNIX};
use crate::error::Error;
use crate::network;

/// How many hops are followed. Only an attacker writes a longer list.
const MOST_HOPS: usize = 64;

/// The proxies whose `X-Forwarded-For` counts.
#[derive(Debug, Clone, Default)]
pub(super) struct TrustedProxies {
    networks: Vec<IpNet>,
    /// Whether any program that connects to a Unix socket is a trusted proxy.
    unix: bool,
}

/// The source of a client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AddressSource {
    /// The other end of the socket.
    Peer,
    /// The header `X-Forwarded-For` of a trusted proxy.
    Forwarded,
    /// None: the socket has no address, or a trusted proxy wrote a text that is not one.
    Unknown,
}

impl TrustedProxies {
    /// Whether programs on a Unix socket are proxies, which forward the requests of others.
    #[cfg(feature = "cli")]
    pub(super) fn trusts_unix(&self) -> bool {
        self.unix
    }

    pub(super) fn parse(mut texts: Vec<String>) -> Result<Self, Error> {
        let renamed = |error: Error| match error {
            Error::ValidationFailed(wrong) => {
                let fix = format!("{}; {UNIX} is a proxy on a Unix socket", wrong.fix);
                Error::validation_failed("trusted_proxies", wrong.reason, fix)
            }
            other => other,
        };
        let given = texts.len();
        texts.retain(|text| text != UNIX);
        let unix = texts.len() < given;
        Ok(Self { networks: network::stored(&network::parse(texts).map_err(renamed)?).into_vec(), unix })
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The address of the client, and its source. This is the other end of the socket, unless that is a trusted proxy. Then it
    /// is the right-most address in the lines of `X-Forwarded-For` that is not a trusted proxy. A text that cannot be read
    /// ends the search without an address, which no allow list accepts.
    pub(super) fn client_address(&self, head: &Head<'_>) -> (Option<IpAddr>, AddressSource) {
        let mut last = match head.peer {
            Peer::Address(peer) => (Some(peer.to_canonical()), AddressSource::Peer),
            Peer::Unix | Peer::Unknown => (None, AddressSource::Unknown),
        };
        let trusted = match last.0 {
            Some(peer) => self.trusts(peer),
            None => self.unix && head.peer == Peer::Unix,
        };
        if !trusted {
            return last;
        }
        let lines: Vec<&[u8]> = head.values("x-forwarded-for").collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
        for (index, hop) in hops.enumerate() {
            let Some(address) = parse_hop(hop).filter(|_| index < MOST_HOPS) else {
                return (None, AddressSource::Unknown);
            };
            last = (Some(address), AddressSource::Forwarded);
            if !self.trusts(address) {
                break;
            }
        }
        last
    }
}

/// Parses an address as proxies write it: bare, or with a port; an IPv6 address also in brackets.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim_matches([' ', '\t']);
    let bare = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, after) = rest.split_once(']')?;
            let port = after.strip_prefix(':').is_some_and(is_port);
            (after.is_empty() || port).then_some(inside)?.parse::<std::net::Ipv6Addr>().ok()?.into()
        }
        None => match text.split_once(':') {
            Some((four, port)) if !port.contains(':') => {
                is_port(port).then_some(four)?.parse::<std::net::Ipv4Addr>().ok()?.into()
            }
            _ => text.parse::<IpAddr>().ok()?,
        },
    };
    Some(bare.to_canonical())
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn proxies() -> TrustedProxies {
        TrustedProxies::parse(vec!["10.0.0.0/8".into(), "2001:db8:1::/48".into()]).unwrap()
    }

    fn client(peer: Option<&str>, lines: &[&str]) -> Option<String> {
        found(&proxies(), peer, lines)
    }

    fn found(proxies: &TrustedProxies, peer: Option<&str>, lines: &[&str]) -> Option<String> {
        let lines: Vec<(&[u8], &[u8])> = lines.iter().map(|it| (&b"X-Forwarded-For"[..], it.as_bytes())).collect();
        proxies.client_address(&Head::new("GET", "/").peer(peer).headers(&lines)).0.map(|it| it.to_string())
    }

    #[test]
    fn a_proxy_on_a_unix_socket_is_trusted_by_name() {
        let named = |texts: &[&str]| TrustedProxies::parse(texts.iter().map(|it| (*it).to_owned()).collect());
        let (unix, both) = (named(&["unix:"]).unwrap(), named(&["10.0.0.0/8", "unix:"]).unwrap());
        let every = named(&["0.0.0.0/0", "::/0"]).unwrap();
        for (proxies, peer, lines, address) in [
            (&unix, Some("unix:"), &["9.9.9.9, 1.2.3.4"][..], Some("1.2.3.4")),
            (&unix, Some("unix:"), &["1.2.3.4, 10.0.0.2"], Some("10.0.0.2")),
            (&both, Some("unix:"), &["9.9.9.9, 1.2.3.4, 10.0.0.2"], Some("1.2.3.4")),
            (&both, Some("10.0.0.1"), &["1.2.3.4"], Some("1.2.3.4")),
            (&unix, Some("unix:"), &[], None),
            (&unix, Some("unix:"), &["1.2.3.4, unix:"], None),
            (&unix, Some("unix:"), &["1.2.3.4, "], None),
            // Neither an address nor an unknown peer is a Unix socket.
            (&unix, Some("203.0.113.7"), &["1.2.3.4"], Some("203.0.113.7")),
            (&unix, Some("127.0.0.1"), &["1.2.3.4"], Some("127.0.0.1")),
            (&unix, None, &["1.2.3.4"], None),
            (&unix, Some(""), &["1.2.3.4"], None),
            (&unix, Some("unix"), &["1.2.3.4"], None),
            (&unix, Some("/run/app.sock"), &["1.2.3.4"], None),
            (&every, Some("unix:"), &["1.2.3.4"], None),
        ] {
            assert_eq!(found(proxies, peer, lines).as_deref(), address, "{peer:?} {lines:?}");
        }
        for wrong in ["unix", "Unix:", "unix:/run/app.sock", "*"] {
            let fix = match named(&[wrong]) {
                Err(Error::ValidationFailed(wrong)) => wrong.fix,
                other => panic!("{wrong}: {other:?}"),
            };
            assert!(fix.ends_with("; unix: is a proxy on a Unix socket"), "{fix}");
        }
    }

    #[test]
    fn the_right_most_hop_that_is_not_ours() {
        for (peer, lines, address) in [
            ("203.0.113.7", &["1.2.3.4"][..], Some("203.0.113.7")),
            ("10.0.0.1", &[], Some("10.0.0.1")),
            ("10.0.0.1", &["1.2.3.4"], Some("1.2.3.4")),
            ("10.0.0.1", &["9.9.9.9, 1.2.3.4"], Some("1.2.3.4")),
            ("10.0.0.1", &["9.9.9.9, 1.2.3.4, 10.0.0.2"], Some("1.2.3.4")),
            ("10.0.0.1", &["9.9.9.9", "1.2.3.4 , 10.0.0.2"], Some("1.2.3.4")),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], Some("10.0.0.3")),
            ("10.0.0.1", &["1.2.3.4:5678"], Some("1.2.3.4")),
            ("10.0.0.1", &["[2001:db8::7]:443"], Some("2001:db8::7")),
            ("10.0.0.1", &["2001:db8::7"], Some("2001:db8::7")),
            ("10.0.0.1", &["::ffff:1.2.3.4"], Some("1.2.3.4")),
            ("::ffff:10.0.0.1", &["1.2.3.4"], Some("1.2.3.4")),
            ("2001:db8:1::1", &["1.2.3.4"], Some("1.2.3.4")),
            ("10.0.0.1", &["1.2.3.4, "], None),
            ("10.0.0.1", &["1.2.3.4, unknown"], None),
            ("10.0.0.1", &["unknown, 1.2.3.4"], Some("1.2.3.4")),
            ("10.0.0.1", &["fe80::1%eth0"], None),
            ("10.0.0.1", &["01.2.3.4"], None),
            ("10.0.0.1", &["[1.2.3.4]"], None),
            ("10.0.0.1", &["1.2.3.4:"], None),
            ("10.0.0.1", &["1.2.3.4:99999"], None),
            ("10.0.0.1", &["\"1.2.3.4\""], None),
            ("", &["1.2.3.4"], None),
            ("/run/app.sock", &["1.2.3.4"], None),
        ] {
            assert_eq!(client(Some(peer), lines).as_deref(), address, "{peer} {lines:?}");
        }
        assert_eq!(client(None, &["1.2.3.4"]), None);
        assert_eq!(client(Some("10.0.0.1"), &["10.0.0.2,".repeat(70).trim_end_matches(',')]), None);
    }

    proptest! {
        #[test]
        fn what_stands_left_of_the_client_changes_nothing(forged in "[ -~]{0,60}") {
            let line = format!("{forged}, 198.51.100.9, 10.0.0.2");
            let found = client(Some("10.0.0.1"), &[&line]);
            prop_assert_eq!(found.as_deref(), Some("198.51.100.9"));
        }

        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let lines: [(&[u8], &[u8]); 1] = [(b"x-forwarded-for", &bytes)];
            let _ = proxies().client_address(&Head::new("GET", "/").peer("10.0.0.1").headers(&lines));
        }
    }
}
