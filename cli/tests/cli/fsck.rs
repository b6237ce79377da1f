use std::fs;
use std::path::Path;

use certmesh_ledger::codec::Text;
use certmesh_ledger::log::ForkEvidence;
use certmesh_ledger::names::{LogId, LogName};
use certmesh_ledger::record::{
    Action, Entry, Reason, Record, RecordHash, SignedRecord, StatusChanged,
};

use crate::command::certmesh;
use crate::department::{CODE, Department, id};

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// The only file of a kind in the department's log.
fn file(department: &Department, extension: &str) -> std::path::PathBuf {
    let dir = department.path("data/logs").join(CODE);
    let mut found = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    found
        .find(|path| path.extension().is_some_and(|found| found == extension))
        .unwrap()
}

#[test]
fn a_whole_data_directory_is_whole() {
    let department = Department::found();
    drop(department.issue_twenty());
    let data = department.path("data");
    let run = certmesh(["fsck", "--data", data.to_str().unwrap()]).exits(0);
    assert!(
        run.out.starts_with("WHOLE") && run.out.contains("交通运输厅") && run.out.contains("22"),
        "{}",
        run.out
    );
    let report = certmesh(["fsck", "--json", "--data", data.to_str().unwrap()])
        .exits(0)
        .json();
    assert_eq!(
        (report["ok"].as_bool(), report["records"].as_u64()),
        (Some(true), Some(22))
    );
    assert_eq!(report["logs"][0]["department"], CODE);
}

#[test]
fn a_flipped_byte_in_any_record_is_found_and_named_and_nothing_is_changed() {
    let department = Department::found();
    drop(department.issue_twenty());
    let path = file(&department, "records");
    let whole = fs::read(&path).unwrap();
    let data = department.path("data");
    for at in (64..whole.len()).step_by(173) {
        flip(&path, at);
        let damaged = fs::read(&path).unwrap();
        let run = certmesh(["fsck", "--data", data.to_str().unwrap()]).exits(1);
        assert!(run.out.starts_with("FAULTS FOUND"), "{at}: {}", run.out);
        assert!(
            run.out.contains(CODE) && run.out.contains("record "),
            "{at}: {}",
            run.out
        );
        let report = certmesh(["fsck", "--json", "--data", data.to_str().unwrap()])
            .exits(1)
            .json();
        let fault = &report["logs"][0]["faults"][0];
        assert!(
            fault["record"].is_u64() && !fault["rule"].as_str().unwrap().is_empty(),
            "{at}: {report}"
        );
        assert!(
            !run.out.contains("malformed") && run.out.contains("Start the node"),
            "{at}: {}",
            run.out
        );
        assert_eq!(fs::read(&path).unwrap(), damaged);
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_damaged_derived_file_is_distinguished() {
    let department = Department::found();
    drop(department.issue_twenty());
    flip(&file(&department, "offsets"), 70);
    let run = certmesh(["fsck", "--data", department.path("data").to_str().unwrap()]).exits(1);
    assert!(run.out.contains("rebuilt from the records"), "{}", run.out);
}

#[test]
fn a_directory_without_a_log_and_a_genesis_of_another_network_are_errors() {
    let department = Department::found();
    let home = department.home.path().to_str().unwrap();
    let run = certmesh(["fsck", "--data", home]).exits(2);
    assert!(
        run.err.contains("not a node's data directory") && run.err.contains("hint:"),
        "{}",
        run.err
    );
    certmesh(["fsck", "--data", "/nonexistent"]).exits(2);
    drop(department.issue_twenty());
    let other = Department::found();
    drop(other.issue_twenty());
    let (data, network) = (department.path("data"), other.path("network.toml"));
    let args = [
        "fsck",
        "--data",
        data.to_str().unwrap(),
        "--network",
        network.to_str().unwrap(),
    ];
    certmesh(args).exits(1);
    // A node that ran there left the genesis in it.
    fs::copy(
        department.path("network.toml"),
        department.path("data/network.toml"),
    )
    .unwrap();
    let run = certmesh(args).exits(2);
    assert!(
        run.err.contains("this directory belongs to network")
            && run.err.contains(&other.members.network().to_string()),
        "{}",
        run.err
    );
    fs::remove_file(department.path("data/network.toml")).unwrap();
    fs::remove_file(department.path("network.toml")).unwrap();
    let run = certmesh(["fsck", "--data", data.to_str().unwrap()]).exits(2);
    assert!(
        run.err.contains("no network.toml") && run.err.contains("--network"),
        "{}",
        run.err
    );
}

/// Two statements of the department on the same record.
fn fork(department: &Department) -> ForkEvidence {
    let log = LogName {
        network: department.members.network(),
        id: LogId::first(CODE.parse().unwrap()),
    };
    let record = |n| {
        let record = Record {
            seq: 5,
            prev: RecordHash::NONE,
            time_ms: 1_790_000_000_000,
            height: 0,
            key_epoch: 0,
            entry: Entry::StatusChanged(StatusChanged {
                id: id(n),
                action: Action::Revoke,
                reason: Reason::Deception,
                text: Text::new("").unwrap(),
                inherited: None,
            }),
        };
        SignedRecord::sign(&log, record, &department.key())
    };
    ForkEvidence::records(log.id, &record(1), &record(2))
}

#[test]
fn evidence_of_a_fork_is_named_though_every_byte_is_whole() {
    let department = Department::found();
    drop(department.issue_twenty());
    let data = department.path("data");
    let evidence = data.join("evidence");
    fs::create_dir(&evidence).unwrap();
    let file = evidence.join(format!("{CODE}.fork"));
    let network = department.members.network();
    fs::write(&file, fork(&department).to_file(network)).unwrap();
    let args = ["fsck", "--data", data.to_str().unwrap()];
    let run = certmesh(args).exits(1);
    assert!(
        run.out.starts_with("FORK FOUND")
            && run.out.contains("signed two histories from record 5")
            && run.out.contains(CODE),
        "{}",
        run.out
    );
    let report = certmesh([&args[..], &["--json"]].concat()).exits(1).json();
    assert_eq!(report["ok"], false);
    assert_eq!(report["forks"][0]["department"], CODE);
    fs::write(&file, "nonsense").unwrap();
    let run = certmesh(args).exits(1);
    assert!(run.out.contains("proves no fork"), "{}", run.out);
}
