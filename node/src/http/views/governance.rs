//! How governance stands, as JSON.

use certmesh_api::GovernanceView;
use certmesh_ledger::codec;
use certmesh_ledger::membership::Membership;

use crate::app::govern::Shown;

pub(crate) fn governance(members: &Membership, shown: &Shown) -> GovernanceView {
    let (heard, governors) = shown.governors;
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    GovernanceView {
        network: members.network().to_string(),
        height: shown.known.height,
        head: shown.known.head.to_string(),
        governors_heard: count(heard),
        governors: count(governors),
        current: shown.is_current(),
        round: shown.round,
        pending: shown
            .pending
            .iter()
            .map(|item| hex::encode(codec::encode(item)))
            .collect(),
        failed: shown.failed.clone(),
    }
}
