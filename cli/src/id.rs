//! `certmesh id`: certificate identifiers and department codes, checked without a node.

use std::io::Write;

use certmesh_ledger::id::{CertificateId, DepartmentCode, IdError};
use certmesh_tables::{Line, Lines};
use certmesh_text::one_line;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::screen::{Screen, printable};
use crate::{Error, Outcome};

pub(crate) const EXAMPLES: &str = "\
Examples:
  certmesh id check 11430000006122244L";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(Check),
}

/// Check certificate identifiers and department codes
///
/// Answers one line for each value, in order: `valid`, or `invalid: ` and the reason. A value of 18 characters without
/// dots is taken for a department code (GB 32100), anything else for a certificate identifier (GB/T 36904). A value in a
/// form that differs from the standard's but can be read is invalid, and the answer says what it would be.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(crate) struct Check {
    /// Values to check; without any, the lines of standard input
    #[arg(value_name = "VALUE")]
    values: Vec<String>,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  certmesh id check 11430000006122244L 11100000000013338W
  certmesh id check 1.2.156.3005.2.11100000MB03271699022.340100.000000016.001.9
  cut -d, -f3 licences.csv | certmesh id check
  certmesh id check --json < identifiers.txt

Exit code: 0 if all are valid, 1 otherwise.";

/// What was found out about one value.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    value: String,
    kind: &'static str,
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canonical: Option<String>,
}

pub(crate) fn run(command: &Command, screen: &mut Screen) -> Result<Outcome, Error> {
    let Command::Check(args) = command;
    if args.values.is_empty() && screen.can_ask() {
        screen.note("reading from the keyboard, one value a line; end with Ctrl-D");
    }
    let json = screen.json();
    let (input, out) = screen.both();
    let mut all_valid = true;
    if args.values.is_empty() {
        let mut lines = Lines::new(input);
        while let Some(line) = lines.next_line()? {
            all_valid &= answer(&check_line(&line), json, out)?;
        }
    } else {
        for value in &args.values {
            all_valid &= answer(&check(value), json, out)?;
        }
    }
    Ok(if all_valid { Outcome::Yes } else { Outcome::No })
}

/// Each answer leaves at once, so that a program can ask and wait line by line.
fn answer(finding: &Finding, json: bool, out: &mut dyn Write) -> Result<bool, Error> {
    if json {
        let line = serde_json::to_string(finding).map_err(std::io::Error::from)?;
        writeln!(out, "{}", one_line::json(&line))?;
    } else {
        match (&finding.reason, &finding.canonical) {
            (None, _) => writeln!(out, "valid")?,
            (Some(reason), None) => writeln!(out, "invalid: {}", printable(reason))?,
            (Some(reason), Some(canonical)) => {
                writeln!(
                    out,
                    "invalid: {} (canonical form: {})",
                    printable(reason),
                    printable(canonical)
                )?;
            }
        }
    }
    out.flush()?;
    Ok(finding.valid)
}

fn check_line(line: &Line<'_>) -> Finding {
    let unreadable = |reason: String| Finding {
        value: String::new(),
        kind: "unknown",
        valid: false,
        reason: Some(reason),
        canonical: None,
    };
    match line {
        Line::TooLong(length) => {
            unreadable(format!("a line of {length} bytes is not an identifier"))
        }
        Line::Whole(bytes) => match std::str::from_utf8(bytes) {
            Ok(value) => check(value),
            Err(_) => unreadable("not UTF-8 text".to_owned()),
        },
    }
}

fn check(value: &str) -> Finding {
    let trimmed = value.trim();
    let is_department = !trimmed.contains('.') && trimmed.chars().count() == DepartmentCode::LEN;
    let (kind, result, canonical) = if is_department {
        let repaired = trimmed
            .to_ascii_uppercase()
            .parse::<DepartmentCode>()
            .ok()
            .map(|code| code.to_string());
        (
            "department",
            value.parse::<DepartmentCode>().map(drop),
            repaired,
        )
    } else {
        let repaired = CertificateId::parse_lenient(value).ok();
        (
            "certificate",
            value.parse::<CertificateId>().map(drop),
            repaired.map(|(id, _)| id.to_string()),
        )
    };
    let value = value.to_owned();
    match result {
        Ok(()) => Finding {
            value,
            kind,
            valid: true,
            reason: None,
            canonical: None,
        },
        Err(error) => {
            let reason = Some(describe(trimmed, kind, &error));
            Finding {
                value,
                kind,
                valid: false,
                reason,
                canonical,
            }
        }
    }
}

/// The library's reason, except where it would speak of parts of something that has none.
fn describe(trimmed: &str, kind: &str, error: &IdError) -> String {
    if trimmed.is_empty() {
        return "empty".to_owned();
    }
    if kind == "certificate" && !trimmed.contains('.') {
        let length = trimmed.chars().count();
        return format!(
            "{length} characters without dots: a department code has {}, a certificate identifier has 10 parts between dots",
            DepartmentCode::LEN
        );
    }
    certmesh_text::parse_fault(error.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_invalid_and_its_canonical_form_is_shown() {
        let finding =
            check("1.2.156.3003.2.11100000000013338W011.11430000006122244L.20230000403.001.U");
        assert!(!finding.valid);
        assert_eq!(
            finding.canonical.as_deref(),
            Some("1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U")
        );
        let finding = check("11430000006122244l");
        assert!(!finding.valid);
        assert_eq!(finding.canonical.as_deref(), Some("11430000006122244L"));
    }

    #[test]
    fn what_is_neither_is_said_to_be_neither() {
        assert_eq!(check("").reason.as_deref(), Some("empty"));
        assert!(
            check("1143")
                .reason
                .unwrap()
                .contains("4 characters without dots")
        );
        assert_eq!(
            check_line(&Line::Whole(&[0xFF])).reason.as_deref(),
            Some("not UTF-8 text")
        );
    }
}
