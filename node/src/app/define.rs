//! Types, matters and grants: defined, and listed as all departments defined them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use certmesh_ledger::catalogue::{Defined, DefinedPage};
use certmesh_ledger::id::{Date, DepartmentCode, MatterCode, TypeCode};
use certmesh_ledger::log::{Listing, Log, MatterVersion};
use certmesh_ledger::record::{Entry, GrantMade, MatterDefined, TypeDefined};
use futures::future::BoxFuture;

use super::{Appended, PeerService, Refusal, unreadable};
use crate::peer::now_ms;
use crate::peer::writer::Append;

pub(crate) use crate::peer::Definition;

/// Defining, and what was defined.
pub(crate) trait Define {
    /// Appends a definition, or the withdrawal of a grant. It is named by the code of the type or the matter; a grant, by
    /// the code of its type.
    fn define(&self, definition: Definition) -> BoxFuture<'static, Result<Appended, Refusal>>;

    /// A page of the types known and what was issued of each.
    fn types(&self, page: &ListPage<TypeCode>) -> Result<Types, Refusal>;

    /// A type's standard, in its latest version or the one asked for; `None` if it does not exist.
    fn type_standard(
        &self,
        code: &TypeCode,
        version: Option<usize>,
    ) -> Result<Option<Versioned<TypeDefined>>, Refusal>;

    /// A page of all matters, or of those of one department, each in its latest version.
    fn matters(
        &self,
        department: Option<&DepartmentCode>,
        page: &ListPage<(DepartmentCode, MatterCode)>,
    ) -> Result<DefinedPage<MatterDefined>, Refusal>;

    /// A matter, in its latest version or the one asked for; `None` if it does not exist.
    fn matter(
        &self,
        department: &DepartmentCode,
        code: &MatterCode,
        version: Option<usize>,
    ) -> Result<Option<Versioned<MatterDefined>>, Refusal>;

    /// A page of the grants in force, of all departments or of one.
    fn grants(
        &self,
        department: Option<&DepartmentCode>,
        page: &ListPage<(DepartmentCode, u64)>,
    ) -> Result<Grants, Refusal>;
}

/// Which part of a list is asked for.
#[derive(Clone, Debug)]
pub(crate) struct ListPage<T> {
    /// Most elements to give, 1 to 1,000.
    pub(crate) limit: u32,
    /// The last element of the page before.
    pub(crate) after: Option<T>,
}

/// A page of types.
#[derive(Default)]
pub(crate) struct Types {
    /// By their codes.
    pub(crate) types: Vec<TypeIssued>,
    /// Whether another page follows.
    pub(crate) more: bool,
    /// Certificates of all types.
    pub(crate) certificates: u64,
}

/// A type and what was issued of it.
pub(crate) struct TypeIssued {
    /// Its code.
    pub(crate) code: TypeCode,
    /// Its latest definition, if it has one.
    pub(crate) latest: Option<Defined<TypeDefined>>,
    /// Certificates by the department that issued them.
    pub(crate) issued: BTreeMap<DepartmentCode, u64>,
}

/// One version of a definition, and where all of them are.
#[derive(Clone)]
pub(crate) struct Versioned<D> {
    /// The definition.
    pub(crate) definition: D,
    /// Its version, from 1.
    pub(crate) version: usize,
    /// Whose log defines it.
    pub(crate) department: DepartmentCode,
    /// Position and time (ms) of each version, oldest first.
    pub(crate) versions: Vec<(u64, u64)>,
}

/// A page of grants.
#[derive(Default)]
pub(crate) struct Grants {
    /// Department, number and content of each.
    pub(crate) grants: Vec<(DepartmentCode, u64, GrantMade)>,
    /// Whether another page follows.
    pub(crate) more: bool,
}

impl Define for PeerService {
    fn define(&self, definition: Definition) -> BoxFuture<'static, Result<Appended, Refusal>> {
        self.append_one(Append::Define(Box::new(definition)), None)
    }

    fn types(&self, page: &ListPage<TypeCode>) -> Result<Types, Refusal> {
        let catalogue = &self.peer.catalogue;
        let mut issued = catalogue.issued();
        let certificates = issued.values().flat_map(|by| by.values()).sum();
        // One more than is asked for: it says whether another page follows.
        let limit = page.limit as usize;
        let defined = catalogue.types_after(page.after.as_ref(), limit + 1);
        let from = page.after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = issued.range((from, Bound::Unbounded)).take(limit + 1);
        let codes: BTreeSet<TypeCode> = range.map(|(code, _)| *code).chain(defined).collect();
        let codes: Vec<TypeCode> = codes.into_iter().collect();
        let shown = &codes[..limit.min(codes.len())];
        let latest = catalogue.type_page(shown);
        let latest = latest.map_err(|error| unreadable(&error))?;
        let more = codes.len() > latest.len();
        let types = codes.iter().zip(latest).map(|(code, latest)| TypeIssued {
            code: *code,
            latest,
            issued: issued.remove(code).unwrap_or_default(),
        });
        Ok(Types {
            types: types.collect(),
            more,
            certificates,
        })
    }

    fn type_standard(
        &self,
        code: &TypeCode,
        version: Option<usize>,
    ) -> Result<Option<Versioned<TypeDefined>>, Refusal> {
        let Some((log, held)) = self.peer.catalogue.type_versions(code) else {
            return Ok(None);
        };
        let place = |listing: &Listing| (listing.seq, listing.time_ms);
        let versions = held.listings().iter().map(place).collect();
        version_of(&log, versions, version, |entry| match entry {
            Entry::TypeDefined(definition) => Some((**definition).clone()),
            _ => None,
        })
    }

    fn matters(
        &self,
        department: Option<&DepartmentCode>,
        page: &ListPage<(DepartmentCode, MatterCode)>,
    ) -> Result<DefinedPage<MatterDefined>, Refusal> {
        let catalogue = &self.peer.catalogue;
        let found = catalogue.matters_after(page.after.as_ref(), department, page.limit as usize);
        found.map_err(|error| unreadable(&error))
    }

    fn matter(
        &self,
        department: &DepartmentCode,
        code: &MatterCode,
        version: Option<usize>,
    ) -> Result<Option<Versioned<MatterDefined>>, Refusal> {
        let Some((log, held)) = self.peer.catalogue.matter_versions(department, code) else {
            return Ok(None);
        };
        let place = |held: &MatterVersion| (held.seq, held.time_ms);
        let versions = held.versions().iter().map(place).collect();
        version_of(&log, versions, version, |entry| match entry {
            Entry::MatterDefined(definition) => Some(definition.clone()),
            _ => None,
        })
    }

    fn grants(
        &self,
        department: Option<&DepartmentCode>,
        page: &ListPage<(DepartmentCode, u64)>,
    ) -> Result<Grants, Refusal> {
        let today = Date::in_china(now_ms());
        let mut grants = Vec::new();
        for log in self.peer.catalogue.logs() {
            let by = log.name().id.department;
            if department.is_some_and(|department| *department != by) {
                continue;
            }
            let from = match page.after {
                Some((first, _)) if by < first => continue,
                Some((first, seq)) if by == first => seq.saturating_add(1),
                _ => 0,
            };
            let definitions = log.definitions();
            let in_force = definitions
                .grants(from)
                .filter(|(_, grant)| grant.until.is_none_or(|until| until >= today));
            for (seq, grant) in in_force {
                if grants.len() >= page.limit as usize {
                    return Ok(Grants { grants, more: true });
                }
                grants.push((by, seq, grant));
            }
        }
        Ok(Grants {
            grants,
            more: false,
        })
    }
}

/// One version of a definition, the latest when none is named; `None` when there is no such version.
fn version_of<D>(
    log: &Log,
    versions: Vec<(u64, u64)>,
    version: Option<usize>,
    of: impl FnOnce(&Entry) -> Option<D>,
) -> Result<Option<Versioned<D>>, Refusal> {
    let version = version.unwrap_or(versions.len());
    let wanted = version.checked_sub(1).and_then(|place| versions.get(place));
    let Some((seq, _)) = wanted else {
        return Ok(None);
    };
    let record = log.record(*seq).map_err(|error| unreadable(&error))?;
    Ok(of(&record.record().entry).map(|definition| Versioned {
        definition,
        version,
        department: log.name().id.department,
        versions,
    }))
}
