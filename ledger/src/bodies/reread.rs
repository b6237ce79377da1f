//! Reads what a department keeps beside its log while its peer runs, a part at a time: what rots where it lies is found before
//! someone asks for it.
//!
//! A body is opened and compared with what its record commits to, an attachment read to its end, as
//! [`check_bodies`](super::check_bodies) does. A slot that reads as zeros is not judged: a certificate's fields are destroyed before
//! the record that says so is appended. What is missing whole each start finds ([`Lost::find`]).

use std::io;

use zeroize::Zeroizing;

use super::check::BodyFault;
use super::compare::{ATTACHMENTS, Asked, BODIES, Compare, Found, Records};
use super::lost::{About, Lost, LostError, Slot};
use super::{Attachments, Bodies, SLOT_LEN, place, read_slot};
use crate::disk::too_many_files;
use crate::id::Date;
use crate::log::Log;

/// Bytes of records whose bodies are read at a time.
const RECORDS: usize = 256 << 10;
/// Bytes of bodies and attachments after which no other is begun.
const ENOUGH: u64 = 1 << 20;

/// What was read of bodies, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reread {
    /// Position of the record to continue with.
    pub next: u64,
    /// Bytes that were read, those of records among them.
    pub bytes: u64,
    /// What can't be had any more.
    pub lost: Lost,
    /// Why.
    pub faults: Vec<BodyFault>,
}

/// Reads the bodies of some of a department's records, from a position on; `None` behind the last. `records` reads the records of all
/// logs that are here; `today` says which copies are to be there still. What may be erased meanwhile is no fault.
///
/// # Errors
/// [`LostError`] if the log can't be read, or no file can be opened. Bodies that the medium does not give are lost.
pub fn reread(
    log: &Log,
    bodies: &Bodies,
    attachments: &Attachments,
    records: &Records<'_>,
    from: u64,
    today: Date,
) -> Result<Option<Reread>, LostError> {
    let Some((entries, bytes)) = log.some_entries(from, RECORDS)? else {
        return Ok(None);
    };
    let mut slots = Zeroizing::new(vec![0; entries.len() * SLOT_LEN]);
    // Where the file ends there are none.
    bodies.keys.read_at(&mut slots, place(from))?;
    let (disk, dir) = attachments.kept();
    let key = Some(&bodies.department);
    let (keys, sealed) = (&*bodies.keys, &*bodies.bodies);
    let own = *log.name();
    let compare = Compare::new(
        own,
        disk,
        dir,
        keys,
        sealed,
        key,
        Default::default(),
        records,
    );
    let mut read = Reread {
        next: from,
        bytes: bytes as u64,
        ..Reread::default()
    };
    for (entry, slot) in entries.into_iter().zip(slots.chunks_exact(SLOT_LEN)) {
        if read.bytes >= ENOUGH {
            break;
        }
        let seq = read.next;
        read.next += 1;
        let about = About::of(&own, &entry).filter(|about| match about {
            About::Copy { until, .. } => *until >= today,
            About::Fields(_) | About::Case(_) => true,
        });
        let slot = match read_slot(slot) {
            Some(full) => Slot::Kept {
                attachments: full.attachments,
            },
            None if slot.iter().all(|byte| *byte == 0) => continue,
            None => Slot::Damaged,
        };
        let Some(about) = about else { continue };
        let asked = Asked {
            seq,
            about,
            entry,
            slot,
        };
        let found = match compare.look_at(&asked) {
            Err(error) if too_many_files(&error) => return Err(error.into()),
            Err(error) => Found::failed(&error),
            Ok(found) => found,
        };
        read.bytes += found.bytes;
        if !found.faults.is_empty() && is_to_be_there(log, bodies, &asked)? {
            read.add(&asked, found);
        }
    }
    Ok(Some(read))
}

/// Whether a body has to be there still: it may have been destroyed while it was looked at.
fn is_to_be_there(log: &Log, bodies: &Bodies, asked: &Asked) -> Result<bool, LostError> {
    if !bodies.is_kept(asked.seq).map_err(io::Error::other)? {
        return Ok(false);
    }
    match &asked.about {
        // Erased fields that are there again are found, and destroyed, by a start.
        About::Fields(id) => Ok(log.erasure_of(id)?.is_none()),
        About::Copy { .. } | About::Case(_) => Ok(true),
    }
}

impl Found {
    /// What the medium does not give is lost.
    fn failed(error: &io::Error) -> Found {
        let mut found = Found::default();
        found.fault(BODIES, format!("the body can't be read: {error}"));
        found
    }
}

impl Reread {
    fn add(&mut self, asked: &Asked, found: Found) {
        let (seq, lost) = (asked.seq, &mut self.lost);
        let faults = || found.faults.iter();
        match &asked.about {
            _ if faults().all(|(file, _)| file.starts_with(ATTACHMENTS)) => {
                lost.attachments.insert(seq);
            }
            About::Fields(_) => drop(lost.certificates.insert(seq)),
            About::Copy { until, .. } => drop(lost.copies.insert(seq, *until)),
            About::Case(_) => drop(lost.cases.insert(seq)),
        }
        let faults = found.faults.into_iter().map(|(file, rule)| BodyFault {
            file,
            record: Some(seq),
            rule,
        });
        self.faults.extend(faults);
    }
}
