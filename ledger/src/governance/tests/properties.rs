//! Whatever is put into blocks, in whatever order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::{World, code};
use crate::codec::{self, Ascending};
use crate::genesis::{MAX_GOVERNORS, Policy, Role, Terms};
use crate::governance::*;
use crate::id::DepartmentCode;
use crate::names::Claim;

/// Something that somebody, honest or not, may do.
#[derive(Clone, Debug)]
enum Step {
    /// A proposal of this kind by a department, approved by these, whoever they are.
    Propose {
        kind: u8,
        about: usize,
        size: u64,
        by: usize,
        approving: Vec<usize>,
    },
    /// An item made before, again.
    Again(usize),
    /// An item made before, with one byte changed.
    Spoiled {
        which: usize,
        byte: usize,
    },
    /// Own changes and ends of epochs.
    Rotate(usize),
    End {
        about: usize,
        size: u64,
        stolen: bool,
    },
    Withdraw {
        which: usize,
        by: usize,
    },
    /// Time goes on.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let department = 0..7usize;
    let approving = proptest::collection::vec(0..7usize, 0..7);
    prop_oneof![
        6 => (0..9u8, department.clone(), 0..40u64, department.clone(), approving)
            .prop_map(|(kind, about, size, by, approving)| Step::Propose { kind, about, size, by, approving }),
        // All of them, so that a run gets somewhere.
        6 => (0..9u8, department.clone(), 0..40u64)
            .prop_map(|(kind, about, size)| Step::Propose { kind, about, size, by: 7, approving: vec![] }),
        2 => any::<usize>().prop_map(Step::Again),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(which, byte)| Step::Spoiled { which, byte }),
        3 => department.clone().prop_map(Step::Rotate),
        2 => (department.clone(), 0..40u64, any::<bool>())
            .prop_map(|(about, size, stolen)| Step::End { about, size, stolen }),
        1 => (any::<usize>(), department).prop_map(|(which, by)| Step::Withdraw { which, by }),
        1 => (0..200_000_000u64).prop_map(Step::Wait),
    ]
}

fn action(world: &mut World, kind: u8, about: usize, size: u64) -> Action {
    let department = code(about);
    let member = world.state.members.get(&department).cloned();
    let Some(member) = member.filter(|member| member.belongs() || kind == 0) else {
        return world.admit(about, size.is_multiple_of(2));
    };
    let position = world.position(about, size);
    match kind {
        0 => world.admit(about, size.is_multiple_of(2)),
        1 => Suspend { position }.into(),
        2 => Resume {
            department,
            since: member.suspended_since().unwrap_or(size),
        }
        .into(),
        3 => Remove {
            position,
            since: member.suspended_since().unwrap_or(size),
            // Without one it can come back.
            successor: size.is_multiple_of(3).then(|| code(0)),
        }
        .into(),
        4 => {
            let role = Ascending::new(vec![Role::Issue]).unwrap();
            let (give, take) = match member.roles.is_empty() {
                true => (role, Ascending::default()),
                false => (Ascending::default(), role),
            };
            let position = (!take.is_empty()).then_some(position);
            ChangeRoles {
                department,
                give,
                take,
                position,
            }
            .into()
        }
        5 => Govern {
            department,
            governs: !member.governs,
        }
        .into(),
        6 => Cut {
            position,
            why: CutReason::Forked,
            first_epoch: member.epoch,
        }
        .into(),
        7 => {
            let after = world.fresh_key();
            let before = member.keys.identity;
            let replace = ReplaceIdentity::sign(world.network(), department, before, &after);
            replace.into()
        }
        _ => {
            let before = world.state.policy().clone();
            let terms = Terms {
                fresh_ms: 60_000 + size,
                ..before.clone().into()
            };
            ReplacePolicy {
                before,
                after: Policy::new(terms).unwrap(),
            }
            .into()
        }
    }
}

/// A run: items made, offered one a block, by all who have a vote.
struct Run {
    world: World,
    items: Vec<Item>,
}

impl Run {
    fn new() -> Run {
        Run {
            world: World::new(4, 2),
            items: Vec::new(),
        }
    }

    fn item(&mut self, step: &Step) -> Option<Item> {
        let world = &mut self.world;
        Some(match step {
            Step::Propose {
                kind,
                about,
                size,
                by: 7,
                ..
            } => {
                let action = action(world, *kind, *about, *size);
                world.decision(&[action]).into()
            }
            Step::Propose {
                kind,
                about,
                size,
                by,
                approving,
            } => {
                let action = action(world, *kind, *about, *size);
                let known = |n: &usize| world.secrets.contains_key(&code(*n));
                let approving: BTreeSet<usize> = approving.iter().copied().filter(known).collect();
                if !known(by) {
                    return None;
                }
                let proposed = world.propose(*by, &[action]);
                let approving: Vec<usize> = approving.into_iter().collect();
                world.approved_by(&proposed, &approving).into()
            }
            Step::Again(which) => self
                .items
                .get(which.checked_rem(self.items.len())?)?
                .clone(),
            Step::Spoiled { which, byte } => {
                let item = self.items.get(which.checked_rem(self.items.len())?)?;
                let mut content = item.content();
                let at = byte.checked_rem(content.len())?;
                content[at] ^= 1 << (byte % 8);
                Item::read(item.kind(), &content)
            }
            Step::Rotate(n) => {
                world.state.member(&code(*n))?;
                world.rotation(*n).0.into()
            }
            Step::End {
                about,
                size,
                stolen,
            } => {
                let member = world.state.member(&code(*about))?;
                let end = EpochEnd {
                    epoch: member.epoch.saturating_sub(1),
                    position: world.position(*about, *size),
                    why: if *stolen {
                        EndReason::Stolen
                    } else {
                        EndReason::Rotated
                    },
                };
                let witnesses: Vec<usize> = (0..7)
                    .filter(|n| n != about && world.state.governor(&code(*n)).is_some())
                    .collect();
                world.ended(*about, end, &witnesses).into()
            }
            Step::Withdraw { which, by } => {
                let Item::Decision(decision) =
                    self.items.get(which.checked_rem(self.items.len())?)?
                else {
                    return None;
                };
                let id = decision.proposal.id(world.network());
                let key = &world.secrets.get(&code(*by))?.identity;
                Withdrawal::sign(world.network(), id, world.state.sitting(), code(*by), key).into()
            }
            Step::Wait(ms) => {
                world.time_ms += ms;
                return None;
            }
        })
    }
}

/// Whether enough of those who govern signed what a decision holds, found without the fold.
fn enough_signed(state: &State, decision: &Decision) -> bool {
    let network = state.network();
    let id = decision.proposal.id(network);
    let mut signers: BTreeSet<DepartmentCode> = BTreeSet::new();
    for governor in state.governors() {
        let key = &governor.keys.identity;
        let proposes = decision.proposal.proposer == governor.code
            && key.verify(&id.0, &decision.signature).is_ok();
        let approves = decision.approvals.iter().any(|approval| {
            let purpose = crate::crypto::hash::Purpose::Approval;
            approval.by == governor.code && network.is_signed(purpose, &id, approval, key)
        });
        if proposes || approves {
            signers.insert(governor.code);
        }
    }
    signers.len() * 3 > state.governors().count() * 2
}

fn check(before: &State, item: &Item, after: &State) {
    let governors = |state: &State| -> Vec<_> { state.governors().map(|m| m.code).collect() };
    match item {
        Item::Decision(decision) => {
            assert!(enough_signed(before, decision), "{decision:?}");
        }
        Item::OwnChange(change) => {
            assert_eq!(governors(before), governors(after));
            let code = change.change.department;
            let others = |state: &State| -> Vec<_> {
                state
                    .departments()
                    .filter(|m| m.code != code)
                    .cloned()
                    .collect()
            };
            assert_eq!(others(before), others(after));
            let identity = |state: &State| state.member(&code).unwrap().keys.identity;
            assert_eq!(identity(before), identity(after));
        }
        _ => assert!(before.departments().eq(after.departments())),
    }
    // Nothing takes effect a second time.
    assert!(after.at(after.time_ms()).with(item).is_err());
    assert!((1..=MAX_GOVERNORS).contains(&after.governors().count()));
    if governors(before) != governors(after) {
        assert!(after.sitting() > before.sitting());
    }
    assert!(after.used.is_superset(&before.used));
    for member in after.departments() {
        let trail = after.trail(&member.code).unwrap();
        assert_eq!(trail.epochs.len(), member.epoch as usize + 1);
        assert_eq!(trail.epochs.last().unwrap().key, member.keys.operating);
        let generations = trail.generations.len();
        assert_eq!(
            generations,
            member.generation as usize + usize::from(!member.belongs())
        );
        // What ended stays where it ended, and ends are in the order of the epochs.
        let old = before.trail(&member.code);
        for (n, epoch) in old
            .into_iter()
            .flat_map(|old| old.epochs.iter().enumerate())
        {
            let now = trail.epochs[n].ended.map(|end| end.position);
            assert!(epoch.ended.is_none() || epoch.ended.map(|end| end.position) == now);
        }
        let open = trail.epochs.iter().position(|epoch| epoch.ended.is_none());
        let open = open.unwrap_or(trail.epochs.len());
        assert!(
            trail.epochs[open..]
                .iter()
                .all(|epoch| epoch.ended.is_none())
        );
        // No key that ended signs for it.
        let living = member.operating_key().is_some();
        assert!(!living || trail.epochs.last().unwrap().ended.is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_takes_effect_without_enough_signatures_whatever_is_offered(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut run = Run::new();
        let mut history = History::begin(&run.world.genesis);
        for step in &steps {
            let Some(item) = run.item(step) else { continue };
            let before = run.world.state.clone();
            let block = run.world.certified(vec![item.clone()]);
            match before.apply(&block.block) {
                Ok(after) => {
                    check(&before, &item, &after);
                    // Some have no living key; then there may not be votes enough, and nothing happens.
                    if run.world.make(vec![item.clone()]).is_ok() {
                        let block = run.world.blocks.last().unwrap();
                        history.extend(block).unwrap();
                    }
                }
                Err(BlockError::Item { .. }) => {
                    prop_assert!(run.world.make(vec![item.clone()]).is_err());
                    prop_assert_eq!(&before, &run.world.state);
                }
                Err(other) => panic!("{other}"),
            }
            run.items.push(item);
        }
        // Whoever has the same blocks has the same bytes: folded again, read again from a trust file.
        prop_assert_eq!(history.state().to_bytes(), run.world.state.to_bytes());
        let world = &run.world;
        let file = TrustFile::write(&world.genesis, &world.blocks);
        let read = TrustFile::read(&file, None).unwrap();
        prop_assert_eq!(read.history.state().to_bytes(), world.state.to_bytes());
    }

    #[test]
    fn any_bytes_are_an_item_that_is_folded_to_the_same_answer(
        kind in 0..6u32,
        content in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let world = World::new(4, 1);
        let item = Item::read(kind, &content);
        let block = world.block(vec![item.clone()]);
        let bytes = codec::encode(&block);
        let read = Block::decode(&bytes).unwrap();
        prop_assert_eq!(&read, &block);
        prop_assert!(world.state.apply(&read).is_err());
        prop_assert_eq!(world.state.apply(&read), world.state.apply(&block));
    }

    #[test]
    fn any_claim_has_one_judge_and_what_is_known_more_only_takes_away(
        claims in proptest::collection::vec(
            (0..7usize, 0..3u32, 0..40u64, 0..3u32, 0..12u64), 1..40,
        ),
        steps in proptest::collection::vec(step(), 1..20),
    ) {
        let mut run = Run::new();
        let mut histories = vec![History::begin(&run.world.genesis)];
        for step in &steps {
            let Some(item) = run.item(step) else { continue };
            if run.world.make(vec![item.clone()]).is_ok() {
                let mut next = histories.last().unwrap().clone();
                next.extend(run.world.blocks.last().unwrap()).unwrap();
                histories.push(next);
            }
            run.items.push(item);
        }
        for (n, generation, seq, epoch, height) in claims {
            let log = crate::names::LogId { department: code(n), generation };
            let claim = Claim { log, seq, epoch, height };
            let (mut counted, mut has_role) = (true, true);
            for history in &histories {
                match history.judge(&claim) {
                    Judgement::Early => prop_assert!(height > history.height()),
                    // What counts for nothing once counts for nothing ever after, and so with what it needs a role for.
                    Judgement::By(judge) => {
                        prop_assert!(counted, "{claim:?}");
                        let has = judge.has_role(Role::Issue);
                        prop_assert!(has_role || !has, "{claim:?}");
                        has_role = has;
                    }
                    Judgement::Nothing(_) => counted = false,
                }
            }
        }
    }
}
