//! A data set read back from its directory; whatever is wrong is reported with file and line.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use certmesh_api::faults::FaultList;
use certmesh_api::{IssueRequest, MatterRequest, TypeRequest};
use certmesh_ledger::codec::Text;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::record::{MatterDefined, TypeDefined};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::Error;
use crate::departments::MAX_DEPARTMENTS;
use crate::network::Founder;

/// Longest line of a file of certificates, in bytes: more than a certificate may take.
const MAX_LINE: u64 = 1 << 20;

/// A data set but for its certificates, which are read when they are wanted.
pub(in crate::dataset) struct DataSet {
    dir: PathBuf,
    /// Its departments.
    pub(in crate::dataset) departments: Vec<Founder>,
    /// Its types, by code, with their files.
    pub(super) types: Vec<(PathBuf, TypeDefined)>,
    /// Its matters, by department and code.
    pub(in crate::dataset) matters: Vec<(DepartmentCode, MatterDefined)>,
}

#[derive(Deserialize)]
struct Departments {
    department: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    code: String,
    name: String,
}

impl DataSet {
    /// Reads the data set of a directory.
    ///
    /// # Errors
    /// [`Error::NoDataSet`] for a directory that holds none, otherwise what is wrong where.
    pub(in crate::dataset) fn read(dir: &Path) -> Result<DataSet, Error> {
        for missing in ["departments.toml", "types", "matters", "certificates"] {
            if !dir.join(missing).exists() {
                let dir = dir.to_owned();
                return Err(Error::NoDataSet { dir, missing });
            }
        }
        let departments = departments(&dir.join("departments.toml"))?;
        let mut types = Vec::new();
        for path in files(&dir.join("types"), "toml")? {
            let definition = definition(&path, TypeRequest::check)?;
            types.push((path, definition));
        }
        let mut matters = Vec::new();
        for department in &departments {
            let own = dir.join("matters").join(department.code.as_str());
            if !own.exists() {
                continue;
            }
            for path in files(&own, "toml")? {
                let matter = definition(&path, MatterRequest::check)?;
                matters.push((department.code, matter));
            }
        }
        Ok(DataSet {
            dir: dir.to_owned(),
            departments,
            types,
            matters,
        })
    }

    /// The certificates that a department issued, in their order.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be taken; or what `take` says of one, which is reported with its line.
    pub(super) fn certificates(
        &self,
        department: &DepartmentCode,
        mut take: impl FnMut(IssueRequest) -> Result<(), String>,
    ) -> Result<(), Error> {
        let path = self.dir.join(format!("certificates/{department}.jsonl"));
        if !path.exists() {
            return Ok(());
        }
        let mut file = BufReader::new(File::open(&path).map_err(Error::file(&path))?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
            if read.map_err(Error::file(&path))? == 0 {
                break;
            }
            row(&line)
                .and_then(&mut take)
                .map_err(|detail| Error::line(&path, number, &detail))?;
        }
        Ok(())
    }

    /// How many lines the files of certificates have.
    ///
    /// # Errors
    /// [`Error::File`].
    pub(in crate::dataset) fn count(&self) -> Result<u64, Error> {
        let mut lines = 0;
        for path in files(&self.dir.join("certificates"), "jsonl")? {
            let stem = path.file_stem().unwrap_or_default();
            if !self.departments.iter().any(|one| stem == one.code.as_str()) {
                let detail = "its name is not the code of a department in departments.toml";
                return Err(Error::malformed(&path, &detail));
            }
            let mut file = BufReader::new(File::open(&path).map_err(Error::file(&path))?);
            loop {
                let bytes = file.fill_buf().map_err(Error::file(&path))?;
                if bytes.is_empty() {
                    break;
                }
                lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
                let read = bytes.len();
                file.consume(read);
            }
        }
        Ok(lines)
    }
}

/// A line's certificate. What is wrong is reported without quoting the line: it names a holder.
fn row(line: &[u8]) -> Result<IssueRequest, String> {
    serde_json::from_slice(line).map_err(|error| match error.classify() {
        Category::Eof => "ends in the middle of a certificate: the file was cut off".to_owned(),
        Category::Data => format!(
            "is not a certificate as `certmesh import` takes it (column {})",
            error.column()
        ),
        _ => format!("is not JSON (column {})", error.column()),
    })
}

fn departments(path: &Path) -> Result<Vec<Founder>, Error> {
    let listed: Departments = toml_of(path)?;
    let found = listed.department.len();
    if !(1..=MAX_DEPARTMENTS).contains(&found) {
        let max = MAX_DEPARTMENTS;
        return Err(Error::Departments { found, max });
    }
    let mut seen = BTreeSet::new();
    let founder = |one: Listed| {
        let code: DepartmentCode = one
            .code
            .parse()
            .map_err(|error| Error::malformed(path, &error))?;
        if !seen.insert(code) {
            let twice = format!("department {code} stands in it twice");
            return Err(Error::malformed(path, &twice));
        }
        if let Err(error) = Text::<128>::new(one.name.as_str()) {
            let detail = format!("name of department {code}: {error}");
            return Err(Error::malformed(path, &detail));
        }
        Ok(Founder {
            code,
            name: one.name.clone(),
            name_zh: one.name,
            governs: true,
        })
    };
    listed.department.into_iter().map(founder).collect()
}

fn definition<T: DeserializeOwned, D>(
    path: &Path,
    check: impl Fn(&T) -> Result<D, FaultList>,
) -> Result<D, Error> {
    check(&toml_of(path)?).map_err(|faults| Error::malformed(path, &certmesh_text::faults(&faults)))
}

fn toml_of<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = fs::read_to_string(path).map_err(Error::file(path))?;
    toml::from_str(&text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = 1 + before.map_or(0, |before| before.matches('\n').count());
        Error::line(path, line, error.message().trim_end())
    })
}

/// The files of a directory with this ending, by name; at least one.
fn files(dir: &Path, ending: &str) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::file(dir))? {
        let path = entry.map_err(Error::file(dir))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == ending)
        {
            found.push(path);
        }
    }
    if found.is_empty() {
        let detail = format!("holds no file that ends in .{ending}");
        return Err(Error::malformed(dir, &detail));
    }
    found.sort();
    Ok(found)
}
