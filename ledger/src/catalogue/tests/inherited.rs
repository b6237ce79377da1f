//! Certificates of a department that was removed, in the hands of its successors.

use super::bundles::{Raw, RawSuccessor};
use super::governed::{ISSUER, Net};
use super::*;
use crate::codec::Ascending;
use crate::crypto::keys::KeyRing;
use crate::governance::tests::world::code;
use crate::governance::{ChangeRoles, Remove, Suspend};
use crate::log::{MAX_PAGE, StatusEntry, fsck};
use crate::operating::OperatingKeys;
use crate::record::Inherited;

const HEIR: usize = 5;
const NEXT: usize = 2;
const OWN: usize = 1;

fn says(status: Status, seq: u64) -> Option<StatusEntry> {
    Some(StatusEntry { status, seq })
}

impl Net {
    fn inherited(&self, of: usize, serial: &str, action: Action, from: Status) -> Entry {
        let Entry::StatusChanged(changed) = change(&self.id(serial), action) else {
            unreachable!()
        };
        let department = code(of);
        Entry::StatusChanged(StatusChanged {
            inherited: Some(Inherited { department, from }),
            ..changed
        })
    }

    /// Has a department change one of the issuer's certificates, as if it were its to change.
    fn changes(&mut self, by: usize, serial: &str, action: Action, from: Status) {
        let entry = self.inherited(ISSUER, serial, action, from);
        self.append(by, entry);
    }

    /// Has a department record something that is about nobody's certificate.
    fn issue_in(&mut self, by: usize, serial: &str) {
        let entry = self.certificate(serial);
        self.append(by, entry);
    }

    fn remove(&mut self, n: usize, successor: Option<usize>) {
        let position = self.position(n);
        self.decide(Suspend { position });
        let since = self.members.history().height();
        self.decide(Remove {
            position,
            since,
            successor: successor.map(code),
        });
    }

    fn in_map(&self, by: usize, serial: &str) -> Option<(Status, u64)> {
        let entry = self
            .log(by)
            .inherited_status(&code(ISSUER), &self.id(serial));
        entry.unwrap().map(|entry| (entry.status, entry.seq))
    }

    /// What is on its disk, opened by one that has lost what the members decided.
    fn reopened(&self) -> Catalogue {
        self.catalogue.close();
        let behind = Membership::from_genesis(&self.world.genesis);
        let opened = Catalogue::open(self.place.clone(), behind, code(OWN));
        opened.unwrap().catalogue
    }

    fn check(&self, entries: &[Entry]) -> Vec<Result<(), String>> {
        let log = self.log(OWN);
        let mut batch = Batch::new(&self.catalogue, &log);
        let checks = entries.iter().map(|entry| batch.check(entry));
        checks
            .map(|check| check.map_err(|error| error.to_string()))
            .collect()
    }
}

fn revoked() -> Verdict {
    Verdict::NotValid(NotValid::Status(Status::Revoked))
}

fn suspended() -> Verdict {
    Verdict::NotValid(NotValid::Status(Status::Suspended))
}

#[test]
fn what_can_t_change_any_more_stays_and_else_the_last_that_says_something_decides() {
    use Status::{Revoked, Superseded, Suspended, Valid, Withdrawn};
    let none = None;
    for (said, decides) in [
        (vec![], None),
        (vec![none, none], None),
        (vec![says(Suspended, 3)], Some(0)),
        (vec![says(Suspended, 3), none, none], Some(0)),
        (vec![says(Suspended, 3), says(Valid, 9), none], Some(1)),
        (vec![none, says(Valid, 9), says(Suspended, 1)], Some(2)),
        (
            vec![none, says(Suspended, 9), none, says(Valid, 0)],
            Some(3),
        ),
        (vec![says(Superseded, 3), says(Valid, 9)], Some(0)),
        (vec![none, says(Withdrawn, 9), says(Valid, 1)], Some(1)),
        (vec![none, says(Valid, 9), says(Revoked, 1), none], Some(2)),
        (
            vec![says(Revoked, 3), says(Revoked, 4), says(Suspended, 5)],
            Some(0),
        ),
    ] {
        let expected = decides.map(|place: usize| (place, said[place].unwrap()));
        assert_eq!(deciding(said.clone()), expected, "{said:?}");
    }
}

#[test]
fn only_the_successor_changes_the_certificates_and_only_from_the_removal_on() {
    let mut net = Net::new();
    net.issue("1");
    let from = Status::Valid;
    // Before anybody was removed, by the one to come and by another.
    net.changes(HEIR, "1", Action::Revoke, from);
    net.remove(ISSUER, Some(HEIR));
    net.changes(NEXT, "1", Action::Revoke, from);
    // Nor does one inherit from itself, or from who is still there.
    let own = net.inherited(HEIR, "1", Action::Revoke, from);
    net.append(HEIR, own);
    for of in [HEIR, NEXT] {
        let entry = net.inherited(of, "1", Action::Revoke, from);
        net.append(HEIR, entry);
        let log = net.log(HEIR);
        let said = log.inherited_status(&code(of), &net.id("1")).unwrap();
        assert_eq!(said, None);
    }
    assert_eq!(net.in_map(NEXT, "1"), None);
    assert_eq!(net.in_map(HEIR, "1"), None);
    assert_eq!(net.verdict("1"), Verdict::Valid);
    net.changes(HEIR, "1", Action::Revoke, from);
    assert_eq!(net.in_map(HEIR, "1"), Some((Status::Revoked, 4)));
    assert_eq!(net.verdict("1"), revoked());
}

#[test]
fn a_successor_s_changes_follow_each_other_and_an_entry_stays_when_it_is_valid_again() {
    let mut net = Net::new();
    for serial in ["1", "2", "3"] {
        net.issue(serial);
    }
    net.change("2", Action::Suspend);
    net.change("3", Action::Revoke);
    net.remove(ISSUER, Some(HEIR));
    assert_eq!(net.verdict("1"), Verdict::Valid);
    assert_eq!(net.verdict("2"), suspended());
    let (valid, held) = (Status::Valid, Status::Suspended);
    for (serial, action, from, after) in [
        ("1", Action::Reinstate, valid, None),
        ("1", Action::Suspend, valid, Some(held)),
        // What a later one says it goes on from is not looked at.
        ("1", Action::Suspend, valid, Some(held)),
        ("1", Action::Reinstate, valid, Some(valid)),
        ("1", Action::Reinstate, held, Some(valid)),
        ("2", Action::Suspend, held, None),
        ("2", Action::Reinstate, held, Some(valid)),
        ("3", Action::Suspend, Status::Revoked, None),
        ("3", Action::Revoke, Status::Revoked, None),
        // A lie about what was before makes nothing valid that ended.
        ("3", Action::Reinstate, held, Some(valid)),
    ] {
        net.changes(HEIR, serial, action, from);
        let now = net.in_map(HEIR, serial).map(|(status, _)| status);
        assert_eq!(now, after, "{serial} {action:?} from {from}");
    }
    assert_eq!(net.verdict("1"), Verdict::Valid);
    assert_eq!(net.verdict("2"), Verdict::Valid);
    assert_eq!(net.verdict("3"), revoked());
    // The record that decided is shown, in whoever's log it is.
    let question = question(day("2024-06-01"));
    let change_of = |serial: &str| {
        let found = verify(&net.catalogue, &net.id(serial), question).unwrap();
        let log = found
            .state
            .unwrap()
            .status_at
            .map(|(log, _)| log.department);
        (log, found.change.unwrap().record().entry.clone())
    };
    let (by, entry) = change_of("2");
    assert_eq!(by, Some(code(HEIR)));
    let reinstated = net.inherited(ISSUER, "2", Action::Reinstate, held);
    assert_eq!(entry, reinstated);
    let (by, entry) = change_of("3");
    assert_eq!(by, Some(code(ISSUER)));
    assert_eq!(entry, change(&net.id("3"), Action::Revoke));
}

#[test]
fn a_verdict_names_the_log_by_which_the_status_is_known() {
    let mut net = Net::new();
    for serial in ["1", "2"] {
        net.issue(serial);
    }
    net.change("2", Action::Revoke);
    let known = |net: &Net, serial: &str| {
        let found = verify(&net.catalogue, &net.id(serial), question(day("2024-06-01"))).unwrap();
        let as_of = found.known_as_of.map(|checkpoint| checkpoint.log);
        (
            found.known_by.unwrap().department,
            as_of.map(|log| log.department),
        )
    };
    let [issuer, heir] = [ISSUER, HEIR].map(code);
    assert_eq!(known(&net, "1"), (issuer, Some(issuer)));
    net.remove(ISSUER, Some(HEIR));
    // It is valid since its successor says nothing, under no head yet; and what was ended is that by the one who did.
    assert_eq!(known(&net, "1"), (heir, None));
    net.issue_in(HEIR, "9");
    assert_eq!(known(&net, "1"), (heir, Some(heir)));
    assert_eq!(known(&net, "2").0, issuer);
}

#[test]
fn a_successor_s_successor_goes_on_and_what_was_revoked_stays() {
    let mut net = Net::new();
    for serial in ["1", "2", "3"] {
        net.issue(serial);
    }
    net.remove(ISSUER, Some(HEIR));
    let valid = Status::Valid;
    net.changes(HEIR, "1", Action::Revoke, valid);
    net.changes(HEIR, "2", Action::Suspend, valid);
    net.changes(NEXT, "3", Action::Revoke, valid);
    net.remove(HEIR, Some(NEXT));
    assert_eq!(net.in_map(NEXT, "3"), None);
    assert_eq!(net.verdict("2"), suspended());
    net.changes(NEXT, "2", Action::Reinstate, Status::Suspended);
    net.changes(NEXT, "1", Action::Reinstate, Status::Suspended);
    net.changes(NEXT, "3", Action::Suspend, valid);
    let verdicts = ["1", "2", "3"].map(|serial| net.verdict(serial));
    assert_eq!(verdicts, [revoked(), Verdict::Valid, suspended()]);
    // The history has what each of them did, in the log where it stands.
    let chain = net.catalogue.chain(&net.id("2")).unwrap();
    let lives = chain.lives.iter();
    let lives: Vec<_> = lives
        .map(|life| (life.checkpoint.log.department, life.records.len()))
        .collect();
    assert_eq!(lives, [(code(ISSUER), 1), (code(HEIR), 1), (code(NEXT), 1)]);
    // Without another successor it stays as it is, for good.
    net.remove(NEXT, None);
    let verdicts = ["1", "2", "3"].map(|serial| net.verdict(serial));
    assert_eq!(verdicts, [revoked(), Verdict::Valid, suspended()]);
}

#[test]
fn an_inherited_certificate_is_another_than_one_of_the_successor_s_log_of_the_same_identifier() {
    let mut net = Net::new();
    net.issue("1");
    // One that claims the same identifier, and what it did to that.
    let twin = net.certificate("1");
    net.append(HEIR, twin);
    let id = net.id("1");
    net.append(HEIR, change(&id, Action::Suspend));
    net.remove(ISSUER, Some(HEIR));
    net.changes(HEIR, "1", Action::Revoke, Status::Valid);
    let log = net.log(HEIR);
    let own = log.status(&id).unwrap().unwrap();
    assert_eq!((own.status, own.seq), (Status::Suspended, 1));
    assert_eq!(net.in_map(HEIR, "1"), Some((Status::Revoked, 2)));
    assert_eq!(log.by_certificate(&id).unwrap().len(), 2);
    let (inherited, _) = log.about_inherited(&code(ISSUER), &id, 10).unwrap();
    assert_eq!(inherited.len(), 1);
    assert_eq!(net.verdict("1"), revoked());
}

#[test]
fn every_holder_of_a_successor_s_log_has_its_map_read_fetched_or_checked() {
    let mut net = Net::new();
    net.issue("1");
    net.changes(HEIR, "1", Action::Revoke, Status::Valid);
    net.remove(ISSUER, Some(HEIR));
    net.changes(HEIR, "1", Action::Suspend, Status::Valid);
    let log = net.log(HEIR);
    let root = log.checkpoint().unwrap().status_root;
    let name = *log.name();
    // From its pages, by whoever knows what was decided.
    let copied = Place {
        disk: Arc::new(MemoryDisk::new()),
        data: PathBuf::from("/d"),
        segment_records: 8,
        index_key: crate::crypto::keys::IndexKey::from_transport_seed(&[8; 32]),
    };
    let (copy, _) = Log::open(&copied, name, &net.members).unwrap();
    let page = log.page(0, MAX_PAGE).unwrap();
    copy.apply(&page.verify(&net.members).unwrap()).unwrap();
    assert_eq!(copy.checkpoint().unwrap().status_root, root);
    let says = copy.inherited_status(&code(ISSUER), &net.id("1")).unwrap();
    assert_eq!(says.map(|entry| entry.status), Some(Status::Suspended));
    // From its records, and by the check of what is on disk.
    copy.save_snapshot().unwrap();
    drop(copy);
    let report = fsck(&copied, &net.members, |_| ()).unwrap();
    assert!(report.faults().next().is_none());
    let (again, opening) = Log::open_checked(&copied, name, &net.members).unwrap();
    assert!(opening.set_aside.is_none());
    let says = again.inherited_status(&code(ISSUER), &net.id("1")).unwrap();
    assert_eq!(says.map(|entry| entry.status), Some(Status::Suspended));
    drop(again);
    // By one that has lost what was decided it can't be said, and nothing is damaged.
    let behind = Membership::from_genesis(&net.world.genesis);
    let (unsure, opening) = Log::open_checked(&copied, name, &behind).unwrap();
    assert!(opening.set_aside.is_none());
    let unread = unsure.unread().unwrap();
    assert_eq!((unread.seq, unread.behind), (1, Some(2)));
}

#[test]
fn what_a_log_changed_by_decisions_that_were_lost_is_known_once_they_are_back() {
    let mut net = Net::new();
    net.issue("1");
    net.remove(ISSUER, Some(HEIR));
    net.changes(HEIR, "1", Action::Revoke, Status::Valid);
    let height = net.members.history().height();
    let again = net.reopened();
    let mut catalogue = again;
    known_for_whole(&mut catalogue);
    let log = LogId::first(code(HEIR));
    let unread = catalogue.log(&log).unwrap().unread().unwrap();
    assert_eq!(unread.behind, Some(height));
    assert!(catalogue.caught_up().is_empty());
    for block in &net.world.blocks {
        catalogue.members().extend(block).unwrap();
    }
    assert_eq!(catalogue.caught_up(), [log]);
    let lacking = catalogue
        .lacking_of_successors(&catalogue.members().history(), &code(ISSUER), 0)
        .unwrap();
    assert_eq!(lacking, [Lacking::Decisions { height }]);
    catalogue.reopen(&log).unwrap();
    assert!(catalogue.caught_up().is_empty());
    let says = catalogue
        .log(&log)
        .unwrap()
        .inherited_status(&code(ISSUER), &net.id("1"));
    assert_eq!(says.unwrap().map(|says| says.status), Some(Status::Revoked));
}

#[test]
fn nothing_is_valid_while_the_successor_s_log_is_not_known_to_be_whole() {
    let mut net = Net::new();
    net.issue("1");
    net.remove(ISSUER, Some(HEIR));
    let whole = FreshnessLimits::NONE;
    net.catalogue.limit_age(FreshnessLimits::default());
    net.catalogue.decisions_confirmed(0);
    let log = LogId::first(code(HEIR));
    let silent = Missing::Newest(Stale::Silent {
        log,
        size: 0,
        time_ms: 0,
        for_ms: None,
    });
    // The removed department's own log needs nobody's word; that of its successor does.
    assert_eq!(net.verdict("1"), Verdict::Unknown(vec![silent]));
    net.catalogue.limit_age(whole);
    assert_eq!(net.verdict("1"), Verdict::Valid);
    let of_later_version = Entry::read(77, &[]);
    net.append(HEIR, of_later_version);
    let unread = Missing::SuccessorUnread { log, at: 0 };
    assert_eq!(net.verdict("1"), Verdict::Unknown(vec![unread]));
}

#[test]
fn nothing_that_a_successor_s_log_has_in_dispute_makes_a_certificate_valid() {
    let mut net = Net::new();
    net.issue("1");
    net.remove(ISSUER, Some(HEIR));
    let log = LogId::first(code(HEIR));
    let name = LogName {
        network: net.members.network(),
        id: log,
    };
    let [one, other] = ["1", "2"].map(|serial| {
        let record = Record {
            seq: 0,
            prev: RecordHash::NONE,
            time_ms: 1,
            height: 2,
            key_epoch: 0,
            entry: net.inherited(ISSUER, serial, Action::Suspend, Status::Valid),
        };
        SignedRecord::sign(&name, record, net.world.own(HEIR).now())
    });
    let fork = ForkEvidence::records(log, &one, &other);
    fork.verify(&net.members).unwrap();
    net.catalogue.freeze(&fork).unwrap();
    let since = Missing::SuccessorSince { log, at: 0 };
    assert_eq!(net.verdict("1"), Verdict::Unknown(vec![since]));
}

#[test]
fn what_a_suspended_successor_writes_changes_nothing() {
    let mut net = Net::new();
    net.issue("1");
    net.issue("2");
    net.remove(ISSUER, Some(HEIR));
    net.changes(HEIR, "1", Action::Suspend, Status::Valid);
    let position = net.position(HEIR);
    let before = net.members.history().height();
    net.decide(Suspend { position });
    // Dated back, as of when it was not suspended: by one who has heard of no later decision.
    let behind = Membership::from_genesis(&net.world.genesis);
    for block in &net.world.blocks[..usize::try_from(before).unwrap()] {
        behind.extend(block).unwrap();
    }
    let ring = KeyRing::from(net.world.own(HEIR).operating.clone());
    let keys = OperatingKeys::new(behind, code(HEIR), ring);
    let mut writer = Writer::new(net.log(HEIR), keys);
    for (serial, action) in [("1", Action::Reinstate), ("2", Action::Revoke)] {
        let entry = net.inherited(ISSUER, serial, action, Status::Valid);
        net.write(&mut writer, entry);
    }
    // The map is of all records, and verdicts are by those that count.
    assert_eq!(net.in_map(HEIR, "2"), Some((Status::Revoked, 2)));
    assert_eq!(net.verdict("1"), suspended());
    assert_eq!(net.verdict("2"), Verdict::Valid);
}

#[test]
fn a_department_changes_what_it_inherited_and_is_told_whose_the_rest_is() {
    let mut net = Net::new();
    for serial in ["1", "2", "3"] {
        net.issue(serial);
    }
    net.change("2", Action::Suspend);
    let of = |net: &Net, serial: &str, action, from| net.inherited(ISSUER, serial, action, from);
    let (valid, held) = (Status::Valid, Status::Suspended);
    let early = of(&net, "1", Action::Revoke, valid);
    let [Err(refused)] = &net.check(&[early])[..] else {
        panic!("it is not this department's yet")
    };
    assert!(refused.contains("only that department"), "{refused}");
    net.remove(ISSUER, Some(OWN));
    let department = code(ISSUER);
    let known = |net: &Net, serial: &str| net.catalogue.inheritance(&net.id(serial)).unwrap();
    let from = |from| Inherited { department, from };
    assert_eq!(known(&net, "1"), Some((from(valid), Some(valid))));
    assert_eq!(known(&net, "2"), Some((from(held), Some(held))));
    assert_eq!(known(&net, "9"), None);
    let checks = net.check(&[
        of(&net, "1", Action::Suspend, valid),
        of(&net, "1", Action::Suspend, valid),
        of(&net, "1", Action::Revoke, valid),
        of(&net, "2", Action::Reinstate, held),
        // Another status than it has.
        of(&net, "3", Action::Reinstate, held),
        of(&net, "3", Action::TransferOut(code(OWN)), valid),
        of(&net, "3", Action::TransferOut(code(NEXT)), valid),
    ]);
    let held_up: Vec<bool> = checks.iter().map(Result::is_ok).collect();
    assert_eq!(held_up, [true, false, true, true, false, false, true]);
    // What it says stays what a change of it names, and a retry finds its record.
    net.changes(OWN, "2", Action::Reinstate, held);
    assert_eq!(known(&net, "2"), Some((from(held), Some(valid))));
    let batch =
        Batch::new(&net.catalogue, &net.log(OWN)).existing(&of(&net, "2", Action::Reinstate, held));
    assert!(batch.unwrap().is_some());
    // Plainly, as for a certificate of its own, it says whose it is to change.
    let plain = change(&net.id("1"), Action::Revoke);
    let [Err(refused)] = &net.check(&[plain])[..] else {
        panic!("it is in another log")
    };
    assert!(
        refused.contains(&format!("successor {}", code(OWN))),
        "{refused}"
    );
}

impl Net {
    /// The change as a node makes it of a request, or why it refuses; what it makes is checked and written.
    fn requested(&mut self, serial: &str, action: Action) -> Result<(), NotAllowed> {
        let id = self.id(serial);
        let Entry::StatusChanged(plain) = change(&id, action) else {
            unreachable!()
        };
        let inherited = self.catalogue.inheritance(&id)?;
        let entry = Entry::StatusChanged(StatusChanged {
            inherited: inherited.map(|(inherited, _)| inherited),
            ..plain
        });
        let log = self.log(OWN);
        let mut batch = Batch::new(&self.catalogue, &log);
        if batch.existing(&entry)?.is_none() {
            batch.check(&entry)?;
            self.append(OWN, entry);
        }
        Ok(())
    }
}

#[test]
fn a_record_in_the_own_log_that_is_no_claim_takes_no_change_of_what_was_inherited() {
    let mut net = Net::new();
    net.issue("1");
    // Whoever stole the key wrote it, for an issuer that this department is not.
    let twin = net.certificate("1");
    net.append(OWN, twin);
    let id = net.id("1");
    net.append(OWN, change(&id, Action::Revoke));
    net.remove(ISSUER, Some(OWN));
    assert_eq!(net.verdict("1"), Verdict::Valid);
    net.requested("1", Action::Revoke).unwrap();
    assert_eq!(net.verdict("1"), revoked());
    assert_eq!(net.in_map(OWN, "1"), Some((Status::Revoked, 2)));
}

#[test]
fn what_is_claimed_by_the_successor_and_the_one_before_it_is_changed_by_nobody() {
    let mut net = Net::new();
    let division = IssuerCode::Division(code(ISSUER).division());
    let id = CertificateId::new(net.type_code(), division, "1", 1).unwrap();
    let Entry::CertificateIssued(issued) = net.certificate("1") else {
        unreachable!()
    };
    let entry = Entry::CertificateIssued(CertificateIssued {
        id: id.clone(),
        ..issued
    });
    net.append(ISSUER, entry.clone());
    net.append(OWN, entry);
    net.remove(ISSUER, Some(OWN));
    let refused = net.catalogue.inheritance(&id);
    assert!(
        matches!(&refused, Err(NotAllowed::Claimed(of)) if *of == id),
        "{refused:?}"
    );
}

#[test]
fn nothing_is_changed_by_less_than_what_those_before_said() {
    let mut net = Net::new();
    net.issue("1");
    net.change("1", Action::Suspend);
    net.remove(ISSUER, Some(HEIR));
    net.changes(HEIR, "1", Action::Reinstate, Status::Suspended);
    let position = net.position(HEIR);
    net.decide(Suspend { position });
    let remove = Remove {
        position,
        since: net.members.history().height(),
        successor: Some(code(OWN)),
    };
    net.world.decide(&[remove.into()]).unwrap();
    net.members
        .extend(net.world.blocks.last().unwrap())
        .unwrap();
    let not_whole = |net: &Net| {
        let refused = net.catalogue.inheritance(&net.id("1"));
        let present = net.members.present_log(&code(HEIR));
        assert!(
            matches!(&refused, Err(NotAllowed::NotWhole(log)) if *log == present),
            "{refused:?}"
        );
    };
    not_whole(&net);
    let begun = net.catalogue.begin(&code(HEIR)).unwrap().unwrap();
    not_whole(&net);
    begun.filling.unwrap().run().unwrap();
    let (inherited, now) = net.catalogue.inheritance(&net.id("1")).unwrap().unwrap();
    assert_eq!((inherited.from, now), (Status::Valid, Some(Status::Valid)));
}

#[test]
fn after_too_many_records_only_what_ends_a_certificate_is_read_and_written() {
    let mut net = Net::new();
    for serial in ["1", "2"] {
        net.issue(serial);
    }
    net.change("1", Action::Revoke);
    let [suspend, reinstate] = [Action::Suspend, Action::Reinstate];
    let [one, other] = ["1", "2"].map(|serial| net.id(serial));
    let more = (0..=counted::MAX_READ / 2).flat_map(|_| {
        let of_one = [change(&one, suspend), change(&one, reinstate)];
        let of_other = [change(&other, suspend), change(&other, reinstate)];
        of_one.into_iter().chain(of_other)
    });
    net.writer(ISSUER).append(1_000, more.collect()).unwrap();
    // A later decision judges what comes behind it, so that it has to be read which records count.
    let position = net.position(ISSUER);
    net.issue("3");
    net.decide(ChangeRoles {
        department: code(ISSUER),
        give: Ascending::default(),
        take: Ascending::first([Role::Issue]),
        position: Some(position),
    });
    assert_eq!(net.verdict("1"), revoked());
    net.remove(ISSUER, Some(OWN));
    assert_eq!(net.verdict("1"), revoked());
    assert!(matches!(net.verdict("2"), Verdict::Unknown(_)));
    let refused = net.requested("2", Action::Suspend);
    assert!(matches!(refused, Err(NotAllowed::Unsaid(_))), "{refused:?}");
    net.requested("2", Action::Revoke).unwrap();
    assert_eq!(net.verdict("2"), revoked());
}

/// All governors.
const WITNESSES: [usize; 4] = [0, 1, 2, 3];

impl Net {
    fn raw(&self, serial: &str) -> Raw {
        Raw::of(&self.bundle(serial, &WITNESSES))
    }

    fn read_raw(&self, raw: &Raw) -> Result<Verdict, BundleError> {
        self.read(&raw.bundle(), &self.members)
    }
}

fn with_successors(raw: &Raw, successors: &[&RawSuccessor]) -> Raw {
    let mut raw = raw.clone();
    raw.successors = Bounded::first(successors.iter().map(|one| (*one).clone()));
    raw
}

fn way(found: usize, expected: Option<usize>) -> BundleError {
    BundleError::Way {
        found: Some(code(found)),
        expected: expected.map(code),
    }
}

#[test]
fn a_proof_shows_what_each_successor_says_and_reads_as_the_peer_does() {
    let mut net = Net::new();
    for serial in ["1", "2", "3", "4"] {
        net.issue(serial);
    }
    net.change("4", Action::Suspend);
    net.remove(ISSUER, Some(HEIR));
    // Of one that has signed nothing yet there is nothing to show.
    let early = Bundle::gather(&net.catalogue, &net.id("1"), |_| Vec::new());
    assert!(matches!(
        early,
        Err(crate::verify::GatherError::Successor { .. })
    ));
    let (valid, held) = (Status::Valid, Status::Suspended);
    net.changes(HEIR, "1", Action::Revoke, valid);
    net.changes(HEIR, "2", Action::Suspend, valid);
    net.changes(HEIR, "2", Action::Reinstate, valid);
    let check = |net: &Net| {
        for serial in ["1", "2", "3", "4"] {
            let said = net.read_raw(&net.raw(serial)).unwrap();
            assert_eq!(said, net.verdict(serial), "{serial}");
        }
    };
    check(&net);
    net.changes(HEIR, "4", Action::Reinstate, held);
    net.remove(HEIR, Some(NEXT));
    net.changes(NEXT, "3", Action::Revoke, valid);
    check(&net);
    let verified = net.bundle("3", &WITNESSES).verify(&net.members).unwrap();
    assert_eq!(verified.known_by().log.department, code(NEXT));
    assert_eq!(verified.status.unwrap().status, Status::Revoked);
    let change = verified.change.unwrap();
    let expected = net.inherited(ISSUER, "3", Action::Revoke, valid);
    assert_eq!(change.record().entry, expected);
    // While nobody but the last one vouches for its head, nothing is valid by it.
    let mut alone = net.raw("4");
    let mut successors = alone.successors.clone().into_vec();
    successors[1].cosignatures = Bounded::default();
    alone.successors = Bounded::first(successors);
    let verified = alone.bundle().verify(&net.members).unwrap();
    let reader = Reader {
        on: day("2024-06-01"),
        now_ms: 1_000_000,
        issuer_only: false,
    };
    let unwitnessed = Verdict::Unknown(vec![Missing::Witness]);
    assert_eq!(verified.judge(&reader), Ok(unwitnessed));
}

#[test]
fn a_proof_that_leaves_out_a_successor_or_shows_another_is_never_a_yes() {
    let mut net = Net::new();
    for serial in ["1", "2"] {
        net.issue(serial);
    }
    let issued = net.raw("1");
    net.remove(ISSUER, Some(HEIR));
    let valid = Status::Valid;
    net.changes(HEIR, "2", Action::Suspend, valid);
    let before = net.raw("1");
    net.changes(HEIR, "1", Action::Revoke, valid);
    let revoked_by_heir = net.raw("1");
    assert_eq!(net.read_raw(&before), Ok(Verdict::Valid), "as of then");
    assert_eq!(net.read_raw(&revoked_by_heir), Ok(revoked()));
    // From before there was a successor, or without it.
    let missing = |n| Verdict::Unknown(vec![Missing::Successor(code(n))]);
    assert_eq!(net.read_raw(&issued), Ok(missing(HEIR)));
    let without = with_successors(&revoked_by_heir, &[]);
    assert_eq!(net.read_raw(&without), Ok(missing(HEIR)));
    // Without the record, or with what another key of the map says.
    let heir = &revoked_by_heir.successors[0];
    let without_record = RawSuccessor {
        change: None,
        ..heir.clone()
    };
    let lie = with_successors(&revoked_by_heir, &[&without_record]);
    assert_eq!(net.read_raw(&lie), Err(BundleError::StatusMismatch));
    let others = net.raw("2").successors[0].clone();
    let lie = with_successors(&revoked_by_heir, &[&others]);
    assert!(net.read_raw(&lie).is_err());
    let older_map = RawSuccessor {
        status: before.successors[0].status.clone(),
        change: None,
        ..heir.clone()
    };
    let lie = with_successors(&revoked_by_heir, &[&older_map]);
    assert!(matches!(net.read_raw(&lie), Err(BundleError::Status(_))));

    net.remove(HEIR, Some(NEXT));
    net.changes(NEXT, "2", Action::Reinstate, Status::Suspended);
    let all = net.raw("1");
    let [heir, next] = &all.successors[..] else {
        panic!("two successors")
    };
    assert_eq!(net.read_raw(&all), Ok(revoked()));
    for (successors, error) in [
        (vec![next], way(NEXT, Some(HEIR))),
        (vec![next, heir], way(NEXT, Some(HEIR))),
        (vec![heir, heir], way(HEIR, Some(NEXT))),
        (vec![heir, next, next], way(NEXT, None)),
    ] {
        let lie = with_successors(&all, &successors);
        assert_eq!(net.read_raw(&lie), Err(error));
    }
    // Cut short it is no better than one made before, and what was revoked then stays.
    let short = with_successors(&net.raw("2"), &[&net.raw("2").successors[0]]);
    assert_eq!(net.read_raw(&short), Ok(suspended()));
    assert_eq!(net.read_raw(&before), Ok(missing(NEXT)));
    // An older head of one that was removed, with what its successor says of the same certificate.
    let mut older = before.successors[0].clone();
    let lie = with_successors(&all, &[&older, next]);
    let not_whole = |department, found, expected| BundleError::NotWhole {
        department,
        found,
        expected,
    };
    assert_eq!(net.read_raw(&lie), Err(not_whole(code(HEIR), 1, 2)));
    older.cosignatures = Bounded::default();
    let lie = with_successors(&all, &[&older, next]);
    assert_eq!(net.read_raw(&lie), Err(not_whole(code(HEIR), 1, 2)));
    // A reader who knows less can't say who the successors are.
    let behind = Membership::from_genesis(&net.world.genesis);
    let early = net.read(&all.bundle(), &behind);
    assert!(matches!(early, Err(BundleError::Early { .. })), "{early:?}");
}

/// The head that a department's log has by now, with what it says of a certificate that it need not have inherited.
fn leg(net: &Net, by: usize, serial: &str, witnesses: &[usize]) -> RawSuccessor {
    let log = net.log(by);
    let of = (&code(ISSUER), &net.id(serial));
    let (checkpoint, _, status) = log.prove_inherited(of.0, of.1).unwrap();
    RawSuccessor {
        cosignatures: Bounded::first(witnesses.iter().map(|n| net.cosign(&checkpoint, *n))),
        checkpoint: checkpoint.signed().clone(),
        status,
        change: None,
    }
}

#[test]
fn a_successor_s_head_of_before_it_inherited_shows_nothing_of_what_it_did_since() {
    let mut net = Net::new();
    net.issue("1");
    net.issue_in(HEIR, "9");
    let before = leg(&net, HEIR, "1", &WITNESSES);
    net.remove(ISSUER, Some(HEIR));
    let since = net.members.history().height();
    assert_eq!(
        net.members.history().inherited_since(&code(ISSUER)),
        Some(since)
    );
    // Nobody has signed anything of it since, so no proof is made.
    let none = Bundle::gather(&net.catalogue, &net.id("1"), |_| Vec::new());
    let log = LogId::first(code(HEIR));
    assert!(
        matches!(none, Err(crate::verify::GatherError::Successor { log: of }) if of == log),
        "{none:?}"
    );
    // A witness that knows of the removal says that this was its newest by then.
    let witnessed = leg(&net, HEIR, "1", &[0]);
    let own = net.raw("1");
    net.changes(HEIR, "1", Action::Revoke, Status::Valid);
    assert_eq!(net.read_raw(&net.raw("1")), Ok(revoked()));
    let missing = Verdict::Unknown(vec![Missing::Successor(code(HEIR))]);
    let old = with_successors(&own, &[&before]);
    assert_eq!(net.read_raw(&old), Ok(missing));
    let then = with_successors(&own, &[&witnessed]);
    assert_eq!(net.read_raw(&then), Ok(Verdict::Valid), "as of then");
}

#[test]
fn the_last_log_shown_is_held_to_its_end_if_its_department_was_removed() {
    let rest = |by, size| {
        let log = LogId::first(code(by));
        Ok(Verdict::Unknown(vec![Missing::Rest { log, size }]))
    };
    let mut net = Net::new();
    net.issue("1");
    net.remove(ISSUER, Some(HEIR));
    net.issue_in(HEIR, "9");
    let before = net.raw("1");
    net.changes(HEIR, "1", Action::Revoke, Status::Valid);
    net.remove(HEIR, None);
    assert_eq!(net.read_raw(&net.raw("1")), Ok(revoked()));
    assert_eq!(net.read_raw(&before), rest(HEIR, 2));
    // Also where the one after it shows nothing, since its log ended empty.
    let mut net = Net::new();
    net.issue("1");
    let before = net.raw("1");
    net.change("1", Action::Revoke);
    net.remove(ISSUER, Some(HEIR));
    net.remove(HEIR, None);
    assert_eq!(net.read_raw(&net.raw("1")), Ok(revoked()));
    assert_eq!(net.read_raw(&before), rest(ISSUER, 2));
}

#[test]
fn an_older_head_of_the_issuer_shows_nothing_beside_its_successor_s() {
    let mut net = Net::new();
    net.issue("1");
    let older = net.raw("1");
    net.change("1", Action::Revoke);
    net.remove(ISSUER, Some(HEIR));
    net.issue_in(HEIR, "9");
    let now = net.raw("1");
    assert_eq!(net.read_raw(&now), Ok(revoked()));
    let successors: Vec<&RawSuccessor> = now.successors.iter().collect();
    let lie = with_successors(&older, &successors);
    let not_whole = BundleError::NotWhole {
        department: code(ISSUER),
        found: 1,
        expected: 2,
    };
    assert_eq!(net.read_raw(&lie), Err(not_whole));
}

#[test]
fn no_proof_is_made_without_a_head_over_what_was_kept_of_a_removed_successor_s_log() {
    let mut net = Net::new();
    net.issue("1");
    net.remove(ISSUER, Some(HEIR));
    net.issue_in(HEIR, "8");
    let position = net.position(HEIR);
    net.issue_in(HEIR, "9");
    net.decide(Suspend { position });
    let since = net.members.history().height();
    let successor = Some(code(NEXT));
    net.decide(Remove {
        position,
        since,
        successor,
    });
    net.issue_in(NEXT, "7");
    let none = Bundle::gather(&net.catalogue, &net.id("1"), |_| Vec::new());
    let present = net.members.present_log(&code(HEIR));
    assert!(
        matches!(none, Err(crate::verify::GatherError::Ended { log }) if log == present),
        "{none:?}"
    );
}

#[test]
fn a_successor_that_was_removed_with_an_empty_log_stands_in_no_proof() {
    let mut net = Net::new();
    net.issue("1");
    net.remove(ISSUER, Some(HEIR));
    net.remove(HEIR, Some(NEXT));
    net.changes(NEXT, "1", Action::Revoke, Status::Valid);
    let raw = net.raw("1");
    assert_eq!(raw.successors.len(), 1);
    assert_eq!(net.read_raw(&raw), Ok(revoked()));
}

#[test]
fn who_witnessed_the_end_of_a_log_vouches_for_the_definitions_in_it_as_well() {
    let mut net = Net::new();
    // Issued by the department that defines the type, in the log that has the definition.
    let issuer = IssuerCode::Department(code(0));
    let id = CertificateId::new(net.type_code(), issuer, "1", 1).unwrap();
    let Entry::CertificateIssued(issued) = issue(&id, None) else {
        unreachable!()
    };
    let entry = Entry::CertificateIssued(CertificateIssued {
        definition: net.definition,
        ..issued
    });
    net.append(0, entry);
    net.remove(0, Some(HEIR));
    net.issue_in(HEIR, "9");
    let read = |witnesses: &[usize]| net.read(&net.bundle_of(&id, witnesses), &net.members);
    assert_eq!(read(&WITNESSES[1..]), Ok(Verdict::Valid));
    let (log, size) = (LogId::first(code(0)), 2);
    let ended = Missing::Definition(Unproven::KeyEnded { log, size });
    assert_eq!(read(&[1]), Ok(Verdict::Unknown(vec![ended])));
}
