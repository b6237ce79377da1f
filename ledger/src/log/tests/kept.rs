//! What a department keeps beside its log: what is lost of it is known, and distinguished from what was erased.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::bodies::{
    AttachmentKey, Attachments, Bodies, BodiesReport, Body, Lost, Reread, SealedBody, check_bodies,
    reread,
};
use crate::codec::Bounded;
use crate::crypto::keys::{BodyKey, FieldKey, Secret};
use crate::record::{
    BlindedSubject, CaseAccepted, CaseTag, CertificateErased, Disclosure, FieldDefinition,
    MediaType, Received, Record, RetrievalAcknowledged, SignedRecord, TypeDefined, commit_fields,
};
use crate::retrieval::{CaseFile, EvidenceCopy, Retrieval, SignedRetrieval};

const DIR: &str = "/data/bodies";
const KEYS: &str = "/data/bodies/keys";
const BODIES: &str = "/data/bodies/bodies";
/// The record of the certificate whose fields are erased, of the one with an attachment, of a copy and of a case.
const ERASED: u64 = 2;
const ATTACHED: u64 = 3;
const COPY: u64 = 6;
const CASE: u64 = 7;

fn field_key() -> FieldKey {
    FieldKey(Secret::from_bytes([1; 32]))
}

fn body_key(n: u64) -> BodyKey {
    BodyKey(Secret::from_bytes([n as u8 + 100; 32]))
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn definition() -> TypeDefined {
    let (code, word) = (Text::new("CZZT").unwrap(), Text::new("持证主体").unwrap());
    let field = FieldDefinition::text(code, word, true);
    TypeDefined {
        fields: Bounded::first([field]),
        ..TypeDefined::new(id(0).type_code(), Text::new("证").unwrap())
    }
}

fn defined() -> DefinitionRef {
    let record = Record {
        seq: 0,
        prev: RecordHash::NONE,
        time_ms: 1,
        height: 0,
        key_epoch: 0,
        entry: Entry::from(definition()),
    };
    DefinitionRef {
        log: name().id,
        seq: 0,
        hash: SignedRecord::sign(&name(), record, &key()).hash(),
    }
}

/// A department's files, with one of everything that is kept.
struct Department {
    disk: MemoryDisk,
    writer: Writer,
    bodies: Bodies,
    attachments: Attachments,
}

impl Department {
    fn open(disk: &MemoryDisk) -> Department {
        let (log, _) = open(disk);
        Department {
            disk: disk.clone(),
            writer: Writer::new(log, key()),
            bodies: Bodies::open(disk, Path::new(DIR), &name(), field_key()).unwrap(),
            attachments: Attachments::open(Arc::new(disk.clone()), Path::new(DIR), name()).unwrap(),
        }
    }

    fn with_everything() -> Department {
        let mut department = Department::open(&MemoryDisk::new());
        department.append(definition().into(), None);
        for n in 1..5 {
            department.issue(n);
        }
        department
            .bodies
            .destroy(department.writer.log(), &[ERASED])
            .unwrap();
        let erased = CertificateErased {
            id: id(ERASED),
            text: Text::new("kept long enough").unwrap(),
        };
        department.append(Entry::CertificateErased(erased), None);
        department.copy();
        let case = CaseTag(hash(Purpose::Case, b"case"));
        let file = SealedBody::seal(
            &field_key(),
            &case.to_string(),
            &body_key(CASE),
            [7; 24],
            &CaseFile::default(),
        );
        let accepted = Entry::CaseAccepted(CaseAccepted {
            case,
            matter: format!("{ISSUER}/M/1").parse().unwrap(),
            requirements: Bounded::default(),
        });
        department.append(accepted, Some(file));
        department.append(change(1, Action::Suspend), None);
        department
    }

    fn append(&mut self, entry: Entry, body: Option<SealedBody>) {
        let bodies = &self.bodies;
        let keep = |first| {
            let kept = bodies.keep(first, &[body]);
            kept.map_err(std::io::Error::other)
        };
        self.writer.append_with(1, vec![entry], keep).unwrap();
        // As a node that stops: what a test damages afterwards is not healed from the journal.
        self.writer.log().clear_redo().unwrap();
    }

    fn issue(&mut self, n: u64) {
        let mut fields = BTreeMap::from([("CZZT".to_owned(), format!("holder {n}"))]);
        let mut attachments = BTreeMap::new();
        if n == ATTACHED {
            let mut receiving = self
                .attachments
                .receive(AttachmentKey::new(&[9; 48]))
                .unwrap();
            receiving.append(b"a scan").unwrap();
            let upload = receiving.finish(MediaType::Pdf, 1).unwrap();
            let (name, value) = upload.attachment("scan.pdf".parse().unwrap()).field();
            fields.insert(name, value);
            self.attachments.keep([(n, upload.key.file())]).unwrap();
            attachments.insert("scan.pdf".to_owned(), upload.key);
        }
        let Entry::CertificateIssued(issued) = issue(n) else {
            unreachable!()
        };
        let root = commit_fields(&body_key(n), &id(n), &definition().fields, &fields);
        let count = attachments.len();
        let body = Body {
            holder_kind: issued.holder_kind,
            holder_code: "x".to_owned(),
            fields,
            attachments,
        };
        let sealed = SealedBody::seal(
            &field_key(),
            id(n).as_str(),
            &body_key(n),
            [n as u8; 24],
            &body,
        );
        let entry = Entry::CertificateIssued(CertificateIssued {
            definition: defined(),
            field_root: root,
            ..issued
        });
        self.append(entry, Some(sealed.with_attachments(count)));
    }

    /// Fields of the first certificate, retrieved by the department itself.
    fn copy(&mut self) {
        let fields = Bounded::first([Text::new("CZZT").unwrap()]);
        let retrieval = Retrieval {
            issuer: ISSUER.parse().unwrap(),
            asker: ISSUER.parse().unwrap(),
            key_epoch: 0,
            matter: format!("{ISSUER}/M/1").parse().unwrap(),
            subject: BlindedSubject(Hash::ZERO),
            fields: fields.clone(),
            certificate: id(1),
            purpose: Text::new("test").unwrap(),
            time_ms: 1,
            nonce: [0; 16],
        };
        let request = SignedRetrieval::sign(name().network, retrieval, &key());
        let held = BTreeMap::from([("CZZT".to_owned(), "holder 1".to_owned())]);
        let copy = EvidenceCopy {
            log: name().id,
            seq: 1,
            receipt: 0,
            disclosure: Disclosure::of(&body_key(1), &id(1), &definition().fields, &held, |_| true),
            time_ms: 1,
            request,
        };
        let retrieved = copy.request.name(name().network).to_string();
        let sealed = SealedBody::seal(&field_key(), &retrieved, &body_key(COPY), [6; 24], &copy);
        let entry = Entry::from(RetrievalAcknowledged {
            asked: copy.request.retrieval().asked(),
            outcome: Received::Fields {
                fields,
                keep_until: day("2026-03-31"),
            },
            took_ms: 1,
        });
        self.append(entry, Some(sealed));
    }

    fn lost(&self) -> Lost {
        Lost::find(self.writer.log(), &self.bodies, &self.attachments).unwrap()
    }

    /// What reading everything while a peer runs finds, a part at a time.
    fn reread(&self, today: &str) -> Reread {
        let log = self.writer.log();
        let records = |of: &LogId, seq| {
            assert_eq!(*of, name().id);
            let record = log.record(seq).unwrap();
            Ok(Some((record.record().clone(), record.hash())))
        };
        let mut all = Reread::default();
        let part = |from| {
            let (bodies, attachments) = (&self.bodies, &self.attachments);
            reread(log, bodies, attachments, &records, from, day(today)).unwrap()
        };
        while let Some(read) = part(all.next) {
            assert!(read.next > all.next);
            all.next = read.next;
            all.bytes += read.bytes;
            all.lost.join(read.lost);
            all.faults.extend(read.faults);
        }
        assert_eq!(all.next, log.size());
        all
    }

    fn check(&self, key: Option<&FieldKey>) -> BodiesReport {
        let place = place(&self.disk, 8);
        let today = day("2026-03-01");
        check_bodies(&place, Path::new(DIR), &members(), key, today, |_| ()).unwrap()
    }
}

fn faults(report: &BodiesReport) -> Vec<(Option<u64>, &str)> {
    let faults = report.faults.iter();
    faults
        .map(|fault| (fault.record, fault.file.as_str()))
        .collect()
}

#[test]
fn a_department_that_has_everything_has_lost_nothing() {
    let department = Department::with_everything();
    assert_eq!(department.lost(), Lost::default());
    let report = department.check(Some(&field_key()));
    assert_eq!(faults(&report), []);
    assert_eq!(report.unchecked, [] as [&str; 0]);
    let counts = (report.kept, report.opened, report.attachments);
    assert_eq!((counts, report.erased, report.over), ((5, 5, 1), 1, 0));
}

#[test]
fn bodies_that_are_gone_are_lost_unless_a_record_says_that_they_were_erased() {
    let department = Department::with_everything();
    for file in [KEYS, BODIES] {
        department
            .disk
            .corrupt(Path::new(file), Vec::clear)
            .unwrap();
    }
    let department = Department::open(&department.disk);
    let lost = department.lost();
    assert_eq!(lost.certificates, BTreeSet::from([1, 3, 4]));
    assert_eq!(lost.cases, BTreeSet::from([CASE]));
    assert_eq!(lost.copies_on(day("2026-03-31")), BTreeSet::from([COPY]));
    assert_eq!(lost.copies_on(day("2026-04-01")), BTreeSet::new());
    let report = department.check(Some(&field_key()));
    let expected: Vec<_> = [1, 3, 4, COPY, CASE]
        .map(|seq| (Some(seq), "bodies/keys"))
        .into();
    assert_eq!((faults(&report), report.erased), (expected, 1));
    let mut lost = lost;
    for seq in [1, 3, 4, COPY] {
        lost.forget(seq);
    }
    assert_eq!(lost.certificates, BTreeSet::new());
}

#[test]
fn a_file_of_bodies_that_was_cut_off_loses_what_stood_behind_the_cut() {
    let department = Department::with_everything();
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1);
    department.disk.corrupt(Path::new(BODIES), cut).unwrap();
    assert_eq!(department.lost().cases, BTreeSet::from([CASE]));
    assert_eq!(department.lost().certificates, BTreeSet::new());
    let report = department.check(None);
    assert_eq!(faults(&report), [(Some(CASE), "bodies/bodies")]);
}

#[test]
fn an_attachment_whose_file_is_gone_is_lost_and_its_certificate_is_named() {
    let department = Department::with_everything();
    let paths = department.disk.paths();
    let file = paths
        .iter()
        .find(|path| path.starts_with("/data/bodies/attachments"))
        .unwrap();
    let flip = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    department.disk.corrupt(file, flip).unwrap();
    // Its length is right: only reading it shows that it is damaged.
    assert_eq!(department.lost(), Lost::default());
    let report = department.check(Some(&field_key()));
    assert_eq!(
        (report.fault_count, report.faults[0].record),
        (1, Some(ATTACHED))
    );
    use crate::disk::Disk;
    department.disk.remove(file).unwrap();
    assert_eq!(department.lost().attachments, BTreeSet::from([ATTACHED]));
    for key in [None, Some(&field_key())] {
        let report = department.check(key);
        assert_eq!(
            (report.fault_count, report.faults[0].record),
            (1, Some(ATTACHED))
        );
    }
}

#[test]
fn erased_fields_that_come_back_with_older_files_are_found() {
    let mut department = Department::open(&MemoryDisk::new());
    department.append(definition().into(), None);
    department.issue(1);
    department.issue(2);
    let mut before = Vec::new();
    let keys = Path::new(KEYS);
    department
        .disk
        .corrupt(keys, |bytes| before.clone_from(bytes))
        .unwrap();
    department
        .bodies
        .destroy(department.writer.log(), &[ERASED])
        .unwrap();
    let erased = CertificateErased {
        id: id(ERASED),
        text: Text::new("kept long enough").unwrap(),
    };
    department.append(Entry::CertificateErased(erased), None);
    assert_eq!(department.lost(), Lost::default());
    department
        .disk
        .corrupt(keys, |bytes| *bytes = before)
        .unwrap();
    assert_eq!(department.lost().returned, BTreeSet::from([ERASED]));
    let report = department.check(Some(&field_key()));
    assert_eq!(faults(&report), [(Some(ERASED), "bodies/keys")]);
}

#[test]
fn a_flipped_byte_in_any_body_is_found_and_its_record_named() {
    let department = Department::with_everything();
    let path = Path::new(BODIES);
    let mut len = 0;
    department
        .disk
        .corrupt(path, |bytes| len = bytes.len())
        .unwrap();
    let mut named = BTreeSet::new();
    for at in (64..len).step_by(23) {
        department
            .disk
            .corrupt(path, |bytes| bytes[at] ^= 1)
            .unwrap();
        let report = department.check(Some(&field_key()));
        // The bytes of the erased body mean nothing any more.
        assert!(report.fault_count <= 1, "{at}: {report:?}");
        named.extend(report.faults.iter().map(|fault| fault.record));
        department
            .disk
            .corrupt(path, |bytes| bytes[at] ^= 1)
            .unwrap();
    }
    assert_eq!(named, [1, 3, 4, COPY, CASE].map(Some).into());
}

#[test]
fn fields_that_are_not_those_of_the_record_are_found() {
    let mut department = Department::with_everything();
    let Entry::CertificateIssued(issued) = issue(9) else {
        unreachable!()
    };
    let body = Body {
        holder_kind: issued.holder_kind,
        holder_code: "x".to_owned(),
        fields: BTreeMap::from([("CZZT".to_owned(), "another".to_owned())]),
        attachments: BTreeMap::new(),
    };
    let sealed = SealedBody::seal(&field_key(), id(9).as_str(), &body_key(9), [9; 24], &body);
    let entry = CertificateIssued {
        definition: defined(),
        ..issued
    };
    department.append(Entry::CertificateIssued(entry), Some(sealed));
    let report = department.check(Some(&field_key()));
    assert_eq!(faults(&report), [(Some(9), "bodies/bodies")]);
    assert!(report.faults[0].rule.contains("commits to"));
}

#[test]
fn what_can_t_be_checked_is_said_and_is_no_fault() {
    let department = Department::with_everything();
    let report = department.check(None);
    assert_eq!((report.fault_count, report.opened, report.kept), (0, 0, 5));
    assert!(report.unchecked[0].contains("field key"), "{report:?}");
    let other = FieldKey(Secret::from_bytes([2; 32]));
    let report = department.check(Some(&other));
    assert_eq!(faults(&report), [(None, "bodies/keys")]);
    assert!(report.faults[0].rule.contains("another field key"));
    // A copy of the bodies alone.
    let nowhere = Place {
        data: "/elsewhere".into(),
        ..place(&department.disk, 8)
    };
    let (dir, today) = (Path::new(DIR), day("2026-03-01"));
    let key = field_key();
    let report = check_bodies(&nowhere, dir, &members(), Some(&key), today, |_| ()).unwrap();
    assert_eq!((report.fault_count, report.kept), (0, 5));
    assert!(report.unchecked[0].contains("is not here"), "{report:?}");
    department
        .disk
        .corrupt(Path::new(KEYS), |bytes| bytes[96 + 96 + 20] ^= 1)
        .unwrap();
    let report = check_bodies(&nowhere, dir, &members(), Some(&key), today, |_| ()).unwrap();
    assert_eq!(faults(&report), [(Some(1), "bodies/keys")]);
}

#[test]
fn a_damaged_header_is_reported_once() {
    let department = Department::with_everything();
    let damage = |bytes: &mut Vec<u8>| bytes[20] ^= 1;
    department.disk.corrupt(Path::new(BODIES), damage).unwrap();
    let report = department.check(Some(&field_key()));
    assert_eq!(faults(&report), [(None, "bodies/bodies")]);
}

#[test]
fn what_rots_in_any_file_while_a_peer_runs_is_found_by_reading_it_and_counted_as_lost() {
    let department = Department::with_everything();
    let whole = department.reread("2026-03-01");
    assert_eq!((whole.lost, whole.faults), (Lost::default(), vec![]));
    let attached = department.disk.paths().into_iter();
    let attached = attached.filter(|path| path.starts_with("/data/bodies/attachments"));
    let files = [KEYS.into(), BODIES.into()].into_iter().chain(attached);
    let mut found = Lost::default();
    for path in files {
        let mut len = 0;
        department
            .disk
            .corrupt(&path, |bytes| len = bytes.len())
            .unwrap();
        for at in (64..len).step_by(29) {
            let flip = |bytes: &mut Vec<u8>| bytes[at] ^= 1;
            department.disk.corrupt(&path, flip).unwrap();
            let read = department.reread("2026-03-01");
            let report = department.check(Some(&field_key()));
            // What fsck finds of a record, and of no other.
            let records = |faults: &[crate::bodies::BodyFault]| -> BTreeSet<u64> {
                faults.iter().filter_map(|fault| fault.record).collect()
            };
            let mut expected = records(&report.faults);
            // Destroyed keys that are there again are for a start to find.
            expected.remove(&ERASED);
            assert_eq!(records(&read.faults), expected, "{}, {at}", path.display());
            assert_eq!(read.lost.is_empty(), expected.is_empty());
            found.join(read.lost);
            department.disk.corrupt(&path, flip).unwrap();
        }
    }
    assert_eq!(found.certificates, BTreeSet::from([1, ATTACHED, 4]));
    assert_eq!(found.attachments, BTreeSet::from([ATTACHED]));
    assert_eq!(found.copies.into_keys().collect::<Vec<_>>(), [COPY]);
    assert_eq!(found.cases, BTreeSet::from([CASE]));
    assert_eq!(found.returned, BTreeSet::new());
}

#[test]
fn what_is_erased_or_over_is_not_missed_by_reading_it() {
    let department = Department::with_everything();
    let garble = |bytes: &mut Vec<u8>| bytes[64..].fill(7);
    department.disk.corrupt(Path::new(BODIES), garble).unwrap();
    let read = department.reread("2026-03-31");
    assert_eq!(read.lost.copies.into_keys().collect::<Vec<_>>(), [COPY]);
    let read = department.reread("2026-04-01");
    assert_eq!(read.lost.copies, BTreeMap::new());
    assert_eq!(read.lost.certificates, BTreeSet::from([1, ATTACHED, 4]));
    // Destroyed before a record says so.
    let log = department.writer.log();
    department.bodies.destroy(log, &[1]).unwrap();
    let read = department.reread("2026-04-01");
    assert_eq!(read.lost.certificates, BTreeSet::from([ATTACHED, 4]));
}

#[test]
fn bodies_that_the_medium_does_not_give_are_lost() {
    let department = Department::with_everything();
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1);
    department.disk.corrupt(Path::new(BODIES), cut).unwrap();
    let read = department.reread("2026-03-01");
    assert_eq!(read.lost.cases, BTreeSet::from([CASE]));
    assert_eq!(read.faults.len(), 1);
}
