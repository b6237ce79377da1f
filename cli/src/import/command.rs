//! The command's arguments and its help, and which way a file goes.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use certmesh_tables::Format;
use clap::Args;

use super::{mapped, plain};
use crate::args::Global;
use crate::screen::Screen;
use crate::{Error, Outcome, complete, interrupt};

/// Import certificates that exist already, from a table or from lines of JSON
///
/// Without --map, each line is a certificate as `issue --from` takes it. With --map, FILE is a table (CSV or other
/// delimited text in UTF-8, GB18030 or UTF-16, XLSX, or JSON lines) of certificates of one type, and the map says which columns
/// make which part of a certificate and how they are cleaned. Each row is checked against the type's standard before it
/// is sent.
///
/// Rows are sent in chunks of 2,000, in their order. A row that is rejected does not stop the others; it is shown
/// with its reason, and written to the file that --rejects names, where it can be corrected and imported again. When
/// the connection breaks or the node is busy, the chunk is sent again. Rows already in the log are recognised, so an
/// import that was interrupted is simply run again. Ctrl-C stops after the chunk under way and shows how far it got.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// File to import, or `-` for standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// How a table's columns become certificates (TOML)
    #[arg(long, value_name = "MAP", requires = "type_code")]
    map: Option<PathBuf>,
    /// Type of the table's certificates, by its code of 21 characters or part of its name
    #[arg(long = "type", value_name = "TYPE", requires = "map", add = complete::types())]
    type_code: Option<String>,
    /// The table's format [default: a spreadsheet by the file's content, JSON lines by its name, otherwise delimited text]
    #[arg(long, value_name = "FORMAT", requires = "map")]
    format: Option<Format>,
    /// Check every row and issue nothing; shows the first rows as they would be issued, and how many of the certificates
    /// are already in the log
    #[arg(long, requires = "map")]
    pub(super) dry_run: bool,
    /// File for the rejected rows, made at the first one, each with `_row` and `_reason` added (mode 0600: they hold
    /// personal data). Those of a table are kept in a spreadsheet when FILE ends in .xlsx, otherwise as CSV in UTF-8;
    /// lines of JSON as such. One that holds anything is left as it is
    #[arg(long, value_name = "FILE")]
    pub(super) rejects: Option<PathBuf>,
    /// How often a chunk is sent again before giving up; the waits grow up to 15 seconds
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub(super) retries: u32,
}

const EXAMPLES: &str = "\
Examples:
  certmesh import licences.jsonl --rejects rejected.jsonl
  certmesh import rejected.jsonl --rejects rejected-again.jsonl
  zcat licences.jsonl.gz | certmesh import - --json
  certmesh import cards.csv --type 11100000000013338W011 --map map.toml --dry-run
  certmesh import cards.xlsx --type 11100000000013338W011 --map map.toml --rejects rejected.xlsx

with map.toml:
  serial = \"证照编号\"                       # a column; or { columns = [\"区\", \"号\"], join = \"\" }
  holder = { kind = \"111\", column = \"身份证号\" }
           # or kind = { column = \"证件类型\", codes = { \"身份证\" = \"111\", \"护照\" = \"414\" } }
  valid_from = { column = \"发证日期\", date = [\"%Y/%m/%d\", \"%Y年%m月%d日\", \"%Y%m%d\"] }
  valid_until = { column = \"有效期至\", empty = [\"长期\", \"-\"] }   # also version, sharing, predecessor, succession
  duplicates = \"same\"                        # merges rows alike in everything; or first, last, reject
  duplicates_by = [\"holder\", \"valid_from\"]   # what makes rows the same, instead of serial (and version)
  encoding = \"auto\"                          # or utf-8, gb18030, utf-16
  delimiter = \",\"                            # found out when left out
  sheet = \"Sheet1\"                           # the first that is shown when left out
  header = 1                                 # the row with the columns' names; or several, as [2, 3]
  hidden_rows = \"skip\"                       # or import: rows that the spreadsheet hides
  rows = { column = \"状态\", is = [\"有效\"] }    # only these; or not = [\"注销\"]; or a list of such conditions
  [fields]
  CZZT = { column = \"姓名\", clean = [\"trim\", \"half-width\", \"collapse-spaces\"] }
         # also full-width, no-spaces, upper, lower, alphanumeric; without `clean`: trim
  XB = { column = \"性别\", codes = { \"男\" = \"1\", \"女\" = \"2\" }, default = \"男\" }
  ZZMC = { value = \"居民身份证\" }

Also of a column: two days in one, date = \"serial-1900\" or \"serial-1904\" for days that a spreadsheet counts,
date = \"iso-8601\" for times such as 2020-01-04T16:00:00Z, of which the day in China counts, and
exact = true for numbers that end in zeros after 15 digits and are right all the same.
  valid_from = { column = \"有效期限\", split = [\"-\", \"至\"], part = 1, date = \"%Y.%m.%d\" }
  valid_until = { column = \"有效期限\", split = [\"-\", \"至\"], part = 2, date = \"%Y.%m.%d\", empty = [\"长期\"] }

Exit code: 0 if every row is in the log now (with --dry-run: could be), 1 if rows were rejected, 2 if the import could
not be finished or was stopped.";

/// Why rejected rows are not kept in a spreadsheet.
pub(super) const NO_SPREADSHEET: &str =
    "lines of JSON that are rejected are kept as such: give --rejects a name that ends in .jsonl";

impl Import {
    /// Whether rejected rows are kept in a spreadsheet.
    pub(super) fn keeps_spreadsheet(&self) -> bool {
        let extension = self.rejects.as_deref().and_then(Path::extension);
        extension.is_some_and(|extension| extension.eq_ignore_ascii_case("xlsx"))
    }

    /// Whether the file's name is one of a table that cannot be requests.
    fn is_table(&self) -> bool {
        match Format::by_name(&self.file) {
            Some(Format::Xlsx) => true,
            Some(Format::Csv) => {
                let extension = self.file.extension();
                extension.is_some_and(|found| !found.eq_ignore_ascii_case("txt"))
            }
            _ => false,
        }
    }

    /// The table's format, as given or by its name.
    pub(super) fn format(&self) -> Format {
        let by_name = || Format::by_name(&self.file).unwrap_or(Format::Csv);
        self.format.unwrap_or_else(by_name)
    }
}

pub(crate) fn run(args: &Import, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    match (&args.map, &args.type_code) {
        (Some(map), Some(type_code)) => mapped::run(args, map, type_code, global, screen),
        _ if args.is_table() => Err(Error::Usage(
            "FILE is a table: give --map and --type to make certificates of it",
        )),
        _ => plain::run(args, global, screen),
    }
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

/// A file and, unless it is a pipe, its length.
pub(super) fn open(path: &Path) -> Result<(File, Option<u64>), Error> {
    let failed = |error: io::Error| Error::read(path, error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let length = metadata.is_file().then_some(metadata.len());
    Ok((file, length))
}
