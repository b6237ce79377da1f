//! Definitions in their latest versions, read from the logs when they are asked for. Those recently asked for are kept
//! decoded, up to a bound in bytes that all logs share.

use std::ops::Bound;
use std::sync::Arc;

use hashlink::LruCache;
use parking_lot::Mutex;

use crate::codec::Text;
use crate::id::{DepartmentCode, MatterCode, TypeCode};
use crate::log::{Log, MatterVersions, ReadError, TypeVersions};
use crate::record::{
    DefinitionRef, Entry, FieldData, FieldDefinition, MatterDefined, MatterRef, RecordHash,
    Requirement, SubMatter, TypeDefined,
};

use super::Catalogue;

/// Most bytes that decoded definitions may take in memory once nobody uses them.
pub(super) const CACHE_BYTES: usize = 32 << 20;
/// A page of definitions ends with the one that makes it take this many bytes in memory.
pub(super) const PAGE_BYTES: usize = 1 << 20;

/// The latest version of a definition.
#[derive(Clone, Debug)]
pub struct Defined<T> {
    /// Whose log it is in.
    pub department: DepartmentCode,
    /// Number of the version, from 1.
    pub version: usize,
    /// The record that defines it.
    pub named: DefinitionRef,
    /// What it says.
    pub definition: Arc<T>,
}

/// A page of definitions.
#[derive(Clone, Debug)]
pub struct DefinedPage<T> {
    /// The definitions.
    pub definitions: Vec<Defined<T>>,
    /// Whether more follow.
    pub more: bool,
}

/// What a record defines, as it is kept decoded.
pub(super) trait Definition: Sized {
    /// The definition in an entry of this kind.
    fn of(entry: &Entry) -> Option<Self>;
    /// Bytes it takes in memory.
    fn memory(&self) -> usize;
    /// The same among definitions of every kind.
    fn keep(this: Arc<Self>) -> Kept;
    /// The definition of this kind that is kept.
    fn kept(kept: &Kept) -> Option<&Arc<Self>>;
}

/// A definition that is kept decoded.
pub(super) enum Kept {
    Type(Arc<TypeDefined>),
    Matter(Arc<MatterDefined>),
}

impl Definition for TypeDefined {
    fn of(entry: &Entry) -> Option<TypeDefined> {
        match entry {
            Entry::TypeDefined(defined) => Some(TypeDefined::clone(defined)),
            _ => None,
        }
    }

    fn memory(&self) -> usize {
        let item = self.item.as_ref();
        size_of::<TypeDefined>()
            + text(&self.name)
            + text(&self.authority_name)
            + text(&self.authority_level)
            + text(&self.issuing_level)
            + item.map_or(0, |item| text(&item.code) + text(&item.name))
            + list(&self.holder_kinds, |_| 0)
            + list(&self.issuers, |_| 0)
            + list(&self.fields, |field: &FieldDefinition| {
                let data = match &field.data {
                    FieldData::Text { pattern, .. } => pattern.as_ref().map_or(0, text),
                    FieldData::Code(items) => {
                        list(items, |item| text(&item.code) + text(&item.name))
                    }
                    FieldData::Integer | FieldData::Decimal | FieldData::Date => 0,
                };
                text(&field.code) + text(&field.name) + data
            })
    }

    fn keep(this: Arc<TypeDefined>) -> Kept {
        Kept::Type(this)
    }

    fn kept(kept: &Kept) -> Option<&Arc<TypeDefined>> {
        match kept {
            Kept::Type(defined) => Some(defined),
            Kept::Matter(_) => None,
        }
    }
}

impl Definition for MatterDefined {
    fn of(entry: &Entry) -> Option<MatterDefined> {
        match entry {
            Entry::MatterDefined(defined) => Some(defined.clone()),
            _ => None,
        }
    }

    fn memory(&self) -> usize {
        let code = |code: &MatterCode| block(code.as_str().len());
        size_of::<MatterDefined>()
            + code(&self.code)
            + text(&self.name)
            + list(&self.parts, |part: &SubMatter| {
                let requires = list(&part.requires, |requirement: &Requirement| {
                    list(&requirement.types, |_| 0) + list(&requirement.fields, text)
                });
                code(&part.code) + text(&part.name) + requires
            })
    }

    fn keep(this: Arc<MatterDefined>) -> Kept {
        Kept::Matter(this)
    }

    fn kept(kept: &Kept) -> Option<&Arc<MatterDefined>> {
        match kept {
            Kept::Matter(defined) => Some(defined),
            Kept::Type(_) => None,
        }
    }
}

/// A block of the allocator.
fn block(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        bytes => bytes.max(16) + 16,
    }
}

fn text<const N: usize>(text: &Text<N>) -> usize {
    block(text.as_str().len())
}

/// A list with what its elements hold beside themselves. Lists grow by doubling when they are read.
fn list<T>(elements: &[T], holds: impl Fn(&T) -> usize) -> usize {
    let room = match elements.len() {
        0..=64 => elements.len(),
        more => more.next_power_of_two(),
    };
    block(room * size_of::<T>()) + elements.iter().map(holds).sum::<usize>()
}

/// Definitions that were recently asked for, by their records' hashes: what a hash stands for never changes.
pub(super) struct Cache(Mutex<Lately>);

struct Lately {
    kept: LruCache<RecordHash, (Kept, usize)>,
    /// Bytes that they take.
    bytes: usize,
}

impl Default for Cache {
    fn default() -> Cache {
        Cache(Mutex::new(Lately {
            kept: LruCache::new_unbounded(),
            bytes: 0,
        }))
    }
}

impl Cache {
    fn get<T: Definition>(&self, hash: &RecordHash) -> Option<Arc<T>> {
        let mut lately = self.0.lock();
        let (kept, _) = lately.kept.get(hash)?;
        T::kept(kept).map(Arc::clone)
    }

    fn put<T: Definition>(&self, hash: RecordHash, definition: &Arc<T>) {
        // The entry's own place in the cache, links and key.
        let bytes = definition.memory() + 128;
        let mut lately = self.0.lock();
        let kept = T::keep(Arc::clone(definition));
        if let Some((_, before)) = lately.kept.insert(hash, (kept, bytes)) {
            lately.bytes -= before;
        }
        lately.bytes += bytes;
        while lately.bytes > CACHE_BYTES
            && let Some((_, (_, dropped))) = lately.kept.remove_lru()
        {
            lately.bytes -= dropped;
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.lock().bytes
    }
}

impl Catalogue {
    /// The definition that a committed record of a log makes; `None` when it makes none of this kind, or has another hash.
    pub(super) fn definition_at<T: Definition>(
        &self,
        log: &Log,
        seq: u64,
        hash: RecordHash,
    ) -> Result<Option<Arc<T>>, ReadError> {
        if let Some(kept) = self.defined.get(&hash) {
            return Ok(Some(kept));
        }
        let record = log.record(seq)?;
        let definition = match T::of(&record.record().entry) {
            Some(definition) if record.hash() == hash => Arc::new(definition),
            _ => return Ok(None),
        };
        self.defined.put(hash, &definition);
        Ok(Some(definition))
    }

    /// The latest version, which is at a record of the log.
    fn latest<T: Definition>(
        &self,
        log: &Log,
        (seq, hash): (u64, RecordHash),
        version: usize,
    ) -> Result<Defined<T>, ReadError> {
        let id = log.lineage().at(seq).id;
        let named = DefinitionRef { log: id, seq, hash };
        let definition = self.definition_at(log, seq, hash)?;
        Ok(Defined {
            department: id.department,
            version,
            named,
            definition: definition.ok_or(ReadError::Damaged { log: id, seq })?,
        })
    }

    /// The log of the one member that may define a type, and the versions of the type there.
    pub fn type_versions(&self, code: &TypeCode) -> Option<(Arc<Log>, Arc<TypeVersions>)> {
        let definer = self.members.definer(code)?;
        let log = self.log_of(&definer)?;
        let versions = Arc::clone(log.definitions().types().get(code)?);
        Some((log, versions))
    }

    /// The definition of a type that counts: the latest in the log of the one member that may define it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn type_definition(
        &self,
        code: &TypeCode,
    ) -> Result<Option<Defined<TypeDefined>>, ReadError> {
        let Some((log, held)) = self.type_versions(code) else {
            return Ok(None);
        };
        self.latest(&log, (held.seq(), held.hash()), held.count())
            .map(Some)
    }

    /// The record of the definition of a type that a certificate issued now has to name, and whether that lets a department
    /// issue.
    pub fn current_definition(
        &self,
        code: &TypeCode,
        department: &DepartmentCode,
    ) -> Option<(DefinitionRef, bool)> {
        let (log, held) = self.type_versions(code)?;
        let latest = held.listings().last()?;
        let named = DefinitionRef {
            log: log.lineage().at(latest.seq).id,
            seq: latest.seq,
            hash: latest.hash,
        };
        Some((named, latest.lets_issue(department)))
    }

    /// The first codes after one, in their order, of the types with a definition that counts.
    pub fn types_after(&self, after: Option<&TypeCode>, limit: usize) -> Vec<TypeCode> {
        let mut codes = Vec::new();
        for log in self.logs() {
            let department = log.name().id.department;
            let definitions = log.definitions();
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let of_log = definitions.types().range((from, Bound::Unbounded));
            let of_log = of_log.map(|(code, _)| *code);
            let count = of_log.filter(|code| self.members.definer(code) == Some(department));
            codes.extend(count.take(limit));
        }
        codes.sort_unstable();
        codes.truncate(limit);
        codes
    }

    /// A department's log, and the versions of its matter there.
    pub fn matter_versions(
        &self,
        department: &DepartmentCode,
        code: &MatterCode,
    ) -> Option<(Arc<Log>, Arc<MatterVersions>)> {
        let log = self.log_of(department)?;
        let versions = Arc::clone(log.definitions().matters().get(code)?);
        Some((log, versions))
    }

    /// A department's matter.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn matter(
        &self,
        department: &DepartmentCode,
        code: &MatterCode,
    ) -> Result<Option<Defined<MatterDefined>>, ReadError> {
        let Some((log, held)) = self.matter_versions(department, code) else {
            return Ok(None);
        };
        self.latest(&log, (held.seq(), held.hash()), held.count())
            .map(Some)
    }

    /// Codes of the fields that a part of a matter requires of a type, in order; none when it isn't defined.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn required(
        &self,
        matter: &MatterRef,
        code: &TypeCode,
    ) -> Result<Vec<Text<64>>, ReadError> {
        let defined = self.matter(&matter.department, &matter.matter)?;
        let part = defined
            .as_ref()
            .and_then(|defined| defined.definition.part(&matter.part));
        Ok(part.map(|part| part.required(code)).unwrap_or_default())
    }

    /// The matters after one, by department and code, of all departments or of one: at most this many, and fewer when
    /// they are large.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn matters_after(
        &self,
        after: Option<&(DepartmentCode, MatterCode)>,
        department: Option<&DepartmentCode>,
        limit: usize,
    ) -> Result<DefinedPage<MatterDefined>, ReadError> {
        let (mut definitions, mut bytes) = (Vec::new(), 0);
        for log in self.logs() {
            let id = log.name().id;
            if department.is_some_and(|wanted| *wanted != id.department) {
                continue;
            }
            let from = match after {
                Some((first, _)) if id.department < *first => continue,
                Some((first, code)) if id.department == *first => Bound::Excluded(code),
                _ => Bound::Unbounded,
            };
            let held = log.definitions();
            for held in held.matters().range((from, Bound::Unbounded)) {
                if definitions.len() >= limit || bytes >= PAGE_BYTES {
                    return Ok(DefinedPage {
                        definitions,
                        more: true,
                    });
                }
                let (_, versions) = held;
                let at = (versions.seq(), versions.hash());
                let defined: Defined<MatterDefined> = self.latest(&log, at, versions.count())?;
                bytes += defined.definition.memory();
                definitions.push(defined);
            }
        }
        Ok(DefinedPage {
            definitions,
            more: false,
        })
    }

    /// The latest definition of each of these types, in their order, where it has one: of the first of them only, when they
    /// are large.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn type_page(
        &self,
        codes: &[TypeCode],
    ) -> Result<Vec<Option<Defined<TypeDefined>>>, ReadError> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        for code in codes {
            if bytes >= PAGE_BYTES {
                break;
            }
            let defined = self.type_definition(code)?;
            bytes += defined.as_ref().map_or(0, |held| held.definition.memory());
            page.push(defined);
        }
        Ok(page)
    }
}
