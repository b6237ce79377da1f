//! Types, matters and grants.

use certmesh_api::{
    CatalogueView, FieldView, GrantRequest, GrantView, Grants, Matter, MatterRequest,
    MatterSummary, Matters, TypeRequest, TypeStandard, TypeView, VersionView,
};
use certmesh_ledger::catalogue::{Defined, DefinedPage};
use certmesh_ledger::membership::Membership;
use certmesh_ledger::record::{MatterDefined, TypeDefined};

use super::name_of;
use crate::app::define::{self, TypeIssued, Types, Versioned};
use crate::http::cursors::Cursor;

pub(in crate::http) fn types(page: &Types) -> CatalogueView {
    let last = page.types.last().filter(|_| page.more);
    CatalogueView {
        types: page.types.iter().map(type_issued).collect(),
        next: last.map(|last| last.code.write()),
        certificates: page.certificates,
    }
}

fn type_issued(issued: &TypeIssued) -> TypeView {
    let latest = issued.latest.as_ref();
    let fields = latest.map(|latest| latest.definition.fields.iter().map(FieldView::of).collect());
    let by = issued.issued.iter();
    TypeView {
        code: issued.code.to_string(),
        name: latest.map(|latest| latest.definition.name.to_string()),
        defined_by: latest.map(|latest| latest.department.to_string()),
        version: latest.map(|latest| latest.version),
        fields: fields.unwrap_or_default(),
        issued: by
            .map(|(department, count)| (department.to_string(), *count))
            .collect(),
    }
}

fn versions(versions: &[(u64, u64)]) -> Vec<VersionView> {
    let numbered = versions.iter().zip(1..);
    numbered
        .map(|(&(seq, time_ms), version)| VersionView {
            version,
            seq,
            time_ms,
        })
        .collect()
}

pub(in crate::http) fn type_standard(found: &Versioned<TypeDefined>) -> TypeStandard {
    TypeStandard {
        definition: TypeRequest::of(&found.definition),
        version: found.version,
        defined_by: found.department.to_string(),
        versions: versions(&found.versions),
    }
}

pub(in crate::http) fn matter(members: &Membership, found: &Versioned<MatterDefined>) -> Matter {
    Matter {
        definition: MatterRequest::of(&found.definition),
        version: found.version,
        department: found.department.to_string(),
        department_name: name_of(members, &found.department),
        versions: versions(&found.versions),
    }
}

pub(in crate::http) fn matters(members: &Membership, page: &DefinedPage<MatterDefined>) -> Matters {
    let last = page.definitions.last().filter(|_| page.more);
    let summary = |held: &Defined<MatterDefined>| MatterSummary {
        department: held.department.to_string(),
        department_name: name_of(members, &held.department),
        version: held.version,
        definition: MatterRequest::of(&held.definition),
    };
    Matters {
        matters: page.definitions.iter().map(summary).collect(),
        next: last.map(|held| (held.department, held.definition.code.clone()).write()),
    }
}

pub(in crate::http) fn grants(page: &define::Grants) -> Grants {
    let last = page.grants.last().filter(|_| page.more);
    let grants = page.grants.iter();
    Grants {
        grants: grants
            .map(|(by, grant, definition)| GrantView {
                by: by.to_string(),
                grant: *grant,
                definition: GrantRequest::of(definition),
            })
            .collect(),
        next: last.map(|(by, grant, _)| (*by, *grant).write()),
    }
}
