use super::*;
use crate::id::CertificateId;
use crate::keys::Secret;
use crate::log::{Failure, LogId, MemoryDisk};
use crate::membership::NetworkId;
use crate::record::commit_fields;

const NAME: &str = "王小明";

fn log() -> LogName {
    LogName {
        network: NetworkId(crate::hash::Hash::ZERO),
        id: LogId::first("11430000006122244L".parse().unwrap()),
    }
}

fn field_key(n: u8) -> FieldKey {
    FieldKey(Secret::from_bytes([n; 32]))
}

fn id(serial: u64) -> CertificateId {
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

fn sealed(serial: u64) -> Option<SealedBody> {
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

fn open(disk: &MemoryDisk, key: u8) -> Result<Bodies, BodyError> {
    Bodies::open(disk, Path::new("/d/bodies"), &log(), field_key(key))
}

#[test]
fn bodies_are_there_again_after_a_restart_and_only_for_their_own_certificate_and_key() {
    let disk = MemoryDisk::new();
    let bodies = open(&disk, 1).unwrap();
    bodies.keep(0, &[sealed(0), None, sealed(2)]).unwrap();
    bodies.keep(3, &[sealed(3)]).unwrap();
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
    let other = open(&disk, 2).unwrap();
    assert!(matches!(
        other.get::<Body>(0, id(0).as_str()),
        Err(BodyError::Damaged(0))
    ));
}

#[test]
fn a_body_replaces_one_whose_record_never_came() {
    let disk = MemoryDisk::new();
    let bodies = open(&disk, 1).unwrap();
    bodies.keep(0, &[sealed(7), sealed(8)]).unwrap();
    bodies.keep(0, &[sealed(0), None]).unwrap();
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
    bodies.keep(0, &[sealed(0), sealed(1)]).unwrap();
    let kept = bodies.get::<Body>(0, id(0).as_str()).unwrap().unwrap();
    let root = commit_fields(&kept.key, &id(0), &[], &kept.body.fields);
    assert!(bodies.destroy(0).unwrap());
    assert!(!bodies.destroy(0).unwrap());
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
    bodies.keep(0, &[sealed(0)]).unwrap();
    for name in ["keys", "bodies"] {
        let file = disk
            .open(&Path::new("/d/bodies").join(name), false)
            .unwrap();
        for at in HEADER_LEN..file.len().unwrap() {
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
    for step in 1..=4 {
        // Writes of bodies and slots, then their syncs.
        let disk = MemoryDisk::new();
        let bodies = open(&disk, 1).unwrap();
        bodies.keep(0, &[sealed(0)]).unwrap();
        disk.fail_at(disk.operations() + step, Failure::Refuse);
        assert!(
            matches!(bodies.keep(1, &[sealed(1)]), Err(BodyError::Io(_))),
            "step {step}"
        );
        assert!(matches!(
            bodies.keep(1, &[sealed(1)]),
            Err(BodyError::ReadOnly(_))
        ));
        assert_eq!(
            bodies.get::<Body>(0, id(0).as_str()).unwrap().unwrap().body,
            body(0)
        );
    }
}
