//! What a peer makes of members that join, are suspended, resumed and removed while it runs.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::catalogue::{Catalogue, FreshnessLimits, Stale};
use crate::codec::Bounded;
use crate::crypto::hash::Hash;
use crate::crypto::keys::KeyRing;
use crate::disk::MemoryDisk;
use crate::governance::engine::Known;
use crate::governance::tests::world::{World, code};
use crate::governance::{Action, Cut, CutReason, Position, Remove, Resume, Suspend};
use crate::log::{Log, MAX_PAGE, Writer};
use crate::membership::Membership;
use crate::names::{LogId, LogName};
use crate::operating::OperatingKeys;
use crate::sync::{
    Announcement, Command, ConnectionId, Event, Failure, Gossiped, Head, Heads, Instance,
    Judgement, OwnLog, Request, RequestId, Response, Sync, announcement, serve, stored,
};

use super::peer::{entries, place};
use super::world::settings;

const NEWCOMER: usize = 8;

/// Department 0's state machine and what it holds, in a network of three whose members decide.
struct Here {
    world: World,
    members: Membership,
    disk: MemoryDisk,
    catalogue: Catalogue,
    sync: Sync,
    now_ms: u64,
}

impl Here {
    fn new(own_log: OwnLog) -> Here {
        let world = World::new(3, 0);
        let members = Membership::from_genesis(&world.genesis);
        let disk = MemoryDisk::new();
        let opened = Catalogue::open(place(&disk), members.clone(), code(0)).unwrap();
        let sync = Sync::new(
            LogId::first(code(0)),
            own_log,
            Instance(0),
            members.clone(),
            settings(),
        );
        Here {
            world,
            members,
            disk,
            catalogue: opened.catalogue,
            sync,
            now_ms: 0,
        }
    }

    fn handle(&mut self, event: Event) -> Vec<Command> {
        self.sync.handle(event, self.now_ms, &self.catalogue)
    }

    /// The members decide it, and this peer hears of that.
    fn decide(&mut self, action: Action) -> Vec<Command> {
        self.world.decide(&[action]).unwrap();
        let changes = self
            .members
            .extend(self.world.blocks.last().unwrap())
            .unwrap();
        for code in &changes.departments {
            let begun = self.catalogue.begin(code).unwrap();
            if let Some(filling) = begun.and_then(|begun| begun.filling) {
                let _ = filling.run();
            }
        }
        self.handle(Event::MembersChanged(changes.departments))
    }

    fn admit(&mut self) {
        let admit = self.world.admit(NEWCOMER, false);
        self.decide(admit);
    }

    fn position(&self) -> Position {
        let log = LogId::first(code(NEWCOMER));
        let held = self.catalogue.log(&log).unwrap();
        let size = held.size();
        let root = held.root_at(size).unwrap();
        Position { log, size, root }
    }

    fn suspend(&mut self) -> Vec<Command> {
        let position = self.position();
        self.decide(Suspend { position }.into())
    }

    fn suspended_since(&self) -> u64 {
        let newcomer = self.members.member(&code(NEWCOMER)).unwrap();
        newcomer.suspended_since().unwrap()
    }

    fn remove(&mut self) -> Vec<Command> {
        let remove = Remove {
            position: self.position(),
            since: self.suspended_since(),
            successor: None,
        };
        self.decide(remove.into())
    }

    /// The newcomer's log, on its own disk, written by what is decided by now.
    fn newcomers(&self) -> Writer {
        let name = LogName {
            network: self.members.network(),
            id: LogId::first(code(NEWCOMER)),
        };
        let (log, _) = Log::open(&place(&MemoryDisk::new()), name, &self.members).unwrap();
        let members = Membership::from_genesis(&self.world.genesis);
        for block in &self.world.blocks {
            members.extend(block).unwrap();
        }
        let ring = KeyRing::from(self.world.own(NEWCOMER).operating.clone());
        let keys = OperatingKeys::new(members, code(NEWCOMER), ring);
        Writer::new(Arc::new(log), keys)
    }

    /// Hears of a head by gossip; what is to be stored is.
    fn hears(&mut self, from: usize, writer: &Writer, announced: u64) -> Judgement {
        let page = announcement(writer.log(), announced).unwrap();
        let commands = self.handle(Event::Gossiped(Gossiped {
            from: code(from),
            id: 7,
            announcement: Some(Box::new(Announcement::Head(page))),
        }));
        let mut judged = None;
        for command in commands {
            match command {
                Command::Judge { judgement, .. } => judged = Some(judgement),
                Command::Store { from, records } => {
                    let id = records.log();
                    let held = self.catalogue.log(&id);
                    let page = records.verify(&self.members);
                    let stored = stored(id, held.as_deref(), from, page);
                    assert!(stored.result.is_ok(), "{stored:?}");
                    self.handle(Event::Stored(stored));
                }
                Command::Blame { peer, what } => panic!("{peer} {what}"),
                _ => {}
            }
        }
        judged.expect("judged")
    }

    /// A member connects and is asked for its heads; under which number.
    fn connects(&mut self, n: usize) -> RequestId {
        let commands = self.handle(Event::Connected(code(n)));
        asked(&commands, n).expect("asked for its heads")
    }

    fn answers(&mut self, n: usize, request: RequestId, heads: Vec<Head>) -> Vec<Command> {
        let heads = Heads {
            heads: Bounded::first(heads),
            forked: Bounded::default(),
            instance: Instance(n as u64 + 1),
            time_ms: 0,
            rival: false,
            governance: Known::default(),
            addresses: 0,
        };
        self.handle(Event::Answered {
            from: code(n),
            connection: Some(ConnectionId(n as u64)),
            request,
            answer: Ok(Box::new(Response::Heads(heads))),
        })
    }

    fn is_confirmed_by(&self, n: usize) -> bool {
        self.sync.confirmed_by().contains(&code(n))
    }
}

fn asked(commands: &[Command], n: usize) -> Option<RequestId> {
    commands.iter().find_map(|command| match command {
        Command::Request { to, request, body } if *to == code(n) => {
            matches!(body, Request::Heads { .. }).then_some(*request)
        }
        _ => None,
    })
}

fn grow(writer: &mut Writer) {
    let from = writer.log().size();
    let entries = entries(code(NEWCOMER), from, 3, 1);
    writer.append(from, entries).unwrap();
}

#[test]
fn a_newcomers_log_is_taken_in_and_one_that_nobody_was_told_of_is_nobodys_fault() {
    let mut here = Here::new(OwnLog::Kept);
    here.connects(1);
    let log = LogId::first(code(NEWCOMER));
    // Others may know of the decision already.
    let mut elsewhere = Here::new(OwnLog::Kept);
    elsewhere.admit();
    let mut early = elsewhere.newcomers();
    grow(&mut early);
    assert_eq!(here.hears(1, &early, 0), Judgement::Ignore);
    assert!(here.catalogue.log(&log).is_none());

    here.admit();
    let mut writer = here.newcomers();
    grow(&mut writer);
    assert_eq!(here.hears(1, &writer, 0), Judgement::Accept);
    let held = here.catalogue.log(&log).unwrap();
    assert_eq!(held.checkpoint(), writer.log().checkpoint());
    assert!(
        here.catalogue.begin(&log.department).unwrap().is_none(),
        "open"
    );
    assert!(here.catalogue.logs().any(|log| Arc::ptr_eq(&log, &held)));
    // It is a peer like any other.
    here.connects(NEWCOMER);
    // Another start finds what was taken in, and the copy goes on.
    let again = Catalogue::open(place(&here.disk), here.members.clone(), code(0)).unwrap();
    let again = again.catalogue.log(&log).unwrap();
    assert_eq!(again.checkpoint(), writer.log().checkpoint());
}

#[test]
fn a_suspended_members_word_counts_for_nothing_until_it_is_resumed() {
    let mut here = Here::new(OwnLog::Lost);
    here.admit();
    assert_eq!(here.sync.confirmations_needed(), 3);
    let request = here.connects(NEWCOMER);
    here.answers(NEWCOMER, request, Vec::new());
    assert!(here.is_confirmed_by(NEWCOMER));
    here.suspend();
    assert!(!here.is_confirmed_by(NEWCOMER));
    assert_eq!(here.sync.confirmations_needed(), 2);
    // It stays connected, is asked like all others, and what it says confirms nothing.
    here.now_ms += 60_000;
    let commands = here.handle(Event::Tick);
    let request = asked(&commands, NEWCOMER).expect("asked again");
    let heard = here.answers(NEWCOMER, request, Vec::new());
    let confirms = heard.iter().any(|command| {
        matches!(command, Command::Heard { confirmed, unbegun, .. } if !(confirmed.is_empty() && unbegun.is_empty()))
    });
    assert!(!confirms && !here.is_confirmed_by(NEWCOMER));
    // Nor does its word that another run of this peer was there first.
    here.now_ms += 60_000;
    let commands = here.handle(Event::Tick);
    let request = asked(&commands, NEWCOMER).expect("asked again");
    here.handle(Event::Answered {
        from: code(NEWCOMER),
        connection: Some(ConnectionId(NEWCOMER as u64)),
        request,
        answer: Ok(Box::new(Response::OtherInstance)),
    });
    assert!(here.sync.other_instance_reported_by().is_empty());
    let since = here.suspended_since();
    let department = code(NEWCOMER);
    here.decide(Resume { department, since }.into());
    here.now_ms += 60_000;
    let commands = here.handle(Event::Tick);
    let request = asked(&commands, NEWCOMER).expect("asked again");
    here.answers(NEWCOMER, request, Vec::new());
    assert!(here.is_confirmed_by(NEWCOMER));
}

#[test]
fn a_removed_member_is_no_peer_any_more_and_its_log_stays() {
    let mut here = Here::new(OwnLog::Kept);
    here.admit();
    let mut writer = here.newcomers();
    grow(&mut writer);
    here.connects(1);
    here.hears(1, &writer, 0);
    let request = here.connects(NEWCOMER);
    here.suspend();
    let position = here.position();
    here.remove();
    // What it still answers is heard by nobody, and it is not asked again.
    let heard = here.answers(NEWCOMER, request, Vec::new());
    let of_it = |command: &Command| matches!(command, Command::Heard { from, .. } if *from == code(NEWCOMER));
    assert!(!heard.iter().any(of_it));
    for event in [Event::Connected(code(NEWCOMER)), Event::Tick] {
        here.now_ms += 60_000;
        let commands = here.handle(event);
        assert_eq!(asked(&commands, NEWCOMER), None);
    }
    let unreachable = Event::Answered {
        from: code(NEWCOMER),
        connection: None,
        request,
        answer: Err(Failure::Unreachable),
    };
    here.handle(unreachable);
    // Another start opens its log all the same.
    let again = Catalogue::open(place(&here.disk), here.members.clone(), code(0)).unwrap();
    for catalogue in [&here.catalogue, &again.catalogue] {
        let log = catalogue.log_of(&position.log.department).unwrap();
        assert_eq!(log.size(), position.size);
        assert!(log.record(0).is_ok());
        // Nobody need confirm what ended.
        let late_ms = FreshnessLimits::default().silent_ms * 9;
        assert_eq!(catalogue.freshness(&log.name().id, late_ms), Ok(0));
    }
}

#[test]
fn of_a_log_that_ended_all_that_is_kept_has_to_be_held() {
    let here = |held: u64, root: Option<Hash>| {
        let mut here = Here::new(OwnLog::Kept);
        here.admit();
        let mut writer = here.newcomers();
        grow(&mut writer);
        here.connects(1);
        here.hears(1, &writer, 0);
        let mut position = here.position();
        position.size += held;
        position.root = root.unwrap_or(position.root);
        here.decide(Suspend { position }.into());
        let since = here.suspended_since();
        let remove = Remove {
            position,
            since,
            successor: None,
        };
        here.decide(remove.into());
        let log = here.members.present_log(&position.log.department);
        here.catalogue.confirm(log, code(1), 0, 0);
        here.catalogue.freshness(&log, 0)
    };
    assert_eq!(here(0, None), Ok(0));
    let more = here(5, None);
    assert!(
        matches!(more, Err(Stale::Behind { newest, size: 0, .. }) if newest > 5),
        "{more:?}"
    );
    let other = here(0, Some(Hash::ZERO));
    assert!(
        matches!(other, Err(Stale::Behind { size: 0, .. })),
        "{other:?}"
    );
}

impl Here {
    /// The newcomer's next generation elsewhere, begun with what is kept of the one before.
    fn next_generation(&self, before: &Log) -> Writer {
        let mut name = *before.name();
        name.id.generation += 1;
        let (log, _) = Log::open(&place(&MemoryDisk::new()), name, &self.members).unwrap();
        let history = self.members.history();
        let ended = *history.beginning(name.id).unwrap();
        while log.kept_missing() > 0 {
            let page = before.kept_page((name.id, &ended), log.held(), MAX_PAGE);
            let page = page.unwrap().unwrap().verify(&self.members).unwrap();
            log.begin_with(&page).unwrap();
        }
        let ring = KeyRing::from(self.world.own(NEWCOMER).operating.clone());
        let keys = OperatingKeys::new(self.members.clone(), code(NEWCOMER), ring);
        Writer::new(Arc::new(log), keys)
    }

    /// Has a member answer from a log, and stores what comes, until nothing is asked any more; gives from where pages were asked
    /// for, and what else is to be done.
    fn served(&mut self, n: usize, log: &Log, begin: Vec<Command>) -> (Vec<u64>, Vec<Command>) {
        let (mut asked, mut other) = (Vec::new(), Vec::new());
        let mut commands = VecDeque::from(begin);
        while let Some(command) = commands.pop_front() {
            let next = match command {
                Command::Request { to, request, body } if to == code(n) => {
                    if let Request::Page { from, .. } = body {
                        asked.push(from);
                    }
                    assert!(asked.len() < 40, "asked without end: {asked:?}");
                    self.handle(Event::Answered {
                        from: to,
                        connection: Some(ConnectionId(n as u64)),
                        request,
                        answer: Ok(Box::new(serve(log, &body).unwrap())),
                    })
                }
                Command::Store { from, records } => {
                    let id = records.log();
                    let held = self.catalogue.log(&id);
                    let records = records.verify(&self.members);
                    let done = stored(id, held.as_deref(), from, records);
                    self.handle(Event::Stored(done))
                }
                Command::Blame { peer, what } => panic!("{peer} {what}"),
                command => {
                    other.push(command);
                    continue;
                }
            };
            commands.extend(next);
        }
        (asked, other)
    }

    fn hears_heads(&mut self, n: usize, request: RequestId, heads: Vec<Head>) -> Vec<Command> {
        let governance = Known {
            height: self.members.history().height(),
            ..Known::default()
        };
        let heads = Heads {
            heads: Bounded::first(heads),
            instance: Instance(n as u64 + 1),
            governance,
            ..Heads::default()
        };
        self.handle(Event::Answered {
            from: code(n),
            connection: Some(ConnectionId(n as u64)),
            request,
            answer: Ok(Box::new(Response::Heads(heads))),
        })
    }
}

#[test]
fn what_is_kept_of_a_log_comes_from_members_though_nobody_shows_a_head_of_it() {
    let mut here = Here::new(OwnLog::Kept);
    here.admit();
    let mut writer = here.newcomers();
    grow(&mut writer);
    let size = writer.log().size();
    let position = Position {
        log: writer.log().name().id,
        size,
        root: writer.log().root_at(size).unwrap(),
    };
    here.decide(Suspend { position }.into());
    let since = here.suspended_since();
    let successor = None;
    here.decide(
        Remove {
            position,
            since,
            successor,
        }
        .into(),
    );
    let elsewhere = here.next_generation(writer.log());
    let request = here.connects(1);
    let commands = here.hears_heads(1, request, Vec::new());
    let (asked, _) = here.served(1, elsewhere.log(), commands);
    assert_eq!(asked.first(), Some(&0));
    let held = here.catalogue.log_of(&code(NEWCOMER)).unwrap();
    assert_eq!((held.size(), held.kept_missing()), (size, 0));
    assert_eq!(here.catalogue.freshness(&held.name().id, 0), Ok(0));
    // Then nothing is lacking.
    here.now_ms += 60_000;
    let commands = here.handle(Event::Tick);
    let pages = |command: &Command| matches!(command, Command::Request { body: Request::Page { log, .. }, .. } if *log == held.name().id);
    assert!(!commands.iter().any(pages), "{commands:?}");
}

#[test]
fn a_fork_behind_what_a_generation_begins_with_is_found_without_asking_for_that() {
    let mut here = Here::new(OwnLog::Kept);
    here.admit();
    let mut writer = here.newcomers();
    // So many that the first position a search would look at is among them.
    for _ in 0..4 {
        grow(&mut writer);
    }
    here.connects(1);
    here.hears(1, &writer, 0);
    let position = here.position();
    let kept = position.size;
    here.decide(
        Cut {
            position,
            why: CutReason::Forked,
            first_epoch: 0,
        }
        .into(),
    );
    let [mut one, mut other] = [0, 1].map(|_| here.next_generation(writer.log()));
    // Some records alike, then others, of the second more.
    let alike = kept + entries(code(NEWCOMER), kept, 3, 2).len() as u64;
    for (writer, salt) in [(&mut one, 3), (&mut other, 4)] {
        for (from, count, salt) in [(kept, 3, 2), (alike, salt, salt)] {
            let entries = entries(code(NEWCOMER), from, count, salt);
            writer.append(from, entries).unwrap();
        }
    }
    here.hears(1, &one, kept);
    let request = here.connects(2);
    let head = Head {
        checkpoint: other.log().checkpoint().unwrap().signed().clone(),
        cosignature: None,
    };
    let commands = here.hears_heads(2, request, vec![head]);
    let (asked, done) = here.served(2, other.log(), commands);
    assert!(asked.iter().all(|from| *from >= kept), "{asked:?}");
    let frozen = done.iter().find_map(|command| match command {
        Command::Freeze(evidence) => Some((evidence.log().generation, evidence.position())),
        _ => None,
    });
    assert_eq!(frozen, Some((1, alike)));
}
