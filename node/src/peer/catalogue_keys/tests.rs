//! Keys on disk, what is searched under them, and who gets one that is proposed.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use certmesh_ledger::crypto::passphrase::{Cost, Passphrase};
use certmesh_ledger::crypto::sealed_keys::{Derivation, KeySealer, derivation};
use certmesh_ledger::governance::{Action, Govern, Item, ReplaceCatalogueKey};
use certmesh_ledger::id::DepartmentCode;

use super::sharing::decides_on;
use super::*;
use crate::peer::testing;

fn key(n: u8) -> CatalogueKey {
    CatalogueKey(Secret::from_bytes([n; 32]))
}

fn write(path: &Path, n: u8) {
    fs::write(path, SecretFile::Catalogue.write(&[n; 32]).as_bytes()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn holds(files: &CatalogueKeyFiles, n: u8) -> bool {
    files.held.read().find(&key(n).commitment()).is_some()
}

#[test]
fn a_key_is_used_once_it_is_on_disk_and_found_there_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalogue.key");
    let reader = KeyReader::default();
    let open = || {
        let (keys, fault) = read(&reader, &path).unwrap();
        assert!(fault.is_none());
        CatalogueKeyFiles::new(path.clone(), KeyReader::default(), keys)
    };
    let files = open();
    assert!(!holds(&files, 1));
    // Whichever comes first.
    assert_eq!(
        files.keep(key(2), false).unwrap(),
        dir.path().join("catalogue.key.1")
    );
    assert_eq!(files.keep(key(1), true).unwrap(), path);
    assert!(holds(&files, 1) && holds(&files, 2));
    // What a crash left of a write is no key, and in nobody's way.
    fs::write(dir.path().join("catalogue.key.2.new"), "certmesh-cata").unwrap();
    let files = open();
    assert!(holds(&files, 1) && holds(&files, 2));
    assert_eq!(
        files.keep(key(3), false).unwrap(),
        dir.path().join("catalogue.key.2")
    );
    assert!(holds(&open(), 3));
    // One that can't be written is not used.
    let nowhere = dir.path().join("nowhere/catalogue.key");
    let files = CatalogueKeyFiles::new(nowhere, KeyReader::default(), Vec::new());
    assert!(files.keep(key(4), false).is_err() && !holds(&files, 4));
}

#[test]
fn a_key_is_written_sealed_where_another_of_the_node_s_is() {
    let dir = tempfile::tempdir().unwrap();
    let passphrase = dir.path().join("passphrase");
    secret_files::write_new(&passphrase, "correct horse battery staple\n").unwrap();
    let cost = Cost::new(8, 1, 1).unwrap();
    let how = Derivation {
        cost,
        salt: [7; 16],
    };
    let sealer = KeySealer::new(Passphrase::of_file("correct horse battery staple").unwrap());
    let sealed = sealer
        .seal(SecretFile::Field, &[5; 32], how, [1; 24])
        .unwrap();
    let field = dir.path().join("field.key");
    secret_files::write_new(&field, &sealed).unwrap();
    let reader = KeyReader::new(Some(&passphrase)).unwrap();
    let files = |reader: &KeyReader| {
        let path = dir.path().join("catalogue.key");
        CatalogueKeyFiles::new(path, reader.clone(), Vec::new())
    };
    let is_sealed = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        SecretFile::Catalogue.is_sealed(&text)
    };
    // None of its keys is sealed, as far as it has read them.
    let plain = files(&reader).keep(key(1), true).unwrap();
    assert!(!is_sealed(&plain));
    reader.one(&field, SecretFile::Field).unwrap();
    let sealed = files(&reader).keep(key(2), false).unwrap();
    assert!(is_sealed(&sealed));
    let text = fs::read_to_string(&sealed).unwrap();
    assert_eq!(derivation(SecretFile::Catalogue, &text), Ok(how));
    let (keys, fault) = read(&reader, &plain).unwrap();
    assert!(keys.len() == 2 && fault.is_none());
}

#[test]
fn a_search_is_made_again_when_another_key_came_into_force_meanwhile() {
    let held: HeldCatalogueKeys = [key(1), key(2)].into_iter().collect();
    let chain = [(0, key(1).commitment()), (5, key(2).commitment())];
    let in_chain = Cell::new(1);
    let subject = || {
        let keys = held.all(chain.into_iter().take(in_chain.get())).unwrap();
        Ok(Subject::new(
            keys,
            HolderKind::OrdinaryPassport,
            "E00000001",
        ))
    };
    let mut searches = 0;
    let found = search_all(
        subject,
        || in_chain.get(),
        |subject| {
            searches += 1;
            in_chain.set(2);
            Ok(subject.keys().of_chain().count())
        },
    );
    assert_eq!((found, searches), (Ok(2), 2));
}

#[test]
fn a_proposed_key_goes_to_who_decides_on_it_and_to_nobody_it_may_be_replaced_for() {
    const OTHER: &str = "11100000000013338W";
    let members = testing::members();
    let other: DepartmentCode = OTHER.parse().unwrap();
    let govern = |governs| {
        Action::from(Govern {
            department: other,
            governs,
        })
    };
    testing::decide(&members, &[testing::admit(&members, OTHER)]);
    let replace = ReplaceCatalogueKey {
        before: members.genesis().catalogue_key(),
        after: key(7).commitment(),
    };
    let pending = |actions: &[Action]| Item::from(testing::decision(&members, actions));
    let waits = pending(&[replace.clone().into()]);
    let shared = |asker: &str, pending: &[Item]| {
        let (history, asker) = (members.history(), asker.parse().unwrap());
        decides_on(&asker, &key(7).commitment(), history.state(), pending)
    };
    let waits = std::slice::from_ref(&waits);
    assert!(shared(testing::OWN, waits) && !shared(testing::OWN, &[]));
    assert!(!shared(OTHER, waits), "it does not govern");
    testing::decide(&members, &[govern(true)]);
    assert!(shared(OTHER, waits));
    for against in [govern(false), testing::suspend(OTHER)] {
        let both = [waits[0].clone(), pending(std::slice::from_ref(&against))];
        assert!(!shared(OTHER, &both) && shared(testing::OWN, &both));
        let one = pending(&[replace.clone().into(), against]);
        assert!(!shared(OTHER, std::slice::from_ref(&one)));
    }
}

#[test]
fn keys_that_somebody_puts_there_are_taken_up_and_one_that_can_not_be_read_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalogue.key");
    let files = CatalogueKeyFiles::new(path.clone(), KeyReader::default(), Vec::new());
    write(&path, 1);
    fs::write(dir.path().join("catalogue.key.1"), "nothing").unwrap();
    write(&dir.path().join("catalogue.key.2"), 2);
    let error = files.read_again().unwrap_err().to_string();
    assert!(error.contains("catalogue.key.1"), "{error}");
    assert!(holds(&files, 1) && holds(&files, 2));
    fs::write(&path, "nothing").unwrap();
    let error = files.read_again().unwrap_err().to_string();
    assert!(error.contains("catalogue.key"), "{error}");
    assert!(holds(&files, 1) && holds(&files, 2));
}
