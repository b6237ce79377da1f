use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use certmesh_ledger::catalogue::Catalogue;
use certmesh_ledger::disk::RealDisk;
use certmesh_ledger::log::{Cosignature, Place, SEGMENT_RECORDS, VerifiedCheckpoint};
use certmesh_ledger::verify::Bundle;

use crate::command::{Run, binary, certmesh, certmesh_reading};
use crate::department::{CODE, Department, WITNESS, id};

/// Writes the proof of certificate `n`, signed by the other member as well.
fn prove(department: &Department, n: u64) -> PathBuf {
    let members = &department.members;
    let key = department.key_of("witness");
    let witness = WITNESS.parse().unwrap();
    prove_with(department, n, |checkpoint| {
        let time_ms = checkpoint.time_ms;
        vec![Cosignature::sign(
            members,
            checkpoint,
            witness,
            time_ms,
            &key.clone().into(),
        )]
    })
}

/// Writes the proof of certificate `n` with these signatures under its checkpoint.
fn prove_with(
    department: &Department,
    n: u64,
    cosignatures: impl Fn(&VerifiedCheckpoint) -> Vec<Cosignature>,
) -> PathBuf {
    let place = Place {
        disk: Arc::new(RealDisk::default()),
        data: department.path("data"),
        segment_records: SEGMENT_RECORDS,
        index_key: certmesh_ledger::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
    };
    let opened = Catalogue::open(place, department.members.clone(), CODE.parse().unwrap()).unwrap();
    let bundle = Bundle::gather(&opened.catalogue, &id(n), cosignatures)
        .unwrap()
        .unwrap();
    let path = department.home.path().join(format!("{n}.proof"));
    fs::write(&path, bundle.to_bytes()).unwrap();
    path
}

fn verify(department: &Department, proof: &std::path::Path, extra: &[&str]) -> Run {
    let network = department.path("network.toml");
    let args = [
        "verify",
        proof.to_str().unwrap(),
        "--network",
        network.to_str().unwrap(),
    ];
    certmesh([&args[..], extra].concat())
}

#[test]
fn a_proof_that_a_scanner_types_is_verified_and_without_a_genesis_asked_for_one() {
    let department = Department::found_with_witness();
    drop(department.issue_twenty());
    let proof = fs::read(prove(&department, 3)).unwrap();
    let typed = format!("{}\n", base45(&proof));
    let network = department.path("network.toml");
    let args = [
        "verify",
        "-",
        "--on",
        "2026-03-04",
        "--network",
        network.to_str().unwrap(),
    ];
    let run = certmesh_reading(args, typed.as_bytes()).exits(0);
    assert!(
        run.out.starts_with("VALID") && run.out.contains(id(3).as_str()),
        "{}",
        run.out
    );
    let run = certmesh_reading(["verify", "-"], typed.as_bytes()).exits(2);
    assert!(
        run.err.contains("this is a proof") && run.err.contains("--network"),
        "{}",
        run.err
    );
    // As an argument, and by a profile that names the genesis.
    let text = typed.trim_end_matches('\n');
    let run = certmesh([&["verify", text][..], &args[2..]].concat()).exits(0);
    assert!(run.out.starts_with("VALID"), "{}", run.out);
    let run = certmesh(["verify", text]).exits(2);
    assert!(run.err.contains("this is a proof"), "{}", run.err);
    let profile = department.path("counter.toml");
    fs::write(&profile, "network = \"network.toml\"\n").unwrap();
    let file = prove(&department, 4);
    for what in [text, file.to_str().unwrap()] {
        let output = binary()
            .env("CERTMESH_PROFILE", &profile)
            .args(["verify", what, "--on", "2026-03-04"])
            .output()
            .unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(out.starts_with("VALID"), "{out}");
    }
    // A character that the reader swallowed.
    let run = certmesh_reading(args, &typed.as_bytes()[1..]);
    assert_ne!(run.code, 0, "{}", run.out);
}

/// Bytes as a QR code has them, by the rule of RFC 9285.
fn base45(bytes: &[u8]) -> String {
    let characters: Vec<char> = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
        .chars()
        .collect();
    let of = |pair: &[u8]| match *pair {
        [a, b] => {
            let n = usize::from(a) * 256 + usize::from(b);
            vec![n % 45, n / 45 % 45, n / 2025]
        }
        [a] => vec![usize::from(a) % 45, usize::from(a) / 45],
        _ => vec![],
    };
    bytes
        .chunks(2)
        .flat_map(of)
        .map(|place| characters[place])
        .collect()
}

#[test]
fn a_proof_of_a_valid_certificate_is_verified_without_a_node() {
    let department = Department::found_with_witness();
    drop(department.issue_twenty());
    let proof = prove(&department, 3);
    let run = verify(&department, &proof, &["--on", "2026-03-04"]).exits(0);
    for part in [
        "VALID",
        id(3).as_str(),
        "record 4 of the log of 交通运输厅",
        "checkpoint of 22 records",
        "as of 2026-09-21",
    ] {
        assert!(run.out.contains(part), "{part}: {}", run.out);
    }
    assert!(run.out.starts_with("VALID"));
    let answer = verify(&department, &proof, &["--on", "2026-03-04", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (answer["verdict"].as_str(), answer["id"].as_str()),
        (Some("valid"), Some(id(3).as_str()))
    );
    let network = department.path("network.toml");
    let args = [
        "verify",
        "-",
        "--network",
        network.to_str().unwrap(),
        "--on",
        "2026-03-04",
    ];
    certmesh_reading(args, &fs::read(&proof).unwrap()).exits(0);
}

#[test]
fn a_proof_shows_revocation_and_dates() {
    let department = Department::found_with_witness();
    drop(department.issue_twenty());
    let revoked = verify(&department, &prove(&department, 7), &["--on", "2026-03-04"]).exits(1);
    assert!(
        revoked.out.starts_with("NOT VALID (revoked)"),
        "{}",
        revoked.out
    );
    assert!(
        revoked
            .out
            .contains("obtained by deception (forged evidence)"),
        "{}",
        revoked.out
    );
    let proof = prove(&department, 3);
    let expired = verify(&department, &proof, &["--on", "2031-01-01"]).exits(1);
    assert!(
        expired.out.starts_with("NOT VALID (expired)"),
        "{}",
        expired.out
    );
    let early = verify(&department, &proof, &["--on", "2025-12-31"]).exits(1);
    assert!(
        early.out.starts_with("NOT VALID (not yet valid)"),
        "{}",
        early.out
    );
}

#[test]
fn no_changed_byte_of_a_proof_and_no_part_of_it_verifies() {
    let department = Department::found_with_witness();
    drop(department.issue_twenty());
    let proof = prove(&department, 3);
    let whole = fs::read(&proof).unwrap();
    for at in (0..whole.len()).step_by(23) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&proof, damaged).unwrap();
        let run = verify(&department, &proof, &["--on", "2026-03-04"]);
        assert!(matches!(run.code, 1 | 2), "{at}: {run:#?}");
        assert!(!run.out.starts_with("VALID"), "{at}: {run:#?}");
    }
    for length in [0, 15, 16, 100, whole.len() - 1] {
        fs::write(&proof, &whole[..length]).unwrap();
        let run = verify(&department, &proof, &[]);
        assert!(matches!(run.code, 1 | 2), "{length}: {run:#?}");
    }
    fs::write(&proof, [whole.as_slice(), b"\0"].concat()).unwrap();
    let run = verify(&department, &proof, &[]).exits(1);
    assert!(
        run.out.starts_with("PROOF DOES NOT HOLD\n")
            && run.out.contains("damaged or cut off.")
            && run.out.contains("says nothing about the certificate")
            && !run.out.contains("NOT VALID"),
        "{}",
        run.out
    );
    fs::write(&proof, &whole[..whole.len() - 1]).unwrap();
    let run = verify(&department, &proof, &[]).exits(1);
    assert!(
        !run.out.contains("UnexpectedEnd") && run.out.contains("damaged or cut off."),
        "{}",
        run.out
    );
    fs::write(&proof, [whole.as_slice(), b"\0"].concat()).unwrap();
    assert_eq!(
        verify(&department, &proof, &["--json"]).exits(1).json()["reason"],
        "proof-does-not-hold"
    );
}

#[test]
fn a_proof_of_another_network_and_a_file_that_is_no_proof_are_distinguished() {
    let (department, other) = (Department::found_with_witness(), Department::found());
    drop(department.issue_twenty());
    let run = verify(&other, &prove(&department, 3), &[]).exits(1);
    assert!(run.out.contains("another network?\n"), "{}", run.out);
    let file = department.home.path().join("picture.png");
    fs::write(&file, b"\x89PNG").unwrap();
    let run = verify(&department, &file, &[]).exits(2);
    assert!(
        run.err.contains("not a proof") && run.err.contains("hint:"),
        "{}",
        run.err
    );
    verify(&department, &department.home.path().join("missing"), &[]).exits(2);
}

#[test]
fn an_identifier_with_a_genesis_is_recognised_as_one() {
    let department = Department::found();
    let run = verify(&department, std::path::Path::new(id(3).as_str()), &[]).exits(2);
    assert!(
        run.err.contains("is an identifier") && run.err.contains("leave out --network"),
        "{}",
        run.err
    );
}

#[test]
fn the_verdict_of_another_day_is_said_to_be_by_what_is_known_now() {
    let department = Department::found_with_witness();
    drop(department.issue_twenty());
    let proof = prove(&department, 3);
    let run = verify(&department, &proof, &["--on", "2026-03-04"]).exits(0);
    assert!(
        run.out.contains("only the dates are as of 2026-03-04\n"),
        "{}",
        run.out
    );
    let run = verify(&department, &proof, &["--on", "2030-01-01"]).exits(0);
    assert!(
        run.out.contains("if nothing is recorded until then"),
        "{}",
        run.out
    );
    let run = verify(&department, &proof, &[]);
    assert!(!run.out.contains("known now"), "{}", run.out);
}

#[test]
fn a_proof_that_only_its_issuer_vouches_for_is_unknown_unless_the_issuers_word_is_enough() {
    let department = Department::found_with_witness();
    drop(department.issue_twenty());
    let proof = prove_with(&department, 3, |_| Vec::new());
    let on = ["--on", "2026-03-04"];
    let run = verify(&department, &proof, &on).exits(3);
    for part in [
        "UNKNOWN",
        "only the issuer vouches for it",
        "node of another department",
        "--issuer-only",
        "cosigned by nobody else yet",
    ] {
        assert!(run.out.contains(part), "{part}: {}", run.out);
    }
    let told = verify(&department, &proof, &[&on[..], &["--json"]].concat())
        .exits(3)
        .json();
    assert_eq!(told["verdict"], "unknown");
    assert!(
        told["missing"][0]
            .as_str()
            .unwrap()
            .contains("another member's signature"),
        "{told}"
    );
    let trusting = [&on[..], &["--issuer-only"]].concat();
    let run = verify(&department, &proof, &trusting).exits(0);
    assert!(
        run.out.starts_with("VALID") && run.out.contains("Only the issuer vouches for that"),
        "{}",
        run.out
    );
    let told = verify(&department, &proof, &[&trusting[..], &["--json"]].concat())
        .exits(0)
        .json();
    assert_eq!(told["verdict"], "valid");
    assert_eq!(told["provenance"]["cosigned_by"], serde_json::json!([]));
    let explanation = told["explanation"].as_str().unwrap();
    assert!(
        explanation.contains("Only the issuer vouches for that"),
        "{explanation}"
    );
    // It is not said either where somebody else vouches, or where the issuer says no.
    let both = verify(&department, &prove(&department, 3), &trusting).exits(0);
    assert!(!both.out.contains("Only the issuer"), "{}", both.out);
    let revoked = prove_with(&department, 7, |_| Vec::new());
    let run = verify(&department, &revoked, &on).exits(1);
    assert!(run.out.starts_with("NOT VALID (revoked)"), "{}", run.out);
    // What a node answers rests on its own copies, so the flag is for proofs alone.
    let run = certmesh(["verify", id(3).as_str(), "--issuer-only"]).exits(2);
    assert!(run.err.contains("--network"), "{}", run.err);
}

#[test]
fn a_proof_dated_ahead_of_this_clock_does_not_hold_and_says_by_whom_and_what_to_do() {
    let department = Department::found_with_witness();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = u64::try_from(since.as_millis()).unwrap();
    drop(department.issue_twenty_at(now_ms + 20 * 60_000));
    for n in [3, 7] {
        let proof = prove(&department, n);
        let run = verify(&department, &proof, &["--issuer-only"]).exits(1);
        for part in [
            "PROOF DOES NOT HOLD\n",
            "dated it 20",
            "more than 10 minutes ahead of this machine's clock, which says 20",
            "clock is wrong, set it",
            "ask for a new proof",
            "says nothing about the certificate",
        ] {
            assert!(run.out.contains(part), "{part}: {}", run.out);
        }
        assert!(!run.out.contains("NOT VALID"), "{}", run.out);
        let told = verify(&department, &proof, &["--json"]).exits(1).json();
        assert_eq!(told["reason"], "proof-does-not-hold");
        let explanation = told["explanation"].as_str().unwrap();
        assert!(explanation.contains("clock is wrong"), "{explanation}");
    }
    let near = Department::found_with_witness();
    drop(near.issue_twenty_at(now_ms + 8 * 60_000));
    verify(&near, &prove(&near, 3), &["--on", "2026-03-04"]).exits(0);
}
