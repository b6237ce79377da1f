//! A network of one department, for tests, and what that department decides.

use certmesh_ledger::codec::{Ascending, Bounded, Text};
use certmesh_ledger::crypto::keys::{CatalogueKey, Secret, SigningKey};
use certmesh_ledger::crypto::sealing::SealingSecret;
use certmesh_ledger::genesis::{Department, Genesis, PeerId, Policy, Role};
use certmesh_ledger::governance::{
    Action, Admit, Block, Certificate, Decision, FinalBlock, Introduction, Item, Keys, Newcomer,
    OwnChange, Position, Proposal, Remove, SignedChange, Stage, Suspend, Vote,
};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::names::LogId;

/// The department.
pub(crate) const OWN: &str = "11430000006122244L";

/// The key that signs its log.
pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

/// The key by which it decides.
fn identity_key() -> SigningKey {
    SigningKey::from_seed(&[11; 32])
}

/// The network's catalogue key.
pub(crate) fn catalogue_key() -> CatalogueKey {
    CatalogueKey(Secret::from_bytes([3; 32]))
}

/// The network.
pub(crate) fn members() -> Membership {
    let department = Department {
        code: OWN.parse().unwrap(),
        name: Text::new("Transport").unwrap(),
        name_zh: None,
        roles: Default::default(),
        governs: true,
        identity_key: identity_key().public(),
        signing_key: signing_key().public(),
        peer_id: PeerId::from_transport_seed(&[2; 32]),
        sealing_key: SealingSecret::from_seed(&[12; 32]).public(),
        addresses: Default::default(),
    };
    let commitment = catalogue_key().commitment();
    let genesis = Genesis::new("Test", 1, commitment, Policy::usual(), vec![department]);
    Membership::from_genesis(&genesis.unwrap())
}

/// Makes the next block, which the one governor votes for, of these items.
fn make(members: &Membership, items: Vec<Item>) {
    let (history, network) = (members.history(), members.network());
    let (state, own) = (history.state(), OWN.parse().unwrap());
    let block = Block {
        height: state.height() + 1,
        before: state.head(),
        time_ms: state.height() + 10,
        items: Bounded::new(items).unwrap(),
    };
    let vote = Vote {
        height: block.height,
        round: 0,
        stage: Stage::Precommit,
        block: Some(block.id(network)),
    };
    let votes = vec![vote.sign(network, own, &signing_key())];
    let votes = Ascending::new(votes).unwrap();
    let certificate = Certificate { round: 0, votes };
    members.extend(&FinalBlock { block, certificate }).unwrap();
}

/// What the founder proposes, which decides alone while nobody else governs.
pub(crate) fn decision(members: &Membership, actions: &[Action]) -> Decision {
    let proposal = Proposal {
        proposer: OWN.parse().unwrap(),
        sitting: members.history().state().sitting(),
        lapses_ms: u64::MAX,
        nonce: members.history().height(),
        reason: Text::new("a test").unwrap(),
        actions: Bounded::new(actions.to_vec()).unwrap(),
    };
    Decision::propose(members.network(), proposal, &identity_key())
}

/// Has the one governor decide.
pub(crate) fn decide(members: &Membership, actions: &[Action]) {
    make(members, vec![decision(members, actions).into()]);
}

/// A seed of a department's that was admitted.
fn seed_of(code: &DepartmentCode, n: u8) -> [u8; 32] {
    let mut seed = [n; 32];
    seed[..18].copy_from_slice(code.as_str().as_bytes());
    seed
}

/// The transport key of a department that was admitted.
pub(crate) fn transport_of(code: &DepartmentCode) -> SigningKey {
    SigningKey::from_seed(&seed_of(code, 3))
}

/// Admits a department, which issues and does not govern.
pub(crate) fn admit(members: &Membership, code: &str) -> Action {
    let code: DepartmentCode = code.parse().unwrap();
    let seed = |n: u8| seed_of(&code, n);
    let [identity, operating, transport] = [1, 2, 3].map(|n| SigningKey::from_seed(&seed(n)));
    let newcomer = Newcomer {
        code,
        name: Text::new("Newcomer").unwrap(),
        name_zh: None,
        keys: Keys {
            identity: identity.public(),
            operating: operating.public(),
            transport: PeerId::from_transport_seed(&seed(3)),
            sealing: SealingSecret::from_seed(&seed(4)).public(),
        },
    };
    let network = members.network();
    let admit = Admit {
        introduction: Introduction::sign(network, newcomer, &identity, &operating, &transport),
        roles: Ascending::first([Role::Issue]),
        governs: false,
    };
    admit.into()
}

/// Suspends a department that has recorded nothing.
pub(crate) fn suspend(code: &str) -> Action {
    let position = Position::beginning(LogId::first(code.parse().unwrap()));
    Suspend { position }.into()
}

/// Removes it.
pub(crate) fn remove(members: &Membership, code: &str) -> Action {
    let code = code.parse().unwrap();
    let member = members.member(&code).unwrap();
    let remove = Remove {
        position: Position::beginning(LogId::first(code)),
        since: member.suspended_since().unwrap(),
        successor: None,
    };
    remove.into()
}

/// Gives the founder another transport key.
pub(crate) fn change_transport(members: &Membership, seed: &[u8; 32]) {
    let department = OWN.parse().unwrap();
    let change = OwnChange {
        department,
        number: members.member(&department).unwrap().changes + 1,
        operating: None,
        transport: Some(PeerId::from_transport_seed(seed)),
        sealing: None,
        lost: None,
    };
    let key = SigningKey::from_seed(seed);
    let signed = SignedChange::sign(members.network(), change, &identity_key(), None, Some(&key));
    make(members, vec![signed.into()]);
}
