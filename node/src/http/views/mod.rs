//! What use cases give, in the API's shapes and words. Every function here is pure: names of departments come from the
//! membership, all else from the answer.

mod cases;
mod certificates;
mod definitions;
mod governance;
mod operations;
mod reports;

pub(super) use cases::{acceptance, retrieved};
pub(super) use certificates::{
    appended, certificate, fields, found, history, position, uploaded, verification,
};
pub(super) use definitions::{grants, matter, matters, type_standard, types};
pub(super) use governance::{governance, held_by_others};
pub(super) use operations::{log, member, node, readiness, salvaged};
pub(super) use reports::{access_log, audit, lookups, usage};

use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::membership::Membership;

/// A department's name, empty for one that never was a member.
fn name_of(members: &Membership, department: &DepartmentCode) -> String {
    members.name_of(department).unwrap_or_default()
}
