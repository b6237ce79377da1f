//! Verifying at departments that are not the issuer, with its peer up and with it down.

use std::time::Instant;

use certmesh_api::Verification;
use certmesh_ledger::id::Date;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::verify::{Bundle, BundleError, Reader, Verdict};
use serde_json::json;

use super::Details;
use super::stage::{Expected, Stage, details};
use crate::Error;
use crate::client::Client;
use crate::network::now_ms;
use crate::screen::spoken;
use crate::stats::Times;

/// Certificates verified.
const ASKED: usize = 200;
/// Proofs verified offline.
const PROVED: usize = 20;

/// Verifies certificates of every issuer somewhere else.
pub(super) fn elsewhere(stage: &mut Stage) -> Result<Details, Error> {
    let clients = stage.net.clients()?;
    let (times, shown) = verify_some(stage, &clients, |_| true)?;
    stage.say(format!("{} certificates are valid, each asked for at another department than its issuer's; an answer takes {}", times.len(), spoken(times.percentile(50))));
    if let Some(verification) = shown {
        show(stage, &verification);
    }
    // One that nobody issued: valid in form, in no log.
    let made_up = stage.sample(0, "NOBODY")?.id(1).to_string();
    let (asked, client) = &clients[clients.len() - 1];
    if !Expected::Unknown.holds(client, &made_up)? {
        return Err(Error::Broken(format!(
            "{} knows a certificate that nobody issued",
            stage.name(*asked)
        )));
    }
    stage.say("a certificate that nobody issued is unknown, not valid");
    Ok(details(
        json!({ "verified": times.len(), "p50_ms": times.p50_ms(), "p99_ms": times.p99_ms() }),
    ))
}

/// Verifies at peers that are not the issuer's; returns the times and the first answer.
fn verify_some(
    stage: &Stage,
    clients: &[(usize, Client)],
    wanted: impl Fn(usize) -> bool,
) -> Result<(Times, Option<Verification>), Error> {
    let (mut times, mut shown) = (Times::default(), None);
    let certificates = stage
        .some_issued(ASKED)
        .filter(|(issuer, _)| wanted(*issuer));
    for (turn, (issuer, id)) in certificates.enumerate() {
        let others: Vec<_> = clients
            .iter()
            .filter(|(index, _)| index != issuer)
            .collect();
        let (asked, client) = others[turn % others.len()];
        let begun = Instant::now();
        let verification = client.verification(id)?;
        times.add(begun.elapsed());
        if verification.verdict != certmesh_api::Verdict::Valid {
            let Verification {
                verdict,
                explanation,
                ..
            } = &verification;
            return Err(Error::Broken(format!(
                "{} says {id} is {verdict}: {explanation}",
                stage.name(*asked)
            )));
        }
        shown.get_or_insert(verification);
        stage.deadline.check(|| "verifications".to_owned())?;
    }
    Ok((times, shown))
}

/// A verdict and the chain behind it, as short as possible.
fn show(stage: &Stage, verification: &Verification) {
    stage.say(format!("for instance {}", verification.id));
    stage.say(format!(
        "  {}: {}",
        verification.verdict, verification.explanation
    ));
    if let Some(provenance) = &verification.provenance {
        stage.say(format!(
            "  record {} of {}'s log, hash {}…",
            provenance.seq,
            provenance.department_name,
            short(&provenance.record)
        ));
        stage.say(format!(
            "  under its signed checkpoint of {} records, root {}…, cosigned by {}",
            provenance.checkpoint_size,
            short(&provenance.checkpoint_root),
            provenance.cosigned_by.len()
        ));
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// Stops the issuer's peer, verifies its certificates at the others, and starts it again.
pub(super) fn issuer_down(stage: &mut Stage) -> Result<Details, Error> {
    stage.net.stop(0)?;
    stage.say(format!("the peer of {} is stopped", stage.name(0)));
    let clients = stage.net.clients()?;
    let (times, _) = verify_some(stage, &clients, |issuer| issuer == 0)?;
    stage.say(format!(
        "{} of its certificates are still verified elsewhere; an answer takes {}",
        times.len(),
        spoken(times.percentile(50))
    ));
    let proofs = prove_some(stage, &clients)?;
    stage.say(format!(
        "{proofs} proofs taken from other peers hold offline, by the genesis file alone"
    ));
    let begun = Instant::now();
    stage.net.start(0, stage.deadline)?;
    stage.net.wait_ready(stage.deadline)?;
    let back = begun.elapsed();
    stage.say(format!(
        "it is back, and may issue again, {} after its start: the others confirmed its log",
        spoken(back)
    ));
    Ok(details(json!({
        "verified": times.len(),
        "p50_ms": times.p50_ms(),
        "p99_ms": times.p99_ms(),
        "proofs": proofs,
        "back_after_ms": crate::stats::ms(back),
    })))
}

/// Takes proofs of the first department's certificates from other peers and verifies them without any.
fn prove_some(stage: &Stage, clients: &[(usize, Client)]) -> Result<usize, Error> {
    let members = Membership::from_genesis(stage.net.network().genesis());
    let mut proofs = 0;
    let certificates = stage.some_issued(ASKED).filter(|(issuer, _)| *issuer == 0);
    for ((_, id), (_, client)) in certificates.take(PROVED).zip(clients.iter().cycle()) {
        let bytes = client.proof(id)?;
        let broken = |error: BundleError| Error::Broken(format!("the proof of {id}: {error}"));
        let bundle = Bundle::from_bytes(&bytes).and_then(|bundle| bundle.verify(&members));
        let bundle = bundle.map_err(broken)?;
        // Like anybody else who was handed the file: the issuer's word is not enough.
        let now_ms = now_ms();
        let verdict = bundle.judge(&Reader {
            on: Date::in_china(now_ms),
            now_ms,
            issuer_only: false,
        });
        if bundle.certificate().id.as_str() != id || verdict.map_err(broken)? != Verdict::Valid {
            return Err(Error::Broken(format!(
                "the proof of {id} proves something else"
            )));
        }
        proofs += 1;
    }
    Ok(proofs)
}
