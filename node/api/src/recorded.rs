//! A certificate of the ledger in JSON, by a node from its catalogue and by the CLI from a proof file alike.

use certmesh_ledger::log::Checkpoint;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::record::{CertificateIssued, RecordHash, SignedRecord, Status};

use crate::certificates::{Certificate, DefinitionView, Position};

impl Position {
    /// Where a record of this position, hash and time stands in the checkpoint's log.
    pub fn at(checkpoint: &Checkpoint, seq: u64, record: RecordHash, time_ms: u64) -> Position {
        Position {
            log: checkpoint.log.to_string(),
            seq,
            record: record.to_string(),
            time_ms,
            checkpoint_size: checkpoint.size,
            checkpoint_root: checkpoint.root.to_string(),
        }
    }

    /// Where a record of the checkpoint's log stands in it.
    pub fn of(checkpoint: &Checkpoint, signed: &SignedRecord) -> Position {
        let record = signed.record();
        Position::at(checkpoint, record.seq, signed.hash(), record.time_ms)
    }
}

impl Certificate {
    /// A certificate by what its issuing record says (`issued`), where that `record` is in the log of `checkpoint`, and
    /// its `status` as of that checkpoint. `type_name` is for who has the type's definition.
    pub fn recorded(
        issued: &CertificateIssued,
        record: &SignedRecord,
        status: Status,
        checkpoint: &Checkpoint,
        members: &Membership,
        type_name: Option<String>,
    ) -> Certificate {
        let issuer = checkpoint.log.department;
        Certificate {
            id: issued.id.to_string(),
            type_code: issued.id.type_code().to_string(),
            type_name,
            issuer: issuer.to_string(),
            issuer_name: members
                .member(&issuer)
                .map(|member| member.display_name().to_owned()),
            holder_kind: issued.holder_kind.into(),
            valid_from: issued.validity.from().to_string(),
            valid_until: issued.validity.until().map(|until| until.to_string()),
            sharing: issued.sharing.into(),
            field_root: issued.field_root.to_string(),
            succession: issued.succession_kind().map(Into::into),
            predecessors: issued
                .predecessors()
                .iter()
                .map(ToString::to_string)
                .collect(),
            status: status.into(),
            status_code: status.into(),
            position: Position::of(checkpoint, record),
            definition: Some(DefinitionView {
                log: issued.definition.log.department.to_string(),
                seq: issued.definition.seq,
                record: issued.definition.hash.to_string(),
            }),
            verdict: None,
            reason: None,
        }
    }
}
