//! What the ledger costs, beside what its parts cost raw: in each group the benches named `raw …` are the floor, so the
//! ratio to them is the ledger's own share.

#[path = "../tests/common/mod.rs"]
mod common;

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use certmesh_ledger::codec::encode;
use certmesh_ledger::crypto::hash::{Hash, Purpose, hash, keyed};
use certmesh_ledger::crypto::keys::SIGNATURE_LEN;
use certmesh_ledger::disk::RealDisk;
use certmesh_ledger::log::{Log, MAX_PAGE, Page, Place, SEGMENT_RECORDS, VerifiedPage, Writer};
use certmesh_ledger::record::{Frame, Record, RecordHash, SignedRecord, leaf_hash, record_hash};
use certmesh_ledger::status_map::StatusMap;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ed25519_dalek::Signer as _;
use tempfile::TempDir;

use common::{CREATED_MS, certificate, issue, key, members, name, tag};

fn record(n: u64) -> Record {
    Record {
        seq: n,
        prev: RecordHash(hash(Purpose::Record, &n.to_le_bytes())),
        time_ms: CREATED_MS,
        height: 0,
        key_epoch: 0,
        entry: issue(n),
    }
}

/// A folder on the disk the build is on: the system's temporary folder may be in memory.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the bench")
}

fn open(folder: &Path, segment_records: u64) -> Arc<Log> {
    let place = Place {
        disk: Arc::new(RealDisk::default()),
        data: folder.to_owned(),
        segment_records,
        index_key: certmesh_ledger::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
    };
    Arc::new(Log::open(&place, name(), &members()).expect("a log").0)
}

fn grow(log: &Arc<Log>, records: u64) {
    let mut writer = Writer::new(Arc::clone(log), key(1));
    for first in (0..records).step_by(1000) {
        let entries = (first..(first + 1000).min(records)).map(issue).collect();
        writer.append(CREATED_MS, entries).expect("appended");
    }
}

fn records(c: &mut Criterion) {
    let record = record(1);
    let bytes = encode(&record);
    let signed = SignedRecord::sign(&name(), record.clone(), &key(1));
    let frame = signed.frame();
    let (frame, _) = Frame::read(&frame).expect("a frame");
    let mut group = c.benchmark_group("record");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode", |b| b.iter(|| encode(black_box(&record))));
    group.bench_function("decode", |b| {
        b.iter(|| Record::decode(black_box(&bytes)));
    });
    group.bench_function("hash and leaf", |b| {
        let log = name();
        b.iter(|| leaf_hash(&record_hash(&log, black_box(&bytes)), frame.signature));
    });
    group.bench_function("raw BLAKE3 of as many bytes", |b| {
        let first = vec![7; 54 + bytes.len()];
        let second = [7; 32 + SIGNATURE_LEN];
        b.iter(|| {
            let one = blake3::keyed_hash(keyed(Purpose::Record), black_box(&first));
            (
                one,
                blake3::keyed_hash(keyed(Purpose::Leaf), black_box(&second)),
            )
        });
    });
    group.finish();
}

fn signatures(c: &mut Criterion) {
    let (log, pair) = (name(), key(1));
    let signed = SignedRecord::sign(&log, record(1), &pair);
    let public = pair.public();
    let raw = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let message = *signed.hash().0.as_bytes();
    let signature = raw.sign(&message);
    let mut group = c.benchmark_group("signature");
    group.throughput(Throughput::Elements(1));
    group.bench_function("sign a record", |b| {
        b.iter_batched(
            || record(1),
            |record| SignedRecord::sign(&log, record, &pair),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("raw Ed25519 sign", |b| {
        b.iter(|| raw.sign(black_box(&message)));
    });
    group.bench_function("verify a record strictly", |b| {
        b.iter(|| signed.verify(black_box(&public)));
    });
    group.bench_function("raw Ed25519 verify_strict", |b| {
        let raw = raw.verifying_key();
        b.iter(|| raw.verify_strict(black_box(&message), &signature));
    });
    group.finish();
}

/// A log's pages of 1 MiB, and how many records they hold.
fn pages(records: u64) -> (Vec<Page>, TempDir) {
    let folder = folder();
    let log = open(folder.path(), SEGMENT_RECORDS);
    grow(&log, records);
    let (mut pages, mut from) = (Vec::new(), 0);
    while from < records {
        let page = log.page(from, MAX_PAGE).expect("a page");
        from = page.end().expect("whole frames");
        pages.push(page);
    }
    (pages, folder)
}

fn replication(c: &mut Criterion) {
    let members = members();
    let (pages, _folder) = pages(10_000);
    let bytes = encode(&pages[0]);
    let count = pages[0].end().expect("whole frames");
    let mut group = c.benchmark_group("page of 1 MiB");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(count));
    group.bench_function("decode and verify", |b| {
        b.iter(|| {
            let page = Page::decode(black_box(&bytes)).expect("canonical");
            page.verify(&members).expect("verifies")
        });
    });
    group.bench_function("raw BLAKE3 of as many bytes", |b| {
        b.iter(|| blake3::hash(black_box(&bytes)));
    });
    group.finish();

    let verified: Vec<VerifiedPage> = pages
        .iter()
        .map(|page| page.clone().verify(&members).expect("verifies"))
        .collect();
    let sizes: Vec<usize> = pages.iter().map(|page| page.frames.len()).collect();
    let mut group = c.benchmark_group("replica");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(10_000));
    group.bench_function("apply 10,000 records", |b| {
        b.iter_batched(
            || {
                let folder = self::folder();
                (open(folder.path(), SEGMENT_RECORDS), folder)
            },
            |(log, folder)| {
                for page in &verified {
                    log.apply(page).expect("applied");
                }
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("raw writes and fsyncs of as many bytes", |b| {
        b.iter_batched(
            RawLog::new,
            |mut raw| {
                for size in &sizes {
                    raw.append(&vec![7; *size]);
                }
                raw
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// The two synced writes an append cannot do without: the records, then the head.
struct RawLog {
    records: File,
    head: File,
    end: u64,
    _folder: TempDir,
}

impl RawLog {
    fn new() -> RawLog {
        let folder = folder();
        let file = |name: &str| {
            let mut options = OpenOptions::new();
            let path = folder.path().join(name);
            options
                .read(true)
                .write(true)
                .create_new(true)
                .open(path)
                .expect("a file")
        };
        let (records, head) = (file("records"), file("head"));
        head.set_len(3 * 4096).expect("a length");
        head.sync_all().expect("synced");
        RawLog {
            records,
            head,
            end: 0,
            _folder: folder,
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.records.write_all_at(bytes, self.end).expect("written");
        self.records.sync_data().expect("synced");
        self.end += bytes.len() as u64;
        self.head.write_all_at(&[7; 300], 4096).expect("written");
        self.head.sync_data().expect("synced");
    }
}

fn appending(c: &mut Criterion) {
    let frame = SignedRecord::sign(&name(), record(1), &key(1))
        .frame()
        .len();
    for (count, samples) in [(1u64, 50), (1000, 10)] {
        let mut group = c.benchmark_group(format!("append {count}"));
        group
            .sample_size(samples)
            .throughput(Throughput::Elements(count));
        group.bench_function("writer on disk", |b| {
            let folder = folder();
            let mut writer = Writer::new(open(folder.path(), SEGMENT_RECORDS), key(1));
            let mut next = 0;
            b.iter_batched(
                || {
                    next += count;
                    (next - count..next).map(issue).collect::<Vec<_>>()
                },
                |entries| writer.append(CREATED_MS, entries).expect("appended"),
                BatchSize::PerIteration,
            );
        });
        group.bench_function("raw write and fsync, twice", |b| {
            let mut raw = RawLog::new();
            let bytes = vec![7; frame * count as usize];
            b.iter(|| raw.append(&bytes));
        });
        group.bench_function("raw Ed25519 signing, one core", |b| {
            let raw = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
            b.iter(|| {
                (0..count)
                    .map(|n| raw.sign(&n.to_le_bytes()))
                    .collect::<Vec<_>>()
            });
        });
        group.finish();
    }
}

fn status_map(c: &mut Criterion) {
    let entry = |n: u64| -> (Hash, Hash) {
        let key = hash(Purpose::StatusKey, &n.to_le_bytes());
        (key, hash(Purpose::StatusValue, key.as_bytes()))
    };
    let mut map = StatusMap::in_memory();
    map.commit(u64::MAX);
    for (key, value) in (0..100_000).map(entry) {
        map.set(key, Some(value), 0).unwrap();
    }
    let root = map.root().unwrap();
    let mut group = c.benchmark_group("status map of 100,000");
    group.bench_function("insert one, compute the root, remove it", |b| {
        let mut n = 100_000;
        b.iter(|| {
            n += 1;
            let (key, value) = entry(n);
            map.set(key, Some(value), 0).unwrap();
            let root = map.root().unwrap();
            map.set(key, None, 0).unwrap();
            root
        });
    });
    assert_eq!(map.root().unwrap(), root);
    group.bench_function("prove", |b| {
        let (key, _) = entry(5);
        b.iter(|| map.prove(black_box(&key)).unwrap());
    });
    group.bench_function("verify a proof", |b| {
        let (key, _) = entry(5);
        let proof = map.prove(&key).unwrap();
        b.iter(|| proof.verify(&root, black_box(&key)));
    });
    group.bench_function("raw BLAKE3 of 17 nodes", |b| {
        let node = [7; 64];
        b.iter(|| {
            for _ in 0..17 {
                black_box(blake3::keyed_hash(
                    keyed(Purpose::StatusNode),
                    black_box(&node),
                ));
            }
        });
    });
    group.finish();
}

fn lookups(c: &mut Criterion) {
    let folder = folder();
    // Two sealed segments and one that grows.
    let log = open(folder.path(), 8192);
    grow(&log, 20_000);
    let mut group = c.benchmark_group("lookup in 20,000");
    for (place, n) in [("sealed", 5_000), ("growing", 19_000)] {
        let id = certificate(&format!("S{n:08}"));
        group.bench_function(format!("by certificate, {place} segment"), |b| {
            b.iter(|| log.by_certificate(black_box(&id)));
        });
    }
    let absent = certificate("ABSENT");
    group.bench_function("by certificate, absent", |b| {
        b.iter(|| log.by_certificate(black_box(&absent)));
    });
    let tag = tag(3);
    group.bench_function("ten by subject", |b| {
        b.iter(|| log.by_subject(black_box(&[tag]), 0, 10));
    });
    group.bench_function("by position", |b| {
        b.iter(|| log.record(black_box(7_000)));
    });
    group.bench_function("raw read of 4 KiB", |b| {
        let mut path = folder.path().join("logs").join(name().id.to_string());
        path.push("000000000000.records");
        let file = File::open(path).expect("the first segment");
        let mut block = [0; 4096];
        b.iter(|| file.read_exact_at(&mut block, black_box(1 << 20)));
    });
    group.finish();
}

criterion_group!(
    benches,
    records,
    signatures,
    replication,
    appending,
    status_map,
    lookups
);
criterion_main!(benches);
