//! Bulk issue: NDJSON in, NDJSON out, both streaming.
//!
//! Lines are gathered into groups, a group is read and checked on a thread that may block, handed to the writer, and
//! its results are written in the order of the rows. A group is sent when it is full, or as soon as nothing else is in
//! progress: a fast client gets full groups, a slow one gets its answers at once. A few groups are in progress at a
//! time; beyond that the body isn't read, so the client feels the pace of the disk.
//!
//! Many clients send everything before they read anything. So results are held for them up to a bound, past which the
//! request stalls until the client reads.

mod lines;

use std::io;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use certmesh_api::draft::Draft;
use certmesh_api::{IssueRequest, RowResult};
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use self::lines::{End, Group, Line, Splitter};
use super::body;
use super::limits::{DRAIN_BYTES, DRAIN_TIME};
use super::rejection::{Late, Malformed, Rejection};
use super::shares::Place;
use super::state::{Api, Caller};
use super::views;
use crate::app::{Appended, Outcomes, Refusal, RetryKey};

/// Content type of newline-delimited JSON.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// Runs a bulk request. The answer's head waits for the first group: when that is refused as a whole, so is the request.
pub(super) async fn issue(
    api: Arc<Api>,
    caller: Caller,
    retry: Option<RetryKey>,
    body: Body,
) -> Result<Response, Rejection> {
    let place = api.take_bulk_place()?;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let pipeline = Pipeline {
        splitter: Splitter::new(api.limits()),
        buffer: Arc::new(Semaphore::new(api.limits().result_buffer)),
        api,
        caller,
        retry,
        body: body.into_data_stream(),
        ended: false,
        parsing: FuturesOrdered::new(),
        submitted: FuturesOrdered::new(),
        answered: false,
        out: sender,
        _place: place,
    };
    tokio::spawn(pipeline.run());
    match receiver.recv().await {
        Some(Message::Refused(refusal)) => Err(refusal),
        Some(first) => Ok(stream(first, receiver)),
        None => Err(Rejection::INTERNAL),
    }
}

/// From the pipeline to the answer's body. The channel needs no bound of its own: rows hold their share of the buffer.
enum Message {
    Rows(Bytes, OwnedSemaphorePermit),
    Refused(Rejection),
    End,
}

fn stream(first: Message, receiver: mpsc::UnboundedReceiver<Message>) -> Response {
    let rows = futures::stream::unfold((Some(first), receiver), |(first, mut receiver)| async {
        let message = match first {
            Some(first) => Some(first),
            None => receiver.recv().await,
        };
        match message {
            Some(Message::Rows(bytes, _given_back_now)) => Some((Ok(bytes), (None, receiver))),
            Some(Message::End) => None,
            // The pipeline died: break the connection, so that what was sent isn't mistaken for everything.
            Some(Message::Refused(_)) | None => Some((
                Err(io::Error::other("bulk request failed")),
                (Some(Message::End), receiver),
            )),
        }
    });
    let mut response = (StatusCode::OK, Body::from_stream(rows)).into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    response
}

/// A group whose lines were read: what goes to the writer, and what is answered already.
struct Parsed {
    drafts: Vec<Draft>,
    rows: Vec<(u64, Result<(), Rejection>)>,
}

impl Parsed {
    /// A group without a row.
    fn refused(numbers: Vec<u64>, refusal: &Rejection) -> Self {
        let rows = numbers.into_iter();
        Self {
            drafts: Vec::new(),
            rows: rows.map(|row| (row, Err(refusal.clone()))).collect(),
        }
    }
}

/// A group the writer answered.
struct Submitted {
    rows: Vec<(u64, Result<(), Rejection>)>,
    outcomes: Result<Outcomes, Rejection>,
}

struct Pipeline {
    api: Arc<Api>,
    caller: Caller,
    retry: Option<RetryKey>,
    body: BodyDataStream,
    ended: bool,
    splitter: Splitter,
    parsing: FuturesOrdered<BoxFuture<'static, Parsed>>,
    submitted: FuturesOrdered<BoxFuture<'static, Submitted>>,
    /// Rows were answered, so the request can't be refused as a whole any more.
    answered: bool,
    buffer: Arc<Semaphore>,
    out: mpsc::UnboundedSender<Message>,
    _place: Place,
}

impl Pipeline {
    async fn run(mut self) {
        let idle = self.api.limits().idle_time;
        loop {
            while let Some(group) = self.next_group() {
                self.parse(group);
            }
            let may_read = !self.ended && !self.splitter.has_full();
            tokio::select! {
                biased;
                Some(group) = self.submitted.next() => {
                    if !self.answer(group).await {
                        return;
                    }
                }
                Some(parsed) = self.parsing.next() => self.submit(parsed),
                chunk = timeout(idle, self.body.next()), if may_read => match chunk {
                    Ok(Some(Ok(bytes))) => self.splitter.push(&bytes),
                    Ok(None) => self.end(End::Whole),
                    Ok(Some(Err(_))) => self.end(End::Broken),
                    Err(_) => self.end(End::Silent),
                },
                else => break,
            }
        }
        // Nobody listens once the client is gone.
        let _ = self.out.send(Message::End);
    }

    fn end(&mut self, end: End) {
        self.ended = true;
        self.splitter.finish(end);
    }

    fn next_group(&mut self) -> Option<Group> {
        let in_work = self.parsing.len() + self.submitted.len();
        if in_work >= self.api.limits().groups_in_flight {
            return None;
        }
        if in_work == 0 || self.ended {
            self.splitter.take_any()
        } else {
            self.splitter.take_full()
        }
    }

    fn parse(&mut self, group: Group) {
        let caller = self.caller.clone();
        let api = Arc::clone(&self.api);
        self.parsing.push_back(Box::pin(async move {
            let numbers: Vec<u64> = group.rows().iter().map(|(row, _)| *row).collect();
            caller.rate.rows(numbers.len()).await;
            // A token that was revoked meanwhile issues no more rows.
            if let Err(refusal) = caller.share.in_force() {
                return Parsed::refused(numbers, &refusal);
            }
            let work = move || parse_group(&group, &api);
            tokio::task::spawn_blocking(work)
                .await
                .unwrap_or_else(|_panicked| Parsed::refused(numbers, &Rejection::INTERNAL))
        }));
    }

    fn submit(&mut self, Parsed { drafts, rows }: Parsed) {
        if drafts.is_empty() {
            self.submitted.push_back(Box::pin(async {
                Submitted {
                    rows,
                    outcomes: Ok(Vec::new()),
                }
            }));
            return;
        }
        let outcomes = self.api.service().submit(drafts, self.retry);
        self.submitted.push_back(Box::pin(async {
            Submitted {
                rows,
                outcomes: outcomes.await.map_err(Rejection::from),
            }
        }));
    }

    /// Writes a group's results; false when the request is over.
    async fn answer(&mut self, group: Submitted) -> bool {
        if let (Err(refusal), false) = (&group.outcomes, self.answered) {
            let refused = self.out.send(Message::Refused(refusal.clone()));
            if refused.is_ok() && !self.ended {
                drain_refused(&mut self.body).await;
            }
            return false;
        }
        self.answered = true;
        let bytes = render(group, &self.api);
        let share =
            u32::try_from(bytes.len().min(self.api.limits().result_buffer)).unwrap_or(u32::MAX);
        let held = Arc::clone(&self.buffer).acquire_many_owned(share);
        match timeout(self.api.limits().idle_time, held).await {
            Ok(Ok(permit)) => self.out.send(Message::Rows(bytes.into(), permit)).is_ok(),
            // The client doesn't read its results.
            Ok(Err(_)) | Err(_) => false,
        }
    }
}

/// Reads on in a refused request, within bounds.
pub(super) async fn drain_refused(body: &mut BodyDataStream) {
    let drain = async {
        let mut left = DRAIN_BYTES;
        while let Some(Ok(bytes)) = body.next().await {
            left = left.saturating_sub(bytes.len());
            if left == 0 {
                return;
            }
        }
    };
    let _ = timeout(DRAIN_TIME, drain).await;
}

fn parse_group(group: &Group, api: &Api) -> Parsed {
    let mut drafts = Vec::with_capacity(group.rows().len());
    let check = |(row, line): &(u64, Line)| {
        let draft = match line {
            Line::Text(range) => body::parse::<IssueRequest>(group.text(range))
                .and_then(|request| Ok(Draft::check(request, api.department())?)),
            Line::TooLong => Err(Rejection::BodyTooLarge {
                limit_bytes: api.limits().line,
            }),
            Line::CutOff => Err(Rejection::MalformedBody(Malformed::RowCutOff)),
            Line::Silent => Err(Rejection::Timeout(Late::Row)),
        };
        (*row, draft.map(|draft| drafts.push(draft)))
    };
    let rows = group.rows().iter().map(check).collect();
    Parsed { drafts, rows }
}

/// The group's results as NDJSON.
fn render(group: Submitted, api: &Api) -> Vec<u8> {
    let mut out = Vec::with_capacity(group.rows.len() * 512);
    let whole = group.outcomes.as_ref().err().cloned();
    let mut outcomes = group.outcomes.unwrap_or_default().into_iter();
    for (row, checked) in group.rows {
        let outcome = match (checked, &whole) {
            (Err(refusal), _) => Err(refusal),
            (Ok(()), Some(refusal)) => Err(refusal.clone()),
            // One outcome a draft is the service's promise.
            (Ok(()), None) => outcomes
                .next()
                .unwrap_or(Err(Refusal::Internal))
                .map_err(Rejection::from),
        };
        write_row(&mut out, row, outcome, api);
    }
    out
}

fn write_row(out: &mut Vec<u8>, row: u64, outcome: Result<Appended, Rejection>, api: &Api) {
    let result = match outcome {
        Ok(appended) => {
            api.metrics().row_issued(appended.replayed);
            RowResult {
                row,
                ok: true,
                appended: Some(views::appended(appended)),
                error: None,
            }
        }
        Err(refusal) => {
            api.metrics().row_refused(refusal.name());
            RowResult {
                row,
                ok: false,
                appended: None,
                error: Some(refusal.problem()),
            }
        }
    };
    // Writing to a Vec doesn't fail, nor does the type.
    let _: Result<(), _> = serde_json::to_writer(&mut *out, &result);
    out.push(b'\n');
}
