//! The entry that changes a certificate's status, and the order in which statuses may follow each other.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::codec::Text;
use crate::id::{CertificateId, DepartmentCode};

/// A word outside the list it must come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {}", or(.expected))]
pub struct UnknownWord {
    /// The list.
    pub expected: &'static [&'static str],
}

fn or(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        words => words.concat(),
    }
}

/// Current status of a certificate. Dates are not part of it: a certificate expires without a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Status {
    /// 01 有效
    Valid,
    /// 02 suspended
    Suspended,
    /// 03 withdrawn
    Withdrawn,
    /// 04 cancelled
    Cancelled,
    /// 05 lapsed
    Lapsed,
    /// 06 transferred out
    TransferredOut,
    /// 07 revoked
    Revoked,
    /// Replaced by a successor that names it; the standard's list has no code of its own for this (99 other).
    Superseded,
}

impl Status {
    /// The word used in the API and the CLI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Valid => "valid",
            Status::Suspended => "suspended",
            Status::Withdrawn => "withdrawn",
            Status::Cancelled => "cancelled",
            Status::Lapsed => "lapsed",
            Status::TransferredOut => "transferred-out",
            Status::Revoked => "revoked",
            Status::Superseded => "superseded",
        }
    }

    /// The standard's two-digit code.
    pub const fn code(self) -> &'static str {
        match self {
            Status::Valid => "01",
            Status::Suspended => "02",
            Status::Withdrawn => "03",
            Status::Cancelled => "04",
            Status::Lapsed => "05",
            Status::TransferredOut => "06",
            Status::Revoked => "07",
            Status::Superseded => "99",
        }
    }

    /// Whether nothing changes it any more.
    pub const fn is_final(self) -> bool {
        !matches!(self, Status::Valid | Status::Suspended)
    }

    /// The status after an action.
    ///
    /// # Errors
    /// [`ImpossibleTransition`]: only a valid or a suspended certificate can change at all, only a valid one can be
    /// suspended and only a suspended one reinstated.
    pub fn after(self, action: Action) -> Result<Status, ImpossibleTransition> {
        let possible = match action {
            Action::Suspend => self == Status::Valid,
            Action::Reinstate => self == Status::Suspended,
            _ => matches!(self, Status::Valid | Status::Suspended),
        };
        if possible {
            Ok(action.result())
        } else {
            Err(ImpossibleTransition { from: self, action })
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A status change that cannot follow the current status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate is {from}, so it can't be {}", action.past())]
pub struct ImpossibleTransition {
    /// Current status.
    pub from: Status,
    /// What was asked.
    pub action: Action,
}

/// What an issuer does to a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Action {
    /// Not in force until reinstated.
    Suspend,
    /// In force again.
    Reinstate,
    /// Declared void for cause.
    Revoke,
    /// Ended at the holder's request or because its purpose is fulfilled.
    Cancel,
    /// Taken back by the issuer.
    Withdraw,
    /// Ended by operation of law.
    Lapse,
    /// Let go, for this department to take over and no other.
    TransferOut(DepartmentCode),
}

/// Why a word, with or without a receiver, is not an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAction {
    /// An unknown word.
    #[error("{0}")]
    Word(#[from] UnknownWord),
    /// A transfer without a receiver.
    #[error("a transfer names the department that may take the certificate over")]
    NoReceiver,
    /// A receiver of something that isn't transferred.
    #[error("only a transfer-out names a department that may take the certificate over")]
    Receiver,
}

impl Action {
    /// The action that a word names; `to` is the receiver of a transfer, and of nothing else.
    ///
    /// # Errors
    /// [`NotAnAction`].
    pub fn read(word: &str, to: Option<DepartmentCode>) -> Result<Action, NotAnAction> {
        let action = match (word, to) {
            ("transfer-out", Some(to)) => return Ok(Action::TransferOut(to)),
            ("transfer-out", None) => return Err(NotAnAction::NoReceiver),
            ("suspend", _) => Action::Suspend,
            ("reinstate", _) => Action::Reinstate,
            ("revoke", _) => Action::Revoke,
            ("cancel", _) => Action::Cancel,
            ("withdraw", _) => Action::Withdraw,
            ("lapse", _) => Action::Lapse,
            _ => {
                return Err(NotAnAction::Word(UnknownWord {
                    expected: &[
                        "suspend",
                        "reinstate",
                        "revoke",
                        "cancel",
                        "withdraw",
                        "lapse",
                        "transfer-out",
                    ],
                }));
            }
        };
        match to {
            Some(_) => Err(NotAnAction::Receiver),
            None => Ok(action),
        }
    }

    /// Who may take the certificate over, if it is transferred out.
    pub const fn receiver(self) -> Option<DepartmentCode> {
        match self {
            Action::TransferOut(to) => Some(to),
            _ => None,
        }
    }

    /// The word used in the API and the CLI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Suspend => "suspend",
            Action::Reinstate => "reinstate",
            Action::Revoke => "revoke",
            Action::Cancel => "cancel",
            Action::Withdraw => "withdraw",
            Action::Lapse => "lapse",
            Action::TransferOut(_) => "transfer-out",
        }
    }

    /// The word for it when done.
    pub const fn past(self) -> &'static str {
        match self {
            Action::Reinstate => "reinstated",
            other => other.result().as_str(),
        }
    }

    /// The status it leads to.
    pub const fn result(self) -> Status {
        match self {
            Action::Suspend => Status::Suspended,
            Action::Reinstate => Status::Valid,
            Action::Revoke => Status::Revoked,
            Action::Cancel => Status::Cancelled,
            Action::Withdraw => Status::Withdrawn,
            Action::Lapse => Status::Lapsed,
            Action::TransferOut(_) => Status::TransferredOut,
        }
    }
}

/// Why a status changed, as a code that can be counted; the text beside it says the particulars.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reason {
    /// 01 the holder asked for it.
    HolderRequest,
    /// 02 issued in error.
    IssuedInError,
    /// 03 obtained by deception.
    Deception,
    /// 04 conditions of the certificate broken.
    ConditionsBroken,
    /// 05 the holder died or was dissolved.
    HolderEnded,
    /// 06 lost or damaged.
    Lost,
    /// 07 decision of a court or a superior authority.
    Decision,
    /// 99 only the text says it.
    Other,
}

impl Reason {
    const ALL: [Reason; 8] = [
        Reason::HolderRequest,
        Reason::IssuedInError,
        Reason::Deception,
        Reason::ConditionsBroken,
        Reason::HolderEnded,
        Reason::Lost,
        Reason::Decision,
        Reason::Other,
    ];

    /// The two-digit code.
    pub const fn code(self) -> &'static str {
        match self {
            Reason::HolderRequest => "01",
            Reason::IssuedInError => "02",
            Reason::Deception => "03",
            Reason::ConditionsBroken => "04",
            Reason::HolderEnded => "05",
            Reason::Lost => "06",
            Reason::Decision => "07",
            Reason::Other => "99",
        }
    }

    /// The reason in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::HolderRequest => "at the holder's request",
            Reason::IssuedInError => "issued in error",
            Reason::Deception => "obtained by deception",
            Reason::ConditionsBroken => "conditions broken",
            Reason::HolderEnded => "holder died or was dissolved",
            Reason::Lost => "lost or damaged",
            Reason::Decision => "decision of a court or superior authority",
            Reason::Other => "other",
        }
    }
}

/// A text that is not a reason's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected 01 holder's request, 02 issued in error, 03 deception, 04 conditions broken, 05 holder died or dissolved, \
     06 lost or damaged, 07 decision of a court or superior, or 99 other"
)]
pub struct NotAReason;

impl FromStr for Reason {
    type Err = NotAReason;

    fn from_str(text: &str) -> Result<Reason, NotAReason> {
        let mut all = Reason::ALL.into_iter();
        all.find(|reason| reason.code() == text).ok_or(NotAReason)
    }
}

/// Another department's certificate, of which this log's department is the successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inherited {
    /// The department whose log issued the certificate.
    pub department: DepartmentCode,
    /// The status that the departments before this one on the certificate's way gave it: the first change here goes on from
    /// it.
    pub from: Status,
}

/// The status of a certificate changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChanged {
    /// Which certificate.
    pub id: CertificateId,
    /// What was done.
    pub action: Action,
    /// Why, as a code.
    pub reason: Reason,
    /// Why, in words that do not name the holder.
    pub text: Text<512>,
    /// Whose certificate it is, if this log's department inherited it; `None` for one of this log.
    pub inherited: Option<Inherited>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIVER: &str = "11330105002500287C";

    fn actions() -> [Action; 7] {
        [
            Action::Suspend,
            Action::Reinstate,
            Action::Revoke,
            Action::Cancel,
            Action::Withdraw,
            Action::Lapse,
            Action::TransferOut(RECEIVER.parse().unwrap()),
        ]
    }

    #[test]
    fn only_valid_and_suspended_certificates_change() {
        let suspended = Status::Valid.after(Action::Suspend).unwrap();
        assert_eq!(suspended.after(Action::Reinstate), Ok(Status::Valid));
        assert_eq!(suspended.after(Action::Revoke), Ok(Status::Revoked));
        let error = Status::Revoked.after(Action::Reinstate).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the certificate is revoked, so it can't be reinstated"
        );
        for action in actions() {
            for ended in [
                Status::Revoked,
                Status::Cancelled,
                Status::Withdrawn,
                Status::Lapsed,
                Status::Superseded,
            ] {
                assert!(ended.after(action).is_err());
            }
        }
        assert!(Status::Valid.after(Action::Reinstate).is_err());
        assert!(Status::Suspended.after(Action::Suspend).is_err());
    }

    #[test]
    fn every_word_and_code_reads_back() {
        for action in actions() {
            assert_eq!(Action::read(action.as_str(), action.receiver()), Ok(action));
        }
        let to = Some(RECEIVER.parse().unwrap());
        assert_eq!(
            Action::read("transfer-out", None),
            Err(NotAnAction::NoReceiver)
        );
        assert_eq!(Action::read("revoke", to), Err(NotAnAction::Receiver));
        assert!(matches!(
            Action::read("remove", None),
            Err(NotAnAction::Word(_))
        ));
        for reason in Reason::ALL {
            assert_eq!(reason.code().parse(), Ok(reason));
        }
    }
}
