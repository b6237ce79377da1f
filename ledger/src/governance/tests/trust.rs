//! Genesis and chain in one file.

use super::world::{World, code};
use crate::governance::*;
use crate::names::NetworkId;

fn world() -> World {
    let mut world = World::new(4, 1);
    world.rotate(4);
    let admit = world.admit(8, true);
    world.decide(&[admit]).unwrap();
    world.rotate(0);
    world
}

fn file(world: &World) -> Vec<u8> {
    TrustFile::write(&world.genesis, &world.blocks)
}

fn error(bytes: &[u8]) -> TrustFileError {
    TrustFile::read(bytes, None).map(|_| ()).unwrap_err()
}

#[test]
fn a_trust_file_leads_to_the_state_of_whoever_wrote_it() {
    let world = world();
    let network = world.genesis.network_id();
    let read = TrustFile::read(&file(&world), Some(network)).unwrap();
    assert_eq!(read.history.state().to_bytes(), world.state.to_bytes());
    assert_eq!(read.genesis, world.genesis);
    let expected = NetworkId(super::world::root(1));
    let found = TrustFile::read(&file(&world), Some(expected)).map(|_| ());
    let network = TrustFileError::Network {
        found: network,
        expected,
    };
    assert_eq!(found, Err(network));
    // That of a network without a block.
    let none = TrustFile::write(&world.genesis, &[]);
    assert_eq!(TrustFile::read(&none, None).unwrap().history.height(), 0);
}

#[test]
fn a_trust_file_that_is_cut_off_anywhere_is_refused_also_between_two_blocks() {
    let bytes = file(&world());
    for len in 0..bytes.len() {
        match error(&bytes[..len]) {
            TrustFileError::NotOne => assert_eq!(len, 0),
            TrustFileError::CutOff { .. } => {}
            other => panic!("at {len}: {other}"),
        }
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(error(&longer), TrustFileError::Trailing(1));
}

#[test]
fn no_byte_of_a_trust_file_can_be_changed_without_being_found() {
    let world = world();
    let bytes = file(&world);
    // Of the genesis, other spellings of the same are the same.
    let genesis = 16 + 8 + 32 + 4;
    let after_genesis = genesis + world.genesis.to_toml().len();
    let places = (0..genesis).chain(after_genesis..bytes.len());
    for at in places.step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(TrustFile::read(&changed, None).is_err(), "byte {at}");
    }
    let mut later = bytes;
    later[15] = 2;
    assert_eq!(error(&later), TrustFileError::Later(2));
}

#[test]
fn a_trust_file_has_every_block_in_order_and_says_which_is_missing() {
    let world = world();
    for without in 0..3 {
        let mut blocks = world.blocks.clone();
        blocks.remove(without);
        let bytes = TrustFile::write(&world.genesis, &blocks);
        let read = TrustFile::read(&bytes, None);
        // Without the last it is an older file, and as good.
        assert_eq!(read.is_ok(), without == 2, "without {without}");
    }
    // A block of another history: same departments, other decisions.
    let mut other = World::new(4, 1);
    other.rotate(3);
    let mut blocks = world.blocks.clone();
    blocks[0] = other.blocks[0].clone();
    let bytes = TrustFile::write(&world.genesis, &blocks);
    let fault = error(&bytes);
    assert!(
        matches!(
            fault,
            TrustFileError::Block(BlockError::Before { height: 2, .. })
        ),
        "{fault}"
    );
    assert!(fault.to_string().contains("another history"), "{fault}");
    assert!(world.state.member(&code(8)).is_some());
}
