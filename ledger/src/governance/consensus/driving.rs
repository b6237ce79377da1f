//! Between entries and the library's driver: what goes into it, and what comes out of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use malachitebft_core_driver::{Input, Output};
use malachitebft_core_types::{
    LinearTimeouts, PolkaCertificate, PolkaSignature, Round, SignedMessage, SignedProposal,
    SignedVote, Timeout, Validity,
};

use crate::codec::Ascending;
use crate::governance::block::{Block, Certificate, FinalBlock, Vote};
use crate::governance::chain::BlockId;
use crate::governance::kinds::Signed;

use super::context::{Ballot, Candidate, Governance, Offered};
use super::message::{Again, Entry, Message, Offer, Wait};
use super::{Command, Consensus, Moment, REPEAT_MS};

impl Consensus {
    /// The only way into the driver: what is given to it is kept, and given to it again after a restart.
    pub(super) fn follow(&mut self, entry: Entry, at: Moment) {
        let mut inputs = VecDeque::from(self.inputs(&entry, at));
        if !self.replaying {
            self.unkept.push(entry);
        }
        while let Some(input) = inputs.pop_front() {
            // What the driver refuses (strangers, other heights) was not let through to it.
            for output in self.driver.process(input).unwrap_or_default() {
                inputs.extend(self.on_output(output, at));
            }
        }
    }

    fn inputs(&mut self, entry: &Entry, at: Moment) -> Vec<Input<Governance>> {
        let mut inputs = Vec::new();
        let last = match entry {
            Entry::Turned(signed) => {
                self.turn_to(signed.clone());
                return inputs;
            }
            Entry::Begun => {
                self.begun = true;
                self.repeat_at = at.running_ms.saturating_add(REPEAT_MS);
                self.round_input(0)
            }
            Entry::Own(round, block) => {
                Input::ProposeValue(Round::new(*round), self.candidate(block))
            }
            Entry::Offered(offer, holds) => {
                let offered = self.offered(offer);
                let seen = self.offers.entry(offer.round).or_default();
                seen.insert((offered.candidate.id, offer.valid_round()), *holds);
                let polka = offer.again.as_ref();
                let polka = polka.map(|again| self.polka(again, offered.candidate.id));
                inputs.extend(polka.map(Input::PolkaCertificate));
                let validity = match holds {
                    true => Validity::Valid,
                    false => Validity::Invalid,
                };
                Input::Proposal(offered, validity)
            }
            Entry::Voted(vote, signed) => Input::Vote(ballot(vote, signed)),
            Entry::Over(round, wait) => {
                let round = Round::new(*round);
                Input::TimeoutElapsed(match wait {
                    Wait::Offer => Timeout::propose(round),
                    Wait::Prevotes => Timeout::prevote(round),
                    Wait::Precommits => Timeout::precommit(round),
                })
            }
        };
        inputs.push(last);
        inputs
    }

    fn on_output(&mut self, output: Output<Governance>, at: Moment) -> Option<Input<Governance>> {
        match output {
            Output::NewRound(_, round) => {
                self.turn = None;
                Some(self.round_input(round.as_u32()?))
            }
            Output::GetValue(_, round, _) => self.on_turn(round.as_u32()?, at),
            Output::Propose(offered) => self.offer(&offered),
            Output::Vote(ballot) => self.cast(&ballot),
            Output::Decide(_, offered) => {
                self.decided(&offered);
                None
            }
            Output::ScheduleTimeout(timeout) => {
                let wait = LinearTimeouts::default().duration_for(timeout);
                let when = at.running_ms.saturating_add(millis(wait));
                self.waits.push((when, timeout));
                None
            }
        }
    }

    fn round_input(&self, round: u32) -> Input<Governance> {
        let proposer = self.seats.proposer(self.height(), round);
        Input::NewRound(self.driver.height(), Round::new(round), proposer)
    }

    fn on_turn(&mut self, round: u32, at: Moment) -> Option<Input<Governance>> {
        // After a restart what it offered then comes next.
        let block = (!self.replaying).then(|| self.own_block(at)).flatten();
        let Some(block) = block else {
            self.turn = Some(round);
            return None;
        };
        let candidate = self.candidate(&block);
        self.unkept.push(Entry::Own(round, block));
        Some(Input::ProposeValue(Round::new(round), candidate))
    }

    fn offer(&mut self, offered: &Offered) -> Option<Input<Governance>> {
        let (network, by) = (self.state.network(), self.by);
        let round = offered.round.as_u32()?;
        let block = (*offered.candidate.block).clone();
        let polka = self
            .driver
            .polka_certificate(offered.valid_round, &offered.candidate.id);
        let again = polka.and_then(|polka| {
            let prevotes = polka.polka_signatures.iter().map(|prevote| Signed {
                by: prevote.address,
                signature: prevote.signature,
            });
            Some(Again {
                round: polka.round.as_u32()?,
                prevotes: Ascending::new(prevotes.collect()).ok()?,
            })
        });
        let offer = Offer::sign(network, block, round, again, by, &self.key);
        let signed = SignedMessage::new(offered.clone(), offer.signed.signature);
        self.say(Message::Offer(offer));
        Some(Input::Proposal(signed, Validity::Valid))
    }

    fn cast(&mut self, ballot: &Ballot) -> Option<Input<Governance>> {
        let vote = ballot.vote()?;
        // Never two votes of one round and stage, whatever this version would do otherwise than the one that voted.
        let stands = *self.cast.entry((vote.round, vote.stage)).or_insert(vote);
        if stands != vote {
            return None;
        }
        let recovery = self.recovery_id();
        let signed = vote.sign_among(self.state.network(), recovery, self.by, &self.key);
        if !self.replaying {
            self.unkept.push(Entry::Voted(vote, signed));
        }
        self.say(match recovery {
            None => Message::Vote(vote, signed),
            Some(recovery) => Message::RecoveryVote(recovery, vote, signed),
        });
        Some(Input::Vote(self::ballot(&vote, &signed)))
    }

    fn decided(&mut self, offered: &Offered) {
        let precommits = self
            .driver
            .restore_precommits(offered.round, &offered.candidate.id);
        let votes = precommits.iter().map(|vote| Signed {
            by: *malachitebft_core_types::Vote::validator_address(&vote.message),
            signature: vote.signature,
        });
        let Ok(votes) = Ascending::new(votes.collect()) else {
            return;
        };
        let round = offered.round.as_u32().unwrap_or(0);
        let last = FinalBlock {
            block: (*offered.candidate.block).clone(),
            certificate: Certificate { round, votes },
        };
        debug_assert!(self.state.accept(&last).is_ok());
        self.done = true;
        self.commands.push(Command::Final(Box::new(last)));
    }

    fn candidate(&self, block: &Block) -> Candidate {
        Candidate {
            id: block.id(self.state.network()),
            block: Arc::new(block.clone()),
        }
    }

    fn offered(&self, offer: &Offer) -> SignedProposal<Governance> {
        let offered = Offered {
            height: self.driver.height(),
            round: Round::new(offer.round),
            candidate: self.candidate(&offer.block),
            valid_round: offer.valid_round().into(),
            by: offer.signed.by,
        };
        SignedMessage::new(offered, offer.signed.signature)
    }

    fn polka(&self, again: &Again, block: BlockId) -> PolkaCertificate<Governance> {
        let prevotes = again.prevotes.iter();
        PolkaCertificate {
            height: self.driver.height(),
            round: Round::new(again.round),
            value_id: block,
            polka_signatures: prevotes
                .map(|prevote| PolkaSignature::new(prevote.by, prevote.signature))
                .collect(),
        }
    }
}

pub(super) fn ballot(vote: &Vote, signed: &Signed) -> SignedVote<Governance> {
    SignedMessage::new(Ballot::of(vote, signed.by), signed.signature)
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
