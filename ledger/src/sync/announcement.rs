//! Gossip: a hint that makes replication faster, never what it rests on.
//!
//! What is passed on reaches every peer, so a member could have all of them work for what it makes up. Of each log
//! a bounded number of announcements a second is therefore looked at, of each peer that passes them on and of those that the
//! log's department signed, cheapest checks first, and only those are passed
//! on that continue what is known of the log here: what is held, or a head that continued it in its turn. Anything else that
//! its department signed counts as heard of, so that nothing is valid by a copy that lacks it, and is not passed on.

use crate::crypto::hash::Hash;
use crate::id::DepartmentCode;
use crate::log::{Log, MAX_PAGE, Page, VerifiedPage};

use super::interface::{Command, Gossiped, Holdings, Judgement, Received};
use super::message::{Announcement, MAX_ANNOUNCEMENT};
use super::state::Sync;

/// Least time between two announcements of a department, ms. Others process no more of them, except in a burst.
pub const ANNOUNCE_EVERY_MS: u64 = 50;

/// Announcements of a log that are looked at one right after the other: what a link that stalled for two seconds held
/// up.
const BURST: u64 = 40;

/// Room for what surrounds the frames in an announcement.
const REST: usize = 6 * 1024;

/// What a department announces once its log has grown: the records since its last announcement, if they fit. If not,
/// the head alone, on a page that begins there and proves that the log continues from it. `None` before the first
/// checkpoint, or when the log can't be read: gossip is a hint.
pub fn announcement(log: &Log, announced: u64) -> Option<Page> {
    let from = announced.min(log.size());
    let budget = (MAX_ANNOUNCEMENT - REST).min(MAX_PAGE);
    let whole = log.page(from, budget).ok().filter(ends_at_its_head);
    whole.or_else(|| log.page(from, 0).ok())
}

fn ends_at_its_head(page: &Page) -> bool {
    page.end() == Ok(page.checkpoint.checkpoint.size)
}

/// How often something may happen: a token bucket, kept as the time at which it is full again.
#[derive(Default)]
pub(super) struct Bucket {
    full_at_ms: u64,
}

impl Bucket {
    /// Whether there is one, where there are `burst` at most, and one more each time this many milliseconds have passed.
    pub(super) fn has(&self, now_ms: u64, burst: u64, each_ms: u64) -> bool {
        self.full_at_ms.saturating_sub(now_ms) <= (burst - 1) * each_ms
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now_ms: u64, burst: u64, each_ms: u64) -> bool {
        let is_there = self.has(now_ms, burst, each_ms);
        if is_there {
            self.full_at_ms = self.full_at_ms.max(now_ms) + each_ms;
        }
        is_there
    }
}

/// Whether one more announcement is looked at.
fn looks(bucket: &mut Bucket, now_ms: u64) -> bool {
    bucket.take(now_ms, BURST, ANNOUNCE_EVERY_MS)
}

/// Why an announcement is rejected: whoever passed it on could have seen that.
type Fault = &'static str;

impl Sync {
    pub(super) fn gossiped(
        &mut self,
        gossiped: Gossiped,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        let Gossiped {
            from,
            id,
            announcement,
        } = gossiped;
        let judged = match announcement.map(|announcement| *announcement) {
            None => Err("that can't be read"),
            Some(Announcement::Fork(evidence)) => {
                let log = evidence.log();
                // Known already, or perhaps of a department whose admission this peer has not heard of yet.
                if holdings.forked(&log) || !self.logs.contains_key(&log) {
                    Ok(Judgement::Ignore)
                } else {
                    match evidence.verify(&self.members) {
                        Ok(()) => {
                            self.freeze(evidence.from_a_stranger(), out);
                            Ok(Judgement::Accept)
                        }
                        // Nothing of it is passed on before the decisions that explain it are known.
                        Err(error) if !error.is_senders_fault() => Ok(Judgement::Ignore),
                        Err(_) => Err("with evidence of a fork that proves nothing"),
                    }
                }
            }
            // The governance engine judges it.
            Some(Announcement::Governance(_)) => Ok(Judgement::Ignore),
            Some(Announcement::Head(page)) => {
                self.head_announced(from, page, now_ms, holdings, out)
            }
        };
        let judgement = judged.unwrap_or_else(|fault| {
            self.blame(from, format!("passed on gossip {fault}"), now_ms, out);
            Judgement::Reject
        });
        out.push(Command::Judge { id, judgement });
    }

    fn head_announced(
        &mut self,
        from: DepartmentCode,
        page: Page,
        now_ms: u64,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) -> Result<Judgement, Fault> {
        let (log, size) = {
            let checkpoint = &page.checkpoint.checkpoint;
            (checkpoint.log, checkpoint.size)
        };
        // Perhaps of a department that has been admitted, and this peer has not heard of it yet: that is nobody's fault.
        let Some(progress) = self.logs.get(&log) else {
            return Ok(Judgement::Ignore);
        };
        let received = progress.received.max(holdings.held(&log));
        if size <= received || holdings.stopped(&log) {
            // Old news. Whether it contradicts what is held shows when heads are compared.
            return Ok(Judgement::Ignore);
        }
        if !page.frames.is_empty() && !ends_at_its_head(&page) {
            return Err("with records that don't end at their head");
        }
        // Before the signature is verified whoever passed it on pays, and only then its department: else anyone could use up
        // what another has.
        if let Some(peer) = self.peers.get_mut(&from)
            && !looks(peer.announcements.entry(log).or_default(), now_ms)
        {
            return Ok(Judgement::Ignore);
        }
        let checkpoint = page.checkpoint.clone().verify(&self.members);
        let checkpoint = match checkpoint {
            Ok(checkpoint) => checkpoint,
            // Signed by decisions that aren't known here yet, say.
            Err(error) if !error.is_senders_fault() => return Ok(Judgement::Ignore),
            Err(_) => return Err("that its department did not sign"),
        };
        // Its department signed it: that there is more than is held counts, whatever came with it.
        out.push(Command::Announced { log, size });
        if log == self.own {
            self.own_known = self.own_known.max(size);
        }
        // A department that makes up heads without end can sign them all.
        let bucket = self.logs.get_mut(&log).map(|log| &mut log.announcements);
        if !bucket.is_some_and(|bucket| looks(bucket, now_ms)) {
            return Ok(Judgement::Ignore);
        }
        let verified = page.clone().under(checkpoint, &self.members);
        let verified = verified.map_err(|_| "with records that are not those under its head")?;
        let continues = self.continues(&verified, holdings);
        self.take_announced(from, page, &verified, holdings, out);
        if verified.broken.is_some() {
            return Err("with records that break a rule of their log");
        }
        match continues {
            Some(true) => {
                let root = verified.checkpoint().root;
                if let Some(progress) = self.logs.get_mut(&log)
                    && progress.announced.is_none_or(|(known, _)| known < size)
                {
                    progress.announced = Some((size, root));
                }
                Ok(Judgement::Accept)
            }
            // Two histories. Whoever passed it on may hold the other one; its department alone must know of both.
            Some(false) if from == log.department => {
                Err("that contradicts what its department signed before")
            }
            // Perhaps this peer is behind.
            Some(false) | None => Ok(Judgement::Ignore),
        }
    }

    /// Whether the records before a page are those known here; `None` when it isn't known what they are.
    fn continues(&self, page: &VerifiedPage, holdings: &dyn Holdings) -> Option<bool> {
        let (log, from) = (page.checkpoint().log, page.from());
        if from == 0 {
            return Some(true);
        }
        let known: Option<Hash> = match holdings.root_at(&log, from) {
            Some(root) => Some(root),
            None => {
                let announced = self.logs.get(&log)?.announced;
                announced.and_then(|(size, root)| (size == from).then_some(root))
            }
        };
        known.map(|root| root == page.left.root())
    }

    /// Has the records of an announcement stored, or fetches what it shows to be lacking.
    fn take_announced(
        &mut self,
        from: DepartmentCode,
        page: Page,
        verified: &VerifiedPage,
        holdings: &dyn Holdings,
        out: &mut Vec<Command>,
    ) {
        let (log, size) = (verified.checkpoint().log, verified.checkpoint().size);
        let awaited = self.awaits_page(&log);
        if self.logs.get(&log).is_none_or(|progress| progress.ended) {
            // It can't be stored at present.
            return;
        }
        // Its author holds it for certain; whoever passed it on will in a moment.
        let holder = if self.peers.contains_key(&log.department) {
            log.department
        } else {
            from
        };
        self.note_size(&holder, &log, size);
        let Some(progress) = self.logs.get_mut(&log) else {
            return;
        };
        let received = progress.received.max(holdings.held(&log));
        // Only what continues what is held can be used at once; anything else is fetched.
        let continues = page.from <= received && size > received && !page.frames.is_empty();
        let continues = continues && holdings.kept_missing(&log) == 0;
        let has_room = progress.storing < 4 && !awaited && progress.search.is_none();
        if continues && has_room && log != self.own {
            progress.received = size;
            progress.storing += 1;
            out.push(Command::Store {
                from,
                records: Received::Page(Box::new(page)),
            });
        }
    }
}
