//! Files that were uploaded and wait for their certificates: received while there is room, named by tokens, and removed
//! when none came.
//!
//! Nothing of an upload is worth the log's own room on the disk, and no client's uploads are worth another's: both are
//! looked at before each piece is written, whatever length the client declared.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use certmesh_api::FaultKind;
use certmesh_ledger::bodies::{AttachmentError, AttachmentKey, Receiving, Upload};
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::record::{MAX_ATTACHMENT, MediaType};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::{Mib, Peer, Refusal, now_ms};
use crate::disk_space;

/// What files may take that wait for their certificates, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct UploadLimits {
    /// Most bytes of each client.
    pub of_client: u64,
    /// What stays free on the disk: the log's.
    pub keep_free: u64,
}

/// A file being received.
pub(crate) struct Incoming {
    /// What came of it.
    pub receiving: Receiving,
    /// Reserves room for this many more bytes before they are written; refuses if there is none.
    pub room: Box<dyn FnMut(u64) -> Result<(), Refusal> + Send>,
}

/// How long a certificate can take an upload.
const GOOD_FOR_MS: u64 = 24 * 3600 * 1000;
/// After this long nobody can use it any more, whatever was under way when its time ended.
const KEPT_FOR: Duration = Duration::from_secs(25 * 3600);
/// Between two looks for such files.
const EVERY: Duration = Duration::from_secs(600);
/// Most bytes of files that wait: 256 of the largest.
const MOST_WAITING: u64 = 16 << 30;

/// Where uploads are, below the data directory.
pub(crate) fn directory(data: &Path) -> PathBuf {
    data.join("bodies/uploads")
}

/// What an upload that can't be kept is answered with.
pub(crate) fn not_received(error: &AttachmentError) -> Refusal {
    match error {
        AttachmentError::TooLarge => Refusal::TooLarge {
            limit_bytes: MAX_ATTACHMENT,
        },
        AttachmentError::OtherContent => Refusal::field("body", FaultKind::Empty),
        AttachmentError::Io(full)
            if matches!(
                full.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ) =>
        {
            tracing::error!(%error, "an upload could not be written");
            Refusal::StorageFull {
                free: Mib::of_free(0),
                needed: Mib::of_needed(MAX_ATTACHMENT),
            }
        }
        _ => {
            tracing::error!(%error, "an upload could not be written");
            Refusal::Internal
        }
    }
}

fn drawn<const N: usize>() -> Result<Zeroizing<[u8; N]>, Refusal> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| {
        tracing::error!(%error, "the system provides no random bytes");
        Refusal::Internal
    })?;
    Ok(bytes)
}

/// A file that waits, or is being received.
struct Waits {
    /// Whose it is; nobody's when an earlier run of the node received it.
    client: Option<Arc<str>>,
    bytes: u64,
    /// Whether it is being received.
    coming: bool,
}

/// What uploads take of the disk, and what they may take.
pub(crate) struct Uploads {
    dir: PathBuf,
    limits: UploadLimits,
    /// By the file's name.
    waits: Mutex<HashMap<String, Waits>>,
}

impl Uploads {
    /// Uploads in this directory.
    pub(crate) fn new(dir: PathBuf, limits: UploadLimits) -> Arc<Uploads> {
        Arc::new(Uploads {
            dir,
            limits,
            waits: Mutex::default(),
        })
    }

    /// Where they are.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes note of what certificates took and what was removed, and of what an earlier run received.
    fn look(&self) -> io::Result<()> {
        let mut waits = self.waits.lock();
        let mut found = HashMap::new();
        for (path, file) in waiting(&self.dir)? {
            let name = path.file_stem().unwrap_or_default();
            found.insert(name.to_string_lossy().into_owned(), file.len());
        }
        waits.retain(|name, wait| wait.coming || found.contains_key(name));
        for (name, bytes) in found {
            waits.entry(name).or_insert(Waits {
                client: None,
                bytes,
                coming: false,
            });
        }
        Ok(())
    }

    /// Whether so many more bytes of a client can be kept.
    fn check(
        &self,
        waits: &HashMap<String, Waits>,
        client: &Arc<str>,
        more: u64,
    ) -> Result<(), Refusal> {
        let all: u64 = waits.values().map(|wait| wait.bytes).sum();
        if all + more > MOST_WAITING {
            return Err(Refusal::Overloaded { retry_after_s: 600 });
        }
        let theirs = waits
            .values()
            .filter(|wait| wait.client.as_ref() == Some(client));
        let theirs: u64 = theirs.map(|wait| wait.bytes).sum();
        if theirs + more > self.limits.of_client {
            return Err(Refusal::UploadsWaiting {
                waiting: Mib::of_needed(theirs),
                needed: Mib::of_needed(more),
                limit: Mib::of_free(self.limits.of_client),
            });
        }
        let free = disk_space::of(&self.dir).map_err(|error| not_received(&error.into()))?;
        let needed = more.saturating_add(self.limits.keep_free);
        if free.available < needed {
            return Err(Refusal::StorageFull {
                free: Mib::of_free(free.available),
                needed: Mib::of_needed(needed),
            });
        }
        Ok(())
    }

    /// Begins to count a client's file; `declared` is the least it will have.
    fn begin(self: &Arc<Self>, name: String, client: &str, declared: u64) -> Result<Room, Refusal> {
        self.look().map_err(|error| not_received(&error.into()))?;
        let client: Arc<str> = client.into();
        let mut waits = self.waits.lock();
        self.check(&waits, &client, declared)?;
        let wait = Waits {
            client: Some(Arc::clone(&client)),
            bytes: 0,
            coming: true,
        };
        waits.insert(name.clone(), wait);
        drop(waits);
        Ok(Room {
            uploads: Arc::clone(self),
            name,
            client,
        })
    }
}

/// The room that a file being received takes.
struct Room {
    uploads: Arc<Uploads>,
    name: String,
    client: Arc<str>,
}

impl Room {
    /// Takes room for this many more bytes.
    fn take(&self, more: u64) -> Result<(), Refusal> {
        let mut waits = self.uploads.waits.lock();
        self.uploads.check(&waits, &self.client, more)?;
        if let Some(wait) = waits.get_mut(&self.name) {
            wait.bytes += more;
        }
        Ok(())
    }
}

impl Drop for Room {
    /// A file that came whole waits from now on; of another one nothing is left.
    fn drop(&mut self) {
        let mut waits = self.uploads.waits.lock();
        if self.uploads.dir.join(&self.name).exists() {
            if let Some(wait) = waits.get_mut(&self.name) {
                wait.coming = false;
            }
        } else {
            waits.remove(&self.name);
        }
    }
}

/// Begins to receive a client's file under a name and a key of its own; `declared` is the least length it will have.
pub(crate) fn receive(peer: &Peer, client: &str, declared: u64) -> Result<Incoming, Refusal> {
    let key = AttachmentKey::new(&*drawn::<48>()?);
    let room = peer
        .uploads
        .begin(key.file().to_string(), client, declared)?;
    let receiving = peer.attachments.receive(key);
    Ok(Incoming {
        receiving: receiving.map_err(|error| not_received(&error))?,
        room: Box::new(move |more| room.take(more)),
    })
}

/// A file that is durable here, for a certificate to take.
pub(crate) struct Uploaded {
    /// What a certificate names it by. A secret: it opens the file.
    pub token: String,
    /// What kind of file it is.
    pub media_type: MediaType,
    /// Its bytes.
    pub size: u64,
    /// Hash of its content.
    pub content: Hash,
}

impl fmt::Debug for Uploaded {
    /// Leaves out the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploaded")
            .field("media_type", &self.media_type)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Makes a file that came whole durable, and its token.
pub(crate) fn finish(
    peer: &Peer,
    incoming: Incoming,
    media_type: MediaType,
) -> Result<Uploaded, Refusal> {
    // The room is let go of once the file has its name.
    let Incoming { receiving, room } = incoming;
    let upload: Upload = receiving
        .finish(media_type, now_ms() + GOOD_FOR_MS)
        .map_err(|error| not_received(&error))?;
    drop(room);
    Ok(Uploaded {
        token: upload.seal(&peer.field_key, *drawn::<24>()?),
        media_type,
        size: upload.size,
        content: upload.content,
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

/// Removes the files that nobody can use any more; returns how many.
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
pub(crate) async fn keep_removing(peer: Arc<Peer>) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        // A clock that jumped destroys nothing: the members agree on the time.
        let Some(agreed_ms) = peer.agreed_ms() else {
            continue;
        };
        let dir = peer.uploads.dir().to_owned();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(agreed_ms);
        let done = tokio::task::spawn_blocking(move || remove_old(&dir, now)).await;
        match done {
            Ok(Ok(removed)) if removed > 0 => {
                tracing::info!(removed, "uploads removed that no certificate used in time");
            }
            Ok(Err(error)) => tracing::warn!(%error, "old uploads not removed"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::states;

    #[test]
    fn the_page_states_how_long_an_upload_is_good() {
        let hours = GOOD_FOR_MS / 3_600_000;
        let text = format!("good for one certificate and for {hours} hours");
        states("docs/integrator.md", &text);
    }

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

    const MIB: u64 = 1 << 20;

    fn uploads(dir: &Path, of_client: u64, keep_free: u64) -> Arc<Uploads> {
        let limits = UploadLimits {
            of_client,
            keep_free,
        };
        Uploads::new(dir.to_owned(), limits)
    }

    /// What a whole upload leaves.
    fn received(uploads: &Arc<Uploads>, name: &str, client: &str, bytes: u64) {
        let room = uploads.begin(name.to_owned(), client, bytes).unwrap();
        room.take(bytes).unwrap();
        let file = fs::File::create(uploads.dir().join(name)).unwrap();
        file.set_len(bytes).unwrap();
    }

    #[test]
    fn what_a_client_s_uploads_take_is_bounded_whatever_length_it_declares() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = uploads(dir.path(), 3 * MIB, 0);
        received(&uploads, "one", "clerk", MIB);
        let coming = uploads.begin("two".to_owned(), "clerk", 0).unwrap();
        coming.take(MIB).unwrap();
        coming.take(MIB).unwrap();
        let refused = coming.take(1).unwrap_err();
        assert_eq!(refused.name(), "uploads-waiting");
        assert!(refused.to_string().contains("3 MiB"), "{refused}");
        // Before a byte of what is declared too long.
        assert!(uploads.begin("three".to_owned(), "clerk", 1).is_err());
        uploads.begin("four".to_owned(), "other", MIB).unwrap();
        // What did not come whole takes nothing, what a certificate took neither.
        drop(coming);
        let again = uploads.begin("five".to_owned(), "clerk", 2 * MIB).unwrap();
        drop(again);
        fs::remove_file(dir.path().join("one")).unwrap();
        uploads.begin("six".to_owned(), "clerk", 3 * MIB).unwrap();
    }

    #[test]
    fn files_of_an_earlier_run_are_nobody_s_and_count_for_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let whole = fs::File::create(dir.path().join("old")).unwrap();
        whole.set_len(MOST_WAITING).unwrap();
        let uploads = uploads(dir.path(), MIB, 0);
        let refused = uploads.begin("new".to_owned(), "clerk", 1).err();
        assert_eq!(refused, Some(Refusal::Overloaded { retry_after_s: 600 }));
        whole.set_len(MOST_WAITING - MIB).unwrap();
        fs::remove_file(dir.path().join("old")).unwrap();
        uploads.begin("new".to_owned(), "clerk", MIB).unwrap();
    }

    #[test]
    fn a_reserve_of_the_disk_is_left_to_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = uploads(dir.path(), 3 * MIB, 0);
        let coming = uploads.begin("one".to_owned(), "clerk", MIB).unwrap();
        coming.take(MIB).unwrap();
        let tight = self::uploads(dir.path(), 3 * MIB, u64::MAX / 2);
        let refused = tight.begin("two".to_owned(), "clerk", MIB).err().unwrap();
        assert_eq!(refused.name(), "storage-full");
    }
}
