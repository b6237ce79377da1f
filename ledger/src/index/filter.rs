//! Which fingerprints a run may have, without reading it: binary fuse filters (Graf and Lemire, 2022), of 8 bits.
//!
//! A filter is made from all of its fingerprints at once, so a run has one for each range of them: making those of a large run
//! takes no more memory than those of a small one.

use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter, FilterRef};

/// Entries of a run for each range of fingerprints, more or less.
const RANGE: u64 = 1 << 16;

const DESCRIPTOR_LEN: usize = <BinaryFuse8 as DmaSerializable>::DESCRIPTOR_LEN;

/// The filters of a run, each of a range of fingerprints. A range whose filter could not be made goes without, which costs
/// nothing but reads.
#[derive(Default)]
pub(super) struct Filters(Vec<Option<Parts>>);

/// A filter as it stands in a file: what is asked of it is read from there.
struct Parts {
    descriptor: [u8; DESCRIPTOR_LEN],
    fingerprints: Box<[u8]>,
}

/// How many ranges there are in a run of so many entries: a power of two.
fn ranges(entries: u64) -> usize {
    (entries / RANGE).max(1).next_power_of_two() as usize
}

/// The range that a fingerprint is in: its first bits.
fn range_of(fingerprint: u64, ranges: usize) -> usize {
    ((u128::from(fingerprint) * ranges as u128) >> 64) as usize
}

impl Filters {
    /// Whether a fingerprint may be there; nearly always right where it is not, and always where it is.
    pub(super) fn may_have(&self, fingerprint: u64) -> bool {
        let filter = self.0.get(range_of(fingerprint, self.0.len()));
        match filter {
            Some(Some(Parts {
                descriptor,
                fingerprints,
            })) => BinaryFuse8Ref::from_dma(descriptor, fingerprints).contains(&fingerprint),
            _ => true,
        }
    }

    /// Each as its descriptor, the length of its fingerprints (u32) and these; zeros for a range without.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for filter in &self.0 {
            let (descriptor, fingerprints) = match filter {
                Some(filter) => (filter.descriptor, &*filter.fingerprints),
                None => ([0; DESCRIPTOR_LEN], &[][..]),
            };
            out.extend_from_slice(&descriptor);
            out.extend_from_slice(&(fingerprints.len() as u32).to_le_bytes());
            out.extend_from_slice(fingerprints);
        }
    }

    /// Reads the filters of a run of so many entries; `None` if they are none.
    pub(super) fn decode(bytes: &mut &[u8], entries: u64) -> Option<Filters> {
        let mut filters = Vec::new();
        for _ in 0..ranges(entries) {
            let (descriptor, rest) = bytes.split_first_chunk::<DESCRIPTOR_LEN>()?;
            let (len, rest) = rest.split_first_chunk::<4>()?;
            let len = u32::from_le_bytes(*len) as usize;
            let (fingerprints, rest) = rest.split_at_checked(len)?;
            *bytes = rest;
            filters.push(match len {
                0 => None,
                _ => Some(Parts::read(descriptor, fingerprints)?),
            });
        }
        Some(Filters(filters))
    }
}

impl Parts {
    /// What was read from a file, if it asks for no fingerprint beyond those it has.
    fn read(descriptor: &[u8; DESCRIPTOR_LEN], fingerprints: &[u8]) -> Option<Parts> {
        // Seed, then length of a segment, mask of it, and length of all segments but the last two.
        let (numbers, _) = descriptor[8..].as_chunks();
        let [segment, mask, all] = [0, 1, 2].map(|n| u32::from_le_bytes(numbers[n]));
        let reach = u64::from(all) + 2 * u64::from(segment);
        let fits = segment.is_power_of_two() && mask == segment - 1;
        (fits && reach <= fingerprints.len() as u64).then(|| Parts {
            descriptor: *descriptor,
            fingerprints: fingerprints.into(),
        })
    }
}

/// The filters of a run whose entries come in their order.
pub(super) struct FiltersMade {
    ranges: usize,
    made: Vec<Option<Parts>>,
    /// Fingerprints of the range that comes next, each once.
    waiting: Vec<u64>,
}

impl FiltersMade {
    /// Begins those of a run of so many entries.
    pub(super) fn of(entries: u64) -> FiltersMade {
        FiltersMade {
            ranges: ranges(entries),
            made: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Adds the fingerprint of the next entry.
    pub(super) fn add(&mut self, fingerprint: u64) {
        while self.made.len() < range_of(fingerprint, self.ranges) {
            self.make();
        }
        if self.waiting.last() != Some(&fingerprint) {
            self.waiting.push(fingerprint);
        }
    }

    /// The filters, once all entries were added.
    pub(super) fn end(mut self) -> Filters {
        while self.made.len() < self.ranges {
            self.make();
        }
        Filters(self.made)
    }

    fn make(&mut self) {
        let made = BinaryFuse8::try_from(&self.waiting).ok();
        self.made.push(made.map(|filter| {
            let mut descriptor = [0; DESCRIPTOR_LEN];
            filter.dma_copy_descriptor_to(&mut descriptor);
            Parts {
                descriptor,
                fingerprints: filter.fingerprints,
            }
        }));
        self.waiting.clear();
    }
}
