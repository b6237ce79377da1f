//! Which addresses members can be dialled at.
//!
//! A genesis can't be changed afterwards, so addresses are checked before it is made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::codec::Text;

/// Why other members can't dial an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undialable {
    /// Not a multiaddress of a kind that nodes use.
    #[error("`{}`: not an address that a node can use", address.escape_debug())]
    Form {
        /// The text.
        address: String,
    },
    /// All interfaces of a machine: an address to listen on.
    #[error("`{address}`: stands for all addresses of a machine")]
    Unspecified {
        /// The address.
        address: String,
    },
    /// Port 0: any free port of the one who listens.
    #[error("`{address}`: port 0")]
    NoPort {
        /// The address.
        address: String,
    },
    /// Reached from its own machine only, in a network that spans several.
    #[error("`{address}`: reached from its own machine only, unlike `{beside}`")]
    Loopback {
        /// The address.
        address: String,
        /// An address of the network that is not a loopback address.
        beside: String,
    },
    /// Two members can't listen on one address.
    #[error("`{address}`: also an address of {other}")]
    Shared {
        /// The address.
        address: String,
        /// The earlier member.
        other: String,
    },
}

/// A multiaddress of the kinds that nodes use: an IP address or host name with a TCP port, or QUIC over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    host: Host,
    quic: bool,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    /// In lower case.
    Name(String),
}

impl Address {
    fn read(text: &str) -> Option<Address> {
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, host, port, quic) = match *parts.as_slice() {
            ["", kind, host, "tcp", port] => (kind, host, port, false),
            ["", kind, host, "udp", port, "quic-v1"] => (kind, host, port, true),
            _ => return None,
        };
        let host = match kind {
            "ip4" => Host::Ip(host.parse::<Ipv4Addr>().ok()?.into()),
            "ip6" => Host::Ip(host.parse::<Ipv6Addr>().ok()?.into()),
            "dns" | "dns4" | "dns6" => {
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                let right = !host.is_empty() && host.bytes().all(allowed);
                right.then(|| Host::Name(host.trim_end_matches('.').to_ascii_lowercase()))?
            }
            _ => return None,
        };
        let port = port.parse().ok()?;
        Some(Address { host, quic, port })
    }

    fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Ip(ip) => ip.to_canonical().is_loopback(),
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }

    fn is_unspecified(&self) -> bool {
        matches!(self.host, Host::Ip(ip) if ip.to_canonical().is_unspecified())
    }
}

/// Checks that a text is an address that a node can use, to listen on or to dial.
///
/// # Errors
/// [`Undialable::Form`].
pub fn check_address(text: &str) -> Result<(), Undialable> {
    match Address::read(text) {
        Some(_) => Ok(()),
        None => Err(Undialable::Form {
            address: text.to_owned(),
        }),
    }
}

/// Checks that a text is an address that another machine may be able to dial, or another process of this one.
///
/// # Errors
/// [`Undialable::Form`], [`Undialable::Unspecified`], [`Undialable::NoPort`].
pub fn check_dialable(text: &str) -> Result<(), Undialable> {
    checked(text, "", &[]).map(drop)
}

/// Whether an address is reached from its own machine only.
pub fn is_loopback(text: &str) -> bool {
    Address::read(text).is_some_and(|address| address.is_loopback())
}

/// The addresses, given as each member's name and addresses, that other members could not dial.
pub fn undialable<'a>(
    members: impl IntoIterator<Item = (&'a str, &'a [Text<256>])>,
) -> Vec<(&'a str, Undialable)> {
    let mut faults = Vec::new();
    let mut seen: Vec<(&str, &str, Address)> = Vec::new();
    for (member, addresses) in members {
        for text in addresses.iter().map(Text::as_str) {
            match checked(text, member, &seen) {
                Ok(address) => seen.push((member, text, address)),
                Err(fault) => faults.push((member, fault)),
            }
        }
    }
    let elsewhere = seen.iter().find(|(.., address)| !address.is_loopback());
    if let Some((_, beside, _)) = elsewhere {
        let loopback = seen.iter().filter(|(.., address)| address.is_loopback());
        faults.extend(loopback.map(|(member, address, _)| {
            let (address, beside) = ((*address).to_owned(), (*beside).to_owned());
            (*member, Undialable::Loopback { address, beside })
        }));
    }
    faults
}

fn checked(
    text: &str,
    member: &str,
    seen: &[(&str, &str, Address)],
) -> Result<Address, Undialable> {
    let named = || text.to_owned();
    let address = Address::read(text).ok_or_else(|| Undialable::Form { address: named() })?;
    if address.is_unspecified() {
        return Err(Undialable::Unspecified { address: named() });
    }
    if address.port == 0 {
        return Err(Undialable::NoPort { address: named() });
    }
    let mut others = seen.iter().filter(|(other, ..)| *other != member);
    match others.find(|(.., other)| *other == address) {
        Some((other, ..)) => Err(Undialable::Shared {
            address: named(),
            other: (*other).to_owned(),
        }),
        None => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(a: &[&str], b: &[&str]) -> Vec<(String, Undialable)> {
        let texts = |addresses: &[&str]| -> Vec<Text<256>> {
            let texts = addresses.iter().map(|text| Text::new(*text).unwrap());
            texts.collect()
        };
        let (a, b) = (texts(a), texts(b));
        let found = undialable([("a", &a[..]), ("b", &b[..])]).into_iter();
        found
            .map(|(member, fault)| (member.to_owned(), fault))
            .collect()
    }

    #[test]
    fn only_addresses_a_node_can_use_pass() {
        for right in [
            "/ip4/10.1.2.3/tcp/7481",
            "/ip6/::1/tcp/0",
            "/ip4/0.0.0.0/tcp/7481",
            "/dns4/node.wuhan.example/tcp/443",
            "/ip4/10.1.2.3/udp/7481/quic-v1",
        ] {
            assert_eq!(check_address(right), Ok(()));
        }
        for wrong in [
            "10.1.2.3:7481",
            "/ip4/10.1.2/tcp/1",
            "/ip4/10.1.2.3/tcp/70000",
            "/dns4//tcp/1",
            "/ip4/1.2.3.4/udp/1",
            "",
        ] {
            assert!(check_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_that_only_listens_cannot_be_dialled() {
        for address in [
            "/ip4/0.0.0.0/tcp/7481",
            "/ip6/::/tcp/7481",
            "/ip6/::ffff:0.0.0.0/tcp/1",
        ] {
            let fault = Undialable::Unspecified {
                address: address.to_owned(),
            };
            assert_eq!(faults(&[address], &[]), [("a".to_owned(), fault)]);
        }
        let address = "/ip4/10.1.2.3/tcp/0".to_owned();
        let fault = Undialable::NoPort { address };
        assert_eq!(
            faults(&[], &["/ip4/10.1.2.3/tcp/0"]),
            [("b".to_owned(), fault)]
        );
    }

    #[test]
    fn loopback_addresses_are_for_networks_on_one_machine() {
        let (here, there) = ("/ip4/127.0.0.1/tcp/7481", "/dns4/node.example/tcp/7481");
        assert_eq!(faults(&[here], &["/ip6/::1/tcp/7482"]), []);
        assert_eq!(faults(&[there], &["/ip4/10.1.2.3/tcp/7481"]), []);
        for here in [here, "/ip6/::1/tcp/7481", "/dns4/localhost/tcp/7481"] {
            let fault = || Undialable::Loopback {
                address: here.to_owned(),
                beside: there.to_owned(),
            };
            assert_eq!(faults(&[here], &[there]), [("a".to_owned(), fault())]);
            assert_eq!(faults(&[], &[there, here]), [("b".to_owned(), fault())]);
        }
    }

    #[test]
    fn two_members_have_no_address_in_common() {
        let address = "/dns4/NODE.example/tcp/7481".to_owned();
        let other = "a".to_owned();
        let fault = Undialable::Shared { address, other };
        let found = faults(
            &["/dns4/node.example/tcp/7481"],
            &["/dns4/NODE.example/tcp/7481"],
        );
        assert_eq!(found, [("b".to_owned(), fault)]);
        assert_eq!(
            faults(
                &["/ip4/10.1.2.3/tcp/1"],
                &["/ip4/10.1.2.3/udp/1/quic-v1", "/ip4/10.1.2.3/tcp/2"]
            ),
            []
        );
    }
}
