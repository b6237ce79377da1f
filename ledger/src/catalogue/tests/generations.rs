//! Verdicts on logs that were cut: what is kept is as it was, what was cut off is nobody's word.

use super::governed::{ISSUER, Net};
use super::*;
use crate::governance::tests::world::code;
use crate::governance::{Cut, CutReason, Position, Remove};

impl Net {
    /// Cuts a department's log after so many records.
    fn cut(&mut self, n: usize, size: u64) {
        let log = self.log(n);
        let position = Position {
            log: log.name().id,
            size,
            root: log.range_at(size).unwrap().root(),
        };
        let first_epoch = self.world.member(n).epoch;
        let why = CutReason::Forked;
        self.decide(Cut {
            position,
            why,
            first_epoch,
        });
    }
}

#[test]
fn what_was_kept_is_valid_and_what_was_cut_off_is_unknown_until_it_is_said_again() {
    let mut net = Net::new();
    net.issue("KEPT");
    net.issue("SUSPENDED");
    net.change("SUSPENDED", Action::Suspend);
    net.issue("VOID");
    net.change("SUSPENDED", Action::Reinstate);
    net.change("KEPT", Action::Revoke);
    let before = net.bundle("KEPT", &[0, 2, 3]);
    net.cut(ISSUER, 3);
    assert_eq!(net.verdict("KEPT"), Verdict::Valid);
    assert!(matches!(net.verdict("SUSPENDED"), Verdict::NotValid(_)));
    assert!(matches!(net.verdict("VOID"), Verdict::Unknown(_)));
    // A proof of before the cut is one of records that were cut off.
    assert!(net.read(&before, &net.members).is_err());
    // The same identifier is free again, the same change can be said again.
    net.issue("VOID");
    net.change("SUSPENDED", Action::Reinstate);
    for serial in ["KEPT", "SUSPENDED", "VOID"] {
        assert_eq!(net.verdict(serial), Verdict::Valid, "{serial}");
        let proof = net.bundle(serial, &[0, 2, 3]);
        assert_eq!(net.read(&proof, &net.members), Ok(Verdict::Valid));
    }
    // It is found where it is, once.
    let found = net.catalogue.by_issuer(&code(ISSUER), 0, 10).unwrap();
    assert_eq!(found.certificates.len(), 3);
}

#[test]
fn a_definition_that_was_kept_counts_whatever_generation_its_log_is_in() {
    let mut net = Net::new();
    net.issue("BEFORE");
    let kept = net.log(0).size();
    net.definition = net.define(0, &[]);
    net.issue("UNDERVOID");
    net.cut(0, kept);
    // The one that was cut off defines nothing, for whoever rests on it; the one before counts.
    let other = NotAuthorised::OthersDefinition;
    let under_void = net.verdict("UNDERVOID");
    assert_eq!(under_void, super::governed::not_authorised(other));
    assert_eq!(net.verdict("BEFORE"), Verdict::Valid);
    let type_code = net.type_code();
    let (named, _) = net
        .catalogue
        .current_definition(&type_code, &code(ISSUER))
        .unwrap();
    assert_eq!(named.log.generation, 0);
    net.definition = named;
    net.issue("AFTER");
    // And one of the next generation.
    net.definition = net.define(0, &[]);
    assert_eq!(net.definition.log.generation, 1);
    net.issue("LAST");
    for serial in ["BEFORE", "AFTER", "LAST"] {
        assert_eq!(net.verdict(serial), Verdict::Valid, "{serial}");
        let proof = net.bundle(serial, &[1, 2, 3]);
        assert_eq!(
            net.read(&proof, &net.members),
            Ok(Verdict::Valid),
            "{serial}"
        );
    }
}

#[test]
fn nothing_is_valid_by_a_log_that_lacks_what_it_begins_with() {
    let mut net = Net::new();
    net.issue("KEPT");
    net.issue("VOID");
    let log = net.log(ISSUER);
    let position = Position {
        log: log.name().id,
        size: 1,
        root: Hash::ZERO,
    };
    let first_epoch = net.world.member(ISSUER).epoch;
    // Other records than are held here.
    net.decide(Cut {
        position,
        why: CutReason::Forked,
        first_epoch,
    });
    assert_eq!(net.log(ISSUER).size(), 0);
    assert!(matches!(net.verdict("KEPT"), Verdict::Unknown(_)));
    let id = net.log(ISSUER).name().id;
    net.catalogue.nothing_of(id, 0);
    let stale = net.catalogue.freshness(&id, 0);
    assert!(
        matches!(stale, Err(Stale::Behind { newest: 1, .. })),
        "{stale:?}"
    );
}

#[test]
fn a_department_that_is_admitted_again_goes_on_with_what_was_kept_of_its_log() {
    let mut net = Net::new();
    net.issue("BEFORE");
    let position = net.position(ISSUER);
    let since = net.suspend();
    let successor = None;
    net.decide(Remove {
        position,
        since,
        successor,
    });
    let admission = net.world.admit(ISSUER, false);
    net.decide(admission);
    let log = net.log(ISSUER);
    assert_eq!((log.name().id.generation, log.size()), (1, position.size));
    // With other keys: the first ones are nobody's any more.
    net.issue("AFTER");
    net.change("BEFORE", Action::Suspend);
    assert_eq!(net.verdict("AFTER"), Verdict::Valid);
    assert!(matches!(net.verdict("BEFORE"), Verdict::NotValid(_)));
    let record = log.record(position.size).unwrap();
    assert_eq!(record.record().key_epoch, 1);
    // A second removal, at once: all that it wrote is kept.
    let position = net.position(ISSUER);
    assert_eq!(position.log.generation, 1);
    let since = net.suspend();
    net.decide(Remove {
        position,
        since,
        successor,
    });
    assert_eq!(net.verdict("AFTER"), Verdict::Valid);
    assert_eq!(net.log(ISSUER).name().id.generation, 2);
}
