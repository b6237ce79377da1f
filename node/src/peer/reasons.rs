//! Why the own log takes no appends, why something can't be proved or recorded: what refusals, states and warnings show,
//! each a code with arguments. The sentences are in the catalogue of `certmesh-text`, under the family and the code.

use certmesh_api::{Arg, Argument, coded};
use certmesh_ledger::clocks::ClockFault;
use certmesh_ledger::id::ChinaTime;
use certmesh_ledger::journal::JournalError;
use certmesh_ledger::log::Stopped;
use certmesh_text::{Broken, CopyEnd, Damaged, NoProof, NotNewest, NotTheFile, few, sentences};

use super::Refusal;

/// Most names or positions in one list.
const NAMED: usize = 5;

/// Names, or positions of records: a sentence shows the first few, and counts the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl Argument for Names {
    fn arg(&self) -> Arg {
        match &*self.0 {
            [] => Arg::Absent,
            names => Arg::Text(few(names, NAMED)),
        }
    }
}

coded! {
    /// Whose word on the own log is awaited.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Awaiting: "awaited" {
        /// That of this many members.
        "members" Members {
            /// Members that have confirmed.
            confirmed: usize,
            /// Members that have to.
            needed: usize,
            /// Those that are not connected.
            absent: Names,
            /// Those that are connected and have not confirmed.
            silent: Names,
        },
    }
}

coded! {
    /// Why the own log on disk may not be all of it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Loss: "loss" {
        /// It was damaged, and set aside.
        "damaged" Damaged {
            /// What is wrong with it.
            damage: Damaged,
            /// Where it is now.
            path: String,
        },
        /// Its head file is missing.
        "head-missing" HeadMissing,
        /// It is empty, though its first record was begun.
        "begun" Begun,
        /// A loss that an earlier start found.
        "earlier" Earlier,
        /// The data directory is another one than the node ran with last.
        "other-directory" OtherDirectory {
            /// The file that says so.
            mark: String,
        },
        /// Other members hold records of a log that counts as new.
        "held-by-others" HeldByOthers,
    }
}

coded! {
    /// Why the own log does not count as whole.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Unconfirmed: "unconfirmed" {
        /// Members have to confirm it.
        "confirming" Confirming {
            /// Whose word is awaited.
            awaited: Awaiting,
        },
        /// Something was lost, so all of them are asked.
        "lost" Lost {
            /// What.
            loss: Loss,
            /// Whose word is awaited.
            awaited: Box<Awaiting>,
        },
        /// Another run of this peer has the log.
        "elsewhere" Elsewhere {
            /// Members that it connected to first.
            reported_by: usize,
        },
        /// Records come back from other members.
        "restoring" Restoring {
            /// Records on disk.
            held: u64,
            /// Records there are.
            known: u64,
            /// Whether a copy set aside may have those that no member holds.
            set_aside: bool,
        },
        /// The same, where an operator wanted to continue without them.
        "would-fork" WouldFork,
        /// An operator continues after a loss that was none.
        "no-loss" NoLoss,
        /// Records can be taken back only when members have said what they hold.
        "unheard" Unheard {
            /// Whose word is awaited.
            awaited: Awaiting,
        },
        /// Records can be taken back only when those that members hold have come.
        "others-hold-more" OthersHoldMore {
            /// Records on disk.
            held: u64,
            /// Records that members hold.
            shown: u64,
        },
        /// Records under a checkpoint signed before are missing.
        "missing" Missing {
            /// How many.
            missing: u64,
        },
    }
}

coded! {
    /// Why a log has stopped for good.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum StoppedBy: "stopped" {
        /// Its department signed two histories.
        "forked" Forked {
            /// The first record that differs.
            at: u64,
        },
        /// It breaks a rule of logs.
        "broken" Broken {
            /// Which.
            rule: Broken,
        },
    }
}

coded! {
    /// Why the own log can't be written.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum ReadOnly: "read-only" {
        /// The disk refused a write.
        "refused" Refused {
            /// What it said.
            reason: String,
        },
        /// A record of it is of a later version.
        "later-version" LaterVersion {
            /// Its position.
            seq: u64,
        },
        /// The mark of the last run can't be written.
        "mark" Mark {
            /// What the disk said.
            reason: String,
        },
        /// Its operating key has ended.
        "key-ended" KeyEnded,
        /// The operating key in force is not this node's.
        "key-not-held" KeyNotHeld {
            /// Its epoch.
            epoch: u32,
        },
        /// The log was written by more of the members' decisions than are known here.
        "behind" Behind {
            /// The governance height that its last record names.
            named: u64,
            /// The last one known here.
            known: u64,
        },
        /// The members have suspended this department.
        "suspended" Suspended {
            /// In which block.
            height: u64,
        },
        /// They have removed it.
        "removed" Removed,
    }
}

coded! {
    /// Why this machine's clock dates no records.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum ClockOff: "clock" {
        /// The other members' clocks say something else.
        "off-members" OffMembers {
            /// What it shows.
            own: ChinaTime,
            /// What theirs show.
            theirs: ChinaTime,
            /// How many they are.
            members: usize,
        },
        /// The own log's last record is dated later.
        "before-last" BeforeLast {
            /// What it shows.
            own: ChinaTime,
            /// When that record was made.
            last: ChinaTime,
        },
        /// Nobody has recorded anything for too long.
        "far-ahead" FarAhead {
            /// What it shows.
            own: ChinaTime,
            /// When the last record that counts was made.
            last: ChinaTime,
        },
    }
}

coded! {
    /// Why a look-up can't be recorded.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Unrecorded: "unrecorded" {
        /// The disk failed.
        "disk" Disk {
            /// What it said.
            error: String,
        },
        /// A file is not one of this journal.
        "file" File {
            /// The file.
            name: String,
            /// What it is instead.
            file: NotTheFile,
        },
        /// The system gives no random bytes.
        "random" Random {
            /// What it said.
            error: String,
        },
    }
}

coded! {
    /// Why nothing was taken back from what was set aside.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum NotSalvaged: "salvage" {
        /// It does not reach the checkpoint signed last.
        "not-whole" NotWhole {
            /// Records that are whole and continue the log.
            whole: u64,
            /// Records that are missing.
            missing: u64,
            /// The first that is not whole.
            at: u64,
            /// What is wrong there.
            end: CopyEnd,
        },
        /// It is not what that checkpoint covers.
        "differs" Differs {
            /// The checkpoint's size.
            size: u64,
        },
    }
}

coded! {
    /// Why a certificate can't be proved at present.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Unprovable: "unprovable" {
        /// The log is in dispute.
        "disputed" Disputed {
            /// The first record in dispute.
            at: u64,
        },
        /// The newest records may be missing.
        "not-newest" NotNewestHeld {
            /// What is missing.
            missing: NotNewest,
        },
        /// The own log is not confirmed.
        "unconfirmed" Unconfirmed {
            /// Why not.
            why: Option<Box<Refusal>>,
        },
        /// It was not made.
        "not-made" NotMade {
            /// Why not.
            why: NoProof,
        },
    }
}

sentences!(
    Awaiting,
    Loss,
    Unconfirmed,
    StoppedBy,
    ReadOnly,
    ClockOff,
    Unrecorded,
    NotSalvaged,
    Unprovable,
);

impl Argument for Box<Awaiting> {
    fn arg(&self) -> Arg {
        (**self).arg()
    }
}

impl From<&Stopped> for StoppedBy {
    fn from(stopped: &Stopped) -> StoppedBy {
        match stopped {
            Stopped::Forked(evidence) => StoppedBy::Forked {
                at: evidence.position(),
            },
            Stopped::Broken(rule) => StoppedBy::Broken { rule: rule.into() },
        }
    }
}

impl From<&ClockFault> for ClockOff {
    fn from(fault: &ClockFault) -> ClockOff {
        match *fault {
            ClockFault::OffMembers {
                own_ms,
                members_ms,
                members,
            } => ClockOff::OffMembers {
                own: ChinaTime(own_ms),
                theirs: ChinaTime(members_ms),
                members,
            },
            ClockFault::BeforeLast { own_ms, last_ms } => ClockOff::BeforeLast {
                own: ChinaTime(own_ms),
                last: ChinaTime(last_ms),
            },
            ClockFault::FarAhead { own_ms, last_ms } => ClockOff::FarAhead {
                own: ChinaTime(own_ms),
                last: ChinaTime(last_ms),
            },
        }
    }
}

impl From<&JournalError> for Unrecorded {
    fn from(error: &JournalError) -> Unrecorded {
        match error {
            JournalError::Io(error) => Unrecorded::Disk {
                error: error.to_string(),
            },
            JournalError::Header { file, error } => Unrecorded::File {
                name: file.clone(),
                file: error.into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use certmesh_text::check::mismatches;
    use certmesh_text::say;

    use super::*;

    #[test]
    fn each_reason_has_a_text_with_its_arguments_and_each_text_a_reason() {
        let found = [
            mismatches::<Awaiting>(),
            mismatches::<Loss>(),
            mismatches::<Unconfirmed>(),
            mismatches::<StoppedBy>(),
            mismatches::<ReadOnly>(),
            mismatches::<ClockOff>(),
            mismatches::<Unrecorded>(),
            mismatches::<NotSalvaged>(),
            mismatches::<Unprovable>(),
        ];
        assert_eq!(found.concat(), Vec::<String>::new());
    }

    #[test]
    fn what_is_awaited_names_five_members_at_most_of_each_kind() {
        let names = |count: usize| Names((0..count).map(|n| format!("甲{n}")).collect());
        let awaited = |absent, silent| {
            say(&Awaiting::Members {
                confirmed: 0,
                needed: 1,
                absent: names(absent),
                silent: names(silent),
            })
        };
        assert_eq!(
            awaited(1, 0),
            "0 of 1 needed confirmations; not connected: 甲0"
        );
        assert_eq!(
            awaited(7, 2),
            "0 of 1 needed confirmations; not connected: 甲0, 甲1, 甲2, 甲3, 甲4 and 2 more; not answered yet: 甲0, 甲1"
        );
    }
}
