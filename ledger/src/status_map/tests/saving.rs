use crate::codec;
use crate::disk::Failure;

use super::super::pages::{PAGE, place};
use super::super::saving::{SavedNode, SavedPage};
use super::*;

fn path() -> &'static Path {
    Path::new("statuses")
}

/// A disk with the file of a map, whose name is durable.
fn disk() -> (MemoryDisk, Map) {
    let disk = MemoryDisk::new();
    let map = Map::new(disk.open(path(), true).unwrap()).unwrap();
    disk.sync_dir(Path::new("")).unwrap();
    (disk, map)
}

fn open(disk: &MemoryDisk, saved: &[u8], committed: u64) -> Result<Map, OpenError> {
    Map::open(disk.open(path(), false).unwrap(), saved, committed)
}

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<(Hash, Option<Hash>)>),
    Commit,
    Root,
    /// A root with changes that are taken back.
    Try(Vec<(Hash, Option<Hash>)>),
    Prove(Hash),
    /// A save, whose pages are synced or not.
    Save(bool),
    /// Declares a save durable, of those whose pages were synced.
    Declare(prop::sample::Index),
    /// A crash, after which some of what was not synced is there.
    Crash(u64),
}

fn changes() -> impl Strategy<Value = Vec<(Hash, Option<Hash>)>> {
    let one = || (any_key(), proptest::option::weighted(0.7, value()));
    prop_oneof![vec(one(), 1..4), vec(one(), 30..80)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => changes().prop_map(Step::Set),
        4 => Just(Step::Commit),
        2 => Just(Step::Root),
        1 => changes().prop_map(Step::Try),
        1 => any_key().prop_map(Step::Prove),
        5 => any::<bool>().prop_map(Step::Save),
        4 => any::<prop::sample::Index>().prop_map(Step::Declare),
        2 => any::<u64>().prop_map(Step::Crash),
    ]
}

/// Yes or no, from a seed.
fn coins(seed: u64) -> impl FnMut() -> bool {
    let mut n = 0u64;
    move || {
        n += 1;
        let both = [seed.to_le_bytes(), n.to_le_bytes()].concat();
        hash(Purpose::File, &both).fingerprint() & 1 == 1
    }
}

fn check(map: &mut Map, model: &Model, asked: &[Hash]) {
    let root = model_root(model);
    assert_eq!(map.root().unwrap(), root);
    for key in model.keys().chain(asked) {
        let value = model.get(key).copied();
        assert_eq!(map.get(key).unwrap(), value);
        assert_eq!(map.latest(key).unwrap(), value);
    }
    for key in model.keys().step_by(7).chain(asked) {
        let proof = map.prove(key).unwrap();
        assert_eq!(proof.verify(&root, key), Ok(model.get(key).copied()));
    }
}

/// What a save has to open to.
#[derive(Clone)]
struct Kept {
    saved: Vec<u8>,
    committed: u64,
    model: Model,
}

/// A map on a disk, what it has to hold, and its saves.
struct Run {
    disk: MemoryDisk,
    map: Map,
    latest: Model,
    shown: Model,
    /// The last change.
    at: u64,
    committed: u64,
    durable: Option<Kept>,
    /// Saves with synced pages that have not been declared durable.
    synced: Vec<(Save, Kept)>,
}

impl Run {
    fn new() -> Run {
        let (disk, map) = disk();
        Run {
            disk,
            map,
            latest: Model::new(),
            shown: Model::new(),
            at: 0,
            committed: 0,
            durable: None,
            synced: Vec::new(),
        }
    }

    /// Goes on with the map that a save opens after a crash.
    fn opened(disk: MemoryDisk, kept: Kept) -> Run {
        Run {
            map: open(&disk, &kept.saved, kept.committed).unwrap(),
            disk,
            latest: kept.model.clone(),
            shown: kept.model.clone(),
            at: kept.committed.saturating_sub(1),
            committed: kept.committed,
            durable: Some(kept),
            synced: Vec::new(),
        }
    }

    fn take(&mut self, step: Step, asked: &[Hash]) {
        match step {
            Step::Set(changes) => {
                self.at += 1;
                for (key, value) in changes {
                    self.map.set(key, value, self.at).unwrap();
                    change(&mut self.latest, key, value);
                }
            }
            Step::Commit => {
                self.committed = self.at + 1;
                self.map.commit(self.committed);
                self.shown = self.latest.clone();
            }
            Step::Root => assert_eq!(self.map.root().unwrap(), model_root(&self.latest)),
            Step::Try(changes) => {
                let mut with = self.latest.clone();
                let changes: BTreeMap<_, _> = changes.into_iter().collect();
                for (key, value) in &changes {
                    change(&mut with, *key, *value);
                }
                let root = self.map.root_with(changes, self.at + 1).unwrap();
                assert_eq!(root, model_root(&with));
            }
            Step::Prove(key) => {
                let proof = self.map.prove(&key).unwrap();
                let shown = self.shown.get(&key).copied();
                assert_eq!(proof.verify(&model_root(&self.shown), &key), Ok(shown));
            }
            Step::Save(sync) => self.save(sync),
            Step::Declare(at) if !self.synced.is_empty() => {
                let at = at.index(self.synced.len());
                let (save, kept) = self.synced.drain(..=at).next_back().unwrap();
                self.map.saved(&save);
                self.durable = Some(kept);
            }
            Step::Declare(_) => {}
            Step::Crash(seed) => self.crash(seed, asked),
        }
    }

    fn save(&mut self, sync: bool) {
        let Some(save) = self.map.save().unwrap() else {
            return assert!(self.at >= self.committed, "everything is committed");
        };
        // Changes that are not committed may have taken each other back.
        assert_eq!(self.latest, self.shown);
        if sync {
            let kept = Kept {
                saved: save.sync().unwrap().to_vec(),
                committed: self.committed,
                model: self.shown.clone(),
            };
            self.synced.push((save, kept));
        }
    }

    /// Opens each save that a crash may leave behind, then goes on with the last that was declared durable.
    fn crash(&mut self, seed: u64, asked: &[Hash]) {
        let undeclared = self.synced.iter().map(|(_, kept)| kept);
        for kept in undeclared.chain(&self.durable) {
            let disk = self.disk.crash(coins(seed));
            let mut map = open(&disk, &kept.saved, kept.committed).unwrap();
            check(&mut map, &kept.model, asked);
            let again = map.save().unwrap().unwrap();
            assert_eq!(again.sync().unwrap(), kept.saved);
        }
        *self = match self.durable.take() {
            Some(kept) => Run::opened(self.disk.crash(coins(seed)), kept),
            None => Run::new(),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whenever_a_crash_comes_each_save_that_may_count_opens_to_what_the_map_held(
        steps in vec(step(), 0..120),
        asked in vec(any_key(), 1..8),
        last in any::<u64>(),
    ) {
        let mut run = Run::new();
        for step in steps.into_iter().chain([Step::Crash(last)]) {
            run.take(step, &asked);
            for key in &asked {
                prop_assert_eq!(run.map.get(key).unwrap(), run.shown.get(key).copied());
                prop_assert_eq!(run.map.latest(key).unwrap(), run.latest.get(key).copied());
            }
        }
    }
}

/// A disk with a map of committed entries that is saved, and the save's bytes.
fn saved(entries: u64) -> (MemoryDisk, Vec<u8>) {
    let (disk, mut map) = disk();
    for (key, value) in many(entries) {
        map.set(key, Some(value), 0).unwrap();
    }
    map.commit(1);
    let save = map.save().unwrap().unwrap();
    let bytes = save.sync().unwrap().to_vec();
    map.saved(&save);
    (disk, bytes)
}

#[test]
fn a_map_that_was_opened_has_its_root_without_reading_a_page() {
    let (disk, bytes) = saved(2_000);
    let reads = Arc::new(AtomicUsize::new(0));
    let file = Counted {
        file: disk.open(path(), false).unwrap(),
        reads: Arc::clone(&reads),
    };
    let mut map = Map::open(Box::new(file), &bytes, 1).unwrap();
    let root = map_of(many(2_000)).root().unwrap();
    assert_eq!(map.root().unwrap(), root);
    assert!(map.save().unwrap().is_some());
    assert_eq!(reads.load(Ordering::Relaxed), 0);
    let (key, value) = many(1).next().unwrap();
    let proof = map.prove(&key).unwrap();
    assert_eq!(proof.verify(&root, &key), Ok(Some(value)));
    assert_eq!(reads.load(Ordering::Relaxed), 1);
}

#[test]
fn a_damaged_save_opens_no_map_or_one_that_answers_or_refuses_without_a_panic() {
    let (disk, bytes) = saved(160);
    let keys: Vec<Hash> = many(200).map(|(key, _)| key).step_by(9).collect();
    for len in 0..bytes.len() {
        assert!(open(&disk, &bytes[..len], 1).is_err());
    }
    assert!(open(&disk, &[&*bytes, &[0]].concat(), 1).is_err());
    let mut opened = 0;
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        // A disk of its own, since the map is written to.
        let disk = disk.crash(|| true);
        let Ok(mut map) = open(&disk, &damaged, 1) else {
            continue;
        };
        opened += 1;
        let _ = map.root();
        for key in &keys {
            let _ = (map.get(key), map.prove(key));
        }
        for key in &keys {
            let _ = map.set(*key, None, 1);
        }
        let _ = map.root();
    }
    assert!(opened > 0, "no damaged save was well formed");
}

fn saved_page(slot: u32) -> SavedPage {
    SavedPage {
        slot,
        len: 100,
        checksum: 1,
        latest: 0,
        summary: Summary::More(Hash::ZERO),
    }
}

fn page(slot: u32) -> SavedNode {
    SavedNode::Page(saved_page(slot))
}

/// Opens bytes over a file of three pages, the last not full.
fn open_bytes(bytes: &[u8]) -> Result<Map, OpenError> {
    let file = memory().unwrap();
    file.set_len(place(2) + 100).unwrap();
    Map::open(file, bytes, 1)
}

fn open_nodes(nodes: &[SavedNode]) -> Result<Map, OpenError> {
    open_bytes(&nodes.iter().flat_map(codec::encode).collect::<Vec<u8>>())
}

#[test]
fn a_saved_tree_that_no_map_has_is_refused_with_what_is_wrong_with_it() {
    use SavedNode::{Branch, Empty, Page};
    let opened = open_nodes(&[Branch, page(2), page(0)]).unwrap();
    assert_eq!(opened.pages.slots.count, 3);
    assert_eq!(opened.pages.slots.free, [1]);
    assert!(open_nodes(&[Empty]).is_ok());
    assert!(matches!(
        open_nodes(&[Branch, page(1), page(1)]),
        Err(OpenError::SlotTwice(1))
    ));
    assert!(matches!(
        open_nodes(&[Branch, Empty, Empty]),
        Err(OpenError::EmptyBranch)
    ));
    for len in [0, PAGE as u16 + 1] {
        let page = Page(SavedPage {
            len,
            ..saved_page(0)
        });
        assert!(matches!(open_nodes(&[page]), Err(OpenError::PageLen(found)) if found == len));
    }
    for slot in [3, u32::MAX] {
        assert!(matches!(
            open_nodes(&[page(slot)]),
            Err(OpenError::FileTooShort { .. })
        ));
    }
    let late = Page(SavedPage {
        latest: 1,
        ..saved_page(0)
    });
    assert!(matches!(
        open_nodes(&[late]),
        Err(OpenError::NotCommitted {
            at: 1,
            committed: 1
        })
    ));
    assert!(matches!(
        open_nodes(&[page(0), Empty]),
        Err(OpenError::Encoding(codec::DecodeError::Trailing(1)))
    ));
    // Slot 0 as a number of more bytes than it needs.
    let mut longer = codec::encode(&page(0));
    longer.splice(1..2, [251, 0, 0]);
    assert!(matches!(
        open_bytes(&longer),
        Err(OpenError::Encoding(codec::DecodeError::NotCanonical))
    ));
}

#[test]
fn a_saved_tree_is_256_branches_deep_at_most() {
    let chain = |depth: usize| -> Vec<SavedNode> {
        let branches = (0..depth).map(|_| SavedNode::Branch);
        let right_sides = (0..depth).map(|_| SavedNode::Empty);
        branches.chain([page(0)]).chain(right_sides).collect()
    };
    let mut map = open_nodes(&chain(MAX_DEPTH)).unwrap();
    map.root().unwrap();
    // The page at the end of the branches is not what its checksum says.
    assert!(map.get(&Hash::ZERO).is_err());
    for depth in [MAX_DEPTH + 1, 1_000_000] {
        assert!(matches!(open_nodes(&chain(depth)), Err(OpenError::TooDeep)));
    }
}

#[test]
fn a_page_from_elsewhere_in_the_tree_is_an_error_and_no_absence() {
    let (disk, bytes) = saved(100);
    let mut map = open(&disk, &bytes, 1).unwrap();
    let Node::Branch(top) = &mut map.top else {
        panic!("one page holds everything");
    };
    std::mem::swap(&mut top.left, &mut top.right);
    for (key, _) in many(120) {
        assert!(map.get(&key).is_err());
        assert!(map.set(key, None, 1).is_err());
    }
}

#[test]
fn a_page_that_the_medium_changed_after_the_save_is_found_when_it_is_read() {
    let (disk, bytes) = saved(1);
    let (key, _) = many(1).next().unwrap();
    let damages: [fn(&mut Vec<u8>); 2] = [|file| file[40] ^= 1, |file| file.truncate(20)];
    for damage in damages {
        let disk = disk.crash(|| true);
        let map = open(&disk, &bytes, 1).unwrap();
        disk.corrupt(path(), damage).unwrap();
        let error = map.get(&key).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}

#[test]
fn a_map_with_changes_that_are_not_committed_is_not_saved() {
    let (_, mut map) = disk();
    assert!(map.save().unwrap().is_some());
    let (key, value) = many(1).next().unwrap();
    map.set(key, Some(value), 7).unwrap();
    assert!(map.save().unwrap().is_none());
    map.commit(7);
    assert!(map.save().unwrap().is_none());
    map.commit(8);
    assert!(map.save().unwrap().is_some());
}

#[test]
fn a_map_in_memory_is_not_saved_and_what_was_saved_before_it_moved_there_still_opens() {
    assert!(Map::in_memory().save().unwrap().is_none());
    let (disk, bytes) = saved(500);
    let mut map = open(&disk, &bytes, 1).unwrap();
    disk.set_full(true);
    for round in 1..4 {
        for (key, _) in many(500).step_by(3) {
            let value = Hash::from_bytes([round; 32]);
            map.set(key, Some(value), round.into()).unwrap();
        }
        map.commit(u64::from(round) + 1);
        assert!(map.save().unwrap().is_none());
    }
    let mut opened = open(&disk.crash(|| true), &bytes, 1).unwrap();
    check(&mut opened, &many(500).collect(), &[]);
}

#[test]
fn after_a_sync_that_failed_no_save_counts_though_later_syncs_succeed() {
    let (disk, mut map) = disk();
    let first = map.save().unwrap().unwrap();
    let second = map.save().unwrap().unwrap();
    disk.fail_at(disk.operations() + 1, Failure::Refuse);
    assert!(first.sync().is_err());
    assert!(second.sync().is_err());
    assert!(first.sync().is_err());
    assert!(map.save().unwrap().is_none());
}

#[test]
fn one_change_at_a_time_with_a_save_now_and_then_keeps_the_file_within_three_times_its_pages() {
    let (disk, mut map) = disk();
    let entries: Vec<_> = many(4_000).collect();
    for (key, value) in &entries {
        map.set(*key, Some(*value), 0).unwrap();
    }
    map.root().unwrap();
    for at in 1..=10_000u64 {
        let (key, _) = entries[(at * 7 % 4_000) as usize];
        let value = Hash::from_bytes([at as u8; 32]);
        map.set(key, Some(value), at).unwrap();
        map.root().unwrap();
        map.commit(at + 1);
        if at % 1_000 == 0 {
            let save = map.save().unwrap().unwrap();
            save.sync().unwrap();
            map.saved(&save);
        }
    }
    let slots = &map.pages.slots;
    let live = slots.count as usize - slots.free.len() - slots.held.len();
    let len = disk.open(path(), false).unwrap().len().unwrap();
    assert!(len <= 3 * place(live as u32), "{len} bytes, {live} pages");
}
