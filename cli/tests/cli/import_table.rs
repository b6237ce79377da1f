//! `certmesh import --map`: tables as departments have them, against a stand-in for a node.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{Run, certmesh, certmesh_reading};
use crate::import::answers;
use crate::node::{Answer, Node, Request};

const TYPE: &str = "11100000000013338W011";

const MAP: &str = r#"
serial = "编号"
holder = { kind = { column = "证件", codes = { "身份证" = "111", "信用代码" = "001" } }, column = "证件号" }
valid_from = { column = "发证日期", date = ["%Y/%m/%d", "%Y年%m月%d日"] }
valid_until = { column = "有效期至", empty = ["长期"] }
[fields]
CZZT = { column = "姓名", clean = ["half-width", "collapse-spaces"] }
XB = { column = "性别", codes = { "男" = "1", "女" = "2" } }
ZZMC = { value = "居民身份证" }
"#;

const HEADER: &str = "编号,证件,证件号,发证日期,有效期至,姓名,性别,备注\n";
const HOLDER: &str = "11010519491231002X";

/// A row without fault.
fn row(serial: &str) -> String {
    format!("{serial},身份证,{HOLDER},2020/1/2,长期,　王　 五,男,无\n")
}

fn answer(request: &Request) -> Answer {
    let path = request.line.split(' ').nth(1).unwrap();
    if path == "/v1/status" {
        return Answer::json(&json!({
            "department": "11430000006122244L", "name": "n", "network_name": "n", "network": "00", "version": "1",
            "peer_id": "p", "log_state": "writable", "log_detail": null, "own_size": 0, "records": 0, "certificates": 0,
            "peers_connected": 0, "peers_total": 0, "started_ms": 0,
        }));
    }
    if path == "/v1/catalogue" {
        let kind = json!({
            "code": TYPE, "name": "身份证", "defined_by": "11430000006122244L", "version": 1, "issued": {}, "fields": [],
        });
        return Answer::json(&json!({ "certificates": 0, "types": [kind] }));
    }
    if path.starts_with("/v1/types/") {
        let field = |code: &str, required: bool| json!({ "code": code, "name": code, "required": required, "max": 10 });
        return Answer::json(&json!({
            "definition": {
                "code": TYPE, "name": "身份证", "holder": ["111"], "validity": "any",
                "fields": [
                    field("ZZMC", true), field("CZZT", true),
                    { "code": "XB", "name": "性别", "type": "code", "codes": { "1": "男", "2": "女" } },
                ],
            },
            "version": 1, "defined_by": "11430000006122244L", "versions": [],
        }));
    }
    if path.starts_with("/v1/certificates/1.2.") {
        // Of all certificates, this node has one.
        if path.contains(".A1.") {
            return Answer::json(&json!({}));
        }
        let problem = json!({
            "type": "urn:certmesh:problem:unknown-certificate", "title": "Unknown certificate", "status": 404,
            "detail": "no log held here has a record of this certificate",
        });
        return Answer::Whole(404, "application/problem+json", problem.to_string());
    }
    Answer::Whole(200, "application/x-ndjson", answers(request, usize::MAX))
}

/// A node, a map and a table.
struct Scene {
    node: Node,
    home: TempDir,
}

impl Scene {
    fn new(map: &str, table: impl AsRef<[u8]>) -> Scene {
        let scene = Scene {
            node: Node::start(answer),
            home: tempfile::tempdir().unwrap(),
        };
        fs::write(scene.path("map.toml"), map).unwrap();
        fs::write(scene.path("table.csv"), table).unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn import(&self, table: &str, more: &[&str]) -> Run {
        self.import_reading(table, more, b"")
    }

    fn import_reading(&self, table: &str, more: &[&str], input: &[u8]) -> Run {
        self.import_keeping(table, "rejects", more, input)
    }

    fn import_keeping(&self, table: &str, rejects: &str, more: &[&str], input: &[u8]) -> Run {
        let (map, rejects) = (self.path("map.toml"), self.path(rejects));
        let table = match table {
            "-" => table.into(),
            name => self.path(name),
        };
        let fixed = ["--node", &self.node.url, "import", table.to_str().unwrap()];
        let options = [
            "--map",
            map.to_str().unwrap(),
            "--type",
            TYPE,
            "--rejects",
            rejects.to_str().unwrap(),
        ];
        certmesh_reading([&fixed[..], &options, more].concat(), input)
    }

    fn sent(&self) -> Vec<Value> {
        let asked = self.node.asked();
        let bulk = asked.iter().filter(|request| request.line.contains("bulk"));
        let lines = bulk.flat_map(|request| {
            let text = request.text();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        });
        lines
            .map(|line| serde_json::from_str(&line).unwrap())
            .collect()
    }

    fn serials(&self) -> Vec<String> {
        let serial = |row: &Value| row["serial"].as_str().unwrap().to_owned();
        self.sent().iter().map(serial).collect()
    }

    fn rejects(&self) -> String {
        fs::read_to_string(self.path("rejects")).unwrap()
    }
}

fn counts(summary: &Value) -> [u64; 5] {
    ["rows", "issued", "already_there", "merged", "rejected"]
        .map(|name| summary[name].as_u64().unwrap())
}

#[test]
fn a_table_is_mapped_and_cleaned_in_utf_8_and_in_gb18030() {
    let table = format!(
        "{HEADER}{}{}",
        row("A1"),
        row("A2").replace("2020/1/2,长期", "2020年01月2日,2030-01-01")
    );
    let wanted = |serial: &str, until: Option<&str>| {
        let mut wanted = json!({
            "type": TYPE, "serial": serial, "holder": { "kind": "111", "code": HOLDER }, "valid_from": "2020-01-02",
            "fields": { "CZZT": "王 五", "XB": "1", "ZZMC": "居民身份证" },
        });
        if let Some(until) = until {
            wanted["valid_until"] = until.into();
        }
        wanted
    };
    let wanted = [wanted("A1", None), wanted("A2", Some("2030-01-01"))];
    let gb = encoding_rs::GB18030.encode(&table).0.into_owned();
    for (bytes, encoding) in [(table.as_bytes(), "utf-8"), (&gb[..], "gb18030")] {
        let scene = Scene::new(MAP, bytes);
        let summary = scene.import("table.csv", &["--json"]).exits(0).json();
        assert_eq!(counts(&summary), [2, 2, 0, 0, 0]);
        assert_eq!(summary["encoding"], encoding);
        assert_eq!(scene.sent(), wanted);
        assert!(!scene.path("rejects").exists());
        // From a pipe, too.
        let summary = scene
            .import_reading("-", &["--json"], bytes)
            .exits(0)
            .json();
        assert_eq!(summary["encoding"], encoding);
        assert_eq!(scene.sent()[2..], wanted);
    }
}

const BAD_ROW: &str = "b-2,户口,12345,2020.1.2,2031-13-01,一二三四五六七八九十一,未知,secret\n";

/// Rows of which six have faults, each of another kind.
fn faulty_rows() -> Scene {
    let table = [
        HEADER,
        &row("A1"),
        BAD_ROW,
        "A3,身份证\n",
        &row("A4").replace("长期", "2019-01-01"),
        &row("R5"),
        &row("O6"),
        &row("").replace(HOLDER, "110105194912310021"),
        &row("A8")
            .replace("身份证", "信用代码")
            .replace(HOLDER, "11430000006122244L"),
    ];
    Scene::new(MAP, table.concat())
}

#[test]
fn a_row_s_faults_are_reported_all_at_once_by_row_and_column_and_never_by_value() {
    let scene = faulty_rows();
    let run = scene.import("table.csv", &[]).exits(1);
    for expected in [
        "row 3: `性别` has a value that `codes` of the map does not list",
        "`编号` is not a serial number",
        "`发证日期` is not a valid day",
        "`有效期至` is not a valid day",
        "`姓名` is 11 characters long, at most 10 are allowed",
        "`证件` has a value that `codes`",
        "row 4: `证件号` is empty",
        "row 5: `有效期至` is before `发证日期`",
        "row 6: it is unknown-type",
        "row 8: `编号` is empty",
        "`证件号` has a wrong check character for a resident identity card number: it should be `X`",
        "row 9: `证件` must be 111: holders of this type have no other kind of code",
    ] {
        assert!(run.err.contains(expected), "{expected}: {}", run.err);
    }
    for value in [
        "12345",
        "b-2",
        "户口",
        "2031",
        "2019",
        "一二三",
        "未知",
        "secret",
        "11010519491231002",
    ] {
        assert!(
            !run.err.contains(value) && !run.out.contains(value),
            "{value}: {run:#?}"
        );
    }
    assert_eq!(scene.serials(), ["A1", "R5", "O6"]);
    for line in [
        "already there 1",
        "rejected      6",
        "ends-before: 有效期至",
    ] {
        assert!(run.out.contains(line), "{line}: {}", run.out);
    }
}

#[test]
fn rejected_rows_are_kept_as_csv_in_their_order_for_their_owner_alone_to_be_imported_again() {
    let scene = faulty_rows();
    scene.import("table.csv", &[]).exits(1);
    let kept = scene.rejects();
    assert!(kept.starts_with("\u{FEFF}_row,_reason,编号,证件"), "{kept}");
    let rows: Vec<&str> = kept.lines().skip(1).collect();
    let numbers: Vec<&str> = rows
        .iter()
        .map(|row| row.split(',').next().unwrap())
        .collect();
    assert_eq!(numbers, ["3", "4", "5", "6", "8", "9"]);
    assert!(rows[0].ends_with(BAD_ROW.trim_end()), "{}", rows[0]);
    let mode = fs::metadata(scene.path("rejects"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::rename(scene.path("rejects"), scene.path("again.csv")).unwrap();
    let summary = scene.import("again.csv", &["--json"]).exits(1).json();
    assert_eq!(counts(&summary), [6, 0, 0, 0, 6]);
    assert_eq!(summary["rejected_by_reason"]["empty: 证件号"], 1);
    let again = scene.rejects();
    assert_eq!(again.matches("_reason").count(), 1, "{again}");
    let first = again.lines().nth(1).unwrap();
    assert!(first.ends_with(BAD_ROW.trim_end()), "{again}");
}

#[test]
fn a_dry_run_reports_every_fault_and_issues_nothing() {
    let table = [
        HEADER,
        &row("A1"),
        &row("A2").replace("男", "他"),
        &row("A1"),
        &row("A3"),
    ]
    .concat();
    let scene = Scene::new(MAP, &table);
    let run = scene.import("table.csv", &["--dry-run"]).exits(1);
    assert!(
        run.out
            .starts_with("DRY RUN, NOTHING ISSUED, ROWS REJECTED  4 rows"),
        "{}",
        run.out
    );
    assert!(run.err.contains("row 3: `性别`"), "{}", run.err);
    let kept = scene.rejects();
    assert!(kept.contains("A2"), "{kept}");
    fs::remove_file(scene.path("rejects")).unwrap();
    let summary = scene
        .import("table.csv", &["--dry-run", "--json"])
        .exits(1)
        .json();
    assert_eq!(counts(&summary), [4, 0, 0, 1, 1]);
    assert_eq!(
        [&summary["valid"], &summary["in_log"], &summary["dry_run"]],
        [&json!(2), &json!(1), &json!(true)]
    );
    assert!(
        scene
            .node
            .asked()
            .iter()
            .all(|request| request.line.starts_with("GET "))
    );
}

#[test]
fn of_rows_that_are_the_same_the_map_s_rule_takes_one_or_none() {
    let renamed = row("A1").replace("五", "六");
    let table = [
        HEADER,
        &row("A1"),
        &row("A2"),
        &renamed,
        &row("A3").replace("男", "他"),
    ]
    .concat();
    for (rule, expected, serials, name) in [
        ("first", [4, 2, 0, 1, 1], &["A1", "A2"][..], "王 五"),
        ("last", [4, 2, 0, 1, 1], &["A2", "A1"], "王 六"),
        ("reject", [4, 1, 0, 0, 3], &["A2"], ""),
    ] {
        let scene = Scene::new(&format!("duplicates = \"{rule}\"\n{MAP}"), &table);
        let summary = scene.import("table.csv", &["--json"]).exits(1).json();
        assert_eq!(counts(&summary), expected, "{rule}");
        assert_eq!(scene.serials(), serials, "{rule}");
        let sent = scene.sent();
        let first = sent.iter().find(|row| row["serial"] == "A1");
        assert_eq!(
            first.map_or("", |row| row["fields"]["CZZT"].as_str().unwrap()),
            name
        );
    }
    // By what the map says, after cleaning.
    let map = format!("duplicates_by = [\"holder\", \"valid_from\"]\n{MAP}");
    let other = row("A2").replace("2020/1/2", "2020年01月02日");
    let scene = Scene::new(
        &map,
        [HEADER, &row("A1"), &other, &row("A3").replace("/2,", "/3,")].concat(),
    );
    let summary = scene.import("table.csv", &["--json"]).exits(0).json();
    assert_eq!(counts(&summary), [3, 2, 0, 1, 0]);
    assert_eq!(scene.serials(), ["A1", "A3"]);
    let scene = Scene::new(&format!("duplicates = \"last\"\n{MAP}"), "");
    let run = scene.import_reading("-", &[], table.as_bytes()).exits(2);
    assert!(run.err.contains("give a file"), "{}", run.err);
}

#[test]
fn faults_of_the_map_are_reported_before_anything_is_sent() {
    let table = [HEADER, &row("A1")].concat();
    let scene = Scene::new(
        &MAP.replace("serial", "serail")
            .replace("half-width", "halfwidth"),
        &table,
    );
    let run = scene.import("table.csv", &[]).exits(2);
    for expected in [
        "serail: is not a key here; did you mean `serial`?",
        "serial: is required",
        "fields.CZZT.clean",
    ] {
        assert!(run.err.contains(expected), "{}", run.err);
    }
    assert!(scene.node.asked().is_empty());
    // By the type's standard.
    let scene = Scene::new(&MAP.replace("ZZMC", "ZZMD"), &table);
    let run = scene.import("table.csv", &[]).exits(2);
    for expected in [
        "fields.ZZMC: the type's standard requires it",
        "fields.ZZMD: ",
        "did you mean `ZZMC`?",
    ] {
        assert!(run.err.contains(expected), "{}", run.err);
    }
    // By the file's columns.
    let scene = Scene::new(MAP, table.replace("姓名", "名").replace("性别", "编号"));
    let run = scene.import("table.csv", &[]).exits(2);
    for expected in [
        "fields.CZZT: the file has no column `姓名`",
        "two columns `编号`",
        "are: 编号, 证件",
    ] {
        assert!(run.err.contains(expected), "{}", run.err);
    }
    assert!(run.out.is_empty() && scene.sent().is_empty(), "{}", run.out);
    for args in [&["--map", "m.toml"][..], &["--type", TYPE], &["--dry-run"]] {
        certmesh([&["import", "f"][..], args].concat()).exits(2);
    }
    let run = certmesh(["import", "table.CSV"]).exits(2);
    assert!(run.err.contains("--map and --type"), "{}", run.err);
}

/// A spreadsheet with a title, a header in its second row, an empty row, and two rows whose serials are numbers and whose
/// first days are days. The code of the second one is a number, too, and rounded.
fn write_spreadsheet(scene: &Scene) {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "居民身份证登记表").unwrap();
    for (column, name) in HEADER.trim_end().split(',').enumerate() {
        sheet.write(1, column as u16, name).unwrap();
    }
    let day = Format::new().set_num_format("yyyy/m/d");
    for (line, code) in [(3, Some(HOLDER)), (4, None)] {
        sheet.write(line, 0, 1_000 + line).unwrap();
        sheet.write(line, 1, "身份证").unwrap();
        match code {
            Some(code) => sheet.write(line, 2, code).unwrap(),
            None => sheet
                .write(line, 2, 110_105_194_912_310_020_u64 as f64)
                .unwrap(),
        };
        let from = ExcelDateTime::from_ymd(2020, 1, 2).unwrap();
        sheet
            .write_datetime_with_format(line, 3, &from, &day)
            .unwrap();
        sheet.write(line, 4, "长期").unwrap();
        sheet.write(line, 5, "王五").unwrap();
    }
    sheet.write(3, 6, "女").unwrap();
    book.save(scene.path("table.xlsx")).unwrap();
}

#[test]
fn a_spreadsheet_s_texts_numbers_and_days_are_read_and_its_rounded_numbers_are_not() {
    let scene = Scene::new(&format!("header = 2\n{MAP}"), "");
    write_spreadsheet(&scene);
    let run = scene.import("table.xlsx", &["--json"]).exits(1);
    assert_eq!(counts(&run.json()), [2, 1, 0, 0, 1]);
    assert!(
        run.err
            .contains("row 5: `证件号` is a number of more than 15 digits"),
        "{}",
        run.err
    );
    let sent = scene.sent();
    assert_eq!(sent[0]["serial"], "1003");
    assert_eq!(
        (&sent[0]["valid_from"], &sent[0]["fields"]["XB"]),
        (&"2020-01-02".into(), &"2".into())
    );
    let kept = scene.rejects();
    let header = format!("\u{FEFF}_row,_reason,{HEADER}5,");
    assert!(
        kept.starts_with(&header) && kept.contains("1004,身份证"),
        "{kept}"
    );
}

#[test]
fn what_is_no_readable_spreadsheet_is_named_and_so_is_a_sheet_that_is_not_there() {
    let scene = Scene::new(&format!("header = 2\n{MAP}"), "");
    let old = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 and so on";
    for (bytes, expected) in [
        (&old[..], "is a spreadsheet in the format of Excel 97"),
        (b"PK\x03\x04", "is a spreadsheet that is damaged"),
        (b"<html>", "is a web page"),
        // Text is text under any name.
        (
            b"x\nno,spreadsheet",
            "the file's columns are: no, spreadsheet",
        ),
    ] {
        fs::write(scene.path("none.xlsx"), bytes).unwrap();
        let run = scene.import("none.xlsx", &[]).exits(2);
        assert!(run.err.contains(expected) && run.out.is_empty(), "{run:#?}");
    }
    write_spreadsheet(&scene);
    fs::write(scene.path("map.toml"), format!("sheet = \"二\"\n{MAP}")).unwrap();
    let run = scene.import("table.xlsx", &[]).exits(2);
    assert!(
        run.err.contains("no sheet `二`; it has Sheet1"),
        "{}",
        run.err
    );
}

#[test]
fn what_was_taken_of_a_file_is_shown_before_anything_is_issued() {
    let scene = Scene::new(MAP, [HEADER, &row("A1")].concat());
    let run = scene.import("table.csv", &["--dry-run"]).exits(0);
    for expected in [
        "reading the file as UTF-8, cells divided by `,`, the columns' names in row 1",
        &format!(
            "row 2 would be serial A1, holder 111 {HOLDER}, from 2020-01-02 without end, CZZT: 王 五"
        ),
    ] {
        assert!(run.err.contains(expected), "{expected}: {}", run.err);
    }
    let run = scene.import("table.csv", &["--dry-run", "--json"]).exits(0);
    let summary = run.json();
    assert_eq!(summary["first"][0]["fields"]["XB"], "1");
    assert_eq!(summary["taken"].as_array().unwrap().len(), 1);
}

#[test]
fn hidden_rows_are_issued_only_with_a_word() {
    let scene = Scene::new(MAP, "");
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (line, text) in [HEADER, &row("A1"), &row("A2"), &row("A3")]
        .iter()
        .enumerate()
    {
        for (column, cell) in text.trim_end().split(',').enumerate() {
            sheet.write(line as u32, column as u16, cell).unwrap();
        }
    }
    sheet.set_row_hidden(2).unwrap();
    book.save(scene.path("table.xlsx")).unwrap();
    let run = scene.import("table.xlsx", &[]).exits(2);
    for expected in ["has 1 hidden row (3)", "hidden_rows = \"import\""] {
        assert!(run.err.contains(expected), "{expected}: {}", run.err);
    }
    assert!(scene.sent().is_empty());
    let run = scene.import("table.xlsx", &["--dry-run"]).exits(0);
    assert!(run.err.contains("the import itself needs"), "{}", run.err);
    let said = |word: &str| {
        let map = format!("hidden_rows = \"{word}\"\n{MAP}");
        fs::write(scene.path("map.toml"), map).unwrap();
        scene.import("table.xlsx", &["--json"]).exits(0).json()
    };
    let summary = said("skip");
    assert_eq!(counts(&summary), [3, 2, 0, 0, 0]);
    assert_eq!(summary["left_out"], 1);
    assert_eq!(scene.serials(), ["A1", "A3"]);
    assert_eq!(counts(&said("import")), [3, 3, 0, 0, 0]);
}

#[test]
fn a_rejects_file_comes_back_from_a_spreadsheet_as_it_was() {
    let map = MAP.replace(
        "\"身份证\" = \"111\", \"信用代码\" = \"001\"",
        "\"军官证\" = \"999\"",
    );
    let bad = row("A1")
        .replace("身份证", "军官证")
        .replace(HOLDER, "990101199003")
        .replace("男", "他");
    let scene = Scene::new(&map, [HEADER, &bad].concat());
    scene.import("table.csv", &[]).exits(1);
    let kept = scene.rejects();
    assert!(kept.contains(",'990101199003,"), "{kept}");
    // The spreadsheet keeps the mark, and so the digits.
    fs::rename(scene.path("rejects"), scene.path("again.csv")).unwrap();
    fs::write(scene.path("again.csv"), kept.replace("他", "女")).unwrap();
    let run = scene.import("again.csv", &["--dry-run"]).exits(1);
    assert!(run.err.contains("`证件` must be 111"), "{}", run.err);
    assert!(!scene.rejects().contains("''"), "{}", scene.rejects());
}

#[test]
fn the_type_of_a_table_is_named_by_part_of_its_name_as_well() {
    let scene = Scene::new(MAP, [HEADER, &row("A2")].concat());
    let (map, table) = (scene.path("map.toml"), scene.path("table.csv"));
    let import = |kind: &str| {
        let (map, table) = (map.to_str().unwrap(), table.to_str().unwrap());
        certmesh([
            "--node",
            &scene.node.url,
            "import",
            table,
            "--map",
            map,
            "--type",
            kind,
        ])
    };
    let run = import("身份").exits(0);
    assert!(run.err.contains(TYPE), "{}", run.err);
    assert_eq!(scene.serials(), ["A2"]);
    let run = import("护照").exits(2);
    assert!(run.err.contains("护照") && run.out.is_empty(), "{run:#?}");
    assert_eq!(scene.serials(), ["A2"]);
}

#[test]
fn rejected_rows_in_a_spreadsheet_are_imported_again_by_the_same_map() {
    let map = format!("sheet = \"名单\"\nheader = [2, 3]\n{MAP}");
    let scene = Scene::new(&map, "");
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("名单").unwrap();
    sheet.write(0, 0, "二〇二〇年").unwrap();
    for (column, name) in HEADER.trim().split(',').enumerate() {
        sheet.write(2, column as u16, name).unwrap();
    }
    for (at, serial) in [(3, "007"), (4, "008")] {
        let row = row(serial).replace("2020/1/2", "2020-01-02");
        let row = if at == 4 {
            row.replace('男', "他")
        } else {
            row
        };
        for (column, cell) in row.trim_end_matches('\n').split(',').enumerate() {
            sheet.write(at, column as u16, cell).unwrap();
        }
    }
    book.save(scene.path("table.xlsx")).unwrap();
    scene
        .import_keeping("table.xlsx", "rejected.xlsx", &[], b"")
        .exits(1);
    assert_eq!(scene.serials(), ["007"]);
    let mode = fs::metadata(scene.path("rejected.xlsx"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    // Rejected again until it is corrected, and with its own columns alone.
    let run = scene
        .import_keeping("rejected.xlsx", "again.xlsx", &[], b"")
        .exits(1);
    assert!(run.err.contains("row 2: `性别`"), "{}", run.err);
    fs::write(
        scene.path("map.toml"),
        map.replace("\"男\" =", "\"他\" = \"1\", \"男\" ="),
    )
    .unwrap();
    scene
        .import_keeping("again.xlsx", "third.xlsx", &[], b"")
        .exits(0);
    assert_eq!(scene.serials(), ["007", "008"]);
    assert!(!scene.path("third.xlsx").exists());
    // Lines of JSON are no cells.
    fs::write(scene.path("table.jsonl"), "{}\n").unwrap();
    let run = scene
        .import_keeping("table.jsonl", "x.xlsx", &[], b"")
        .exits(2);
    assert!(run.err.contains("ends in .jsonl"), "{}", run.err);
}

#[test]
fn lines_of_json_are_mapped_by_their_members_and_rejected_as_lines_of_json() {
    let good = json!({ "编号": 17, "证件": "身份证", "证件号": HOLDER, "发证日期": "2020/1/2", "姓名": "王五", "x": [1] });
    let mut bad = good.clone();
    bad["姓名"] = json!(["王五"]);
    let scene = Scene::new(MAP, "");
    fs::write(
        scene.path("table.jsonl"),
        format!("{good}\n\n{bad}\nnonsense\n"),
    )
    .unwrap();
    let run = scene.import("table.jsonl", &["--json"]).exits(1);
    assert_eq!(counts(&run.json()), [3, 1, 0, 0, 2]);
    assert!(
        run.err.contains("row 3: `姓名` is neither text nor")
            && run.err.contains("row 4: is not a JSON object"),
        "{}",
        run.err
    );
    assert_eq!(scene.serials(), ["17"]);
    let kept = scene.rejects();
    let rows: Vec<Value> = kept
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&rows[0]["_row"], &rows[0]["编号"]),
        (&3.into(), &17.into())
    );
    assert_eq!(rows[1]["_line"], "nonsense");
}

#[test]
fn long_tables_go_in_chunks_and_damage_stays_with_its_row() {
    let mut table = HEADER.as_bytes().to_vec();
    for number in 0..4_500 {
        let mut line = row(&format!("A{number}")).into_bytes();
        if number == 7 {
            line = line
                .iter()
                .map(|byte| if *byte == 0x94 { 0xFF } else { *byte })
                .collect();
        }
        if number == 9 {
            line.splice(0..0, *b"\"");
        }
        table.extend(line);
    }
    let scene = Scene::new(MAP, &table);
    let summary = scene.import("table.csv", &["--json"]).exits(1).json();
    assert_eq!(counts(&summary), [4_500, 4_498, 0, 0, 2], "{summary}");
    assert_eq!(summary["encoding"], "utf-8");
    let reasons = summary["rejected_by_reason"].as_object().unwrap();
    assert!(
        reasons.contains_key("quotation-mark") && reasons.len() == 2,
        "{reasons:?}"
    );
    assert_eq!(scene.serials().len(), 4_498);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_taken_for_whole() {
    let mut scene = Scene::new(&format!("duplicates = \"last\"\n{MAP}"), "");
    let table = scene.path("table.csv");
    let rows: String = (0..4_500)
        .map(|number| row(&format!("A{number}")))
        .collect();
    fs::write(&table, format!("{HEADER}{rows}")).unwrap();
    scene.node = Node::start(move |request| {
        if request.line.contains("bulk") {
            let mut file = fs::File::options().append(true).open(&table).unwrap();
            std::io::Write::write_all(&mut file, row("A0").as_bytes()).unwrap();
        }
        answer(request)
    });
    let run = scene.import("table.csv", &[]).exits(2);
    assert!(run.err.contains("changed while it was read"), "{}", run.err);
    assert!(run.out.starts_with("STOPPED"), "{}", run.out);
}
