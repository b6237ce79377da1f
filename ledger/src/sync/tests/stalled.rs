//! Pages that come late, slowly or not at all: whom else they are asked of, and what becomes of the late ones.

use std::collections::BTreeSet;

use crate::catalogue::Catalogue;
use crate::codec::Bounded;
use crate::disk::MemoryDisk;
use crate::log::{Place, Writer};
use crate::names::LogId;
use crate::sync::{
    Command, ConnectionId, Event, Head, Heads, Holdings, Instance, OwnLog, Request, RequestId,
    Response, Settings, Sync, serve, stored,
};

use super::peer::{code, entries, key, members, place};
use super::truth::check_bounds;

/// A request that waits for its answer.
#[derive(Clone, Debug)]
struct Asked {
    of: usize,
    id: RequestId,
    body: Request,
}

impl Asked {
    /// Number of the department whose log a page is asked of, from where on, and its bytes.
    fn page(&self) -> Option<(usize, u64, u32)> {
        match &self.body {
            Request::Page {
                log,
                from,
                max_bytes,
            } => Some((number(log), *from, *max_bytes)),
            _ => None,
        }
    }
}

fn is_heads(asked: &Asked) -> bool {
    matches!(asked.body, Request::Heads { .. })
}

fn number(log: &LogId) -> usize {
    (0..64).find(|n| LogId::first(code(*n)) == *log).unwrap()
}

fn catalogue(peers: usize) -> Catalogue {
    // One segment: a page ends with it, and is to be as long as was asked.
    let place = Place {
        segment_records: 1 << 18,
        ..place(&MemoryDisk::new())
    };
    let opened = Catalogue::open(place, members(peers), code(0));
    opened.unwrap().catalogue
}

/// A department appends so many certificates to its log in a catalogue.
fn append(catalogue: &Catalogue, n: usize, certificates: u64, salt: u64) {
    let log = catalogue.log(&LogId::first(code(n))).unwrap();
    let size = log.size();
    let entries = entries(code(n), size, certificates, salt);
    Writer::new(log, key(n)).append(1, entries).unwrap();
}

fn answer(source: &Catalogue, request: &Request) -> Response {
    match request {
        Request::Page { log, .. } | Request::Evidence { log } => {
            serve(&source.log(log).unwrap(), request).unwrap()
        }
        _ => {
            let checkpoints = source.logs().filter_map(|log| log.checkpoint());
            let heads = checkpoints.map(|checkpoint| Head {
                checkpoint: checkpoint.signed().clone(),
                cosignature: None,
            });
            Response::Heads(Heads {
                heads: Bounded::first(heads),
                ..Heads::default()
            })
        }
    }
}

/// The state machine of peer 0, which lacks what all the others hold; pages are stored at once.
struct Fresh {
    sync: Sync,
    held: Catalogue,
    /// What the others hold.
    source: Catalogue,
    now_ms: u64,
    asked: Vec<Asked>,
    stored: usize,
    frozen: bool,
}

impl Fresh {
    /// Departments 1 to `logs` have logs of this many records each; all members are connected and have shown their
    /// heads.
    fn new(peers: usize, logs: usize, records: u64) -> Fresh {
        let held = catalogue(peers);
        let sync = Sync::new(
            LogId::first(code(0)),
            OwnLog::New,
            Instance(0),
            held.members().clone(),
            Settings::default(),
        );
        let mut fresh = Fresh {
            sync,
            held,
            source: catalogue(peers),
            now_ms: 0,
            asked: Vec::new(),
            stored: 0,
            frozen: false,
        };
        for n in 1..=logs {
            append(&fresh.source, n, records - 1, 0);
        }
        for n in 1..peers {
            fresh.handle(Event::Connected(code(n)));
        }
        fresh.show_heads(|_| true);
        fresh
    }

    fn handle(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let commands = self.sync.handle(event, self.now_ms, &self.held);
            check_bounds(&self.sync, &Settings::default());
            for command in commands {
                match command {
                    Command::Request { to, request, body } => self.asked.push(Asked {
                        of: (0..64).find(|n| code(*n) == to).unwrap(),
                        id: request,
                        body,
                    }),
                    Command::Store { from, records } => {
                        self.stored += 1;
                        let id = records.log();
                        let page = records.verify(self.held.members());
                        let log = self.held.log(&id);
                        events.insert(0, Event::Stored(stored(id, log.as_deref(), from, page)));
                    }
                    Command::Freeze(evidence) => {
                        self.frozen = true;
                        self.held.freeze(&evidence).unwrap();
                    }
                    Command::Blame { peer, what } => panic!("{peer} was blamed: {what}"),
                    _ => {}
                }
            }
        }
    }

    /// Requests that wait, taken out.
    fn take(&mut self, which: impl Fn(&Asked) -> bool) -> Vec<Asked> {
        let (taken, left) = self.asked.drain(..).partition(which);
        self.asked = left;
        taken
    }

    /// The pages asked for since this was last looked at.
    fn pages(&mut self) -> Vec<Asked> {
        self.take(|asked| asked.page().is_some())
    }

    fn tick_at(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.handle(Event::Tick);
    }

    fn answered(&mut self, asked: &Asked, response: Response) {
        self.handle(Event::Answered {
            from: code(asked.of),
            request: asked.id,
            connection: Some(ConnectionId(asked.of as u64)),
            answer: Ok(Box::new(response)),
        });
    }

    /// A request is answered as it should be.
    fn answer(&mut self, asked: &Asked) {
        let response = answer(&self.source, &asked.body);
        self.answered(asked, response);
    }

    /// The same with this many bytes of records at most.
    fn answer_with(&mut self, asked: &Asked, most: u32) {
        let mut body = asked.body.clone();
        if let Request::Page { max_bytes, .. } = &mut body {
            *max_bytes = most;
        }
        let response = answer(&self.source, &body);
        self.answered(asked, response);
    }

    /// Members show their heads when they are next asked for them.
    fn show_heads(&mut self, of: impl Fn(usize) -> bool) {
        for asked in self.take(|asked| is_heads(asked) && of(asked.of)) {
            self.answer(&asked);
        }
    }

    fn lacks(&self, n: usize) -> u64 {
        let log = LogId::first(code(n));
        self.source.log(&log).unwrap().size() - self.held.held(&log)
    }
}

#[test]
fn a_page_that_is_late_is_asked_of_others_of_more_each_time_and_of_none_twice() {
    let mut fresh = Fresh::new(12, 1, 200);
    let least = Settings::default().least_page_bytes;
    let mut of = BTreeSet::new();
    for (at_ms, expected) in [
        (0, 1),
        (1_999, 0),
        (2_000, 1),
        (3_999, 0),
        (4_000, 2),
        (6_000, 4),
        // None is left that was not asked.
        (8_000, 3),
        (9_000, 0),
        (19_000, 0),
    ] {
        fresh.tick_at(at_ms);
        let asked = fresh.pages();
        assert_eq!(asked.len(), expected, "at {at_ms}");
        for asked in asked {
            assert_eq!(asked.page(), Some((1, 0, least)));
            assert!(of.insert(asked.of), "{} was asked twice", asked.of);
        }
    }
    // Given up, they are asked again, as far as their rest is over.
    fresh.tick_at(31_000);
    assert!(!fresh.pages().is_empty());
}

#[test]
fn members_that_do_not_answer_hold_no_slot_over_all_peers() {
    let mut fresh = Fresh::new(14, 8, 20);
    let asked = fresh.pages();
    let logs = |asked: &[Asked]| -> BTreeSet<usize> {
        asked.iter().map(|asked| asked.page().unwrap().0).collect()
    };
    assert_eq!(logs(&asked), BTreeSet::from([1, 2, 3, 4]));
    fresh.tick_at(2_000);
    assert_eq!(logs(&fresh.pages()), BTreeSet::from([5, 6, 7, 8]));
    fresh.tick_at(4_000);
    let again = fresh.pages();
    assert_eq!(logs(&again), BTreeSet::from([1, 2, 3, 4]));
    let of = |asked: &[Asked]| -> BTreeSet<usize> { asked.iter().map(|asked| asked.of).collect() };
    assert!(of(&asked).is_disjoint(&of(&again)));
}

#[test]
fn an_answer_that_comes_late_is_used_if_it_helps_and_does_no_harm_if_not() {
    let mut fresh = Fresh::new(6, 1, 100);
    let late = fresh.pages().remove(0);
    fresh.tick_at(2_000);
    let second = fresh.pages().remove(0);
    fresh.tick_at(4_000);
    let third = fresh.pages();
    assert_eq!(third.len(), 2);
    // Part of it from one, and the log continues from there at once.
    fresh.answer_with(&second, 8_000);
    let lacks = fresh.lacks(1);
    assert!((1..100).contains(&lacks));
    let next = fresh.pages();
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].page().unwrap().1, 100 - lacks);
    // As little from another that was asked: it changes nothing, and is not stored.
    let stored = fresh.stored;
    fresh.answer_with(&third[0], 8_000);
    assert_eq!((fresh.lacks(1), fresh.stored), (lacks, stored));
    assert!(fresh.pages().is_empty());
    // The one that was late brings more than was received: what is new of it is used.
    fresh.answer(&late);
    let fewer = fresh.lacks(1);
    assert!(fewer < lacks, "{fewer}");
    // What was asked for meanwhile may come now, or never.
    fresh.answer(&third[1]);
    fresh.answer(&next[0]);
    while let Some(asked) = fresh.pages().pop() {
        fresh.now_ms += 10;
        fresh.answer(&asked);
    }
    assert_eq!(fresh.lacks(1), 0);
    let accepted = fresh.held.accepted(&LogId::first(code(1)));
    assert_eq!(accepted.map(|accepted| accepted.size), Some(100));
}

#[test]
fn who_is_late_or_sends_little_and_slowly_is_asked_after_the_others_until_it_answers_well() {
    for (after_ms, most) in [(2_100, 4_000), (1_900, 500), (300, 500)] {
        let mut fresh = Fresh::new(3, 1, 800);
        let first = fresh.pages().remove(0);
        assert_eq!(first.of, 1, "its department's own");
        fresh.tick_at(after_ms);
        if let Some(hedge) = fresh.pages().pop() {
            assert_eq!(hedge.of, 2);
            fresh.answer_with(&hedge, 5_000);
        }
        fresh.answer_with(&first, most);
        let mut asked = fresh.pages().pop().unwrap();
        for _ in 0..5 {
            assert_eq!(asked.of, 2);
            fresh.now_ms += 100;
            fresh.answer_with(&asked, 20_000);
            asked = fresh.pages().pop().unwrap();
        }
        // When the other is late, the first has its turn, and is as good as any once it has answered in time.
        fresh.tick_at(fresh.now_ms + 2_000);
        let again = fresh.pages().pop().unwrap();
        assert_eq!(again.of, 1);
        fresh.now_ms += 100;
        fresh.answer(&again);
        assert_eq!(fresh.pages().pop().unwrap().of, 1);
    }
    // Little that comes at once is not a fault, and neither is the last of a log.
    for (after_ms, records) in [(200, 800), (1_900, 3)] {
        let mut fresh = Fresh::new(3, 2, records);
        let first = fresh.pages().remove(0);
        fresh.tick_at(after_ms);
        fresh.answer_with(&first, 1_000);
        let unanswered = fresh.sync.peers[&code(first.of)].unanswered;
        assert_eq!(unanswered, 0);
    }
}

#[test]
fn more_is_asked_for_after_answers_in_time_and_less_after_late_ones() {
    let mut fresh = Fresh::new(2, 1, 2_000);
    let least = Settings::default().least_page_bytes;
    let mut asked = fresh.pages().remove(0);
    for (took_ms, then) in [
        (10, 2 * least),
        (1_000, 4 * least),
        // In time, but twice as much would not be.
        (1_500, 4 * least),
        (2_500, 2 * least),
        (2_500, least),
        (2_500, least),
        (10, 2 * least),
    ] {
        fresh.tick_at(fresh.now_ms + took_ms);
        assert!(fresh.pages().is_empty(), "nobody else holds it");
        fresh.answer(&asked);
        asked = fresh.pages().remove(0);
        assert_eq!(asked.page().unwrap().2, then);
    }
}

#[test]
fn a_search_for_a_fork_is_not_disturbed_by_a_page_that_comes_late() {
    const MOST: u32 = 8_000;
    let mut fresh = Fresh::new(4, 1, 40);
    append(&fresh.source, 1, 60, 0);
    // The other branch has the same first 40 records.
    let branch = catalogue(4);
    append(&branch, 1, 39, 0);
    append(&branch, 1, 30, 1);
    // All of the first branch but its end arrives; what follows is late.
    fresh.tick_at(10_500);
    fresh.show_heads(|_| true);
    let mut late = None;
    while let Some(asked) = fresh.pages().pop() {
        if fresh.lacks(1) < 30 {
            late = Some(asked);
            break;
        }
        fresh.answer_with(&asked, MOST);
    }
    let late = late.unwrap();
    fresh.tick_at(fresh.now_ms + 2_000);
    let hedge = fresh.pages().remove(0);
    let shows = hedge.of;
    fresh.answered(&hedge, Response::NotHeld);
    fresh.tick_at(fresh.now_ms + 10_000);
    let heads = fresh.take(|asked| is_heads(asked) && asked.of == shows);
    let other = answer(&branch, &heads[0].body);
    fresh.answered(&heads[0], other);
    // It looks for where they diverge; the late page comes while the first comparison is in flight.
    let stored = fresh.stored;
    let mut search = fresh.take(|asked| asked.page().is_some_and(|_| asked.of == shows));
    assert_eq!(search.len(), 1);
    fresh.answer(&late);
    assert_eq!(fresh.stored, stored, "it is dropped");
    for _ in 0..8 {
        let Some(asked) = search.pop() else { break };
        let (log, from, _) = asked.page().unwrap();
        assert_eq!(log, 1);
        assert!(from < 71);
        let page = answer(&branch, &asked.body);
        fresh.answered(&asked, page);
        search = fresh.take(|asked| asked.page().is_some_and(|_| asked.of == shows));
    }
    assert!(fresh.frozen);
}

#[test]
fn heads_that_one_member_never_shows_keep_nobody_elses_away() {
    let mut fresh = Fresh::new(5, 0, 1);
    let asked_of = |fresh: &mut Fresh| -> Vec<usize> {
        let asked = fresh.take(is_heads);
        for asked in asked.iter().filter(|asked| asked.of != 2) {
            fresh.answer(asked);
        }
        asked.iter().map(|asked| asked.of).collect()
    };
    for round in 1..=3 {
        fresh.tick_at(round * 10_000 - 1);
        assert_eq!(asked_of(&mut fresh), [0; 0]);
        fresh.tick_at(round * 10_000);
        // Peer 2 showed its heads at first. One request of it waits, no matter how long.
        let all = if round == 1 {
            vec![1, 2, 3, 4]
        } else {
            vec![1, 3, 4]
        };
        assert_eq!(asked_of(&mut fresh), all, "round {round}");
    }
    assert_eq!(fresh.sync.waiting.len(), 1);
}

#[test]
fn over_a_link_that_is_slow_for_everybody_little_comes_twice() {
    for bytes_per_ms in [64, 48] {
        over_a_link(bytes_per_ms);
    }
}

fn over_a_link(bytes_per_ms: u64) {
    let mut fresh = Fresh::new(14, 6, 400);
    let mut wanted: u64 = 0;
    for n in 1..=6 {
        let log = fresh.source.log(&LogId::first(code(n))).unwrap();
        wanted += log.page(0, 1 << 20).unwrap().frames.len() as u64;
    }
    // Whatever is answered comes over the link one after the other.
    let mut coming: Vec<(u64, Asked)> = Vec::new();
    let (mut free_ms, mut sent) = (0, 0);
    while (1..=6).any(|n| fresh.lacks(n) > 0) {
        assert!(fresh.now_ms < 120_000, "it gets nowhere");
        for asked in fresh.pages() {
            let Response::Page(page) = answer(&fresh.source, &asked.body) else {
                panic!("it is held")
            };
            let bytes = page.frames.len() as u64 + 1_000;
            sent += page.frames.len() as u64;
            free_ms = free_ms.max(fresh.now_ms + 50) + bytes / bytes_per_ms;
            coming.push((free_ms, asked));
        }
        fresh.now_ms += 10;
        let (come, left) = coming.drain(..).partition(|(at, _)| *at <= fresh.now_ms);
        coming = left;
        let come: Vec<(u64, Asked)> = come;
        for (_, asked) in come {
            fresh.answer(&asked);
        }
        if fresh.now_ms.is_multiple_of(250) {
            fresh.handle(Event::Tick);
            fresh.show_heads(|_| true);
        }
    }
    let least_ms = wanted / bytes_per_ms;
    let took_ms = fresh.now_ms;
    assert!(sent * 10 <= wanted * 11, "{sent} bytes came of {wanted}");
    assert!(
        took_ms * 10 <= least_ms * 12,
        "{took_ms} ms, {least_ms} at best"
    );
}
