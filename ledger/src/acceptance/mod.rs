//! Accepting a case (受理): which of the certificates that a matter requires some department has issued to this subject
//! already, answered from the logs a peer holds, without asking anyone.

#[cfg(test)]
mod tests;

use crate::catalogue::{Catalogue, CertificateState, Cursor, Denial};
use crate::codec::Text;
use crate::id::{Date, DepartmentCode, TypeCode};
use crate::log::ReadError;
use crate::record::{MatterRef, Requirement, SubjectTag};
use crate::verify::{Verdict, Verification, verify};

/// Most certificates of one subject that are looked at, in the order of the departments' codes: a bound on what a
/// question can cost. Of what lies beyond, none is found.
pub const MAX_HELD: usize = 10_000;

/// How a requirement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing that would meet it was issued, as far as is known here.
    Missing,
    /// What was issued is not in force, or it can't be said whether it is.
    Lapsed,
    /// It is held and in force, and its fields may not be seen.
    NeedsGrant,
    /// It is held and in force: it need not be handed in.
    Held,
}

impl State {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Missing => "missing",
            State::Lapsed => "lapsed",
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

/// One requirement and how it stands.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// What is required.
    pub requirement: Requirement,
    /// How it stands.
    pub state: State,
    /// The certificate that meets it best; `None` when it is missing.
    pub best: Option<Candidate>,
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
    subject: &SubjectTag,
    on: Date,
) -> Result<Vec<Assessment>, AssessError> {
    let unknown = || AssessError::UnknownMatter(matter.clone());
    let definition = catalogue
        .matter(&matter.department, &matter.matter)
        .ok_or_else(unknown)?;
    let part = definition
        .current()
        .part(&matter.part)
        .ok_or_else(unknown)?;
    let wanted: Vec<TypeCode> = part
        .requires
        .iter()
        .flat_map(|requirement| requirement.types.iter().copied())
        .collect();
    let held = held(catalogue, subject, &wanted)?;
    let assess = |requirement: &Requirement| {
        let mut best: Option<(State, Candidate)> = None;
        let fitting = held.iter().filter(|state| {
            requirement
                .types
                .contains(&state.certificate().id.type_code())
        });
        for certificate in fitting {
            let next = candidate(catalogue, asker, matter, requirement, certificate, on)?;
            if best.as_ref().is_none_or(|best| rank(&next) > rank(best)) {
                best = Some(next);
            }
        }
        let (state, best) = best.map_or((State::Missing, None), |(state, candidate)| {
            (state, Some(candidate))
        });
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

/// The subject's certificates of some types, in all logs.
fn held(
    catalogue: &Catalogue,
    subject: &SubjectTag,
    wanted: &[TypeCode],
) -> Result<Vec<CertificateState>, ReadError> {
    let mut held = Vec::new();
    let mut looked_at = 0;
    let mut cursor = Some(Cursor::default());
    while let Some(from) = cursor
        && looked_at < MAX_HELD
    {
        let found = catalogue.by_subject(subject, from, 256)?;
        looked_at += found.certificates.len();
        cursor = found.next;
        held.extend(
            found
                .certificates
                .into_iter()
                .filter(|state| wanted.contains(&state.certificate().id.type_code())),
        );
    }
    Ok(held)
}

fn candidate(
    catalogue: &Catalogue,
    asker: &DepartmentCode,
    matter: &MatterRef,
    requirement: &Requirement,
    certificate: &CertificateState,
    on: Date,
) -> Result<(State, Candidate), ReadError> {
    let verification = verify(catalogue, &certificate.certificate().id, on)?;
    let in_force = verification.verdict == Verdict::Valid;
    // A requirement that needs no field needs no leave either: that the certificate is in force, every member sees.
    let access = match requirement.fields.is_empty() {
        true => Ok(Vec::new()),
        false => catalogue
            .access(certificate, asker, matter, on)
            .map(|access| access.fields),
    };
    let (fields, denial) = match access {
        Ok(fields) => (fields, None),
        Err(denial) => (Vec::new(), Some(denial)),
    };
    let seen = requirement
        .fields
        .iter()
        .all(|field| fields.contains(field));
    let state = match (in_force, seen) {
        (true, true) => State::Held,
        (true, false) => State::NeedsGrant,
        (false, _) => State::Lapsed,
    };
    let fields = fields
        .into_iter()
        .filter(|field| requirement.fields.contains(field));
    let candidate = Candidate {
        verification,
        fields: fields.collect(),
        denial,
    };
    Ok((state, candidate))
}
