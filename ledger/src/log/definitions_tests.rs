//! What definitions are charged, which is no less than what is kept of them.

use super::*;
use crate::codec::{Bounded, Text};
use crate::crypto::hash::{Purpose, hash};
use crate::record::{GrantWithdrawn, Grantee, MatterRef};

fn department(number: usize) -> DepartmentCode {
    DepartmentCode::from_body(&format!("11100000{number:09}")).unwrap()
}

fn defined(number: usize, issuers: &[DepartmentCode]) -> Entry {
    let authority = department(number / 998);
    let code = TypeCode::new(&authority, 1 + (number % 998) as u16).unwrap();
    let mut defined = TypeDefined::new(code, Text::new("n").unwrap());
    defined.issuers = Bounded::first(issuers.iter().copied());
    Entry::from(defined)
}

fn matter(number: usize, name: &str) -> Entry {
    Entry::MatterDefined(MatterDefined {
        // As long as a code may be.
        code: format!("{number:064}").parse().unwrap(),
        name: Text::new(name).unwrap(),
        parts: Bounded::default(),
    })
}

fn grant(matters: usize) -> Entry {
    let named: MatterRef = format!("{}/M/1", department(0)).parse().unwrap();
    Entry::GrantMade(GrantMade {
        to: Grantee::Department(department(1)),
        type_code: TypeCode::new(&department(0), 1).unwrap(),
        matters: Bounded::first(vec![named; matters]),
        fields: Bounded::default(),
        until: None,
    })
}

fn withdraw(grant: u64) -> Entry {
    Entry::GrantWithdrawn(GrantWithdrawn { grant })
}

/// A block of the allocator: what it holds, and what the allocator needs for itself.
fn block(bytes: usize) -> usize {
    bytes.next_multiple_of(16) + 16
}

/// A tree of maps whose nodes have eleven places each, five of which at least are taken.
fn map<K, V>(map: &BTreeMap<K, V>) -> usize {
    map.len() * (11 * (size_of::<K>() + size_of::<V>()) + 128) / 5 + 1024
}

impl Definitions {
    /// Bytes of memory that it takes, whatever was charged.
    fn memory(&self) -> (usize, usize, usize) {
        // The counts of an `Arc` stand before what it holds.
        let shared = |bytes: usize| block(16 + bytes);
        let mut types = map(&self.types);
        for held in self.types.values() {
            types += shared(size_of_val(&**held)) + block(held.0.capacity() * size_of::<Listing>());
            let mut before: Option<&Arc<[DepartmentCode]>> = None;
            for listing in &held.0 {
                if before.is_none_or(|before| !Arc::ptr_eq(before, &listing.issuers)) {
                    types += shared(size_of_val(&*listing.issuers));
                }
                before = Some(&listing.issuers);
            }
        }
        let mut matters = map(&self.matters);
        for (code, held) in &self.matters {
            let versions = held.versions.capacity() * size_of::<MatterVersion>();
            matters += block(code.as_str().len()) + shared(size_of_val(&**held)) + block(versions);
        }
        let encoded = self.grants.values().map(|held| shared(held.encoded.len()));
        let grants = map(&self.grants) + encoded.sum::<usize>();
        (types, matters, grants)
    }
}

/// Takes in entries as records of a log, and gives the positions of those that had no effect.
fn take(
    definitions: &mut Definitions,
    from: u64,
    entries: impl IntoIterator<Item = Entry>,
) -> Vec<u64> {
    let mut without = Vec::new();
    for (entry, seq) in entries.into_iter().zip(from..) {
        let position = Position {
            seq,
            hash: RecordHash(hash(Purpose::Record, &seq.to_le_bytes())),
            time_ms: seq,
        };
        if definitions.add(&entry, position).is_err() {
            without.push(seq);
        }
    }
    without
}

/// The worst that a log can do with each kind, until nothing has an effect any more.
#[test]
fn no_log_makes_a_peer_keep_more_than_the_bounds_whatever_it_defines() {
    let listed: Vec<DepartmentCode> = (0..256).map(department).collect();
    let type_bytes = |kinds: &dyn Fn(usize) -> Entry| {
        let mut definitions = Definitions::default();
        let refused = take(&mut definitions, 0, (0..120_000).map(kinds));
        assert!(!refused.is_empty(), "the bound was not reached");
        assert!(definitions.type_bytes <= MAX_TYPE_BYTES);
        definitions.memory().0
    };
    // Codes without end; the longest lists, each another than the one before; versions without end.
    let many = type_bytes(&|n| defined(n, &listed[n % 3..=n % 3]));
    let lists = type_bytes(&|n| defined(n % 100, &listed[n / 100 % 2..]));
    let same = type_bytes(&|n| defined(n % 100, &[]));
    for bytes in [many, lists, same] {
        assert!(bytes <= MAX_TYPE_BYTES + 2048, "{bytes}");
    }

    let mut definitions = Definitions::default();
    let refused = take(&mut definitions, 0, (0..30_000).map(|n| matter(n, "n")));
    assert!(!refused.is_empty());
    let again = (0..50_000).map(|n| matter(n % 10, "again"));
    assert_eq!(take(&mut definitions, 30_000, again), [0; 0]);
    let mut few = Definitions::default();
    take(&mut few, 0, (0..600_000).map(|n| matter(n % 600, "n")));
    for definitions in [definitions, few] {
        assert!(definitions.matter_bytes <= MAX_MATTER_BYTES);
        let (_, bytes, _) = definitions.memory();
        assert!(bytes <= MAX_MATTER_BYTES + 2048, "{bytes}");
    }

    for matters in [0, 64] {
        let mut definitions = Definitions::default();
        let refused = take(&mut definitions, 0, (0..30_000).map(|_| grant(matters)));
        assert!(!refused.is_empty());
        assert!(definitions.grant_bytes <= MAX_GRANT_BYTES);
        let (_, _, bytes) = definitions.memory();
        assert!(bytes <= MAX_GRANT_BYTES + 2048, "{bytes}");
    }
}

#[test]
fn what_no_longer_fits_has_no_effect_and_what_is_smaller_may_still_fit() {
    let listed: Vec<DepartmentCode> = (0..256).map(department).collect();
    let mut definitions = Definitions::default();
    // Lists in turn, so that each is charged, up to the first that no longer fits.
    let lists = (0..).map(|n| defined(n % 2, &listed[n / 2 % 2..]));
    let fit = lists.take_while(|entry| take(&mut definitions, 0, [entry.clone()]).is_empty());
    assert!((1_770..1_780).contains(&fit.count()));
    let room = MAX_TYPE_BYTES - definitions.type_bytes;
    // The longest list that fits, on a code that is there; one department more is too much.
    let fit = (room - TYPE_VERSION_BYTES) / ISSUER_BYTES;
    assert_eq!(
        take(&mut definitions, 2_000, [defined(0, &listed[..fit + 1])]),
        [2_000]
    );
    let charged = definitions.charge(&defined(0, &listed[..fit])).unwrap();
    assert_eq!(charged, TYPE_VERSION_BYTES + fit * ISSUER_BYTES);
    let before = definitions.type_bytes;
    assert_eq!(
        take(&mut definitions, 2_001, [defined(0, &listed[..fit])]),
        [0; 0]
    );
    assert_eq!(definitions.type_bytes, before + charged);
    let refused = definitions.charge(&defined(9, &[])).unwrap_err();
    assert_eq!(
        refused,
        NoEffect::Types(NoRoom {
            used: before + charged,
            more: TYPE_BYTES + TYPE_VERSION_BYTES,
            most: MAX_TYPE_BYTES,
        })
    );
    assert!(
        refused.to_string().contains("list fewer departments"),
        "{refused}"
    );
}

#[test]
fn a_grant_that_is_withdrawn_makes_room_and_each_kind_has_its_own() {
    let mut definitions = Definitions::default();
    let refused = take(&mut definitions, 0, (0..30_000).map(|_| grant(1)));
    let full = refused[0];
    assert_eq!(refused.len() as u64, 30_000 - full);
    assert!(matches!(
        definitions.charge(&grant(0)),
        Ok(_) | Err(NoEffect::Grants(_))
    ));
    // Of one that had no effect nothing can be withdrawn.
    let rest = [withdraw(full), withdraw(7), withdraw(7), grant(1), grant(1)];
    assert_eq!(
        take(&mut definitions, 30_000, rest),
        [30_000, 30_002, 30_004]
    );
    let last = definitions.grants(full).map(|(seq, _)| seq);
    assert_eq!(last.collect::<Vec<_>>(), [30_003]);
    assert!(!definitions.is_granted(7));
    // All of them withdrawn, nothing is charged.
    let all: Vec<u64> = definitions.grants(0).map(|(seq, _)| seq).collect();
    let rest = [matter(1, "n"), defined(1, &[])];
    let withdrawals = all.into_iter().map(withdraw);
    assert_eq!(
        take(
            &mut definitions,
            40_000,
            rest.into_iter().chain(withdrawals)
        ),
        [0; 0]
    );
    assert_eq!(definitions.grant_bytes, 0);
}

#[test]
fn a_matter_can_always_be_changed_and_its_latest_version_takes_the_place_of_the_last() {
    let mut definitions = Definitions::default();
    let fill = (0..30_000).map(|n| matter(n, "n"));
    let first = take(&mut definitions, 0, fill)[0];
    let used = definitions.matter_bytes;
    // No room for a code, some for versions.
    let room = (MAX_MATTER_BYTES - used) / MATTER_VERSION_BYTES;
    let changes = (0..room + 5).map(|_| matter(3, "again"));
    assert_eq!(take(&mut definitions, 30_000, changes), [0; 0]);
    let held = &definitions.matters()[&format!("{:064}", 3).parse().unwrap()];
    assert_eq!(
        (held.count(), held.seq()),
        (1 + room, 30_000 + room as u64 + 4)
    );
    let last = RecordHash(hash(Purpose::Record, &held.seq().to_le_bytes()));
    assert_eq!(held.hash(), last);
    let refused = definitions
        .charge(&matter(first as usize, "n"))
        .unwrap_err();
    assert!(matches!(refused, NoEffect::Matters(_)));
    assert!(
        refused.to_string().contains("next version of a matter"),
        "{refused}"
    );
}

#[test]
fn records_on_the_way_to_a_checkpoint_share_what_they_leave_as_it_is() {
    let mut committed = Definitions::default();
    take(
        &mut committed,
        0,
        [defined(1, &[]), defined(2, &[]), matter(1, "n")],
    );
    let mut pending = Definitions::clone(&committed);
    take(&mut pending, 3, [defined(2, &[department(0)]), grant(0)]);
    let [one, two] = [1, 2].map(|n| TypeCode::new(&department(0), n + 1).unwrap());
    assert!(Arc::ptr_eq(&committed.types[&one], &pending.types[&one]));
    assert_eq!(
        (committed.types[&two].count(), pending.types[&two].count()),
        (1, 2)
    );
    assert!(committed.grants.is_empty());
}
