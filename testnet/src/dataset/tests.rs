use std::collections::BTreeMap;

use super::*;
use certmesh_api::{MatterRequest, TypeRequest};

fn made(scale: f64, seed: u64) -> (tempfile::TempDir, Summary) {
    let dir = tempfile::tempdir().unwrap();
    let args = WuhanArgs {
        out: dir.path().join("set"),
        scale,
        seed,
        json: true,
    };
    let summary = write(&args, &Screen::new(true)).unwrap();
    (dir, summary)
}

/// Every file below, by its path.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
    let (a, summary) = made(0.000_2, 3);
    let (b, _) = made(0.000_2, 3);
    let (c, _) = made(0.000_2, 4);
    let (a, b, c) = (files(a.path()), files(b.path()), files(c.path()));
    assert!(a == b);
    assert_ne!(a, c);
    // One file a type and a matter, the list, the description of exports, the tables, and one file an issuer.
    assert!(a.len() > 664 + 328 + 1 + 1 + 5);
    assert_eq!(summary.certificates, 1_502);
}

#[test]
fn what_is_written_is_read_back_as_the_definitions_the_api_takes() {
    let (dir, summary) = made(0.000_1, 0);
    let expected = (664, 328, 784, 2_699, 16);
    let found = (
        summary.types,
        summary.matters,
        summary.sub_matters,
        summary.demands,
        summary.districts,
    );
    assert_eq!(found, expected);
    let mut counts = [0; 3];
    for (path, bytes) in files(&dir.path().join("set")) {
        let text = String::from_utf8_lossy(&bytes);
        match path.iter().next().and_then(|first| first.to_str()).unwrap() {
            "types" => {
                let definition: TypeRequest = toml::from_str(&text).unwrap();
                definition.check().unwrap();
                assert_eq!(
                    path.file_stem().unwrap().to_str(),
                    Some(definition.code.as_str())
                );
                counts[0] += 1;
            }
            "matters" => {
                let definition: MatterRequest = toml::from_str(&text).unwrap();
                definition.check().unwrap();
                counts[1] += 1;
            }
            "certificates" => counts[2] += text.lines().count() as u64,
            _ => {}
        }
    }
    assert_eq!(counts, [664, 328, summary.certificates]);
}

#[test]
fn exports_are_in_their_encodings_with_the_rows_and_faults_they_are_described_with() {
    let (dir, summary) = made(0.001, 0);
    let exports = dir.path().join("set/exports");
    let described: toml::Value =
        toml::from_str(&fs::read_to_string(exports.join("exports.toml")).unwrap()).unwrap();
    let tables = described["export"].as_array().unwrap();
    assert_eq!(tables.len(), 5);
    let mut rows = 0;
    for table in tables {
        let bytes = fs::read(exports.join(table["file"].as_str().unwrap())).unwrap();
        let encoding =
            encoding_rs::Encoding::for_label(table["encoding"].as_str().unwrap().as_bytes())
                .unwrap();
        let (text, _, wrong) = encoding.decode(&bytes);
        assert!(!wrong && text.contains("样"));
        let delimiter = table["delimiter"].as_str().unwrap().as_bytes()[0];
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .from_reader(text.as_bytes());
        let columns = table["columns"].as_table().unwrap();
        let heading = reader.headers().unwrap().clone();
        assert!(
            heading.iter().all(|name| columns.contains_key(name)),
            "{heading:?}"
        );
        let at = |meaning: &str| {
            heading
                .iter()
                .position(|name| columns[name].as_str() == Some(meaning))
                .unwrap()
        };
        let (serial, holder) = (at("serial"), at("holder_code"));
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len() as i64, table["rows"].as_integer().unwrap());
        let faults = table["faults"].as_table().unwrap();
        let count = |fault: &str| {
            faults
                .get(fault)
                .map_or(0, |count| count.as_integer().unwrap())
        };
        let serials: std::collections::BTreeSet<&str> =
            records.iter().map(|record| &record[serial]).collect();
        assert_eq!((records.len() - serials.len()) as i64, count("duplicate"));
        let unnamed = records
            .iter()
            .filter(|record| record[holder].is_empty())
            .count();
        assert_eq!(unnamed as i64, count("no-holder"));
        rows += records.len() as u64;
    }
    assert_eq!(rows, summary.exported_rows);
}

#[test]
fn a_scale_out_of_range_and_a_directory_in_use_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    for scale in [0.0, -1.0, 1.01, f64::NAN, f64::INFINITY, 0.000_01] {
        let out = dir.path().join("set");
        let args = WuhanArgs {
            out: out.clone(),
            scale,
            seed: 0,
            json: true,
        };
        assert!(matches!(
            write(&args, &Screen::new(true)),
            Err(Error::Scale(_))
        ));
        assert!(!out.exists());
    }
    fs::write(dir.path().join("mine"), "x").unwrap();
    let args = WuhanArgs {
        out: dir.path().to_owned(),
        scale: 0.001,
        seed: 0,
        json: true,
    };
    assert!(matches!(
        write(&args, &Screen::new(true)),
        Err(Error::NotNew(_))
    ));
}
