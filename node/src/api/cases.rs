//! Accepting cases: the shapes, the checks and the handler.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use certmesh_ledger::id::{Date, DepartmentCode, HolderKind, MatterCode};
use certmesh_ledger::record::MatterRef;

use super::body::ACCEPT;
use super::draft::{Faults, HolderCode, holder};
use super::extract::json_body;
use super::openapi::CaseProblems;
use super::problem::json;
use super::refusal::Refusal;
use super::state::Api;
use super::types::{AcceptRequest, Acceptance};

/// A checked question: what does this subject hold of what that matter requires?
#[derive(Debug)]
pub struct Case {
    /// The matter.
    pub matter: MatterName,
    /// Kind of the subject's code.
    pub kind: HolderKind,
    /// The subject's code.
    pub code: HolderCode,
    /// The day; today when absent.
    pub on: Option<Date>,
}

/// A sub-matter as people name it: whole, or with the department or the sub-matter left out where that is clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatterName {
    /// The department; this peer's when absent.
    pub department: Option<DepartmentCode>,
    /// The matter.
    pub matter: MatterCode,
    /// The sub-matter; the only one when absent.
    pub part: Option<MatterCode>,
}

impl MatterName {
    /// Reads `[department/]matter[/sub-matter]`. Two parts are department and matter if the first is a department's code.
    fn read(text: &str) -> Option<MatterName> {
        let parts: Vec<&str> = text.split('/').collect();
        let code = |text: &str| text.parse::<MatterCode>().ok();
        match parts.as_slice() {
            [matter] => Some(MatterName {
                department: None,
                matter: code(matter)?,
                part: None,
            }),
            [first, second] => match first.parse() {
                Ok(department) => Some(MatterName {
                    department: Some(department),
                    matter: code(second)?,
                    part: None,
                }),
                Err(_) => Some(MatterName {
                    department: None,
                    matter: code(first)?,
                    part: Some(code(second)?),
                }),
            },
            [_, _, _] => {
                let whole: MatterRef = text.parse().ok()?;
                Some(MatterName {
                    department: Some(whole.department),
                    matter: whole.matter,
                    part: Some(whole.part),
                })
            }
            _ => None,
        }
    }
}

impl fmt::Display for MatterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(department) = &self.department {
            write!(f, "{department}/")?;
        }
        write!(f, "{}", self.matter)?;
        match &self.part {
            Some(part) => write!(f, "/{part}"),
            None => Ok(()),
        }
    }
}

impl Case {
    /// Checks a request.
    ///
    /// # Errors
    /// [`Refusal::InvalidField`] with every fault.
    pub fn check(request: AcceptRequest) -> Result<Case, Refusal> {
        let mut faults = Faults::default();
        let matter = MatterName::read(&request.matter);
        if matter.is_none() {
            faults.add(
                "matter",
                "expected [department/]matter[/sub-matter], such as SL-001/01",
            );
        }
        let subject = holder(request.subject, "subject", &mut faults);
        let on = faults.parse("on", request.on.as_deref());
        faults.none()?;
        match (matter, subject) {
            (Some(matter), Some((kind, code))) => Ok(Case {
                matter,
                kind,
                code,
                on,
            }),
            _ => Err(Refusal::Internal),
        }
    }
}

/// See what a subject holds of what a matter requires
///
/// Answered from the logs this peer holds, also when other peers are down. What is held need not be handed in again.
#[utoipa::path(
    post, path = "/v1/accept", tag = "Cases", operation_id = "acceptCase",
    request_body = AcceptRequest,
    responses((status = 200, description = "How each requirement stands", body = Acceptance), CaseProblems),
)]
pub(super) async fn accept(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let request: AcceptRequest = json_body(&headers, body, &ACCEPT, api.limits()).await?;
    let case = Case::check(request)?;
    let answer = api.query(move |service| service.accept(&case)).await?;
    Ok(json(StatusCode::OK, &answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matter_may_be_named_in_full_or_in_part() {
        let department = "11430000006122244L";
        for text in [
            "M",
            "M/01",
            "11430000006122244L/M",
            "11430000006122244L/M/01",
        ] {
            let name = MatterName::read(text).unwrap();
            assert_eq!(name.to_string(), text);
            let named = name
                .department
                .is_some_and(|code| code.as_str() == department);
            assert_eq!(named, text.starts_with(department));
            assert_eq!(name.part.is_some(), text.ends_with("/01"));
        }
        for wrong in ["", "/", "M/", "/M", "a b", "X/M/01", "M/01/2/3"] {
            assert_eq!(MatterName::read(wrong), None, "{wrong}");
        }
    }
}
