//! A byte changed on disk in a copy of another department's log.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use certmesh_api::LogState;
use serde_json::json;

use super::Details;
use super::stage::{Expected, Stage, details};
use crate::Error;
use crate::screen::spoken;
use crate::stats::{grouped, ms};

/// Changes a byte in the last department's copy of the first one's log while its peer is stopped.
pub(super) fn tamper(stage: &mut Stage) -> Result<Details, Error> {
    let victim = stage.net.founders() - 1;
    let log = stage.net.member(0).code().to_string();
    let before = stage.net.client(victim)?.log(&log)?;
    stage.net.stop(victim)?;
    let data = stage.net.member(victim).data();
    let file = records_file(&data.join("logs").join(&log))?;
    let position = flip_a_byte(&file)?;
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    stage.say(format!(
        "{}: byte {} of {name}, its copy of {}'s log, is flipped",
        stage.name(victim),
        grouped(position),
        stage.name(0)
    ));
    let begun = Instant::now();
    stage.net.start(victim, stage.deadline)?;
    let client = stage.net.client(victim)?;
    let what = || "the damage to be found".to_owned();
    let aside = stage.deadline.wait(what, || Ok(set_aside(&data, &log)))?;
    stage.say(format!(
        "found as the peer reads what it holds: the copy is set aside as {}",
        aside.strip_prefix(&data).unwrap_or(&aside).display()
    ));
    let what = || "the copy to be fetched again from peers".to_owned();
    stage.deadline.wait(what, || {
        let now = client.log(&log)?;
        Ok(
            (now.size >= before.size && now.root == before.root && now.state == LogState::Replica)
                .then_some(()),
        )
    })?;
    let took = begun.elapsed();
    stage.net.wait_ready(stage.deadline)?;
    let own = stage.some_issued(100).filter(|(issuer, _)| *issuer == 0);
    for (_, id) in own {
        // Nothing is valid by a copy that came back before another member has confirmed that it is the newest.
        let what = || format!("{id} to be valid at {} again", stage.name(victim));
        let valid = || Ok(Expected::Valid.holds(&client, id)?.then_some(()));
        stage.deadline.wait(what, valid)?;
    }
    stage.say(format!(
        "{} records fetched again and verified, same root as before, {} after the start",
        grouped(before.size),
        spoken(took)
    ));
    let aside = aside
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(details(
        json!({ "byte": position, "records": before.size, "set_aside": aside, "healed_ms": ms(took) }),
    ))
}

/// The first file of records of a log.
fn records_file(dir: &Path) -> Result<PathBuf, Error> {
    let entries = fs::read_dir(dir)
        .map_err(Error::file(dir))?
        .flatten()
        .map(|entry| entry.path());
    let first = entries
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "records"))
        .min();
    first.ok_or_else(|| Error::malformed(dir, &"holds no records"))
}

/// Flips the lowest bit of the byte in the middle; returns its position.
fn flip_a_byte(path: &Path) -> Result<u64, Error> {
    let flip = || -> std::io::Result<u64> {
        let file = File::options().read(true).write(true).open(path)?;
        let position = file.metadata()?.len() / 2;
        let mut byte = [0];
        file.read_exact_at(&mut byte, position)?;
        file.write_all_at(&[byte[0] ^ 1], position)?;
        file.sync_all()?;
        Ok(position)
    };
    flip().map_err(Error::file(path))
}

/// Where the damaged copy went, once it is found.
fn set_aside(data: &Path, log: &str) -> Option<PathBuf> {
    let dir = data.join("set-aside");
    let entries = fs::read_dir(&dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    entries
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(log))
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_bit_is_flipped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("000000000000.records");
        fs::write(&path, [0x40; 101]).unwrap();
        assert_eq!(records_file(dir.path()).unwrap(), path);
        assert_eq!(flip_a_byte(&path).unwrap(), 50);
        let after = fs::read(&path).unwrap();
        assert_eq!(after.iter().filter(|byte| **byte != 0x40).count(), 1);
        assert_eq!(after[50], 0x41);
    }
}
