//! What other members ask for: pages are read on threads that may block, a few at a time, and the answer about heads is
//! not made again for each of many requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certmesh_ledger::id::DepartmentCode;
use tokio::sync::Semaphore;

/// Requests served at a time, of all members.
const AT_ONCE: usize = 4;
/// Requests of one member that are served or wait.
const PER_MEMBER: usize = 4;
/// How old an answer about heads may be.
const HEADS_AGE: Duration = Duration::from_millis(250);

pub(crate) struct Serving {
    threads: Arc<Semaphore>,
    members: HashMap<DepartmentCode, Arc<Semaphore>>,
    /// Without and with word of a rival.
    heads: [Option<(Instant, Vec<u8>)>; 2],
}

impl Serving {
    pub(crate) fn new() -> Serving {
        Serving {
            threads: Arc::new(Semaphore::new(AT_ONCE)),
            members: HashMap::new(),
            heads: [None, None],
        }
    }

    /// Runs `work` on a thread that may block, once it is its turn; false, and `work` is dropped, if too much of this
    /// member waits already.
    pub(crate) fn run(
        &mut self,
        member: DepartmentCode,
        work: impl FnOnce() + Send + 'static,
    ) -> bool {
        let places = self
            .members
            .entry(member)
            .or_insert_with(|| Arc::new(Semaphore::new(PER_MEMBER)));
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            return false;
        };
        let threads = Arc::clone(&self.threads);
        tokio::spawn(async move {
            let thread = threads.acquire_owned().await;
            tokio::task::spawn_blocking(move || {
                let _held = (place, thread);
                work();
            });
        });
        true
    }

    /// The encoded answer about heads, which `make` makes if there is no recent one. One that informs its asker of a
    /// `rival` is for nobody who has none.
    pub(crate) fn heads(&mut self, rival: bool, make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        let kept = &mut self.heads[usize::from(rival)];
        match kept {
            Some((made, answer)) if made.elapsed() < HEADS_AGE => answer.clone(),
            _ => kept.insert((Instant::now(), make())).1.clone(),
        }
    }

    /// A head changed: the next answer is made again.
    pub(crate) fn heads_changed(&mut self) {
        self.heads = [None, None];
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::sleep;

    use super::*;

    fn members() -> [DepartmentCode; 3] {
        [
            "11430000006122244L",
            "11330105002500287C",
            "11100000000013338W",
        ]
        .map(|code| code.parse().unwrap())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn members_that_ask_much_wait_or_are_refused_and_are_served_again() {
        let mut serving = Serving::new();
        let counts = Arc::new([const { AtomicUsize::new(0) }; 3]);
        for round in 1..=2 {
            let mut taken = 0;
            for member in members() {
                for _ in 0..10 {
                    let counts = Arc::clone(&counts);
                    taken += usize::from(serving.run(member, move || {
                        let [running, most, done] = &*counts;
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        sleep(Duration::from_millis(100));
                        running.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                    }));
                }
            }
            assert_eq!(taken, 3 * PER_MEMBER);
            tokio::time::timeout(Duration::from_secs(20), async {
                while serving.threads.available_permits() < AT_ONCE
                    || counts[2].load(Ordering::SeqCst) < round * taken
                {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
            .await
            .unwrap();
            assert_eq!(counts[1].load(Ordering::SeqCst), AT_ONCE);
        }
    }

    #[test]
    fn heads_are_made_again_when_they_changed_or_are_old_and_not_before() {
        let mut serving = Serving::new();
        assert_eq!(serving.heads(false, || vec![1]), [1]);
        assert_eq!(serving.heads(false, || panic!("made again")), [1]);
        // Who has a rival gets another answer, and nobody else gets that one.
        assert_eq!(serving.heads(true, || vec![10]), [10]);
        assert_eq!(serving.heads(true, || panic!("made again")), [10]);
        assert_eq!(serving.heads(false, || panic!("made again")), [1]);
        serving.heads_changed();
        assert_eq!(serving.heads(false, || vec![2]), [2]);
        assert_eq!(serving.heads(true, || vec![20]), [20]);
        sleep(HEADS_AGE);
        assert_eq!(serving.heads(false, || vec![3]), [3]);
        assert_eq!(serving.heads(true, || vec![30]), [30]);
    }
}
