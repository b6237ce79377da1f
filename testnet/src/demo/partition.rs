//! The network falls apart into two halves and grows together again.

use std::time::Instant;

use serde_json::json;

use super::Details;
use super::stage::{Expected, Stage, details};
use crate::Error;
use crate::client::Client;
use crate::screen::spoken;
use crate::stats::{grouped, ms};

/// Certificates issued on each side.
const EACH_SIDE: u64 = 50;

/// Cuts the links between two halves, issues on both sides, heals.
pub(super) fn partition(stage: &mut Stage) -> Result<Details, Error> {
    let all = stage.net.clients()?;
    let half = all.len() / 2;
    let (left, right) = all.split_at(half);
    let group: Vec<usize> = left.iter().map(|(index, _)| *index).collect();
    stage.net.links().partition(&group);
    wait_apart(stage, left, right.len())?;
    wait_apart(stage, right, left.len())?;
    stage.say(format!(
        "the links between {} and {} peers are cut",
        left.len(),
        right.len()
    ));
    let last = all.len() - 1;
    let on_left = stage.issue(0, "D6", EACH_SIDE)?;
    let on_right = stage.issue(last, "D6", EACH_SIDE)?;
    for (side, ids, other, others_ids) in [
        (left, &on_left, right, &on_right),
        (right, &on_right, left, &on_left),
    ] {
        let newest = ids.last().map_or("", String::as_str);
        stage.wait_verdict(side, newest, Expected::Valid)?;
        for (index, client) in other {
            if !Expected::Unknown.holds(client, newest)? {
                return Err(Error::Broken(format!(
                    "{} knows what was issued on the other side",
                    stage.name(*index)
                )));
            }
        }
        debug_assert_ne!(ids, others_ids);
    }
    stage.say(format!(
        "both sides issued {EACH_SIDE}: known on their own side, unknown on the other"
    ));
    stage.net.links().heal_all();
    let healed = Instant::now();
    let records = stage.wait_converged()?;
    let took = healed.elapsed();
    for id in [&on_left, &on_right].into_iter().flatten() {
        stage.wait_verdict(&all, id, Expected::Valid)?;
    }
    stage.issued.extend(on_left.into_iter().map(|id| (0, id)));
    stage
        .issued
        .extend(on_right.into_iter().map(|id| (last, id)));
    stage.say(format!(
        "healed: {} later all peers hold the same {} records",
        spoken(took),
        grouped(records)
    ));
    Ok(details(
        json!({ "sides": [half, all.len() - half], "issued_each_side": EACH_SIDE, "converged_ms": ms(took) }),
    ))
}

/// Waits until the peers of one side have noticed that the other is gone.
fn wait_apart(stage: &Stage, side: &[(usize, Client)], lost: usize) -> Result<(), Error> {
    let left = stage.net.founders() - 1 - lost;
    for (index, client) in side {
        let what = || {
            format!(
                "{} to notice that {lost} peers are gone",
                stage.name(*index)
            )
        };
        stage.deadline.wait(what, || {
            Ok((client.status()?.peers_connected as usize <= left).then_some(()))
        })?;
    }
    Ok(())
}
