//! Processes that are killed in the middle of their work.

use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use certmesh_api::{Appended, LogState};
use certmesh_testnet::client::{Client, ClientError};
use certmesh_testnet::sample::Sample;

use crate::support::{PATIENCE, TestNet, running};

/// Rows of one request: small, so that a crash finds answered and unanswered ones.
const ROWS: u64 = 200;

/// Issues from two threads until `enough` rows are acknowledged, then kills the issuer. Gives what was acknowledged.
fn kill_while_issuing(net: &mut TestNet, round: usize, enough: usize) -> Vec<Appended> {
    let client = net.api(0);
    let acknowledged = Mutex::new(Vec::new());
    let count = || acknowledged.lock().unwrap().len();
    thread::scope(|scope| {
        let streams: Vec<_> = (0..2)
            .map(|stream| {
                let sample = Sample::new(0, &format!("K{round}{stream}")).unwrap();
                let (client, acknowledged) = (&client, &acknowledged);
                scope.spawn(move || issue_until_it_breaks(client, &sample, acknowledged))
            })
            .collect();
        let begun = Instant::now();
        while count() < enough && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        net.kill(0);
        for stream in streams {
            let end = stream.join().unwrap();
            assert!(
                end.is_broken_connection(),
                "only the crash may end a stream: {end}"
            );
        }
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() >= enough);
    acknowledged
}

fn issue_until_it_breaks(
    client: &Client,
    sample: &Sample,
    acknowledged: &Mutex<Vec<Appended>>,
) -> ClientError {
    let mut first = 0;
    loop {
        let rows = (first..first + ROWS).map(|number| sample.line(number));
        let sent = client.issue_many(rows, &mut |row| {
            assert!(row.ok, "{:?}", row.error);
            acknowledged.lock().unwrap().extend(row.appended);
        });
        if let Err(error) = sent {
            return error;
        }
        first += ROWS;
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_issuer_is_killed_again_and_again() {
    let mut net = running(2);
    let mut all = Vec::new();
    for (round, enough) in [300, 1_100, 2_500].into_iter().enumerate() {
        all.extend(kill_while_issuing(&mut net, round, enough));
        // What the crash left is whole before any start could repair it: torn ends are beyond the head.
        let (_, report) = net.fsck(0);
        let faults: Vec<_> = report["logs"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|log| log["faults"].as_array().unwrap())
            .filter(|fault| fault["derived"] == false)
            .collect();
        assert!(faults.is_empty(), "{faults:?}");
        net.start_again(0);
        net.wait_writable(0);
        let client = net.api(0);
        for appended in &all {
            let found = client.certificate(&appended.id).unwrap();
            assert_eq!(
                (found.position.seq, &found.position.record),
                (appended.position.seq, &appended.position.record)
            );
        }
        // What they say is there as well, the last before the crash above all.
        for appended in all.iter().rev().take(300) {
            let path = format!("/v1/certificates/{}/fields", appended.id);
            let told = net.http(0).get(&path);
            assert_eq!(told.status, 200, "{told:?}");
        }
        let logs = net.converge();
        assert!(logs.iter().all(|log| log.state != LogState::Frozen));
    }
    let last = all.last().unwrap().id.clone();
    net.wait_verdict(1, &last, "valid", None);
    net.stop_all().unwrap();
    for index in 0..2 {
        let (code, report) = net.fsck(index);
        assert_eq!(code, 0, "{report}");
        assert!(report["records"].as_u64().unwrap() >= all.len() as u64);
    }
}

#[test]
fn a_replica_killed_while_it_catches_up_ends_with_the_same_log() {
    const CERTIFICATES: u64 = 12_000;
    let mut net = running(2);
    net.stop(1).unwrap();
    net.issue(0, "CATCH", CERTIFICATES);
    let whole = net.held(0, 0);
    // Slow enough to be hit in the middle: some 3 MB at 1.5 MB/s.
    for link in net.links().between(0, 1) {
        link.throttle(Some(1_500_000));
    }
    let records = net.segment(1, 0, "records");
    let size = || fs::metadata(&records).map_or(0, |file| file.len());
    let full = fs::metadata(net.segment(0, 0, "records")).unwrap().len();
    let mut killed_in_the_middle = 0;
    for part in 1..=3 {
        let begun = size();
        net.launch(1, &[]).unwrap();
        let patience = Instant::now();
        while size() <= begun.max(full * (2 * part - 1) / 8) && patience.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        net.kill(1);
        if (begun + 1..full).contains(&size()) {
            killed_in_the_middle += 1;
        }
    }
    assert!(killed_in_the_middle >= 1, "{} of {full} bytes", size());
    for link in net.links().between(0, 1) {
        link.throttle(None);
    }
    net.start_again(1);
    net.converge();
    let copy = net.held(1, 0);
    assert_eq!((copy.size, copy.root), (whole.size, whole.root));
    net.stop_all().unwrap();
    let (code, report) = net.fsck(1);
    assert_eq!(code, 0, "{report}");
}
