use std::io::Write;

use certmesh_api::Coded;
use rust_xlsxwriter::{Chart, ChartType, ExcelDateTime, Format, Formula, Workbook, Worksheet};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

/// Remembers what it saw: the columns, and each row as `number: cells`, with a fault's code where a cell can't be used.
#[derive(Default)]
struct Seen {
    columns: Vec<String>,
    taken: SheetTaken,
    rows: Vec<String>,
}

impl Visitor for Seen {
    type Error = Error;

    fn head(&mut self, head: &Head<'_>) -> Result<(), Error> {
        self.columns = head.columns.to_vec();
        self.taken = head.sheet.unwrap().clone();
        Ok(())
    }

    fn row(&mut self, row: &Row<'_>) -> Result<bool, Error> {
        let cells = (0..row.cells.len()).map(|place| match row.cells.get(place) {
            Ok(text) => text.to_owned(),
            Err(fault) => format!("({})", fault.code()),
        });
        let cells = cells.collect::<Vec<_>>().join("¦");
        let hidden = if row.hidden { " hidden" } else { "" };
        self.rows.push(format!("{}{hidden}: {cells}", row.number));
        Ok(true)
    }
}

const FIRST_ROW: (u64, u64) = (1, 1);

fn place(header: (u64, u64)) -> Place<'static> {
    Place {
        sheet: None,
        header,
        hidden_rows: Some(HiddenRows::Import),
    }
}

fn try_seen(file: &File, place: &Place<'_>) -> Result<Seen, Error> {
    let path = Path::new("table.xlsx");
    let sheet = look(file, path, place)?;
    let mut seen = Seen::default();
    read(file.try_clone().unwrap(), path, place, &sheet, &mut seen)?;
    Ok(seen)
}

fn saved(mut book: Workbook) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&book.save_to_buffer().unwrap()).unwrap();
    file
}

/// A book of one sheet.
fn book(fill: impl FnOnce(&mut Worksheet)) -> File {
    let mut book = Workbook::new();
    fill(book.add_worksheet());
    saved(book)
}

fn rows(sheet: &mut Worksheet, rows: &[&[&str]]) {
    for (row, cells) in rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            if !cell.is_empty() {
                sheet.write(row as u32, column as u16, *cell).unwrap();
            }
        }
    }
}

/// A book whose one sheet has this in it, written by hand.
fn by_hand(workbook: &str, sheet: &str) -> File {
    let file = tempfile::tempfile().unwrap();
    let mut zip = ZipWriter::new(file.try_clone().unwrap());
    let relations =
        "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>";
    let kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    for (name, text) in [
        ("[Content_Types].xml", "<Types/>".to_owned()),
        (
            "_rels/.rels",
            format!(
                "{relations}<Relationship Id='r1' Type='{kind}/officeDocument' Target='xl/workbook.xml'/></Relationships>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "{relations}<Relationship Id='r1' Type='{kind}/worksheet' Target='worksheets/sheet1.xml'/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                "<workbook xmlns:r='{kind}'><sheets><sheet name='甲' sheetId='1' r:id='r1'/></sheets>{workbook}</workbook>"
            ),
        ),
        (
            "xl/worksheets/sheet1.xml",
            format!("<worksheet>{sheet}</worksheet>"),
        ),
    ] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    file
}

#[test]
fn a_merged_cell_fills_the_rows_that_it_covers_and_no_columns() {
    let file = book(|sheet| {
        rows(
            sheet,
            &[
                &["a", "b", "c"],
                &["1", "", "x"],
                &["2", "", "y"],
                &["", "", ""],
                &["3", "", "z"],
                &["4", "", ""],
                &["5", "6", "7"],
            ],
        );
        let format = Format::new();
        sheet
            .merge_range(1, 1, 4, 1, "2030-01-05", &format)
            .unwrap();
        sheet.merge_range(5, 1, 5, 2, "over", &format).unwrap();
    });
    let seen = try_seen(&file, &place(FIRST_ROW)).unwrap();
    assert_eq!(
        seen.rows,
        [
            "2: 1¦2030-01-05¦x",
            "3: 2¦2030-01-05¦y",
            "5: 3¦2030-01-05¦z",
            "6: 4¦over¦(merged-across)",
            "7: 5¦6¦7",
        ]
    );
}

#[test]
fn what_a_merged_cell_hides_is_not_read() {
    let sheet = "<sheetData><row r='1'><c r='A1' t='str'><v>a</v></c><c r='B1' t='str'><v>b</v></c></row>\
        <row r='2'><c r='A2'><v>1</v></c><c r='B2'><v>2</v></c></row>\
        <row r='3'><c r='A3'><v>3</v></c><c r='B3'><v>4</v></c></row></sheetData>\
        <mergeCells><mergeCell ref='B2:B3'/></mergeCells>";
    let seen = try_seen(&by_hand("", sheet), &place(FIRST_ROW)).unwrap();
    assert_eq!(seen.rows, ["2: 1¦2", "3: 3¦2"]);
}

#[test]
fn a_merged_heading_names_its_columns_in_the_last_row_of_the_header() {
    let file = book(|sheet| {
        let table: [&[&str]; 4] = [
            &["名单"],
            &["", "", "", "备注"],
            &["", "姓名", "号码", ""],
            &["S1", "张三", "1", "x"],
        ];
        rows(sheet, &table);
        let format = Format::new();
        sheet.merge_range(1, 0, 2, 0, "编号", &format).unwrap();
        sheet.merge_range(1, 1, 1, 2, "持证人", &format).unwrap();
    });
    let seen = try_seen(&file, &place((3, 3))).unwrap();
    assert_eq!(seen.columns, ["编号", "姓名", "号码"]);
    let seen = try_seen(&file, &place((2, 3))).unwrap();
    let columns = ["编号", "持证人/姓名", "持证人/号码", "备注"];
    assert_eq!(seen.columns, columns);
    assert_eq!(seen.rows, ["4: S1¦张三¦1¦x"]);
}

#[test]
fn hidden_rows_are_found_and_listed() {
    let file = book(|sheet| {
        let table: Vec<Vec<String>> = (0..9).map(|row| vec![row.to_string()]).collect();
        for (row, cells) in table.iter().enumerate() {
            sheet.write(row as u32, 0, cells[0].as_str()).unwrap();
        }
        for row in [2, 3, 6] {
            sheet.set_row_hidden(row).unwrap();
        }
        sheet.set_row_height(8, 0).unwrap();
        // Nothing is in it.
        sheet.set_row_hidden(20).unwrap();
    });
    let known = place(FIRST_ROW);
    let seen = try_seen(&file, &known).unwrap();
    let hidden = Some((4, "3-4, 7, 9".to_owned()));
    assert_eq!(seen.taken.hidden_rows, hidden);
    let of_rows: Vec<&str> = seen.rows.iter().map(String::as_str).collect();
    assert_eq!(
        of_rows,
        [
            "2: 1",
            "3 hidden: 2",
            "4 hidden: 3",
            "5: 4",
            "6: 5",
            "7 hidden: 6",
            "8: 7",
            "9 hidden: 8"
        ]
    );
    let unknown = Place {
        hidden_rows: None,
        ..known
    };
    let Err(Error::Unfit { what, .. }) = try_seen(&file, &unknown) else {
        panic!("hidden rows were read without a word");
    };
    let rows = "3-4, 7, 9".to_owned();
    assert_eq!(what, TableFault::HiddenRows { count: 4, rows });
    // Rows up to the header are not part of the table.
    let below = Place {
        header: (9, 9),
        ..unknown
    };
    assert!(try_seen(&file, &below).unwrap().rows.is_empty());
}

#[test]
fn the_first_sheet_that_is_shown_is_read_unless_one_is_named() {
    let mut book = Workbook::new();
    for (name, hidden) in [("旧", true), ("新", false), ("又", false)] {
        let sheet = book.add_worksheet().set_name(name).unwrap();
        rows(sheet, &[&["a"], &[name]]);
        sheet.set_hidden(hidden);
    }
    book.worksheet_from_name("新").unwrap().set_active(true);
    let file = saved(book);
    let seen = try_seen(&file, &place(FIRST_ROW)).unwrap();
    assert_eq!(seen.rows, ["2: 新"]);
    assert_eq!(
        (&*seen.taken.name, seen.taken.others, seen.taken.hidden),
        ("新", vec!["又".to_owned()], vec!["旧".to_owned()])
    );
    let named = Place {
        sheet: Some("旧"),
        ..place(FIRST_ROW)
    };
    assert_eq!(try_seen(&file, &named).unwrap().rows, ["2: 旧"]);
    let other = Place {
        sheet: Some("无"),
        ..named
    };
    let text = try_seen(&file, &other).err().unwrap().to_string();
    assert!(text.contains("no sheet `无`; it has 旧, 新, 又"), "{text}");
}

#[test]
fn a_sheet_that_is_a_chart_is_not_read() {
    let mut book = Workbook::new();
    let mut chart = Chart::new(ChartType::Column);
    chart.add_series().set_values(("表", 0, 0, 1, 0));
    let drawn = book.add_chartsheet().set_name("图").unwrap();
    drawn.insert_chart(0, 0, &chart).unwrap();
    let sheet = book.add_worksheet().set_name("表").unwrap();
    rows(sheet, &[&["a"], &["1"]]);
    let seen = try_seen(&saved(book), &place(FIRST_ROW)).unwrap();
    assert_eq!(
        (&*seen.taken.name, &*seen.rows),
        ("表", &["2: 1".to_owned()][..])
    );
}

#[test]
fn hidden_columns_are_named() {
    let file = book(|sheet| {
        rows(sheet, &[&["a", "b", "c", "d"], &["1", "2", "3", "4"]]);
        sheet.set_column_hidden(1).unwrap();
        sheet.set_column_hidden(2).unwrap();
    });
    let seen = try_seen(&file, &place(FIRST_ROW)).unwrap();
    assert_eq!(seen.taken.hidden_columns, ["b", "c"]);
}

#[test]
fn a_formula_has_a_stored_value_or_its_cell_is_not_used() {
    let sheet = "<sheetData><row r='1'><c r='A1' t='str'><v>a</v></c></row>\
        <row r='2'><c r='A2'><f>1+1</f><v>2</v></c></row>\
        <row r='3'><c r='A3'><f>1+1</f></c></row>\
        <row r='4'><c r='A4'><f>1+1</f><v></v></c></row>\
        <row r='5'><c r='A5' t='str'><f>B1</f><v></v></c><c r='B5'><v>1</v></c></row>\
        <row r='6'><c r='A6'><f>1-1</f><v>0</v></c></row></sheetData>";
    let seen = try_seen(&by_hand("", sheet), &place(FIRST_ROW)).unwrap();
    let none = "(formula-without-value)";
    assert_eq!(
        seen.rows,
        [
            "2: 2",
            &format!("3: {none}"),
            &format!("4: {none}"),
            "5: ¦1",
            "6: 0"
        ]
    );
    // A library wrote 0 for what is to be computed yet.
    let workbook = "<calcPr fullCalcOnLoad='1'/>";
    let seen = try_seen(&by_hand(workbook, sheet), &place(FIRST_ROW)).unwrap();
    assert_eq!(seen.rows[0], "2: 2");
    assert_eq!(seen.rows[4], format!("6: {none}"));
}

#[test]
fn numbers_are_read_by_their_stored_values_and_formats() {
    let file = book(|sheet| {
        rows(sheet, &[&["a", "b", "c", "d", "e"]]);
        let format = |text: &str| Format::new().set_num_format(text);
        let formula = Formula::new("0.1+0.2").set_result("0.30000000000000004");
        sheet
            .write_with_format(1, 0, formula, &format("0.00"))
            .unwrap();
        sheet
            .write_with_format(1, 1, 42, &format("000000"))
            .unwrap();
        sheet.write_with_format(1, 2, 0.5, &format("0%")).unwrap();
        sheet.write(1, 3, 990_101_199_003_071_000_f64).unwrap();
        let day = ExcelDateTime::from_ymd(2020, 1, 5).unwrap();
        sheet
            .write_with_format(1, 4, &day, &format("yyyy/m/d"))
            .unwrap();
    });
    let seen = try_seen(&file, &place(FIRST_ROW)).unwrap();
    assert_eq!(seen.rows, ["2: 0.3¦000042¦50%¦(rounded-number)¦2020-01-05"]);
}

#[test]
fn an_archive_that_is_no_xlsx_is_called_what_it_is() {
    let archive = |parts: &[(&str, &str)]| {
        let file = tempfile::tempfile().unwrap();
        let mut zip = ZipWriter::new(file.try_clone().unwrap());
        for (name, text) in parts {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        file
    };
    let target = |target: &str| {
        format!(
            "<Relationships><Relationship Type='x/officeDocument' Target='{target}'/></Relationships>"
        )
    };
    let (binary, document) = (target("xl/workbook.bin"), target("word/document.xml"));
    for (parts, fault) in [
        (
            &[("mimetype", "x"), ("content.xml", "<x/>")][..],
            TableFault::OpenDocument,
        ),
        (
            &[("_rels/.rels", &binary), ("xl/workbook.bin", "")],
            TableFault::BinaryWorkbook,
        ),
        (
            &[
                ("[Content_Types].xml", "<x/>"),
                ("_rels/.rels", &document),
                ("word/document.xml", "<document/>"),
            ],
            TableFault::OtherFile,
        ),
        (&[("a.csv", "a,b")], TableFault::OtherFile),
    ] {
        match try_seen(&archive(parts), &place(FIRST_ROW)) {
            Err(Error::Unfit { what, .. }) => assert_eq!(what, fault),
            _ => panic!("{fault:?} was not found"),
        }
    }
}
