use std::fs;

use certmesh_api::{Coded, TypeRequest};

use super::*;
use crate::error::TableFault;
use crate::input::{Format, Input};
use crate::row::Visitor;

#[path = "reported_tests.rs"]
mod reported;

const OWN: &str = "11430000006122244L";
const MAP: &str = r#"
serial = "编号"
holder = { kind = "999", column = "证件" }
valid_from = { column = "起", date = ["%Y/%m/%d", "%Y.%m.%d"] }
valid_until = { column = "止", date = ["%Y/%m/%d", "%Y.%m.%d"], empty = ["长期"] }
[fields]
CZZT = "姓名"
"#;
const HEADER: &str = "编号,证件,起,止,姓名";

/// Keeps what becomes of each row.
struct Judging {
    judge: Judge,
    rows: Vec<String>,
    said: Vec<String>,
    ahead: bool,
}

impl Visitor for Judging {
    type Error = Error;

    fn head(&mut self, head: &Head<'_>) -> Result<(), Error> {
        self.said = self.judge.announcement(head);
        self.judge.find_columns(head)
    }

    fn row(&mut self, row: &Row<'_>) -> Result<bool, Error> {
        if self.ahead {
            self.judge.look(row);
            return Ok(true);
        }
        let judged = match self.judge.judge(row) {
            Judged::Good(request) => {
                let request = request.request;
                let holder = request.holder.unwrap();
                let until = request.valid_until.unwrap_or_default();
                let from = request.valid_from.unwrap();
                let fields: Vec<String> = request.fields.into_values().collect();
                let serial = request.serial.unwrap();
                format!(
                    "{serial} {} {from}..{until} {}",
                    holder.code,
                    fields.join(" ")
                )
            }
            Judged::Merged => "merged".to_owned(),
            Judged::LeftOut => "left out".to_owned(),
            Judged::Rejected(faults) => {
                let faults = faults.iter().map(|fault| match &*fault.at {
                    "" => fault.kind.code().to_owned(),
                    at => format!("{at}: {}", fault.kind.code()),
                });
                faults.collect::<Vec<_>>().join("; ")
            }
        };
        self.rows.push(format!("{}: {judged}", row.number));
        Ok(true)
    }
}

/// What becomes of the rows of a file under a map.
fn try_judged(map: &str, file: &[u8]) -> Result<Vec<String>, Error> {
    Ok(said_and_judged(map, file)?.1)
}

/// What is said of a file before its rows, and what becomes of these.
fn said_and_judged(map: &str, file: &[u8]) -> Result<(Vec<String>, Vec<String>), Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("map.toml"), map).unwrap();
    fs::write(path("table.csv"), file).unwrap();
    let definition = TypeRequest {
        code: format!("{OWN}001"),
        name: "证".to_owned(),
        ..TypeRequest::default()
    };
    let definition = definition.check().unwrap().into();
    let checker = Checker::new(OWN.parse().unwrap(), definition).unwrap();
    let judge = Judge::new(Map::read(&path("map.toml"))?, checker)?;
    let mut input = Input::file(&path("table.csv"), Format::Csv);
    let layout = judge.layout();
    let mut judging = Judging {
        ahead: judge.looks_ahead(),
        judge,
        rows: Vec::new(),
        said: Vec::new(),
    };
    if judging.ahead {
        input.each_row(&layout, &mut judging)?;
        judging.ahead = false;
    }
    input.each_row(&layout, &mut judging)?;
    Ok((judging.said, judging.rows))
}

#[track_caller]
fn judged(map: &str, rows: &[&str]) -> Vec<String> {
    judged_under(map, HEADER, rows)
}

#[track_caller]
fn judged_under(map: &str, header: &str, rows: &[&str]) -> Vec<String> {
    let text = format!("{header}\n{}\n", rows.join("\n"));
    try_judged(map, text.as_bytes()).unwrap()
}

#[test]
fn a_number_that_a_spreadsheet_ruined_identifies_nothing_whatever_it_is_of() {
    let alphanumeric = MAP.replace(
        "serial = \"编号\"",
        "serial = { column = \"编号\", clean = [\"half-width\", \"alphanumeric\"] }",
    );
    let rows = judged(
        &alphanumeric,
        &[
            "9.90101E+17,G1,2020/1/5,,甲",
            "A2,9.90101E+17,2020/1/5,,甲",
            "A3,990101199003071000,2020/1/5,,甲",
            "1月2日,G1,2020/1/5,,甲",
            "990101199003071000,G1,2020/1/5,,甲",
            "A6,G1,2020/1/5,,1.5E+10",
            "A7,G1,2020/1/5,,990101199003071000",
            "A8,12345678.0,2020/1/5,,甲",
        ],
    );
    assert_eq!(
        rows,
        [
            "2: 编号: scientific",
            "3: 证件: scientific",
            "4: 证件: digits-lost",
            "5: 编号: day-in-number",
            "6: 编号: digits-lost",
            "7: 姓名: scientific",
            "8: A7 G1 2020-01-05.. 990101199003071000",
            "9: 证件: decimal-number",
        ]
    );
    // The map may say that such digits are right; a check character says it by itself.
    let exact = MAP.replace("column = \"证件\"", "column = \"证件\", exact = true");
    let rows = judged(&exact, &["A3,990101199003071000,2020/1/5,,甲"]);
    assert_eq!(rows, ["2: A3 990101199003071000 2020-01-05.. 甲"]);
    let numbers = (1..=28).map(|day| format!("110105199003{day:02}100"));
    let check = certmesh_ledger::id::check::identity_number;
    let mut numbers = numbers.filter(|number| check(number) == Some('0'));
    let number = format!("{}0", numbers.next().unwrap());
    for kind in [
        "\"111\"",
        "{ column = \"姓名\", codes = { \"甲\" = \"111\" } }",
    ] {
        let cards = MAP.replace("\"999\"", kind);
        let rows = judged(&cards, &[&format!("A3,{number},2020/1/5,,甲")]);
        assert_eq!(rows, [format!("2: A3 {number} 2020-01-05.. 甲")]);
    }
}

#[test]
fn what_marks_a_cell_as_text_is_never_stored() {
    let rows = judged(
        MAP,
        &[
            "\"=\"\"A1\"\"\",'G1,'2020/1/5,\"=\"\"长期\"\"\",\"\"\"甲\"\"\"",
            "A2,“G2”,2020/1/5,,'甲",
            "A3,\"\"\"G3\",2020/1/5,,=B3",
            "A4,####,2020/1/5,,#N/A",
        ],
    );
    assert_eq!(
        rows,
        [
            "2: A1 G1 2020-01-05.. 甲",
            "3: A2 G2 2020-01-05.. 甲",
            "4: 姓名: formula; 证件: quotation-mark",
            "5: 姓名: spreadsheet-error; 证件: hash-marks",
        ]
    );
    let listed = MAP.replace(
        "CZZT = \"姓名\"",
        "CZZT = { column = \"姓名\", empty = [\"#N/A\"] }",
    );
    let rows = judged(&listed, &["A4,G4,2020/1/5,,#N/A"]);
    assert_eq!(rows, ["2: A4 G4 2020-01-05.. "]);
}

#[test]
fn a_day_stands_for_no_end_only_if_the_map_lists_it() {
    let rows = [
        "A1,G1,2020/1/5,9999/12/31,甲",
        "A2,G2,2020/1/5,2099/12/31,甲",
    ];
    assert_eq!(
        judged(MAP, &rows),
        [
            "2: 止: past-last-year",
            "3: A2 G2 2020-01-05..2099-12-31 甲"
        ]
    );
    let listed = MAP.replace("[\"长期\"]", "[\"9999-12-31\", \"2099-12-31\"]");
    assert_eq!(
        judged(&listed, &rows),
        ["2: A1 G1 2020-01-05.. 甲", "3: A2 G2 2020-01-05.. 甲"]
    );
}

#[test]
fn days_that_a_spreadsheet_counts_are_read_only_if_the_map_says_so() {
    let row = ["A1,G1,43835,47487.5,甲"];
    assert_eq!(judged(MAP, &row), ["2: 起: counted-day; 止: counted-day"]);
    for (system, days) in [
        ("1900", "2020-01-05..2030-01-04"),
        ("1904", "2024-01-06..2034-01-05"),
    ] {
        let counted = MAP.replace("\"%Y.%m.%d\"", &format!("\"serial-{system}\""));
        assert_eq!(judged(&counted, &row), [format!("2: A1 G1 {days} 甲")]);
    }
}

#[test]
fn both_days_of_a_range_are_split_from_one_column() {
    let map = MAP
        .replace(
            "{ column = \"起\",",
            "{ column = \"起\", split = [\"-\", \"至\"], part = 1,",
        )
        .replace(
            "{ column = \"止\",",
            "{ column = \"起\", split = [\"-\", \"至\"], part = 2,",
        );
    let rows = judged(
        &map,
        &[
            "A1,G1,2020.01.05-2030.01.05,,甲",
            "A2,G2,2020.01.05 至 长期,,甲",
            "A3,G3,2020.01.05,,甲",
            "A4,G4,2020.01.05-2021.1.1-2,,甲",
            "A5,G5,2020.01.05-,,甲",
        ],
    );
    assert_eq!(rows[0], "2: A1 G1 2020-01-05..2030-01-05 甲");
    assert_eq!(rows[1], "3: A2 G2 2020-01-05.. 甲");
    assert!(rows[2].contains("起: not-split"), "{rows:?}");
    assert!(rows[3].contains("起: not-split"), "{rows:?}");
    assert_eq!(rows[4], "6: A5 G5 2020-01-05.. 甲");
}

#[test]
fn rows_are_chosen_by_conditions_that_must_all_hold() {
    let table = [
        "A1,G1,2020/1/5,,甲",
        "A2,G2,2020/1/5,,乙",
        "A3,G3,2020/1/5,,",
        "A4,####,2020/1/5,,甲",
    ];
    let with = |rows: &str| judged(&format!("rows = {rows}\n{MAP}"), &table);
    let outcomes = |rows: Vec<String>| -> Vec<bool> {
        rows.iter().map(|row| row.ends_with("left out")).collect()
    };
    assert_eq!(
        outcomes(with("{ column = \"姓名\", is = [\"甲\", \"丙\"] }")),
        [false, true, true, false]
    );
    assert_eq!(
        outcomes(with("{ column = \"姓名\", not = [\"甲\", \"\"] }")),
        [true, false, true, true]
    );
    let rows = with("[{ column = \"姓名\", is = \"甲\" }, { column = \"证件\", not = \"G1\" }]");
    assert_eq!(
        rows,
        [
            "2: left out",
            "3: left out",
            "4: left out",
            // Whether it is wanted can't be said.
            "5: 证件: hash-marks"
        ]
    );
}

#[test]
fn rows_with_one_number_are_merged_only_when_alike_in_everything() {
    let clean = MAP.replace(
        "serial = \"编号\"",
        "serial = { column = \"编号\", clean = [\"alphanumeric\"] }",
    );
    let rows = judged(
        &clean,
        &[
            "A1,G1,2020/1/5,,甲",
            "A1,G1,2020.1.5,,甲 ",
            "A1,G2,2020/1/5,,甲",
            "A1,G1,2020/1/5,,乙",
            "A-1,G1,2020/1/5,,甲",
            "\"=\"\"A1\"\"\",G1,2020/1/5,,甲",
        ],
    );
    assert_eq!(
        rows,
        [
            "2: A1 G1 2020-01-05.. 甲",
            "3: merged",
            "4: duplicate-differs",
            "5: duplicate-differs",
            "6: duplicate-cleaned",
            "7: merged",
        ]
    );
}

#[test]
fn a_table_whose_names_can_be_no_chinese_ones_is_not_issued() {
    let gb = |text: &str| encoding_rs::GB18030.encode(text).0.into_owned();
    let map = MAP
        .replace("编号", "no")
        .replace("证件", "code")
        .replace("起", "from")
        .replace("止", "until")
        .replace("姓名", "name");
    let table = gb("no,code,from,until,name\nA1,G1,2020/1/5,,莫默\nA2,G2,2020/1/5,,牟木\n");
    assert_eq!(
        try_judged(&map, &table).unwrap(),
        ["2: A1 G1 2020-01-05.. 莫默", "3: A2 G2 2020-01-05.. 牟木"]
    );
    let forced = format!("encoding = \"utf-8\"\n{map}");
    assert_eq!(
        try_judged(&forced, &table).unwrap(),
        ["2: name: not-chinese", "3: name: not-chinese"]
    );
    let utf_8 = "编号,证件,起,止,姓名\nA1,G1,2020/1/5,,张三\n";
    let forced = format!("encoding = \"gbk\"\n{MAP}");
    match try_judged(&forced, utf_8.as_bytes()) {
        Err(Error::Unfit {
            what: TableFault::OtherEncoding { found, .. },
            ..
        }) => assert_eq!(found, "UTF-8"),
        other => panic!("{other:?}"),
    }
    // Saved so by another program.
    let rows = judged(MAP, &["A1,G1,2020/1/5,,ÕÅÈý", "A2,G2,2020/1/5,,José"]);
    assert_eq!(rows, ["2: 姓名: not-chinese", "3: A2 G2 2020-01-05.. José"]);
}

#[test]
fn a_file_that_is_no_table_is_called_what_it_is_whatever_its_name() {
    for (bytes, fault) in [
        (
            &b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 and so on"[..],
            TableFault::OldFormat,
        ),
        (b"<html><body><table>", TableFault::Markup),
        (b"%PDF-1.7", TableFault::OtherFile),
        (b"PK\x03\x04 cut off", TableFault::Damaged),
    ] {
        match try_judged(MAP, bytes) {
            Err(Error::Unfit { what, .. }) => assert_eq!(what, fault),
            other => panic!("{other:?}"),
        }
    }
    let text = format!("{HEADER}\r\nA1,G1,2020/1/5,,甲\r\n");
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&b"\xFF\xFE"[..], &wide].concat();
    for file in [text.as_bytes(), &wide, &marked] {
        assert_eq!(try_judged(MAP, file).unwrap(), ["2: A1 G1 2020-01-05.. 甲"]);
    }
}

#[test]
fn a_holder_is_not_born_after_today() {
    let number = |day: &str| {
        let body = format!("110105{day}001");
        let check = certmesh_ledger::id::check::identity_number(&body).unwrap();
        format!("{body}{check}")
    };
    let cards = MAP.replace("\"999\"", "\"111\"");
    let (born, unborn) = (number("19900307"), number("29990307"));
    let rows = [
        format!("A1,{born},2020/1/5,,甲"),
        format!("A2,{unborn},2020/1/5,,甲"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(
        judged(&cards, &rows),
        [
            format!("2: A1 {born} 2020-01-05.. 甲"),
            "3: 证件: born-later".to_owned()
        ]
    );
}
