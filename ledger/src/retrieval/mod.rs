//! Retrieval: a department asks a certificate's issuer for fields, for a matter of its own and a stated purpose.
//!
//! - [`SignedRetrieval`]: what the asker signs. It names both departments, so nobody else can use it, and a time and
//!   a nonce, so that it can be used once.
//! - [`decide`]: how the issuer decides, by its own log and the matters it knows; the [receipt] is an entry of its
//!   log and is durable before the [`Answer`] leaves.
//! - [`SignedRetrieval::check_answer`]: how the asker checks the answer, by its own replica of the issuer's log.
//! - [`EvidenceCopy`]: what the asker keeps, encrypted, until a day.
//! - [`audit`], [`access_log`], [`usage`]: what all the receipts together show.
//!
//! [receipt]: crate::record::RetrievalDecided

mod receipts;
#[cfg(test)]
mod tests;

pub use receipts::{
    Accesses, Audit, Discrepancy, Finding, LogAudit, MAX_FINDINGS, Page, Usage, Used, access_log,
    audit, median, usage,
};

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalogue::{Authority, Catalogue, CertificateState, Denial};
use crate::codec::{self, Bounded, Text};
use crate::crypto::catalogue_keys::CatalogueKeys;
use crate::crypto::hash::{Purpose, hash};
use crate::crypto::keys::{Signature, SigningKey};
use crate::id::{CertificateId, Date, DepartmentCode};
use crate::log::ReadError;
use crate::membership::Membership;
use crate::names::LogId;
use crate::names::NetworkId;
use crate::record::{
    ATTACHMENT_MARK, Asked, AttachmentName, Basis, BlindedSubject, Decision, Disclosure,
    DisclosureError, FieldCodes, MatterRef, RetrievalDecided, RetrievalHash, Rule, TypeDefined,
};

/// The code that stands for all attachments of a certificate.
pub const ATTACHMENTS: &str = "@";
/// How far the time of a request and the issuer's clock may be apart, ms.
pub const MAX_APART_MS: u64 = 5 * 60 * 1000;
/// How long after its receipt an issuer still gives pieces of attachments, ms.
pub const PIECES_FOR_MS: u64 = 24 * 3600 * 1000;
/// Most bytes of an attachment in one answer.
pub const MAX_PIECE: usize = 512 * 1024;
/// Most bytes of a signed request in its canonical form.
pub const MAX_RETRIEVAL: usize = 8 * 1024;

/// A request for fields of a certificate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retrieval {
    /// Who is asked.
    pub issuer: DepartmentCode,
    /// Who asks.
    pub asker: DepartmentCode,
    /// Which of the asker's keys signs.
    pub key_epoch: u32,
    /// For which matter of the asker's.
    pub matter: MatterRef,
    /// Whom the certificate is about, blinded for the request's day.
    pub subject: BlindedSubject,
    /// Codes of the fields asked for.
    pub fields: FieldCodes,
    /// Which certificate.
    pub certificate: CertificateId,
    /// What for, in words. Goes to the issuer and into the asker's copy, never into a log.
    pub purpose: Text<512>,
    /// When it was made, ms since 1970 UTC.
    pub time_ms: u64,
    /// Drawn at random: nobody can guess the rest from the hash of it that receipts show.
    pub nonce: [u8; 16],
}

impl fmt::Debug for Retrieval {
    /// Leaves out the purpose, which may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrieval")
            .field("issuer", &self.issuer)
            .field("asker", &self.asker)
            .field("certificate", &self.certificate)
            .field("matter", &self.matter)
            .finish_non_exhaustive()
    }
}

impl Retrieval {
    /// The day under which the subject is blinded.
    pub fn day(&self) -> Date {
        Date::in_china(self.time_ms)
    }

    /// The part that receipts show, with a hash of the rest.
    pub fn asked(&self) -> Asked {
        let rest = (&self.certificate, &self.purpose, self.time_ms, self.nonce);
        Asked {
            issuer: self.issuer,
            asker: self.asker,
            key_epoch: self.key_epoch,
            matter: self.matter.clone(),
            type_code: self.certificate.type_code(),
            subject: self.subject,
            fields: self.fields.clone(),
            rest: hash(Purpose::RetrievalRest, &codec::encode(&rest)),
        }
    }
}

/// A request with its department's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRetrieval {
    retrieval: Retrieval,
    signature: Signature,
}

/// Why a request leaves no trace: nothing proves that the department named in it made it for this peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Improper {
    /// Another department is asked.
    #[error("the request is for another department")]
    NotForThis,
    /// It came from another peer than the asker's.
    #[error("the request came from another department's peer than the one that made it")]
    Relayed,
    /// The asker is not a member, or its signature does not verify.
    #[error("the request is not signed by the department that it names")]
    Signature,
    /// It names another subject than the certificate's.
    #[error("the request names another subject than the certificate is about")]
    Subject,
}

/// The answer of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Fields.
    Fields {
        /// Position of the receipt in the issuer's log.
        receipt: u64,
        /// The fields shown, and commitments to the others.
        disclosure: Disclosure,
    },
    /// None.
    Refused {
        /// Position of the receipt in the issuer's log.
        receipt: u64,
        /// Why.
        rule: Rule,
    },
    /// The request was not accepted: there is no receipt.
    NotTaken(NotTaken),
}

/// Why a request was not taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NotTaken {
    /// It is for another department, came through another's peer, or is not properly signed.
    #[error("the issuer considers this request forged or relayed")]
    Improper,
    /// It was answered before.
    #[error("the issuer has already answered this request")]
    Replayed,
    /// The issuer can't write receipts at present, or can't tell whom the request is about.
    #[error(
        "the issuer can't record receipts at present, or lacks a catalogue key, so it answers nothing"
    )]
    Unavailable,
    /// This department asks too much at a time.
    #[error("the issuer has too many requests at a time")]
    TooMany,
    /// It names fields that the matter doesn't require, as far as the issuer knows.
    #[error(
        "the issuer does not know that the matter requires the fields asked for; its copy of the matter may be older"
    )]
    NotRequired,
    /// The issuer lost the certificate's fields; nothing says that they were erased.
    #[error(
        "the issuer's disk has lost the certificate's fields; they were not erased, and its operators may have a backup"
    )]
    Lost,
}

/// Why an answer is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongAnswer {
    /// The fields are not those of the certificate's record.
    #[error("{0}")]
    Fields(#[from] DisclosureError),
    /// More was shown than was asked for.
    #[error("the issuer showed fields that were not asked for")]
    NotAskedFor,
}

impl SignedRetrieval {
    /// Signs a request.
    pub fn sign(network: NetworkId, retrieval: Retrieval, key: &SigningKey) -> SignedRetrieval {
        let signature = retrieval.asked().sign(network, key);
        SignedRetrieval {
            retrieval,
            signature,
        }
    }

    /// What it asks.
    pub fn retrieval(&self) -> &Retrieval {
        &self.retrieval
    }

    /// Its name.
    pub fn name(&self, network: NetworkId) -> RetrievalHash {
        self.retrieval.asked().name(network)
    }

    /// The asker's signature over the name.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Checks that the department whose peer sent it made it for `own`, and returns the part that the receipt shows.
    ///
    /// # Errors
    /// [`Improper`].
    pub fn check(
        &self,
        members: &Membership,
        own: &DepartmentCode,
        from: &DepartmentCode,
    ) -> Result<Asked, Improper> {
        if self.retrieval.issuer != *own {
            return Err(Improper::NotForThis);
        }
        if self.retrieval.asker != *from {
            return Err(Improper::Relayed);
        }
        let asked = self.retrieval.asked();
        match asked.is_signed(members, &self.signature) {
            true => Ok(asked),
            false => Err(Improper::Signature),
        }
    }

    /// The fields in an answer, checked against the certificate's record and the definition that it names.
    ///
    /// # Errors
    /// [`WrongAnswer`].
    pub fn check_answer<'d>(
        &self,
        certificate: &crate::record::CertificateIssued,
        definition: &TypeDefined,
        disclosure: &'d Disclosure,
    ) -> Result<BTreeMap<&'d str, &'d str>, WrongAnswer> {
        let shown = disclosure.verify(&certificate.field_root, &definition.fields)?;
        let asked = &self.retrieval.fields;
        let all_asked = |name: &&str| asked.iter().any(|code| is_of(name, code));
        if !shown.keys().all(all_asked) {
            return Err(WrongAnswer::NotAskedFor);
        }
        Ok(shown)
    }
}

/// A request for a piece of an attachment that an answered request showed. It carries that request, so that the issuer
/// need remember nothing but its receipt, and a transfer resumes after any interruption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceRequest {
    /// The request that was answered.
    pub request: SignedRetrieval,
    /// Which attachment.
    pub name: AttachmentName,
    /// From which place on.
    pub from: u64,
}

/// Whether a field's name is one that a code asks for: itself, or any attachment's for the code of all attachments.
fn is_of(name: &str, code: &Text<64>) -> bool {
    match name.starts_with(ATTACHMENT_MARK) {
        // No code names a single attachment: receipts would have to show its name.
        true => code.as_str() == ATTACHMENTS,
        false => name == code.as_str(),
    }
}

/// What an issuer does with a request that [`SignedRetrieval::check`] let through.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The receipt.
    pub receipt: RetrievalDecided,
    /// The certificate whose fields are to be shown; `None` when it is refused.
    pub show: Option<CertificateState>,
}

impl Decided {
    /// The same if the body turns out to be no longer kept.
    #[must_use]
    pub fn erased(mut self) -> Decided {
        self.receipt.decision = Decision::Refused(Rule::Erased);
        self.show = None;
        self
    }

    /// The same once the body is at hand: of the fields that may be seen, those that the certificate has, so that the
    /// receipt names what was shown.
    #[must_use]
    pub fn having(mut self, body: &BTreeMap<String, String>) -> Decided {
        if let Decision::Answered { basis, fields } = self.receipt.decision {
            let has = |code: &Text<64>| body.keys().any(|name| is_of(name, code));
            self.receipt.decision = answered(basis, fields.into_vec().into_iter().filter(has));
        }
        if matches!(self.receipt.decision, Decision::Refused(_)) {
            self.show = None;
        }
        self
    }

    /// Whether a field of this name is to be shown.
    pub fn shows(&self, name: &str) -> bool {
        self.receipt.shown().iter().any(|code| is_of(name, code))
    }
}

/// Why a request is not decided.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// It leaves no trace.
    #[error(transparent)]
    Improper(#[from] Improper),
    /// It names fields that the asker's matter doesn't require of the type. Receipts show what was asked for, to everyone and
    /// for good: nothing gets into one that isn't in the asker's own log already.
    #[error("the request names fields that its matter does not require")]
    NotRequired,
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Decides a request by the issuer's own log: `asked` is what [`SignedRetrieval::check`] gave. What no rule allows is
/// refused.
///
/// # Errors
/// [`DecideError`]: then nothing is decided.
pub fn decide(
    catalogue: &Catalogue,
    keys: &CatalogueKeys,
    asked: Asked,
    request: &SignedRetrieval,
    now_ms: u64,
) -> Result<Decided, DecideError> {
    let (own, retrieval) = (catalogue.own(), request.retrieval());
    // Another department of its division may claim the certificate as well: here this department's own counts.
    let held = catalogue.certificate_in(&own, &retrieval.certificate)?;
    // Otherwise the receipt would report a look at somebody else, or one that no access log shows. The asker may not know yet that
    // a key was replaced, but it has the record, and so knew the key of that.
    if let Some(state) = &held
        && !is_named(keys, state, retrieval)
    {
        return Err(Improper::Subject.into());
    }
    let required = catalogue.required(&retrieval.matter, &retrieval.certificate.type_code())?;
    if !retrieval.fields.iter().all(|code| required.contains(code)) {
        return Err(DecideError::NotRequired);
    }
    let decision = match &held {
        _ if retrieval.time_ms.abs_diff(now_ms) > MAX_APART_MS => Decision::Refused(Rule::Stale),
        None => Decision::Refused(Rule::UnknownCertificate),
        Some(state) if not_authorised(catalogue, state)? => Decision::Refused(Rule::NotAuthorised),
        Some(state) => {
            let on = Date::in_china(now_ms);
            match catalogue.access(state, &retrieval.asker, &retrieval.matter, on)? {
                Ok(access) => {
                    let wanted = access.fields.into_iter();
                    let wanted = wanted.filter(|code| retrieval.fields.contains(code));
                    answered(access.basis, wanted)
                }
                Err(denial) => Decision::Refused(rule(&denial)),
            }
        }
    };
    let shows = matches!(decision, Decision::Answered { .. });
    let receipt = RetrievalDecided {
        asked,
        signature: *request.signature(),
        decision,
    };
    Ok(Decided {
        receipt,
        show: held.filter(|_| shows),
    })
}

/// Whether a request names whom its certificate is about, under a catalogue key that was in force with its record or later.
fn is_named(keys: &CatalogueKeys, held: &CertificateState, retrieval: &Retrieval) -> bool {
    let (tag, day) = (&held.certificate().subject, retrieval.day());
    let mut later = keys.since(held.issued.record().height);
    later.any(|key| key.blind(tag, day) == retrieval.subject)
}

fn not_authorised(catalogue: &Catalogue, state: &CertificateState) -> Result<bool, ReadError> {
    let authority = catalogue.authority(&state.log, state.issued.record(), state.certificate())?;
    Ok(matches!(authority, Authority::NotGiven(_)))
}

fn answered(basis: Basis, fields: impl Iterator<Item = Text<64>>) -> Decision {
    let fields: FieldCodes = Bounded::first(fields);
    if fields.is_empty() {
        return Decision::Refused(Rule::NoField);
    }
    Decision::Answered { basis, fields }
}

fn rule(denial: &Denial) -> Rule {
    // A request of no member does not get this far.
    denial.rule().unwrap_or(Rule::OthersMatter)
}

/// The code under which an acknowledgement names a field that was shown: all attachments have one.
pub fn code_of(name: &str) -> &str {
    match name.starts_with(ATTACHMENT_MARK) {
        true => ATTACHMENTS,
        false => name,
    }
}

/// What an asker keeps of an answer: request and disclosure prove together what was asked, by whom, and what the issuer's
/// record commits to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceCopy {
    /// The request.
    pub request: SignedRetrieval,
    /// Where the certificate's record is.
    pub log: LogId,
    /// Position of the certificate's record there.
    pub seq: u64,
    /// Position of the issuer's receipt in that log.
    pub receipt: u64,
    /// The fields, with their salts.
    pub disclosure: Disclosure,
    /// When it came, ms.
    pub time_ms: u64,
}

/// The body of an accepted case, beside the counts in the log: which copies were retrieved for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseFile {
    /// Certificates and the retrievals of their fields.
    pub retrievals: Bounded<(CertificateId, RetrievalHash), 64>,
}
