//! What is wrong with a field of a request, or with a row of a table.

use certmesh_ledger::catalogue::{self, NotReplaceable};
use certmesh_ledger::codec::{Text, TextError};
use certmesh_ledger::crypto::hash::NotAHash;
use certmesh_ledger::genesis::{NotARole, Role};
use certmesh_ledger::id::{
    CertificateId, Characters, Date, DateError, DepartmentCode, Excerpt, HolderError, HolderKind,
    HolderKindError, IdError, MAX_HOLDER_CHARS, MatterCode, MatterCodeError, Part, ROOT, TypeCode,
    Variant,
};
use certmesh_ledger::log::{MAX_VERSIONS, NoEffect, NoRoom};
use certmesh_ledger::record::{
    MAX_PREDECESSORS, Misfit, NotAMatterRef, NotAReason, NotAnAction, NotAnAttachmentName, Status,
    SuccessionError, SuccessionKind, UnknownWord, ValidityError,
};

use crate::coded;

/// A fault and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault<K = FaultKind> {
    /// The request's field, the map's key or the table's column; empty where it is the whole.
    pub at: String,
    /// What is wrong.
    pub kind: K,
}

impl<K> Fault<K> {
    /// A fault of one field.
    pub fn new(at: impl Into<String>, kind: impl Into<K>) -> Self {
        Self {
            at: at.into(),
            kind: kind.into(),
        }
    }
}

coded! {
    /// What is wrong with a field, a part of an identifier, or a row.
    ///
    /// Holds no field's value and no holder's code. Its sentence follows the field's name ("is required"); the catalogue has
    /// it under the code.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum FaultKind: "fault" {
        // Of any field.
        "required" Required,
        "empty" Empty,
        "too-long" TooLong {
            /// Bytes.
            found: usize,
            limit: usize,
        },
        "control-character" ControlCharacter,
        "out-of-range" OutOfRange { least: u64, most: u64 },
        "too-many" TooMany { found: usize, limit: usize },
        "none-named" NoneNamed,
        "appears-twice" AppearsTwice { what: String },
        "unknown-word" UnknownWord { expected: &'static [&'static str] },
        "no-such-field" NoSuchField {
            /// The one that was probably meant.
            near: Option<String>,
        },
        "not-a-string" NotAString,
        "not-a-boolean" NotABoolean,
        /// Not an item of governance in hexadecimal.
        "not-an-item" NotAnItem,
        "not-a-count" NotACount { least: u64, most: u64 },
        "not-an-object" NotAnObject,
        "not-an-array" NotAnArray,
        "not-utf-8" NotUtf8,

        // Of identifiers, days, and what has a form of its own.
        "id-too-long" IdTooLong { part: Part, found: usize, limit: usize },
        "id-parts" IdParts { found: usize },
        "id-root" IdRoot { text: Excerpt, expected: &'static str },
        "id-length" IdLength { part: Part, text: Excerpt, found: usize, least: usize, most: usize },
        "id-character" IdCharacter {
            part: Part,
            text: Excerpt,
            position: usize,
            found: char,
            expected: Characters,
        },
        "id-check" IdCheck { part: Part, text: Excerpt, found: char, expected: char },
        "id-number" IdNumber { part: Part, found: u16 },
        "date-form" DateForm,
        "date-year" DateYear { year: i32 },
        "date-month" DateMonth { month: u8 },
        "date-day" DateDay {
            /// `YYYY-MM`.
            month: String,
            day: u8,
        },
        "holder-kind" HolderKind { expected: &'static [HolderKind] },
        "holder-empty" HolderEmpty,
        "holder-too-long" HolderTooLong { limit: usize },
        "holder-length" HolderLength { kind: HolderKind, found: usize },
        "holder-old-card" HolderOldCard,
        "holder-character" HolderCharacter { kind: HolderKind, position: usize },
        "holder-check" HolderCheck { kind: HolderKind, expected: char },
        "holder-birthday" HolderBirthday,
        "holder-placeholder" HolderPlaceholder { kind: HolderKind },
        "holder-permit" HolderPermit { kind: HolderKind },
        "hash" Hash,
        "matter-code" MatterCode { limit: usize },
        "matter" Matter,
        "matter-ref" MatterRef,
        "attachment-name" AttachmentName,
        "role" Role,
        "role-without-authority" RoleWithoutAuthority,
        "status-reason" StatusReason,

        // Of a certificate to issue, change or erase.
        "part-of-id" PartOfId,
        "id-or-parts" IdOrParts,
        "holds-holder-code" HoldsHolderCode,
        "serial-needed" SerialNeeded,
        "dates-out-of-order" DatesOutOfOrder { from: Date, until: Date },
        "no-receiver" NoReceiver,
        "receiver" Receiver,
        "field-name" FieldName { limit: usize },
        "field-name-control" FieldNameControl,
        "attachment-as-field" AttachmentAsField,
        "fields-and-attachments" FieldsAndAttachments { found: usize, limit: usize },
        "not-an-upload" NotAnUpload,
        "upload-twice" UploadTwice,
        "upload-expired" UploadExpired,
        "upload-used" UploadUsed,
        "entry-too-large" EntryTooLarge { found: usize, limit: usize },

        // Of what a certificate replaces.
        "one-of-predecessors" OneOfPredecessors,
        "predecessor-required" PredecessorRequired,
        "merge-of-one" MergeOfOne,
        "one-predecessor" OnePredecessor { kind: SuccessionKind, found: usize },
        "predecessor-twice" PredecessorTwice { id: CertificateId },
        "replaces-itself" ReplacesItself,
        "other-type" OtherType { kind: SuccessionKind, predecessor: CertificateId },
        "not-next-version" NotNextVersion {
            predecessor: CertificateId,
            /// Three digits.
            found: String,
            /// Three digits; `None` after the last.
            next: Option<String>,
        },
        "predecessor-unknown" PredecessorUnknown { id: CertificateId },
        "predecessor-elsewhere" PredecessorElsewhere { id: CertificateId, department: DepartmentCode },
        "predecessor-inherited" PredecessorInherited { id: CertificateId, department: DepartmentCode },
        "predecessor-status" PredecessorStatus { id: CertificateId, status: Status },
        "predecessor-own" PredecessorOwn { id: CertificateId },
        "predecessor-outside" PredecessorOutside { id: CertificateId },
        "predecessor-not-transferred" PredecessorNotTransferred {
            id: CertificateId,
            status: Status,
            department: DepartmentCode,
        },
        "predecessor-other-receiver" PredecessorOtherReceiver { id: CertificateId, to: DepartmentCode },
        "predecessor-claimed" PredecessorClaimed { id: CertificateId },
        "predecessor-disputed" PredecessorDisputed { id: CertificateId, department: DepartmentCode },
        "predecessor-taken-over" PredecessorTakenOver { id: CertificateId, by: CertificateId },

        // Of a type's standard, and of a certificate held against it.
        "issuer" Issuer,
        "other-holder-kind" OtherHolderKind { expected: Vec<HolderKind> },
        "no-end" NoEnd,
        "ends-too-late" EndsTooLate {
            /// Absent where it would say a day of a row.
            last: Option<Date>,
        },
        "missing" Missing { name: Text<128> },
        "unknown-field" UnknownField { near: Option<String> },
        "length" Length {
            /// Characters.
            found: usize,
            most: u16,
        },
        "pattern" Pattern { pattern: Text<256> },
        "not-an-integer" NotAnInteger,
        "not-a-decimal" NotADecimal,
        "not-a-date" NotADate,
        "not-in-code-list" NotInCodeList { codes: String },
        "bad-pattern" BadPattern {
            /// The regular expression's own error.
            why: String,
        },
        "no-codes" NoCodes,
        "zero" Zero,
        "definition-unusable" DefinitionUnusable,

        // Of definitions and grants.
        "single-attachment" SingleAttachment,
        "validity" Validity,
        "attachment-mark" AttachmentMark,
        "for-other-data" ForOtherData { data: &'static str },
        "no-sub-matters" NoSubMatters,
        "earlier-sub-matter" EarlierSubMatter,
        "department-or-role" DepartmentOrRole,
        "others-type" OthersType { authority: DepartmentCode },
        "not-listed" NotListed { type_code: TypeCode },
        "versions-used-up" VersionsUsedUp { most: usize },
        "no-room-for-type" NoRoomForType { used: usize, most: usize, more: usize },
        "no-room-for-matter" NoRoomForMatter { used: usize, most: usize, more: usize },
        "no-room-for-grant" NoRoomForGrant { used: usize, most: usize, more: usize },
        "not-in-force" NotInForce,
        "own-receiver" OwnReceiver,
        "not-a-member" NotAMember { department: DepartmentCode },
        "unknown-grant" UnknownGrant { grant: u64 },
        "no-role" NoRole { department: DepartmentCode, role: Role },

        // Of questions.
        "cursor" Cursor,
        "from-after-to" FromAfterTo { from: Date, to: Date },
        "too-many-days" TooManyDays { most: u64 },
        "month" Month,
        "one-question" OneQuestion,
        "purpose-required" PurposeRequired,
        "purpose-unwanted" PurposeUnwanted,
        "several-sub-matters" SeveralSubMatters { parts: Vec<String> },
        "others-matter" OthersMatter,
        "claimed" Claimed,
        "status-unsaid" StatusUnsaid,
        "idempotency-key" IdempotencyKey { most: usize },
        "parameter" Parameter { known: String },
        "given-twice" GivenTwice,
        "number-from-one" NumberFromOne,
        "grant-number" GrantNumber,
        "other-content" OtherContent { media_type: certmesh_ledger::record::MediaType },
        "unknown-content" UnknownContent,

        // Of a row of a table. None shows what is in it.
        "row-too-long" RowTooLong { limit: usize },
        "quotation-mark" QuotationMark,
        "cell-count" CellCount { found: usize, expected: usize },
        "no-object" NoObject,
        "rounded-number" RoundedNumber,
        "duration" Duration,
        "spreadsheet-error" SpreadsheetError,
        "neither-text-nor-number" NeitherTextNorNumber,
        "encoding" Encoding,
        "not-in-codes" NotInCodes,
        "not-a-day" NotADay,
        "serial" Serial,
        "predecessor" Predecessor,
        "predecessor-type" PredecessorType,
        "predecessor-version" PredecessorVersion,
        "merge-in-table" MergeInTable,
        "ends-before" EndsBefore {
            /// The column of the first day.
            from: String,
        },
        "duplicate" Duplicate { columns: String },
        "duplicate-differs" DuplicateDiffers { columns: String },
        "duplicate-cleaned" DuplicateCleaned { columns: String },
        "formula" Formula,
        "formula-without-value" FormulaWithoutValue,
        "hash-marks" HashMarks,
        "scientific" Scientific,
        "digits-lost" DigitsLost,
        "decimal-number" DecimalNumber,
        "day-in-number" DayInNumber,
        "merged-across" MergedAcross,
        "not-chinese" NotChinese,
        "past-last-year" PastLastYear,
        "counted-day" CountedDay,
        "not-split" NotSplit { separators: Vec<String> },
        "cut-off" CutOff { found: usize, expected: usize },
        "born-later" BornLater,
        "several-days" SeveralDays,
        "private-use" PrivateUse,
        "character-reference" CharacterReference,
    }
}

coded! {
    /// What the answer to an append warns of: a departure from the standard's form of an identifier that was corrected, or
    /// what may not have been meant.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Caution: "caution" {
        /// White space stood around it.
        "surrounding-space" SurroundingSpace,
        /// Full-width characters were used.
        "full-width" FullWidth,
        /// Lower-case letters were used.
        "lower-case" LowerCase,
        /// The root is that of an earlier practice.
        "old-root" OldRoot {
            /// The root found.
            found: &'static str,
            /// The standard's.
            expected: &'static str,
        },
        /// The check character was computed with the root in front.
        "check-counts-root" CheckCountsRoot {
            /// The character found.
            found: char,
            /// The standard's.
            expected: char,
        },
        /// A certificate is let go to a department that can't take it over.
        "receiver-not-a-member" ReceiverNotAMember {
            /// That department.
            to: DepartmentCode,
        },
    }
}

impl From<Variant> for Caution {
    fn from(variant: Variant) -> Self {
        match variant {
            Variant::SurroundingSpace => Self::SurroundingSpace,
            Variant::FullWidth => Self::FullWidth,
            Variant::LowerCase => Self::LowerCase,
            Variant::OldRoot => Self::OldRoot {
                found: Variant::OLD_ROOT,
                expected: ROOT,
            },
            Variant::CheckCountsRoot { found, expected } => {
                Self::CheckCountsRoot { found, expected }
            }
        }
    }
}

impl From<TextError> for FaultKind {
    fn from(error: TextError) -> Self {
        match error {
            TextError::TooLong { found, limit } => Self::TooLong { found, limit },
            TextError::Control(_) => Self::ControlCharacter,
        }
    }
}

impl From<IdError> for FaultKind {
    fn from(error: IdError) -> Self {
        match error {
            IdError::TooLong { part, found, limit } => Self::IdTooLong { part, found, limit },
            IdError::PartCount { found } => Self::IdParts { found },
            IdError::Root { text, expected } => Self::IdRoot { text, expected },
            IdError::Length {
                part,
                text,
                least,
                most,
                found,
            } => Self::IdLength {
                part,
                text,
                found,
                least,
                most,
            },
            IdError::Character {
                part,
                text,
                position,
                found,
                expected,
            } => Self::IdCharacter {
                part,
                text,
                position,
                found,
                expected,
            },
            IdError::Check {
                part,
                text,
                found,
                expected,
            } => Self::IdCheck {
                part,
                text,
                found,
                expected,
            },
            IdError::Number { part, found } => Self::IdNumber { part, found },
        }
    }
}

impl From<DateError> for FaultKind {
    fn from(error: DateError) -> Self {
        match error {
            // No text has days since 1970.
            DateError::Form | DateError::Days(_) => Self::DateForm,
            DateError::Year(year) => Self::DateYear { year },
            DateError::Month(month) => Self::DateMonth { month },
            DateError::Day { year, month, day } => Self::DateDay {
                month: format!("{year:04}-{month:02}"),
                day,
            },
        }
    }
}

impl From<HolderKindError> for FaultKind {
    fn from(_: HolderKindError) -> Self {
        Self::HolderKind {
            expected: &HolderKind::ALL,
        }
    }
}

impl From<HolderError> for FaultKind {
    fn from(error: HolderError) -> Self {
        match error {
            HolderError::Empty => Self::HolderEmpty,
            HolderError::TooLong => Self::HolderTooLong {
                limit: MAX_HOLDER_CHARS,
            },
            HolderError::Length { kind, found } => Self::HolderLength { kind, found },
            HolderError::OldIdentityNumber => Self::HolderOldCard,
            HolderError::Character { kind, position } => Self::HolderCharacter { kind, position },
            HolderError::Check { kind, expected } => Self::HolderCheck { kind, expected },
            HolderError::Birthday => Self::HolderBirthday,
            HolderError::Placeholder(kind) => Self::HolderPlaceholder { kind },
            HolderError::Scientific(_) => Self::Scientific,
            HolderError::Permit(kind) => Self::HolderPermit { kind },
        }
    }
}

impl From<NotAHash> for FaultKind {
    fn from(_: NotAHash) -> Self {
        Self::Hash
    }
}

impl From<MatterCodeError> for FaultKind {
    fn from(_: MatterCodeError) -> Self {
        Self::MatterCode {
            limit: MatterCode::MAX,
        }
    }
}

impl From<NotAMatterRef> for FaultKind {
    fn from(_: NotAMatterRef) -> Self {
        Self::MatterRef
    }
}

impl From<NotARole> for FaultKind {
    fn from(error: NotARole) -> Self {
        match error {
            NotARole::Word => Self::Role,
            NotARole::NoAuthority => Self::RoleWithoutAuthority,
            NotARole::Authority(error) => error.into(),
        }
    }
}

impl From<NotAnAttachmentName> for FaultKind {
    fn from(_: NotAnAttachmentName) -> Self {
        Self::AttachmentName
    }
}

impl From<NotAReason> for FaultKind {
    fn from(_: NotAReason) -> Self {
        Self::StatusReason
    }
}

impl From<UnknownWord> for FaultKind {
    fn from(error: UnknownWord) -> Self {
        Self::UnknownWord {
            expected: error.expected,
        }
    }
}

impl From<NotAnAction> for FaultKind {
    fn from(error: NotAnAction) -> Self {
        match error {
            NotAnAction::Word(error) => error.into(),
            NotAnAction::NoReceiver => Self::NoReceiver,
            NotAnAction::Receiver => Self::Receiver,
        }
    }
}

impl From<ValidityError> for FaultKind {
    fn from(ValidityError { from, until }: ValidityError) -> Self {
        Self::DatesOutOfOrder { from, until }
    }
}

impl From<SuccessionError> for FaultKind {
    fn from(error: SuccessionError) -> Self {
        match error {
            SuccessionError::None(_) => Self::PredecessorRequired,
            SuccessionError::OneMerged => Self::MergeOfOne,
            SuccessionError::Several { kind, found } => Self::OnePredecessor { kind, found },
            SuccessionError::Twice(id) => Self::PredecessorTwice { id },
            SuccessionError::TooMany(found) => Self::TooMany {
                found,
                limit: MAX_PREDECESSORS,
            },
        }
    }
}

impl From<Misfit> for FaultKind {
    fn from(misfit: Misfit) -> Self {
        match misfit {
            Misfit::Itself => Self::ReplacesItself,
            Misfit::Type { kind, predecessor } => Self::OtherType { kind, predecessor },
            Misfit::Version { predecessor, found } => {
                let next = predecessor.version() + 1;
                Self::NotNextVersion {
                    found: format!("{found:03}"),
                    next: (next <= 999).then(|| format!("{next:03}")),
                    predecessor,
                }
            }
        }
    }
}

impl From<NotReplaceable> for FaultKind {
    fn from(why: NotReplaceable) -> Self {
        match why {
            NotReplaceable::Unknown(id) => Self::PredecessorUnknown { id },
            NotReplaceable::Elsewhere { id, department } => {
                Self::PredecessorElsewhere { id, department }
            }
            NotReplaceable::Inherited { id, department } => {
                Self::PredecessorInherited { id, department }
            }
            NotReplaceable::Status { id, status } => Self::PredecessorStatus { id, status },
            NotReplaceable::OwnTransfer(id) => Self::PredecessorOwn { id },
            NotReplaceable::Outside(id) => Self::PredecessorOutside { id },
            NotReplaceable::NotTransferredOut {
                id,
                status,
                department,
            } => Self::PredecessorNotTransferred {
                id,
                status,
                department,
            },
            NotReplaceable::OtherReceiver { id, to } => Self::PredecessorOtherReceiver { id, to },
            NotReplaceable::Claimed(id) => Self::PredecessorClaimed { id },
            NotReplaceable::Disputed { id, department } => {
                Self::PredecessorDisputed { id, department }
            }
            NotReplaceable::TakenOver { id, by } => Self::PredecessorTakenOver { id, by },
        }
    }
}

impl From<NoEffect> for FaultKind {
    fn from(why: NoEffect) -> Self {
        match why {
            NoEffect::Versions => Self::VersionsUsedUp { most: MAX_VERSIONS },
            NoEffect::Types(NoRoom { used, more, most }) => {
                Self::NoRoomForType { used, most, more }
            }
            NoEffect::Matters(NoRoom { used, more, most }) => {
                Self::NoRoomForMatter { used, most, more }
            }
            NoEffect::Grants(NoRoom { used, more, most }) => {
                Self::NoRoomForGrant { used, most, more }
            }
            NoEffect::NotInForce => Self::NotInForce,
        }
    }
}

impl From<catalogue::Fault> for FaultKind {
    fn from(fault: catalogue::Fault) -> Self {
        use catalogue::Fault as Of;
        match fault {
            Of::Issuer => Self::Issuer,
            Of::HolderKind(expected) => Self::OtherHolderKind { expected },
            Of::LongTerm => Self::NoEnd,
            Of::TooLong(last) => Self::EndsTooLate { last: Some(last) },
            Of::Missing(name) => Self::Missing { name },
            Of::Unknown => Self::UnknownField { near: None },
            Of::Empty => Self::Empty,
            Of::Length { found, most } => Self::Length { found, most },
            Of::Pattern(pattern) => Self::Pattern { pattern },
            Of::Integer => Self::NotAnInteger,
            Of::Decimal => Self::NotADecimal,
            Of::Date => Self::NotADate,
            Of::Code(codes) => Self::NotInCodeList { codes },
            Of::BadPattern(why) => Self::BadPattern { why },
            Of::NoCodes => Self::NoCodes,
            Of::Twice(what) => Self::AppearsTwice { what },
            Of::None => Self::NoneNamed,
            Of::Zero => Self::Zero,
        }
    }
}
