//! Searches and pages of lists: every part of the question checked.

use certmesh_api::draft::holder as holder_of;
use certmesh_api::faults::Faults;
use certmesh_api::limits::{DEFAULT_PAGE, MAX_PAGE};
use certmesh_api::{FaultKind, FindRequest};
use certmesh_ledger::id::{self, CertificateId, Date, DepartmentCode};

use super::cursors::Cursor;
use super::rejection::Rejection;
use crate::app::define::ListPage;
use crate::app::find::{Search, Wanted};

/// What is wrong with a page of another size.
pub(super) const PAGE_FAULT: FaultKind = FaultKind::OutOfRange {
    least: 1,
    most: MAX_PAGE as u64,
};

impl Search {
    /// Checks a search.
    ///
    /// # Errors
    /// [`Refusal::InvalidField`](crate::app::Refusal::InvalidField) with every fault.
    pub(crate) fn check(request: FindRequest) -> Result<Self, Rejection> {
        let mut faults = Faults::default();
        let given = [
            request.holder.is_some(),
            request.type_code.is_some(),
            request.issuer.is_some(),
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            faults.add("holder", FaultKind::OneQuestion);
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
            faults.add("limit", PAGE_FAULT);
        }
        let cursor = Cursor::checked(request.cursor.as_deref(), &mut faults);
        let purpose = match (&request.purpose, by_holder) {
            (Some(purpose), true) => faults.line("purpose", purpose),
            (None, true) => {
                faults.add("purpose", FaultKind::PurposeRequired);
                None
            }
            (Some(_), false) => {
                faults.add("purpose", FaultKind::PurposeUnwanted);
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
                cursor: cursor.unwrap_or_default(),
            }),
            _ => Err(faults.take().into()),
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
pub(super) fn list_page<T: Cursor>(
    cursor: Option<&str>,
    limit: Option<&str>,
) -> Result<ListPage<T>, Rejection> {
    let mut faults = Faults::default();
    let after = T::checked(cursor, &mut faults);
    faults.none()?;
    let limit = match limit.map(str::parse) {
        None => DEFAULT_PAGE,
        Some(Ok(limit)) if (1..=MAX_PAGE).contains(&limit) => limit,
        Some(_) => return Err(Rejection::field("limit", PAGE_FAULT)),
    };
    Ok(ListPage { limit, after })
}

/// A certificate identifier in a path: only its canonical text is one.
pub(super) fn path_id(text: &str) -> Result<CertificateId, Rejection> {
    text.parse()
        .map_err(|error: id::IdError| Rejection::field("id", error))
}

/// A department code in a path.
pub(super) fn path_department(text: &str) -> Result<DepartmentCode, Rejection> {
    text.parse()
        .map_err(|error: id::IdError| Rejection::field("department", error))
}

/// The day of a verification.
pub(super) fn query_date(text: &str) -> Result<Date, Rejection> {
    text.parse()
        .map_err(|error: id::DateError| Rejection::field("on", error))
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
