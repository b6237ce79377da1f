//! Who belongs, and with which keys, is decided while everything runs and one of those who decide is down.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use certmesh_ledger::codec::Ascending;
use certmesh_ledger::genesis::{MAX_GOVERNORS, Role};
use certmesh_ledger::governance::{Action, Admit, Member, Remove, Suspend, quorum};
use serde_json::json;

use super::Details;
use super::stage::{Expected, Stage, details};
use super::theft::theft;
use crate::Error;
use crate::client::{Client, ClientError};
use crate::govern::{self, Decided};
use crate::screen::spoken;
use crate::stats::{grouped, ms};
use crate::testnet::define_types;

/// Whose people propose.
const PROPOSER: usize = 0;
/// Who changes its operating key, and has the next one stolen.
const ROTATES: usize = 1;
/// Certificates that the newcomer issues.
const ISSUES: u64 = 20;
/// Certificates issued one by one before the operating key is changed, and after.
const AROUND: usize = 25;

/// A department joins, another changes its operating key while it issues, has it stolen and goes on nevertheless, and the one that
/// joined is suspended and removed.
pub(super) fn governance(stage: &mut Stage) -> Result<Details, Error> {
    let newcomer = stage.net.founders();
    let away = take_away(stage)?;
    let (admitted, theirs) = admit(stage, newcomer)?;
    let (rotated, meanwhile) = rotate(stage)?;
    let ended = theft(stage, PROPOSER, ROTATES)?;
    let removed = remove(stage, newcomer, &theirs)?;
    if let Some(away) = away {
        bring_back(stage, away)?;
    }
    Ok(details(json!({
        "away": usize::from(away.is_some()),
        "approvals": admitted.approvals,
        "governors": admitted.governors,
        "admitted_ms": ms(admitted.took),
        "rotated_ms": ms(rotated),
        "issued_meanwhile": meanwhile,
        "cut_approvals": ended.cut.approvals,
        "cut_ms": ms(ended.cut.took),
        "cut_off_records": ended.cut_off,
        "goes_on_ms": ms(ended.goes_on),
        "stolen_key_ended_ms": ms(ended.rotated),
        "removed_ms": ms(removed.took),
    })))
}

/// Stops the node of a governor, if the others can decide without it.
fn take_away(stage: &mut Stage) -> Result<Option<usize>, Error> {
    let governors = stage.net.founders().min(MAX_GOVERNORS);
    if quorum(governors) == governors {
        stage.say(format!(
            "of {governors} departments none can be down while something is decided"
        ));
        return Ok(None);
    }
    let away = governors - 1;
    stage.net.stop(away)?;
    stage.say(format!(
        "{}, one of the {governors} that decide, is stopped and stays down",
        stage.name(away)
    ));
    Ok(Some(away))
}

/// Has the newcomer admitted, starts its peer, and lets it issue. Gives its last certificate.
fn admit(stage: &mut Stage, newcomer: usize) -> Result<(Decided, String), Error> {
    let network = stage.net.network().genesis().network_id();
    let admit = Admit {
        introduction: govern::introduction(stage.net.member(newcomer), network)?,
        roles: Ascending::first([Role::Issue]),
        governs: false,
    };
    let decided = decide(stage, admit.into(), "it issues what the others ask for")?;
    stage.say(format!(
        "{} proposes to admit {}: signed by {} of {} with their identity keys, decided and known to every running peer after {}",
        stage.name(PROPOSER),
        stage.name(newcomer),
        decided.approvals,
        decided.governors,
        spoken(decided.took)
    ));
    let begun = Instant::now();
    govern::take_in(&stage.net, stage.net.member(newcomer), PROPOSER)?;
    stage.net.start(newcomer, stage.deadline)?;
    stage.net.wait_ready(stage.deadline)?;
    define_types(&stage.net.client(newcomer)?, newcomer)?;
    let ids = stage.issue(newcomer, "D15", ISSUES)?;
    let last = ids.last().cloned().unwrap_or_default();
    stage.wait_verdict(&stage.net.clients()?, &last, Expected::Valid)?;
    stage.say(format!(
        "it joins, and nobody else starts anything again: {} after its peer's start its first {ISSUES} certificates are issued, \
         and valid at every peer",
        spoken(begun.elapsed())
    ));
    Ok((decided, last))
}

fn decide(stage: &Stage, action: Action, reason: &str) -> Result<Decided, Error> {
    govern::decide(&stage.net, PROPOSER, action, reason, stage.deadline)
}

/// Changes a department's operating key while it issues one certificate after the other. Gives how long it took until every
/// running peer knew, and how many were issued.
fn rotate(stage: &Stage) -> Result<(Duration, usize), Error> {
    let client = stage.net.client(ROTATES)?;
    let (stop, issued) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (rotated, ids) = thread::scope(|scope| {
        let load = scope.spawn(|| issue_until(stage, &client, &stop, &issued));
        let rotated = rotate_amid(stage, &issued);
        stop.store(true, Ordering::Relaxed);
        let ids = load.join().expect("issuing threads do not panic");
        (rotated, ids)
    });
    // What broke off the issuing is why the rest did not come about.
    let (ids, rotated) = (ids?, rotated?);
    for id in [&ids[0], &ids[ids.len() - 1]] {
        stage.wait_verdict(&stage.net.clients()?, id, Expected::Valid)?;
    }
    stage.say(format!(
        "{} replaces its operating key by itself: in force everywhere after {}",
        stage.name(ROTATES),
        spoken(rotated)
    ));
    stage.say(format!(
        "it issued {} certificates while it did, none refused; those of the key before and of the next are valid at every peer",
        grouped(ids.len() as u64)
    ));
    Ok((rotated, ids.len()))
}

/// Changes the key between some certificates and some more.
fn rotate_amid(stage: &Stage, issued: &AtomicUsize) -> Result<Duration, Error> {
    let wait = |more: usize| {
        let enough = issued.load(Ordering::Relaxed) + more;
        let what = || format!("{more} more certificates to be issued");
        stage.deadline.wait(what, || {
            Ok((issued.load(Ordering::Relaxed) >= enough).then_some(()))
        })
    };
    wait(AROUND)?;
    let took = govern::rotate(&stage.net, ROTATES, stage.deadline)?;
    wait(AROUND)?;
    Ok(took)
}

/// Issues one certificate after the other until it is told to stop.
fn issue_until(
    stage: &Stage,
    client: &Client,
    stop: &AtomicBool,
    issued: &AtomicUsize,
) -> Result<Vec<String>, Error> {
    let sample = stage.sample(ROTATES, "D15")?;
    let mut ids = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let appended = client.issue_line(&sample.line(ids.len() as u64))?;
        ids.push(appended.id);
        issued.store(ids.len(), Ordering::Relaxed);
    }
    Ok(ids)
}

/// Suspends the newcomer, then removes it. What it issued before stays as it is.
fn remove(stage: &mut Stage, newcomer: usize, issued: &str) -> Result<Decided, Error> {
    stage.wait_converged()?;
    let position = govern::position(&stage.net, PROPOSER, newcomer)?;
    let decided = decide(stage, Suspend { position }.into(), "its duties went over")?;
    stage.say(format!(
        "{} is suspended after {}; its peer still answers, and records nothing more: {}",
        stage.name(newcomer),
        spoken(decided.took),
        refused(stage, newcomer)?
    ));
    let chain = govern::chain(&stage.net, PROPOSER)?;
    let member = chain.history.state().member(&position.log.department);
    let since = member.and_then(Member::suspended_since);
    let since = since.ok_or_else(|| Error::Broken("it is not suspended".to_owned()))?;
    let remove = Remove {
        position,
        since,
        successor: None,
    };
    let decided = decide(stage, remove.into(), "its duties went over")?;
    wait_cut_off(stage, newcomer)?;
    stage.net.stop(newcomer)?;
    let peers = stage.net.clients()?;
    stage.wait_verdict(&peers, issued, Expected::Valid)?;
    stage.say(format!(
        "it is removed after {}, and no peer is connected with it any more; what it issued before is still valid",
        spoken(decided.took)
    ));
    Ok(decided)
}

/// How the peer of a suspended department refuses to issue.
fn refused(stage: &Stage, suspended: usize) -> Result<String, Error> {
    let line = stage.sample(suspended, "D16")?.line(0);
    match stage.net.client(suspended)?.issue_line(&line) {
        Err(ClientError::Refused { problem, .. }) if problem.kind.name() == "log-read-only" => {
            Ok(problem.kind.name().to_owned())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err(Error::Broken(format!(
            "{} issues though it is suspended",
            stage.name(suspended)
        ))),
    }
}

/// Waits until no other peer is connected with a department's.
fn wait_cut_off(stage: &Stage, removed: usize) -> Result<(), Error> {
    let code = stage.net.member(removed).code();
    for (index, client) in stage.net.clients()? {
        if index == removed {
            continue;
        }
        let what = || format!("{} to leave {code}'s peer", stage.name(index));
        stage.deadline.wait(what, || {
            let mut peers = client.peers()?.into_iter();
            let connected = peers.any(|peer| peer.department == code.as_str() && peer.connected);
            Ok((!connected).then_some(()))
        })?;
    }
    Ok(())
}

/// Starts the governor's peer that was down.
fn bring_back(stage: &mut Stage, away: usize) -> Result<(), Error> {
    let begun = Instant::now();
    stage.net.start(away, stage.deadline)?;
    stage.net.wait_ready(stage.deadline)?;
    let height = stage.net.client(PROPOSER)?.governance()?.height;
    govern::wait_height(&stage.net, away, height, stage.deadline)?;
    stage.wait_converged()?;
    stage.say(format!(
        "{} is back: {} after its start it knows every decision, and holds the same logs as all others",
        stage.name(away),
        spoken(begun.elapsed())
    ));
    Ok(())
}
