//! `certmesh govern recover`: ends the governing of members that are gone, when nothing can be decided any more without them.
//!
//! Who signs it is spread over several departments and safes, so it is always written to a file first, and what each signs comes
//! back in a file of its own: [`merged`] puts these together.

use std::path::{Path, PathBuf};

use certmesh_ledger::codec::{Ascending, Ordered};
use certmesh_ledger::crypto::signer::Signer;
use certmesh_ledger::governance::{Item, Recovery, SignedRecovery, State};
use certmesh_ledger::id::DepartmentCode;
use clap::Args;
use serde_json::json;

use super::network::Network;
use super::sign::{self, Request};
use crate::args::{Global, parsed};
use crate::identity::IdentityKey;
use crate::screen::{Screen, printable};
use crate::{Error, Outcome};

/// End the governing of members that are gone for good, when too few governors are left to decide anything
///
/// Writes what is to be signed to a file. It takes recovery keys, as many as the policy asks for, and the identity keys of more
/// than a third of the governors, none of them of those whose governing ends. Each signs the file with `certmesh govern sign`;
/// `certmesh govern submit` takes all signed files together.
///
/// It does nothing else: those members still belong, and the others can let them govern again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Recover {
    /// A member that is to govern no longer; may be given several times
    #[arg(long, value_name = "DEPARTMENT", required = true, value_parser = parsed::<DepartmentCode>)]
    end: Vec<DepartmentCode>,
    /// Where to write what is to be signed
    #[arg(long, value_name = "FILE")]
    export: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  certmesh govern recover --end 11430000006122244L --end 11100000000013338W --export recovery.unsigned
  certmesh govern sign recovery.unsigned --identity-key recovery-1.key --out recovery-1.signed
  certmesh govern sign recovery.unsigned --identity-key ministry-identity.key --out ministry.signed
  certmesh govern submit recovery-1.signed ministry.signed";

pub(super) fn run(args: &Recover, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let (_, network) = Network::of(global)?;
    let state = network.state();
    let mut ends = args.end.clone();
    ends.sort_unstable();
    ends.dedup();
    let recovery = Recovery {
        height: state.height().saturating_add(1),
        before: state.head(),
        ends: Ascending::new(ends).map_err(|error| Error::govern(format!("--end: {error}")))?,
    };
    let request = Request::Recover(recovery.clone());
    sign::export(&request, &args.export, &network)?;
    let needs = Needs::of(state, &recovery);
    if screen.json() {
        screen.print_json(&json!({
            "file": args.export, "height": recovery.height, "before": recovery.before.to_string(), "ends": recovery.ends,
            "recovery_keys": needs.keys, "recovery_keys_needed": needs.of_keys, "governors": needs.left,
            "governors_needed": needs.of_governors, "nodes_needed": needs.of_nodes,
        }))?;
        return Ok(Outcome::Yes);
    }
    screen.field("network", state.network().to_string())?;
    screen.line(request.heading())?;
    for line in request.lines(&|code| network.name(code)) {
        screen.line(format!("  - {}", printable(&line)))?;
    }
    let left: Vec<String> = needs.left.iter().map(|code| network.name(code)).collect();
    screen.line(format!(
        "{} is to be signed with `certmesh govern sign`, where the keys are:",
        args.export.display()
    ))?;
    screen.line(format!(
        "  - with {} of the {} recovery keys",
        needs.of_keys, needs.keys
    ))?;
    screen.line(format!(
        "  - with the identity keys of {} of {}",
        needs.of_governors,
        printable(&left.join(", "))
    ))?;
    screen.line(format!(
        "Then {} of their nodes have to vote for it. {}",
        needs.of_nodes,
        good_until(&recovery)
    ))?;
    Ok(Outcome::Yes)
}

/// What a recovery needs.
struct Needs {
    keys: usize,
    of_keys: usize,
    left: Vec<DepartmentCode>,
    of_governors: usize,
    of_nodes: usize,
}

impl Needs {
    fn of(state: &State, recovery: &Recovery) -> Needs {
        let terms = state.policy().recovery.as_ref();
        let (left, of_nodes) = state.voters(Some(recovery));
        Needs {
            keys: terms.map_or(0, |terms| terms.keys.len()),
            of_keys: terms.map_or(0, |terms| usize::from(terms.need)),
            left: left.iter().map(|member| member.code).collect(),
            of_governors: state.recovery_agreement(),
            of_nodes,
        }
    }
}

/// For how long the signatures are worth something.
pub(super) fn good_until(recovery: &Recovery) -> String {
    let last = recovery.height.saturating_sub(1);
    format!(
        "It is good only as block {}: once another block follows block {last}, it is void.",
        recovery.height
    )
}

/// Signs a recovery with one key: one of the recovery keys, or a governor's identity key.
pub(super) fn sign(
    recovery: &Recovery,
    key: &IdentityKey,
    state: &State,
) -> Result<SignedRecovery, Error> {
    let (network, public) = (state.network(), key.public());
    let terms = state.policy().recovery.as_ref();
    let mut keys = (0..).zip(terms.into_iter().flat_map(|terms| terms.keys.iter()));
    let mut signed = SignedRecovery {
        recovery: recovery.clone(),
        keys: Ascending::default(),
        governors: Ascending::default(),
    };
    if let Some((place, _)) = keys.find(|(_, one)| one.0 == public) {
        signed.keys = Ascending::first([recovery.sign(network, place, key)?]);
        return Ok(signed);
    }
    let mut members = state.members();
    let member = members.find(|member| member.keys.identity == public);
    let member = member.ok_or_else(|| {
        Error::govern(format!(
            "{public} is neither a recovery key of the policy nor a member's identity key"
        ))
    })?;
    let (name, code) = (&member.name, member.code);
    if !member.is_governor() {
        return Err(Error::govern(format!("{name} ({code}) does not govern")));
    }
    if recovery.ends.find(&code).is_some() {
        return Err(Error::govern(format!(
            "{name} ({code}) is one of those whose governing would end: only others sign it"
        )));
    }
    signed.governors = Ascending::first([recovery.agree(network, code, key)?]);
    Ok(signed)
}

/// Several files of one recovery in one item, each signature once.
pub(super) fn merged(files: Vec<(&Path, Item)>) -> Result<Item, Error> {
    let one_of_many = |path: &Path| {
        let detail =
            "only signatures of a recovery are put together; hand in anything else by itself";
        Error::malformed(path, "a signed recovery", detail)
    };
    let mut all: Option<(&Path, SignedRecovery)> = None;
    for (path, item) in files {
        let Item::Recovery(signed) = item else {
            return Err(one_of_many(path));
        };
        let Some((first, all)) = &mut all else {
            all = Some((path, signed));
            continue;
        };
        if all.recovery != signed.recovery {
            let detail = format!("it is not the recovery that {} is of", first.display());
            return Err(Error::malformed(path, "a signature to be added", detail));
        }
        all.keys = together(&all.keys, &signed.keys);
        all.governors = together(&all.governors, &signed.governors);
    }
    let (_, signed) = all.ok_or(Error::Usage("give a signed file"))?;
    Ok(signed.into())
}

/// Signatures of both, of one key the first.
fn together<T: Ordered + Clone, const N: usize>(
    these: &Ascending<T, N>,
    those: &Ascending<T, N>,
) -> Ascending<T, N> {
    Ascending::first(these.iter().chain(those.iter()).cloned())
}
