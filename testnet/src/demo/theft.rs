//! A stolen key forks a log, and the members end that.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use certmesh_api::{LogState, OwnLogState};
use certmesh_ledger::governance::{Cut, CutReason, Member, Position};
use certmesh_ledger::id::DepartmentCode;

use super::stage::{Expected, Stage};
use crate::Error;
use crate::client::Client;
use crate::govern::{self, Decided};
use crate::process::NodeFile;
use crate::screen::spoken;
use crate::stats::grouped;

/// Certificates that the department issues before its disk is copied.
const KEPT: u64 = 5;
/// Those that it issues after that.
const DISPUTED: u64 = 6;
/// Those that the thief issues in their places; fewer, so that its history is not the longer one.
const FORGED: u64 = 4;
/// The runs of these.
const RUNS: [&str; 3] = ["D17A", "D17B", "D17C"];

/// What ended a theft.
pub(super) struct Ended {
    /// The members' decision to cut the log.
    pub(super) cut: Decided,
    /// Records that it cut off at the others.
    pub(super) cut_off: u64,
    /// From the proposal until the department's peer could issue again.
    pub(super) goes_on: Duration,
    /// How long the replacement of the stolen key took.
    pub(super) rotated: Duration,
}

/// Certificates by identifier.
struct Issued {
    /// From before the copy.
    kept: Vec<String>,
    /// The thief's.
    forged: Vec<String>,
}

/// Forks a department's log with its stolen keys. The members, `proposer` first, cut it where it forked, and the department
/// replaces the key and goes on.
pub(super) fn theft(stage: &mut Stage, proposer: usize, victim: usize) -> Result<Ended, Error> {
    let issued = fork(stage, victim)?;
    let code = stage.net.member(victim).code();
    let begun = Instant::now();
    let (position, cut_off) = undisputed(stage, proposer, victim)?;
    let before = stage.net.node_file(victim).cloned();
    let cut = Cut {
        position,
        // The reason `Compromised` would end the present key here. Until it has the next one the department's peer could not
        // vote, and without it the others may be too few to decide on that key.
        why: CutReason::Forked,
        first_epoch: member(stage, proposer, &code)?.epoch,
    };
    let why = "its keys were copied";
    let cut = govern::pass(&stage.net, proposer, cut.into(), why, stage.deadline)?;
    wait_next_generation(stage, victim, before.as_ref())?;
    let goes_on = begun.elapsed();
    let rotated = govern::rotate(&stage.net, victim, stage.deadline)?;
    let again = stage.issue(victim, RUNS[1], DISPUTED)?;
    let peers = stage.net.clients()?;
    for id in issued.kept.iter().chain(&again) {
        stage.wait_verdict(&peers, id, Expected::Valid)?;
    }
    for id in &issued.forged {
        stage.wait_verdict(&peers, id, Expected::Unknown)?;
    }
    stage.say(format!(
        "the members cut it where it forked, signed by {} of {}: it goes on after {}, and another key ends the stolen one after {}; \
         its last {}, issued again, are valid at every peer, the thief's unknown",
        cut.approvals,
        cut.governors,
        spoken(goes_on),
        spoken(rotated),
        grouped(again.len() as u64)
    ));
    Ok(Ended {
        cut,
        cut_off,
        goes_on,
        rotated,
    })
}

/// Copies a department's directory, keys and all, and issues by the copy what the department did not. The department's own
/// peer, with its own directory, runs again after that.
fn fork(stage: &mut Stage, victim: usize) -> Result<Issued, Error> {
    let home = stage.net.member(victim).dir.clone();
    let [copy, own] = ["copied", "own"].map(|name| home.with_extension(name));
    let kept = stage.issue(victim, RUNS[0], KEPT)?;
    wait_last(stage, &kept)?;
    stage.net.stop(victim)?;
    copy_dir(&home, &copy)?;
    stage.net.start(victim, stage.deadline)?;
    stage.net.wait_ready(stage.deadline)?;
    let disputed = stage.issue(victim, RUNS[1], DISPUTED)?;
    wait_last(stage, &disputed)?;
    stage.net.stop(victim)?;
    rename(&home, &own)?;
    rename(&copy, &home)?;
    let forged = forge(stage, victim)?;
    let seen = wait_frozen(stage, victim)?;
    check_none_valid(stage, victim, &disputed)?;
    check_none_valid(stage, victim, &forged)?;
    stage.net.stop(victim)?;
    fs::remove_dir_all(&home).map_err(Error::file(&home))?;
    rename(&own, &home)?;
    stage.net.start(victim, stage.deadline)?;
    stage.say(format!(
        "a thief who copied the disk of {}, keys included, issues {} certificates in place of its last {}: every other peer freezes \
         the log within {}, and none of these is valid anywhere",
        stage.name(victim),
        grouped(FORGED),
        grouped(DISPUTED),
        spoken(seen)
    ));
    Ok(Issued { kept, forged })
}

/// Fails if another peer takes one of these for valid.
fn check_none_valid(stage: &Stage, victim: usize, ids: &[String]) -> Result<(), Error> {
    for (index, client) in others(stage, victim)? {
        for id in ids {
            if Expected::Valid.holds(&client, id)? {
                let name = stage.name(index);
                let fault = format!("{id} is valid at {name} though its log has forked");
                return Err(Error::Broken(fault));
            }
        }
    }
    Ok(())
}

/// Issues with the copied keys, where no other peer says what the copy lacks, then lets all others see it.
fn forge(stage: &mut Stage, victim: usize) -> Result<Vec<String>, Error> {
    // The mark guards against mistakes: a thief writes it as the node does.
    let mark = stage.net.member(victim).mark();
    mark.write_ran().map_err(Error::file(mark.path()))?;
    stage.net.links().partition(&[victim]);
    let trusting = &["--trust-own-disk"];
    stage.net.start_with(victim, trusting, stage.deadline)?;
    let client = stage.net.client(victim)?;
    let what = || "the copied log to be writable".to_owned();
    stage.deadline.wait(what, || {
        Ok((client.status()?.log_state == OwnLogState::Writable).then_some(()))
    })?;
    let forged = stage.issue(victim, RUNS[2], FORGED)?;
    stage.net.links().heal_all();
    Ok(forged)
}

/// A department as of the chain at a peer.
fn member(stage: &Stage, at: usize, code: &DepartmentCode) -> Result<Member, Error> {
    let chain = govern::chain(&stage.net, at)?;
    let member = chain.history.state().member(code).cloned();
    member.ok_or_else(|| Error::Broken(format!("{code} is not a member")))
}

fn others(stage: &Stage, victim: usize) -> Result<Vec<(usize, Client)>, Error> {
    let mut peers = stage.net.clients()?;
    peers.retain(|(index, _)| *index != victim);
    Ok(peers)
}

fn wait_last(stage: &Stage, ids: &[String]) -> Result<(), Error> {
    let last = ids.last().map_or("", String::as_str);
    stage.wait_verdict(&stage.net.clients()?, last, Expected::Valid)
}

/// Waits until every other running peer has stopped at the fork. Gives how long that took.
fn wait_frozen(stage: &Stage, victim: usize) -> Result<Duration, Error> {
    let begun = Instant::now();
    let code = stage.net.member(victim).code();
    for (index, client) in others(stage, victim)? {
        let what = || format!("{} to see that the log of {code} forked", stage.name(index));
        stage.deadline.wait(what, || {
            let log = client.log(code.as_str())?;
            Ok((log.state == LogState::Frozen).then_some(()))
        })?;
    }
    Ok(begun.elapsed())
}

/// Up to where nobody disputes a frozen log, and how many more records of it a peer holds.
fn undisputed(stage: &Stage, at: usize, of: usize) -> Result<(Position, u64), Error> {
    let code = stage.net.member(of).code();
    let client = stage.net.client(at)?;
    let held = client.log(code.as_str())?;
    let size = held.undisputed.unwrap_or(held.size).min(held.size);
    let root = client.log_with_root(code.as_str(), size)?.root_at;
    let root = root.and_then(|root| root.parse().ok());
    let root = root.ok_or_else(|| Error::Broken(format!("no root over {size} records")))?;
    let log = member(stage, at, &code)?.log();
    Ok((Position { log, size, root }, held.size - size))
}

/// Waits until the log goes on in its next generation at every running peer, and its department's peer may issue. That was
/// serving as `before`.
fn wait_next_generation(
    stage: &mut Stage,
    of: usize,
    before: Option<&NodeFile>,
) -> Result<(), Error> {
    let code = stage.net.member(of).code();
    let what = || format!("the log of {code} to go on");
    let deadline = stage.deadline;
    deadline.wait(what, || {
        // Its own peer starts again within its process, with other ports; until then it can't be asked.
        stage.net.refresh()?;
        if stage.net.node_file(of) == before {
            return Ok(None);
        }
        let log = stage.net.client(of)?.log(code.as_str());
        Ok(log.ok().filter(|log| log.generation > 0).map(drop))
    })?;
    for (_, client) in others(stage, of)? {
        deadline.wait(what, || {
            let log = client.log(code.as_str())?;
            Ok((log.generation > 0).then_some(()))
        })?;
    }
    stage.net.wait_ready(deadline)
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::file(from))
}

/// Copies a directory with everything in it, as it is protected.
fn copy_dir(from: &Path, to: &Path) -> Result<(), Error> {
    fn copy(from: &Path, to: &Path) -> io::Result<()> {
        fs::create_dir(to)?;
        fs::set_permissions(to, fs::metadata(from)?.permissions())?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            match entry.file_type()?.is_dir() {
                true => copy(&entry.path(), &target)?,
                false => fs::copy(entry.path(), target).map(drop)?,
            }
        }
        Ok(())
    }
    copy(from, to).map_err(Error::file(from))
}
