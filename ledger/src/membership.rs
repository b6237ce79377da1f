//! Who belongs to the network, since when, with which keys.
//!
//! [`Membership`] is the view everything else uses. Members are those of the genesis, with key epoch 0.

use std::collections::BTreeMap;

use crate::crypto::keys::PublicKey;
use crate::genesis::{Department, Genesis, Role};
use crate::id::{DepartmentCode, TypeCode};
use crate::names::NetworkId;

/// The members of a network.
#[derive(Clone, Debug)]
pub struct Membership {
    network: NetworkId,
    name: String,
    members: BTreeMap<DepartmentCode, Department>,
    /// Who defines the types of authorities that are not members: a genesis gives each to one department at most.
    definers: BTreeMap<DepartmentCode, DepartmentCode>,
}

impl Membership {
    /// The founding members.
    pub fn from_genesis(genesis: &Genesis) -> Membership {
        let members = genesis
            .departments()
            .iter()
            .map(|d| (d.code, d.clone()))
            .collect();
        let roles = |d: &Department| {
            d.roles
                .iter()
                .map(|role| (*role, d.code))
                .collect::<Vec<_>>()
        };
        let definers = genesis.departments().iter().flat_map(roles);
        let definers = definers.filter_map(|(role, code)| match role {
            Role::Define(authority) => Some((authority, code)),
            Role::Issue => None,
        });
        Membership {
            definers: definers.collect(),
            network: genesis.network_id(),
            name: genesis.name().to_owned(),
            members,
        }
    }

    /// The network.
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All members, by code.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Department> {
        self.members.values()
    }

    /// How many are more than half of the members other than one; 0 where there is no other.
    pub fn majority_of_others(&self) -> usize {
        match self.members.len().saturating_sub(1) {
            0 => 0,
            others => others / 2 + 1,
        }
    }

    /// One member.
    pub fn member(&self, code: &DepartmentCode) -> Option<&Department> {
        self.members.get(code)
    }

    /// A member's signing key of an epoch.
    pub fn key(&self, code: &DepartmentCode, epoch: u32) -> Option<&PublicKey> {
        self.member(code)
            .filter(|_| epoch == 0)
            .map(|department| &department.signing_key)
    }

    /// Whether a department had a role at a time (ms since 1970 UTC). Founding members have theirs from the beginning,
    /// also for records older than the network's own file.
    pub fn had_role(&self, code: &DepartmentCode, role: Role, _time_ms: u64) -> bool {
        self.member(code)
            .is_some_and(|department| department.roles.contains(&role))
    }

    /// The member that defines a type: its authority, if that is a member, else the one with the role for it.
    pub fn definer(&self, code: &TypeCode) -> Option<DepartmentCode> {
        let authority = code.authority();
        match self.members.contains_key(&authority) {
            true => Some(authority),
            false => self.definers.get(&authority).copied(),
        }
    }
}
