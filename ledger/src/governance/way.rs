//! Who changes the statuses of certificates whose department was removed.
//!
//! A removal can name a successor. From then on the certificates of the department are the successor's, for good: whose they
//! are is decided once at each removal, and a department that has a successor is not admitted again. A successor that is
//! removed as well can name one in its turn, so a certificate has a *way*: its department, and each successor after it.

use std::collections::BTreeSet;

use crate::id::DepartmentCode;

use super::history::History;
use super::member::{Member, Standing};
use super::state::State;

/// Most successors on one way: a proof carries what each of them says.
pub const MAX_SUCCESSORS: usize = 8;

impl Member {
    /// The successor that its removal named.
    pub fn successor(&self) -> Option<DepartmentCode> {
        match self.standing {
            Standing::Removed { successor, .. } => successor,
            Standing::Present | Standing::Suspended { .. } => None,
        }
    }
}

impl State {
    /// The successor that a department's removal named.
    pub(super) fn successor(&self, code: &DepartmentCode) -> Option<DepartmentCode> {
        self.members.get(code)?.successor()
    }

    /// How many successors the longest way to a department has, itself among them; 0 if it is nobody's.
    pub(super) fn longest_way_to(&self, code: &DepartmentCode) -> usize {
        let mut ends = BTreeSet::from([*code]);
        let mut length = 0;
        // Each round follows all ways by one step back. None is longer than the bound, which was kept at each removal.
        loop {
            let gone = self.members.values();
            let comes = gone.filter(|gone| gone.successor().is_some_and(|to| ends.contains(&to)));
            ends = comes.map(|gone| gone.code).collect();
            if ends.is_empty() || length > MAX_SUCCESSORS {
                return length;
            }
            length += 1;
        }
    }
}

impl History {
    /// The way of a department's certificates, as of now: the department itself, and each successor in turn. The last one is
    /// who changes their statuses, unless it was removed in its turn: see [`History::changes_statuses`]. What others on the way
    /// changed while it was theirs to change stands. Empty of a department that never belonged.
    pub fn way(&self, code: &DepartmentCode) -> Vec<DepartmentCode> {
        self.way_at(code, self.height())
    }

    /// Who changes the statuses of a department's certificates: itself while it belongs, else the successor that its removal
    /// named, or that one's; nobody if there is none.
    pub fn changes_statuses(&self, code: &DepartmentCode) -> Option<DepartmentCode> {
        self.changed_statuses(code, self.height())
    }

    /// The same as of a height; also `None` of one that isn't known here.
    pub fn changed_statuses(&self, code: &DepartmentCode, height: u64) -> Option<DepartmentCode> {
        let last = self.way_at(code, height).pop()?;
        self.member_at(&last, height).map(|member| member.code)
    }

    /// Whether a certificate of one department was another's to change as of a height, since that one is its successor.
    pub fn inherited(&self, from: &DepartmentCode, to: &DepartmentCode, height: u64) -> bool {
        from != to && self.changed_statuses(from, height) == Some(*to)
    }

    /// The height of the removal since which the last one on a department's way is that; `None` where it is the department itself.
    pub fn inherited_since(&self, code: &DepartmentCode) -> Option<u64> {
        let way = self.way(code);
        let before = way.iter().rev().nth(1)?;
        match self.department_at(before, self.height())?.standing {
            Standing::Removed { since, .. } => Some(since),
            Standing::Present | Standing::Suspended { .. } => None,
        }
    }

    /// The way without successors that were removed with an empty log: these said nothing, and have no head to show it by.
    pub fn way_shown(&self, code: &DepartmentCode) -> Vec<DepartmentCode> {
        let mut way = self.way(code);
        way.retain(|on| on == code || self.ended_by_removal(on) != Some(0));
        way
    }

    /// The size at which a department's log ended by its removal; `None` of one that belongs, or never did.
    pub fn ended_by_removal(&self, code: &DepartmentCode) -> Option<u64> {
        let department = self.department_at(code, self.height());
        department.filter(|department| !department.belongs())?;
        self.trail(code)?.generations.last().map(|end| end.size)
    }

    fn way_at(&self, code: &DepartmentCode, height: u64) -> Vec<DepartmentCode> {
        let mut way = Vec::new();
        let mut next = Some(*code);
        // A successor belonged when it was named, so each removal on the way is of a later height than the one before: the
        // way never comes back to where it was.
        while let Some(department) = next.and_then(|code| self.department_at(&code, height)) {
            way.push(department.code);
            next = department.successor();
        }
        way
    }
}
