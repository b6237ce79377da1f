//! Who may be in a handshake: the rule on connections that have not proved yet whose they are.
//!
//! Each incoming connection takes a place until its handshake is over, fails, or runs out of time. Where no place is left,
//! the oldest connection loses its own instead of the newcomer being refused: whoever keeps connections half open keeps
//! nobody out. Places are counted by address, by network and in all, so that a stranger takes them mostly from itself.
//!
//! Addresses that members are known by have places of their own, which no other address takes. Only TCP addresses count:
//! a TCP handshake shows that its sender gets what is sent there, the first packet of QUIC does not.
//!
//! A handshake costs CPU time, so newcomers are limited in number a second as well. Those rates follow from the places:
//! the newcomers of one address or network take its places in two seconds at the earliest, those of all networks
//! together take all places in half a second. A connection always has this much time for its handshake, whatever others
//! do. What an address or a network has too many of counts for nothing in the rate of all, so that it takes dozens of
//! networks to reach that one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use futures::future::AbortHandle;
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

/// The part of all places that the addresses of one network (IPv4 /24, IPv6 /48) may take.
const NETWORK_SHARE: usize = 4;
/// The part of all places that one address (IPv4 /32, IPv6 /64: one host may have all the addresses in it) may take.
const ADDRESS_SHARE: usize = 8;
/// Places for each member known by an address, where that is more than a stranger's address has. All members behind one
/// gateway, or on one machine, come at the same moment when a peer returns.
const PER_MEMBER: usize = 8;
/// Seconds in which an address or a network may fill its places.
const PACE: usize = 4;
/// Addresses and networks of strangers whose rates are remembered. A bucket is full again, and forgotten, after two seconds.
const MAX_REMEMBERED: usize = 16 * 1024;
/// Time between two passes over the remembered rates.
const SWEEP: Duration = Duration::from_secs(1);

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    ip: IpAddr,
    /// Whether the transport showed that the sender receives what is sent to this address.
    shown: bool,
}

impl Origin {
    /// The origin in a connection's address; `None` for one without an IP address, which no transport here gives.
    pub(super) fn of(address: &Multiaddr) -> Option<Origin> {
        let ip = ip_of(address)?;
        let shown = address.iter().any(|part| matches!(part, Protocol::Tcp(_)));
        Some(Origin { ip, shown })
    }
}

/// The IP address that a multiaddress holds, if it is numeric. An IPv4 address mapped into IPv6 is the IPv4 address.
pub(super) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip).to_canonical()),
        _ => None,
    })
}

/// What is counted together as one address.
fn address(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => prefix(ip, 64),
    }
}

/// What is counted together as one network.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & (u32::MAX << 8)).into(),
        IpAddr::V6(ip) => prefix(ip, 48),
    }
}

fn prefix(ip: Ipv6Addr, bits: u32) -> IpAddr {
    Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - bits))).into()
}

/// How many newcomers may come where there are so many places: as many as these in this many seconds. A burst takes
/// half of them, and the other half takes half of the time.
fn pace(places: usize, seconds: usize) -> Quota {
    let number = |places: usize| {
        NonZeroU32::new(places.try_into().unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
    };
    Quota::per_second(number(places / seconds)).allow_burst(number(places / 2))
}

/// Why a connection got no place: too many came in a short time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooMany {
    /// From its address.
    #[error("from its address")]
    Address,
    /// From its network.
    #[error("from its network")]
    Network,
    /// From addresses that no member is known by.
    #[error("from addresses that no member is known by")]
    All,
}

/// A connection in its handshake.
struct Taken {
    ip: IpAddr,
    of_member: bool,
    abort: AbortHandle,
}

/// An address that members are known by.
struct Known {
    places: usize,
    rate: DefaultDirectRateLimiter,
}

/// How fast strangers come.
struct Rates {
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    by_network: DefaultKeyedRateLimiter<IpAddr>,
    all: DefaultDirectRateLimiter,
    swept: Instant,
}

/// The places, and who has them.
pub(super) struct Places {
    /// Places for strangers; as many more for addresses that members are known by.
    max: usize,
    /// Members' addresses by configuration.
    named: BTreeSet<(PeerId, IpAddr)>,
    /// The address each member last came from.
    seen: HashMap<PeerId, IpAddr>,
    known: HashMap<IpAddr, Known>,
    rates: Rates,
    /// By number, which is the order in which they came.
    taken: BTreeMap<u64, Taken>,
    next: u64,
}

impl Places {
    /// So many places for strangers and as many for members' addresses; no member is known yet.
    pub(super) fn new(max: usize) -> Places {
        Places {
            max,
            named: BTreeSet::new(),
            seen: HashMap::new(),
            known: HashMap::new(),
            rates: Rates {
                by_address: RateLimiter::keyed(pace(max / ADDRESS_SHARE, PACE)),
                by_network: RateLimiter::keyed(pace(max / NETWORK_SHARE, PACE)),
                all: RateLimiter::direct(pace(max, 1)),
                swept: Instant::now(),
            },
            taken: BTreeMap::new(),
            next: 0,
        }
    }

    /// Replaces the members and the numeric ones among their addresses.
    pub(super) fn set_members<'a>(
        &mut self,
        members: impl Iterator<Item = (&'a PeerId, &'a Vec<Multiaddr>)>,
    ) {
        let mut all = BTreeSet::new();
        self.named.clear();
        for (member, addresses) in members {
            all.insert(*member);
            let named = addresses.iter().filter_map(ip_of);
            self.named.extend(named.map(|ip| (*member, ip)));
        }
        self.seen.retain(|member, _| all.contains(member));
        self.recount();
    }

    /// A member proved that it is at this address, which may be in no configuration: members have names, and come through
    /// gateways. The last one of each member counts.
    pub(super) fn seen(&mut self, member: PeerId, at: &Multiaddr) {
        if let Some(Origin { ip, shown: true }) = Origin::of(at)
            && self.seen.insert(member, ip) != Some(ip)
        {
            self.recount();
        }
    }

    /// Connections in their handshake.
    #[cfg(test)]
    pub(super) fn half_open(&self) -> usize {
        self.taken.len()
    }

    /// Places given so far.
    #[cfg(test)]
    pub(super) fn given(&self) -> u64 {
        self.next
    }

    fn recount(&mut self) {
        let seen = self.seen.iter().map(|(member, ip)| (*member, *ip));
        let both: BTreeSet<_> = self.named.iter().copied().chain(seen).collect();
        let mut members: HashMap<IpAddr, usize> = HashMap::new();
        for (_, ip) in both {
            *members.entry(ip).or_default() += 1;
        }
        let mut before = std::mem::take(&mut self.known);
        for (ip, members) in members {
            let places = (members * PER_MEMBER).max(self.max / ADDRESS_SHARE);
            let unchanged = before.remove(&ip).filter(|known| known.places == places);
            let known = unchanged.unwrap_or_else(|| Known {
                places,
                rate: RateLimiter::direct(pace(places, PACE)),
            });
            self.known.insert(ip, known);
        }
    }

    /// Gives a newcomer a place, and its number; the connection that has to leave for it is aborted.
    ///
    /// # Errors
    /// [`TooMany`] when its address, its network or all strangers are over their rate.
    pub(super) fn take(&mut self, from: Origin, abort: AbortHandle) -> Result<u64, TooMany> {
        match self.known_at(from) {
            Some(known) => known.rate.check().map_err(|_| TooMany::Address)?,
            None => self.rates.admit(from.ip)?,
        }
        Ok(self.seat(from, abort))
    }

    fn known_at(&self, from: Origin) -> Option<&Known> {
        self.known.get(&from.ip).filter(|_| from.shown)
    }

    /// Gives a place, regardless of the rates.
    fn seat(&mut self, from: Origin, abort: AbortHandle) -> u64 {
        let Origin { ip, .. } = from;
        let places = self.known_at(from).map(|known| known.places);
        let of_member = places.is_some();
        match places {
            Some(places) => self.make_room(places, |other| other.of_member && other.ip == ip),
            None => {
                let near = |share: usize| (self.max / share).max(1);
                let (by_address, by_network) = (near(ADDRESS_SHARE), near(NETWORK_SHARE));
                self.make_room(by_address, |other| {
                    !other.of_member && address(other.ip) == address(ip)
                });
                self.make_room(by_network, |other| {
                    !other.of_member && network(other.ip) == network(ip)
                });
            }
        }
        self.make_room(self.max, |other| other.of_member == of_member);
        let number = self.next;
        self.next += 1;
        let taken = Taken {
            ip,
            of_member,
            abort,
        };
        self.taken.insert(number, taken);
        number
    }

    /// Aborts the oldest of those that `within` names until one more is not more than `max`.
    fn make_room(&mut self, max: usize, within: impl Fn(&Taken) -> bool) {
        let held: Vec<u64> = self
            .taken
            .iter()
            .filter(|(_, taken)| within(taken))
            .map(|(number, _)| *number)
            .collect();
        let leaving = (held.len() + 1).saturating_sub(max);
        for number in &held[..leaving.min(held.len())] {
            if let Some(taken) = self.taken.remove(number) {
                taken.abort.abort();
            }
        }
    }

    /// A handshake is over; its place may have gone to another already.
    pub(super) fn free(&mut self, number: u64) {
        self.taken.remove(&number);
    }
}

impl Rates {
    /// Counts a stranger. The address comes first: one that is over its rate takes nothing from the others'.
    fn admit(&mut self, ip: IpAddr) -> Result<(), TooMany> {
        self.forget_old()?;
        let over = |which| move |_: NotUntil<Instant>| which;
        self.by_address
            .check_key(&address(ip))
            .map_err(over(TooMany::Address))?;
        self.by_network
            .check_key(&network(ip))
            .map_err(over(TooMany::Network))?;
        self.all.check().map_err(over(TooMany::All))
    }

    /// Forgets full buckets. Not more often than once in a while, since it passes over all of them.
    fn forget_old(&mut self) -> Result<(), TooMany> {
        let remembered = |rates: &Rates| rates.by_address.len() + rates.by_network.len();
        if remembered(self) >= MAX_REMEMBERED && self.swept.elapsed() >= SWEEP {
            self.swept = Instant::now();
            self.by_address.retain_recent();
            self.by_network.retain_recent();
        }
        match remembered(self) < MAX_REMEMBERED {
            true => Ok(()),
            false => Err(TooMany::All),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(ip: &str) -> Origin {
        let kind = if ip.contains(':') { "ip6" } else { "ip4" };
        Origin::of(&format!("/{kind}/{ip}/tcp/1").parse().unwrap()).unwrap()
    }

    fn members(all: &[(PeerId, &str)]) -> HashMap<PeerId, Vec<Multiaddr>> {
        let parse = |(member, address): &(PeerId, &str)| (*member, vec![address.parse().unwrap()]);
        all.iter().map(parse).collect()
    }

    /// Seats so many connections, and gives what aborts them, in the order in which they came.
    fn seat(places: &mut Places, from: Origin, count: usize) -> Vec<AbortHandle> {
        let mut seated = Vec::new();
        for _ in 0..count {
            let (abort, _) = AbortHandle::new_pair();
            places.seat(from, abort.clone());
            seated.push(abort);
        }
        seated
    }

    fn aborted(of: &[AbortHandle]) -> usize {
        of.iter().filter(|abort| abort.is_aborted()).count()
    }

    #[test]
    fn the_oldest_connection_of_an_address_leaves_first_and_no_other_address_is_touched() {
        let mut places = Places::new(64);
        let other = seat(&mut places, tcp("192.0.2.9"), 8);
        let full = seat(&mut places, tcp("192.0.2.7"), 8);
        assert_eq!(aborted(&full), 0);
        seat(&mut places, tcp("192.0.2.7"), 3);
        assert_eq!(aborted(&full[..3]), 3);
        assert_eq!(aborted(&full[3..]), 0);
        assert_eq!(aborted(&other), 0);
    }

    #[test]
    fn a_place_that_was_given_up_is_taken_before_anyone_leaves() {
        let mut places = Places::new(64);
        let (abort, _) = AbortHandle::new_pair();
        let number = places.seat(tcp("192.0.2.7"), abort.clone());
        let others = seat(&mut places, tcp("192.0.2.7"), 7);
        places.free(number);
        seat(&mut places, tcp("192.0.2.7"), 1);
        assert!(!abort.is_aborted());
        assert_eq!(aborted(&others), 0);
    }

    #[test]
    fn many_addresses_of_one_network_take_places_from_that_network_alone() {
        for (host, near, far) in [
            ("198.51.100.", "198.51.100.200", "203.0.113.1"),
            ("2001:db8:7:", "2001:db8:7:ffff::1", "2001:db8:8::1"),
        ] {
            let mut places = Places::new(64);
            let far = seat(&mut places, tcp(far), 8);
            let near = seat(&mut places, tcp(near), 8);
            for n in 1..=40 {
                let from = match host.contains(':') {
                    true => format!("{host}{n}::1"),
                    false => format!("{host}{n}"),
                };
                seat(&mut places, tcp(&from), 1);
            }
            assert_eq!(aborted(&near), 8, "{host}");
            assert_eq!(aborted(&far), 0, "{host}");
        }
    }

    #[test]
    fn all_addresses_within_64_bits_of_ipv6_are_one() {
        let mut places = Places::new(64);
        let first = seat(&mut places, tcp("2001:db8::1"), 1);
        for n in 2..=9 {
            seat(&mut places, tcp(&format!("2001:db8::{n}")), 1);
        }
        assert_eq!(aborted(&first), 1);
    }

    #[test]
    fn strangers_take_no_place_of_an_address_that_a_member_is_known_by() {
        let mut places = Places::new(64);
        let (named, seen) = (PeerId::random(), PeerId::random());
        let all = members(&[(named, "/ip4/192.0.2.1/tcp/7481"), (seen, "/dns4/b/tcp/1")]);
        places.set_members(all.iter());
        places.seen(seen, &"/ip4/192.0.2.2/tcp/55555".parse().unwrap());
        let of_named = seat(&mut places, tcp("192.0.2.1"), 8);
        // Mapped into IPv6, as a listener on all addresses of both kinds reports it.
        let of_seen = seat(&mut places, tcp("::ffff:192.0.2.2"), 8);
        for n in 0..=255 {
            seat(&mut places, tcp(&format!("192.0.{n}.77")), 1);
            seat(&mut places, tcp("192.0.2.77"), 1);
        }
        assert_eq!(aborted(&of_named) + aborted(&of_seen), 0);
        // One that is a member no more is a stranger.
        places.set_members(members(&[(named, "/ip4/192.0.2.1/tcp/7481")]).iter());
        assert!(places.known_at(tcp("192.0.2.1")).is_some());
        assert!(places.known_at(tcp("192.0.2.2")).is_none());
    }

    #[test]
    fn an_address_without_a_tcp_handshake_is_never_a_member_s() {
        let mut places = Places::new(64);
        let member = PeerId::random();
        places.set_members(members(&[(member, "/ip4/192.0.2.1/udp/7481/quic-v1")]).iter());
        let quic: Multiaddr = "/ip4/192.0.2.1/udp/40000/quic-v1".parse().unwrap();
        assert!(places.known_at(Origin::of(&quic).unwrap()).is_none());
        assert!(places.known_at(tcp("192.0.2.1")).is_some());
        places.seen(member, &"/ip4/192.0.2.5/udp/1/quic-v1".parse().unwrap());
        assert!(places.known_at(tcp("192.0.2.5")).is_none());
    }

    #[test]
    fn all_members_of_one_machine_come_at_once_and_none_leaves_for_another() {
        let mut places = Places::new(512);
        let all: Vec<_> = (0..60)
            .map(|_| (PeerId::random(), "/ip4/192.0.2.1/tcp/7481"))
            .collect();
        places.set_members(members(&all).iter());
        let (abort, _) = AbortHandle::new_pair();
        for _ in 0..all.len() {
            assert!(places.take(tcp("192.0.2.1"), abort.clone()).is_ok());
        }
        assert!(!abort.is_aborted());
    }

    #[test]
    fn newcomers_in_a_burst_take_half_of_the_places_and_push_nobody_out() {
        let mut places = Places::new(512);
        let member = PeerId::random();
        places.set_members(members(&[(member, "/ip4/203.0.113.5/tcp/1")]).iter());
        let mut take = |from: &str, count: usize| {
            let (abort, _) = AbortHandle::new_pair();
            let taken = (0..count).filter(|_| places.take(tcp(from), abort.clone()).is_ok());
            let taken = taken.count();
            assert!(!abort.is_aborted());
            taken
        };
        let first = take("192.0.2.1", 200);
        // Whatever comes back while this runs.
        assert!((32..200).contains(&first), "{first}");
        let second = take("192.0.2.2", 200);
        assert!((32..200).contains(&second), "{second}");
        assert!(
            take("192.0.2.3", 200) < 200,
            "their network is over its rate"
        );
        assert!(take("198.51.100.1", 10) == 10, "other networks are not");
        let of_member = take("203.0.113.5", 200);
        assert!((32..200).contains(&of_member), "{of_member}");
    }

    #[test]
    fn what_is_remembered_of_strangers_is_bounded() {
        let mut rates = Places::new(512).rates;
        let mut admitted = 0;
        for n in 0..40_000_u32 {
            let ip = Ipv4Addr::from_bits(n << 8).into();
            admitted += usize::from(rates.admit(ip).is_ok());
        }
        assert!(rates.by_address.len() + rates.by_network.len() <= MAX_REMEMBERED + 2);
        assert!(admitted < 10_000, "{admitted}");
    }
}
