//! When too many governors can't be reached.

use super::world::{World, code};
use crate::codec::Ascending;
use crate::crypto::keys::SigningKey;
use crate::genesis::{Policy, RecoveryKey, RecoveryKeys, Terms};
use crate::governance::*;

pub(super) fn recovery_key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[200 + n; 32])
}

/// Two of three recovery keys.
pub(super) fn policy(least_governors: u8) -> Policy {
    let keys = (0..3).map(|n| RecoveryKey(recovery_key(n).public()));
    let keys = Ascending::new(keys.collect()).unwrap();
    let recovery = Some(RecoveryKeys { keys, need: 2 });
    Policy::new(Terms {
        recovery,
        least_governors,
        ..Policy::usual().into()
    })
    .unwrap()
}

/// The recovery key in this place of the policy's list.
fn at(world: &World, place: u8) -> SigningKey {
    let keys = &world.state.policy().recovery.as_ref().unwrap().keys;
    let public = keys[usize::from(place)].0;
    let key = (0..3).map(recovery_key).find(|key| key.public() == public);
    key.unwrap()
}

pub(super) fn recovery(world: &World, ends: &[usize]) -> Recovery {
    Recovery {
        height: world.state.height() + 1,
        before: world.state.head(),
        ends: Ascending::new(ends.iter().map(|n| code(*n)).collect()).unwrap(),
    }
}

pub(super) fn signed(world: &World, recovery: Recovery, keys: &[u8], by: &[usize]) -> Item {
    let network = world.network();
    let keys = keys
        .iter()
        .map(|place| recovery.sign(network, *place, &at(world, *place)));
    let by = by
        .iter()
        .map(|n| recovery.agree(network, code(*n), &world.own(*n).identity));
    let (keys, governors) = (Ascending::new(keys.collect()), Ascending::new(by.collect()));
    SignedRecovery {
        recovery,
        keys: keys.unwrap(),
        governors: governors.unwrap(),
    }
    .into()
}

#[test]
fn governing_that_can_t_be_reached_ends_by_recovery_keys_and_more_than_a_third() {
    let mut world = World::with_policy(6, 1, policy(4));
    // Three of six are lost for good: nothing can be decided.
    let (change, _) = world.rotation(0);
    let block = world.block(vec![change.into()]);
    let stuck = world.certified_by(block, &[code(0), code(1), code(2)]);
    assert!(world.state.accept(&stuck).is_err());
    let ends = recovery(&world, &[3, 4, 5]);
    let item = signed(&world, ends, &[0, 2], &[0, 1, 2]);
    let block = world.block(vec![item]);
    // More than two thirds of those that stay, of three a majority.
    let one = world.certified_by(block.clone(), &[code(0)]);
    assert!(world.state.accept(&one).is_err());
    let with_ended = world.certified_by(block.clone(), &[code(0), code(1), code(5)]);
    let fault = CertificateFault::NoVoter(code(5));
    assert_eq!(
        world.state.accept(&with_ended),
        Err(BlockError::Certificate { height: 1, fault })
    );
    world.make(block.items.to_vec()).unwrap();
    assert_eq!(world.state.governors().count(), 3);
    // They are members still; who governs decides on, and may be fewer than the policy asks for until it isn't.
    assert!(world.member(5).is_active());
    let department = code(6);
    let govern = Govern {
        department,
        governs: true,
    };
    world.decide(&[govern.into()]).unwrap();
    let fewer = Govern {
        department,
        governs: false,
    };
    let decision = world.decision(&[fewer.into()]);
    let fault = Fault::TooFewGovernors { left: 3, least: 4 };
    assert_eq!(world.fault(&decision.into()), fault);
}

#[test]
fn recovery_needs_all_that_the_policy_asks_and_does_nothing_else() {
    let world = World::with_policy(6, 1, policy(4));
    let ends = || recovery(&world, &[3, 4, 5]);
    assert!(world.holds(&signed(&world, ends(), &[0, 1], &[0, 1, 2])));
    let one_key = signed(&world, ends(), &[0], &[0, 1, 2]);
    assert_eq!(
        world.fault(&one_key),
        Fault::RecoveryKeys { found: 1, need: 2 }
    );
    let a_third = signed(&world, ends(), &[0, 1], &[0, 1]);
    let fault = Fault::RecoveryGovernors {
        found: 2,
        governors: 6,
    };
    assert_eq!(world.fault(&a_third), fault);
    let by_ended = signed(&world, ends(), &[0, 1], &[0, 1, 5]);
    assert_eq!(world.fault(&by_ended), Fault::NotAGovernor(code(5)));
    let nobody = signed(&world, recovery(&world, &[]), &[0, 1], &[0, 1, 2]);
    assert_eq!(world.fault(&nobody), Fault::NoChange);
    let other = signed(&world, recovery(&world, &[6]), &[0, 1], &[0, 1, 2]);
    assert_eq!(world.fault(&other), Fault::NotAGovernor(code(6)));
    let Item::Recovery(good) = signed(&world, ends(), &[0, 1], &[0, 1, 2]) else {
        unreachable!()
    };
    // One key in two places of the list, or in a place that isn't there.
    for place in [1, 2, 16] {
        let mut keys = good.keys.to_vec();
        keys[1] = RecoverySignature {
            key: place,
            ..keys[0]
        };
        let keys = Ascending::new(keys).unwrap();
        let twice = SignedRecovery {
            keys,
            ..good.clone()
        };
        assert!(matches!(
            world.fault(&twice.into()),
            Fault::RecoveryKeys { .. }
        ));
    }
    // Beside anything else it is no block.
    let item: Item = good.into();
    let both = world.block(vec![item.clone(), item]);
    assert_eq!(world.state.apply(&both), Err(BlockError::Beside(1)));
}

#[test]
fn a_recovery_is_void_once_governance_goes_on() {
    let mut world = World::with_policy(6, 1, policy(4));
    let item = signed(&world, recovery(&world, &[3, 4, 5]), &[0, 1], &[0, 1, 2]);
    assert!(world.holds(&item));
    world.rotate(5);
    assert_eq!(world.fault(&item), Fault::RecoveryPlace);
}

#[test]
fn without_recovery_keys_there_is_no_recovery() {
    let world = World::new(6, 0);
    let recovery = recovery(&world, &[3, 4, 5]);
    let network = world.network();
    let by = (0..3).map(|n| recovery.agree(network, code(n), &world.own(n).identity));
    let item = SignedRecovery {
        governors: Ascending::new(by.collect()).unwrap(),
        keys: Ascending::default(),
        recovery,
    };
    assert_eq!(world.fault(&item.into()), Fault::NoRecoveryKeys);
}
