//! Accepting cases: the shapes, the checks and the handler.

use std::fmt;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use certmesh_api::draft::{HolderCode, holder};
use certmesh_api::faults::Faults;
use certmesh_api::{AcceptRequest, Acceptance, CollectRequest};
use certmesh_ledger::codec::Text;
use certmesh_ledger::id::{Date, DepartmentCode, HolderKind, MatterCode};
use certmesh_ledger::record::MatterRef;

use super::body::ACCEPT;
use super::extract::json_body;
use super::openapi::CaseProblems;
use super::problem::json;
use super::refusal::Refusal;
use super::retrievals::purpose_and_days;
use super::state::{Api, Caller};

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
    /// Whether it is accepted for good, and how.
    pub collect: Option<Collect>,
}

/// How a case is accepted for good.
#[derive(Clone)]
pub struct Collect {
    /// What the fields are for.
    pub purpose: Text<512>,
    /// The case's number in this department's own system.
    pub reference: Option<Text<128>>,
    /// Days for which copies are kept.
    pub keep_days: u16,
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
    /// The same, with a fault noted when it is none.
    pub(super) fn checked(text: &str, faults: &mut Faults) -> Option<MatterName> {
        let name = MatterName::read(text);
        if name.is_none() {
            faults.add(
                "matter",
                "expected [department/]matter[/sub-matter], such as SL-001/01",
            );
        }
        name
    }

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

impl fmt::Debug for Collect {
    /// Leaves out purpose and reference, which may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collect").finish_non_exhaustive()
    }
}

impl Collect {
    fn check(request: Option<CollectRequest>, faults: &mut Faults) -> Option<Collect> {
        let request = request?;
        let (purpose, keep_days) = purpose_and_days(&request.purpose, request.keep_days, faults);
        let reference = match &request.reference {
            Some(reference) => Some(faults.line("reference", reference)?),
            None => None,
        };
        Some(Collect {
            purpose: purpose?,
            reference,
            keep_days,
        })
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
        let matter = MatterName::checked(&request.matter, &mut faults);
        let subject = holder(request.subject, "subject", &mut faults);
        let on = faults.parse("on", request.on.as_deref());
        let collect = Collect::check(request.collect, &mut faults);
        faults.none()?;
        match (matter, subject) {
            (Some(matter), Some((kind, code))) => Ok(Case {
                matter,
                kind,
                code,
                on,
                collect,
            }),
            _ => Err(Refusal::Internal),
        }
    }
}

/// See what a subject holds of what a matter requires
///
/// Answered from the logs this peer holds, also when other peers are down. What is held need not be handed in again.
/// That it was asked is in the department's look-up journal before it is answered, and each client has few a second.
/// With `collect`, the fields that may be seen come from their issuers and the log records how the requirements stood.
#[utoipa::path(
    post, path = "/v1/accept", tag = "Cases", operation_id = "acceptCase",
    request_body = AcceptRequest,
    responses(
        (status = 200, description = "How each requirement stands", body = Acceptance),
        (status = 201, description = "The same, accepted for good by this request", body = Acceptance),
        CaseProblems,
    ),
)]
pub(super) async fn accept(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let case = json_body(&api, &headers, body, &ACCEPT, Case::check).await?;
    caller.may_look()?;
    let answer = match case.collect.is_some() {
        true => api.service().accept_for_good(case, &caller.name).await?,
        false => {
            api.query(move |service| service.accept(&case, &caller.name))
                .await?
        }
    };
    let replayed = answer.case.as_ref().is_none_or(|case| case.replayed);
    let status = if replayed {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(json(status, &answer))
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
