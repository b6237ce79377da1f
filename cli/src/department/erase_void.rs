//! `certmesh department erase-void`: what was set aside of records that were cut off, destroyed.

use std::io;
use std::path::PathBuf;

use certmesh_ledger::bodies::erase_void;
use certmesh_ledger::disk::RealDisk;
use certmesh_tables::FileError;
use clap::Args;
use serde_json::json;

use crate::screen::{Screen, Tone};
use crate::{Error, Outcome};

/// Destroy the fields and attachments of records that were cut off from the department's log
///
/// When its log is cut, or goes on after a loss, they are set aside in `bodies/void-<generation>/`, for as long as the department needs
/// them to issue again what it still means. After that nobody has a reason to keep them. Their keys are overwritten first; the disk, and
/// backups, may still hold older copies. It may be run while the node runs.
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

fn is_wanted(screen: &mut Screen) -> Result<bool, Error> {
    if screen.json() || !screen.can_ask() {
        return Err(Error::Usage("give --yes to destroy it without being asked"));
    }
    let answer = screen.ask("Destroy what was set aside of records that were cut off? [y/N]")?;
    let wanted = answer.is_some_and(|answer| matches!(answer.trim(), "y" | "Y" | "yes"));
    if !wanted {
        screen.line("Nothing was changed.")?;
    }
    Ok(wanted)
}

pub(super) fn run(args: &EraseVoid, screen: &mut Screen) -> Result<Outcome, Error> {
    let dir = args.data.join("bodies");
    if !dir.is_dir() {
        let source = io::Error::from(io::ErrorKind::NotFound);
        return Err(FileError::Read { path: dir, source }.into());
    }
    if !args.yes && !is_wanted(screen)? {
        return Ok(Outcome::No);
    }
    let erased = erase_void(&RealDisk::default(), &dir).map_err(|source| FileError::Write {
        path: dir.clone(),
        source,
    })?;
    for generation in &erased {
        // An empty directory is no harm.
        let _ = std::fs::remove_dir(dir.join(format!("void-{generation}")));
    }
    if screen.json() {
        screen.print_json(&json!({ "erased_generations": erased }))?;
    } else if erased.is_empty() {
        screen.line("Nothing is set aside there.")?;
    } else {
        let done = screen.paint(Tone::Good, "ERASED");
        let generations: Vec<String> = erased.iter().map(u32::to_string).collect();
        screen.line(format!(
            "{done}  what was set aside of generation {}",
            generations.join(", ")
        ))?;
    }
    Ok(Outcome::Yes)
}
