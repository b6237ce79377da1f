//! Whether a block is final: votes of enough of those who governed before it.

use super::super::block::{FinalBlock, Recovery};
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

/// Votes that make a block with a recovery final: as many as of those who are left, and so many that no other block of its
/// height was made final without one of them. Whoever votes for a recovery has voted for no other block, so with crashes alone
/// there is none.
pub fn recovery_quorum(left: usize, governors: usize) -> usize {
    let elsewhere = (governors + 1).saturating_sub(quorum(governors));
    quorum(left).max(elsewhere)
}

impl State {
    /// Those whose votes make a block final, and how many of them. Of a recovery, those who go on governing after it: it is
    /// for when the others can't be reached.
    pub fn voters(&self, recovery: Option<&Recovery>) -> (Vec<&Member>, usize) {
        let governors = self.governors().count();
        let ended = |member: &&Member| {
            recovery.is_some_and(|recovery| recovery.ends.find(&member.code).is_some())
        };
        let voters: Vec<&Member> = self.governors().filter(|member| !ended(member)).collect();
        let needed = match recovery {
            None => quorum(governors),
            Some(_) => recovery_quorum(voters.len(), governors),
        };
        (voters, needed)
    }

    pub(super) fn check_certificate(&self, last: &FinalBlock) -> Result<(), BlockError> {
        let fault = |fault| BlockError::Certificate {
            height: last.block.height,
            fault,
        };
        let recovery = last.block.recovery();
        let (voters, needed) = self.voters(recovery);
        let recovery = recovery.map(|recovery| recovery.id(self.network));
        let found = last.certificate.votes.len();
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
            let verifies = |key| vote.is_signed(self.network, recovery, signed, key);
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

    #[test]
    fn no_block_is_final_without_one_of_those_who_vote_for_a_recovery_of_its_height() {
        for governors in 1..=64usize {
            // More than a third agree, none of those whose governing ends.
            let left = (governors / 3 + 1)..governors;
            for left in left {
                let needed = recovery_quorum(left, governors);
                assert!(
                    (quorum(left)..=left).contains(&needed),
                    "{left} of {governors}"
                );
                assert!(needed + quorum(governors) > governors);
                // Nor by another recovery that ends the governing of more.
                for fewer in (governors / 3 + 1)..left {
                    assert!(needed + recovery_quorum(fewer, governors) > left);
                }
            }
        }
        assert_eq!(recovery_quorum(2, 4), 2);
        assert_eq!(
            recovery_quorum(4, 10),
            4,
            "three of four would do without a fourth that voted elsewhere"
        );
    }
}
