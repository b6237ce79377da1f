//! `certmesh department erase-void`: what was set aside of records that were cut off, destroyed.

use std::io;
use std::path::PathBuf;

use certmesh_ledger::bodies::{erase_void, set_aside_generations};
use certmesh_ledger::disk::RealDisk;
use certmesh_tables::FileError;
use clap::Args;
use serde_json::json;

use crate::screen::{Screen, Tone};
use crate::{Error, Outcome};

/// Destroy the fields and attachments of records that were cut off from the department's log
///
/// When its log is cut, or goes on after a loss, they are set aside in `bodies/void-<generation>/`, for as long as the department
/// needs them to issue again what it still means. After that nobody has a reason to keep them. Their keys are overwritten first;
/// the disk, and backups, may still hold older copies. It may be run while the node runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EraseVoid {
    /// The node's data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Destroy them without asking
    #[arg(long)]
    yes: bool,
}

const EXAMPLES: &str = "\
Examples:
  certmesh department erase-void --data transport/data";

fn is_wanted(generations: &str, screen: &mut Screen) -> Result<bool, Error> {
    if screen.json() || !screen.can_ask() {
        return Err(Error::Usage("give --yes to destroy it without being asked"));
    }
    let question =
        format!("Destroy what was set aside of generation {generations} of the log? [y/N]");
    let answer = screen.ask(&question)?;
    let wanted = answer.is_some_and(|answer| matches!(answer.trim(), "y" | "Y" | "yes"));
    if !wanted {
        screen.line("Nothing was changed.")?;
    }
    Ok(wanted)
}

pub(super) fn run(args: &EraseVoid, screen: &mut Screen) -> Result<Outcome, Error> {
    let (disk, dir) = (RealDisk::default(), args.data.join("bodies"));
    let unread = |source: io::Error| FileError::Read {
        path: dir.clone(),
        source,
    };
    if !dir.is_dir() {
        return Err(unread(io::ErrorKind::NotFound.into()).into());
    }
    // Those that are shown and no others: the node may set aside more meanwhile.
    let found = set_aside_generations(&disk, &dir).map_err(unread)?;
    let named: Vec<String> = found.iter().map(u32::to_string).collect();
    let named = named.join(", ");
    if !found.is_empty() && !args.yes && !is_wanted(&named, screen)? {
        return Ok(Outcome::No);
    }
    for generation in &found {
        let erased = erase_void(&disk, &dir, *generation);
        erased.map_err(|source| FileError::Write {
            path: dir.clone(),
            source,
        })?;
        // An empty directory is no harm.
        let _ = std::fs::remove_dir(dir.join(format!("void-{generation}")));
    }
    if screen.json() {
        screen.print_json(&json!({ "erased_generations": found }))?;
    } else if found.is_empty() {
        screen.line("Nothing is set aside there.")?;
    } else {
        let done = screen.paint(Tone::Good, "ERASED");
        screen.line(format!("{done}  what was set aside of generation {named}"))?;
    }
    Ok(Outcome::Yes)
}
