//! Certificates: what is issued, changed, searched and verified.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::definitions::FieldView;
use crate::formats::{
    AttachmentName, CertificateId, Cursor, Date, DepartmentCode, FieldValues, Hash, HolderCode,
    Purpose, Remark, Serial, TypeCode, UploadToken, UploadsByName,
};
use crate::problem::Problem;
use crate::words::{
    Action, CertificateEvent, HolderKind, MediaType, NotValidReason, Reason, SharingClass, Status,
    StatusCode, SuccessionKind, Verdict, Word,
};

/// The identified person or organisation a certificate is about. Never stored or logged: the node turns it into a
/// keyed subject tag the moment it arrives.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// What kind of code it is.
    #[schema(value_type = HolderKind)]
    pub kind: Word<HolderKind>,
    /// The holder's code (CZZTDM) of that kind.
    #[schema(value_type = HolderCode)]
    pub code: String,
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

// To add a field: optional, with its form (`formats`), here; checked into `Draft` (`draft`); made part of entry or body in
// the node's `peer::prepare`; carried over by `part_of` and `successor` in `cli/src/life.rs`; a key of the tables' map if
// tables have it. What enters the log changes `CertificateIssued`, so the format: `ledger/SPEC.md`, section 16.
/// One certificate to issue. Either `id`, or `type` and `serial` (and `version`, 1 when absent), names it; a renewal or
/// amendment that gives none of these has its predecessor's identifier in the next version.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueRequest {
    /// Full certificate identifier (ZZBS).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<CertificateId>)]
    pub id: Option<String>,
    /// Type code (ZZLXDM), 21 characters.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TypeCode>)]
    pub type_code: Option<String>,
    /// The issuer's own serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Serial>)]
    pub serial: Option<String>,
    /// Version, 1 to 999.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 999)]
    pub version: Option<u16>,
    /// The holder of the certificate. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// First day of validity (ZZYXQQSRQ), `YYYY-MM-DD`. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Date>)]
    pub valid_from: Option<String>,
    /// Last day of validity (ZZYXQJZRQ), `YYYY-MM-DD`; absent for long-term certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Date>)]
    pub valid_until: Option<String>,
    /// How far its data may be shared; as its type's standard says when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SharingClass>)]
    pub sharing: Option<Word<SharingClass>>,
    /// The certificate's fields by name. Only a salted commitment to them enters the log.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "unique_names"
    )]
    #[schema(value_type = FieldValues)]
    pub fields: BTreeMap<String, String>,
    /// The certificate's attachments: by name, what `upload` said when the file was uploaded. At most 16.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "unique_names"
    )]
    #[schema(value_type = UploadsByName)]
    pub attachments: BTreeMap<String, String>,
    /// How it replaces other certificates. When absent, one predecessor means `amendment`, several mean `merge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SuccessionKind>)]
    pub succession: Option<Word<SuccessionKind>>,
    /// The certificates it replaces, 1 to 16. This department's own read as superseded from then on; a transfer names one
    /// that another department has recorded as transferred-out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<CertificateId>, max_items = 16)]
    pub predecessors: Vec<String>,
    /// The same as `predecessors` with one in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<CertificateId>)]
    pub predecessor: Option<String>,
}

impl fmt::Debug for IssueRequest {
    /// Leaves out the holder's code, the fields' values, and what would let others take the uploads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssueRequest")
            .field("id", &self.id)
            .field("type", &self.type_code)
            .field("holder", &self.holder)
            .field("fields", &self.fields.len())
            .field("attachments", &self.attachments.len())
            .finish_non_exhaustive()
    }
}

/// Reads a map and refuses a name that appears twice: which of two values was committed to would be a guess.
fn unique_names<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    struct UniqueNames;

    impl<'de> Visitor<'de> for UniqueNames {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of strings")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((name, value)) = access.next_entry()? {
                if map.insert(name, value).is_some() {
                    return Err(A::Error::custom("duplicate field in an object of strings"));
                }
            }
            Ok(map)
        }
    }

    deserializer.deserialize_map(UniqueNames)
}

/// Where a record stands in its department's log, and the checkpoint that makes it durable.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Position {
    /// Department whose log it is.
    #[schema(value_type = DepartmentCode)]
    pub log: String,
    /// Position in the log, from 0.
    pub seq: u64,
    /// Hash of the record.
    #[schema(value_type = Hash)]
    pub record: String,
    /// When the record was made.
    pub time_ms: u64,
    /// Size of the log at the checkpoint that covers the record.
    pub checkpoint_size: u64,
    /// Merkle root of that checkpoint.
    #[schema(value_type = Hash)]
    pub checkpoint_root: String,
}

/// A record was appended durably: the answer to an issue or a status change.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Appended {
    /// The certificate's identifier in its canonical form.
    pub id: String,
    /// Where its record is.
    pub position: Position,
    /// True when an earlier request with the same content already made this record (a retry).
    pub replayed: bool,
    /// Departures from the standard's form that were accepted and normalised.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One row of the answer to a bulk issue, in the order of the rows sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowResult {
    /// Row number, from 1 (blank lines count).
    pub row: u64,
    /// Whether the row was issued.
    pub ok: bool,
    /// The result, when it was.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub appended: Option<Appended>,
    /// What was wrong, when it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// One row of the answer to a bulk issue, in the order of the rows sent: a row that was issued has the members of an
/// `Appended`, another one an `error`.
#[derive(ToSchema)]
#[schema(as = RowResult)]
#[expect(
    dead_code,
    reason = "a flattened option has no schema of its own: what it stands for may be absent as a whole"
)]
struct FlatRowResult {
    /// Row number, from 1 (blank lines count).
    row: u64,
    /// Whether the row was issued.
    ok: bool,
    /// The certificate's identifier in its canonical form.
    #[schema(required = false)]
    id: CertificateId,
    /// Where its record is.
    #[schema(required = false)]
    position: Position,
    /// True when an earlier request with the same content already made this record (a retry).
    #[schema(required = false)]
    replayed: bool,
    /// Departures from the standard's form that were accepted and normalised.
    #[schema(required = false)]
    warnings: Vec<String>,
    /// What was wrong, when it was not issued.
    #[schema(required = false)]
    error: Problem,
}

impl PartialSchema for RowResult {
    fn schema() -> RefOr<Schema> {
        FlatRowResult::schema()
    }
}

impl ToSchema for RowResult {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        FlatRowResult::schemas(schemas);
    }
}

/// A change of status to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusRequest {
    /// What to do.
    #[schema(value_type = Action)]
    pub action: Word<Action>,
    /// Of a `transfer-out`, and nothing else: code of the one department that may take the certificate over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DepartmentCode>)]
    pub to: Option<String>,
    /// Why, as a code; `99` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Reason>)]
    pub reason: Option<Word<Reason>>,
    /// Reason in words, at most 512 bytes. Must not name the holder.
    #[serde(default)]
    #[schema(value_type = Remark)]
    pub text: String,
}

/// A certificate as its issuer's log records it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Certificate {
    /// Certificate identifier (ZZBS).
    #[schema(value_type = CertificateId)]
    pub id: String,
    /// Type code (ZZLXDM).
    #[serde(rename = "type")]
    #[schema(value_type = TypeCode)]
    pub type_code: String,
    /// Name of the type, when the catalogue has its definition.
    pub type_name: Option<String>,
    /// Department that issued it.
    #[schema(value_type = DepartmentCode)]
    pub issuer: String,
    /// Name of that department, when it is a member.
    pub issuer_name: Option<String>,
    /// What kind of code its holder has.
    #[schema(value_type = HolderKind)]
    pub holder_kind: Word<HolderKind>,
    /// First day of validity.
    #[schema(value_type = Date)]
    pub valid_from: String,
    /// Last day of validity; absent for long-term certificates.
    #[schema(value_type = Option<Date>)]
    pub valid_until: Option<String>,
    /// How far its data may be shared.
    #[schema(value_type = SharingClass)]
    pub sharing: Word<SharingClass>,
    /// Root of the salted field commitments.
    #[schema(value_type = Hash)]
    pub field_root: String,
    /// How it replaced others.
    #[schema(value_type = Option<SuccessionKind>)]
    pub succession: Option<Word<SuccessionKind>>,
    /// The certificates it replaced.
    #[schema(value_type = Vec<CertificateId>)]
    pub predecessors: Vec<String>,
    /// What its issuer last recorded of it. Says nothing about dates or forks: ask for a verification.
    #[schema(value_type = Status)]
    pub status: Word<Status>,
    /// The same as the standard's two-digit code.
    #[schema(value_type = StatusCode)]
    pub status_code: Word<StatusCode>,
    /// Where the issuing record is.
    pub position: Position,
    /// The definition of its type that it was checked against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<DefinitionView>,
    /// The verdict on it for today, as a verification gives it. In the results of a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Verdict>)]
    pub verdict: Option<Word<Verdict>>,
    /// Why it is not valid, in the same cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NotValidReason>)]
    pub reason: Option<Word<NotValidReason>>,
}

/// Where the definition of a type is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DefinitionView {
    /// Department whose log it is in.
    #[schema(value_type = DepartmentCode)]
    pub log: String,
    /// Position there.
    pub seq: u64,
    /// Hash of the record.
    #[schema(value_type = Hash)]
    pub record: String,
}

/// What a certificate says: only its issuer's peer has this.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CertificateFields {
    /// Certificate identifier.
    #[schema(value_type = CertificateId)]
    pub id: String,
    /// The holder.
    pub holder: Holder,
    /// Fields by name.
    #[schema(value_type = FieldValues)]
    pub fields: BTreeMap<String, String>,
    /// Attachments, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentView>,
}

/// An attachment of a certificate.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct AttachmentView {
    /// Its name.
    #[schema(value_type = AttachmentName)]
    pub name: String,
    /// What kind of file it is.
    #[schema(value_type = MediaType)]
    pub media_type: Word<MediaType>,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of the content.
    #[schema(value_type = Hash)]
    pub content: String,
}

impl fmt::Debug for AttachmentView {
    /// Leaves out the name, which may be the holder's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachmentView")
            .field("media_type", &self.media_type)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// An uploaded file that a certificate can take as its attachment.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Uploaded {
    /// What an issue request names it by. Good for one certificate, and for 24 hours.
    #[schema(value_type = UploadToken)]
    pub upload: String,
    /// What kind of file it is.
    #[schema(value_type = MediaType)]
    pub media_type: Word<MediaType>,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of the content.
    #[schema(value_type = Hash)]
    pub content: String,
}

impl fmt::Debug for Uploaded {
    /// Leaves out what would let others take the upload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploaded")
            .field("media_type", &self.media_type)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CertificateFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateFields")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Erasure of a certificate's fields.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureRequest {
    /// Why, in words, 1 to 512 bytes. Must not name the holder.
    #[schema(value_type = Purpose)]
    pub text: String,
}

/// One event in the life of a certificate.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HistoryEvent {
    /// The certificate it happened to.
    #[schema(value_type = CertificateId)]
    pub id: String,
    /// What happened.
    #[schema(value_type = CertificateEvent)]
    pub event: Word<CertificateEvent>,
    /// Reason code of a status change.
    #[schema(value_type = Option<Reason>)]
    pub reason: Option<Word<Reason>>,
    /// Reason text of a status change.
    pub text: Option<String>,
    /// Of a transfer out, the department that may take the certificate over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DepartmentCode>)]
    pub to: Option<String>,
    /// How it replaced others, when issued in their place.
    #[schema(value_type = Option<SuccessionKind>)]
    pub succession: Option<Word<SuccessionKind>>,
    /// What it replaced, when issued in the place of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<CertificateId>)]
    pub predecessors: Vec<String>,
    /// The successor, when superseded.
    #[schema(value_type = Option<CertificateId>)]
    pub successor: Option<String>,
    /// Why the event has no effect, when the rules give it none.
    pub ignored: Option<String>,
    /// Where its record is.
    pub position: Position,
}

/// The events of a certificate, of all it replaced and all that replaced it, in the logs of all departments, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// Certificate identifier.
    #[schema(value_type = CertificateId)]
    pub id: String,
    /// Events, by the time their departments put to their records.
    pub events: Vec<HistoryEvent>,
    /// Whether there is more than is shown: of more than 256 certificates linked by what replaced what, the nearest
    /// are.
    #[serde(default)]
    pub cut: bool,
}

/// A certificate that took another's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SuccessorView {
    /// Certificate identifier.
    #[schema(value_type = CertificateId)]
    pub id: String,
    /// How.
    #[schema(value_type = SuccessionKind)]
    pub succession: Word<SuccessionKind>,
    /// Department whose log it is in.
    #[schema(value_type = DepartmentCode)]
    pub department: String,
    /// Its name.
    pub department_name: String,
    /// Position of its record there.
    pub seq: u64,
}

/// What to look for: exactly one of `holder`, `type`, `issuer`.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FindRequest {
    /// Certificates of this holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// Certificates of this type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TypeCode>)]
    pub type_code: Option<String>,
    /// Certificates issued by this department.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DepartmentCode>)]
    pub issuer: Option<String>,
    /// What a search by holder is for, in words, at most 512 bytes: required there, and kept in the look-up journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Purpose>)]
    pub purpose: Option<String>,
    /// At most this many, 1 to 1,000 (100 when absent).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Cursor>)]
    pub cursor: Option<String>,
}

impl fmt::Debug for FindRequest {
    /// Leaves out the purpose, which may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindRequest")
            .field("holder", &self.holder)
            .field("type", &self.type_code)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// A page of certificates.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Found {
    /// The certificates. What is read for a page is bounded, so it may be short, or empty, and not be the last.
    pub certificates: Vec<Certificate>,
    /// Cursor of the next page; absent on the last.
    #[schema(value_type = Option<Cursor>)]
    pub next: Option<String>,
}

/// Answer of the catalogue: the types known here and how many certificates of each each department has issued.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CatalogueView {
    /// A page of the types, by code.
    pub types: Vec<TypeView>,
    /// Certificates in all logs held here.
    pub certificates: u64,
    /// Cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Cursor>)]
    pub next: Option<String>,
}

/// A certificate type.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TypeView {
    /// Type code.
    #[schema(value_type = TypeCode)]
    pub code: String,
    /// Name; absent when certificates of the type exist but no definition has arrived.
    pub name: Option<String>,
    /// Department whose log holds the definition.
    #[schema(value_type = Option<DepartmentCode>)]
    pub defined_by: Option<String>,
    /// Version of the definition.
    pub version: Option<usize>,
    /// Fields.
    pub fields: Vec<FieldView>,
    /// Certificates issued, by department.
    pub issued: BTreeMap<String, u64>,
}

/// A verdict on one certificate, with its reasons and the provenance behind it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// Certificate identifier.
    #[schema(value_type = CertificateId)]
    pub id: String,
    /// The verdict.
    #[schema(value_type = Verdict)]
    pub verdict: Word<Verdict>,
    /// Why, when it is not valid.
    #[schema(value_type = Option<NotValidReason>)]
    pub reason: Option<Word<NotValidReason>>,
    /// The reason, or what is missing, as a sentence.
    pub explanation: String,
    /// What would have to be known, when unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// What took its place, when superseded or transferred out; also in other departments' logs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub successors: Vec<SuccessorView>,
    /// The day the verdict is for (China Standard Time).
    #[schema(value_type = Date)]
    pub on: String,
    /// The certificate, if a record of it is held.
    pub certificate: Option<Certificate>,
    /// Where this comes from.
    pub provenance: Option<Provenance>,
}

/// Why the verdict can be believed: record, log, checkpoint, witnesses, freshness.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// Issuing department.
    #[schema(value_type = DepartmentCode)]
    pub department: String,
    /// Its name.
    pub department_name: String,
    /// Network identifier.
    #[schema(value_type = Hash)]
    pub network: String,
    /// Hash of the issuing record.
    #[schema(value_type = Hash)]
    pub record: String,
    /// Its position.
    pub seq: u64,
    /// Time of the record.
    pub record_time_ms: u64,
    /// Department under whose checkpoint the status is known: the issuing one, or the successor that changes it since that one was
    /// removed. Absent from peers of before there were successors.
    #[schema(value_type = Option<DepartmentCode>)]
    #[serde(default)]
    pub known_by: Option<String>,
    /// Its name.
    #[serde(default)]
    pub known_by_name: Option<String>,
    /// The record that gave the status; absent for plainly valid.
    #[serde(default)]
    pub status_record: Option<StatusRecord>,
    /// Size of the checkpoint by which the status is known; 0 if that department has signed none.
    pub checkpoint_size: u64,
    /// Its Merkle root.
    #[schema(value_type = Hash)]
    pub checkpoint_root: String,
    /// Its time: the status is known as of then.
    pub checkpoint_time_ms: u64,
    /// Departments that cosigned that checkpoint.
    #[schema(value_type = Vec<DepartmentCode>)]
    pub cosigned_by: Vec<String>,
    /// When a member last confirmed to this peer that what is held of that log is its newest; absent when that was too long
    /// ago, more is known to have been signed, or, of this peer's own log, other members have not confirmed that it is whole.
    pub confirmed_ms: Option<u64>,
    /// Peer that answered.
    #[schema(value_type = DepartmentCode)]
    pub answered_by: String,
}

/// Where the record that gave a certificate its status stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusRecord {
    /// Its log.
    pub log: String,
    /// Its position.
    pub seq: u64,
}
