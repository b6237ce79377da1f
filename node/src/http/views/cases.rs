//! How cases stand, and what was retrieved.

use certmesh_api::{AcceptedCase, CopiedAttachment, RequirementState, Word};
use certmesh_ledger::acceptance::{Assessment, State};
use certmesh_ledger::codec::Text;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::verify::Verdict;
use certmesh_text::{case, say};

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
    say(&match obstacle {
        Obstacle::NotCollected(why) => case::Obstacle::NotCollected {
            why: why.to_string(),
        },
        Obstacle::Lacks(lacks) => case::Obstacle::Lacks {
            codes: codes(lacks),
        },
        Obstacle::Incomplete => case::Obstacle::Incomplete,
        Obstacle::NotThen => case::Obstacle::NotThen,
        Obstacle::Lost => case::Obstacle::Lost,
    })
}

fn codes<'a>(codes: impl IntoIterator<Item = &'a Text<64>>) -> String {
    let codes: Vec<&str> = codes.into_iter().map(Text::as_str).collect();
    codes.join(", ")
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
            Some(say(&case::Obstacle::TooMany))
        }
        (State::Unknown, None) => Some(say(&case::Obstacle::TooMany)),
        (State::NotValid | State::Unknown, _) => {
            verification.map(|shown| shown.explanation.clone())
        }
        (State::NeedsGrant, None) => None,
        (State::NeedsGrant, Some(best)) => Some(match &best.denial {
            Some(denial) => case::denied(denial),
            None => {
                let needed = assessment.requirement.fields.iter();
                let uncovered = needed.filter(|code| !best.fields.contains(code));
                say(&case::Obstacle::NotCovered {
                    codes: codes(uncovered),
                })
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
