//! What is kept on disk survives what can happen to it, or is cut off and comes again.

use std::path::Path;
use std::sync::Arc;

use super::world::{World, code};
use crate::disk::{Failure, MemoryDisk};
use crate::governance::consensus::Entry;
use crate::governance::*;
use crate::membership::Membership;

const DIR: &str = "governance";

fn open(disk: &MemoryDisk, world: &World) -> (Store, Kept) {
    let chain = Membership::from_genesis(&world.genesis);
    Store::open(Arc::new(disk.clone()), Path::new(DIR), &chain).unwrap()
}

/// A network, and three blocks.
fn three_blocks() -> (World, Vec<FinalBlock>) {
    let mut world = World::new(4, 3);
    for n in 4..7 {
        world.rotate(n);
    }
    let blocks = world.blocks.clone();
    (world, blocks)
}

fn vote(world: &World, height: u64, round: u32) -> Entry {
    let vote = Vote {
        height,
        round,
        stage: Stage::Prevote,
        block: None,
    };
    let signed = vote.sign(world.network(), code(0), world.own(0).now());
    Entry::Voted(vote, signed)
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash_at_any_operation() {
    let (world, blocks) = three_blocks();
    let count = {
        let disk = MemoryDisk::new();
        write(&disk, &world, &blocks);
        disk.operations()
    };
    assert!(count > 20, "{count}");
    for at in 0..count {
        for failure in [Failure::Die, Failure::Tear] {
            for survives in [false, true] {
                let disk = MemoryDisk::new();
                disk.fail_at(at, failure);
                let done = write(&disk, &world, &blocks);
                let (mut store, kept) = open(&disk.crash(|| survives), &world);
                assert!(kept.blocks.len() >= done.blocks, "block lost at {at}");
                let (height, votes) = &kept.left.votes;
                assert!((*height, votes.len()) >= done.votes, "vote lost at {at}");
                assert!(kept.left.pending.len() >= done.pending, "item lost at {at}");
                assert!(kept.left.barred.len() >= done.barred);
                // And it goes on.
                if let Some(next) = blocks.get(kept.blocks.len()) {
                    store.append(next).unwrap();
                }
                store.keep(9, &[vote(&world, 9, 0)]).unwrap();
            }
        }
    }
}

#[derive(Default)]
struct Done {
    blocks: usize,
    votes: (u64, usize),
    pending: usize,
    barred: usize,
}

/// Writes as a node does, until the disk refuses; what was acknowledged.
fn write(disk: &MemoryDisk, world: &World, blocks: &[FinalBlock]) -> Done {
    let mut done = Done::default();
    let mut all = || -> std::io::Result<()> {
        let chain = Membership::from_genesis(&world.genesis);
        let opened = Store::open(Arc::new(disk.clone()), Path::new(DIR), &chain);
        let (mut store, _) = opened.map_err(|error| std::io::Error::other(error.to_string()))?;
        store.bar(&[world.own(1).now().public()])?;
        done.barred = 1;
        for (block, height) in blocks.iter().zip(1..) {
            let item = block.block.items[0].clone();
            store.keep_pending(&vec![item; blocks.len()])?;
            done.pending = blocks.len();
            for round in 0..2 {
                store.keep(height, &[vote(world, height, round)])?;
                done.votes = (height, round as usize + 1);
            }
            store.append(block)?;
            done.blocks += 1;
        }
        Ok(())
    };
    let _ = all();
    done
}

#[test]
fn a_damaged_block_and_those_after_it_are_cut_off_and_come_again() {
    let (world, blocks) = three_blocks();
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk, &world);
    for block in &blocks {
        store.append(block).unwrap();
    }
    drop(store);
    let second = 64 + 12 + crate::codec::encode(&blocks[0]).len() + 40;
    disk.corrupt(&Path::new(DIR).join("blocks"), |bytes| bytes[second] ^= 1)
        .unwrap();
    let (mut store, kept) = open(&disk, &world);
    assert_eq!(kept.blocks.len(), 1);
    assert!(kept.cut_off > 0);
    for block in &blocks[1..] {
        store.append(block).unwrap();
    }
    let (_, kept) = open(&disk, &world);
    assert_eq!((kept.blocks.len(), kept.cut_off), (3, 0));
}

#[test]
fn another_network_s_files_are_refused_and_left_as_they_are() {
    let (world, blocks) = three_blocks();
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk, &world);
    store.append(&blocks[0]).unwrap();
    drop(store);
    let other = Membership::from_genesis(&World::new(5, 0).genesis);
    let refused = Store::open(Arc::new(disk.clone()), Path::new(DIR), &other);
    assert!(matches!(refused, Err(StoreError::Header { .. })));
    assert_eq!(open(&disk, &world).1.blocks.len(), 1);
}

#[test]
fn a_chain_that_has_been_read_or_is_ahead_is_opened_with_what_is_kept() {
    let (world, blocks) = three_blocks();
    let disk = MemoryDisk::new();
    let chain = || Membership::from_genesis(&world.genesis);
    let nothing = chain();
    Store::read(&disk, Path::new(DIR), &nothing).unwrap();
    assert_eq!((nothing.history().height(), disk.operations()), (0, 0));
    let (mut store, _) = open(&disk, &world);
    for block in &blocks[..2] {
        store.append(block).unwrap();
    }
    let before = disk.operations();
    let read = chain();
    Store::read(&disk, Path::new(DIR), &read).unwrap();
    assert_eq!(read.history().height(), 2);
    assert_eq!(disk.operations(), before, "nothing was written");
    // Somebody brought the third in a trust file.
    read.extend(&blocks[2]).unwrap();
    let (mut store, kept) = Store::open(Arc::new(disk.clone()), Path::new(DIR), &read).unwrap();
    assert_eq!((kept.blocks.len(), kept.cut_off), (2, 0));
    store.append(&blocks[2]).unwrap();
    assert_eq!(open(&disk, &world).1.blocks, blocks);
    // Blocks of another history are not taken for those of this one.
    let mut other = world.clone();
    other.blocks.clear();
    other.state = State::of_genesis(&world.genesis);
    other.rotate(5);
    let theirs = chain();
    theirs.extend(&other.blocks[0]).unwrap();
    let (_, kept) = Store::open(Arc::new(disk.clone()), Path::new(DIR), &theirs).unwrap();
    assert!(kept.blocks.is_empty() && kept.cut_off > 0);
}
