use super::*;
use crate::crypto::keys::{IndexKey, Secret, SigningKey};
use crate::disk::{Failure, MemoryDisk};
use crate::genesis::Role;
use crate::genesis::testing::{department, network};
use crate::id::CertificateId;
use crate::log::Place;
use crate::membership::Membership;
use crate::names::LogId;
use crate::names::NetworkId;
use crate::record::commit_fields;

const NAME: &str = "王小明";

pub(super) fn log() -> LogName {
    LogName {
        network: NetworkId(crate::crypto::hash::Hash::ZERO),
        id: LogId::first("11430000006122244L".parse().unwrap()),
    }
}

pub(super) fn field_key(n: u8) -> FieldKey {
    FieldKey(Secret::from_bytes([n; 32]))
}

pub(super) fn id(serial: u64) -> CertificateId {
    let issuer: crate::id::DepartmentCode = "11430000006122244L".parse().unwrap();
    let code = "11100000000013338W011".parse().unwrap();
    CertificateId::new(code, issuer.into(), &serial.to_string(), 1).unwrap()
}

fn body(serial: u64) -> Body {
    let fields = [("CZZT", NAME.to_owned()), ("ZZBH", serial.to_string())];
    Body {
        holder_kind: HolderKind::IdentityCard,
        holder_code: "11010519491231002X".to_owned(),
        fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
        attachments: BTreeMap::new(),
    }
}

pub(super) fn sealed(serial: u64) -> Option<SealedBody> {
    let key = BodyKey(Secret::from_bytes([serial as u8; 32]));
    let nonce = [serial as u8; 24];
    Some(SealedBody::seal(
        &field_key(1),
        id(serial).as_str(),
        &key,
        nonce,
        &body(serial),
    ))
}

pub(super) const DIR: &str = "/d/bodies";

fn contents(disk: &MemoryDisk) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let read = |path: std::path::PathBuf| {
        let mut content = Vec::new();
        disk.corrupt(&path, |bytes| content.clone_from(bytes))
            .unwrap();
        (path, content)
    };
    disk.paths().into_iter().map(read).collect()
}

/// Makes a file's header one that a later version wrote.
fn later(bytes: &mut [u8]) {
    bytes[12..16].copy_from_slice(&2_u32.to_le_bytes());
    let sum = hash(Purpose::File, &bytes[..56]);
    bytes[56..64].copy_from_slice(&sum.as_bytes()[..8]);
}

fn keep(bodies: &Bodies, first: u64, sealed: &[Option<SealedBody>]) {
    for change in bodies.keep(first, sealed).unwrap() {
        change.write().unwrap();
    }
}

fn own_log(disk: &MemoryDisk) -> Log {
    let place = Place {
        disk: Arc::new(disk.clone()),
        data: "/d".into(),
        segment_records: 8,
        index_key: IndexKey::from_transport_seed(&[7; 32]),
    };
    let key = SigningKey::from_seed(&[1; 32]).public();
    let department = department(log().id.department.as_str(), key, &[Role::Issue]);
    let members = Membership::from_genesis(&network("test", vec![department]));
    Log::open(&place, log(), &members).unwrap().0
}

pub(super) fn open(disk: &MemoryDisk, key: u8) -> Result<Bodies, BodyError> {
    Bodies::open(disk, Path::new(DIR), &log(), field_key(key))
}

#[test]
fn bodies_are_there_again_after_a_restart_and_only_for_their_own_certificate_and_key() {
    let disk = MemoryDisk::new();
    let bodies = open(&disk, 1).unwrap();
    keep(&bodies, 0, &[sealed(0), None, sealed(2)]);
    keep(&bodies, 3, &[sealed(3)]);
    drop(bodies);
    let bodies = open(&disk, 1).unwrap();
    for seq in [0, 2, 3] {
        let opened = bodies.get::<Body>(seq, id(seq).as_str()).unwrap().unwrap();
        assert_eq!(opened.body, body(seq));
    }
    assert!(bodies.get::<Body>(1, id(1).as_str()).unwrap().is_none());
    assert!(bodies.get::<Body>(9, id(9).as_str()).unwrap().is_none());
    assert!(matches!(
        bodies.get::<Body>(0, id(2).as_str()),
        Err(BodyError::Damaged(0))
    ));
}

#[test]
fn bodies_kept_under_one_field_key_are_not_opened_under_another() {
    let disk = MemoryDisk::new();
    drop(open(&disk, 1).unwrap());
    let before = contents(&disk);
    assert!(matches!(open(&disk, 2), Err(BodyError::OtherKey)));
    let check = |key| Bodies::check(&disk, Path::new(DIR), &log(), &field_key(key));
    assert!(matches!(check(2), Err(BodyError::OtherKey)));
    assert_eq!(contents(&disk), before);
    check(1).unwrap();
    // A file without slots whose header did not reach the disk was kept under no key yet.
    for cut in [0, 40, 80] {
        disk.corrupt(Path::new("/d/bodies/keys"), |bytes| bytes.truncate(cut))
            .unwrap();
        drop(open(&disk, 2).unwrap());
        assert!(matches!(open(&disk, 1), Err(BodyError::OtherKey)));
    }
    disk.corrupt(Path::new("/d/bodies/keys"), |bytes| bytes.fill(0))
        .unwrap();
    drop(open(&disk, 1).unwrap());
    assert_eq!(contents(&disk), before);
}

#[test]
fn files_of_a_later_version_are_refused_by_name_and_stay_as_they_are() {
    for name in ["keys", "bodies"] {
        let disk = MemoryDisk::new();
        keep(&open(&disk, 1).unwrap(), 0, &[sealed(0)]);
        disk.corrupt(&Path::new(DIR).join(name), |bytes| later(bytes))
            .unwrap();
        let before = contents(&disk);
        let refused = open(&disk, 1).err().unwrap().to_string();
        assert!(
            refused.contains(&format!("bodies/{name}")) && refused.contains("later version"),
            "{refused}"
        );
        assert_eq!(contents(&disk), before);
    }
}

#[test]
fn a_slot_distinguishes_a_body_that_is_kept_from_one_that_is_gone() {
    let disk = MemoryDisk::new();
    let bodies = open(&disk, 1).unwrap();
    let kept = Slot::Kept { attachments: 0 };
    keep(&bodies, 0, &[sealed(0), None, sealed(2)]);
    let with = sealed(3).map(|sealed| sealed.with_attachments(2));
    keep(&bodies, 3, &[with]);
    let attached = Slot::Kept { attachments: 2 };
    assert_eq!(
        bodies.slots(5).unwrap(),
        [kept, Slot::Empty, kept, attached, Slot::Empty]
    );
    assert_eq!(bodies.destroy(&own_log(&disk), &[0]).unwrap(), 1);
    let keys = Path::new("/d/bodies/keys");
    disk.corrupt(keys, |bytes| bytes[place(2) as usize + 16] ^= 1)
        .unwrap();
    assert_eq!(bodies.slots(3).unwrap()[0], Slot::Empty);
    assert_eq!(bodies.slots(3).unwrap()[2], Slot::Damaged);
    // Positions that the file of keys no longer reaches have empty slots.
    disk.corrupt(keys, |bytes| bytes.truncate(place(1) as usize + 7))
        .unwrap();
    assert_eq!(bodies.slots(4).unwrap(), [Slot::Empty; 4]);
}

#[test]
fn bodies_that_were_cut_off_are_known_as_lost_also_once_others_stand_in_their_place() {
    let disk = MemoryDisk::new();
    let bodies = open(&disk, 1).unwrap();
    keep(&bodies, 0, &[sealed(0), sealed(1), sealed(2)]);
    drop(bodies);
    let mut first_end = 0;
    disk.corrupt(Path::new("/d/bodies/bodies"), |bytes| {
        first_end = HEADER_LEN as usize + (bytes.len() - HEADER_LEN as usize) / 3;
        bytes.truncate(first_end + 5);
    })
    .unwrap();
    let kept = Slot::Kept { attachments: 0 };
    let bodies = open(&disk, 1).unwrap();
    let expected = [kept, Slot::CutOff, Slot::CutOff];
    assert_eq!(bodies.slots(3).unwrap(), expected);
    for seq in 3..9 {
        keep(&bodies, seq, &[sealed(seq)]);
        let slots = bodies.slots(seq + 1).unwrap();
        assert_eq!((&slots[..3], slots[seq as usize]), (&expected[..], kept));
    }
}

#[test]
fn a_body_replaces_one_whose_record_never_came() {
    let disk = MemoryDisk::new();
    let bodies = open(&disk, 1).unwrap();
    keep(&bodies, 0, &[sealed(7), sealed(8)]);
    keep(&bodies, 0, &[sealed(0), None]);
    assert_eq!(
        bodies.get::<Body>(0, id(0).as_str()).unwrap().unwrap().body,
        body(0)
    );
    assert!(bodies.get::<Body>(1, id(8).as_str()).unwrap().is_none());
}

#[test]
fn nothing_on_the_disk_shows_a_field_or_holder_and_a_destroyed_body_stays_so() {
    let disk = MemoryDisk::new();
    let bodies = open(&disk, 1).unwrap();
    keep(&bodies, 0, &[sealed(0), sealed(1)]);
    let kept = bodies.get::<Body>(0, id(0).as_str()).unwrap().unwrap();
    let root = commit_fields(&kept.key, &id(0), &[], &kept.body.fields);
    assert_eq!(bodies.destroy(&own_log(&disk), &[0]).unwrap(), 1);
    assert_eq!(bodies.destroy(&own_log(&disk), &[0]).unwrap(), 0);
    drop(bodies);
    let bodies = open(&disk, 1).unwrap();
    assert!(bodies.get::<Body>(0, id(0).as_str()).unwrap().is_none());
    assert_eq!(
        bodies.get::<Body>(1, id(1).as_str()).unwrap().unwrap().body,
        body(1)
    );
    // Another key, even with the right fields, does not lead to the commitment.
    let guess = BodyKey(Secret::from_bytes([9; 32]));
    assert_ne!(commit_fields(&guess, &id(0), &[], &kept.body.fields), root);
    for name in ["keys", "bodies"] {
        let file = disk
            .open(&Path::new("/d/bodies").join(name), false)
            .unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        for planted in [NAME.as_bytes(), b"11010519491231002X", &[0; 32]] {
            let shows = bytes.windows(planted.len()).any(|window| window == planted);
            // The destroyed slot is all there is of zeros.
            assert_eq!(shows, planted[0] == 0 && name == "keys", "{name}");
        }
    }
}

#[test]
fn a_flipped_byte_is_damage_and_never_another_body() {
    let disk = MemoryDisk::new();
    let bodies = open(&disk, 1).unwrap();
    keep(&bodies, 0, &[sealed(0)]);
    for name in ["keys", "bodies"] {
        let file = disk
            .open(&Path::new("/d/bodies").join(name), false)
            .unwrap();
        let begin = if name == "keys" {
            KEYS_HEADER_LEN
        } else {
            HEADER_LEN
        };
        for at in begin..file.len().unwrap() {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_at(&[byte[0] ^ 1], at).unwrap();
            assert!(
                matches!(
                    bodies.get::<Body>(0, id(0).as_str()),
                    Err(BodyError::Damaged(0))
                ),
                "{name} {at}"
            );
            file.write_at(&byte, at).unwrap();
        }
    }
    assert!(bodies.get::<Body>(0, id(0).as_str()).unwrap().is_some());
}

#[test]
fn after_a_refused_write_or_sync_nothing_more_is_kept_and_what_was_kept_is_read() {
    for step in 1..=2 {
        // The write that destroys a slot, then its sync.
        let disk = MemoryDisk::new();
        let bodies = open(&disk, 1).unwrap();
        keep(&bodies, 0, &[sealed(0), sealed(1), sealed(2)]);
        let log = own_log(&disk);
        // The first makes the journal.
        bodies.destroy(&log, &[2]).unwrap();
        disk.fail_at(disk.operations() + step, Failure::Refuse);
        assert!(
            matches!(bodies.destroy(&log, &[1]), Err(BodyError::Io(_))),
            "step {step}"
        );
        assert!(matches!(
            bodies.keep(3, &[sealed(3)]),
            Err(BodyError::ReadOnly(_))
        ));
        assert_eq!(
            bodies.get::<Body>(0, id(0).as_str()).unwrap().unwrap().body,
            body(0)
        );
    }
}
