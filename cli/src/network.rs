//! `certmesh network`: the genesis file that names a network's founding departments, and what whoever joins later needs.

mod join;

use std::path::{Path, PathBuf};

use certmesh_ledger::codec::Text;
use certmesh_ledger::crypto::keys::{CatalogueKey, Secret, SecretFile};
use certmesh_ledger::genesis::{Department, Genesis, GenesisError, Policy, Role, undialable};
use certmesh_ledger::governance::{TrustFile, TrustFileError};
use certmesh_ledger::membership::Membership;
use certmesh_text::{address_fault, genesis_fault};
use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use crate::files::{Access, directory_of, read_text, sync_directory, write_new};
use crate::moment::{china_time, china_time_and_age, now_ms};
use crate::screen::{Screen, Tone, cell, lines_cell};
use crate::{Error, Outcome};

pub(crate) const EXAMPLES: &str = "\
Examples:
  certmesh network create --name Wuhan --out network.toml transport ministry
  certmesh network join network.trust --dir health
  certmesh network show network.toml";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(Create),
    Join(join::Join),
    Show(Show),
}

/// Found a network of departments: write its genesis file and its catalogue key
///
/// Every member needs the very same genesis file: the hash of its content is the network's identity. The catalogue key
/// is written beside it (mode 0600); send it to every member over an encrypted channel.
#[derive(Debug, Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub(crate) struct Create {
    /// Name of the network
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Genesis file to write
    #[arg(long, value_name = "FILE", default_value = "network.toml")]
    out: PathBuf,
    /// What the departments agree on about deciding: a file with the keys of the genesis's [policy] table [default: more than
    /// two thirds decide, two thirds of the others witness, no recovery keys]
    #[arg(long, value_name = "POLICY.toml")]
    policy: Option<PathBuf>,
    /// The departments' `department.toml` files, or the directories they are in
    #[arg(required = true, value_name = "DEPARTMENT.toml")]
    departments: Vec<PathBuf>,
}

const CREATE_EXAMPLES: &str = "\
Examples:
  certmesh network create --name Wuhan --out network.toml transport ministry
  certmesh network create --name Wuhan --out wuhan/network.toml --policy policy.toml departments/*.toml";

/// Show a network's genesis file: its identity and its founding departments
#[derive(Debug, Args)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    /// Genesis file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  certmesh network show network.toml
  certmesh network show network.toml --json";

pub(crate) fn run(command: Command, screen: &mut Screen) -> Result<Outcome, Error> {
    match command {
        Command::Create(args) => create(&args, screen),
        Command::Join(args) => join::join(&args, screen),
        Command::Show(args) => show(&args, screen),
    }
}

/// Reads and checks a genesis file.
pub(crate) fn read_genesis(path: &Path) -> Result<Genesis, Error> {
    Genesis::from_toml(&read_text(path)?).map_err(|faults| {
        let lines: Vec<String> = faults.0.iter().map(genesis_fault).collect();
        Error::malformed(path, "a network's genesis file", lines.join("\n"))
    })
}

/// The members by a genesis file, or by a trust file, which has all decisions up to some block as well.
pub(crate) fn read_members(path: &Path) -> Result<Membership, Error> {
    let bytes = std::fs::read(path).map_err(|error| Error::read(path, error))?;
    let malformed = |error: String| Error::malformed(path, "a network's trust file", error);
    match TrustFile::read(&bytes, None) {
        Err(TrustFileError::NotOne) => Ok(Membership::from_genesis(&read_genesis(path)?)),
        Err(error) => Err(malformed(error.to_string())),
        Ok(trust) => {
            let members = Membership::from_genesis(&trust.genesis);
            for block in &trust.blocks {
                let extended = members.extend(block);
                extended.map_err(|error| malformed(error.to_string()))?;
            }
            Ok(members)
        }
    }
}

fn create(args: &Create, screen: &mut Screen) -> Result<Outcome, Error> {
    let key_path = args.out.with_file_name("catalogue.key");
    let mut faults = Vec::new();
    if args.out.exists() {
        faults.push(format!(
            "{} already exists and would be overwritten",
            args.out.display()
        ));
    }
    if key_path.exists() {
        faults.push(format!(
            "{} already exists and would be overwritten; give --out in another directory, the key is written beside it",
            key_path.display()
        ));
    }
    let mut places = Vec::new();
    let mut departments: Vec<Department> = Vec::new();
    let mut all_read = true;
    for path in &args.departments {
        let file = department_file(path);
        // The same file, however it is spelled.
        let place = file.canonicalize().unwrap_or_else(|_| file.clone());
        if places.contains(&place) {
            faults.push(format!("{} is named twice", path.display()));
            continue;
        }
        places.push(place);
        match read_department(&file, &mut faults) {
            Some(department) => departments.push(department),
            None => all_read = false,
        }
    }
    // Once the network is founded, its addresses can't be changed.
    let named = |department: &Department| format!("department {}", department.code);
    let members: Vec<String> = departments.iter().map(named).collect();
    let members = members.iter().map(String::as_str);
    let addresses = departments.iter().map(|department| &*department.addresses);
    let undialable = undialable(members.zip(addresses)).into_iter();
    faults.extend(
        undialable.map(|(member, fault)| format!("{member}: addresses: {}", address_fault(&fault))),
    );
    let policy = read_policy(args.policy.as_deref(), &mut faults);
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(Error::Randomness)?;
    let commitment = CatalogueKey(Secret::from_bytes(*key)).commitment();
    let genesis = match Genesis::new(&args.name, now_ms(), commitment, policy, departments) {
        Ok(genesis) => Some(genesis),
        Err(genesis_faults) => {
            // Whoever could not be read may be who is missing: to report that as well would only repeat it.
            let repeats = |fault: &GenesisError| {
                matches!(
                    fault,
                    GenesisError::NoDepartment | GenesisError::Governors { .. }
                )
            };
            let news = genesis_faults.0.iter();
            let news = news.filter(|fault| all_read || !repeats(fault));
            faults.extend(news.map(genesis_fault));
            None
        }
    };
    let Some(genesis) = genesis.filter(|_| faults.is_empty()) else {
        return Err(Error::Faults {
            what: "the network cannot be founded:",
            faults,
        });
    };
    write_new(
        &key_path,
        SecretFile::Catalogue.write(&key).as_bytes(),
        Access::Owner,
    )?;
    if let Err(error) = write_new(&args.out, genesis.to_toml().as_bytes(), Access::Everyone) {
        // A key without its network is of no use, and would stand in the way of the next attempt.
        let _ = std::fs::remove_file(&key_path);
        return Err(error);
    }
    sync_directory(&directory_of(&args.out))?;
    present(&genesis, &args.out, &key_path, screen)
}

fn department_file(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join("department.toml")
    } else {
        path.to_owned()
    }
}

/// The policy of a file, or the usual one.
fn read_policy(path: Option<&Path>, faults: &mut Vec<String>) -> Policy {
    let Some(path) = path else {
        return Policy::usual();
    };
    let read = match std::fs::read_to_string(path) {
        Err(error) => Err(vec![error.to_string()]),
        Ok(text) => {
            Policy::from_toml(&text).map_err(|faults| faults.0.iter().map(genesis_fault).collect())
        }
    };
    read.unwrap_or_else(|found| {
        let found = found.into_iter();
        faults.extend(found.map(|fault| format!("{}: {fault}", path.display())));
        Policy::usual()
    })
}

fn read_department(path: &Path, faults: &mut Vec<String>) -> Option<Department> {
    let department = match std::fs::read_to_string(path) {
        Err(error) => Err(vec![error.to_string()]),
        Ok(text) => Department::from_toml(&text).map_err(|faults| {
            faults
                .0
                .iter()
                .map(|fault| genesis_fault(fault).replace("department.toml: ", ""))
                .collect()
        }),
    };
    match department {
        Err(found) => {
            faults.extend(
                found
                    .into_iter()
                    .map(|fault| format!("{}: {fault}", path.display())),
            );
            None
        }
        Ok(department) => Some(department),
    }
}

fn present(
    genesis: &Genesis,
    out: &Path,
    key_path: &Path,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let (out, key) = (out.display(), key_path.display());
    if screen.json() {
        let mut value = as_json(genesis);
        value["genesis"] = out.to_string().into();
        value["catalogue_key_file"] = key.to_string().into();
        screen.print_json(&value)?;
        return Ok(Outcome::Yes);
    }
    let done = screen.paint(Tone::Good, "DONE");
    let count = genesis.departments().len();
    screen.line(format!(
        "{done}  network {} of {count} department{}",
        genesis.name(),
        if count == 1 { "" } else { "s" }
    ))?;
    screen.line("")?;
    screen.field("network", genesis.network_id().to_string())?;
    screen.field(
        "genesis",
        format!("{out}: the same file for every member, beside its node.toml"),
    )?;
    screen.field(
        "catalogue key",
        format!("{key}: secret; for every member's keys/ directory, mode 0600"),
    )?;
    screen.line("")?;
    screen.line("Next:")?;
    screen.line(format!(
        "  1. Send {out} to every member, for its directory; everyone compares what `certmesh network show` prints."
    ))?;
    screen.line(format!(
        "  2. Send {key} to every member, for its keys/, over an encrypted channel."
    ))?;
    screen.line("  3. Each member starts its node: certmesh-node run --config node.toml")?;
    note_oddities(genesis, screen);
    Ok(Outcome::Yes)
}

/// What is allowed, and seldom meant.
fn note_oddities(genesis: &Genesis, screen: &mut Screen) {
    if let [only] = genesis.departments() {
        screen.note(&format!(
            "note: {} is the only member: nobody replicates or cosigns its log, until others are admitted (`certmesh govern propose admit`)",
            only.display_name()
        ));
    } else {
        let unreachable: Vec<&str> = genesis
            .departments()
            .iter()
            .filter(|department| department.addresses.is_empty())
            .map(Department::display_name)
            .collect();
        if !unreachable.is_empty() {
            screen.note(&format!(
                "note: without an address nobody can connect to {} before its node has connected to another and stated one: \
                 where it listens, or `external` under [net] in its node.toml",
                unreachable.join(", ")
            ));
        }
    }
    if !genesis
        .departments()
        .iter()
        .any(|department| department.roles.contains(&Role::Issue))
    {
        screen.note(
            "note: none of the departments has the role `issue`, so nobody can issue certificates",
        );
    }
}

fn as_json(genesis: &Genesis) -> serde_json::Value {
    let departments: Vec<serde_json::Value> = genesis
        .departments()
        .iter()
        .map(|department| {
            serde_json::json!({
                "code": department.code,
                "name": department.name.as_str(),
                "name_zh": department.name_zh.as_ref().map(Text::as_str),
                "roles": department.roles.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "governs": department.governs,
                "identity_key": department.identity_key,
                "signing_key": department.signing_key,
                "peer_id": department.peer_id,
                "sealing_key": department.sealing_key,
                "addresses": department.addresses.iter().map(Text::as_str).collect::<Vec<_>>(),
            })
        })
        .collect();
    serde_json::json!({
        "network": genesis.network_id().to_string(),
        "name": genesis.name(),
        "created_ms": genesis.created_ms(),
        "catalogue_key": genesis.catalogue_key().to_string(),
        "policy": policy_as_json(genesis.policy()),
        "departments": departments,
    })
}

fn policy_as_json(policy: &Policy) -> serde_json::Value {
    let recovery = policy.recovery.as_ref().map(|recovery| {
        let keys: Vec<String> = recovery.keys.iter().map(|key| key.0.to_string()).collect();
        serde_json::json!({ "need": recovery.need, "keys": keys })
    });
    serde_json::json!({
        "decide": policy.decide.to_string(),
        "witness": policy.witness.to_string(),
        "least_governors": policy.least_governors,
        "pending_proposals": policy.pending_proposals,
        "own_changes_a_day": policy.own_changes_a_day,
        "fresh_ms": policy.fresh_ms,
        "recovery": recovery,
    })
}

fn show(args: &Show, screen: &mut Screen) -> Result<Outcome, Error> {
    let genesis = read_genesis(&args.file)?;
    if screen.json() {
        screen.print_json(&as_json(&genesis))?;
        return Ok(Outcome::Yes);
    }
    let name = screen.paint(Tone::Strong, genesis.name());
    screen.line(name)?;
    screen.field("network", genesis.network_id().to_string())?;
    let created = genesis.created_ms();
    let when = if created > now_ms() {
        china_time(created)
    } else {
        china_time_and_age(created, now_ms())
    };
    screen.field("created", when)?;
    let policy = genesis.policy();
    let governors = genesis.departments().iter().filter(|d| d.governs).count();
    screen.field(
        "decided by",
        format!("more than {} of {governors} that govern", policy.decide),
    )?;
    if let Some(recovery) = &policy.recovery {
        let all = recovery.keys.len();
        screen.field("recovery", format!("{} of {all} keys", recovery.need))?;
    }
    screen.line("")?;
    let rows = genesis
        .departments()
        .iter()
        .map(|department| {
            let roles: Vec<String> = department.roles.iter().map(ToString::to_string).collect();
            let addresses: Vec<&str> = department.addresses.iter().map(Text::as_str).collect();
            vec![
                cell(department.code.as_str()),
                cell(department.display_name()),
                lines_cell(roles),
                cell(if department.governs { "yes" } else { "no" }),
                cell(department.peer_id.to_string()),
                lines_cell(addresses),
            ]
        })
        .collect();
    screen.table(
        &[
            "DEPARTMENT",
            "NAME",
            "ROLES",
            "GOVERNS",
            "PEER",
            "ADDRESSES",
        ],
        &[0],
        rows,
    )?;
    Ok(Outcome::Yes)
}
