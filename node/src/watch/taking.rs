//! One file: read, checked as the API checks, handed to the log's writer, and every row's answer counted.
//!
//! One batch is being appended while the next one is read; never two, so that what is held is bounded.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use certmesh_api::draft::Draft;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::outcome::Target;
use super::{Needs, Stop, WatchConfig};
use crate::app::Refusal;
use crate::app::now_ms;
use crate::app::{self, RetryKey};
use certmesh_tables::{
    Batch, Checker, Error, Fate, FileError, Format, Head, Input, Judge, Judgement, Rejects, Row,
    TableFault, Visitor,
};
use certmesh_text::faults;

/// Most rows of a file: of each, some bytes are held to find those that are the same.
const MOST_ROWS: u64 = 5_000_000;
/// First and longest wait before rows are handed over again.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// How often rows are handed over again to a peer that fails.
const FAILURES: u32 = 5;

/// What became of a file's rows.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Summary {
    pub(super) file: String,
    #[serde(rename = "type")]
    pub(super) type_code: String,
    pub(super) rows: u64,
    pub(super) issued: u64,
    /// Rows that were in the log before.
    pub(super) already_there: u64,
    /// Rows that another row stands for.
    pub(super) merged: u64,
    /// Rows that the map leaves out.
    pub(super) left_out: u64,
    pub(super) rejected: u64,
    pub(super) rejected_by_reason: BTreeMap<String, u64>,
    /// Where the rejected rows are, if there are any, from the folder.
    pub(super) rejects: Option<String>,
    /// What was taken of the file without anybody having said so, and what of it nobody sees.
    pub(super) taken: Vec<String>,
    /// When the last row was decided, ms since 1970 UTC.
    pub(super) finished_ms: u64,
}

/// How the taking of a file ended.
pub(super) enum End {
    /// Everything of it is decided.
    Done(Box<Summary>),
    /// It could not be imported, for this reason.
    Unreadable(String),
    /// Nothing can be said about it now, for this reason.
    Later(String),
    /// It is not there any more.
    Gone,
    /// The peer stops.
    Stopped,
}

/// The taking of a file.
pub(super) struct Taking<'a> {
    pub(super) needs: &'a Needs,
    pub(super) runtime: &'a Handle,
    pub(super) stop: &'a Stop,
    pub(super) watch: &'a WatchConfig,
    pub(super) path: &'a Path,
}

/// What ends the reading before the end of the file.
enum Halt {
    Import(Error),
    TooMany,
    Later(String),
    Stopped,
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Import(error)
    }
}

impl Taking<'_> {
    /// Imports the file; rejected rows are kept where the target says.
    pub(super) fn import(&self, target: &Target<'_>) -> End {
        let Some(format) = Format::by_name(self.path) else {
            return End::Unreadable(
                "its name doesn't give its format: a name that is imported ends in .csv, .tsv, .txt, .xlsx, .xlsm, .jsonl or .ndjson"
                    .to_owned(),
            );
        };
        let mut judge = match self.judge() {
            Ok(judge) => judge,
            Err(why) => return End::Later(why),
        };
        let rejects = match format {
            Format::Xlsx => Rejects::spreadsheet(&target.rejects()),
            Format::Csv | Format::Jsonl => Rejects::new(&target.rejects()),
        };
        let mut rejects = match rejects {
            Ok(rejects) => rejects,
            Err(error) => return End::Later(error.to_string()),
        };
        let mut summary = Summary {
            file: self.name(),
            type_code: self.watch.type_code.to_string(),
            ..Summary::default()
        };
        let mut input = Input::strangers_file(self.path, format);
        let read = self.read(&mut input, &mut judge, &mut rejects, &mut summary);
        if let Err(halt) = read {
            return self.ended_early(halt, &summary);
        }
        match rejects.finish() {
            Ok(true) => summary.rejects = Some(target.rejects_name()),
            Ok(false) => {}
            Err(error) => return End::Later(error.to_string()),
        }
        summary.finished_ms = now_ms();
        End::Done(Box::new(summary))
    }

    fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// A judge by the type's standard as it is now.
    fn judge(&self) -> Result<Judge, String> {
        let code = &self.watch.type_code;
        let found = self.needs.service.type_standard(code, None);
        let Some(standard) = found.map_err(|refusal| refusal.to_string())? else {
            return Err(format!(
                "type {code} is not defined in any log held here; define it first (`certmesh type define`)"
            ));
        };
        let checker = Checker::new(self.needs.department, Arc::new(standard.definition));
        let checker = checker.map_err(|list| faults(&list))?;
        Judge::new(self.watch.map.clone(), checker).map_err(|error| error.to_string())
    }

    fn read(
        &self,
        input: &mut Input,
        judge: &mut Judge,
        rejects: &mut Rejects,
        summary: &mut Summary,
    ) -> Result<(), Halt> {
        let layout = judge.layout();
        if judge.looks_ahead() {
            let mut looking = Looking {
                judge,
                stop: self.stop,
                rows: 0,
            };
            input.each_row(&layout, &mut looking)?;
        }
        let mut issuing = Issuing {
            taking: self,
            judge,
            rejects,
            summary,
            batch: Batch::default(),
            submitted: None,
            rows: 0,
        };
        let read = input.each_row(&layout, &mut issuing);
        // Also when the reading failed: what is in flight has its answers, and what stands before the fault is decided.
        let decided = match &read {
            Err(Halt::Stopped | Halt::Later(_)) => Ok(()),
            _ => issuing.hand_over().and_then(|()| issuing.answers()),
        };
        read.and(decided)
    }

    fn ended_early(&self, halt: Halt, summary: &Summary) -> End {
        let error = match halt {
            Halt::Stopped => return End::Stopped,
            Halt::Later(why) => return End::Later(why),
            Halt::TooMany => {
                return End::Unreadable(format!(
                    "it has more than {MOST_ROWS} rows; drop it as several files{}",
                    before(summary)
                ));
            }
            Halt::Import(error) => error,
        };
        match error {
            // As often as it is tried.
            Error::File(FileError::Write { ref source, .. })
                if source.kind() == io::ErrorKind::FileTooLarge =>
            {
                End::Unreadable(format!(
                    "it has more rejected rows than a spreadsheet has; drop it as several files, or as .csv{}",
                    before(summary)
                ))
            }
            Error::File(FileError::Read { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                End::Gone
            }
            Error::File(FileError::Read { ref source, .. })
                if !matches!(
                    source.kind(),
                    io::ErrorKind::PermissionDenied
                        | io::ErrorKind::UnexpectedEof
                        | io::ErrorKind::InvalidData
                        | io::ErrorKind::InvalidInput
                ) =>
            {
                End::Later(error.to_string())
            }
            Error::Unfit {
                what: TableFault::Changed,
                ..
            }
            | Error::File(FileError::Write { .. } | FileError::Exists(_))
            | Error::Randomness(_) => End::Later(error.to_string()),
            error => End::Unreadable(format!("{error}{}", before(summary))),
        }
    }
}

/// What was done before a fault was found.
fn before(summary: &Summary) -> String {
    match summary.issued + summary.already_there {
        0 => String::new(),
        rows => format!(
            "\n{rows} rows before that are in the log; they are recognised when the corrected file is dropped again"
        ),
    }
}

/// Looks which rows are the same.
struct Looking<'a> {
    judge: &'a mut Judge,
    stop: &'a Stop,
    rows: u64,
}

impl Visitor for Looking<'_> {
    type Error = Halt;

    fn head(&mut self, head: &Head<'_>) -> Result<(), Halt> {
        Ok(self.judge.find_columns(head)?)
    }

    fn row(&mut self, row: &Row<'_>) -> Result<bool, Halt> {
        count(&mut self.rows, self.stop)?;
        self.judge.look(row);
        Ok(true)
    }
}

fn count(rows: &mut u64, stop: &Stop) -> Result<(), Halt> {
    *rows += 1;
    match stop.asked() {
        true => Err(Halt::Stopped),
        false if *rows > MOST_ROWS => Err(Halt::TooMany),
        false => Ok(()),
    }
}

/// A batch that was handed over.
struct Submitted {
    batch: Batch<Vec<Draft>>,
    key: RetryKey,
    outcomes: JoinHandle<Result<app::Outcomes, Refusal>>,
}

/// Has the rows issued.
struct Issuing<'a, 't> {
    taking: &'a Taking<'t>,
    judge: &'a mut Judge,
    rejects: &'a mut Rejects,
    summary: &'a mut Summary,
    batch: Batch<Vec<Draft>>,
    submitted: Option<Submitted>,
    rows: u64,
}

impl Visitor for Issuing<'_, '_> {
    type Error = Halt;

    fn head(&mut self, head: &Head<'_>) -> Result<(), Halt> {
        self.rejects.keep_cells(head);
        self.summary.taken = self.judge.announcement(head);
        for taken in &self.summary.taken {
            tracing::info!(file = ?self.taking.name(), taken, "file read");
        }
        Ok(self.judge.find_columns(head)?)
    }

    fn row(&mut self, row: &Row<'_>) -> Result<bool, Halt> {
        count(&mut self.rows, self.taking.stop)?;
        let judged = self.judge.judge(row);
        self.batch
            .add(row, judged, Some(self.rejects), |drafts, request| {
                drafts.push(request.draft);
                Ok::<(), Halt>(())
            })?;
        if self.batch.is_full() {
            self.hand_over()?;
        }
        Ok(true)
    }
}

impl Issuing<'_, '_> {
    /// Hands the batch to the writer once the one before is answered.
    fn hand_over(&mut self) -> Result<(), Halt> {
        self.answers()?;
        let batch = std::mem::take(&mut self.batch);
        let key = RetryKey::drawn().map_err(Error::Randomness)?;
        let outcomes = self.submit(&batch, key);
        self.submitted = Some(Submitted {
            batch,
            key,
            outcomes,
        });
        Ok(())
    }

    /// With a key, so that rows that are in the log already are recognised: from an import that was cut short, or because
    /// they were handed over before.
    fn submit(
        &self,
        batch: &Batch<Vec<Draft>>,
        key: RetryKey,
    ) -> JoinHandle<Result<app::Outcomes, Refusal>> {
        let service = &self.taking.needs.service;
        let outcomes = service.submit(batch.wanted.clone(), Some(key));
        self.taking.runtime.spawn(outcomes)
    }

    /// Waits until the batch in flight is decided, however long the log accepts no appends.
    fn answers(&mut self) -> Result<(), Halt> {
        let Some(Submitted {
            batch,
            key,
            mut outcomes,
        }) = self.submitted.take()
        else {
            return Ok(());
        };
        // The peer's fault, or that of the moment at which a key was replaced: not the row's.
        let failed = |outcome: &Result<_, Refusal>| match outcome {
            Err(why @ (Refusal::Internal | Refusal::CatalogueKeyMissing { .. })) => {
                Some(why.clone())
            }
            _ => None,
        };
        let (mut wait, mut failures, mut logged) = (FIRST_WAIT, 0, None);
        loop {
            let answered = self.taking.runtime.block_on(outcomes);
            let refusal = match answered.unwrap_or(Err(Refusal::Internal)) {
                Ok(outcomes) => match outcomes.iter().find_map(failed) {
                    Some(refusal) => refusal,
                    None => return self.account(&batch, outcomes),
                },
                Err(refusal) => refusal,
            };
            if refusal == Refusal::Internal {
                failures += 1;
                if failures == FAILURES {
                    return Err(Halt::Later(refusal.to_string()));
                }
            }
            if logged != Some(refusal.problem_type()) {
                let file = self.taking.name();
                tracing::info!(?file, reason = refusal.name(), "rows wait for the log");
                logged = Some(refusal.problem_type());
            }
            if self.taking.stop.wait(wait) {
                return Err(Halt::Stopped);
            }
            wait = (wait * 2).min(LONGEST_WAIT);
            outcomes = self.submit(&batch, key);
        }
    }

    fn account(&mut self, batch: &Batch<Vec<Draft>>, outcomes: app::Outcomes) -> Result<(), Halt> {
        let metrics = &self.taking.needs.metrics;
        let mut outcomes = outcomes.into_iter();
        for entry in &batch.rows {
            self.summary.rows += 1;
            match &entry.fate {
                Fate::Merged => {
                    metrics.watch_rows("merged", 1);
                    self.summary.merged += 1;
                }
                Fate::LeftOut => {
                    metrics.watch_rows("left-out", 1);
                    self.summary.left_out += 1;
                }
                Fate::Rejected(rejected) => {
                    metrics.row_refused(rejected.problem.name());
                    metrics.watch_rows("rejected", 1);
                    self.reject(entry, &rejected.counted_under(), &rejected.reason())?;
                }
                // One outcome a draft is the service's promise.
                Fate::Wanted => match outcomes.next().unwrap_or(Err(Refusal::Internal)) {
                    Ok(appended) => {
                        metrics.row_issued(appended.replayed);
                        match appended.replayed {
                            true => {
                                metrics.watch_rows("already-there", 1);
                                self.summary.already_there += 1;
                            }
                            false => {
                                metrics.watch_rows("issued", 1);
                                self.summary.issued += 1;
                            }
                        }
                    }
                    Err(refusal) => {
                        metrics.row_refused(refusal.name());
                        metrics.watch_rows("rejected", 1);
                        self.reject(entry, refusal.name(), &described(&refusal))?;
                    }
                },
            }
        }
        Ok(())
    }

    fn reject(&mut self, entry: &Judgement, name: &str, reason: &str) -> Result<(), Halt> {
        self.summary.rejected += 1;
        let by_reason = &mut self.summary.rejected_by_reason;
        *by_reason.entry(name.to_owned()).or_default() += 1;
        Ok(self.rejects.add(entry.number, reason, &entry.original)?)
    }
}

/// A refusal with every fault.
fn described(refusal: &Refusal) -> String {
    match refusal {
        Refusal::InvalidField(list) => faults(list),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "taking_tests.rs"]
mod tests;
