//! Tables: each row is mapped and checked here before it is sent.
//!
//! One chunk is on its way to the node while the next one is made. What becomes of the rows is told in their order.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use certmesh_node::api::types::RowResult;

use super::batch::{Batch, Entry, Event, Fate, send_all};
use super::check::{Checker, Parts, Reason};
use super::command::{Import, catch_interrupts};
use super::doubles::{Doubles, Verdict};
use super::input::{Input, Pass};
use super::map::Map;
use super::row::{Head, Row, Visitor};
use super::tally::Tally;
use crate::args::Global;
use crate::bulk::Sent;
use crate::client::Client;
use crate::error::{describe_problem, short_name};
use crate::screen::Screen;
use crate::{Error, Outcome, interrupt};

pub(super) fn run(
    args: &Import,
    map: &Path,
    type_code: &str,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let mut map = Map::read(map)?;
    let client = Client::new(global)?;
    let checker = Checker::fetch(&client, type_code)?;
    checker.fits(&map)?;
    let mut doubles = Doubles::new(map.duplicates)?;
    let mut input = Input::open(args, screen)?;
    if doubles.looks_ahead() && !input.can_be_read_twice() {
        return Err(Error::Usage(
            "`duplicates = \"last\"` and `\"reject\"` read the rows twice: give a file, no pipe",
        ));
    }
    let is_xlsx = |path: &Path| path.extension().is_some_and(|name| name == "xlsx");
    if args.rejects.as_deref().is_some_and(is_xlsx) {
        return Err(Error::Usage(
            "rejected rows of an XLSX are kept as CSV: give --rejects a name that ends in .csv",
        ));
    }
    catch_interrupts()?;
    let mut tally = Tally::new(screen, args.rejects.as_deref())?;
    tally.summary.dry_run = args.dry_run;
    if doubles.looks_ahead() {
        let mut first = FirstPass {
            map: &mut map,
            checker: &checker,
            doubles: &mut doubles,
            tally: &tally,
        };
        let looked = input.each_row(&mut first);
        if looked.is_err() {
            tally.finish(false);
        }
        looked?;
    }
    let (batches, to_send) = sync_channel::<Batch>(0);
    let (events, told) = sync_channel(64);
    let (client, retries, dry_run) = (&client, args.retries, args.dry_run);
    let (mut tally, result, stopped) = thread::scope(|scope| {
        scope.spawn(move || send_all(client, retries, dry_run, &to_send, &events));
        // Ends with this closure, and with it the sender.
        let mut pass = SecondPass {
            map: &mut map,
            checker: &checker,
            doubles: &mut doubles,
            client,
            tally,
            batch: Batch::default(),
            batches,
            told,
            on_its_way: false,
            stopped: false,
        };
        let result = pass.all(&mut input);
        (pass.tally, result, pass.stopped)
    });
    tally.finish(result.is_ok() && !stopped);
    if tally.summary.rows == 0
        && let Err(error @ (Error::Malformed { .. } | Error::Faults { .. })) = result
    {
        // Nothing was begun that could be gone on with.
        return Err(error);
    }
    tally.tell(args.rejects.as_deref())?;
    match result {
        // The trouble that Ctrl-C ended the waiting for is no news to whoever pressed it.
        _ if stopped => return Ok(Outcome::Failed),
        result => result?,
    }
    Ok(tally.outcome(&args.file))
}

/// Looks which rows are the same.
struct FirstPass<'a, 's> {
    map: &'a mut Map,
    checker: &'a Checker,
    doubles: &'a mut Doubles,
    tally: &'a Tally<'s>,
}

impl Pass for FirstPass<'_, '_> {
    fn map(&self) -> &Map {
        self.map
    }
}

impl Visitor for FirstPass<'_, '_> {
    fn head(&mut self, head: &Head<'_>) -> Result<(), Error> {
        self.tally.length(head.length);
        self.map.find_columns(head.columns)
    }

    fn row(&mut self, row: &Row<'_>) -> Result<bool, Error> {
        // A row that is rejected for itself stands for no other.
        if row.trouble.is_none()
            && let Ok((_, parts)) = self.checker.request(self.map, row.cells)
        {
            let print = fingerprint(self.doubles, self.map, &parts);
            self.doubles.note(row.number, print);
        }
        self.tally.looked(row.position);
        Ok(!interrupt::asked())
    }
}

fn fingerprint(doubles: &Doubles, map: &Map, parts: &Parts<'_>) -> u128 {
    let by = map.duplicates_by.iter();
    doubles.fingerprint(by.map(|key| parts.get(key.as_str()).and_then(Option::as_deref)))
}

/// Maps, checks, and has the rows sent.
struct SecondPass<'a, 's> {
    map: &'a mut Map,
    checker: &'a Checker,
    doubles: &'a mut Doubles,
    client: &'a Client,
    tally: Tally<'s>,
    batch: Batch,
    batches: SyncSender<Batch>,
    told: Receiver<Event>,
    on_its_way: bool,
    /// Whether the person ended it before the end of the input.
    stopped: bool,
}

impl Pass for SecondPass<'_, '_> {
    fn map(&self) -> &Map {
        self.map
    }
}

impl Visitor for SecondPass<'_, '_> {
    fn head(&mut self, head: &Head<'_>) -> Result<(), Error> {
        self.tally.length(head.length);
        self.tally.summary.encoding = head.encoding.map(str::to_lowercase);
        self.tally.keep_cells(head);
        self.map.find_columns(head.columns)
    }

    fn row(&mut self, row: &Row<'_>) -> Result<bool, Error> {
        if interrupt::asked() {
            self.stopped = true;
            return Ok(false);
        }
        let fate = match row.trouble {
            Some(trouble) => Fate::Rejected(vec![Reason::unreadable(trouble)]),
            None => self.judge(row)?,
        };
        let original = match fate {
            Fate::Merged => Vec::new(),
            _ => self.tally.original(row),
        };
        self.batch.bytes += original.len();
        self.batch.position = row.position;
        self.batch.rows.push(Entry {
            number: row.number,
            original,
            fate,
        });
        if self.batch.is_full() {
            self.hand_over()?;
        }
        Ok(!self.stopped)
    }
}

impl SecondPass<'_, '_> {
    fn all(&mut self, input: &mut Input<'_>) -> Result<(), Error> {
        let read = input.each_row(self);
        if interrupt::asked() {
            self.stopped = true;
        } else if read.is_ok() {
            self.hand_over()?;
        }
        // Also when the reading failed: what is on its way has its answers.
        let answered = self.answers();
        read.and(answered)
    }

    fn judge(&mut self, row: &Row<'_>) -> Result<Fate, Error> {
        let (request, parts) = match self.checker.request(self.map, row.cells) {
            Ok(found) => found,
            Err(reasons) => return Ok(Fate::Rejected(reasons)),
        };
        let print = fingerprint(self.doubles, self.map, &parts);
        Ok(match self.doubles.judge(row.number, print) {
            Verdict::Merge => Fate::Merged,
            Verdict::Reject => {
                let parts = self.map.duplicates_by.iter();
                let labels = parts.filter_map(|key| Some(self.map.parts.get(key)?.label(key)));
                let by = labels.collect::<Vec<_>>().join("`, `");
                Fate::Rejected(vec![Reason {
                    name: "duplicate".to_owned(),
                    text: format!("another row has the same `{by}`"),
                }])
            }
            Verdict::Take => {
                let line = serde_json::to_vec(&request).map_err(io::Error::from)?;
                self.batch.chunk.push(row.number, &line);
                Fate::ToSend
            }
        })
    }

    /// Hands the batch to the sender once the one before is answered.
    fn hand_over(&mut self) -> Result<(), Error> {
        self.answers()?;
        let batch = std::mem::take(&mut self.batch);
        // The sender ends only after this.
        self.on_its_way = self.batches.send(batch).is_ok();
        Ok(())
    }

    /// Waits for the answers to the batch that is on its way.
    fn answers(&mut self) -> Result<(), Error> {
        while self.on_its_way {
            match self.told.recv() {
                Ok(Event::Waiting(text)) => self.tally.note(&text),
                Ok(Event::Done(batch, sent)) => {
                    self.on_its_way = false;
                    return self.account(&batch, sent);
                }
                Err(_) => self.on_its_way = false,
            }
        }
        Ok(())
    }

    fn account(&mut self, batch: &Batch, sent: Sent) -> Result<(), Error> {
        let mut results = sent.results.iter();
        for entry in &batch.rows {
            match &entry.fate {
                Fate::Merged => {
                    self.tally.summary.rows += 1;
                    self.tally.summary.merged += 1;
                }
                Fate::Rejected(reasons) => {
                    self.tally.summary.rows += 1;
                    let name = reasons.first().map_or("", |reason| &reason.name);
                    let texts: Vec<&str> = reasons.iter().map(|reason| &*reason.text).collect();
                    let text = texts.join("; ");
                    self.tally
                        .reject(entry.number, name, &text, &entry.original)?;
                }
                Fate::ToSend if self.tally.summary.dry_run => {
                    self.tally.summary.rows += 1;
                    self.tally.summary.sound += 1;
                }
                Fate::ToSend => {
                    if let Some(Some(result)) = results.next() {
                        self.answer(entry, result)?;
                    }
                }
            }
        }
        self.tally.progress(batch.position);
        self.stopped |= sent.error.is_some() && interrupt::asked();
        sent.error.map_or(Ok(()), Err)
    }

    fn answer(&mut self, entry: &Entry, result: &RowResult) -> Result<(), Error> {
        let tally = &mut self.tally;
        tally.summary.rows += 1;
        match (&result.appended, &result.error) {
            (Some(appended), _) if result.ok && appended.replayed => {
                tally.summary.already_there += 1;
            }
            (Some(_), _) if result.ok => tally.summary.issued += 1,
            (_, Some(problem)) => {
                let reason = describe_problem(problem);
                tally.reject(entry.number, short_name(problem), &reason, &entry.original)?;
            }
            _ => {
                let detail = format!("row {} is neither issued nor rejected", entry.number);
                return Err(self.client.bad_answer("", &detail));
            }
        }
        Ok(())
    }
}
