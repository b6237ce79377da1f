//! Definitions in a directory of files, as departments keep them before they define them: read all, with every fault of
//! every file reported at once.

use std::fs;
use std::path::{Path, PathBuf};

use certmesh_api::faults::FaultList;
use certmesh_api::{MatterRequest, Matters, TypeRequest};
use certmesh_ledger::id::DepartmentCode;
use certmesh_text::at_field;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::args::Global;
use crate::client::Client;
use crate::{Error, files};

/// Faults that are shown one by one.
const SHOWN: usize = 20;

/// A matter, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct OwnedMatter {
    /// The department's code; empty where the directory of the file does not have one for its name.
    pub(crate) department: String,
    /// The definition.
    pub(crate) definition: MatterRequest,
}

/// The matters of a directory, or of the node's catalogue where none is given.
///
/// # Errors
/// [`Error::Faults`] with every fault of every file; [`Error::NothingIn`] for a directory without definitions.
pub(crate) fn matters(dir: Option<&Path>, global: &Global) -> Result<Vec<OwnedMatter>, Error> {
    let Some(dir) = dir else {
        let all: Matters = Client::new(global)?.get_list("/v1/matters")?;
        let owned = |matter: certmesh_api::MatterSummary| OwnedMatter {
            department: matter.department,
            definition: matter.definition,
        };
        return Ok(all.matters.into_iter().map(owned).collect());
    };
    let read = read_all(
        dir,
        "the matters cannot be read",
        |matter: &MatterRequest| matter.check().map(drop),
    )?;
    let owned = |(path, definition): (PathBuf, MatterRequest)| OwnedMatter {
        department: department_of(&path),
        definition,
    };
    let matters: Vec<OwnedMatter> = read.into_iter().map(owned).collect();
    let mut seen = std::collections::BTreeSet::new();
    let twice = matters.iter().filter_map(|matter| {
        let name = (matter.department.as_str(), matter.definition.code.as_str());
        (!seen.insert(name)).then(|| format!("matter {}: appears in two files", name.1))
    });
    let twice: Vec<String> = twice.collect();
    if twice.is_empty() {
        Ok(matters)
    } else {
        Err(faults("the matters cannot be counted", twice))
    }
}

/// The types of a directory.
///
/// # Errors
/// As [`matters`].
pub(crate) fn types(dir: &Path) -> Result<Vec<TypeRequest>, Error> {
    let read = read_all(dir, "the types cannot be read", |kind: &TypeRequest| {
        kind.check().map(drop)
    })?;
    Ok(read.into_iter().map(|(_, kind)| kind).collect())
}

fn department_of(path: &Path) -> String {
    let name = path.parent().and_then(Path::file_name);
    let code = name.and_then(|name| name.to_str()?.parse::<DepartmentCode>().ok());
    code.map(|code| code.to_string()).unwrap_or_default()
}

fn faults(what: &'static str, mut faults: Vec<String>) -> Error {
    let more = faults.len().saturating_sub(SHOWN);
    faults.truncate(SHOWN);
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    Error::Faults { what, faults }
}

/// Every TOML and JSON file in a directory and those below it, by path.
fn read_all<T: DeserializeOwned + Serialize>(
    dir: &Path,
    what: &'static str,
    check: impl Fn(&T) -> Result<(), FaultList>,
) -> Result<Vec<(PathBuf, T)>, Error> {
    let mut found = Vec::new();
    let mut wrong = Vec::new();
    for path in definition_files(dir)? {
        let text = files::read_text(&path)?;
        match parse::<T>(&path, &text) {
            Err(fault) => wrong.push(fault),
            Ok(value) => {
                if let Err(refusal) = check(&value) {
                    wrong.extend(located(&path, &text, &value, &refusal));
                }
                found.push((path, value));
            }
        }
    }
    match (wrong.is_empty(), found.is_empty()) {
        (false, _) => Err(faults(what, wrong)),
        (true, true) => Err(Error::NothingIn(dir.to_owned())),
        (true, false) => Ok(found),
    }
}

fn definition_files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        let failed = |error| Error::read(&dir, error);
        for entry in fs::read_dir(&dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            // A link to a directory is not followed: it may lead in a circle.
            if entry.file_type().map_err(failed)?.is_dir() {
                open.push(path);
            } else if is(&path, "toml") || is(&path, "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// The file's definition, or its fault with path and line.
fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, String> {
    let fault = |line: Option<usize>, what: &str| match line {
        Some(line) => format!("{}:{line}: {}", path.display(), what.trim_end()),
        None => format!("{}: {}", path.display(), what.trim_end()),
    };
    if is(path, "json") {
        serde_json::from_str(text).map_err(|error| fault(Some(error.line()), &error.to_string()))
    } else {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            fault(before.map(lines_to), error.message())
        })
    }
}

/// The number of the line that comes after this text.
fn lines_to(before: &str) -> usize {
    1 + before.matches('\n').count()
}

/// The faults of a definition that could be read, each with the line on which the value at fault stands where there is
/// no doubt about it.
fn located(path: &Path, text: &str, value: &impl Serialize, faults: &FaultList) -> Vec<String> {
    let value = serde_json::to_value(value).unwrap_or_default();
    let line_of = |field: &str| {
        // `sub[0].requires[1]` is /sub/0/requires/1.
        let pointer = field.replace(']', "").replace(['.', '['], "/");
        let found = value.pointer(&format!("/{pointer}"))?.as_str()?;
        let found = format!("\"{found}\"");
        let mut places = text.match_indices(&found);
        let ((first, _), another) = (places.next()?, places.next());
        let before = text.get(..first).filter(|_| another.is_none());
        before.map(lines_to)
    };
    let more =
        (faults.more() > 0).then(|| format!("{}: and {} more", path.display(), faults.more()));
    let shown = faults.iter().map(|fault| {
        let said = at_field(fault);
        match line_of(&fault.at) {
            Some(line) => format!("{}:{line}: {said}", path.display()),
            None => format!("{}: {said}", path.display()),
        }
    });
    shown.chain(more).collect()
}
