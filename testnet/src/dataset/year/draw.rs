//! Who comes when with what: the cases of a year, drawn by rules that are written down here and nowhere else.
//!
//! - **Sub-matters**: the first in an order is asked for twice as often as the second, three times as often as the third,
//!   and so on (Zipf's law). So of the data set's 784 the first tenth makes two thirds of all cases. Nobody knows which
//!   those are, so [`ORDERS`] orders, shuffled by the seed, take turns; how far they differ says what that leaves open.
//! - **Whom a sub-matter is for**: people if more of its requirements can be met by certificates that people hold than by
//!   such that organisations hold, organisations the other way round, either as often where it is even.
//! - **Subjects**: [`NEWCOMERS`] in a hundred hold nothing at all. [`CONCERNED`] in a hundred are holders of a type that
//!   the sub-matter asks for: who comes with a matter mostly has to do with it. The others are any holders. Holders are
//!   drawn by certificate, of any day: who holds three is drawn three times as often as who holds one.
//! - **Days**: each of the 365 as often as any other.

use certmesh_ledger::crypto::keys::CatalogueKey;
use certmesh_ledger::id::{Date, HolderKind, TypeCode, normalise};
use certmesh_ledger::record::{MatterRef, SubjectTag};

use super::super::dice::Dice;
use super::super::holders::{organisation, person};
use super::logs::{Holders, Side};
use super::reading::DataSet;

/// Of a hundred subjects, those who hold nothing.
pub(super) const NEWCOMERS: u64 = 10;
/// Of a hundred subjects, those drawn from the holders of what the sub-matter asks for.
pub(super) const CONCERNED: u64 = 45;
/// Orders of the sub-matters.
pub(super) const ORDERS: usize = 10;
/// Days of the year.
pub(super) const DAYS: u16 = 365;
/// The weight of the sub-matter that is asked for most.
const MOST: u64 = 1_000_000;
/// Numbers of made-up holders that no data set reaches, and how many there are.
const STRANGERS: (u64, u64) = (20_000_000, 40_000_000);

/// How a subject was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Came {
    /// One who holds nothing.
    Newcomer,
    /// A holder of a type that the sub-matter asks for.
    Concerned,
    /// Any holder.
    AnyHolder,
}

/// A sub-matter to draw.
pub(super) struct Part {
    pub(super) matter: MatterRef,
    /// For each requirement, whether people and organisations can hold what meets it.
    pub(super) can_meet: Vec<[bool; 2]>,
    /// Every type that meets a requirement, once.
    types: Vec<TypeCode>,
}

/// A case to accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// Which of the orders it is from.
    pub(super) order: usize,
    /// Place of the sub-matter.
    pub(super) part: usize,
    pub(super) side: Side,
    pub(super) subject: SubjectTag,
    pub(super) came: Came,
    pub(super) on: Date,
}

/// Draws cases; each is a function of the seed and its number.
pub(super) struct Drawer<'a> {
    seed: u64,
    pub(super) parts: Vec<Part>,
    /// Of each order, how often it asks for which sub-matter.
    weights: Vec<Vec<u64>>,
    holders: &'a Holders,
    key: &'a CatalogueKey,
    /// First day of the year.
    first: Date,
}

impl<'a> Drawer<'a> {
    /// For a year that begins on a day.
    pub(super) fn new(
        seed: u64,
        set: &DataSet,
        holders: &'a Holders,
        key: &'a CatalogueKey,
        first: Date,
    ) -> Drawer<'a> {
        let parts = parts(set);
        Drawer {
            seed,
            weights: (0..ORDERS)
                .map(|order| weights(seed, order, parts.len()))
                .collect(),
            parts,
            holders,
            key,
            first,
        }
    }

    /// One case.
    pub(super) fn case(&self, number: u64) -> Case {
        let mut dice = Dice::new(self.seed, "case", &[number]);
        let on = self.first.plus_days(dice.below(u64::from(DAYS)) as u16);
        let order = (number % ORDERS as u64) as usize;
        let place = dice.weighted(&self.weights[order]);
        let part = &self.parts[place];
        let side = part.side(&mut dice);
        let came = match dice.below(100) {
            roll if roll < NEWCOMERS => Came::Newcomer,
            roll if roll < NEWCOMERS + CONCERNED => Came::Concerned,
            _ => Came::AnyHolder,
        };
        let (subject, came) = self.subject(part, side, came, &mut dice);
        Case {
            order,
            part: place,
            side,
            subject,
            came,
            on: on.unwrap_or(self.first),
        }
    }

    /// A subject; where nobody holds what the sub-matter asks for any holder, and where there is no holder a newcomer.
    fn subject(&self, part: &Part, side: Side, came: Came, dice: &mut Dice) -> (SubjectTag, Came) {
        let mut holder = |types: Option<&[TypeCode]>| {
            let nth = dice.below(self.holders.count(side, types));
            self.holders.nth(side, types, nth)
        };
        let concerned = match came {
            Came::Concerned => holder(Some(&part.types)),
            _ => None,
        };
        if let Some(subject) = concerned {
            return (subject, Came::Concerned);
        }
        match (came != Came::Newcomer).then(|| holder(None)).flatten() {
            Some(subject) => (subject, Came::AnyHolder),
            None => (self.newcomer(side, dice), Came::Newcomer),
        }
    }

    fn newcomer(&self, side: Side, dice: &mut Dice) -> SubjectTag {
        let (first, many) = STRANGERS;
        loop {
            let number = first + dice.below(many);
            let (kind, stranger) = match side {
                Side::Person => (HolderKind::IdentityCard, person(number)),
                Side::Organisation => (HolderKind::CreditCode, organisation(number)),
            };
            let code = normalise(kind, &stranger.code).unwrap_or(stranger.code);
            let tag = self.key.subject_tag(kind, &code);
            if !self.holders.has(&tag) {
                return tag;
            }
        }
    }
}

impl Part {
    fn side(&self, dice: &mut Dice) -> Side {
        let met = |side: Side| {
            let met = self.can_meet.iter().filter(|can| can[side as usize]);
            met.count()
        };
        match met(Side::Person).cmp(&met(Side::Organisation)) {
            std::cmp::Ordering::Greater => Side::Person,
            std::cmp::Ordering::Less => Side::Organisation,
            std::cmp::Ordering::Equal if dice.percent(50) => Side::Person,
            std::cmp::Ordering::Equal => Side::Organisation,
        }
    }
}

/// How often an order asks for each of this many sub-matters.
fn weights(seed: u64, order: usize, parts: usize) -> Vec<u64> {
    let mut dice = Dice::new(seed, "how often", &[order as u64]);
    let mut places: Vec<usize> = (0..parts).collect();
    for place in (1..parts).rev() {
        places.swap(place, dice.index(place + 1));
    }
    let mut weights = vec![0; parts];
    for (rank, place) in (1..).zip(places) {
        weights[place] = (MOST / rank).max(1);
    }
    weights
}

/// The sub-matters of all matters.
fn parts(set: &DataSet) -> Vec<Part> {
    let sides = |code: &TypeCode| {
        let kind = set.types.iter().find(|(_, kind)| kind.code == *code);
        let kinds = kind.map(|(_, kind)| &kind.holder_kinds[..]);
        // A type that names no kind can be held by any.
        [Side::Person, Side::Organisation].map(|side| {
            kinds.is_none_or(|kinds| {
                kinds.is_empty() || kinds.iter().any(|kind| Side::of(*kind) == side)
            })
        })
    };
    let mut parts = Vec::new();
    for (department, matter) in &set.matters {
        for part in matter.parts.iter() {
            let mut types: Vec<TypeCode> = part
                .requires
                .iter()
                .flat_map(|requirement| requirement.types.iter().copied())
                .collect();
            types.sort_unstable();
            types.dedup();
            let can_meet = part.requires.iter().map(|requirement| {
                let each = requirement.types.iter().map(sides);
                each.fold([false; 2], |all, one| [all[0] || one[0], all[1] || one[1]])
            });
            parts.push(Part {
                matter: MatterRef {
                    department: *department,
                    matter: matter.code.clone(),
                    part: part.code.clone(),
                },
                can_meet: can_meet.collect(),
                types,
            });
        }
    }
    parts
}
