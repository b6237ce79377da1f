//! Tables as five departments' old systems would export them: each with its own columns, dates and encoding, and with
//! some rows that are wrong, as they are in real life.
//!
//! Their certificates are in no other file of the data set. `exports.toml` says of each table what its columns mean and
//! how many rows have which fault, so that an importer's findings can be compared.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use certmesh_ledger::id::Date;
use encoding_rs::{Encoding, GB18030, UTF_8};
use serde::Serialize;

use super::certificates::{Certificate, Maker};
use super::dice::Dice;
use crate::Error;

/// One in this many rows has a fault, on average.
const FAULTY: u64 = 25;
/// Rows of a table: a tenth of the department's certificates of the type, and at least this many.
const LEAST_ROWS: u64 = 200;

/// How a table writes days.
#[derive(Clone, Copy, Debug)]
enum Days {
    /// 2017-03-09
    Iso,
    /// 2017年3月9日
    Chinese,
    /// 2017/3/9
    Slashes,
    /// 20170309
    Compact,
    /// 2017.03.09
    Dots,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Meaning {
    /// The issuer's serial number.
    Serial,
    /// The holder's code.
    HolderCode,
    /// The holder's name (field CZZT).
    HolderName,
    /// First day of validity.
    ValidFrom,
    /// Last day of validity, or no end.
    ValidUntil,
    /// Field ZZBH.
    Number,
    /// Something no certificate has.
    Ignored,
}

/// A table: whose, of which type, and how it looks.
pub(super) struct Table {
    /// Department of the city.
    pub(super) department: &'static str,
    /// Name of the type.
    pub(super) kind: &'static str,
    encoding: &'static Encoding,
    byte_order_mark: bool,
    delimiter: u8,
    days: Days,
    without_end: &'static str,
    columns: &'static [(&'static str, Meaning)],
}

use Meaning::{HolderCode, HolderName, Ignored, Number, Serial, ValidFrom, ValidUntil};

/// The tables.
pub(super) const TABLES: [Table; 5] = [
    Table {
        department: "公安局",
        kind: "机动车驾驶证",
        encoding: UTF_8,
        byte_order_mark: true,
        delimiter: b',',
        days: Days::Iso,
        without_end: "长期",
        columns: &[
            ("档案编号", Serial),
            ("姓名", HolderName),
            ("公民身份号码", HolderCode),
            ("证号", Number),
            ("初次领证日期", ValidFrom),
            ("有效期止", ValidUntil),
        ],
    },
    Table {
        department: "工商行政管理局",
        kind: "营业执照",
        encoding: GB18030,
        byte_order_mark: false,
        delimiter: b',',
        days: Days::Chinese,
        without_end: "无固定期限",
        columns: &[
            ("序号", Ignored),
            ("注册号", Serial),
            ("统一社会信用代码", HolderCode),
            ("企业名称", HolderName),
            ("成立日期", ValidFrom),
            ("营业期限至", ValidUntil),
        ],
    },
    Table {
        department: "民政局",
        kind: "结婚证",
        encoding: GB18030,
        byte_order_mark: false,
        delimiter: b'\t',
        days: Days::Slashes,
        without_end: "",
        columns: &[
            ("登记流水号", Serial),
            ("结婚证字号", Number),
            ("登记日期", ValidFrom),
            ("持证人", HolderName),
            ("持证人身份证号", HolderCode),
            ("备注", Ignored),
        ],
    },
    Table {
        department: "人力资源和社会保障局",
        kind: "专业技术资格证书",
        encoding: UTF_8,
        byte_order_mark: false,
        delimiter: b';',
        days: Days::Compact,
        without_end: "99991231",
        columns: &[
            ("XM", HolderName),
            ("SFZHM", HolderCode),
            ("ZSBH", Number),
            ("LSH", Serial),
            ("FZRQ", ValidFrom),
            ("YXQ", ValidUntil),
        ],
    },
    Table {
        department: "食品药品监督管理局",
        kind: "食品经营许可证",
        encoding: UTF_8,
        byte_order_mark: false,
        delimiter: b',',
        days: Days::Dots,
        without_end: "长期有效",
        columns: &[
            ("许可证编号", Number),
            ("经营者名称", HolderName),
            ("社会信用代码（身份证号码）", HolderCode),
            ("签发日期", ValidFrom),
            ("有效期至", ValidUntil),
            ("内部编号", Serial),
        ],
    },
];

/// What can be wrong with a row.
const FAULTS: [&str; 6] = [
    "check-character",
    "no-holder",
    "no-such-day",
    "ends-before-it-begins",
    "duplicate",
    "untidy",
];

/// A table as it was written.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Written {
    file: String,
    department: String,
    department_name: String,
    #[serde(rename = "type")]
    type_code: String,
    type_name: String,
    encoding: &'static str,
    byte_order_mark: bool,
    delimiter: char,
    days: &'static str,
    without_end: &'static str,
    /// Rows, the heading not counted.
    pub(super) rows: u64,
    /// Rows by what is wrong with them; `untidy` rows can be corrected.
    faults: BTreeMap<&'static str, u64>,
    /// What each column holds.
    columns: BTreeMap<&'static str, Meaning>,
}

/// Names of a table's department and type.
pub(super) struct Names<'a> {
    /// The department's code.
    pub(super) department: &'a str,
    /// Its name.
    pub(super) department_name: &'a str,
    /// The type's code.
    pub(super) type_code: &'a str,
}

impl Table {
    /// Writes the table of a stream that has `count` certificates already.
    ///
    /// # Errors
    /// [`Error::File`].
    pub(super) fn write(
        &self,
        seed: u64,
        dir: &Path,
        names: &Names<'_>,
        maker: &Maker<'_>,
        count: u64,
    ) -> Result<Written, Error> {
        let file = format!("{}.csv", names.department);
        let path = dir.join(&file);
        let mut out = BufWriter::new(File::create(&path).map_err(Error::file(&path))?);
        if self.byte_order_mark {
            out.write_all(b"\xEF\xBB\xBF").map_err(Error::file(&path))?;
        }
        let heading = self.columns.iter().map(|(name, _)| (*name).to_owned());
        self.put(&mut out, &path, heading.collect())?;
        let mut faults = BTreeMap::new();
        let wanted = (count / 10).max(LEAST_ROWS);
        let mut rows = 0;
        for row in 0..wanted {
            let mut dice = Dice::new(seed, names.department, &[row]);
            let made = maker.certificate(count + row);
            let fault = (dice.below(FAULTY) == 0).then(|| *dice.pick(&FAULTS));
            let cells = self.cells(&made, row, fault, &mut dice);
            self.put(&mut out, &path, cells.clone())?;
            rows += 1;
            if let Some(fault) = fault {
                *faults.entry(fault).or_default() += 1;
                if fault == "duplicate" {
                    self.put(&mut out, &path, cells)?;
                    rows += 1;
                }
            }
        }
        out.flush().map_err(Error::file(&path))?;
        Ok(Written {
            file,
            department: names.department.to_owned(),
            department_name: names.department_name.to_owned(),
            type_code: names.type_code.to_owned(),
            type_name: self.kind.to_owned(),
            encoding: self.encoding.name(),
            byte_order_mark: self.byte_order_mark,
            delimiter: char::from(self.delimiter),
            days: self.days.pattern(),
            without_end: self.without_end,
            rows,
            faults,
            columns: self.columns.iter().copied().collect(),
        })
    }

    fn put(&self, out: &mut impl Write, path: &Path, cells: Vec<String>) -> Result<(), Error> {
        // Windows programs wrote these.
        let mut line = csv::WriterBuilder::new()
            .delimiter(self.delimiter)
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        let written = line.write_record(cells).map_err(std::io::Error::other);
        written.map_err(Error::file(path))?;
        let bytes = line
            .into_inner()
            .map_err(|error| std::io::Error::other(error.to_string()))
            .map_err(Error::file(path))?;
        let text = String::from_utf8_lossy(&bytes);
        let (bytes, _, _) = self.encoding.encode(&text);
        out.write_all(&bytes).map_err(Error::file(path))
    }

    fn cells(
        &self,
        made: &Certificate,
        row: u64,
        fault: Option<&str>,
        dice: &mut Dice,
    ) -> Vec<String> {
        let mut code = made.holder.code.clone();
        let mut name = made.holder.name.clone();
        let mut first = self.days.write(made.first);
        let mut last = made
            .last
            .map_or_else(|| self.without_end.to_owned(), |day| self.days.write(day));
        match fault {
            Some("check-character") => {
                let wrong = if code.ends_with('7') { '8' } else { '7' };
                code.pop();
                code.push(wrong);
            }
            Some("no-holder") => code.clear(),
            Some("no-such-day") => first = self.days.of("2016", "2", "30"),
            Some("ends-before-it-begins") => last = self.days.of("1999", "12", "31"),
            Some("untidy") => {
                code = full_width(&code);
                name = format!(" {name}　");
            }
            _ => {}
        }
        let cell = |meaning: Meaning, dice: &mut Dice| match meaning {
            Meaning::Serial => made.serial.clone(),
            Meaning::HolderCode => code.clone(),
            Meaning::HolderName => name.clone(),
            Meaning::ValidFrom => first.clone(),
            Meaning::ValidUntil => last.clone(),
            Meaning::Number => made.fields.get("ZZBH").cloned().unwrap_or_default(),
            Meaning::Ignored if dice.percent(10) => "补录, \"旧系统\"".to_owned(),
            Meaning::Ignored => (row + 1).to_string(),
        };
        self.columns
            .iter()
            .map(|(_, meaning)| cell(*meaning, dice))
            .collect()
    }
}

impl Days {
    fn pattern(self) -> &'static str {
        match self {
            Days::Iso => "YYYY-MM-DD",
            Days::Chinese => "YYYY年M月D日",
            Days::Slashes => "YYYY/M/D",
            Days::Compact => "YYYYMMDD",
            Days::Dots => "YYYY.MM.DD",
        }
    }

    fn write(self, day: Date) -> String {
        let text = day.to_string();
        let mut parts = text.split('-').map(|part| part.trim_start_matches('0'));
        let mut next = || parts.next().unwrap_or_default();
        let (year, month, day) = (next(), next(), next());
        self.of(year, month, day)
    }

    /// Of parts without leading zeros.
    fn of(self, year: &str, month: &str, day: &str) -> String {
        match self {
            Days::Iso => format!("{year}-{month:0>2}-{day:0>2}"),
            Days::Chinese => format!("{year}年{month}月{day}日"),
            Days::Slashes => format!("{year}/{month}/{day}"),
            Days::Compact => format!("{year}{month:0>2}{day:0>2}"),
            Days::Dots => format!("{year}.{month:0>2}.{day:0>2}"),
        }
    }
}

/// Digits and letters as an input method for Chinese may leave them.
fn full_width(text: &str) -> String {
    let wide = |c: char| match c {
        '!'..='~' => char::from_u32(c as u32 + 0xFEE0).unwrap_or(c),
        c => c,
    };
    text.chars().map(wide).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_in_each_department_s_way() {
        let day: Date = "2017-03-09".parse().unwrap();
        let ways = [
            Days::Iso,
            Days::Chinese,
            Days::Slashes,
            Days::Compact,
            Days::Dots,
        ];
        assert_eq!(
            ways.map(|way| way.write(day)),
            [
                "2017-03-09",
                "2017年3月9日",
                "2017/3/9",
                "20170309",
                "2017.03.09"
            ]
        );
    }

    #[test]
    fn full_width_text_is_normalised_to_what_it_was() {
        use certmesh_ledger::id::{HolderKind, normalise};
        let code = super::super::holders::person(3).code;
        assert_ne!(full_width(&code), code);
        assert_eq!(
            normalise(HolderKind::IdentityCard, &full_width(&code)),
            Ok(code)
        );
    }
}
