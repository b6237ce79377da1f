//! What departments change by themselves.

use super::world::{Coming, World, code, empty_root, root};
use crate::checkpoint::SignedCheckpoint;
use crate::crypto::keys::SigningKey;
use crate::crypto::sealing::{SealingKey, SealingSecret};
use crate::genesis::PeerId;
use crate::governance::*;

fn sealing(n: u8) -> SealingKey {
    SealingSecret::from_seed(&[n; 32]).public()
}

#[test]
fn a_department_changes_its_keys_by_itself_and_each_change_once() {
    let mut world = World::new(4, 1);
    let (change, key) = world.rotation(4);
    world.make(vec![change.clone().into()]).unwrap();
    assert_eq!(world.member(4).epoch, 1);
    assert_eq!(world.member(4).keys.operating, key.public());
    let fault = Fault::Number {
        department: code(4),
        found: 1,
        next: 2,
    };
    assert_eq!(world.fault(&change.into()), fault);
    // Nobody else governs more or less by it.
    assert_eq!(world.state.sitting(), 0);
}

#[test]
fn a_change_is_signed_by_the_identity_key_and_by_each_new_key_that_signs() {
    let mut world = World::new(4, 1);
    let network = world.network();
    let (operating, transport) = (world.fresh_key(), world.fresh_key());
    let peer = PeerId::from_transport_key(*transport.public().as_bytes());
    let change = OwnChange {
        operating: Some(operating.public()),
        transport: Some(peer.clone()),
        sealing: Some(sealing(9)),
        ..world.own_change(4)
    };
    let sign = |change: &OwnChange, identity: &SigningKey| {
        let (operating, transport) = (Some(&operating), Some(&transport));
        SignedChange::sign(network, change.clone(), identity, operating, transport)
    };
    let good = sign(&change, &world.own(4).identity);
    // The node's key, which a thief of the node has, is not enough; nor is another department's.
    for wrong in [world.own(4).now(), &world.own(0).identity] {
        let fault = world.fault(&sign(&change, wrong).into());
        assert_eq!(fault, Fault::Signature(code(4)));
    }
    let with = |operating, transport| SignedChange {
        operating,
        transport,
        ..good.clone()
    };
    let not_possessed = Fault::NotPossessed(code(4));
    for wrong in [
        with(None, good.transport),
        with(good.operating, None),
        with(good.transport, good.operating),
    ] {
        assert_eq!(world.fault(&wrong.into()), not_possessed);
    }
    // Who sees the change before it is final can't take its keys first.
    let taken = OwnChange {
        operating: Some(operating.public()),
        ..world.own_change(1)
    };
    let taken = SignedChange {
        operating: good.operating,
        ..SignedChange::sign(network, taken, &world.own(1).identity, None, None)
    };
    assert_eq!(world.fault(&taken.into()), Fault::NotPossessed(code(1)));
    // The sealing key alone can be named by another, which takes nothing from its holder.
    let same_sealing = OwnChange {
        sealing: Some(sealing(9)),
        ..world.own_change(1)
    };
    let identity = &world.own(1).identity;
    let same_sealing = SignedChange::sign(network, same_sealing, identity, None, None);
    world.make(vec![same_sealing.into(), good.into()]).unwrap();
    assert_eq!(world.member(4).keys.transport, peer);
}

#[test]
fn no_key_is_used_twice_by_anybody() {
    let mut world = World::new(4, 1);
    world.rotate(4);
    let network = world.network();
    let own = world.own(4).clone();
    let rotated = |world: &World, n, key: &SigningKey| {
        let change = OwnChange {
            operating: Some(key.public()),
            ..world.own_change(n)
        };
        let identity = &world.own(n).identity;
        Item::from(SignedChange::sign(
            network,
            change,
            identity,
            Some(key),
            None,
        ))
    };
    for key in [&own.operating[0], &own.operating[1], &own.identity] {
        for n in [4, 1] {
            let item = rotated(&world, n, key);
            assert_eq!(world.fault(&item), Fault::KeyUsed(code(n)));
        }
    }
    // One key for two purposes, in one change.
    let key = world.fresh_key();
    let peer = PeerId::from_transport_key(*key.public().as_bytes());
    let change = OwnChange {
        operating: Some(key.public()),
        transport: Some(peer),
        ..world.own_change(4)
    };
    let twice = SignedChange::sign(network, change, &own.identity, Some(&key), Some(&key));
    assert_eq!(world.fault(&twice.into()), Fault::KeyUsed(code(4)));
    // A sealing key of its own, a second time.
    let change = OwnChange {
        sealing: Some(own.sealing),
        ..world.own_change(4)
    };
    let again = SignedChange::sign(network, change, &own.identity, None, None);
    assert_eq!(world.fault(&again.into()), Fault::KeyUsed(code(4)));
    // A transport identity that no key has.
    let change = OwnChange {
        transport: Some(PeerId::from_transport_key([0; 32])),
        ..world.own_change(4)
    };
    let nobody_s = SignedChange::sign(network, change, &own.identity, None, Some(&key));
    assert_eq!(world.fault(&nobody_s.into()), Fault::NotPossessed(code(4)));
    let nothing = world.own_change(4);
    let nothing = SignedChange::sign(network, nothing, &own.identity, None, None);
    assert_eq!(world.fault(&nothing.into()), Fault::NoChange);
}

#[test]
fn a_department_changes_its_keys_as_often_as_the_policy_allows_and_again_a_day_later() {
    let mut world = World::new(4, 1);
    for _ in 0..4 {
        world.rotate(4);
    }
    let (fifth, _) = world.rotation(4);
    assert_eq!(world.fault(&fifth.clone().into()), Fault::Quota(code(4)));
    world.rotate(3);
    world.time_ms += 86_400_000;
    assert!(world.holds(&fifth.into()));
}

#[test]
fn a_suspended_member_still_changes_its_keys_and_a_removed_one_does_not() {
    let mut world = World::new(4, 1);
    let suspend = world.suspend(4, 0);
    world.decide(&[suspend]).unwrap();
    world.rotate(4);
    let position = world.position(4, 0);
    let remove = Remove {
        position,
        since: 1,
        successor: None,
    };
    let (change, _) = world.rotation(4);
    world.decide(&[remove.into()]).unwrap();
    assert_eq!(world.fault(&change.into()), Fault::NotAMember(code(4)));
}

fn end(world: &World, n: usize, epoch: u32, size: u64) -> EpochEnd {
    EpochEnd {
        position: world.position(n, size),
        epoch,
        why: EndReason::Rotated,
    }
}

fn epoch_fault(world: &World, n: usize, end: EpochEnd) -> &'static str {
    let witnesses: Vec<usize> = (0..4).filter(|witness| *witness != n).collect();
    match world.fault(&world.ended(n, end, &witnesses).into()) {
        Fault::Epoch { why, .. } => why,
        other => panic!("another fault: {other}"),
    }
}

#[test]
fn an_epoch_ends_by_the_next_one_s_key_with_witnesses_in_order_and_once() {
    let mut world = World::new(4, 1);
    let first = end(&world, 4, 0, 10);
    assert!(epoch_fault(&world, 4, first).starts_with("it is the present one"));
    world.rotate(4);
    world.rotate(4);
    // Two thirds of the other governors, here three of four.
    let few = world.ended(4, first, &[0, 1]);
    let fault = world.fault(&few.into());
    assert!(
        matches!(
            fault,
            Fault::Witnesses {
                found: 2,
                others: 4,
                ..
            }
        ),
        "{fault}"
    );
    let witnessed = world.ended(4, first, &[0, 1, 2]);
    // By an ended key, as its thief would.
    let by_old = EpochEnded {
        signature: EpochEnded::sign(world.network(), first, &world.own(4).operating[0]).signature,
        ..witnessed.clone()
    };
    assert_eq!(world.fault(&by_old.into()), Fault::Signature(code(4)));
    // Witnesses of another size, or one that is no governor.
    let longer = EpochEnded {
        witnesses: world.ended(4, end(&world, 4, 0, 9), &[0, 1, 2]).witnesses,
        ..witnessed.clone()
    };
    assert_eq!(world.fault(&longer.into()), Fault::Signature(code(0)));
    let own = world.ended(4, first, &[0, 1, 2, 4]);
    assert_eq!(world.fault(&own.into()), Fault::NotAGovernor(code(4)));
    let second = end(&world, 4, 1, 10);
    assert_eq!(
        epoch_fault(&world, 4, second),
        "an earlier one has not ended"
    );
    world.make(vec![witnessed.into()]).unwrap();
    assert_eq!(epoch_fault(&world, 4, first), "it ended before");
    let shorter = end(&world, 4, 1, 9);
    assert_eq!(
        epoch_fault(&world, 4, shorter),
        "the one before it ended at a larger size"
    );
    let second = world.ended(4, second, &[0, 1, 2]);
    world.make(vec![second.into()]).unwrap();
    let trail = world.state.trail(&code(4)).unwrap();
    assert_eq!(
        trail.epoch(0).unwrap().ended.unwrap().position,
        first.position
    );
    assert!(trail.epoch(2).unwrap().ended.is_none());
}

#[test]
fn that_a_key_was_stolen_may_be_found_out_later_and_is_not_taken_back() {
    let mut world = World::new(4, 1);
    world.rotate(4);
    let rotated = end(&world, 4, 0, 10);
    let item = world.ended(4, rotated, &[0, 1, 2]);
    world.make(vec![item.into()]).unwrap();
    let stolen = EpochEnd {
        why: EndReason::Stolen,
        ..rotated
    };
    let elsewhere = EpochEnd {
        position: world.position(4, 8),
        ..stolen
    };
    assert_eq!(epoch_fault(&world, 4, elsewhere), "it ended elsewhere");
    let item = world.ended(4, stolen, &[0, 1, 2]);
    world.make(vec![item.into()]).unwrap();
    assert_eq!(epoch_fault(&world, 4, rotated), "it ended before");
    assert_eq!(epoch_fault(&world, 4, stolen), "it ended before");
}

#[test]
fn after_a_loss_a_department_goes_on_at_the_largest_that_enough_members_hold() {
    let mut world = World::new(4, 1);
    let at = |world: &World, size| Some(world.checkpoint(4, size, root(size), 0));
    let (short, long) = (at(&world, 5), at(&world, 8));
    let coming = |size, held: &[(usize, &Option<SignedCheckpoint>)]| Coming {
        position: world.position(4, size),
        held: held
            .iter()
            .map(|(by, held)| (*by, (*held).clone()))
            .collect(),
    };
    let (none, other) = (None, Some(world.checkpoint(4, 8, root(9), 0)));
    let longest = at(&world, 10);
    let below = [(0, &long), (1, &other), (2, &longest)];
    let (few, less, more, forked, nothing, good, forked_below) = (
        coming(8, &[(0, &long), (1, &short)]),
        coming(5, &[(0, &short), (1, &long), (2, &short)]),
        coming(9, &[(0, &short), (1, &long), (2, &short)]),
        coming(8, &[(0, &long), (1, &other), (2, &short)]),
        coming(0, &[(0, &none), (1, &none), (2, &none)]),
        coming(8, &[(0, &none), (1, &long), (2, &short)]),
        coming(10, &below),
    );
    let mut fault = |coming: &Coming| {
        let (change, _) = coming.back(&mut world, 4);
        world.fault(&change.into())
    };
    assert!(matches!(fault(&few), Fault::Witnesses { found: 2, .. }));
    assert_eq!(fault(&less), Fault::HoldsMore(code(1)));
    assert_eq!(fault(&more), Fault::NobodyHolds);
    assert_eq!(fault(&forked), Fault::HoldsMore(code(1)));
    for good in [&nothing, &forked_below] {
        let (change, _) = good.back(&mut world, 4);
        let held = &change.change.lost.as_ref().unwrap().held;
        assert_eq!(world.state.after_loss(&code(4), held), Ok(good.position));
        let stated: Vec<u64> = held
            .iter()
            .map(|held| world.state.stated(&code(4), held).unwrap())
            .collect();
        let largest = stated.into_iter().max();
        assert_eq!(largest, Some(good.position.size));
        assert!(world.holds(&change.into()));
    }
    let (change, _) = few.back(&mut world, 4);
    let held = change.change.lost.unwrap().held;
    let too_few = world.state.after_loss(&code(4), &held);
    assert!(matches!(too_few, Err(Fault::Witnesses { found: 2, .. })));
    let (change, key) = good.back(&mut world, 4);
    world.make(vec![change.into()]).unwrap();
    let member = world.member(4);
    assert_eq!(
        (member.generation, member.epoch, member.first_epoch),
        (1, 1, 1)
    );
    assert_eq!(member.operating_key(), Some(&key.public()));
    let trail = world.state.trail(&code(4)).unwrap();
    assert_eq!(trail.generations[0].size, 8);
    assert_eq!(trail.epochs[0].ended.unwrap().why, EndReason::Rotated);
    // In the next generation nobody holds anything yet: it goes on where this one did, not at nothing.
    let held: Vec<_> = (0..3).map(|by| (by, None)).collect();
    let position = Position {
        root: empty_root(),
        ..world.position(4, 0)
    };
    let from_nothing = Coming {
        position,
        held: held.clone(),
    };
    let (change, _) = from_nothing.back(&mut world, 4);
    assert_eq!(world.fault(&change.into()), Fault::NobodyHolds);
    let position = world.position(4, 8);
    let (change, _) = Coming { position, held }.back(&mut world, 4);
    assert!(world.holds(&change.into()));
}

#[test]
fn what_members_state_to_hold_is_for_one_loss_of_one_log_and_signed_by_its_department() {
    let mut world = World::new(4, 1);
    let at = |world: &World, size| Some(world.checkpoint(4, size, root(size), 0));
    let old = Coming {
        position: world.position(4, 5),
        held: (0..3).map(|by| (by, at(&world, 5))).collect(),
    };
    let (signed_before, _) = old.back(&mut world, 4);
    world.rotate(4);
    // The same statements, under the next change's number.
    let (mut later, key) = old.back(&mut world, 4);
    later.change.lost = signed_before.change.lost;
    let identity = &world.own(4).identity;
    let later = SignedChange::sign(world.network(), later.change, identity, Some(&key), None);
    assert_eq!(world.fault(&later.into()), Fault::Signature(code(0)));
    // A member that makes a larger checkpoint up.
    let made_up = SignedCheckpoint::sign(
        world.state.network(),
        world.checkpoint(4, 50, root(50), 0).checkpoint,
        world.own(1).now(),
    );
    let lying = Coming {
        position: world.position(4, 50),
        held: vec![(0, at(&world, 5)), (1, Some(made_up)), (2, None)],
    };
    let (change, _) = lying.back(&mut world, 4);
    assert_eq!(world.fault(&change.into()), Fault::Checkpoint(code(1)));
    // Without a new key: what the node signed with the present one it no longer knows.
    let (change, _) = old.back(&mut world, 4);
    let change = OwnChange {
        operating: None,
        sealing: Some(sealing(1)),
        ..change.change
    };
    let identity = &world.own(4).identity;
    let change = SignedChange::sign(world.network(), change, identity, None, None);
    assert_eq!(world.fault(&change.into()), Fault::NoNewEpoch(code(4)));
}

#[test]
fn a_suspended_member_cannot_outdate_its_removal_by_ending_generations() {
    let mut world = World::new(4, 1);
    let suspend = world.suspend(4, 5);
    world.decide(&[suspend]).unwrap();
    let coming = Coming {
        position: world.position(4, 5),
        held: (0..3)
            .map(|by| (by, Some(world.checkpoint(4, 5, root(5), 0))))
            .collect(),
    };
    let (change, _) = coming.back(&mut world, 4);
    assert_eq!(world.fault(&change.into()), Fault::Suspended(code(4)));
}
