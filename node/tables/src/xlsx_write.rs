//! A spreadsheet of texts, written row by row: what no program that opens and saves it makes numbers or days of.
//!
//! Every cell is a text, and so is what is typed into the sheet: its columns have the format `@`.

use std::fs::File;
use std::io::{self, BufWriter, IntoInnerError, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::row::LAST_ROWS;
use crate::xlsx_sheet::place_name;

/// Characters of a text that a spreadsheet keeps in a cell, whichever they are: 32,767 units, of which some take two.
pub(super) const MOST_TEXT: usize = 32_767 / 2;

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
/// Most characters of a sheet's name.
const MOST_NAME: usize = 31;
/// What no sheet's name holds.
const NOT_IN_NAMES: [char; 7] = ['[', ']', ':', '*', '?', '/', '\\'];

/// A spreadsheet under way. Only [`Sheet::finish`] makes the file one.
pub(super) struct Sheet {
    zip: ZipWriter<BufWriter<File>>,
    /// Rows written.
    rows: u64,
}

impl Sheet {
    /// Begins the file with a sheet of this name; its first row stays in sight.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn begin(file: File, name: &str) -> io::Result<Sheet> {
        let mut zip = ZipWriter::new(BufWriter::new(file));
        for (part, text) in [
            ("[Content_Types].xml", content_types()),
            (
                "_rels/.rels",
                relations(&[("officeDocument", "xl/workbook.xml")]),
            ),
            (
                "xl/_rels/workbook.xml.rels",
                relations(&[
                    ("worksheet", "worksheets/sheet1.xml"),
                    ("styles", "styles.xml"),
                ]),
            ),
            ("xl/workbook.xml", workbook(name)),
            ("xl/styles.xml", styles()),
        ] {
            zip.start_file(part, SimpleFileOptions::default())?;
            zip.write_all(text.as_bytes())?;
        }
        zip.start_file("xl/worksheets/sheet1.xml", SimpleFileOptions::default())?;
        let pane =
            "<pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/>";
        write!(
            zip,
            "{DECLARED}<worksheet xmlns=\"{MAIN}\"><sheetViews><sheetView workbookViewId=\"0\">{pane}</sheetView></sheetViews>\
             <cols><col min=\"1\" max=\"1\" width=\"8\" style=\"1\" customWidth=\"1\"/>\
             <col min=\"2\" max=\"2\" width=\"50\" style=\"1\" customWidth=\"1\"/>\
             <col min=\"3\" max=\"16384\" width=\"16\" style=\"1\" customWidth=\"1\"/></cols><sheetData>"
        )?;
        Ok(Sheet { zip, rows: 0 })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Those of writing; [`io::ErrorKind::FileTooLarge`] after the last row that a spreadsheet has.
    pub(super) fn row<'a>(&mut self, cells: impl Iterator<Item = &'a str>) -> io::Result<()> {
        if self.rows == LAST_ROWS[1] {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.rows += 1;
        write!(self.zip, "<row r=\"{}\">", self.rows)?;
        for (cell, column) in cells.zip(1..) {
            let (place, text) = (place_name(column, self.rows as u32), escaped(cell));
            write!(
                self.zip,
                "<c r=\"{place}\" s=\"1\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{text}</t></is></c>"
            )?;
        }
        self.zip.write_all(b"</row>")
    }

    /// Ends the file, and makes it durable.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.zip.write_all(b"</sheetData></worksheet>")?;
        let file = self.zip.finish()?;
        let file = file.into_inner().map_err(IntoInnerError::into_error)?;
        file.sync_all()
    }
}

const DECLARED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

fn content_types() -> String {
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml";
    let part = |name: &str, of: &str| {
        format!("<Override PartName=\"/xl/{name}.xml\" ContentType=\"{kind}.{of}+xml\"/>")
    };
    let parts = [
        part("workbook", "sheet.main"),
        part("worksheets/sheet1", "worksheet"),
        part("styles", "styles"),
    ];
    format!(
        "{DECLARED}<Types xmlns=\"{PACKAGE}/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/>{}</Types>",
        parts.concat()
    )
}

fn relations(all: &[(&str, &str)]) -> String {
    let all = all.iter().zip(1..).map(|((kind, target), number)| {
        format!(
            "<Relationship Id=\"rId{number}\" Type=\"{RELATIONS}/{kind}\" Target=\"{target}\"/>"
        )
    });
    let all: String = all.collect();
    format!("{DECLARED}<Relationships xmlns=\"{PACKAGE}/relationships\">{all}</Relationships>")
}

fn workbook(name: &str) -> String {
    let name: String = name
        .chars()
        .filter(|c| !NOT_IN_NAMES.contains(c))
        .take(MOST_NAME)
        .collect();
    let name = escaped(&name).replace('"', "&quot;");
    format!(
        "{DECLARED}<workbook xmlns=\"{MAIN}\" xmlns:r=\"{RELATIONS}\"><sheets>\
         <sheet name=\"{name}\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>"
    )
}

/// The plain format, and that of text: number 49.
fn styles() -> String {
    format!(
        "{DECLARED}<styleSheet xmlns=\"{MAIN}\"><fonts count=\"1\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts>\
         <fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills>\
         <borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border></borders>\
         <cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>\
         <cellXfs count=\"2\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/>\
         <xf numFmtId=\"49\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/></cellXfs></styleSheet>"
    )
}

/// A text as it stands in XML. What can't stand there is written `_x0007_`, as spreadsheets do, and so is the underscore
/// before what looks so.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (place, c) in text.char_indices() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '_' if is_escape(&text[place..]) => escaped.push_str("_x005F_"),
            '\t' | '\n' => escaped.push(c),
            '\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => {
                escaped.push_str(&format!("_x{:04X}_", u32::from(c)));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Whether a text begins with `_xHHHH_`.
fn is_escape(text: &str) -> bool {
    match text.as_bytes() {
        [b'_', b'x', digits @ ..] => {
            digits.len() > 4 && digits[..4].iter().all(u8::is_ascii_hexdigit) && digits[4] == b'_'
        }
        _ => false,
    }
}
