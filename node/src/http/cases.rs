//! Accepting cases: the shapes, the checks and the handler.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use certmesh_api::draft::holder;
use certmesh_api::faults::Faults;
use certmesh_api::{AcceptRequest, Acceptance, CollectRequest, FaultKind};

use super::extract::json_body;
use super::openapi::CaseProblems;
use super::problem::json;
use super::rejection::Rejection;
use super::retrievals::purpose_and_days;
use super::state::{Api, Caller};
use super::views;
use crate::app::cases::{Case, Collect, MatterName};

impl MatterName {
    /// The same, with a fault noted if it is invalid.
    pub(super) fn checked(text: &str, faults: &mut Faults) -> Option<MatterName> {
        let name = MatterName::read(text);
        if name.is_none() {
            faults.add("matter", FaultKind::Matter);
        }
        name
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

impl Case {
    /// Checks a request.
    ///
    /// # Errors
    /// [`Refusal::InvalidField`](crate::app::Refusal::InvalidField) with every fault.
    pub(crate) fn check(request: AcceptRequest) -> Result<Case, Rejection> {
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
            _ => Err(Rejection::INTERNAL),
        }
    }
}

/// See what a subject holds of what a matter requires
///
/// Answered from the logs this peer holds, also when other peers are down. What is held need not be submitted again.
/// The question is in the department's look-up journal before it is answered, and each client may ask few a second.
/// With `collect`, the fields that may be seen come from their issuers and the log records how the requirements stood. A
/// case of which nothing is held and something needs a grant is not recorded: ask again once the grant is there.
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
) -> Result<Response, Rejection> {
    let case = json_body(&api, &headers, body, Case::check).await?;
    caller.may_look()?;
    let answer = match case.collect.is_some() {
        true => api.service().accept_for_good(case, &caller.name).await?,
        false => {
            api.query(move |service| service.accept(&case, &caller.name))
                .await?
        }
    };
    let replayed = answer.accepted.as_ref().is_none_or(|case| case.replayed);
    let status = if replayed {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(json(
        status,
        &views::acceptance(api.service().members(), &answer),
    ))
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
