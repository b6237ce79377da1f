//! Proofs in files: they say offline what the peer says, and whoever changes or leaves out something is refused.

use serde::Serialize;

use super::*;
use crate::catalogue::authority::DEFINITION_LAG_MS;
use crate::codec::{self, Blob};
use crate::log::{Cosignature, SignedCheckpoint, VerifiedCheckpoint};
use crate::merkle::InclusionProof;
use crate::record::{MAX_AHEAD_MS, MAX_RECORD};
use crate::status_map::StatusProof;
use crate::verify::GatherError;

const DAY: u64 = DEFINITION_LAG_MS;
const ISSUED: u64 = 10 * DAY;
const SINCE: u64 = ISSUED - DAY;
const ON: &str = "2024-06-01";

/// A bundle as its bytes say it, to be changed at will.
#[derive(Clone, Serialize, serde::Deserialize)]
pub(super) struct Raw {
    pub(super) checkpoint: SignedCheckpoint,
    pub(super) cosignatures: Bounded<Cosignature, 64>,
    issued: RawRecord,
    pub(super) status: StatusProof,
    pub(super) change: Option<RawRecord>,
    definition: Option<RawDefinitions>,
    pub(super) successors: Bounded<RawSuccessor, 8>,
}

#[derive(Clone, Serialize, serde::Deserialize)]
pub(super) struct RawSuccessor {
    pub(super) checkpoint: SignedCheckpoint,
    pub(super) cosignatures: Bounded<Cosignature, 64>,
    pub(super) status: StatusProof,
    pub(super) change: Option<RawRecord>,
}

#[derive(Clone, Serialize, serde::Deserialize)]
pub(super) struct RawRecord {
    frame: Blob<{ MAX_RECORD + 128 }>,
    inclusion: InclusionProof,
}

#[derive(Clone, Serialize, serde::Deserialize)]
struct RawDefinitions {
    checkpoint: Option<SignedCheckpoint>,
    cosignatures: Bounded<Cosignature, 64>,
    status: StatusProof,
    versions_before: u32,
    chain_before: Hash,
    records: Bounded<Blob<MAX_RECORD>, 1024>,
    later: Bounded<RecordHash, 1024>,
    last: u64,
}

const MAGIC: usize = 16;

impl Raw {
    pub(super) fn of(bundle: &Bundle) -> Raw {
        codec::decode(&bundle.to_bytes()[MAGIC..], 1 << 20).unwrap()
    }

    pub(super) fn bundle(&self) -> Bundle {
        let bytes = [b"certmesh-proof\0\x01", &codec::encode(self)[..]].concat();
        Bundle::from_bytes(&bytes).unwrap()
    }

    fn definitions(&mut self) -> &mut RawDefinitions {
        self.definition.as_mut().unwrap()
    }

    fn verdict(&self) -> Result<Verdict, BundleError> {
        self.verdict_for(&READS_LAST)
    }

    fn verdict_for(&self, (now_ms, issuer_only): &(u64, bool)) -> Result<Verdict, BundleError> {
        let verified = self.bundle().verify(&members())?;
        verified.judge(&Reader {
            on: day(ON),
            now_ms: *now_ms,
            issuer_only: *issuer_only,
        })
    }
}

/// The clock of a reader after everything, for whom the issuer's word is enough.
const READS_LAST: (u64, bool) = (u64::MAX, true);

fn gather(catalogue: &Catalogue, id: &CertificateId) -> Bundle {
    let bundle = Bundle::gather(catalogue, id, |_| Vec::new());
    bundle.unwrap().unwrap()
}

fn define_for(issuers: &[&str]) -> Entry {
    let Entry::TypeDefined(open) = define() else {
        unreachable!()
    };
    Entry::from(TypeDefined {
        issuers: Bounded::first(issuers.iter().map(|code| code.parse().unwrap())),
        ..*open
    })
}

/// Appends to a log; names each record as if it defined something.
fn write(
    catalogue: &Catalogue,
    department: &str,
    time_ms: u64,
    entries: Vec<Entry>,
) -> Vec<DefinitionRef> {
    let n = [A, B, POWERLESS]
        .iter()
        .position(|code| *code == department);
    let mut writer = writer(catalogue, department, n.unwrap() as u8 + 1);
    let (appended, _) = writer.append(time_ms, entries).unwrap();
    let log = LogId::first(department.parse().unwrap());
    let named = |appended: &crate::log::Appended| DefinitionRef {
        log,
        seq: appended.seq,
        hash: appended.hash,
    };
    appended.iter().map(named).collect()
}

fn by(issuer: &str, serial: &str, definition: DefinitionRef) -> Entry {
    let Entry::CertificateIssued(issued) = issue(&id(issuer, serial), None) else {
        unreachable!()
    };
    Entry::CertificateIssued(CertificateIssued {
        definition,
        ..issued
    })
}

fn cosign(checkpoint: &SignedCheckpoint, department: &str, n: u8, time_ms: u64) -> Cosignature {
    let verified = checkpoint.clone().verify(&members()).unwrap();
    let witness = department.parse().unwrap();
    Cosignature::sign(&members(), &verified, witness, time_ms, &key(n).into())
}

/// The verdict with this signature under the checkpoint of the definitions.
fn cosigned(raw: &Raw, department: &str, n: u8, time_ms: u64) -> Result<Verdict, BundleError> {
    let mut raw = raw.clone();
    let definitions = raw.definitions();
    let checkpoint = definitions.checkpoint.as_ref().unwrap();
    let cosignature = cosign(checkpoint, department, n, time_ms);
    definitions.cosignatures = Bounded::first([cosignature]);
    raw.verdict()
}

fn known_to(known_ms: u64) -> Verdict {
    let missing = Unproven::KnownTo {
        log: LogId::first(A.parse().unwrap()),
        known_ms,
        needed_ms: SINCE,
    };
    Verdict::Unknown(vec![Missing::Definition(missing)])
}

#[test]
fn a_bundle_with_a_definition_from_another_log_says_offline_what_the_peer_says() {
    let catalogue = catalogue(POWERLESS);
    let mut named = write(&catalogue, A, 1, vec![define(), define_for(&[A])]);
    named.extend(write(&catalogue, A, SINCE, vec![define_for(&[A, B])]));
    named.extend(write(&catalogue, B, 1, vec![define()]));
    let entries = vec![
        by(B, "1", named[0]),
        by(B, "2", named[1]),
        by(B, "3", named[2]),
        by(B, "4", named[3]),
    ];
    write(&catalogue, B, 2, entries);
    let revoke = change(&id(B, "5"), Action::Revoke);
    let entries = vec![
        by(B, "5", named[2]),
        by(B, "6", named[2]),
        by(B, "7", named[0]),
        revoke,
    ];
    write(&catalogue, B, ISSUED, entries);
    write(&catalogue, B, ISSUED + 1, vec![by(B, "8", named[2])]);
    write(&catalogue, A, ISSUED, vec![by(A, "9", named[2])]);
    write(&catalogue, POWERLESS, 3, vec![by(POWERLESS, "1", named[0])]);
    let mut said = Vec::new();
    let certificates = (1..=8).map(|n| id(B, &n.to_string()));
    for id in certificates.chain([id(A, "9"), id(POWERLESS, "1")]) {
        let raw = Raw::of(&gather(&catalogue, &id));
        let verdict = raw.verdict().unwrap();
        assert_eq!(verdict, super::verdict(&catalogue, &id, ON), "{id}");
        said.push(match verdict {
            Verdict::NotValid(why) => why.code(),
            other => other.as_str(),
        });
    }
    let not = "issuer-not-authorised";
    assert_eq!(
        said,
        [
            "valid", not, "valid", not, "revoked", "valid", not, "valid", "valid", not
        ]
    );
}

#[test]
fn no_byte_of_a_bundle_with_its_definitions_and_their_witnesses_can_be_another() {
    let catalogue = catalogue(POWERLESS);
    let named = write(&catalogue, A, 1, vec![define(), define_for(&[A, B])]);
    let later = [&[B][..], &[A], &[], &[A, B]].map(define_for);
    write(&catalogue, A, SINCE, later.into());
    let entries = vec![by(B, "1", named[1]), change(&id(B, "1"), Action::Suspend)];
    write(&catalogue, B, ISSUED, entries);
    let witness = |checkpoint: &VerifiedCheckpoint| {
        vec![cosign(checkpoint.signed(), POWERLESS, 3, ISSUED + 1)]
    };
    let bundle = Bundle::gather(&catalogue, &id(B, "1"), witness);
    let bytes = bundle.unwrap().unwrap().to_bytes();
    let read = |bytes: &[u8]| Bundle::from_bytes(bytes).and_then(|it| it.verify(&members()));
    read(&bytes).unwrap();
    for at in 0..bytes.len() {
        for bit in [0, 3, 7] {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(read(&changed).is_err(), "byte {at} is not covered");
        }
    }
}

/// A proof of a certificate of B's whose definitions show the one it names, the second of A's four, and both later ones;
/// the last excludes B. With it the record of the first.
fn with_three_definitions() -> (Raw, Blob<MAX_RECORD>) {
    let catalogue = catalogue(POWERLESS);
    let all = vec![
        define_for(&[A]),
        define(),
        define_for(&[A]),
        define_for(&[B]),
    ];
    let named = write(&catalogue, A, 1, all);
    write(&catalogue, B, ISSUED, vec![by(B, "1", named[1])]);
    let record = catalogue.log(&named[0].log).unwrap().record(0).unwrap();
    let first = Blob::new(codec::encode(record.record())).unwrap();
    (Raw::of(&gather(&catalogue, &id(B, "1"))), first)
}

#[test]
fn a_bundle_that_leaves_out_a_definition_is_refused() {
    let (mut whole, first) = with_three_definitions();
    let excluded = NotAuthorised::Excluded { seq: 2 };
    let excluded = Verdict::NotValid(NotValid::IssuerNotAuthorised(excluded));
    assert_eq!(whole.verdict(), Ok(excluded));
    let records = whole.definitions().records.clone().into_vec();
    assert_eq!(records.len(), 3);
    let picks: [&[usize]; 7] = [
        &[0],
        &[0, 1],
        &[0, 2],
        &[1, 2],
        &[0, 2, 1],
        &[0, 0, 1, 2],
        &[],
    ];
    for pick in picks {
        let mut raw = whole.clone();
        let shown = pick.iter().map(|n| records[*n].clone());
        raw.definitions().records = Bounded::first(shown);
        assert_eq!(raw.verdict(), Err(BundleError::Definition), "{pick:?}");
    }
    // The first shown is the one named.
    let mut raw = whole.clone();
    let definitions = raw.definitions();
    definitions.records = Bounded::first([first].into_iter().chain(records));
    definitions.versions_before = 0;
    definitions.chain_before = Hash::ZERO;
    assert_eq!(raw.verdict(), Err(BundleError::Definition));
    whole.definition = None;
    assert_eq!(whole.verdict(), Err(BundleError::Definition));
}

#[test]
fn a_bundle_that_says_otherwise_of_what_came_before_its_definitions_or_after_is_refused() {
    let (whole, _) = with_three_definitions();
    let changes: [fn(&mut RawDefinitions); 7] = [
        |it| it.last = 2,
        |it| it.last = u64::MAX,
        |it| it.versions_before = 0,
        |it| it.versions_before = 2,
        |it| it.versions_before = u32::MAX,
        |it| it.chain_before = Hash::ZERO,
        |it| it.checkpoint = None,
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut raw = whole.clone();
        change(raw.definitions());
        assert_eq!(raw.verdict(), Err(BundleError::Definition), "change {n}");
    }
}

#[test]
fn a_checkpoint_from_before_the_exclusion_proves_too_little() {
    let catalogue = catalogue(POWERLESS);
    let named = write(&catalogue, A, 1, vec![define()]);
    write(&catalogue, B, 2, vec![by(B, "1", named[0])]);
    let mut before = Raw::of(&gather(&catalogue, &id(B, "1")));
    write(&catalogue, A, 5 * DAY, vec![define_for(&[A])]);
    write(&catalogue, B, ISSUED, vec![by(B, "2", named[0])]);
    let mut raw = Raw::of(&gather(&catalogue, &id(B, "2")));
    assert!(matches!(raw.verdict(), Ok(Verdict::NotValid(_))));
    // The issuer puts in what it kept from before it was excluded.
    *raw.definitions() = before.definitions().clone();
    assert_eq!(raw.verdict(), Ok(known_to(1)));
    for time_ms in [SINCE, ISSUED, u64::MAX] {
        assert_eq!(cosigned(&raw, B, 2, time_ms), Ok(known_to(1)));
    }
    // One that others signed in the meantime nobody honest has signed since.
    assert_eq!(
        cosigned(&raw, POWERLESS, 3, SINCE - 1),
        Ok(known_to(SINCE - 1))
    );
}

#[test]
fn a_witness_other_than_the_issuer_or_the_definer_itself_makes_definitions_fresh() {
    let catalogue = catalogue(POWERLESS);
    let named = write(&catalogue, A, 1, vec![define()]);
    write(&catalogue, B, ISSUED, vec![by(B, "1", named[0])]);
    let raw = Raw::of(&gather(&catalogue, &id(B, "1")));
    assert_eq!(raw.verdict(), Ok(known_to(1)));
    for (department, n) in [(POWERLESS, 3), (A, 1)] {
        assert_eq!(cosigned(&raw, department, n, SINCE), Ok(Verdict::Valid));
        let early = cosigned(&raw, department, n, SINCE - 1);
        assert_eq!(early, Ok(known_to(SINCE - 1)));
    }
    assert_eq!(cosigned(&raw, B, 2, SINCE), Ok(known_to(1)));
    // A signature under another checkpoint, by another key, or there twice.
    let foreign = cosigned(&raw, POWERLESS, 2, SINCE);
    assert!(matches!(foreign, Err(BundleError::Checkpoint(_))));
    let mut elsewhere = raw.clone();
    let other = cosign(&raw.checkpoint, POWERLESS, 3, SINCE);
    elsewhere.definitions().cosignatures = Bounded::first([other]);
    let refused = elsewhere.verdict();
    assert!(matches!(refused, Err(BundleError::Checkpoint(_))));
    let mut twice = raw.clone();
    let definitions = twice.definitions();
    let checkpoint = definitions.checkpoint.clone().unwrap();
    let twin = cosign(&checkpoint, POWERLESS, 3, SINCE);
    definitions.cosignatures = Bounded::first([twin.clone(), twin]);
    let witness = POWERLESS.parse().unwrap();
    assert_eq!(twice.verdict(), Err(BundleError::Witness(witness)));
    // Under the certificate's own checkpoint the department is no witness.
    let mut own = raw;
    own.cosignatures = Bounded::first([cosign(&own.checkpoint, B, 2, SINCE)]);
    let witness = B.parse().unwrap();
    assert_eq!(own.verdict(), Err(BundleError::Witness(witness)));
}

#[test]
fn definitions_that_nobody_asks_for_are_no_part_of_a_bundle() {
    let catalogue = catalogue(POWERLESS);
    let named = write(&catalogue, A, 1, vec![define()]);
    let own = write(&catalogue, B, 1, vec![define()]);
    let entries = vec![by(B, "1", named[0]), by(B, "2", own[0])];
    write(&catalogue, B, 2, entries);
    let whole = Raw::of(&gather(&catalogue, &id(B, "1")));
    let mut others = Raw::of(&gather(&catalogue, &id(B, "2")));
    assert!(others.definition.is_none());
    assert!(matches!(others.verdict(), Ok(Verdict::NotValid(_))));
    others.definition = whole.definition;
    assert_eq!(others.verdict(), Err(BundleError::Definition));
}

#[test]
fn where_the_definition_can_t_be_shown_there_is_no_bundle_and_the_reason_is_said() {
    let catalogue = catalogue(POWERLESS);
    let named = write(&catalogue, A, 1, vec![define()]);
    let (mut beyond, mut misnamed) = (named[0], named[0]);
    beyond.seq = 9;
    misnamed.hash = RecordHash::NONE;
    let entries = vec![
        by(B, "1", beyond),
        by(B, "2", misnamed),
        by(B, "3", named[0]),
    ];
    write(&catalogue, B, 2, entries);
    let refused = |serial: &str| {
        let made = Bundle::gather(&catalogue, &id(B, serial), |_| Vec::new());
        made.expect_err("no bundle")
    };
    assert!(matches!(
        refused("1"),
        GatherError::Definition(Unproven::NotHeld { seq: 9, .. })
    ));
    assert!(matches!(
        refused("2"),
        GatherError::NotAuthorised(NotAuthorised::NotADefinition)
    ));
    gather(&catalogue, &id(B, "3"));
    let log = catalogue.log(&named[0].log).unwrap();
    log.stop(Stopped::Broken(crate::log::BrokenRule::Prev { seq: 0 }));
    assert!(matches!(
        refused("3"),
        GatherError::Definition(Unproven::Disputed { at: 0, .. })
    ));
}

#[test]
fn definitions_that_came_too_late_to_count_are_shown_by_their_hashes_alone() {
    let catalogue = catalogue(POWERLESS);
    let named = write(&catalogue, A, 1, vec![define(), define_for(&[A, B])]);
    let early = write(&catalogue, A, SINCE - 1, vec![define_for(&[B])]);
    write(
        &catalogue,
        A,
        SINCE,
        vec![define_for(&[A]), define_for(&[A])],
    );
    write(&catalogue, A, ISSUED, vec![define_for(&[A])]);
    write(&catalogue, B, ISSUED, vec![by(B, "1", named[0])]);
    let whole = Raw::of(&gather(&catalogue, &id(B, "1")));
    assert_eq!(whole.verdict(), Ok(Verdict::Valid));
    let shown = whole.clone().definitions().records.len();
    let later = whole.clone().definitions().later.clone().into_vec();
    assert_eq!((shown, later.len()), (4, 2));
    // The first of those too late has to be shown: otherwise one that counts could hide among them.
    let hide = |from: usize| {
        let mut raw = whole.clone();
        let definitions = raw.definitions();
        let records = definitions.records.clone().into_vec();
        let hidden = records[from..].iter().map(|bytes| {
            let name = LogName {
                network: members().network(),
                id: early[0].log,
            };
            crate::record::record_hash(&name, bytes)
        });
        let hashes: Vec<RecordHash> = hidden.chain(later.clone()).collect();
        definitions.later = Bounded::first(hashes);
        definitions.records = Bounded::first(records[..from].iter().cloned());
        raw.verdict()
    };
    assert_eq!(hide(4), Ok(Verdict::Valid));
    for from in 0..4 {
        assert_eq!(hide(from), Err(BundleError::Definition), "from {from}");
    }
    let pairs = [(0, 1), (1, 0)];
    let picks = [vec![], vec![later[0]], vec![later[1]]];
    let turned = pairs.map(|(one, other)| vec![later[one], later[other]]);
    for (pick, holds) in picks
        .into_iter()
        .map(|pick| (pick, false))
        .chain([(turned[0].clone(), true), (turned[1].clone(), false)])
    {
        let mut raw = whole.clone();
        raw.definitions().later = Bounded::first(pick);
        assert_eq!(raw.verdict().is_ok(), holds);
    }
}

#[test]
fn a_type_defined_again_too_often_makes_a_proof_too_large_and_not_a_wrong_one() {
    let catalogue = catalogue(POWERLESS);
    let named = write(&catalogue, A, 1, vec![define()]);
    write(&catalogue, B, 2, vec![by(B, "1", named[0])]);
    let long = [A, B, POWERLESS]
        .into_iter()
        .cycle()
        .take(256)
        .collect::<Vec<_>>();
    let again = (0..60).map(|_| define_for(&long));
    let last = write(&catalogue, A, 3, again.collect());
    // To the certificate that came before them they matter no more than their hashes.
    let raw = Raw::of(&gather(&catalogue, &id(B, "1")));
    assert_eq!(raw.verdict(), Ok(Verdict::Valid));
    let entries = vec![by(B, "2", named[0]), by(B, "3", last[59])];
    write(&catalogue, A, SINCE, vec![define_for(&long)]);
    write(&catalogue, B, ISSUED, entries);
    let made = Bundle::gather(&catalogue, &id(B, "2"), |_| Vec::new());
    assert!(matches!(made, Err(GatherError::TooLarge(_))), "{made:?}");
    assert_eq!(verdict(&catalogue, &id(B, "2"), ON), Verdict::Valid);
    // Those who name the last need not show the ones before.
    let raw = Raw::of(&gather(&catalogue, &id(B, "3")));
    assert_eq!(raw.verdict(), Ok(Verdict::Valid));
}

/// Proofs of a certificate of B's and of one that it revoked.
fn of_a_valid_and_a_revoked_one() -> [Raw; 2] {
    let catalogue = catalogue(POWERLESS);
    let named = write(&catalogue, A, 1, vec![define()]);
    write(&catalogue, B, ISSUED, vec![by(B, "1", named[0])]);
    let revoked = vec![by(B, "2", named[0]), change(&id(B, "2"), Action::Revoke)];
    write(&catalogue, B, ISSUED, revoked);
    ["1", "2"].map(|serial| Raw::of(&gather(&catalogue, &id(B, serial))))
}

#[test]
fn a_proof_dated_ahead_of_its_reader_by_more_than_ten_minutes_is_refused_whoever_dated_it() {
    assert_eq!(MAX_AHEAD_MS, 600_000);
    let [raw, revoked] = of_a_valid_and_a_revoked_one();
    let fresh = |department: &str, n: u8, time_ms| {
        let mut raw = raw.clone();
        let definitions = raw.definitions();
        let checkpoint = definitions.checkpoint.clone().unwrap();
        definitions.cosignatures = Bounded::first([cosign(&checkpoint, department, n, time_ms)]);
        raw
    };
    let witnessed = |department: &str, n: u8, time_ms| {
        let mut raw = fresh(A, 1, ISSUED);
        raw.cosignatures = Bounded::first([cosign(&raw.checkpoint, department, n, time_ms)]);
        raw
    };
    let later = ISSUED + 5 * DAY;
    for (what, raw, by, time_ms) in [
        ("checkpoint", fresh(A, 1, ISSUED - 1), B, ISSUED),
        ("witness", witnessed(POWERLESS, 3, later), POWERLESS, later),
        ("signer of the definitions", fresh(A, 1, later), A, later),
        // Even where it makes the definitions no fresher.
        ("issuer below the definitions", fresh(B, 2, later), B, later),
    ] {
        let by = by.parse().unwrap();
        let reported = |now_ms| raw.verdict_for(&(now_ms, true));
        let now_ms = time_ms - MAX_AHEAD_MS;
        assert!(reported(now_ms).is_ok(), "{what}");
        let now_ms = now_ms - 1;
        let refused = BundleError::DatedAhead {
            by,
            time_ms,
            now_ms,
        };
        assert_eq!(reported(now_ms), Err(refused), "{what}");
    }
    // Not even that a certificate is revoked does such a proof say.
    let early = revoked.verdict_for(&(0, true));
    assert!(matches!(early, Err(BundleError::DatedAhead { .. })));
    assert!(matches!(revoked.verdict(), Ok(Verdict::NotValid(_))));
}

#[test]
fn a_proof_that_only_its_issuer_vouches_for_is_never_valid_unless_the_reader_says_so() {
    let catalogue = catalogue(POWERLESS);
    let named = write(&catalogue, A, 1, vec![define()]);
    let entries = vec![
        by(B, "1", named[0]),
        by(B, "2", named[0]),
        change(&id(B, "2"), Action::Revoke),
    ];
    write(&catalogue, B, 2, entries);
    write(&catalogue, B, ISSUED, vec![by(B, "3", named[0])]);
    let (careful, trusting) = ((u64::MAX, false), (u64::MAX, true));
    let reported = |serial: &str, witnessed: bool| {
        let mut raw = Raw::of(&gather(&catalogue, &id(B, serial)));
        if witnessed {
            let witness = cosign(&raw.checkpoint, POWERLESS, 3, ISSUED);
            raw.cosignatures = Bounded::first([witness]);
        }
        [careful, trusting].map(|reader| raw.verdict_for(&reader).unwrap())
    };
    let unknown = |missing| Verdict::Unknown(missing);
    assert_eq!(reported("1", true), [Verdict::Valid, Verdict::Valid]);
    let alone = [unknown(vec![Missing::Witness]), Verdict::Valid];
    assert_eq!(reported("1", false), alone);
    let revoked = Verdict::NotValid(NotValid::Status(Status::Revoked));
    for witnessed in [true, false] {
        assert_eq!(reported("2", witnessed), [revoked.clone(), revoked.clone()]);
    }
    // Who signed the definitions is no witness of the certificate; and all that is missing is said.
    let Verdict::Unknown(definition) = known_to(1) else {
        unreachable!()
    };
    let both = [definition.clone(), vec![Missing::Witness]].concat();
    assert_eq!(reported("3", false), [unknown(both), unknown(definition)]);
    let raw = Raw::of(&gather(&catalogue, &id(B, "3")));
    let checkpoint = raw.clone().definitions().checkpoint.clone().unwrap();
    let mut fresh = raw;
    fresh.definitions().cosignatures = Bounded::first([cosign(&checkpoint, POWERLESS, 3, SINCE)]);
    assert_eq!(
        fresh.verdict_for(&careful).unwrap(),
        unknown(vec![Missing::Witness])
    );
}
