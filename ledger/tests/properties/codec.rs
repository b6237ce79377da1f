//! One value has one encoding.

use std::fmt::Debug;

use certmesh_ledger::codec::{decode, encode};
use certmesh_ledger::crypto::keys::{CatalogueKey, PublicKey, Secret, Signature, SigningKey};
use certmesh_ledger::genesis::{Department, Genesis, PeerId};
use certmesh_ledger::log::{
    Cosignature, DefinitionEntry, ForkEvidence, Page, SignedCheckpoint, StatusEntry,
};
use certmesh_ledger::membership::Membership;
use certmesh_ledger::merkle::{ConsistencyProof, InclusionProof};
use certmesh_ledger::record::{Disclosure, Entry, Record};
use certmesh_ledger::retrieval::{Answer, CaseFile, EvidenceCopy, SignedRetrieval};
use certmesh_ledger::status_map::StatusProof;
use certmesh_ledger::sync::{Announcement, Heads, Request, Response};
use certmesh_ledger::verify::Bundle;
use proptest::prelude::*;
use proptest::sample::Index;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::any;
use crate::common::genesis;

const LIMIT: usize = 4 << 20;

/// A change to an encoding.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Truncate(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), prop_oneof![any::<u8>(), 250..=255u8])
            .prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        at().prop_map(Mutation::Remove),
        at().prop_map(Mutation::Truncate),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match mutation {
        Mutation::Flip(at, bit) => bytes[at.index(len)] ^= 1 << bit,
        Mutation::Set(at, byte) => bytes[at.index(len)] = *byte,
        Mutation::Insert(at, byte) => bytes.insert(at.index(len), *byte),
        Mutation::Remove(at) => {
            bytes.remove(at.index(len));
        }
        Mutation::Truncate(at) => bytes.truncate(at.index(len)),
    }
}

/// What is accepted encodes back to the very bytes.
fn only_canonical<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    if let Ok(value) = decode::<T>(bytes, LIMIT) {
        assert_eq!(encode(&value), bytes);
    }
}

/// The same of a record, whose entry reads as it came when this version can't read it.
fn only_canonical_record(bytes: &[u8]) {
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(encode(&record), bytes);
        let entry = &record.entry;
        assert_eq!(Entry::read(entry.kind(), &entry.content()), *entry);
    }
}

fn round_trip<T>(value: &T, mutations: &[Mutation])
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let mut bytes = encode(value);
    assert_eq!(decode::<T>(&bytes, LIMIT).as_ref(), Ok(value));
    for mutation in mutations {
        mutate(&mut bytes, mutation);
        only_canonical::<T>(&bytes);
    }
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    prop::collection::vec(mutation(), 1..8)
}

macro_rules! every_value_has_one_encoding {
    ($($name:ident: $strategy:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
            $(
                #[test]
                fn $name(value in $strategy, mutations in mutations()) {
                    round_trip(&value, &mutations);
                }
            )*
        }
    };
}

every_value_has_one_encoding! {
    every_definition_entry_has_one_encoding: any::definition_entry();
    every_status_entry_has_one_encoding: any::status_entry();
    every_checkpoint_has_one_encoding: any::checkpoint();
    every_cosignature_has_one_encoding: any::cosignature();
    every_page_has_one_encoding: any::page();
    every_evidence_has_one_encoding: any::evidence();
    every_inclusion_proof_has_one_encoding: any::inclusion();
    every_consistency_proof_has_one_encoding: any::consistency();
    every_status_proof_has_one_encoding: any::status_proof();
    every_request_has_one_encoding: any::request();
    every_response_has_one_encoding: any::response();
    every_announcement_has_one_encoding: any::announcement();
    every_signed_retrieval_has_one_encoding: any::signed_retrieval();
    every_disclosure_has_one_encoding: any::disclosure();
    every_answer_has_one_encoding: any::answer();
    every_evidence_copy_has_one_encoding: any::evidence_copy();
    every_case_file_has_one_encoding: any::case_file();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_record_has_one_encoding(record in any::record(), mutations in mutations()) {
        let mut bytes = encode(&record);
        let read = Record::decode(&bytes);
        prop_assert_eq!(read.as_ref(), Ok(&record));
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
            only_canonical_record(&bytes);
        }
    }

    #[test]
    fn every_entry_reads_back_from_its_kind_and_content_and_any_other_bytes_are_kept(
        entry in any::entry(),
        mutations in mutations(),
    ) {
        let mut content = entry.content();
        prop_assert_eq!(&Entry::read(entry.kind(), &content), &entry);
        for mutation in &mutations {
            mutate(&mut content, mutation);
            let read = Entry::read(entry.kind(), &content);
            prop_assert_eq!((read.kind(), read.content()), (entry.kind(), content.clone()));
        }
    }

    #[test]
    fn random_bytes_never_panic_and_are_accepted_only_in_canonical_form(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0..4u8, 249..=255u8], 0..600)
    ) {
        only_canonical_record(&bytes);
        only_canonical::<DefinitionEntry>(&bytes);
        only_canonical::<StatusEntry>(&bytes);
        only_canonical::<SignedCheckpoint>(&bytes);
        only_canonical::<Cosignature>(&bytes);
        only_canonical::<Page>(&bytes);
        only_canonical::<ForkEvidence>(&bytes);
        only_canonical::<InclusionProof>(&bytes);
        only_canonical::<ConsistencyProof>(&bytes);
        only_canonical::<StatusProof>(&bytes);
        only_canonical::<Request>(&bytes);
        only_canonical::<Response>(&bytes);
        only_canonical::<Announcement>(&bytes);
        only_canonical::<Heads>(&bytes);
        only_canonical::<SignedRetrieval>(&bytes);
        only_canonical::<Disclosure>(&bytes);
        only_canonical::<Answer>(&bytes);
        only_canonical::<EvidenceCopy>(&bytes);
        only_canonical::<CaseFile>(&bytes);
        only_canonical::<Bundle>(&bytes);
        only_canonical::<Genesis>(&bytes);
        only_canonical::<PublicKey>(&bytes);
        only_canonical::<Signature>(&bytes);
        only_canonical::<PeerId>(&bytes);
        only_canonical::<u64>(&bytes);
        only_canonical::<Option<(i32, bool)>>(&bytes);
    }

    #[test]
    fn every_number_has_one_encoding(n in any::number(), m in any::<i32>(), mutations in mutations()) {
        round_trip(&n, &mutations);
        round_trip(&(n as u32), &mutations);
        round_trip(&(n as u16), &mutations);
        round_trip(&m, &mutations);
    }

    #[test]
    fn a_genesis_of_any_names_survives_its_file(
        name in "[^\\p{Cc}]{0,12}x",
        zh in proptest::option::of("[^\\p{Cc}]{0,12}x"),
        address in "[^\\p{Cc}]{0,20}",
        seed in 1..200u8,
        code in any::department(),
    ) {
        let mut department: Department = genesis().departments()[0].clone();
        department.code = code;
        department.governs = true;
        department.name = crate::common::text(&name);
        department.name_zh = zh.map(|zh| crate::common::text(&zh));
        department.addresses = certmesh_ledger::codec::Bounded::first([crate::common::text(&address)]);
        // Of a seed that no key of the genesis has: each key is used once.
        let mut signing = [0xEE; 32];
        signing[0] = seed;
        department.signing_key = SigningKey::from_seed(&signing).public();
        let catalogue_key = CatalogueKey(Secret::from_bytes([seed; 32])).commitment();
        let policy = genesis().policy().clone();
        let founders = vec![department.clone()];
        let founded = Genesis::new(&name, u64::from(seed), catalogue_key, policy, founders);
        let genesis = founded.expect("valid");
        let read = Genesis::from_toml(&genesis.to_toml());
        prop_assert_eq!(read.as_ref(), Ok(&genesis));
        prop_assert_eq!(Department::from_toml(&department.to_toml()), Ok(department));
        round_trip(&genesis, &[]);
        prop_assert_eq!(Membership::from_genesis(&genesis).network(), genesis.network_id());
    }
}
