//! The OpenAPI document: gathered from the handlers, completed with security scheme, problems and examples.

use std::collections::BTreeMap;

use certmesh_api::ProblemType::{self, *};
use certmesh_api::{FieldFault, Problem, RowResult, formats};
use serde_json::{Value, json};
use utoipa::openapi::header::Header;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Response, Schema};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::layers::Access;
use super::problem::PROBLEM_TYPE;
use super::routes::routes;
use super::{
    appends, attachments, cases, definitions, governance, lookups, operations, queries, reports,
    retrievals,
};

/// The whole document.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "certmesh",
        description = "A department's peer in a network of certificate logs: issue, find and verify certificates.\n\n\
            Send `Authorization: Bearer TOKEN`. The token's role says what it may do; each operation names the role it needs. \
            `read` verifies, and looks up what is about no one person. `clerk` may do that, see what a person holds, and retrieve \
            fields. `issue` may do what `read` may, upload files, issue certificates, change their status, and see what this \
            department's own certificates say; not what `clerk` may. `admin` may do everything.\n\n\
            Every error is a problem document (RFC 9457). One client can use a quarter of what the node does at a time; past that, \
            and past its rate, it is answered 429 with `Retry-After`. An answer 201 has the address of what was created in \
            `Location`, where that has one. A list is asked for with `limit` and `cursor`; its `next` is the cursor of the next \
            page, and absent on the last. A node that listens on loopback answers to localhost, loopback addresses and the names in \
            its configuration (`api.names`). Times end in `_ms` and count milliseconds since 1970-01-01 UTC.\n\n\
            A later version may add words to a closed list, properties to an answer and operations; it changes none that there \
            are. A client that meets a word it does not know takes it for unknown, never for a yes."
    ),
    paths(
        operations::health, operations::ready, operations::metrics, operations::openapi,
        appends::issue, appends::issue_bulk, appends::change_status, appends::erase, appends::vouch_for_own_log,
        appends::salvage_own_log,
        attachments::upload, attachments::download,
        definitions::define_type, definitions::show_type, definitions::define_matter, definitions::list_matters,
        definitions::show_matter, definitions::grant, definitions::list_grants, definitions::withdraw,
        cases::accept, retrievals::fetch, retrievals::copy, retrievals::attachment, reports::audit, reports::access_log, lookups::lookups, reports::usage,
        queries::certificate, queries::fields, queries::history, queries::verification, queries::proof, queries::find,
        queries::catalogue, queries::logs, queries::log, queries::peers, queries::status,
        governance::show, governance::trust_file, governance::submit, governance::ask_what_is_held,
        governance::end_as_stolen,
    ),
    servers((url = "/", description = "The node that answers this document")),
    components(schemas(
        Problem, FieldFault, RowResult, formats::AttachmentName, formats::CertificateId, formats::Cursor, formats::Date,
        formats::DepartmentCode, formats::Hash, formats::IdempotencyKey, formats::MatterCode, formats::TypeCode,
    )),
    modifiers(&Completed),
    security(("token" = [])),
    tags(
        (name = "Certificates", description = "Issue, change, find, verify"),
        (name = "Catalogue", description = "Certificate types, matters, grants"),
        (name = "Cases", description = "What a subject holds of what a matter requires, retrieval, receipts"),
        (name = "Governance", description = "Who belongs to the network, decided by its members"),
        (name = "Node", description = "This peer and the logs it holds"),
    ),
)]
struct Document;

struct Completed;

impl Modify for Completed {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "token",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        );
        for (name, example) in examples() {
            match components.schemas.get_mut(name) {
                Some(RefOr::T(Schema::Object(object))) => object.examples = vec![example],
                // A type that flattens another one.
                Some(RefOr::T(Schema::AllOf(both))) => both.examples = vec![example],
                _ => {}
            }
        }
        for route in routes() {
            let Some(path) = document.paths.paths.get_mut(route.path) else {
                continue;
            };
            let operation = match route.method {
                "GET" => path.get.as_mut(),
                _ => path.post.as_mut(),
            };
            let Some(operation) = operation else {
                continue;
            };
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter {
                    parameter.schema = parameter.schema.take().map(without_null);
                }
            }
            let role = match route.access {
                Access::Open | Access::Local(_) => continue,
                Access::Role(role) | Access::Streaming(role) => role,
            };
            let needed = SecurityRequirement::new("token", [role.as_str()]);
            operation.security = Some(vec![needed]);
        }
    }
}

/// The schema of a parameter that is there or isn't, and never null.
fn without_null(schema: RefOr<Schema>) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::OneOf(choices)) => {
            let of_type = |choice: &RefOr<Schema>| !matches!(choice, RefOr::T(Schema::Object(_)));
            let kept = choices.items.iter().find(|choice| of_type(choice)).cloned();
            kept.unwrap_or(RefOr::T(Schema::OneOf(choices)))
        }
        RefOr::T(Schema::Object(mut object)) => {
            if let SchemaType::Array(kinds) = &object.schema_type
                && let Some(kind) = kinds.iter().find(|kind| **kind != Type::Null)
            {
                object.schema_type = SchemaType::Type(kind.clone());
            }
            RefOr::T(Schema::Object(object))
        }
        other => other,
    }
}

fn examples() -> Vec<(&'static str, Value)> {
    let id = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U";
    let position = json!({
        "log": "11430000006122244L", "seq": 41, "record": "6f".repeat(32), "time_ms": 1_790_000_000_000_u64,
        "checkpoint_size": 42, "checkpoint_root": "a1".repeat(32),
    });
    let appended = json!({"id": id, "position": position, "replayed": false});
    let holder = json!({"kind": "001", "code": "11330105002500287C"});
    let problem = json!({
        "type": InvalidField, "title": "Invalid field", "status": 422,
        "detail": "valid_from: has the month 13, expected 01 to 12", "field": "valid_from",
        "faults": [{"field": "valid_from", "code": "date-month", "args": {"month": 13}, "detail": "has the month 13, expected 01 to 12"}],
    });
    vec![
        (
            "IssueRequest",
            json!({
                "id": id, "holder": holder, "valid_from": "2026-01-01", "valid_until": "2030-12-31",
                "sharing": "conditional", "fields": {"ZZMC": "Land-use certificate", "ZZBH": "2026-0403"},
            }),
        ),
        ("Appended", appended.clone()),
        (
            "RowResult",
            json!({"row": 1, "ok": true, "id": id, "position": position, "replayed": false}),
        ),
        (
            "StatusRequest",
            json!({"action": "revoke", "reason": "03", "text": "obtained with a forged application"}),
        ),
        (
            "FindRequest",
            json!({"holder": holder, "purpose": "case 2026-17", "limit": 100}),
        ),
        (
            "TypeRequest",
            json!({
                "code": "11100000000013338W011", "name": "Land-use certificate",
                "fields": [{"code": "ZZMC", "name": "Certificate name", "required": true}],
            }),
        ),
        ("Problem", problem),
        (
            "Readiness",
            json!({"ready": false, "reasons": ["the own log waits for confirmation by other members"]}),
        ),
        (
            "ErasureRequest",
            json!({"text": "the holder's retention period is over"}),
        ),
        (
            "AcceptRequest",
            json!({
                "matter": "SL-001", "subject": holder,
                "collect": {"purpose": "food business licence", "reference": "2026-17", "keep_days": 30},
            }),
        ),
        (
            "FetchRequest",
            json!({"certificate": id, "matter": "SL-001/01", "purpose": "food business licence", "fields": ["ZZMC"]}),
        ),
        (
            "AccessLogRequest",
            json!({"subject": holder, "from": "2026-01-01", "to": "2026-03-31"}),
        ),
        (
            "LookupsRequest",
            json!({"from": "2026-01-01", "limit": 100}),
        ),
        (
            "MatterRequest",
            json!({
                "code": "SL-001", "name": "Food business licence",
                "sub": [{
                    "code": "01", "name": "First licence",
                    "requires": [{"types": ["11100000000013338W011"], "fields": ["ZZMC"]}],
                }],
            }),
        ),
        (
            "GrantRequest",
            json!({"department": "11330105002500287C", "type": "11100000000013338W011", "until": "2027-12-31"}),
        ),
        (
            "Uploaded",
            json!({
                "upload": "c2VhbGVk", "media_type": "application/pdf", "size": 52_311, "content": "0b".repeat(32),
            }),
        ),
        ("GovernanceRequest", json!({"item": "00f0"})),
        ("StolenEpochRequest", json!({"epoch": 3})),
        (
            "Verification",
            json!({
                "id": id, "verdict": "not-valid", "reason": "revoked", "explanation": "its issuer has recorded it as revoked",
                "on": "2026-03-04", "certificate": null, "provenance": null,
            }),
        ),
    ]
}

/// One problem answer for each status, its description the names of the problems.
fn problems(sets: &[&[ProblemType]]) -> BTreeMap<String, RefOr<Response>> {
    let mut names: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for problem in sets.iter().copied().flatten() {
        let of_status = names.entry(problem.status()).or_default();
        of_status.push(problem.name());
    }
    let answer = |status: u16, names: Vec<&str>| {
        let mut response = Response::new(names.join(", "));
        for (name, about) in headers_of(status) {
            response
                .headers
                .insert((*name).to_owned(), RefOr::T(header(about)));
        }
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        response
            .content
            .insert(PROBLEM_TYPE.to_owned(), RefOr::T(content));
        RefOr::T(response)
    };
    names
        .into_iter()
        .map(|(status, names)| (status.to_string(), answer(status, names)))
        .collect()
}

/// The headers of problems of this status.
fn headers_of(status: u16) -> &'static [(&'static str, &'static str)] {
    match status {
        401 => &[(
            "WWW-Authenticate",
            "`Bearer`, with the error if a token was sent (RFC 6750)",
        )],
        429 => &[(
            "Retry-After",
            "Seconds after which to send the request again",
        )],
        503 => &[(
            "Retry-After",
            "With `overloaded`: seconds after which to send the request again",
        )],
        _ => &[],
    }
}

fn header(about: &str) -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String));
    header.description = Some(about.to_owned());
    header
}

const COMMON: &[ProblemType] = &[
    Unauthorised,
    Forbidden,
    OtherSite,
    Timeout,
    WrongHost,
    RateLimited,
    Internal,
    Overloaded,
];
const BODY: &[ProblemType] = &[MalformedBody, BodyTooLarge, UnsupportedMediaType];
const FIELD: &[ProblemType] = &[InvalidField];
const OWN_LOG: &[ProblemType] = &[OwnLogUnconfirmed, LogReadOnly, ClockOff, LogFrozen];
const ISSUING: &[ProblemType] = &[
    DuplicateCertificate,
    UnknownType,
    NotThisDepartment,
    DatesOutOfOrder,
    IdempotencyMismatch,
];
const CHANGING: &[ProblemType] = &[
    UnknownCertificate,
    OtherDepartment,
    ImpossibleTransition,
    IdempotencyMismatch,
    NotSettled,
];

const LOOKING: &[ProblemType] = &[LookupNotRecorded, CatalogueKeyMissing, DecisionsMissing];
/// Under the key in force, which may be missing here.
const TAGGING: &[ProblemType] = &[CatalogueKeyMissing, DecisionsMissing];
/// About what only the issuer has.
const KEPT: &[ProblemType] = &[Erased, Lost];

const RETRIEVING: &[ProblemType] = &[
    RetrievalRefused,
    NotFound,
    UnknownCertificate,
    IssuerNotAuthorised,
    WrongAnswer,
    IssuerUnreachable,
    NotVerifiable,
];

macro_rules! problem_sets {
    ($($name:ident: $sets:expr;)*) => {$(
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                problems(&$sets)
            }
        }
    )*};
}

problem_sets! {
    CommonProblems: [COMMON];
    FieldProblems: [COMMON, BODY, FIELD];
    CertificateProblems: [COMMON, FIELD, &[UnknownCertificate]];
    FieldsProblems: [COMMON, FIELD, KEPT, &[NotFound, OtherDepartment]];
    UploadProblems: [COMMON, BODY, FIELD, &[StorageFull, UploadsWaiting]];
    DownloadProblems: [COMMON, FIELD, KEPT, &[NotFound, OtherDepartment]];
    ProofProblems: [COMMON, FIELD, &[UnknownCertificate, ProofNotAvailable]];
    LogProblems: [COMMON, FIELD, &[NotFound]];
    FindProblems: [COMMON, BODY, FIELD, LOOKING];
    LookupProblems: [COMMON, BODY, FIELD, LOOKING];
    CaseProblems: [COMMON, BODY, FIELD, OWN_LOG, LOOKING, &[NotFound]];
    RetrievalProblems: [COMMON, BODY, FIELD, OWN_LOG, RETRIEVING, TAGGING];
    CopyProblems: [COMMON, FIELD, &[NotFound, Lost]];
    AccessLogProblems: [COMMON, BODY, FIELD, OWN_LOG, TAGGING];
    DefinitionProblems: [COMMON, FIELD, &[NotFound]];
    AppendProblems: [COMMON, BODY, FIELD, OWN_LOG, ISSUING, TAGGING];
    BulkProblems: [COMMON, BODY, FIELD, OWN_LOG, TAGGING];
    GovernanceProblems: [COMMON, BODY, FIELD, &[NotDecidable]];
    AfterLossProblems: [COMMON, &[NotDecidable]];
    SalvageProblems: [COMMON, OWN_LOG, &[NotSalvageable]];
    StatusProblems: [COMMON, BODY, FIELD, OWN_LOG, CHANGING];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body;
    use crate::http::shape;
    use certmesh_api::limits::{
        DEFAULT_PAGE, KEEP_DAYS, MAX_IDEMPOTENCY_KEY, MAX_KEEP_DAYS, MAX_PAGE,
    };
    use std::collections::BTreeSet;

    fn parsed() -> Value {
        serde_json::from_str(&document().to_json().unwrap()).unwrap()
    }

    #[test]
    fn the_document_states_the_limits_that_the_node_enforces() {
        let document = parsed();
        let schemas = &document["components"]["schemas"];
        let bounds = |schema: &Value| (schema["minimum"].as_u64(), schema["maximum"].as_u64());
        for (request, field, most) in [
            ("FindRequest", "limit", MAX_PAGE),
            ("LookupsRequest", "limit", MAX_PAGE),
            ("FetchRequest", "keep_days", MAX_KEEP_DAYS.into()),
            ("CollectRequest", "keep_days", MAX_KEEP_DAYS.into()),
        ] {
            let schema = &schemas[request]["properties"][field];
            assert_eq!(bounds(schema), (Some(1), Some(most.into())), "{request}");
            let absent = match field {
                "limit" => DEFAULT_PAGE,
                _ => KEEP_DAYS.into(),
            };
            let says = schema["description"].as_str().unwrap();
            assert!(says.contains(&format!("{absent} when absent")), "{says}");
        }
        let mut pages = 0;
        let paths = document["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|path| path.as_object().unwrap().values());
        let parameters = operations
            .filter_map(|of| of["parameters"].as_array())
            .flatten();
        for parameter in parameters {
            let says = parameter["description"].as_str().unwrap_or_default();
            match parameter["name"].as_str() {
                Some("limit") => {
                    let found = bounds(&parameter["schema"]);
                    assert_eq!(found, (Some(1), Some(MAX_PAGE.into())));
                    assert!(
                        says.contains(&format!("{DEFAULT_PAGE} when absent")),
                        "{says}"
                    );
                    pages += 1;
                }
                Some("Idempotency-Key") => {
                    let range = format!("1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters");
                    assert!(says.starts_with(&range), "{says}");
                }
                _ => {}
            }
        }
        assert!(pages > 0, "lists come in pages");
        let key = schemas["IdempotencyKey"]["pattern"].as_str().unwrap();
        assert_eq!(key, format!("^[!-~]{{1,{MAX_IDEMPOTENCY_KEY}}}$"));
    }

    #[test]
    fn the_document_lists_every_route_and_no_other() {
        let document = parsed();
        let listed: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                methods
                    .as_object()
                    .unwrap()
                    .keys()
                    .map(move |method| (path.clone(), method.to_uppercase()))
            })
            .collect();
        let routed = routes()
            .iter()
            .map(|r| (r.path.to_owned(), r.method.to_owned()))
            .collect::<BTreeSet<_>>();
        assert_eq!(listed, routed);
    }

    #[test]
    fn each_guarded_route_asks_for_the_token_and_lists_its_problems() {
        let document = parsed();
        assert_eq!(
            document["components"]["securitySchemes"]["token"]["scheme"],
            "bearer"
        );
        assert_eq!(document["security"][0]["token"], json!([]));
        for route in routes() {
            let operation = &document["paths"][route.path][route.method.to_lowercase()];
            assert!(operation["summary"].is_string(), "{}", route.path);
            if route.access == Access::Open {
                assert_eq!(operation["security"], json!([]), "{}", route.path);
            } else {
                if let Access::Role(role) | Access::Streaming(role) = route.access {
                    let needed = json!([{"token": [role.as_str()]}]);
                    assert_eq!(operation["security"], needed, "{}", route.path);
                }
                for status in ["401", "403", "429", "503"] {
                    let content =
                        &operation["responses"][status]["content"]["application/problem+json"];
                    assert_eq!(
                        content["schema"]["$ref"], "#/components/schemas/Problem",
                        "{} {status}",
                        route.path
                    );
                }
            }
        }
    }

    #[test]
    fn every_reference_resolves_and_every_example_is_in_place() {
        let document = parsed();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let text = document.to_string();
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
        for (name, example) in examples() {
            let schema = schemas[name].to_string();
            assert!(schema.contains(&example.to_string()), "{name}");
        }
    }

    /// Names of the schemas that a part of the document refers to, and those these refer to.
    fn referred(part: &Value, schemas: &Value, names: &mut BTreeSet<String>) {
        let text = part.to_string();
        for rest in text.split("\"#/components/schemas/").skip(1) {
            let name = rest.split('"').next().unwrap().to_owned();
            if names.insert(name.clone()) {
                referred(&schemas[&name], schemas, names);
            }
        }
    }

    #[test]
    fn no_answer_has_a_place_for_a_subject() {
        let document = parsed();
        let schemas = &document["components"]["schemas"];
        let mut answers = BTreeSet::new();
        for methods in document["paths"].as_object().unwrap().values() {
            for operation in methods.as_object().unwrap().values() {
                referred(&operation["responses"], schemas, &mut answers);
            }
        }
        assert!(answers.contains("Certificate") && answers.contains("LookupView"));
        for name in answers {
            let properties = &schemas[&name]["properties"];
            assert_eq!(properties.get("subject"), None, "{name}");
        }
    }

    #[test]
    fn every_example_fits_its_schema_and_every_request_has_one() {
        let document = parsed();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let validator = |name: &str| {
            let schema = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$ref": format!("#/components/schemas/{name}"),
                "components": document["components"],
            });
            let options = jsonschema::options().should_validate_formats(true);
            options
                .build(&schema)
                .unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let mut seen = 0;
        for (name, schema) in schemas {
            let examples = schema["examples"].as_array().into_iter().flatten();
            for example in examples {
                let faults: Vec<String> = validator(name)
                    .iter_errors(example)
                    .map(|fault| format!("{}: {fault}", fault.instance_path()))
                    .collect();
                assert_eq!(faults, Vec::<String>::new(), "{name}");
                seen += 1;
            }
        }
        assert!(seen >= examples().len());
        for (name, _) in shape::all() {
            assert!(schemas[name]["examples"].is_array(), "{name}");
        }
        let problem = &schemas["Problem"]["examples"][0];
        let failed = json!({"row": 2, "ok": false, "error": problem});
        assert!(validator("RowResult").is_valid(&failed));
        let wrong = json!({"kind": "112", "code": ""});
        assert_eq!(validator("Holder").iter_errors(&wrong).count(), 2);
    }

    #[test]
    fn the_examples_are_what_the_api_takes() {
        let own = "11430000006122244L".parse().unwrap();
        for (name, example) in examples() {
            let text = example.to_string();
            let body = text.as_bytes();
            match name {
                "IssueRequest" => {
                    let request = body::parse(body).unwrap();
                    assert!(certmesh_api::draft::Draft::check(request, &own).is_ok());
                }
                "TypeRequest" => {
                    let request: certmesh_api::TypeRequest = body::parse(body).unwrap();
                    assert!(request.check().is_ok());
                }
                "MatterRequest" => {
                    let request: certmesh_api::MatterRequest = body::parse(body).unwrap();
                    assert!(request.check().is_ok());
                }
                "GrantRequest" => {
                    let request: certmesh_api::GrantRequest = body::parse(body).unwrap();
                    assert!(request.check().is_ok());
                }
                "StatusRequest" => drop(body::parse::<certmesh_api::StatusRequest>(body).unwrap()),
                "FindRequest" => drop(body::parse::<certmesh_api::FindRequest>(body).unwrap()),
                "AcceptRequest" => drop(body::parse::<certmesh_api::AcceptRequest>(body).unwrap()),
                "FetchRequest" => drop(body::parse::<certmesh_api::FetchRequest>(body).unwrap()),
                "RowResult" => drop(serde_json::from_str::<RowResult>(&text).unwrap()),
                _ => {}
            }
        }
    }

    #[test]
    fn lists_are_paged_alike() {
        let document = parsed();
        let schemas = &document["components"]["schemas"];
        for (path, answer) in [
            ("/v1/catalogue", "CatalogueView"),
            ("/v1/matters", "Matters"),
            ("/v1/grants", "Grants"),
        ] {
            let parameters = document["paths"][path]["get"]["parameters"]
                .as_array()
                .unwrap();
            let names: Vec<_> = parameters
                .iter()
                .map(|one| one["name"].as_str().unwrap())
                .collect();
            assert!(
                names.contains(&"cursor") && names.contains(&"limit"),
                "{path}"
            );
            assert!(schemas[answer]["properties"]["next"].is_object(), "{path}");
        }
        for (request, answer) in [("FindRequest", "Found"), ("LookupsRequest", "LookupLog")] {
            let parts = schemas[request]["properties"].as_object().unwrap();
            assert!(
                parts.contains_key("cursor") && parts.contains_key("limit"),
                "{request}"
            );
            assert!(
                schemas[answer]["properties"]["next"].is_object(),
                "{answer}"
            );
        }
    }

    #[test]
    fn what_is_not_json_is_bytes() {
        let document = parsed();
        let mut kinds = BTreeSet::new();
        for methods in document["paths"].as_object().unwrap().values() {
            for operation in methods.as_object().unwrap().values() {
                let answers = operation["responses"].as_object().unwrap().values();
                for part in answers.chain([&operation["requestBody"]]) {
                    for (kind, content) in part["content"].as_object().into_iter().flatten() {
                        if kind.ends_with("json") && !kind.ends_with("ndjson")
                            || kind.contains("text")
                        {
                            continue;
                        }
                        let bytes = json!({"type": "string", "format": "binary"});
                        assert_eq!(content["schema"], bytes, "{kind}");
                        kinds.insert(kind.clone());
                    }
                }
            }
        }
        assert_eq!(kinds.len(), 9, "{kinds:?}");
    }
}
