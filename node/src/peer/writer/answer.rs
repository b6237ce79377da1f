//! What is said of each append of a group, once it is durable or failed.

use certmesh_api::{Caution, Fault, FaultKind};
use certmesh_ledger::catalogue::NotAllowed;
use certmesh_ledger::disk::too_many_files;
use certmesh_ledger::log::{AppendError, NoEffect, WriteError};
use certmesh_ledger::record::MAX_RECORD;

use super::apply::{Applied, ApplyError};
use super::plan::Outcome;
use super::{GroupCommit, Reply, internal};
use crate::peer::Refusal;
use crate::peer::reasons::{ReadOnly, Unconfirmed};
use crate::peer::refusal::Unsettled;
use crate::peer::requests::{Appended, Position};

/// What is to be said of one append.
pub(super) struct Answer {
    /// What it is named by.
    pub(super) id: String,
    pub(super) warnings: Vec<Fault<Caution>>,
    pub(super) outcome: Outcome,
}

impl GroupCommit {
    pub(super) fn answer(
        &self,
        answers: Vec<Answer>,
        replies: Vec<(usize, Reply)>,
        applied: Result<Applied, ApplyError>,
    ) {
        let Applied {
            records,
            checkpoint,
        } = match applied {
            Ok(applied) => applied,
            Err(error) => {
                tracing::error!(%error, "an append failed");
                self.peer.own.show();
                // What stands in the way of all appends says more than what failed first.
                let refusal = self.peer.append_refusal();
                let refusal = refusal.unwrap_or_else(|| not_applied(&error));
                for (_, reply) in replies {
                    let _ = reply.send(Err(refusal.clone()));
                }
                return;
            }
        };
        let mut new = records.iter();
        let finish = |answer: Answer| {
            let checkpoint = match answer.outcome {
                Outcome::Refused(refusal) => return Err(refusal),
                _ => checkpoint.as_ref().ok_or(Refusal::Internal)?,
            };
            let (position, replayed) = match answer.outcome {
                Outcome::Replayed(record) => (Position::of(checkpoint, &record), true),
                _ => {
                    let record = new.next().ok_or(Refusal::Internal)?;
                    let position =
                        Position::at(checkpoint, record.seq, record.hash, record.time_ms);
                    (position, false)
                }
            };
            Ok(Appended {
                id: answer.id,
                position,
                replayed,
                warnings: answer.warnings,
            })
        };
        let mut outcomes = answers.into_iter().map(finish);
        for (rows, reply) in replies {
            // A client that went away gets nothing; its records are in the log anyway.
            let _ = reply.send(Ok(outcomes.by_ref().take(rows).collect()));
        }
        drop(outcomes);
        if !records.is_empty() {
            self.heads.send_replace(checkpoint);
        }
    }
}

/// Why a group was not appended.
fn not_applied(error: &ApplyError) -> Refusal {
    match error {
        ApplyError::Log(error) => not_written(error),
        ApplyError::Attachments(error) | ApplyError::Mark(error) if too_many_files(error) => {
            Refusal::Overloaded { retry_after_s: 1 }
        }
        ApplyError::Attachments(_) => Refusal::Internal,
        ApplyError::Clock(fault) => Refusal::ClockOff(fault.into()),
        ApplyError::Mark(error) => Refusal::LogReadOnly(ReadOnly::Mark {
            reason: error.to_string(),
        }),
    }
}

/// Why the log took no records.
pub(super) fn not_written(error: &WriteError) -> Refusal {
    match error {
        WriteError::TooLarge { found } => {
            let (found, limit) = (*found, MAX_RECORD);
            Refusal::field("fields", FaultKind::EntryTooLarge { found, limit })
        }
        WriteError::Restoring { missing } => {
            Refusal::OwnLogUnconfirmed(Unconfirmed::Missing { missing: *missing })
        }
        WriteError::Stopped(stopped) => Refusal::LogFrozen(stopped.into()),
        // The node starts again in the next generation, within moments.
        WriteError::OutOfFiles(_) | WriteError::Ended(_) => {
            Refusal::Overloaded { retry_after_s: 1 }
        }
        WriteError::NoEntries | WriteError::Unreadable(_) => Refusal::Internal,
        WriteError::Append(AppendError::ReadOnly { reason, .. }) => {
            let reason = reason.clone();
            Refusal::LogReadOnly(ReadOnly::Refused { reason })
        }
        WriteError::NoKey(why) => (*why).into(),
        WriteError::Behind { known, named } => Refusal::LogReadOnly(ReadOnly::Behind {
            named: *named,
            known: *known,
        }),
        WriteError::LaterVersion(seq) => Refusal::LogReadOnly(ReadOnly::LaterVersion { seq: *seq }),
    }
}

fn succession_faults<T: Into<FaultKind>>(reasons: Vec<T>) -> Refusal {
    let faults = reasons.into_iter();
    Refusal::InvalidField(faults.map(|why| Fault::new("predecessors", why)).collect())
}

/// Why a rule does not allow an entry.
pub(in crate::peer) fn not_allowed(why: NotAllowed) -> Refusal {
    match why {
        NotAllowed::NotThisDepartment { issuer, department } => Refusal::NotThisDepartment {
            named: issuer.as_str().to_owned(),
            own: department,
        },
        NotAllowed::UnknownType(type_code) => Refusal::UnknownType { type_code },
        NotAllowed::Duplicate { .. } | NotAllowed::DuplicateInRequest(_) => {
            Refusal::DuplicateCertificate
        }
        NotAllowed::UnknownCertificate(_) => Refusal::UnknownCertificate,
        NotAllowed::OtherDepartment {
            department,
            changed_by,
            ..
        } => Refusal::other_department(&department, changed_by),
        NotAllowed::StatusOnly {
            department, own, ..
        } => Refusal::status_only(&department, &own),
        NotAllowed::Claimed(_) => Refusal::field("id", FaultKind::Claimed),
        NotAllowed::Unsaid(_) => Refusal::field("action", FaultKind::StatusUnsaid),
        NotAllowed::NotWhole(log) => Refusal::NotSettled(Unsettled::NotWhole {
            log: log.to_string(),
        }),
        NotAllowed::ChangedMeanwhile(_) => Refusal::NotSettled(Unsettled::Changed),
        NotAllowed::Impossible(transition) => transition.into(),
        NotAllowed::OthersType { authority, .. } => {
            Refusal::field("code", FaultKind::OthersType { authority })
        }
        NotAllowed::Misfits(misfits) => succession_faults(misfits),
        NotAllowed::NotReplaceable(reasons) => succession_faults(reasons),
        NotAllowed::NotListed(type_code) => {
            Refusal::field("type", FaultKind::NotListed { type_code })
        }
        // It changed between the checks of the request and its turn.
        NotAllowed::OtherDefinition(_) => Refusal::Overloaded { retry_after_s: 1 },
        NotAllowed::NoEffect(why @ NoEffect::Grants(_)) => Refusal::field("grant", why),
        NotAllowed::NoEffect(why) => Refusal::field("code", why),
        NotAllowed::OwnReceiver => Refusal::field("to", FaultKind::OwnReceiver),
        NotAllowed::UnknownKind(_) => Refusal::Internal,
        NotAllowed::NotAMember(department) => {
            Refusal::field("department", FaultKind::NotAMember { department })
        }
        NotAllowed::UnknownGrant(grant) => {
            Refusal::field("grant", FaultKind::UnknownGrant { grant })
        }
        // The one who asks draws a nonce for each request, as a client does a key.
        NotAllowed::Replayed(_) => Refusal::IdempotencyMismatch,
        NotAllowed::CaseInRequest => Refusal::Overloaded { retry_after_s: 1 },
        NotAllowed::NoRole { department, role } => {
            Refusal::field("id", FaultKind::NoRole { department, role })
        }
        NotAllowed::Read(error) => internal(&error),
    }
}
