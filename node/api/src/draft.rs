//! What a request to issue, change or erase asks of the ledger: every field checked, all faults reported at once.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use certmesh_ledger::codec::Text;
use certmesh_ledger::id::{self, CertificateId, DepartmentCode, HolderKind, TypeCode};
use certmesh_ledger::record::{
    ATTACHMENT_MARK, Action, AttachmentName, CertificateErased, MAX_ATTACHMENTS, MAX_FIELDS,
    NotAnAction, Reason, SharingClass, StatusChanged, Succession, Validity,
};
use zeroize::{Zeroize, Zeroizing};

use crate::certificates::{ErasureRequest, Holder, IssueRequest, StatusRequest};
use crate::fault::{Caution, Fault, FaultKind};
use crate::faults::{FaultList, Faults, shown};
use crate::replaced;
use crate::words::Word;

/// Longest name of a field, in bytes.
pub const MAX_FIELD_NAME: usize = 64;
/// Longest value of a field, in bytes.
pub const MAX_FIELD_VALUE: usize = 4096;
/// A holder's code of this many bytes in a serial number is not a coincidence.
const MIN_TELLING: usize = 8;

/// A holder's code, normalised; wiped when dropped.
#[derive(Clone)]
pub struct HolderCode(Zeroizing<String>);

impl HolderCode {
    /// The code, to derive the subject's tag from.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HolderCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HolderCode(…)")
    }
}

/// A certificate's fields by name; the values are wiped when dropped and never shown.
#[derive(Clone, Default)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    /// The fields, for one who wipes them in turn; none are left here.
    pub fn take(&mut self) -> BTreeMap<String, String> {
        std::mem::take(&mut self.0)
    }
}

impl Deref for Fields {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        self.0.values_mut().for_each(Zeroize::zeroize);
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fields({})", self.0.len())
    }
}

/// An attachment as a request names it.
#[derive(Clone)]
pub struct Attached {
    /// Its name.
    pub name: AttachmentName,
    /// What the upload was answered with.
    pub token: String,
    /// The part of the request it is, as faults name it.
    pub place: String,
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attached({})", self.place)
    }
}

/// A certificate to issue, checked in every part that can be checked without the log: whether this department may issue
/// it and whether the identifier is free, only the log's writer knows.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Certificate identifier.
    pub id: CertificateId,
    /// Kind of the holder's code.
    pub holder_kind: HolderKind,
    /// The holder's code.
    pub holder_code: HolderCode,
    /// Days of validity.
    pub validity: Validity,
    /// Sharing class; that of the type's standard when the request names none.
    pub sharing: Option<SharingClass>,
    /// At most [`MAX_FIELDS`] fields, counting an attachment as one.
    pub fields: Fields,
    /// At most [`MAX_ATTACHMENTS`] attachments, in the order of their names.
    pub attachments: Vec<Attached>,
    /// What it replaces, and how.
    pub succession: Option<Succession>,
    /// Departures from the standard's form that were corrected.
    pub warnings: Vec<Fault<Caution>>,
}

impl Draft {
    /// Checks a request. `own` is the issuer where the request names type and serial only.
    ///
    /// # Errors
    /// Every fault.
    pub fn check(request: IssueRequest, own: &DepartmentCode) -> Result<Self, FaultList> {
        let mut faults = Faults::default();
        let mut warnings = Vec::new();
        let succession = replaced::succession(&request, &mut faults, &mut warnings);
        let id = match replaced::goes_on(&request) {
            true => succession
                .as_ref()
                .and_then(|succession| replaced::next_version(succession, &mut faults)),
            false => identifier(&request, own, &mut faults, &mut warnings),
        };
        if let (Some(id), Some(succession)) = (&id, &succession) {
            replaced::misfits(&request, id, succession, &mut faults);
        }
        faults.required("holder", request.holder.as_ref());
        let holder = request
            .holder
            .and_then(|holder| self::holder(holder, "holder", &mut faults));
        let sharing = faults.parse("sharing", request.sharing.as_ref().map(Word::as_str));
        let fields = fields(request.fields, &mut faults);
        let attachments = attachments(request.attachments, &fields, &mut faults);
        faults.required("valid_from", request.valid_from.as_ref());
        let from = faults.parse("valid_from", request.valid_from.as_deref());
        let until = faults.parse("valid_until", request.valid_until.as_deref());
        let validity = match (from, until) {
            (Some(from), until) => faults.check("valid_until", Validity::new(from, until)),
            (None, _) => None,
        };
        if let (Some(id), Some((_, code))) = (&id, &holder)
            && code.expose().len() >= MIN_TELLING
            && id.serial().contains(code.expose())
        {
            faults.add("serial", FaultKind::HoldsHolderCode);
        }
        match (id, holder, validity) {
            (Some(id), Some((holder_kind, holder_code)), Some(validity)) if faults.is_empty() => {
                Ok(Self {
                    id,
                    holder_kind,
                    holder_code,
                    validity,
                    sharing,
                    fields,
                    attachments,
                    succession,
                    warnings,
                })
            }
            _ => Err(faults.take()),
        }
    }
}

/// The identifier: as given, or made from type, serial and version.
fn identifier(
    request: &IssueRequest,
    own: &DepartmentCode,
    faults: &mut Faults,
    warnings: &mut Vec<Fault<Caution>>,
) -> Option<CertificateId> {
    if let Some(text) = &request.id {
        for (name, given) in [
            ("type", request.type_code.is_some()),
            ("serial", request.serial.is_some()),
            ("version", request.version.is_some()),
        ] {
            if given {
                faults.add(name, FaultKind::PartOfId);
            }
        }
        return lenient("id", text, faults, warnings);
    }
    if request.type_code.is_none() && request.serial.is_none() {
        faults.add("id", FaultKind::IdOrParts);
        return None;
    }
    faults.required("type", request.type_code.as_ref());
    faults.required("serial", request.serial.as_ref());
    let type_code: Option<TypeCode> = faults.parse("type", request.type_code.as_deref());
    let version = request.version.unwrap_or(1);
    let in_range = (1..=999).contains(&version);
    if !in_range {
        let (least, most) = (1, 999);
        faults.add("version", FaultKind::OutOfRange { least, most });
    }
    // A serial is checked even where the type is wrong, with any type in its place.
    let stand_in = TypeCode::new(own, 0).ok()?;
    let id = CertificateId::new(
        type_code.unwrap_or(stand_in),
        (*own).into(),
        request.serial.as_deref()?,
        if in_range { version } else { 1 },
    );
    faults
        .check("serial", id)
        .filter(|_| type_code.is_some() && in_range)
}

/// An identifier as found in use, with a warning for each departure from the standard.
pub(crate) fn lenient(
    field: &str,
    text: &str,
    faults: &mut Faults,
    warnings: &mut Vec<Fault<Caution>>,
) -> Option<CertificateId> {
    let (id, variants) = faults.check(field, CertificateId::parse_lenient(text))?;
    let at = |variant| Fault::new(field, Caution::from(variant));
    warnings.extend(variants.into_iter().map(at));
    Some(id)
}

/// Kind and normalised code. The code's text goes no further than this.
pub fn holder(
    holder: Holder,
    field: &str,
    faults: &mut Faults,
) -> Option<(HolderKind, HolderCode)> {
    let code = Zeroizing::new(holder.code);
    let kind = faults.parse(&format!("{field}.kind"), Some(holder.kind.as_str()))?;
    let normal = faults.check(&format!("{field}.code"), id::normalise(kind, &code))?;
    Some((kind, HolderCode(Zeroizing::new(normal))))
}

fn fields(given: BTreeMap<String, String>, faults: &mut Faults) -> Fields {
    let given = Fields(given);
    if given.len() > MAX_FIELDS {
        let (found, limit) = (given.len(), MAX_FIELDS);
        faults.add("fields", FaultKind::TooMany { found, limit });
        return given;
    }
    for (name, value) in given.iter() {
        let field = || format!("fields.{}", shown(name));
        if name.is_empty() || name.len() > MAX_FIELD_NAME || name.trim() != name {
            let limit = MAX_FIELD_NAME;
            faults.add(&field(), FaultKind::FieldName { limit });
        } else if name.chars().any(char::is_control) {
            faults.add(&field(), FaultKind::FieldNameControl);
        } else if name.starts_with(ATTACHMENT_MARK) {
            faults.add(&field(), FaultKind::AttachmentAsField);
        }
        if value.len() > MAX_FIELD_VALUE {
            let (found, limit) = (value.len(), MAX_FIELD_VALUE);
            faults.add(&field(), FaultKind::TooLong { found, limit });
        }
    }
    given
}

/// Checks the attachments' names; whether there are such uploads, only the peer knows.
fn attachments(
    given: BTreeMap<String, String>,
    fields: &Fields,
    faults: &mut Faults,
) -> Vec<Attached> {
    let count = given.len();
    if count > MAX_ATTACHMENTS {
        let (found, limit) = (count, MAX_ATTACHMENTS);
        faults.add("attachments", FaultKind::TooMany { found, limit });
        return Vec::new();
    }
    let (found, limit) = (fields.len() + count, MAX_FIELDS);
    if fields.len() <= limit && found > limit {
        faults.add(
            "attachments",
            FaultKind::FieldsAndAttachments { found, limit },
        );
    }
    let mut attached = Vec::with_capacity(count);
    for (i, (name, token)) in given.into_iter().enumerate() {
        // A name that may be a holder's code is reported by its place among the names in their order.
        let like_a_word = name.replace('.', "-");
        let place = match shown(&like_a_word) == like_a_word {
            true => format!("attachments.{name}"),
            false => format!("attachments.(name {})", i + 1),
        };
        if let Some(name) = faults.check(&place, name.parse::<AttachmentName>()) {
            attached.push(Attached { name, token, place });
        }
    }
    attached
}

/// Checks a request to change the status of `id`.
///
/// # Errors
/// Every fault.
pub fn status_change(
    id: CertificateId,
    request: &StatusRequest,
) -> Result<StatusChanged, FaultList> {
    let mut faults = Faults::default();
    let receiver = faults.parse("to", request.to.as_deref());
    let action = match Action::read(request.action.as_str(), receiver) {
        Ok(action) => Some(action),
        // One that can't be read is a fault already.
        Err(NotAnAction::NoReceiver) if request.to.is_some() => None,
        Err(error @ NotAnAction::Word(_)) => faults.check("action", Err(error)),
        Err(error) => faults.check("to", Err(error)),
    };
    let reason = match request.reason.as_ref().map(Word::as_str) {
        None => Some(Reason::Other),
        some => faults.parse("reason", some),
    };
    let text = match request.text.as_str() {
        "" => Some(Text::default()),
        text => faults.line("text", text),
    };
    match (action, reason, text) {
        (Some(action), Some(reason), Some(text)) if faults.is_empty() => Ok(StatusChanged {
            id,
            action,
            reason,
            text,
            inherited: None,
        }),
        _ => Err(faults.take()),
    }
}

/// Checks a request to erase the fields of `id`.
///
/// # Errors
/// The fault.
pub fn erasure(
    id: CertificateId,
    request: &ErasureRequest,
) -> Result<CertificateErased, FaultList> {
    let mut faults = Faults::default();
    match faults.line("text", &request.text) {
        Some(text) => Ok(CertificateErased { id, text }),
        None => Err(faults.take()),
    }
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
