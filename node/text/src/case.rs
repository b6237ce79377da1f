//! Why a requirement of a case is not met, or what was collected for it is not all here.

use certmesh_api::coded;
use certmesh_ledger::catalogue::Denial;
use certmesh_ledger::id::{DepartmentCode, TypeCode};

use crate::catalogue::say;

coded! {
    /// What stands between a clerk and the fields that a matter needs.
    pub enum Obstacle: "obstacle" {
        /// Nothing came from the issuer.
        "not-collected" NotCollected { why: String },
        /// The issuer's answer lacks these fields.
        "lacks" Lacks { codes: String },
        /// Attachments are not here whole.
        "incomplete" Incomplete,
        /// They were not collected when the case was accepted.
        "not-then" NotThen,
        /// What was collected is lost on this disk.
        "lost" Lost,
        /// More certificates were issued than are looked at.
        "too-many" TooMany,
        /// The grant in force leaves these fields out.
        "not-covered" NotCovered { codes: String },
    }
}

coded! {
    enum Denied: "denied" {
        "not-a-member" NotAMember { asker: DepartmentCode },
        "unknown-matter" UnknownMatter { matter: String },
        "others-matter" OthersMatter { matter: String },
        "not-required" NotRequired { matter: String, type_code: TypeCode },
        "not-shared" NotShared,
        "no-grant" NoGrant { asker: DepartmentCode, matter: String },
    }
}

/// Why the fields of a certificate may not be seen.
pub fn denied(denial: &Denial) -> String {
    say(&match denial {
        Denial::NotAMember(asker) => Denied::NotAMember { asker: *asker },
        Denial::UnknownMatter(matter) => Denied::UnknownMatter {
            matter: matter.to_string(),
        },
        Denial::OthersMatter(matter) => Denied::OthersMatter {
            matter: matter.to_string(),
        },
        Denial::NotRequired { matter, type_code } => Denied::NotRequired {
            matter: matter.to_string(),
            type_code: *type_code,
        },
        Denial::NotShared => Denied::NotShared,
        Denial::NoGrant { asker, matter } => Denied::NoGrant {
            asker: *asker,
            matter: matter.to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::mismatches;

    #[test]
    fn each_obstacle_and_each_denial_has_a_text_with_its_arguments() {
        let found = [mismatches::<Obstacle>(), mismatches::<Denied>()].concat();
        assert_eq!(found, Vec::<String>::new());
    }
}
