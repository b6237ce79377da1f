//! The command's arguments and its help, and which way a file goes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::plain;
use crate::args::Global;
use crate::screen::Screen;
use crate::{Error, Outcome, interrupt};

/// Import certificates from a file: one JSON object a line, each as `issue --from` takes it
///
/// Rows are sent in chunks of 2,000, in their order. A row that the node rejects does not stop the others; it is shown
/// with its reason, and written to the file that --rejects names, from where it can be mended and imported again. When
/// the connection breaks or the node is busy, the chunk is sent again. Rows already in the log are recognised, so an
/// import that was interrupted is simply run again. Ctrl-C stops after the chunk under way and tells how far it came.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// File of JSON lines, or `-` for standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// File for the rejected rows, made at the first one, each with `_reason` and `_row` added (mode 0600: they hold
    /// personal data); one that holds anything is left as it is
    #[arg(long, value_name = "FILE")]
    pub(super) rejects: Option<PathBuf>,
    /// How often a chunk is sent again before giving up; the waits grow up to 15 seconds
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub(super) retries: u32,
}

const EXAMPLES: &str = "\
Examples:
  certmesh import licences.jsonl
  certmesh import licences.jsonl --rejects rejected.jsonl
  certmesh import rejected.jsonl --rejects rejected-again.jsonl
  zcat licences.jsonl.gz | certmesh import - --json

Exit code: 0 if every row is in the log now, 1 if rows were rejected, 2 if the import could not be finished
or was stopped.";

pub(crate) fn run(args: &Import, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    plain::run(args, global, screen)
}

/// From now on Ctrl-C ends the import after the chunk under way.
pub(super) fn catch_interrupts() -> Result<(), Error> {
    interrupt::catch(|| {
        // Nothing is lost when nobody reads it.
        let _ = writeln!(
            io::stderr(),
            "stopping after the chunk under way; Ctrl-C again stops at once"
        );
    })
}

/// The input and, for a file, its length.
pub(super) fn open(
    path: &Path,
    screen: &mut Screen,
) -> Result<(Box<dyn BufRead>, Option<u64>), Error> {
    if path.as_os_str() == "-" {
        return Ok((screen.take_input(), None));
    }
    let failed = |error: io::Error| Error::read(path, error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    // A pipe has no length that could be shown as progress.
    let length = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(BufReader::with_capacity(1 << 18, file)), length))
}
