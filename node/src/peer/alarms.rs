//! What of governance an operator should know of: decisions that wait for this department, governors that can't be reached, and
//! keys that need to be replaced.

use certmesh_ledger::governance::engine::Seat;
use certmesh_ledger::governance::{
    BlockId, Decision, FORMAT_VERSION, History, Item, State, quorum,
};
use certmesh_ledger::id::DepartmentCode;
use certmesh_text::governance::short;
use certmesh_text::say;

use super::governance::Shown;
use super::reasons::Names;
use super::warnings::Warning;
use super::{Peer, now_ms};
use crate::metrics;

/// After which a governor that is not connected counts as out of reach, and before which nobody does after a start, ms: heads
/// are exchanged every ten seconds, and a node that is started again is back within this.
const REACH_MS: u64 = 60_000;

/// After which an operating key is to be replaced, days. NIST SP 800-57 part 1 (table 1) has a private key that signs used for one
/// to three years. Nothing stops when it is over: a network that ends by age alone would fail on the worst day.
const KEY_DAYS: u64 = 730;

const DAY_MS: u64 = 86_400_000;

/// How governance stands for this department.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GovernanceStanding {
    /// Blocks held.
    pub(crate) height: u64,
    /// Departments that govern.
    pub(crate) governors: usize,
    /// Governors whose nodes have to vote for a block.
    pub(crate) needed: usize,
    /// Governors whose nodes can't be reached, or don't vote; this one among them if it does not.
    pub(crate) out_of_reach: Vec<DepartmentCode>,
    /// Proposals that wait for approvals or for a block.
    pub(crate) proposals: usize,
    /// Those of them that this department has not approved, though it could, and that need more approvals: their hashes.
    pub(crate) awaiting: Vec<String>,
    /// Whether a change of this department's own keys waits for a block.
    pub(crate) own_change: bool,
    /// Whether this node votes.
    pub(crate) votes: bool,
    /// Whether it does not since it may have forgotten how its key voted.
    barred: bool,
    /// The format version in force, if this node does not know it.
    outdated: Option<u32>,
    /// The block for which it can't vote for a recovery that waits.
    withholds: Option<BlockId>,
    /// The epoch of this department's operating key.
    pub(crate) epoch: u32,
    /// Since when that is in force, ms since 1970 UTC.
    pub(crate) epoch_since_ms: u64,
}

impl GovernanceStanding {
    fn of(
        own: DepartmentCode,
        history: &History,
        founded_ms: u64,
        shown: &Shown,
        reaches: impl Fn(&DepartmentCode) -> bool,
    ) -> GovernanceStanding {
        let state = history.state();
        let governors = state.governors().map(|governor| governor.code);
        let governors: Vec<DepartmentCode> = governors.collect();
        // A node that can keep no votes on disk casts none.
        let here = shown.seat == Seat::Votes && shown.failed.is_none();
        let votes = |code: &DepartmentCode| match *code == own {
            true => here,
            false => reaches(code),
        };
        let decisions = shown.pending.iter().filter_map(|item| match item {
            Item::Decision(decision) => Some(decision),
            _ => None,
        });
        let awaits = decisions.clone().filter(|one| awaits(state, own, one));
        let id = |decision: &Decision| decision.proposal.id(state.network()).to_string();
        let is_own_change = |item: &Item| matches!(item, Item::OwnChange(change) if change.change.department == own);
        let epoch = history.member_at(&own, state.height());
        let epoch = epoch.map_or(0, |member| member.epoch);
        GovernanceStanding {
            height: state.height(),
            needed: quorum(governors.len()),
            governors: governors.len(),
            out_of_reach: governors.into_iter().filter(|code| !votes(code)).collect(),
            proposals: decisions.count(),
            awaiting: awaits.map(id).collect(),
            own_change: shown.pending.iter().any(is_own_change),
            votes: here,
            barred: shown.seat == Seat::Barred,
            outdated: (!state.is_readable()).then(|| state.version()),
            withholds: shown.withholds,
            epoch,
            epoch_since_ms: since_ms(own, epoch, history, founded_ms, shown),
        }
    }

    /// Governors whose nodes can be reached and vote.
    pub(crate) fn reached(&self) -> usize {
        self.governors - self.out_of_reach.len()
    }

    /// What of it needs somebody to act.
    fn warnings(&self, now_ms: u64, name: impl Fn(&DepartmentCode) -> String) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.reached() <= self.needed && !self.out_of_reach.is_empty() {
            let (reached, governors, needed) = (self.reached(), self.governors, self.needed);
            let missing = Names(self.out_of_reach.iter().map(name).collect());
            warnings.push(match reached < needed {
                true => Warning::Undecidable {
                    reached,
                    governors,
                    needed,
                    missing,
                },
                false => Warning::NoSpareGovernor {
                    governors,
                    needed,
                    missing,
                },
            });
        }
        if let Some(version) = self.outdated {
            let (height, known) = (self.height, FORMAT_VERSION);
            warnings.push(Warning::Outdated {
                version,
                height,
                known,
            });
        }
        if self.barred {
            warnings.push(Warning::NoVote);
        }
        if let Some(block) = self.withholds {
            let block = short(&block.to_string());
            warnings.push(Warning::Withholds { block });
        }
        if !self.awaiting.is_empty() {
            let count = self.awaiting.len();
            let proposals = Names(self.awaiting.iter().map(|id| short(id)).collect());
            warnings.push(Warning::Unapproved { count, proposals });
        }
        let days = now_ms.saturating_sub(self.epoch_since_ms) / DAY_MS;
        if days > KEY_DAYS {
            let (epoch, limit) = (self.epoch, KEY_DAYS);
            warnings.push(Warning::OldKey { epoch, days, limit });
        }
        warnings
    }
}

/// Whether a proposal lacks approvals, and this department has not given its own.
fn awaits(state: &State, own: DepartmentCode, decision: &Decision) -> bool {
    let governs = state.governor(&own).is_some();
    let gave = decision.proposal.proposer == own
        || decision.approvals.iter().any(|approval| approval.by == own);
    // The proposer's counts as well.
    let approve = 1 + decision.approvals.len();
    governs && !gave && approve < state.approvals_needed(&decision.proposal)
}

/// Since when an epoch is in force, by the time of the block that began it.
fn since_ms(
    own: DepartmentCode,
    epoch: u32,
    history: &History,
    founded_ms: u64,
    shown: &Shown,
) -> u64 {
    let trail = history.trail(&own);
    let since = trail.and_then(|trail| trail.epoch(epoch));
    let Some(last) = since.map_or(0, |epoch| epoch.since).checked_sub(1) else {
        return founded_ms;
    };
    let block = usize::try_from(last).ok();
    let block = block.and_then(|last| shown.blocks.get(last));
    // The newest block is shown a moment after it is in force.
    block.map_or(history.state().time_ms(), |block| block.block.time_ms)
}

/// What of it the node's log has said already.
#[derive(Default)]
pub(crate) struct Reported(Vec<Warning>);

impl Peer {
    /// How governance stands for this department.
    pub(crate) fn governance_standing(&self) -> GovernanceStanding {
        let members = self.catalogue.members();
        let founded_ms = members.genesis().created_ms();
        let now_ms = now_ms();
        let starts = now_ms.saturating_sub(self.started_ms) < REACH_MS;
        // Copied, so that no two locks are held at once.
        let (connected, heads_ms) = {
            let heard = self.heard.read();
            (heard.connected.clone(), heard.heads_ms.clone())
        };
        let reaches = |code: &DepartmentCode| {
            let heard = heads_ms.get(code).copied().unwrap_or(0);
            starts || connected.contains_key(code) || now_ms.saturating_sub(heard) < REACH_MS
        };
        let shown = self.governance.read();
        GovernanceStanding::of(
            self.department,
            &members.history(),
            founded_ms,
            &shown,
            reaches,
        )
    }

    /// What of governance an operator should know of.
    pub(crate) fn governance_warnings(&self) -> Vec<Warning> {
        let standing = self.governance_standing();
        self.warnings_of(&standing)
    }

    fn warnings_of(&self, standing: &GovernanceStanding) -> Vec<Warning> {
        let mut warnings = standing.warnings(now_ms(), |code| self.name_of(code));
        warnings.extend(self.catalogue_key_warning());
        warnings
    }

    /// Gives the metrics how governance stands, and the node's log what begins or ends to need somebody.
    pub(crate) fn report_governance(&self, reported: &mut Reported) {
        let standing = self.governance_standing();
        self.metrics.set_governance(&metrics::Governance {
            reached: standing.reached(),
            needed: standing.needed,
            unapproved: standing.awaiting.len(),
            own_change: standing.own_change,
            votes: standing.votes,
            key_since_ms: standing.epoch_since_ms,
            catalogue_keys_missing: self.missing_catalogue_keys().len(),
        });
        let warnings = self.warnings_of(&standing);
        let before = std::mem::replace(&mut reported.0, warnings);
        for warning in reported
            .0
            .iter()
            .filter(|warning| !before.contains(warning))
        {
            tracing::warn!("{}", say(warning));
        }
        for warning in before
            .iter()
            .filter(|warning| !reported.0.contains(warning))
        {
            tracing::info!("no longer so: {}", say(warning));
        }
    }
}

#[cfg(test)]
mod tests {
    use certmesh_ledger::codec::{Ascending, Bounded, Text};
    use certmesh_ledger::crypto::keys::SigningKey;
    use certmesh_ledger::crypto::sealing::SealingSecret;
    use certmesh_ledger::genesis::{Department, Genesis, PeerId, Policy};
    use certmesh_ledger::governance::{
        Action, Govern, OwnChange, Proposal, RaiseVersion, SignedChange, approve,
    };

    use super::*;
    use crate::peer::testing;

    const CODES: [&str; 4] = [
        testing::OWN,
        "11330105002500287C",
        "11100000000013338W",
        "11100000MB03271699",
    ];

    fn code(n: usize) -> DepartmentCode {
        CODES[n].parse().unwrap()
    }

    fn identity(n: usize) -> SigningKey {
        SigningKey::from_seed(&[40 + n as u8; 32])
    }

    /// Four departments that govern.
    fn founded() -> Genesis {
        let department = |n: usize| Department {
            code: code(n),
            name: Text::new(format!("Department {n}")).unwrap(),
            name_zh: None,
            roles: Default::default(),
            governs: true,
            identity_key: identity(n).public(),
            signing_key: SigningKey::from_seed(&[50 + n as u8; 32]).public(),
            peer_id: PeerId::from_transport_seed(&[60 + n as u8; 32]),
            sealing_key: SealingSecret::from_seed(&[70 + n as u8; 32]).public(),
            addresses: Default::default(),
        };
        let commitment = testing::catalogue_key().commitment();
        let departments = (0..CODES.len()).map(department).collect();
        Genesis::new("Test", 1, commitment, Policy::usual(), departments).unwrap()
    }

    /// The second department proposes that the last one governs no longer; these others approve.
    fn proposed(state: &State, approvers: &[usize]) -> Decision {
        let govern = Govern {
            department: code(3),
            governs: false,
        };
        let proposal = Proposal {
            proposer: code(1),
            sitting: state.sitting(),
            lapses_ms: u64::MAX,
            nonce: 1,
            reason: Text::new("a test").unwrap(),
            actions: Bounded::first([Action::from(govern)]),
        };
        let network = state.network();
        let id = proposal.id(network);
        let mut decision = Decision::propose(network, proposal, &identity(1));
        let approvals = approvers.iter();
        let approvals = approvals.map(|n| approve(network, id, code(*n), &identity(*n)));
        let mut approvals: Vec<_> = approvals.collect();
        approvals.sort_by_key(|approval| approval.by);
        decision.approvals = Ascending::new(approvals).unwrap();
        decision
    }

    fn standing(history: &History, shown: &Shown, reached: &[usize]) -> GovernanceStanding {
        let reaches = |other: &DepartmentCode| reached.iter().any(|n| code(*n) == *other);
        GovernanceStanding::of(code(0), history, 1, shown, reaches)
    }

    fn said(standing: &GovernanceStanding, now_ms: u64) -> Vec<String> {
        let warnings = standing.warnings(now_ms, ToString::to_string);
        warnings.iter().map(say).collect()
    }

    #[test]
    fn governors_out_of_reach_are_reported_once_no_more_of_them_may_be() {
        let history = History::begin(&founded());
        let votes = Shown {
            seat: Seat::Votes,
            ..Shown::default()
        };
        assert_eq!(said(&standing(&history, &votes, &[1, 2, 3]), 2).len(), 0);
        let one = standing(&history, &votes, &[1, 2]);
        assert_eq!((one.reached(), one.needed, one.governors), (3, 3, 4));
        let text = said(&one, 2).concat();
        assert!(text.starts_with("once one more governor's node"), "{text}");
        assert!(
            text.contains(CODES[3]) && !text.contains(CODES[2]),
            "{text}"
        );
        let two = said(&standing(&history, &votes, &[1]), 2).concat();
        assert!(two.starts_with("nothing can be decided: 3 of 4"), "{two}");
        assert!(two.contains("2 can be reached"), "{two}");
        // A node that doesn't vote is as good as away, whoever it is.
        let barred = Shown {
            seat: Seat::Barred,
            ..Shown::default()
        };
        let here = said(&standing(&history, &barred, &[1, 2, 3]), 2);
        assert!(here[0].contains(CODES[0]), "{here:?}");
        assert!(here[1].contains("replace its operating key"), "{here:?}");
        let bound = Shown {
            withholds: Some(history.state().head()),
            ..votes.clone()
        };
        let bound = said(&standing(&history, &bound, &[1, 2, 3]), 2).concat();
        let block = short(&history.state().head().to_string());
        assert!(bound.contains(&format!("block {block}")), "{bound}");
        let failed = Shown {
            failed: Some("no room".to_owned()),
            ..votes.clone()
        };
        let failed = standing(&history, &failed, &[1, 2, 3]);
        assert!(!failed.votes && failed.out_of_reach == [code(0)]);
    }

    #[test]
    fn a_version_in_force_that_this_node_does_not_know_is_reported_with_what_to_do() {
        let members = testing::members();
        testing::decide(&members, &[RaiseVersion { after: 2 }.into()]);
        let shown = Shown {
            seat: Seat::Outdated,
            ..Shown::default()
        };
        let own = testing::OWN.parse().unwrap();
        let standing = GovernanceStanding::of(own, &members.history(), 1, &shown, |_| true);
        let said = said(&standing, 2).concat();
        assert!(said.contains("version 2 in block 1"), "{said}");
        assert!(said.contains("upgrade it"), "{said}");
    }

    #[test]
    fn a_proposal_waits_for_this_department_until_it_approves_or_enough_others_have() {
        let history = History::begin(&founded());
        let state = history.state();
        let waiting = |approvers: &[usize]| {
            let decision = proposed(state, approvers);
            let id = decision.proposal.id(state.network()).to_string();
            let shown = Shown {
                seat: Seat::Votes,
                pending: vec![decision.into()],
                ..Shown::default()
            };
            let standing = standing(&history, &shown, &[1, 2, 3]);
            assert_eq!(standing.proposals, 1);
            let text = said(&standing, 2).concat();
            assert_eq!(text.contains(&short(&id)), !standing.awaiting.is_empty());
            standing.awaiting == [id]
        };
        assert!(waiting(&[]));
        assert!(waiting(&[2]));
        assert!(!waiting(&[0]));
        assert!(!waiting(&[2, 3]), "three of four are enough");
        let decision = proposed(state, &[]);
        assert!(awaits(state, code(2), &decision));
        assert!(!awaits(state, code(1), &decision), "its proposer");
        let stranger = "11990100990000025W".parse().unwrap();
        assert!(!awaits(state, stranger, &decision), "it does not govern");
    }

    #[test]
    fn a_change_of_the_own_keys_is_seen_to_wait_and_another_s_is_not() {
        let history = History::begin(&founded());
        let pending = |n: usize| {
            let next = SigningKey::from_seed(&[90; 32]);
            let change = OwnChange {
                department: code(n),
                number: 1,
                operating: Some(next.public()),
                transport: None,
                sealing: None,
                lost: None,
            };
            let network = history.state().network();
            let change = SignedChange::sign(network, change, &identity(n), Some(&next), None);
            let shown = Shown {
                pending: vec![change.into()],
                ..Shown::default()
            };
            standing(&history, &shown, &[]).own_change
        };
        assert!(pending(0) && !pending(1));
    }

    #[test]
    fn an_operating_key_is_old_by_the_block_that_brought_it() {
        let history = History::begin(&founded());
        let shown = Shown {
            seat: Seat::Votes,
            ..Shown::default()
        };
        let standing = standing(&history, &shown, &[1, 2, 3]);
        assert_eq!((standing.epoch, standing.epoch_since_ms), (0, 1));
        let after = |days: u64| said(&standing, 1 + days * DAY_MS).concat();
        assert_eq!(after(KEY_DAYS), "");
        let old = after(KEY_DAYS + 1);
        assert!(old.contains("for 731 days; after 730"), "{old}");
        // One that joined later has its first key since it was admitted.
        let members = testing::members();
        testing::decide(&members, &[testing::admit(&members, CODES[1])]);
        let history = members.history();
        let admitted = since_ms(code(1), 0, &history, 1, &Shown::default());
        assert_eq!(admitted, history.state().time_ms());
        assert_ne!(admitted, 1);
    }
}
