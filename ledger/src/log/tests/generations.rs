//! Logs that were cut: what is kept goes on in the next generation, what was cut off counts for nothing.

use super::*;
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::codec::Blob;
use crate::crypto::keys::KeyRing;
use crate::governance::tests::world::{World, code};
use crate::governance::{Cut, CutReason, GenerationEnd, Position, Why};
use crate::log::{
    Applied, ApplyError, BrokenRule, CheckpointError, KeptPage, MAX_PAGE, Page, PageError,
    WriteError, fsck,
};
use crate::merkle::CompactRange;
use crate::names::Lineage;
use crate::operating::OperatingKeys;
use crate::record::{Record, SignedRecord};
use crate::sync::{Request, Response, serve};

/// The department whose log is cut.
const CUT: usize = 4;

/// A network whose members decide, with the log of one of them.
struct Net {
    world: World,
    members: Membership,
    ring: KeyRing,
    segment_records: u64,
}

impl Net {
    fn new() -> Net {
        let world = World::new(4, 1);
        Net {
            members: Membership::from_genesis(&world.genesis),
            ring: KeyRing::from(world.own(CUT).operating.clone()),
            world,
            segment_records: 8,
        }
    }

    fn catch_up(&mut self) {
        let known = self.members.history().height() as usize;
        for block in &self.world.blocks[known..] {
            self.members.extend(block).unwrap();
        }
        for key in &self.world.own(CUT).operating {
            self.ring.add(key.clone());
        }
    }

    /// Cuts the present log where a log of it has so many records; its key goes on or not.
    fn cut(&mut self, log: &Log, size: u64, why: CutReason) {
        let position = Position {
            log: log.name().id,
            size,
            root: log.range_at(size).unwrap().root(),
        };
        let epoch = self.world.member(CUT).epoch;
        let cut = Cut {
            position,
            why,
            first_epoch: epoch + u32::from(why == CutReason::Compromised),
        };
        self.world.decide(&[cut.into()]).unwrap();
        if why == CutReason::Compromised {
            self.world.rotate(CUT);
        }
        self.catch_up();
    }

    fn name(&self, generation: u32) -> LogName {
        LogName {
            network: self.world.network(),
            id: LogId {
                department: code(CUT),
                generation,
            },
        }
    }

    fn open(&self, disk: &MemoryDisk, generation: u32) -> (Arc<Log>, Opening) {
        let name = self.name(generation);
        let (log, opening) =
            Log::open(&place(disk, self.segment_records), name, &self.members).unwrap();
        (Arc::new(log), opening)
    }

    fn log(&self, generation: u32) -> Arc<Log> {
        self.open(&MemoryDisk::new(), generation).0
    }

    fn writer(&self, log: &Arc<Log>) -> Writer {
        let keys = OperatingKeys::new(self.members.clone(), code(CUT), self.ring.clone());
        Writer::new(Arc::clone(log), keys)
    }

    /// A log of the first generation with so many certificates.
    fn written(&self, certificates: u64) -> Arc<Log> {
        let log = self.log(0);
        self.append(&log, 0..certificates);
        log
    }

    fn append(&self, log: &Arc<Log>, certificates: std::ops::Range<u64>) {
        let mut writer = self.writer(log);
        for n in certificates {
            let entries = vec![issue(n)];
            writer.append(1000 + n, entries).unwrap();
        }
    }

    /// What a generation begins with, as one peer sends it to another.
    fn kept(&self, of: &Log, generation: u32, from: u64, max_bytes: usize) -> Option<KeptPage> {
        let id = self.name(generation).id;
        let history = self.members.history();
        let ended = *history.beginning(id).unwrap();
        of.kept_page((id, &ended), from, max_bytes).unwrap()
    }

    /// Fetches all that another holds under its checkpoint.
    fn fetch(&self, log: &Log, from: &Log) {
        let target = from.checkpoint().unwrap().size;
        while log.size() < target {
            let request = Request::Page {
                log: log.name().id,
                from: log.held(),
                max_bytes: MAX_PAGE as u32,
            };
            let stored = match serve(from, &request).unwrap() {
                Response::Kept(page) => log.begin_with(&page.verify(&self.members).unwrap()),
                Response::Page(page) => log.apply(&page.verify(&self.members).unwrap()),
                other => panic!("{other:?}"),
            };
            stored.unwrap();
        }
    }

    /// Fills a log with what its generation begins with, in pages of so many bytes.
    fn fill(&self, log: &Log, from: &Log, max_bytes: usize) {
        let generation = log.name().id.generation;
        while log.kept_missing() > 0 {
            let page = self.kept(from, generation, log.held(), max_bytes).unwrap();
            let page = page.verify(&self.members).unwrap();
            assert!(matches!(
                log.begin_with(&page),
                Ok(Applied::Progress { .. })
            ));
        }
    }
}

fn issued(log: &Log) -> Vec<u64> {
    let all = (0..log.size()).map(|seq| log.record(seq).unwrap().record().time_ms - 1000);
    all.collect()
}

fn void(result: Result<impl std::fmt::Debug, PageError>) -> bool {
    let why = Why::Void(GenerationEnd::Cut(CutReason::Forked));
    let found = result.map(drop).map_err(|error| format!("{error:?}"));
    found.is_err_and(|error| error.contains(&format!("{why:?}")))
}

#[test]
fn a_log_that_was_cut_goes_on_with_what_was_kept_and_nothing_else_counts() {
    let mut net = Net::new();
    let first = net.written(20);
    let late = first.page(0, MAX_PAGE).unwrap();
    net.cut(&first, 13, CutReason::Forked);
    // Whoever has the rest sees it void, whoever wrote it writes no more there.
    assert!(void(late.clone().verify(&net.members)));
    let refused = net.writer(&first).append(9000, vec![issue(77)]);
    assert!(
        matches!(refused, Err(WriteError::Ended(log)) if log == first.name().id),
        "{refused:?}"
    );
    let disk = MemoryDisk::new();
    let (second, _) = net.open(&disk, 1);
    assert_eq!(
        (second.kept_missing(), second.size(), second.missing()),
        (13, 0, 13)
    );
    net.fill(&second, &first, 700);
    // Readers see what was kept before anything is signed in the new generation.
    assert_eq!(
        (second.size(), second.checkpoint(), second.last_ms()),
        (13, None, Some(1012))
    );
    assert_eq!(issued(&second), Vec::from_iter(0..13));
    assert!(second.issue_of(&id(12)).unwrap().is_some());
    assert!(second.issue_of(&id(13)).unwrap().is_none());
    net.append(&second, 40..45);
    let checkpoint = second.checkpoint().unwrap();
    assert_eq!((checkpoint.log.generation, checkpoint.size), (1, 18));
    // Numbers go on, only the generation is another: the same bytes would be another record in the first one.
    let record = second.record(13).unwrap();
    assert_eq!(record.record().prev, first.record(12).unwrap().hash());
    assert_eq!(second.lineage().at(12), net.name(0));
    assert_eq!(second.lineage().at(13), net.name(1));
    // A peer without any of it fetches all under one checkpoint; one that holds what was kept goes on from there.
    let (fresh, held) = (net.log(1), net.log(1));
    net.fill(&held, &first, MAX_PAGE);
    for log in [&fresh, &held] {
        net.fetch(log, &second);
        assert_eq!(log.checkpoint(), Some(checkpoint.clone()));
        assert_eq!(log.kept_missing(), 0);
    }
    drop(second);
    let (again, opening) = net.open(&disk, 1);
    assert_eq!((opening.records, opening.set_aside), (18, None));
    assert_eq!(again.checkpoint(), Some(checkpoint));
    let found = fsck(&place(&disk, 8), &net.members, |_| ()).unwrap();
    assert_eq!(found.faults().count(), 0, "{found:?}");
}

#[test]
fn what_was_kept_is_there_after_a_restart_all_of_it_or_none() {
    let mut net = Net::new();
    let first = net.written(20);
    net.cut(&first, 17, CutReason::Forked);
    let disk = MemoryDisk::new();
    let (second, _) = net.open(&disk, 1);
    let page = net
        .kept(&first, 1, 0, 900)
        .unwrap()
        .verify(&net.members)
        .unwrap();
    second.begin_with(&page).unwrap();
    assert!(0 < second.held() && second.held() < 17);
    drop(second);
    // A part of it nothing vouches for.
    let (second, opening) = net.open(&disk, 1);
    assert_eq!((second.held(), second.kept_missing()), (0, 17));
    assert!(opening.cut_off > 0 && opening.set_aside.is_none());
    net.fill(&second, &first, 900);
    drop(second);
    let disk = disk.crash(|| false);
    let (second, opening) = net.open(&disk, 1);
    assert_eq!(
        (second.size(), opening.cut_off, opening.set_aside),
        (17, 0, None)
    );
    assert_eq!(issued(&second), Vec::from_iter(0..17));
    // And it serves the others before anything was signed.
    let third = net.log(1);
    net.fill(&third, &second, 5000);
    assert_eq!(third.size(), 17);
    // Progress towards a checkpoint goes on from it.
    let source = net.log(1);
    net.fill(&source, &first, MAX_PAGE);
    net.append(&source, 50..80);
    let page = source.page(17, 1500).unwrap().verify(&net.members).unwrap();
    assert!(matches!(second.apply(&page), Ok(Applied::Progress { .. })));
    let held = second.held();
    drop(second);
    let disk = disk.crash(|| false);
    let (second, opening) = net.open(&disk, 1);
    assert_eq!(
        (second.held(), second.size(), opening.set_aside),
        (held, 17, None)
    );
}

#[test]
fn damage_below_the_first_checkpoint_of_a_generation_is_found_and_repaired_from_others() {
    let mut net = Net::new();
    let first = net.written(20);
    net.cut(&first, 17, CutReason::Forked);
    let disk = MemoryDisk::new();
    let (second, _) = net.open(&disk, 1);
    net.fill(&second, &first, MAX_PAGE);
    drop(second);
    let records = place(&disk, 8)
        .log_dir(&net.name(1))
        .join("000000000000.records");
    disk.corrupt(&records, |bytes| bytes[400] ^= 1).unwrap();
    let found = fsck(&place(&disk, 8), &net.members, |_| ()).unwrap();
    assert!(found.faults().count() > 0);
    let (second, opening) = net.open(&disk, 1);
    assert!(opening.set_aside.is_some());
    assert_eq!((second.size(), second.kept_missing()), (0, 17));
    net.fill(&second, &first, MAX_PAGE);
    assert_eq!(second.size(), 17);
}

#[test]
fn a_generation_that_begins_with_other_records_than_the_members_kept_is_nobodys() {
    let mut net = Net::new();
    net.segment_records = 64;
    let first = net.written(20);
    // Another history of the same department, from record 10 on.
    let other = net.log(0);
    net.append(&other, 0..10);
    net.append(&other, 60..70);
    net.cut(&first, 15, CutReason::Forked);
    let second = net.log(1);
    assert_eq!(net.kept(&other, 1, 0, MAX_PAGE), None);
    let mut page = net.kept(&first, 1, 0, MAX_PAGE).unwrap();
    let mut bytes = page.frames.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    page.frames = Blob::new(bytes).unwrap();
    assert!(matches!(page.verify(&net.members), Err(PageError::Root)));
    let nothing = KeptPage {
        log: net.name(2).id,
        ..net.kept(&first, 1, 0, MAX_PAGE).unwrap()
    };
    assert!(matches!(
        nothing.verify(&net.members),
        Err(PageError::NothingKept(_))
    ));
    // The department itself goes on with what the members cut off: every peer sees that it does not begin as it has to.
    let page = forged(&net, &other).verify(&net.members).unwrap();
    assert!(matches!(
        second.apply(&page),
        Err(ApplyError::Gap { from: 15, held: 0 })
    ));
    net.fill(&second, &first, MAX_PAGE);
    let broken = second.apply(&page);
    assert!(
        matches!(
            broken,
            Err(ApplyError::Broken(BrokenRule::Rewritten { size: 15 }))
        ),
        "{broken:?}"
    );
    // A checkpoint of just what was kept says what was decided; one of less is not of this generation.
    let refused = |size| signed(&net, &other, size).verify(&net.members);
    let other_end = refused(15);
    assert!(matches!(
        other_end,
        Err(CheckpointError::OtherEnd { size: 15, .. })
    ));
    let early = refused(14);
    let why = Why::Generation;
    assert!(matches!(early, Err(CheckpointError::Nothing { why: found, .. }) if found == why));
}

/// A checkpoint of the second generation over the records of another log.
fn signed(net: &Net, other: &Log, size: u64) -> SignedCheckpoint {
    let signs = OperatingKeys::new(net.members.clone(), code(CUT), net.ring.clone());
    let signs = signs.in_force().unwrap();
    let last = other.record(size - 1).unwrap();
    let checkpoint = Checkpoint {
        log: net.name(1).id,
        size,
        root: other.range_at(size).unwrap().root(),
        head: last.hash(),
        status_root: other.checkpoint().unwrap().status_root,
        time_ms: last.record().time_ms,
        height: signs.height,
        key_epoch: signs.epoch,
    };
    SignedCheckpoint::sign(net.world.network(), checkpoint, &signs.key)
}

/// A page of the first 15 records of a log of the first generation and one of the second behind them.
fn forged(net: &Net, other: &Log) -> Page {
    let lineage = Lineage::new(net.name(1), [15]);
    let signs = OperatingKeys::new(net.members.clone(), code(CUT), net.ring.clone());
    let signs = signs.in_force().unwrap();
    let last = other.record(14).unwrap();
    let record = Record {
        seq: 15,
        prev: last.hash(),
        time_ms: last.record().time_ms,
        height: signs.height,
        key_epoch: signs.epoch,
        entry: issue(99),
    };
    let record = SignedRecord::sign(&lineage.at(15), record, &signs.key);
    let mut range: CompactRange = CompactRange::empty();
    let mut frames = Vec::new();
    for seq in 0..15 {
        let record = other.record(seq).unwrap();
        record.write_frame(&mut frames);
        range.push(record.leaf(), &mut |_, _, _| ());
    }
    record.write_frame(&mut frames);
    range.push(record.leaf(), &mut |_, _, _| ());
    let of = Checkpoint {
        root: range.root(),
        size: 16,
        head: record.hash(),
        ..signed(net, other, 15).checkpoint
    };
    Page {
        checkpoint: SignedCheckpoint::sign(net.world.network(), of, &signs.key),
        frames: Blob::new(frames).unwrap(),
        right: Bounded::default(),
        ..other.page(0, MAX_PAGE).unwrap()
    }
}

#[test]
fn a_log_is_cut_again_and_again_and_at_its_very_beginning() {
    let mut net = Net::new();
    let first = net.written(20);
    net.cut(&first, 13, CutReason::Compromised);
    let second = net.log(1);
    net.fill(&second, &first, MAX_PAGE);
    net.append(&second, 20..30);
    // At what the generation began with: nothing of its own is left.
    net.cut(&second, 13, CutReason::Forked);
    let third = net.log(2);
    net.fill(&third, &second, MAX_PAGE);
    net.append(&third, 30..32);
    net.cut(&third, 14, CutReason::Compromised);
    let fourth = net.log(3);
    net.fill(&fourth, &third, MAX_PAGE);
    net.append(&fourth, 40..41);
    let kept: Vec<u64> = (0..13).chain([30, 40]).collect();
    assert_eq!(issued(&fourth), kept);
    let generations = [0, 12, 13, 14].map(|seq| fourth.lineage().at(seq).id.generation);
    assert_eq!(generations, [0, 0, 2, 3]);
    let fresh = net.log(3);
    net.fetch(&fresh, &fourth);
    assert_eq!(issued(&fresh), kept);
    // A network in which everything was cut off begins again.
    let mut net = Net::new();
    let first = net.written(3);
    net.cut(&first, 0, CutReason::Forked);
    let second = net.log(1);
    assert_eq!(
        (second.kept_missing(), second.missing(), second.size()),
        (0, 0, 0)
    );
    net.append(&second, 5..7);
    assert_eq!(issued(&second), [5, 6]);
}

#[test]
fn two_histories_of_one_generation_are_found_and_proved_behind_what_it_begins_with() {
    let mut net = Net::new();
    net.segment_records = 64;
    let first = net.written(20);
    net.cut(&first, 13, CutReason::Forked);
    let [one, other] = [30, 60].map(|begin| {
        let log = net.log(1);
        net.fill(&log, &first, MAX_PAGE);
        net.append(&log, 21..23);
        net.append(&log, begin..begin + 5);
        log
    });
    let page = |from| {
        other
            .page(from, MAX_PAGE)
            .unwrap()
            .verify(&net.members)
            .unwrap()
    };
    assert!(matches!(
        one.apply(&page(17)),
        Err(ApplyError::Diverged { below: 17 })
    ));
    // From what both begin with a search goes on to the first record that differs.
    let forked = one.apply(&page(13));
    let Err(ApplyError::Forked(evidence)) = forked else {
        panic!("{forked:?}")
    };
    assert_eq!((evidence.log(), evidence.position()), (net.name(1).id, 15));
    assert!(evidence.verify(&net.members).is_ok());
}
