//! The other end of the socket of a request.

use std::net::IpAddr;

/// The text form of a Unix socket, as a peer and among the trusted proxies.
pub(super) const UNIX: &str = "unix:";

/// The other end of the socket of a request.
///
/// ```
/// use keywright::http::Peer;
/// assert_eq!(Peer::from("203.0.113.7"), Peer::Address("203.0.113.7".parse().unwrap()));
/// assert_eq!((Peer::from("unix:"), Peer::from("localhost")), (Peer::Unix, Peer::Unknown));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Peer {
    /// An IP address, without its port.
    Address(IpAddr),
    /// A program on the same machine, over a Unix socket. Bindings and adapters write it `unix:`.
    Unix,
    /// Unknown. It never counts as a Unix socket.
    #[default]
    Unknown,
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl From<&str> for Peer {
    fn from(text: &str) -> Self {
        if text == UNIX { Self::Unix } else { text.parse().map_or(Self::Unknown, Self::Address) }
    }
}

impl<T: Into<Self>> From<Option<T>> for Peer {
    fn from(known: Option<T>) -> Self {
        known.map_or(Self::Unknown, Into::into)
    }
}
