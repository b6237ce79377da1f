//! Any value of the types that are stored and sent.

#[path = "any_receipts.rs"]
mod receipts;

pub(crate) use receipts::{
    Fields, answer, case_file, disclosure, evidence_copy, fields_to_show, signed_retrieval,
};
use receipts::{acknowledged, blinded, case_accepted, decided};

use certmesh_ledger::codec::{Blob, Bounded, Text};
use certmesh_ledger::crypto::hash::{Hash, Purpose, hash};
use certmesh_ledger::crypto::keys::{CatalogueCommitment, Signature, SigningKey};
use certmesh_ledger::crypto::sealing::SealingSecret;
use certmesh_ledger::genesis::Role;
use certmesh_ledger::governance::engine::{Known, News, Question};
use certmesh_ledger::governance::{BlockId, ChainHead, EndReason, EpochEnd, Held, Position};
use certmesh_ledger::id::{
    CertificateId, Date, DepartmentCode, HolderKind, IssuerCode, MatterCode, TypeCode,
};
use certmesh_ledger::log::{
    Checkpoint, Cosignature, DefinitionEntry, ForkEvidence, KeptPage, MAX_PAGE, Page,
    SignedCheckpoint, StatusEntry,
};
use certmesh_ledger::merkle::{ConsistencyProof, InclusionProof};
use certmesh_ledger::names::{LogId, NetworkId};
use certmesh_ledger::record::{
    AccessLogRead, Action, CertificateErased, CertificateIssued, CodeItem, DefinitionRef, Entry,
    FieldData, FieldDefinition, FieldRoot, GrantMade, GrantWithdrawn, Grantee, Inherited,
    MAX_PREDECESSORS, MatterDefined, MatterRef, Record, RecordHash, RelatedItem, Requirement,
    SharingClass, Status, StatusChanged, SubMatter, SubjectTag, Succession, TypeDefined, Validity,
    ValidityRule,
};
use certmesh_ledger::retrieval::PieceRequest;
use certmesh_ledger::status_map::{StatusProof, Terminal};
use certmesh_ledger::sync::{
    Announcement, Head, Heads, Instance, Request, Response, StatedAddresses,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use zeroize::Zeroizing;

/// Numbers of every width the codec knows, and those at the edges between widths.
pub(crate) fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..=255u64,
        0..=70_000u64,
        any::<u32>().prop_map(u64::from),
        any::<u64>(),
        select(vec![
            250,
            251,
            65_535,
            65_536,
            u32::MAX.into(),
            1 << 32,
            1 << 62,
            u64::MAX
        ]),
    ]
}

pub(crate) fn any_hash() -> impl Strategy<Value = Hash> {
    prop_oneof![
        Just(Hash::ZERO),
        any::<[u8; 32]>().prop_map(Hash::from_bytes)
    ]
}

fn text<const N: usize>() -> impl Strategy<Value = Text<N>> {
    "[^\\p{Cc}]{0,20}".prop_map(|text| {
        let mut end = text.len().min(N);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Text::new(&text[..end]).expect("no control characters, cut to the bound")
    })
}

fn list<T: Clone + std::fmt::Debug, const N: usize>(
    element: impl Strategy<Value = T>,
    most: usize,
) -> impl Strategy<Value = Bounded<T, N>> {
    vec(element, 0..=most.min(N)).prop_map(Bounded::first)
}

pub(crate) fn department() -> impl Strategy<Value = DepartmentCode> {
    "[0-9A-HJ-NP-RTUWXY]{2}[0-9]{6}[0-9A-HJ-NP-RTUWXY]{9}"
        .prop_map(|body| DepartmentCode::from_body(&body).expect("of the alphabet"))
}

fn type_code() -> impl Strategy<Value = TypeCode> {
    (department(), 0..1000u16).prop_map(|(a, n)| TypeCode::new(&a, n).expect("three digits"))
}

pub(crate) fn certificate() -> impl Strategy<Value = CertificateId> {
    let issuer = prop_oneof![
        department().prop_map(IssuerCode::Department),
        department().prop_map(|code| IssuerCode::Division(code.division())),
    ];
    (type_code(), issuer, "[0-9A-Z]{1,40}", 0..1000u16).prop_map(
        |(code, issuer, serial, version)| {
            CertificateId::new(code, issuer, &serial, version).expect("within the rules")
        },
    )
}

fn date() -> impl Strategy<Value = Date> {
    (Date::MIN.days()..=Date::MAX.days()).prop_map(|days| Date::from_days(days).expect("a day"))
}

fn validity() -> impl Strategy<Value = Validity> {
    (date(), option::of(date())).prop_map(|(from, until)| {
        let until = until.map(|until| until.max(from));
        Validity::new(from, until).expect("in order")
    })
}

fn holder_kind() -> impl Strategy<Value = HolderKind> {
    select(HolderKind::ALL.to_vec())
}

fn sharing() -> impl Strategy<Value = SharingClass> {
    select(vec![
        SharingClass::Unconditional,
        SharingClass::Conditional,
        SharingClass::NotShared,
    ])
}

fn succession() -> impl Strategy<Value = Succession> {
    let one = select(vec!["renewal", "amendment", "split", "transfer"]);
    let (one, several) = (
        (one, vec(certificate(), 1)),
        (Just("merge"), vec(certificate(), 2..=MAX_PREDECESSORS)),
    );
    prop_oneof![one, several].prop_filter_map("each once", |(kind, predecessors)| {
        Succession::new(kind.parse().expect("a kind"), predecessors).ok()
    })
}

fn issued() -> impl Strategy<Value = CertificateIssued> {
    (
        (certificate(), any_hash(), holder_kind()),
        (validity(), sharing(), definition_ref()),
        (any_hash(), option::of(succession())),
    )
        .prop_map(
            |((id, subject, holder_kind), (validity, sharing, definition), (root, succession))| {
                CertificateIssued {
                    id,
                    subject: SubjectTag(subject),
                    holder_kind,
                    validity,
                    sharing,
                    definition,
                    field_root: FieldRoot(root),
                    succession,
                }
            },
        )
}

fn definition_ref() -> impl Strategy<Value = DefinitionRef> {
    (log_id(), number(), any_hash()).prop_map(|(log, seq, hash)| DefinitionRef {
        log,
        seq,
        hash: RecordHash(hash),
    })
}

fn changed() -> impl Strategy<Value = StatusChanged> {
    let action = prop_oneof![
        select(vec![
            Action::Suspend,
            Action::Reinstate,
            Action::Revoke,
            Action::Cancel,
            Action::Withdraw,
            Action::Lapse,
        ]),
        department().prop_map(Action::TransferOut),
    ];
    let reason = select(vec!["01", "02", "03", "04", "05", "06", "07", "99"]);
    let parts = (
        certificate(),
        action,
        reason,
        text(),
        option::of(inherited()),
    );
    parts.prop_map(|(id, action, reason, text, inherited)| StatusChanged {
        id,
        action,
        reason: reason.parse().expect("a reason"),
        text,
        inherited,
    })
}

fn inherited() -> impl Strategy<Value = Inherited> {
    let from = select(vec![
        Status::Valid,
        Status::Suspended,
        Status::Withdrawn,
        Status::Superseded,
    ]);
    (department(), from).prop_map(|(department, from)| Inherited { department, from })
}

fn defined() -> impl Strategy<Value = TypeDefined> {
    let item = (text(), text()).prop_map(|(code, name)| CodeItem { code, name });
    let data = prop_oneof![
        (option::of(any::<u16>()), option::of(text()))
            .prop_map(|(max, pattern)| FieldData::Text { max, pattern }),
        Just(FieldData::Integer),
        Just(FieldData::Decimal),
        Just(FieldData::Date),
        list(item, 4).prop_map(FieldData::Code),
    ];
    let field = (text(), text(), any::<bool>(), any::<bool>(), data).prop_map(
        |(code, name, required, personal, data)| FieldDefinition {
            code,
            name,
            required,
            personal,
            data,
        },
    );
    let validity = prop_oneof![
        Just(ValidityRule::Any),
        Just(ValidityRule::LongTerm),
        any::<u16>().prop_map(ValidityRule::Days),
        any::<u16>().prop_map(ValidityRule::Months),
        any::<u16>().prop_map(ValidityRule::Years),
    ];
    let names = (text(), text(), text(), text());
    let item = option::of((text(), text()).prop_map(|(code, name)| RelatedItem { code, name }));
    let who = (list(holder_kind(), 3), list(department(), 3));
    (
        type_code(),
        names,
        item,
        who,
        sharing(),
        validity,
        list(field, 5),
    )
        .prop_map(
            |(code, names, item, (holder_kinds, issuers), sharing, validity, fields)| TypeDefined {
                code,
                name: names.0,
                authority_name: names.1,
                authority_level: names.2,
                issuing_level: names.3,
                item,
                holder_kinds,
                sharing,
                validity,
                issuers,
                fields,
            },
        )
}

fn matter_code() -> impl Strategy<Value = MatterCode> {
    "[A-Za-z0-9._-]{1,64}".prop_map(|code| code.parse().expect("a matter's code"))
}

fn matter_ref() -> impl Strategy<Value = MatterRef> {
    (department(), matter_code(), matter_code()).prop_map(|(department, matter, part)| MatterRef {
        department,
        matter,
        part,
    })
}

fn matter_defined() -> impl Strategy<Value = MatterDefined> {
    let requirement = (list(type_code(), 3), list(text(), 3))
        .prop_map(|(types, fields)| Requirement { types, fields });
    let part = (matter_code(), text(), list(requirement, 3)).prop_map(|(code, name, requires)| {
        SubMatter {
            code,
            name,
            requires,
        }
    });
    (matter_code(), text(), list(part, 3)).prop_map(|(code, name, parts)| MatterDefined {
        code,
        name,
        parts,
    })
}

fn grant_made() -> impl Strategy<Value = GrantMade> {
    let to = prop_oneof![
        department().prop_map(Grantee::Department),
        Just(Grantee::Role(Role::Issue)),
        department().prop_map(|authority| Grantee::Role(Role::Define(authority))),
    ];
    let matters = list(matter_ref(), 3);
    (
        to,
        type_code(),
        matters,
        list(text(), 3),
        option::of(date()),
    )
        .prop_map(|(to, type_code, matters, fields, until)| GrantMade {
            to,
            type_code,
            matters,
            fields,
            until,
        })
}

pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        issued().prop_map(Entry::CertificateIssued),
        changed().prop_map(Entry::StatusChanged),
        defined().prop_map(Entry::from),
        matter_defined().prop_map(Entry::MatterDefined),
        grant_made().prop_map(Entry::GrantMade),
        (certificate(), text())
            .prop_map(|(id, text)| Entry::CertificateErased(CertificateErased { id, text })),
        number().prop_map(|grant| Entry::GrantWithdrawn(GrantWithdrawn { grant })),
        decided().prop_map(Entry::from),
        acknowledged().prop_map(Entry::from),
        case_accepted().prop_map(Entry::CaseAccepted),
        blinded().prop_map(|subject| Entry::AccessLogRead(AccessLogRead { subject })),
        // Of a later version; of a known kind few contents are any.
        (any::<u32>(), vec(any::<u8>(), 0..300))
            .prop_map(|(kind, content)| Entry::read(kind, &content)),
        (0..11u32, vec(any::<u8>(), 0..300))
            .prop_map(|(kind, content)| Entry::read(kind, &content)),
    ]
}

pub(crate) fn record() -> impl Strategy<Value = Record> {
    (number(), any_hash(), number(), entry()).prop_map(|(seq, prev, time_ms, entry)| Record {
        seq,
        prev: RecordHash(prev),
        time_ms,
        height: 0,
        key_epoch: 0,
        entry,
    })
}

pub(crate) fn definition_entry() -> impl Strategy<Value = DefinitionEntry> {
    (number(), any::<u32>(), any_hash()).prop_map(|(seq, versions, chain)| DefinitionEntry {
        seq,
        versions,
        chain,
    })
}

pub(crate) fn status_entry() -> impl Strategy<Value = StatusEntry> {
    let status = select(vec![Status::Suspended, Status::Revoked, Status::Superseded]);
    (status, number()).prop_map(|(status, seq)| StatusEntry { status, seq })
}

pub(crate) fn signature() -> impl Strategy<Value = Signature> {
    any::<u64>().prop_map(|seed| {
        let half = hash(Purpose::File, &seed.to_le_bytes());
        let mut bytes = [1; 65];
        bytes[1..33].copy_from_slice(half.as_bytes());
        bytes[33..].copy_from_slice(half.as_bytes());
        Signature::from_bytes(&bytes).expect("algorithm 1")
    })
}

pub(crate) fn log_id() -> impl Strategy<Value = LogId> {
    (department(), prop_oneof![Just(0), any::<u32>()]).prop_map(|(department, generation)| LogId {
        department,
        generation,
    })
}

pub(crate) fn checkpoint() -> impl Strategy<Value = SignedCheckpoint> {
    (
        (log_id(), number(), any_hash(), any_hash()),
        (any_hash(), number(), number(), any::<u32>(), signature()),
    )
        .prop_map(
            |((log, size, root, head), (status_root, time_ms, height, key_epoch, signature))| {
                SignedCheckpoint {
                    checkpoint: Checkpoint {
                        log,
                        size,
                        root,
                        head: RecordHash(head),
                        status_root,
                        time_ms,
                        height,
                        key_epoch,
                    },
                    signature,
                }
            },
        )
}

pub(crate) fn cosignature() -> impl Strategy<Value = Cosignature> {
    let governance = (number(), any_hash()).prop_map(|(height, block)| ChainHead {
        height,
        block: BlockId(block),
    });
    (
        department(),
        any::<u32>(),
        governance,
        number(),
        signature(),
    )
        .prop_map(
            |(witness, key_epoch, governance, time_ms, signature)| Cosignature {
                witness,
                key_epoch,
                governance,
                time_ms,
                signature,
            },
        )
}

fn blob<const N: usize>() -> impl Strategy<Value = Blob<N>> {
    vec(any::<u8>(), 0..400).prop_map(|bytes| Blob::new(bytes).expect("within the bound"))
}

pub(crate) fn page() -> impl Strategy<Value = Page> {
    let ranges = (list(any_hash(), 64), list(any_hash(), 5));
    (checkpoint(), number(), ranges, blob::<MAX_PAGE>()).prop_map(
        |(checkpoint, from, (left, right), frames)| Page {
            checkpoint,
            from,
            left,
            right,
            frames,
        },
    )
}

pub(crate) fn evidence() -> impl Strategy<Value = ForkEvidence> {
    prop_oneof![
        (log_id(), blob(), blob(), number()).prop_map(|(log, one, other, seq)| {
            ForkEvidence::Records {
                log,
                one,
                other,
                seq,
            }
        }),
        (checkpoint(), checkpoint(), number())
            .prop_map(|(one, other, shared)| { ForkEvidence::Checkpoints { one, other, shared } }),
    ]
}

pub(crate) fn inclusion() -> impl Strategy<Value = InclusionProof> {
    (number(), number(), vec(any_hash(), 0..=64)).prop_map(|(index, size, path)| InclusionProof {
        index,
        size,
        path,
    })
}

pub(crate) fn consistency() -> impl Strategy<Value = ConsistencyProof> {
    (number(), number(), vec(any_hash(), 0..=64)).prop_map(|(old, new, path)| ConsistencyProof {
        old,
        new,
        path,
    })
}

pub(crate) fn status_proof() -> impl Strategy<Value = StatusProof> {
    let terminal = prop_oneof![
        Just(Terminal::Empty),
        (any_hash(), any_hash()).prop_map(|(key, value)| Terminal::Leaf { key, value }),
    ];
    (vec(any_hash(), 0..=256), terminal)
        .prop_map(|(siblings, terminal)| StatusProof { siblings, terminal })
}

pub(crate) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        any::<u64>().prop_map(|n| Request::Heads {
            instance: Instance(n)
        }),
        (log_id(), number(), any::<u32>()).prop_map(|(log, from, max_bytes)| Request::Page {
            log,
            from,
            max_bytes
        }),
        log_id().prop_map(|log| Request::Evidence { log }),
        signed_retrieval().prop_map(|request| Request::Retrieve(Box::new(request))),
        (signed_retrieval(), "[a-z]{1,20}", number()).prop_map(|(request, name, from)| {
            let name = name.parse().expect("a name");
            Request::Piece(Box::new(PieceRequest {
                request,
                name,
                from,
            }))
        }),
        number().prop_map(|from| Request::Governance(Question::Blocks { from })),
        Just(Request::Governance(Question::Pending)),
        (log_id(), number(), any_hash(), any::<u32>()).prop_map(|(log, size, root, epoch)| {
            let position = Position { log, size, root };
            let why = EndReason::Rotated;
            Request::WitnessEnd(Box::new(EpochEnd {
                position,
                epoch,
                why,
            }))
        }),
        any_hash().prop_map(|hash| Request::CatalogueKey(CatalogueCommitment(hash))),
        Just(Request::Addresses),
        (log_id(), number()).prop_map(|(log, number)| Request::LogHeld { log, number }),
    ]
}

fn known() -> impl Strategy<Value = Known> {
    (any::<u64>(), any_hash(), any::<u64>()).prop_map(|(height, head, pending)| Known {
        height,
        head: BlockId(head),
        pending,
    })
}

fn sealed((to, secret, random): ([u8; 32], [u8; 32], [u8; 32])) -> Response {
    let to = SealingSecret::from_seed(&to).public();
    Response::CatalogueKey(Box::new(to.seal(b"any", &secret, Zeroizing::new(random))))
}

fn stated_addresses() -> impl Strategy<Value = StatedAddresses> {
    let address = "/(ip4/192\\.0\\.2\\.[1-9]|dns4/[a-z]{1,60})/tcp/[1-9][0-9]{0,3}";
    let address = address.prop_map(|text| Text::new(text).expect("a valid text"));
    (department(), number(), vec(address, 0..=8)).prop_map(|(code, number, addresses)| {
        let network = NetworkId(Hash::ZERO);
        let key = SigningKey::from_seed(&[1; 32]);
        StatedAddresses::sign(network, code, number, addresses, &key).expect("within the bounds")
    })
}

pub(crate) fn response() -> impl Strategy<Value = Response> {
    let head =
        (checkpoint(), option::of(cosignature())).prop_map(|(checkpoint, cosignature)| Head {
            checkpoint,
            cosignature,
        });
    let heads = (
        list(head, 5),
        list(log_id(), 5),
        any::<u64>(),
        any::<u64>(),
        any::<bool>(),
        known(),
        any::<u64>(),
    )
        .prop_map(
            |(heads, forked, instance, time_ms, rival, governance, addresses)| Heads {
                heads,
                forked,
                instance: Instance(instance),
                time_ms,
                rival,
                governance,
                addresses,
            },
        );
    prop_oneof![
        heads.prop_map(Response::Heads),
        page().prop_map(Response::Page),
        (log_id(), page()).prop_map(|(log, page)| {
            Response::Kept(KeptPage {
                log,
                from: page.from,
                left: page.left,
                right: page.right,
                frames: page.frames,
            })
        }),
        evidence().prop_map(Response::Evidence),
        Just(Response::NotHeld),
        answer().prop_map(|answer| Response::Answer(Box::new(answer))),
        vec(any::<u8>(), 0..300)
            .prop_map(|bytes| Response::Piece(Blob::new(bytes).expect("within the bound"))),
        (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(sealed),
        list(stated_addresses(), 5).prop_map(Response::Addresses),
        (log_id(), number(), option::of(checkpoint()), department()).prop_map(
            |(log, number, checkpoint, by)| {
                let (network, key) = (NetworkId(Hash::ZERO), SigningKey::from_seed(&[1; 32]));
                let held = Held::sign(network, log, number, checkpoint, by, &key);
                Response::LogHeld(Box::new(held))
            }
        ),
    ]
}

pub(crate) fn announcement() -> impl Strategy<Value = Announcement> {
    prop_oneof![
        page().prop_map(Announcement::Head),
        evidence().prop_map(Announcement::Fork),
        (any::<u64>(), number(), any_hash()).prop_map(|(again, height, block)| {
            let block = BlockId(block);
            let news = News::Final {
                again,
                height,
                block,
            };
            Announcement::Governance(Box::new(news))
        }),
    ]
}
