use super::*;
use crate::pages::states;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

const GOOD: &str = r#"
department = "11430000006122244L"
data_dir = "data"
network = "network.toml"
[keys]
signing = "keys/signing.key"
transport = "keys/transport.key"
sealing = "keys/sealing.key"
field = "keys/field.key"
catalogue = "keys/catalogue.key"
[api]
listen = "127.0.0.1:0"
tokens = "tokens.toml"
tls_certificate = ""
tls_key = ""
rate_per_second = 0
[net]
listen = ["/ip4/127.0.0.1/tcp/0"]
[net.peers]
"11330105002500287C" = ["/ip4/10.0.0.1/tcp/7481"]
[log]
format = "json"
"#;

fn secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// A directory with everything a configuration names.
fn department(config: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("keys")).unwrap();
    for key in ["signing", "transport", "sealing", "field", "catalogue"] {
        secret(&at(&format!("keys/{key}.key")), "certmesh-key:00");
    }
    let hash = blake3::hash(b"token").to_hex();
    secret(
        &at("tokens.toml"),
        &format!("[[client]]\nname=\"admin\"\nrole=\"admin\"\ntoken_blake3=\"{hash}\"\n"),
    );
    fs::write(at("network.toml"), "").unwrap();
    fs::write(at("node.toml"), config).unwrap();
    dir
}

fn load(
    dir: &TempDir,
    args: NodeArgs,
    environment: &[(&str, &str)],
) -> Result<Config, ConfigError> {
    let args = NodeArgs {
        config: Some(dir.path().join("node.toml")),
        ..args
    };
    Config::load_with(
        &args,
        environment
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    )
}

fn faults(config: &str, environment: &[(&str, &str)]) -> Vec<String> {
    match load(&department(config), NodeArgs::default(), environment) {
        Err(ConfigError::Faults { faults, .. }) => faults.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_file_gives_every_value_with_paths_relative_to_it() {
    let dir = department(GOOD);
    let config = load(&dir, NodeArgs::default(), &[]).unwrap();
    assert_eq!(config.department.as_str(), "11430000006122244L");
    assert_eq!(config.data_dir, dir.path().join("data"));
    assert_eq!(config.keys.signing, dir.path().join("keys/signing.key"));
    assert_eq!(config.api.listen, "127.0.0.1:0".parse().unwrap());
    assert_eq!(config.api.tls, None);
    assert_eq!(config.api.max_body, 64 * 1024 * 1024);
    assert_eq!(config.api.timeout, Duration::from_secs(60));
    assert_eq!(config.net.peers.len(), 1);
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(!config.trust_own_disk && !config.net.quic);
}

#[test]
fn the_page_states_each_number_that_counts_when_none_is_given() {
    const MIB: u64 = 1 << 20;
    let config = load(&department(GOOD), NodeArgs::default(), &[]).unwrap();
    let (api, net) = (&config.api, &config.net);
    for (key, number) in [
        (
            "api.lookups_per_second",
            api.lookups_per_second.get().into(),
        ),
        ("api.max_body_mib", api.max_body as u64 / MIB),
        ("api.timeout_s", api.timeout.as_secs()),
        ("api.max_uploads_mib", api.uploads.of_client / MIB),
        ("api.keep_free_mib", api.uploads.keep_free / MIB),
        (
            "net.retrievals_per_second",
            net.retrievals_per_second.get().into(),
        ),
        ("lookups.keep_days", config.lookups_kept_days.into()),
        ("disk.reread_days", config.reread_every.as_secs() / 86_400),
    ] {
        states("docs/operator.md", &format!("| `{key}` | {number} |"));
    }
    for (key, bytes) in [
        ("api.max_uploads_mib", api.uploads.of_client),
        ("api.keep_free_mib", api.uploads.keep_free),
    ] {
        states("docs/limits.md", &format!("`{key}` ({})", bytes / MIB));
    }
    let most = super::watches::MAX_WATCHES;
    states(
        "docs/operator.md",
        &format!("as many as there are types, {most} at most"),
    );
}

#[test]
fn flags_stand_above_the_environment_and_that_above_the_file() {
    let dir = department(GOOD);
    let environment = [
        ("CERTMESH_NODE_API_LISTEN", "127.0.0.1:1111"),
        ("CERTMESH_NODE_LOG_FORMAT", "text"),
        ("CERTMESH_NODE_API_TIMEOUT_S", "5"),
        (
            "CERTMESH_NODE_NET_LISTEN",
            "/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2",
        ),
        ("CERTMESH_NODE_START_TRUST_OWN_DISK", "true"),
        ("CERTMESH_NODE_DATA_DIR", "elsewhere"),
        ("CERTMESH_NODE", "http://127.0.0.1:7480"),
    ];
    let args = NodeArgs {
        api_listen: Some("127.0.0.1:2222".to_owned()),
        ..NodeArgs::default()
    };
    let config = load(&dir, args, &environment).unwrap();
    assert_eq!(config.api.listen.port(), 2222);
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.api.timeout, Duration::from_secs(5));
    assert_eq!(config.net.listen.len(), 2);
    assert!(config.trust_own_disk);
    assert_eq!(config.data_dir, Path::new("elsewhere"));
}

/// A configuration with a fault in each part of it.
const FAULTY: &str = r#"
department = "11430000006122244X"
data_dir = 7
netwrok = "network.toml"
keys = { signing = "keys/none.key", transport = "keys/transport.key", field = true }
[api]
listen = "0.0.0.0:7480"
tokens = "tokens.tml"
max_body_mib = 0
names = ["portal.example", "portal.example:443"]
timeout_s = "long"
lookups_per_second = 0
tls_key = "key.pem"
lisetn = "127.0.0.1:1"
[net]
listen = ["/ip4/1.2.3/tcp/1"]
quic = "yes"
[net.peers]
"1" = ["/ip4/10.0.0.1/tcp/1"]
"11330105002500287C" = "x"
[log]
format = "xml"
level = "chatty"
[strat]
trust_own_disk = true
[lookups]
keep_days = 1
"#;

#[test]
fn every_fault_is_listed_at_once_with_its_key() {
    let faults = faults(
        FAULTY,
        &[
            ("CERTMESH_NODE_API_RATE_PER_SECOND", "many"),
            ("CERTMESH_NODE_API_TOKNES", "x"),
        ],
    );
    let expected = [
        "department: department code",
        "data_dir: is integer, expected a string",
        "network: is missing",
        "netwrok: there is no such setting; did you mean `network`?",
        "keys.signing: ",
        "keys.sealing: is missing",
        "keys.field: is boolean, expected a string",
        "keys.catalogue: is missing",
        "api.listen: isn't a loopback address",
        "api.lisetn: there is no such setting; did you mean `api.listen`?",
        "api.names: `portal.example:443`: expected the name of a host without a port",
        "api.tokens: ",
        "api.tls_certificate: is missing",
        "api.rate_per_second (from CERTMESH_NODE_API_RATE_PER_SECOND): expected a whole number",
        "api.lookups_per_second: is 0, expected 1 to 10000000",
        "api.max_body_mib: is 0, expected 1 to 1024",
        "api.timeout_s: is string, expected a whole number",
        "net.listen: `/ip4/1.2.3/tcp/1`: ",
        "net.quic: is string, expected true or false",
        "net.peers.1: department code",
        "net.peers.11330105002500287C: expected a list of strings",
        "log.format: expected text or json",
        "log.level: ",
        "lookups.keep_days: is 1, expected 31 to 36500",
        "strat: there is no such setting; did you mean `start`?",
        "CERTMESH_NODE_API_TOKNES: there is no such variable; did you mean `CERTMESH_NODE_API_TOKENS`?",
    ];
    for start in expected {
        assert!(
            faults.iter().any(|fault| fault.starts_with(start)),
            "{start} is missing in {faults:#?}"
        );
    }
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
}

#[test]
fn a_key_file_others_can_read_is_a_fault_that_says_the_command() {
    let dir = department(GOOD);
    let key = dir.path().join("keys/field.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let error = load(&dir, NodeArgs::default(), &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("1 fault\n  keys.field: "), "{error}");
    assert!(
        error.contains(&format!("chmod 600 '{}'", key.display())),
        "{error}"
    );
}

#[test]
fn a_public_address_needs_tls_that_works() {
    let public = GOOD.replace("127.0.0.1:0", "0.0.0.0:0");
    let dir = department(&public);
    assert!(load(&dir, NodeArgs::default(), &[]).is_err());
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(dir.path().join("cert.pem"), pair.cert.pem()).unwrap();
    secret(&dir.path().join("key.pem"), &pair.key_pair.serialize_pem());
    let at = |name: &str| Some(dir.path().join(name));
    let args = |certificate, key| NodeArgs {
        api_tls_certificate: certificate,
        api_tls_key: key,
        ..NodeArgs::default()
    };
    assert!(
        load(&dir, args(at("cert.pem"), at("key.pem")), &[])
            .unwrap()
            .api
            .tls
            .is_some()
    );
    let swapped = load(&dir, args(at("key.pem"), at("cert.pem")), &[])
        .unwrap_err()
        .to_string();
    assert!(
        swapped.contains("api.tls_certificate (from --api-tls-certificate)"),
        "{swapped}"
    );
    assert!(
        swapped.contains("api.tls_key (from --api-tls-key)"),
        "{swapped}"
    );
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_reported_by_name_and_line() {
    let dir = department("department = \n");
    let error = load(&dir, NodeArgs::default(), &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("node.toml: line 1"), "{error}");
    let args = NodeArgs {
        config: Some("/nonexistent/node.toml".into()),
        ..NodeArgs::default()
    };
    assert!(matches!(
        Config::load_with(&args, []),
        Err(ConfigError::Unreadable { .. })
    ));
}

#[test]
fn the_command_line_takes_run_and_check_with_every_flag() {
    use clap::{CommandFactory, Parser};
    NodeCli::command().debug_assert();
    let line = "certmesh-node run --config a.toml --trust-own-disk --log-format json --net-listen /a --net-listen /b";
    let NodeCommand::Run(args) = NodeCli::try_parse_from(line.split(' ')).unwrap().command else {
        panic!()
    };
    assert!(args.trust_own_disk);
    assert_eq!(args.net_listen, ["/a", "/b"]);
}

#[test]
fn a_watch_is_read_with_its_map_and_paths_relative_to_the_file() {
    let watch = |more: &str| {
        let table =
            "[[watch]]\nfolder = \"inbox\"\ntype = \"11430000006122244L001\"\nmap = \"map.toml\"\n";
        format!("{GOOD}{table}{more}")
    };
    let dir = department(&watch(""));
    fs::create_dir(dir.path().join("inbox")).unwrap();
    let map = "serial = \"a\"\nvalid_from = \"b\"\nholder = { kind = \"111\", column = \"c\" }\n";
    fs::write(dir.path().join("map.toml"), map).unwrap();
    let config = load(&dir, NodeArgs::default(), &[]).unwrap();
    assert_eq!(config.watches.len(), 1);
    assert_eq!(config.watches[0].folder, dir.path().join("inbox"));
    assert_eq!(
        config.watches[0].type_code.as_str(),
        "11430000006122244L001"
    );
    // The same folder by another name is the same folder.
    let again = watch("[[watch]]\nfolder = \"inbox/../inbox\"\n");
    fs::write(dir.path().join("node.toml"), again).unwrap();
    let error = load(&dir, NodeArgs::default(), &[])
        .unwrap_err()
        .to_string();
    for told in [
        "is watched already",
        "watch[1].type: is missing",
        "watch[1].map: is missing",
    ] {
        assert!(error.contains(told), "{told}: {error}");
    }
    for text in ["watch = 7", "watch = [7]"] {
        let config = GOOD.replace("[keys]", &format!("{text}\n[keys]"));
        let faults = faults(&config, &[]);
        assert!(
            faults[0].starts_with("watch: is ") && faults[0].ends_with("write [[watch]]"),
            "{faults:?}"
        );
    }
}
