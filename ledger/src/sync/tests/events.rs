//! What becomes of each event: messages that arrive, pages that are stored, commands that are carried out.

use std::hash::Hash as _;

use rand::RngExt;

use crate::crypto::hash::{Purpose, hash};
use crate::names::LogId;
use crate::sync::{
    Announcement, Command, ConnectionId, Event, Failure, Gossiped, Judgement, MAX_ANNOUNCEMENT,
    MAX_REQUEST, MAX_RESPONSE, Request, Response, stored,
};

use super::adversary::{Asker, Conduct};
use super::peer;
use super::truth::check_bounds;
use super::world::{Message, TICK_MS, What, World};

impl World {
    pub(super) fn happens(&mut self, n: usize, what: What) {
        match what {
            What::Arrives {
                from,
                connection,
                message,
            } => {
                if self.network.connection(from, n) == Some(connection) {
                    self.arrives(n, (from, ConnectionId(connection)), message);
                }
            }
            What::Unreachable { peer, request } => self.handle(
                n,
                Event::Answered {
                    from: peer,
                    connection: None,
                    request,
                    answer: Err(Failure::Unreachable),
                },
            ),
            What::Stores { from, records } => {
                let id = records.log();
                let done = stored(
                    id,
                    self.peers[n].log(&id).as_deref(),
                    from,
                    records.verify(&self.members),
                );
                self.check_log(n, &id);
                self.handle(n, Event::Stored(done));
            }
            What::Reopens(log) => self.reopens(n, log),
            What::Ticks => {
                self.handle(n, Event::Tick);
                self.check_freshness(n);
                self.plan(n, TICK_MS, What::Ticks);
            }
            What::Appends(certificates) => self.appends(n, certificates),
            What::MakesMischief => {
                if let Some(bytes) = Conduct::gossip(&self.peers[n], &self.members, &mut self.rng) {
                    self.publish(n, None, &bytes);
                }
                let pause = self.rng.random_range(500..2_000);
                self.plan(n, pause, What::MakesMischief);
            }
        }
    }

    fn arrives(&mut self, n: usize, (from, connection): (usize, ConnectionId), message: Message) {
        let code = self.peers[from].code;
        match message {
            Message::Request(id, bytes) => {
                assert!(bytes.len() <= MAX_REQUEST);
                let Ok(request) = Request::decode(&bytes) else {
                    return;
                };
                let wall_ms = self.wall_ms(n);
                let peer = &mut self.peers[n];
                let to = Asker {
                    number: from,
                    code,
                    connection,
                };
                let answer =
                    Conduct::answer(peer, to, &request, wall_ms, &self.members, &mut self.rng);
                let after_ms = peer.conduct.delay_ms(&request);
                if let Some(bytes) = answer {
                    self.send(n, from, after_ms, &|| Message::Response(id, bytes.clone()));
                }
            }
            Message::Response(request, bytes) => {
                assert!(bytes.len() <= MAX_RESPONSE);
                let answer = Response::decode(&bytes)
                    .map(|response| Box::new(self.peers[n].hears(response)))
                    .map_err(|_| Failure::Malformed);
                self.handle(
                    n,
                    Event::Answered {
                        from: code,
                        connection: Some(connection),
                        request,
                        answer,
                    },
                );
            }
            Message::Gossip(bytes) => {
                assert!(bytes.len() <= MAX_ANNOUNCEMENT);
                if self.peers[n].seen.insert(hash(Purpose::File, &bytes)) {
                    let id = self.next_gossip;
                    self.next_gossip += 1;
                    let announcement = Announcement::decode(&bytes).ok().map(Box::new);
                    self.peers[n].judging.insert(id, (from, bytes));
                    self.handle(
                        n,
                        Event::Gossiped(Gossiped {
                            from: code,
                            id,
                            announcement,
                        }),
                    );
                }
            }
        }
    }

    /// Appends to the own log, if it may be; every branch of it, if it has two.
    fn appends(&mut self, n: usize, certificates: u64) {
        let now_ms = self.wall_ms(n);
        if !self.clock_is_trusted(n) {
            return self.plan(n, 2_000, What::Appends(certificates));
        }
        let peer = &mut self.peers[n];
        let (code, own, dying) = (peer.code, peer.own(), peer.dying);
        let Some(running) = peer.running.as_mut().filter(|running| running.confirmed) else {
            // An issuer has to wait until its log is confirmed.
            return self.plan(n, 2_000, What::Appends(certificates));
        };
        let size = running.writer.log().size();
        let expected = self.truth.size(&own);
        assert_eq!(
            size, expected,
            "{own}: confirmed, but not all that was signed is on disk"
        );
        let appended = running
            .writer
            .append(now_ms, peer::entries(code, size, certificates, 0));
        let checkpoint = match appended {
            Ok((_, checkpoint)) => checkpoint,
            Err(error) => {
                let frozen = running.writer.log().stopped().is_some();
                assert!(dying || frozen, "{own}: {error}");
                return;
            }
        };
        self.truth.appended(running.writer.log(), 0);
        if let Some(second) = peer.conduct.second_branch() {
            let size = second.log().size();
            second
                .append(now_ms, peer::entries(code, size, certificates, 1))
                .unwrap();
            self.truth.appended(second.log(), 1);
        }
        self.note_changes(n, size);
        self.check_log(n, &own);
        self.handle(n, Event::Appended(checkpoint));
        // A department that forks reports different things to its neighbours; they ask it for heads.
        if self.peers[n].conduct.second_branch().is_none()
            && let Some(announcement) = self.peers[n].announcement()
        {
            self.publish(n, None, &announcement.encode());
        }
    }

    pub(super) fn handle(&mut self, n: usize, event: Event) {
        let Some(running) = &mut self.peers[n].running else {
            return;
        };
        let commands = running.sync.handle(event, self.now_ms, &running.catalogue);
        check_bounds(&running.sync, &self.settings);
        (self.now_ms, n, commands.len()).hash(&mut self.history);
        for command in commands {
            self.carry_out(n, command);
        }
    }

    fn carry_out(&mut self, n: usize, command: Command) {
        match command {
            Command::Request { to, request, body } => {
                let bytes = body.encode();
                bytes.hash(&mut self.history);
                // As in a real network, any connection may be taken.
                let others = self.neighbours_of(n, to);
                let other = match others.len() {
                    0 => return self.plan(n, 1, What::Unreachable { peer: to, request }),
                    1 => others[0],
                    several => others[self.rng.random_range(0..several)],
                };
                self.send(n, other, 0, &|| Message::Request(request, bytes.clone()));
            }
            Command::Store { from, records } => {
                let takes = self.rng.random_range(1..20);
                let free = self.peers[n].storage_free_ms.max(self.now_ms) + takes;
                self.peers[n].storage_free_ms = free;
                self.plan(n, free - self.now_ms, What::Stores { from, records });
            }
            Command::Judge { id, judgement } => {
                let (from, bytes) = self.peers[n].judging.remove(&id).expect("judged once");
                if judgement == Judgement::Accept {
                    self.publish(n, Some(from), &bytes);
                }
            }
            Command::Announce(announcement) => self.publish(n, None, &announcement.encode()),
            Command::Cosign(checkpoint) => self.peers[n].cosign(checkpoint, self.now_ms),
            Command::KeepCosignature(checkpoint, cosignature) => {
                assert!(cosignature.verify(&checkpoint, &self.members).is_ok());
                self.peers[n].kept += 1;
            }
            Command::Freeze(evidence) => {
                let log = evidence.log();
                assert!(self.truth.forked(&log), "{log} never forked");
                self.peers[n].freeze(&evidence);
            }
            Command::OwnLogConfirmed => self.confirmed(n, true),
            Command::OtherInstance { reported_by } => {
                let running = self.peers[n].running.as_mut().expect("it is running");
                running.other_instance_reported_by = reported_by;
            }
            Command::OwnLogElsewhere { reported_by } => {
                let own = self.peers[n].code;
                assert!(reported_by >= self.members.majority_of_others(&own));
                self.confirmed(n, false);
            }
            Command::OwnLogUnconfirmed => {
                let running = self.peers[n].running.as_ref().expect("it is running");
                assert!(!running.confirmed);
            }
            Command::OwnLogRestoring { known } => {
                let own = self.peers[n].own();
                let inflates = matches!(self.peers[n].conduct, Conduct::Inflates);
                assert!(known <= self.truth.size(&own) || inflates || self.truth.forked(&own));
                self.confirmed(n, false);
            }
            Command::Blame { peer, what } => {
                let mut all = self.peers.iter().filter(|other| other.code == peer);
                assert!(
                    all.any(|blamed| !blamed.conduct.honest()),
                    "{peer} is honest, but was blamed: {what}"
                );
            }
            Command::Heard {
                from,
                confirmed,
                newer,
                unbegun,
                time_ms,
            } => {
                let now_ms = self.now_ms;
                let other = self.peers.iter().position(|peer| peer.code == from);
                if let (Some(other), Some(running)) = (other, &mut self.peers[n].running) {
                    running.clocks.insert(other, (time_ms, now_ms));
                }
                let running = self.peers[n].running.as_ref().expect("it is running");
                for log in confirmed {
                    let held = running.catalogue.log(&log).expect("a member's log");
                    assert!(held.checkpoint().is_some(), "{log}: nothing to confirm");
                    running.catalogue.confirm(log, from, now_ms, now_ms);
                }
                for log in unbegun {
                    running.catalogue.nothing_of(log, now_ms);
                }
                for (log, size) in newer {
                    running.catalogue.heard_of(log, size, true, now_ms);
                }
            }
            Command::Announced { log, size } => {
                let running = self.peers[n].running.as_ref().expect("it is running");
                running.catalogue.heard_of(log, size, false, self.now_ms);
            }
            Command::Reopen { log, .. } => self.plan(n, 1_000, What::Reopens(log)),
        }
    }

    fn confirmed(&mut self, n: usize, confirmed: bool) {
        if let Some(running) = &mut self.peers[n].running {
            running.confirmed = confirmed;
            running.catalogue.set_own_log_whole(confirmed);
        }
    }

    /// Opens a log again, as often as it takes.
    fn reopens(&mut self, n: usize, log: LogId) {
        let running = self.peers[n].running.as_ref().expect("it is running");
        match running.catalogue.reopen(&log) {
            Ok(opening) if opening.closed.is_none() => self.handle(n, Event::Reopened(log)),
            _ => self.plan(n, 1_000, What::Reopens(log)),
        }
    }

    fn publish(&mut self, n: usize, except: Option<usize>, bytes: &[u8]) {
        self.peers[n].seen.insert(hash(Purpose::File, bytes));
        for to in self.network.neighbours(n) {
            if Some(to) != except {
                self.send(n, to, 0, &|| Message::Gossip(bytes.to_vec()));
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, after_ms: u64, message: &dyn Fn() -> Message) {
        let Some(connection) = self.network.connection(from, to) else {
            return;
        };
        self.peers[from].sent.count(&message());
        for delay_ms in self.network.delays(&mut self.rng) {
            let message = message();
            self.plan(
                to,
                after_ms + delay_ms,
                What::Arrives {
                    from,
                    connection,
                    message,
                },
            );
        }
    }

    /// What is held of a log is what was signed, and it has not shrunk.
    fn check_log(&mut self, n: usize, id: &LogId) {
        let peer = &mut self.peers[n];
        if peer.dying {
            return;
        }
        let running = peer.running.as_ref().expect("it is running");
        if let Some(log) = running.catalogue.log(id) {
            let before = peer.accepted.insert(*id, log.size()).unwrap_or(0);
            self.truth.check(&log, before);
        }
    }
}
