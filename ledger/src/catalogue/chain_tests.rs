//! Renewed, merged, split, transferred: what may follow what, what a verdict names, and the chain of it all.

use super::super::tests::{
    A, B, POWERLESS, TYPE, catalogue, change, day, define, issue, issue_after, question, verdict,
    writer,
};
use super::super::{Batch, NotAllowed, NotReplaceable};
use super::*;
use crate::log::{BrokenRule, Stopped, Writer};
use crate::record::{Action, Misfit};
use crate::verify::{NotValid, Verdict, verify};

const ON: &str = "2024-06-01";

fn id(issuer: &str, serial: &str, version: u16) -> CertificateId {
    let issuer: crate::id::DepartmentCode = issuer.parse().unwrap();
    CertificateId::new(TYPE.parse().unwrap(), issuer.into(), serial, version).unwrap()
}

fn after(id: &CertificateId, kind: SuccessionKind, of: &[&CertificateId]) -> Entry {
    let predecessors = of.iter().map(|id| (*id).clone()).collect();
    issue_after(id, Some((kind, predecessors)))
}

fn transfer(id: &CertificateId, of: &CertificateId) -> Entry {
    after(id, SuccessionKind::Transfer, &[of])
}

fn amend(id: &CertificateId, of: &CertificateId) -> Entry {
    after(id, SuccessionKind::Amendment, &[of])
}

/// For a department to take over.
fn let_go(id: &CertificateId, to: &str) -> Entry {
    change(id, Action::TransferOut(to.parse().unwrap()))
}

/// Why the entry may not be appended to the catalogue's own log.
fn refused(catalogue: &Catalogue, entry: &Entry) -> Vec<NotReplaceable> {
    let log = catalogue.log(&catalogue.own()).unwrap();
    match Batch::new(catalogue, &log).check(entry) {
        Err(NotAllowed::NotReplaceable(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn allowed(catalogue: &Catalogue, entry: &Entry) {
    let log = catalogue.log(&catalogue.own()).unwrap();
    Batch::new(catalogue, &log).check(entry).unwrap();
}

fn successors(catalogue: &Catalogue, of: &CertificateId) -> Vec<CertificateId> {
    let found = verify(catalogue, of, question(day(ON))).unwrap();
    let ids = found.successors.into_iter().map(|next| next.id);
    ids.collect()
}

fn members_of(chain: &Chain) -> Vec<CertificateId> {
    chain.lives.iter().map(|life| life.id.clone()).collect()
}

/// A catalogue in which A issued number 1, whose days are over by 2031, and numbers 2, since revoked, and 3, since
/// suspended.
fn issued_revoked_suspended() -> (Catalogue, Writer) {
    let catalogue = catalogue(A);
    let [first, revoked, suspended] = ["1", "2", "3"].map(|serial| id(A, serial, 1));
    let mut writer = writer(&catalogue, A, 1);
    let entries = vec![
        define(),
        issue(&first, None),
        issue(&revoked, None),
        issue(&suspended, None),
        change(&revoked, Action::Revoke),
        change(&suspended, Action::Suspend),
    ];
    writer.append(1, entries).unwrap();
    (catalogue, writer)
}

#[test]
fn a_renewal_takes_the_next_version_of_what_is_valid_expired_or_not() {
    let (catalogue, _) = issued_revoked_suspended();
    let [first, second, third] = [1, 2, 3].map(|version| id(A, "1", version));
    // Its days are over; that is the calendar's word, not a status.
    assert!(matches!(
        verdict(&catalogue, &first, "2031-01-01"),
        Verdict::NotValid(NotValid::Expired { .. })
    ));
    let renewal = after(&second, SuccessionKind::Renewal, &[&first]);
    allowed(&catalogue, &renewal);
    for (serial, status) in [("2", Status::Revoked), ("3", Status::Suspended)] {
        let (of, next) = (id(A, serial, 1), id(A, serial, 2));
        let why = refused(&catalogue, &after(&next, SuccessionKind::Renewal, &[&of]));
        assert_eq!(why, [NotReplaceable::Status { id: of, status }]);
    }
    let log = catalogue.log(&catalogue.own()).unwrap();
    let mut batch = Batch::new(&catalogue, &log);
    assert!(matches!(
        batch.check(&after(&third, SuccessionKind::Renewal, &[&first])),
        Err(NotAllowed::Misfits(why)) if matches!(why[..], [Misfit::Version { found: 3, .. }])
    ));
    // What was refused left no trace; what was accepted counts for the rest of the batch.
    batch.check(&renewal).unwrap();
    let amended = after(&third, SuccessionKind::Amendment, &[&second]);
    batch.check(&amended).unwrap();
    let again = after(&id(A, "9", 1), SuccessionKind::Renewal, &[&first]);
    assert!(matches!(
        batch.check(&again),
        Err(NotAllowed::NotReplaceable(_))
    ));
}

#[test]
fn what_was_renewed_and_amended_is_superseded_and_one_chain_from_wherever_it_is_asked() {
    let (catalogue, mut writer) = issued_revoked_suspended();
    let [first, second, third] = [1, 2, 3].map(|version| id(A, "1", version));
    let renewal = after(&second, SuccessionKind::Renewal, &[&first]);
    let amended = after(&third, SuccessionKind::Amendment, &[&second]);
    writer.append(2, vec![renewal, amended]).unwrap();
    let by = Some(second.clone());
    assert_eq!(
        verdict(&catalogue, &first, ON),
        Verdict::NotValid(NotValid::Superseded { by })
    );
    assert_eq!(
        successors(&catalogue, &first),
        std::slice::from_ref(&second)
    );
    assert_eq!(verdict(&catalogue, &third, ON), Verdict::Valid);
    for asked in [&first, &second, &third] {
        let chain = catalogue.chain(asked).unwrap();
        let mut members = members_of(&chain);
        assert_eq!(&members[0], asked);
        members.sort();
        assert_eq!(members, [first.clone(), second.clone(), third.clone()]);
        assert!(!chain.cut);
    }
}

#[test]
fn a_merge_replaces_all_or_nothing_and_reports_every_fault() {
    let catalogue = catalogue(A);
    let ids = ["1", "2", "3"].map(|serial| id(A, serial, 1));
    let mut writer = writer(&catalogue, A, 1);
    let mut entries = vec![define()];
    entries.extend(ids.iter().map(|id| issue(id, None)));
    entries.push(change(&ids[2], Action::Cancel));
    writer.append(1, entries).unwrap();
    let (new, unknown) = (id(A, "4", 1), id(A, "5", 1));
    let all = [&ids[0], &ids[1], &ids[2], &unknown];
    let why = refused(&catalogue, &after(&new, SuccessionKind::Merge, &all));
    let expected = [
        NotReplaceable::Status {
            id: ids[2].clone(),
            status: Status::Cancelled,
        },
        NotReplaceable::Unknown(unknown),
    ];
    assert_eq!(why, expected);
    let merge = after(&new, SuccessionKind::Merge, &[&ids[0], &ids[1]]);
    allowed(&catalogue, &merge);
    writer.append(2, vec![merge]).unwrap();
    for old in &ids[..2] {
        assert_eq!(successors(&catalogue, old), std::slice::from_ref(&new));
    }
    let chain = catalogue.chain(&ids[0]).unwrap();
    assert_eq!(
        members_of(&chain),
        [ids[0].clone(), new.clone(), ids[1].clone()]
    );
}

#[test]
fn the_parts_of_a_split_name_one_certificate_and_nothing_else_does() {
    let catalogue = catalogue(A);
    let (whole, other) = (id(A, "1", 1), id(A, "9", 1));
    let parts = ["2", "3", "4"].map(|serial| id(A, serial, 1));
    let mut writer = writer(&catalogue, A, 1);
    let entries = vec![define(), issue(&whole, None), issue(&other, None)];
    writer.append(1, entries).unwrap();
    let split = |part| after(part, SuccessionKind::Split, &[&whole]);
    let log = catalogue.log(&catalogue.own()).unwrap();
    let mut batch = Batch::new(&catalogue, &log);
    batch.check(&split(&parts[0])).unwrap();
    batch.check(&split(&parts[1])).unwrap();
    writer
        .append(2, vec![split(&parts[0]), split(&parts[1])])
        .unwrap();
    // A part that comes later, too.
    allowed(&catalogue, &split(&parts[2]));
    writer.append(3, vec![split(&parts[2])]).unwrap();
    let late = after(&id(A, "1", 2), SuccessionKind::Renewal, &[&whole]);
    let superseded = [NotReplaceable::Status {
        id: whole.clone(),
        status: Status::Superseded,
    }];
    assert_eq!(refused(&catalogue, &late), superseded);
    assert_eq!(successors(&catalogue, &whole), parts);
    for part in &parts {
        assert_eq!(verdict(&catalogue, part, ON), Verdict::Valid);
    }
    // One that was renewed is not split any more.
    let renewal = after(&id(A, "9", 2), SuccessionKind::Renewal, &[&other]);
    writer.append(4, vec![renewal]).unwrap();
    let split = after(&id(A, "8", 1), SuccessionKind::Split, &[&other]);
    let superseded = [NotReplaceable::Status {
        id: other,
        status: Status::Superseded,
    }];
    assert_eq!(refused(&catalogue, &split), superseded);
}

/// What A issued, what B issued, and writers of both logs; the catalogue is B's.
struct BetweenTwo {
    catalogue: Catalogue,
    of_a: CertificateId,
    of_b: CertificateId,
    at_a: Writer,
    at_b: Writer,
}

fn issued_by_two() -> BetweenTwo {
    let catalogue = catalogue(B);
    let (of_a, of_b) = (id(A, "1", 1), id(B, "7", 1));
    let mut at_a = writer(&catalogue, A, 1);
    let mut at_b = writer(&catalogue, B, 2);
    at_a.append(1, vec![define(), issue(&of_a, None)]).unwrap();
    at_b.append(1, vec![issue(&of_b, None)]).unwrap();
    BetweenTwo {
        catalogue,
        of_a,
        of_b,
        at_a,
        at_b,
    }
}

#[test]
fn only_a_transfer_takes_over_another_department_s_certificate_and_only_once_it_was_let_go() {
    let two = issued_by_two();
    let (new, a) = (id(B, "1", 1), A.parse().unwrap());
    let still = NotReplaceable::NotTransferredOut {
        id: two.of_a.clone(),
        status: Status::Valid,
        department: a,
    };
    let outside = id("11100000000013338W", "1", 1);
    let never = id(A, "3", 1);
    for (of, why) in [
        (&two.of_a, still),
        (&two.of_b, NotReplaceable::OwnTransfer(two.of_b.clone())),
        (&outside, NotReplaceable::Outside(outside.clone())),
        (&never, NotReplaceable::Unknown(never.clone())),
    ] {
        assert_eq!(refused(&two.catalogue, &transfer(&new, of)), [why]);
    }
    let elsewhere = NotReplaceable::Elsewhere {
        id: two.of_a.clone(),
        department: a,
    };
    let renewal = after(&new, SuccessionKind::Renewal, &[&two.of_a]);
    assert_eq!(refused(&two.catalogue, &renewal), [elsewhere]);
}

#[test]
fn a_transfer_takes_over_what_its_department_let_go_once() {
    let mut two = issued_by_two();
    let (catalogue, old) = (&two.catalogue, &two.of_a);
    let (new, again) = (id(B, "1", 1), id(B, "2", 1));
    two.at_a.append(2, vec![let_go(old, B)]).unwrap();
    assert_eq!(successors(catalogue, old), []);
    let log = catalogue.log(&catalogue.own()).unwrap();
    let mut batch = Batch::new(catalogue, &log);
    batch.check(&transfer(&new, old)).unwrap();
    let taken = |why: Result<(), NotAllowed>| match why {
        Err(NotAllowed::NotReplaceable(why)) => {
            let (id, by) = (old.clone(), new.clone());
            assert_eq!(why, [NotReplaceable::TakenOver { id, by }]);
        }
        other => panic!("{other:?}"),
    };
    taken(batch.check(&transfer(&again, old)));
    two.at_b.append(2, vec![transfer(&new, old)]).unwrap();
    taken(Batch::new(catalogue, &log).check(&transfer(&again, old)));

    let out = Verdict::NotValid(NotValid::Status(Status::TransferredOut));
    assert_eq!(verdict(catalogue, old, ON), out);
    assert_eq!(verdict(catalogue, &new, ON), Verdict::Valid);
    let found = verify(catalogue, old, question(day(ON))).unwrap();
    let [next] = &found.successors[..] else {
        panic!("{found:?}")
    };
    assert_eq!((&next.id, next.log), (&new, catalogue.own()));
    for asked in [old, &new] {
        let mut members = members_of(&catalogue.chain(asked).unwrap());
        members.sort();
        let mut both = [old.clone(), new.clone()];
        both.sort();
        assert_eq!(members, both);
    }
}

#[test]
fn only_the_receiver_that_its_department_named_takes_a_certificate_over() {
    let catalogue = catalogue(B);
    let (old, new, theirs) = (id(A, "1", 1), id(B, "1", 1), id(A, "7", 1));
    let mut at_a = writer(&catalogue, A, 1);
    let mut at_b = writer(&catalogue, B, 2);
    let entries = vec![define(), issue(&old, None), let_go(&old, POWERLESS)];
    at_a.append(1, entries).unwrap();
    let to = POWERLESS.parse().unwrap();
    let other = [NotReplaceable::OtherReceiver {
        id: old.clone(),
        to,
    }];
    assert_eq!(refused(&catalogue, &transfer(&new, &old)), other);
    // What it writes nevertheless takes the place of nothing, and the chain doesn't lead to it.
    at_b.append(2, vec![transfer(&new, &old)]).unwrap();
    assert_eq!(successors(&catalogue, &old), []);
    let alone = catalogue.chain(&old).unwrap();
    assert_eq!(members_of(&alone), std::slice::from_ref(&old));
    let state = catalogue.certificate(&old).unwrap().unwrap();
    assert_eq!(catalogue.receiver(&state).unwrap(), Some(to));
    // Nor does another let go what is not its own, nor anybody to itself.
    at_b.append(3, vec![let_go(&theirs, B)]).unwrap();
    at_a.append(3, vec![issue(&theirs, None)]).unwrap();
    assert_eq!(verdict(&catalogue, &theirs, ON), Verdict::Valid);
    let state = catalogue.certificate(&theirs).unwrap().unwrap();
    assert_eq!(catalogue.receiver(&state).unwrap(), None);
    let own = catalogue.log(&catalogue.own()).unwrap();
    let to_itself = Batch::new(&catalogue, &own).check(&let_go(&new, B));
    assert!(matches!(to_itself, Err(NotAllowed::OwnReceiver)));
}

#[test]
fn what_is_in_dispute_is_not_taken_over() {
    for (at, disputed) in [(2, true), (3, false)] {
        let catalogue = catalogue(B);
        let (old, new) = (id(A, "1", 1), id(B, "1", 1));
        let out = let_go(&old, B);
        let mut writer = writer(&catalogue, A, 1);
        writer
            .append(1, vec![define(), issue(&old, None), out])
            .unwrap();
        let log = catalogue.log(&LogId::first(A.parse().unwrap())).unwrap();
        log.stop(Stopped::Broken(BrokenRule::Prev { seq: at }));
        if disputed {
            let department = A.parse().unwrap();
            let why = refused(&catalogue, &transfer(&new, &old));
            assert_eq!(
                why,
                [NotReplaceable::Disputed {
                    id: old,
                    department
                }]
            );
        } else {
            allowed(&catalogue, &transfer(&new, &old));
        }
    }
}

#[test]
fn what_a_department_says_of_another_s_certificate_replaces_nothing() {
    let catalogue = catalogue(A);
    let (valid, gone, to_b) = (id(A, "1", 1), id(A, "2", 1), id(A, "3", 1));
    let mut at_a = writer(&catalogue, A, 1);
    let entries = vec![
        define(),
        issue(&valid, None),
        issue(&gone, None),
        issue(&to_b, None),
        let_go(&gone, POWERLESS),
        let_go(&to_b, B),
    ];
    at_a.append(1, entries).unwrap();
    let mut at_b = writer(&catalogue, B, 2);
    let kinds = [
        SuccessionKind::Renewal,
        SuccessionKind::Split,
        SuccessionKind::Transfer,
    ];
    for (kind, n) in kinds.into_iter().zip(1..) {
        let mine = id(B, &n.to_string(), 1);
        at_b.append(n, vec![after(&mine, kind, &[&valid])]).unwrap();
    }
    assert_eq!(verdict(&catalogue, &valid, ON), Verdict::Valid);
    assert_eq!(successors(&catalogue, &valid), []);
    let alone = catalogue.chain(&valid).unwrap();
    assert_eq!(members_of(&alone), std::slice::from_ref(&valid));
    // Nor does a department without the role take anything over, nor one in another's name.
    let mut powerless = writer(&catalogue, POWERLESS, 3);
    let theirs = id(POWERLESS, "1", 1);
    let not_b_s = id(A, "5", 1);
    powerless.append(1, vec![transfer(&theirs, &gone)]).unwrap();
    at_b.append(9, vec![transfer(&not_b_s, &to_b)]).unwrap();
    assert_eq!(successors(&catalogue, &gone), []);
    assert_eq!(successors(&catalogue, &to_b), []);
}

#[test]
fn a_chain_that_leads_round_in_a_circle_ends_and_a_long_one_is_cut() {
    let catalogue = catalogue(A);
    let (one, two) = (id(A, "1", 1), id(A, "2", 1));
    let mut writer = writer(&catalogue, A, 1);
    writer
        .append(1, vec![amend(&one, &two), amend(&two, &one)])
        .unwrap();
    let chain = catalogue.chain(&one).unwrap();
    assert_eq!(members_of(&chain), [one, two]);
    assert!(!chain.cut);

    let links: Vec<_> = (0..300).map(|n| id(A, "L", n)).collect();
    let mut entries = vec![issue(&links[0], None)];
    entries.extend(links.windows(2).map(|pair| amend(&pair[1], &pair[0])));
    writer.append(2, entries).unwrap();
    let chain = catalogue.chain(&links[150]).unwrap();
    assert!(chain.cut);
    assert_eq!(chain.lives.len(), MAX_CHAIN);
    assert_eq!(chain.lives[0].id, links[150]);
    let short = catalogue.chain(&id(A, "404", 1)).unwrap();
    assert!(short.lives.is_empty() && !short.cut);
}
