//! What an operator should know of a log, or of the node: codes with arguments, shown by the catalogue of `certmesh-text`.

use certmesh_api::{Arg, Argument, coded};
use certmesh_ledger::id::ChinaTime;
use certmesh_text::{NotNewest, all_of, say, sentences};

use super::Refusal;
use super::reasons::{Names, StoppedBy, Unrecorded};

coded! {
    /// What happened to a log, or what is missing.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum LogDetail: "log" {
        /// It has stopped.
        "stopped" Stopped(why: StoppedBy),
        /// It is this department's own, and takes no appends.
        "own" Own(why: Refusal),
        /// The disk does not let its copy continue.
        "refused" Refused {
            /// What the disk said.
            reason: String,
            /// Why nothing is valid by it, if nothing is.
            missing: Option<NotNewest>,
        },
        /// It was damaged, and is being fetched again.
        "set-aside" SetAside {
            /// Where the damaged copy is.
            path: String,
        },
        /// It has a record of a later version.
        "later-version" LaterVersion {
            /// Its position.
            seq: u64,
        },
        /// Nothing is valid by it at present.
        "not-newest" NotNewest {
            /// What is missing.
            missing: NotNewest,
        },
        /// Its newest record is dated ahead of this peer's clock.
        "dated-ahead" DatedAhead {
            /// That record's time.
            newest: ChinaTime,
            /// What this peer's clock shows.
            own: ChinaTime,
        },
    }
}

coded! {
    /// What an operator should know of.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Warning: "warning" {
        /// The own log takes no appends.
        "own-log" OwnLog(why: Refusal),
        /// This machine's clock is off those of the other members.
        "clock" Clock {
            /// By how much, s.
            off_s: u64,
            /// Whether it is ahead.
            ahead: bool,
            /// How many members there are to compare with.
            members: usize,
            /// What it shows.
            own: ChinaTime,
            /// What theirs show.
            theirs: ChinaTime,
        },
        /// Another run of this peer is connected to members.
        "other-instance" OtherInstance {
            /// To which.
            connected_to: Names,
        },
        /// Look-ups can't be recorded.
        "not-recorded" NotRecorded(why: Unrecorded),
        /// A catalogue key is missing, or decisions that may have brought one.
        "catalogue-key" CatalogueKey(why: Refusal),
        /// A part of the look-up journal can't be read.
        "journal-damaged" JournalDamaged {
            /// The file.
            file: String,
            /// First byte of the part.
            from: u64,
            /// The byte after its last.
            to: u64,
            /// Whether it is whole, but written under another field key.
            other_key: bool,
        },
        /// What is on disk of the own log is not what was written.
        "own-damaged" OwnDamaged,
        /// Governance could not be kept on disk.
        "governance" Governance {
            /// What the disk said.
            error: String,
        },
        /// Too few governors' nodes can be reached for anything to be decided.
        "undecidable" Undecidable {
            /// Governors whose nodes can be reached and vote.
            reached: usize,
            /// Governors.
            governors: usize,
            /// Governors whose nodes have to vote.
            needed: usize,
            /// Those that can't be reached, or don't vote.
            missing: Names,
        },
        /// All governors' nodes that can be reached are needed.
        "no-spare-governor" NoSpareGovernor {
            /// Governors.
            governors: usize,
            /// Governors whose nodes have to vote.
            needed: usize,
            /// Those that can't be reached, or don't vote.
            missing: Names,
        },
        /// This node may have forgotten how it voted, and so votes no more with the operating key in force.
        "no-vote" NoVote,
        /// The format version in force is one that this node does not know.
        "outdated" Outdated {
            /// That version.
            version: u32,
            /// The block that raised it.
            height: u64,
            /// The latest version that this node knows.
            known: u32,
        },
        /// A recovery waits that this node can't vote for.
        "withholds" Withholds {
            /// The block that it gave its vote, as its hash begins.
            block: String,
        },
        /// Proposals wait for this department's approval.
        "unapproved" Unapproved {
            /// How many.
            count: usize,
            /// How their hashes begin.
            proposals: Names,
        },
        /// This department has had the same operating key for long.
        "old-key" OldKey {
            /// Its epoch.
            epoch: u32,
            /// For how long, days.
            days: u64,
            /// After which it is to be replaced, days.
            limit: u64,
        },
        /// Bodies are missing though no record says that they were erased.
        "lost" Lost {
            /// Of what.
            parts: LostParts,
        },
        /// Something about another department's log.
        "log" Log {
            /// The department's name.
            name: String,
            /// What.
            detail: LogDetail,
        },
        /// The members may have decided what is not known here.
        "decisions-unknown" DecisionsUnknown {
            /// For how long; `None` since the peer started.
            minutes: Option<u64>,
        },
        /// Nobody has confirmed lately that what is held of these logs is the newest.
        "silent" Silent {
            /// The departments' names.
            logs: Names,
        },
    }
}

coded! {
    /// What is lost, by kind.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum LostPart: "lost" {
        /// The fields of certificates.
        "fields" Fields {
            /// How many.
            count: usize,
            /// Positions of their records.
            records: Names,
        },
        /// Attachments of certificates.
        "attachments" Attachments {
            /// Of how many.
            count: usize,
            /// Positions of their records.
            records: Names,
        },
        /// Copies of what was retrieved.
        "copies" Copies {
            /// Of how many retrievals.
            count: usize,
            /// Positions of their records.
            records: Names,
        },
        /// What was collected for cases.
        "cases" Cases {
            /// How many.
            count: usize,
            /// Positions of their records.
            records: Names,
        },
    }
}

/// Everything that is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LostParts(pub Vec<LostPart>);

impl Argument for LostParts {
    fn arg(&self) -> Arg {
        let parts: Vec<String> = self.0.iter().map(say).collect();
        Arg::Text(all_of(&parts))
    }
}

sentences!(LogDetail);

#[cfg(test)]
mod tests {
    use certmesh_text::check::mismatches;

    use super::*;

    #[test]
    fn each_warning_has_a_text_with_its_arguments_and_each_text_a_warning() {
        let found = [
            mismatches::<LogDetail>(),
            mismatches::<Warning>(),
            mismatches::<LostPart>(),
        ];
        assert_eq!(found.concat(), Vec::<String>::new());
    }

    #[test]
    fn what_is_lost_is_counted_by_kind_and_its_first_records_are_named() {
        let records = |positions: &[u64]| Names(positions.iter().map(u64::to_string).collect());
        let parts = LostParts(vec![
            LostPart::Fields {
                count: 7,
                records: records(&[1, 3, 4, 5, 6, 7, 8]),
            },
            LostPart::Cases {
                count: 1,
                records: records(&[9]),
            },
        ]);
        let said = say(&Warning::Lost { parts });
        assert!(
            said.starts_with(
                "lost on this disk and not erased: the fields of 7 certificates (records 1, 3, 4, 5, 6 and 2 more) and \
                 what was collected for 1 case (record 9); nobody else has them"
            ),
            "{said}"
        );
    }

    #[test]
    fn a_part_of_the_journal_that_cannot_be_read_is_named_with_the_reason() {
        let reported = |other_key| {
            say(&Warning::JournalDamaged {
                file: "2026-01.looks".to_owned(),
                from: 64,
                to: 12_000,
                other_key,
            })
        };
        let part = "(lookups/2026-01.looks, bytes 64 to 12000:";
        for (other_key, why) in [
            (false, "damaged"),
            (true, "written under another field key"),
        ] {
            let text = reported(other_key);
            assert!(text.contains(&format!("{part} {why})")), "{text}");
        }
    }
}
