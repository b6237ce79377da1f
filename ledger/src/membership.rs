//! Who belongs to the network, since when, with which keys: the view that everything else asks.
//!
//! A [`Membership`] is a handle, and cheap to clone. All of its clones see one history of governance, which begins with the
//! genesis and which one of them extends while others read.
//!
//! Its own questions are answered as of now. Whoever asks several that have to agree, or asks as of a height, asks
//! [`Membership::history`]: that is a snapshot, which no later block changes.

use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::codec::Text;
use crate::crypto::keys::PublicKey;
use crate::genesis::{Genesis, Role};
use crate::governance::engine::Chain;
use crate::governance::{BlockError, Changes, FinalBlock, History, Member};
use crate::id::{DepartmentCode, TypeCode};
use crate::names::{LogId, NetworkId};

/// The members of a network.
#[derive(Clone)]
pub struct Membership(Arc<Shared>);

struct Shared {
    genesis: Genesis,
    /// Cached: it is a hash of the whole genesis.
    network: NetworkId,
    /// Locked for as long as it takes to copy or replace a pointer.
    history: RwLock<Arc<History>>,
    /// Held by whoever verifies a block, so that blocks follow each other; nobody who reads waits for it.
    extending: Mutex<()>,
}

impl Membership {
    /// The members of a network that has no block yet.
    pub fn from_genesis(genesis: &Genesis) -> Membership {
        let history = History::begin(genesis);
        Membership(Arc::new(Shared {
            genesis: genesis.clone(),
            network: genesis.network_id(),
            history: RwLock::new(Arc::new(history)),
            extending: Mutex::default(),
        }))
    }

    /// The network.
    pub fn network(&self) -> NetworkId {
        self.0.network
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.genesis.name()
    }

    /// What it began with.
    pub fn genesis(&self) -> &Genesis {
        &self.0.genesis
    }

    /// All that is known now of who belonged when. What is asked of one snapshot agrees.
    pub fn history(&self) -> Arc<History> {
        Arc::clone(&self.0.history.read())
    }

    /// Adds the next block: every clone answers by it from then on, snapshots taken before stay as they are.
    ///
    /// # Errors
    /// [`BlockError`] if it isn't final, doesn't hold, or is not the next one; then nothing changed.
    pub fn extend(&self, block: &FinalBlock) -> Result<Changes, BlockError> {
        let _one_at_a_time = self.0.extending.lock();
        // Verifying takes many signatures' time. Nobody else can change the history meanwhile.
        let next = self.history().state().accept(block)?;
        let mut history = self.0.history.write();
        // Copies it if there is a snapshot of it.
        Ok(Arc::make_mut(&mut history).advance(next))
    }

    /// All members, suspended or not, by code.
    pub fn members(&self) -> impl ExactSizeIterator<Item = Arc<Member>> + use<> {
        let history = self.history();
        let members: Vec<_> = history.state().shared_members().cloned().collect();
        members.into_iter()
    }

    /// One member, suspended or not.
    pub fn member(&self, code: &DepartmentCode) -> Option<Arc<Member>> {
        self.history().state().shared_member(code).cloned()
    }

    /// The name of a department that is or was a member, to be shown.
    pub fn name_of(&self, code: &DepartmentCode) -> Option<String> {
        let history = self.history();
        let department = history.department_at(code, history.height())?;
        Some(department.display_name().to_owned())
    }

    /// Whether a department belongs and is not suspended: only then its word counts.
    pub fn counts(&self, code: &DepartmentCode) -> bool {
        let history = self.history();
        let member = history.state().member(code);
        member.is_some_and(Member::is_active)
    }

    /// How many members there are besides a department, which need not be one itself. Suspended ones don't count.
    pub fn others(&self, own: &DepartmentCode) -> usize {
        let history = self.history();
        let own = history.state().member(own);
        let counted = usize::from(own.is_some_and(Member::is_active));
        history.active_members() - counted
    }

    /// How many are more than half of the members besides a department; 0 where there is no other.
    pub fn majority_of_others(&self, own: &DepartmentCode) -> usize {
        match self.others(own) {
            0 => 0,
            others => others / 2 + 1,
        }
    }

    /// Where a member's peer listened at first, as the genesis has it: nothing for one admitted later.
    pub fn founding_addresses(&self, code: &DepartmentCode) -> &[Text<256>] {
        let departments = self.0.genesis.departments();
        match departments.binary_search_by_key(code, |department| department.code) {
            Ok(at) => &departments[at].addresses,
            Err(_) => &[],
        }
    }

    /// The log that a department writes, or last wrote.
    pub fn present_log(&self, code: &DepartmentCode) -> LogId {
        self.history().present_log(code)
    }

    /// A department's operating key of an epoch, in force or not.
    pub fn key(&self, code: &DepartmentCode, epoch: u32) -> Option<PublicKey> {
        self.history().key(code, epoch).copied()
    }

    /// Whether a department has a role, and is not suspended.
    pub fn has_role(&self, code: &DepartmentCode, role: Role) -> bool {
        let history = self.history();
        history.had_role(code, role, history.height())
    }

    /// The member that defines a type: its authority, if that is a member, else the one with the role for it.
    pub fn definer(&self, code: &TypeCode) -> Option<DepartmentCode> {
        let history = self.history();
        history.definer_at(code, history.height())
    }
}

impl Chain for Membership {
    fn history(&self) -> Arc<History> {
        Membership::history(self)
    }

    fn extend(&self, block: &FinalBlock) -> Result<Changes, BlockError> {
        Membership::extend(self, block)
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (network, height) = (self.network(), self.history().height());
        write!(f, "Membership({network} at {height})")
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::governance::tests::world::{World, code};

    /// A chain of several blocks: keys changed, a member admitted, one suspended.
    fn world() -> World {
        let mut world = World::new(4, 1);
        world.rotate(4);
        let admit = world.admit(8, true);
        world.decide(&[admit]).unwrap();
        let suspend = world.suspend(4, 0);
        world.decide(&[suspend]).unwrap();
        world.rotate(0);
        world
    }

    #[test]
    fn without_a_block_the_members_are_those_of_the_genesis() {
        let world = World::new(3, 2);
        let members = Membership::from_genesis(&world.genesis);
        let founders = world.genesis.departments();
        assert_eq!(members.members().len(), founders.len());
        for (founder, member) in founders.iter().zip(members.members()) {
            assert_eq!(member.code, founder.code);
            assert_eq!(member.display_name(), founder.display_name());
            assert_eq!(members.key(&founder.code, 0), Some(founder.signing_key));
            assert_eq!(members.key(&founder.code, 1), None);
            assert_eq!(
                members.founding_addresses(&founder.code),
                &*founder.addresses
            );
            assert!(members.has_role(&founder.code, Role::Issue));
        }
        let others = |members: &Membership, of| {
            let of = code(of);
            (members.others(&of), members.majority_of_others(&of))
        };
        assert_eq!(others(&members, 0), (4, 3));
        assert_eq!(members.member(&code(9)), None);
        assert_eq!(members.key(&code(9), 0), None);
        let alone = Membership::from_genesis(&World::new(1, 0).genesis);
        assert_eq!(others(&alone, 0), (0, 0));
    }

    #[test]
    fn every_clone_answers_by_the_last_block_and_a_snapshot_by_its_own() {
        let world = world();
        let members = Membership::from_genesis(&world.genesis);
        let (clone, before) = (members.clone(), members.history());
        for block in &world.blocks {
            members.extend(block).unwrap();
        }
        assert_eq!(clone.history().state(), &world.state);
        assert_eq!(before.height(), 0);
        assert!(before.member_at(&code(8), 0).is_none());
        let admitted = clone.member(&code(8)).unwrap();
        assert_eq!(admitted.display_name(), "Newcomer");
        assert!(clone.founding_addresses(&code(8)).is_empty());
        // A suspended one belongs, and neither counts nor does anything.
        assert!(clone.member(&code(4)).is_some());
        assert_eq!(clone.others(&code(0)), 4);
        // To itself all others are others.
        assert_eq!(clone.others(&code(4)), 5);
        assert!(!clone.counts(&code(4)) && clone.counts(&code(8)));
        assert!(!clone.has_role(&code(4), Role::Issue));
        assert!(clone.has_role(&code(8), Role::Issue));
        // Both keys are known, whichever is in force.
        assert_ne!(clone.key(&code(0), 0), clone.key(&code(0), 1));
        assert!(clone.key(&code(0), 1).is_some());
        let again = clone.extend(&world.blocks[0]);
        assert!(matches!(again, Err(BlockError::Height { .. })), "{again:?}");
        assert_eq!(clone.history().state(), &world.state);
    }

    #[test]
    fn who_reads_while_another_extends_sees_one_height_at_a_time() {
        let world = world();
        let members = Membership::from_genesis(&world.genesis);
        let last = world.state.height();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut height = 0;
                    while height < last {
                        let history = members.history();
                        assert!(history.height() >= height, "never goes back");
                        height = history.height();
                        let belong = history.members_at(height).count();
                        assert_eq!(belong, if height < 2 { 5 } else { 6 });
                        assert_eq!(history.state().members().count(), belong);
                        let active = history.members_at(height).filter(|it| it.is_active());
                        assert_eq!(history.active_members(), active.count());
                        let head = history.head_at(height);
                        assert_eq!(head, Some(history.state().head()));
                    }
                });
            }
            for block in &world.blocks {
                members.extend(block).unwrap();
            }
        });
    }
}
