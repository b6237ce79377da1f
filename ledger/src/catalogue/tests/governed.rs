//! Verdicts under governance that changes: what counted when it was signed counts, and nothing that was signed after it
//! ended, however it is dated.

use super::*;
use crate::catalogue::Holding;
use crate::codec::Ascending;
use crate::crypto::keys::KeyRing;
use crate::governance::tests::world::{World, code};
use crate::governance::{
    ChangeRoles, EndReason, EpochEnd, Govern, Position, Remove, Resume, Suspend, Why,
};
use crate::id::TypeCode;
use crate::log::Cosignature;
use crate::operating::OperatingKeys;

/// Department 0 defines a type, department 4 issues certificates of it; what is held is held by department 1.
pub(super) struct Net {
    pub(super) world: World,
    pub(super) members: Membership,
    pub(super) catalogue: Catalogue,
    pub(super) definition: DefinitionRef,
    pub(super) place: Place,
    time_ms: u64,
}

pub(super) const ISSUER: usize = 4;

impl Net {
    pub(super) fn new() -> Net {
        let world = World::new(4, 2);
        let members = Membership::from_genesis(&world.genesis);
        let place = Place {
            disk: Arc::new(MemoryDisk::new()),
            data: PathBuf::from("/d"),
            segment_records: 8,
            index_key: crate::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
        };
        let opened = Catalogue::open(place.clone(), members.clone(), code(1)).unwrap();
        let mut catalogue = opened.catalogue;
        known_for_whole(&mut catalogue);
        let mut net = Net {
            world,
            members,
            catalogue,
            definition: defined(),
            place,
            time_ms: 1,
        };
        net.definition = net.define(0, &[]);
        net
    }

    pub(super) fn type_code(&self) -> TypeCode {
        format!("{}011", code(0)).parse().unwrap()
    }

    pub(super) fn change(&mut self, serial: &str, action: Action) {
        let entry = change(&self.id(serial), action);
        self.append(ISSUER, entry);
    }

    fn change_dated_back(&mut self, serial: &str, action: Action) {
        let key = self.world.own(ISSUER).operating[0].clone();
        let mut writer = Writer::new(self.log(ISSUER), key);
        let entry = change(&self.id(serial), action);
        self.write(&mut writer, entry);
    }

    /// Defines the type in a department's log.
    pub(super) fn define(&mut self, by: usize, issuers: &[usize]) -> DefinitionRef {
        let mut defined = TypeDefined::new(self.type_code(), Text::new("营业执照").unwrap());
        let issuers = issuers.iter().map(|n| code(*n)).collect();
        defined.issuers = Bounded::new(issuers).unwrap();
        self.append(by, Entry::from(defined))
    }

    /// Has the definer's first key, dated back, define the type for nobody but department 2.
    fn exclude_dated_back(&mut self) {
        let key = self.world.own(0).operating[0].clone();
        let mut writer = Writer::new(self.log(0), key);
        let mut excluding = TypeDefined::new(self.type_code(), Text::new("营业执照").unwrap());
        excluding.issuers = Bounded::new(vec![code(2)]).unwrap();
        self.write(&mut writer, Entry::from(excluding));
    }

    pub(super) fn writer(&self, n: usize) -> Writer {
        let ring = KeyRing::from(self.world.own(n).operating.clone());
        let keys = OperatingKeys::new(self.members.clone(), code(n), ring);
        Writer::new(self.log(n), keys)
    }

    pub(super) fn log(&self, n: usize) -> Arc<Log> {
        self.catalogue.log_of(&code(n)).unwrap()
    }

    pub(super) fn append(&mut self, n: usize, entry: Entry) -> DefinitionRef {
        let mut writer = self.writer(n);
        self.write(&mut writer, entry)
    }

    pub(super) fn write(&mut self, writer: &mut Writer, entry: Entry) -> DefinitionRef {
        // Within a day of each other: what is known of the definitions is new enough.
        self.time_ms += 1;
        let (appended, _) = writer.append(self.time_ms, vec![entry]).unwrap();
        DefinitionRef {
            log: writer.log().name().id,
            seq: appended[0].seq,
            hash: appended[0].hash,
        }
    }

    pub(super) fn id(&self, serial: &str) -> CertificateId {
        let issuer = IssuerCode::Department(code(ISSUER));
        CertificateId::new(self.type_code(), issuer, serial, 1).unwrap()
    }

    pub(super) fn certificate(&self, serial: &str) -> Entry {
        let Entry::CertificateIssued(issued) = issue(&self.id(serial), None) else {
            unreachable!()
        };
        Entry::CertificateIssued(CertificateIssued {
            definition: self.definition,
            ..issued
        })
    }

    pub(super) fn issue(&mut self, serial: &str) {
        let entry = self.certificate(serial);
        self.append(ISSUER, entry);
    }

    /// As somebody would with the issuer's first key, who says that nothing was decided yet.
    fn issue_dated_back(&mut self, serial: &str) {
        let key = self.world.own(ISSUER).operating[0].clone();
        let mut writer = Writer::new(self.log(ISSUER), key);
        let entry = self.certificate(serial);
        self.write(&mut writer, entry);
    }

    pub(super) fn position(&self, n: usize) -> Position {
        match self.log(n).checkpoint() {
            Some(checkpoint) => Position {
                log: checkpoint.log,
                size: checkpoint.size,
                root: checkpoint.root,
            },
            None => Position::beginning(LogId::first(code(n))),
        }
    }

    pub(super) fn decide(&mut self, action: impl Into<crate::governance::Action>) {
        self.world.decide(&[action.into()]).unwrap();
        self.catch_up();
    }

    pub(super) fn catch_up(&self) {
        let known = self.members.history().height() as usize;
        for block in &self.world.blocks[known..] {
            // As a node does with each.
            for department in self.members.extend(block).unwrap().departments {
                let begun = self.catalogue.begin(&department).unwrap();
                if let Some(filling) = begun.and_then(|begun| begun.filling) {
                    let _ = filling.run();
                }
            }
        }
    }

    pub(super) fn suspend(&mut self) -> u64 {
        let position = self.position(ISSUER);
        self.decide(Suspend { position });
        self.members.history().height()
    }

    /// The authority leaves, and department 2 takes over its types.
    fn hand_over_definitions(&mut self) {
        let position = self.position(0);
        self.decide(Suspend { position });
        let since = self.members.history().height();
        self.decide(Remove {
            position,
            since,
            successor: None,
        });
        self.decide(ChangeRoles {
            department: code(2),
            give: Ascending::first([Role::Define(code(0))]),
            take: Ascending::default(),
            position: None,
        });
    }

    fn rotate(&mut self) {
        self.rotate_of(ISSUER);
    }

    fn rotate_of(&mut self, n: usize) {
        self.world.rotate(n);
        self.catch_up();
    }

    fn end_epoch(&mut self, position: Position, why: EndReason) {
        let end = EpochEnd {
            position,
            epoch: 0,
            why,
        };
        let ended = self.world.ended(ISSUER, end, &[0, 1, 2, 3]);
        self.world.make(vec![ended.into()]).unwrap();
        self.catch_up();
    }

    pub(super) fn verdict(&self, serial: &str) -> Verdict {
        let question = question(day("2024-06-01"));
        verify(&self.catalogue, &self.id(serial), question)
            .unwrap()
            .verdict
    }

    pub(super) fn bundle(&self, serial: &str, witnesses: &[usize]) -> Bundle {
        self.bundle_of(&self.id(serial), witnesses)
    }

    pub(super) fn bundle_of(&self, id: &CertificateId, witnesses: &[usize]) -> Bundle {
        let cosign = |checkpoint: &crate::log::VerifiedCheckpoint| {
            let signed = witnesses.iter().map(|n| self.cosign(checkpoint, *n));
            signed.collect()
        };
        let bundle = Bundle::gather(&self.catalogue, id, cosign);
        bundle.unwrap().unwrap()
    }

    pub(super) fn cosign(
        &self,
        checkpoint: &crate::log::VerifiedCheckpoint,
        by: usize,
    ) -> Cosignature {
        let ring = KeyRing::from(self.world.own(by).operating.clone());
        let keys = OperatingKeys::new(self.members.clone(), code(by), ring);
        let signs = keys.in_force().unwrap();
        Cosignature::sign(&self.members, checkpoint, code(by), self.time_ms, &signs)
    }

    /// What a proof says to a reader who knows these members.
    pub(super) fn read(
        &self,
        bundle: &Bundle,
        members: &Membership,
    ) -> Result<Verdict, BundleError> {
        bundle.clone().verify(members)?.judge(&Reader {
            on: day("2024-06-01"),
            now_ms: self.time_ms,
            issuer_only: true,
        })
    }
}

pub(super) fn not_authorised(why: NotAuthorised) -> Verdict {
    Verdict::NotValid(NotValid::IssuerNotAuthorised(why))
}

#[test]
fn what_was_issued_under_each_key_is_valid_under_all_that_follow() {
    let mut net = Net::new();
    let founding = Membership::from_genesis(&net.world.genesis);
    net.issue("FIRST");
    let first = net.bundle("FIRST", &[]);
    net.rotate();
    net.issue("SECOND");
    net.rotate();
    net.issue("THIRD");
    for serial in ["FIRST", "SECOND", "THIRD"] {
        assert_eq!(net.verdict(serial), Verdict::Valid, "{serial}");
        let bundle = net.bundle(serial, &[1]);
        assert_eq!(net.read(&bundle, &net.members), Ok(Verdict::Valid));
        // Whoever knows less than its signers can't say who they are.
        let early = BundleError::Early { named: 2, known: 0 };
        assert_eq!(net.read(&bundle, &founding), Err(early));
    }
    // A proof made before is none the worse.
    assert_eq!(net.read(&first, &founding), Ok(Verdict::Valid));
    assert_eq!(net.read(&first, &net.members), Ok(Verdict::Valid));
}

#[test]
fn a_suspension_takes_nothing_back_and_lets_nothing_in() {
    let mut net = Net::new();
    net.issue("BEFORE");
    let since = net.suspend();
    net.issue_dated_back("MEANWHILE");
    let suspended = not_authorised(NotAuthorised::Void(Why::Suspended(code(ISSUER))));
    assert_eq!(net.verdict("BEFORE"), Verdict::Valid);
    assert_eq!(net.verdict("MEANWHILE"), suspended);
    net.decide(Resume {
        department: code(ISSUER),
        since,
    });
    net.issue("AFTER");
    assert_eq!(net.verdict("AFTER"), Verdict::Valid);
    // Resuming heals nothing: it was cut off, and has to be issued again.
    assert!(matches!(net.verdict("MEANWHILE"), Verdict::Unknown(_)));
    net.issue("MEANWHILE");
    for serial in ["BEFORE", "MEANWHILE", "AFTER"] {
        assert_eq!(net.verdict(serial), Verdict::Valid, "{serial}");
        let proof = net.bundle(serial, &[0, 2, 3]);
        assert_eq!(
            net.read(&proof, &net.members),
            Ok(Verdict::Valid),
            "{serial}"
        );
    }
}

#[test]
fn logs_that_name_decisions_which_were_lost_here_are_noticed_until_these_are_back() {
    let mut net = Net::new();
    net.issue("BEFORE");
    let reopened = |net: &Net, members: &Membership| {
        let opened = Catalogue::open(net.catalogue.place.clone(), members.clone(), code(1));
        opened.unwrap().catalogue
    };
    let lost = Membership::from_genesis(&net.world.genesis);
    net.decide(Govern {
        department: code(ISSUER),
        governs: true,
    });
    assert_eq!(reopened(&net, &lost).ahead_of_decisions(), None);
    net.issue("AFTER");
    assert_eq!(net.catalogue.ahead_of_decisions(), None);
    let catalogue = reopened(&net, &lost);
    assert!(catalogue.certificate(&net.id("AFTER")).unwrap().is_some());
    assert_eq!(catalogue.ahead_of_decisions(), Some(1));
    lost.extend(&net.world.blocks[0]).unwrap();
    assert_eq!(catalogue.ahead_of_decisions(), None);
}

#[test]
fn a_removed_issuer_s_certificates_keep_their_verdicts() {
    let mut net = Net::new();
    net.issue("BEFORE");
    let bundle = net.bundle("BEFORE", &[]);
    let witnessed = net.bundle("BEFORE", &[0, 1, 2]);
    let position = net.position(ISSUER);
    let since = net.suspend();
    net.issue_dated_back("AFTER");
    net.decide(Remove {
        position,
        since,
        successor: None,
    });
    assert_eq!(net.verdict("BEFORE"), Verdict::Valid);
    // What was cut off is in no log any more.
    assert!(matches!(net.verdict("AFTER"), Verdict::Unknown(_)));
    // That a proof was made before, only witnesses show: its signer could date back another one of that size.
    let (log, size) = (position.log, 1);
    let missing = Missing::Definition(Unproven::KeyEnded { log, size });
    let unknown = Verdict::Unknown(vec![missing]);
    assert_eq!(net.read(&bundle, &net.members), Ok(unknown));
    assert_eq!(net.read(&witnessed, &net.members), Ok(Verdict::Valid));
}

#[test]
fn what_a_removed_department_issued_can_be_proved_to_others() {
    let mut net = Net::new();
    net.issue("BEFORE");
    let position = net.position(ISSUER);
    let since = net.suspend();
    net.decide(Remove {
        position,
        since,
        successor: None,
    });
    assert_eq!(net.log(ISSUER).checkpoint(), None, "nobody writes it");
    let proof = net.bundle("BEFORE", &[0, 1, 2]);
    assert_eq!(net.read(&proof, &net.members), Ok(Verdict::Valid));
}

#[test]
fn what_the_end_of_a_key_does_not_cover_counts_for_nothing() {
    let mut net = Net::new();
    net.issue("FIRST");
    let early = net.bundle("FIRST", &[]);
    let witnessed = net.bundle("FIRST", &[0, 2, 3]);
    net.issue("LAST");
    let position = net.position(ISSUER);
    let at_the_end = net.bundle("FIRST", &[]);
    // Another history of the same length, which nobody but its signer has.
    let mut other = Net {
        world: net.world.clone(),
        ..Net::new()
    };
    other.definition = net.definition;
    other.issue("OTHER");
    other.issue("LAST");
    net.rotate();
    net.end_epoch(position, EndReason::Stolen);
    other.world = net.world.clone();
    other.catch_up();
    assert_eq!(net.verdict("FIRST"), Verdict::Valid);
    assert_eq!(net.verdict("LAST"), Verdict::Valid);
    let other_end = NotAuthorised::OtherEnd { size: 2 };
    assert_eq!(other.verdict("OTHER"), not_authorised(other_end));
    // A proof that stops before the end can't show that it leads there, unless witnesses signed it then.
    let size = position.size;
    let log = position.log;
    let missing = Missing::Definition(Unproven::KeyEnded { log, size });
    for unwitnessed in [early, at_the_end] {
        assert_eq!(
            net.read(&unwitnessed, &net.members),
            Ok(Verdict::Unknown(vec![missing.clone()]))
        );
    }
    assert_eq!(net.read(&witnessed, &net.members), Ok(Verdict::Valid));
    // And one made under the next key shows it anyway.
    net.issue("NEXT");
    let later = net.bundle("FIRST", &[]);
    assert_eq!(net.read(&later, &net.members), Ok(Verdict::Valid));
}

#[test]
fn a_role_that_was_taken_takes_nothing_back() {
    let mut net = Net::new();
    net.issue("BEFORE");
    let position = net.position(ISSUER);
    net.decide(ChangeRoles {
        department: code(ISSUER),
        give: Ascending::default(),
        take: Ascending::first([Role::Issue]),
        position: Some(position),
    });
    net.issue("AFTER");
    assert_eq!(net.verdict("BEFORE"), Verdict::Valid);
    assert_eq!(net.verdict("AFTER"), not_authorised(NotAuthorised::NoRole));
    net.decide(ChangeRoles {
        department: code(ISSUER),
        give: Ascending::first([Role::Issue]),
        take: Ascending::default(),
        position: None,
    });
    net.issue("AGAIN");
    assert_eq!(net.verdict("AFTER"), not_authorised(NotAuthorised::NoRole));
    assert_eq!(net.verdict("AGAIN"), Verdict::Valid);
}

#[test]
fn a_definition_counts_by_who_defined_the_type_then() {
    let mut net = Net::new();
    net.issue("BEFORE");
    net.hand_over_definitions();
    net.issue("OTHERS");
    let others = not_authorised(NotAuthorised::OthersDefinition);
    assert_eq!(net.verdict("OTHERS"), others);
    net.definition = net.define(2, &[]);
    net.issue("AFTER");
    for serial in ["BEFORE", "AFTER"] {
        assert_eq!(net.verdict(serial), Verdict::Valid, "{serial}");
        let bundle = net.bundle(serial, &[1, 2, 3]);
        assert_eq!(
            net.read(&bundle, &net.members),
            Ok(Verdict::Valid),
            "{serial}"
        );
    }
}

#[test]
fn an_epoch_ends_behind_its_last_record_and_whoever_holds_more_by_it_witnesses_nothing() {
    let mut net = Net::new();
    let own = 1;
    net.append(own, define());
    assert_eq!(net.catalogue.open_end().unwrap(), None, "it is in force");
    net.rotate_of(own);
    let end = net.catalogue.open_end().unwrap().unwrap();
    assert_eq!((end.epoch, end.position), (0, net.position(own)));
    // The next key's records change nothing of that.
    net.append(own, define());
    net.append(own, define());
    assert_eq!(net.catalogue.open_end().unwrap(), Some(end));
    assert!(net.catalogue.is_end(&end).unwrap());
    let holds = |change: &dyn Fn(&mut EpochEnd)| {
        let mut other = end;
        change(&mut other);
        net.catalogue.is_end(&other).unwrap()
    };
    assert!(!holds(&|end| end.position.size = 0));
    assert!(!holds(&|end| end.position.size = 2));
    assert!(!holds(&|end| end.position.root = Hash::ZERO));
    assert!(!holds(&|end| end.epoch = 1), "that one is in force");
    assert!(!holds(&|end| end.position.log = LogId::first(code(9))));
    // The next one ends behind the first, whether it wrote something or not.
    net.rotate_of(own);
    assert_eq!(net.catalogue.open_end().unwrap(), Some(end), "in order");
    let ended = net.world.ended(own, end, &[0, 2, 3]);
    net.world.make(vec![ended.into()]).unwrap();
    net.catch_up();
    let second = net.catalogue.open_end().unwrap().unwrap();
    assert_eq!((second.epoch, second.position.size), (1, 3));
    // Somebody whose copy goes on by the old key can't say that it ended there.
    let mut thief = Net {
        world: net.world.clone(),
        ..Net::new()
    };
    let key = thief.world.own(own).operating[0].clone();
    let mut writer = Writer::new(thief.log(own), key);
    thief.write(&mut writer, define());
    thief.write(&mut writer, define());
    thief.catch_up();
    assert!(!thief.catalogue.is_end(&end).unwrap());
}

#[test]
fn a_change_that_counts_for_nothing_changes_no_status() {
    let mut net = Net::new();
    for serial in ["KEPT", "HELD", "GONE"] {
        net.issue(serial);
    }
    net.change("HELD", Action::Suspend);
    net.change("GONE", Action::Revoke);
    let suspended = Verdict::NotValid(NotValid::Status(Status::Suspended));
    let revoked = Verdict::NotValid(NotValid::Status(Status::Revoked));
    let since = net.suspend();
    // What it writes then, dated back, its own copy has, and whoever took it before the decision came.
    net.change_dated_back("HELD", Action::Reinstate);
    net.change_dated_back("KEPT", Action::Revoke);
    let verdicts = |net: &Net| ["KEPT", "HELD", "GONE"].map(|serial| net.verdict(serial));
    assert_eq!(
        verdicts(&net),
        [Verdict::Valid, suspended.clone(), revoked.clone()]
    );
    // After it is resumed it says again what it means, and that counts.
    net.decide(Resume {
        department: code(ISSUER),
        since,
    });
    assert_eq!(verdicts(&net), [Verdict::Valid, suspended, revoked.clone()]);
    net.change("HELD", Action::Reinstate);
    net.change("KEPT", Action::Revoke);
    assert_eq!(verdicts(&net), [revoked.clone(), Verdict::Valid, revoked]);
    // A file shows it as well: its log has nothing any more that counts for nothing.
    let read = net.read(&net.bundle("HELD", &[0, 1, 2, 3]), &net.members);
    assert_eq!(read, Ok(Verdict::Valid));
}

#[test]
fn an_old_height_keeps_nobody_s_right_to_define() {
    let mut net = Net::new();
    net.issue("BEFORE");
    net.hand_over_definitions();
    // Long after, by a definition of the department that is gone, as of when it was not.
    net.time_ms = net.world.time_ms + 2 * DEFINITION_LAG_MS;
    net.issue_dated_back("LATE");
    let others = not_authorised(NotAuthorised::OthersDefinition);
    assert_eq!(net.verdict("LATE"), others);
    assert_eq!(net.verdict("BEFORE"), Verdict::Valid);
}

#[test]
fn a_witness_that_is_gone_or_has_another_key_vouches_for_nothing_new() {
    let mut net = Net::new();
    net.issue("FIRST");
    let old = net.bundle("FIRST", &[2]);
    assert!(old.clone().verify(&net.members).unwrap().is_witnessed());
    net.rotate_of(2);
    // What it signed before counts; its first key signs nothing more, whatever height is named.
    assert!(old.clone().verify(&net.members).unwrap().is_witnessed());
    net.time_ms = net.world.time_ms + 2 * DEFINITION_LAG_MS;
    let key = net.world.own(2).operating[0].clone();
    let founding = Membership::from_genesis(&net.world.genesis);
    let late = |checkpoint: &crate::log::VerifiedCheckpoint| {
        let signs = key.clone().into();
        vec![Cosignature::sign(
            &founding,
            checkpoint,
            code(2),
            net.time_ms,
            &signs,
        )]
    };
    let late = Bundle::gather(&net.catalogue, &net.id("FIRST"), late)
        .unwrap()
        .unwrap();
    assert!(!late.verify(&net.members).unwrap().is_witnessed());
    let position = Position::beginning(LogId::first(code(2)));
    net.decide(Suspend { position });
    assert!(!old.verify(&net.members).unwrap().is_witnessed());
}

#[test]
fn what_is_held_is_stated_only_as_far_as_it_counts() {
    let log = LogId::first(code(ISSUER));
    let mut net = Net::new();
    let holding = |net: &Net| net.catalogue.holding(&log).unwrap();
    assert_eq!(holding(&net), Holding::Nothing);
    net.issue("FIRST");
    net.issue("LAST");
    let position = net.position(ISSUER);
    let stated = |net: &Net| match holding(net) {
        Holding::UpTo(checkpoint) => checkpoint.size,
        other => panic!("{other:?}"),
    };
    assert_eq!(stated(&net), 2);
    let next = LogId {
        generation: 1,
        ..log
    };
    let of_next = net.catalogue.holding(&next).unwrap();
    assert_eq!(of_next, Holding::Disputed, "it is not open here");
    net.rotate();
    net.end_epoch(position, EndReason::Rotated);
    assert_eq!(stated(&net), 2);
    net.issue("NEXT");
    assert_eq!(stated(&net), 3);
    // By the key that has ended.
    let mut beyond = Net::new();
    beyond.issue("FIRST");
    let position = beyond.position(ISSUER);
    beyond.rotate();
    beyond.end_epoch(position, EndReason::Rotated);
    beyond.issue_dated_back("LATE");
    assert_eq!(holding(&beyond), Holding::Disputed);
    // Other records than those at which it ended.
    let mut other = Net::new();
    other.issue("OTHER");
    other.issue("LAST");
    other.rotate();
    let elsewhere = Position {
        root: Hash::ZERO,
        size: 1,
        ..position
    };
    other.end_epoch(elsewhere, EndReason::Rotated);
    assert_eq!(holding(&other), Holding::Disputed);
}

#[test]
fn that_a_key_was_stolen_takes_nothing_back_below_its_end_and_lets_nothing_in_beyond() {
    let mut net = Net::new();
    for serial in ["KEPT", "HELD"] {
        net.issue(serial);
    }
    net.change("HELD", Action::Suspend);
    let position = net.position(ISSUER);
    let unwitnessed = net.bundle("KEPT", &[]);
    let few = net.bundle("KEPT", &[2]);
    let witnessed = net.bundle("KEPT", &[0, 2, 3]);
    net.rotate();
    net.end_epoch(position, EndReason::Rotated);
    // Before it is known whose hands it was in, and after.
    for why in [None, Some(EndReason::Stolen)] {
        if let Some(why) = why {
            net.end_epoch(position, why);
        }
        let suspended = Verdict::NotValid(NotValid::Status(Status::Suspended));
        assert_eq!(net.verdict("KEPT"), Verdict::Valid);
        assert_eq!(net.verdict("HELD"), suspended);
        let (log, size) = (position.log, position.size);
        let missing = Missing::Definition(Unproven::KeyEnded { log, size });
        let unknown = Verdict::Unknown(vec![missing]);
        for bundle in [&unwitnessed, &few] {
            assert_eq!(net.read(bundle, &net.members), Ok(unknown.clone()));
        }
        assert_eq!(net.read(&witnessed, &net.members), Ok(Verdict::Valid));
    }
    // Its thief signs more, dated back, and some copy has it.
    net.issue_dated_back("LATE");
    net.change_dated_back("HELD", Action::Reinstate);
    net.change_dated_back("KEPT", Action::Revoke);
    let ended = not_authorised(NotAuthorised::Void(Why::Ended(EndReason::Stolen)));
    let suspended = Verdict::NotValid(NotValid::Status(Status::Suspended));
    let verdicts = ["KEPT", "HELD", "LATE"].map(|serial| net.verdict(serial));
    assert_eq!(verdicts, [Verdict::Valid, suspended, ended]);
}

#[test]
fn definitions_by_a_stolen_key_count_below_its_end_and_exclude_nobody_beyond() {
    let mut net = Net::new();
    net.issue("BEFORE");
    let end = EpochEnd {
        position: net.position(0),
        epoch: 0,
        why: EndReason::Stolen,
    };
    net.rotate_of(0);
    let ended = net.world.ended(0, end, &[1, 2, 3]);
    net.world.make(vec![ended.into()]).unwrap();
    net.catch_up();
    net.exclude_dated_back();
    net.time_ms += 2 * DEFINITION_LAG_MS;
    net.issue("AFTER");
    let definer = LogId::first(code(0));
    (net.catalogue).confirm(definer, code(3), net.time_ms, 0);
    for serial in ["BEFORE", "AFTER"] {
        assert_eq!(net.verdict(serial), Verdict::Valid, "{serial}");
    }
}

#[test]
fn a_witness_whose_key_was_stolen_vouches_for_nothing() {
    let mut net = Net::new();
    net.issue("FIRST");
    let bundle = net.bundle("FIRST", &[2]);
    let end = EpochEnd {
        position: net.position(2),
        epoch: 0,
        why: EndReason::Rotated,
    };
    net.rotate_of(2);
    for why in [EndReason::Rotated, EndReason::Stolen] {
        let ended = net.world.ended(2, EpochEnd { why, ..end }, &[0, 1, 3]);
        net.world.make(vec![ended.into()]).unwrap();
        net.catch_up();
        let witnessed = bundle.clone().verify(&net.members).unwrap().is_witnessed();
        assert_eq!(witnessed, why == EndReason::Rotated);
    }
}

#[test]
fn a_definition_that_counts_for_nothing_excludes_nobody() {
    let mut net = Net::new();
    net.issue("BEFORE");
    let position = net.position(0);
    net.decide(Suspend { position });
    let since = net.members.history().height();
    net.exclude_dated_back();
    net.decide(Resume {
        department: code(0),
        since,
    });
    net.define(0, &[]);
    net.time_ms += 2 * DEFINITION_LAG_MS;
    net.issue("AFTER");
    let definer = net.members.present_log(&code(0));
    (net.catalogue).confirm(definer, code(3), net.time_ms, 0);
    for serial in ["BEFORE", "AFTER"] {
        assert_eq!(net.verdict(serial), Verdict::Valid, "{serial}");
    }
    let read = net.read(&net.bundle("AFTER", &[0, 1, 2, 3]), &net.members);
    assert_eq!(read, Ok(Verdict::Valid));
}
