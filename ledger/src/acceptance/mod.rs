//! Accepting a case (受理): which of the certificates that a matter requires some department has issued to this subject
//! already, answered from the logs a peer holds, without asking anyone.

#[cfg(test)]
mod tests;

use crate::catalogue::{Catalogue, CertificateState, Denial};
use crate::codec::Text;
use crate::id::{Date, DepartmentCode};
use crate::log::ReadError;
use crate::record::{MatterRef, Requirement, SubjectTag};
use crate::verify::{Question, Verdict, Verification, verify_record};

/// Most certificates of one type about one subject that are looked at, the latest, of each department: a bound on what a
/// question can cost. What a department wrote beyond it hides nothing of another's.
pub const MAX_HELD: usize = 64;

/// How a requirement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing that would meet it was issued, as far as is known here.
    Missing,
    /// What was issued is not valid; the verdict on it says why.
    NotValid,
    /// Whether what was issued is valid can't be said.
    Unknown,
    /// It is held and in force, and its fields may not be seen.
    NeedsGrant,
    /// It is held and in force: it need not be submitted.
    Held,
}

impl State {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Missing => "missing",
            State::NotValid => "not-valid",
            State::Unknown => "unknown",
            State::NeedsGrant => "needs-grant",
            State::Held => "held",
        }
    }
}

/// A certificate that could meet a requirement.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Verdict and provenance.
    pub verification: Verification,
    /// Codes of the fields needed that may be seen.
    pub fields: Vec<Text<64>>,
    /// Why fields that are needed may not be seen.
    pub denial: Option<Denial>,
}

impl Candidate {
    /// How a requirement stands that this certificate meets best.
    pub fn state(&self, requirement: &Requirement) -> State {
        match self.verification.verdict {
            Verdict::NotValid(_) => State::NotValid,
            Verdict::Unknown(_) => State::Unknown,
            Verdict::Valid
                if requirement
                    .fields
                    .iter()
                    .all(|field| self.fields.contains(field)) =>
            {
                State::Held
            }
            Verdict::Valid => State::NeedsGrant,
        }
    }
}

/// One requirement and how it stands.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// What is required.
    pub requirement: Requirement,
    /// How it stands.
    pub state: State,
    /// The certificate that meets it best; `None` when it is missing, or what was looked at doesn't say.
    pub best: Option<Candidate>,
}

impl Assessment {
    /// The word for how it stands; of what is not valid, why: `revoked`, `expired` …
    pub fn word(&self) -> &'static str {
        let verdict = self.best.as_ref().map(|best| &best.verification.verdict);
        match (self.state, verdict) {
            (State::NotValid, Some(Verdict::NotValid(why))) => why.code(),
            (state, _) => state.as_str(),
        }
    }
}

/// Why a case can't be assessed.
#[derive(Debug, thiserror::Error)]
pub enum AssessError {
    /// Nobody defined the matter.
    #[error("matter {0} is not in the catalogue; `certmesh matter list` shows those that are")]
    UnknownMatter(MatterRef),
    /// The logs could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// How each requirement of a matter stands for a subject on a day, in the requirements' order. Of several certificates
/// that would do the one that stands best counts, of those the one that began last.
///
/// # Errors
/// [`AssessError`].
pub fn assess(
    catalogue: &Catalogue,
    asker: &DepartmentCode,
    matter: &MatterRef,
    subject: &[SubjectTag],
    question: Question,
) -> Result<Vec<Assessment>, AssessError> {
    let unknown = || AssessError::UnknownMatter(matter.clone());
    let definition = catalogue
        .matter(&matter.department, &matter.matter)?
        .ok_or_else(unknown)?;
    let part = definition
        .definition
        .part(&matter.part)
        .ok_or_else(unknown)?;
    let assess = |requirement: &Requirement| {
        let mut best: Option<(State, Candidate)> = None;
        let mut cut = false;
        for code in requirement.types.iter() {
            let (certificates, more) = catalogue.latest_of(subject, code, MAX_HELD)?;
            cut |= more;
            for certificate in &certificates {
                let verification = verify_record(catalogue, certificate, question)?;
                let next = candidate(
                    catalogue,
                    asker,
                    matter,
                    requirement,
                    (certificate, verification),
                    question.on,
                )?;
                if best.as_ref().is_none_or(|best| rank(&next) > rank(best)) {
                    best = Some(next);
                }
            }
        }
        let (mut state, best) = best.map_or((State::Missing, None), |(state, candidate)| {
            (state, Some(candidate))
        });
        // One of those that were not read may be in force.
        if cut && matches!(state, State::Missing | State::NotValid) {
            state = State::Unknown;
        }
        Ok(Assessment {
            requirement: requirement.clone(),
            state,
            best,
        })
    };
    part.requires.iter().map(assess).collect()
}

fn rank((state, candidate): &(State, Candidate)) -> (State, Option<Date>) {
    let certificate = candidate.verification.state.as_ref();
    let from = certificate.map(|state| state.certificate().validity.from());
    (*state, from)
}

fn candidate(
    catalogue: &Catalogue,
    asker: &DepartmentCode,
    matter: &MatterRef,
    requirement: &Requirement,
    (certificate, verification): (&CertificateState, Verification),
    on: Date,
) -> Result<(State, Candidate), ReadError> {
    // A requirement that needs no field needs no permission either: every member sees that the certificate is in force.
    let access = match requirement.fields.is_empty() {
        true => Ok(Vec::new()),
        false => catalogue
            .access(certificate, asker, matter, on)?
            .map(|access| access.fields),
    };
    let (fields, denial) = match access {
        Ok(fields) => (fields, None),
        Err(denial) => (Vec::new(), Some(denial)),
    };
    let fields = fields
        .into_iter()
        .filter(|field| requirement.fields.contains(field));
    let candidate = Candidate {
        verification,
        fields: fields.collect(),
        denial,
    };
    Ok((candidate.state(requirement), candidate))
}
