//! What proves itself is refused once a single bit of it differs.

use std::sync::Arc;

use certmesh_ledger::catalogue::Catalogue;
use certmesh_ledger::codec::{Bounded, decode, encode};
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::disk::MemoryDisk;
use certmesh_ledger::id::Date;
use certmesh_ledger::log::{Applied, Cosignature, Log, MAX_PAGE, Page, VerifiedCheckpoint, Writer};
use certmesh_ledger::record::{BlindedSubject, Disclosure, commit_fields};
use certmesh_ledger::retrieval::{MAX_RETRIEVAL, Retrieval, SignedRetrieval};
use certmesh_ledger::verify::{Bundle, Reader, VerifiedBundle};
use proptest::prelude::*;

use crate::any;
use crate::common::{
    CREATED_MS, ISSUER, WITNESS, certificate, code, fill, filled, issue, key, members, name, open,
    place, text,
};

/// Calls `check` with the bytes as they are after each single bit is flipped.
fn each_flip(bytes: &[u8], mut check: impl FnMut(usize, &[u8])) {
    let mut flipped = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        check(bit, &flipped);
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn no_bit_of_a_page_can_be_flipped() {
    let members = members();
    let (_, log) = filled();
    // From the middle of the first segment: hashes on both sides, records between them.
    let page = log.page(1, MAX_PAGE).expect("a page");
    assert!(!page.left.is_empty() && !page.right.is_empty() && !page.frames.is_empty());
    each_flip(&encode(&page), |bit, bytes| {
        let accepted = Page::decode(bytes).is_ok_and(|page| page.verify(&members).is_ok());
        assert!(!accepted, "bit {bit}");
    });
}

#[test]
fn a_page_that_claims_the_last_position_there_is_does_not_wrap_around_to_zero() {
    let (_, log) = filled();
    let mut page = log.page(0, MAX_PAGE).expect("a page");
    page.from = u64::MAX - 1;
    assert_eq!(page.end(), Ok(u64::MAX));
    assert!(page.verify(&members()).is_err());
}

fn bundles() -> Vec<Vec<u8>> {
    let disk = MemoryDisk::new();
    let department = name().id.department;
    let opened = Catalogue::open(place(&disk), members(), department).expect("opens");
    fill(&opened.catalogue.log(&name().id).expect("held"));
    let witness = |checkpoint: &VerifiedCheckpoint| {
        vec![Cosignature::sign(
            &members(),
            checkpoint,
            code(WITNESS),
            CREATED_MS,
            &key(2).into(),
        )]
    };
    // Superseded, plainly valid.
    [1, 3]
        .into_iter()
        .map(|n| {
            let id = certificate(&format!("S{n:08}"));
            let bundle = Bundle::gather(&opened.catalogue, &id, witness);
            bundle.expect("readable").expect("held").to_bytes()
        })
        .collect()
}

#[test]
fn no_bit_of_a_bundle_can_be_flipped() {
    let members = members();
    let read = |bytes: &[u8]| -> Option<VerifiedBundle> {
        Bundle::from_bytes(bytes).ok()?.verify(&members).ok()
    };
    let day = Date::from_ymd(2026, 7, 1).expect("a date");
    for (bytes, verdict) in bundles().iter().zip(["not-valid", "valid"]) {
        let verified = read(bytes).expect("as it was made, it verifies");
        let reader = Reader {
            on: day,
            now_ms: CREATED_MS,
            issuer_only: false,
        };
        let judged = verified.judge(&reader).expect("not dated ahead");
        assert_eq!(judged.as_str(), verdict);
        each_flip(bytes, |bit, bytes| {
            assert!(read(bytes).is_none(), "bit {bit}");
        });
    }
}

/// A log of `n` certificates in appends of `batch`.
fn long_log(n: u64, batch: usize) -> (MemoryDisk, Arc<Log>) {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), key(1));
    let entries: Vec<_> = (0..n).map(issue).collect();
    for (batch, time_ms) in entries.chunks(batch).zip(CREATED_MS..) {
        writer.append(time_ms, batch.to_vec()).expect("appended");
    }
    (disk, log)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_of_any_cut_verify_and_rebuild_the_log(
        n in 1..40u64,
        batch in 1..10usize,
        bytes in 400..6000usize,
        flips in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let (_, source) = long_log(n, batch);
        let (replica, _) = open(&MemoryDisk::new());
        loop {
            let page = source.page(replica.held(), bytes).expect("a page");
            let sent = encode(&page);
            let verified = Page::decode(&sent).expect("canonical").verify(&members()).expect("verifies");
            for flip in &flips {
                let bit = flip.index(sent.len() * 8);
                let mut flipped = sent.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let accepted = Page::decode(&flipped).is_ok_and(|page| page.verify(&members()).is_ok());
                prop_assert!(!accepted, "bit {}", bit);
            }
            match replica.apply(&verified).expect("applied") {
                Applied::Accepted(checkpoint) => {
                    prop_assert_eq!(Some(*checkpoint), source.checkpoint());
                    break;
                }
                Applied::Progress { held } => prop_assert!(held < n),
                Applied::Nothing => prop_assert!(false, "a page that fits brings something"),
            }
        }
        for seq in 0..n {
            prop_assert_eq!(replica.record(seq).expect("held"), source.record(seq).expect("held"));
        }
        prop_assert!(source.page(n + 1, bytes).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_subset_of_any_fields_can_be_shown_and_no_bit_of_it_flipped(
        case in any::fields_to_show()
    ) {
        let any::Fields { key, certificate, definition, fields, shown: wanted } = &case;
        let root = commit_fields(key, certificate, definition, fields);
        let disclosure = case.disclosure();
        let shown = disclosure.verify(&root, definition).expect("a disclosure that holds");
        prop_assert!(shown.keys().copied().eq(wanted.iter().map(String::as_str)));
        prop_assert!(shown.iter().all(|(name, value)| fields[*name] == *value));
        each_flip(&encode(&disclosure), |bit, bytes| {
            let holds = decode::<Disclosure>(bytes, 1 << 20)
                .is_ok_and(|flipped| flipped.verify(&root, definition).is_ok());
            assert!(!holds, "bit {bit}");
        });
    }

    #[test]
    fn what_a_disclosure_hides_leaves_it_as_long_as_if_there_were_nothing(
        case in any::fields_to_show()
    ) {
        let mut bare = case.clone();
        bare.fields.retain(|name, _| case.shown.contains(name));
        prop_assert_eq!(encode(&bare.disclosure()).len(), encode(&case.disclosure()).len());
    }

    #[test]
    fn no_bit_of_a_signed_request_can_be_flipped(
        fields in prop::collection::btree_set("[A-Z]{1,8}", 0..8usize),
        time_ms in any::number(),
        nonce in proptest::array::uniform16(0..=255u8),
    ) {
        let members = members();
        let (issuer, asker) = (code(ISSUER), code(WITNESS));
        let retrieval = Retrieval {
            issuer,
            asker,
            key_epoch: 0,
            matter: format!("{WITNESS}/SP-001/01").parse().expect("a matter"),
            subject: BlindedSubject(Hash::from_bytes([7; 32])),
            fields: Bounded::first(fields.iter().map(|code| text(code))),
            certificate: certificate("S00000001"),
            purpose: text("首次申请"),
            time_ms,
            nonce,
        };
        let signed = SignedRetrieval::sign(members.network(), retrieval, &key(2));
        let asked = signed.check(&members, &issuer, &asker).expect("a request that verifies");
        prop_assert_eq!(asked.name(members.network()), signed.name(members.network()));
        each_flip(&encode(&signed), |bit, bytes| {
            // Whoever the flipped request says it is for and from.
            let taken = decode::<SignedRetrieval>(bytes, MAX_RETRIEVAL).is_ok_and(|flipped| {
                let (issuer, asker) = (flipped.retrieval().issuer, flipped.retrieval().asker);
                flipped.check(&members, &issuer, &asker).is_ok()
            });
            assert!(!taken, "bit {bit}");
        });
    }
}
