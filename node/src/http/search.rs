//! Searches and pages of lists: every part of the question checked.

use certmesh_api::FindRequest;
use certmesh_api::draft::holder as holder_of;
use certmesh_api::faults::Faults;
use certmesh_ledger::id::{self, CertificateId, Date, DepartmentCode};

use super::rejection::Rejection;
use crate::app::{Find, ListPage, Wanted};

/// Most certificates on a page of a search.
pub(super) const MAX_PAGE: u32 = 1000;
/// Certificates on a page when none are asked for.
pub(super) const DEFAULT_PAGE: u32 = 100;
/// Longest cursor, in bytes.
const MAX_CURSOR: usize = 512;

impl Find {
    /// Checks a search.
    ///
    /// # Errors
    /// [`Refusal::InvalidField`](crate::app::Refusal::InvalidField) with every fault.
    pub fn check(request: FindRequest) -> Result<Self, Rejection> {
        let mut faults = Faults::default();
        let given = [
            request.holder.is_some(),
            request.type_code.is_some(),
            request.issuer.is_some(),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            faults.add("holder", "give exactly one of holder, type and issuer");
        }
        let by_holder = request.holder.is_some();
        let holder = request
            .holder
            .and_then(|holder| holder_of(holder, "holder", &mut faults));
        let type_code = faults
            .parse("type", request.type_code.as_deref())
            .map(Wanted::Type);
        let issuer = faults
            .parse("issuer", request.issuer.as_deref())
            .map(Wanted::Issuer);
        let limit = request.limit.unwrap_or(DEFAULT_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            faults.add("limit", format!("must be 1 to {MAX_PAGE}"));
        }
        let cursor = request.cursor;
        if cursor
            .as_ref()
            .is_some_and(|cursor| cursor.len() > MAX_CURSOR)
        {
            faults.add("cursor", "is not one this node gave");
        }
        let purpose = match (&request.purpose, by_holder) {
            (Some(purpose), true) => faults.line("purpose", purpose),
            (None, true) => {
                faults.add(
                    "purpose",
                    "is required in a search by holder: say what it is for",
                );
                None
            }
            (Some(_), false) => {
                faults.add("purpose", "is only for a search by holder");
                None
            }
            (None, false) => None,
        };
        let wanted = holder
            .zip(purpose)
            .map(|((kind, code), purpose)| Wanted::Holder {
                kind,
                code,
                purpose,
            })
            .or(type_code)
            .or(issuer);
        match wanted {
            Some(wanted) if faults.is_empty() => Ok(Self {
                wanted,
                limit,
                cursor,
            }),
            _ => Err(faults.unfit().into()),
        }
    }
}

/// The parameters of a list that comes in pages, as the OpenAPI document has them.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters that list_page reads")]
pub(super) struct PageOfList {
    /// Where to continue: `next` of the page before.
    #[param(value_type = Option<certmesh_api::formats::Cursor>)]
    cursor: Option<String>,
    /// Most to give; 100 when absent. Large ones make a page shorter.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Which page of a list.
pub(super) fn list_page(cursor: Option<&str>, limit: Option<&str>) -> Result<ListPage, Rejection> {
    if cursor.is_some_and(|cursor| cursor.len() > MAX_CURSOR) {
        return Err(Rejection::field("cursor", "is not one this node gave"));
    }
    let limit = match limit.map(str::parse) {
        None => DEFAULT_PAGE,
        Some(Ok(limit)) if (1..=MAX_PAGE).contains(&limit) => limit,
        Some(_) => {
            let detail = format!("must be 1 to {MAX_PAGE}");
            return Err(Rejection::field("limit", detail));
        }
    };
    Ok(ListPage {
        limit,
        cursor: cursor.map(str::to_owned),
    })
}

/// A certificate identifier in a path: only its canonical text is one.
pub(super) fn path_id(text: &str) -> Result<CertificateId, Rejection> {
    text.parse()
        .map_err(|error: id::IdError| Rejection::field("id", error.to_string()))
}

/// A department code in a path.
pub(super) fn path_department(text: &str) -> Result<DepartmentCode, Rejection> {
    text.parse()
        .map_err(|error: id::IdError| Rejection::field("department", error.to_string()))
}

/// The day of a verification.
pub(super) fn query_date(text: &str) -> Result<Date, Rejection> {
    text.parse()
        .map_err(|error: id::DateError| Rejection::field("on", error.to_string()))
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
