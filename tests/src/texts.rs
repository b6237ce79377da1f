//! Families of codes and the catalogue of their texts: read from the sources, since each family is declared, and held
//! against the catalogue, in the crate that it belongs to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::arrows::{code, sources};

fn rust_files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for dir in ["node", "cli", "testnet"] {
        sources(&root.join(dir), &mut files);
    }
    files
}

/// The families that code declares: the enum's name, and what the ids of its texts begin with.
fn declared(code: &str) -> Vec<(String, String)> {
    let families = code.lines().filter_map(|line| {
        let (_, rest) = line.trim_start().split_once("enum ")?;
        let (name, rest) = rest.split_once(": \"")?;
        let (family, _) = rest.split_once("\" {")?;
        Some((name.to_owned(), family.to_owned()))
    });
    families.collect()
}

#[test]
fn every_family_of_codes_is_declared_once_known_to_the_catalogue_and_held_against_it() {
    let files = rust_files();
    let mut families = BTreeMap::new();
    for path in &files {
        for (name, family) in declared(&code(path)) {
            let before = families.insert(family.clone(), name);
            assert_eq!(before, None, "{family} is declared twice");
        }
    }
    assert!(families.len() > 20, "the sources were read");
    let tested: String = files
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for (family, name) in &families {
        let namesakes = families.values().filter(|other| *other == name).count();
        let held = tested.matches(&format!("mismatches::<{name}>()")).count();
        assert!(
            held >= namesakes,
            "{family}: no test holds {name} against the catalogue"
        );
        for other in families.keys() {
            let within = other.starts_with(&format!("{family}-"));
            assert!(!within, "the ids of {other} are also of {family}");
        }
    }
    let (_, list) = tested.split_once("const FAMILIES: &[&str] = &[").unwrap();
    let (list, _) = list.split_once("];").unwrap();
    let mut known: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    known.sort_unstable();
    let mut expected: Vec<String> = families.keys().map(|family| format!("{family}-")).collect();
    expected.sort_unstable();
    assert_eq!(
        known, expected,
        "the families that the catalogue's tests know"
    );
}
