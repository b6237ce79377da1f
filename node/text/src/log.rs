//! What is wrong with a log: the rules that its department broke, and what is damaged in its files.

use certmesh_api::coded;
use certmesh_ledger::crypto::keys::KeyError;
use certmesh_ledger::log::{BrokenRule, Damage, End, HeaderError};
use certmesh_ledger::record::RecordError;

use crate::counting::NotCounting;
use crate::sentences;

coded! {
    /// A rule of logs that a department broke under its own signature.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Broken: "broken" {
        /// A record is not the encoding of one.
        "encoding" Encoding {
            /// Its position.
            seq: u64,
            /// What the decoder said.
            error: String,
        },
        /// A record is signed with an algorithm that this version doesn't know.
        "algorithm" Algorithm {
            /// Its position.
            seq: u64,
        },
        /// A record's signature does not verify.
        "signature" Signature {
            /// Its position.
            seq: u64,
        },
        /// A record names another position than its own.
        "position" Position {
            /// Where it is.
            seq: u64,
            /// Where it says it is.
            says: u64,
        },
        /// A record does not link to the one before it.
        "link" Link {
            /// Its position.
            seq: u64,
        },
        /// A record is older than the one before it.
        "time" Time {
            /// Its position.
            seq: u64,
        },
        /// A record names an earlier governance height than the one before it.
        "height" Height {
            /// Its position.
            seq: u64,
        },
        /// A record is signed with an earlier key than the one before it.
        "epoch" Epoch {
            /// Its position.
            seq: u64,
        },
        /// A record names a key that was not its department's then.
        "claim" Claim {
            /// Its position.
            seq: u64,
            /// Why it can't be.
            why: NotCounting,
        },
        /// A checkpoint names another last record.
        "head" Head {
            /// The checkpoint's size.
            size: u64,
        },
        /// A checkpoint is not of the time of its last record.
        "checkpoint-time" CheckpointTime {
            /// The checkpoint's size.
            size: u64,
        },
        /// A checkpoint names an earlier governance height or key than its last record.
        "checkpoint-claim" CheckpointClaim {
            /// The checkpoint's size.
            size: u64,
        },
        /// The log no longer begins with what a checkpoint covered.
        "rewritten" Rewritten {
            /// That checkpoint's size.
            size: u64,
        },
        /// A checkpoint commits to other statuses than its records give.
        "statuses" Statuses {
            /// The checkpoint's size.
            size: u64,
        },
    }
}

coded! {
    /// Why a file is not the one it should be.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum NotTheFile: "file" {
        /// Its header is damaged.
        "damaged" Damaged,
        /// A later version wrote it.
        "later-version" LaterVersion {
            /// Its format's version.
            format: u32,
        },
        /// It belongs elsewhere.
        "other" Other,
    }
}

coded! {
    /// What is wrong with a log's records on disk.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Damaged: "damage" {
        /// There are fewer than the head file vouches for.
        "short" Short {
            /// Records on disk.
            found: u64,
            /// Records there should be.
            expected: u64,
        },
        /// Nobody vouches for them.
        "head-lost" HeadLost,
        /// One of them breaks a rule.
        "rule" Rule(rule: Broken),
        /// The files can't be read.
        "unreadable" Unreadable {
            /// What the disk said.
            error: String,
        },
        /// They are not those of the checkpoint.
        "root" Root {
            /// The checkpoint's size.
            size: u64,
        },
        /// A file of them has a wrong header.
        "header" Header {
            /// First position of its segment.
            first: u64,
            /// What is wrong.
            file: NotTheFile,
        },
    }
}

coded! {
    /// Where the records of a copy that was set aside end.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum CopyEnd: "copy-end" {
        /// Where there was no more to read.
        "reached" Reached,
        /// Where no copy has a record.
        "absent" Absent,
        /// Where the file does, or a record is cut off.
        "cut-off" CutOff,
        /// At a record that breaks a rule.
        "rule" Rule(rule: Broken),
        /// Where the disk failed.
        "unreadable" Unreadable {
            /// What it said.
            error: String,
        },
    }
}

sentences!(Broken, NotTheFile, Damaged, CopyEnd);

impl From<&BrokenRule> for Broken {
    fn from(rule: &BrokenRule) -> Broken {
        match *rule {
            BrokenRule::Record { seq, ref error } => of_record(seq, error),
            BrokenRule::Seq { seq, says } => Broken::Position { seq, says },
            BrokenRule::Prev { seq } => Broken::Link { seq },
            BrokenRule::Time { seq } => Broken::Time { seq },
            BrokenRule::Height { seq } => Broken::Height { seq },
            BrokenRule::Epoch { seq } => Broken::Epoch { seq },
            BrokenRule::Claim { seq, ref why } => Broken::Claim {
                seq,
                why: why.into(),
            },
            BrokenRule::Head { size } => Broken::Head { size },
            BrokenRule::CheckpointTime { size } => Broken::CheckpointTime { size },
            BrokenRule::CheckpointClaim { size } => Broken::CheckpointClaim { size },
            BrokenRule::Rewritten { size } => Broken::Rewritten { size },
            BrokenRule::StatusRoot { size } => Broken::Statuses { size },
        }
    }
}

fn of_record(seq: u64, error: &RecordError) -> Broken {
    match error {
        RecordError::Decode(error) => Broken::Encoding {
            seq,
            error: error.to_string(),
        },
        RecordError::Signature(KeyError::UnknownAlgorithm) => Broken::Algorithm { seq },
        RecordError::Signature(_) => Broken::Signature { seq },
    }
}

impl From<&HeaderError> for NotTheFile {
    fn from(error: &HeaderError) -> NotTheFile {
        match *error {
            HeaderError::Damaged => NotTheFile::Damaged,
            HeaderError::Later(format) => NotTheFile::LaterVersion { format },
            HeaderError::Other => NotTheFile::Other,
        }
    }
}

impl From<&Damage> for Damaged {
    fn from(damage: &Damage) -> Damaged {
        match damage {
            Damage::Short { found, expected } => Damaged::Short {
                found: *found,
                expected: *expected,
            },
            Damage::HeadLost => Damaged::HeadLost,
            Damage::Rule(rule) => Damaged::Rule(rule.into()),
            Damage::Unreadable(error) => Damaged::Unreadable {
                error: error.clone(),
            },
            Damage::Root { size } => Damaged::Root { size: *size },
            Damage::Header { first, error } => Damaged::Header {
                first: *first,
                file: error.into(),
            },
        }
    }
}

impl From<&End> for CopyEnd {
    fn from(end: &End) -> CopyEnd {
        match end {
            End::Reached => CopyEnd::Reached,
            End::Absent => CopyEnd::Absent,
            End::CutOff => CopyEnd::CutOff,
            End::Damaged(rule) => CopyEnd::Rule(rule.into()),
            End::Unreadable(error) => CopyEnd::Unreadable {
                error: error.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::mismatches;
    use crate::say;

    #[test]
    fn each_code_has_a_text_with_its_arguments_and_each_text_a_code() {
        let found = [
            mismatches::<Broken>(),
            mismatches::<NotTheFile>(),
            mismatches::<Damaged>(),
            mismatches::<CopyEnd>(),
        ];
        assert_eq!(found.concat(), Vec::<String>::new());
    }

    #[test]
    fn what_breaks_a_rule_is_said_alike_in_a_log_on_disk_and_in_a_copy() {
        let rule = BrokenRule::Record {
            seq: 7,
            error: KeyError::BadSignature.into(),
        };
        let expected = "the signature of record 7 does not verify";
        assert_eq!(say(&Broken::from(&rule)), expected);
        assert_eq!(say(&Damaged::from(&Damage::Rule(rule.clone()))), expected);
        assert_eq!(say(&CopyEnd::from(&End::Damaged(rule))), expected);
    }

    #[test]
    fn a_header_is_named_with_its_segment() {
        let error = HeaderError::Later(9);
        let damage = Damage::Header { first: 512, error };
        let text = say(&Damaged::from(&damage));
        assert!(text.starts_with("segment 512: "), "{text}");
        assert!(text.contains("file format 9"), "{text}");
        assert!(text.contains("upgrade"), "{text}");
    }
}
