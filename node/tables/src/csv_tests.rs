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
    let mut seen = Seen::default();
    let layout = Layout {
        delimiter: None,
        header,
    };
    let failed = |error| Error::read(std::path::Path::new("table"), error);
    let input = Utf8::new(text, Encoding::Utf8);
    read(input, None, &layout, &failed, &mut seen).unwrap();
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
fn rows_with_other_cells_than_the_header_and_rows_without_end_are_reported() {
    let mut text = b"a,b\n1\n1,2,3\n".to_vec();
    text.extend(std::iter::repeat_n(b'x', 3 << 20));
    text.extend_from_slice(b"\n\"q\"\"q\",2");
    let rows = seen(&text, 1).rows;
    assert_eq!(
        rows,
        [
            "2: cell-count",
            "3: cell-count",
            "4: row-too-long",
            "5: q\"q¦2"
        ]
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
