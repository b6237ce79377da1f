//! A member that gossips what it makes up, under its own valid signature, to one honest neighbour.

use certmesh_ledger::codec::{Blob, Bounded};
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::crypto::keys::SigningKey;
use certmesh_ledger::log::{Checkpoint, Page, SignedCheckpoint};
use certmesh_ledger::merkle::CompactRange;
use certmesh_ledger::names::{LogId, LogName};
use certmesh_ledger::record::{RecordHash, leaf_hash, record_hash};
use certmesh_ledger::sync::{Announcement, Response};
use certmesh_node::net::{GossipVerdict, Net, NetEvent};
use certmesh_testnet::testnet::define_types;

use crate::support::{founded, until};
use crate::villain::{Conduct, Villain};

/// Heads over records that nobody ever sees, then heads with bytes that are no records.
struct MakesUp {
    name: LogName,
    key: SigningKey,
    next: u64,
}

const FIRST: u64 = 1 << 40;
/// Announcements without records before those with.
const BARE: u64 = 60;

impl MakesUp {
    fn page(&self) -> Page {
        let from = FIRST + 4 * self.next;
        let left = vec![Hash::from_bytes([8; 32]); from.count_ones() as usize];
        let mut range: CompactRange = CompactRange::from_parts(from, left.clone()).unwrap();
        let mut frames = Vec::new();
        if self.next >= BARE {
            let (record, signature) = ([self.next as u8; 16_000], [1; 65]);
            frames.extend_from_slice(&(record.len() as u32).to_le_bytes());
            frames.extend_from_slice(&record);
            frames.extend_from_slice(&signature);
            let leaf = leaf_hash(&record_hash(&self.name, &record), &signature);
            range.push(leaf, &mut |_, _, _| ());
        }
        let checkpoint = Checkpoint {
            log: self.name.id,
            size: range.size(),
            root: range.root(),
            head: RecordHash(Hash::from_bytes([1; 32])),
            status_root: Hash::ZERO,
            time_ms: 1,
            height: 0,
            key_epoch: 0,
        };
        Page {
            checkpoint: SignedCheckpoint::sign(self.name.network, checkpoint, &self.key),
            from,
            left: Bounded::first(left),
            right: Bounded::first([]),
            frames: Blob::new(frames).unwrap(),
        }
    }
}

impl Conduct for MakesUp {
    fn event(&mut self, net: &mut Net, event: NetEvent) {
        match event {
            NetEvent::Gossip { id, .. } => net.validate(id, GossipVerdict::Ignore),
            NetEvent::Request { id, .. } => drop(net.respond(id, Response::NotHeld.encode())),
            _ => {}
        }
    }

    fn tick(&mut self, net: &mut Net) {
        if net
            .publish(Announcement::Head(self.page()).encode())
            .is_ok()
        {
            self.next += 1;
        }
    }
}

#[test]
fn what_a_member_makes_up_and_signs_reaches_its_neighbours_and_nobody_else() {
    let mut net = founded(3);
    for index in [0, 1] {
        net.start_trusting(index);
        define_types(&net.api(index), index).unwrap();
    }
    net.ready();
    net.converge();
    let conduct = MakesUp {
        name: LogName {
            network: net.network().genesis().network_id(),
            id: LogId::first(net.member(2).code()),
        },
        key: net.member(2).signing_key().unwrap(),
        next: 0,
    };
    let _villain = Villain::as_member(&net, 2, &[1], conduct);
    // Its department signed it, so that there is more counts where it was heard.
    until("a made-up head to be heard of", || {
        net.held(1, 2).known_size >= FIRST
    });
    net.wait_logged(1, "passed on gossip with records that break a rule");
    // What honest members have to say gets through meanwhile, and nothing else.
    for (from, to) in [(0, 1), (1, 0)] {
        let ids = net.issue(from, "GS", 20);
        net.wait_verdict(to, &ids[19], "valid", None);
    }
    assert_eq!(net.held(0, 2).known_size, 0);
    assert!(!net.node_log(0).contains("passed on gossip"));
}
