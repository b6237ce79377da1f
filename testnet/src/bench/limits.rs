//! The limits: what this machine can do at best, one thing at a time.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use certmesh_ledger::crypto::hash::{Hash, Purpose, hash};
use certmesh_ledger::crypto::keys::{PublicKey, Signature, SigningKey};

use crate::Error;
use crate::stats::{Times, per_second};

/// How long each is measured.
const MEASURED: Duration = Duration::from_millis(1_500);

fn messages() -> Vec<Hash> {
    (0..1_024u32)
        .map(|number| hash(Purpose::Record, &number.to_le_bytes()))
        .collect()
}

/// Repeats a batch of work until it was measured long enough; gives pieces of work a second.
fn rate(batch: u64, mut work: impl FnMut()) -> f64 {
    let (start, mut done) = (Instant::now(), 0);
    while start.elapsed() < MEASURED {
        work();
        done += batch;
    }
    per_second(done, start.elapsed())
}

/// Ed25519 signatures a second, one core.
pub(super) fn signatures_per_second() -> f64 {
    let (key, messages) = (SigningKey::from_seed(&[1; 32]), messages());
    rate(messages.len() as u64, || {
        for message in &messages {
            std::hint::black_box(key.sign(message));
        }
    })
}

/// Strict Ed25519 verifications a second, one core.
pub(super) fn verifications_per_second() -> f64 {
    let key = SigningKey::from_seed(&[1; 32]);
    let signed: Vec<(Hash, Signature)> = messages()
        .into_iter()
        .map(|message| (message, key.sign(&message)))
        .collect();
    let public: PublicKey = key.public();
    rate(signed.len() as u64, || {
        for (message, signature) in &signed {
            let _ = std::hint::black_box(public.verify(message, signature));
        }
    })
}

/// Times of a write of this many bytes at the end of a file and the sync that makes it durable, as the log itself does
/// it.
pub(super) fn write_and_sync(dir: &Path, bytes: usize, times: u64) -> Result<Times, Error> {
    let path = dir.join("raw-writes");
    let measure = || -> std::io::Result<Times> {
        let mut file = File::create(&path)?;
        let block = vec![7; bytes];
        let mut measured = Times::default();
        for _ in 0..times {
            let start = Instant::now();
            file.write_all(&block)?;
            file.sync_data()?;
            measured.add(start.elapsed());
        }
        Ok(measured)
    };
    measure().map_err(Error::file(&path))
}
