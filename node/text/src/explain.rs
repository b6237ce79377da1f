//! A verdict in one sentence, the same for what a peer holds and for what a proof shows.

use certmesh_api::coded;
use certmesh_ledger::id::{CertificateId, ChinaTime, Date, DepartmentCode};
use certmesh_ledger::membership::Membership;
use certmesh_ledger::record::{Entry, Record, Status};
use certmesh_ledger::verify::{Missing, NotValid, Verdict};

use crate::catalogue::{few, say};
use crate::sentences;
use crate::verdict::{Reason, missing};

/// Successors that the sentence names; the others are counted.
const NAMED: usize = 4;

/// A verdict and what its explanation takes from the records.
pub struct Explained<'a> {
    /// The verdict.
    pub verdict: &'a Verdict,
    /// The record that gave the certificate its status, if one did.
    pub change: Option<&'a Record>,
    /// What is known to have taken its place, each with its department.
    pub successors: Vec<(&'a CertificateId, DepartmentCode)>,
    /// The members, for their names.
    pub members: &'a Membership,
    /// What the verdict rests on.
    pub basis: Basis,
}

/// What a verdict rests on.
#[derive(Clone, Copy, Debug)]
pub enum Basis {
    /// The logs that a peer holds.
    Logs {
        /// Whether the certificate is in the peer's own log and other members have not confirmed that log.
        unconfirmed: bool,
    },
    /// A proof in a file.
    Proof {
        /// The day the verdict is for.
        on: Date,
        /// Until when the proof shows what the issuer had recorded.
        until: ChinaTime,
        /// Whether a department other than the issuer signed it.
        witnessed: bool,
    },
}

coded! {
    enum Sentence: "verdict" {
        "valid" Valid,
        "valid-by-proof" ValidByProof { on: Date, until: ChinaTime, witnessed: bool },
        "not-valid" NotValid {
            reason: Reason,
            change: Option<Change>,
            place: Option<Place>,
            unconfirmed: bool,
        },
        "not-valid-by-proof" NotValidByProof {
            reason: Reason,
            change: Option<Change>,
            place: Option<Place>,
            on: Date,
        },
        "unknown" Unknown { missing: String },
        "unknown-by-proof" UnknownByProof { witness: bool },
    }
}

coded! {
    /// When and why the issuer changed the status.
    enum Change: "change" {
        "recorded" Recorded {
            /// Shown where no history is at hand.
            time: Option<ChinaTime>,
            cause: String,
            /// What the issuer added.
            text: Option<String>,
        },
    }
}

coded! {
    /// What the reason itself does not say of what took the certificate's place.
    enum Place: "place" {
        "also-by" AlsoBy { ids: String },
        "taken-over" TakenOver { by: String },
        "open" Open { name: String, to: DepartmentCode },
        "open-outside" OpenOutside { to: DepartmentCode },
    }
}

coded! {
    /// Who took a certificate over.
    enum Taker: "taker" {
        "of" Of { name: String, department: DepartmentCode, id: CertificateId },
    }
}

sentences!(Change, Place);

/// A verdict in words: what it is, why, and what took the certificate's place.
pub fn explain(explained: &Explained<'_>) -> String {
    say(&match (explained.verdict, explained.basis) {
        (Verdict::Valid, Basis::Logs { .. }) => Sentence::Valid,
        (
            Verdict::Valid,
            Basis::Proof {
                on,
                until,
                witnessed,
            },
        ) => Sentence::ValidByProof {
            on,
            until,
            witnessed,
        },
        (Verdict::NotValid(reason), Basis::Logs { unconfirmed }) => Sentence::NotValid {
            reason: reason.into(),
            change: explained.change(),
            place: explained.place(reason),
            unconfirmed,
        },
        (Verdict::NotValid(reason), Basis::Proof { on, .. }) => Sentence::NotValidByProof {
            reason: reason.into(),
            change: explained.change(),
            place: explained.place(reason),
            on,
        },
        (Verdict::Unknown(lacks), Basis::Logs { .. }) => {
            let lacks: Vec<String> = lacks.iter().map(missing).collect();
            Sentence::Unknown {
                missing: lacks.join("; "),
            }
        }
        (Verdict::Unknown(lacks), Basis::Proof { .. }) => Sentence::UnknownByProof {
            witness: lacks.contains(&Missing::Witness),
        },
    })
}

impl Explained<'_> {
    fn change(&self) -> Option<Change> {
        let record = self.change?;
        let Entry::StatusChanged(changed) = &record.entry else {
            return None;
        };
        let time = match self.basis {
            Basis::Logs { .. } => None,
            Basis::Proof { .. } => Some(ChinaTime(record.time_ms)),
        };
        Some(Change::Recorded {
            time,
            cause: changed.reason.as_str().to_owned(),
            text: Some(changed.text.to_string()).filter(|text| !text.is_empty()),
        })
    }

    fn place(&self, reason: &NotValid) -> Option<Place> {
        let successors = self.successors.iter();
        match reason {
            // The first is named by the reason.
            NotValid::Superseded { .. } => {
                let others: Vec<String> =
                    successors.skip(1).map(|(id, _)| id.to_string()).collect();
                (!others.is_empty()).then(|| Place::AlsoBy {
                    ids: few(&others, NAMED),
                })
            }
            NotValid::Status(Status::TransferredOut) => {
                let takers: Vec<String> = successors
                    .map(|(id, department)| {
                        say(&Taker::Of {
                            name: self.name_of(department).unwrap_or_default(),
                            department: *department,
                            id: (*id).clone(),
                        })
                    })
                    .collect();
                match takers.is_empty() {
                    true => self.open(),
                    false => Some(Place::TakenOver {
                        by: few(&takers, NAMED),
                    }),
                }
            }
            _ => None,
        }
    }

    /// Whom a certificate was let go to.
    fn open(&self) -> Option<Place> {
        let Entry::StatusChanged(changed) = &self.change?.entry else {
            return None;
        };
        let to = changed.action.receiver()?;
        Some(match self.name_of(&to) {
            Some(name) => Place::Open { name, to },
            None => Place::OpenOutside { to },
        })
    }

    fn name_of(&self, department: &DepartmentCode) -> Option<String> {
        self.members.name_of(department)
    }
}

#[cfg(test)]
mod tests {
    use certmesh_ledger::codec::Text;
    use certmesh_ledger::crypto::keys::{CatalogueKey, Secret, SigningKey};
    use certmesh_ledger::crypto::sealing::SealingSecret;
    use certmesh_ledger::genesis::{Department, Genesis, PeerId, Policy};
    use certmesh_ledger::record::{Action, Reason as Cause, RecordHash, StatusChanged};

    use super::*;
    use crate::check::mismatches;

    const ID: &str = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U";
    const MEMBER: &str = "11430000006122244L";
    const STRANGER: &str = "11330105002500287C";
    const LOGS: Basis = Basis::Logs { unconfirmed: false };
    const PROOF: Basis = Basis::Proof {
        on: Date::MIN,
        until: ChinaTime(0),
        witnessed: true,
    };

    fn code(text: &str) -> DepartmentCode {
        text.parse().unwrap()
    }

    /// A network of one member.
    fn members() -> Membership {
        let department = Department {
            code: code(MEMBER),
            name: Text::new("Transport").unwrap(),
            name_zh: None,
            roles: Default::default(),
            governs: true,
            identity_key: SigningKey::from_seed(&[11; 32]).public(),
            signing_key: SigningKey::from_seed(&[1; 32]).public(),
            peer_id: PeerId::from_transport_seed(&[2; 32]),
            sealing_key: SealingSecret::from_seed(&[12; 32]).public(),
            addresses: Default::default(),
        };
        let key = CatalogueKey(Secret::from_bytes([3; 32]));
        let (key, policy) = (key.commitment(), Policy::usual());
        let genesis = Genesis::new("Test", 1, key, policy, vec![department]);
        Membership::from_genesis(&genesis.unwrap())
    }

    fn changed(action: Action, text: &str) -> Record {
        Record {
            seq: 4,
            prev: RecordHash::NONE,
            time_ms: 0,
            height: 0,
            key_epoch: 0,
            entry: Entry::StatusChanged(StatusChanged {
                id: ID.parse().unwrap(),
                action,
                reason: Cause::Deception,
                text: Text::new(text).unwrap(),
                inherited: None,
            }),
        }
    }

    /// The explanation of a verdict with the record that changed the status and this many successors of the member.
    fn said(verdict: &Verdict, change: Option<&Record>, successors: usize, basis: Basis) -> String {
        let id: CertificateId = ID.parse().unwrap();
        explain(&Explained {
            verdict,
            change,
            successors: vec![(&id, code(MEMBER)); successors],
            members: &members(),
            basis,
        })
    }

    #[test]
    fn each_explanation_has_a_text_with_its_arguments_and_each_text_an_explanation() {
        let found = [
            mismatches::<Sentence>(),
            mismatches::<Change>(),
            mismatches::<Place>(),
            mismatches::<Taker>(),
        ];
        assert_eq!(found.concat(), Vec::<String>::new());
    }

    #[test]
    fn a_change_of_status_is_explained_alike_by_logs_and_by_a_proof_which_adds_day_and_time() {
        let verdict = Verdict::NotValid(NotValid::Status(Status::Revoked));
        let record = changed(Action::Revoke, "forged evidence");
        assert_eq!(
            said(&verdict, Some(&record), 0, LOGS),
            "its issuer has recorded it as revoked: obtained by deception (forged evidence)"
        );
        assert_eq!(
            said(&verdict, Some(&record), 0, PROOF),
            "Not in force on 1900-01-01: its issuer has recorded it as revoked on 1970-01-01 08:00:00 CST: obtained by \
             deception (forged evidence)."
        );
        let record = changed(Action::Revoke, "");
        let unconfirmed = said(
            &verdict,
            Some(&record),
            0,
            Basis::Logs { unconfirmed: true },
        );
        let warning = ": obtained by deception; this department's own log is not yet confirmed";
        assert!(unconfirmed.contains(warning), "{unconfirmed}");
    }

    #[test]
    fn what_took_a_certificate_s_place_is_named_up_to_four_and_then_counted() {
        let replaced = Verdict::NotValid(NotValid::Superseded {
            by: Some(ID.parse().unwrap()),
        });
        assert_eq!(
            said(&replaced, None, 1, LOGS),
            format!("it was replaced by {ID}")
        );
        assert_eq!(
            said(&replaced, None, 2, LOGS),
            format!("it was replaced by {ID} and by {ID}")
        );
        assert!(said(&replaced, None, 8, LOGS).ends_with(" and 3 more"));
    }

    #[test]
    fn a_certificate_let_go_names_who_took_it_or_may_take_it() {
        let verdict = Verdict::NotValid(NotValid::Status(Status::TransferredOut));
        let to = |to| changed(Action::TransferOut(code(to)), "");
        let taken = said(&verdict, Some(&to(MEMBER)), 1, LOGS);
        let by = format!("; Transport ({MEMBER}) took it over as {ID}");
        assert!(taken.ends_with(&by), "{taken}");
        let open = said(&verdict, Some(&to(MEMBER)), 0, LOGS);
        let by = format!("; Transport ({MEMBER}) may take it over");
        assert!(open.contains(&by), "{open}");
        let outside = said(&verdict, Some(&to(STRANGER)), 0, PROOF);
        let by = format!("; department {STRANGER}, which is not a member of this network, may");
        assert!(outside.contains(&by), "{outside}");
    }

    #[test]
    fn only_a_valid_certificate_is_called_in_force() {
        let unknown = Verdict::Unknown(vec![Missing::Witness, Missing::StatusSince { at: 4 }]);
        let expired = Verdict::NotValid(NotValid::Expired { until: Date::MIN });
        for basis in [LOGS, PROOF] {
            assert!(said(&Verdict::Valid, None, 0, basis).contains("in force"));
            let of_expired = said(&expired, None, 0, basis);
            assert!(!of_expired.contains("enuine") && of_expired.contains("its last day was"));
            let of_unknown = said(&unknown, None, 0, basis);
            assert!(!of_unknown.contains("in force"), "{of_unknown}");
        }
        assert!(said(&unknown, None, 0, LOGS).contains("its status since record 4"));
        let alone = Basis::Proof {
            on: Date::MIN,
            until: ChinaTime(0),
            witnessed: false,
        };
        let said = said(&Verdict::Valid, None, 0, alone);
        assert!(said.ends_with("no other department has signed this proof."));
    }
}
