//! How cases stand, and what was retrieved.

use certmesh_api::{AcceptedCase, CopiedAttachment, RequirementState, Word};
use certmesh_ledger::acceptance::{Assessment, State};
use certmesh_ledger::codec::Text;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::verify::Verdict;

use super::certificates::attachment;
use super::{position, verification};
use crate::app::cases::{Acceptance, Obstacle, Standing};
use crate::app::retrieve::Retrieved;

/// How a case stands.
pub(in crate::http) fn acceptance(
    members: &Membership,
    case: &Acceptance,
) -> certmesh_api::Acceptance {
    let requirements = &case.requirements;
    let held = requirements
        .iter()
        .filter(|standing| standing.state == State::Held);
    let part = case.definition.part(&case.matter.part);
    certmesh_api::Acceptance {
        held: held.count() as u32,
        matter_name: case.definition.name.to_string(),
        part_name: part.map(|part| part.name.to_string()).unwrap_or_default(),
        matter: case.matter.to_string(),
        on: case.on.to_string(),
        requirements: requirements
            .iter()
            .map(|standing| requirement(members, standing))
            .collect(),
        case: case.accepted.as_ref().map(|accepted| AcceptedCase {
            position: position(&accepted.position),
            replayed: accepted.replayed,
        }),
    }
}

const TOO_MANY: &str = "a department issued more certificates of this type to the subject than are looked at, and none of \
                        those is valid; look the certificate up by its number";
const NOT_THEN: &str =
    "its fields were not collected when the case was accepted; retrieve them by themselves";
const LOST: &str =
    "what was collected for the case is lost on this node's disk; retrieve the fields separately";
const INCOMPLETE: &str = "its attachments are not here whole yet; asking for them gets the rest";

fn requirement(members: &Membership, standing: &Standing) -> RequirementState {
    let assessment = &standing.assessment;
    let requirement = &assessment.requirement;
    let type_code = standing.type_code();
    let verified = standing.verified.as_ref();
    let verification = verified.map(|verified| self::verification(members, verified));
    let obstacle = match &standing.obstacle {
        Some(obstacle) => Some(self::obstacle(obstacle)),
        None => unmet(assessment, verification.as_ref()),
    };
    let collected = standing.collected.as_ref();
    let needed = |name: &str| requirement.fields.iter().any(|code| code.as_str() == name);
    let values = collected.into_iter().flat_map(|copy| copy.fields());
    RequirementState {
        type_code: type_code.map(|code| code.to_string()).unwrap_or_default(),
        type_name: standing.type_name.clone(),
        types: requirement.types.iter().map(ToString::to_string).collect(),
        state: match standing.state == assessment.state {
            true => Word::read(assessment.word()),
            false => standing.state.into(),
        },
        certificate: standing.certificate().map(ToString::to_string),
        verification,
        fields: requirement.fields.iter().map(ToString::to_string).collect(),
        visible: standing.visible().iter().map(ToString::to_string).collect(),
        obstacle,
        retrieval: collected.map(|copy| copy.name.to_string()),
        values: values
            .filter(|(name, _)| needed(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

fn obstacle(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::NotCollected(why) => format!("its fields were not collected: {why}"),
        Obstacle::Lacks(codes) => {
            let codes: Vec<&str> = codes.iter().map(Text::as_str).collect();
            format!(
                "the certificate has no {}, which the matter needs",
                codes.join(", ")
            )
        }
        Obstacle::Incomplete => INCOMPLETE.to_owned(),
        Obstacle::NotThen => NOT_THEN.to_owned(),
        Obstacle::Lost => LOST.to_owned(),
    }
}

/// What blocks it, by the logs held here.
fn unmet(
    assessment: &Assessment,
    verification: Option<&certmesh_api::Verification>,
) -> Option<String> {
    let best = assessment.best.as_ref();
    match (assessment.state, best) {
        (State::Held | State::Missing, _) => None,
        (State::Unknown, Some(best))
            if matches!(best.verification.verdict, Verdict::NotValid(_)) =>
        {
            Some(TOO_MANY.to_owned())
        }
        (State::Unknown, None) => Some(TOO_MANY.to_owned()),
        (State::NotValid | State::Unknown, _) => {
            verification.map(|shown| shown.explanation.clone())
        }
        (State::NeedsGrant, None) => None,
        (State::NeedsGrant, Some(best)) => Some(match &best.denial {
            Some(denial) => denial.to_string(),
            None => {
                let needed = assessment.requirement.fields.iter();
                let uncovered = needed.filter(|code| !best.fields.contains(code));
                let codes: Vec<&str> = uncovered.map(Text::as_str).collect();
                format!(
                    "the grant in force does not cover {}, which the matter needs; its issuer can grant it",
                    codes.join(", ")
                )
            }
        }),
    }
}

/// What was retrieved.
pub(in crate::http) fn retrieved(
    members: &Membership,
    found: &Retrieved,
) -> certmesh_api::Retrieved {
    let copy = found.copy.body();
    let request = copy.request.retrieval();
    let attachments = found.attachments().iter();
    certmesh_api::Retrieved {
        verification: verification(members, &found.verified),
        retrieval: found.name.to_string(),
        certificate: request.certificate.to_string(),
        type_code: request.certificate.type_code().to_string(),
        issuer: copy.log.department.to_string(),
        matter: request.matter.to_string(),
        purpose: request.purpose.to_string(),
        time_ms: copy.time_ms,
        keep_until: found.copy.until.to_string(),
        fields: found
            .fields()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        attachments: attachments
            .map(|(file, whole)| CopiedAttachment {
                whole: *whole,
                attachment: attachment(file),
            })
            .collect(),
        receipt: copy.receipt,
        acknowledged: position(&found.copy.acknowledged),
    }
}
