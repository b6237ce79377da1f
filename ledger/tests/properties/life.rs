//! Whatever a department writes of its certificates: everyone derives the same, and every verdict and chain has an end.

use std::collections::BTreeMap;
use std::sync::Arc;

use certmesh_ledger::catalogue::{Catalogue, MAX_CHAIN, Successor};
use certmesh_ledger::disk::MemoryDisk;
use certmesh_ledger::id::{CertificateId, Date};
use certmesh_ledger::log::{Log, MAX_PAGE, Writer};
use certmesh_ledger::record::{Action, Entry, Status, Succession, SuccessionKind};
use certmesh_ledger::verify::{Bundle, NotValid, Question, Reader, Verdict, verify};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::common::{
    DEFINED_MS, WITNESS, certificate, change, code, define, issue, key, members, name, open, place,
    succeed,
};

/// Certificates there are; few, so that records meet.
const FEW: u64 = 6;

/// An entry, with what the model needs to know of it.
#[derive(Clone, Debug)]
enum Act {
    Issue(u64),
    Change(u64, Action),
    Succeed(u64, SuccessionKind, Vec<u64>),
}

impl Act {
    fn entry(&self) -> Entry {
        match self {
            Act::Issue(n) => issue(*n),
            Act::Change(n, action) => change(*n, *action),
            Act::Succeed(n, kind, of) => succeed(*n, *kind, of),
        }
    }

    /// The rules of the format, as its text says them: of the certificates issued so far.
    fn on(&self, statuses: &mut BTreeMap<u64, Status>) {
        match self {
            Act::Change(n, action) => {
                if let Some(status) = statuses.get_mut(n)
                    && let Ok(after) = status.after(*action)
                {
                    *status = after;
                }
            }
            Act::Issue(n) | Act::Succeed(n, SuccessionKind::Transfer, _) => {
                statuses.entry(*n).or_insert(Status::Valid);
            }
            Act::Succeed(n, _, of) => {
                for n in of {
                    if let Some(status) = statuses.get_mut(n)
                        && *status == Status::Valid
                    {
                        *status = Status::Superseded;
                    }
                }
                statuses.entry(*n).or_insert(Status::Valid);
            }
        }
    }
}

fn act() -> impl Strategy<Value = Act> {
    let action = select(vec![
        Action::Suspend,
        Action::Reinstate,
        Action::Revoke,
        Action::TransferOut(code(WITNESS)),
    ]);
    let kind = select(vec![
        SuccessionKind::Renewal,
        SuccessionKind::Amendment,
        SuccessionKind::Split,
        SuccessionKind::Transfer,
    ]);
    let others = subsequence((0..FEW).collect::<Vec<_>>(), 2..=4);
    let certain = |(n, kind, of): (u64, SuccessionKind, Vec<u64>)| {
        // No certificate replaces itself: such a record is invalid.
        (!of.contains(&n)).then_some(Act::Succeed(n, kind, of))
    };
    prop_oneof![
        2 => (0..FEW).prop_map(Act::Issue),
        2 => (0..FEW, action).prop_map(|(n, action)| Act::Change(n, action)),
        4 => (0..FEW, kind, 0..FEW)
            .prop_map(|(n, kind, of)| (n, kind, vec![of]))
            .prop_filter_map("replaces another", certain),
        1 => (0..FEW, Just(SuccessionKind::Merge), others)
            .prop_filter_map("replaces others", certain),
    ]
}

fn replica_of(log: &Log) -> Arc<Log> {
    let (replica, _) = open(&MemoryDisk::new());
    while replica.size() < log.size() {
        let page = log.page(replica.held(), MAX_PAGE).expect("a page");
        let verified = page.verify(&members()).expect("verifies");
        replica.apply(&verified).expect("applies");
    }
    replica
}

/// Each is issued by its record in the place of this one, and only a split has more than one.
fn successors_are_issued_in_its_place(
    log: &Log,
    id: &CertificateId,
    successors: &[Successor],
) -> Result<(), TestCaseError> {
    for next in successors {
        let Entry::CertificateIssued(issued) =
            &log.record(next.seq).expect("held").record().entry.clone()
        else {
            panic!("a successor that no record issues")
        };
        prop_assert!(issued.id == next.id && issued.supersedes().contains(id));
        prop_assert!(issued.succession_kind() == Some(next.kind));
        prop_assert!(successors.len() == 1 || next.kind == SuccessionKind::Split);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_replica_derives_the_same_statuses_and_every_verdict_names_what_came_after(
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let disk = MemoryDisk::new();
        let opened = Catalogue::open(place(&disk), members(), name().id.department).expect("opens");
        let catalogue = opened.catalogue;
        catalogue.set_own_log_whole(true);
        catalogue.decisions_confirmed(0);
        let log = catalogue.log(&name().id).expect("the own log");
        let mut writer = Writer::new(Arc::clone(&log), key(1));
        writer.append(DEFINED_MS, vec![define()]).expect("appended");
        let mut statuses = BTreeMap::new();
        for (act, n) in acts.iter().zip(1..) {
            act.on(&mut statuses);
            writer.append(DEFINED_MS + n, vec![act.entry()]).expect("appended");
        }
        let replica = replica_of(&log);
        let day: Date = "2026-07-01".parse().expect("a day");
        for n in 0..FEW {
            let id = certificate(&format!("S{n:08}"));
            let expected = statuses.get(&n).copied().unwrap_or(Status::Valid);
            for log in [&log, &replica] {
                let held = log.status(&id).unwrap().map_or(Status::Valid, |entry| entry.status);
                prop_assert_eq!(held, expected);
            }
            let found = verify(&catalogue, &id, Question { on: day, now_ms: 0 }).expect("readable");
            let Some(state) = &found.state else { continue };
            prop_assert_eq!(found.verdict == Verdict::Valid, expected == Status::Valid);
            let first = found.successors.first();
            prop_assert_eq!(first.is_some(), expected == Status::Superseded);
            successors_are_issued_in_its_place(&log, &id, &found.successors)?;
            if expected == Status::Superseded {
                let by = first.map(|next| next.id.clone());
                prop_assert_eq!(&found.verdict, &Verdict::NotValid(NotValid::Superseded { by }));
            }
            let bundle = Bundle::gather(&catalogue, &id, |_| vec![]).expect("readable").expect("held");
            let reader = Reader { on: day, now_ms: DEFINED_MS, issuer_only: true };
            let offline = bundle.verify(&members()).expect("verifies").judge(&reader);
            prop_assert_eq!(offline.as_ref(), Ok(&found.verdict));

            let chain = catalogue.chain(&id).expect("readable");
            prop_assert!(!chain.cut && chain.lives.len() <= MAX_CHAIN.min(FEW as usize));
            let reported: Vec<_> = chain.lives.iter().map(|life| &life.id).collect();
            prop_assert_eq!(reported[0], &id);
            // What is linked to it is in it, where it was issued at all.
            let linked = state.certificate().predecessors().iter().chain(found.successors.iter().map(|next| &next.id));
            for id in linked {
                let known = log.issue_of(id).expect("readable").is_some();
                prop_assert!(!known || reported.contains(&id));
            }
        }
    }

    #[test]
    fn a_succession_names_each_predecessor_once_and_as_many_as_its_kind_is_for(
        kind in select(vec!["renewal", "amendment", "merge", "split", "transfer"]),
        named in prop::collection::vec(0..4u64, 0..20),
    ) {
        let kind: SuccessionKind = kind.parse().expect("a kind");
        let ids = named.iter().map(|n| certificate(&format!("S{n:08}")));
        let mut distinct = named.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let fits = distinct.len() == named.len()
            && if kind == SuccessionKind::Merge { named.len() >= 2 } else { named.len() == 1 };
        prop_assert_eq!(Succession::new(kind, ids.collect()).is_ok(), fits);
    }
}
