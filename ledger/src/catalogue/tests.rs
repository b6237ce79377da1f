//! Rules and verdicts over the logs of two departments and a third without a role.

mod bundles;
mod decisions;
mod definitions;
mod divisions;
mod generations;
mod governed;
mod inherited;
mod later_versions;

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::codec::{Bounded, Text};
use crate::crypto::hash::{Hash, Purpose, hash};
use crate::crypto::keys::SigningKey;
use crate::disk::MemoryDisk;
use crate::genesis::Role;
use crate::genesis::testing::{department, network};
use crate::id::{Date, HolderKind, IssuerCode};
use crate::log::Writer;
use crate::record::{
    Action, DefinitionRef, FieldRoot, GrantMade, GrantWithdrawn, Grantee, MatterDefined, Misfit,
    Reason, Record, RecordHash, SharingClass, StatusChanged, Succession, SuccessionKind,
    TypeDefined, Validity,
};
use crate::verify::{Bundle, BundleError, Missing, NotValid, Question, Reader, Verdict, verify};

pub(super) const A: &str = "11430000006122244L";
pub(super) const B: &str = "11330105002500287C";
pub(super) const POWERLESS: &str = "11100000MB03271699";
pub(super) const TYPE: &str = "11100000000013338W011";
/// The authority of the type, no member: A defines its types.
pub(super) const AUTHORITY: &str = "11100000000013338W";

pub(super) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

fn define_role() -> Role {
    Role::Define(AUTHORITY.parse().unwrap())
}

pub(super) fn members() -> Membership {
    let member = |code, n, roles: &[Role]| department(code, key(n).public(), roles);
    let all = vec![
        member(A, 1, &[Role::Issue, define_role()]),
        member(B, 2, &[Role::Issue]),
        member(POWERLESS, 3, &[]),
    ];
    Membership::from_genesis(&network("test", all))
}

pub(super) fn catalogue(own: &str) -> Catalogue {
    let place = Place {
        disk: Arc::new(MemoryDisk::new()),
        data: PathBuf::from("/d"),
        segment_records: 8,
        index_key: crate::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
    };
    let opened = Catalogue::open(place, members(), own.parse().unwrap());
    let mut catalogue = opened.unwrap().catalogue;
    known_for_whole(&mut catalogue);
    catalogue
}

/// Takes what is held for all there is.
pub(super) fn known_for_whole(catalogue: &mut Catalogue) {
    catalogue.limit_age(FreshnessLimits::NONE);
    catalogue.set_own_log_whole(true);
}

/// A question that any time at this peer answers alike.
pub(super) fn question(on: Date) -> Question {
    Question { on, now_ms: 0 }
}

pub(super) fn writer(catalogue: &Catalogue, department: &str, n: u8) -> Writer {
    let id = LogId::first(department.parse().unwrap());
    Writer::new(catalogue.log(&id).unwrap(), key(n))
}

pub(super) fn id(issuer: &str, serial: &str) -> CertificateId {
    let issuer = IssuerCode::Department(issuer.parse().unwrap());
    CertificateId::new(TYPE.parse().unwrap(), issuer, serial, 1).unwrap()
}

pub(super) fn day(text: &str) -> Date {
    text.parse().unwrap()
}

pub(super) fn issue(id: &CertificateId, predecessor: Option<&CertificateId>) -> Entry {
    let named = predecessor.map(|id| (SuccessionKind::Amendment, vec![id.clone()]));
    issue_after(id, named)
}

pub(super) fn issue_after(
    id: &CertificateId,
    named: Option<(SuccessionKind, Vec<CertificateId>)>,
) -> Entry {
    Entry::CertificateIssued(CertificateIssued {
        id: id.clone(),
        subject: SubjectTag(hash(Purpose::Subject, b"s")),
        holder_kind: HolderKind::CreditCode,
        validity: Validity::new(day("2024-01-01"), Some(day("2024-12-31"))).unwrap(),
        sharing: SharingClass::Unconditional,
        definition: defined(),
        field_root: FieldRoot(Hash::ZERO),
        succession: named.map(|(kind, ids)| Succession::new(kind, ids).unwrap()),
    })
}

pub(super) fn change(id: &CertificateId, action: Action) -> Entry {
    let text = Text::new("because").unwrap();
    Entry::StatusChanged(StatusChanged {
        id: id.clone(),
        action,
        reason: Reason::Decision,
        text,
        inherited: None,
    })
}

/// The type, for every member with the role to issue.
pub(super) fn define() -> Entry {
    let name = Text::new("营业执照").unwrap();
    Entry::from(TypeDefined::new(TYPE.parse().unwrap(), name))
}

/// That definition as the first record of A's log, made at 1 ms.
pub(super) fn defined() -> DefinitionRef {
    let id = LogId::first(A.parse().unwrap());
    let network = members().network();
    let record = Record {
        seq: 0,
        prev: RecordHash::NONE,
        time_ms: 1,
        height: 0,
        key_epoch: 0,
        entry: define(),
    };
    DefinitionRef {
        log: id,
        seq: 0,
        hash: SignedRecord::sign(&LogName { network, id }, record, &key(1)).hash(),
    }
}

pub(super) fn verdict(catalogue: &Catalogue, id: &CertificateId, on: &str) -> Verdict {
    verify(catalogue, id, question(day(on))).unwrap().verdict
}

#[test]
fn every_rule_refuses_what_it_is_for_and_lets_the_rest_of_the_batch_through() {
    let catalogue = catalogue(A);
    let log = catalogue.log(&catalogue.own()).unwrap();
    let mut batch = Batch::new(&catalogue, &log);
    let (one, two, others) = (id(A, "1"), id(A, "2"), id(B, "1"));
    assert!(matches!(
        batch.check(&issue(&one, None)),
        Err(NotAllowed::UnknownType(_))
    ));
    // A definition counts once it is committed: its hash is not known before.
    batch.check(&define()).unwrap();
    assert!(matches!(
        batch.check(&issue(&one, None)),
        Err(NotAllowed::UnknownType(_))
    ));
    let mut writer = writer(&catalogue, A, 1);
    writer.append(1, vec![define()]).unwrap();
    let mut batch = Batch::new(&catalogue, &log);
    batch.check(&issue(&one, None)).unwrap();
    assert!(matches!(
        batch.check(&issue(&one, None)),
        Err(NotAllowed::DuplicateInRequest(_))
    ));
    assert!(matches!(
        batch.check(&issue(&others, None)),
        Err(NotAllowed::NotThisDepartment { .. })
    ));
    assert!(matches!(
        batch.check(&change(&two, Action::Revoke)),
        Err(NotAllowed::UnknownCertificate(_))
    ));
    assert!(matches!(
        batch.check(&change(&one, Action::Reinstate)),
        Err(NotAllowed::Impossible(_))
    ));
    batch.check(&change(&one, Action::Revoke)).unwrap();
    assert!(matches!(
        batch.check(&change(&one, Action::Suspend)),
        Err(NotAllowed::Impossible(_))
    ));
    assert!(matches!(
        batch.check(&issue(&two, Some(&one))),
        Err(NotAllowed::NotReplaceable(why))
            if matches!(why[..], [NotReplaceable::Status { status: Status::Revoked, .. }])
    ));
    assert!(matches!(
        batch.check(&issue(&two, Some(&two))),
        Err(NotAllowed::Misfits(why)) if why == [Misfit::Itself]
    ));
    batch.check(&issue(&two, None)).unwrap();

    writer.append(1, vec![issue(&one, None)]).unwrap();
    let mut batch = Batch::new(&catalogue, &log);
    assert!(matches!(
        batch.check(&issue(&one, None)),
        Err(NotAllowed::Duplicate { seq: 1, .. })
    ));
    assert!(batch.existing(&issue(&one, None)).unwrap().is_some());
    assert!(batch.existing(&issue(&one, Some(&two))).unwrap().is_none());
}

#[test]
fn a_department_changes_only_its_own_certificates_and_needs_its_roles() {
    let catalogue = catalogue(B);
    writer(&catalogue, A, 1)
        .append(1, vec![define(), issue(&id(A, "1"), None)])
        .unwrap();
    let log = catalogue.log(&catalogue.own()).unwrap();
    let mut batch = Batch::new(&catalogue, &log);
    assert!(matches!(
        batch.check(&change(&id(A, "1"), Action::Revoke)),
        Err(NotAllowed::OtherDepartment { .. })
    ));
    assert!(matches!(
        batch.check(&define()),
        Err(NotAllowed::NoRole {
            role: Role::Define(authority),
            ..
        }) if authority.as_str() == AUTHORITY
    ));
    batch.check(&issue(&id(B, "1"), None)).unwrap();
    let powerless = LogId::first(POWERLESS.parse().unwrap());
    let log = catalogue.log(&powerless).unwrap();
    let refused = Batch::new(&catalogue, &log).check(&issue(&id(POWERLESS, "1"), None));
    assert!(matches!(
        refused,
        Err(NotAllowed::NoRole {
            role: Role::Issue,
            ..
        })
    ));
}

#[test]
fn each_reason_has_its_verdict() {
    let catalogue = catalogue(A);
    let ids: Vec<_> = ["1", "2", "3", "4", "5", "6"]
        .map(|serial| id(A, serial))
        .into();
    let mut entries = vec![define()];
    entries.extend(ids[..5].iter().map(|id| issue(id, None)));
    entries.extend([
        change(&ids[1], Action::Suspend),
        change(&ids[2], Action::Revoke),
        change(&ids[3], Action::Cancel),
    ]);
    entries.push(issue(&ids[5], Some(&ids[4])));
    writer(&catalogue, A, 1).append(1, entries).unwrap();
    let on = "2024-06-01";
    assert_eq!(verdict(&catalogue, &ids[0], on), Verdict::Valid);
    assert_eq!(
        verdict(&catalogue, &ids[1], on),
        Verdict::NotValid(NotValid::Status(Status::Suspended))
    );
    assert_eq!(
        verdict(&catalogue, &ids[2], on),
        Verdict::NotValid(NotValid::Status(Status::Revoked))
    );
    assert_eq!(
        verdict(&catalogue, &ids[3], on),
        Verdict::NotValid(NotValid::Status(Status::Cancelled))
    );
    let by = Some(ids[5].clone());
    assert_eq!(
        verdict(&catalogue, &ids[4], on),
        Verdict::NotValid(NotValid::Superseded { by })
    );
    assert_eq!(verdict(&catalogue, &ids[5], "2024-12-31"), Verdict::Valid);
    assert!(matches!(
        verdict(&catalogue, &ids[0], "2025-01-01"),
        Verdict::NotValid(NotValid::Expired { .. })
    ));
    assert!(matches!(
        verdict(&catalogue, &ids[0], "2023-12-31"),
        Verdict::NotValid(NotValid::NotYetValid { .. })
    ));
    let expired_and_revoked = verdict(&catalogue, &ids[2], "2030-01-01");
    assert_eq!(
        expired_and_revoked,
        Verdict::NotValid(NotValid::Status(Status::Revoked))
    );
}

#[test]
fn what_is_not_known_is_never_valid_and_says_what_is_missing() {
    let catalogue = catalogue(A);
    let stranger = id("11100000000013338W", "1");
    assert!(
        matches!(&verdict(&catalogue, &stranger, "2024-06-01"), Verdict::Unknown(m) if matches!(m[..], [Missing::Issuer(_)]))
    );
    let absent = verdict(&catalogue, &id(A, "9"), "2024-06-01");
    assert!(
        matches!(&absent, Verdict::Unknown(m) if matches!(&m[..], [Missing::Record { logs }] if logs.len() == 1))
    );
}

#[test]
fn a_certificate_in_the_wrong_log_is_not_authorised_and_says_nothing_about_the_right_one() {
    let catalogue = catalogue(A);
    let outside = id("11100000000013338W", "1");
    let entries = vec![issue(&id(A, "1"), None), issue(&outside, None)];
    writer(&catalogue, B, 2).append(1, entries).unwrap();
    let not_authorised = |why| Verdict::NotValid(NotValid::IssuerNotAuthorised(why));
    assert_eq!(
        verdict(&catalogue, &outside, "2024-06-01"),
        not_authorised(NotAuthorised::NotNamed)
    );
    // A may have issued it: B's word is not taken for that.
    let unknown = verdict(&catalogue, &id(A, "1"), "2024-06-01");
    assert!(matches!(unknown, Verdict::Unknown(_)), "{unknown:?}");
    writer(&catalogue, POWERLESS, 3)
        .append(1, vec![issue(&id(POWERLESS, "1"), None)])
        .unwrap();
    assert_eq!(
        verdict(&catalogue, &id(POWERLESS, "1"), "2024-06-01"),
        not_authorised(NotAuthorised::NoRole)
    );
}

#[test]
fn in_a_forked_log_what_is_in_dispute_is_not_valid_and_what_came_before_is_unknown() {
    let ours = catalogue(A);
    let theirs = catalogue(A);
    for catalogue in [&ours, &theirs] {
        writer(catalogue, A, 1).append(1, vec![define()]).unwrap();
    }
    let same = vec![
        issue(&id(B, "1"), None),
        issue(&id(B, "2"), None),
        change(&id(B, "2"), Action::Revoke),
    ];
    writer(&ours, B, 2).append(1, same.clone()).unwrap();
    writer(&theirs, B, 2).append(1, same).unwrap();
    writer(&ours, B, 2)
        .append(2, vec![issue(&id(B, "3"), None)])
        .unwrap();
    writer(&theirs, B, 2)
        .append(2, vec![issue(&id(B, "4"), None)])
        .unwrap();
    let log = LogId::first(B.parse().unwrap());
    let record = |catalogue: &Catalogue| catalogue.log(&log).unwrap().record(3).unwrap();
    let evidence = ForkEvidence::records(log, &record(&ours), &record(&theirs));
    evidence.verify(ours.members()).unwrap();
    ours.freeze(&evidence).unwrap();
    let on = "2024-06-01";
    assert_eq!(
        verdict(&ours, &id(B, "3"), on),
        Verdict::NotValid(NotValid::LogForked { at: 3 })
    );
    assert_eq!(
        verdict(&ours, &id(B, "1"), on),
        Verdict::Unknown(vec![Missing::StatusSince { at: 3 }])
    );
    assert_eq!(
        verdict(&ours, &id(B, "2"), on),
        Verdict::NotValid(NotValid::Status(Status::Revoked))
    );
}

#[test]
fn a_bundle_says_offline_what_the_peer_says_and_survives_no_change() {
    let catalogue = catalogue(A);
    let ids: Vec<_> = ["1", "2", "3"].map(|serial| id(A, serial)).into();
    let mut entries = vec![define()];
    entries.extend(ids[..2].iter().map(|id| issue(id, None)));
    entries.push(issue(&ids[2], Some(&ids[1])));
    writer(&catalogue, A, 1).append(1, entries).unwrap();
    let reader = Reader {
        on: day("2024-06-01"),
        now_ms: 1,
        issuer_only: true,
    };
    for id in &ids {
        let bundle = Bundle::gather(&catalogue, id, |_| Vec::new())
            .unwrap()
            .unwrap();
        let bytes = bundle.to_bytes();
        let verified = Bundle::from_bytes(&bytes)
            .unwrap()
            .verify(&members())
            .unwrap();
        assert_eq!(
            verified.judge(&reader),
            Ok(verdict(&catalogue, id, "2024-06-01"))
        );
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let read = Bundle::from_bytes(&changed).and_then(|bundle| bundle.verify(&members()));
            assert!(read.is_err(), "byte {at} is not covered");
        }
    }
    assert!(
        Bundle::gather(&catalogue, &id(A, "9"), |_| Vec::new())
            .unwrap()
            .is_none()
    );
    assert_eq!(
        Bundle::from_bytes(b"something else").unwrap_err(),
        BundleError::NotABundle
    );
}

#[test]
fn searches_page_through_all_logs_without_losing_or_repeating() {
    let catalogue = catalogue(A);
    writer(&catalogue, A, 1).append(1, vec![define()]).unwrap();
    for n in 0..13 {
        let (department, key) = if n % 2 == 0 { (A, 1) } else { (B, 2) };
        writer(&catalogue, department, key)
            .append(1, vec![issue(&id(department, &n.to_string()), None)])
            .unwrap();
    }
    let tag = SubjectTag(hash(Purpose::Subject, b"s"));
    let mut found = Vec::new();
    let mut from = Cursor::default();
    loop {
        let page = catalogue.by_subject(&[tag], from, 3).unwrap();
        assert!(page.certificates.len() <= 3);
        found.extend(
            page.certificates
                .iter()
                .map(|state| state.certificate().id.clone()),
        );
        let Some(next) = page.next else { break };
        from = next;
    }
    assert_eq!(found.len(), 13);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 13);
    assert_eq!(
        catalogue
            .by_type(&TYPE.parse().unwrap(), Cursor::default(), 100)
            .unwrap()
            .certificates
            .len(),
        13
    );
    assert_eq!(
        catalogue
            .by_issuer(&B.parse().unwrap(), 0, 100)
            .unwrap()
            .certificates
            .len(),
        6
    );
}

#[test]
fn a_search_that_reads_as_much_as_it_may_and_finds_nothing_says_where_to_go_on() {
    let catalogue = catalogue(A);
    let mut at_a = writer(&catalogue, A, 1);
    at_a.append(1, vec![define()]).unwrap();
    // One certificate issued over and over: only the first record says something.
    let again = |_| issue(&id(A, "1"), None);
    at_a.append(1, (0..=2 * MAX_READ).map(again).collect())
        .unwrap();
    at_a.append(1, vec![issue(&id(A, "2"), None)]).unwrap();
    let (tag, code) = (
        SubjectTag(hash(Purpose::Subject, b"s")),
        TYPE.parse().unwrap(),
    );
    let all = |ask: &dyn Fn(Cursor) -> Found| {
        let mut pages = vec![ask(Cursor::default())];
        while let Some(next) = pages.last().and_then(|page| page.next) {
            pages.push(ask(next));
        }
        let found = |page: &Found| page.certificates.len();
        pages.iter().map(found).collect::<Vec<_>>()
    };
    let about = all(&|from| catalogue.by_subject(&[tag], from, 10).unwrap());
    let of_type = all(&|from| catalogue.by_type(&code, from, 10).unwrap());
    assert_eq!((&about[..], of_type), (&[1, 0, 1][..], about.clone()));
    let by_issuer = all(&|from| {
        catalogue
            .by_issuer(&A.parse().unwrap(), from.seq, 1_000)
            .unwrap()
    });
    assert_eq!(by_issuer.iter().sum::<usize>(), 2);
    assert!(by_issuer.contains(&0));
}

/// A's catalogue from a disk, whose segments take two records.
fn open_from(disk: &MemoryDisk) -> Catalogue {
    let place = Place {
        disk: Arc::new(disk.clone()),
        data: PathBuf::from("/d"),
        segment_records: 2,
        index_key: crate::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
    };
    let opened = Catalogue::open(place, members(), A.parse().unwrap()).unwrap();
    opened.catalogue
}

fn matter_named(name: &str) -> Entry {
    Entry::MatterDefined(MatterDefined {
        code: "M".parse().unwrap(),
        name: Text::new(name).unwrap(),
        parts: Bounded::default(),
    })
}

fn grant(to: &str) -> Entry {
    Entry::GrantMade(GrantMade {
        to: Grantee::Department(to.parse().unwrap()),
        type_code: TYPE.parse().unwrap(),
        matters: Bounded::default(),
        fields: Bounded::default(),
        until: None,
    })
}

fn withdraw(grant: u64) -> Entry {
    Entry::GrantWithdrawn(GrantWithdrawn { grant })
}

#[test]
fn a_grant_in_force_is_withdrawn_once_and_made_to_members_alone() {
    let catalogue = open_from(&MemoryDisk::new());
    let mut writer = writer(&catalogue, A, 1);
    let entries = vec![define(), matter_named("first"), grant(B)];
    writer.append(1, entries).unwrap();
    let mut batch = Batch::new(&catalogue, writer.log());
    assert!(
        batch
            .existing(&grant(B))
            .unwrap()
            .is_some_and(|record| record.record().seq == 2)
    );
    batch.check(&withdraw(2)).unwrap();
    for unknown in [2, 1] {
        assert!(matches!(
            batch.check(&withdraw(unknown)),
            Err(NotAllowed::UnknownGrant(seq)) if seq == unknown
        ));
    }
    let stranger = "11100000000013338W";
    assert!(matches!(
        batch.check(&grant(stranger)),
        Err(NotAllowed::NotAMember(_))
    ));
}

#[test]
fn definitions_and_grants_are_the_same_after_a_restart_and_a_grant_withdrawn_is_gone() {
    let disk = MemoryDisk::new();
    let before = open_from(&disk);
    let mut writer = writer(&before, A, 1);
    let made = vec![define(), matter_named("first"), grant(B), grant(POWERLESS)];
    writer.append(1, made).unwrap();
    let changed = vec![matter_named("second"), withdraw(2), withdraw(9)];
    writer.append(2, changed).unwrap();
    let reported = |catalogue: &Catalogue| {
        let definitions = catalogue.log(&catalogue.own()).unwrap().definitions();
        let matter = catalogue
            .matter(&A.parse().unwrap(), &"M".parse().unwrap())
            .unwrap()
            .unwrap();
        let held = &definitions.matters()[&matter.definition.code];
        assert_eq!(matter.version, held.count());
        let seqs: Vec<u64> = held.versions().iter().map(|version| version.seq).collect();
        let grants: Vec<u64> = definitions.grants(0).map(|(seq, _)| seq).collect();
        let types = catalogue.types_after(None, 9).len();
        (matter.definition.name.to_string(), seqs, grants, types)
    };
    let expected = ("second".to_owned(), vec![1, 4], vec![3], 1);
    assert_eq!(reported(&before), expected);
    drop((writer, before));
    assert_eq!(reported(&open_from(&disk)), expected);
}
