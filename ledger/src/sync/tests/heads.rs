//! What a peer makes of the heads that others send: which of its own they confirm, which signatures it keeps and gives.

use crate::catalogue::Catalogue;
use crate::codec::Bounded;
use crate::disk::MemoryDisk;
use crate::log::{Applied, Cosignature, VerifiedCheckpoint, Writer};
use crate::names::LogId;
use crate::record::Entry;
use crate::sync::{
    Command, ConnectionId, Event, Head, Heads, Holdings, Instance, OwnLog, Request, RequestId,
    Response, Stored, Sync,
};

use super::peer::{code, entries, key, members, place};
use super::world::settings;

/// The state machine of peer 0 and what it holds; peers 1 and 2 are connected.
struct Alone {
    sync: Sync,
    catalogue: Catalogue,
    now_ms: u64,
}

fn log_of(n: usize) -> LogId {
    LogId::first(code(n))
}

impl Alone {
    fn new() -> Alone {
        let opened = Catalogue::open(place(&MemoryDisk::new()), members(3), code(0));
        let catalogue = opened.unwrap().catalogue;
        let sync = Sync::new(
            log_of(0),
            OwnLog::New,
            Instance(0),
            catalogue.members().clone(),
            settings(),
        );
        let mut alone = Alone {
            sync,
            catalogue,
            now_ms: 0,
        };
        for n in [1, 2] {
            alone.handle(Event::Connected(code(n)));
        }
        alone
    }

    fn handle(&mut self, event: Event) -> Vec<Command> {
        self.sync.handle(event, self.now_ms, &self.catalogue)
    }

    /// A department appends, and all of it has been stored here.
    fn grows(&self, n: usize, more: Vec<Entry>) -> VerifiedCheckpoint {
        let log = self.catalogue.log(&log_of(n)).unwrap();
        let size = log.size();
        let mut all = entries(code(n), size, 2, 0);
        all.extend(more);
        let (_, checkpoint) = Writer::new(log, key(n)).append(self.now_ms, all).unwrap();
        checkpoint
    }

    /// What it does once a peer, asked for its heads, says these.
    fn hears(&mut self, from: usize, heads: Vec<Head>) -> Vec<Command> {
        self.now_ms += settings().heads_every_ms + settings().request_timeout_ms;
        let asked = self.handle(Event::Tick);
        let to_peer = |command: &Command| match command {
            Command::Request {
                to,
                request,
                body: Request::Heads { .. },
            } if *to == code(from) => Some(*request),
            _ => None,
        };
        let request: RequestId = asked.iter().find_map(to_peer).expect("asked for heads");
        let heads = Heads {
            heads: Bounded::first(heads),
            ..Heads::default()
        };
        self.handle(Event::Answered {
            from: code(from),
            connection: Some(ConnectionId(from as u64)),
            request,
            answer: Ok(Box::new(Response::Heads(heads))),
        })
    }
}

fn head(checkpoint: &VerifiedCheckpoint) -> Head {
    Head {
        checkpoint: checkpoint.signed().clone(),
        cosignature: None,
    }
}

/// Who was heard, and which of the heads held here it confirms.
fn confirmed(commands: &[Command]) -> Option<(usize, Vec<LogId>)> {
    let heard = |command: &Command| match command {
        Command::Heard {
            from, confirmed, ..
        } => Some((
            (0..3).find(|n| code(*n) == *from).unwrap(),
            confirmed.clone(),
        )),
        _ => None,
    };
    let mut all = commands.iter().filter_map(heard);
    let first = all.next();
    assert_eq!(all.next(), None, "once");
    first
}

fn kept(commands: &[Command]) -> Vec<u64> {
    let time = |command: &Command| match command {
        Command::KeepCosignature(_, cosignature) => Some(cosignature.time_ms),
        _ => None,
    };
    commands.iter().filter_map(time).collect()
}

#[test]
fn a_peer_confirms_the_heads_that_are_the_same_there_and_no_others() {
    let mut alone = Alone::new();
    let before = alone.grows(1, vec![]);
    let (one, two) = (alone.grows(1, vec![]), alone.grows(2, vec![]));
    let said = alone.hears(1, vec![head(&one), head(&two)]);
    assert_eq!(confirmed(&said), Some((1, vec![log_of(1), log_of(2)])));
    // An older head confirms nothing, nor does one that is newer than what is held here.
    let said = alone.hears(2, vec![head(&before), head(&two)]);
    assert_eq!(confirmed(&said), Some((2, vec![log_of(2)])));
    let elsewhere = Alone::new();
    elsewhere.grows(2, vec![]);
    let newer = elsewhere.grows(2, vec![]);
    let said = alone.hears(1, vec![head(&one), head(&newer)]);
    assert_eq!(confirmed(&said), Some((1, vec![log_of(1)])));
    let said = alone.hears(1, vec![]);
    assert_eq!(confirmed(&said), Some((1, vec![])));
}

#[test]
fn whoever_sends_a_head_that_its_department_did_not_sign_confirms_nothing() {
    let mut alone = Alone::new();
    let one = alone.grows(1, vec![]);
    let mut forged = head(&one);
    forged.checkpoint.checkpoint.size += 1;
    let said = alone.hears(2, vec![head(&one), forged]);
    assert_eq!(confirmed(&said), None);
    let blamed = |command: &Command| matches!(command, Command::Blame { .. });
    assert!(said.iter().any(blamed));
}

#[test]
fn a_signature_under_the_same_checkpoint_is_kept_again_once_it_is_an_hour_newer() {
    const HOUR: u64 = 3_600_000;
    let mut alone = Alone::new();
    let checkpoint = alone.grows(1, vec![]);
    let signed = |checkpoint: &VerifiedCheckpoint, time_ms| Head {
        cosignature: Some(Cosignature::sign(
            &members(3),
            checkpoint,
            code(2),
            time_ms,
            &key(2).into(),
        )),
        ..head(checkpoint)
    };
    for (time_ms, is_kept) in [
        (5, true),
        (5, false),
        (4 + HOUR, false),
        (5 + HOUR, true),
        // Of the times it was kept at the last counts.
        (5 + HOUR + 1, false),
        (5, false),
        (5 + 2 * HOUR, true),
    ] {
        let said = alone.hears(2, vec![signed(&checkpoint, time_ms)]);
        let expected: Vec<u64> = is_kept.then_some(time_ms).into_iter().collect();
        assert_eq!(kept(&said), expected, "{time_ms}");
    }
    // Under another checkpoint at once.
    let next = alone.grows(1, vec![]);
    let said = alone.hears(2, vec![signed(&next, 6 + 2 * HOUR)]);
    assert_eq!(kept(&said), [6 + 2 * HOUR]);
    // One of somebody else's, or that doesn't verify, never.
    let theirs = alone.hears(1, vec![signed(&next, 9 * HOUR)]);
    assert_eq!(kept(&theirs), [0; 0]);
    let mut wrong = signed(&next, 9 * HOUR);
    wrong.cosignature.as_mut().unwrap().time_ms += 1;
    assert_eq!(kept(&alone.hears(2, vec![wrong])), [0; 0]);
}

#[test]
fn what_this_version_can_t_read_is_replicated_and_not_cosigned() {
    let mut alone = Alone::new();
    let stored = |alone: &mut Alone, n, checkpoint: VerifiedCheckpoint| {
        let commands = alone.handle(Event::Stored(Stored {
            log: log_of(n),
            from: code(2),
            result: Ok(Applied::Accepted(Box::new(checkpoint))),
        }));
        let cosigned = |command: &Command| matches!(command, Command::Cosign(_));
        commands.iter().any(cosigned)
    };
    let readable = alone.grows(1, vec![]);
    assert!(alone.catalogue.checked(&log_of(1)));
    assert!(stored(&mut alone, 1, readable));
    let unread = alone.grows(1, vec![Entry::read(11, b"of a later version")]);
    assert!(!alone.catalogue.checked(&log_of(1)));
    assert!(!stored(&mut alone, 1, unread.clone()));
    // Another log is not concerned, and the head is still offered and confirmed.
    let other = alone.grows(2, vec![]);
    assert!(stored(&mut alone, 2, other));
    let heads = alone.sync.heads(&alone.catalogue, 0, |_| None);
    let offered = heads
        .heads
        .iter()
        .map(|head| head.checkpoint.checkpoint.log);
    assert!(offered.into_iter().any(|log| log == log_of(1)));
    let said = alone.hears(2, vec![head(&unread)]);
    assert_eq!(confirmed(&said), Some((2, vec![log_of(1)])));
}
