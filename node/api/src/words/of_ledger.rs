//! What the sets take over from the ledger's types that hold more than a word.

use certmesh_ledger::{acceptance, record, verify};

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

#[cfg(test)]
mod tests {
    use certmesh_ledger::id;

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
