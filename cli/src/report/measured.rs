//! Submissions saved in accepted cases: from a measured year in a file, or from the cases that departments' logs record.

use std::path::Path;

use certmesh_api::UseReport;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::{Error, files};

/// Months that are added up: the one the node is in, and those before it.
const MONTHS: usize = 12;
const FORMAT: &str = "certmesh-year-1";
const EXPECTED: &str = "a measured year, as `certmesh-testnet dataset year --json` prints it";

/// Accepted cases and what they saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Measured {
    /// `simulated-year` or `recorded-cases`.
    source: &'static str,
    /// First day.
    pub(super) from: String,
    /// Last day.
    pub(super) to: String,
    /// Cases.
    pub(super) cases: u64,
    /// Their requirements.
    required: u64,
    /// Of these, those for which nothing had to be handed in.
    pub(super) saved: u64,
    /// What the figures rest on.
    pub(super) rests_on: String,
}

/// What of a measured year is read.
#[derive(Deserialize)]
struct Year {
    format: String,
    from: String,
    to: String,
    cases: u64,
    requirements: u64,
    saved: u64,
    needs_grant: u64,
    not_valid: u64,
    unknown: u64,
    missing: u64,
    rests_on: String,
}

impl Measured {
    /// Submissions saved for each case.
    pub(super) fn per_case(&self) -> f64 {
        self.saved as f64 / self.cases.max(1) as f64
    }

    /// Submissions saved in this many cases.
    pub(super) fn in_cases(&self, cases: u64) -> u64 {
        let saved = u128::from(self.saved) * u128::from(cases) / u128::from(self.cases.max(1));
        u64::try_from(saved).unwrap_or(u64::MAX)
    }

    /// The measured year of a file.
    ///
    /// # Errors
    /// [`Error::File`], and [`Error::Malformed`] for a file that holds none or one whose figures do not agree.
    pub(super) fn from_file(path: &Path) -> Result<Measured, Error> {
        let malformed = |detail: &str| Error::malformed(path, EXPECTED, detail);
        let text = files::read_text(path)?;
        let year: Year =
            serde_json::from_str(&text).map_err(|error| malformed(&error.to_string()))?;
        if year.format != FORMAT {
            return Err(malformed(&format!("its format is not {FORMAT}")));
        }
        if year.cases == 0 {
            return Err(malformed("it has no cases"));
        }
        let parts = [
            year.saved,
            year.needs_grant,
            year.not_valid,
            year.unknown,
            year.missing,
        ];
        let sum = parts
            .iter()
            .try_fold(0_u64, |sum, part| sum.checked_add(*part));
        if sum != Some(year.requirements) {
            return Err(malformed(
                "saved, needs_grant, not_valid, unknown and missing do not add up to requirements",
            ));
        }
        Ok(Measured {
            source: "simulated-year",
            from: year.from,
            to: year.to,
            cases: year.cases,
            required: year.requirements,
            saved: year.saved,
            rests_on: year.rests_on,
        })
    }

    /// The cases that the logs held at a node record as accepted, in this month and the eleven before; `None` if there
    /// are none.
    ///
    /// # Errors
    /// Those of asking the node.
    pub(super) fn from_node(client: &Client) -> Result<Option<Measured>, Error> {
        let this: UseReport = client.get("/v1/reports/use")?.parse()?;
        let to = this.to.clone();
        let mut months = vec![this];
        while months.len() < MONTHS {
            let Some(month) = months.last().and_then(|month| month_before(&month.from)) else {
                break;
            };
            let path = format!("/v1/reports/use?month={month}");
            months.push(client.get(&path)?.parse()?);
        }
        let from = months.last().map(|month| month.from.clone());
        let mut measured = Measured {
            source: "recorded-cases",
            from: from.unwrap_or_default(),
            to,
            cases: 0,
            required: 0,
            saved: 0,
            rests_on: "Rests on the cases that the departments' logs record as accepted, as far as this node holds them."
                .to_owned(),
        };
        for department in months.iter().flat_map(|month| &month.departments) {
            measured.cases = measured.cases.saturating_add(department.cases);
            measured.required = measured.required.saturating_add(department.required);
            measured.saved = measured.saved.saturating_add(department.saved);
        }
        Ok((measured.cases > 0).then_some(measured))
    }
}

/// The month before that of a day, `YYYY-MM`.
fn month_before(day: &str) -> Option<String> {
    let (year, rest) = day.split_once('-')?;
    let (month, _) = rest.split_once('-')?;
    let (year, month): (u16, u16) = (year.parse().ok()?, month.parse().ok()?);
    match month {
        1 => Some(format!("{:04}-12", year.checked_sub(1)?)),
        2..=12 => Some(format!("{year:04}-{:02}", month - 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_before_january_is_december_of_the_year_before() {
        for (day, before) in [
            ("2026-11-01", Some("2026-10")),
            ("2026-03-31", Some("2026-02")),
            ("2026-01-01", Some("2025-12")),
            ("2026-13-01", None),
            ("2026", None),
        ] {
            assert_eq!(month_before(day).as_deref(), before, "{day}");
        }
    }

    #[test]
    fn what_was_saved_is_scaled_to_a_year_s_cases_without_overflow() {
        let measured = |cases, saved| Measured {
            source: "recorded-cases",
            from: String::new(),
            to: String::new(),
            cases,
            required: saved,
            saved,
            rests_on: String::new(),
        };
        assert_eq!(measured(3, 2).in_cases(3_800_000), 2_533_333);
        assert_eq!(measured(1, u64::MAX).in_cases(2), u64::MAX);
        assert_eq!(measured(4, 3).per_case(), 0.75);
    }
}
