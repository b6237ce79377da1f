//! Identity keys in a PKCS#11 token, which here is SoftHSM's.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use certmesh_ledger::codec;
use certmesh_ledger::genesis::Genesis;
use certmesh_ledger::governance::{Introduction, Item, MAX_ACTION, MAX_BLOCK, State, TrustFile};
use tempfile::TempDir;

use crate::command::{Run, binary};
use crate::node::{Answer, Node};

const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];
const CODE: &str = "11430000006122244L";
const PIN: &str = "864209";
const KEY: &str = "pkcs11:token=police;object=identity";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A directory with a token in it.
struct Home(TempDir);

impl Home {
    /// A token with one Ed25519 key.
    fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        fs::create_dir(home.path("tokens")).unwrap();
        let tokens = home.path("tokens");
        let conf = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\n",
            text(&tokens)
        );
        fs::write(home.path("softhsm.conf"), conf).unwrap();
        home.token("police");
        home.make_key("police", "EC:edwards25519", "identity", "01");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn module() -> &'static str {
        let found = MODULES.into_iter().find(|path| Path::new(path).exists());
        found.expect("SoftHSM: apt-get install softhsm2 opensc")
    }

    fn tool(&self, name: &str, args: &[&str]) {
        let mut command = Command::new(name);
        command.env("SOFTHSM2_CONF", self.path("softhsm.conf"));
        let output = command.args(args).output().unwrap();
        assert!(output.status.success(), "{name} {args:?}: {output:?}");
    }

    fn token(&self, label: &str) {
        let pins = ["--pin", PIN, "--so-pin", "97531864"];
        let init = ["--init-token", "--free", "--label", label];
        self.tool("softhsm2-util", &[&init[..], &pins].concat());
    }

    /// As the page for operators says.
    fn make_key(&self, token: &str, kind: &str, label: &str, id: &str) {
        let at = ["--module", Home::module(), "--token-label", token];
        let make = ["--login", "--pin", PIN, "--keypairgen", "--key-type", kind];
        let named = ["--label", label, "--id", id];
        self.tool("pkcs11-tool", &[&at[..], &make, &named].concat());
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        text(&path).to_owned()
    }

    /// The command with the token's library and its PIN in the environment.
    fn certmesh(&self, args: &[&str]) -> Run {
        self.with(args, Some(Home::module()), Some(PIN))
    }

    fn with(&self, args: &[&str], module: Option<&str>, pin: Option<&str>) -> Run {
        let mut command = binary();
        command.env("SOFTHSM2_CONF", self.path("softhsm.conf"));
        for (name, value) in [
            ("CERTMESH_PKCS11_MODULE", module),
            ("CERTMESH_IDENTITY_PASSPHRASE", pin),
        ] {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let output = command.args(args).stdin(Stdio::null()).output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Sets up `police` with the key in the token; what is shown of it.
    fn set_up(&self) -> serde_json::Value {
        let dir = self.path("police");
        let args = ["department", "init", "--code", CODE, "--name", "Police"];
        let where_to = ["--dir", text(&dir), "--identity-key", KEY, "--json"];
        // Nothing is signed, so no PIN is needed.
        let args = [&args[..], &where_to].concat();
        self.with(&args, Some(Home::module()), None).exits(0).json()
    }

    /// Founds a network of `police` alone.
    fn found(&self) -> Genesis {
        let out = self.path("network.toml");
        let dir = self.path("police");
        let args = [
            "network",
            "create",
            "--name",
            "Wuhan",
            "--out",
            text(&out),
            text(&dir),
        ];
        self.certmesh(&args).exits(0);
        Genesis::from_toml(&fs::read_to_string(out).unwrap()).unwrap()
    }
}

/// The content of a file of text that survives mail.
fn opened(path: &Path) -> Vec<u8> {
    let text = fs::read_to_string(path).unwrap();
    let (_, digits) = text.split_once('\n').unwrap();
    hex::decode(digits.split_whitespace().collect::<String>()).unwrap()
}

#[test]
fn a_department_s_identity_key_stays_in_its_token() {
    let home = Home::new();
    let made = home.set_up();
    assert!(made["identity_key_file"].is_null(), "{made}");
    // Neither in the directory nor beside it.
    assert!(!home.path("police-identity.key").exists());
    let shown = home.with(
        &["identity", "show", KEY, "--json"],
        Some(Home::module()),
        None,
    );
    let shown = shown.exits(0).json();
    assert_eq!(shown["identity_key"], made["identity_key"]);
    // By its identifier and the library in the URI, as well.
    let uri = format!("pkcs11:id=%01;type=public?module-path={}", Home::module());
    let shown = home.with(&["identity", "show", &uri, "--json"], None, None);
    assert_eq!(shown.exits(0).json()["identity_key"], made["identity_key"]);
}

#[test]
fn what_the_token_signs_holds_in_the_chain() {
    let home = Home::new();
    home.set_up();
    let genesis = home.found();
    let state = State::of_genesis(&genesis);
    let trust = TrustFile::write(&genesis, &[]);
    let view = serde_json::json!({
        "network": genesis.network_id().to_string(), "height": 0, "head": genesis.network_id().to_string(),
        "governors_heard": 1, "governors": 1, "current": true, "pending": [],
    });
    let node = Node::start(move |request| match &*request.line {
        line if line.contains("/trust-file") => Answer::Bytes(trust.clone()),
        _ => Answer::json(&view),
    });
    let token = home.file("token", "certmesh_token");
    let [unsigned, signed] = ["unsigned", "signed"].map(|name| home.path(name));
    let propose = [
        "govern",
        "propose",
        "policy",
        "--decide",
        "1/2",
        "--reason",
        "a test",
        "--proposer",
        CODE,
        "--export",
        text(&unsigned),
        "--node",
        &node.url,
        "--token-file",
        &token,
    ];
    home.certmesh(&propose).exits(0);
    let pin = home.file("pin", &format!("{PIN}\r\n"));
    let sign = [
        "govern",
        "sign",
        text(&unsigned),
        "--identity-key",
        KEY,
        "--passphrase-file",
        &pin,
        "--out",
        text(&signed),
        "--yes",
    ];
    // The file counts before the environment.
    home.with(&sign, Some(Home::module()), Some("000000"))
        .exits(0);
    let item: Item = codec::decode(&opened(&signed), MAX_BLOCK).unwrap();
    let after = state.at(state.time_ms()).with(&item);
    assert_eq!(after.unwrap().policy().decide.to_string(), "1/2");
}

#[test]
fn a_department_introduces_itself_with_the_key_in_its_token() {
    let home = Home::new();
    home.set_up();
    let genesis = home.found();
    let other = home.path("health");
    home.make_key("police", "EC:edwards25519", "health", "02");
    let key = "pkcs11:object=health";
    let init = [
        "department",
        "init",
        "--code",
        "11100000000013338W",
        "--name",
        "Health",
        "--dir",
        text(&other),
        "--identity-key",
        key,
    ];
    home.certmesh(&init).exits(0);
    let trust = home.path("network.trust");
    fs::write(&trust, TrustFile::write(&genesis, &[])).unwrap();
    let join = [
        "network",
        "join",
        text(&trust),
        "--dir",
        text(&other),
        "--identity-key",
    ];
    // Another key than the directory's.
    let wrong = home.certmesh(&[&join[..], &[KEY]].concat()).exits(2);
    assert!(
        wrong.err.contains("is not this department's identity key"),
        "{}",
        wrong.err
    );
    home.certmesh(&[&join[..], &[key]].concat()).exits(0);
    let introduction = opened(&other.join("introduction"));
    let introduction: Introduction = codec::decode(&introduction, MAX_ACTION).unwrap();
    assert!(introduction.is_proved(genesis.network_id()));
}

/// Joins a network by a key, which signs; what is said.
fn joins(home: &Home, key: &str, module: Option<&str>, pin: Option<&str>) -> Run {
    let dir = home.path("health");
    let genesis = match home.path("network.toml").exists() {
        true => {
            Genesis::from_toml(&fs::read_to_string(home.path("network.toml")).unwrap()).unwrap()
        }
        false => {
            home.set_up();
            let init = [
                "department",
                "init",
                "--code",
                "11100000000013338W",
                "--name",
                "Health",
                "--dir",
                text(&dir),
                "--identity-key",
                KEY,
            ];
            home.certmesh(&init).exits(0);
            home.found()
        }
    };
    let trust = home.path("network.trust");
    fs::write(&trust, TrustFile::write(&genesis, &[])).unwrap();
    let args = [
        "network",
        "join",
        text(&trust),
        "--dir",
        text(&dir),
        "--identity-key",
        key,
    ];
    home.with(&args, module, pin)
}

#[test]
fn what_is_wrong_with_a_token_is_named_and_no_pin_is_repeated() {
    let home = Home::new();
    home.make_key("police", "EC:prime256v1", "other-kind", "03");
    home.make_key("police", "EC:edwards25519", "twice", "04");
    home.make_key("police", "EC:edwards25519", "twice", "05");
    let module = Some(Home::module());
    let absent = home.path("absent.so");
    let secret = "13572468";
    for (key, module, pin, said) in [
        (KEY, None, Some(secret), "CERTMESH_PKCS11_MODULE"),
        (
            KEY,
            Some(text(&absent)),
            Some(secret),
            "absent.so: the library",
        ),
        (KEY, module, Some(secret), "refuses the PIN"),
        (KEY, module, Some(""), "the PIN is empty"),
        (KEY, module, None, "is missing"),
        (
            "pkcs11:token=fire;object=identity",
            module,
            Some(secret),
            "there are: police",
        ),
        (
            "pkcs11:object=nothing",
            module,
            Some(PIN),
            "no private key as the URI says",
        ),
        (
            "pkcs11:object=other-kind",
            module,
            Some(PIN),
            "not an Ed25519 key",
        ),
        ("pkcs11:object=twice", module, Some(PIN), "several keys"),
        (
            "pkcs11:object=identity?pin-value=13572468",
            module,
            None,
            "`pin-value`",
        ),
    ] {
        let run = joins(&home, key, module, pin).exits(2);
        assert!(run.err.contains(said), "{key}: {}", run.err);
        for secret in [secret, PIN] {
            assert!(
                !run.err.contains(secret) && !run.out.contains(secret),
                "{key}: {run:?}"
            );
        }
    }
    // Two tokens of one name.
    home.token("police");
    let two = joins(&home, KEY, module, Some(PIN)).exits(2);
    assert!(two.err.contains("several tokens"), "{}", two.err);
}
