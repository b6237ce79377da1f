//! The fuzz targets over their corpora, and over some thousand deterministic mutations of each seed: what a fuzzer once
//! found stays found, on every machine.

use std::fs;
use std::path::{Path, PathBuf};

use certmesh_tests::fuzz::{TARGETS, Target};

/// Mutations of each seed.
const MUTATIONS: u64 = 2_000;

/// The same for logs on disk: each is written, checked and opened twice, and there are many seeds.
const LOG_MUTATIONS: u64 = 60;

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut seeds: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .map(|path| (path.clone(), fs::read(path).expect("a readable seed")))
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{name} has a corpus");
    seeds
}

/// SplitMix64: small, fixed, good enough to choose what to change.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % (bound.max(1) as u64)) as usize
    }
}

/// Bytes that matter to some decoder: ends of ranges, markers of widths, signs of text formats.
const TELLING: [u8; 16] = [
    0, 1, 2, 3, 0x7F, 0x80, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF, b'.', b'"', b'\n', b'[',
];

fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len());
    match random.below(7) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
        1 if !bytes.is_empty() => bytes[at] = TELLING[random.below(TELLING.len())],
        2 => bytes.insert(at, TELLING[random.below(TELLING.len())]),
        3 if !bytes.is_empty() => {
            let end = (at + 1 + random.below(8)).min(bytes.len());
            bytes.drain(at..end);
        }
        4 => bytes.truncate(at),
        5 if !other.is_empty() => {
            let from = random.below(other.len());
            let to = (from + 1 + random.below(64)).min(other.len());
            bytes.splice(at..at, other[from..to].iter().copied());
        }
        _ => bytes.extend((0..random.below(9)).map(|_| random.next() as u8)),
    }
}

fn run(name: &str, count: u64) {
    let (_, target): (_, Target) = *TARGETS
        .iter()
        .find(|(target, _)| *target == name)
        .expect("the target is in the list");
    let seeds = corpus(name);
    for (path, seed) in &seeds {
        target(seed);
        let mut random = Random(seed.len() as u64);
        for n in 0..count {
            let mut bytes = seed.clone();
            let (_, other) = &seeds[random.below(seeds.len())];
            for _ in 0..=random.below(4) {
                mutate(&mut bytes, other, &mut random);
            }
            let outcome = std::panic::catch_unwind(|| target(&bytes));
            assert!(
                outcome.is_ok(),
                "mutation {n} of {}: {bytes:02x?}",
                path.display()
            );
        }
    }
}

#[test]
fn every_target_has_a_binary_and_every_binary_is_a_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let mut binaries: Vec<String> = fs::read_dir(folder)
        .expect("the targets' folder")
        .map(|entry| entry.expect("readable").path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    binaries.sort();
    let mut targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    targets.sort_unstable();
    assert_eq!(binaries, targets);
}

macro_rules! corpora {
    ($($test:ident: $name:literal, $count:expr;)*) => {
        $(
            #[test]
            fn $test() {
                run($name, $count);
            }
        )*
    };
}

corpora! {
    no_bytes_upset_the_reading_of_a_record: "record_frame", MUTATIONS;
    no_bytes_upset_the_checking_of_a_page: "page", MUTATIONS;
    no_bytes_upset_the_reading_of_a_request: "request", MUTATIONS;
    no_bytes_upset_the_reading_of_a_response: "response", MUTATIONS;
    no_bytes_upset_the_reading_of_an_announcement: "announcement", MUTATIONS;
    no_bytes_upset_the_checking_of_evidence: "evidence", MUTATIONS;
    no_bytes_upset_the_checking_of_a_bundle: "bundle", MUTATIONS;
    no_text_upsets_the_reading_of_a_genesis: "genesis_toml", MUTATIONS;
    no_text_upsets_the_reading_of_a_department: "department_toml", MUTATIONS;
    no_text_upsets_the_reading_of_a_certificate_identifier: "certificate_id", MUTATIONS;
    no_content_of_its_files_upsets_the_opening_of_a_log: "log_directory", LOG_MUTATIONS;
    no_bytes_make_a_status_map_say_two_things: "status_proof", MUTATIONS;
    no_bytes_upset_the_reading_of_what_is_kept_of_retrievals: "kept", MUTATIONS;
    no_bytes_open_as_an_identity_key_but_those_that_were_sealed: "identity_file", MUTATIONS;
}
