//! `dataset wuhan`: a city's worth of made-up types, matters, certificates and old tables, in the shape and number that
//! a study of Wuhan's citizen centre reports.
//!
//! The same seed and scale give the same bytes. Names of departments and of the commonest types are real; every code,
//! every holder and every certificate is made up, in divisions that do not exist. What is written:
//!
//! - `departments.toml`: codes and names
//! - `types/<code>.toml`, `matters/<department>/<code>.toml`: definitions, as `certmesh type define` and
//!   `certmesh matter define` take them
//! - `certificates/<department>.jsonl`: rows, as `certmesh import` takes them
//! - `exports/<department>.csv`: tables of old systems, described in `exports/exports.toml`
//!
//! Where to look: `offices`, `known_types` and `kinds`, `matters`, `holders`, `certificates`, `exports`; all chance
//! comes from `dice`. `year` measures what accepting cases over such a data set saves, `city` what a node needs for it.

mod certificates;
mod city;
mod dice;
mod exports;
mod holders;
mod kinds;
mod known_types;
mod matters;
mod offices;
mod year;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::Error;
use crate::screen::Screen;
use certificates::{Maker, Population, Stream};
use exports::{Names, TABLES, Written};
use kinds::Kind;
use matters::Planned;
use offices::Office;

pub use city::{CityArgs, city};
pub use year::{Count, DepartmentCount, Drawn, Spread, Subjects, Year, YearArgs, measure};

/// Certificates at scale 1.0: those collected from September 2012 to 15 October 2017.
pub const CERTIFICATES: u64 = 7_512_000;
/// What `departments.toml` begins with.
const MADE_UP: &str = "\
# A made-up data set, written by `certmesh-testnet dataset wuhan`.
# Names of departments and of the commonest certificate types are real, as of 2017. Everything else is not: codes,
# holders and certificates are of divisions 9901.., which GB/T 2260 does not assign, and belong to nobody.
";
/// Smallest scale: below it most types would have no certificate.
const LEAST_SCALE: f64 = 0.000_1;

/// Write a made-up data set to try certmesh with, and measure what sharing it saves
#[derive(Clone, Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  certmesh-testnet dataset wuhan --out wuhan\n  certmesh-testnet dataset year --data wuhan"
)]
pub enum DatasetCommand {
    /// A city's certificates, in the numbers that a study of Wuhan reports: 664 types, 328 matters, 2,699 demands
    ///
    /// The same seed and scale give the same bytes. Codes, holders and certificates are made up, in divisions that do not
    /// exist; names of types that are made up as well end in （模拟）.
    Wuhan(WuhanArgs),
    /// Accept a year of cases over a data set, and count the submissions each saves
    ///
    /// Departments' logs are written as their nodes would write them, in a temporary directory, and every case goes through
    /// the function that answers `certmesh accept`. The same data set, seed and number of cases give the same figures.
    ///
    /// A few sub-matters make most cases: the second in an order makes half as many as the first, the third a third; ten
    /// orders drawn by the seed take turns. Of a hundred subjects 10 hold nothing, 45 are holders of a type that the sub-matter asks for, the others any
    /// holders, drawn by certificate; people for what mostly asks for people's certificates, organisations for the rest.
    /// The year ends on the last day on which a certificate begins. A case issues no certificate, and nobody made a grant.
    Year(YearArgs),
}

/// What of the data set to write, and where.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  certmesh-testnet dataset wuhan --out wuhan\n  certmesh-testnet dataset wuhan --out wuhan --scale 0.1 --seed 7\n  certmesh report need --matters wuhan/matters"
)]
pub struct WuhanArgs {
    /// Directory to write to: a new one, or an empty one
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Part of the 7.512 million certificates: 0.0001 to 1
    #[arg(long, value_name = "S", default_value_t = 0.001)]
    pub scale: f64,
    /// What all chance follows from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Print what was written as JSON
    #[arg(long)]
    pub json: bool,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// What all chance followed from.
    pub seed: u64,
    /// Part of the certificates there would be.
    pub scale: f64,
    /// Departments, districts' bureaus included.
    pub departments: usize,
    /// Districts' bureaus.
    pub districts: usize,
    /// Types.
    pub types: usize,
    /// Types with a real name.
    pub known_types: usize,
    /// Matters.
    pub matters: usize,
    /// Their sub-matters.
    pub sub_matters: usize,
    /// What they demand.
    pub demands: usize,
    /// Certificates.
    pub certificates: u64,
    /// Rows of old tables, not counted among the certificates.
    pub exported_rows: u64,
}

/// Runs `dataset`.
///
/// # Errors
/// [`Error`].
pub fn dataset(command: &DatasetCommand) -> Result<(), Error> {
    let args = match command {
        DatasetCommand::Wuhan(args) => args,
        DatasetCommand::Year(args) => return year::run(args),
    };
    let screen = Screen::new(args.json);
    let summary = write(args, &screen)?;
    screen.line(screen.strong(&format!("written to {}", args.out.display())));
    for (what, count) in [
        ("departments", summary.departments as u64),
        ("types", summary.types as u64),
        ("matters", summary.matters as u64),
        ("sub-matters", summary.sub_matters as u64),
        ("demands", summary.demands as u64),
        ("certificates", summary.certificates),
        ("rows of old tables", summary.exported_rows),
    ] {
        screen.line(format!("{count:>10}  {what}"));
    }
    screen.document(
        &serde_json::to_value(&summary).map_err(|error| Error::Broken(error.to_string()))?,
    );
    Ok(())
}

/// Writes the data set.
///
/// # Errors
/// [`Error::Scale`], [`Error::NotNew`], or [`Error::File`] where the disk refuses.
pub fn write(args: &WuhanArgs, screen: &Screen) -> Result<Summary, Error> {
    if !(LEAST_SCALE..=1.0).contains(&args.scale) {
        return Err(Error::Scale(args.scale));
    }
    let total = (CERTIFICATES as f64 * args.scale).round() as u64;
    new_directory(&args.out)?;
    let set = DataSet::new(args.seed, total)?;
    set.write_departments(&args.out)?;
    set.write_types(&args.out)?;
    set.write_matters(&args.out)?;
    set.write_certificates(&args.out, screen)?;
    let tables = set.write_exports(&args.out)?;
    let subs = || set.matters.iter().flat_map(|matter| &matter.definition.sub);
    Ok(Summary {
        seed: args.seed,
        scale: args.scale,
        departments: set.offices.len(),
        districts: set.offices.iter().filter(|office| office.district).count(),
        types: set.kinds.len(),
        known_types: set.kinds.iter().filter(|kind| kind.is_known()).count(),
        matters: set.matters.len(),
        sub_matters: subs().count(),
        demands: subs().map(|sub| sub.requires.len()).sum(),
        certificates: set.streams.iter().map(|stream| stream.count).sum(),
        exported_rows: tables.iter().map(|table| table.rows).sum(),
    })
}

/// Everything but the certificates themselves, which are made as they are written.
struct DataSet {
    seed: u64,
    offices: Vec<Office>,
    kinds: Vec<Kind>,
    matters: Vec<Planned>,
    streams: Vec<Stream>,
    population: Population,
}

#[derive(Serialize)]
struct Departments {
    department: Vec<Listed>,
}

/// A department in `departments.toml`.
#[derive(Serialize)]
struct Listed {
    code: String,
    name: String,
    level: &'static str,
}

#[derive(Serialize)]
struct Tables<'a> {
    export: &'a [Written],
}

impl DataSet {
    fn new(seed: u64, total: u64) -> Result<DataSet, Error> {
        let offices = offices::all()?;
        let kinds = kinds::all(seed, &offices)?;
        let matters = matters::all(seed, &kinds);
        let streams = certificates::streams(total, &kinds);
        let population = Population::of(&streams, &kinds);
        Ok(DataSet {
            seed,
            offices,
            kinds,
            matters,
            streams,
            population,
        })
    }

    fn maker<'a>(&'a self, stream: &'a Stream) -> Maker<'a> {
        Maker::new(
            self.seed,
            stream,
            &self.kinds,
            &self.offices,
            self.population,
        )
    }

    fn write_departments(&self, out: &Path) -> Result<(), Error> {
        let listed = |office: &Office| Listed {
            code: office.code.to_string(),
            name: office.name.clone(),
            level: if office.district { "district" } else { "city" },
        };
        let department = self.offices.iter().map(listed).collect();
        let path = out.join("departments.toml");
        let list = toml::to_string(&Departments { department });
        let list = list.map_err(|error| Error::malformed(&path, &error))?;
        let seed = self.seed;
        fs::write(&path, format!("{MADE_UP}# Seed {seed}.\n\n{list}")).map_err(Error::file(&path))
    }

    fn write_types(&self, out: &Path) -> Result<(), Error> {
        let dir = directory(out.join("types"))?;
        for kind in &self.kinds {
            let path = dir.join(format!("{}.toml", kind.code));
            write_toml(&path, &kind.definition(&self.offices))?;
        }
        Ok(())
    }

    fn write_matters(&self, out: &Path) -> Result<(), Error> {
        let dir = directory(out.join("matters"))?;
        for matter in &self.matters {
            let code = &self.offices[matter.department].code;
            let dir = directory(dir.join(code.as_str()))?;
            write_toml(
                &dir.join(format!("{}.toml", matter.definition.code)),
                &matter.definition,
            )?;
        }
        Ok(())
    }

    fn write_certificates(&self, out: &Path, screen: &Screen) -> Result<(), Error> {
        let dir = directory(out.join("certificates"))?;
        let bar = screen.progress(
            self.streams.iter().map(|stream| stream.count).sum(),
            "certificates",
        );
        for streams in self.streams.chunk_by(|a, b| a.issuer == b.issuer) {
            let path = dir.join(format!("{}.jsonl", self.offices[streams[0].issuer].code));
            let file = File::create(&path).map_err(Error::file(&path))?;
            let mut file = BufWriter::with_capacity(1 << 16, file);
            for stream in streams {
                let maker = self.maker(stream);
                for number in 0..stream.count {
                    let row = serde_json::to_writer(&mut file, &maker.row(number)?);
                    row.map_err(std::io::Error::from)
                        .and_then(|()| file.write_all(b"\n"))
                        .map_err(Error::file(&path))?;
                }
                bar.inc(stream.count);
            }
            file.flush().map_err(Error::file(&path))?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn write_exports(&self, out: &Path) -> Result<Vec<Written>, Error> {
        let dir = directory(out.join("exports"))?;
        let mut written = Vec::with_capacity(TABLES.len());
        for table in &TABLES {
            let issuer = offices::place_of(table.department);
            let kind = self.kinds.iter().position(|kind| kind.name == table.kind);
            let kind = kind.ok_or_else(|| Error::Broken(format!("no type {}", table.kind)))?;
            let of_both = |stream: &&Stream| stream.issuer == issuer && stream.kind == kind;
            let count = self
                .streams
                .iter()
                .find(of_both)
                .map_or(0, |stream| stream.count);
            let stream = Stream {
                issuer,
                kind,
                count,
            };
            let office = &self.offices[issuer];
            let names = Names {
                department: office.code.as_str(),
                department_name: &office.name,
                type_code: self.kinds[kind].code.as_str(),
            };
            written.push(table.write(self.seed, &dir, &names, &self.maker(&stream), count)?);
        }
        write_toml(&dir.join("exports.toml"), &Tables { export: &written })?;
        Ok(written)
    }
}

/// Makes the directory unless it is there and empty.
fn new_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::file(path))?;
    match fs::read_dir(path).map_err(Error::file(path))?.next() {
        None => Ok(()),
        Some(_) => Err(Error::NotNew(path.to_owned())),
    }
}

fn directory(path: PathBuf) -> Result<PathBuf, Error> {
    fs::create_dir_all(&path).map_err(Error::file(&path))?;
    Ok(path)
}

fn write_toml(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let text = toml::to_string(value).map_err(|error| Error::malformed(path, &error))?;
    fs::write(path, text).map_err(Error::file(path))
}

#[cfg(test)]
mod tests;
