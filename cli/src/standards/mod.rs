//! `certmesh type`, `certmesh matter` and `certmesh grant`: what the departments agree on.

mod compare;
mod existing;
pub(crate) mod grants;
pub(crate) mod matters;
pub(crate) mod types;

use std::path::PathBuf;

use certmesh_api::{Appended, VersionView};
use clap::Args;
use serde::Serialize;

use crate::args::Global;
use crate::client::{Client, segment};
use crate::issue::{content_key, tell_appended};
use crate::moment::china_time;
use crate::screen::{Screen, grouped, printable};
use crate::{Error, Outcome};

/// A definition's file.
#[derive(Debug, Args)]
pub(crate) struct File {
    /// Definition: TOML, or JSON if its name ends in .json; `-` for JSON on standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Define it also if it names types, fields or departments that do not exist here yet
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OfDepartment {
    /// Those of this department only
    #[arg(long, value_name = "CODE")]
    department: Option<String>,
}

fn define(
    path: &str,
    what: &str,
    request: &impl Serialize,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let client = Client::new(global)?;
    let content = serde_json::to_vec(request).map_err(std::io::Error::from)?;
    let key = content_key(&client, what, &content);
    let answer = client.post(path, request, Some(&key))?;
    if screen.json() {
        return screen.pass(&answer);
    }
    let appended: Appended = answer.parse()?;
    tell_appended("DEFINED", &appended, screen)
}

fn versioned(path: &str, version: Option<usize>) -> String {
    match version {
        Some(version) => format!("{path}?version={version}"),
        None => path.to_owned(),
    }
}

fn any_of(list: &[String], any: &str) -> String {
    if list.is_empty() {
        any.to_owned()
    } else {
        printable(&list.join(", "))
    }
}

fn tell_versions(
    shown: usize,
    versions: &[VersionView],
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    for version in versions {
        let mark = if version.version == shown {
            "  (shown)"
        } else {
            ""
        };
        screen.line(format!(
            "version {} of {}, record {}{mark}",
            version.version,
            china_time(version.time_ms),
            grouped(version.seq)
        ))?;
    }
    Ok(Outcome::Yes)
}

fn of_department(path: &str, args: &OfDepartment) -> String {
    match &args.department {
        Some(department) => format!("{path}?department={}", segment(department)),
        None => path.to_owned(),
    }
}
