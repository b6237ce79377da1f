//! Governance: what is signed and hashed, one of each kind, and a chain of a few blocks in a trust file.

use certmesh_ledger::codec::{Ascending, Blob, Bounded, decode, encode};
use certmesh_ledger::crypto::hash::{Hash, Purpose, hash};
use certmesh_ledger::crypto::keys::{CatalogueKey, Secret};
use certmesh_ledger::genesis::{PeerId, Policy, Role, Terms};
use certmesh_ledger::governance::consensus::{Again, Message, Offer};
use certmesh_ledger::governance::{
    Action, Admit, Block, Certificate, ChangeRoles, Cut, CutReason, Decision, EndReason, EpochEnd,
    EpochEnded, FinalBlock, Govern, Held, Introduction, Item, Keys, Lost, MAX_ACTION, MAX_ITEM,
    Newcomer, OwnChange, Position, Proposal, RaiseVersion, Recovery, Remove, ReplaceCatalogueKey,
    ReplaceIdentity, ReplacePolicy, Resume, SignedChange, SignedRecovery, Stage, State, Suspend,
    TrustFile, Vote, Withdrawal, approve,
};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::log::{Checkpoint, SignedCheckpoint};
use certmesh_ledger::names::{LogId, NetworkId};
use certmesh_ledger::record::RecordHash;
use serde_json::{Value, json};

use crate::Vectors;
use crate::common::{
    AUTHORITY, CREATED_MS, ISSUER, READER, WITNESS, code, genesis, identity, key, recovery_key,
    sealing, text,
};

/// The department that is admitted.
const NEWCOMER: &str = "11420000MB0U91235X";

fn network() -> NetworkId {
    genesis().network_id()
}

fn position(of: &str, size: u64) -> Position {
    Position {
        log: LogId::first(code(of)),
        size,
        root: hash(Purpose::Node, b""),
    }
}

fn roles(roles: &[Role]) -> Ascending<Role, 256> {
    Ascending::new(roles.to_vec()).expect("few, each once")
}

fn newcomer() -> DepartmentCode {
    DepartmentCode::from_body(&NEWCOMER[..17]).expect("a code")
}

/// One action of each kind.
fn actions() -> Vec<(&'static str, Action)> {
    let (network, commitment) = (network(), |n| {
        CatalogueKey(Secret::from_bytes([n; 32])).commitment()
    });
    let keys = Keys {
        identity: identity(4).public(),
        operating: key(4).public(),
        transport: PeerId::from_transport_seed(&[104; 32]),
        sealing: sealing(4),
    };
    let newcomer = Newcomer {
        code: newcomer(),
        name: text("Department 4"),
        name_zh: Some(text("省交通运输厅")),
        keys,
    };
    let introduction = Introduction::sign(network, newcomer, &identity(4), &key(4), &key(104));
    let admit = Admit {
        introduction,
        roles: roles(&[Role::Issue]),
        governs: true,
    };
    let change = ChangeRoles {
        department: code(ISSUER),
        give: Ascending::default(),
        take: roles(&[Role::Define(code(AUTHORITY))]),
        position: Some(position(ISSUER, 0)),
    };
    let before = identity(3).public();
    vec![
        ("admit", admit.into()),
        (
            "suspend",
            Suspend {
                position: position(READER, 7),
            }
            .into(),
        ),
        (
            "resume",
            Resume {
                department: code(READER),
                since: 1,
            }
            .into(),
        ),
        (
            "remove",
            Remove {
                position: position(READER, 7),
                since: 1,
                successor: Some(code(ISSUER)),
            }
            .into(),
        ),
        ("roles", change.into()),
        (
            "govern",
            Govern {
                department: code(READER),
                governs: true,
            }
            .into(),
        ),
        (
            "cut",
            Cut {
                position: position(READER, 300),
                why: CutReason::Forked,
                first_epoch: 1,
            }
            .into(),
        ),
        (
            "identity key",
            ReplaceIdentity::sign(network, code(READER), before, &key(190)).into(),
        ),
        (
            "catalogue key",
            ReplaceCatalogueKey {
                before: commitment(0xC0),
                after: commitment(0xC1),
            }
            .into(),
        ),
        (
            "policy",
            ReplacePolicy {
                before: genesis().policy().clone(),
                after: Policy::usual(),
            }
            .into(),
        ),
        ("version", RaiseVersion { after: 2 }.into()),
    ]
}

fn decision(sitting: u64, actions: Vec<Action>) -> Decision {
    let proposal = Proposal {
        proposer: code(ISSUER),
        sitting,
        lapses_ms: CREATED_MS + 86_400_000,
        nonce: 5,
        reason: text("as agreed on Monday"),
        actions: Bounded::new(actions).expect("few"),
    };
    let id = proposal.id(network());
    let approval = approve(network(), id, code(WITNESS), &identity(2));
    Decision {
        approvals: Ascending::new(vec![approval]).expect("one"),
        ..Decision::propose(network(), proposal, &identity(1))
    }
}

/// A change of all keys of the reader's, without records that it lost.
fn own_change() -> SignedChange {
    let log = LogId::first(code(READER));
    let checkpoint = Checkpoint {
        log,
        size: 2,
        root: hash(Purpose::Node, b""),
        head: RecordHash::NONE,
        status_root: Hash::ZERO,
        time_ms: CREATED_MS + 5,
        height: 0,
        key_epoch: 0,
    };
    let checkpoint = SignedCheckpoint::sign(genesis().network_id(), checkpoint, &key(3));
    let held = [
        Held::sign(network(), log, 1, Some(checkpoint), code(ISSUER), &key(1)),
        Held::sign(network(), log, 1, None, code(WITNESS), &key(2)),
    ];
    let change = OwnChange {
        department: code(READER),
        number: 1,
        operating: Some(key(13).public()),
        transport: Some(PeerId::from_transport_seed(&[113; 32])),
        sealing: Some(sealing(13)),
        lost: Some(Lost {
            position: position(READER, 2),
            held: Ascending::new(held.to_vec()).expect("two"),
        }),
    };
    SignedChange::sign(
        network(),
        change,
        &identity(3),
        Some(&key(13)),
        Some(&key(113)),
    )
}

/// One item of each kind.
fn items() -> Vec<(&'static str, Item)> {
    let all: Vec<Action> = actions().into_iter().map(|(_, action)| action).collect();
    let decision = decision(0, all);
    let id = decision.proposal.id(network());
    let end = EpochEnd {
        position: position(READER, 2),
        epoch: 0,
        why: EndReason::Stolen,
    };
    let witness = EpochEnded::witness(network(), &end, code(ISSUER), &key(1));
    let ended = EpochEnded {
        witnesses: Ascending::new(vec![witness]).expect("one"),
        ..EpochEnded::sign(network(), end, &key(13))
    };
    let recovery = Recovery {
        height: 1,
        before: State::of_genesis(&genesis()).head(),
        ends: Ascending::new(vec![code(WITNESS)]).expect("one"),
    };
    let agrees = recovery.agree(network(), code(ISSUER), &identity(1));
    let recovery = SignedRecovery {
        keys: Ascending::new(vec![recovery.sign(network(), 0, &recovery_key())]).expect("one"),
        governors: Ascending::new(vec![agrees]).expect("one"),
        recovery,
    };
    let withdrawal = Withdrawal::sign(network(), id, 0, code(ISSUER), &identity(1));
    vec![
        ("decision", decision.into()),
        ("withdrawal", withdrawal.into()),
        ("own change", own_change().into()),
        ("epoch ended", ended.into()),
        ("recovery", recovery.into()),
    ]
}

fn described_action(action: &Action) -> Value {
    match action {
        Action::Admit(content) => json!(content),
        Action::Suspend(content) => json!(content),
        Action::Resume(content) => json!(content),
        Action::Remove(content) => json!(content),
        Action::ChangeRoles(content) => json!(content),
        Action::Govern(content) => json!(content),
        Action::Cut(content) => json!(content),
        Action::ReplaceIdentity(content) => json!(content),
        Action::ReplaceCatalogueKey(content) => json!(content),
        Action::ReplacePolicy(content) => json!(content),
        Action::RaiseVersion(content) => json!(content),
        Action::Unreadable(_) => json!("unreadable"),
    }
}

/// The next block after these, final by the votes of both governors.
fn next(state: &State, items: Vec<Item>) -> FinalBlock {
    let block = Block {
        height: state.height() + 1,
        before: state.head(),
        time_ms: CREATED_MS + 1000 * (state.height() + 1),
        items: Bounded::new(items).expect("few"),
    };
    let vote = Vote {
        height: block.height,
        round: 2,
        stage: Stage::Precommit,
        block: Some(block.id(network())),
    };
    let votes = [(ISSUER, 1), (WITNESS, 2)].map(|(by, n)| vote.sign(network(), code(by), &key(n)));
    let votes = Ascending::new(votes.to_vec()).expect("two");
    let certificate = Certificate { round: 2, votes };
    FinalBlock { block, certificate }
}

pub(crate) fn all(v: &mut Vectors) {
    let section = "governance";
    v.shown(section, "policy without recovery keys", &Policy::usual());
    for (name, action) in actions() {
        let content = Blob::<MAX_ACTION>::new(action.content()).expect("within an action");
        let described = json!({
            "value": described_action(&action),
            "kind": action.kind(),
            "bytes": hex::encode(encode(&action)),
        });
        v.put("action", name, described);
        let read = hex::decode(v.text("action", name, "bytes")).expect("hexadecimal");
        assert_eq!(
            decode::<Action>(&read, MAX_ACTION + 16).as_ref(),
            Ok(&action)
        );
        assert_eq!(Action::read(action.kind(), &content), action, "{name}");
        assert!(!matches!(action, Action::Unreadable(_)));
    }
    for (name, item) in items() {
        let described = json!({
            "kind": item.kind(),
            "bytes": hex::encode(encode(&item)),
        });
        v.put("item", name, described);
        let read = hex::decode(v.text("item", name, "bytes")).expect("hexadecimal");
        assert_eq!(
            decode::<Item>(&read, MAX_ITEM + 16).as_ref(),
            Ok(&item),
            "{name}"
        );
        assert!(!matches!(item, Item::Unreadable(_)));
    }
    let proposal = decision(0, vec![actions().swap_remove(5).1]).proposal;
    v.put(
        section,
        "proposal",
        json!({
            "bytes": hex::encode(encode(&proposal)),
            "hash": proposal.id(network()).to_string(),
        }),
    );
    vote(v);
    blocks(v);
}

fn vote(v: &mut Vectors) {
    let none = Vote {
        height: 300,
        round: 0,
        stage: Stage::Prevote,
        block: None,
    };
    let signed = none.sign(network(), code(ISSUER), &key(1));
    v.shown("governance", "vote", &none);
    v.shown("governance", "signed vote", &signed);
    let state = State::of_genesis(&genesis());
    let block = next(&state, vec![own_change().into()]).block;
    let prevote = Vote {
        height: 1,
        round: 2,
        stage: Stage::Prevote,
        block: Some(block.id(network())),
    };
    let prevotes =
        [(ISSUER, 1), (WITNESS, 2)].map(|(by, n)| prevote.sign(network(), code(by), &key(n)));
    let again = Again {
        round: 2,
        prevotes: Ascending::new(prevotes.to_vec()).expect("two"),
    };
    let offer = Offer::sign(network(), block, 3, Some(again), code(ISSUER), &key(1));
    let message = Message::Offer(offer);
    v.put("governance", "offer", json!(hex::encode(encode(&message))));
    let read = hex::decode(v.text("governance", "offer", "")).expect("hexadecimal");
    assert_eq!(decode::<Message>(&read, 1 << 20), Ok(message));
    recovery_vote(v);
}

/// The only governor that a recovery leaves votes for its block, and makes it final.
fn recovery_vote(v: &mut Vectors) {
    let state = State::of_genesis(&genesis());
    let recovery = items().pop().expect("a recovery is the last").1;
    let Item::Recovery(signed) = &recovery else {
        panic!("a recovery is the last");
    };
    let id = signed.recovery.id(network());
    let mut last = next(&state, vec![recovery.clone()]);
    let vote = Vote {
        height: 1,
        round: 2,
        stage: Stage::Precommit,
        block: Some(last.block.id(network())),
    };
    let by = vote.sign_among(network(), Some(id), code(ISSUER), &key(1));
    last.certificate.votes = Ascending::new(vec![by]).expect("one");
    assert!(state.accept(&last).is_ok());
    let message = Message::RecoveryVote(id, vote, by);
    for (name, bytes) in [
        ("recovery vote", encode(&message)),
        ("block of a recovery", encode(&last)),
    ] {
        v.put("governance", name, json!(hex::encode(bytes)));
    }
    let read = hex::decode(v.text("governance", "recovery vote", "")).expect("hexadecimal");
    assert_eq!(decode::<Message>(&read, 1 << 20), Ok(message));
}

/// The reader's keys change, it governs, and a department is admitted.
fn blocks(v: &mut Vectors) {
    let mut state = State::of_genesis(&genesis());
    let [admit, govern] = [0, 5].map(|n| actions().swap_remove(n).1);
    let mut blocks = Vec::new();
    for item in [Item::from(own_change()), decision(0, vec![govern]).into()] {
        let block = next(&state, vec![item]);
        state = state.accept(&block).expect("the block holds");
        blocks.push(block);
    }
    // With three governors, of whom two are not more than two thirds.
    let mut third = decision(1, vec![admit]);
    let id = third.proposal.id(network());
    let approvals =
        [(WITNESS, 2), (READER, 3)].map(|(by, n)| approve(network(), id, code(by), &identity(n)));
    third.approvals = Ascending::new(approvals.to_vec()).expect("two");
    let block = next(&state, vec![third.into()]);
    state = state.accept(&block).expect("the block holds");
    blocks.push(block);
    for (n, block) in blocks.iter().enumerate() {
        let name = format!("block {}", n + 1);
        v.put(
            "governance",
            &name,
            json!({
                "hash": block.block.id(network()).to_string(),
                "bytes": hex::encode(encode(block)),
            }),
        );
        let read = hex::decode(v.text("governance", &name, "bytes")).expect("hexadecimal");
        assert_eq!(FinalBlock::decode(&read).as_ref(), Ok(block));
    }
    let file = TrustFile::write(&genesis(), &blocks);
    v.put(
        "governance",
        "trust file",
        json!({
            "length": file.len(),
            "hash": hash(Purpose::File, &file).to_string(),
        }),
    );
    let read = TrustFile::read(&file, Some(genesis().network_id())).expect("a trust file");
    assert_eq!(read.history.state().to_bytes(), state.to_bytes());
    assert_eq!(state.governors().count(), 4);

    let twice = vec![code(READER), code(READER)];
    v.refused::<Ascending<DepartmentCode, 64>>(
        "a code twice",
        "{DepartmentCode; ≤64}",
        &encode(&twice),
    );
    let mut terms: Terms = Policy::usual().into();
    terms.decide.of = 1;
    v.refused::<Policy>("a third decides", "Policy", &encode(&terms));
}
