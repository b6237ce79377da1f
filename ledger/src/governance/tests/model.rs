//! Every order of a few decisions and records of one department, and every log that a thief of its first key could show, against
//! the rules by which records are judged.
//!
//! Fold, chain and judge are the real ones; of records there is what they are judged by. Explored by stateright, which gives the
//! shortest way to what must not be.

use std::hash::{Hash as Hashed, Hasher};
use std::sync::Arc;

use stateright::{Checker, Model, Property};

use super::world::{Coming, World, code, empty_root};
use crate::codec::Ascending;
use crate::crypto::hash::{Hash, Purpose, hash_parts};
use crate::crypto::keys::PublicKey;
use crate::genesis::Role;
use crate::governance::*;
use crate::names::{Claim, LogId};

/// The department that it is about; the others govern.
const OWN: usize = 4;
/// Whose operating keys witness.
const GOVERNORS: [usize; 4] = [0, 1, 2, 3];
const MOST_STEPS: usize = 4;
const MOST_RECORDS: usize = 3;
/// Records that a thief adds to what it shows.
const FORGED: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// The department records something, by all that was decided.
    Append,
    /// It records something before it has heard of the last decision, or says so.
    AppendUnheard,
    Rotate,
    /// It says where its oldest epoch that can end did.
    End(EndReason),
    /// The members suspend it, or take its role to issue, before its last so many records.
    Suspend(u64),
    Take(u64),
    Give,
    Resume,
    Remove,
    Admit,
    /// The members cut its log before the last so many records.
    Cut(CutReason, u64),
    /// It lost its last so many records, and the members held none of these.
    ComeBack(u64),
}

const STEPS: [Step; 19] = [
    Step::Append,
    Step::AppendUnheard,
    Step::Rotate,
    Step::End(EndReason::Rotated),
    Step::End(EndReason::Stolen),
    Step::Suspend(0),
    Step::Suspend(1),
    Step::Take(0),
    Step::Take(1),
    Step::Give,
    Step::Resume,
    Step::Remove,
    Step::Admit,
    Step::Cut(CutReason::Compromised, 0),
    Step::Cut(CutReason::Compromised, 1),
    Step::Cut(CutReason::Forked, 1),
    Step::Cut(CutReason::Lost, 0),
    Step::ComeBack(0),
    Step::ComeBack(1),
];

/// A record, as far as it is judged.
#[derive(Clone, Debug)]
struct Written {
    log: LogId,
    epoch: u32,
    height: u64,
    key: PublicKey,
    /// Whether it was written by all that was decided.
    heard: bool,
    /// Which one: no two are alike.
    tag: u64,
}

impl Written {
    fn claim(&self, seq: usize) -> Claim {
        Claim {
            log: self.log,
            seq: seq as u64,
            height: self.height,
            epoch: self.epoch,
        }
    }
}

/// What stands for the root over records.
fn root(records: &[Written]) -> Hash {
    records.iter().fold(empty_root(), |before, record| {
        let tag = record.tag.to_le_bytes();
        hash_parts(Purpose::Node, &[before.as_bytes(), &tag])
    })
}

/// A change of the department's roles.
fn roles(give: &[Role], take: &[Role], position: Option<Position>) -> Action {
    let roles = |roles: &[Role]| Ascending::new(roles.to_vec()).expect("one at most");
    ChangeRoles {
        department: code(OWN),
        give: roles(give),
        take: roles(take),
        position,
    }
    .into()
}

/// Whether a record of the department's own log may change the status of its certificates. One by a key that ended before it shows
/// by the epoch that it names.
fn changes(history: &History, log: &[Written], seq: usize) -> bool {
    match history.judge(&log[seq].claim(seq)) {
        Judgement::By(judge) => judge.has_role(Role::Issue),
        Judgement::Nothing(Why::Ended(_)) => true,
        Judgement::Early | Judgement::Nothing(_) => false,
    }
}

/// Whether a record of a log that somebody shows counts.
fn counts(history: &History, log: &[Written], seq: usize) -> bool {
    let Judgement::By(judge) = history.judge(&log[seq].claim(seq)) else {
        return false;
    };
    let leads_to = |(size, other): &(u64, Hash)| {
        let shown = log.get(..usize::try_from(*size).unwrap());
        shown.is_some_and(|shown| root(shown) == *other)
    };
    *judge.key == log[seq].key && judge.leads_to.iter().all(leads_to)
}

#[derive(Clone)]
struct Reached {
    steps: Vec<Step>,
    world: World,
    history: Arc<History>,
    /// Before the last step.
    before: Arc<History>,
    /// The department's log as it goes on.
    log: Vec<Written>,
    /// What it was whenever some of it was cut off.
    cut_off: Vec<Vec<Written>>,
    tags: u64,
}

impl Reached {
    fn begin() -> Reached {
        let world = World::new(GOVERNORS.len(), 1);
        let history = Arc::new(world.history());
        Reached {
            steps: Vec::new(),
            world,
            before: Arc::clone(&history),
            history,
            log: Vec::new(),
            cut_off: Vec::new(),
            tags: 0,
        }
    }

    fn position(&self, less: u64) -> Option<Position> {
        let size = (self.log.len() as u64).checked_sub(less)?;
        Some(Position {
            log: self.history.present_log(&code(OWN)),
            size,
            root: root(&self.log[..usize::try_from(size).unwrap()]),
        })
    }

    /// The record that the department would write next by what was so at a height; none if it couldn't.
    fn next(&mut self, height: u64) -> Option<Written> {
        let member = self.history.member_at(&code(OWN), height)?;
        let key = *member.operating_key().filter(|_| member.is_active())?;
        let present = self.history.present_log(&code(OWN));
        let last = self.log.last();
        // Nobody takes anything of an earlier generation, nor what goes back.
        let goes_back = |last: &Written| height < last.height || member.epoch < last.epoch;
        if member.log() != present || last.is_some_and(goes_back) {
            return None;
        }
        self.tags += 1;
        Some(Written {
            log: present,
            epoch: member.epoch,
            height,
            key,
            heard: height == self.history.height(),
            tag: self.tags,
        })
    }

    fn item(&mut self, step: Step) -> Option<Item> {
        let department = code(OWN);
        let member = self.history.state().member(&department).cloned();
        let action: Action = match step {
            Step::Append | Step::AppendUnheard => return None,
            Step::Rotate => {
                member?;
                return Some(self.world.rotation(OWN).0.into());
            }
            Step::End(why) => return self.ending(why).map(Item::from),
            Step::ComeBack(less) => return self.coming_back(less).map(Item::from),
            Step::Suspend(less) => Suspend {
                position: self.position(less)?,
            }
            .into(),
            Step::Take(less) => roles(&[], &[Role::Issue], Some(self.position(less)?)),
            Step::Give => roles(&[Role::Issue], &[], None),
            Step::Resume => {
                let since = member?.suspended_since()?;
                Resume { department, since }.into()
            }
            Step::Remove => {
                let Standing::Suspended { since, position } = member?.standing else {
                    return None;
                };
                // Where the log was cut meanwhile, it ends there.
                let position = match position.log == self.history.present_log(&department) {
                    true => position,
                    false => self.position(0)?,
                };
                Remove {
                    position,
                    since,
                    successor: None,
                }
                .into()
            }
            Step::Admit if member.is_some() => return None,
            Step::Admit => self.world.admit(OWN, false),
            Step::Cut(why, less) => Cut {
                position: self.position(less)?,
                why,
                first_epoch: member?.epoch + u32::from(why == CutReason::Compromised),
            }
            .into(),
        };
        Some(self.world.decision(&[action]).into())
    }

    fn ending(&self, why: EndReason) -> Option<EpochEnded> {
        let member = self.history.state().member(&code(OWN))?;
        member.operating_key()?;
        let trail = self.history.trail(&code(OWN))?;
        let can_end = |epoch: &&Epoch| match epoch.ended {
            None => true,
            Some(end) => why == EndReason::Stolen && end.why == EndReason::Rotated,
        };
        let epoch = trail.epochs.iter().position(|epoch| can_end(&epoch))?;
        let position = match trail.epochs[epoch].ended {
            Some(end) => end.position,
            None => {
                let later = |record: &Written| record.epoch as usize > epoch;
                let size = self.log.iter().position(later).unwrap_or(self.log.len());
                self.position((self.log.len() - size) as u64)?
            }
        };
        let epoch = u32::try_from(epoch).ok()?;
        let end = EpochEnd {
            position,
            epoch,
            why,
        };
        (epoch < member.epoch).then(|| self.world.ended(OWN, end, &GOVERNORS))
    }

    fn coming_back(&mut self, less: u64) -> Option<SignedChange> {
        let position = self.position(less)?;
        let member = self.history.state().member(&code(OWN))?;
        member.operating_key().filter(|_| member.is_active())?;
        // Nobody holds a checkpoint of this generation over what it began with or less.
        let kept = self.history.beginning(position.log);
        let signed = (position.size > kept.map_or(0, |kept| kept.size)).then(|| {
            let last = &self.log[usize::try_from(position.size).unwrap() - 1];
            let (size, root) = (position.size, position.root);
            self.world.checkpoint(OWN, size, root, last.epoch)
        });
        let held = GOVERNORS.map(|by| (by, signed.clone())).into();
        let coming = Coming { position, held };
        Some(coming.back(&mut self.world, OWN).0)
    }

    /// What is so after one more step; none if the members' nodes would not make a block of it.
    fn after(&self, step: Step) -> Option<Reached> {
        let mut next = self.clone();
        next.steps.push(step);
        next.before = Arc::clone(&self.history);
        let height = self.history.height();
        let by = match step {
            Step::Append => Some(height),
            Step::AppendUnheard => Some(height.checked_sub(1)?),
            _ => None,
        };
        if let Some(height) = by {
            let record = next.next(height);
            next.log
                .push(record.filter(|_| self.log.len() < MOST_RECORDS)?);
            return Some(next);
        }
        let item = next.item(step)?;
        next.world.make(vec![item]).ok()?;
        let mut history = History::clone(&self.history);
        history.extend(next.world.blocks.last()?).ok()?;
        next.history = Arc::new(history);
        let present = next.history.present_log(&code(OWN));
        if present != self.history.present_log(&code(OWN)) {
            let kept = next.history.beginning(present).map_or(0, |kept| kept.size);
            let kept = usize::try_from(kept).unwrap();
            if kept < next.log.len() {
                next.cut_off.push(next.log.clone());
                next.log.truncate(kept);
            }
        }
        Some(next)
    }

    /// Every log that a thief of the first key could show: something that there was, up to some record, and its own.
    fn forgeries(&self) -> Vec<(Vec<Written>, usize)> {
        let trail = self.history.trail(&code(OWN)).unwrap();
        let key = trail.epochs[0].key;
        let present = self.history.present_log(&code(OWN));
        let lineage = self.history.lineage(present);
        let mut shown = Vec::new();
        for base in self.cut_off.iter().chain([&self.log]) {
            for from in 0..=base.len() {
                let last = from.checked_sub(1).map(|last| &base[last]);
                // Epochs and heights never go back along a log.
                if last.is_some_and(|last| last.epoch > 0) {
                    continue;
                }
                for height in last.map_or(0, |last| last.height)..=self.history.height() {
                    let mut log = base[..from].to_vec();
                    for n in 0..FORGED {
                        log.push(Written {
                            log: lineage.at((from + n) as u64).id,
                            epoch: 0,
                            height,
                            key,
                            heard: false,
                            tag: u64::MAX - n as u64,
                        });
                        shown.push((log.clone(), from));
                    }
                }
            }
        }
        shown
    }

    /// Up to where the department's log counts while it is suspended.
    fn counts_until(&self) -> usize {
        let member = self.history.state().member(&code(OWN));
        match member.map(|member| member.standing) {
            Some(Standing::Suspended { position, .. })
                if position.log == self.history.present_log(&code(OWN)) =>
            {
                usize::try_from(position.size).unwrap()
            }
            _ => self.log.len(),
        }
    }

    /// The department's log, and every log that it could show with one more record: by whichever height it likes.
    fn goes_on(&self) -> Vec<Vec<Written>> {
        let mut all = vec![self.log.clone()];
        for height in 0..=self.history.height() {
            let mut reached = self.clone();
            if let Some(record) = reached.next(height) {
                reached.log.push(record);
                all.push(reached.log);
            }
        }
        all
    }

    /// Whether the first epoch has ended, in whichever way.
    fn first_key_ended(&self) -> bool {
        let trail = self.history.trail(&code(OWN)).unwrap();
        trail.epochs[0].ended.is_some()
    }

    /// Everything that could be claimed about a record.
    fn claims(&self) -> impl Iterator<Item = Claim> {
        let most = MOST_STEPS as u32;
        let heights = 0..=self.history.height();
        heights.flat_map(move |height| {
            (0..=most).flat_map(move |generation| {
                (0..=most).flat_map(move |epoch| {
                    (0..=MOST_RECORDS as u64).map(move |seq| Claim {
                        log: LogId {
                            department: code(OWN),
                            generation,
                        },
                        seq,
                        height,
                        epoch,
                    })
                })
            })
        })
    }
}

// The steps lead to the rest.
impl PartialEq for Reached {
    fn eq(&self, other: &Reached) -> bool {
        self.steps == other.steps
    }
}

impl Hashed for Reached {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.steps.hash(hasher);
    }
}

impl std::fmt::Debug for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reached")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

struct Judging;

impl Model for Judging {
    type State = Reached;
    type Action = Step;

    fn init_states(&self) -> Vec<Reached> {
        vec![Reached::begin()]
    }

    fn actions(&self, _: &Reached, steps: &mut Vec<Step>) {
        steps.extend(STEPS);
    }

    fn next_state(&self, last: &Reached, step: Step) -> Option<Reached> {
        last.after(step)
    }

    fn within_boundary(&self, reached: &Reached) -> bool {
        reached.steps.len() <= MOST_STEPS
    }

    fn properties(&self) -> Vec<Property<Judging>> {
        vec![
            Property::always(
                "what was recorded by all that was decided, and not cut off, counts",
                |_, reached: &Reached| {
                    let log = reached.log.iter().enumerate().take(reached.counts_until());
                    let mut heard = log.filter(|(_, record)| record.heard);
                    heard.all(|(seq, _)| counts(&reached.history, &reached.log, seq))
                },
            ),
            Property::always(
                "where nothing is marked every change counts that peers take",
                |_, reached: &Reached| {
                    reached.goes_on().iter().all(|log| {
                        let present = reached.history.present_log(&code(OWN));
                        let marked = reached.history.marked_below(present, log.len() as u64);
                        marked.is_some()
                            || (0..log.len()).all(|seq| changes(&reached.history, log, seq))
                    })
                },
            ),
            Property::always(
                "nothing counts that a thief made once its key has ended",
                |_, reached: &Reached| {
                    !reached.first_key_ended()
                        || reached.forgeries().iter().all(|(log, from)| {
                            (*from..log.len()).all(|seq| !counts(&reached.history, log, seq))
                        })
                },
            ),
            Property::always(
                "what counted for nothing once never counts",
                |_, reached: &Reached| {
                    reached.claims().all(|claim| {
                        let is_nothing = |history: &History| {
                            matches!(history.judge(&claim), Judgement::Nothing(_))
                        };
                        !is_nothing(&reached.before) || is_nothing(&reached.history)
                    })
                },
            ),
            Property::always(
                "who belongs and has a key can go on",
                |_, reached: &Reached| {
                    let mut reached = reached.clone();
                    let Some(record) = reached.next(reached.history.height()) else {
                        return true;
                    };
                    reached.log.push(record);
                    counts(&reached.history, &reached.log, reached.log.len() - 1)
                },
            ),
            Property::sometimes("a thief is believed before", |_, reached: &Reached| {
                let all = reached.forgeries();
                all.iter()
                    .any(|(log, from)| counts(&reached.history, log, *from))
            }),
            Property::sometimes(
                "a suspension takes away what was recorded",
                |_, reached: &Reached| {
                    let resumed = reached.steps.last() == Some(&Step::Resume);
                    resumed && !reached.cut_off.is_empty()
                },
            ),
            Property::sometimes(
                "a change counts for nothing though it is in the log",
                |_, reached: &Reached| {
                    let log = &reached.log;
                    (0..log.len()).any(|seq| !changes(&reached.history, log, seq))
                },
            ),
            Property::sometimes(
                "a log goes on without what was cut off",
                |_, reached: &Reached| {
                    let goes_on = reached.log.last();
                    !reached.cut_off.is_empty()
                        && goes_on.is_some_and(|last| last.log.generation > 0)
                },
            ),
            Property::sometimes(
                "a department comes back with all it had",
                |_, reached: &Reached| {
                    reached.steps.last() == Some(&Step::ComeBack(0)) && !reached.log.is_empty()
                },
            ),
        ]
    }
}

#[test]
fn no_order_of_decisions_and_records_lets_a_thief_be_believed_or_takes_back_what_counted() {
    Judging
        .checker()
        .threads(2)
        .spawn_bfs()
        .join()
        .assert_properties();
}
