//! Revoking, and how soon every other department sees it.

use std::time::Instant;

use certmesh_api::{Action, Reason, StatusRequest};
use serde_json::json;

use super::Details;
use super::stage::{Expected, Stage, details};
use crate::Error;
use crate::screen::spoken;
use crate::stats::Times;

/// Certificates revoked, one after the other.
const REVOKED: usize = 20;

/// Revokes certificates of the first department one by one, and waits for each at all others.
pub(super) fn revoke(stage: &mut Stage) -> Result<Details, Error> {
    let issuer = stage.net.client(0)?;
    let others: Vec<_> = stage
        .net
        .clients()?
        .into_iter()
        .filter(|(index, _)| *index != 0)
        .collect();
    let own = stage.issued.iter().filter(|(issuer, _)| *issuer == 0);
    let ids: Vec<String> = own.map(|(_, id)| id.clone()).take(REVOKED).collect();
    let change = StatusRequest {
        action: Action::Revoke.into(),
        to: None,
        reason: Some(Reason::Other.into()),
        text: "issued in error".to_owned(),
    };
    let mut times = Times::default();
    for id in &ids {
        stage.wait_verdict(&others, id, Expected::Valid)?;
        issuer.change_status(id, &change)?;
        let acknowledged = Instant::now();
        stage.wait_verdict(&others, id, Expected::Revoked)?;
        times.add(acknowledged.elapsed());
    }
    stage.issued.retain(|(_, id)| !ids.contains(id));
    if let (Some(id), Some((index, client))) = (ids.first(), others.first()) {
        let verification = client.verification(id)?;
        stage.say(format!(
            "{} now says {}: {}",
            stage.name(*index),
            verification.verdict,
            verification.explanation
        ));
    }
    stage.say(format!(
        "{} certificates revoked; every other department knew after p50 {}, at most {}",
        ids.len(),
        spoken(times.percentile(50)),
        spoken(times.percentile(100))
    ));
    Ok(details(
        json!({ "revoked": ids.len(), "p50_ms": times.p50_ms(), "max_ms": times.max_ms() }),
    ))
}
