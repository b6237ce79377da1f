//! What was taken of a file without anybody having said so, and what of it nobody sees: to be shown before anything is
//! issued.

use certmesh_api::coded;
use certmesh_text::say;

use crate::map::HiddenRows;
use crate::row::Head;

coded! {
    /// Something that was taken of a file.
    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Taken: "taken" {
        "text" Text {
            encoding: &'static str,
            delimiter: String,
            header: String,
        },
        "sheet" Sheet { name: String, header: String },
        "other-sheets" OtherSheets { names: String },
        "hidden-sheet" HiddenSheet { name: String },
        "hidden-sheets" HiddenSheets { names: String },
        "rows-imported" RowsImported { count: u64, rows: String },
        "rows-skipped" RowsSkipped { count: u64, rows: String },
        "hidden-columns" HiddenColumns { names: String },
        "full" Full { row: u64 },
    }
}

/// Sentences about what was taken of a table, and with what of its hidden rows.
pub(super) fn announcement(head: &Head<'_>, hidden_rows: Option<HiddenRows>) -> Vec<String> {
    let Some((first, last)) = head.header else {
        return Vec::new();
    };
    let header = match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let Some(sheet) = head.sheet else {
        let delimiter = match head.delimiter {
            Some(b'\t') => "tab".to_owned(),
            byte => format!("`{}`", char::from(byte.unwrap_or(b','))),
        };
        let encoding = head.encoding.unwrap_or("UTF-8");
        let text = Taken::Text {
            encoding,
            delimiter,
            header,
        };
        let full = head.full.map(|row| Taken::Full { row });
        return [text].iter().chain(&full).map(say).collect();
    };
    let name = sheet.name.clone();
    let names = |names: &[String]| names.join(", ");
    let unread: Vec<String> = sheet
        .hidden
        .iter()
        .filter(|hidden| **hidden != sheet.name)
        .cloned()
        .collect();
    let mut taken = vec![Taken::Sheet {
        name: name.clone(),
        header,
    }];
    if !sheet.others.is_empty() {
        let names = names(&sheet.others);
        taken.push(Taken::OtherSheets { names });
    }
    if sheet.hidden.contains(&sheet.name) {
        taken.push(Taken::HiddenSheet { name });
    }
    if !unread.is_empty() {
        let names = names(&unread);
        taken.push(Taken::HiddenSheets { names });
    }
    if let Some((count, rows)) = sheet.hidden_rows.clone() {
        taken.push(match hidden_rows {
            Some(HiddenRows::Skip) => Taken::RowsSkipped { count, rows },
            _ => Taken::RowsImported { count, rows },
        });
    }
    if !sheet.hidden_columns.is_empty() {
        let names = names(&sheet.hidden_columns);
        taken.push(Taken::HiddenColumns { names });
    }
    taken.extend(head.full.map(|row| Taken::Full { row }));
    taken.iter().map(say).collect()
}

#[cfg(test)]
mod tests {
    use certmesh_text::check::mismatches;

    use super::*;
    use crate::row::SheetTaken;

    #[test]
    fn each_thing_that_is_taken_has_a_text() {
        assert_eq!(mismatches::<Taken>(), Vec::<String>::new());
    }

    #[test]
    fn what_was_taken_and_what_is_hidden_is_said() {
        let head = Head {
            encoding: Some("GB18030"),
            delimiter: Some(b'\t'),
            header: Some((2, 2)),
            ..Head::default()
        };
        assert_eq!(
            announcement(&head, None),
            ["reading the file as GB18030, cells divided by tab, the columns' names in row 2"]
        );
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let sheet = SheetTaken {
            name: "甲".to_owned(),
            others: list(&["乙", "丙"]),
            hidden: list(&["旧"]),
            hidden_rows: Some((3, "3-5".to_owned())),
            hidden_columns: list(&["备注"]),
        };
        let head = Head {
            header: Some((2, 3)),
            sheet: Some(&sheet),
            ..Head::default()
        };
        let said = announcement(&head, Some(HiddenRows::Skip));
        assert_eq!(
            said,
            [
                "reading sheet `甲`, the columns' names in row 2-3",
                "not read: sheets 乙, 丙",
                "not read: hidden sheets 旧",
                "left out: 3 hidden rows (3-5)",
                "hidden columns, used as the map says: 备注",
            ]
        );
    }
}
