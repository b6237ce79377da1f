//! What is so after a block: members, policy, and what later items are held against.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::codec;
use crate::crypto::keys::{CatalogueCommitment, PublicKey};
use crate::genesis::{Genesis, Policy};
use crate::id::DepartmentCode;
use crate::names::NetworkId;

use super::chain::{BlockId, ProposalId};
use super::kinds::Keys;
use super::member::{Member, Quota, Standing, Trail};

/// The format version of this program, the only one so far.
pub const FORMAT_VERSION: u32 = 1;

/// What governance comes to at one height: a pure function of the genesis and the blocks up to there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub(super) network: NetworkId,
    pub(super) height: u64,
    pub(super) head: BlockId,
    pub(super) time_ms: u64,
    pub(super) version: u32,
    pub(super) sitting: Sitting,
    pub(super) policy: Policy,
    /// What the catalogue keys have to fit, and the height from which each was in force, oldest first.
    pub(super) catalogue_keys: Vec<(u64, CatalogueCommitment)>,
    // Shared with the states before: most blocks change one department.
    pub(super) members: BTreeMap<DepartmentCode, Arc<Member>>,
    pub(super) trails: BTreeMap<DepartmentCode, Arc<Trail>>,
    pub(super) used: Arc<BTreeSet<UsedKey>>,
}

/// A time in which the same departments decide by the same keys and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Sitting {
    /// How many there were before.
    pub(super) number: u64,
    /// Proposals decided or withdrawn in it, by their proposers. A withdrawal closes its signer's own alone.
    pub(super) closed: BTreeSet<(DepartmentCode, ProposalId)>,
    /// How many each has withdrawn.
    pub(super) withdrawn: BTreeMap<DepartmentCode, u8>,
}

impl Sitting {
    /// Proposals that one sitting closes: with the last of them it ends, so that what is remembered is bounded.
    pub(super) const MAX_CLOSED: usize = 2_048;

    /// Withdrawals of one governor in a sitting.
    pub(super) const MAX_WITHDRAWN: u8 = 16;

    /// Begins the next one.
    pub(super) fn end(&mut self) {
        *self = Sitting {
            number: self.number + 1,
            ..Sitting::default()
        };
    }

    /// Closes a proposal.
    pub(super) fn close(&mut self, proposer: DepartmentCode, proposal: ProposalId) {
        self.closed.insert((proposer, proposal));
        if self.closed.len() >= Sitting::MAX_CLOSED {
            self.end();
        }
    }
}

/// A key that was in use once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum UsedKey {
    /// An Ed25519 key: identity, operating, transport or recovery. Whoever brings one shows that it is held.
    Signs([u8; 32]),
    /// A sealing key of a department. That it is held can't be shown; so that nobody can use up another's by naming it,
    /// each department has its own.
    Seals(DepartmentCode, [u8; 32]),
}

impl UsedKey {
    pub(super) fn signs(key: &PublicKey) -> UsedKey {
        UsedKey::Signs(*key.as_bytes())
    }

    /// The keys of a department that are used from now on.
    pub(super) fn all(code: DepartmentCode, keys: &Keys) -> [UsedKey; 4] {
        [
            UsedKey::signs(&keys.identity),
            UsedKey::signs(&keys.operating),
            UsedKey::Signs(*keys.transport.as_bytes()),
            UsedKey::Seals(code, *keys.sealing.as_bytes()),
        ]
    }
}

impl State {
    /// What is so at height 0.
    pub fn of_genesis(genesis: &Genesis) -> State {
        let network = genesis.network_id();
        let mut state = State {
            network,
            height: 0,
            head: BlockId::genesis(network),
            time_ms: genesis.created_ms(),
            version: FORMAT_VERSION,
            sitting: Sitting::default(),
            policy: genesis.policy().clone(),
            catalogue_keys: vec![(0, genesis.catalogue_key())],
            members: BTreeMap::new(),
            trails: BTreeMap::new(),
            used: Arc::default(),
        };
        let recovery = state.policy.recovery_keys().map(UsedKey::signs);
        let mut used: Vec<UsedKey> = recovery.collect();
        for department in genesis.departments() {
            let code = department.code;
            let keys = Keys::from(department);
            used.extend(UsedKey::all(code, &keys));
            let trail = Trail::begin(keys.operating, 0);
            let member = Member {
                code,
                name: department.name.clone(),
                name_zh: department.name_zh.clone(),
                standing: Standing::Present,
                governs: department.governs,
                roles: department.roles.clone(),
                keys,
                epoch: 0,
                first_epoch: 0,
                generation: 0,
                changes: 0,
                quota: Quota::default(),
            };
            state.members.insert(code, Arc::new(member));
            state.trails.insert(code, Arc::new(trail));
        }
        // A genesis has each key once.
        state.use_keys(used);
        state
    }

    /// The network that it governs.
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// How many blocks there were.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The last of them; at height 0, what stands for the genesis.
    pub fn head(&self) -> BlockId {
        self.head
    }

    /// The time of the last block, ms since 1970 UTC.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// The format version in force for the next block, and for records that name this height.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The sitting that proposals are for.
    pub fn sitting(&self) -> u64 {
        self.sitting.number
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What a key has to fit to be the network's present catalogue key.
    pub fn catalogue_key(&self) -> CatalogueCommitment {
        let (_, present) = self.catalogue_keys.last().expect("the genesis has one");
        *present
    }

    /// What each catalogue key has to fit that was ever in force, oldest first, and the height from which it was.
    pub fn catalogue_keys(&self) -> &[(u64, CatalogueCommitment)] {
        &self.catalogue_keys
    }

    /// All departments that belong or belonged, by code.
    pub fn departments(&self) -> impl Iterator<Item = &Member> {
        self.members.values().map(Arc::as_ref)
    }

    /// A department that belongs, suspended or not.
    pub fn member(&self, code: &DepartmentCode) -> Option<&Member> {
        let member = self.members.get(code).map(Arc::as_ref);
        member.filter(|member| member.belongs())
    }

    /// A department that belongs, to be kept.
    pub(crate) fn shared_member(&self, code: &DepartmentCode) -> Option<&Arc<Member>> {
        self.members.get(code).filter(|member| member.belongs())
    }

    /// Those that belong, to be kept.
    pub(crate) fn shared_members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values().filter(|member| member.belongs())
    }

    /// Those that belong.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.departments().filter(|member| member.belongs())
    }

    /// Those that decide.
    pub fn governors(&self) -> impl Iterator<Item = &Member> {
        self.departments().filter(|member| member.is_governor())
    }

    /// One of those that decide.
    pub fn governor(&self, code: &DepartmentCode) -> Option<&Member> {
        self.member(code).filter(|member| member.is_governor())
    }

    /// What a department's records are judged by.
    pub fn trail(&self, code: &DepartmentCode) -> Option<&Trail> {
        self.trails.get(code).map(Arc::as_ref)
    }

    /// Its canonical bytes: two peers with the same chain have the same.
    pub fn to_bytes(&self) -> Vec<u8> {
        let members: Vec<&Member> = self.departments().collect();
        let trails: Vec<(&DepartmentCode, &Trail)> = self
            .trails
            .iter()
            .map(|(code, trail)| (code, &**trail))
            .collect();
        let used: Vec<&UsedKey> = self.used.iter().collect();
        let place = (self.network, self.height, self.head, self.time_ms);
        let rules = (
            self.version,
            &self.sitting,
            &self.policy,
            &self.catalogue_keys,
        );
        codec::encode(&(place, rules, members, trails, used))
    }

    pub(super) fn least_governors(&self) -> usize {
        usize::from(self.policy.least_governors)
    }

    /// Takes keys into use, all of them or none; false if one was used before.
    pub(super) fn use_keys(&mut self, keys: impl IntoIterator<Item = UsedKey>) -> bool {
        let mut fresh = BTreeSet::new();
        let all_fresh = keys
            .into_iter()
            .all(|key| !self.used.contains(&key) && fresh.insert(key));
        if all_fresh && !fresh.is_empty() {
            Arc::make_mut(&mut self.used).append(&mut fresh);
        }
        all_fresh
    }

    /// A member to be changed. Callers have found it before.
    pub(super) fn member_mut(&mut self, code: &DepartmentCode) -> &mut Member {
        Arc::make_mut(self.members.get_mut(code).expect("found before"))
    }

    pub(super) fn trail_mut(&mut self, code: &DepartmentCode) -> &mut Trail {
        Arc::make_mut(self.trails.entry(*code).or_default())
    }
}
