//! What waits for a block, and for whom there is room.

use super::world::{World, code};
use crate::codec::Ascending;
use crate::governance::*;

fn govern(n: usize) -> Action {
    let department = code(n);
    Govern {
        department,
        governs: false,
    }
    .into()
}

fn add(pool: &mut Pool, world: &World, item: impl Into<Item>) -> Result<bool, Refused> {
    pool.add(&item.into(), &world.state, world.time_ms)
}

fn next(pool: &Pool, world: &World) -> Vec<Item> {
    pool.next(&world.state, world.time_ms).to_vec()
}

#[test]
fn approvals_gather_from_wherever_they_come_until_there_are_enough() {
    let mut world = World::new(4, 1);
    let mut pool = Pool::default();
    let proposed = world.propose(0, &[govern(3)]);
    assert_eq!(add(&mut pool, &world, proposed.clone()), Ok(true));
    assert_eq!(add(&mut pool, &world, proposed.clone()), Ok(false));
    assert_eq!(next(&pool, &world), []);
    let by = |by: &[usize]| world.approved_by(&proposed, by);
    assert_eq!(add(&mut pool, &world, by(&[1])), Ok(true));
    assert_eq!(add(&mut pool, &world, by(&[1])), Ok(false));
    // One who doesn't govern, and the proposer again, add nothing, and spoil nothing.
    assert_eq!(add(&mut pool, &world, by(&[0, 4])), Ok(false));
    let forged = Signed {
        by: code(3),
        ..world.approval(&proposed, 1)
    };
    let forged = Decision {
        approvals: Ascending::new(vec![forged, world.approval(&proposed, 2)]).unwrap(),
        ..proposed.clone()
    };
    assert_eq!(next(&pool, &world), []);
    assert_eq!(add(&mut pool, &world, forged), Ok(true));
    assert_eq!(next(&pool, &world), [by(&[1, 2]).into()]);
}

#[test]
fn a_governor_that_floods_fills_its_own_room_and_is_removed_all_the_same() {
    let mut world = World::new(4, 1);
    let mut pool = Pool::default();
    for _ in 0..4 {
        let proposed = world.propose(3, &[govern(0)]);
        assert_eq!(add(&mut pool, &world, proposed), Ok(true));
    }
    let fifth = world.propose(3, &[govern(0)]);
    let full = Refused::Proposals {
        proposer: code(3),
        limit: 4,
    };
    assert_eq!(add(&mut pool, &world, fifth), Err(full));
    for _ in 0..3 {
        let (change, _) = world.rotation(3);
        let _ = add(&mut pool, &world, change);
    }
    let against = [world.suspend(3, 0)];
    let proposed = world.propose(0, &against);
    let decision = world.approved_by(&proposed, &[1, 2]);
    assert_eq!(add(&mut pool, &world, decision.clone()), Ok(true));
    let items = next(&pool, &world);
    assert_eq!(items[0], decision.into());
    assert_eq!(items.len(), 2, "and one own change");
    world.make(items).unwrap();
    pool.settle(&world.state, world.time_ms);
    assert_eq!(pool.proposals().count(), 0);
    assert_eq!(next(&pool, &world), []);
}

#[test]
fn one_own_change_of_a_department_is_pending_and_the_next_follows_it() {
    let mut world = World::new(4, 1);
    let mut pool = Pool::default();
    let (one, _) = world.rotation(4);
    let (other, _) = world.rotation(4);
    assert_eq!(add(&mut pool, &world, one.clone()), Ok(true));
    assert_eq!(add(&mut pool, &world, one.clone()), Ok(false));
    let pending = Err(Refused::Pending(code(4)));
    assert_eq!(add(&mut pool, &world, other.clone()), pending);
    world.make(next(&pool, &world)).unwrap();
    let fault = world.fault(&other.clone().into());
    assert_eq!(add(&mut pool, &world, other), Err(fault.into()));
    // Without having been settled: the one before doesn't hold any more, and makes room.
    let (following, _) = world.rotation(4);
    assert_eq!(add(&mut pool, &world, following), Ok(true));
}

#[test]
fn what_is_withdrawn_goes_and_makes_room() {
    let mut world = World::new(4, 1);
    let mut pool = Pool::default();
    let decision = world.decision(&[govern(3)]);
    add(&mut pool, &world, decision.clone()).unwrap();
    let id = decision.proposal.id(world.network());
    let identity = &world.own(0).identity;
    let withdrawal = Withdrawal::sign(world.network(), id, 0, code(0), identity);
    add(&mut pool, &world, withdrawal.clone()).unwrap();
    // The block with both would not hold: the proposal is not taken into it.
    assert_eq!(next(&pool, &world), [withdrawal.into()]);
    world.make(next(&pool, &world)).unwrap();
    pool.settle(&world.state, world.time_ms);
    assert_eq!(pool.proposals().count(), 0);
    let closed = Err(Fault::Closed.into());
    assert_eq!(add(&mut pool, &world, decision), closed);
}

#[test]
fn what_does_not_fit_into_a_block_waits_for_the_next() {
    let mut world = World::new(30, 0);
    let mut pool = Pool::default();
    for proposer in 0..30 {
        // Large ones, of which a block has room for a few.
        let from = 100 + 16 * proposer;
        let actions: Vec<Action> = (from..from + 16).map(|n| world.admit(n, false)).collect();
        let proposed = world.propose(proposer, &actions);
        let others: Vec<usize> = (0..30).filter(|n| *n != proposer).collect();
        let decision = world.approved_by(&proposed, &others);
        add(&mut pool, &world, decision).unwrap();
    }
    for n in 0..30 {
        let (change, _) = world.rotation(n);
        add(&mut pool, &world, change).unwrap();
    }
    let mut blocks = 0;
    while !next(&pool, &world).is_empty() {
        world.make(next(&pool, &world)).unwrap();
        pool.settle(&world.state, world.time_ms);
        blocks += 1;
    }
    assert!(blocks > 1);
    assert_eq!(world.state.members().count(), 30 + 30 * 16);
    assert!((0..30).all(|n| world.member(n).changes == 1));
}
