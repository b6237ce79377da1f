//! When a request is worth sending again, and how long to wait before.

use std::thread;
use std::time::{Duration, Instant};

use certmesh_api::{Problem, ProblemType};

use ureq::Error as Http;

use crate::Error;
use crate::interrupt;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// How soon a wait notices that the person wants to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Attempts left, and the wait before the next one, which doubles each time.
pub(crate) struct Retry {
    left: u32,
    wait: Duration,
    asked: Option<Duration>,
    /// Whether a node that does not listen at all is waited for.
    patient: bool,
}

impl Retry {
    /// For a single request of a person who waits for the answer: about two seconds.
    pub(crate) fn short() -> Self {
        Self {
            left: 3,
            wait: FIRST_WAIT,
            asked: None,
            patient: false,
        }
    }

    /// For work that takes hours and should outlast a node's restart.
    pub(crate) fn patient(times: u32) -> Self {
        Self {
            left: times,
            wait: FIRST_WAIT,
            asked: None,
            patient: true,
        }
    }

    /// Whether to try again after this error; uses up one attempt.
    pub(crate) fn again(&mut self, error: &Error) -> bool {
        let worth = match error {
            Error::NoAnswer { source, .. } => {
                is_passing(source) && (self.patient || !is_refused(source))
            }
            Error::Refused { problem, wait } => {
                self.asked = *wait;
                is_passing_problem(problem, self.patient)
            }
            _ => false,
        };
        if !worth || self.left == 0 || interrupt::asked() {
            return false;
        }
        self.left -= 1;
        true
    }

    /// How long the next [`Retry::wait`] takes.
    pub(crate) fn next_wait(&self) -> Duration {
        self.asked
            .unwrap_or(self.wait)
            .clamp(self.wait, LONGEST_WAIT)
    }

    /// Waits; the next wait is twice as long. What the node asked for is honoured, up to the longest wait. A wait ends
    /// early when the person wants to stop.
    pub(crate) fn wait(&mut self) {
        let end = Instant::now() + self.next_wait();
        while !interrupt::asked() && Instant::now() < end {
            thread::sleep(LOOK.min(end.saturating_duration_since(Instant::now())));
        }
        self.asked = None;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
    }
}

/// Whether a problem is temporary. A log that is being confirmed does, but it may take long: a person sees a note.
pub(crate) fn is_passing_problem(problem: &Problem, patient: bool) -> bool {
    match problem.kind.known() {
        Some(
            ProblemType::Overloaded
            | ProblemType::RateLimited
            | ProblemType::Timeout
            | ProblemType::NotSettled,
        ) => true,
        Some(
            ProblemType::OwnLogUnconfirmed
            | ProblemType::CatalogueKeyMissing
            | ProblemType::DecisionsMissing,
        ) => patient,
        _ => false,
    }
}

fn is_passing(error: &Http) -> bool {
    matches!(
        error,
        Http::Io(_)
            | Http::Timeout(_)
            | Http::Protocol(_)
            | Http::ConnectionFailed
            | Http::BodyStalled
    )
}

fn is_refused(error: &Http) -> bool {
    matches!(error, Http::Io(source) if source.kind() == std::io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;
    fn refused(kind: ProblemType, wait: Option<u64>) -> Error {
        let problem = Problem {
            kind: kind.into(),
            title: String::new(),
            status: 503,
            detail: String::new(),
            field: None,
            faults: vec![],
            more_faults: 0,
        };
        Error::Refused {
            problem: Box::new(problem),
            wait: wait.map(Duration::from_secs),
        }
    }

    #[test]
    fn only_what_passes_by_itself_is_tried_again_and_not_for_ever() {
        let mut retry = Retry::patient(2);
        assert!(!retry.again(&refused(ProblemType::LogReadOnly, None)));
        assert!(retry.again(&refused(ProblemType::OwnLogUnconfirmed, None)));
        assert!(retry.again(&refused(ProblemType::Overloaded, None)));
        assert!(!retry.again(&refused(ProblemType::Overloaded, None)));
        assert!(!Retry::short().again(&refused(ProblemType::OwnLogUnconfirmed, None)));
    }

    #[test]
    fn the_node_s_wish_is_honoured_within_reason() {
        let mut retry = Retry::short();
        assert!(retry.again(&refused(ProblemType::Overloaded, Some(2))));
        assert_eq!(retry.next_wait(), Duration::from_secs(2));
        assert!(retry.again(&refused(ProblemType::Overloaded, Some(86_400))));
        assert_eq!(retry.next_wait(), LONGEST_WAIT);
    }

    #[test]
    fn a_node_that_does_not_listen_is_waited_for_only_in_long_work() {
        let source = || Box::new(Http::Io(std::io::ErrorKind::ConnectionRefused.into()));
        let error = || Error::NoAnswer {
            url: String::new(),
            source: source(),
        };
        assert!(!Retry::short().again(&error()));
        assert!(Retry::patient(1).again(&error()));
    }
}
