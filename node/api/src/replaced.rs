//! Which certificates a request replaces, and what identifier follows from that.

use certmesh_ledger::id::CertificateId;
use certmesh_ledger::record::{
    MAX_PREDECESSORS, Misfit, Succession, SuccessionError, SuccessionKind,
};

use crate::certificates::IssueRequest;
use crate::draft::lenient;
use crate::fault::{Caution, Fault, FaultKind};
use crate::faults::Faults;
use crate::words::Word;

/// The member of the request that names what is replaced.
fn names_predecessors(request: &IssueRequest) -> &'static str {
    match request.predecessor {
        Some(_) => "predecessor",
        None => "predecessors",
    }
}

/// What is replaced, and how.
pub(crate) fn succession(
    request: &IssueRequest,
    faults: &mut Faults,
    warnings: &mut Vec<Fault<Caution>>,
) -> Option<Succession> {
    let kind: Option<SuccessionKind> =
        faults.parse("succession", request.succession.as_ref().map(Word::as_str));
    let named = names_predecessors(request);
    if request.predecessor.is_some() && !request.predecessors.is_empty() {
        faults.add(named, FaultKind::OneOfPredecessors);
        return None;
    }
    let texts = request.predecessor.iter().chain(&request.predecessors);
    let given = texts.clone().count();
    if given == 0 {
        if request.succession.is_some() {
            faults.add(named, FaultKind::PredecessorRequired);
        }
        return None;
    }
    if given > MAX_PREDECESSORS {
        faults.add(named, SuccessionError::TooMany(given));
        return None;
    }
    let ids: Vec<CertificateId> = texts
        .filter_map(|text| lenient(named, text, faults, warnings))
        .collect();
    let kind = match (kind, &request.succession) {
        (Some(kind), _) => kind,
        (None, Some(_)) => return None,
        (None, None) if given == 1 => SuccessionKind::Amendment,
        (None, None) => SuccessionKind::Merge,
    };
    if ids.len() < given {
        return None;
    }
    faults.check(named, Succession::new(kind, ids))
}

/// Whether the request leaves the identifier to its predecessor, as a renewal or an amendment may.
pub(crate) fn goes_on(request: &IssueRequest) -> bool {
    let named = request.predecessor.is_some() || request.predecessors.len() == 1;
    let keeps = match request.succession.as_ref().map(Word::known) {
        None => named,
        Some(Some(kind)) => SuccessionKind::from(kind).keeps_identifier(),
        Some(None) => false,
    };
    keeps
        && request.id.is_none()
        && request.type_code.is_none()
        && request.serial.is_none()
        && request.version.is_none()
}

/// The predecessor's identifier in its next version.
pub(crate) fn next_version(succession: &Succession, faults: &mut Faults) -> Option<CertificateId> {
    let before = succession.predecessors().first()?;
    let next = CertificateId::new(
        before.type_code(),
        before.issuer(),
        before.serial(),
        before.version() + 1,
    );
    if next.is_err() {
        faults.add("serial", FaultKind::SerialNeeded);
    }
    next.ok()
}

/// What is wrong with the identifier, each fault at the member that could correct it.
pub(crate) fn misfits(
    request: &IssueRequest,
    id: &CertificateId,
    succession: &Succession,
    faults: &mut Faults,
) {
    for misfit in succession.misfits(id) {
        let field = match misfit {
            Misfit::Version { .. } if request.id.is_some() => "id",
            Misfit::Version { .. } => "version",
            _ => names_predecessors(request),
        };
        faults.add(field, misfit);
    }
}
