//! Allow lists: the networks from which a key may be used.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::error::Error;

const MAX_ENTRIES: usize = 100;

/// Reads an allow list into canonical text: sorted, without duplicates, IPv4-mapped networks as IPv4.
pub(crate) fn parse(texts: Vec<String>) -> Result<Vec<String>, Error> {
    if texts.len() > MAX_ENTRIES {
        return Err(Error::validation_failed(
            "networks",
            format!("has more than {MAX_ENTRIES} entries"),
            "join networks into larger ones",
        ));
    }
    let mut nets = texts.iter().map(|it| parse_one(it)).collect::<Result<Vec<_>, _>>()?;
    nets.sort();
    nets.dedup();
    Ok(nets.iter().map(ToString::to_string).collect())
}

/// Parses an address, or an address with the length of its prefix. It refuses numbers with leading zeros, because some
/// programs read them as octal (CVE-2021-29922).
fn parse_strict(text: &str) -> Option<IpNet> {
    let Some((address, length)) = text.split_once('/') else {
        return text.parse::<IpAddr>().ok().map(IpNet::from);
    };
    let is_plain = length.bytes().all(|byte| byte.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    let length = length.parse().ok().filter(|_| is_plain)?;
    IpNet::new(address.parse().ok()?, length).ok()
}

fn parse_one(text: &str) -> Result<IpNet, Error> {
    let Some(net) = parse_strict(text) else {
        return Err(Error::validation_failed(
            "networks",
            "holds an entry that is no address or network",
            "write entries like 203.0.113.0/24, 203.0.113.7 or 2001:db8::/32",
        ));
    };
    if net.addr() != net.network() {
        let fix = format!("write {} for the network, or leave the prefix out for one address", net.trunc());
        return Err(Error::validation_failed("networks", "holds a network with host bits set", fix));
    }
    Ok(canonical_net(net))
}

/// Only the IPv4-mapped form (RFC 4291, section 2.5.5.2) is equal to an IPv4 network. The translated and the compatible form
/// are not.
fn canonical_net(net: IpNet) -> IpNet {
    let IpNet::V6(six) = net else { return net };
    match (six.addr().to_ipv4_mapped(), six.prefix_len().checked_sub(96)) {
        (Some(four), Some(length)) => IpNet::new(four.into(), length).unwrap_or(net),
        _ => net,
    }
}

/// Parses a stored allow list. An entry that no release wrote allows nobody.
pub(crate) fn stored(texts: &[String]) -> Box<[IpNet]> {
    texts.iter().filter_map(|it| it.parse().ok()).collect()
}

/// Whether `networks` allow an address. Networks allow no request without an address.
pub(crate) fn allows(networks: Option<&[IpNet]>, address: Option<IpAddr>) -> bool {
    let Some(networks) = networks else { return true };
    let Some(address) = address.map(|it| it.to_canonical()) else { return false };
    networks.iter().any(|it| it.contains(&address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(texts: &[&str]) -> Vec<String> {
        parse(texts.iter().map(|it| (*it).to_owned()).collect()).unwrap()
    }

    #[test]
    fn lists_are_canonical() {
        assert_eq!(list(&["10.0.0.7", "::ffff:10.0.0.0/104", "10.0.0.7/32"]), ["10.0.0.0/8", "10.0.0.7/32"]);
    }

    #[test]
    fn strict_reading() {
        for bad in [
            "10.0.0.1/8",
            "010.0.0.1",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0.0.0/8/8",
            "010.0.0.0/8",
            "10.00.0.0/8",
            "2001:db8::/032",
            "::ffff:010.0.0.0/104",
            "0/0",
            "10.0.0",
            "example.org",
            "",
            "10.0.0.0/8 ",
            "fe80::1%eth0",
            "0x7f.1",
        ] {
            assert!(parse(vec![bad.into()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_mapped_addresses_equal_ipv4() {
        let ten = stored(&list(&["10.0.0.0/8"]));
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("::ffff:10.0.0.1", true),
            ("::ffff:a00:1", true),
            ("::10.0.0.1", false),
            ("64:ff9b::a00:1", false),
            ("11.0.0.1", false),
            ("10.0.0.1:80", false),
            ("", false),
        ] {
            assert_eq!(allows(Some(&ten), address.parse().ok()), allowed, "{address}");
        }
        assert!(!allows(Some(&ten), None) && !allows(Some(&[]), "10.0.0.1".parse().ok()) && allows(None, None));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-fA-F:./% ]{0,24}|\\PC{0,12}", address in any::<[u8; 4]>()) {
            if let Ok(read) = parse(vec![text]) {
                prop_assert_eq!(parse(read.clone()), Ok(read.clone()));
                let net = stored(&read);
                prop_assert_eq!(net.len(), 1);
                prop_assert!(allows(Some(&net), Some(net[0].network())) && allows(Some(&net), Some(net[0].broadcast())));
                prop_assert_eq!(allows(Some(&net), Some(address.into())), net[0].contains(&IpAddr::from(address)));
            }
        }
    }
}
