//! Whose peer is whose: the other members' identities on the network, and where each can be reached.

use std::collections::{BTreeMap, HashMap};

use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::membership::Membership;
use libp2p::{Multiaddr, PeerId};

/// Where departments' peers can be reached, as genesis and configuration have it. It may name departments that are not members.
pub(crate) type Addresses = BTreeMap<DepartmentCode, Vec<Multiaddr>>;

/// The other members' peers, as the membership had them when it was last followed.
pub(crate) struct Roster {
    own: DepartmentCode,
    codes: HashMap<PeerId, DepartmentCode>,
    ids: BTreeMap<DepartmentCode, PeerId>,
    addresses: Addresses,
}

impl Roster {
    /// The peers of the members other than one.
    pub(crate) fn new(members: &Membership, own: DepartmentCode, addresses: Addresses) -> Roster {
        let mut roster = Roster {
            own,
            codes: HashMap::new(),
            ids: BTreeMap::new(),
            addresses,
        };
        roster.follow(members);
        roster
    }

    /// Takes in who belongs by now, with which transport keys. Returns those whose peer before is no member's any more: they
    /// were removed, or have another transport key. Once this department is removed itself, nobody is left.
    pub(crate) fn follow(&mut self, members: &Membership) -> Vec<DepartmentCode> {
        let history = members.history();
        let belongs = history.state().member(&self.own).is_some();
        let all = history.state().members().filter(|_| belongs);
        let others = all.filter(|member| member.code != self.own);
        let ids: BTreeMap<DepartmentCode, PeerId> = others
            .map(|member| {
                let id = PeerId::from_bytes(&member.keys.transport.to_multihash());
                (member.code, id.expect("a multihash of a checked identity"))
            })
            .collect();
        let before = std::mem::replace(&mut self.ids, ids);
        self.codes = self.ids.iter().map(|(code, id)| (*id, *code)).collect();
        let gone = before
            .into_iter()
            .filter(|(code, id)| self.ids.get(code) != Some(id));
        gone.map(|(code, _)| code).collect()
    }

    /// Replaces what is known of where peers are.
    pub(crate) fn set_addresses(&mut self, addresses: Addresses) {
        self.addresses = addresses;
    }

    /// Whose peer it is.
    pub(crate) fn code_of(&self, id: &PeerId) -> Option<DepartmentCode> {
        self.codes.get(id).copied()
    }

    /// A member's peer.
    pub(crate) fn id_of(&self, code: &DepartmentCode) -> Option<PeerId> {
        self.ids.get(code).copied()
    }

    /// All of them, each with its addresses: those without are let in, and can't be dialled.
    pub(crate) fn peers(&self) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let peers = self.ids.iter().map(|(code, id)| {
            let addresses = self.addresses.get(code).cloned();
            (*id, addresses.unwrap_or_default())
        });
        peers.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::testing::{OWN, admit, change_transport, decide, members, remove, suspend};

    const NEWCOMER: &str = "11100000000013338W";

    #[test]
    fn a_newcomer_has_a_peer_from_its_admission_to_its_removal() {
        let members = members();
        let [own, newcomer] = [OWN, NEWCOMER].map(|code| code.parse().unwrap());
        let address: Multiaddr = "/ip4/192.0.2.7/tcp/7481".parse().unwrap();
        let addresses: Addresses = [(newcomer, vec![address.clone()])].into();
        let mut roster = Roster::new(&members, own, addresses);
        // An address lets nobody in.
        assert!(roster.peers().is_empty() && roster.id_of(&newcomer).is_none());

        decide(&members, &[admit(&members, NEWCOMER)]);
        assert!(roster.follow(&members).is_empty());
        let id = roster.id_of(&newcomer).unwrap();
        assert_eq!(roster.code_of(&id), Some(newcomer));
        assert_eq!(roster.peers(), [(id, vec![address])]);
        roster.set_addresses(Addresses::new());
        assert_eq!(roster.peers(), [(id, Vec::new())], "let in, not dialled");
        assert!(roster.id_of(&own).is_none());

        decide(&members, &[suspend(NEWCOMER)]);
        assert!(roster.follow(&members).is_empty(), "it stays connected");
        assert_eq!(roster.id_of(&newcomer), Some(id));
        decide(&members, &[remove(&members, NEWCOMER)]);
        assert_eq!(roster.follow(&members), [newcomer]);
        assert!(roster.peers().is_empty() && roster.code_of(&id).is_none());
        assert!(roster.follow(&members).is_empty(), "said once");
    }

    #[test]
    fn whoever_is_removed_itself_has_nobody_left() {
        let members = members();
        decide(&members, &[admit(&members, NEWCOMER)]);
        let newcomer = NEWCOMER.parse().unwrap();
        let mut roster = Roster::new(&members, newcomer, Addresses::new());
        assert_eq!(roster.peers().len(), 1);
        decide(&members, &[suspend(NEWCOMER)]);
        decide(&members, &[remove(&members, NEWCOMER)]);
        assert_eq!(roster.follow(&members), [OWN.parse().unwrap()]);
        assert!(roster.peers().is_empty());
    }

    #[test]
    fn another_transport_key_is_another_peer() {
        let members = members();
        let newcomer = NEWCOMER.parse().unwrap();
        decide(&members, &[admit(&members, NEWCOMER)]);
        let mut roster = Roster::new(&members, newcomer, Addresses::new());
        let own = OWN.parse().unwrap();
        let before = roster.id_of(&own).unwrap();
        change_transport(&members, &[9; 32]);
        assert_eq!(roster.follow(&members), [own]);
        let after = roster.id_of(&own).unwrap();
        assert_ne!(before, after);
        assert!(roster.code_of(&before).is_none());
        assert_eq!(roster.code_of(&after), Some(own));
    }
}
