//! Verifying a proof file with the network's genesis, or its trust file, and nothing else.

use std::io::Read;
use std::path::Path;

use certmesh_api::{Certificate, Provenance, StatusRecord, SuccessorView, Verification};
use certmesh_ledger::id::{ChinaTime, DepartmentCode};
use certmesh_ledger::membership::Membership;
use certmesh_ledger::record::{
    CertificateIssued, Entry, RecordError, SignedRecord, Status, SuccessionKind,
};
use certmesh_ledger::verify::{Bundle, BundleError, MAX_BUNDLE, Reader, Verdict, VerifiedBundle};
use certmesh_text::{Basis, Explained};

use crate::moment::china_time;
use crate::names::Names;
use crate::network::read_members;
use crate::provenance::{self, Source, outcome_of};
use crate::screen::{Screen, Tone, printable};
use crate::{Error, Outcome, base45};

/// Verifies a proof for a reader; `named` is what messages call it.
///
/// # Errors
/// When the genesis or trust file cannot be read, or either is not a valid file. A proof that does not hold is an answer, not an error.
pub(crate) fn run(
    proof: &[u8],
    named: &Path,
    genesis: &Path,
    reader: &Reader,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let members = read_members(genesis)?;
    let verified = Bundle::from_bytes(proof).and_then(|bundle| bundle.verify(&members));
    let judged = verified.and_then(|verified| {
        let verdict = verified.judge(reader)?;
        Ok((verified, verdict))
    });
    let (verified, verdict) = match judged {
        Ok(judged) => judged,
        Err(error @ BundleError::NotABundle) => {
            return Err(Error::malformed(named, "a proof", error.to_string()));
        }
        Err(error) => return does_not_hold(&error, reader, screen),
    };
    let verification = describe(&verified, &verdict, &members, reader);
    if screen.json() {
        screen.print_json(&verification)?;
        return Ok(outcome_of(&verification.verdict));
    }
    let names = Names::of(
        members
            .members()
            .map(|member| (member.code.to_string(), member.display_name().to_owned())),
    );
    provenance::show(&verification, &names, Source::File, reader.now_ms, screen)
}

/// Reads a proof from its file (`-`: standard input), as it is or in Base45, and no more than a proof can have.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read_proof(path: &Path, screen: &mut Screen) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let limit = MAX_BUNDLE as u64 * 2;
    if path.as_os_str() == "-" {
        screen.input().take(limit).read_to_end(&mut bytes)?;
    } else {
        let file = std::fs::File::open(path).map_err(|error| Error::read(path, error))?;
        file.take(limit)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::read(path, error))?;
    }
    // A scanned code has the proof in Base45, on one line.
    let text = std::str::from_utf8(&bytes).ok();
    let scanned = text.and_then(|text| base45::decode(text.trim_end_matches(['\r', '\n'])));
    Ok(scanned.unwrap_or(bytes))
}

/// A proof that was changed, cut off, dated ahead, or made for another network: whatever it claims is not so proved.
fn does_not_hold(
    error: &BundleError,
    reader: &Reader,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let explanation = sentence(error);
    let advice = match error {
        BundleError::DatedAhead { .. } => {
            "That says nothing about the certificate, for it or against it. If this machine's clock is wrong, set it and \
             verify again; if it is right, ask for a new proof once that department's clock is right."
        }
        _ => {
            "That says nothing about the certificate, for it or against it: ask a node, or for a new proof."
        }
    };
    if screen.json() {
        screen.print_json(&serde_json::json!({
            "id": null,
            "verdict": certmesh_api::Verdict::NotValid,
            "reason": "proof-does-not-hold",
            "explanation": format!("The proof does not hold. {explanation} {advice}"),
            "on": reader.on,
            "certificate": null,
            "provenance": null,
        }))?;
    } else {
        let word = screen.paint(Tone::Bad, "PROOF DOES NOT HOLD");
        screen.line(word)?;
        screen.line(printable(&explanation))?;
        screen.line(advice)?;
    }
    Ok(Outcome::No)
}

/// Why a proof does not hold, in words for whoever holds the file and not the program.
fn sentence(error: &BundleError) -> String {
    let mut text = match error {
        BundleError::Decode(_)
        | BundleError::Frame(_)
        | BundleError::Record(RecordError::Decode(_)) => {
            "The file is damaged or cut off".to_owned()
        }
        BundleError::DatedAhead {
            by,
            time_ms,
            now_ms,
        } => format!(
            "Why: {by} dated it {}, more than 10 minutes ahead of this machine's clock, which says {}",
            china_time(*time_ms),
            china_time(*now_ms)
        ),
        other => format!("Why: {other}"),
    };
    if !text.ends_with(['.', '?']) {
        text.push('.');
    }
    text
}

/// The verified proof in the form the node answers in, so that both are shown the same way.
fn describe(
    bundle: &VerifiedBundle,
    verdict: &Verdict,
    members: &Membership,
    reader: &Reader,
) -> Verification {
    let (reason, missing) = match verdict {
        Verdict::Valid => (None, Vec::new()),
        Verdict::NotValid(reason) => (Some(reason.into()), Vec::new()),
        Verdict::Unknown(missing) => (None, missing.iter().map(certmesh_text::missing).collect()),
    };
    let certificate = certificate(bundle, members);
    let checkpoint = bundle.known_by();
    let successor = Successor::of(bundle);
    let explanation = certmesh_text::explain(&Explained {
        verdict,
        change: bundle.change.as_ref().map(SignedRecord::record),
        successors: successor
            .iter()
            .map(|next| (&next.issued.id, next.department))
            .collect(),
        members,
        basis: Basis::Proof {
            on: reader.on,
            until: ChinaTime(checkpoint.time_ms),
            witnessed: bundle.is_witnessed(),
        },
    });
    let provenance = Provenance {
        department: certificate.issuer.clone(),
        department_name: certificate.issuer_name.clone().unwrap_or_default(),
        network: members.network().to_string(),
        record: certificate.position.record.clone(),
        seq: certificate.position.seq,
        record_time_ms: certificate.position.time_ms,
        known_by: Some(checkpoint.log.department.to_string()),
        known_by_name: members.name_of(&checkpoint.log.department),
        status_record: bundle.status_at().map(|(log, seq)| StatusRecord {
            log: log.to_string(),
            seq,
        }),
        checkpoint_size: checkpoint.size,
        checkpoint_root: checkpoint.root.to_string(),
        checkpoint_time_ms: checkpoint.time_ms,
        cosigned_by: bundle
            .witnesses()
            .iter()
            .map(|one| one.witness.to_string())
            .collect(),
        confirmed_ms: None,
        answered_by: "the proof file".to_owned(),
    };
    Verification {
        id: certificate.id.clone(),
        verdict: verdict.into(),
        reason,
        explanation,
        missing,
        successors: successor
            .map(|next| next.view(members))
            .into_iter()
            .collect(),
        on: reader.on.to_string(),
        certificate: Some(certificate),
        provenance: Some(provenance),
    }
}

/// The certificate whose record superseded this one; a proof holds no other successor.
struct Successor<'a> {
    issued: &'a CertificateIssued,
    kind: SuccessionKind,
    seq: u64,
    department: DepartmentCode,
}

impl<'a> Successor<'a> {
    fn of(bundle: &'a VerifiedBundle) -> Option<Self> {
        let change = bundle.change.as_ref()?.record();
        let Entry::CertificateIssued(issued) = &change.entry else {
            return None;
        };
        Some(Successor {
            issued,
            kind: issued.succession_kind()?,
            seq: change.seq,
            department: bundle.checkpoint.log.department,
        })
    }

    fn view(&self, members: &Membership) -> SuccessorView {
        SuccessorView {
            id: self.issued.id.to_string(),
            succession: self.kind.into(),
            department: self.department.to_string(),
            department_name: members.name_of(&self.department).unwrap_or_default(),
            seq: self.seq,
        }
    }
}

fn certificate(bundle: &VerifiedBundle, members: &Membership) -> Certificate {
    Certificate::recorded(
        bundle.certificate(),
        &bundle.issued,
        bundle.status.map_or(Status::Valid, |entry| entry.status),
        &bundle.checkpoint,
        members,
        // Definitions are other records; a proof holds those about its certificate alone.
        None,
    )
}
