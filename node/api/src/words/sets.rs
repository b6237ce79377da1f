//! The sets, each word with what it means: the meanings stand in the OpenAPI document.

use super::*;

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

    /// Why a governor has not stated what it holds of a log.
    NotStated {
        /// its node is not connected
        NotConnected = "not-connected",
        /// its node did not answer in time, or was asked too often
        NoAnswer = "no-answer",
        /// its node can't say so: it knows of a later own change or another generation, does not know of the last one yet, holds the log
        /// as one that has stopped, or lost its own disk
        CannotSay = "cannot-say",
        /// what it sent is not a statement for this log and change
        Invalid = "invalid",
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
        /// what is to be decided does not hold as things are
        NotDecidable = "urn:certmesh:problem:not-decidable",
        /// the part of the own log that was set aside does not lead to its last signed checkpoint
        NotSalvageable = "urn:certmesh:problem:not-salvageable",
        /// the disk refused a write
        LogReadOnly = "urn:certmesh:problem:log-read-only",
        /// the node's clock may be wrong, so no record is dated by it
        ClockOff = "urn:certmesh:problem:clock-off",
        /// nothing is shown, since the look-up can't be recorded
        LookupNotRecorded = "urn:certmesh:problem:lookup-not-recorded",
        /// a catalogue key of the network is not here, so that nobody can be looked up for certain
        CatalogueKeyMissing = "urn:certmesh:problem:catalogue-key-missing",
        /// decisions of the members are not here that a log held here names, so that nobody can be looked up for certain
        DecisionsMissing = "urn:certmesh:problem:decisions-missing",
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
        /// what the request goes on from was changed meanwhile, or is still arriving
        NotSettled = "urn:certmesh:problem:not-settled",
        /// a fault of the node
        Internal = "urn:certmesh:problem:internal",
    }
}
