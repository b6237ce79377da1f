//! Accepting a case: the ledger's assessment in the API's shapes.

use certmesh_api::{Acceptance, RequirementState, Values};
use certmesh_ledger::acceptance::{AssessError, Assessment, State, assess};
use certmesh_ledger::codec::Text;
use certmesh_ledger::log::ReadError;
use certmesh_ledger::record::MatterRef;
use certmesh_ledger::verify::Verdict;

use super::views;
use crate::app::questions::{Case, MatterName};
use crate::peer::Peer;
use crate::peer::Refusal;
use crate::peer::journal::Recorded;

/// How the requirements stand; the look is durable already.
pub(crate) fn answer(peer: &Peer, case: &Case, _: &Recorded) -> Result<Acceptance, Refusal> {
    let catalogue = &peer.catalogue;
    let matter = resolve(peer, &case.matter)?;
    let question = peer.question(case.on);
    let subject = peer
        .catalogue_key
        .subject_tag(case.kind, case.code.expose());
    let assessed = assess(catalogue, &peer.department, &matter, &subject, question);
    let assessed = assessed.map_err(|error| match error {
        AssessError::UnknownMatter(_) => unknown(),
        AssessError::Read(error) => unreadable(&error),
    })?;
    let definition = catalogue
        .matter(&matter.department, &matter.matter)
        .map_err(|error| unreadable(&error))?
        .ok_or_else(unknown)?
        .definition;
    let requirements: Vec<RequirementState> = assessed
        .iter()
        .map(|assessment| requirement(peer, assessment))
        .collect();
    let held = requirements
        .iter()
        .filter(|requirement| requirement.state == State::Held.as_str());
    Ok(Acceptance {
        held: held.count() as u32,
        matter_name: definition.name.to_string(),
        part_name: definition
            .part(&matter.part)
            .map(|part| part.name.to_string())
            .unwrap_or_default(),
        matter: matter.to_string(),
        on: question.on.to_string(),
        requirements,
        case: None,
    })
}

fn unreadable(error: &ReadError) -> Refusal {
    tracing::error!(%error, "a log could not be read");
    Refusal::Internal
}

fn unknown() -> Refusal {
    Refusal::NotFound {
        what: "matter or sub-matter",
    }
}

/// The sub-matter that is meant.
pub(crate) fn resolve(peer: &Peer, name: &MatterName) -> Result<MatterRef, Refusal> {
    let department = name.department.unwrap_or(peer.department);
    let definition = peer
        .catalogue
        .matter(&department, &name.matter)
        .map_err(|error| unreadable(&error))?
        .ok_or_else(unknown)?
        .definition;
    let parts = &definition.parts;
    let part = match (&name.part, &**parts) {
        (Some(part), _) => part.clone(),
        (None, [only]) => only.code.clone(),
        (None, _) => {
            let codes: Vec<&str> = parts.iter().map(|part| part.code.as_str()).collect();
            let detail = format!("has several sub-matters; name one of {}", codes.join(", "));
            return Err(Refusal::field("matter", detail));
        }
    };
    Ok(MatterRef {
        department,
        matter: name.matter.clone(),
        part,
    })
}

const TOO_MANY: &str = "a department issued more certificates of this type to the subject than are looked at, and none of \
                        those is valid; look the certificate up by its number";

fn requirement(peer: &Peer, assessment: &Assessment) -> RequirementState {
    let requirement = &assessment.requirement;
    let best = assessment.best.as_ref();
    let met_by = best.and_then(|best| best.verification.state.as_ref());
    let first = requirement.types.first();
    let type_code = met_by
        .map(|state| state.certificate().id.type_code())
        .or(first.copied());
    let verification = best.map(|best| views::verification(peer, &best.verification));
    let hindrance = match (assessment.state, best) {
        (State::Held | State::Missing, _) => None,
        (State::Unknown, Some(best))
            if matches!(best.verification.verdict, Verdict::NotValid(_)) =>
        {
            Some(TOO_MANY.to_owned())
        }
        (State::Unknown, None) => Some(TOO_MANY.to_owned()),
        (State::NotValid | State::Unknown, _) => {
            verification.as_ref().map(|told| told.explanation.clone())
        }
        (State::NeedsGrant, None) => None,
        (State::NeedsGrant, Some(best)) => Some(match &best.denial {
            Some(denial) => denial.to_string(),
            None => {
                let needed = requirement.fields.iter();
                let uncovered = needed.filter(|code| !best.fields.contains(code));
                let codes: Vec<&str> = uncovered.map(Text::as_str).collect();
                format!(
                    "the grant in force does not cover {}, which the matter needs; its issuer can grant it",
                    codes.join(", ")
                )
            }
        }),
    };
    RequirementState {
        type_code: type_code.map(|code| code.to_string()).unwrap_or_default(),
        type_name: type_code.and_then(|code| views::type_name(&peer.catalogue, &code)),
        types: requirement.types.iter().map(ToString::to_string).collect(),
        state: assessment.word().to_owned(),
        certificate: met_by.map(|state| state.certificate().id.to_string()),
        verification,
        fields: requirement.fields.iter().map(ToString::to_string).collect(),
        visible: best
            .map(|best| best.fields.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        hindrance,
        retrieval: None,
        values: Values::default(),
    }
}
