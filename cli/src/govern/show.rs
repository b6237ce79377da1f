//! What is decided, and what waits.

use std::path::PathBuf;

use certmesh_ledger::governance::{Item, Member, Standing as MemberStanding, TrustFile};
use certmesh_text::governance as words;
use serde_json::{Value, json};

use clap::Args;

use super::One;
use super::network::{Network, Standing};
use crate::args::Global;
use crate::files::{Access, write_whole};
use crate::moment::{china_time, china_time_and_age, now_ms};
use crate::screen::{Screen, Tone, cell, counted, lines_cell, printable, toned};
use crate::{Error, Outcome};

/// Write the network's genesis and all decisions into a file: for a department that joins, and to verify where no network is
#[derive(Debug, Args)]
#[command(after_help = TRUST_FILE_EXAMPLES)]
pub(crate) struct TrustFileOut {
    /// The file to write; one that exists is replaced
    #[arg(long, value_name = "FILE", default_value = "network.trust")]
    out: PathBuf,
}

const TRUST_FILE_EXAMPLES: &str = "\
Examples:
  certmesh govern trust-file --out network.trust";

pub(super) fn trust_file(
    args: &TrustFileOut,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let (_, network) = Network::of(global)?;
    // What was verified here.
    let bytes = TrustFile::write(&network.trust.genesis, &network.trust.blocks);
    write_whole(&args.out, &bytes, true, Access::Everyone)?;
    let (id, height) = (network.state().network(), network.state().height());
    if screen.json() {
        screen
            .print_json(&json!({"file": args.out, "network": id.to_string(), "height": height}))?;
    } else {
        let done = screen.paint(Tone::Good, "DONE");
        let decisions = counted(height, "block");
        screen.line(format!("{done}  {}: {decisions}", args.out.display()))?;
        screen.field("network", id.to_string())?;
    }
    Ok(Outcome::Yes)
}

pub(super) fn members(global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let (_, network) = Network::of(global)?;
    let state = network.state();
    if screen.json() {
        let members: Vec<Value> = state.members().map(member_json).collect();
        screen.print_json(&json!({
            "network": state.network().to_string(), "height": state.height(), "head": state.head().to_string(),
            "version": state.version(), "sitting": state.sitting(), "policy": state.policy(), "members": members,
        }))?;
        return Ok(Outcome::Yes);
    }
    screen.fields([
        ("network", state.network().to_string()),
        (
            "decisions",
            format!(
                "{} blocks, the last {}",
                state.height(),
                words::short(&state.head().to_string())
            ),
        ),
        ("policy", words::policy(state.policy())),
        (
            "governors",
            format!(
                "{} of {} have shown this node nothing newer",
                network.view.governors_heard, network.view.governors
            ),
        ),
    ])?;
    screen.line("")?;
    let rows = state.members().map(|member| {
        let governs = if member.governs { "governs" } else { "" };
        let (tone, standing) = match member.standing {
            MemberStanding::Present => (Tone::Good, "member".to_owned()),
            MemberStanding::Suspended { since, .. } => {
                (Tone::Bad, format!("suspended since block {since}"))
            }
            MemberStanding::Removed { since, .. } => {
                (Tone::Bad, format!("removed in block {since}"))
            }
        };
        let roles: Vec<String> = member.roles.iter().map(ToString::to_string).collect();
        vec![
            cell(member.code.to_string()),
            cell(printable(member.name.as_str())),
            toned(tone, standing),
            cell(governs),
            lines_cell(roles),
            cell(member.epoch.to_string()),
        ]
    });
    let rows = rows.collect();
    let header = [
        "DEPARTMENT",
        "NAME",
        "STANDING",
        "GOVERNS",
        "ROLES",
        "KEY EPOCH",
    ];
    screen.table(&header, &[0, 2, 3, 5], rows)?;
    Ok(Outcome::Yes)
}

fn member_json(member: &Member) -> Value {
    let (standing, since) = match member.standing {
        MemberStanding::Present => ("member", None),
        MemberStanding::Suspended { since, .. } => ("suspended", Some(since)),
        MemberStanding::Removed { since, .. } => ("removed", Some(since)),
    };
    let roles: Vec<String> = member.roles.iter().map(ToString::to_string).collect();
    json!({
        "department": member.code, "name": member.name, "name_zh": member.name_zh, "standing": standing, "since": since,
        "governs": member.governs, "roles": roles, "epoch": member.epoch, "generation": member.generation,
        "own_changes": member.changes,
        "keys": {
            "identity": member.keys.identity.to_string(), "operating": member.keys.operating.to_string(),
            "transport": member.keys.transport.to_string(), "sealing": member.keys.sealing.to_string(),
        },
    })
}

pub(super) fn list(global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let (_, network) = Network::of(global)?;
    let state = network.state();
    if screen.json() {
        let proposals: Vec<Value> = network
            .pool
            .proposals()
            .map(|(id, decision)| proposal_json(&network, &id.to_string(), decision))
            .collect();
        let others: Vec<Value> = others(&network)
            .map(|item| item_json(&network, &item))
            .collect();
        screen.print_json(&json!({"proposals": proposals, "others": others}))?;
        return Ok(Outcome::Yes);
    }
    let now = now_ms();
    let mut rows = Vec::new();
    for (id, decision) in network.pool.proposals() {
        let standing = Standing::of(state, decision);
        rows.push(vec![
            cell(words::short(&id.to_string())),
            cell(printable(&network.name(&decision.proposal.proposer))),
            cell(format!(
                "{} of {} needed",
                standing.approve, standing.needed
            )),
            cell(china_time_and_age(decision.proposal.lapses_ms, now)),
            lines_cell(words::proposal(&decision.proposal, &|code| {
                network.name(code)
            })),
        ]);
    }
    for item in others(&network) {
        rows.push(vec![
            cell("-"),
            cell(""),
            cell("needs none"),
            cell(""),
            lines_cell(words::item(&item, &|code| network.name(code))),
        ]);
    }
    if rows.is_empty() {
        screen.line("Nothing waits for a decision.")?;
        return Ok(Outcome::Yes);
    }
    let header = [
        "PROPOSAL",
        "BY",
        "APPROVALS",
        "LAPSES",
        "WHAT IT WOULD CHANGE",
    ];
    screen.table(&header, &[0, 2], rows)?;
    Ok(Outcome::Yes)
}

/// What waits and is not a proposal.
fn others(network: &Network) -> impl Iterator<Item = Item> {
    let items = network.pool.items();
    items.filter(|item| !matches!(item, Item::Decision(_)))
}

pub(super) fn proposal(one: &One, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let (_, network) = Network::of(global)?;
    let (id, decision) = network.proposal(&one.proposal)?;
    if screen.json() {
        screen.print_json(&proposal_json(&network, &id.to_string(), decision))?;
        return Ok(Outcome::Yes);
    }
    describe(&network, &id.to_string(), decision, screen)?;
    Ok(Outcome::Yes)
}

/// Shows a proposal.
pub(super) fn describe(
    network: &Network,
    id: &str,
    decision: &certmesh_ledger::governance::Decision,
    screen: &mut Screen,
) -> Result<(), Error> {
    let (state, proposal) = (network.state(), &decision.proposal);
    let standing = Standing::of(state, decision);
    let approvals: Vec<String> = decision
        .approvals
        .iter()
        .map(|by| network.name(&by.by))
        .collect();
    screen.fields([
        ("proposal", id.to_owned()),
        ("by", network.name(&proposal.proposer)),
        ("reason", proposal.reason.to_string()),
        ("lapses", china_time_and_age(proposal.lapses_ms, now_ms())),
        (
            "approvals",
            format!(
                "{} of {} governors, {} needed: the proposer{}{}",
                standing.approve,
                standing.governors,
                standing.needed,
                if approvals.is_empty() { "" } else { ", " },
                approvals.join(", ")
            ),
        ),
    ])?;
    screen.line("It would")?;
    for line in words::proposal(proposal, &|code| network.name(code)) {
        screen.line(format!("  - {}", printable(&line)))?;
    }
    Ok(())
}

pub(super) fn proposal_json(
    network: &Network,
    id: &str,
    decision: &certmesh_ledger::governance::Decision,
) -> Value {
    let (state, proposal) = (network.state(), &decision.proposal);
    let standing = Standing::of(state, decision);
    let approvals: Vec<_> = decision.approvals.iter().map(|by| by.by).collect();
    json!({
        "proposal": id, "proposer": proposal.proposer, "reason": proposal.reason, "lapses_ms": proposal.lapses_ms,
        "sitting": proposal.sitting, "approved_by": approvals, "approve": standing.approve, "needed": standing.needed,
        "governors": standing.governors, "changes": words::proposal(proposal, &|code| network.name(code)),
    })
}

fn item_json(network: &Network, item: &Item) -> Value {
    json!({"kind": item.kind(), "changes": words::item(item, &|code| network.name(code))})
}

pub(super) fn log(global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let (_, network) = Network::of(global)?;
    let name = |code: &_| network.name(code);
    if screen.json() {
        let blocks: Vec<Value> = network
            .trust
            .blocks
            .iter()
            .map(|block| {
                let items: Vec<Value> = block
                    .block
                    .items
                    .iter()
                    .map(|item| item_json(&network, item))
                    .collect();
                let id = network
                    .trust
                    .history
                    .head_at(block.block.height)
                    .map(|id| id.to_string());
                json!({
                    "height": block.block.height, "block": id, "time_ms": block.block.time_ms,
                    "votes": block.certificate.votes.len(), "items": items,
                })
            })
            .collect();
        screen.print_json(&json!({"blocks": blocks}))?;
        return Ok(Outcome::Yes);
    }
    if network.trust.blocks.is_empty() {
        screen.line("Nothing was decided since the network was founded.")?;
        return Ok(Outcome::Yes);
    }
    let rows = network.trust.blocks.iter().map(|block| {
        let items = block.block.items.iter();
        let lines: Vec<String> = items.flat_map(|item| words::item(item, &name)).collect();
        vec![
            cell(block.block.height.to_string()),
            cell(china_time(block.block.time_ms)),
            cell(counted(block.certificate.votes.len() as u64, "vote")),
            lines_cell(lines),
        ]
    });
    let rows = rows.collect();
    screen.table(
        &["BLOCK", "TIME", "FINAL BY", "WHAT CHANGED"],
        &[0, 1, 2],
        rows,
    )?;
    Ok(Outcome::Yes)
}
