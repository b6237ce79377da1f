//! `certmesh import --map` into a real peer: tables as departments have them, held to the type's standard.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rust_xlsxwriter::Workbook;
use serde_json::{Value, json};

use crate::support::{Ran, TestNet, multi, one_of_two, row, run, until};

const HEADER: &str = "证照编号,姓名,身份证号,性别,发证日期,有效期至";

/// What a department writes once for its table.
pub(crate) const MAP: &str = r#"
serial = { column = "证照编号", clean = ["half-width", "alphanumeric", "upper"] }
holder = { kind = "111", column = "身份证号" }
valid_from = { column = "发证日期", date = ["%Y/%m/%d", "%Y年%m月%d日", "%Y%m%d"] }
valid_until = { column = "有效期至", date = ["%Y/%m/%d"], empty = ["长期", "-"] }
[fields]
ZZMC = { value = "居住证" }
CZZT = { column = "姓名", clean = ["half-width", "collapse-spaces"] }
KZ_XB = { column = "性别", codes = { "男" = "1", "女" = "2" } }
"#;

/// A peer with a type of its own, and a map for it.
fn scene(map: &str) -> TestNet {
    let net = one_of_two();
    define(&net);
    fs::write(net.scratch("map.toml"), map).unwrap();
    net
}

/// Defines the type that the tables are of.
pub(crate) fn define(net: &TestNet) {
    let definition = json!({
        "code": type_code(net), "name": "居住证", "holder": ["111"], "validity": "10 years",
        "fields": [
            { "code": "ZZMC", "name": "证照名称", "required": true },
            { "code": "CZZT", "name": "持证主体", "required": true, "personal": true, "max": 12 },
            { "code": "KZ_XB", "name": "性别", "type": "code", "codes": { "1": "男", "2": "女" } },
        ],
    });
    assert_eq!(net.http(0).post("/v1/types", &definition).status, 201);
}

pub(crate) fn type_code(net: &TestNet) -> String {
    format!("{}900", net.code(0))
}

pub(crate) fn line(number: u64) -> String {
    let code = row(0, "T", number)["holder"]["code"]
        .as_str()
        .unwrap()
        .to_owned();
    format!("ｚ-{number:06},王 五{number},{code},男,2020年1月2日,2029/12/31")
}

pub(crate) fn table(lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<String> = lines.into_iter().collect();
    format!("{HEADER}\r\n{}\r\n", lines.join("\r\n"))
}

fn put(net: &TestNet, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = net.scratch(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn arguments(net: &TestNet, file: &str, more: &[&str]) -> Vec<String> {
    let path = |name: &str| net.scratch(name).to_str().unwrap().to_owned();
    let code = type_code(net);
    let fixed = [
        "import",
        &path(file),
        "--map",
        &path("map.toml"),
        "--type",
        &code,
        "--json",
    ];
    fixed
        .iter()
        .chain(more)
        .map(|arg| (*arg).to_owned())
        .collect()
}

fn import(net: &TestNet, file: &str, more: &[&str]) -> Ran {
    let args = arguments(net, file, more);
    net.cli(0, &args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn counts(summary: &Value) -> [u64; 5] {
    ["rows", "issued", "already_there", "merged", "rejected"]
        .map(|name| summary[name].as_u64().unwrap())
}

pub(crate) fn held(net: &TestNet) -> u64 {
    net.held(0, 0).certificates
}

/// Writes a table of 2,500 rows in GB 18030, five of which are wrong and one of which stands there twice.
fn put_dirty_table(net: &TestNet) {
    let mut lines: Vec<String> = (0..2_500).map(line).collect();
    lines[3] = lines[3].replace("男", "南");
    lines[4] = lines[4].replace("2029/12/31", "2031/1/3");
    lines[5] = lines[5].replace("王 五5", "");
    lines[2_100] = lines[2_100].replace("2020年1月2日", "不详");
    lines[2_200] = lines[7].replace(' ', "\u{3000}");
    lines[2_300] = lines[8].replace("王 五8", "王 六");
    let text = table(lines);
    let (bytes, _, lossy) = encoding_rs::GB18030.encode(&text);
    assert!(!lossy);
    put(net, "table.csv", &bytes);
}

#[track_caller]
fn names_each_wrong_row(ran: &Ran) {
    for expected in [
        "row 5: `性别`",
        "row 6: `有效期至`",
        "row 7: `姓名`",
        "row 2102: `发证日期`",
        "row 2302: an earlier row has the same `证照编号`",
    ] {
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
    }
}

fn a_dry_run_checks_it_and_issues_nothing(net: &TestNet) -> Value {
    let ran = import(net, "table.csv", &["--dry-run"]).exits(1);
    let dry = ran.json();
    assert_eq!(counts(&dry), [2_500, 0, 0, 1, 5]);
    assert_eq!(
        (&dry["valid"], &dry["encoding"]),
        (&2_494.into(), &"gb18030".into())
    );
    names_each_wrong_row(&ran);
    assert_eq!(held(net), 0);
    dry
}

/// What it keeps of the rejected rows.
fn it_is_imported_for_the_same_reasons(net: &TestNet, dry: &Value) -> String {
    let rejects = net.scratch("rejects.csv");
    let kept = ["--rejects", rejects.to_str().unwrap()];
    let ran = import(net, "table.csv", &kept).exits(1);
    assert_eq!(counts(&ran.json()), [2_500, 2_494, 0, 1, 5]);
    assert_eq!(ran.json()["rejected_by_reason"], dry["rejected_by_reason"]);
    names_each_wrong_row(&ran);
    assert_eq!(held(net), 2_494);
    fs::read_to_string(&rejects).unwrap()
}

/// Although it has the columns that rejecting added.
fn the_corrected_rejects_file_imports(net: &TestNet, rejects: &str) {
    assert!(
        rejects.starts_with("\u{FEFF}_row,_reason,证照编号"),
        "{rejects}"
    );
    let corrected = rejects
        .replace("南", "女")
        .replace("2031/1/3", "长期")
        .replace("不详", "20200102");
    put(net, "corrected.csv", &corrected);
    let summary = import(net, "corrected.csv", &[]).exits(1).json();
    // Of the five, one lacks its name still, one runs without end where ten years are the most, and one has the number
    // of another.
    assert_eq!(counts(&summary), [5, 2, 0, 0, 3], "{summary}");
}

fn what_was_cleaned_is_shown(net: &TestNet) {
    let found = net
        .http(0)
        .post("/v1/find", &json!({ "type": type_code(net), "limit": 1 }));
    let id = found.json()["certificates"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let shown = net.cli(0, &["show", &id, "--fields", "--json"]).exits(0);
    assert!(shown.out.contains("王 五"), "{}", shown.out);
}

fn what_is_there_is_recognised(net: &TestNet) {
    let dry = import(net, "table.csv", &["--dry-run"]).exits(1).json();
    assert_eq!(
        (&dry["valid"], &dry["in_log"]),
        (&2_494.into(), &2_494.into())
    );
    let summary = import(net, "table.csv", &[]).exits(1).json();
    assert_eq!(counts(&summary), [2_500, 0, 2_494, 1, 5]);
    assert_eq!(held(net), 2_496);
}

#[test]
fn a_dirty_table_in_gb18030_is_checked_imported_corrected_and_recognised() {
    let net = scene(MAP);
    put_dirty_table(&net);
    let dry = a_dry_run_checks_it_and_issues_nothing(&net);
    let rejects = it_is_imported_for_the_same_reasons(&net, &dry);
    the_corrected_rejects_file_imports(&net, &rejects);
    what_was_cleaned_is_shown(&net);
    what_is_there_is_recognised(&net);
}

#[test]
fn an_import_that_is_killed_goes_on_without_doubles() {
    let net = scene(&format!("duplicates = \"last\"\n{MAP}"));
    // The last row stands for the first.
    let lines = (0..12_000).map(line).chain([line(0).replace("王", "李")]);
    put(&net, "table.csv", table(lines));
    let mut command = Command::new(multi());
    command.arg("cli").args(arguments(&net, "table.csv", &[]));
    command.env("CERTMESH_NODE", net.node_file(0).unwrap().api.clone());
    command.env("CERTMESH_TOKEN_FILE", net.member(0).token_file());
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    until("the import to be under way", || held(&net) > 0);
    child.kill().unwrap();
    assert!(
        child.wait().unwrap().code().is_none(),
        "it was over before it could be killed"
    );
    // What was on its way may be issued still.
    let before = held(&net);
    assert!(before < 12_000);
    let summary = import(&net, "table.csv", &[]).exits(0).json();
    let [rows, issued, there, merged, rejected] = counts(&summary);
    assert_eq!(
        (rows, issued + there, merged, rejected),
        (12_001, 12_000, 1, 0)
    );
    assert!(there >= before, "{summary}, {before}");
    assert_eq!(held(&net), 12_000);
}

#[test]
fn a_spreadsheet_is_imported() {
    let net = scene(&format!("sheet = \"登记\"\n{MAP}"));
    let mut book = Workbook::new();
    book.add_worksheet();
    let sheet = book.add_worksheet().set_name("登记").unwrap();
    let text = table((0..300).map(line).chain(["X".to_owned()]));
    for (row, line) in text.lines().enumerate() {
        for (column, cell) in line.split(',').enumerate() {
            sheet.write(row as u32, column as u16, cell).unwrap();
        }
    }
    book.save(net.scratch("table.xlsx")).unwrap();
    let ran = import(&net, "table.xlsx", &[]).exits(1);
    assert_eq!(counts(&ran.json()), [301, 300, 0, 0, 1]);
    assert!(
        ran.err.contains("row 302: `身份证号` is empty"),
        "{}",
        ran.err
    );
    assert_eq!(held(&net), 300);
}

#[test]
fn the_measurement_of_importing_is_one_of_the_real_program() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("certmesh");
    let script = format!("#!/bin/sh\nexec '{}' cli \"$@\"\n", multi().display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let program = program.to_str().unwrap();
    let args = [
        "bench",
        "import",
        "--records",
        "3000",
        "--json",
        "--certmesh",
    ];
    let ran = run("testnet", &[&args[..], &[program]].concat(), b"", |_| ()).exits(0);
    let figures = ran.json();
    assert_eq!(figures["records"], 3_000);
    for figure in ["per_second", "issue_per_second", "ratio", "peak_memory_mb"] {
        assert!(figures[figure].as_f64().unwrap() > 0.0, "{figures}");
    }
    let nobody = "/nonexistent/certmesh";
    let ran = run("testnet", &[&args[..], &[nobody]].concat(), b"", |_| ()).exits(2);
    assert!(ran.err.contains(nobody), "{}", ran.err);
}

#[test]
fn rows_may_renew_what_is_there_and_learn_what_they_cannot_replace() {
    let map = format!(
        "version = {{ column = \"版本\", default = \"1\" }}\npredecessor = \"原证照\"\n\
         succession = {{ column = \"方式\", codes = {{ \"延续\" = \"renewal\", \"合并\" = \"merge\" }} }}\n{MAP}"
    );
    let net = scene(&map);
    put(&net, "old.csv", more(0..5, |_| ",,".to_owned()));
    import(&net, "old.csv", &[]).exits(0);
    let found = net.cli(0, &["find", "--type", &type_code(&net), "--json"]);
    let found = found.exits(0).json();
    let old = |serial: u64| {
        let mut all = found["certificates"].as_array().unwrap().iter();
        let id = all.find_map(|one| {
            one["id"]
                .as_str()
                .filter(|id| id.contains(&format!("Z{serial:06}.001")))
        });
        id.unwrap().to_owned()
    };
    let other = row(0, "T", 0)["id"].as_str().unwrap().to_owned();
    put(
        &net,
        "renewed.csv",
        more(0..5, |number| match number {
            0 => format!("2,{},延续", old(0)),
            1 => format!("3,{},延续", old(1)),
            2 => format!("2,{},合并", old(2)),
            3 => format!("2,{other},延续"),
            _ => "2,,延续".to_owned(),
        }),
    );
    let renewed = import(&net, "renewed.csv", &[]).exits(1);
    let summary = renewed.json();
    assert_eq!(counts(&summary), [5, 1, 0, 0, 4], "{summary}");
    for told in [
        "row 3: `版本` is not the one after the predecessor's",
        "row 4: `原证照` is only one; a merge replaces two or more",
        "row 5: `原证照` is of another type",
        "row 6: `原证照` is empty",
    ] {
        assert!(renewed.err.contains(told), "{told}: {}", renewed.err);
    }
    net.wait_verdict(0, &old(0), "not-valid", Some("superseded"));
}

/// Lines with what else stands in each.
fn more(numbers: std::ops::Range<u64>, rest: impl Fn(u64) -> String) -> String {
    let lines = numbers.map(|number| format!("{},{}", line(number), rest(number)));
    let lines: Vec<String> = lines.collect();
    format!("{HEADER},版本,原证照,方式\r\n{}\r\n", lines.join("\r\n"))
}
