//! What all topics need: a network that lives as long as its test, waiting with a deadline, the HTTP API with every
//! detail of its answers, the `certmesh` command, and files under a node.

mod command;
mod files;
mod http;
pub(crate) mod pen;

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use certmesh_api::{Appended, IssueRequest, LogView, OwnLogState, Reason, StatusRequest, Word};
use certmesh_testnet::client::Client;
use certmesh_testnet::links::Links;
use certmesh_testnet::network::{Founder, Network, Randomness};
use certmesh_testnet::patience::Deadline;
use certmesh_testnet::sample::Sample;
use certmesh_testnet::testnet::{Testnet, define_types};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use command::{Ran, certmesh, multi, node_command, run};
pub(crate) use files::{copy_dir, files_below, flip};
pub(crate) use http::{Answer, Http};

/// Longest wait for anything that should happen by itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) fn deadline() -> Deadline {
    Deadline::after(PATIENCE)
}

/// Looks again and again until there is something; panics with `what` when there is nothing in time.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "waited {PATIENCE:?} in vain: {what}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()));
}

/// A network in a directory of its own; both end with the test.
pub(crate) struct TestNet {
    // Fields are dropped in their order: the processes end before their files go.
    net: Testnet,
    dir: TempDir,
}

impl Deref for TestNet {
    type Target = Testnet;

    fn deref(&self) -> &Testnet {
        &self.net
    }
}

impl DerefMut for TestNet {
    fn deref_mut(&mut self) -> &mut Testnet {
        &mut self.net
    }
}

impl Drop for TestNet {
    fn drop(&mut self) {
        if thread::panicking() {
            // The harness shows what a failed test wrote.
            let _ = writeln!(std::io::stderr(), "{}", self.net.log_tails());
        }
    }
}

/// The files of a network of this many departments; no node runs yet.
pub(crate) fn founded(departments: usize) -> TestNet {
    founded_with(departments, node_command())
}

pub(crate) fn founded_with(departments: usize, command: Vec<OsString>) -> TestNet {
    let dir = tempfile::tempdir().unwrap();
    let network =
        Network::create(&dir.path().join("net"), departments, Randomness::System).unwrap();
    let net = Testnet::new(network, command, Links::Proxied).unwrap();
    TestNet { net, dir }
}

/// The files of a network of this many departments, and of some that are no members and may be admitted; no node runs yet.
pub(crate) fn founded_before(departments: usize, newcomers: usize) -> TestNet {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<Founder> = (0..departments + newcomers)
        .map(|index| Founder::numbered(index).unwrap())
        .collect();
    let place = dir.path().join("net");
    let network = Network::joined_later(&place, &all, newcomers, Randomness::System).unwrap();
    let net = Testnet::new(network, node_command(), Links::Proxied).unwrap();
    TestNet { net, dir }
}

/// A network of this many departments, all running, connected and ready, their types known to each other.
pub(crate) fn running(departments: usize) -> TestNet {
    let mut net = founded(departments);
    net.start_all(deadline()).unwrap();
    for index in 0..departments {
        define_types(&net.client(index).unwrap(), index).unwrap();
    }
    net.converge();
    net
}

/// A network of two of which only the first runs, and need not wait for the other.
pub(crate) fn one_of_two() -> TestNet {
    let mut net = founded(2);
    net.start_trusting(0);
    define_types(&net.client(0).unwrap(), 0).unwrap();
    net
}

impl TestNet {
    /// A place for files of the test itself.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn code(&self, index: usize) -> String {
        self.member(index).code().to_string()
    }

    pub(crate) fn api(&self, index: usize) -> Client {
        self.client(index).unwrap()
    }

    pub(crate) fn data(&self, index: usize) -> PathBuf {
        self.member(index).data()
    }

    pub(crate) fn start_again(&mut self, index: usize) {
        self.net.start(index, deadline()).unwrap();
    }

    pub(crate) fn start_trusting(&mut self, index: usize) {
        self.net
            .start_with(index, &["--trust-own-disk"], deadline())
            .unwrap();
        self.wait_writable(index);
    }

    pub(crate) fn ready(&mut self) {
        self.net.wait_ready(deadline()).unwrap();
    }

    pub(crate) fn log_state(&self, index: usize) -> Word<OwnLogState> {
        self.api(index).status().unwrap().log_state
    }

    #[track_caller]
    pub(crate) fn wait_writable(&self, index: usize) {
        until("the own log to be writable", || {
            self.log_state(index) == OwnLogState::Writable
        });
    }

    /// What a node holds of a department's log.
    pub(crate) fn held(&self, at: usize, of: usize) -> LogView {
        self.api(at).log(&self.code(of)).unwrap()
    }

    /// Waits until all running nodes hold every running department's log whole, with the same roots. Gives the logs.
    #[track_caller]
    pub(crate) fn converge(&self) -> Vec<LogView> {
        let clients = self.clients().unwrap();
        eventually("all running nodes to hold the same logs", || {
            let all: Vec<Vec<LogView>> = clients
                .iter()
                .map(|(_, client)| client.logs().unwrap())
                .collect();
            let same = |a: &LogView, b: &LogView| {
                (&a.department, a.size, &a.root, &a.status_root)
                    == (&b.department, b.size, &b.root, &b.status_root)
            };
            let first = all.first()?;
            let whole = all.iter().all(|logs| {
                logs.len() == first.len() && logs.iter().zip(first).all(|(a, b)| same(a, b))
            });
            whole.then(|| first.clone())
        })
    }

    /// Issues certificates of a department's sample and gives their identifiers.
    #[track_caller]
    pub(crate) fn issue(&self, index: usize, run: &str, count: u64) -> Vec<String> {
        let sample = Sample::new(index, run).unwrap();
        let lines = (0..count).map(|number| sample.line(number));
        let mut ids = Vec::new();
        self.api(index)
            .issue_many(lines, &mut |row| {
                assert!(row.ok, "{:?}", row.error);
                ids.extend(row.appended.map(|appended| appended.id));
            })
            .unwrap();
        assert_eq!(ids.len() as u64, count);
        ids
    }

    /// Waits for a verdict and its reason.
    #[track_caller]
    pub(crate) fn wait_verdict(&self, at: usize, id: &str, verdict: &str, reason: Option<&str>) {
        let client = self.api(at);
        until(&format!("{id} to be {verdict} {reason:?} at {at}"), || {
            let found = client.verification(id).unwrap();
            (
                found.verdict.as_str(),
                found.reason.as_ref().map(Word::as_str),
            ) == (verdict, reason)
        });
    }

    #[track_caller]
    pub(crate) fn change(&self, index: usize, id: &str, action: &str) -> Appended {
        let change = StatusRequest {
            action: Word::read(action),
            to: None,
            reason: Some(Reason::ConditionsBroken.into()),
            text: "inspection".to_owned(),
        };
        self.api(index).change_status(id, &change).unwrap()
    }

    /// What a node's process wrote so far.
    pub(crate) fn node_log(&self, index: usize) -> String {
        fs::read_to_string(self.member(index).node_log()).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn wait_logged(&self, index: usize, text: &str) {
        until(&format!("`{text}` in the log of {index}"), || {
            self.node_log(index).contains(text)
        });
    }

    /// Resident memory of a node, in bytes.
    pub(crate) fn memory(&self, index: usize) -> u64 {
        let pid = self.node_file(index).unwrap().pid;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    pub(crate) fn http(&self, index: usize) -> Http {
        let token = fs::read_to_string(self.member(index).token_file()).unwrap();
        Http::new(&self.node_file(index).unwrap().api, token.trim())
    }

    /// Adds clients of a department, each with its role; its node knows them once it has started again.
    #[track_caller]
    pub(crate) fn add_tokens(&self, index: usize, clients: &[(&str, &str)]) {
        let dir = self.member(index).dir.to_str().unwrap();
        for (name, role) in clients {
            let token = ["department", "token", "add", "--dir", dir];
            let client = ["--name", name, "--role", role];
            self.cli(index, &[&token[..], &client].concat()).exits(0);
        }
    }

    /// The API as a client that `add_tokens` added.
    pub(crate) fn http_as(&self, index: usize, name: &str) -> Http {
        let path = self.member(index).dir.join(format!("{name}.token"));
        let token = fs::read_to_string(path).unwrap();
        self.http(index).with_token(Some(token.trim()))
    }

    /// The key of a department and where its passphrase is, as arguments of a command that signs.
    pub(crate) fn identity(&self, index: usize) -> [String; 4] {
        let member = self.member(index);
        let [key, passphrase] = [member.identity_key(), member.passphrase_file()]
            .map(|path| path.to_str().unwrap().to_owned());
        let [of_key, of_passphrase] = ["--identity-key", "--passphrase-file"].map(str::to_owned);
        [of_key, key, of_passphrase, passphrase]
    }

    /// `certmesh govern` at a department's node, answering in JSON.
    pub(crate) fn govern(&self, index: usize, args: &[&str]) -> Ran {
        let args: Vec<&str> = ["--json", "govern"].iter().chain(args).copied().collect();
        self.cli(index, &args)
    }

    /// The same, signed by a department without being asked.
    pub(crate) fn govern_signed(&self, index: usize, args: &[&str], key: &[String; 4]) -> Ran {
        let key = key.iter().map(String::as_str);
        let args: Vec<&str> = args.iter().copied().chain(key).chain(["--yes"]).collect();
        self.govern(index, &args)
    }

    /// The `certmesh` command as this department's administrator.
    pub(crate) fn cli(&self, index: usize, args: &[&str]) -> Ran {
        self.cli_with(index, args, b"")
    }

    pub(crate) fn cli_with(&self, index: usize, args: &[&str], input: &[u8]) -> Ran {
        let node = self.node_file(index).map(|file| file.api.clone());
        let token = self.member(index).token_file();
        certmesh(args, input, node.as_deref(), Some(&token))
    }

    /// `certmesh fsck --json` of a node's data.
    pub(crate) fn fsck(&self, index: usize) -> (i32, Value) {
        let data = self.data(index);
        let ran = certmesh(
            &["fsck", "--json", "--data", data.to_str().unwrap()],
            b"",
            None,
            None,
        );
        (ran.code, ran.json())
    }

    /// The first segment's file of a log.
    pub(crate) fn segment(&self, at: usize, of: usize, suffix: &str) -> PathBuf {
        let dir = self.data(at).join("logs").join(self.code(of));
        dir.join(format!("{:012}.{suffix}", 0))
    }

    /// Where a record's frame begins in the first segment, by its offsets file.
    pub(crate) fn frame_at(&self, at: usize, of: usize, seq: u64) -> u64 {
        let offsets = fs::read(self.segment(at, of, "offsets")).unwrap();
        let place = 64 + 8 * usize::try_from(seq).unwrap();
        u64::from_le_bytes(offsets[place..place + 8].try_into().unwrap())
    }
}

/// A row of a sample as JSON, to be bent out of shape.
pub(crate) fn row(department: usize, run: &str, number: u64) -> Value {
    let row: IssueRequest = Sample::new(department, run).unwrap().row(number);
    serde_json::to_value(row).unwrap()
}
