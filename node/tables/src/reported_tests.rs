//! Files after public reports about programs that read tables, each made here and read as a clerk's is. What the report
//! says of the other program stands beside the rule.

use std::io::Write;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

/// A spreadsheet's parts, as they stand in its file.
struct Book<'a> {
    workbook: &'a str,
    strings: &'a str,
    styles: &'a str,
    sheet: &'a str,
}

const BOOK: Book<'_> = Book {
    workbook: "",
    strings: "",
    styles: "",
    sheet: "",
};
const TRANSITIONAL: [&str; 2] = [
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
];
const STRICT: [&str; 2] = [
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
    "http://purl.oclc.org/ooxml/officeDocument/relationships",
];

impl Book<'_> {
    fn file(&self) -> Vec<u8> {
        self.file_of(TRANSITIONAL)
    }

    fn file_of(&self, [main, relations]: [&str; 2]) -> Vec<u8> {
        let package =
            "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>";
        let relation = |id: &str, kind: &str, target: &str| {
            format!("<Relationship Id='{id}' Type='{relations}/{kind}' Target='{target}'/>")
        };
        let book = [
            relation("r1", "worksheet", "worksheets/sheet1.xml"),
            relation("r2", "sharedStrings", "sharedStrings.xml"),
            relation("r3", "styles", "styles.xml"),
        ];
        let Book {
            workbook,
            strings,
            styles,
            sheet,
        } = self;
        let document = relation("r1", "officeDocument", "xl/workbook.xml");
        let sheets = "<sheets><sheet name='甲' sheetId='1' r:id='r1'/></sheets>";
        let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, text) in [
            ("[Content_Types].xml", "<Types/>".to_owned()),
            (
                "_rels/.rels",
                format!("{package}{document}</Relationships>"),
            ),
            (
                "xl/_rels/workbook.xml.rels",
                format!("{package}{}</Relationships>", book.concat()),
            ),
            (
                "xl/workbook.xml",
                format!(
                    "<workbook xmlns='{main}' xmlns:r='{relations}'>{workbook}{sheets}</workbook>"
                ),
            ),
            (
                "xl/sharedStrings.xml",
                format!("<sst xmlns='{main}'>{strings}</sst>"),
            ),
            (
                "xl/styles.xml",
                format!("<styleSheet xmlns='{main}'>{styles}</styleSheet>"),
            ),
            (
                "xl/worksheets/sheet1.xml",
                format!("<worksheet xmlns='{main}'>{sheet}</worksheet>"),
            ),
        ] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }
}

/// Cells of texts, from column A on.
fn texts(row: u32, cells: &[&str]) -> String {
    let cells = cells.iter().zip('A'..).map(|(text, column)| {
        format!("<c r='{column}{row}' t='inlineStr'><is><t>{text}</t></is></c>")
    });
    cells.collect()
}

/// The row of the columns' names, and rows of these cells below.
fn sheet(rows: &[&str]) -> String {
    let header: Vec<&str> = HEADER.split(',').collect();
    let below = rows.iter().zip(2..);
    let below = below.map(|(cells, row)| format!("<row r='{row}'>{cells}</row>"));
    format!(
        "<sheetData><row r='1'>{}</row>{}</sheetData>",
        texts(1, &header),
        below.collect::<String>()
    )
}

fn judged_of(book: &Book<'_>) -> Vec<String> {
    try_judged(MAP, &book.file()).unwrap()
}

/// The cell for which a file is refused.
fn irregular(rows: &[&str]) -> String {
    let sheet = sheet(rows);
    let book = Book {
        sheet: &sheet,
        ..BOOK
    };
    match try_judged(MAP, &book.file()) {
        Err(Error::Unfit {
            what: TableFault::IrregularCell { cell },
            ..
        }) => cell,
        other => panic!("{other:?}"),
    }
}

/// openspout/openspout#362: of a row whose cells do not stand in their order LibreOffice shows all, Excel those before the
/// first that is out of order, Google Sheets others in other columns. use-agent-os/agent-os#2715: a reader put them into
/// the wrong columns.
#[test]
fn cells_that_do_not_stand_in_their_order_are_refused_with_their_place() {
    let cell = |place: &str| format!("<c r='{place}' t='inlineStr'><is><t>x</t></is></c>");
    assert_eq!(
        irregular(&[&[cell("A2"), cell("E2"), cell("B2")].concat()]),
        "B2"
    );
    assert_eq!(irregular(&[&[cell("A2"), cell("A2")].concat()]), "A2");
    assert_eq!(irregular(&[&cell("A2"), &cell("A7")]), "A3");
    let rows = "<row r='4'><c r='A4'><v>1</v></c></row>";
    assert_eq!(
        irregular(&[&format!("{}</row>{rows}<row r='3'>", cell("A2"))]),
        "A3"
    );
}

/// GDKsoftware/OfficeXML4D#6: an empty text was saved as the shared text number -1; Excel drops such a cell, and a reader
/// that takes what is not a number for 0 reads the first text of the file. The sum of what programs are lenient about: values
/// in markup, after the formula they belong to, or beside the text that they stand for.
#[test]
fn a_value_that_programs_read_differently_is_refused_with_its_cell() {
    for value in [
        "<c r='B2' t='s'><v>-1</v></c>",
        "<c r='B2' t='s'><v> 0 </v></c>",
        "<c r='B2'><v><![CDATA[7]]></v></c>",
        "<c r='B2'><v>1<!-- -->2</v></c>",
        "<c r='B2' t='str'><v><![CDATA[G1]]></v></c>",
        "<c r='B2'><v>1</v><f>A1</f></c>",
        "<c r='B2' t='inlineStr'><v>G1</v></c>",
        "<c r='B2'><is><t>G1</t></is></c>",
        "<c r='B2' t='b'><v>x</v></c>",
        "<c r='B2' t='e'><v>#BUSY!</v></c>",
    ] {
        assert_eq!(irregular(&[value]), "B2", "{value}");
    }
}

/// tealeg/xlsx#199, tealeg/xlsx#562: readers that took the dimension for the size of the table lost rows.
/// use-agent-os/agent-os#2717: cells need not say their places.
#[test]
fn what_a_sheet_says_of_its_size_counts_for_nothing_and_cells_need_no_places() {
    let rows = sheet(&[
        &texts(2, &["A1", "G1", "2020/1/5", "", "甲"]),
        &texts(3, &["A2", "G2", "2020/1/5", "", "乙"]),
    ]);
    let bare: String = rows
        .split(" r='")
        .enumerate()
        .map(|(i, part)| match part.split_once('\'') {
            Some((_, rest)) if i > 0 => rest.to_owned(),
            _ => part.to_owned(),
        })
        .collect();
    assert!(!bare.contains("r='"), "{bare}");
    let expected = ["2: A1 G1 2020-01-05.. 甲", "3: A2 G2 2020-01-05.. 乙"];
    for sheet in [
        &format!("<dimension ref='A1'/>{rows}"),
        &format!("<dimension ref='A1:XFD1048576'/>{rows}"),
        &bare,
    ] {
        assert_eq!(judged_of(&Book { sheet, ..BOOK }), expected, "{sheet}");
    }
    // Nor does one that no sheet can have lead to more than a refusal.
    for place in ["B5:A1", "A1:ZZZZZZZZZ1", "A1:A99999999999", ""] {
        let sheet = format!("<dimension ref='{place}'/>{rows}");
        let book = Book {
            sheet: &sheet,
            ..BOOK
        };
        match try_judged(MAP, &book.file()) {
            Err(Error::Unfit { what, .. }) => assert_eq!(what, TableFault::Damaged),
            other => panic!("{place}: {other:?}"),
        }
    }
}

/// brechtsanders/xlsxio#9: how a name is spoken was read as part of it. exceljs/exceljs#232, tafia/calamine#576: a shared
/// text without any text moved all the others. SheetJS/sheetjs#775: texts were kept as CDATA. gwangjinkim/cl-xlsx#6: each
/// run of a text in several fonts counted as a text.
#[test]
fn a_shared_text_is_all_its_runs_and_nothing_of_how_it_is_spoken() {
    let strings = "<si><t>A1</t></si><si/>\
        <si><r><t>张</t></r><r><rPr><b/></rPr><t xml:space='preserve'> 三</t></r></si>\
        <si><t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh><phoneticPr fontId='1'/></si>\
        <si><t><![CDATA[G<1]]></t></si><si><t>甲_x000D_\n乙_x005F_x000D_</t></si>";
    let row = |serial: &str, name: u8| {
        format!(
            "<c t='inlineStr'><is><t>{serial}</t></is></c><c t='s'><v>4</v></c>\
             <c t='inlineStr'><is><t>2020/1/5</t></is></c><c t='s'><v>1</v></c><c t='s'><v>{name}</v></c>"
        )
    };
    let sheet = sheet(&[&row("S1", 2), &row("S2", 3), &row("S3", 5), &row("S4", 0)]);
    let rows = judged_of(&Book {
        strings,
        sheet: &sheet,
        ..BOOK
    });
    assert_eq!(
        rows,
        [
            "2: S1 G<1 2020-01-05.. 张 三",
            "3: S2 G<1 2020-01-05.. 東京",
            "4: S3 G<1 2020-01-05.. 甲\r\n乙_x000D_",
            "5: S4 G<1 2020-01-05.. A1",
        ]
    );
}

/// SheetJS/sheetjs#1565: the days of a file that counts from 1904 were four years off. exceljs/exceljs#2695: those of a
/// file saved as Strict Open XML were in 1904. productdevbook/hucre#496: cells of kind `d` hold a day as text.
/// SheetJS/sheetjs#832, natergj/excel4node#155: days that a program had as midnights in its own zone, and wrote as times in
/// that of Greenwich, came out as those before.
#[test]
fn a_day_is_the_one_in_china_however_a_spreadsheet_keeps_it() {
    let styles = "<cellXfs><xf numFmtId='0'/><xf numFmtId='14'/></cellXfs>";
    let row = |serial: &str, day: &str| {
        let serial = format!("<c t='inlineStr'><is><t>{serial}</t></is></c>");
        format!("{serial}<c t='inlineStr'><is><t>G1</t></is></c>{day}")
    };
    let judged_days = |workbook: &str, namespaces, days: &[&str]| {
        let rows: Vec<String> = days
            .iter()
            .enumerate()
            .map(|(i, day)| row(&format!("S{i}"), day))
            .collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let sheet = sheet(&rows);
        let book = Book {
            workbook,
            styles,
            sheet: &sheet,
            ..BOOK
        };
        let judged = try_judged(MAP, &book.file_of(namespaces)).unwrap();
        let day = |row: &String| row.split_once(": ").unwrap().1.to_owned();
        judged.iter().map(day).collect::<Vec<_>>()
    };
    let counted = "<c s='1'><v>42373</v></c>";
    let from_1904 = "<workbookPr date1904='1'/>";
    assert_eq!(
        judged_days(from_1904, TRANSITIONAL, &[counted]),
        ["S0 G1 2020-01-05.. "]
    );
    assert_eq!(
        judged_days("", TRANSITIONAL, &[counted]),
        ["S0 G1 2016-01-04.. "]
    );
    let kept = |text: &str| format!("<c s='1' t='d'><v>{text}</v></c>");
    let days = [
        kept("2020-01-05"),
        kept("2020-01-05T00:00:00"),
        kept("2020-01-04T16:00:00.000Z"),
        kept("2020-01-05T00:00:00Z"),
        kept("16:00:00"),
        kept("T16:00"),
    ];
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    for workbook in ["", from_1904] {
        assert_eq!(
            judged_days(workbook, STRICT, &days),
            [
                "S0 G1 2020-01-05.. ",
                "S1 G1 2020-01-05.. ",
                "S2 G1 2020-01-05.. ",
                "S3 G1 2020-01-05.. ",
                "起: duration",
                "起: duration",
            ]
        );
    }
}

/// Public Health England, October 2020: rows of results beyond the last that an .xls file has were lost, and nobody
/// noticed for a week (flowingdata.com, "Excel spreadsheet limit leads to 16,000 Covid-19 cases left off daily count").
#[test]
fn a_table_that_ends_in_the_last_row_a_spreadsheet_can_have_is_announced() {
    let said = |file: &[u8]| said_and_judged(MAP, file).unwrap().0;
    let table = |rows: usize| format!("{HEADER}\r\n{}", ",,,,\r\n".repeat(rows - 1));
    let last = "the table ends in row 65536, the last that an .xls file can have";
    let full = table(65_536);
    for text in [&full, full.trim_end()] {
        assert!(
            said(text.as_bytes())[1].starts_with(last),
            "{:?}",
            said(text.as_bytes())
        );
    }
    assert_eq!(said(table(65_535).as_bytes()).len(), 1);
    let header: Vec<&str> = HEADER.split(',').collect();
    let sheet = |last: u32| {
        format!(
            "<sheetData><row r='1'>{}</row><row r='{last}'>{}</row></sheetData>",
            texts(1, &header),
            texts(last, &["S1", "G1", "2020/1/5", "", "甲"])
        )
    };
    let of = |last: u32| {
        let sheet = sheet(last);
        said(
            &Book {
                sheet: &sheet,
                ..BOOK
            }
            .file(),
        )
    };
    let last = "the table ends in row 1048576, the last that a spreadsheet can have";
    assert!(of(1 << 20)[1].starts_with(last), "{:?}", of(1 << 20));
    assert_eq!(of((1 << 20) - 1).len(), 1);
}

/// mholt/PapaParse#600: of a header with commas in its names, all else divided by semicolons, the commas were taken.
/// ExcelDataReader/ExcelDataReader#463: the same with a tab.
#[test]
fn the_delimiter_is_the_one_between_the_columns_that_the_map_names() {
    for delimiter in [";", "\t", "|"] {
        let columns = [
            "编号",
            "证件",
            "起",
            "止",
            "姓名",
            "备注 (甲, 乙, 丙, 丁, 戊, 己)",
        ];
        let row = ["A1", "G1", "2020/1/5", "", "甲", "x"];
        let text = format!("{}\n{}\n", columns.join(delimiter), row.join(delimiter));
        let rows = try_judged(MAP, text.as_bytes()).unwrap();
        assert_eq!(rows, ["2: A1 G1 2020-01-05.. 甲"], "{delimiter:?}");
    }
}

/// pandas-dev/pandas#12585: 31/12/2014 was read as a day before a month, and 10/03/2011 below it as a month before a day.
#[test]
fn a_text_that_is_another_day_in_each_of_two_spellings_is_rejected() {
    let both = MAP.replace(
        "date = [\"%Y/%m/%d\", \"%Y.%m.%d\"] }",
        "date = [\"%d/%m/%Y\", \"%m/%d/%Y\", \"serial-1900\", \"serial-1904\"] }",
    );
    let rows = [
        "A1,G1,31/12/2014,,甲",
        "A2,G2,10/03/2011,,甲",
        "A3,G3,03/03/2011,,甲",
        "A4,G4,42373,,甲",
        "A5,G5,2011-03-10,,甲",
    ];
    assert_eq!(
        judged(&both, &rows),
        [
            "2: A1 G1 2014-12-31.. 甲",
            "3: 起: several-days",
            "4: A3 G3 2011-03-03.. 甲",
            "5: 起: several-days",
            "6: A5 G5 2011-03-10.. 甲",
        ]
    );
}

/// A cell that a spreadsheet keeps as a day has one, whatever the spellings would make of its text.
#[test]
fn a_day_that_a_spreadsheet_keeps_is_not_read_by_the_spellings_of_texts() {
    let map = MAP.replace("\"%Y/%m/%d\", \"%Y.%m.%d\"", "\"%Y-%d-%m\"");
    let row = "<c t='inlineStr'><is><t>A1</t></is></c><c t='inlineStr'><is><t>G1</t></is></c>";
    let kept = format!("{row}<c t='d'><v>2020-01-05</v></c>");
    let written =
        format!("{row}<c t='inlineStr'><is><t>2020-01-05</t></is></c>").replace("A1", "A2");
    let sheet = sheet(&[&kept, &written]);
    let book = Book {
        sheet: &sheet,
        ..BOOK
    };
    assert_eq!(
        try_judged(&map, &book.file()).unwrap(),
        ["2: A1 G1 2020-01-05.. ", "3: A2 G1 2020-05-01.. "]
    );
}

/// Rdatatable/data.table#1612, orangesignal/orangesignal-csv#36: Ctrl-Z, by which programs of DOS end a text, made an error
/// or a row of the end of the file.
#[test]
fn ctrl_z_at_the_end_of_a_text_is_no_row_and_no_part_of_one() {
    let row = "A1,G1,2020/1/5,,甲";
    for end in [
        "\r\n\u{1A}",
        "\u{1A}",
        "\r\n\u{1A}\u{1A}\u{1A}",
        "\u{1A}\u{1A}",
    ] {
        let text = format!("{HEADER}\r\n{row}{end}");
        let rows = try_judged(MAP, text.as_bytes()).unwrap();
        assert_eq!(rows, ["2: A1 G1 2020-01-05.. 甲"], "{end:?}");
    }
    // Two files that were put one behind the other.
    let text = format!("{HEADER}\r\n{row}\r\n\u{1A}A2,G2,2020/1/5,,乙\r\n");
    let rows = try_judged(MAP, text.as_bytes()).unwrap();
    assert_eq!(rows[1], "3: 编号: control-character");
}

/// codeinthehole/csvfilter#8, OpenRefine/OpenRefine#653: a NUL in a cell ended a reading, or hid the quotation mark after
/// it.
#[test]
fn a_control_character_in_a_cell_rejects_its_row_and_no_other() {
    let mut text = format!("{HEADER}\n");
    for row in [
        "A1,G1,2020/1/5,,甲\0乙",
        "A2,G2,2020/1/5\u{7},,甲",
        "A3,\"G3\0\",2020/1/5,,甲",
        "A4,G4,2020/1/5,,甲",
    ] {
        text.push_str(row);
        text.push('\n');
    }
    let rows = try_judged(MAP, text.as_bytes()).unwrap();
    assert_eq!(
        rows,
        [
            "2: 姓名: control-character",
            "3: 起: control-character",
            "4: 证件: control-character",
            "5: A4 G4 2020-01-05.. 甲",
        ]
    );
}

/// microsoft/calculator#504: numbers that were copied had U+202C behind them, unseen. mahirhir in
/// spencermountain/out-of-character#90 lists its kin.
#[test]
fn marks_that_nobody_sees_are_no_part_of_a_value_wherever_they_stand() {
    let rows = [
        "A1\u{202C},\u{202A}G1\u{202C},20\u{200B}20/1/5,,张\u{200E}三\u{2069}",
        "A2,9.90101E+1\u{200B}7,2020/1/5,,甲",
        "A3,G3,2020/1/5,,ᠮᠣᠩᠭᠣᠯ\u{180E}ᠠ ئا\u{200C}ي",
        "A\u{FEFF}1,G1,2020/1/5,,张三",
    ];
    assert_eq!(
        judged(MAP, &rows),
        [
            "2: A1 G1 2020-01-05.. 张三",
            "3: 证件: scientific",
            "4: A3 G3 2020-01-05.. ᠮᠣᠩᠭᠣᠯ\u{180E}ᠠ ئا\u{200C}ي",
            "5: merged",
        ]
    );
}

/// kechuang.org/t/81624: 106 characters that systems of GBK keep at places of private use are shown by the fonts of such
/// systems alone, so one name is two. mail-archive.com/unicode@unicode.org/msg21571.html: browsers send characters that a
/// form's encoding lacks as `&#29579;`.
#[test]
fn a_rare_character_of_a_name_is_itself_or_its_row_is_rejected() {
    let rows = [
        "A1,G1,2020/1/5,,刘䶮 𠮷 㛃 𰻞",
        "A2,G2,2020/1/5,,刘\u{E863}",
        "A3,G3,2020/1/5,,刘&#19886;",
        "A4,G4,2020/1/5,,刘&#x4DAE;",
        "A5,G5,2020/1/5,,买买提&middot;艾力",
        "A6,G6,2020/1/5,,甲&乙; A&B; #1;",
    ];
    let expected = [
        "2: A1 G1 2020-01-05.. 刘䶮 𠮷 㛃 𰻞",
        "3: 姓名: private-use",
        "4: 姓名: character-reference",
        "5: 姓名: character-reference",
        "6: 姓名: character-reference",
        "7: A6 G6 2020-01-05.. 甲&乙; A&B; #1;",
    ];
    assert_eq!(judged(MAP, &rows), expected);
    // The same from a system of GB 18030, four bytes for what GBK lacks.
    let text = format!("{HEADER}\n{}\n", rows.join("\n"));
    let (bytes, _, lost) = encoding_rs::GB18030.encode(&text);
    assert!(!lost);
    assert_eq!(try_judged(MAP, &bytes).unwrap(), expected);
}
