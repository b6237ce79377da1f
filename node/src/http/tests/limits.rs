//! Each bound on a client, reached.

use super::*;
use crate::http::extract::json_body;
use crate::http::limits::{COSIGNED_WITHIN, DEFAULT_LOOKUPS, DEFAULT_RATE, PART};
use crate::pages::{grouped, states};
use certmesh_api::FindRequest;
use certmesh_api::faults::MAX_FAULTS;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::time::Instant;

#[test]
fn the_pages_state_each_limit_of_a_client() {
    const MIB: usize = 1 << 20;
    let limits = Limits::default();
    let page = "docs/integrator.md";
    for row in [
        format!(
            "requests of a client | {} a second",
            grouped(DEFAULT_RATE.get().into())
        ),
        format!("of a client | {DEFAULT_LOOKUPS} a second, or"),
        format!("body of an ordinary request | {} MiB |", limits.body / MIB),
        format!(
            "ordinary requests at a time | {} |",
            grouped(limits.requests as u64)
        ),
        format!("bulk requests at a time | {} |", limits.bulk_requests),
        format!("files in transfer at a time | {} |", limits.transfers),
        format!("A line is at most {} KiB", limits.line / 1024),
        format!("lists every fault of a request, {MAX_FAULTS} at most"),
    ] {
        states(page, &row);
    }
    assert_eq!(PART, 4);
    states(
        page,
        "one client | a quarter of what the node does at a time",
    );
    states(
        "docs/limits.md",
        "gets a quarter of what a node does at a time",
    );
    let waits = COSIGNED_WITHIN.as_secs();
    for page in ["docs/limits.md", "docs/clerk.md", "ARCHITECTURE.md"] {
        states(page, &format!("waits up to {waits} seconds for one"));
    }
}

#[tokio::test]
async fn a_body_past_the_limit_is_refused_declared_or_not() {
    let node = node_with(Limits {
        body: 1000,
        ..Limits::default()
    });
    let big = vec![b' '; 2000];
    let declared = ask("POST", "/v1/find", READ)
        .body("application/json", big)
        .to(&node)
        .await;
    assert_eq!(
        (declared.status, &*declared.problem()),
        (413, "body-too-large")
    );
    let mut chunked = ask("POST", "/v1/find", READ).header("Content-Type", "application/json");
    chunked = chunked.header("Transfer-Encoding", "chunked");
    chunked.body = format!("258\r\n{0}\r\n258\r\n{0}\r\n0\r\n\r\n", " ".repeat(600)).into_bytes();
    let answer = chunked.to(&node).await;
    assert_eq!((answer.status, &*answer.problem()), (413, "body-too-large"));
}

/// A good search of this many bytes.
fn search(bytes: usize) -> Vec<u8> {
    format!("{{\"issuer\": \"{OWN}\"{}}}", " ".repeat(bytes - 32)).into_bytes()
}

#[tokio::test]
async fn long_bodies_past_a_clients_room_are_refused_and_short_ones_and_those_of_others_go_on() {
    let node = node_with(Limits {
        short_body: 1000,
        // One client can take 2000.
        bodies: 8000,
        room_time: Duration::from_millis(100),
        ..Limits::default()
    });
    let find =
        |token, bytes| ask("POST", "/v1/find", token).body("application/json", search(bytes));
    let arriving = find(READ, 2000);
    let mut stream = connect(node.running.address()).await;
    let head = format!("{}\r\n", arriving.head);
    stream.write_all(head.as_bytes()).await.unwrap();
    // Declared or not, a long body finds no room while that one arrives.
    let refused = find(READ, 1500).to(&node).await;
    assert_eq!((refused.status, &*refused.problem()), (429, "rate-limited"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let mut undeclared = ask("POST", "/v1/find", READ).header("Content-Type", "application/json");
    undeclared = undeclared.header("Transfer-Encoding", "chunked");
    let text = String::from_utf8(search(1500)).unwrap();
    undeclared.body = format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len()).into_bytes();
    assert_eq!(undeclared.to(&node).await.status, 429);
    assert_eq!(find(READ, 900).to(&node).await.status, 200);
    assert_eq!(find(CLERK, 1500).to(&node).await.status, 200);
    stream.write_all(&arriving.body).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 200);
    assert_eq!(find(READ, 1500).to(&node).await.status, 200);
}

#[tokio::test]
async fn a_long_body_is_read_on_another_thread_and_a_short_one_in_place() {
    let node = node_with(Limits {
        short_body: 1000,
        ..Limits::default()
    });
    let read_by = async |bytes| {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        let thread = |_: FindRequest| Ok(std::thread::current().id());
        let body = axum::body::Body::from(search(bytes));
        json_body(&node.api, &headers, body, thread).await.unwrap()
    };
    // The runtime of this test is the one thread it runs on.
    let here = std::thread::current().id();
    assert_eq!(read_by(1000).await, here);
    assert_ne!(read_by(1001).await, here);
}

#[tokio::test]
async fn a_client_with_its_part_of_the_places_in_use_is_refused_and_another_is_not() {
    let node = node_with(Limits {
        // One client can take one.
        requests: 4,
        ..Limits::default()
    });
    *node.fake.delay.lock() = Duration::from_millis(500);
    let slow = ask("POST", "/v1/certificates", ISSUE)
        .json(&certificate(1))
        .to(&node);
    let (slow, (refused, other)) = tokio::join!(slow, async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let refused = ask("GET", "/v1/status", ISSUE).to(&node).await;
        (refused, ask("GET", "/v1/status", READ).to(&node).await)
    });
    assert_eq!((slow.status, other.status), (201, 200));
    assert_eq!((refused.status, &*refused.problem()), (429, "rate-limited"));
    assert_eq!(refused.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn queries_of_one_client_wait_for_each_other_and_those_of_another_do_not() {
    let node = node_with(Limits {
        // One client can take one.
        queries: 4,
        request_time: Duration::from_millis(300),
        ..Limits::default()
    });
    *node.fake.blocks.lock() = Duration::from_secs(1);
    let path = format!("/v1/certificates/{}/history", id(1));
    let slow = || ask("GET", &path, READ).to(&node);
    let (first, second, other) = tokio::join!(slow(), slow(), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        ask("GET", "/v1/status", ADMIN).to(&node).await
    });
    assert_eq!((first.status, second.status), (408, 408));
    assert_eq!(node.fake.began.load(Ordering::Relaxed), 1);
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_that_it_may_have_worked() {
    let node = node_with(Limits {
        request_time: Duration::from_millis(100),
        ..Limits::default()
    });
    *node.fake.delay.lock() = Duration::from_secs(5);
    let answer = ask("POST", "/v1/certificates", ISSUE)
        .json(&certificate(1))
        .to(&node)
        .await;
    assert_eq!((answer.status, &*answer.problem()), (408, "timeout"));
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("Idempotency-Key")
    );
}

#[tokio::test]
async fn a_body_that_stops_coming_times_out() {
    let node = node_with(Limits {
        idle_time: Duration::from_millis(100),
        ..Limits::default()
    });
    let mut request = ask("POST", "/v1/find", READ).body("application/json", "{}");
    request.body.pop();
    let answer = request.to(&node).await;
    assert_eq!((answer.status, &*answer.problem()), (408, "timeout"));
}

#[tokio::test]
async fn a_head_that_stops_coming_ends_the_connection() {
    let node = node_with(Limits {
        header_time: Duration::from_millis(100),
        ..Limits::default()
    });
    let mut stream = connect(node.running.address()).await;
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: n")
        .await
        .unwrap();
    let started = Instant::now();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(!bytes.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn past_the_places_a_request_is_overloaded_and_health_still_answers() {
    let node = node_with(Limits {
        requests: 1,
        ..Limits::default()
    });
    *node.fake.delay.lock() = Duration::from_millis(500);
    let slow = ask("POST", "/v1/certificates", ISSUE)
        .json(&certificate(1))
        .to(&node);
    let (slow, refused) = tokio::join!(slow, async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(ask("GET", "/health", "").to(&node).await.status, 200);
        ask("GET", "/v1/status", READ).to(&node).await
    });
    assert_eq!(slow.status, 201);
    assert_eq!((refused.status, &*refused.problem()), (503, "overloaded"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(ask("GET", "/v1/status", READ).to(&node).await.status, 200);
}

#[tokio::test]
async fn a_query_that_timed_out_keeps_its_place_until_it_ends() {
    let node = node_with(Limits {
        // One client can take two.
        queries: 8,
        request_time: Duration::from_millis(200),
        ..Limits::default()
    });
    *node.fake.blocks.lock() = Duration::from_secs(2);
    let path = format!("/v1/certificates/{}/history", id(1));
    for _ in 0..5 {
        let answer = ask("GET", &path, READ).to(&node).await;
        assert_eq!((answer.status, &*answer.problem()), (408, "timeout"));
    }
    assert_eq!(node.fake.began.load(Ordering::Relaxed), 2);
    assert_eq!(ask("GET", "/ready", "").to(&node).await.status, 200);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(ask("GET", "/v1/status", READ).to(&node).await.status, 200);
}

#[tokio::test]
async fn one_client_past_its_rate_does_not_slow_another() {
    let node = node_with(Limits {
        rate: NonZeroU32::new(2),
        ..Limits::default()
    });
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = ask("GET", "/v1/status", READ).to(&node).await;
        if answer.status == 429 {
            assert_eq!(answer.problem(), "rate-limited");
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
        statuses.push(answer.status);
    }
    assert!(
        statuses.starts_with(&[200, 200]) && statuses.contains(&429),
        "{statuses:?}"
    );
    assert_eq!(ask("GET", "/v1/status", ADMIN).to(&node).await.status, 200);
}

#[tokio::test]
async fn past_the_places_a_connection_is_closed_at_once() {
    let node = node_with(Limits {
        connections: 1,
        ..Limits::default()
    });
    let held = connect(node.running.address()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut refused = connect(node.running.address()).await;
    let mut bytes = Vec::new();
    let _ = refused.read_to_end(&mut bytes).await;
    assert!(bytes.is_empty());
    drop(held);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ask("GET", "/health", "").to(&node).await.status, 200);
}

#[tokio::test]
async fn a_stop_waits_for_requests_in_work() {
    let node = node();
    *node.fake.delay.lock() = Duration::from_millis(300);
    let address = node.running.address();
    let Node {
        running,
        api,
        fake,
        metrics,
    } = node;
    let mut stream = connect(address).await;
    let request = ask("POST", "/v1/certificates", ISSUE).json(&certificate(1));
    stream
        .write_all(format!("{}\r\n", request.head).as_bytes())
        .await
        .unwrap();
    stream.write_all(&request.body).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (stopped, answer) = tokio::join!(
        running.stop(Duration::from_secs(5)),
        read_answer(&mut stream)
    );
    assert!(stopped.is_ok());
    assert_eq!(answer.status, 201);
    assert!(TcpStream::connect(address).await.is_err());
    drop((api, fake, metrics));
}
