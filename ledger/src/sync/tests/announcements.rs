//! What a peer makes of heads that are announced to it: which it passes on, which it believes, and whom it blames.

use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::codec::{Blob, Bounded};
use crate::crypto::hash::Hash;
use crate::disk::MemoryDisk;
use crate::log::{Checkpoint, Log, MAX_PAGE, Page, SignedCheckpoint, Writer};
use crate::merkle::CompactRange;
use crate::names::{LogId, LogName};
use crate::record::{RecordHash, leaf_hash, record_hash};
use crate::sync::{
    ANNOUNCE_EVERY_MS, Announcement, Command, Event, Gossiped, Instance, Judgement, OwnLog,
    Request, Sync, announcement,
};

use super::peer::{code, entries, key, members, place};
use super::world::settings;

fn log_of(n: usize) -> LogId {
    LogId::first(code(n))
}

/// The state machine of peer 0 and what it holds; peers 1 and 2 are connected.
struct Alone {
    sync: Sync,
    catalogue: Catalogue,
    now_ms: u64,
}

/// What became of an announcement.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    judgement: Judgement,
    /// The size that counts as heard of.
    heard_of: Option<u64>,
    blamed: bool,
    stores: bool,
    /// Whether more of the log is asked for, or was before.
    asks: bool,
}

impl Alone {
    fn new() -> Alone {
        let opened = Catalogue::open(place(&MemoryDisk::new()), members(3), code(0));
        let catalogue = opened.unwrap().catalogue;
        let sync = Sync::new(
            log_of(0),
            OwnLog::New,
            Instance(0),
            catalogue.members().clone(),
            settings(),
        );
        let mut alone = Alone {
            sync,
            catalogue,
            now_ms: 0,
        };
        for n in [1, 2] {
            let event = Event::Connected(code(n));
            alone.sync.handle(event, 0, &alone.catalogue);
        }
        alone
    }

    fn hears(&mut self, from: usize, announcement: Option<Announcement>) -> Said {
        let event = Event::Gossiped(Gossiped {
            from: code(from),
            id: 7,
            announcement: announcement.map(Box::new),
        });
        let commands = self.sync.handle(event, self.now_ms, &self.catalogue);
        let mut judged = commands.iter().filter_map(|command| match command {
            Command::Judge { id: 7, judgement } => Some(*judgement),
            _ => None,
        });
        let judgement = judged.next().expect("judged");
        assert_eq!(judged.next(), None, "once");
        Said {
            judgement,
            heard_of: commands.iter().find_map(|command| match command {
                Command::Announced { size, .. } => Some(*size),
                _ => None,
            }),
            blamed: commands.iter().any(
                |command| matches!(command, Command::Blame { peer, .. } if *peer == code(from)),
            ),
            stores: commands
                .iter()
                .any(|command| matches!(command, Command::Store { .. })),
            asks: commands.iter().any(|command| {
                matches!(
                    command,
                    Command::Request {
                        body: Request::Page { .. },
                        ..
                    }
                )
            }),
        }
    }

    fn hears_head(&mut self, from: usize, page: Page) -> Said {
        self.hears(from, Some(Announcement::Head(page)))
    }

    /// Everything of a log that has been announced is stored.
    fn stores_all(&self, of: &Log) {
        let held = self.catalogue.log(&of.name().id).unwrap();
        let page = of.page(held.held(), MAX_PAGE).unwrap();
        held.apply(&page.verify(&members(3)).unwrap()).unwrap();
    }
}

/// A department's log on its own disk.
fn elsewhere(n: usize) -> Writer {
    let name = LogName {
        network: members(3).network(),
        id: log_of(n),
    };
    let (log, _) = Log::open(&place(&MemoryDisk::new()), name, &members(3)).unwrap();
    Writer::new(Arc::new(log), key(n))
}

/// The log grows, by certificates that depend on `salt`.
fn grow(writer: &mut Writer, n: usize, certificates: u64, salt: u64) {
    let from = writer.log().size();
    let entries = entries(code(n), from, certificates, salt);
    writer.append(from, entries).unwrap();
}

/// A head that department 1 signs over nothing but hashes of its choice, at a position of its choice, with these records.
fn made_up(from: u64, frames: &[Vec<u8>]) -> Page {
    let name = LogName {
        network: members(3).network(),
        id: log_of(1),
    };
    let left = vec![Hash::from_bytes([8; 32]); from.count_ones() as usize];
    let mut range: CompactRange = CompactRange::from_parts(from, left.clone()).unwrap();
    let mut bytes = Vec::new();
    for record in frames {
        bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        bytes.extend_from_slice(record);
        bytes.extend_from_slice(&[1; 65]);
        let leaf = leaf_hash(&record_hash(&name, record), &[1; 65]);
        range.push(leaf, &mut |_, _, _| ());
    }
    let checkpoint = Checkpoint {
        log: name.id,
        size: range.size(),
        root: range.root(),
        head: RecordHash(Hash::from_bytes([1; 32])),
        status_root: Hash::ZERO,
        time_ms: 1,
        height: 0,
        key_epoch: 0,
    };
    Page {
        checkpoint: SignedCheckpoint::sign(name.network, checkpoint, &key(1)),
        from,
        left: Bounded::first(left),
        right: Bounded::first([]),
        frames: Blob::new(bytes).unwrap(),
    }
}

#[test]
fn a_head_that_continues_what_is_known_is_passed_on_with_its_records_or_without() {
    let (mut alone, mut writer) = (Alone::new(), elsewhere(1));
    grow(&mut writer, 1, 3, 0);
    let first = announcement(writer.log(), 0).unwrap();
    let said = alone.hears_head(1, first);
    assert_eq!((said.judgement, said.stores), (Judgement::Accept, true));
    assert_eq!((said.heard_of, said.blamed), (Some(4), false));
    // The first is being stored still: the second continues a head that was announced.
    grow(&mut writer, 1, 3, 0);
    let said = alone.hears_head(2, announcement(writer.log(), 4).unwrap());
    assert_eq!(
        (said.judgement, said.heard_of),
        (Judgement::Accept, Some(8))
    );
    // More than an announcement holds: the head alone, which proves what it continues.
    grow(&mut writer, 1, 900, 0);
    let head = announcement(writer.log(), 8).unwrap();
    assert!(head.frames.is_empty() && head.from == 8 && !head.right.is_empty());
    let size = writer.log().size();
    let said = alone.hears_head(2, head);
    assert_eq!((said.judgement, said.stores), (Judgement::Accept, false));
    assert_eq!(said.heard_of, Some(size));
    grow(&mut writer, 1, 3, 0);
    let said = alone.hears_head(2, announcement(writer.log(), size).unwrap());
    assert_eq!(said.judgement, Judgement::Accept);
}

#[test]
fn a_signed_head_over_records_never_shown_counts_as_heard_of_and_goes_no_further() {
    let mut alone = Alone::new();
    // Neither the first nor one that continues it: nothing that was shown leads to either.
    for from in [1 << 40, (1 << 40) + 8] {
        for by in [1, 2] {
            let said = alone.hears_head(by, made_up(from, &[]));
            assert_eq!(said.judgement, Judgement::Ignore, "{from} by {by}");
            assert_eq!((said.heard_of, said.blamed), (Some(from), false));
        }
    }
}

#[test]
fn a_peer_that_is_behind_blames_nobody_for_a_head_it_cannot_place_and_catches_up() {
    let (mut alone, mut writer) = (Alone::new(), elsewhere(1));
    grow(&mut writer, 1, 3, 0);
    let size = writer.log().size();
    grow(&mut writer, 1, 3, 0);
    let said = alone.hears_head(2, announcement(writer.log(), size).unwrap());
    assert_eq!((said.judgement, said.blamed), (Judgement::Ignore, false));
    assert_eq!((said.heard_of, said.asks), (Some(8), true));
    // Once it holds what came before, it passes on what follows.
    alone.stores_all(writer.log());
    grow(&mut writer, 1, 3, 0);
    let said = alone.hears_head(2, announcement(writer.log(), 8).unwrap());
    assert_eq!(said.judgement, Judgement::Accept);
}

#[test]
fn what_any_peer_can_see_to_be_wrong_is_rejected_and_blamed_on_whoever_passed_it_on() {
    let (mut alone, mut writer) = (Alone::new(), elsewhere(1));
    grow(&mut writer, 1, 3, 0);
    let good = announcement(writer.log(), 0).unwrap();
    let mut unsigned = good.clone();
    unsigned.checkpoint.checkpoint.size += 1;
    unsigned.frames = Blob::default();
    let mut other_records = good.clone();
    let mut frames = other_records.frames.to_vec();
    frames[40] ^= 1;
    other_records.frames = Blob::new(frames).unwrap();
    let short = writer.log().page(0, 700).unwrap();
    assert!(!short.frames.is_empty() && !short.right.is_empty());
    // Signed by its department, which is no excuse: these are no records.
    let no_records = made_up(1 << 40, &[vec![0; 900], vec![1; 900]]);
    for (what, page, heard_of) in [
        ("unsigned", unsigned, None),
        ("other records", other_records, Some(4)),
        ("short", short, None),
        ("no records", no_records, Some((1 << 40) + 2)),
    ] {
        for by in [1, 2] {
            let said = alone.hears_head(by, page.clone());
            assert_eq!(said.judgement, Judgement::Reject, "{what}");
            assert_eq!((said.heard_of, said.blamed), (heard_of, true), "{what}");
            assert!(!said.stores, "{what}");
        }
    }
    // Perhaps its department has been admitted, and those who passed it on know that already.
    let mut early = good.clone();
    early.checkpoint.checkpoint.log = log_of(9);
    let said = alone.hears_head(1, early);
    assert_eq!(said.judgement, Judgement::Ignore);
    assert!(said.heard_of.is_none() && !said.blamed && !said.stores);
    let unreadable = alone.hears(2, None);
    assert_eq!(unreadable.judgement, Judgement::Reject);
    assert!(unreadable.blamed);
    assert_eq!(alone.hears_head(2, good).judgement, Judgement::Accept);
}

#[test]
fn of_two_histories_only_their_own_department_is_blamed_for_the_second() {
    let (mut alone, mut writer) = (Alone::new(), elsewhere(1));
    grow(&mut writer, 1, 3, 0);
    alone.stores_all(writer.log());
    let mut other = elsewhere(1);
    grow(&mut other, 1, 3, 1);
    grow(&mut other, 1, 3, 1);
    let second = announcement(other.log(), 4).unwrap();
    let said = alone.hears_head(2, second.clone());
    assert_eq!((said.judgement, said.blamed), (Judgement::Ignore, false));
    // Storing them is how the fork is found.
    assert!(said.stores);
    let mut alone = Alone::new();
    alone.stores_all(writer.log());
    let said = alone.hears_head(1, second);
    assert_eq!((said.judgement, said.blamed), (Judgement::Reject, true));
}

#[test]
fn of_each_log_a_bounded_number_of_announcements_is_looked_at_in_a_time() {
    let (mut alone, mut writer) = (Alone::new(), elsewhere(2));
    let mut next = 1 << 40;
    let mut looked_at = |alone: &mut Alone| {
        let mut heard_of = 0;
        for _ in 0..500 {
            next += 2;
            let said = alone.hears_head(1, made_up(next, &[]));
            assert_eq!((said.judgement, said.blamed), (Judgement::Ignore, false));
            heard_of += u64::from(said.heard_of.is_some());
        }
        heard_of
    };
    let burst = looked_at(&mut alone);
    assert_eq!(looked_at(&mut alone), 0);
    assert!((1..=50).contains(&burst));
    alone.now_ms += 10 * ANNOUNCE_EVERY_MS;
    assert_eq!(looked_at(&mut alone), 10);
    alone.now_ms += 1_000_000;
    assert_eq!(looked_at(&mut alone), burst);
    // Nobody else's log has to wait for that.
    grow(&mut writer, 2, 3, 0);
    let said = alone.hears_head(1, announcement(writer.log(), 0).unwrap());
    assert_eq!(said.judgement, Judgement::Accept);
    // Old news costs nothing.
    alone.stores_all(writer.log());
    for _ in 0..500 {
        alone.hears_head(1, announcement(writer.log(), 0).unwrap());
    }
    grow(&mut writer, 2, 3, 0);
    let said = alone.hears_head(1, announcement(writer.log(), 4).unwrap());
    assert_eq!(said.judgement, Judgement::Accept);
}

#[test]
fn what_a_member_makes_up_in_the_name_of_another_leaves_that_one_its_announcements() {
    let (mut alone, mut writer) = (Alone::new(), elsewhere(2));
    grow(&mut writer, 2, 3, 0);
    let real = announcement(writer.log(), 0).unwrap();
    for n in 0..200 {
        let mut forged = real.clone();
        forged.checkpoint.checkpoint.size += 1_000 + n;
        forged.frames = Blob::new(vec![]).unwrap();
        assert_eq!(alone.hears_head(1, forged).heard_of, None);
    }
    let said = alone.hears_head(2, real);
    assert_eq!(said.judgement, Judgement::Accept);
}
