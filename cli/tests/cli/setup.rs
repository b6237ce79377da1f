use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::command::{Run, certmesh};

/// An authority that is not a member, of its own for each department.
fn authority(code: &str) -> &'static str {
    match code {
        "11430000006122244L" => "define:11100000MB03271699",
        _ => "define:11330105002500287C",
    }
}

/// An address of its own for each department.
fn address(code: &str) -> &'static str {
    match code {
        "11430000006122244L" => "/ip4/127.0.0.1/tcp/7481",
        _ => "/ip4/127.0.0.1/tcp/8481",
    }
}

fn init(dir: &Path, code: &str) -> Run {
    certmesh([
        "department",
        "init",
        "--code",
        code,
        "--name",
        "Transport",
        "--name-zh",
        "交通运输厅",
        "--dir",
        dir.to_str().unwrap(),
        "--address",
        address(code),
        "--role",
        "issue",
        "--role",
        authority(code),
    ])
}

fn create(out: &Path, departments: &[PathBuf]) -> Run {
    let mut args = vec![
        "network",
        "create",
        "--name",
        "Wuhan",
        "--out",
        out.to_str().unwrap(),
    ];
    args.extend(departments.iter().map(|path| path.to_str().unwrap()));
    certmesh(args)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .permissions()
        .mode()
        & 0o777
}

#[test]
fn two_departments_found_a_network_that_can_be_shown() {
    let home = tempfile::tempdir().unwrap();
    let (a, b) = (home.path().join("a"), home.path().join("b"));
    let run = init(&a, "11430000006122244L").exits(0);
    assert!(
        run.out.contains("交通运输厅") && run.out.contains("Next:"),
        "{run:#?}"
    );
    init(&b, "11100000000013338W").exits(0);
    let out = home.path().join("network.toml");
    // A department's file, and a department's directory.
    create(&out, &[a.join("department.toml"), b.clone()]).exits(0);
    let shown = certmesh(["network", "show", out.to_str().unwrap(), "--json"])
        .exits(0)
        .json();
    assert_eq!(shown["name"], "Wuhan");
    assert_eq!(shown["network"].as_str().unwrap().len(), 64);
    let codes: Vec<&str> = shown["departments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["11100000000013338W", "11430000006122244L"]);
    assert_eq!(
        shown["departments"][0]["roles"],
        serde_json::json!(["issue", "define:11330105002500287C"])
    );
    let table = certmesh(["network", "show", out.to_str().unwrap()])
        .exits(0)
        .out;
    assert!(
        table.contains(shown["network"].as_str().unwrap()) && table.contains("交通运输厅"),
        "{table}"
    );
}

#[test]
fn secrets_are_for_their_owner_alone_and_never_printed() {
    let home = tempfile::tempdir().unwrap();
    let a = home.path().join("a");
    let run = init(&a, "11430000006122244L").exits(0);
    create(&home.path().join("network.toml"), std::slice::from_ref(&a)).exits(0);
    let secrets = [
        "keys/signing.key",
        "keys/transport.key",
        "keys/sealing.key",
        "keys/field.key",
        "admin.token",
        "../catalogue.key",
    ];
    for name in secrets {
        let path = a.join(name);
        assert_eq!(mode(&path), 0o600, "{name}");
        let text = fs::read_to_string(&path).unwrap();
        let secret = text.trim().rsplit(':').next().unwrap();
        assert_eq!(secret.len(), 64, "{name}");
        assert!(
            !run.out.contains(secret) && !run.err.contains(secret),
            "{name} is printed"
        );
        for public in [
            "department.toml",
            "node.toml",
            "tokens.toml",
            "../network.toml",
        ] {
            assert!(
                !fs::read_to_string(a.join(public)).unwrap().contains(secret),
                "{name} is in {public}"
            );
        }
    }
    assert_eq!(mode(&a.join("tokens.toml")), 0o600);
    assert_eq!(
        (mode(&a.join("keys")), mode(&a.join("data"))),
        (0o700, 0o700)
    );
    assert_eq!(
        (mode(&a.join("department.toml")), mode(&a.join("node.toml"))),
        (0o644, 0o644)
    );
    let token = fs::read_to_string(a.join("admin.token")).unwrap();
    let hash = blake3::hash(token.trim().as_bytes()).to_hex();
    let tokens: toml::Table = fs::read_to_string(a.join("tokens.toml"))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(
        tokens["client"][0]["token_blake3"].as_str(),
        Some(hash.as_str())
    );
}

#[test]
fn the_node_s_configuration_is_what_the_node_reads() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a");
    init(&dir, "11430000006122244L").exits(0);
    let config: toml::Table = fs::read_to_string(dir.join("node.toml"))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(config["department"].as_str(), Some("11430000006122244L"));
    assert_eq!(config["api"]["listen"].as_str(), Some("127.0.0.1:7480"));
    assert_eq!(
        config["net"]["listen"][0].as_str(),
        Some("/ip4/0.0.0.0/tcp/7481")
    );
    assert_eq!(config["net"]["quic"].as_bool(), Some(false));
    assert_eq!(
        config["keys"]["catalogue"].as_str(),
        Some("keys/catalogue.key")
    );
    assert_eq!(config["keys"]["sealing"].as_str(), Some("keys/sealing.key"));
}

#[test]
fn every_department_gets_keys_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let keys: Vec<serde_json::Value> = ["a", "b"]
        .map(|name| {
            let dir = home.path().join(name);
            certmesh([
                "department",
                "init",
                "--json",
                "--code",
                "11430000006122244L",
                "--name",
                "n",
                "--dir",
                dir.to_str().unwrap(),
            ])
            .exits(0)
            .json()
        })
        .to_vec();
    assert_ne!(keys[0]["signing_key"], keys[1]["signing_key"]);
    assert_ne!(keys[0]["peer_id"], keys[1]["peer_id"]);
}

#[test]
fn a_directory_that_holds_anything_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a");
    init(&dir, "11430000006122244L").exits(0);
    let key = fs::read(dir.join("keys/signing.key")).unwrap();
    let run = init(&dir, "11430000006122244L").exits(2);
    assert!(
        run.err.contains("not an empty directory") && run.err.contains("hint:"),
        "{run:#?}"
    );
    assert_eq!(fs::read(dir.join("keys/signing.key")).unwrap(), key);
    let empty = home.path().join("empty");
    fs::create_dir(&empty).unwrap();
    init(&empty, "11430000006122244L").exits(0);
}

#[test]
fn all_faults_of_a_department_are_reported_at_once_and_nothing_is_written() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a");
    let run = certmesh([
        "department",
        "init",
        "--code",
        "11430000006122244A",
        "--name",
        " ",
        "--name-zh",
        "一\n二",
        "--role",
        "king",
        "--api",
        "localhost",
        "--listen",
        "7481",
        "--address",
        "10.0.0.1:7481",
        "--dir",
        dir.to_str().unwrap(),
    ])
    .exits(2);
    for option in [
        "--code",
        "--name:",
        "--name-zh",
        "--role",
        "--api",
        "--listen",
        "--address",
    ] {
        assert!(run.err.contains(option), "{option} is missing: {}", run.err);
    }
    assert!(run.err.contains("expected `L`"), "{}", run.err);
    assert!(!dir.exists());
}

#[test]
fn all_faults_of_a_network_are_reported_at_once_and_nothing_is_written() {
    let home = tempfile::tempdir().unwrap();
    let (a, b, broken) = (
        home.path().join("a"),
        home.path().join("b"),
        home.path().join("broken.toml"),
    );
    init(&a, "11430000006122244L").exits(0);
    // The same department under another code: its keys are used twice.
    fs::create_dir(&b).unwrap();
    let text = fs::read_to_string(a.join("department.toml")).unwrap();
    fs::write(
        b.join("department.toml"),
        text.replace("11430000006122244L", "11100000000013338W"),
    )
    .unwrap();
    fs::write(
        &broken,
        text.replace("11430000006122244L", "1143")
            .replace("ed25519:", "rsa:"),
    )
    .unwrap();
    let missing = home.path().join("missing.toml");
    let out = home.path().join("network.toml");
    let run = create(&out, &[a.clone(), b, broken, missing, a.clone()]).exits(2);
    for fault in [
        "signing_key",
        "peer_id",
        "broken.toml: code",
        "broken.toml: signing_key",
        "missing.toml",
        "hint:",
    ] {
        assert!(run.err.contains(fault), "{fault} is missing: {}", run.err);
    }
    assert!(
        run.err.contains("code") && run.err.contains("11430000006122244L"),
        "{}",
        run.err
    );
    assert!(!out.exists() && !home.path().join("catalogue.key").exists());
}

#[test]
fn the_founder_states_the_policy_and_all_that_is_wrong_with_it_is_reported() {
    let home = tempfile::tempdir().unwrap();
    let (a, out) = (home.path().join("a"), home.path().join("network.toml"));
    init(&a, "11430000006122244L").exits(0);
    let policy = home.path().join("policy.toml");
    let found = || {
        let paths = [&out, &policy, &a].map(|path| path.to_str().unwrap());
        let [out, policy, a] = paths;
        certmesh([
            "network", "create", "--name", "Wuhan", "--out", out, "--policy", policy, a,
        ])
    };
    fs::write(&policy, "decide = \"1/3\"\nleast_governors = 0\n").unwrap();
    let run = found().exits(2);
    for fault in [
        "policy.toml: policy: decide",
        "at least 1/2",
        "least_governors is 0",
    ] {
        assert!(run.err.contains(fault), "{fault} is missing: {}", run.err);
    }
    fs::write(&policy, "least_governors = 2\n").unwrap();
    let run = found().exits(2);
    assert!(run.err.contains("`governs`"), "{}", run.err);
    assert!(!out.exists());
    fs::write(&policy, "decide = \"3/4\"\n").unwrap();
    found().exits(0);
    let shown = certmesh(["network", "show", out.to_str().unwrap(), "--json"]);
    let shown = shown.exits(0).json();
    assert_eq!(shown["policy"]["decide"], "3/4");
    assert_eq!(shown["policy"]["witness"], "2/3");
    assert_eq!(shown["departments"][0]["governs"], true);
    // What is in force stands in the file, also what nobody stated.
    let text = fs::read_to_string(&out).unwrap();
    assert!(text.contains("witness = \"2/3\""), "{text}");
}

#[test]
fn an_address_that_nobody_can_dial_is_refused_before_a_network_has_it() {
    let home = tempfile::tempdir().unwrap();
    let set_up = |name: &str, code: &str, addresses: &[&str]| {
        let dir = home.path().join(name);
        let mut args = vec!["department", "init", "--name", "n", "--code", code];
        args.extend(addresses.iter().flat_map(|address| ["--address", address]));
        args.extend(["--dir", dir.to_str().unwrap()]);
        (dir.clone(), certmesh(args))
    };
    let (a, b) = ("11430000006122244L", "11100000000013338W");
    let (here, there) = ("/ip4/127.0.0.1/tcp/7481", "/ip4/10.1.2.3/tcp/7481");
    for (wrong, said) in [
        (&["/ip4/0.0.0.0/tcp/7481"][..], "nobody can dial it"),
        (&["/ip6/::/tcp/7481"], "nobody can dial it"),
        (&["/ip4/10.1.2.3/tcp/0"], "has port 0"),
        (&[here, there], "reached from its own machine only"),
    ] {
        let (dir, run) = set_up("wrong", a, wrong);
        let run = run.exits(2);
        assert!(run.err.contains(said), "{}", run.err);
        assert!(
            run.err.contains("--address: `") && !dir.exists(),
            "{}",
            run.err
        );
    }
    let (first, run) = set_up("first", a, &[there]);
    run.exits(0);
    for (name, address, said) in [
        (
            "same",
            there,
            "is also an address of department 11430000006122244L",
        ),
        ("loopback", here, "reached from its own machine only"),
    ] {
        let (second, run) = set_up(name, b, &[address]);
        run.exits(0);
        let out = home.path().join("network.toml");
        let run = create(&out, &[first.clone(), second]).exits(2);
        let expected = format!("department {b}: addresses: `{address}`");
        assert!(
            run.err.contains(&expected) && run.err.contains(said),
            "{}",
            run.err
        );
        assert!(!out.exists());
    }
}

#[test]
fn a_network_is_never_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let a = home.path().join("a");
    init(&a, "11430000006122244L").exits(0);
    let out = home.path().join("network.toml");
    create(&out, std::slice::from_ref(&a)).exits(0);
    let key = fs::read(home.path().join("catalogue.key")).unwrap();
    let run = create(&out, &[a]).exits(2);
    assert!(
        run.err.contains("network.toml already exists")
            && run.err.contains("catalogue.key already exists"),
        "{}",
        run.err
    );
    assert_eq!(fs::read(home.path().join("catalogue.key")).unwrap(), key);
}

#[test]
fn a_genesis_that_is_none_is_refused_with_a_hint() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("network.toml");
    let text = "format = \"other\"\nname = \"\"\ncreated_ms = 1\ncatalogue_key = \"\"\n";
    fs::write(&path, text).unwrap();
    let run = certmesh(["network", "show", path.to_str().unwrap()]).exits(2);
    assert!(
        run.err.contains("format is `other`")
            && run.err.contains("name is empty")
            && run.err.contains("hint:"),
        "{}",
        run.err
    );
    let run = certmesh(["network", "show", "/nonexistent/network.toml"]).exits(2);
    assert!(
        run.err.contains("cannot read") && run.err.contains("hint: check the path"),
        "{}",
        run.err
    );
}

fn token(dir: &Path, name: &str, role: &str) -> Run {
    certmesh([
        "department",
        "token",
        "add",
        "--dir",
        dir.to_str().unwrap(),
        "--name",
        name,
        "--role",
        role,
    ])
}

#[test]
fn a_token_is_made_for_one_more_client_and_the_others_stay() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a");
    init(&dir, "11430000006122244L").exits(0);
    let before = fs::read_to_string(dir.join("tokens.toml")).unwrap();
    let run = token(&dir, "counter-3", "issue").exits(0);
    assert!(
        run.out.contains("counter-3.token") && run.out.contains("at SIGHUP"),
        "{run:#?}"
    );
    let secret = fs::read_to_string(dir.join("counter-3.token")).unwrap();
    assert!(!run.out.contains(secret.trim()), "the token is printed");
    let text = fs::read_to_string(dir.join("tokens.toml")).unwrap();
    assert!(text.starts_with(&before), "{text}");
    for name in ["counter-3.token", "tokens.toml"] {
        assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
    }
    let tokens: toml::Table = text.parse().unwrap();
    let client = &tokens["client"][1];
    let hash = blake3::hash(secret.trim_end().as_bytes()).to_hex();
    assert_eq!(client["token_blake3"].as_str(), Some(hash.as_str()));
    assert_eq!(client["name"].as_str(), Some("counter-3"));
    assert_eq!(client["role"].as_str(), Some("issue"));
    // What the node itself reads.
    certmesh_api::tokens::Clients::load(&dir.join("tokens.toml")).unwrap();

    // A node that was killed left its number, which may be another program's by now.
    fs::write(dir.join("data/LOCK"), "").unwrap();
    fs::write(dir.join("data/node.json"), r#"{"pid": 1}"#).unwrap();
    let run = token(&dir, "kiosk", "read").exits(0);
    assert!(!run.out.contains("kill"), "{run:#?}");
    let text = fs::read_to_string(dir.join("tokens.toml")).unwrap();

    for (name, role) in [
        ("counter-3", "read"),
        ("admin", "admin"),
        ("../admin", "read"),
        ("two words", "read"),
        ("king", "king"),
    ] {
        token(&dir, name, role).exits(2);
    }
    assert_eq!(fs::read_to_string(dir.join("tokens.toml")).unwrap(), text);
    // A file in the way is not overwritten, and no client is added for it.
    fs::write(dir.join("portal.token"), "mine").unwrap();
    token(&dir, "portal", "read").exits(2);
    assert_eq!(fs::read_to_string(dir.join("tokens.toml")).unwrap(), text);
    token(home.path(), "counter-3", "read").exits(2);
}

fn tokens(dir: &Path, command: &str, more: &[&str]) -> Run {
    let args = ["department", "token", command, "--dir"];
    let mut args: Vec<&str> = args.into_iter().chain(dir.to_str()).collect();
    args.extend(more);
    certmesh(args)
}

#[test]
fn a_revoked_client_is_gone_with_its_token_and_nothing_else_changes() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a");
    init(&dir, "11430000006122244L").exits(0);
    token(&dir, "portal", "read").exits(0);
    let file = dir.join("tokens.toml");
    // What people write into the file stays.
    let before = format!("{}\n# the counter\n", fs::read_to_string(&file).unwrap());
    fs::write(&file, &before).unwrap();
    token(&dir, "counter-3", "issue").exits(0);
    tokens(&dir, "revoke", &["--name", "counter-3"]).exits(0);
    assert!(!dir.join("counter-3.token").exists());
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert_eq!(mode(&file), 0o600);
    tokens(&dir, "revoke", &["--name", "counter-3"]).exits(2);

    // A file that holds another token than the client's is not this client's.
    fs::write(dir.join("portal.token"), "another\n").unwrap();
    tokens(&dir, "revoke", &["--name", "portal"]).exits(0);
    assert!(dir.join("portal.token").exists());

    // Without a client nobody could use the API, and the node would refuse the file.
    let last = tokens(&dir, "revoke", &["--name", "admin"]).exits(2);
    assert!(last.err.contains("nobody could use"), "{}", last.err);
    assert!(dir.join("admin.token").exists());
    certmesh_api::tokens::Clients::load(&file).unwrap();
}

#[test]
fn the_list_of_clients_shows_names_and_roles_and_neither_tokens_nor_hashes() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a");
    init(&dir, "11430000006122244L").exits(0);
    token(&dir, "portal", "read").exits(0);
    let listed = tokens(&dir, "list", &[]).exits(0).out;
    let json = tokens(&dir, "list", &["--json"]).exits(0).out;
    for part in ["admin", "portal", "read"] {
        assert!(listed.contains(part), "{listed}");
    }
    let clients: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        clients,
        serde_json::json!([{"name": "admin", "role": "admin"}, {"name": "portal", "role": "read"}])
    );
    for name in ["admin", "portal"] {
        let secret = fs::read_to_string(dir.join(format!("{name}.token"))).unwrap();
        let hash = blake3::hash(secret.trim_end().as_bytes()).to_hex();
        for out in [&listed, &json] {
            assert!(!out.contains(secret.trim_end()) && !out.contains(hash.as_str()));
        }
    }
}

#[test]
fn a_list_of_clients_in_brackets_can_be_changed_as_well() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a");
    init(&dir, "11430000006122244L").exits(0);
    let hash = blake3::hash(b"secret").to_hex();
    let text =
        format!("client = [{{ name = \"a\", role = \"read\", token_blake3 = \"{hash}\" }}]\n");
    fs::write(dir.join("tokens.toml"), text).unwrap();
    token(&dir, "b", "read").exits(0);
    tokens(&dir, "revoke", &["--name", "a"]).exits(0);
    let clients = certmesh_api::tokens::Clients::load(&dir.join("tokens.toml")).unwrap();
    let names: Vec<_> = clients
        .iter()
        .map(|client| client.name.to_string())
        .collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn what_is_odd_about_a_network_is_noted_and_what_comes_next_is_said() {
    let home = tempfile::tempdir().unwrap();
    let (a, b) = (home.path().join("a"), home.path().join("b"));
    init(&a, "11430000006122244L").exits(0);
    certmesh([
        "department",
        "init",
        "--code",
        "11100000000013338W",
        "--name",
        "Ministry",
        "--dir",
        b.to_str().unwrap(),
    ])
    .exits(0);
    let out = home.path().join("network.toml");
    let twice = create(&out, &[a.clone(), b.clone(), a.join("department.toml")]).exits(2);
    assert_eq!(twice.err.matches("\n  - ").count(), 1, "{}", twice.err);
    assert!(twice.err.contains("is named twice"), "{}", twice.err);
    let run = create(&out, &[a.clone(), b]).exits(0);
    assert!(
        run.out.contains("Next:") && run.err.contains("connect to Ministry"),
        "{run:#?}"
    );
    let run = create(&home.path().join("other.toml"), std::slice::from_ref(&a)).exits(2);
    assert!(
        run.err.contains("catalogue.key already exists")
            && run.err.contains("--out in another directory"),
        "{}",
        run.err
    );
    fs::create_dir(home.path().join("alone")).unwrap();
    let run = create(&home.path().join("alone/network.toml"), &[a]).exits(0);
    assert!(run.err.contains("the only member"), "{}", run.err);
}

#[test]
fn an_api_beyond_loopback_is_said_to_need_tls_and_to_have_a_name() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a");
    let run = certmesh([
        "department",
        "init",
        "--code",
        "11430000006122244L",
        "--name",
        "Transport",
        "--api",
        "0.0.0.0:7480",
        "--dir",
        dir.to_str().unwrap(),
    ])
    .exits(0);
    assert!(
        run.out.contains("--node https://HOST:7480") && run.err.contains("needs TLS"),
        "{run:#?}"
    );
}
