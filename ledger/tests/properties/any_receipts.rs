//! Any receipt, request for fields and answer.

use std::collections::{BTreeMap, BTreeSet};

use certmesh_ledger::id::CertificateId;
use certmesh_ledger::keys::{BodyKey, Secret, SigningKey};
use certmesh_ledger::membership::NetworkId;
use certmesh_ledger::record::{
    Basis, BlindedSubject, CaseAccepted, CaseTag, Decision, Disclosure, FieldCodes, Received,
    RequirementMet, RetrievalAcknowledged, RetrievalDecided, RetrievalHash, Rule,
};
use certmesh_ledger::retrieval::{
    Answer, CaseFile, EvidenceCopy, NotTaken, Retrieval, SignedRetrieval,
};
use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{
    any_hash, certificate, date, department, list, log_id, matter_ref, number, text, type_code,
};

fn field_codes() -> impl Strategy<Value = FieldCodes> {
    list(text(), 4)
}

fn rule() -> impl Strategy<Value = Rule> {
    select(Rule::ALL.to_vec())
}

fn retrieval_hash() -> impl Strategy<Value = RetrievalHash> {
    any_hash().prop_map(RetrievalHash)
}

pub(super) fn blinded() -> impl Strategy<Value = BlindedSubject> {
    any_hash().prop_map(BlindedSubject)
}

pub(super) fn decided() -> impl Strategy<Value = RetrievalDecided> {
    let basis = prop_oneof![
        Just(Basis::Own),
        Just(Basis::Unconditional),
        number().prop_map(Basis::Grant),
    ];
    let decision = prop_oneof![
        (basis, field_codes()).prop_map(|(basis, fields)| Decision::Answered { basis, fields }),
        rule().prop_map(Decision::Refused),
    ];
    let what = (matter_ref(), type_code(), option::of(blinded()));
    (retrieval_hash(), department(), what, decision).prop_map(
        |(retrieval, asker, (matter, type_code, subject), decision)| RetrievalDecided {
            retrieval,
            asker,
            matter,
            type_code,
            subject,
            decision,
        },
    )
}

pub(super) fn acknowledged() -> impl Strategy<Value = RetrievalAcknowledged> {
    let outcome = prop_oneof![
        (field_codes(), date())
            .prop_map(|(fields, keep_until)| Received::Fields { fields, keep_until }),
        rule().prop_map(Received::Refused),
        Just(Received::Wrong),
        Just(Received::Nothing),
    ];
    let what = (matter_ref(), type_code(), blinded());
    (retrieval_hash(), department(), what, outcome, any::<u32>()).prop_map(
        |(retrieval, issuer, (matter, type_code, subject), outcome, took_ms)| {
            RetrievalAcknowledged {
                retrieval,
                issuer,
                matter,
                type_code,
                subject,
                outcome,
                took_ms,
            }
        },
    )
}

pub(super) fn case_accepted() -> impl Strategy<Value = CaseAccepted> {
    let met = select(vec![
        RequirementMet::Missing,
        RequirementMet::Lapsed,
        RequirementMet::NeedsGrant,
        RequirementMet::Held,
        RequirementMet::Collected,
    ]);
    (any_hash(), matter_ref(), list((type_code(), met), 5)).prop_map(
        |(case, matter, requirements)| CaseAccepted {
            case: CaseTag(case),
            matter,
            requirements,
        },
    )
}

/// A request as its department signs it.
pub(crate) fn signed_retrieval() -> impl Strategy<Value = SignedRetrieval> {
    let who = (department(), department(), certificate(), matter_ref());
    let what = (text(), field_codes(), number(), any::<[u8; 16]>());
    (who, what, any_hash(), any::<[u8; 32]>()).prop_map(
        |(
            (issuer, asker, certificate, matter),
            (purpose, fields, time_ms, nonce),
            network,
            seed,
        )| {
            let retrieval = Retrieval {
                issuer,
                asker,
                certificate,
                matter,
                purpose,
                fields,
                time_ms,
                nonce,
            };
            let key = SigningKey::from_seed(&seed);
            SignedRetrieval::sign(NetworkId(network), retrieval, &key)
        },
    )
}

/// A certificate with any fields, the key they are committed to with, and which of them are shown.
pub(crate) fn fields_to_show()
-> impl Strategy<Value = (BodyKey, CertificateId, BTreeMap<String, String>, u64)> {
    let key = any::<[u8; 32]>().prop_map(|bytes| BodyKey(Secret::from_bytes(bytes)));
    let name = "[^\\p{Cc}]{0,12}|[A-Z_]{1,4}";
    let fields = btree_map(name, ".{0,16}", 0..=12usize);
    (key, certificate(), fields, any::<u64>())
}

/// The names whose bits are set, by place.
pub(crate) fn shown_of(fields: &BTreeMap<String, String>, subset: u64) -> BTreeSet<&str> {
    let names = fields.keys().enumerate();
    names
        .filter(|(place, _)| subset >> (place % 64) & 1 == 1)
        .map(|(_, name)| name.as_str())
        .collect()
}

pub(crate) fn disclosure() -> impl Strategy<Value = Disclosure> {
    fields_to_show().prop_map(|(key, id, fields, subset)| {
        let shown = shown_of(&fields, subset);
        Disclosure::of(&key, &id, &fields, |name| shown.contains(name))
    })
}

pub(crate) fn answer() -> impl Strategy<Value = Answer> {
    let not_taken = select(vec![
        NotTaken::Improper,
        NotTaken::Replayed,
        NotTaken::Unavailable,
        NotTaken::TooMany,
    ]);
    prop_oneof![
        (number(), disclosure()).prop_map(|(receipt, disclosure)| Answer::Fields {
            receipt,
            disclosure,
        }),
        (number(), rule()).prop_map(|(receipt, rule)| Answer::Refused { receipt, rule }),
        not_taken.prop_map(Answer::NotTaken),
    ]
}

pub(crate) fn evidence_copy() -> impl Strategy<Value = EvidenceCopy> {
    let places = (log_id(), number(), number(), number());
    (signed_retrieval(), places, disclosure()).prop_map(
        |(request, (log, seq, receipt, time_ms), disclosure)| EvidenceCopy {
            request,
            log,
            seq,
            receipt,
            disclosure,
            time_ms,
        },
    )
}

pub(crate) fn case_file() -> impl Strategy<Value = CaseFile> {
    list((certificate(), retrieval_hash()), 5).prop_map(|retrievals| CaseFile { retrievals })
}
