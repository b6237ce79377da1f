//! Any receipt, request for fields and answer.

use std::collections::{BTreeMap, BTreeSet};

use certmesh_ledger::codec::Text;
use certmesh_ledger::crypto::keys::{BodyKey, Secret, SigningKey};
use certmesh_ledger::id::CertificateId;
use certmesh_ledger::names::NetworkId;
use certmesh_ledger::record::{
    Asked, Basis, BlindedSubject, CaseAccepted, CaseTag, Decision, Disclosure, FieldCodes,
    FieldDefinition, Received, RequirementMet, RetrievalAcknowledged, RetrievalDecided,
    RetrievalHash, Rule,
};
use certmesh_ledger::retrieval::{
    Answer, CaseFile, EvidenceCopy, NotTaken, Retrieval, SignedRetrieval,
};
use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;
use proptest::sample::select;

use super::{
    any_hash, certificate, date, department, list, log_id, matter_ref, number, signature, text,
    type_code,
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

/// What receipts show of a request.
fn asked() -> impl Strategy<Value = Asked> {
    let who = (department(), department(), any::<u32>(), matter_ref());
    let what = (type_code(), blinded(), field_codes(), any_hash());
    (who, what).prop_map(
        |((issuer, asker, key_epoch, matter), (type_code, subject, fields, rest))| Asked {
            issuer,
            asker,
            key_epoch,
            matter,
            type_code,
            subject,
            fields,
            rest,
        },
    )
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
    (asked(), signature(), decision).prop_map(|(asked, signature, decision)| RetrievalDecided {
        asked,
        signature,
        decision,
    })
}

pub(super) fn acknowledged() -> impl Strategy<Value = RetrievalAcknowledged> {
    let outcome = prop_oneof![
        (field_codes(), date())
            .prop_map(|(fields, keep_until)| Received::Fields { fields, keep_until }),
        rule().prop_map(Received::Refused),
        Just(Received::Wrong),
        Just(Received::Nothing),
    ];
    (asked(), outcome, any::<u32>()).prop_map(|(asked, outcome, took_ms)| RetrievalAcknowledged {
        asked,
        outcome,
        took_ms,
    })
}

pub(super) fn case_accepted() -> impl Strategy<Value = CaseAccepted> {
    let met = select(vec![
        RequirementMet::Missing,
        RequirementMet::NotValid,
        RequirementMet::NeedsGrant,
        RequirementMet::Held,
        RequirementMet::Collected,
        RequirementMet::Unknown,
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
    let who = (department(), department(), any::<u32>(), matter_ref());
    let what = (blinded(), field_codes(), certificate());
    let rest = (text(), number(), any::<[u8; 16]>());
    (who, what, rest, any_hash(), any::<[u8; 32]>()).prop_map(
        |(
            (issuer, asker, key_epoch, matter),
            (subject, fields, certificate),
            (purpose, time_ms, nonce),
            network,
            seed,
        )| {
            let retrieval = Retrieval {
                issuer,
                asker,
                key_epoch,
                matter,
                subject,
                fields,
                certificate,
                purpose,
                time_ms,
                nonce,
            };
            let key = SigningKey::from_seed(&seed);
            SignedRetrieval::sign(NetworkId(network), retrieval, &key)
        },
    )
}

/// A certificate's fields, what its type's definition says of them, and which of them are shown.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) key: BodyKey,
    pub(crate) certificate: CertificateId,
    /// Some that the certificate has and some that it lacks.
    pub(crate) definition: Vec<FieldDefinition>,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) shown: BTreeSet<String>,
}

impl Fields {
    pub(crate) fn disclosure(&self) -> Disclosure {
        Disclosure::of(
            &self.key,
            &self.certificate,
            &self.definition,
            &self.fields,
            |name| self.shown.contains(name),
        )
    }
}

pub(crate) fn fields_to_show() -> impl Strategy<Value = Fields> {
    let key = any::<[u8; 32]>().prop_map(|bytes| BodyKey(Secret::from_bytes(bytes)));
    let name = "[^\\p{Cc}]{0,12}|[A-Z_]{1,4}";
    let fields = btree_map(name, ".{0,16}", 0..=12usize);
    let lacking = btree_set("[A-Z_]{5,9}", 0..=3usize);
    (key, certificate(), fields, lacking, any::<(u64, u64)>()).prop_map(
        |(key, certificate, fields, lacking, (defined, shown))| {
            let code = |name: &str| {
                let text = || Text::new(name).expect("short and without control characters");
                FieldDefinition::text(text(), Text::default(), false)
            };
            let named = subset(&fields, defined);
            Fields {
                // Not in the names' order.
                definition: named
                    .iter()
                    .rev()
                    .chain(&lacking)
                    .map(|name| code(name))
                    .collect(),
                shown: subset(&fields, shown),
                key,
                certificate,
                fields,
            }
        },
    )
}

/// The names whose bits are set, by place.
fn subset(fields: &BTreeMap<String, String>, bits: u64) -> BTreeSet<String> {
    let names = fields.keys().enumerate();
    names
        .filter(|(place, _)| bits >> (place % 64) & 1 == 1)
        .map(|(_, name)| name.clone())
        .collect()
}

pub(crate) fn disclosure() -> impl Strategy<Value = Disclosure> {
    fields_to_show().prop_map(|fields| fields.disclosure())
}

pub(crate) fn answer() -> impl Strategy<Value = Answer> {
    let not_taken = select(vec![
        NotTaken::Improper,
        NotTaken::Replayed,
        NotTaken::Unavailable,
        NotTaken::TooMany,
        NotTaken::NotRequired,
        NotTaken::Lost,
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
