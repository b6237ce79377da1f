//! What the pages say: links lead somewhere, and commands and their options exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::run;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Markdown file below a directory, but for what builds and tools put there.
fn pages(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            if name != "target" && !name.starts_with('.') {
                found.extend(pages(&path));
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A page in its parts.
#[derive(Default)]
struct Page {
    /// Lines outside of code blocks.
    prose: Vec<String>,
    /// What is typed at the prompt in console blocks, with continued lines joined.
    typed: Vec<String>,
}

fn read(path: &Path) -> Page {
    let text = fs::read_to_string(path).unwrap();
    let (mut page, mut block, mut goes_on) = (Page::default(), None, false);
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = match block {
                None => Some(language.to_owned()),
                Some(_) => None,
            };
            continue;
        }
        let Some(language) = &block else {
            page.prose.push(line.to_owned());
            continue;
        };
        let line = line.trim_start();
        let (part, begins) = match line.strip_prefix("$ ") {
            Some(part) => (part, true),
            None => (line, false),
        };
        if language != "console" || !begins && !goes_on {
            continue;
        }
        let more = part.strip_suffix('\\');
        let part = more.unwrap_or(part);
        match page.typed.last_mut().filter(|_| !begins) {
            Some(line) => line.push_str(part),
            None => page.typed.push(part.to_owned()),
        }
        goes_on = more.is_some();
    }
    assert!(
        block.is_none(),
        "{}: a code block has no end",
        path.display()
    );
    page
}

/// The code spans of a line, and the line without them.
fn spans(line: &str) -> (Vec<&str>, String) {
    let (mut code, mut prose) = (Vec::new(), String::new());
    for (place, part) in line.split('`').enumerate() {
        match place % 2 {
            0 => prose.push_str(part),
            _ => code.push(part),
        }
    }
    (code, prose)
}

/// Targets of the links of a line.
fn links(line: &str) -> Vec<String> {
    // A link's text may be code; its target is not.
    let (_, prose) = spans(line);
    let targets = prose.split("](").skip(1);
    targets
        .map(|rest| rest.split(')').next().unwrap_or_default().to_owned())
        .collect()
}

/// The anchors of a page: its headings in lower case, with hyphens for spaces and without other signs.
fn anchors(page: &Page) -> Vec<String> {
    let mut times = BTreeMap::new();
    let headings = page.prose.iter().filter(|line| line.starts_with('#'));
    let anchor = |heading: &String| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let before = times.entry(anchor.clone()).or_insert(0);
        *before += 1;
        match *before {
            1 => anchor,
            _ => format!("{anchor}-{}", *before - 1),
        }
    };
    headings.map(anchor).collect()
}

#[test]
fn links_are_found_beside_code_and_anchors_follow_from_headings() {
    let line = "see [`a [b](c)`](d.md#e-f), `[no](link)` and [two](../g.md)";
    assert_eq!(links(line), ["d.md#e-f", "../g.md"]);
    let prose = ["## On disk", "text", "# `GET /x`, twice", "### On disk"];
    let page = Page {
        prose: prose.map(str::to_owned).to_vec(),
        ..Page::default()
    };
    assert_eq!(anchors(&page), ["on-disk", "get-x-twice", "on-disk-1"]);
}

#[test]
fn every_relative_link_of_every_page_leads_to_a_file_and_to_one_of_its_headings() {
    let (mut faults, mut followed) = (Vec::new(), 0);
    for path in pages(&repository()) {
        let page = read(&path);
        for target in page.prose.iter().flat_map(|line| links(line)) {
            if target.contains("://") {
                continue;
            }
            followed += 1;
            let (file, anchor) = match target.split_once('#') {
                Some((file, anchor)) => (file, Some(anchor)),
                None => (target.as_str(), None),
            };
            let to = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            let there = match anchor {
                None => to.exists(),
                Some(anchor) => {
                    to.is_file() && anchors(&read(&to)).iter().any(|known| known == anchor)
                }
            };
            if !there {
                faults.push(format!("{}: {target} leads nowhere", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(followed > 50, "{followed} links in all");
}

/// A command's program, the names of its subcommand, and the long options that it is given.
fn command(line: &str) -> Option<(&'static str, Vec<&str>, Vec<&str>)> {
    let mut words = line.split_whitespace();
    let program = match words.next()? {
        "certmesh" => "cli",
        "certmesh-node" => "node",
        "certmesh-testnet" => "testnet",
        _ => return None,
    };
    let words: Vec<&str> = words
        .take_while(|word| !["|", ">", "<", "&&"].contains(word))
        .collect();
    let is_name = |word: &&&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let names = words.iter().take_while(|word| !word.starts_with('-'));
    let names = names.take_while(is_name).copied().collect();
    let options = words.iter().filter(|word| word.starts_with("--"));
    let options = options.map(|word| word.trim_end_matches(';')).collect();
    Some((program, names, options))
}

#[test]
fn every_command_that_a_page_for_users_shows_exists_with_its_options() {
    let mut helps: BTreeMap<(&str, Vec<String>), String> = BTreeMap::new();
    let mut faults = Vec::new();
    let mut for_users = pages(&repository().join("docs"));
    for_users.push(repository().join("README.md"));
    for path in for_users {
        let page = read(&path);
        let in_prose = page.prose.iter().flat_map(|line| spans(line).0);
        for line in in_prose.chain(page.typed.iter().map(String::as_str)) {
            let Some((program, names, options)) = command(line) else {
                continue;
            };
            let key = (
                program,
                names.iter().map(|name| (*name).to_owned()).collect(),
            );
            let help = helps.entry(key).or_insert_with(|| {
                let asked = [&names[..], &["--help"]].concat();
                let ran = run(program, &asked, b"", |_| {});
                if ran.code == 0 {
                    ran.out
                } else {
                    String::new()
                }
            });
            let known: Vec<&str> = help
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                .collect();
            let missing = options.iter().filter(|option| !known.contains(option));
            faults.extend(missing.map(|option| format!("{option} of `{line}`")));
            if help.is_empty() {
                faults.push(format!("`{line}`"));
            }
        }
    }
    assert!(faults.is_empty(), "no such thing:\n{}", faults.join("\n"));
    assert!(helps.len() > 30, "{} commands in all", helps.len());
}
