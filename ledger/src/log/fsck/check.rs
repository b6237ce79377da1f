//! What fsck makes of one log's files: it changes nothing, reports what is wrong, and goes on behind it as far as it can.

use std::collections::HashSet;
use std::fmt;
use std::io;

use rayon::prelude::*;

use crate::crypto::hash::Hash;
use crate::crypto::keys::{PublicKey, SIGNATURE_LEN};
use crate::header::{HEADER_LEN, HeaderError};
use crate::id::CertificateId;
use crate::index::IndexCheck;
use crate::log::Place;
use crate::log::broken;
use crate::log::checkpoint::Agreement;
use crate::log::definitions::Definitions;
use crate::log::head::{Head, HeadFile, own};
use crate::log::index_files::{index_files, index_name};
use crate::log::link::{BrokenRule, Tip, verify};
use crate::log::scan::{Batch, Begun, Damaged, Ended, Files, Resume, Start, Visitor, scan};
use crate::log::segment::{Offsets, file_name};
use crate::log::statuses::{Statuses, inherits, status_key, unread};
use crate::log::tree_file::TreeFile;
use crate::membership::Membership;
use crate::merkle::CompactRange;
use crate::names::LogName;
use crate::record::{Entry, RecordError, RecordHash};
use crate::status_map::StatusMap;

use super::{Fault, LogReport};

/// Most faults of one log that are reported.
const MAX_FAULTS: usize = 1000;

/// Records whose signatures are checked together.
const TOGETHER: usize = 4096;

/// Whether what is at fault can be derived from the records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Derived,
    /// In the records, or in what vouches for them.
    Original,
}

pub(super) struct Check<'c> {
    place: &'c Place,
    name: LogName,
    members: &'c Membership,
    /// Called with the records checked so far.
    progress: &'c mut dyn FnMut(u64),
    report: LogReport,
    statuses: Statuses,
    /// The beginnings of the keys of the certificates issued so far: enough to distinguish them.
    issued: HashSet<[u8; 16]>,
    definitions: Definitions,
    /// Whether an entry so far is one that this version can't read.
    unread: bool,
    tree: Option<TreeFile>,
    /// Whether the tree file's leaves lead to the signed root.
    leaves_proved: bool,
    /// Whether other nodes than those of the records were found in it.
    tree_differs: bool,
    segment: Segment,
    /// The files of its index, each with its name.
    index: Vec<(String, IndexCheck)>,
    /// Records of the segment whose signatures are still to be checked.
    unsigned: Vec<Unsigned>,
}

/// What a signature is checked by.
struct Unsigned {
    seq: u64,
    key_epoch: u32,
    hash: RecordHash,
    signature: [u8; SIGNATURE_LEN],
}

impl Unsigned {
    fn verify(&self, key: &PublicKey) -> Result<(), RecordError> {
        verify(&self.hash, &self.signature, key)
    }
}

/// What belongs to the segment whose records are being read.
struct Segment {
    offsets: Option<Offsets>,
    /// Whether its offsets were found to be others than those of the records.
    offsets_differ: bool,
}

impl<'c> Check<'c> {
    /// Checks one log.
    pub(super) fn run(
        place: &'c Place,
        name: LogName,
        members: &'c Membership,
        progress: &'c mut dyn FnMut(u64),
    ) -> io::Result<LogReport> {
        let mut check = Check {
            place,
            name,
            members,
            progress,
            report: LogReport {
                log: name.id,
                records: 0,
                checkpoint: None,
                faults: Vec::new(),
            },
            statuses: Statuses::new(StatusMap::in_memory()),
            issued: HashSet::new(),
            definitions: Definitions::default(),
            unread: false,
            tree: None,
            leaves_proved: false,
            tree_differs: false,
            segment: Segment {
                offsets: None,
                offsets_differ: false,
            },
            index: Vec::new(),
            unsigned: Vec::new(),
        };
        if !check.later_files()? {
            check.log()?;
        }
        Ok(check.report)
    }

    /// Reports the files that a later version wrote; returns whether there are any. Only that version knows what they say, and
    /// what the others say beside them.
    fn later_files(&mut self) -> io::Result<bool> {
        for (file, format) in self.place.later_files(&self.name)? {
            self.report.faults.push(Fault {
                log: self.name.id,
                file,
                record: None,
                rule: HeaderError::Later(format).to_string(),
                derived: false,
                later: true,
            });
        }
        Ok(!self.report.faults.is_empty())
    }

    fn log(&mut self) -> io::Result<()> {
        let head = self.head();
        self.open_tree(&head)?;
        self.open_index(&head)?;
        let (place, name) = (self.place, self.name);
        let history = self.members.history();
        let files = Files {
            disk: &*place.disk,
            dir: &place.log_dir(&name),
            log: &history.lineage(name.id),
            beginning: history.beginning(name.id),
            segment_records: place.segment_records,
        };
        scan(&files, &head, Start::first(), self)?;
        self.check_index()?;
        self.check_stop()?;
        (self.progress)(self.report.records);
        Ok(())
    }

    fn fault(
        &mut self,
        file: String,
        record: Option<u64>,
        rule: impl fmt::Display,
        content: Content,
    ) {
        if self.report.faults.len() < MAX_FAULTS {
            self.report.faults.push(Fault {
                log: self.name.id,
                file,
                record,
                rule: rule.to_string(),
                derived: content == Content::Derived,
                later: false,
            });
        }
    }

    /// Whether no record is damaged so far: one that is explains every difference in what follows from the records.
    fn records_whole(&self) -> bool {
        self.report.faults.iter().all(|fault| fault.derived)
    }

    fn path(&self, file: &str) -> String {
        format!("logs/{}/{file}", self.name.id)
    }

    fn records_path(&self, first: u64) -> String {
        self.path(&file_name(first, "records"))
    }

    fn head_path(&self) -> String {
        format!("heads/{}", self.name.id)
    }

    /// Checks the head file. One that is missing vouches for nothing.
    fn head(&mut self) -> Head {
        let path = self.place.head_path(&self.name);
        let head = match HeadFile::read(&*self.place.disk, &path, &self.name) {
            Ok(head) => head,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    self.fault(self.head_path(), None, error, Content::Original);
                }
                Head::default()
            }
        };
        for checkpoint in head.checkpoints() {
            if let Err(error) = own(checkpoint, &self.name, self.members) {
                self.fault(self.head_path(), None, error, Content::Original);
            }
        }
        let accepted = head.accepted.as_ref();
        self.report.checkpoint = accepted.map(|accepted| accepted.checkpoint.size);
        head
    }

    /// Opens the tree file, and finds out whether its leaves are those that the head vouches for: then they show which record
    /// is damaged.
    fn open_tree(&mut self, head: &Head) -> io::Result<()> {
        let path = self.place.log_dir(&self.name).join("tree");
        match TreeFile::look(&*self.place.disk, &path, &self.name)? {
            Ok(Some(tree)) => {
                self.leaves_proved = are_proved(&tree, head)?;
                self.tree = Some(tree);
            }
            Ok(None) if head.vouched() == 0 => {}
            Ok(None) => {
                let rule = "the tree file is missing";
                self.fault(self.path("tree"), None, rule, Content::Derived);
            }
            Err(error) => self.fault(self.path("tree"), None, error, Content::Derived),
        }
        Ok(())
    }

    /// Opens the files of the index. One that is about records which no head vouches for is left from before a crash.
    fn open_index(&mut self, head: &Head) -> io::Result<()> {
        let (disk, dir) = (&*self.place.disk, self.place.log_dir(&self.name));
        for records in index_files(disk, &dir)? {
            if records.end > head.vouched() {
                continue;
            }
            let name = index_name(&records);
            let file = disk.open(&dir.join(&name), false)?;
            match IndexCheck::new(file, &self.name, records)? {
                Some(check) => self.index.push((name, check)),
                None => self.index_fault(&name),
            }
        }
        Ok(())
    }

    fn index_fault(&mut self, name: &str) {
        let rule = "the index is not that of the records";
        self.fault(self.path(name), None, rule, Content::Derived);
    }

    fn stored_leaf(&self, seq: u64) -> io::Result<Option<Hash>> {
        match &self.tree {
            Some(tree) => tree.stored_leaf(seq),
            None => Ok(None),
        }
    }

    /// Checks the signatures of the records that wait for it. Opening a log leaves that out, since the checkpoint covers them.
    fn check_signatures(&mut self, first: u64) {
        let department = self.name.id.department;
        let members = self.members;
        let bad: Vec<(u64, String)> = self
            .unsigned
            .par_iter()
            .filter_map(|record| {
                let rule = match members.key(&department, record.key_epoch) {
                    None => "no key of the record's epoch is known for the department".to_owned(),
                    Some(key) => record.verify(&key).err()?.to_string(),
                };
                Some((record.seq, rule))
            })
            .collect();
        self.unsigned.clear();
        for (seq, rule) in bad {
            let file = self.records_path(first);
            self.fault(file, Some(seq), rule, Content::Original);
        }
    }

    /// Holds the files derived from records against them.
    fn check_derived(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        let segment = &mut self.segment;
        if let Some(offsets) = &segment.offsets {
            segment.offsets_differ |= !offsets.are(batch.place(), batch.ends)?;
        }
        let Some(tree) = self.tree.as_ref().filter(|_| !self.tree_differs) else {
            return Ok(());
        };
        if !tree.holds(batch.from(), batch.nodes)? && self.records_whole() {
            self.tree_differs = true;
            let rule = "the stored tree is not that of the records";
            self.fault(self.path("tree"), None, rule, Content::Derived);
        }
        Ok(())
    }

    /// Adds records to what the index, the statuses and the definitions have to be.
    fn derive(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        for link in batch.links {
            let entry = &link.record.entry;
            for (_, check) in &mut self.index {
                check.take(&self.name, &link.record);
            }
            let history = self.members.history();
            let may = self.definitions.take(link)
                && inherits(&history, &self.name.id.department, &link.record);
            let issued = &self.issued;
            let before = |id: &CertificateId| Ok(issued.contains(&beginning(id)));
            self.statuses.take(link, may, before)?;
            match entry {
                Entry::CertificateIssued(issued) => {
                    self.issued.insert(beginning(&issued.id));
                }
                _ if unread(&link.record, || history.height()).is_some() => self.unread = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// Holds the files of the index against the records, all of which have been read.
    fn check_index(&mut self) -> io::Result<()> {
        for (name, check) in std::mem::take(&mut self.index) {
            let same = check.holds().unwrap_or(false);
            if !same && self.records_whole() {
                self.index_fault(&name);
            }
        }
        Ok(())
    }

    /// Checks the page that stopped the log, if there is one. A rule that it breaks is not a fault of the file.
    fn check_stop(&mut self) -> io::Result<()> {
        let path = self.place.broken_path(&self.name);
        let kept = broken::kept(&*self.place.disk, &path, &self.name, self.members)?;
        if let Some(Err(error)) = kept {
            let file = format!("evidence/{}.broken", self.name.id);
            self.fault(file, None, error, Content::Original);
        }
        Ok(())
    }
}

impl Visitor for Check<'_> {
    type Halt = io::Error;

    fn bad_header(&mut self, first: u64, error: HeaderError) -> io::Result<()> {
        self.fault(self.records_path(first), None, error, Content::Original);
        Ok(())
    }

    fn segment(&mut self, begun: &Begun) -> io::Result<()> {
        let (disk, dir) = (&*self.place.disk, self.place.log_dir(&self.name));
        let offsets = match Offsets::look(disk, &dir, &self.name, begun.first)? {
            Ok(offsets) => offsets,
            Err(error) => {
                let file = self.path(&file_name(begun.first, "offsets"));
                self.fault(file, None, error, Content::Derived);
                None
            }
        };
        let offsets_differ = match &offsets {
            Some(offsets) => !offsets.are(0, &[HEADER_LEN])?,
            None => true,
        };
        self.segment = Segment {
            offsets,
            offsets_differ,
        };
        Ok(())
    }

    fn proved_leaf(&mut self, seq: u64) -> io::Result<Option<Hash>> {
        match self.leaves_proved {
            true => self.stored_leaf(seq),
            false => Ok(None),
        }
    }

    fn unlinked(&mut self, first: u64, rule: BrokenRule) -> io::Result<()> {
        let record = Some(rule.position());
        self.fault(self.records_path(first), record, rule, Content::Original);
        Ok(())
    }

    fn records(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        let signed = batch.links.iter().zip(batch.frames);
        self.unsigned.extend(signed.map(|(link, frame)| Unsigned {
            seq: link.record.seq,
            key_epoch: link.record.key_epoch,
            hash: link.hash,
            signature: *frame.signature,
        }));
        if self.unsigned.len() >= TOGETHER {
            self.check_signatures(batch.first);
        }
        self.check_derived(batch)?;
        self.derive(batch)?;
        self.report.records = batch.end();
        (self.progress)(self.report.records);
        Ok(())
    }

    fn damaged(&mut self, first: u64, seq: u64, at: u64, why: Damaged) -> io::Result<Resume> {
        let rule = match why {
            Damaged::CutOff => "the record is cut off or its length is damaged".to_owned(),
            Damaged::Rule(rule) => rule.to_string(),
            Damaged::Leaf => {
                "the record's bytes are not those the signed checkpoint covers".to_owned()
            }
        };
        self.fault(self.records_path(first), Some(seq), rule, Content::Original);
        let next = match &self.segment.offsets {
            Some(offsets) => offsets.read(seq - first + 1, 0)?.first().copied(),
            None => None,
        };
        Ok(Resume {
            leaf: self.stored_leaf(seq)?.unwrap_or(Hash::ZERO),
            next: next.filter(|next| *next > at),
        })
    }

    fn status_root(&mut self) -> io::Result<Option<Hash>> {
        match self.unread {
            true => Ok(None),
            false => self.statuses.map().root().map(Some),
        }
    }

    fn kept(&mut self, (tip, _): (&Tip, Hash), agrees: bool) -> io::Result<()> {
        if self.records_whole() && !agrees {
            let size = tip.size;
            let rule = format!("the first {size} records are not those that the members kept");
            self.fault(self.head_path(), None, rule, Content::Original);
        }
        Ok(())
    }

    fn accepted(&mut self, size: u64, found: &Agreement) -> io::Result<()> {
        if !self.records_whole() {
            return Ok(());
        }
        if !found.root {
            let rule = format!("the first {size} records are not those of the checkpoint");
            self.fault(self.head_path(), None, rule, Content::Original);
        }
        for rule in found.broken(size) {
            self.fault(self.head_path(), Some(size - 1), rule, Content::Original);
        }
        Ok(())
    }

    fn segment_end(&mut self, ended: &Ended) -> io::Result<()> {
        self.check_signatures(ended.first);
        self.report.records = ended.size;
        if self.segment.offsets_differ {
            let rule = "the offsets are not those of the records";
            let file = self.path(&file_name(ended.first, "offsets"));
            self.fault(file, None, rule, Content::Derived);
        }
        if ended.full {
            // Behind the end of a segment that still grows there may be what was never acknowledged.
            if ended.beyond > 0 {
                let rule = "there are bytes after the last record";
                self.fault(self.records_path(ended.first), None, rule, Content::Derived);
            }
        }
        Ok(())
    }

    fn short(&mut self, found: u64, expected: u64) -> io::Result<()> {
        let rule = format!("the head file vouches for {expected} records, {found} are readable");
        let dir = format!("logs/{}", self.name.id);
        self.fault(dir, Some(found), rule, Content::Original);
        Ok(())
    }

    fn unproved_progress(&mut self, _size: u64) -> io::Result<()> {
        if self.records_whole() {
            let rule = "the records are not under the checkpoint being caught up with";
            self.fault(self.head_path(), None, rule, Content::Original);
        }
        Ok(())
    }
}

/// Whether the leaves of a tree file lead to the root of a checkpoint that the head holds.
fn are_proved(tree: &TreeFile, head: &Head) -> io::Result<bool> {
    let mut range: CompactRange = CompactRange::empty();
    let mut proved = false;
    let accepted = head.accepted.as_ref().map(|it| &it.checkpoint);
    for seq in 0..head.vouched() {
        let Some(leaf) = tree.stored_leaf(seq)? else {
            break;
        };
        range.push(leaf, &mut |_, _, _| ());
        if let Some(accepted) = accepted.filter(|accepted| accepted.size == range.size()) {
            proved = range.root() == accepted.root;
        }
    }
    Ok(match &head.progress {
        Some(progress) => progress.is_of(&range),
        None => proved,
    })
}

fn beginning(id: &CertificateId) -> [u8; 16] {
    let mut beginning = [0; 16];
    beginning.copy_from_slice(&status_key(id).as_bytes()[..16]);
    beginning
}
