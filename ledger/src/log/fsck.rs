//! Re-verifies every byte of every log without changing any.
//!
//! Opening a log trusts record signatures that a checkpoint covers; this checks each of them as well, and compares the
//! derived files with what the records say. Where the stored tree leads to the signed root, its leaves show exactly
//! which record differs; otherwise the chain and the signatures do.

use std::collections::HashSet;
use std::fmt;
use std::io;

use rayon::prelude::*;

use crate::crypto::hash::Hash;
use crate::crypto::keys::IndexKey;
use crate::id::CertificateId;
use crate::membership::Membership;
use crate::merkle::{CompactRange, nodes_before, root_from};
use crate::record::{Entry, Frame, RecordHash, SignedRecord};
use crate::status_map::StatusMap;

use super::Place;
use super::broken;
use super::definitions::Definitions;
use super::head::{Head, HeadFile};
use super::header::{HEADER_LEN, HeaderError, Kind, check_header};
use super::index::{Filing, TailIndex, key_in};
use super::page::{follows, link};
use super::segment::{file_name, first_of};
use super::statuses::{Statuses, status_key};
use crate::names::{LogId, LogName};

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose log.
    pub log: LogId,
    /// File it was found in, below the data directory.
    pub file: String,
    /// Position of the record at fault, where one is.
    pub record: Option<u64>,
    /// The rule that does not hold.
    pub rule: String,
    /// Whether the file can be derived again from the records: then restarting the peer repairs it.
    pub derived: bool,
    /// Whether a later version wrote the file: this one can say nothing about the log.
    pub later: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "department {}, ", self.log)?;
        if let Some(record) = self.record {
            write!(f, "record {record}, ")?;
        }
        write!(f, "{}: {}", self.file, self.rule)
    }
}

/// What one log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReport {
    /// Whose log.
    pub log: LogId,
    /// Records checked.
    pub records: u64,
    /// Size of the accepted checkpoint.
    pub checkpoint: Option<u64>,
    /// Everything wrong, at most 1,000.
    pub faults: Vec<Fault>,
}

/// What a data directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// One report a log.
    pub logs: Vec<LogReport>,
}

impl FsckReport {
    /// Every fault of every log.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.logs.iter().flat_map(|log| &log.faults)
    }
}

const MAX_FAULTS: usize = 1000;
const BATCH: usize = 4096;

/// Checks every log in a data directory; `progress` is called with the records checked so far.
///
/// # Errors
/// Those of the medium. Faults in content are in the report.
pub fn fsck(
    place: &Place,
    members: &Membership,
    mut progress: impl FnMut(u64),
) -> io::Result<FsckReport> {
    let mut report = FsckReport::default();
    let mut ids: Vec<LogId> = Vec::new();
    for name in place
        .disk
        .list(&place.data.join("logs"))?
        .into_iter()
        .chain(place.disk.list(&place.data.join("heads"))?)
    {
        ids.extend(name.parse::<LogId>());
    }
    ids.sort_unstable();
    ids.dedup();
    let mut before = 0;
    for id in ids {
        let name = LogName {
            network: members.network(),
            id,
        };
        let mut check = Check::new(place, name, members);
        check.run(&mut |records| progress(before + records))?;
        before += check.report.records;
        report.logs.push(check.report);
    }
    Ok(report)
}

struct Check<'c> {
    place: &'c Place,
    name: LogName,
    members: &'c Membership,
    report: LogReport,
    head: Head,
    range: CompactRange,
    prev: RecordHash,
    time_ms: u64,
    statuses: Statuses,
    /// The beginnings of the keys of the certificates issued so far: enough to distinguish them.
    issued: HashSet<[u8; 16]>,
    definitions: Definitions,
    /// Whether an entry so far is one that this version can't read.
    unread: bool,
    /// Whether the tree file's leaves lead to the signed root.
    leaves_proved: bool,
    tree: Option<Box<dyn crate::disk::DiskFile>>,
    nodes: Vec<Hash>,
    nodes_from: u64,
}

impl<'c> Check<'c> {
    fn new(place: &'c Place, name: LogName, members: &'c Membership) -> Self {
        Check {
            place,
            name,
            members,
            report: LogReport {
                log: name.id,
                records: 0,
                checkpoint: None,
                faults: Vec::new(),
            },
            head: Head::default(),
            range: CompactRange::empty(),
            prev: RecordHash::NONE,
            time_ms: 0,
            statuses: Statuses::new(StatusMap::in_memory()),
            issued: HashSet::new(),
            definitions: Definitions::default(),
            unread: false,
            leaves_proved: false,
            tree: None,
            nodes: Vec::new(),
            nodes_from: 0,
        }
    }

    fn fault(&mut self, file: String, record: Option<u64>, rule: impl fmt::Display, derived: bool) {
        if self.report.faults.len() < MAX_FAULTS {
            self.report.faults.push(Fault {
                log: self.name.id,
                file,
                record,
                rule: rule.to_string(),
                derived,
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

    fn run(&mut self, progress: &mut dyn FnMut(u64)) -> io::Result<()> {
        let later = self.place.later_files(&self.name)?;
        if !later.is_empty() {
            // Only that version knows what they say, and what the others say beside them.
            let fault = |(file, format)| Fault {
                log: self.name.id,
                file,
                record: None,
                rule: HeaderError::Later(format).to_string(),
                derived: false,
                later: true,
            };
            self.report.faults.extend(later.into_iter().map(fault));
            return Ok(());
        }
        let until = self.check_head()?;
        self.open_tree(until)?;
        let dir = self.place.log_dir(&self.name);
        let mut firsts: Vec<u64> = self
            .place
            .disk
            .list(&dir)?
            .iter()
            .filter_map(|name| first_of(name))
            .collect();
        firsts.sort_unstable();
        for first in firsts.into_iter().take_while(|first| *first < until) {
            if first != self.report.records {
                break;
            }
            self.check_segment(first, until, progress)?;
        }
        if self.report.records < until {
            let rule = format!(
                "the head file vouches for {until} records, {} are readable",
                self.report.records
            );
            let at = Some(self.report.records);
            self.fault(format!("logs/{}", self.name.id), at, rule, false);
        }
        self.check_nodes()?;
        self.check_progress();
        self.check_stop()?;
        progress(self.report.records);
        Ok(())
    }

    /// Checks the page that stopped the log, if there is one. A rule that it breaks is not a fault of the file.
    fn check_stop(&mut self) -> io::Result<()> {
        let path = self.place.broken_path(&self.name);
        let kept = broken::kept(&*self.place.disk, &path, &self.name, self.members)?;
        if let Some(Err(error)) = kept {
            let file = format!("evidence/{}.broken", self.name.id);
            self.fault(file, None, error, false);
        }
        Ok(())
    }

    /// Checks the head file; returns the number of records it vouches for.
    fn check_head(&mut self) -> io::Result<u64> {
        let file = format!("heads/{}", self.name.id);
        match HeadFile::read(
            &*self.place.disk,
            &self.place.head_path(&self.name),
            &self.name,
        ) {
            Ok(head) => self.head = head,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.fault(file.clone(), None, error, false),
        }
        let head = self.head.clone();
        for checkpoint in head
            .accepted
            .iter()
            .chain(head.progress.iter().map(|progress| &progress.target))
        {
            if let Err(error) = checkpoint.clone().verify(self.members) {
                self.fault(file.clone(), None, error, false);
            }
            if checkpoint.checkpoint.log != self.name.id {
                self.fault(file.clone(), None, "the checkpoint is another log's", false);
            }
        }
        self.report.checkpoint = head
            .accepted
            .as_ref()
            .map(|accepted| accepted.checkpoint.size);
        Ok(head.vouched())
    }

    fn open_tree(&mut self, until: u64) -> io::Result<()> {
        let Ok(file) = self
            .place
            .disk
            .open(&self.place.log_dir(&self.name).join("tree"), false)
        else {
            if until > 0 {
                self.fault(self.path("tree"), None, "the tree file is missing", true);
            }
            return Ok(());
        };
        let mut found = [0; HEADER_LEN as usize];
        let read = file.read_at(&mut found, 0)?;
        if let Err(error) = check_header(&found[..read], Kind::Tree, &self.name, 0) {
            self.fault(self.path("tree"), None, error, true);
            return Ok(());
        }
        self.tree = Some(file);
        let mut range: CompactRange = CompactRange::empty();
        let accepted = self
            .head
            .accepted
            .as_ref()
            .map(|accepted| (accepted.checkpoint.size, accepted.checkpoint.root));
        for seq in 0..until {
            let Some(leaf) = self.stored_leaf(seq)? else {
                break;
            };
            range.push(leaf, &mut |_, _, _| ());
            if let Some((size, root)) = accepted
                && size == range.size()
            {
                self.leaves_proved = range.root() == root;
            }
        }
        if let Some(progress) = &self.head.progress {
            let root = root_from(&range, &progress.right, progress.target.checkpoint.size);
            self.leaves_proved = root.is_ok_and(|root| root == progress.target.checkpoint.root);
        }
        Ok(())
    }

    fn stored_leaf(&self, seq: u64) -> io::Result<Option<Hash>> {
        let Some(tree) = &self.tree else {
            return Ok(None);
        };
        let mut bytes = [0; 32];
        let read = tree.read_at(&mut bytes, HEADER_LEN + 32 * nodes_before(seq))?;
        Ok((read == 32).then(|| Hash::from_bytes(bytes)))
    }

    fn check_segment(
        &mut self,
        first: u64,
        until: u64,
        progress: &mut dyn FnMut(u64),
    ) -> io::Result<()> {
        let dir = self.place.log_dir(&self.name);
        let file = self.path(&file_name(first, "records"));
        let bytes = {
            let records = self
                .place
                .disk
                .open(&dir.join(file_name(first, "records")), false)?;
            let mut bytes = vec![0; records.len()? as usize];
            records.read_exact_at(&mut bytes, 0)?;
            bytes
        };
        let head = &bytes[..bytes.len().min(HEADER_LEN as usize)];
        if let Err(error) = check_header(head, Kind::Records, &self.name, first) {
            self.fault(file.clone(), None, error, false);
        }
        let offsets = self.read_offsets(first)?;
        let end_seq = until.min(first + self.place.segment_records);
        let (mut at, mut ends) = (HEADER_LEN as usize, vec![HEADER_LEN]);
        let index_key = self.index_key(first)?;
        let mut filing = Filing::default();
        let mut unsigned: Vec<(u64, SignedRecord)> = Vec::new();
        for seq in first..end_seq {
            let place = (seq - first) as usize;
            let good = match bytes.get(at..).map(Frame::read) {
                Some(Ok((frame, len))) => self
                    .check_record(
                        &file,
                        seq,
                        &frame,
                        (&index_key, &mut filing),
                        place as u32,
                        &mut unsigned,
                    )?
                    .then_some(at + len),
                _ => {
                    self.fault(
                        file.clone(),
                        Some(seq),
                        "the record is cut off or its length is damaged",
                        false,
                    );
                    let stored = self.stored_leaf(seq)?;
                    self.damaged(stored)?;
                    None
                }
            };
            // After a damaged record its length can't be trusted: the offsets show where the next one begins.
            let next = good.or_else(|| {
                offsets
                    .get(place + 1)
                    .map(|end| *end as usize)
                    .filter(|end| *end > at)
            });
            let Some(next) = next.filter(|next| *next <= bytes.len()) else {
                break;
            };
            at = next;
            ends.push(at as u64);
            self.report.records = seq + 1;
            if unsigned.len() == BATCH {
                self.check_signatures(&file, &mut unsigned);
                progress(self.report.records);
            }
        }
        self.check_signatures(&file, &mut unsigned);
        if offsets.get(..ends.len()) != Some(&ends) {
            self.fault(
                self.path(&file_name(first, "offsets")),
                None,
                "the offsets are not those of the records",
                true,
            );
        }
        if ends.len() as u64 > self.place.segment_records {
            if at < bytes.len() {
                self.fault(file, None, "there are bytes after the last record", true);
            }
            self.check_index(first, &index_key, &filing)?;
        }
        Ok(())
    }

    fn read_offsets(&mut self, first: u64) -> io::Result<Vec<u64>> {
        let path = self
            .place
            .log_dir(&self.name)
            .join(file_name(first, "offsets"));
        let Ok(file) = self.place.disk.open(&path, false) else {
            return Ok(Vec::new());
        };
        let mut bytes = vec![0; file.len()? as usize];
        file.read_exact_at(&mut bytes, 0)?;
        let head = &bytes[..bytes.len().min(HEADER_LEN as usize)];
        if let Err(error) = check_header(head, Kind::Offsets, &self.name, first) {
            self.fault(self.path(&file_name(first, "offsets")), None, error, true);
            return Ok(Vec::new());
        }
        let number = |chunk: &[u8]| u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        Ok(bytes[HEADER_LEN as usize..]
            .chunks_exact(8)
            .map(number)
            .collect())
    }

    /// Checks one record; returns whether it can be trusted.
    fn check_record(
        &mut self,
        file: &str,
        seq: u64,
        frame: &Frame<'_>,
        filing: (&IndexKey, &mut Filing),
        place: u32,
        unsigned: &mut Vec<(u64, SignedRecord)>,
    ) -> io::Result<bool> {
        let stored = self.stored_leaf(seq)?;
        let link = match link(&self.name, frame, seq) {
            Ok(link) => link,
            Err(rule) => {
                self.fault(file.to_owned(), Some(seq), rule, false);
                self.damaged(stored)?;
                return Ok(false);
            }
        };
        if self.leaves_proved && stored != Some(link.leaf) {
            let rule = "the record's bytes are not those the signed checkpoint covers";
            self.fault(file.to_owned(), Some(seq), rule, false);
            self.damaged(stored)?;
            return Ok(false);
        }
        let after_damage = seq > 0 && self.prev == RecordHash::NONE;
        if !after_damage && let Err(rule) = follows(&link, self.prev, self.time_ms) {
            self.fault(file.to_owned(), Some(seq), rule, false);
        }
        (self.prev, self.time_ms) = (link.hash, link.record.time_ms);
        self.push_leaf(link.leaf)?;
        let (index_key, filing) = filing;
        filing.add(index_key, &self.name, &link.record.entry, place);
        let defines = self.definitions.take(&link);
        let issued = &self.issued;
        self.statuses
            .take(&link, defines, |id| Ok(issued.contains(&beginning(id))))?;
        if let Entry::CertificateIssued(issued) = &link.record.entry {
            self.issued.insert(beginning(&issued.id));
        }
        self.unread |= matches!(link.record.entry, Entry::Unknown(_));
        if let Ok(record) = SignedRecord::decode(&self.name, frame) {
            unsigned.push((seq, record));
        }
        self.check_accepted(seq + 1)?;
        Ok(true)
    }

    /// Continues after a damaged record: what follows links to the record as it was, which is no longer known.
    fn damaged(&mut self, stored: Option<Hash>) -> io::Result<()> {
        self.prev = RecordHash::NONE;
        self.push_leaf(stored.unwrap_or(Hash::ZERO))
    }

    fn push_leaf(&mut self, leaf: Hash) -> io::Result<()> {
        let nodes = &mut self.nodes;
        self.range.push(leaf, &mut |_, _, node| nodes.push(node));
        if self.nodes.len() >= 1 << 16 {
            self.check_nodes()?;
        }
        Ok(())
    }

    fn check_nodes(&mut self) -> io::Result<()> {
        let file = self.path("tree");
        let named = self.report.faults.iter().any(|fault| fault.file == file);
        if !self.same_nodes()? && !named && self.records_whole() {
            let rule = "the stored tree is not that of the records";
            self.fault(file, None, rule, true);
        }
        self.nodes.clear();
        self.nodes_from = self.range.size();
        Ok(())
    }

    /// Whether the tree file, where there is one, has the nodes collected.
    fn same_nodes(&self) -> io::Result<bool> {
        let Some(tree) = &self.tree else {
            return Ok(true);
        };
        let mut found = vec![0; self.nodes.len() * 32];
        let read = tree.read_at(&mut found, HEADER_LEN + 32 * nodes_before(self.nodes_from))?;
        let mut pairs = found.chunks_exact(32).zip(&self.nodes);
        Ok(read == found.len() && pairs.all(|(f, n)| f == n.as_bytes()))
    }

    fn check_signatures(&mut self, file: &str, unsigned: &mut Vec<(u64, SignedRecord)>) {
        let department = self.name.id.department;
        let members = self.members;
        let bad: Vec<(u64, String)> = unsigned
            .par_iter()
            .filter_map(
                |(seq, record)| match members.key(&department, record.record().key_epoch) {
                    None => Some((
                        *seq,
                        "no key of the record's epoch is known for the department".to_owned(),
                    )),
                    Some(key) => record
                        .verify(key)
                        .err()
                        .map(|error| (*seq, error.to_string())),
                },
            )
            .collect();
        for (seq, rule) in bad {
            self.fault(file.to_owned(), Some(seq), rule, false);
        }
        unsigned.clear();
    }

    fn check_accepted(&mut self, size: u64) -> io::Result<()> {
        let Some(accepted) = self
            .head
            .accepted
            .as_ref()
            .map(|a| a.checkpoint.clone())
            .filter(|a| a.size == size)
        else {
            return Ok(());
        };
        if !self.records_whole() {
            return Ok(());
        }
        let file = format!("heads/{}", self.name.id);
        if self.range.root() != accepted.root {
            self.fault(
                file.clone(),
                None,
                format!("the first {size} records are not those of the checkpoint"),
                false,
            );
        }
        if self.prev != accepted.head {
            self.fault(
                file.clone(),
                Some(size - 1),
                "the checkpoint names another last record",
                false,
            );
        }
        // Only a later version knows what its entry changed.
        if !self.unread && self.statuses.map().root()? != accepted.status_root {
            self.fault(
                file,
                None,
                "the checkpoint commits to other statuses than its records give",
                false,
            );
        }
        Ok(())
    }

    /// The key that an index names; the place's where it names none, which is a fault by itself.
    fn index_key(&self, first: u64) -> io::Result<IndexKey> {
        let path = self
            .place
            .log_dir(&self.name)
            .join(file_name(first, "index"));
        let named = match self.place.disk.open(&path, false) {
            Ok(file) => key_in(&*file)?,
            Err(_) => None,
        };
        Ok(named.unwrap_or_else(|| self.place.index_key.clone()))
    }

    fn check_index(&mut self, first: u64, key: &IndexKey, filing: &Filing) -> io::Result<()> {
        let name = file_name(first, "index");
        let mut tail = TailIndex::default();
        tail.take(filing);
        let expected = tail.seal(key, &self.name, first);
        let same = match self
            .place
            .disk
            .open(&self.place.log_dir(&self.name).join(&name), false)
        {
            Ok(file) => {
                let mut found = vec![0; file.len()? as usize];
                file.read_exact_at(&mut found, 0)?;
                found == expected
            }
            Err(_) => false,
        };
        if !same && self.records_whole() {
            self.fault(
                self.path(&name),
                None,
                "the index is not that of the records",
                true,
            );
        }
        Ok(())
    }

    fn check_progress(&mut self) {
        let Some(progress) = self.head.progress.clone() else {
            return;
        };
        let root = root_from(
            &self.range,
            &progress.right,
            progress.target.checkpoint.size,
        );
        let proved = root.is_ok_and(|root| root == progress.target.checkpoint.root);
        if !proved && self.records_whole() {
            let rule = "the records are not under the checkpoint being caught up with";
            self.fault(format!("heads/{}", self.name.id), None, rule, false);
        }
    }
}

fn beginning(id: &CertificateId) -> [u8; 16] {
    let mut beginning = [0; 16];
    beginning.copy_from_slice(&status_key(id).as_bytes()[..16]);
    beginning
}
