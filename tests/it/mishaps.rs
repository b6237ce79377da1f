//! Mishaps of a node's own machine: its log has no reader or no room, its disk is nearly full.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use certmesh_testnet::testnet::define_types;

use crate::support::{TestNet, deadline, founded, founded_with, multi, row, until};

/// A node whose standard error goes to this file.
fn logging_to(path: &Path) -> Vec<OsString> {
    let script = "log=$1; shift; exec \"$0\" node \"$@\" 2>\"$log\"";
    let words: [OsString; 5] = [
        "sh".into(),
        "-c".into(),
        script.into(),
        multi().into(),
        path.into(),
    ];
    words.into()
}

/// One of two members runs, need not wait for the other, and logs much.
fn talkative(command: Vec<OsString>) -> TestNet {
    let mut net = founded_with(2, command);
    net.start_with(0, &["--trust-own-disk", "--log-level", "debug"], deadline())
        .unwrap();
    net.wait_writable(0);
    define_types(&net.client(0).unwrap(), 0).unwrap();
    net
}

fn lines_lost(net: &TestNet) -> u64 {
    let metrics = net.http(0).get("/metrics").text;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("certmesh_log_lines_lost_total "));
    line.unwrap().parse().unwrap()
}

#[test]
fn a_node_whose_log_s_disk_is_full_starts_answers_and_appends() {
    let net = talkative(logging_to(Path::new("/dev/full")));
    net.issue(0, "FULL", 3);
    assert!(lines_lost(&net) > 0);
    let pid = net.node_file(0).unwrap().pid;
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.contains("core file"));
    let core: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{limits}");
}

#[test]
fn a_node_outlives_its_log_s_reader_and_the_next_one_learns_how_much_is_missing() {
    let scratch = tempfile::tempdir().unwrap();
    let pipe = scratch.path().join("log");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let reading = pipe.clone();
    // Opening waits for the node.
    let first = std::thread::spawn(move || {
        let mut lines = BufReader::new(File::open(reading).unwrap()).lines();
        lines.any(|line| line.unwrap().contains("serving"))
    });
    let net = talkative(logging_to(&pipe));
    assert!(first.join().unwrap());
    // From here on nobody reads.
    until("lines to be lost", || {
        net.issue(0, "GONE", 1);
        lines_lost(&net) > 0
    });
    let mut lines = BufReader::new(File::open(&pipe).unwrap()).lines();
    let text = loop {
        net.issue(0, "BACK", 1);
        let line = lines.next().unwrap().unwrap();
        if line.contains("log lines were lost") {
            break line;
        }
    };
    let count = text.rsplit_once("lines=").map(|(_, count)| count.parse());
    assert!(matches!(count, Some(Ok(1_u64..))), "{text}");
}

#[test]
fn the_node_s_program_ends_with_its_exit_code_when_nobody_can_read_what_it_says() {
    let net = founded(1);
    let config = net.member(0).config();
    let ended = |arguments: &[&str], out: Stdio, err: Stdio| {
        let mut command = Command::new(multi());
        command.arg("node").args(arguments).stdout(out).stderr(err);
        command.status().unwrap().code()
    };
    let check = ["check", "--config", config.to_str().unwrap()];
    let (nobody, pipe) = std::io::pipe().unwrap();
    drop(nobody);
    assert_eq!(ended(&check, pipe.into(), Stdio::null()), Some(0));
    let full = || File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(ended(&check, full().into(), full().into()), Some(2));
    for wrong in [&["run", "--config", "/nowhere"][..], &["nosuch"]] {
        assert_eq!(ended(wrong, full().into(), full().into()), Some(2));
    }
}

#[test]
fn an_upload_leaves_the_log_the_room_that_is_kept_free_for_it() {
    let everything = "CERTMESH_NODE_API_KEEP_FREE_MIB=1048576";
    let command = ["env", everything].map(OsString::from).into_iter();
    let net = talkative(command.chain([multi().into(), "node".into()]).collect());
    let http = net.http(0);
    let upload = http.post_with("/v1/attachments", "application/pdf", &[], b"%PDF-1.7\n");
    upload.problem(507, "storage-full");
    let issued = http.post("/v1/certificates", &row(0, "ROOM", 1));
    assert_eq!(issued.status, 201, "{issued:?}");
    let metrics = http.get("/metrics").text;
    for name in [
        "disk_available_bytes",
        "disk_size_bytes",
        "data_used_bytes{part=\"logs\"}",
    ] {
        let begin = format!("certmesh_{name} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&begin));
        assert_ne!(line, Some("0"), "{name}");
        assert!(line.is_some(), "{name}: {metrics}");
    }
    for line in [
        "certmesh_members_missing 1",
        "certmesh_build_info{version=\"",
        &format!("certmesh_log_frozen{{department=\"{}\"}} 0", net.code(0)),
        &format!("certmesh_log_set_aside{{department=\"{}\"}} 0", net.code(1)),
    ] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
}
