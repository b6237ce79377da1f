//! How fast rows pass through the API, with nothing behind it: `cargo test --release -- --ignored --nocapture speed`.

use super::*;
use std::fmt::Write as _;
use std::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "a measurement, for release builds"]
async fn speed_of_bulk_rows() {
    const ROWS: usize = 200_000;
    let node = node();
    let mut body = String::new();
    for serial in 0..ROWS {
        writeln!(body, "{}", certificate(serial)).unwrap();
    }
    let request = ask("POST", "/v1/certificates/bulk", ISSUE).body("application/x-ndjson", body);
    let started = Instant::now();
    let answer = request.to(&node).await;
    let seconds = started.elapsed().as_secs_f64();
    let rows = answer.body.iter().filter(|byte| **byte == b'\n').count();
    let groups = node.fake.groups.lock().len();
    assert_eq!(rows, ROWS);
    tracing::info!(rows, groups, seconds, "measured");
    std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!("{:.0} rows/s in {groups} groups\n", ROWS as f64 / seconds),
    )
    .unwrap();
}
