//! Lists whose order means nothing.
//!
//! What is hashed or signed must have one form: such a list is ascending, each element once, and a list in any other order is
//! not canonical.

use serde::{Deserialize, Deserializer, Serialize};

use super::Bounded;

/// What an element of an [`Ascending`] list is ordered by.
pub trait Ordered {
    /// By this.
    type Key: Ord;

    /// The element's key.
    fn key(&self) -> Self::Key;
}

/// A list in ascending order without duplicates, of at most `N` elements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Ascending<T, const N: usize>(Bounded<T, N>);

/// Why a list is not [`Ascending`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAscending {
    /// More elements than the bound.
    #[error("more than {0} elements")]
    TooMany(usize),
    /// Two elements with the same key.
    #[error("an element stands twice")]
    Twice,
}

impl<T: Ordered, const N: usize> Ascending<T, N> {
    /// Sorts the elements.
    ///
    /// # Errors
    /// [`NotAscending`] for more than `N` elements, or two with the same key.
    pub fn new(mut elements: Vec<T>) -> Result<Self, NotAscending> {
        elements.sort_by_key(Ordered::key);
        if !ascends(&elements) {
            return Err(NotAscending::Twice);
        }
        let elements = Bounded::new(elements).map_err(|_| NotAscending::TooMany(N))?;
        Ok(Ascending(elements))
    }

    /// The first `N` of the elements, each key once.
    pub fn first(elements: impl IntoIterator<Item = T>) -> Self {
        let mut elements: Vec<T> = elements.into_iter().collect();
        elements.sort_by_key(Ordered::key);
        elements.dedup_by_key(|element| element.key());
        Ascending(Bounded::first(elements))
    }

    /// The element with a key.
    pub fn find(&self, key: &T::Key) -> Option<&T> {
        let at = self.0.binary_search_by(|element| element.key().cmp(key));
        at.ok().map(|at| &self.0[at])
    }
}

fn ascends<T: Ordered>(elements: &[T]) -> bool {
    elements.windows(2).all(|two| two[0].key() < two[1].key())
}

impl<T, const N: usize> Default for Ascending<T, N> {
    fn default() -> Self {
        Ascending(Bounded::default())
    }
}

impl<T, const N: usize> std::ops::Deref for Ascending<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Ordered + Deserialize<'de>, const N: usize> Deserialize<'de> for Ascending<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let elements = Bounded::deserialize(deserializer)?;
        match ascends(&elements) {
            true => Ok(Ascending(elements)),
            false => Err(serde::de::Error::custom("not in ascending order")),
        }
    }
}
