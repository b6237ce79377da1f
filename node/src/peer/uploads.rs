//! Files that were uploaded and wait for their certificates: received, named by tokens, and removed when none came.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use certmesh_ledger::bodies::{AttachmentKey, Receiving, Upload};
use certmesh_ledger::record::MediaType;
use zeroize::Zeroizing;

use super::{Peer, now_ms};
use crate::api::Refusal;
use crate::api::attachments::not_received;
use crate::api::types::Uploaded;

/// How long a certificate can take an upload.
const GOOD_FOR_MS: u64 = 24 * 3600 * 1000;
/// After so long nobody can take it any more, whatever was under way when its time ended.
const KEPT_FOR: Duration = Duration::from_secs(25 * 3600);
/// Between two looks for such files.
const EVERY: Duration = Duration::from_secs(600);
/// Most bytes of files that wait: 256 of the largest.
const MOST_WAITING: u64 = 16 << 30;

/// Where uploads are, below the data directory.
pub(super) fn directory(data: &Path) -> PathBuf {
    data.join("bodies/uploads")
}

fn drawn<const N: usize>() -> Result<Zeroizing<[u8; N]>, Refusal> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| {
        tracing::error!(%error, "the system gives no random bytes");
        Refusal::Internal
    })?;
    Ok(bytes)
}

/// Begins to receive a file under a name and a key of its own.
pub(super) fn receive(peer: &Peer) -> Result<Receiving, Refusal> {
    let waiting = waiting(&peer.uploads).map_err(|error| not_received(&error.into()))?;
    if waiting.iter().map(|(_, file)| file.len()).sum::<u64>() > MOST_WAITING {
        return Err(Refusal::Overloaded { retry_after_s: 600 });
    }
    let key = AttachmentKey::new(&*drawn::<48>()?);
    peer.attachments
        .receive(key)
        .map_err(|error| not_received(&error))
}

/// Makes a file that came whole durable, and its token.
pub(super) fn finish(
    peer: &Peer,
    receiving: Receiving,
    media_type: MediaType,
) -> Result<Uploaded, Refusal> {
    let upload: Upload = receiving
        .finish(media_type, now_ms() + GOOD_FOR_MS)
        .map_err(|error| not_received(&error))?;
    Ok(Uploaded {
        upload: upload.seal(&peer.field_key, *drawn::<24>()?),
        media_type: media_type.to_string(),
        size: upload.size,
        content: upload.content.to_string(),
    })
}

fn waiting(dir: &Path) -> io::Result<Vec<(PathBuf, fs::Metadata)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(file) => files.push((entry.path(), file)),
            // A certificate took it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// Removes the files that nobody can take any more; gives how many.
fn remove_old(dir: &Path, now: SystemTime) -> io::Result<usize> {
    let mut removed = 0;
    for (path, file) in waiting(dir)? {
        let age = now.duration_since(file.modified()?).unwrap_or_default();
        if age > KEPT_FOR {
            fs::remove_file(path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes old uploads, now and every few minutes, until dropped.
pub(super) async fn keep_removing(peer: Arc<Peer>) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        // A clock that jumped destroys nothing: the members agree on the time.
        let Some(agreed_ms) = peer.agreed_ms() else {
            continue;
        };
        let dir = peer.uploads.clone();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(agreed_ms);
        let done = tokio::task::spawn_blocking(move || remove_old(&dir, now)).await;
        match done {
            Ok(Ok(removed)) if removed > 0 => {
                tracing::info!(removed, "uploads removed that no certificate took in time");
            }
            Ok(Err(error)) => tracing::warn!(%error, "old uploads not removed"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_goes_after_its_time_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("one"), "1").unwrap();
        let now = SystemTime::now();
        assert_eq!(remove_old(dir.path(), now).unwrap(), 0);
        let in_time = now + Duration::from_millis(GOOD_FOR_MS);
        assert_eq!(remove_old(dir.path(), in_time).unwrap(), 0);
        assert_eq!(remove_old(dir.path(), now - KEPT_FOR).unwrap(), 0);
        let late = in_time + Duration::from_secs(2 * 3600);
        assert_eq!(remove_old(dir.path(), late).unwrap(), 1);
        assert!(waiting(dir.path()).unwrap().is_empty());
    }
}
