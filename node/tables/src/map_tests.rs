use certmesh_text::at_field;

use super::*;

fn map(text: &str) -> Result<Map, Vec<String>> {
    let map = map_file::map_of(&text.parse().unwrap());
    map.map_err(|faults| faults.iter().map(at_field).collect())
}

const WHOLE: &str = r#"
encoding = "auto"
delimiter = ";"
header = 2
serial = { columns = ["区", "号"], join = "" }
holder = { kind = { column = "证件", codes = { "身份证" = "111" } }, column = "身份证号" }
valid_from = { column = "发证日期", date = ["%Y/%m/%d", "%Y年%m月%d日"] }
valid_until = { column = "有效期至", empty = ["长期", "-"] }
duplicates = "last"
duplicates_by = ["holder", "fields.CZZT"]
[fields]
CZZT = "姓名"
[fields.ZZMC]
value = "居民身份证"
[fields.XB]
column = "性别"
clean = ["trim", "half-width"]
codes = { "男" = "1", "女" = "2" }
default = "男"
"#;

#[test]
fn a_map_is_read_and_finds_its_columns() {
    let mut map = map(WHOLE).unwrap();
    assert_eq!(map.delimiter, Some(b';'));
    assert_eq!((map.header, map.duplicates), ((2, 2), Duplicates::Last));
    assert_eq!(
        map.duplicates_by,
        ["holder.kind", "holder.code", "fields.CZZT"]
    );
    assert_eq!(map.parts["serial"].label("serial"), "区 + 号");
    // Days of spreadsheets are ISO days.
    assert_eq!(map.parts["valid_from"].dates.len(), 3);
    assert_eq!(map.parts["valid_until"].dates.len(), 1);
    let mut columns = map.columns();
    columns.sort();
    assert_eq!(
        columns,
        [
            "区",
            "发证日期",
            "号",
            "姓名",
            "性别",
            "有效期至",
            "证件",
            "身份证号"
        ]
    );
    map.find_columns(&columns).unwrap();
    let twice = [
        "区",
        "区",
        "发证日",
        "号",
        "姓名",
        "性别",
        "有效期至",
        "证件",
        "身份证号",
    ];
    let error = map.find_columns(&twice.map(str::to_owned)).unwrap_err();
    let text = error.to_string();
    for expected in [
        "serial: the file has two columns `区`",
        "valid_from: the file has no column `发证日期`; did you mean `发证日`?",
        "the file's columns are: 区",
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn all_faults_of_a_map_are_reported_at_once_with_their_keys() {
    let faults = map(r#"
encodng = "utf-8"
encoding = "latin1"
delimiter = ",,"
header = 0
sheet = 1
serial = { colum = "号" }
holder = { kind = "112", column = "身份证号", clean = ["half width"] }
valid_from = { column = "发证日期", date = ["%y-%m-%d"] }
valid_until = 7
duplicates = "newest"
duplicates_by = ["serials", "fields.ZZMC"]
[fields.ZZMC]
value = "x"
codes = { "a" = "b" }
[fields.XB]
column = "a"
columns = ["b"]
codes = {}
"#)
    .unwrap_err();
    let expected = [
        "encodng: is not a key here; did you mean `encoding`?",
        "encoding: must be auto, utf-8, gb18030 or utf-16",
        "delimiter: must be one ASCII character, such as \",\"",
        "header: must be the number of the row with the columns' names, 1 to 1000",
        "sheet: must be a text",
        "duplicates: must be same, first, last or reject",
        "serial.colum: is not a key here; did you mean `column`?",
        "serial: needs exactly one of `column`, `columns` (at least one) and `value`",
        "valid_from.date: `%y-%m-%d`: of %, only %Y, %m, %d, %H, %M, %S and %% are known",
        "valid_until: must be a column's name or a table, such as { column = \"…\" }",
        "holder.clean: `half width` is not a rule; did you mean `half-width`?",
        "fields.XB: needs exactly one of",
        "fields.ZZMC.codes: goes with columns, not with a constant `value`",
        "duplicates_by: the map has no `serials`",
    ];
    for expected in expected {
        let told = faults.iter().filter(|fault| fault.starts_with(expected));
        assert_eq!(told.count(), 1, "{expected}: {faults:#?}");
    }
    assert!(
        faults
            .iter()
            .any(|fault| fault.starts_with("holder.kind: "))
    );
    assert_eq!(faults.len(), expected.len() + 1, "{faults:#?}");
    let faults = map("").unwrap_err();
    assert_eq!(faults.len(), 3, "{faults:?}");
}
