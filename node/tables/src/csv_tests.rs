use certmesh_api::Coded;

use super::*;
use crate::encoding::Encoding;

/// Remembers what it saw: the columns, and each row as `number: cells` or its trouble.
#[derive(Default)]
struct Seen {
    columns: Vec<String>,
    delimiter: u8,
    rows: Vec<String>,
}

impl Visitor for Seen {
    type Error = Error;

    fn head(&mut self, head: &Head<'_>) -> Result<(), Error> {
        self.columns = head.columns.to_vec();
        self.delimiter = head.delimiter.unwrap();
        Ok(())
    }

    fn row(&mut self, row: &Row<'_>) -> Result<bool, Error> {
        self.rows.push(match &row.trouble {
            None => format!(
                "{}: {}",
                row.number,
                row.cells.iter().collect::<Vec<_>>().join("¦")
            ),
            Some(trouble) => format!("{}: {}", row.number, trouble.code()),
        });
        Ok(true)
    }
}

fn seen(text: &[u8], header: u64) -> Seen {
    seen_under(text, (header, header))
}

fn seen_under(text: &[u8], header: (u64, u64)) -> Seen {
    let mut seen = Seen::default();
    let layout = Layout {
        delimiter: None,
        header,
        columns: Vec::new(),
    };
    let failed = |error| Error::read(std::path::Path::new("table"), error);
    let input = Utf8::new(text, Encoding::Utf8);
    read(input, None, None, &layout, &failed, &mut seen).unwrap();
    seen
}

#[test]
fn rows_are_numbered_by_the_line_on_which_they_begin_whatever_ends_their_lines() {
    for end in ["\n", "\r\n"] {
        let text = "a, b \n1,2\n\n\n\"3\n3\",4\n5,6,,\n7,8".replace('\n', end);
        let seen = seen(text.as_bytes(), 1);
        assert_eq!(seen.columns, ["a", "b"]);
        let broken = format!("5: 3{end}3¦4");
        assert_eq!(seen.rows, ["2: 1¦2", &broken, "7: 5¦6¦¦", "8: 7¦8"]);
    }
}

#[test]
fn the_delimiter_and_the_line_of_the_header_are_found() {
    for (text, delimiter) in [
        ("t\n\"a,,,\"\tb\n1\t2\n", b'\t'),
        ("t\na;b\n1;2\n", b';'),
        ("t\na|b\n1|2\n", b'|'),
        ("t\na,b\n1,2\n", b','),
    ] {
        let seen = seen(text.as_bytes(), 2);
        assert_eq!((seen.delimiter, seen.rows.len()), (delimiter, 1));
        assert_eq!(seen.rows, ["3: 1¦2"]);
    }
    assert!(seen(b"", 1).columns.is_empty());
    assert_eq!(seen(b"a", 1).columns, ["a"]);
}

#[test]
fn a_quotation_mark_too_many_costs_its_own_row_only() {
    let rows = seen(b"a,b\n1,\"2\n3,4\n5,\"6\n7,8\n", 1).rows;
    assert_eq!(
        rows,
        ["2: quotation-mark", "3: 3¦4", "4: quotation-mark", "5: 7¦8"]
    );
    // Far from its pair, too.
    let mut text = b"a,b\n1,\"2\n".to_vec();
    for _ in 0..400_000 {
        text.extend_from_slice(b"3,4\n");
    }
    let rows = seen(&text, 1).rows;
    assert_eq!((rows.len(), &*rows[0]), (400_001, "2: quotation-mark"));
}

#[test]
fn rows_with_more_cells_than_the_header_and_rows_without_end_are_reported() {
    let mut text = b"a,b\n1\n1,2,3\n".to_vec();
    text.extend(std::iter::repeat_n(b'x', 3 << 20));
    text.extend_from_slice(b"\n\"q\"\"q\",2");
    let rows = seen(&text, 1).rows;
    assert_eq!(
        rows,
        ["2: 1¦", "3: cell-count", "4: row-too-long", "5: q\"q¦2"]
    );
}

#[test]
fn what_is_written_is_read_back() {
    let cells = ["plain", "a,b", "say \"x\"", "two\nlines", ""];
    let text = [b"1,2,3,4,5\n", &write(b',', cells.into_iter())[..]].concat();
    assert_eq!(seen(&text, 1).rows, [format!("2: {}", cells.join("¦"))]);
}

#[test]
fn no_cell_that_is_written_is_a_formula_and_each_is_read_back_as_it_was() {
    let cells = [
        "=1+1",
        "+86 138",
        "-5",
        "@x",
        "\t=1",
        "\r=1",
        "\n=1",
        "\u{FF1D}1",
        "=HYPERLINK(\"http://x\";\"y\")",
        "'=1",
        "''=1",
        "'plain",
        "'",
        "a=b",
        "",
        "1|-2",
    ];
    let header: Vec<String> = (3..=cells.len()).map(|n| format!("={n}")).collect();
    let columns = || {
        ["_row", "_reason"]
            .into_iter()
            .chain(header.iter().map(|name| &**name))
    };
    let text = [
        &write(b',', columns())[..],
        b"\n",
        &write(b',', cells.into_iter()),
    ]
    .concat();
    let read = seen(&text, 1);
    assert_eq!(read.rows, [format!("2: {}", cells.join("¦"))]);
    assert!(read.columns.iter().map(|name| &**name).eq(columns()));
    for delimiter in DELIMITERS {
        let mut core = ReaderBuilder::new().delimiter(delimiter).build();
        let (mut out, mut ends) = ([0; 1 << 12], [0; 64]);
        let line = [&write(delimiter, cells.into_iter())[..], b"\n"].concat();
        let (_, _, _, found) = core.read_record(&line, &mut out, &mut ends);
        assert_eq!(found, cells.len());
        let mut start = 0;
        for end in ends[..found].iter().copied() {
            let cell = std::str::from_utf8(&out[start..end]).unwrap();
            assert!(!cell.starts_with(FORMULA), "{cell:?}");
            start = end;
        }
    }
    // In a table that somebody else wrote nothing is taken off.
    assert_eq!(seen(b"a,b\n'=1,2\n", 1).rows, ["2: '=1¦2"]);
}

#[test]
fn a_row_lacks_trailing_cells_only_where_the_text_goes_on() {
    assert_eq!(seen(b"a,b,c\n1\n2,3\n", 1).rows, ["2: 1¦¦", "3: 2¦3¦"]);
    assert_eq!(
        seen(b"a,b,c\n1,2,3\n4,5", 1).rows,
        ["2: 1¦2¦3", "3: cut-off"]
    );
    assert_eq!(seen(b"a,b,c\n1,2,3\n4,5,", 1).rows, ["2: 1¦2¦3", "3: 4¦5¦"]);
}

#[test]
fn a_row_of_nothing_but_delimiters_and_white_space_is_skipped() {
    let text = "a,b\r\n1,2\r\n,,\r\n \u{3000},\u{200B}\u{FEFF}\r\n,\r\n3,4\r\n,";
    assert_eq!(seen(text.as_bytes(), 1).rows, ["2: 1¦2", "6: 3¦4"]);
}

#[test]
fn lines_that_end_with_carriage_returns_are_counted_and_skipped() {
    let text = b"title\ra,b\r1,2\r\r\"3\r3\",4\r5,6,7\r8";
    let found = seen(text, 2);
    assert_eq!(found.columns, ["a", "b"]);
    assert_eq!(
        found.rows,
        ["3: 1¦2", "5: 3\r3¦4", "7: cell-count", "8: cut-off"]
    );
    // One within a cell of a text whose lines end otherwise ends no row.
    let rows = seen(b"a,b\n1,x\ry\n2,3\r\n", 1).rows;
    assert_eq!(rows, ["2: 1¦x\ry", "3: 2¦3"]);
}

#[test]
fn white_space_around_quotation_marks_is_left_out() {
    let text =
        b"a, \"b\" , \"c\"\n1, \"2, \"\"2\"\"\",3\n\"4\" ,5 5,\t\"\"\n 6 , \"7,8\n9,10,\"11\"x\n";
    let seen = seen(text, 1);
    assert_eq!(seen.columns, ["a", "b", "c"]);
    assert_eq!(
        seen.rows,
        [
            "2: 1¦2, \"2\"¦3",
            "3: 4¦5 5¦",
            "4: quotation-mark",
            "5: quotation-mark"
        ]
    );
}

#[test]
fn names_of_columns_are_those_that_people_read() {
    let text = "\u{FEFF}\u{FEFF}证照\u{200B}编号\u{AD},\"有效\n期至\",\u{A0}姓名 \n1,2,3\n";
    assert_eq!(
        seen(text.as_bytes(), 1).columns,
        ["证照编号", "有效期至", "姓名"]
    );
}

#[test]
fn a_first_line_that_names_the_delimiter_is_not_the_header() {
    let seen = seen(b"sep=;\r\na;b,c\r\n1;2\r\n", 1);
    assert_eq!(
        (seen.delimiter, &*seen.columns),
        (b';', &["a".to_owned(), "b,c".to_owned()][..])
    );
    assert_eq!(seen.rows, ["3: 1¦2"]);
    let tabs = self::seen(b"sep=\t\r\na,b\tc\r\n1\t2\r\n", 1);
    assert_eq!(
        (tabs.delimiter, &*tabs.rows),
        (b'\t', &["3: 1¦2".to_owned()][..])
    );
}

#[test]
fn the_names_of_a_header_of_several_rows_are_joined_under_their_headings() {
    let text = "名单,,,,\n编号,持证人,,发证日期,备注\n,姓名,号码,,\nS1,张三,1,2020-01-02,\n";
    let seen = seen_under(text.as_bytes(), (2, 3));
    assert_eq!(
        seen.columns,
        ["编号", "持证人/姓名", "持证人/号码", "发证日期", "备注"]
    );
    assert_eq!(seen.rows, ["4: S1¦张三¦1¦2020-01-02¦"]);
}

#[test]
fn digits_that_a_spreadsheet_would_write_otherwise_are_marked_and_read_back_as_they_were() {
    let cells = [
        "110105194912310021",
        "007",
        "12E5",
        "1-2",
        "3/4",
        "'007",
        "12",
        "2020-01-02",
        "12345678901",
    ];
    let text = String::from_utf8(write(b',', cells.into_iter())).unwrap();
    assert_eq!(
        text,
        "'110105194912310021,'007,'12E5,'1-2,'3/4,''007,12,2020-01-02,12345678901"
    );
    let text = format!("_row,_reason,{}\n1,x,{text}\n", "c,".repeat(cells.len()));
    let rows = seen(text.as_bytes(), 1).rows;
    assert_eq!(rows, [format!("2: 1¦x¦{}¦", cells.join("¦"))]);
}
