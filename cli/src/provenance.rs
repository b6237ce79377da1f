//! A verdict as a clerk reads it: the verdict, why, and the chain behind it.

use certmesh_api::{Provenance, Verdict, Verification, Word};
use certmesh_ledger::id::Date;

use crate::moment::{age, china_time_and_age};
use crate::names::{Names, named};
use crate::query::validity;
use crate::screen::{Screen, Tone, counted, grouped, printable};
use crate::{Error, Outcome};

/// Where a verdict comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A node answered.
    Node,
    /// A proof file was checked here.
    File,
}

/// The outcome a verdict stands for. A word this version does not know is never a yes.
pub(crate) fn outcome_of(verdict: &Word<Verdict>) -> Outcome {
    match verdict.known() {
        Some(Verdict::Valid) => Outcome::Yes,
        Some(Verdict::NotValid) => Outcome::No,
        // A word of a later version is not a yes.
        Some(Verdict::Unknown) | None => Outcome::Unknown,
    }
}

/// Shows a verdict.
pub(crate) fn show(
    verification: &Verification,
    names: &Names,
    source: Source,
    now_ms: u64,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let outcome = verdict(verification, screen)?;
    if outcome == Outcome::Unknown && source == Source::Node && verification.certificate.is_none() {
        screen.line("just issued? ask again in a moment")?;
    }
    let today = Date::in_china(now_ms).to_string();
    if let Some(reserve) = of_another_day(&verification.on, &today) {
        screen.line(printable(&reserve))?;
    }
    screen.line("")?;
    chain(verification, names, source, now_ms, screen)?;
    Ok(outcome)
}

/// Shows the verdict alone, and why.
pub(crate) fn verdict(verification: &Verification, screen: &mut Screen) -> Result<Outcome, Error> {
    let outcome = outcome_of(&verification.verdict);
    let (word, tone) = match outcome {
        Outcome::Yes => ("VALID", Tone::Good),
        Outcome::No => ("NOT VALID", Tone::Bad),
        _ => ("UNKNOWN", Tone::Doubt),
    };
    let word = screen.paint(tone, word);
    let reason = match &verification.reason {
        Some(reason) => format!(" ({})", printable(&reason.as_str().replace('-', " "))),
        None => String::new(),
    };
    screen.line(format!(
        "{word}{reason}  on {}",
        printable(&verification.on)
    ))?;
    screen.line(printable(&verification.explanation))?;
    let unsaid = |missing: &&String| !verification.explanation.contains(missing.as_str());
    for missing in verification.missing.iter().filter(unsaid) {
        screen.line(format!("  missing: {}", printable(missing)))?;
    }
    Ok(outcome)
}

/// What a verdict of another day than today leaves open. Days are compared as they are written, YYYY-MM-DD.
fn of_another_day(on: &str, today: &str) -> Option<String> {
    let mut text = format!("by the status known now; only the dates are as of {on}");
    match on.cmp(today) {
        std::cmp::Ordering::Less => {}
        std::cmp::Ordering::Equal => return None,
        std::cmp::Ordering::Greater => text.push_str(", if nothing is recorded until then"),
    }
    Some(text)
}

/// Certificate -> record -> checkpoint -> cosignatures, and as of when.
fn chain(
    verification: &Verification,
    names: &Names,
    source: Source,
    now_ms: u64,
    screen: &mut Screen,
) -> Result<(), Error> {
    let arrow = screen.paint(Tone::Faint, "->");
    screen.line(format!("certificate {}", printable(&verification.id)))?;
    if let Some(certificate) = &verification.certificate {
        let name = named(&certificate.type_code, certificate.type_name.as_deref());
        screen.line(format!("   {name}, {}", validity(certificate)))?;
    }
    for next in &verification.successors {
        let department = named(&next.department, Some(&next.department_name));
        let (id, kind) = (printable(&next.id), printable(next.succession.as_str()));
        screen.line(format!("{arrow} in its place {id}"))?;
        screen.line(format!(
            "   {kind}, record {} of the log of {department}",
            grouped(next.seq)
        ))?;
    }
    let Some(provenance) = &verification.provenance else {
        return Ok(());
    };
    let department = named(&provenance.department, Some(&provenance.department_name));
    let made = china_time_and_age(provenance.record_time_ms, now_ms);
    screen.line(format!(
        "{arrow} record {} of the log of {department}",
        grouped(provenance.seq)
    ))?;
    screen.line(format!("   made {made}"))?;
    let root = printable(&provenance.checkpoint_root);
    let knows = provenance.known_by.as_ref();
    let successor = knows.filter(|known_by| **known_by != provenance.department);
    if let Some(known_by) = successor {
        let name = named(known_by, provenance.known_by_name.as_deref());
        screen.line(format!("{arrow} status by the log of its successor {name}"))?;
    }
    if let Some(given) = &provenance.status_record {
        screen.line(format!(
            "   record {} of the log of {}",
            grouped(given.seq),
            printable(&given.log)
        ))?;
    }
    if provenance.checkpoint_size == 0 {
        return screen.line(format!(
            "{arrow} it has recorded nothing yet, so no checkpoint says so; answered by {}",
            names.full(&provenance.answered_by)
        ));
    }
    screen.line(format!(
        "{arrow} checkpoint of {}, signed by that department",
        counted(provenance.checkpoint_size, "record")
    ))?;
    screen.line(format!("   root {root}"))?;
    screen.line(format!("{arrow} {}", cosigners(provenance, names)))?;
    screen.line("")?;
    screen.line(format!(
        "as of {}",
        china_time_and_age(provenance.checkpoint_time_ms, now_ms)
    ))?;
    if let Some(heard) = provenance.confirmed_ms {
        screen.line(format!(
            "      confirmed as the department's newest {}",
            age(heard, now_ms)
        ))?;
    }
    match source {
        Source::Node => screen.line(format!(
            "      answered by {}",
            names.full(&provenance.answered_by)
        )),
        Source::File => {
            screen.line("      proved by the file alone: only a node knows what happened since")
        }
    }
}

fn cosigners(provenance: &Provenance, names: &Names) -> String {
    let count = provenance.cosigned_by.len();
    let list: Vec<String> = provenance
        .cosigned_by
        .iter()
        .map(|code| names.short(code))
        .collect();
    match count {
        0 => "cosigned by nobody else yet".to_owned(),
        1 => format!("cosigned by {}", list.join("")),
        _ => format!("cosigned by {count} departments: {}", list.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_of_another_day_says_what_it_leaves_open() {
        assert_eq!(of_another_day("2026-03-04", "2026-03-04"), None);
        let past = of_another_day("2025-12-31", "2026-03-04").unwrap();
        assert!(
            past.ends_with("only the dates are as of 2025-12-31"),
            "{past}"
        );
        let future = of_another_day("2026-10-01", "2026-03-04").unwrap();
        assert!(
            future.ends_with("if nothing is recorded until then"),
            "{future}"
        );
    }
}
