//! What a shell offers for a word that was begun: types, matters and departments as the node knows them.
//!
//! A shell asks the command itself, by the variable `COMPLETE`. What the profile and the environment say of the node holds
//! here too; options on the line that is being typed do not. Where the node does not answer, nothing is offered.

use std::ffi::OsStr;

use certmesh_api::{Matters, NodeStatus};
use clap::CommandFactory;
use clap_complete::{ArgValueCompleter, CompleteEnv, CompletionCandidate};

use crate::args::{Cli, Global};
use crate::client::Client;
use crate::lookup::{self, Known};

/// Answers a shell that asks for candidates or for its script, and then ends the process; otherwise nothing.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Cli::command).complete();
}

/// Completes a type's code.
pub(crate) fn types() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| offered(word, |client| lookup::types(client).ok()))
}

/// Completes a department's code.
pub(crate) fn departments() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| offered(word, |client| lookup::departments(client).ok()))
}

/// Completes a matter of any department, as `certmesh matter` takes it.
pub(crate) fn matters() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| {
        offered(word, |client| {
            let matters: Matters = client.get_list("/v1/matters").ok()?;
            let known = matters.matters.iter().map(|matter| {
                let definition = &matter.definition;
                let code = format!("{}/{}", matter.department, definition.code);
                Known::new(code, &*definition.name)
            });
            Some(known.collect())
        })
    })
}

/// Completes a sub-matter of this department, as cases name it.
pub(crate) fn own_parts() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| {
        offered(word, |client| {
            let own: NodeStatus = client.get("/v1/status").ok()?.parse().ok()?;
            let path = format!("/v1/matters?department={}", own.department);
            let matters: Matters = client.get_list(&path).ok()?;
            let parts = matters.matters.iter().flat_map(|matter| {
                let definition = &matter.definition;
                let parts = definition.sub.iter();
                parts.map(move |part| {
                    let code = format!("{}/{}", definition.code, part.code);
                    Known::new(code, format!("{} {}", definition.name, part.name))
                })
            });
            Some(parts.collect())
        })
    })
}

/// Those of the node's that a word begins, or is part of the name of.
fn offered(
    word: &OsStr,
    known: impl Fn(&Client) -> Option<Vec<Known>>,
) -> Vec<CompletionCandidate> {
    let (Some(word), Ok(global)) = (word.to_str(), Global::of_environment()) else {
        return Vec::new();
    };
    let known = Client::new(&global).ok().and_then(|client| known(&client));
    fitting(word, &known.unwrap_or_default())
        .into_iter()
        .map(|one| CompletionCandidate::new(&one.code).help(Some(one.name.clone().into())))
        .collect()
}

fn fitting<'k>(word: &str, known: &'k [Known]) -> Vec<&'k Known> {
    let begun: Vec<&Known> = known
        .iter()
        .filter(|one| one.code.starts_with(word))
        .collect();
    match begun.is_empty() {
        true => lookup::matching(word, known),
        false => begun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_completed_by_the_codes_it_begins_or_the_names_it_is_part_of() {
        let known = [
            Known::new("SL-001/01", "企业设立登记 有限责任公司设立"),
            Known::new("SL-001/02", "企业设立登记 分公司设立"),
            Known::new("ZX-001/01", "企业注销登记"),
        ];
        let codes = |word: &str| -> Vec<&str> {
            let fitting = fitting(word, &known).into_iter();
            fitting.map(|one| &*one.code).collect()
        };
        assert_eq!(codes("SL"), ["SL-001/01", "SL-001/02"]);
        assert_eq!(codes("注销"), ["ZX-001/01"]);
        assert_eq!(codes("").len(), 3);
        assert_eq!(codes("XX"), Vec::<&str>::new());
    }
}
