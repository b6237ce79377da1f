//! Logs under governance that changes: what counts is judged by the height that was named, and by what ended since.

use super::*;
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::codec::Blob;
use crate::crypto::keys::KeyRing;
use crate::governance::tests::world::{World, code};
use crate::governance::{EndReason, EpochEnd, Position, RaiseVersion, Suspend, Why};
use crate::log::{
    Applied, ApplyError, BrokenRule, CheckpointError, Cosignature, EvidenceError, ForkEvidence,
    MAX_PAGE, Page, PageError, WriteError,
};
use crate::merkle::CompactRange;
use crate::operating::{InForce, NoKey, OperatingKeys};
use crate::record::SignedRecord;

/// A network whose members decide, and one view of it.
struct Net {
    world: World,
    members: Membership,
    ring: KeyRing,
}

impl Net {
    fn new() -> Net {
        let world = World::new(4, 1);
        let ring = KeyRing::from(world.own(4).operating.clone());
        Net {
            members: Membership::from_genesis(&world.genesis),
            world,
            ring,
        }
    }

    /// Lets a view know what was decided so far.
    fn tell(&self, members: &Membership) {
        let known = members.history().height() as usize;
        for block in &self.world.blocks[known..] {
            members.extend(block).unwrap();
        }
    }

    fn catch_up(&self) {
        self.tell(&self.members);
    }

    /// What somebody knows who has heard of no decision yet.
    fn behind(&self) -> Membership {
        Membership::from_genesis(&self.world.genesis)
    }

    /// Gives department 4 its next key.
    fn rotate(&mut self) {
        self.world.rotate(4);
        self.ring.add(self.world.own(4).now().clone());
        self.catch_up();
    }

    fn suspend_at(&mut self, log: &Log) {
        let position = self.position(log);
        self.world.decide(&[Suspend { position }.into()]).unwrap();
        self.catch_up();
    }

    fn position(&self, log: &Log) -> Position {
        let checkpoint = log.checkpoint().unwrap();
        Position {
            log: checkpoint.log,
            size: checkpoint.size,
            root: checkpoint.root,
        }
    }

    fn end_epoch(&mut self, position: Position, why: EndReason) {
        let end = EpochEnd {
            position,
            epoch: 0,
            why,
        };
        let ended = self.world.ended(4, end, &[0, 1, 2, 3]);
        self.world.make(vec![ended.into()]).unwrap();
        self.catch_up();
    }

    fn log_on(&self, disk: &MemoryDisk, members: &Membership) -> Arc<Log> {
        let name = LogName {
            network: self.world.network(),
            id: LogId::first(code(4)),
        };
        let (log, opening) = Log::open(&place(disk, 8), name, members).unwrap();
        assert!(opening.set_aside.is_none());
        Arc::new(log)
    }

    fn log(&self) -> Arc<Log> {
        self.log_on(&MemoryDisk::new(), &self.members)
    }

    fn keys(&self) -> OperatingKeys {
        OperatingKeys::new(self.members.clone(), code(4), self.ring.clone())
    }

    fn writer(&self, log: &Arc<Log>) -> Writer {
        Writer::new(Arc::clone(log), self.keys())
    }

    /// One who has department 4's first key and writes as of the genesis whatever was decided.
    fn old_key(&self, log: &Arc<Log>) -> Writer {
        Writer::new(Arc::clone(log), self.world.own(4).operating[0].clone())
    }
}

fn page(log: &Log, from: u64) -> Page {
    log.page(from, MAX_PAGE).unwrap()
}

/// A log's first records under a checkpoint of those alone.
fn page_of(log: &LogName, records: &[SignedRecord], signs: &InForce) -> Page {
    let mut range: CompactRange = CompactRange::empty();
    for record in records {
        range.push(record.leaf(), &mut |_, _, _| ());
    }
    let frames: Vec<u8> = records.iter().flat_map(SignedRecord::frame).collect();
    let checkpoint = Checkpoint {
        log: log.id,
        size: records.len() as u64,
        root: range.root(),
        head: records.last().unwrap().hash(),
        status_root: Hash::ZERO,
        time_ms: 1,
        height: signs.height,
        key_epoch: signs.epoch,
    };
    Page {
        checkpoint: SignedCheckpoint::sign(log.network, checkpoint, &signs.key),
        from: 0,
        left: Bounded::default(),
        right: Bounded::default(),
        frames: Blob::new(frames).unwrap(),
    }
}

fn nothing(why: Why) -> CheckpointError {
    CheckpointError::Nothing {
        department: code(4),
        why,
    }
}

fn verified(log: &Log, members: &Membership) -> Result<(), CheckpointError> {
    let signed = log.checkpoint().unwrap().signed().clone();
    signed.verify(members).map(drop)
}

#[test]
fn a_log_goes_on_under_each_next_key_and_reads_the_same_everywhere() {
    let mut net = Net::new();
    let (disk, copied) = (MemoryDisk::new(), MemoryDisk::new());
    let (log, copy) = (
        net.log_on(&disk, &net.members),
        net.log_on(&copied, &net.members),
    );
    let mut writer = net.writer(&log);
    let mut claims = Vec::new();
    for n in 0..4 {
        if n > 0 {
            net.rotate();
        }
        let (_, checkpoint) = writer
            .append(n, vec![issue(2 * n), issue(2 * n + 1)])
            .unwrap();
        claims.push((checkpoint.key_epoch, checkpoint.height));
        let page = page(&log, copy.held()).verify(&net.members).unwrap();
        copy.apply(&page).unwrap();
    }
    assert_eq!(claims, [(0, 0), (1, 1), (2, 2), (3, 3)]);
    let of = |log: &Log| {
        let records = (0..8).map(|seq| log.record(seq).unwrap());
        let claims: Vec<_> = records
            .map(|record| record.record().claim(log.lineage()))
            .collect();
        claims
    };
    assert_eq!(of(&log), of(&copy));
    for (seq, record) in (0..8).map(|seq| (seq, log.record(seq).unwrap())) {
        let epoch = record.record().key_epoch;
        assert_eq!(u64::from(epoch), seq / 2);
        let key = net.members.key(&code(4), epoch).unwrap();
        assert_eq!(record.verify(&key), Ok(()));
    }
    // All of it from one page, and again after a start.
    let late = net.log();
    let all = page(&log, 0).verify(&net.members).unwrap();
    late.apply(&all).unwrap();
    assert_eq!(late.checkpoint(), log.checkpoint());
    drop((writer, log, copy));
    for disk in [disk, copied] {
        let again = net.log_on(&disk, &net.members);
        assert_eq!(again.checkpoint(), late.checkpoint());
    }
}

#[test]
fn what_is_signed_by_decisions_not_known_here_is_early_and_nobodys_fault() {
    let mut net = Net::new();
    net.rotate();
    let log = net.log();
    net.writer(&log).append(1, vec![issue(1)]).unwrap();
    let behind = net.behind();
    let early = CheckpointError::Early {
        department: code(4),
        height: 1,
    };
    assert!(!early.is_senders_fault());
    let refused = page(&log, 0).verify(&behind).unwrap_err();
    assert_eq!(refused, PageError::Checkpoint(early.clone()));
    // Once they are known there it is taken.
    net.tell(&behind);
    page(&log, 0).verify(&behind).unwrap();
    // A head on disk stays, though the decisions were lost: it was checked when it was accepted.
    let signed = log.checkpoint().unwrap().signed().clone();
    assert!(signed.clone().verify_kept(&net.members).is_ok());
    assert_eq!(
        signed.verify_kept(&net.behind()),
        Err(CheckpointError::UnknownKey {
            department: code(4),
            epoch: 1
        })
    );
}

#[test]
fn nobody_appends_with_a_key_that_is_not_in_force() {
    let mut net = Net::new();
    let log = net.log();
    let mut writer = net.writer(&log);
    writer.append(1, vec![issue(1)]).unwrap();
    // Replaced, and the next one isn't here.
    net.world.rotate(4);
    net.catch_up();
    let department = code(4);
    let refused = |writer: &mut Writer| match writer.append(2, vec![issue(2)]) {
        Err(WriteError::NoKey(why)) => why,
        other => panic!("{other:?}"),
    };
    let not_held = NoKey::NotHeld {
        department,
        epoch: 1,
    };
    assert_eq!(refused(&mut writer), not_held);
    net.ring.add(net.world.own(4).now().clone());
    writer.append(2, vec![issue(2)]).unwrap();
    net.suspend_at(&log);
    let height = 2;
    let suspended = NoKey::Suspended { department, height };
    assert_eq!(refused(&mut writer), suspended);
    assert_eq!(log.size(), 2);
    // One that knows less than its own log does, say after its decisions were lost, appends nothing either.
    let keys = OperatingKeys::new(net.behind(), department, net.ring.clone());
    let refused = Writer::new(log, keys).append(3, vec![issue(3)]);
    let behind = matches!(refused, Err(WriteError::Behind { known: 0, named: 1 }));
    assert!(behind, "{refused:?}");
}

#[test]
fn an_old_key_writes_nothing_beyond_where_it_was_replaced() {
    let mut net = Net::new();
    let log = net.log();
    net.writer(&log)
        .append(1, vec![issue(1), issue(2)])
        .unwrap();
    let before = page(&log, 0);
    net.rotate();
    net.writer(&log).append(2, vec![issue(3)]).unwrap();
    // A thief of it begins where it was replaced, dated back.
    let forged = net.log();
    forged
        .apply(&before.clone().verify(&net.members).unwrap())
        .unwrap();
    net.old_key(&forged).append(1, vec![issue(9)]).unwrap();
    // By itself that contradicts nothing yet; with the end known it counts for nothing anywhere.
    assert_eq!(verified(&forged, &net.members), Ok(()));
    let [ours, theirs]: [SignedRecord; 2] = [&log, &forged].map(|log| log.record(2).unwrap());
    let evidence = ForkEvidence::records(log.name().id, &ours, &theirs);
    assert_eq!(evidence.verify(&net.members), Ok(()));
    let position = Position {
        log: log.name().id,
        size: 2,
        root: log.root_at(2).unwrap(),
    };
    net.end_epoch(position, EndReason::Rotated);
    let ended = nothing(Why::Ended(EndReason::Rotated));
    assert_eq!(verified(&forged, &net.members), Err(ended.clone()));
    assert!(
        !ended.is_senders_fault(),
        "whoever passes it on may not know"
    );
    assert_eq!(
        evidence.verify(&net.members),
        Err(EvidenceError::Checkpoint(ended)),
        "it freezes nothing"
    );
    assert_eq!(verified(&log, &net.members), Ok(()));
    // What it signed up to there counts, and no other history of that length.
    before.verify(&net.members).unwrap();
    let other = net.log();
    net.old_key(&other)
        .append(1, vec![issue(1), issue(8)])
        .unwrap();
    let other_end = CheckpointError::OtherEnd {
        log: log.name().id,
        size: 2,
    };
    assert_eq!(verified(&other, &net.members), Err(other_end));
}

#[test]
fn what_a_suspended_department_signs_counts_for_nothing_however_it_is_dated() {
    let mut net = Net::new();
    let log = net.log();
    net.writer(&log).append(1, vec![issue(1)]).unwrap();
    net.suspend_at(&log);
    let before = page(&log, 0);
    assert_eq!(verified(&log, &net.members), Ok(()));
    net.old_key(&log).append(2, vec![issue(2)]).unwrap();
    let suspended = nothing(Why::Suspended(code(4)));
    assert_eq!(verified(&log, &net.members), Err(suspended));
    // Whoever doesn't know takes it.
    assert_eq!(verified(&log, &net.behind()), Ok(()));
    before.verify(&net.members).unwrap();
}

#[test]
fn a_record_that_names_a_key_and_a_height_that_do_not_fit_breaks_a_rule_for_everybody() {
    let mut net = Net::new();
    net.rotate();
    net.world.rotate(0);
    net.catch_up();
    let log = net.log();
    let name = *log.name();
    // Epoch 0 was replaced at height 1, and epoch 1 was not there before.
    for (epoch, height, holds) in [(0, 0, true), (0, 1, false), (1, 0, false), (1, 1, true)] {
        let records = net.records(&name, &[(height, epoch)]);
        match (net.taken(&name, &records), holds) {
            (Ok(_), true) => {}
            (Err(ApplyError::Broken(BrokenRule::Claim { seq: 0, why })), false) => {
                assert_eq!(why, Why::NotInForce);
            }
            (other, _) => panic!("epoch {epoch} at {height}: {other:?}"),
        }
    }
}

#[test]
fn a_log_whose_heights_or_keys_go_back_stops_there() {
    let mut net = Net::new();
    net.rotate();
    let name = *net.log().name();
    for (second, rule) in [
        ((0, 0), BrokenRule::Height { seq: 1 }),
        ((0, 1), BrokenRule::Height { seq: 1 }),
        ((1, 0), BrokenRule::Epoch { seq: 1 }),
    ] {
        let records = net.records(&name, &[(1, 1), second]);
        let refused = net.taken(&name, &records);
        let broken = matches!(&refused, Err(ApplyError::Broken(found)) if *found == rule);
        assert!(broken, "{second:?}: {refused:?}");
    }
}

impl Net {
    /// A log's first records, each signed with the key of the epoch that it names beside its height.
    fn records(&self, log: &LogName, claims: &[(u64, u32)]) -> Vec<SignedRecord> {
        let mut prev = RecordHash::NONE;
        let claims = claims.iter().zip(0..);
        let sign = claims.map(|((height, epoch), seq)| {
            let record = crate::record::Record {
                seq,
                prev,
                time_ms: 1,
                height: *height,
                key_epoch: *epoch,
                entry: issue(seq),
            };
            let key = &self.world.own(4).operating[*epoch as usize];
            let record = SignedRecord::sign(log, record, key);
            prev = record.hash();
            record
        });
        sign.collect()
    }

    /// What a replica makes of them under a checkpoint by the key in force, which knows of all decisions: what it covers is
    /// what may be wrong.
    fn taken(&self, log: &LogName, records: &[SignedRecord]) -> Result<Applied, ApplyError> {
        let signs = self.keys().in_force().unwrap();
        let page = page_of(log, records, &signs);
        self.log().apply(&page.verify(&self.members).unwrap())
    }
}

#[test]
fn a_cosignature_counts_by_what_its_witness_knew_and_was() {
    let mut net = Net::new();
    let log = net.log();
    let (_, checkpoint) = net.writer(&log).append(1, vec![issue(1)]).unwrap();
    let signs = |net: &Net, n: usize| InForce {
        key: net.world.own(n).now().clone(),
        epoch: net.world.member(n).epoch,
        height: net.members.history().height(),
        generation: 0,
    };
    let cosign = |net: &Net, n: usize| {
        Cosignature::sign(&net.members, &checkpoint, code(n), 5, &signs(net, n))
    };
    let first = cosign(&net, 1);
    assert_eq!(first.verify(&checkpoint, &net.members), Ok(()));
    net.world.rotate(1);
    net.catch_up();
    let second = cosign(&net, 1);
    for cosignature in [&first, &second] {
        assert_eq!(cosignature.verify(&checkpoint, &net.members), Ok(()));
    }
    let early = CheckpointError::Early {
        department: code(1),
        height: 1,
    };
    assert_eq!(second.verify(&checkpoint, &net.behind()), Err(early));
    // The next key as of before it was in force, and another chain's block.
    let mut dated_back = second.clone();
    dated_back.governance = first.governance;
    let not_in_force = CheckpointError::Nothing {
        department: code(1),
        why: Why::NotInForce,
    };
    assert_eq!(
        dated_back.verify(&checkpoint, &net.members),
        Err(not_in_force)
    );
    let mut other = second.clone();
    other.governance.block = first.governance.block;
    let other_chain = CheckpointError::OtherChain {
        department: code(1),
        height: 1,
    };
    assert_eq!(other.verify(&checkpoint, &net.members), Err(other_chain));
    // Of a key known as stolen none counts: it may be dated back.
    let position = Position::beginning(LogId::first(code(1)));
    let end = EpochEnd {
        position,
        epoch: 0,
        why: EndReason::Stolen,
    };
    let ended = net.world.ended(1, end, &[0, 2, 3]);
    net.world.make(vec![ended.into()]).unwrap();
    net.catch_up();
    let stolen = CheckpointError::Nothing {
        department: code(1),
        why: Why::Ended(EndReason::Stolen),
    };
    assert_eq!(first.verify(&checkpoint, &net.members), Err(stolen));
    assert_eq!(second.verify(&checkpoint, &net.members), Ok(()));
}

#[test]
fn an_ended_key_stops_no_log_that_leads_to_its_end() {
    let mut net = Net::new();
    let log = net.log();
    net.writer(&log)
        .append(1, vec![issue(1), issue(2)])
        .unwrap();
    let position = net.position(&log);
    // Its thief signs other records, of as many, of fewer and with other statuses.
    let forged = |entries: Vec<Entry>| {
        let forged = net.log();
        net.old_key(&forged).append(1, entries).unwrap();
        page(&forged, 0)
    };
    let shorter = forged(vec![issue(8)]);
    let as_long = forged(vec![issue(8), issue(9)]);
    let mut other_statuses = page(&log, 0);
    let mut checkpoint = other_statuses.checkpoint.checkpoint.clone();
    checkpoint.status_root = Hash::from_bytes([9; 32]);
    let old = net.world.own(4).operating[0].clone();
    other_statuses.checkpoint = SignedCheckpoint::sign(net.world.network(), checkpoint, &old);
    net.rotate();
    net.end_epoch(position, EndReason::Rotated);
    for (what, forged) in [("shorter", shorter), ("other statuses", other_statuses)] {
        let forged = forged.verify(&net.members).unwrap();
        let refused = log.apply(&forged);
        assert!(
            matches!(refused, Err(ApplyError::OtherEnd { size: 2 })),
            "{what}: {refused:?}"
        );
        assert!(log.stopped().is_none(), "{what}");
    }
    let refused = as_long.verify(&net.members).unwrap_err();
    assert!(matches!(
        refused,
        PageError::Checkpoint(CheckpointError::OtherEnd { .. })
    ));
    // The department itself, by its present key, is held to what it signed.
    net.writer(&log).append(2, vec![issue(3)]).unwrap();
    let other = net.log();
    other
        .apply(&page(&log, 0).verify(&net.members).unwrap())
        .unwrap();
    let twice = net.log();
    let first = page_of(
        log.name(),
        &[log.record(0).unwrap(), log.record(1).unwrap()],
        &net.old_signs(),
    );
    twice.apply(&first.verify(&net.members).unwrap()).unwrap();
    net.writer(&twice).append(2, vec![issue(4)]).unwrap();
    let fork = other.apply(&page(&twice, 0).verify(&net.members).unwrap());
    assert!(matches!(fork, Err(ApplyError::Forked(_))), "{fork:?}");
    assert!(other.stopped().is_some());
}

impl Net {
    /// The first key, as of the genesis.
    fn old_signs(&self) -> InForce {
        self.world.own(4).operating[0].clone().into()
    }
}

#[test]
fn a_department_that_has_not_upgraded_appends_by_the_version_before() {
    let mut net = Net::new();
    let log = net.log();
    let mut writer = net.writer(&log);
    writer.append(1, vec![issue(1)]).unwrap();
    net.world
        .decide(&[RaiseVersion { after: 2 }.into()])
        .unwrap();
    net.catch_up();
    let (_, checkpoint) = writer.append(2, vec![issue(2)]).unwrap();
    assert_eq!(checkpoint.height, 0, "the last that it can judge by");
    assert_eq!(log.record(1).unwrap().record().height, 0);
}
