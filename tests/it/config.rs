//! A node that is configured wrongly does not start, and says everything that is wrong.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Ran, TestNet, deadline, founded, one_of_two, run};

fn node(net: &TestNet, index: usize, more: &[&str]) -> Ran {
    let config = net.member(index).config();
    let mut args = vec!["run", "--config", config.to_str().unwrap()];
    args.extend(more);
    run("node", &args, b"", |_| ())
}

fn check(net: &TestNet, index: usize) -> Ran {
    check_with(net, index, &[])
}

fn check_with(net: &TestNet, index: usize, more: &[&str]) -> Ran {
    let config = net.member(index).config();
    let mut args = vec!["check", "--config", config.to_str().unwrap()];
    args.extend(more);
    run("node", &args, b"", |_| ())
}

#[track_caller]
fn refused(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 2, "{ran:?}");
    for word in words {
        assert!(ran.err.contains(word), "`{word}` is missing: {}", ran.err);
    }
}

#[test]
fn a_sound_configuration_passes_the_check() {
    let net = founded(2);
    assert_eq!(check(&net, 0).code, 0);
}

#[test]
fn a_data_directory_of_another_network_is_refused() {
    let mut net = one_of_two();
    net.stop(0).unwrap();
    let mut other = founded(2);
    other.start_trusting(0);
    other.stop(0).unwrap();
    let strange = net.data(0);
    let before = fs::read(strange.join("network.toml")).unwrap();
    let flag = ["--data-dir", strange.to_str().unwrap()];
    for ran in [node(&other, 0, &flag), check_with(&other, 0, &flag)] {
        let ids = [&net, &other].map(|net| net.network().genesis().network_id().to_string());
        let told = format!(
            "network.toml differs from the one this data was made with ({} ≠ {})",
            ids[1], ids[0]
        );
        refused(&ran, &[&told, "certmesh network show"]);
    }
    assert_eq!(fs::read(strange.join("network.toml")).unwrap(), before);
    assert_eq!(net.fsck(0).0, 0);
}

#[test]
fn a_data_directory_in_use_by_another_process_is_refused_and_the_other_goes_on() {
    let net = one_of_two();
    let ran = node(&net, 0, &[]);
    refused(&ran, &["in use by another process"]);
    net.issue(0, "USE", 3);
    assert!(net.api(0).is_alive());
}

#[test]
fn a_key_file_that_others_could_read_is_refused_with_the_command_that_protects_it() {
    let net = founded(2);
    for key in ["signing", "transport", "sealing", "field", "catalogue"] {
        let path = net.member(0).dir.join(format!("keys/{key}.key"));
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let ran = node(&net, 0, &[]);
        refused(&ran, &[&format!("keys.{key}"), "0644", "chmod 600"]);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(check(&net, 0).code, 0);
}

#[test]
fn keys_of_another_department_are_refused_by_name() {
    let net = founded(2);
    for (key, what) in [
        ("signing", "signing_key"),
        ("transport", "peer_id"),
        ("sealing", "sealing_key"),
    ] {
        let path = |index: usize| net.member(index).dir.join(format!("keys/{key}.key"));
        let own = fs::read(path(0)).unwrap();
        fs::copy(path(1), path(0)).unwrap();
        for ran in [node(&net, 0, &[]), check(&net, 0)] {
            refused(&ran, &[&format!("{key}.key"), what]);
        }
        fs::write(path(0), own).unwrap();
    }
    // A key in the wrong place is reported by its label, and never shown.
    let (signing, field) = ("keys/signing.key", "keys/field.key");
    let secret = fs::read_to_string(net.member(0).dir.join(field)).unwrap();
    fs::copy(
        net.member(0).dir.join(field),
        net.member(0).dir.join(signing),
    )
    .unwrap();
    let ran = node(&net, 0, &[]);
    refused(&ran, &["signing.key", "certmesh-signing-key-v1"]);
    let digits = secret.trim().rsplit(':').next().unwrap();
    assert!(!ran.err.contains(digits));
}

#[test]
fn the_check_lists_every_key_that_is_not_this_department_s_or_this_network_s() {
    let (net, other) = (founded(2), founded(1));
    for key in ["signing", "transport", "sealing"] {
        let path = |index: usize| net.member(index).dir.join(format!("keys/{key}.key"));
        fs::copy(path(1), path(0)).unwrap();
    }
    let path = |net: &TestNet| net.member(0).dir.join("keys/catalogue.key");
    fs::copy(path(&other), path(&net)).unwrap();
    let expected = [
        "signing.key",
        "or is network.toml another network's?",
        "transport.key",
        "sealing.key",
        "keys.catalogue: not this network's key",
        "get it from the network's founder",
    ];
    for ran in [node(&net, 0, &[]), check(&net, 0)] {
        refused(&ran, &expected);
    }
}

#[test]
fn what_only_others_have_is_said_to_come_from_there() {
    let (alone, net) = (founded(1), founded(2));
    for (file, why) in [
        ("network.toml", "comes from the network's founder"),
        ("keys/catalogue.key", "no other member that could send it"),
    ] {
        let dir = &alone.member(0).dir;
        fs::rename(dir.join(file), dir.join("away")).unwrap();
        refused(&check(&alone, 0), &[file, why]);
        fs::rename(dir.join("away"), dir.join(file)).unwrap();
    }
    let keys = net.member(0).dir.join("keys");
    fs::remove_file(keys.join("catalogue.key")).unwrap();
    let checked = check(&net, 0);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(
        checked.out.contains("asks the other members"),
        "{checked:?}"
    );
    // It could not be written there.
    let config = net.member(0).config();
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("keys/catalogue.key", "nowhere/catalogue.key");
    fs::write(&config, text).unwrap();
    refused(
        &check(&net, 0),
        &["keys.catalogue", "nowhere: not a directory"],
    );
}

#[test]
fn a_file_that_is_not_there_and_a_port_that_is_taken_are_reported_once() {
    let net = founded(1);
    let ran = run("node", &["run", "--config", "nosuch.toml"], b"", |_| ());
    refused(&ran, &["nosuch.toml: No such file"]);
    assert_eq!(ran.err.matches("No such file").count(), 1, "{}", ran.err);

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let address = format!("/ip4/127.0.0.1/tcp/{port}");
    let ran = node(&net, 0, &["--net-listen", &address]);
    refused(
        &ran,
        &[&format!("net.listen: {address}: in use by another process")],
    );
    let ran = node(&net, 0, &["--api-listen", &format!("127.0.0.1:{port}")]);
    refused(&ran, &["Address already in use"]);
    assert_eq!(ran.err.matches("Address already").count(), 1, "{}", ran.err);
}

#[test]
fn two_peers_never_share_a_port() {
    let mut net = founded(2);
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("/ip4/127.0.0.1/tcp/{port}");
    net.start_with(0, &["--net-listen", &address], deadline())
        .unwrap();
    let ran = node(&net, 1, &["--net-listen", &address]);
    refused(&ran, &["net.listen", "in use by another process"]);
}

#[test]
fn a_department_that_is_no_member_is_refused() {
    let (net, other) = (founded(1), founded(3));
    let genesis = net.network().dir().join("network.toml");
    let ran = node(&other, 2, &["--network", genesis.to_str().unwrap()]);
    refused(&ran, &["not a member of the network", &other.code(2)]);
}

#[test]
fn all_faults_of_a_configuration_are_reported_at_once() {
    let net = founded(1);
    let config = net.member(0).config();
    let text = "department = \"11990100000000000X\"\n\
                network = \"nowhere.toml\"\n\
                data_dri = \"data\"\n\
                [keys]\n\
                signing = \"keys/signing.key\"\n\
                transport = \"keys/absent.key\"\n\
                sealing = \"keys/field.key\"\n\
                field = \"keys/field.key\"\n\
                catalogue = 7\n\
                [api]\n\
                listen = \"0.0.0.0:0\"\n\
                tokens = \"tokens.toml\"\n\
                timeout_s = 0\n\
                [net]\n\
                listen = [\"127.0.0.1:7481\"]\n\
                [log]\n\
                format = \"xml\"\n";
    fs::write(&config, text).unwrap();
    let expected = [
        "department: ",
        "network: ",
        "data_dir: ",
        "data_dri",
        "keys.transport: ",
        "keys.catalogue: ",
        "api.listen: ",
        "api.timeout_s: ",
        "net.listen: ",
        "log.format: ",
    ];
    for ran in [node(&net, 0, &[]), check(&net, 0)] {
        refused(&ran, &expected);
    }
    assert!(!net.data(0).join("LOCK").exists(), "nothing was touched");
}

#[test]
fn the_node_s_manual_pages_and_completions_name_its_commands() {
    let ask = |args: &[&str]| run("node", args, b"", |_| {});
    for shell in ["bash", "zsh", "fish"] {
        let script = ask(&["completions", shell]);
        assert!(
            script.code == 0 && script.out.contains("net-listen"),
            "{script:?}"
        );
    }
    let page = ask(&["man"]);
    assert!(page.code == 0 && page.out.contains(".TH"), "{page:?}");
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man1");
    assert_eq!(ask(&["man", "--dir", pages.to_str().unwrap()]).code, 0);
    for name in [
        "certmesh-node.1",
        "certmesh-node-run.1",
        "certmesh-node-check.1",
    ] {
        assert!(
            fs::read_to_string(pages.join(name))
                .unwrap()
                .contains(".TH"),
            "{name}"
        );
    }
}

#[test]
fn flags_stand_above_the_environment_and_both_above_the_file() {
    let net = founded(1);
    let config = net.member(0).config();
    let args = ["check", "--config", config.to_str().unwrap()];
    let with_environment = |more: &[&str]| {
        let args: Vec<&str> = args.iter().chain(more).copied().collect();
        run("node", &args, b"", |command| {
            command.env("CERTMESH_NODE_LOG_FORMAT", "xml");
        })
    };
    refused(
        &with_environment(&[]),
        &["log.format", "CERTMESH_NODE_LOG_FORMAT"],
    );
    assert_eq!(with_environment(&["--log-format", "json"]).code, 0);
    refused(
        &run("node", &["run", "--nonsense"], b"", |_| ()),
        &["--nonsense"],
    );
}
