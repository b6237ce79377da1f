//! A small network with all of its secret keys: what its departments, honest or not, can sign.

use std::collections::BTreeMap;

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::codec::{Ascending, Bounded, Text};
use crate::crypto::hash::{Hash, Purpose, hash};
use crate::crypto::keys::{CatalogueKey, Secret, SigningKey};
use crate::crypto::sealing::{SealingKey, SealingSecret};
use crate::genesis::{Department, Genesis, PeerId, Policy, Role};
use crate::governance::*;
use crate::id::DepartmentCode;
use crate::merkle::CompactRange;
use crate::names::{NetworkId, RecordHash};

pub(crate) const CREATED_MS: u64 = 1_700_000_000_000;

/// The n-th department.
pub(crate) fn code(n: usize) -> DepartmentCode {
    DepartmentCode::from_body(&format!("11420100{n:09}")).unwrap()
}

pub(crate) fn root(n: u64) -> Hash {
    hash(Purpose::Node, &n.to_le_bytes())
}

/// What a log without records has.
pub(crate) fn empty_root() -> Hash {
    CompactRange::<crate::merkle::Blake3Tree>::empty().root()
}

/// What one department keeps secret.
#[derive(Clone)]
pub(crate) struct Secrets {
    pub(crate) identity: SigningKey,
    /// By epoch.
    pub(crate) operating: Vec<SigningKey>,
    pub(crate) transport: [u8; 32],
    pub(crate) sealing: SealingKey,
}

impl Secrets {
    pub(crate) fn now(&self) -> &SigningKey {
        self.operating.last().unwrap()
    }

    fn keys(&self) -> Keys {
        Keys {
            identity: self.identity.public(),
            operating: self.now().public(),
            transport: PeerId::from_transport_seed(&self.transport),
            sealing: self.sealing,
        }
    }
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) secrets: BTreeMap<DepartmentCode, Secrets>,
    pub(crate) genesis: Genesis,
    pub(crate) state: State,
    pub(crate) blocks: Vec<FinalBlock>,
    /// Of the next block.
    pub(crate) time_ms: u64,
    seeds: u64,
    nonces: u64,
    /// Every key that was made, by its public half.
    keyring: BTreeMap<[u8; 32], SigningKey>,
}

fn keyed(seed: [u8; 32]) -> ([u8; 32], SigningKey) {
    let key = SigningKey::from_seed(&seed);
    (*key.public().as_bytes(), key)
}

pub(crate) fn seed(n: u64) -> [u8; 32] {
    *hash(Purpose::File, &n.to_le_bytes()).as_bytes()
}

impl World {
    /// So many departments, the first of which govern.
    pub(crate) fn new(governors: usize, others: usize) -> World {
        World::with_policy(governors, others, Policy::usual())
    }

    pub(crate) fn with_policy(governors: usize, others: usize, policy: Policy) -> World {
        let mut seeds = 0;
        let all = governors + others;
        let secrets: BTreeMap<_, _> = (0..all).map(|n| (code(n), secrets(&mut seeds))).collect();
        let departments = (0..).zip(&secrets).map(|(n, (code, own))| Department {
            code: *code,
            name: Text::new(format!("Department {code}")).unwrap(),
            name_zh: None,
            roles: Ascending::first([Role::Issue]),
            governs: n < governors,
            identity_key: own.identity.public(),
            signing_key: own.now().public(),
            peer_id: PeerId::from_transport_seed(&own.transport),
            sealing_key: own.sealing,
            addresses: Bounded::default(),
        });
        let commitment = CatalogueKey(Secret::from_bytes([7; 32])).commitment();
        let departments = departments.collect();
        let genesis = Genesis::new("Wuhan", CREATED_MS, commitment, policy, departments).unwrap();
        let state = State::of_genesis(&genesis);
        World {
            secrets,
            genesis,
            state,
            blocks: Vec::new(),
            time_ms: CREATED_MS + 1,
            seeds,
            nonces: 0,
            keyring: (1..=seeds).map(|n| keyed(seed(n))).collect(),
        }
    }

    pub(crate) fn network(&self) -> NetworkId {
        self.state.network()
    }

    /// All of it, from the genesis on.
    pub(crate) fn history(&self) -> History {
        let mut history = History::begin(&self.genesis);
        for block in &self.blocks {
            history.extend(block).unwrap();
        }
        assert_eq!(history.state(), &self.state);
        history
    }

    pub(crate) fn own(&self, n: usize) -> &Secrets {
        &self.secrets[&code(n)]
    }

    pub(crate) fn member(&self, n: usize) -> &Member {
        self.state.member(&code(n)).unwrap()
    }

    pub(crate) fn fresh_key(&mut self) -> SigningKey {
        self.seeds += 1;
        let (public, key) = keyed(seed(self.seeds));
        self.keyring.insert(public, key.clone());
        key
    }

    /// Fresh keys of a department that doesn't belong yet; it signs with them once it does.
    pub(crate) fn newcomer(&mut self, n: usize) -> Introduction {
        let from = self.seeds + 1;
        let own = secrets(&mut self.seeds);
        let made = (from..=self.seeds).map(|n| keyed(seed(n)));
        self.keyring.extend(made);
        self.introduction(n, &own)
    }

    /// Lets each department sign with the keys that are its own now.
    fn keep_up(&mut self) {
        let key = |public: &crate::crypto::keys::PublicKey| self.keyring.get(public.as_bytes());
        for member in self.state.members() {
            let epochs = &self.state.trails[&member.code].epochs;
            let operating: Option<Vec<_>> = epochs
                .iter()
                .map(|epoch| key(&epoch.key).cloned())
                .collect();
            let identity = key(&member.keys.identity).cloned();
            let (Some(identity), Some(operating)) = (identity, operating) else {
                continue;
            };
            let before = self.secrets.get(&member.code);
            let own = Secrets {
                identity,
                operating,
                transport: before.map_or([0; 32], |before| before.transport),
                sealing: member.keys.sealing,
            };
            self.secrets.insert(member.code, own);
        }
    }

    pub(crate) fn introduction(&self, n: usize, own: &Secrets) -> Introduction {
        let newcomer = Newcomer {
            code: code(n),
            name: Text::new("Newcomer").unwrap(),
            name_zh: None,
            keys: own.keys(),
        };
        let transport = SigningKey::from_seed(&own.transport);
        Introduction::sign(
            self.network(),
            newcomer,
            &own.identity,
            own.now(),
            &transport,
        )
    }

    pub(crate) fn admit(&mut self, n: usize, governs: bool) -> Action {
        let introduction = self.newcomer(n);
        let roles = Ascending::new(vec![Role::Issue]).unwrap();
        let admit = Admit {
            introduction,
            roles,
            governs,
        };
        admit.into()
    }

    pub(crate) fn proposal(&mut self, proposer: usize, actions: &[Action]) -> Proposal {
        self.nonces += 1;
        Proposal {
            proposer: code(proposer),
            sitting: self.state.sitting(),
            lapses_ms: self.time_ms + 1_000_000_000,
            nonce: self.nonces,
            reason: Text::new("for a test").unwrap(),
            actions: Bounded::new(actions.to_vec()).unwrap(),
        }
    }

    /// Proposes; nobody else has approved.
    pub(crate) fn propose(&mut self, proposer: usize, actions: &[Action]) -> Decision {
        let proposal = self.proposal(proposer, actions);
        Decision::propose(self.network(), proposal, &self.own(proposer).identity)
    }

    pub(crate) fn approval(&self, decision: &Decision, by: usize) -> Signed {
        let id = decision.proposal.id(self.network());
        approve(self.network(), id, code(by), &self.own(by).identity)
    }

    pub(crate) fn approved_by(&self, decision: &Decision, by: &[usize]) -> Decision {
        let approvals = by.iter().map(|by| self.approval(decision, *by)).collect();
        Decision {
            approvals: Ascending::new(approvals).unwrap(),
            ..decision.clone()
        }
    }

    /// A decision that all governors approve.
    pub(crate) fn decision(&mut self, actions: &[Action]) -> Decision {
        let all = (0..64).filter(|n| self.state.governor(&code(*n)).is_some());
        let all: Vec<usize> = all.collect();
        let proposed = self.propose(all[0], actions);
        self.approved_by(&proposed, &all[1..])
    }

    pub(crate) fn decide(&mut self, actions: &[Action]) -> Result<(), BlockError> {
        let decision = self.decision(actions);
        self.make(vec![decision.into()])
    }

    /// Why an action that all approve does not hold.
    pub(crate) fn refused(&mut self, action: Action) -> ActionFault {
        let decision = self.decision(&[action]);
        match self.fault(&decision.into()) {
            Fault::Action { at: 0, fault } => fault,
            other => panic!("another fault: {other}"),
        }
    }

    pub(crate) fn fault(&self, item: &Item) -> Fault {
        self.state.at(self.time_ms).with(item).unwrap_err()
    }

    pub(crate) fn holds(&self, item: &Item) -> bool {
        self.state.at(self.time_ms).with(item).is_ok()
    }

    pub(crate) fn block(&self, items: Vec<Item>) -> Block {
        Block {
            height: self.state.height() + 1,
            before: self.state.head(),
            time_ms: self.time_ms,
            items: Bounded::new(items).unwrap(),
        }
    }

    pub(crate) fn certified_by(&self, block: Block, by: &[DepartmentCode]) -> FinalBlock {
        let vote = Vote {
            height: block.height,
            round: 0,
            stage: Stage::Precommit,
            block: Some(block.id(self.network())),
        };
        let votes = by.iter().map(|by| {
            let member = self.state.member(by).unwrap();
            let key = &self.secrets[by].operating[member.epoch as usize];
            let recovery = block.recovery().map(|recovery| recovery.id(self.network()));
            vote.sign_among(self.network(), recovery, *by, key)
        });
        let votes = Ascending::new(votes.collect()).unwrap();
        let certificate = Certificate { round: 0, votes };
        FinalBlock { block, certificate }
    }

    /// A block with these items, and the votes of all who have one.
    pub(crate) fn certified(&self, items: Vec<Item>) -> FinalBlock {
        let block = self.block(items);
        let (voters, _) = self.state.voters(block.recovery());
        let able = voters
            .iter()
            .filter(|voter| voter.operating_key().is_some());
        let able: Vec<_> = able.map(|voter| voter.code).collect();
        self.certified_by(block, &able)
    }

    /// Makes the next block final.
    pub(crate) fn make(&mut self, items: Vec<Item>) -> Result<(), BlockError> {
        let block = self.certified(items);
        self.state = self.state.accept(&block)?;
        self.blocks.push(block);
        self.time_ms += 1000;
        self.keep_up();
        Ok(())
    }

    pub(crate) fn own_change(&self, n: usize) -> OwnChange {
        OwnChange {
            department: code(n),
            number: self.member(n).changes + 1,
            operating: None,
            transport: None,
            sealing: None,
            lost: None,
        }
    }

    /// A new operating key, not yet final.
    pub(crate) fn rotation(&mut self, n: usize) -> (SignedChange, SigningKey) {
        let key = self.fresh_key();
        let change = OwnChange {
            operating: Some(key.public()),
            ..self.own_change(n)
        };
        let identity = &self.own(n).identity;
        let signed = SignedChange::sign(self.network(), change, identity, Some(&key), None);
        (signed, key)
    }

    pub(crate) fn rotate(&mut self, n: usize) {
        let (change, _) = self.rotation(n);
        self.make(vec![change.into()]).unwrap();
    }

    pub(crate) fn position(&self, n: usize, size: u64) -> Position {
        let root = match size {
            0 => empty_root(),
            size => root(size),
        };
        let log = self.state.members[&code(n)].log();
        Position { log, size, root }
    }

    pub(crate) fn suspend(&mut self, n: usize, size: u64) -> Action {
        let position = self.position(n, size);
        Suspend { position }.into()
    }

    pub(crate) fn ended(&self, n: usize, end: EpochEnd, witnesses: &[usize]) -> EpochEnded {
        let ended = EpochEnded::sign(self.network(), end, self.own(n).now());
        let witness =
            |by: &usize| EpochEnded::witness(self.network(), &end, code(*by), self.own(*by).now());
        let witnesses = Ascending::new(witnesses.iter().map(witness).collect()).unwrap();
        EpochEnded { witnesses, ..ended }
    }

    /// A checkpoint that a department signed with the key of an epoch, while that was in force.
    pub(crate) fn checkpoint(
        &self,
        n: usize,
        size: u64,
        root: Hash,
        epoch: u32,
    ) -> SignedCheckpoint {
        let next = self.state.trail(&code(n)).unwrap().epoch(epoch + 1);
        let checkpoint = Checkpoint {
            log: self.member(n).log(),
            size,
            root,
            head: RecordHash::NONE,
            status_root: Hash::ZERO,
            time_ms: self.time_ms,
            height: next.map_or(self.state.height(), |next| next.since - 1),
            key_epoch: epoch,
        };
        let key = &self.own(n).operating[epoch as usize];
        SignedCheckpoint::sign(self.state.network(), checkpoint, key)
    }
}

/// A department that comes back after a loss: what it goes on from, and who states to hold what of its log.
pub(crate) struct Coming {
    pub(crate) position: Position,
    pub(crate) held: Vec<(usize, Option<SignedCheckpoint>)>,
}

impl Coming {
    pub(crate) fn back(&self, world: &mut World, n: usize) -> (SignedChange, SigningKey) {
        let number = world.member(n).changes + 1;
        let log = world.member(n).log();
        let held = self.held.iter().map(|(by, checkpoint)| {
            let key = world.own(*by).now();
            Held::sign(
                world.network(),
                log,
                number,
                checkpoint.clone(),
                code(*by),
                key,
            )
        });
        let held = Ascending::new(held.collect()).unwrap();
        let lost = Lost {
            position: self.position,
            held,
        };
        let key = world.fresh_key();
        let change = OwnChange {
            operating: Some(key.public()),
            lost: Some(lost),
            ..world.own_change(n)
        };
        let identity = &world.own(n).identity;
        let signed = SignedChange::sign(world.network(), change, identity, Some(&key), None);
        (signed, key)
    }
}

pub(crate) fn secrets(seeds: &mut u64) -> Secrets {
    let mut next = || {
        *seeds += 1;
        seed(*seeds)
    };
    Secrets {
        identity: SigningKey::from_seed(&next()),
        operating: vec![SigningKey::from_seed(&next())],
        transport: next(),
        sealing: SealingSecret::from_seed(&next()).public(),
    }
}
