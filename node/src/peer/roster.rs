//! Whose peer is whose: the other members' identities on the network, and where each can be reached.

use std::collections::{BTreeMap, HashMap};

use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::membership::Membership;
use libp2p::{Multiaddr, PeerId};

/// Addresses of departments, which need not be members.
pub(crate) type ByDepartment = BTreeMap<DepartmentCode, Vec<Multiaddr>>;

/// Where departments' peers can be reached, as the files of this node have it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    /// As the configuration has it. Nothing else counts for these.
    pub(crate) configured: ByDepartment,
    /// As the genesis has it.
    pub(crate) founding: ByDepartment,
}

/// The other members' peers, as the membership had them when it was last followed.
pub(crate) struct Roster {
    own: DepartmentCode,
    codes: HashMap<PeerId, DepartmentCode>,
    ids: BTreeMap<DepartmentCode, PeerId>,
    addresses: Addresses,
    /// As members say themselves.
    stated: ByDepartment,
}

impl Roster {
    /// The peers of the members other than one.
    pub(crate) fn new(members: &Membership, own: DepartmentCode, addresses: Addresses) -> Roster {
        let mut roster = Roster {
            own,
            codes: HashMap::new(),
            ids: BTreeMap::new(),
            addresses,
            stated: ByDepartment::new(),
        };
        roster.follow(members);
        roster
    }

    /// Takes in who belongs by now, with which transport keys. Returns those whose former peer no longer belongs to a member: they
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

    /// Replaces what the files of this node say of where peers are.
    pub(crate) fn set_addresses(&mut self, addresses: Addresses) {
        self.addresses = addresses;
    }

    /// Replaces what members say of where their peers are.
    pub(crate) fn set_stated(&mut self, stated: ByDepartment) {
        self.stated = stated;
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
        let peers = self.ids.iter();
        peers
            .map(|(code, id)| (*id, self.addresses(code)))
            .collect()
    }

    /// A member's addresses. What it states comes before what it founded the network with: it may have moved.
    fn addresses(&self, code: &DepartmentCode) -> Vec<Multiaddr> {
        let Addresses {
            configured,
            founding,
        } = &self.addresses;
        if let Some(configured) = configured.get(code) {
            return configured.clone();
        }
        let mut all = self.stated.get(code).cloned().unwrap_or_default();
        for address in founding.get(code).into_iter().flatten() {
            if !all.contains(address) {
                all.push(address.clone());
            }
        }
        all
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
        let addresses = Addresses {
            configured: [(newcomer, vec![address.clone()])].into(),
            founding: ByDepartment::new(),
        };
        let mut roster = Roster::new(&members, own, addresses);
        // An address lets nobody in.
        assert!(roster.peers().is_empty() && roster.id_of(&newcomer).is_none());

        decide(&members, &[admit(&members, NEWCOMER)]);
        assert!(roster.follow(&members).is_empty());
        let id = roster.id_of(&newcomer).unwrap();
        assert_eq!(roster.code_of(&id), Some(newcomer));
        assert_eq!(roster.peers(), [(id, vec![address])]);
        roster.set_addresses(Addresses::default());
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
    fn the_configuration_counts_before_what_a_member_states_and_that_before_the_genesis() {
        let members = members();
        let [own, newcomer] = [OWN, NEWCOMER].map(|code| code.parse().unwrap());
        decide(&members, &[admit(&members, NEWCOMER)]);
        let at = |n: u8| -> Multiaddr { format!("/ip4/192.0.2.{n}/tcp/7481").parse().unwrap() };
        let founding = || ByDepartment::from([(newcomer, vec![at(1), at(2)])]);
        let addresses = Addresses {
            configured: ByDepartment::new(),
            founding: founding(),
        };
        let mut roster = Roster::new(&members, own, addresses);
        let dialled = |roster: &Roster| roster.peers().remove(0).1;
        assert_eq!(dialled(&roster), [at(1), at(2)]);
        roster.set_stated([(newcomer, vec![at(3), at(1)])].into());
        assert_eq!(dialled(&roster), [at(3), at(1), at(2)]);
        roster.set_addresses(Addresses {
            configured: [(newcomer, vec![at(4)])].into(),
            founding: founding(),
        });
        assert_eq!(dialled(&roster), [at(4)]);
    }

    #[test]
    fn whoever_is_removed_itself_has_nobody_left() {
        let members = members();
        decide(&members, &[admit(&members, NEWCOMER)]);
        let newcomer = NEWCOMER.parse().unwrap();
        let mut roster = Roster::new(&members, newcomer, Addresses::default());
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
        let mut roster = Roster::new(&members, newcomer, Addresses::default());
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
