//! Appending to the current month's file, reading, removing old months.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::frame::{Damage, Faults, Format, MAX_LOOKS, Piece, Scan, scan};
use super::{Look, Month};
use crate::codec::Bounded;
use crate::crypto::catalogue_keys::CatalogueKeys;
use crate::crypto::keys::{FieldKey, Secret};
use crate::disk::{Disk, DiskFile};
use crate::header::{HEADER_LEN, HeaderError, check_header};
use crate::id::Date;
use crate::names::LogName;
use crate::record::{BlindedSubject, SubjectTag};

/// Why the journal can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The medium failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A file of another department or month, or of a later version.
    #[error("{file}: {error}")]
    Header {
        /// The file.
        file: String,
        /// What it is instead.
        error: HeaderError,
    },
}

/// What opening a file for appending found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The file's month.
    pub month: Month,
    /// Bytes cut off its end: a write that was never finished, and that nobody was answered for.
    pub cut_off: u64,
    /// What can't be read in it.
    pub damage: Vec<Damage>,
}

/// Where a reading continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// In which month.
    pub month: Month,
    /// At which byte.
    pub at: u64,
    /// After how many of the looks there.
    pub skip: u32,
}

/// Looks that were read.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    /// The looks, in the order in which they were recorded.
    pub looks: Vec<Look>,
    /// What could not be read on the way.
    pub damage: Vec<Damage>,
    /// Where it continues; absent at the end.
    pub next: Option<Place>,
}

/// The file that is appended to.
struct Current {
    month: Month,
    file: Box<dyn DiskFile>,
    /// Bytes known to be durable.
    durable: u64,
    /// Where the next frame goes.
    end: u64,
    /// Whether nothing stands beyond `end`.
    whole: bool,
}

/// A department's look-up journal.
pub struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    log: LogName,
    key: Secret,
    current: Mutex<Option<Current>>,
    damage: Mutex<BTreeMap<Month, Vec<Damage>>>,
}

impl Journal {
    /// The journal below `dir` of the department whose log this is. Touches no file.
    pub fn new(disk: Arc<dyn Disk>, dir: PathBuf, log: LogName, department: &FieldKey) -> Journal {
        Journal {
            disk,
            dir,
            log,
            key: department.journal_key(),
            current: Mutex::default(),
            damage: Mutex::default(),
        }
    }

    /// Opens the newest file, the one that a crash can have torn, and cuts off what was never acknowledged; `None` while
    /// there is no file.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn recover(&self) -> Result<Option<Opened>, JournalError> {
        match self.months()?.last() {
            Some(month) => self.switch(&mut self.current.lock(), *month).map(Some),
            None => Ok(None),
        }
    }

    /// Records looks, all dated `time_ms`. Durable when this returns. The nonces must be random, new ones each time.
    ///
    /// A refused write leaves nothing that counts, and the next call writes from the last durable byte on: the journal goes
    /// on once the disk lets it.
    ///
    /// # Errors
    /// [`JournalError`]: none of the looks counts as recorded.
    pub fn record(
        &self,
        time_ms: u64,
        nonces: [[u8; 24]; 2],
        looks: &Bounded<Look, MAX_LOOKS>,
    ) -> Result<(), JournalError> {
        let month = Month::of(Date::in_china(time_ms));
        let mut current = self.current.lock();
        if current.as_ref().is_none_or(|open| open.month != month) {
            self.switch(&mut current, month)?;
        }
        let Some(open) = current.as_mut() else {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        };
        if !open.whole {
            // Whatever a refused write or sync left is written over from the last byte that is durable for certain.
            open.file.set_len(open.durable)?;
            open.end = open.durable;
        }
        let format = Format::new(&self.key, &self.log, month);
        let [nonce, marks] = nonces;
        let frame = format.seal(open.end, open.durable, nonce, looks);
        open.whole = false;
        open.file.write_at(&frame, open.end)?;
        open.file.sync()?;
        open.durable = open.end + frame.len() as u64;
        open.end = open.durable;
        // The mark needs no sync of its own: it only says that what stands before it was durable.
        let mark = format.seal(open.end, open.durable, marks, &Bounded::default());
        if open.file.write_at(&mark, open.end).is_ok() {
            open.end += mark.len() as u64;
            open.whole = true;
        }
        Ok(())
    }

    /// Looks of days, of all subjects or about one: at most `limit`, and at most some `most` read for them.
    ///
    /// # Errors
    /// [`JournalError`]. What is damaged is not an error: it is in the answer.
    pub fn read(
        &self,
        (from, to): (Date, Date),
        subject: Option<(&CatalogueKeys, &[SubjectTag])>,
        place: Option<Place>,
        limit: usize,
        most: usize,
    ) -> Result<Looks, JournalError> {
        let mut found = Looks::default();
        let mut blinded: BTreeMap<Date, Vec<BlindedSubject>> = BTreeMap::new();
        let mut wanted = |look: &Look| {
            let day = Date::in_china(look.time_ms);
            let Some((keys, tags)) = subject.filter(|_| (from..=to).contains(&day)) else {
                return (from..=to).contains(&day);
            };
            let of_day = blinded
                .entry(day)
                .or_insert_with(|| keys.blinded(tags, day));
            look.subject.is_some_and(|looked| of_day.contains(&looked))
        };
        let first = Month::of(from).max(place.map_or(Month::of(from), |place| place.month));
        let mut gone_through = 0;
        for month in self.months()? {
            if month < first || month > Month::of(to) {
                continue;
            }
            let Some((file, len)) = self.open_to_read(month)? else {
                continue;
            };
            let format = Format::new(&self.key, &self.log, month);
            let mut faults = Faults::new(&format);
            let (at, skip) = match place.filter(|place| place.month == month) {
                Some(place) => (place.at.max(HEADER_LEN), place.skip as usize),
                None => (HEADER_LEN, 0),
            };
            if at == HEADER_LEN && !self.has_header(&*file, &format, month)? {
                faults.header();
            }
            let mut scan = Scan::new(&format, &*file, at, len);
            while let Some(piece) = scan.next()? {
                faults.see(&piece);
                let Piece::Frame(frame) = piece else { continue };
                let Ok(looks) = frame.looks else { continue };
                let skip = if frame.at == at { skip } else { 0 };
                gone_through += looks.len();
                for (number, look) in (0_u32..).zip(looks).skip(skip) {
                    if !wanted(&look) {
                        continue;
                    }
                    if found.looks.len() == limit {
                        found.damage.append(&mut faults.found);
                        found.next = Some(Place {
                            month,
                            at: frame.at,
                            skip: number,
                        });
                        return Ok(found);
                    }
                    found.looks.push(look);
                }
                if gone_through >= most {
                    found.damage.append(&mut faults.found);
                    found.next = Some(Place {
                        month,
                        at: frame.next,
                        skip: 0,
                    });
                    return Ok(found);
                }
            }
            found.damage.append(&mut faults.found);
        }
        Ok(found)
    }

    /// The months that have a file, oldest first.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn months(&self) -> io::Result<Vec<Month>> {
        let names = self.disk.list(&self.dir)?;
        let mut months: Vec<Month> = names
            .iter()
            .filter_map(|name| Month::of_file(name))
            .collect();
        months.sort_unstable();
        Ok(months)
    }

    /// Reads a month's file from end to end and keeps what is damaged, for [`Journal::damage`].
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn check(&self, month: Month) -> Result<Vec<Damage>, JournalError> {
        let Some((file, len)) = self.open_to_read(month)? else {
            return Ok(Vec::new());
        };
        let format = Format::new(&self.key, &self.log, month);
        let mut faults = Faults::new(&format);
        if !self.has_header(&*file, &format, month)? {
            faults.header();
        }
        let damage = scan(&format, &*file, len, faults)?.damage;
        self.damage.lock().insert(month, damage.clone());
        Ok(damage)
    }

    /// Everything found damaged since the journal was opened.
    pub fn damage(&self) -> Vec<Damage> {
        self.damage.lock().values().flatten().cloned().collect()
    }

    /// Removes the files of the months that were over before a day; returns which. The file that is appended to stays.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn remove_before(&self, day: Date) -> io::Result<Vec<Month>> {
        let current = self.current.lock();
        let stays = current.as_ref().map(|open| open.month);
        let mut removed = Vec::new();
        for month in self.months()? {
            if month.last() < day && Some(month) != stays {
                self.disk.remove(&self.path(month))?;
                self.damage.lock().remove(&month);
                removed.push(month);
            }
        }
        if !removed.is_empty() {
            self.disk.sync_dir(&self.dir)?;
        }
        Ok(removed)
    }

    fn path(&self, month: Month) -> PathBuf {
        self.dir.join(month.file_name())
    }

    /// A month's file and how far it is read; `None` when it has none.
    fn open_to_read(&self, month: Month) -> io::Result<Option<(Box<dyn DiskFile>, u64)>> {
        let current = self.current.lock();
        let file = match self.disk.open(&self.path(month), false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let len = match current.as_ref().filter(|open| open.month == month) {
            // Beyond stands what is being written, or what a refused write left.
            Some(open) if open.whole => open.end,
            Some(open) => open.durable,
            None => file.len()?,
        };
        Ok(Some((file, len)))
    }

    /// Whether a file has its header; one that is merely damaged is not a reason to skip the rest.
    fn has_header(
        &self,
        file: &dyn DiskFile,
        format: &Format<'_>,
        month: Month,
    ) -> Result<bool, JournalError> {
        let mut found = [0; HEADER_LEN as usize];
        let read = file.read_at(&mut found, 0)?;
        if &found == format.header() {
            return Ok(true);
        }
        let kind = crate::header::Kind::Looks;
        match check_header(&found[..read], kind, &self.log, month.number()) {
            Ok(()) => Ok(true),
            Err(HeaderError::Damaged) => Ok(false),
            Err(error) => Err(JournalError::Header {
                file: month.file_name(),
                error,
            }),
        }
    }

    /// Takes up a month's file, or begins it.
    fn switch(&self, current: &mut Option<Current>, month: Month) -> Result<Opened, JournalError> {
        *current = None;
        self.disk.create_dir_all(&self.dir)?;
        let file = self.disk.open(&self.path(month), true)?;
        let format = Format::new(&self.key, &self.log, month);
        let len = file.len()?;
        let mut opened = Opened {
            month,
            cut_off: 0,
            damage: Vec::new(),
        };
        // A file without a whole header holds nothing that was acknowledged: it is synced before the first frame is written.
        let begun =
            len > HEADER_LEN || len == HEADER_LEN && self.has_header(&*file, &format, month)?;
        let end = if begun {
            let mut faults = Faults::new(&format);
            if !self.has_header(&*file, &format, month)? {
                faults.header();
            }
            let scanned = scan(&format, &*file, len, faults)?;
            opened.cut_off = len - scanned.end;
            opened.damage = scanned.damage;
            if opened.cut_off > 0 {
                file.set_len(scanned.end)?;
            }
            scanned.end
        } else {
            file.set_len(0)?;
            file.write_at(format.header(), 0)?;
            HEADER_LEN
        };
        // What a killed process wrote may be in memory only.
        file.sync()?;
        self.disk.sync_dir(&self.dir)?;
        if let Some(above) = self.dir.parent().filter(|above| *above != Path::new("")) {
            self.disk.sync_dir(above)?;
        }
        self.damage.lock().insert(month, opened.damage.clone());
        *current = Some(Current {
            month,
            file,
            durable: end,
            end,
            whole: true,
        });
        Ok(opened)
    }
}
