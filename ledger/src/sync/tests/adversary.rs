//! Members that do not play by the rules. Each takes part like an honest one except as described here.

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::codec::{Blob, Bounded};
use crate::crypto::hash::{Hash, Purpose, hash};
use crate::id::DepartmentCode;
use crate::log::{Checkpoint, ForkEvidence, Log, Page, SignedCheckpoint, Writer};
use crate::membership::Membership;
use crate::names::{LogId, LogName};
use crate::record::{Frame, RecordHash};
use crate::sync::{Announcement, ConnectionId, Head, Heads, Request, Response};

use super::peer::Peer;
use super::world::settings;

/// How a member behaves.
pub(super) enum Conduct {
    /// By the rules.
    Honest,
    /// Answers and gossips random bytes.
    Garbage,
    /// Flips a bit in whatever it answers, and in announcements.
    Mangles,
    /// Answers with another page than was asked for, or with one that has no records; passes on evidence of no fork.
    WrongPages,
    /// Answers for ever with the first heads it had.
    Stale(Option<Heads>),
    /// Reports its heads but denies every page.
    Denies,
    /// Reports its heads but leaves every page unanswered.
    Silent,
    /// Answers pages as it should, but after five seconds.
    Slow,
    /// Answers every page with one record, just before it would be late.
    Drips,
    /// Answers whoever asks for its heads that another run was there first.
    SeesOthers,
    /// Signs a checkpoint of its own log over far more records than there are.
    Inflates,
    /// Keeps two branches of its own log: neighbours of odd number get the second one.
    Forks(Writer),
}

/// Records an inflated log pretends to have.
const INFLATED: u64 = 1 << 40;

fn random_bytes(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let len = rng.random_range(0..2_000);
    (0..len).map(|_| rng.random()).collect()
}

fn flip(bytes: &mut [u8], rng: &mut ChaCha8Rng) {
    if !bytes.is_empty() {
        let at = rng.random_range(0..bytes.len());
        bytes[at] ^= 1 << rng.random_range(0..8);
    }
}

/// The head of a log that pretends to be huge: a tree can be claimed without any of its records.
fn inflated(peer: &Peer, members: &Membership) -> Page {
    let root = hash(Purpose::Subject, b"a subtree of a size nobody can check");
    let checkpoint = Checkpoint {
        log: peer.own(),
        size: INFLATED,
        root,
        head: RecordHash(root),
        status_root: Hash::ZERO,
        time_ms: 1,
        height: 0,
        key_epoch: 0,
    };
    Page {
        checkpoint: SignedCheckpoint::sign(members.network(), checkpoint, &peer.key),
        from: 0,
        left: Bounded::default(),
        right: Bounded::first([root]),
        frames: Blob::new(Vec::new()).unwrap(),
    }
}

fn replace_own_head(heads: Heads, own: LogId, checkpoint: SignedCheckpoint) -> Heads {
    let mut all = heads.heads.into_vec();
    all.retain(|head| head.checkpoint.checkpoint.log != own);
    all.push(Head {
        checkpoint,
        cosignature: None,
    });
    Heads {
        heads: Bounded::first(all),
        ..heads
    }
}

/// Any page this peer could honestly give.
fn some_page(peer: &Peer, rng: &mut ChaCha8Rng) -> Option<Page> {
    let running = peer.running.as_ref()?;
    let logs: Vec<Arc<Log>> = running
        .catalogue
        .logs()
        .filter(|log| log.size() > 0)
        .collect();
    if logs.is_empty() {
        return None;
    }
    let log = &logs[rng.random_range(0..logs.len())];
    let from = rng.random_range(0..=log.size());
    log.page(from, rng.random_range(0..8_000)).ok()
}

/// Who asks something.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) number: usize,
    pub(super) code: DepartmentCode,
    pub(super) connection: ConnectionId,
}

impl Conduct {
    pub(super) fn honest(&self) -> bool {
        matches!(self, Conduct::Honest)
    }

    /// How long it lets an answer wait, ms.
    pub(super) fn delay_ms(&self, request: &Request) -> u64 {
        match (self, request) {
            (Conduct::Slow, Request::Page { .. }) => 5_000,
            (Conduct::Drips, Request::Page { .. }) => settings().hedge_after_ms - 100,
            _ => 0,
        }
    }

    /// What is answered instead of the honest answer; `None` is silence.
    pub(super) fn answer(
        peer: &mut Peer,
        to: Asker,
        request: &Request,
        wall_ms: u64,
        members: &Membership,
        rng: &mut ChaCha8Rng,
    ) -> Option<Vec<u8>> {
        let honest = peer.answer(to.code, to.connection, request, wall_ms)?;
        let own = peer.own();
        let page = matches!(request, Request::Page { .. });
        let answer = match (&mut peer.conduct, honest) {
            (Conduct::Garbage, _) => return Some(random_bytes(rng)),
            (Conduct::Mangles, honest) => {
                let mut bytes = honest.encode();
                flip(&mut bytes, rng);
                return Some(bytes);
            }
            (Conduct::Silent, _) if page => return None,
            (Conduct::Drips, Response::Page(page)) => {
                let log = page.checkpoint.checkpoint.log;
                let first = Frame::read(&page.frames).map_or(0, |(_, bytes)| bytes);
                let log = peer.log(&log).expect("it gave a page of it");
                Response::Page(log.page(page.from, first).unwrap())
            }
            (Conduct::SeesOthers, Response::Heads(_)) => Response::OtherInstance,
            (Conduct::Denies, _) if page => Response::NotHeld,
            (Conduct::Stale(first), Response::Heads(heads)) => {
                if first.is_none() && heads.heads.len() > 1 {
                    *first = Some(heads.clone());
                }
                Response::Heads(first.clone().unwrap_or(heads))
            }
            (Conduct::WrongPages, honest) if page => {
                some_page(peer, rng).map_or(honest, Response::Page)
            }
            (Conduct::Inflates, Response::Heads(heads)) => {
                let checkpoint = inflated(peer, members).checkpoint;
                Response::Heads(replace_own_head(heads, own, checkpoint))
            }
            (Conduct::Forks(writer), honest) if to.number % 2 == 1 => {
                let branch = writer.log();
                match (honest, request) {
                    (Response::Heads(heads), _) => Response::Heads(match branch.checkpoint() {
                        Some(checkpoint) => {
                            replace_own_head(heads, own, checkpoint.signed().clone())
                        }
                        None => heads,
                    }),
                    (_, Request::Page { log, .. }) if *log == own => {
                        crate::sync::serve(branch, request).unwrap()
                    }
                    (honest, _) => honest,
                }
            }
            (_, honest) => honest,
        };
        Some(answer.encode())
    }

    /// What is gossiped out of the blue.
    pub(super) fn gossip(
        peer: &Peer,
        members: &Membership,
        rng: &mut ChaCha8Rng,
    ) -> Option<Vec<u8>> {
        match &peer.conduct {
            Conduct::Garbage => Some(random_bytes(rng)),
            Conduct::Mangles => {
                // Right but for a bit among the records, or anywhere.
                let mut page = some_page(peer, rng)?;
                let mut frames = page.frames.to_vec();
                flip(&mut frames, rng);
                page.frames = Blob::new(frames).unwrap();
                let mut bytes = Announcement::Head(page).encode();
                if rng.random_bool(0.5) {
                    flip(&mut bytes, rng);
                }
                Some(bytes)
            }
            Conduct::WrongPages => {
                let checkpoint = some_page(peer, rng)?.checkpoint;
                let evidence = ForkEvidence::Checkpoints {
                    one: checkpoint.clone(),
                    other: checkpoint,
                    shared: 0,
                };
                Some(Announcement::Fork(evidence).encode())
            }
            Conduct::Stale(_) => Some(Announcement::Head(some_page(peer, rng)?).encode()),
            Conduct::Inflates => Some(Announcement::Head(inflated(peer, members)).encode()),
            _ => None,
        }
    }

    /// Appends to the second branch of a fork.
    pub(super) fn second_branch(&mut self) -> Option<&mut Writer> {
        match self {
            Conduct::Forks(writer) => Some(writer),
            _ => None,
        }
    }
}

/// A second copy of a department's own log as it is now, on a disk of its own, to be grown into another history.
pub(super) fn second_log(peer: &Peer, members: &Membership) -> Writer {
    let disk = peer.disk.crash(|| true);
    let name = LogName {
        network: members.network(),
        id: peer.own(),
    };
    let (log, _) = Log::open(&super::peer::place(&disk), name, members).unwrap();
    Writer::new(Arc::new(log), peer.key.clone())
}
