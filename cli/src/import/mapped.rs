//! Tables: each row is mapped and checked here before it is sent.
//!
//! One chunk is in flight to the node while the next one is made. The results are reported in the rows' order.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use certmesh_api::{NodeStatus, RowResult, TypeStandard};
use certmesh_tables::{
    Checker, Fate, Format, Head, HiddenRows, Input, Judge, Judgement, Layout, Map, Row, Visitor,
};
use certmesh_text::faults;

use super::batch::{Batch, Event, send_all};
use super::command::{Import, NO_SPREADSHEET, catch_interrupts, open};
use super::tally::Tally;
use crate::args::Global;
use crate::bulk::Sent;
use crate::client::{Client, segment};
use crate::error::describe_problem;
use crate::screen::{Screen, counted};
use crate::{Error, Outcome, interrupt, lookup};

/// Rows that a dry run shows as they would be issued.
const SAMPLE: usize = 3;

pub(super) fn run(
    args: &Import,
    map: &Path,
    type_code: &str,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let map = Map::read(map)?;
    let client = Client::new(global)?;
    let type_code = lookup::type_code(type_code, &client, screen)?;
    let mut judge = Judge::new(map, checker(&client, &type_code)?)?;
    let mut input = open_input(args, screen)?;
    if judge.looks_ahead() && !input.can_be_read_twice() {
        return Err(Error::Usage(
            "`duplicates = \"last\"` and `\"reject\"` read the rows twice: give a file, no pipe",
        ));
    }
    if args.keeps_spreadsheet() && args.format() == Format::Jsonl {
        return Err(Error::Usage(NO_SPREADSHEET));
    }
    if let Some((count, rows)) = input.hidden_rows(&judge.layout())?
        && judge.hidden_rows().is_none()
        && let Some(what) = decided(count, &rows, args.dry_run, screen)?
    {
        judge.decide_hidden_rows(what);
    }
    catch_interrupts()?;
    let mut tally = Tally::new(screen, args.rejects.as_deref(), args.keeps_spreadsheet())?;
    tally.summary.dry_run = args.dry_run;
    let layout = judge.layout();
    if judge.looks_ahead() {
        let mut first = FirstPass {
            judge: &mut judge,
            tally: &mut tally,
        };
        let looked = input.each_row(&layout, &mut first);
        if looked.is_err() {
            tally.finish(false);
        }
        looked?;
    }
    let (batches, to_send) = sync_channel::<Batch>(0);
    let (events, answers) = sync_channel(64);
    let (client, retries, dry_run) = (&client, args.retries, args.dry_run);
    let (mut tally, result, stopped) = thread::scope(|scope| {
        scope.spawn(move || send_all(client, retries, dry_run, &to_send, &events));
        // Ends with this closure, and with it the sender.
        let mut pass = SecondPass {
            judge: &mut judge,
            client,
            tally,
            batch: Batch::default(),
            batches,
            answers,
            in_flight: false,
            stopped: false,
        };
        let result = pass.all(&mut input, &layout);
        (pass.tally, result, pass.stopped)
    });
    tally.finish(result.is_ok() && !stopped);
    if tally.summary.rows == 0
        && let Err(error @ Error::Table(_)) = result
    {
        // Nothing was begun that could be continued.
        return Err(error);
    }
    tally.report(args.rejects.as_deref())?;
    match result {
        // The trouble that Ctrl-C ended the waiting for is not news to whoever pressed it.
        _ if stopped => return Ok(Outcome::Failed),
        result => result?,
    }
    Ok(tally.outcome(&args.file))
}

/// What is to become of hidden rows that the map says nothing of: a dry run checks them, a person is asked. `None` if
/// nobody says.
fn decided(
    count: u64,
    rows: &str,
    dry_run: bool,
    screen: &mut Screen,
) -> Result<Option<HiddenRows>, Error> {
    if dry_run {
        screen.note(
            "note: the import itself needs `hidden_rows = \"import\"` or `\"skip\"` in the map",
        );
        return Ok(Some(HiddenRows::Import));
    }
    if !screen.can_ask() {
        return Ok(None);
    }
    let are = if count == 1 { "is" } else { "are" };
    let count = counted(count, "row");
    let question =
        format!("{count} {are} hidden ({rows}). Import them, or skip them? [import/skip]");
    let answer = screen.ask(&question)?.unwrap_or_default();
    Ok(match answer.trim() {
        "import" => Some(HiddenRows::Import),
        "skip" => Some(HiddenRows::Skip),
        _ => None,
    })
}

/// Asks the node whose it is and for the type's standard.
fn checker(client: &Client, type_code: &str) -> Result<Checker, Error> {
    let status: NodeStatus = client.get("/v1/status")?.parse()?;
    let path = format!("/v1/types/{}", segment(type_code));
    let unknown = |error| lookup::unknown_type(error, type_code, client);
    let found: TypeStandard = client.get(&path).map_err(unknown)?.parse()?;
    let own = status.department.parse();
    let own = own.map_err(|_| client.bad_answer("/v1/status", "no department code"))?;
    let definition = found.definition.check();
    let definition = definition.map_err(|list| client.bad_answer(&path, &faults(&list)))?;
    let checker = Checker::new(own, Arc::new(definition));
    checker.map_err(|list| client.bad_answer(&path, &faults(&list)))
}

/// The file or pipe that the arguments name.
fn open_input(args: &Import, screen: &mut Screen) -> Result<Input, Error> {
    let (path, format) = (&*args.file, args.format());
    let pipe: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(screen.take_input())
    } else {
        match open(path)? {
            (_, Some(_)) => return Ok(Input::file(path, format)),
            (pipe, None) => Box::new(pipe),
        }
    };
    Ok(Input::pipe(path, format, pipe)?)
}

/// Looks which rows are the same.
struct FirstPass<'a, 's> {
    judge: &'a mut Judge,
    tally: &'a mut Tally<'s>,
}

impl Visitor for FirstPass<'_, '_> {
    type Error = Error;

    fn head(&mut self, head: &Head<'_>) -> Result<(), Error> {
        self.tally.length(head.length);
        self.tally.taken(self.judge.announcement(head));
        Ok(self.judge.find_columns(head)?)
    }

    fn row(&mut self, row: &Row<'_>) -> Result<bool, Error> {
        self.judge.look(row);
        self.tally.looked(row.position);
        Ok(!interrupt::asked())
    }
}

/// Maps, checks, and has the rows sent.
struct SecondPass<'a, 's> {
    judge: &'a mut Judge,
    client: &'a Client,
    tally: Tally<'s>,
    batch: Batch,
    batches: SyncSender<Batch>,
    answers: Receiver<Event>,
    in_flight: bool,
    /// Whether the person ended it before the end of the input.
    stopped: bool,
}

impl Visitor for SecondPass<'_, '_> {
    type Error = Error;

    fn head(&mut self, head: &Head<'_>) -> Result<(), Error> {
        self.tally.length(head.length);
        self.tally.summary.encoding = head.encoding.map(str::to_lowercase);
        self.tally.taken(self.judge.announcement(head));
        self.tally.begin(head);
        Ok(self.judge.find_columns(head)?)
    }

    fn row(&mut self, row: &Row<'_>) -> Result<bool, Error> {
        if interrupt::asked() {
            self.stopped = true;
            return Ok(false);
        }
        let judged = self.judge.judge(row);
        let dry_run = self.tally.summary.dry_run;
        let rejects = self.tally.rejects();
        let shown = dry_run && self.tally.summary.first.len() < SAMPLE;
        let (mut sample, mut unknown_region) = (None, false);
        self.batch.add(row, judged, rejects, |wanted, request| {
            unknown_region = request.unknown_region;
            if shown {
                sample = Some(request.request.clone());
            }
            if dry_run {
                wanted.ids.push(request.draft.id);
            } else {
                let line = serde_json::to_vec(&request.request).map_err(io::Error::from)?;
                wanted.chunk.push(row.number, &line);
            }
            Ok::<(), Error>(())
        })?;
        self.tally.summary.unknown_regions += u64::from(unknown_region);
        if let Some(request) = sample {
            self.tally.sample(row.number, request);
        }
        if self.batch.is_full() || self.batch.wanted.chunk.is_full() {
            self.hand_over()?;
        }
        Ok(!self.stopped)
    }
}

impl SecondPass<'_, '_> {
    fn all(&mut self, input: &mut Input, layout: &Layout) -> Result<(), Error> {
        let read = input.each_row(layout, self);
        if interrupt::asked() {
            self.stopped = true;
        } else if read.is_ok() {
            self.hand_over()?;
        }
        // Also when the reading failed: what is in flight has its answers.
        let answered = self.answers();
        read.and(answered)
    }

    /// Hands the batch to the sender once the one before is answered.
    fn hand_over(&mut self) -> Result<(), Error> {
        self.answers()?;
        let batch = std::mem::take(&mut self.batch);
        // The sender ends only after this.
        self.in_flight = self.batches.send(batch).is_ok();
        Ok(())
    }

    /// Waits for the answers to the batch in flight.
    fn answers(&mut self) -> Result<(), Error> {
        while self.in_flight {
            match self.answers.recv() {
                Ok(Event::Waiting(text)) => self.tally.note(&text),
                Ok(Event::Done(batch, sent)) => {
                    self.in_flight = false;
                    return self.account(&batch, sent);
                }
                Ok(Event::Looked(batch, there, error)) => {
                    self.in_flight = false;
                    return self.looked(&batch, there, error);
                }
                Err(_) => self.in_flight = false,
            }
        }
        Ok(())
    }

    fn account(&mut self, batch: &Batch, sent: Sent) -> Result<(), Error> {
        let mut results = sent.results.iter();
        for entry in &batch.rows {
            if self.decided(entry)? {
                continue;
            }
            if let Some(Some(result)) = results.next() {
                self.answer(entry, result)?;
            }
        }
        self.progressed(batch, sent.error)
    }

    /// The same in a dry run.
    fn looked(
        &mut self,
        batch: &Batch,
        there: Vec<bool>,
        error: Option<Error>,
    ) -> Result<(), Error> {
        let mut there = there.into_iter();
        for entry in &batch.rows {
            if self.decided(entry)? {
                continue;
            }
            if let Some(there) = there.next() {
                let summary = &mut self.tally.summary;
                summary.rows += 1;
                summary.valid += 1;
                summary.in_log += u64::from(there);
            }
        }
        self.progressed(batch, error)
    }

    /// Counts a row that the node is not asked about; returns whether it is one.
    fn decided(&mut self, entry: &Judgement) -> Result<bool, Error> {
        match &entry.fate {
            Fate::Wanted => return Ok(false),
            Fate::Merged => self.tally.summary.merged += 1,
            Fate::LeftOut => self.tally.summary.left_out += 1,
            Fate::Rejected(rejected) => {
                let (name, text) = (rejected.counted_under(), rejected.reason());
                self.tally
                    .reject(entry.number, &name, &text, &entry.original)?;
            }
        }
        self.tally.summary.rows += 1;
        Ok(true)
    }

    fn progressed(&mut self, batch: &Batch, error: Option<Error>) -> Result<(), Error> {
        self.tally.progress(batch.position);
        self.stopped |= error.is_some() && interrupt::asked();
        error.map_or(Ok(()), Err)
    }

    fn answer(&mut self, entry: &Judgement, result: &RowResult) -> Result<(), Error> {
        let tally = &mut self.tally;
        tally.summary.rows += 1;
        match (&result.appended, &result.error) {
            (Some(appended), _) if result.ok && appended.replayed => {
                tally.summary.already_there += 1;
            }
            (Some(_), _) if result.ok => tally.summary.issued += 1,
            (_, Some(problem)) => {
                let reason = describe_problem(problem);
                tally.reject(entry.number, problem.kind.name(), &reason, &entry.original)?;
            }
            _ => {
                let detail = format!("row {} is neither issued nor rejected", entry.number);
                return Err(self.client.bad_answer("", &detail));
            }
        }
        Ok(())
    }
}
