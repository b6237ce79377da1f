//! A folder that a peer watches: tables dropped there are imported, whatever happens meanwhile.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::import_table::{MAP, define, held, line, table, type_code};
use crate::support::{TestNet, founded, run, until};

/// A peer that watches a folder; the network's other peer never runs.
fn scene(map: &str) -> TestNet {
    let mut net = founded(2);
    fs::create_dir(net.scratch("inbox")).unwrap();
    fs::write(net.scratch("map.toml"), map).unwrap();
    let settings = format!(
        "[[watch]]\nfolder = {:?}\ntype = {:?}\nmap = {:?}\n",
        net.scratch("inbox"),
        type_code(&net),
        net.scratch("map.toml")
    );
    fs::write(net.member(0).more_config(), settings).unwrap();
    net.start_trusting(0);
    define(&net);
    net
}

fn watch(net: &TestNet, settings: &str) {
    let config = net.member(0).config();
    let mut text = fs::read_to_string(&config).unwrap();
    text.push_str(&format!("\n[[watch]]\n{settings}"));
    fs::write(config, text).unwrap();
}

fn inbox(net: &TestNet, name: &str) -> PathBuf {
    net.scratch("inbox").join(name)
}

#[track_caller]
fn wait_for(path: &Path) -> String {
    until(&format!("{} to be there", path.display()), || path.exists());
    fs::read_to_string(path).unwrap()
}

#[track_caller]
fn summary(net: &TestNet, name: &str) -> Value {
    let path = inbox(net, &format!("done/{name}.summary.json"));
    serde_json::from_str(&wait_for(&path)).unwrap()
}

fn counts(summary: &Value) -> [u64; 5] {
    ["rows", "issued", "already_there", "merged", "rejected"]
        .map(|name| summary[name].as_u64().unwrap())
}

/// A table of 2,500 rows in GB 18030, five of which are wrong.
fn dirty_table() -> Vec<u8> {
    let mut lines: Vec<String> = (0..2_500).map(line).collect();
    lines[3] = lines[3].replace("男", "南");
    lines[4] = lines[4].replace("2029/12/31", "2031/1/3");
    lines[5] = lines[5].replace("王 五5", "");
    lines[2_100] = lines[2_100].replace("2020年1月2日", "不详");
    lines[2_300] = lines[8].replace("王 五8", "王 六");
    let text = table(lines);
    let (bytes, _, lossy) = encoding_rs::GB18030.encode(&text);
    assert!(!lossy);
    bytes.into_owned()
}

/// What is half there has another name, or is hidden.
fn drop_the_table_beside_other_files(net: &TestNet, table: &[u8]) {
    fs::write(inbox(net, "卡.csv.part"), table).unwrap();
    fs::rename(inbox(net, "卡.csv.part"), inbox(net, "卡.csv")).unwrap();
    fs::write(inbox(net, ".hidden.csv"), "x").unwrap();
    fs::write(inbox(net, "scan.pdf"), "%PDF").unwrap();
    fs::write(inbox(net, "other.csv"), "编号,姓名\n1,王五\n").unwrap();
}

fn the_table_is_imported_and_kept(net: &TestNet, table: &[u8]) {
    let summary = summary(net, "卡.csv");
    assert_eq!(counts(&summary), [2_500, 2_495, 0, 0, 5], "{summary}");
    assert_eq!(summary["rejects"], "rejected/卡.csv");
    assert_eq!(summary["rejected_by_reason"].as_object().unwrap().len(), 5);
    assert_eq!(held(net), 2_495);
    assert_eq!(fs::read(inbox(net, "done/卡.csv")).unwrap(), table);
    assert!(!inbox(net, "卡.csv").exists());
}

/// The file that has them.
fn rejected_rows_come_back_with_their_reasons(net: &TestNet) -> String {
    let rejects = fs::read_to_string(inbox(net, "rejected/卡.csv")).unwrap();
    let rows: Vec<&str> = rejects.lines().collect();
    assert!(
        rows[0].starts_with("\u{FEFF}_row,_reason,证照编号"),
        "{rejects}"
    );
    let expected = [
        ("5,", "`性别`"),
        ("6,", "`有效期至`"),
        ("7,", "`姓名`"),
        ("2102,", "`发证日期`"),
        // One number, another name.
        ("2302,", "`证照编号`"),
    ];
    assert_eq!(rows.len(), 1 + expected.len());
    for (row, (number, column)) in rows[1..].iter().zip(expected) {
        assert!(row.starts_with(number) && row.contains(column), "{row}");
    }
    rejects
}

fn other_files_come_back_with_their_reasons(net: &TestNet) {
    let reason = wait_for(&inbox(net, "rejected/scan.pdf.reason.txt"));
    assert!(reason.contains("ends in .csv"), "{reason}");
    let reason = wait_for(&inbox(net, "rejected/other.csv.reason.txt"));
    assert!(reason.contains("no column `证照编号`"), "{reason}");
    assert!(inbox(net, "rejected/other.csv").exists());
}

/// As they came back, under a name that was there before.
fn corrected_rows_are_imported_and_nothing_is_overwritten(
    net: &TestNet,
    rejects: &str,
    table: &[u8],
) {
    let corrected = rejects.replace("南", "女").replace("2031/1/3", "2028/1/1");
    fs::write(inbox(net, "卡.csv"), corrected).unwrap();
    let summary = summary(net, "卡-2.csv");
    assert_eq!(counts(&summary), [5, 2, 0, 0, 3], "{summary}");
    assert_eq!(fs::read(inbox(net, "done/卡.csv")).unwrap(), table);
    assert_eq!(held(net), 2_497);
    assert!(inbox(net, ".hidden.csv").exists());
}

fn metrics_and_log_count_and_name_no_value(net: &TestNet) {
    let metrics = net.http(0).get("/metrics").text;
    for line in [
        "certmesh_rows_issued_total 2497",
        "certmesh_rows_refused_total{reason=\"invalid-field\"} 7",
    ] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
    let log = net.node_log(0);
    assert!(log.contains("file imported"), "{log}");
    assert!(!log.contains('王') && !log.contains("不详"), "{log}");
}

#[test]
fn a_table_dropped_into_the_folder_is_imported_and_what_cannot_be_comes_back_with_its_reason() {
    let mut net = scene(MAP);
    let table = dirty_table();
    drop_the_table_beside_other_files(&net, &table);
    the_table_is_imported_and_kept(&net, &table);
    let rejects = rejected_rows_come_back_with_their_reasons(&net);
    other_files_come_back_with_their_reasons(&net);
    corrected_rows_are_imported_and_nothing_is_overwritten(&net, &rejects, &table);
    metrics_and_log_count_and_name_no_value(&net);
    net.stop(0).unwrap();
    assert_eq!(net.fsck(0).0, 0);
}

#[test]
fn a_peer_killed_in_the_middle_of_a_file_takes_it_again_without_doubles() {
    const ROWS: u64 = 25_000;
    // The last row stands for the first.
    let mut net = scene(&format!("duplicates = \"last\"\n{MAP}"));
    let lines = (0..ROWS).map(line).chain([line(0).replace("王", "李")]);
    let bad = "Z1,x,x,男,20200102,-".to_owned();
    fs::write(inbox(&net, "cards.csv"), table(lines.chain([bad]))).unwrap();
    for round in 0..2 {
        let before = held(&net);
        until("the import to be under way", || held(&net) > before);
        net.kill(0);
        assert!(
            inbox(&net, "cards.csv").exists(),
            "it was over before it could be killed"
        );
        assert!(!inbox(&net, "done/cards.csv").exists());
        if round == 0 {
            net.start_trusting(0);
        } else {
            // Nobody confirms the log, so the file waits until somebody vouches for it.
            net.start_again(0);
            net.wait_logged(0, "files wait until the own log accepts appends");
            assert!(inbox(&net, "cards.csv").exists());
            net.cli(0, &["resume"]).exits(0);
        }
        assert!(held(&net) < ROWS);
    }
    let before = held(&net);
    let told = summary(&net, "cards.csv");
    let [rows, issued, there, merged, rejected] = counts(&told);
    assert_eq!(
        (rows, issued + there, merged, rejected),
        (ROWS + 2, ROWS, 1, 1)
    );
    assert!(there >= before && before > 0, "{told}, {before}");
    assert_eq!(held(&net), ROWS);
    // Rejected once, though the file was taken three times.
    let rejects = fs::read_to_string(inbox(&net, "rejected/cards.csv")).unwrap();
    assert_eq!(rejects.lines().count(), 2, "{rejects}");
    for place in ["done", "rejected"] {
        let names = fs::read_dir(inbox(&net, place)).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name());
        assert!(
            names
                .into_iter()
                .all(|name| !name.to_str().unwrap().starts_with('.')),
            "something is left in {place}"
        );
    }
}

/// Adds watches with something wrong in each part of them.
fn add_faulty_watches(net: &TestNet) {
    let (map, folder) = (net.scratch("map.toml"), net.scratch("inbox"));
    fs::write(&map, "serial = 7\nholdr = \"x\"\n").unwrap();
    fs::create_dir_all(inbox(net, "")).unwrap();
    fs::write(inbox(net, "done"), "").unwrap();
    let code = type_code(net);
    for settings in [
        format!("folder = \"nowhere\"\ntype = {code:?}\nmap = {map:?}\n"),
        format!("folder = {folder:?}\ntype = \"12\"\nmpa = \"m\"\n"),
        format!("folder = {folder:?}\ntype = 7\nmap = \"none.toml\"\n"),
        format!("folder = {map:?}\n"),
    ] {
        watch(net, &settings);
    }
}

#[test]
fn every_fault_of_every_watch_is_reported_at_once() {
    let net = founded(2);
    add_faulty_watches(&net);
    let config = net.member(0).config();
    let expected = [
        "watch[0].folder: ",
        "watch[0].map: ",
        "serial: must be a column's name",
        "holdr: is not a key here; did you mean `holder`?",
        "valid_from: is required",
        "watch[1].folder: ",
        "files are to be moved there, but it isn't a directory",
        "watch[1].type: ",
        "watch[1].mpa: there is no such setting; did you mean `map`?",
        "watch[1].map: is missing",
        "is watched already",
        "watch[2].type: is integer, expected a string",
        "watch[2].map: ",
        "none.toml",
        "watch[3].folder: ",
        "map.toml: isn't a directory",
        "watch[3].type: is missing",
        "watch[3].map: is missing",
    ];
    for command in ["check", "run"] {
        let args = [command, "--config", config.to_str().unwrap()];
        let ran = run("node", &args, b"", |_| ());
        assert_eq!(ran.code, 2, "{ran:?}");
        for words in expected {
            assert!(ran.err.contains(words), "`{words}` is missing: {}", ran.err);
        }
    }
    assert!(!net.data(0).join("LOCK").exists(), "nothing was touched");
}
