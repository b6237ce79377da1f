//! The bytes of a file of the journal.
//!
//! After the header stand frames, each what was written and synced together: length of the sealed bytes (u32) · bytes of the
//! file that were durable before (u64) · nonce (24) · looks, encrypted · checksum (8). The checksum and the associated data
//! cover the frame's place in the file, so a frame counts nowhere else.
//!
//! Once a frame is synced, an empty one follows it, the mark, which says so. A frame that can't be read is damaged when what
//! follows says that it was durable, and a torn end otherwise: its write was never finished, and nobody was answered.

use std::fmt;
use std::io;

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use zeroize::Zeroizing;

use super::{Look, Month};
use crate::codec::{self, Bounded};
use crate::crypto::hash::{Purpose, hash_parts};
use crate::crypto::keys::{Secret, cipher};
use crate::disk::DiskFile;
use crate::header::{HEADER_LEN, Kind, header};
use crate::names::LogName;

/// Most looks in a frame.
pub const MAX_LOOKS: usize = 256;

/// Length, durable bytes, nonce.
const FRONT: usize = 4 + 8 + 24;
const TAG: usize = 16;
const SUM: usize = 8;
/// Most sealed bytes: 256 looks with the longest purpose are 160 KiB.
const MAX_SEALED: usize = 1 << 18;
/// Longest end that an unfinished write can leave: a mark that was never synced, and a frame.
const MAX_TORN: u64 = 2 * (FRONT + MAX_SEALED + SUM) as u64;
/// Bytes in which the next frame is looked for at a time.
const WINDOW: usize = 1 << 16;

/// A part of a file that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file's month.
    pub month: Month,
    /// Its first byte.
    pub from: u64,
    /// The byte after its last.
    pub to: u64,
    /// Why it can't be read.
    pub what: Unreadable,
}

/// Why a part of a file can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not what was written.
    Damaged,
    /// It is whole, and was encrypted under another field key.
    OtherKey,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, from, to) = (self.month.file_name(), self.from, self.to);
        match self.what {
            Unreadable::Damaged => write!(f, "{name}, bytes {from} to {to}: damaged"),
            Unreadable::OtherKey => {
                write!(
                    f,
                    "{name}, bytes {from} to {to}: written under another field key"
                )
            }
        }
    }
}

/// What belongs to every frame of one file: its key, and the header it is bound to.
pub(super) struct Format<'a> {
    key: &'a Secret,
    month: Month,
    header: [u8; HEADER_LEN as usize],
}

impl<'a> Format<'a> {
    pub(super) fn new(key: &'a Secret, log: &LogName, month: Month) -> Self {
        Format {
            key,
            month,
            header: header(Kind::Looks, log, month.number()),
        }
    }

    pub(super) fn header(&self) -> &[u8; HEADER_LEN as usize] {
        &self.header
    }

    /// Where a frame stands and what was durable before it, bound to the file.
    fn bound(&self, at: u64, durable: u64) -> Vec<u8> {
        let mut bound = self.header.to_vec();
        bound.extend_from_slice(&at.to_le_bytes());
        bound.extend_from_slice(&durable.to_le_bytes());
        bound
    }

    /// A frame of looks to stand at a place. The nonce must be random, a new one each time.
    pub(super) fn seal(
        &self,
        at: u64,
        durable: u64,
        nonce: [u8; 24],
        looks: &Bounded<Look, MAX_LOOKS>,
    ) -> Vec<u8> {
        let plain = Zeroizing::new(codec::encode(looks));
        let payload = Payload {
            msg: &plain,
            aad: &self.bound(at, durable),
        };
        let sealed = cipher(self.key)
            .encrypt(&nonce.into(), payload)
            .expect("256 looks are far shorter than the cipher's limit");
        let mut frame = Vec::with_capacity(FRONT + sealed.len() + SUM);
        let length = u32::try_from(sealed.len()).expect("256 looks are shorter than 4 GiB");
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&durable.to_le_bytes());
        frame.extend_from_slice(&nonce);
        frame.extend_from_slice(&sealed);
        let sum = checksum(at, &frame);
        frame.extend_from_slice(&sum);
        frame
    }

    /// The frame at a place of a file of `len` bytes; `None` when none stands there.
    fn read(&self, file: &dyn DiskFile, at: u64, len: u64) -> io::Result<Option<Frame>> {
        let mut front = [0; FRONT];
        if at + FRONT as u64 > len || file.read_at(&mut front, at)? < FRONT {
            return Ok(None);
        }
        let Some(sealed) = sealed_len(&front) else {
            return Ok(None);
        };
        let next = at + (FRONT + sealed + SUM) as u64;
        if next > len {
            return Ok(None);
        }
        let mut bytes = vec![0; FRONT + sealed + SUM];
        file.read_exact_at(&mut bytes, at)?;
        let (frame, sum) = bytes.split_at(FRONT + sealed);
        if checksum(at, frame) != sum {
            return Ok(None);
        }
        let mut durable = [0; 8];
        durable.copy_from_slice(&frame[4..12]);
        let durable = u64::from_le_bytes(durable);
        let payload = Payload {
            msg: &frame[FRONT..],
            aad: &self.bound(at, durable),
        };
        let opened = cipher(self.key).decrypt(XNonce::from_slice(&frame[12..FRONT]), payload);
        let looks = match opened.map(Zeroizing::new) {
            Ok(plain) => codec::decode::<Bounded<Look, MAX_LOOKS>>(&plain, MAX_SEALED)
                .map(Bounded::into_vec)
                .map_err(|_| Unreadable::Damaged),
            Err(_) => Err(Unreadable::OtherKey),
        };
        Ok(Some(Frame {
            at,
            next,
            durable,
            looks,
        }))
    }

    /// The first frame after a place, if there is one.
    fn find(&self, file: &dyn DiskFile, after: u64, len: u64) -> io::Result<Option<Frame>> {
        let mut window = vec![0; WINDOW];
        let mut begin = after + 1;
        while begin + FRONT as u64 <= len {
            let read = file.read_at(&mut window, begin)?;
            for place in 0..=read.saturating_sub(4) {
                // Most bytes are not a length that a frame can have; those are passed over without another read.
                if sealed_len(&window[place..read]).is_some()
                    && let Some(frame) = self.read(file, begin + place as u64, len)?
                {
                    return Ok(Some(frame));
                }
            }
            if read < WINDOW {
                break;
            }
            begin += (WINDOW - 3) as u64;
        }
        Ok(None)
    }
}

fn checksum(at: u64, frame: &[u8]) -> [u8; SUM] {
    let hash = hash_parts(Purpose::File, &[&at.to_le_bytes(), frame]);
    hash.fingerprint().to_le_bytes()
}

/// The length that a frame's first bytes give, if it can be one.
fn sealed_len(front: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*front.first_chunk()?) as usize;
    (TAG..=MAX_SEALED).contains(&length).then_some(length)
}

/// What was written together.
pub(super) struct Frame {
    pub(super) at: u64,
    /// Where the next frame stands.
    pub(super) next: u64,
    /// Bytes of the file that were durable before this was written.
    durable: u64,
    pub(super) looks: Result<Vec<Look>, Unreadable>,
}

/// A part of a file.
pub(super) enum Piece {
    Frame(Frame),
    /// What is not a frame.
    Gap(Gap),
}

/// Bytes that are not a frame, up to the next frame or the file's end.
#[derive(Clone, Copy)]
pub(super) struct Gap {
    from: u64,
    to: u64,
    /// Whether those bytes were durable once, so that they are damaged.
    damaged: bool,
}

/// Goes through a file's frames.
pub(super) struct Scan<'a> {
    format: &'a Format<'a>,
    file: &'a dyn DiskFile,
    at: u64,
    len: u64,
    /// The frame after a gap, found when the gap was.
    found: Option<Frame>,
}

impl<'a> Scan<'a> {
    /// From a place to before `len`.
    pub(super) fn new(format: &'a Format<'a>, file: &'a dyn DiskFile, at: u64, len: u64) -> Self {
        Scan {
            format,
            file,
            at,
            len,
            found: None,
        }
    }

    /// The next part; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece>> {
        if let Some(frame) = self.found.take() {
            self.at = frame.next;
            return Ok(Some(Piece::Frame(frame)));
        }
        if self.at >= self.len {
            return Ok(None);
        }
        if let Some(frame) = self.format.read(self.file, self.at, self.len)? {
            self.at = frame.next;
            return Ok(Some(Piece::Frame(frame)));
        }
        let from = self.at;
        self.found = self.format.find(self.file, from, self.len)?;
        self.at = self.len;
        let gap = match &self.found {
            Some(frame) => Gap {
                from,
                to: frame.at,
                damaged: frame.durable > from,
            },
            None => Gap {
                from,
                to: self.len,
                damaged: self.len - from > MAX_TORN,
            },
        };
        Ok(Some(Piece::Gap(gap)))
    }
}

/// Gathers what can't be read, neighbours as one.
pub(super) struct Faults {
    month: Month,
    pub(super) found: Vec<Damage>,
}

impl Faults {
    pub(super) fn new(format: &Format<'_>) -> Self {
        Faults {
            month: format.month,
            found: Vec::new(),
        }
    }

    pub(super) fn header(&mut self) {
        self.add(0, HEADER_LEN, Unreadable::Damaged);
    }

    pub(super) fn see(&mut self, piece: &Piece) {
        match piece {
            Piece::Gap(gap) if gap.damaged => self.add(gap.from, gap.to, Unreadable::Damaged),
            Piece::Frame(Frame {
                at,
                next,
                looks: Err(what),
                ..
            }) => self.add(*at, *next, *what),
            _ => {}
        }
    }

    fn add(&mut self, from: u64, to: u64, what: Unreadable) {
        match self.found.last_mut() {
            Some(last) if last.to == from && last.what == what => last.to = to,
            _ => self.found.push(Damage {
                month: self.month,
                from,
                to,
                what,
            }),
        }
    }
}

/// A whole file, read.
pub(super) struct Scanned {
    /// Where the next frame goes: what stands beyond was never acknowledged.
    pub(super) end: u64,
    pub(super) damage: Vec<Damage>,
}

/// Goes through a file from the header on.
pub(super) fn scan(
    format: &Format<'_>,
    file: &dyn DiskFile,
    len: u64,
    mut faults: Faults,
) -> io::Result<Scanned> {
    let mut scan = Scan::new(format, file, HEADER_LEN, len);
    // What all frames together say was durable, and the gaps of which the frame after them does not.
    let (mut durable, mut open): (u64, Vec<Gap>) = (0, Vec::new());
    while let Some(piece) = scan.next()? {
        faults.see(&piece);
        match piece {
            Piece::Frame(frame) => durable = durable.max(frame.durable),
            Piece::Gap(gap) if !gap.damaged => open.push(gap),
            Piece::Gap(_) => {}
        }
    }
    let (damaged, torn): (Vec<Gap>, Vec<Gap>) =
        open.into_iter().partition(|gap| gap.from < durable);
    for gap in damaged {
        faults.add(gap.from, gap.to, Unreadable::Damaged);
    }
    faults.found.sort_by_key(|damage| damage.from);
    Ok(Scanned {
        end: torn.first().map_or(len, |gap| gap.from),
        damage: faults.found,
    })
}
