//! How governance stands, as JSON.

use certmesh_api::{GoesOn, GovernanceView, HeldByOthers, MissingStatement, StatedHeld};
use certmesh_ledger::codec;
use certmesh_ledger::membership::Membership;

use crate::app::govern::{self, Shown};

pub(crate) fn governance(members: &Membership, shown: &Shown) -> GovernanceView {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    GovernanceView {
        network: members.network().to_string(),
        height: shown.known.height,
        head: shown.known.head.to_string(),
        governors_heard: count(shown.governors.shown),
        governors: count(shown.governors.all),
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

pub(crate) fn held_by_others(held: &govern::HeldByOthers) -> HeldByOthers {
    let stated = held.stated.iter().map(|(held, size)| StatedHeld {
        department: held.signed.by.to_string(),
        size: *size,
        statement: hex::encode(codec::encode(held)),
    });
    let missing = held.missing.iter().map(|(by, why)| MissingStatement {
        department: by.to_string(),
        why: (*why).into(),
    });
    let goes_on = held.goes_on.as_ref().ok().map(|position| GoesOn {
        size: position.size,
        root: position.root.to_string(),
    });
    HeldByOthers {
        log: held.log.to_string(),
        number: held.number,
        stated: stated.collect(),
        missing: missing.collect(),
        needed: u32::try_from(held.needed).unwrap_or(u32::MAX),
        goes_on,
        why_not: held.goes_on.as_ref().err().cloned(),
    }
}
