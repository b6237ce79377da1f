//! What each action asks for and does.

use super::world::{Secrets, World, code, root, secrets};
use crate::codec::Ascending;
use crate::crypto::catalogue_keys::MAX_CATALOGUE_KEYS;
use crate::crypto::hash::Hash;
use crate::crypto::keys::{CatalogueCommitment, SigningKey};
use crate::genesis::{Policy, RecoveryKey, RecoveryKeys, Role, Terms};
use crate::governance::*;

fn roles(roles: &[Role]) -> Ascending<Role, 256> {
    Ascending::new(roles.to_vec()).unwrap()
}

fn define(n: usize) -> Role {
    Role::Define(code(n))
}

fn with_roles(action: Action, given: &[Role]) -> Action {
    match action {
        Action::Admit(admit) => Action::Admit(Admit {
            roles: roles(given),
            ..admit
        }),
        other => panic!("no admission: {other:?}"),
    }
}

fn change_roles(n: usize, give: &[Role], take: &[Role], position: Option<Position>) -> Action {
    let (give, take) = (roles(give), roles(take));
    let department = code(n);
    ChangeRoles {
        department,
        give,
        take,
        position,
    }
    .into()
}

fn resume(world: &World, n: usize) -> Action {
    let since = world.member(n).suspended_since().unwrap();
    let department = code(n);
    Resume { department, since }.into()
}

fn remove(world: &World, n: usize, size: u64, successor: Option<usize>) -> Action {
    let position = world.position(n, size);
    let since = world.member(n).suspended_since().unwrap_or(0);
    let successor = successor.map(code);
    Remove {
        position,
        since,
        successor,
    }
    .into()
}

fn cut(world: &World, n: usize, size: u64, why: CutReason, first_epoch: u32) -> Action {
    let position = world.position(n, size);
    Cut {
        position,
        why,
        first_epoch,
    }
    .into()
}

#[test]
fn a_department_is_admitted_with_keys_that_it_holds_and_nobody_had() {
    let mut world = World::new(4, 1);
    let admit = world.admit(9, true);
    world.decide(std::slice::from_ref(&admit)).unwrap();
    assert_eq!(world.state.governors().count(), 5);
    assert_eq!(world.member(9).epoch, 0);
    assert_eq!(world.refused(admit), ActionFault::Member(code(9)));

    // Each key in turn is another's, which the newcomer can't sign with, or can: then it was used before.
    let mut seeds = 10_000;
    let others = world.own(1).clone();
    let fresh = secrets(&mut seeds);
    let admission = |world: &World, own: &Secrets| -> Action {
        let introduction = world.introduction(8, own);
        let (roles, governs) = (Ascending::default(), false);
        Admit {
            introduction,
            roles,
            governs,
        }
        .into()
    };
    for own in [
        Secrets {
            identity: others.identity.clone(),
            ..fresh.clone()
        },
        Secrets {
            operating: others.operating.clone(),
            ..fresh.clone()
        },
        Secrets {
            transport: others.transport,
            ..fresh.clone()
        },
        // Its own operating key in a second place.
        Secrets {
            identity: fresh.operating[0].clone(),
            ..fresh.clone()
        },
    ] {
        let action = admission(&world, &own);
        assert_eq!(world.refused(action), ActionFault::KeyUsed(code(8)));
    }
    let Action::Admit(good) = admission(&world, &fresh) else {
        unreachable!()
    };
    let signature = fresh.identity.sign(&Hash::ZERO);
    let good_introduction = good.introduction.clone();
    for introduction in [
        Introduction {
            identity: signature,
            ..good_introduction.clone()
        },
        Introduction {
            operating: signature,
            ..good_introduction.clone()
        },
        Introduction {
            transport: signature,
            ..good_introduction.clone()
        },
    ] {
        let action = Admit {
            introduction,
            ..good.clone()
        };
        assert_eq!(
            world.refused(action.into()),
            ActionFault::NotPossessed(code(8))
        );
    }
    // A sealing key can't be shown to be held: another's is only of no use to who names it.
    let own = Secrets {
        sealing: others.sealing,
        ..fresh
    };
    let action = admission(&world, &own);
    world.decide(&[action]).unwrap();
}

#[test]
fn a_suspended_member_is_judged_as_such_from_the_position_on() {
    let mut world = World::new(4, 1);
    let suspend = world.suspend(4, 17);
    world.decide(std::slice::from_ref(&suspend)).unwrap();
    assert_eq!(world.member(4).suspended_since(), Some(1));
    let marker = Marker {
        height: 1,
        position: world.position(4, 17),
        suspends: true,
    };
    assert_eq!(world.state.trail(&code(4)).unwrap().markers, [marker]);
    let overtaken = ActionFault::Overtaken("that it is not suspended");
    assert_eq!(world.refused(suspend), overtaken);
    let of_another = Resume {
        department: code(4),
        since: 7,
    };
    assert_eq!(
        world.refused(of_another.into()),
        ActionFault::Overtaken("a suspension")
    );
    world.decide(&[resume(&world, 4)]).unwrap();
    assert!(world.member(4).is_active());
}

#[test]
fn only_a_suspended_member_is_removed_and_not_in_the_same_block() {
    let mut world = World::new(4, 1);
    let remove_now = remove(&world, 4, 3, None);
    assert_eq!(
        world.refused(remove_now),
        ActionFault::Overtaken("a suspension")
    );
    let position = world.position(4, 3);
    let at_once = Remove {
        position,
        since: 1,
        successor: None,
    };
    let both = [Suspend { position }.into(), at_once.into()];
    let decision = world.decision(&both);
    assert_eq!(
        world.fault(&decision.into()),
        Fault::Action {
            at: 1,
            fault: ActionFault::TooSoon(code(4))
        }
    );
    world.decide(&both[..1]).unwrap();
    for successor in [4, 12] {
        let action = remove(&world, 4, 3, Some(successor));
        let fault = ActionFault::Successor(code(successor));
        assert_eq!(world.refused(action), fault);
    }
    world.decide(&[remove(&world, 4, 3, Some(0))]).unwrap();
    assert!(world.state.member(&code(4)).is_none());
    let trail = world.state.trail(&code(4)).unwrap();
    assert_eq!(trail.generations[0].why, GenerationEnd::Removed);
    assert!(trail.epochs.iter().all(|epoch| epoch.ended.is_some()));
    let gone = Govern {
        department: code(4),
        governs: true,
    };
    assert_eq!(world.refused(gone.into()), ActionFault::NotAMember(code(4)));
}

#[test]
fn a_department_admitted_again_goes_on_with_its_epochs_generations_and_numbers() {
    let mut world = World::new(4, 1);
    world.rotate(4);
    let suspend = world.suspend(4, 5);
    world.decide(&[suspend]).unwrap();
    world.decide(&[remove(&world, 4, 5, None)]).unwrap();
    let before = world.own(4).clone();
    let admit = world.admit(4, false);
    world.decide(&[admit]).unwrap();
    let member = world.member(4);
    assert_eq!((member.epoch, member.first_epoch), (2, 2));
    assert_eq!((member.generation, member.changes), (1, 1));
    // With none of the keys it had.
    let suspend = world.suspend(4, 5);
    world.decide(&[suspend]).unwrap();
    world.decide(&[remove(&world, 4, 5, None)]).unwrap();
    let introduction = world.introduction(4, &before);
    let (roles, governs) = (Ascending::default(), false);
    let again = Admit {
        introduction,
        roles,
        governs,
    };
    assert_eq!(world.refused(again.into()), ActionFault::KeyUsed(code(4)));
}

#[test]
fn what_is_taken_must_be_there_what_is_given_must_not_and_taking_names_a_position() {
    let mut world = World::new(4, 1);
    let at = world.position(4, 2);
    let overtaken = ActionFault::Overtaken("roles");
    for (give, take, position, fault) in [
        (&[Role::Issue][..], &[][..], None, overtaken.clone()),
        (&[], &[define(70)], Some(at), overtaken),
        (&[], &[], None, ActionFault::Roles),
        (&[], &[Role::Issue], None, ActionFault::NoPosition),
        (&[define(70)], &[], Some(at), ActionFault::NoPosition),
        (
            &[],
            &[Role::Issue],
            Some(world.position(3, 2)),
            ActionFault::NoPosition,
        ),
    ] {
        let action = change_roles(4, give, take, position);
        assert_eq!(world.refused(action), fault);
    }
    let swap = change_roles(4, &[define(70)], &[Role::Issue], Some(at));
    world.decide(std::slice::from_ref(&swap)).unwrap();
    assert_eq!(*world.member(4).roles, [define(70)]);
    assert_eq!(world.refused(swap), ActionFault::Overtaken("roles"));
}

#[test]
fn an_authority_s_types_have_one_definer_whatever_is_decided() {
    let mut world = World::new(4, 1);
    let give = |n, role| change_roles(n, &[role], &[], None);
    world.decide(&[give(0, define(70))]).unwrap();
    for (n, role) in [(1, define(70)), (1, define(2)), (1, define(1))] {
        assert_eq!(world.refused(give(n, role)), ActionFault::Role(role));
    }
    // The authority itself comes: first the role is taken.
    let admit = world.admit(70, false);
    let fault = ActionFault::Role(define(70));
    assert_eq!(world.refused(admit.clone()), fault);
    let at = world.position(0, 0);
    let take = change_roles(0, &[], &[define(70)], Some(at));
    world.decide(&[take, admit]).unwrap();
    let type_code = format!("{}001", code(70)).parse().unwrap();
    let history = world.history();
    let definers = (0..=2).map(|height| history.definer_at(&type_code, height));
    let definers: Vec<_> = definers.collect();
    assert_eq!(definers, [None, Some(code(0)), Some(code(70))]);
    let newcomer = world.admit(71, false);
    let newcomer = with_roles(newcomer, &[define(70)]);
    assert_eq!(world.refused(newcomer), ActionFault::Role(define(70)));
}

#[test]
fn no_more_than_64_govern_suspended_ones_counted() {
    let mut world = World::new(64, 1);
    let suspend = world.suspend(63, 0);
    world.decide(&[suspend]).unwrap();
    let govern = Govern {
        department: code(64),
        governs: true,
    };
    assert_eq!(world.refused(govern.into()), ActionFault::TooMany(64));
    let admit = world.admit(80, true);
    assert_eq!(world.refused(admit), ActionFault::TooMany(64));
}

#[test]
fn a_cut_ends_the_generation_and_the_epochs_that_it_names() {
    let mut world = World::new(4, 1);
    world.rotate(4);
    let why = CutReason::Compromised;
    for first_epoch in [3, u32::MAX] {
        let action = cut(&world, 4, 5, why, first_epoch);
        let fault = world.refused(action);
        assert!(matches!(fault, ActionFault::FirstEpoch { .. }), "{fault}");
    }
    let action = cut(&world, 4, 5, why, 2);
    world.decide(std::slice::from_ref(&action)).unwrap();
    let member = world.member(4);
    assert_eq!((member.generation, member.epoch), (1, 1));
    // Not even the present key is trusted: there is none until the department names the next.
    assert_eq!(member.operating_key(), None);
    let trail = world.state.trail(&code(4)).unwrap();
    let stolen = |epoch: &Epoch| epoch.ended.map(|end| end.why) == Some(EndReason::Stolen);
    assert!(trail.epochs.iter().all(stolen));
    world.rotate(4);
    assert!(world.member(4).operating_key().is_some());
    // It names the generation that it ends, and none goes back before what the present one began with.
    assert!(matches!(
        world.refused(action),
        ActionFault::Position(PositionFault::Log(_))
    ));
    let below = cut(&world, 4, 4, CutReason::Forked, 2);
    let fault = PositionFault::Kept { found: 4, kept: 5 };
    assert_eq!(world.refused(below), ActionFault::Position(fault));
    world
        .decide(&[cut(&world, 4, 5, CutReason::Forked, 2)])
        .unwrap();
    assert_eq!(world.member(4).generation, 2);
    let ended = cut(&world, 4, 9, CutReason::Lost, 1);
    let fault = world.refused(ended);
    assert!(matches!(fault, ActionFault::FirstEpoch { .. }), "{fault}");
}

#[test]
fn a_governor_without_a_living_key_counts_and_cannot_vote() {
    let mut world = World::new(4, 0);
    let action = cut(&world, 3, 5, CutReason::Compromised, 1);
    world.decide(&[action]).unwrap();
    assert_eq!(world.state.governors().count(), 4);
    let (rotation, _) = world.rotation(3);
    let block = world.block(vec![rotation.into()]);
    let with_ended = world.certified_by(block.clone(), &[code(0), code(1), code(2), code(3)]);
    let fault = CertificateFault::BadVote(code(3));
    assert_eq!(
        world.state.accept(&with_ended),
        Err(BlockError::Certificate { height: 2, fault })
    );
    let without = world.certified_by(block, &[code(0), code(1), code(2)]);
    assert!(world.state.accept(&without).is_ok());
}

#[test]
fn an_identity_key_is_replaced_by_one_that_is_held_and_the_old_one_signs_nothing_then() {
    let mut world = World::new(4, 1);
    let network = world.network();
    let (before, after) = (world.own(4).identity.public(), world.fresh_key());
    let replace = ReplaceIdentity::sign(network, code(4), before, &after);
    let others = world.own(1).identity.public();
    for (wrong, fault) in [
        (
            ReplaceIdentity::sign(network, code(4), others, &after),
            ActionFault::Overtaken("an identity key"),
        ),
        (
            ReplaceIdentity {
                after: others,
                ..replace.clone()
            },
            ActionFault::NotPossessed(code(4)),
        ),
        (
            ReplaceIdentity::sign(network, code(4), before, &world.own(1).identity),
            ActionFault::KeyUsed(code(4)),
        ),
    ] {
        assert_eq!(world.refused(wrong.into()), fault);
    }
    // Whoever has the old key uses up the day's changes: the new one can change keys at once.
    for _ in 0..4 {
        world.rotate(4);
    }
    let (thief_s, _) = world.rotation(4);
    assert_eq!(world.fault(&thief_s.clone().into()), Fault::Quota(code(4)));
    world.decide(&[replace.clone().into()]).unwrap();
    assert_eq!(world.fault(&thief_s.into()), Fault::Signature(code(4)));
    world.rotate(4);
    assert_eq!(
        world.refused(replace.into()),
        ActionFault::Overtaken("an identity key")
    );
}

#[test]
fn no_catalogue_key_comes_into_force_twice_and_there_are_not_more_than_can_be_looked_up_under() {
    let mut world = World::new(4, 1);
    let first = world.state.catalogue_key();
    let replace = |before, after| Action::from(ReplaceCatalogueKey { before, after });
    let commitment = |n: usize| CatalogueCommitment(root(n as u64));
    let mut present = first;
    for n in 1..MAX_CATALOGUE_KEYS {
        assert_eq!(
            world.refused(replace(present, first)),
            ActionFault::CatalogueKeyUsed
        );
        world.decide(&[replace(present, commitment(n))]).unwrap();
        present = commitment(n);
    }
    let used = replace(commitment(MAX_CATALOGUE_KEYS - 1), commitment(1));
    assert_eq!(world.refused(used), ActionFault::CatalogueKeyUsed);
    assert_eq!(
        world.refused(replace(present, commitment(MAX_CATALOGUE_KEYS))),
        ActionFault::TooManyCatalogueKeys(MAX_CATALOGUE_KEYS)
    );
    assert_eq!(world.state.catalogue_keys().len(), MAX_CATALOGUE_KEYS);
}

#[test]
fn one_block_replaces_the_catalogue_key_once() {
    let mut world = World::new(4, 1);
    let present = world.state.catalogue_key();
    let [one, two] = [1, 2].map(|n| CatalogueCommitment(root(n)));
    let replace = |before, after| Action::from(ReplaceCatalogueKey { before, after });
    let twice = world.decision(&[replace(present, one), replace(one, two)]);
    let fault = ActionFault::CatalogueKeyTwice;
    assert_eq!(world.fault(&twice.into()), Fault::Action { at: 1, fault });
    world.decide(&[replace(present, one)]).unwrap();
    world.decide(&[replace(one, two)]).unwrap();
    assert_eq!(world.state.catalogue_key(), two);
}

#[test]
fn catalogue_key_policy_and_version_are_replaced_from_what_they_are() {
    let mut world = World::new(4, 1);
    let present = world.state.catalogue_key();
    let [one, other] = [1, 2].map(|n| CatalogueCommitment(root(n)));
    let replace = |before, after| Action::from(ReplaceCatalogueKey { before, after });
    assert_eq!(
        world.refused(replace(one, other)),
        ActionFault::Overtaken("a catalogue key")
    );
    world.decide(&[replace(present, one)]).unwrap();
    assert_eq!(world.state.catalogue_key(), one);
    let since = world.state.height();
    assert_eq!(world.state.catalogue_keys(), [(0, present), (since, one)]);

    let recovery_key = SigningKey::from_seed(&[99; 32]).public();
    let with_key = |key| {
        let keys = Ascending::new(vec![RecoveryKey(key)]).unwrap();
        let recovery = Some(RecoveryKeys { keys, need: 1 });
        Policy::new(Terms {
            recovery,
            ..Policy::usual().into()
        })
        .unwrap()
    };
    let replace = |before, after| Action::from(ReplacePolicy { before, after });
    let usual = Policy::usual();
    let theirs = with_key(world.own(0).identity.public());
    assert_eq!(
        world.refused(replace(usual.clone(), theirs)),
        ActionFault::RecoveryKeyUsed
    );
    let with_recovery = with_key(recovery_key);
    assert_eq!(
        world.refused(replace(with_recovery.clone(), usual.clone())),
        ActionFault::Overtaken("a policy")
    );
    world
        .decide(&[replace(usual.clone(), with_recovery.clone())])
        .unwrap();
    world
        .decide(&[replace(with_recovery.clone(), usual.clone())])
        .unwrap();
    // Nor does a recovery key come back.
    assert_eq!(
        world.refused(replace(usual, with_recovery)),
        ActionFault::RecoveryKeyUsed
    );

    for after in [0, 1, 3] {
        let raise = RaiseVersion { after };
        let fault = ActionFault::Overtaken("a version");
        assert_eq!(world.refused(raise.into()), fault);
    }
}

#[test]
fn a_version_is_raised_by_itself_so_that_whoever_does_not_know_it_knows_all_else() {
    let mut world = World::new(4, 1);
    let raise = Action::from(RaiseVersion { after: 2 });
    let suspend = world.suspend(4, 0);
    let both = world.decision(&[raise.clone(), suspend]);
    assert_eq!(world.fault(&both.into()), Fault::RaisesBeside);
    let alone = world.decision(&[raise]);
    let change = world.rotation(4).0;
    let beside = world.block(vec![alone.clone().into(), change.clone().into()]);
    assert_eq!(world.state.apply(&beside), Err(BlockError::Beside(1)));
    // Whatever waits, a block is made of what goes together.
    let mut pool = Pool::default();
    for item in [Item::from(alone.clone()), change.into()] {
        pool.add(&item, &world.state, world.time_ms).unwrap();
    }
    let next = pool.next(&world.state, world.time_ms);
    assert_eq!(next.to_vec(), [Item::from(alone)]);
}

#[test]
fn the_log_of_a_suspended_member_is_not_cut_beyond_where_it_counts() {
    let mut world = World::new(4, 1);
    let suspend = world.suspend(4, 7);
    world.decide(&[suspend]).unwrap();
    let cut = |world: &World, size| {
        Action::from(Cut {
            position: world.position(4, size),
            why: CutReason::Forked,
            first_epoch: 0,
        })
    };
    let beyond = cut(&world, 8);
    assert_eq!(world.refused(beyond), ActionFault::BeyondSuspension(7));
    let there = cut(&world, 7);
    world.decide(&[there]).unwrap();
    // Roles that were taken in the same decision, elsewhere, say nothing about where it goes on.
    let mut world = World::new(4, 1);
    let take = ChangeRoles {
        department: code(4),
        give: Ascending::default(),
        take: Ascending::new(vec![Role::Issue]).unwrap(),
        position: Some(world.position(4, 3)),
    };
    let suspend = world.suspend(4, 7);
    world.decide(&[take.into(), suspend]).unwrap();
    let department = code(4);
    let since = world.member(4).suspended_since().unwrap();
    world
        .decide(&[Resume { department, since }.into()])
        .unwrap();
    let history = world.history();
    let log = history.present_log(&department);
    assert_eq!(history.beginning(log).unwrap().size, 7);
    assert_eq!(history.marked_below(log, 7), Some(3));
}
