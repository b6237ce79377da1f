//! Retrieval: a department asks a certificate's issuer for fields, for a matter of its own and a stated purpose.
//!
//! - [`SignedRetrieval`]: what the asker signs. It names both departments, so it is of no use to anyone else, and a time
//!   and a nonce, so that it is of use once.
//! - [`decide`]: what the issuer does with it, by its own log and the matters it knows; the [receipt] is an entry of its
//!   log and is durable before the [`Answer`] leaves.
//! - [`SignedRetrieval::check_answer`]: what the asker makes of the answer, by its own replica of the issuer's log.
//! - [`EvidenceCopy`]: what the asker keeps, encrypted, until a day.
//! - [`audit`], [`access_log`], [`usage`]: what all the receipts together say.
//!
//! [receipt]: crate::record::RetrievalDecided

mod receipts;
#[cfg(test)]
mod tests;

pub use receipts::{
    Audit, Discrepancy, Finding, MAX_FINDINGS, Usage, access_log, audit, median, usage,
};

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, Denial};
use crate::codec::{self, Bounded, Text};
use crate::hash::{Purpose, hash_parts};
use crate::id::{CertificateId, Date, DepartmentCode};
use crate::keys::{CatalogueKey, Signature, SigningKey};
use crate::log::{LogId, ReadError};
use crate::membership::{Membership, NetworkId};
use crate::record::{
    ATTACHMENT_MARK, AttachmentName, Basis, Decision, Disclosure, DisclosureError, FieldCodes,
    MatterRef, RetrievalDecided, RetrievalHash, Rule,
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
    /// Which certificate.
    pub certificate: CertificateId,
    /// For which matter of the asker's.
    pub matter: MatterRef,
    /// What for, in words. Goes to the issuer and into the asker's copy, never into a log.
    pub purpose: Text<512>,
    /// Codes of the fields; none stands for all that the matter needs and that may be seen.
    pub fields: FieldCodes,
    /// When it was made, ms since 1970 UTC.
    pub time_ms: u64,
    /// Drawn at random.
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
    /// The day under which the subject is blinded in the receipts.
    pub fn day(&self) -> Date {
        Date::in_china(self.time_ms)
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
    /// The asker is no member, or its signature does not verify.
    #[error("the request is not signed by the department that it names")]
    Signature,
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
    /// The request was not taken up: there is no receipt.
    NotTaken(NotTaken),
}

/// Why a request was not taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NotTaken {
    /// It is for another department, came through another's peer, or is not properly signed.
    #[error("the issuer takes this request for forged or relayed")]
    Improper,
    /// It was answered before.
    #[error("the issuer has answered this very request before")]
    Replayed,
    /// The issuer can't write receipts at present.
    #[error("the issuer can't record receipts at present, so it answers nothing")]
    Unavailable,
    /// This department asks too much at a time.
    #[error("the issuer is asked too much at a time")]
    TooMany,
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
        let signature = key.sign(&name_of(network, &retrieval).0);
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
        name_of(network, &self.retrieval)
    }

    /// Checks that the department whose peer sent it made it for `own`, and gives its name.
    ///
    /// # Errors
    /// [`Improper`].
    pub fn check(
        &self,
        members: &Membership,
        own: &DepartmentCode,
        from: &DepartmentCode,
    ) -> Result<RetrievalHash, Improper> {
        if self.retrieval.issuer != *own {
            return Err(Improper::NotForThis);
        }
        if self.retrieval.asker != *from {
            return Err(Improper::Relayed);
        }
        let name = self.name(members.network());
        let member = members.member(from).ok_or(Improper::Signature)?;
        member
            .signing_key
            .verify(&name.0, &self.signature)
            .map_err(|_| Improper::Signature)?;
        Ok(name)
    }

    /// The fields in an answer, checked against the certificate's record.
    ///
    /// # Errors
    /// [`WrongAnswer`].
    pub fn check_answer<'d>(
        &self,
        certificate: &crate::record::CertificateIssued,
        disclosure: &'d Disclosure,
    ) -> Result<BTreeMap<&'d str, &'d str>, WrongAnswer> {
        let shown = disclosure.verify(&certificate.field_root)?;
        let asked = &self.retrieval.fields;
        let all_asked = |name: &&str| asked.iter().any(|code| is_of(name, code));
        if !asked.is_empty() && !shown.keys().all(all_asked) {
            return Err(WrongAnswer::NotAskedFor);
        }
        Ok(shown)
    }
}

fn name_of(network: NetworkId, retrieval: &Retrieval) -> RetrievalHash {
    RetrievalHash(hash_parts(
        Purpose::Retrieval,
        &[network.0.as_bytes(), &codec::encode(retrieval)],
    ))
}

/// A request for a piece of an attachment that an answered request showed. It carries that request, so that the issuer
/// need remember nothing but its receipt, and a transfer goes on after any cut.
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
    name == code.as_str() || (code.as_str() == ATTACHMENTS && name.starts_with(ATTACHMENT_MARK))
}

/// What an issuer does with a request that [`SignedRetrieval::check`] let through.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The receipt.
    pub receipt: RetrievalDecided,
    /// Position of the record whose body has the fields to show; `None` when it is refused.
    pub show: Option<u64>,
}

impl Decided {
    /// The same when the body turns out to be kept no more.
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
        match &self.receipt.decision {
            Decision::Answered { fields, .. } => fields.iter().any(|code| is_of(name, code)),
            Decision::Refused(_) => false,
        }
    }
}

/// Decides a request by the issuer's own log. What no rule allows is refused.
///
/// # Errors
/// [`ReadError`] when the log cannot be read: then nothing is decided.
pub fn decide(
    catalogue: &Catalogue,
    key: &CatalogueKey,
    name: RetrievalHash,
    request: &Retrieval,
    now_ms: u64,
) -> Result<Decided, ReadError> {
    let own = catalogue.own();
    // Another department of its division may claim the certificate as well: here this department's own counts.
    let mut claims = catalogue.claims(&request.certificate)?.into_iter();
    let held = claims.find(|state| state.log == own);
    let decision = match &held {
        _ if request.time_ms.abs_diff(now_ms) > MAX_APART_MS => Decision::Refused(Rule::Stale),
        None => Decision::Refused(Rule::UnknownCertificate),
        Some(certificate) => {
            let on = Date::in_china(now_ms);
            match catalogue.access(certificate, &request.asker, &request.matter, on) {
                Ok(access) => shown(access.basis, access.fields, &request.fields),
                Err(denial) => Decision::Refused(rule(&denial)),
            }
        }
    };
    let shows = matches!(decision, Decision::Answered { .. });
    let tag = held.as_ref().map(|state| state.certificate().subject);
    let receipt = RetrievalDecided {
        retrieval: name,
        asker: request.asker,
        matter: request.matter.clone(),
        type_code: request.certificate.type_code(),
        subject: tag.map(|tag| key.blind(&tag, request.day())),
        decision,
    };
    let seq = held.map(|state| state.issued.record().seq);
    Ok(Decided {
        receipt,
        show: seq.filter(|_| shows),
    })
}

fn shown(basis: Basis, may: Vec<Text<64>>, asked: &FieldCodes) -> Decision {
    let wanted = may
        .into_iter()
        .filter(|code| asked.is_empty() || asked.contains(code));
    answered(basis, wanted)
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

/// What is kept of an accepted case, beside the counts in the log: which copies were retrieved for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseFile {
    /// Certificates and the retrievals of their fields.
    pub retrievals: Bounded<(CertificateId, RetrievalHash), 64>,
}
