//! The page that stopped a log for a rule that its department broke, kept so that a restart does not forget it:
//! `evidence/<log>.broken`, a header and the page.
//!
//! A page verifies by itself against a checkpoint of its department, so the file holds what the department signed and
//! not what this peer made of it. Each opening adds the page again and judges it by the rules there are: if it breaks
//! one, the log stops again. If it breaks none, this peer was at fault (its memory, its program), and the log
//! continues; a finding that could not be taken back would freeze an honest log for good.

use std::io;
use std::path::Path;

use crate::codec;
use crate::membership::Membership;

use super::page::{MAX_ENCODED_PAGE, Page, VerifiedPage};
use super::reading::Log;
use super::replica::ApplyError;
use crate::disk::Disk;
use crate::header::{HEADER_LEN, Kind, check_header, header};
use crate::names::LogName;

const MAX_FILE: usize = HEADER_LEN as usize + MAX_ENCODED_PAGE;

/// Keeps a page durably, in place of the one before.
pub(super) fn keep(disk: &dyn Disk, path: &Path, log: &LogName, page: &Page) -> io::Result<()> {
    let dir = path.parent().unwrap_or(path);
    disk.create_dir_all(dir)?;
    let temporary = path.with_extension("broken.new");
    let file = disk.open(&temporary, true)?;
    file.set_len(0)?;
    let mut bytes = header(Kind::Broken, log, 0).to_vec();
    bytes.extend_from_slice(&codec::encode(page));
    file.write_at(&bytes, 0)?;
    // Whole on the medium before it has its name: a crash leaves the page kept before, or none.
    file.sync()?;
    disk.rename(&temporary, path)?;
    disk.sync_dir(dir)?;
    disk.sync_dir(dir.parent().unwrap_or(dir))
}

/// The stored page, `None` if there is none; or why the stored page proves nothing.
pub(super) fn kept(
    disk: &dyn Disk,
    path: &Path,
    log: &LogName,
    members: &Membership,
) -> io::Result<Option<Result<VerifiedPage, String>>> {
    let file = match disk.open(path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // As long as a page may be, whatever length the medium says: this runs at the start, before anything is known of the file.
    let mut bytes = vec![
        0;
        usize::try_from(file.len()?)
            .unwrap_or(MAX_FILE)
            .min(MAX_FILE)
    ];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Some(verified(&bytes, log, members)))
}

fn verified(bytes: &[u8], log: &LogName, members: &Membership) -> Result<VerifiedPage, String> {
    let (front, rest) = bytes.split_at(bytes.len().min(HEADER_LEN as usize));
    check_header(front, Kind::Broken, log, 0).map_err(|error| error.to_string())?;
    let page = Page::decode(rest).map_err(|error| error.to_string())?;
    match page.checkpoint.checkpoint.log == log.id {
        true => page.verify(members).map_err(|error| error.to_string()),
        false => Err("the page is of another log".to_owned()),
    }
}

impl Log {
    /// Adds the page again that stopped the log before. Returns why the stored page proves nothing, if so.
    pub(super) fn judge_again(&self, members: &Membership) -> io::Result<Option<String>> {
        let page = match kept(&*self.disk, &self.broken, &self.name, members)? {
            None => return Ok(None),
            Some(Err(error)) => return Ok(Some(error)),
            Some(Ok(page)) => page,
        };
        match self.add(&page) {
            // It breaks no rule. Left behind, it would be judged again, to no harm.
            Ok(_) => {
                let _ = self.disk.remove(&self.broken);
                Ok(None)
            }
            Err(ApplyError::Read(error)) => Err(error.into()),
            // Not judged: if opened anyway, the log would read as one that never stopped.
            Err(ApplyError::Append(error)) => {
                Err(io::Error::new(io::ErrorKind::ResourceBusy, error))
            }
            // It stopped the log again; or the records before it have to come back first, or a later checkpoint is accepted.
            Err(_) => Ok(None),
        }
    }
}
