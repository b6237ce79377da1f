//! Numbers that look like chance and are the same every time, on every machine and with every version of every crate.

use blake3::OutputReader;

/// A stream of numbers that follows from a seed, a topic and a place within it.
pub(super) struct Dice(OutputReader);

impl Dice {
    /// The stream of this seed, topic and place.
    pub(super) fn new(seed: u64, topic: &str, place: &[u64]) -> Dice {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        for number in place {
            hasher.update(&number.to_le_bytes());
        }
        // Last, because it is of any length.
        hasher.update(topic.as_bytes());
        Dice(hasher.finalize_xof())
    }

    fn next(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number from 0 to `end`, without `end`; 0 where there is none.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// The same for a list's length.
    pub(super) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// A number from 0 to `end`, small ones far more often than large ones: half of all are below a quarter of `end`.
    pub(super) fn skewed(&mut self, end: u64) -> u64 {
        let part = u128::from(self.next() >> 32);
        ((part * part * u128::from(end)) >> 64) as u64
    }

    /// True so many times in a hundred.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of a list that is not empty.
    pub(super) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.index(list.len())]
    }

    /// The place in a list of weights, each as often as its weight says.
    pub(super) fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (place, weight) in weights.iter().enumerate() {
            if left < *weight {
                return place;
            }
            left -= weight;
        }
        0
    }
}

/// Shares a whole number out by weights, to the last unit: what is left after rounding down goes to the largest
/// remainders (Hamilton's method).
pub(super) fn share_out(total: u64, weights: &[u64]) -> Vec<u64> {
    let sum = u128::from(weights.iter().sum::<u64>()).max(1);
    let exact = |weight: &u64| u128::from(total) * u128::from(*weight);
    let mut shares: Vec<u64> = weights
        .iter()
        .map(|weight| (exact(weight) / sum) as u64)
        .collect();
    let mut places: Vec<usize> = (0..weights.len()).collect();
    places.sort_by_key(|place| std::cmp::Reverse(exact(&weights[*place]) % sum));
    let left = total - shares.iter().sum::<u64>();
    for place in places.into_iter().take(left as usize) {
        shares[place] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_gives_the_same_numbers_and_another_gives_others() {
        let draw = |seed, topic: &str, place: &[u64]| {
            let mut dice = Dice::new(seed, topic, place);
            [0; 4].map(|_: u8| dice.below(1_000_000))
        };
        assert_eq!(draw(1, "a", &[2]), draw(1, "a", &[2]));
        assert_ne!(draw(1, "a", &[2]), draw(2, "a", &[2]));
        assert_ne!(draw(1, "a", &[2]), draw(1, "b", &[2]));
        assert_ne!(draw(1, "a", &[2]), draw(1, "a", &[3]));
    }

    #[test]
    fn shares_add_up_to_the_whole() {
        assert_eq!(share_out(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(share_out(2_699, &[5, 0, 3]).iter().sum::<u64>(), 2_699);
        assert_eq!(share_out(0, &[1, 2]), [0, 0]);
    }

    #[test]
    fn skewed_numbers_are_mostly_small() {
        let mut dice = Dice::new(0, "", &[]);
        let small = (0..1_000).filter(|_| dice.skewed(100) < 25).count();
        assert!((430..570).contains(&small), "{small}");
    }
}
