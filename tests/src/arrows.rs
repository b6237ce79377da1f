//! Arrows between the rooms of a crate: read from the sources, since the compiler allows modules of one crate to use each
//! other in circles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which top-level module of a crate mentions which others, each with a file that does.
type Arrows = BTreeMap<String, BTreeMap<String, PathBuf>>;

pub(crate) fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// A file without its comments and its module of tests.
pub(crate) fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let (code, _) = text
        .split_once("#[cfg(test)]\nmod tests {")
        .unwrap_or((&text, ""));
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules that a piece of code names after `crate::`, or what it names of another crate.
fn named_after(code: &str, crate_name: &str) -> BTreeSet<String> {
    let word = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let mut names = BTreeSet::new();
    for rest in code.split(&format!("{crate_name}::")).skip(1) {
        match rest.strip_prefix('{') {
            None => drop(names.insert(word(rest))),
            Some(list) => {
                let list = &list[..list.find(';').unwrap_or(list.len())];
                names.extend(list.split(',').map(|item| word(item.trim())));
            }
        }
    }
    names
}

fn arrows(crate_dir: &str) -> Arrows {
    let src = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(crate_dir)
        .join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let room = |path: &Path| {
        let inner = path.strip_prefix(&src).unwrap();
        let first = inner
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    };
    let rooms: BTreeSet<String> = files.iter().map(|path| room(path)).collect();
    let mut arrows = Arrows::new();
    for path in &files {
        let from = room(path);
        if from == "lib" || from == "main" {
            continue;
        }
        for to in named_after(&code(path), "crate") {
            if to != from && rooms.contains(&to) {
                arrows
                    .entry(from.clone())
                    .or_default()
                    .entry(to)
                    .or_insert(path.clone());
            }
        }
    }
    arrows
}

/// The way from one room to another along the arrows, if there is one.
fn way(arrows: &Arrows, from: &str, to: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        for next in arrows.get(way.last()?).into_iter().flat_map(BTreeMap::keys) {
            let mut longer = way.clone();
            longer.push(next.clone());
            if next == to {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                ways.push(longer);
            }
        }
    }
    None
}

#[track_caller]
fn no_circle(crate_dir: &str) {
    let arrows = arrows(crate_dir);
    assert!(arrows.len() > 3, "the sources were read");
    for (from, targets) in &arrows {
        for (to, path) in targets {
            if let Some(back) = way(&arrows, to, from) {
                panic!(
                    "{} uses {to}, and {} lead back",
                    path.display(),
                    back.join(" → ")
                );
            }
        }
    }
}

#[test]
fn no_rooms_of_the_node_use_each_other_in_a_circle() {
    no_circle("node");
}

#[test]
fn no_rooms_of_the_ledger_use_each_other_in_a_circle() {
    no_circle("ledger");
}

#[test]
fn what_a_peer_does_knows_nothing_of_http() {
    let arrows = arrows("node");
    for room in ["app", "peer", "net", "watch"] {
        let uses = arrows
            .get(room)
            .is_some_and(|uses| uses.contains_key("http"));
        assert!(!uses, "{room} uses http");
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/src");
    for room in ["app", "peer", "net", "watch"] {
        let mut files = Vec::new();
        sources(&src.join(room), &mut files);
        for path in files {
            let code = code(&path);
            let web = ["axum", "StatusCode", "HeaderMap"];
            let found = web.iter().find(|word| code.contains(**word));
            assert_eq!(found, None, "{}", path.display());
        }
    }
}

/// The names of the API's shapes: the structs of certmesh-api that have a schema.
fn shapes() -> BTreeSet<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/api/src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut shapes = BTreeSet::new();
    for path in files {
        let code = code(&path);
        let mut has_schema = false;
        for line in code.lines() {
            if line.starts_with("#[derive(") {
                has_schema = line.contains("ToSchema");
            } else if let Some(rest) = line.strip_prefix("pub struct ")
                && std::mem::take(&mut has_schema)
            {
                let end = rest.find(|c: char| !c.is_alphanumeric());
                shapes.insert(rest[..end.unwrap_or(rest.len())].to_owned());
            }
        }
    }
    shapes
}

#[test]
fn use_cases_take_and_give_no_shape_of_the_api() {
    let shapes = shapes();
    assert!(shapes.contains("Verification"), "{shapes:?}");
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/src");
    for room in ["app", "peer", "net"] {
        let mut files = Vec::new();
        sources(&src.join(room), &mut files);
        for path in files {
            let mut names = named_after(&code(&path), "certmesh_api").into_iter();
            let shape = names.find(|name| shapes.contains(name));
            assert_eq!(shape, None, "{}", path.display());
        }
    }
}

#[test]
fn peer_knows_nothing_of_the_use_cases_built_on_it() {
    assert_eq!(way(&arrows("node"), "peer", "app"), None);
    assert_eq!(way(&arrows("node"), "net", "peer"), None);
}
