//! What a peer can be asked, checked in every part that can be checked without its logs.

use std::fmt;

use certmesh_api::FaultKind;
use certmesh_api::draft::HolderCode;
use certmesh_ledger::codec::Text;
use certmesh_ledger::id::{CertificateId, Date, DepartmentCode, HolderKind, MatterCode, TypeCode};
use certmesh_ledger::journal::Place;
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::MatterRef;
use certmesh_ledger::retrieval::{ATTACHMENTS, Page};

use super::Refusal;

/// A checked search.
#[derive(Debug)]
pub struct Find {
    /// What to look for.
    pub wanted: Wanted,
    /// Most certificates to give, 1 to 1,000.
    pub limit: u32,
    /// Where the page before ended: its `next`.
    pub cursor: Option<String>,
}

/// Which part of a list is asked for.
#[derive(Clone, Debug)]
pub struct ListPage {
    /// Most elements to give, 1 to 1,000.
    pub limit: u32,
    /// Where the page before ended: its `next`.
    pub cursor: Option<String>,
}

impl ListPage {
    /// Where the page begins, as the list reads its cursors.
    ///
    /// # Errors
    /// A cursor that this node didn't give.
    pub fn begins<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
        let unknown = || Refusal::field("cursor", FaultKind::Cursor);
        let cursor = self.cursor.as_deref();
        cursor
            .map(|text| read(text).ok_or_else(unknown))
            .transpose()
    }
}

/// What a search looks for.
pub enum Wanted {
    /// Certificates of this holder.
    Holder {
        /// Kind of the code.
        kind: HolderKind,
        /// The code, normalised.
        code: HolderCode,
        /// What the search is for.
        purpose: Text<512>,
    },
    /// Certificates of this type.
    Type(TypeCode),
    /// Certificates issued by this department.
    Issuer(DepartmentCode),
}

impl fmt::Debug for Wanted {
    /// Leaves out the holder's code and the purpose, which may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Holder { kind, .. } => f.debug_tuple("Holder").field(kind).finish(),
            Wanted::Type(code) => f.debug_tuple("Type").field(code).finish(),
            Wanted::Issuer(department) => f.debug_tuple("Issuer").field(department).finish(),
        }
    }
}

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
    /// Reads `[department/]matter[/sub-matter]`. Two parts are department and matter if the first is a department's code.
    pub(crate) fn read(text: &str) -> Option<MatterName> {
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

/// A checked question about look-ups.
#[derive(Debug)]
pub struct Lookups {
    /// About whom; everyone when absent.
    pub subject: Option<(HolderKind, HolderCode)>,
    /// The days.
    pub days: Days,
    /// Most look-ups to give.
    pub limit: usize,
    /// Where to continue.
    pub place: Option<Place>,
}

/// A checked request for fields.
#[derive(Clone)]
pub struct Fetch {
    /// Which certificate.
    pub certificate: CertificateId,
    /// For which matter.
    pub matter: MatterName,
    /// What for.
    pub purpose: Text<512>,
    /// Codes of the fields; empty for all.
    pub fields: Vec<Text<64>>,
    /// Whether attachments are wanted as well.
    pub attachments: bool,
    /// Days for which the copy is kept.
    pub keep_days: u16,
}

impl Fetch {
    /// Whether attachments are wanted, by the flag or by their code among the fields.
    pub(crate) fn wants_attachments(&self) -> bool {
        self.attachments || self.fields.iter().any(|code| code.as_str() == ATTACHMENTS)
    }
}

/// Days from one to another, both included, in China Standard Time.
#[derive(Clone, Copy, Debug)]
pub struct Days {
    /// The first.
    pub from: Date,
    /// The last.
    pub to: Date,
}

impl Days {
    /// When they begin and when they are over, ms.
    pub fn times(&self) -> (u64, u64) {
        let after = self.to.plus_days(1).map(Date::begins_in_china_ms);
        (self.from.begins_in_china_ms(), after.unwrap_or(u64::MAX))
    }
}

/// Reads the cursor of a place.
pub(crate) fn lookups_place(text: &str) -> Option<Place> {
    let (front, skip) = text.rsplit_once(':')?;
    let (month, at) = front.rsplit_once(':')?;
    Some(Place {
        month: month.parse().ok()?,
        at: at.parse().ok()?,
        skip: skip.parse().ok()?,
    })
}

/// The cursor of a place.
pub(crate) fn lookups_cursor(place: &Place) -> String {
    format!("{}:{}:{}", place.month, place.at, place.skip)
}

/// Reads the cursor of an audit.
pub(crate) fn audit_page(text: &str) -> Option<(LogId, u64)> {
    let (log, seq) = text.rsplit_once(':')?;
    Some((log.parse().ok()?, seq.parse().ok()?))
}

/// The cursor of an audit.
pub(crate) fn audit_cursor(log: LogId, seq: u64) -> String {
    format!("{log}:{seq}")
}

/// Reads the cursor of an access log.
pub(crate) fn access_page(text: &str) -> Option<Page> {
    let (front, seq) = text.rsplit_once(':')?;
    let (log, day) = front.rsplit_once(':')?;
    Some(Page {
        log: log.parse().ok()?,
        day: day.parse().ok()?,
        seq: seq.parse().ok()?,
    })
}

/// The cursor of an access log.
pub(crate) fn access_cursor(page: &Page) -> String {
    format!("{}:{}:{}", page.log, page.day, page.seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_given_and_nothing_else_is_one() {
        let text = "2026-11:64:7";
        let read = lookups_place(text).unwrap();
        assert_eq!((read.at, read.skip), (64, 7));
        assert_eq!(lookups_cursor(&read), text);
        for wrong in ["", "2026-11:64", "2026-13:64:7", "2026-11:-1:7", "64:7"] {
            assert_eq!(lookups_place(wrong), None, "{wrong}");
        }
    }
}
