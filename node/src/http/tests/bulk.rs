//! Bulk issue: every way a stream of lines can go wrong, and the order of what goes right.

use super::*;
use crate::app::Refusal;
use crate::app::reasons::{ReadOnly, Unconfirmed};
use serde_json::json;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::time::Instant;

const PATH: &str = "/v1/certificates/bulk";

fn bulk(body: impl Into<Vec<u8>>) -> Ask {
    ask("POST", PATH, ISSUE).body("application/x-ndjson", body)
}

fn lines(serials: impl IntoIterator<Item = usize>) -> String {
    serials.into_iter().fold(String::new(), |mut text, serial| {
        writeln!(text, "{}", certificate(serial)).unwrap();
        text
    })
}

fn outline(rows: &[Value]) -> Vec<(u64, String)> {
    let what = |row: &Value| match row["ok"].as_bool().unwrap() {
        true => "ok".to_owned(),
        false => row["error"]["type"]
            .as_str()
            .unwrap()
            .rsplit(':')
            .next()
            .unwrap()
            .to_owned(),
    };
    rows.iter()
        .map(|row| (row["row"].as_u64().unwrap(), what(row)))
        .collect()
}

fn row(row: u64, what: &str) -> (u64, String) {
    (row, what.to_owned())
}

#[tokio::test]
async fn a_bad_line_is_an_error_of_its_row_alone() {
    let node = node();
    let mut body = Vec::new();
    body.extend(b"\n  \r\n");
    body.extend(certificate(1).to_string().into_bytes());
    body.extend(b"\r\n{not json}\n");
    body.extend(certificate(1).to_string().into_bytes());
    body.extend(b"\n\"\xFF\xFE\"\n{\"id\": \"1.2\"}\n");
    body.extend(format!("{{\"id\": \"{}\"}}\n", "x".repeat(70_000)).into_bytes());
    body.extend(certificate(2).to_string().into_bytes());
    body.extend(b"\n");
    let whole = certificate(3).to_string();
    body.extend(&whole.as_bytes()[..whole.len() - 10]);
    let answer = bulk(body).to(&node).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let expected = [
        row(3, "ok"),
        row(4, "malformed-body"),
        row(5, "duplicate-certificate"),
        row(6, "malformed-body"),
        row(7, "invalid-field"),
        row(8, "body-too-large"),
        row(9, "ok"),
        row(10, "malformed-body"),
    ];
    let rows = answer.rows();
    assert_eq!(outline(&rows), expected);
    assert_eq!(rows[0]["id"], json!(id(1)));
    assert!(
        rows[7]["error"]["detail"]
            .as_str()
            .unwrap()
            .contains("cut off")
    );
    assert!(!String::from_utf8_lossy(&answer.body).contains(HOLDER_CODE));
}

#[tokio::test]
async fn a_last_line_needs_no_line_feed_and_no_line_needs_no_row() {
    let node = node();
    let answer = bulk(lines([1]).trim_end()).to(&node).await;
    assert_eq!(outline(&answer.rows()), [row(1, "ok")]);
    let empty = bulk("").to(&node).await;
    assert_eq!(
        (empty.status, empty.rows().len(), empty.whole),
        (200, 0, true)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_rows_are_answered_in_order_in_full_groups() {
    let node = node();
    let body = lines(0..10_000);
    let started = Instant::now();
    let answer = bulk(body).to(&node).await;
    let took = started.elapsed();
    let rows = answer.rows();
    assert!(answer.whole);
    assert_eq!(rows.len(), 10_000);
    for (i, row) in rows.iter().enumerate() {
        assert_eq!((&row["row"], &row["ok"]), (&json!(i + 1), &json!(true)));
        assert_eq!(row["id"], json!(id(i)));
        assert_eq!(row["position"]["seq"], json!(i));
    }
    let groups = node.fake.groups.lock().clone();
    assert!(groups.iter().all(|rows| *rows <= 1000), "{groups:?}");
    assert!(groups.len() < 400, "{} groups in {took:?}", groups.len());
}

#[tokio::test]
async fn a_retried_bulk_answers_replayed_for_what_is_there() {
    let node = node();
    let key = |body: String| bulk(body).header("Idempotency-Key", "import-1");
    assert_eq!(key(lines(0..3)).to(&node).await.rows().len(), 3);
    let again = key(lines(0..5)).to(&node).await.rows();
    let replayed: Vec<_> = again
        .iter()
        .map(|row| row["replayed"].as_bool().unwrap())
        .collect();
    assert_eq!(replayed, [true, true, true, false, false]);
}

#[tokio::test]
async fn what_refuses_all_rows_refuses_the_request() {
    let node = node();
    *node.fake.refuse.lock() = Some(Refusal::OwnLogUnconfirmed(Unconfirmed::WouldFork));
    let answer = bulk(lines(0..3000)).to(&node).await;
    assert_eq!(
        (answer.status, &*answer.problem()),
        (503, "own-log-unconfirmed")
    );
}

#[tokio::test]
async fn rows_are_answered_while_the_request_goes_on_and_a_later_refusal_is_by_row() {
    let node = node();
    let mut stream = connect(node.running.address()).await;
    let request = ask("POST", PATH, ISSUE).header("Content-Type", "application/x-ndjson");
    let head = request.header("Transfer-Encoding", "chunked").head;
    stream
        .write_all(format!("{head}\r\n").as_bytes())
        .await
        .unwrap();
    let chunk = |text: String| format!("{:x}\r\n{text}\r\n", text.len());
    stream
        .write_all(chunk(lines([1])).as_bytes())
        .await
        .unwrap();
    let mut early = vec![0; 4096];
    let n = stream.read(&mut early).await.unwrap();
    let mut seen = early[..n].to_vec();
    while !String::from_utf8_lossy(&seen).contains("\"row\":1") {
        let n = stream.read(&mut early).await.unwrap();
        assert_ne!(n, 0);
        seen.extend(&early[..n]);
    }
    *node.fake.refuse.lock() = Some(Refusal::LogReadOnly(ReadOnly::LaterVersion { seq: 7 }));
    stream
        .write_all(format!("{}0\r\n\r\n", chunk(lines([2, 3]))).as_bytes())
        .await
        .unwrap();
    stream.read_to_end(&mut seen).await.unwrap();
    let answer = parse_answer(&seen, true);
    assert!(answer.whole);
    assert_eq!(
        outline(&answer.rows()),
        [
            row(1, "ok"),
            row(2, "log-read-only"),
            row(3, "log-read-only")
        ]
    );
}

#[tokio::test]
async fn a_token_that_is_revoked_while_rows_arrive_issues_no_more_of_them() {
    let node = node();
    let mut stream = connect(node.running.address()).await;
    let request = ask("POST", PATH, ISSUE).header("Content-Type", "application/x-ndjson");
    let head = request.header("Transfer-Encoding", "chunked").head;
    let chunk = |serial| {
        let text = lines([serial]);
        format!("{:x}\r\n{text}\r\n", text.len())
    };
    let first = format!("{head}\r\n{}", chunk(1));
    stream.write_all(first.as_bytes()).await.unwrap();
    while node.fake.groups.lock().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let others = certmesh_api::tokens::Clients::of(&[("reader", Role::Read, READ)]);
    node.api.set_clients(others);
    let rest = format!("{}{}0\r\n\r\n", chunk(2), chunk(3));
    stream.write_all(rest.as_bytes()).await.unwrap();
    let rows = read_answer(&mut stream).await.rows();
    let refused = "unauthorised";
    assert_eq!(
        outline(&rows),
        [row(1, "ok"), row(2, refused), row(3, refused)]
    );
}

#[tokio::test]
async fn a_client_that_falls_silent_gets_its_rows_and_the_reason() {
    let node = node_with(Limits {
        idle_time: Duration::from_millis(200),
        ..Limits::default()
    });
    let mut request = bulk(lines([1, 2]));
    request.body.truncate(request.body.len() - 20);
    let answer = request.to(&node).await;
    assert_eq!(outline(&answer.rows()), [row(1, "ok"), row(2, "timeout")]);
}

#[tokio::test]
async fn a_body_cut_off_by_its_framing_issues_no_half_row() {
    let node = node();
    let mut stream = connect(node.running.address()).await;
    let request = bulk(lines([1, 2]));
    stream
        .write_all(format!("{}\r\n", request.head).as_bytes())
        .await
        .unwrap();
    // The second line is whole but for its line feed, and the length said that more would come.
    stream
        .write_all(&request.body[..request.body.len() - 1])
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(node.fake.groups.lock().iter().sum::<usize>(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_all_before_it_reads_gets_every_row() {
    let node = node();
    let request = bulk(lines(0..20_000));
    let mut stream = connect(node.running.address()).await;
    stream
        .write_all(format!("{}\r\n", request.head).as_bytes())
        .await
        .unwrap();
    let sent = tokio::time::timeout(Duration::from_secs(15), stream.write_all(&request.body)).await;
    assert!(sent.is_ok(), "the node stopped reading");
    let answer = read_answer(&mut stream).await;
    assert_eq!(answer.rows().len(), 20_000);
}

#[tokio::test]
async fn a_client_that_never_reads_is_let_go() {
    let limits = Limits {
        idle_time: Duration::from_millis(200),
        result_buffer: 100_000,
        ..Limits::default()
    };
    let node = node_with(Limits {
        bulk_requests: 1,
        ..limits
    });
    let request = bulk(lines(0..40_000));
    let mut stream = connect(node.running.address()).await;
    stream
        .write_all(format!("{}\r\n", request.head).as_bytes())
        .await
        .unwrap();
    // The sending stalls too, once every buffer on the way is full.
    let sending = stream.write_all(&request.body);
    let freed = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let answer = bulk(lines([50_000])).to(&node).await;
            if answer.status == 200 {
                return outline(&answer.rows());
            }
            assert_eq!(answer.problem(), "overloaded");
        }
    };
    let (_, rows) = tokio::join!(
        sending,
        tokio::time::timeout(Duration::from_secs(30), freed)
    );
    assert_eq!(rows.expect("its place comes free again"), [row(1, "ok")]);
}

#[tokio::test]
async fn rows_past_the_rate_wait_instead_of_failing() {
    let node = node_with(Limits {
        rate: NonZeroU32::new(200),
        ..Limits::default()
    });
    let started = Instant::now();
    let answer = bulk(lines(0..300)).to(&node).await;
    assert!(
        started.elapsed() >= Duration::from_millis(350),
        "{:?}",
        started.elapsed()
    );
    assert!(answer.rows().iter().all(|row| row["ok"] == json!(true)));
}

#[tokio::test]
async fn past_the_places_for_bulk_a_request_is_overloaded() {
    let node = node_with(Limits {
        bulk_requests: 0,
        ..Limits::default()
    });
    let answer = bulk(lines([1])).to(&node).await;
    assert_eq!((answer.status, &*answer.problem()), (503, "overloaded"));
}

#[tokio::test]
async fn rows_are_counted_by_outcome() {
    let node = node();
    bulk(lines([1, 2, 1])).to(&node).await;
    let text = node.metrics.encode();
    assert!(text.contains("certmesh_rows_issued_total 2"));
    assert!(text.contains("certmesh_rows_refused_total{reason=\"duplicate-certificate\"} 1"));
}
