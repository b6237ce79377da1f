//! Whether a block is final: votes of enough of those who governed before it.

use crate::crypto::hash::Purpose;
use crate::id::DepartmentCode;

use super::super::block::{FinalBlock, Item};
use super::super::fault::{BlockError, CertificateFault};
use super::super::member::Member;
use super::super::state::State;

/// Votes that make a block final: more than two thirds. Up to three governors can't do without any of them then, or with one
/// that lies; of them a majority does, which covers crashes alone.
pub fn quorum(voters: usize) -> usize {
    match voters {
        0..=3 => voters / 2 + 1,
        _ => voters * 2 / 3 + 1,
    }
}

impl State {
    /// Those whose votes make a block with these items final. Of a recovery, those who go on governing after it: it is for
    /// when the others can't be reached.
    pub fn voters(&self, items: &[Item]) -> Vec<&Member> {
        let ended = |code: &DepartmentCode| {
            let recoveries = items.iter().filter_map(|item| match item {
                Item::Recovery(signed) => Some(&signed.recovery),
                _ => None,
            });
            let mut ended = recoveries.map(|recovery| recovery.ends.find(code));
            ended.any(|found| found.is_some())
        };
        let left = self.governors().filter(|member| !ended(&member.code));
        left.collect()
    }

    pub(super) fn check_certificate(&self, last: &FinalBlock) -> Result<(), BlockError> {
        let fault = |fault| BlockError::Certificate {
            height: last.block.height,
            fault,
        };
        let voters = self.voters(&last.block.items);
        let (found, needed) = (last.certificate.votes.len(), quorum(voters.len()));
        if found < needed {
            return Err(fault(CertificateFault::TooFew {
                found,
                needed,
                voters: voters.len(),
            }));
        }
        let vote = last.vote(self.network);
        for signed in last.certificate.votes.iter() {
            let voter = voters.iter().find(|voter| voter.code == signed.by);
            let voter = voter.ok_or_else(|| fault(CertificateFault::NoVoter(signed.by)))?;
            let key = voter.operating_key();
            let verifies = |key| self.network.is_signed(Purpose::Vote, &vote, signed, key);
            if !key.is_some_and(verifies) {
                return Err(fault(CertificateFault::BadVote(signed.by)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_quorums_of_more_than_three_have_more_than_a_third_in_common() {
        assert_eq!([1, 2, 3, 4, 7, 64].map(quorum), [1, 2, 2, 3, 5, 43]);
        for voters in 1..=64 {
            let quorum = quorum(voters);
            assert!(quorum <= voters && 2 * quorum > voters);
            let common = 2 * quorum - voters;
            assert!(voters <= 3 || 3 * common > voters, "{voters}");
        }
    }
}
