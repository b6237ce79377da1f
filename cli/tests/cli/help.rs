use std::collections::BTreeSet;

use crate::command::certmesh;

/// Every command, as the help itself lists them.
fn every_command() -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(path) = open.pop() {
        let mut args = path.clone();
        args.push("--help".to_owned());
        let help = certmesh(&args).exits(0).out;
        // The commands of a command stand under one heading, those of the program under several, all before the options.
        let listed = match path.is_empty() {
            true => help.split("\nOptions:\n").next().unwrap_or_default(),
            false => {
                let listed = help.split("\nCommands:\n").nth(1).unwrap_or_default();
                listed.split("\n\n").next().unwrap_or_default()
            }
        };
        for line in listed.lines() {
            let is_name = line.starts_with("  ") && !line.starts_with("   ");
            let name = line
                .split_whitespace()
                .next()
                .filter(|name| is_name && *name != "help");
            open.extend(name.map(|name| [path.clone(), vec![name.to_owned()]].concat()));
        }
        found.push(path);
    }
    found
}

#[test]
fn the_help_of_every_command_shows_an_example_that_begins_with_it() {
    let commands = every_command();
    assert!(commands.len() >= 29, "{commands:?}");
    for command in commands {
        let args = [command.clone(), vec!["--help".to_owned()]].concat();
        let help = certmesh(args).exits(0).out;
        let examples = help
            .split("Examples:")
            .nth(1)
            .unwrap_or_else(|| panic!("{command:?} has no example:\n{help}"));
        let begins = [vec!["certmesh".to_owned()], command.clone()]
            .concat()
            .join(" ");
        assert!(examples.contains(&begins), "{command:?}: {examples}");
    }
}

#[test]
fn the_commands_of_the_contract_are_there() {
    let commands: BTreeSet<String> = every_command()
        .into_iter()
        .map(|path| path.join(" "))
        .collect();
    for expected in [
        "department init",
        "department token add",
        "department token list",
        "department token revoke",
        "identity show",
        "identity passphrase",
        "network create",
        "network show",
        "type define",
        "report need",
        "graph",
        "issue",
        "import",
        "suspend",
        "reinstate",
        "revoke",
        "cancel",
        "withdraw",
        "lapse",
        "transfer-out",
        "renew",
        "amend",
        "merge",
        "split",
        "transfer",
        "show",
        "history",
        "find",
        "catalogue",
        "logs",
        "peers",
        "status",
        "resume",
        "verify",
        "prove",
        "fsck",
        "id check",
        "completions",
        "man",
    ] {
        assert!(
            commands.contains(expected),
            "{expected} is missing in {commands:?}"
        );
    }
}

#[test]
fn the_exit_codes_are_documented() {
    let help = certmesh(["--help"]).exits(0).out;
    for code in ["0  yes", "1  no", "2  used wrongly", "3  unknown"] {
        assert!(help.contains(code), "{help}");
    }
}

#[test]
fn with_json_wrong_usage_is_a_json_error_like_any_other() {
    for (args, message) in [
        (vec!["verfy", "--json"], "unrecognized subcommand"),
        (vec!["--json", "issue", "--nonsense"], "--nonsense"),
        (vec!["--json"], "a command is missing"),
    ] {
        let run = certmesh(args).exits(2);
        let error: serde_json::Value = serde_json::from_str(&run.err).unwrap();
        let text = error["error"].as_str().unwrap();
        assert!(text.contains(message) && !text.contains("Usage"), "{error}");
        assert!(error["hint"].is_string() && run.out.is_empty(), "{run:#?}");
    }
    assert!(!certmesh(["--json", "--help"]).exits(0).out.starts_with('{'));
}

#[test]
fn what_the_environment_gives_is_not_shown_as_required() {
    let output = crate::command::binary()
        .env("CERTMESH_NODE", "http://127.0.0.1:1")
        .env("CERTMESH_TOKEN_FILE", "/nowhere/token")
        .args(["verify"])
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(
        err.contains("Usage: certmesh verify") && !err.contains("--node"),
        "{err}"
    );
    // It counts nevertheless.
    let output = crate::command::binary()
        .env("CERTMESH_NODE", "http://127.0.0.1:1")
        .arg("status")
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("http://127.0.0.1:1/v1/status"), "{err}");
}

#[test]
fn wrong_usage_exits_2_and_writes_nothing_to_standard_output() {
    for args in [
        vec!["verfy"],
        vec!["issue", "--nonsense"],
        vec!["find"],
        vec!["verify"],
        vec!["id"],
    ] {
        let run = certmesh(args).exits(2);
        assert_eq!(run.out, "");
        assert!(!run.err.is_empty());
    }
}

#[test]
fn completions_are_there_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = certmesh(["completions", shell]).exits(0).out;
        assert!(
            script.contains("department") && script.len() > 1_000,
            "{shell}"
        );
    }
}

#[test]
fn a_manual_page_is_written_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man1");
    certmesh(["man", "--dir", pages.to_str().unwrap()]).exits(0);
    for command in every_command() {
        let name = [vec!["certmesh".to_owned()], command].concat().join("-");
        let page = std::fs::read_to_string(pages.join(format!("{name}.1")))
            .unwrap_or_else(|_| panic!("{name}.1"));
        let examples = page.split(".SH EXAMPLES\n.nf\n").nth(1);
        let examples = examples.unwrap_or_else(|| panic!("{name}: {page}"));
        assert!(
            examples.starts_with("  certmesh") && examples.ends_with(".fi\n"),
            "{name}: {examples}"
        );
    }
    assert!(certmesh(["man"]).exits(0).out.contains(".TH"));
}
