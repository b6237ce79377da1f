//! What the steps of the demonstration share.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use certmesh_api::{LogState, NotValidReason, Verdict};
use serde_json::{Value, json};

use super::{DemoArgs, Details, once_only};
use crate::Error;
use crate::client::Client;
use crate::departments;
use crate::links::Links;
use crate::network::{Founder, Network, Randomness};
use crate::patience::{Deadline, catch_signals};
use crate::sample::Sample;
use crate::screen::Screen;
use crate::testnet::{Testnet, define_types, read_file};

/// The network, and what the steps before found.
pub(super) struct Stage {
    pub(super) net: Testnet,
    pub(super) screen: Screen,
    pub(super) records: u64,
    /// Lines to issue in the first round in place of made-up ones.
    pub(super) input: Option<Vec<Vec<u8>>>,
    /// Certificates known to be issued: place of the issuer, identifier.
    pub(super) issued: Vec<(usize, String)>,
    pub(super) replication: Option<super::issue::Replication>,
    pub(super) deadline: Deadline,
    _temporary: Option<tempfile::TempDir>,
}

impl Stage {
    pub(super) fn set(
        args: &DemoArgs,
        command: Vec<OsString>,
        screen: Screen,
    ) -> Result<Stage, Error> {
        let input = args.input.as_deref().map(read_lines).transpose()?;
        let temporary = match &args.keep {
            Some(_) => None,
            None => Some(tempfile::tempdir().map_err(Error::system("temporary directory"))?),
        };
        let dir = args
            .keep
            .as_deref()
            .or(temporary.as_ref().map(tempfile::TempDir::path))
            .unwrap_or(Path::new("."));
        if dir.join("network.toml").exists() {
            return Err(Error::HoldsNetwork(dir.to_owned()));
        }
        // One more has a directory and no part in it, until it is admitted.
        let departments: Result<Vec<Founder>, Error> =
            (0..=args.departments).map(Founder::numbered).collect();
        let network = Network::joined_later(dir, &departments?, 1, Randomness::System)?;
        let net = Testnet::new(network, command, Links::Proxied)?;
        catch_signals(net.runtime().handle())?;
        let deadline = Deadline::seconds(60);
        let (issued, replication) = (Vec::new(), None);
        Ok(Stage {
            net,
            screen,
            records: args.records,
            input,
            issued,
            replication,
            deadline,
            _temporary: temporary,
        })
    }

    /// A step begins: its time runs from now.
    pub(super) fn begin(&mut self) {
        let rows = self
            .input
            .as_ref()
            .map_or(self.records, |lines| lines.len() as u64);
        self.deadline = Deadline::seconds(120 + self.net.len() as u64 * 4 + rows / 200);
    }

    /// Prints what happens, under the step's title.
    pub(super) fn say(&self, text: impl AsRef<str>) {
        self.screen.line(format!("  {}", text.as_ref()));
    }

    /// A department's name, in both languages.
    pub(super) fn name(&self, index: usize) -> String {
        let department = &self.net.member(index).department;
        format!("{} {}", department.display_name(), department.name.as_str())
    }

    /// Made-up certificates of a department; another run for each step.
    pub(super) fn sample(&self, index: usize, run: &str) -> Result<Sample, Error> {
        Ok(Sample::new(index, run)?)
    }

    /// Issues certificates of a sample in bulk; gives their identifiers.
    pub(super) fn issue(&self, index: usize, run: &str, count: u64) -> Result<Vec<String>, Error> {
        let sample = self.sample(index, run)?;
        let (mut ids, mut refused) = (Vec::new(), None);
        self.net.client(index)?.issue_many(
            (0..count).map(|number| sample.line(number)),
            &mut |row| match (row.appended, row.error) {
                (Some(appended), _) => ids.push(appended.id),
                (None, error) => refused = refused.take().or(error),
            },
        )?;
        match refused {
            None => Ok(ids),
            Some(problem) => Err(Error::Broken(format!(
                "a valid certificate was refused: {}",
                problem.detail
            ))),
        }
    }

    /// Up to `count` of the certificates issued so far, spread over all.
    pub(super) fn some_issued(&self, count: usize) -> impl Iterator<Item = &(usize, String)> {
        self.issued
            .iter()
            .step_by((self.issued.len() / count).max(1))
            .take(count)
    }

    /// Waits until all of `peers` answer this about a certificate.
    pub(super) fn wait_verdict(
        &self,
        peers: &[(usize, Client)],
        id: &str,
        expected: Expected,
    ) -> Result<(), Error> {
        for (index, client) in peers {
            let what = || format!("{} to say that {id} is {expected:?}", self.name(*index));
            self.deadline
                .wait(what, || Ok(expected.holds(client, id)?.then_some(())))?;
        }
        Ok(())
    }

    /// Waits until every running peer holds the same logs up to the same heads. Gives records held.
    pub(super) fn wait_converged(&self) -> Result<u64, Error> {
        let clients = self.net.clients()?;
        let heads = std::cell::RefCell::new(Vec::new());
        let what = || {
            format!(
                "all peers to hold the same logs: {}",
                differences(&heads.borrow())
            )
        };
        self.deadline.wait(what, || {
            let all: Result<Vec<Heads>, Error> = clients
                .iter()
                .map(|(_, client)| self::heads(client))
                .collect();
            let all = all?;
            let same = all.windows(2).all(|pair| pair[0] == pair[1]);
            let records = all
                .first()
                .map_or(0, |heads| heads.values().map(|(size, _)| size).sum());
            heads.replace(all);
            Ok(same.then_some(records))
        })
    }
}

/// Size and root of every log, by department.
type Heads = BTreeMap<String, (u64, Option<String>)>;

fn heads(client: &Client) -> Result<Heads, Error> {
    let logs = client.logs()?;
    if let Some(frozen) = logs.iter().find(|log| log.state == LogState::Frozen) {
        return Err(Error::Broken(format!(
            "{} holds the log of {} for forked",
            client.base(),
            frozen.name
        )));
    }
    Ok(logs
        .into_iter()
        .map(|log| (log.department, (log.size, log.root)))
        .collect())
}

fn differences(all: &[Heads]) -> String {
    let sizes = |heads: &Heads| {
        heads
            .values()
            .map(|(size, _)| size.to_string())
            .collect::<Vec<_>>()
            .join("/")
    };
    all.iter().map(sizes).collect::<Vec<_>>().join(", ")
}

/// What a verification should say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Valid,
    Unknown,
    Revoked,
}

impl Expected {
    pub(super) fn holds(self, client: &Client, id: &str) -> Result<bool, Error> {
        let verification = client.verification(id)?;
        Ok(match self {
            Expected::Valid => verification.verdict == Verdict::Valid,
            Expected::Unknown => verification.verdict == Verdict::Unknown,
            Expected::Revoked => {
                verification.verdict == Verdict::NotValid
                    && verification
                        .reason
                        .is_some_and(|reason| reason == NotValidReason::Revoked)
            }
        })
    }
}

fn read_lines(path: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let bytes = read_file(path)?;
    let lines: Vec<Vec<u8>> = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .map(|line| [line, b"\n"].concat())
        .collect();
    if lines.is_empty() {
        Err(Error::malformed(path, &"holds no rows"))
    } else {
        Ok(lines)
    }
}

/// Details for the JSON document from a JSON object.
pub(super) fn details(value: Value) -> Details {
    match value {
        Value::Object(details) => details,
        _ => Details::new(),
    }
}

/// First step: the network's files are there; start its peers and have each department define its types.
pub(super) fn genesis(stage: &mut Stage) -> Result<Details, Error> {
    let network = stage.net.network().genesis().network_id().to_string();
    stage.say(format!("genesis {network}"));
    for index in 0..stage.net.founders() {
        let kinds: Vec<&str> = departments::types(index)
            .iter()
            .map(|kind| kind.name)
            .collect();
        stage.say(format!(
            "{}  {}  issues {}",
            stage.net.member(index).code(),
            stage.name(index),
            kinds.join(", ")
        ));
    }
    once_only::prepare(stage)?;
    stage.net.start_all(stage.deadline)?;
    let mut types = 0;
    for (index, client) in stage.net.clients()? {
        define_types(&client, index)?;
        types += departments::types(index).len();
    }
    stage.wait_converged()?;
    stage.say(format!(
        "{} peers run, all connected with all; {types} types in the catalogue",
        stage.net.founders()
    ));
    Ok(details(
        json!({ "network": network, "peers": stage.net.founders(), "types": types }),
    ))
}
