//! Rows of JSON: one object a line, its members being the columns.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use certmesh_api::FaultKind;
use serde_json::Value;

use crate::encoding::Utf8;
use crate::error::Error;
use crate::lines::{Line, Lines};
use crate::rejects::as_it_was;
use crate::row::{Cells, Head, Row, TOO_LONG, Visitor};

/// Reads all rows; `columns` are the members that are wanted.
///
/// # Errors
/// `failed` of the input's errors; the visitor's.
pub(super) fn read<V: Visitor>(
    input: Utf8<impl Read>,
    length: Option<u64>,
    columns: &[String],
    failed: &dyn Fn(io::Error) -> Error,
    visitor: &mut V,
) -> Result<(), V::Error> {
    let mut lines = Lines::new(BufReader::with_capacity(1 << 18, input));
    let mut head = Some(Head {
        columns,
        length,
        ..Head::default()
    });
    let (mut number, mut position) = (0, 0);
    let mut cells = Cells::default();
    loop {
        let line = lines.next_line().map_err(failed)?;
        if let Some(head) = head.take() {
            visitor.head(&head)?;
        }
        let Some(line) = line else {
            return Ok(());
        };
        number += 1;
        let (text, found) = match line {
            Line::TooLong(length) => {
                position += length;
                (&b""[..], Err(TOO_LONG))
            }
            Line::Whole(line) => {
                position += line.len() as u64 + 1;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                (line, Ok(()))
            }
        };
        let line = as_it_was(text);
        let found = found.and_then(|()| fill(&mut cells, &line, columns));
        let row = Row {
            number,
            position,
            cells: &cells,
            trouble: found.err(),
            line: &line,
            hidden: false,
        };
        if !visitor.row(&row)? {
            return Ok(());
        }
    }
}

fn fill(cells: &mut Cells, line: &[u8], columns: &[String]) -> Result<(), FaultKind> {
    let members: BTreeMap<String, Value> =
        serde_json::from_slice(line).map_err(|_| FaultKind::NoObject)?;
    cells.clear();
    for column in columns {
        match members.get(column) {
            None | Some(Value::Null) => cells.push(""),
            Some(Value::String(text)) => cells.push(text),
            Some(Value::Bool(value)) => cells.push(if *value { "true" } else { "false" }),
            // Whole numbers only: of others the spelling is lost.
            Some(Value::Number(number)) if !number.is_f64() => cells.push(&number.to_string()),
            Some(_) => cells.push_unusable("", FaultKind::NeitherTextNorNumber),
        }
    }
    Ok(())
}
