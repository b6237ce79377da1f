//! The links between the peers of a test network.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::runtime::Handle;

use crate::Error;
use crate::proxy::Proxy;

/// How peers reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Through a proxy for each direction of dialling, so that links can be cut, delayed and throttled.
    Proxied,
    /// Straight: a node is given those that serve when it starts, and dials them. For measurements.
    Direct,
}

/// A proxy for every ordered pair of peers; none when links are direct.
#[derive(Debug)]
pub struct Mesh {
    /// By (who dials, who is dialled).
    proxies: BTreeMap<(usize, usize), Proxy>,
}

impl Mesh {
    pub(crate) fn new(links: Links, peers: usize, runtime: &Handle) -> Result<Mesh, Error> {
        let mut proxies = BTreeMap::new();
        if links == Links::Proxied {
            let all = (0..peers).flat_map(|from| (0..peers).map(move |to| (from, to)));
            for pair in all.filter(|(from, to)| from != to) {
                let proxy = Proxy::listen(runtime).map_err(Error::system("listening socket"))?;
                proxies.insert(pair, proxy);
            }
        }
        Ok(Mesh { proxies })
    }

    /// The link that `from` dials `to` through.
    pub fn link(&self, from: usize, to: usize) -> Option<&Proxy> {
        self.proxies.get(&(from, to))
    }

    /// Leads every link to a peer there.
    pub(crate) fn lead(&self, peer: usize, target: Option<SocketAddr>) {
        let links = self.proxies.iter().filter(|((_, to), _)| *to == peer);
        links.for_each(|(_, proxy)| proxy.set_target(target));
    }

    /// Both links between two peers.
    pub fn between(&self, a: usize, b: usize) -> impl Iterator<Item = &Proxy> {
        [(a, b), (b, a)]
            .into_iter()
            .filter_map(|pair| self.proxies.get(&pair))
    }

    /// Cuts two peers off from each other.
    pub fn cut(&self, a: usize, b: usize) {
        self.between(a, b).for_each(Proxy::cut);
    }

    /// Connects two peers again.
    pub fn heal(&self, a: usize, b: usize) {
        self.between(a, b).for_each(Proxy::heal);
    }

    /// Cuts every link between this group and the rest.
    pub fn partition(&self, group: &[usize]) {
        for ((from, to), proxy) in &self.proxies {
            if group.contains(from) != group.contains(to) {
                proxy.cut();
            }
        }
    }

    /// Heals every link.
    pub fn heal_all(&self) {
        self.proxies.values().for_each(Proxy::heal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_cuts_the_links_between_its_sides_and_no_other() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mesh = Mesh::new(Links::Proxied, 4, runtime.handle()).unwrap();
        mesh.partition(&[0, 3]);
        let up = |a, b| mesh.between(a, b).map(Proxy::is_up).collect::<Vec<_>>();
        for (a, b) in [(0, 1), (0, 2), (3, 1), (3, 2)] {
            assert_eq!(up(a, b), [false, false]);
        }
        assert_eq!((up(0, 3), up(1, 2)), (vec![true, true], vec![true, true]));
        mesh.heal_all();
        mesh.cut(1, 2);
        assert_eq!((up(0, 1), up(1, 2)), (vec![true, true], vec![false, false]));
        mesh.heal(2, 1);
        assert_eq!(up(1, 2), [true, true]);
    }
}
