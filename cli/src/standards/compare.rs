//! What changed between two versions of a definition.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::screen::{Screen, Tone, printable};
use crate::{Error, Outcome};

/// Two versions.
#[derive(Debug, Args)]
pub(crate) struct Two {
    /// The earlier version; the one before `--to` when absent
    #[arg(long, value_name = "N")]
    from: Option<usize>,
    /// The later version; the latest when absent
    #[arg(long, value_name = "N")]
    to: Option<usize>,
}

/// One difference between two versions.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Change {
    /// Where, such as `fields.ZZBH.required`.
    path: String,
    /// Before; absent where something was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// After; absent where something was taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

pub(super) fn compare(
    two: &Two,
    screen: &mut Screen,
    get: impl Fn(Option<usize>) -> Result<(usize, Value), Error>,
) -> Result<Outcome, Error> {
    let (to, after) = get(two.to)?;
    let from = match two.from {
        Some(from) => from,
        None if to > 1 => to - 1,
        None => {
            return Err(Error::Usage(
                "there is one version only: nothing to compare",
            ));
        }
    };
    let (from, before) = get(Some(from))?;
    let changes = changes(&before, &after);
    if screen.json() {
        screen.print_json(&serde_json::json!({ "from": from, "to": to, "changes": changes }))?;
        return Ok(Outcome::Yes);
    }
    screen.line(format!("version {from} -> version {to}"))?;
    if changes.is_empty() {
        screen.line("  no difference")?;
    }
    for change in &changes {
        let path = printable(&change.path);
        let line = match (&change.before, &change.after) {
            (Some(before), Some(after)) => {
                format!("  ~ {path}: {} -> {}", printable(before), printable(after))
            }
            (None, Some(after)) => {
                screen.paint(Tone::Good, &format!("  + {path}: {}", printable(after)))
            }
            (Some(before), None) => {
                screen.paint(Tone::Bad, &format!("  - {path}: {}", printable(before)))
            }
            (None, None) => continue,
        };
        screen.line(line)?;
    }
    Ok(Outcome::Yes)
}

fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    flatten(String::new(), before, &mut old);
    flatten(String::new(), after, &mut new);
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .map(|path| Change {
            path: path.clone(),
            before: old.get(path).cloned(),
            after: new.get(path).cloned(),
        })
        .collect()
}

/// Every scalar by its path; elements of a list go by their code where they have one, so that order does not count.
fn flatten(path: String, value: &Value, out: &mut BTreeMap<String, String>) {
    let below = |name: &str| match path.as_str() {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                flatten(below(name), member, out);
            }
        }
        Value::Array(elements) => {
            for (i, element) in elements.iter().enumerate() {
                let name = match (element.get("code"), element) {
                    (Some(Value::String(code)), _) | (None, Value::String(code)) => code.clone(),
                    _ => i.to_string(),
                };
                flatten(below(&name), element, out);
            }
        }
        Value::String(text) => {
            out.insert(path, text.clone());
        }
        other => {
            out.insert(path, other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_by_path_and_order_of_fields_does_not_count() {
        let before = serde_json::json!({
            "name": "a", "holder": ["001", "111"],
            "fields": [{"code": "A", "required": true}, {"code": "B", "required": false}],
        });
        let after = serde_json::json!({
            "name": "b", "holder": ["111"],
            "fields": [{"code": "B", "required": false}, {"code": "A", "required": false}],
        });
        let found = changes(&before, &after);
        let paths: Vec<&str> = found.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["fields.A.required", "holder.001", "name"]);
        assert_eq!(found[1].after, None);
        assert!(changes(&after, &after).is_empty());
    }
}
