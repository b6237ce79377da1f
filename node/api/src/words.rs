//! The closed sets of words that requests and answers are made of: verdicts, states, events, kinds of change, problems.
//!
//! Each set is an enum. In a request or an answer one of its words is a [`Word`], which also holds a word that this version does
//! not know: a command line shows what a newer node answers, and a node names a wrong word of a request among all its other
//! faults. The OpenAPI document lists the words of a set as a plain `enum`, without a place for others.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

#[cfg(feature = "peer")]
use certmesh_ledger::{acceptance, id, record, retrieval, verify};

/// A closed set of words.
pub trait Words: Copy + Send + Sync + 'static {
    /// Every word, in the order of the document.
    const ALL: &'static [Self];

    /// The word itself.
    fn as_str(self) -> &'static str;
}

/// A word of the set `T`, or one that this version does not know.
///
/// Its schema is that of `T`; fields say so with `value_type`, since utoipa names the schema of a generic type by itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Word<T> {
    /// A word of the set.
    Known(T),
    /// Another one, as it came.
    Unknown(Box<str>),
}

impl<T: Words> Word<T> {
    /// The word of this text.
    pub fn read(text: &str) -> Word<T> {
        match T::ALL.iter().find(|word| word.as_str() == text) {
            Some(word) => Word::Known(*word),
            None => Word::Unknown(text.into()),
        }
    }

    /// The word, if it is one of the set.
    pub fn known(&self) -> Option<T> {
        match self {
            Word::Known(word) => Some(*word),
            Word::Unknown(_) => None,
        }
    }

    /// The text, whether it is known or not.
    pub fn as_str(&self) -> &str {
        match self {
            Word::Known(word) => word.as_str(),
            Word::Unknown(text) => text,
        }
    }
}

impl<T> From<T> for Word<T> {
    fn from(word: T) -> Word<T> {
        Word::Known(word)
    }
}

impl<T: PartialEq> PartialEq<T> for Word<T> {
    fn eq(&self, other: &T) -> bool {
        matches!(self, Word::Known(word) if word == other)
    }
}

impl<T: Words> AsRef<str> for Word<T> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl<T: Words> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<T: Words> fmt::Debug for Word<T> {
    /// Leaves out a word that is not known: in a request it can be anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Known(word) => f.write_str(word.as_str()),
            Word::Unknown(_) => f.write_str("(unknown)"),
        }
    }
}

impl<T: Words> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, T: Words> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reader(PhantomData))
    }
}

struct Reader<T>(PhantomData<T>);

impl<T: Words> Visitor<'_> for Reader<T> {
    type Value = Word<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<Word<T>, E> {
        Ok(Word::read(text))
    }
}

/// The schema of a set: its words as `enum`, and what each means.
fn schema_of<T: Words>(about: &[&str], names: &[&str], meanings: &[&str]) -> RefOr<Schema> {
    let joined = |lines: &[&str]| {
        let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
        lines.join(" ")
    };
    let mut description = joined(about);
    description.push('\n');
    for (word, meaning) in T::ALL.iter().zip(meanings) {
        description.push_str(&format!("\n- `{}`: {}", word.as_str(), meaning.trim()));
    }
    let words = T::ALL.iter().map(|word| word.as_str());
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .description(Some(description))
        .extensions(Some(
            // What generators call the words: `01` is no name in any language.
            Extensions::builder().add("x-enum-varnames", names).build(),
        ))
        .into()
}

/// What a set takes over from the ledger, where it has a type of the ledger.
macro_rules! words_of_ledger {
    ([] $name:ident { $($variant:ident)+ }) => {};
    ([$ledger:ty] $name:ident { $($variant:ident)+ }) => {
        #[cfg(feature = "peer")]
        impl From<$ledger> for $name {
            fn from(word: $ledger) -> Self {
                match word {
                    $(<$ledger>::$variant => Self::$variant,)+
                }
            }
        }

        #[cfg(feature = "peer")]
        impl From<$name> for $ledger {
            fn from(word: $name) -> Self {
                match word {
                    $($name::$variant => <$ledger>::$variant,)+
                }
            }
        }

        #[cfg(feature = "peer")]
        impl From<$ledger> for Word<$name> {
            fn from(word: $ledger) -> Self {
                Word::Known(word.into())
            }
        }
    };
}

/// Defines sets of words; with `: ledger type`, whose variants have the same names, also what comes from it.
macro_rules! words {
    ($(
        $(#[doc = $about:literal])+
        $name:ident $(: $ledger:ty)? {
            $($(#[doc = $meaning:literal])+ $variant:ident = $word:literal,)+
        }
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl $name {
            /// Every word.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word itself.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl Words for $name {
            const ALL: &'static [Self] = Self::ALL;

            fn as_str(self) -> &'static str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = Word::deserialize(deserializer)?;
                word.known().ok_or_else(|| D::Error::custom("a word outside its list"))
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                schema_of::<Self>(
                    &[$($about),+],
                    &[$(stringify!($variant)),+],
                    &[$(concat!($($meaning),+)),+],
                )
            }
        }

        impl ToSchema for $name {}

        words_of_ledger!([$($ledger)?] $name { $($variant)+ });
    )+};
}

words! {
    /// The answer to "is it genuine and in force?".
    Verdict {
        /// yes
        Valid = "valid",
        /// no; `reason` has why
        NotValid = "not-valid",
        /// it can't be decided; `missing` has what would have to be known
        Unknown = "unknown",
    }

    /// Why a certificate is not valid.
    NotValidReason {
        /// its issuer suspended it
        Suspended = "suspended",
        /// its issuer took it back
        Withdrawn = "withdrawn",
        /// ended at the holder's request, or because its purpose is fulfilled
        Cancelled = "cancelled",
        /// ended by operation of law
        Lapsed = "lapsed",
        /// let go, for another department to take over
        TransferredOut = "transferred-out",
        /// declared void for cause
        Revoked = "revoked",
        /// replaced by another certificate
        Superseded = "superseded",
        /// its last day is past
        Expired = "expired",
        /// its first day is still to come
        NotYetValid = "not-yet-valid",
        /// the department whose log holds it may not issue it
        IssuerNotAuthorised = "issuer-not-authorised",
        /// its department signed two histories, and it lies among the records in dispute
        LogForked = "log-forked",
    }

    /// What a certificate's issuer last recorded of it. It says nothing about dates or forks: ask for a verification.
    Status: record::Status {
        /// in force
        Valid = "valid",
        /// not in force until reinstated
        Suspended = "suspended",
        /// taken back by its issuer
        Withdrawn = "withdrawn",
        /// ended at the holder's request, or because its purpose is fulfilled
        Cancelled = "cancelled",
        /// ended by operation of law
        Lapsed = "lapsed",
        /// let go, for another department to take over
        TransferredOut = "transferred-out",
        /// declared void for cause
        Revoked = "revoked",
        /// replaced by another certificate
        Superseded = "superseded",
    }

    /// The status as the standard's two-digit code (GB/T 36903).
    StatusCode: record::Status {
        /// valid
        Valid = "01",
        /// suspended
        Suspended = "02",
        /// withdrawn
        Withdrawn = "03",
        /// cancelled
        Cancelled = "04",
        /// lapsed
        Lapsed = "05",
        /// transferred out
        TransferredOut = "06",
        /// revoked
        Revoked = "07",
        /// superseded, for which the standard has no code of its own
        Superseded = "99",
    }

    /// What an issuer does to a certificate.
    Action {
        /// not in force until reinstated
        Suspend = "suspend",
        /// in force again
        Reinstate = "reinstate",
        /// declare void for cause
        Revoke = "revoke",
        /// end at the holder's request, or because its purpose is fulfilled
        Cancel = "cancel",
        /// take back
        Withdraw = "withdraw",
        /// end by operation of law
        Lapse = "lapse",
        /// let go, for the department `to` to take over and no other
        TransferOut = "transfer-out",
    }

    /// Why a status changed, as a code that can be counted.
    Reason: record::Reason {
        /// at the holder's request
        HolderRequest = "01",
        /// issued in error
        IssuedInError = "02",
        /// obtained by deception
        Deception = "03",
        /// conditions of the certificate broken
        ConditionsBroken = "04",
        /// the holder died or was dissolved
        HolderEnded = "05",
        /// lost or damaged
        Lost = "06",
        /// decision of a court or a superior authority
        Decision = "07",
        /// only the text says it
        Other = "99",
    }

    /// How far a certificate's data may be shared between departments.
    SharingClass: record::SharingClass {
        /// 无条件共享: with any member, for any matter that requires the type
        Unconditional = "unconditional",
        /// 有条件共享: by a grant
        Conditional = "conditional",
        /// 不予共享: with nobody
        NotShared = "not-shared",
    }

    /// How a certificate takes the place of others.
    SuccessionKind: record::SuccessionKind {
        /// 延续: the same for a further time
        Renewal = "renewal",
        /// 变更: something in it has changed
        Amendment = "amendment",
        /// 合并: one in place of several
        Merge = "merge",
        /// 分立: one of several in place of one
        Split = "split",
        /// 转入: taken over from another department, which has recorded it as transferred out
        Transfer = "transfer",
    }

    /// The kind of code that identifies a holder (CZZTDMLXDM).
    HolderKind: id::HolderKind {
        /// 统一社会信用代码, unified social credit code
        CreditCode = "001",
        /// 其他法人或其他组织有效证件代码, another code of an organisation
        OtherOrganisation = "099",
        /// 居民身份证, resident identity card
        IdentityCard = "111",
        /// 外交护照, diplomatic passport
        DiplomaticPassport = "411",
        /// 公务护照, service passport
        ServicePassport = "412",
        /// 公务普通护照, passport for public affairs
        PublicAffairsPassport = "413",
        /// 普通护照, ordinary passport
        OrdinaryPassport = "414",
        /// 台湾居民来往大陆通行证, mainland travel permit for Taiwan residents
        TaiwanPermit = "511",
        /// 港澳居民来往内地通行证, mainland travel permit for Hong Kong and Macau residents
        HongKongMacauPermit = "516",
        /// 其他自然人有效证件代码, another code of a person
        Other = "999",
    }

    /// What kind of file an attachment is.
    MediaType: record::MediaType {
        /// PDF
        Pdf = "application/pdf",
        /// OFD, the national format for documents (GB/T 33190)
        Ofd = "application/ofd",
        /// PNG
        Png = "image/png",
        /// JPEG
        Jpeg = "image/jpeg",
        /// TIFF
        Tiff = "image/tiff",
    }

    /// What happened to a certificate.
    CertificateEvent {
        /// it was issued
        Issued = "issued",
        /// it is not in force until reinstated
        Suspended = "suspended",
        /// it is in force again
        Reinstated = "reinstated",
        /// it was taken back by its issuer
        Withdrawn = "withdrawn",
        /// it ended at the holder's request, or because its purpose is fulfilled
        Cancelled = "cancelled",
        /// it ended by operation of law
        Lapsed = "lapsed",
        /// it was let go, for another department to take over
        TransferredOut = "transferred-out",
        /// it was declared void for cause
        Revoked = "revoked",
        /// another certificate replaced it
        Superseded = "superseded",
        /// its fields were erased; the certificate itself stands
        FieldsErased = "fields-erased",
    }

    /// How a requirement stands. Of what was issued and is not valid, the state is the reason.
    RequirementStatus {
        /// held and in force, and its fields may be seen: it need not be submitted
        Held = "held",
        /// held and in force, and its fields may not be seen
        NeedsGrant = "needs-grant",
        /// nothing that would meet it was issued, as far as is known here
        Missing = "missing",
        /// it can't be decided whether what was issued is valid
        Unknown = "unknown",
        /// what was issued is not valid
        NotValid = "not-valid",
        /// its issuer suspended it
        Suspended = "suspended",
        /// its issuer took it back
        Withdrawn = "withdrawn",
        /// ended at the holder's request, or because its purpose is fulfilled
        Cancelled = "cancelled",
        /// ended by operation of law
        Lapsed = "lapsed",
        /// let go, for another department to take over
        TransferredOut = "transferred-out",
        /// declared void for cause
        Revoked = "revoked",
        /// replaced by another certificate
        Superseded = "superseded",
        /// its last day is past
        Expired = "expired",
        /// its first day is still to come
        NotYetValid = "not-yet-valid",
        /// the department whose log holds it may not issue it
        IssuerNotAuthorised = "issuer-not-authorised",
        /// its department signed two histories, and it lies among the records in dispute
        LogForked = "log-forked",
    }

    /// What the values of a field are.
    FieldType {
        /// text
        Text = "text",
        /// a whole number
        Integer = "integer",
        /// a decimal number
        Decimal = "decimal",
        /// a day, YYYY-MM-DD
        Date = "date",
        /// one of the field's `codes`
        Code = "code",
    }

    /// State of a log that this peer holds.
    LogState {
        /// this department's own
        Own = "own",
        /// a verified copy of another department's
        Replica = "replica",
        /// forked, or a rule of logs broken
        Frozen = "frozen",
        /// the disk refused a write; reopened automatically
        Refused = "refused",
        /// damaged, being fetched again
        SetAside = "set-aside",
    }

    /// State of a peer's own log.
    OwnLogState {
        /// appends are accepted
        Writable = "writable",
        /// waiting until other members confirm that the log on disk is whole
        Confirming = "confirming",
        /// being fetched back from other members
        Restoring = "restoring",
        /// another run of the department's peer connected first and appends to it
        Elsewhere = "elsewhere",
        /// the disk refused a write
        ReadOnly = "read-only",
        /// forked, or a rule of logs broken
        Frozen = "frozen",
        /// the machine's clock may be wrong, so nothing is dated by it
        ClockOff = "clock-off",
    }

    /// How the two sides of a retrieval differ. Only people can determine which side is wrong.
    Discrepancy: retrieval::Discrepancy {
        /// the issuer has a receipt, the asker acknowledges nothing
        NotAcknowledged = "not-acknowledged",
        /// the asker acknowledges an answer for which the issuer has no receipt
        NoReceipt = "no-receipt",
        /// both have one, and they say different things, or the answer was wrong
        Differs = "differs",
        /// a log has a second record of one kind for one retrieval
        Twice = "twice",
    }

    /// What a record says of a look at a subject's data.
    AccessKind {
        /// the issuer's log: fields were shown
        Answered = "answered",
        /// the issuer's log: nothing was shown
        Refused = "refused",
        /// the asker's log: what came
        Acknowledged = "acknowledged",
        /// somebody asked who looked at the subject's data
        AccessLogRead = "access-log-read",
    }

    /// Why nothing was shown.
    AccessRule {
        /// the request's time and the issuer's clock are too far apart
        Stale = "stale",
        /// the issuer has no such certificate
        UnknownCertificate = "unknown-certificate",
        /// nobody defined the matter
        UnknownMatter = "unknown-matter",
        /// the matter is another department's than the asker's
        OthersMatter = "others-matter",
        /// the matter requires no certificate of the type
        NotRequired = "not-required",
        /// the certificate is not shared
        NotShared = "not-shared",
        /// no grant in force covers the asker and the matter
        NoGrant = "no-grant",
        /// none of the fields asked for may be seen for the matter
        NoField = "no-field",
        /// the fields are no longer kept
        Erased = "erased",
        /// the issuer may not issue certificates of the type
        NotAuthorised = "not-authorised",
        /// the issuer's answer did not arrive
        NoAnswer = "no-answer",
        /// what came is not what the certificate's record commits to
        WrongAnswer = "wrong-answer",
    }

    /// What a client looked at.
    LookupKind {
        /// the person's certificates were listed
        Find = "find",
        /// what a matter requires was shown
        Accept = "accept",
        /// these look-ups were read
        AccessLog = "access-log",
    }

    /// The kind of a problem, as a URN.
    ProblemType {
        /// the body is not the expected JSON
        MalformedBody = "urn:certmesh:problem:malformed-body",
        /// the body is declared to be of another type
        UnsupportedMediaType = "urn:certmesh:problem:unsupported-media-type",
        /// the body, or a row of it, is longer than the limit
        BodyTooLarge = "urn:certmesh:problem:body-too-large",
        /// no token, or one that no client has
        Unauthorised = "urn:certmesh:problem:unauthorised",
        /// the client's role doesn't allow this
        Forbidden = "urn:certmesh:problem:forbidden",
        /// the request is for a name that is not the API's
        WrongHost = "urn:certmesh:problem:wrong-host",
        /// a web page of another site sent the request
        OtherSite = "urn:certmesh:problem:other-site",
        /// the route exists, for other methods
        MethodNotAllowed = "urn:certmesh:problem:method-not-allowed",
        /// the client sends faster than its rate, or uses its whole share of the node
        RateLimited = "urn:certmesh:problem:rate-limited",
        /// the request, or its next bytes, took too long
        Timeout = "urn:certmesh:problem:timeout",
        /// one or more fields are wrong
        InvalidField = "urn:certmesh:problem:invalid-field",
        /// there is no such route, log, matter, type, grant or copy
        NotFound = "urn:certmesh:problem:not-found",
        /// no log held here has a record of the certificate
        UnknownCertificate = "urn:certmesh:problem:unknown-certificate",
        /// no log held here defines the type
        UnknownType = "urn:certmesh:problem:unknown-type",
        /// the identifier names another issuer, or the type another authority
        NotThisDepartment = "urn:certmesh:problem:not-this-department",
        /// validity ends before it begins
        DatesOutOfOrder = "urn:certmesh:problem:dates-out-of-order",
        /// the identifier is taken
        DuplicateCertificate = "urn:certmesh:problem:duplicate-certificate",
        /// the certificate is another department's
        OtherDepartment = "urn:certmesh:problem:other-department",
        /// the certificate's fields were erased
        Erased = "urn:certmesh:problem:erased",
        /// what was asked for is missing on the node's disk, and not erased
        Lost = "urn:certmesh:problem:lost",
        /// the action can't follow the certificate's status
        ImpossibleTransition = "urn:certmesh:problem:impossible-transition",
        /// the Idempotency-Key was used for other content
        IdempotencyMismatch = "urn:certmesh:problem:idempotency-mismatch",
        /// other members have not yet confirmed that the own log is whole
        OwnLogUnconfirmed = "urn:certmesh:problem:own-log-unconfirmed",
        /// the part of the own log that was set aside does not lead to its last signed checkpoint
        NotSalvageable = "urn:certmesh:problem:not-salvageable",
        /// the disk refused a write
        LogReadOnly = "urn:certmesh:problem:log-read-only",
        /// the node's clock may be wrong, so no record is dated by it
        ClockOff = "urn:certmesh:problem:clock-off",
        /// nothing is shown, since the look-up can't be recorded
        LookupNotRecorded = "urn:certmesh:problem:lookup-not-recorded",
        /// the log is forked, or breaks a rule of logs
        LogFrozen = "urn:certmesh:problem:log-frozen",
        /// more requests than the node takes at a time
        Overloaded = "urn:certmesh:problem:overloaded",
        /// the disk has less room than what was sent and the log's reserve need
        StorageFull = "urn:certmesh:problem:storage-full",
        /// the client's uploads that no certificate has taken leave no room for another
        UploadsWaiting = "urn:certmesh:problem:uploads-waiting",
        /// no checkpoint that a proof can rest on covers the record
        ProofNotAvailable = "urn:certmesh:problem:proof-not-available",
        /// the issuer refused, and names the rule
        RetrievalRefused = "urn:certmesh:problem:retrieval-refused",
        /// the issuer's peer did not answer
        IssuerUnreachable = "urn:certmesh:problem:issuer-unreachable",
        /// what the issuer sent is not what it signed
        WrongAnswer = "urn:certmesh:problem:wrong-answer",
        /// the certificate's issuer may not issue it, so it was not asked
        IssuerNotAuthorised = "urn:certmesh:problem:issuer-not-authorised",
        /// what the answer would be checked against is not held here
        NotVerifiable = "urn:certmesh:problem:not-verifiable",
        /// a fault of the node
        Internal = "urn:certmesh:problem:internal",
    }
}

impl ProblemType {
    /// The problem of this name.
    pub fn named(name: &str) -> Option<ProblemType> {
        let mut all = Self::ALL.iter().copied();
        all.find(|problem| problem.name() == name)
    }

    /// Its name: what follows `urn:certmesh:problem:`.
    pub fn name(self) -> &'static str {
        let urn = self.as_str();
        urn.strip_prefix(crate::problem::PROBLEM_PREFIX)
            .unwrap_or(urn)
    }
}

impl ProblemType {
    /// The HTTP status it is answered with.
    pub const fn status(self) -> u16 {
        self.answer().0
    }

    /// A short title, the same each time.
    pub const fn title(self) -> &'static str {
        self.answer().1
    }

    const fn answer(self) -> (u16, &'static str) {
        match self {
            Self::MalformedBody => (400, "Malformed body"),
            Self::UnsupportedMediaType => (415, "Unsupported media type"),
            Self::BodyTooLarge => (413, "Body too large"),
            Self::Unauthorised => (401, "Unauthorised"),
            Self::Forbidden => (403, "Forbidden"),
            Self::WrongHost => (421, "Wrong host"),
            Self::OtherSite => (403, "Other site"),
            Self::MethodNotAllowed => (405, "Method not allowed"),
            Self::RateLimited => (429, "Rate limited"),
            Self::Timeout => (408, "Timeout"),
            Self::InvalidField => (422, "Invalid field"),
            Self::NotFound => (404, "Not found"),
            Self::UnknownCertificate => (404, "Unknown certificate"),
            Self::UnknownType => (422, "Unknown type"),
            Self::NotThisDepartment => (422, "Not this department"),
            Self::DatesOutOfOrder => (422, "Dates out of order"),
            Self::DuplicateCertificate => (409, "Duplicate certificate"),
            Self::OtherDepartment => (409, "Other department's certificate"),
            Self::Erased => (410, "Erased"),
            Self::Lost => (500, "Lost"),
            Self::ImpossibleTransition => (409, "Impossible transition"),
            Self::IdempotencyMismatch => (422, "Idempotency mismatch"),
            Self::OwnLogUnconfirmed => (503, "Own log unconfirmed"),
            Self::NotSalvageable => (409, "Not salvageable"),
            Self::LogReadOnly => (503, "Log read-only"),
            Self::ClockOff => (503, "Clock off"),
            Self::LookupNotRecorded => (503, "Look-up not recorded"),
            Self::LogFrozen => (503, "Log frozen"),
            Self::Overloaded => (503, "Overloaded"),
            Self::StorageFull => (507, "Storage full"),
            Self::UploadsWaiting => (507, "Uploads waiting"),
            Self::ProofNotAvailable => (409, "Proof not available"),
            Self::RetrievalRefused => (403, "Retrieval refused"),
            Self::IssuerUnreachable => (503, "Issuer unreachable"),
            Self::WrongAnswer => (502, "Wrong answer"),
            Self::IssuerNotAuthorised => (409, "Issuer not authorised"),
            Self::NotVerifiable => (503, "Not verifiable"),
            Self::Internal => (500, "Internal error"),
        }
    }
}

impl Word<ProblemType> {
    /// Its name: what follows `urn:certmesh:problem:`, or all of it if that is not what it begins with.
    pub fn name(&self) -> &str {
        let urn = self.as_str();
        urn.strip_prefix(crate::problem::PROBLEM_PREFIX)
            .unwrap_or(urn)
    }
}

#[cfg(feature = "peer")]
mod of_the_ledger {
    use super::*;

    impl From<&verify::Verdict> for Verdict {
        fn from(verdict: &verify::Verdict) -> Verdict {
            match verdict {
                verify::Verdict::Valid => Verdict::Valid,
                verify::Verdict::NotValid(_) => Verdict::NotValid,
                verify::Verdict::Unknown(_) => Verdict::Unknown,
            }
        }
    }

    impl From<&verify::Verdict> for Word<Verdict> {
        fn from(verdict: &verify::Verdict) -> Self {
            Word::Known(verdict.into())
        }
    }

    impl From<&verify::NotValid> for Word<NotValidReason> {
        fn from(why: &verify::NotValid) -> Self {
            Word::read(why.code())
        }
    }

    impl From<record::Action> for Action {
        fn from(action: record::Action) -> Action {
            match action {
                record::Action::Suspend => Action::Suspend,
                record::Action::Reinstate => Action::Reinstate,
                record::Action::Revoke => Action::Revoke,
                record::Action::Cancel => Action::Cancel,
                record::Action::Withdraw => Action::Withdraw,
                record::Action::Lapse => Action::Lapse,
                record::Action::TransferOut(_) => Action::TransferOut,
            }
        }
    }

    impl From<record::Action> for CertificateEvent {
        fn from(action: record::Action) -> CertificateEvent {
            match action {
                record::Action::Suspend => CertificateEvent::Suspended,
                record::Action::Reinstate => CertificateEvent::Reinstated,
                record::Action::Revoke => CertificateEvent::Revoked,
                record::Action::Cancel => CertificateEvent::Cancelled,
                record::Action::Withdraw => CertificateEvent::Withdrawn,
                record::Action::Lapse => CertificateEvent::Lapsed,
                record::Action::TransferOut(_) => CertificateEvent::TransferredOut,
            }
        }
    }

    impl From<acceptance::State> for RequirementStatus {
        fn from(state: acceptance::State) -> RequirementStatus {
            match state {
                acceptance::State::Missing => RequirementStatus::Missing,
                acceptance::State::NotValid => RequirementStatus::NotValid,
                acceptance::State::Unknown => RequirementStatus::Unknown,
                acceptance::State::NeedsGrant => RequirementStatus::NeedsGrant,
                acceptance::State::Held => RequirementStatus::Held,
            }
        }
    }

    impl From<acceptance::State> for Word<RequirementStatus> {
        fn from(state: acceptance::State) -> Self {
            Word::Known(state.into())
        }
    }

    impl From<record::Rule> for AccessRule {
        fn from(rule: record::Rule) -> AccessRule {
            match rule {
                record::Rule::Stale => AccessRule::Stale,
                record::Rule::UnknownCertificate => AccessRule::UnknownCertificate,
                record::Rule::UnknownMatter => AccessRule::UnknownMatter,
                record::Rule::OthersMatter => AccessRule::OthersMatter,
                record::Rule::NotRequired => AccessRule::NotRequired,
                record::Rule::NotShared => AccessRule::NotShared,
                record::Rule::NoGrant => AccessRule::NoGrant,
                record::Rule::NoField => AccessRule::NoField,
                record::Rule::Erased => AccessRule::Erased,
                record::Rule::NotAuthorised => AccessRule::NotAuthorised,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_later_version_is_kept_as_it_came() {
        let word: Word<Verdict> = serde_json::from_str("\"disputed\"").unwrap();
        assert_eq!((word.known(), word.as_str()), (None, "disputed"));
        assert_eq!(serde_json::to_string(&word).unwrap(), "\"disputed\"");
        let word: Word<Verdict> = serde_json::from_str("\"not-valid\"").unwrap();
        assert!(word == Verdict::NotValid);
        assert!(serde_json::from_str::<Verdict>("\"disputed\"").is_err());
    }

    #[test]
    fn a_word_that_is_not_known_is_never_shown_by_debug() {
        let word: Word<HolderKind> = Word::read("110101199003077715");
        assert_eq!(format!("{word:?}"), "(unknown)");
    }

    #[test]
    fn a_schema_lists_exactly_the_words_that_are_read() {
        let schema = serde_json::to_value(Status::schema()).unwrap();
        let words: Vec<Status> = serde_json::from_value(schema["enum"].clone()).unwrap();
        assert_eq!(words, Status::ALL);
        let about = schema["description"].as_str().unwrap();
        assert!(
            about.contains("- `lapsed`: ended by operation of law"),
            "{about}"
        );
    }

    #[cfg(feature = "peer")]
    mod against_the_ledger {
        use super::*;

        #[test]
        fn every_word_reads_as_the_ledger_reads_it() {
            for word in SharingClass::ALL {
                let read: record::SharingClass = word.as_str().parse().unwrap();
                assert_eq!(SharingClass::from(read), *word);
            }
            for word in SuccessionKind::ALL {
                let read: record::SuccessionKind = word.as_str().parse().unwrap();
                assert_eq!(SuccessionKind::from(read), *word);
            }
            for word in Reason::ALL {
                let read: record::Reason = word.as_str().parse().unwrap();
                assert_eq!(Reason::from(read), *word);
            }
            for word in HolderKind::ALL {
                let read: id::HolderKind = word.as_str().parse().unwrap();
                assert_eq!(HolderKind::from(read), *word);
            }
            for word in MediaType::ALL {
                let read: record::MediaType = word.as_str().parse().unwrap();
                assert_eq!(MediaType::from(read), *word);
            }
            let to = "11330105002500287C".parse().unwrap();
            for word in Action::ALL {
                let receiver = (*word == Action::TransferOut).then_some(to);
                let read = record::Action::read(word.as_str(), receiver).unwrap();
                assert_eq!(Action::from(read), *word);
                assert_eq!(CertificateEvent::from(read).as_str(), read.past());
            }
            for rule in record::Rule::ALL {
                assert_eq!(AccessRule::from(rule).as_str(), rule.as_str());
            }
        }

        #[test]
        fn status_and_code_are_the_ledgers() {
            use record::Status as Recorded;
            for status in [
                Recorded::Valid,
                Recorded::Suspended,
                Recorded::Withdrawn,
                Recorded::Cancelled,
                Recorded::Lapsed,
                Recorded::TransferredOut,
                Recorded::Revoked,
                Recorded::Superseded,
            ] {
                assert_eq!(Status::from(status).as_str(), status.as_str());
                assert_eq!(StatusCode::from(status).as_str(), status.code());
                if status != Recorded::Valid {
                    let why = Word::<NotValidReason>::from(&verify::NotValid::Status(status));
                    assert!(why.known().is_some(), "{status}");
                }
            }
        }

        #[test]
        fn every_reason_why_a_certificate_is_not_valid_is_a_state_of_a_requirement() {
            for why in NotValidReason::ALL {
                let state = Word::<RequirementStatus>::read(why.as_str());
                assert!(state.known().is_some(), "{why}");
            }
        }
    }
}
