//! Handlers of types, matters and grants.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use certmesh_api::formats;
use certmesh_api::{
    Appended, FaultKind, GrantRequest, Grants, Matter, MatterRequest, Matters, TypeRequest,
    TypeStandard,
};
use certmesh_ledger::id::{DepartmentCode, TypeCode};
use certmesh_ledger::record::GrantWithdrawn;

use super::cursors::Cursor;
use super::extract::{Segment, json_body, parameters};
use super::openapi::{AppendProblems, DefinitionProblems, FieldProblems};
use super::problem::{appended, json};
use super::rejection::Rejection;
use super::search::{PageOfList, list_page, path_department};
use super::state::Api;
use super::views;
use crate::app::define::{Definition, ListPage};
use crate::app::{Item, Refusal};

async fn define(api: &Api, definition: Definition) -> Result<Response, Rejection> {
    let own = api.department();
    let list = match &definition {
        Definition::Type(_) => Some("/v1/types".to_owned()),
        Definition::Matter(_) => Some(format!("/v1/matters/{own}")),
        // Neither has an address of its own.
        Definition::Grant(_) | Definition::Withdrawal(_) => None,
    };
    let done = api.service().define(definition).await?;
    let location = list.map(|list| format!("{list}/{}", done.id));
    Ok(appended(done, location))
}

/// Define a certificate type
///
/// A later definition of the same code is its next version.
#[utoipa::path(
    post, path = "/v1/types", tag = "Catalogue", operation_id = "defineType",
    request_body = TypeRequest,
    responses(
        (
            status = 201, description = "Defined; `id` is the type's code", body = Appended,
            headers(("Location" = String, description = "The type")),
        ),
        (status = 200, description = "Defined the same before", body = Appended),
        AppendProblems,
    ),
)]
pub(super) async fn define_type(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Rejection> {
    let check = |request: TypeRequest| Ok(Definition::Type(request.check()?));
    let definition = json_body(&api, &headers, body, check).await?;
    define(&api, definition).await
}

/// Show a certificate type's standard
#[utoipa::path(
    get, path = "/v1/types/{code}", tag = "Catalogue", operation_id = "showType",
    params(
        ("code" = formats::TypeCode, Path, description = "Type code"),
        ("version" = Option<u32>, Query, minimum = 1, description = "Version, from 1; the latest when absent"),
    ),
    responses((status = 200, description = "The standard", body = TypeStandard), DefinitionProblems),
)]
pub(super) async fn show_type(
    State(api): State<Arc<Api>>,
    Segment(code): Segment,
    RawQuery(query): RawQuery,
) -> Result<Response, Rejection> {
    let code: TypeCode = parsed("code", &code)?;
    let version = version(query.as_deref())?;
    api.query(move |service| {
        let found = service.type_standard(&code, version)?;
        let found = found.ok_or(Refusal::NotFound {
            what: Item::Definition,
        })?;
        Ok(json(StatusCode::OK, &views::type_standard(&found)))
    })
    .await
}

/// Define a matter
///
/// A later definition of the same code is its next version.
#[utoipa::path(
    post, path = "/v1/matters", tag = "Catalogue", operation_id = "defineMatter",
    request_body = MatterRequest,
    responses(
        (
            status = 201, description = "Defined; `id` is the matter's code", body = Appended,
            headers(("Location" = String, description = "The matter")),
        ),
        (status = 200, description = "Defined the same before", body = Appended),
        AppendProblems,
    ),
)]
pub(super) async fn define_matter(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Rejection> {
    let check = |request: MatterRequest| Ok(Definition::Matter(request.check()?));
    let definition = json_body(&api, &headers, body, check).await?;
    define(&api, definition).await
}

/// List matters
#[utoipa::path(
    get, path = "/v1/matters", tag = "Catalogue", operation_id = "listMatters",
    params(
        ("department" = Option<formats::DepartmentCode>, Query, description = "Those of this department only"),
        PageOfList,
    ),
    responses((status = 200, description = "A page of the matters", body = Matters), FieldProblems),
)]
pub(super) async fn list_matters(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Rejection> {
    let (department, page) = list_of(query.as_deref())?;
    api.query(move |service| {
        let found = service.matters(department.as_ref(), &page)?;
        Ok(json(
            StatusCode::OK,
            &views::matters(service.members(), &found),
        ))
    })
    .await
}

/// Show a matter
#[utoipa::path(
    get, path = "/v1/matters/{department}/{code}", tag = "Catalogue", operation_id = "showMatter",
    params(
        ("department" = formats::DepartmentCode, Path, description = "Department whose matter it is"),
        ("code" = formats::MatterCode, Path, description = "The matter's code"),
        ("version" = Option<u32>, Query, minimum = 1, description = "Version, from 1; the latest when absent"),
    ),
    responses((status = 200, description = "The matter", body = Matter), DefinitionProblems),
)]
pub(super) async fn show_matter(
    State(api): State<Arc<Api>>,
    Path((department, code)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Rejection> {
    let department = path_department(&department)?;
    let code = parsed("code", &code)?;
    let version = version(query.as_deref())?;
    api.query(move |service| {
        let found = service.matter(&department, &code, version)?;
        let found = found.ok_or(Refusal::NotFound { what: Item::Matter })?;
        Ok(json(
            StatusCode::OK,
            &views::matter(service.members(), &found),
        ))
    })
    .await
}

/// Grant access to fields
///
/// For this department's own certificates. The grant's number is the `seq` of its position.
#[utoipa::path(
    post, path = "/v1/grants", tag = "Catalogue", operation_id = "grant",
    request_body = GrantRequest,
    responses(
        (status = 201, description = "Granted", body = Appended),
        (status = 200, description = "The same grant is in force", body = Appended),
        AppendProblems,
    ),
)]
pub(super) async fn grant(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Rejection> {
    let check = |request: GrantRequest| Ok(Definition::Grant(request.check()?));
    let definition = json_body(&api, &headers, body, check).await?;
    define(&api, definition).await
}

/// List grants in force
#[utoipa::path(
    get, path = "/v1/grants", tag = "Catalogue", operation_id = "listGrants",
    params(
        ("department" = Option<formats::DepartmentCode>, Query, description = "Those made by this department only"),
        PageOfList,
    ),
    responses((status = 200, description = "A page of the grants", body = Grants), FieldProblems),
)]
pub(super) async fn list_grants(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Rejection> {
    let (department, page) = list_of(query.as_deref())?;
    api.query(move |service| {
        let found = service.grants(department.as_ref(), &page)?;
        Ok(json(StatusCode::OK, &views::grants(&found)))
    })
    .await
}

/// Withdraw a grant
#[utoipa::path(
    post, path = "/v1/grants/{grant}/withdrawal", tag = "Catalogue", operation_id = "withdrawGrant",
    params(("grant" = u64, Path, description = "Number of the grant in this department's log")),
    responses((status = 201, description = "Withdrawn", body = Appended), AppendProblems),
)]
pub(super) async fn withdraw(
    State(api): State<Arc<Api>>,
    Segment(grant): Segment,
) -> Result<Response, Rejection> {
    let grant = grant
        .parse()
        .map_err(|_| Rejection::field("grant", FaultKind::GrantNumber))?;
    define(&api, Definition::Withdrawal(GrantWithdrawn { grant })).await
}

fn parsed<T: std::str::FromStr<Err: Into<FaultKind>>>(
    field: &str,
    text: &str,
) -> Result<T, Rejection> {
    text.parse()
        .map_err(|error: T::Err| Rejection::field(field, error))
}

fn version(query: Option<&str>) -> Result<Option<usize>, Rejection> {
    let [version] = parameters(query, ["version"])?;
    let number = |text: &str| match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(Rejection::field("version", FaultKind::NumberFromOne)),
    };
    version.as_deref().map(number).transpose()
}

/// Which page of a list, of one department or of all.
fn list_of<T>(query: Option<&str>) -> Result<(Option<DepartmentCode>, ListPage<T>), Rejection>
where
    T: Cursor,
{
    let [department, cursor, limit] = parameters(query, ["department", "cursor", "limit"])?;
    let department = department.as_deref().map(path_department).transpose()?;
    Ok((department, list_page(cursor.as_deref(), limit.as_deref())?))
}
