//! A log of many certificates, written straight to a department's data directory while its node is stopped.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry::{Occupied, Vacant};
use std::sync::Arc;

use certmesh_api::draft::Draft;
use certmesh_ledger::genesis::Genesis;
use certmesh_ledger::log::Log;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::names::{LogId, LogName};
use certmesh_ledger::record::{Entry, SharingClass};
use certmesh_text::faults;

use super::Bench;
use crate::fill::{BATCH, Filler, broken, place};
use crate::network::Member;
use crate::patience::Deadline;
use crate::sample::Sample;
use crate::testnet::Testnet;
use crate::{Error, departments};

/// A network of two of which the first has so many certificates in its log; none of its nodes runs.
pub(super) fn network(
    bench: &Bench,
    records: u64,
    patience: Deadline,
) -> Result<(Testnet, Sample), Error> {
    let mut net = bench.network(2)?;
    // A first start makes the data directory; then the log is written straight into it, which takes seconds where issuing
    // over the API takes minutes. The records are the same, signed one by one.
    net.start(0, patience)?;
    net.stop(0)?;
    let sample = Sample::new(0, "B")?;
    fill(
        bench,
        net.network().genesis(),
        net.member(0),
        &sample,
        records,
    )?;
    Ok((net, sample))
}

/// Writes so many certificates of a sample into a member's own log.
fn fill(
    bench: &Bench,
    genesis: &Genesis,
    member: &Member,
    sample: &Sample,
    records: u64,
) -> Result<(), Error> {
    let name = LogName {
        network: genesis.network_id(),
        id: LogId::first(member.code()),
    };
    let opened = Log::open(&place(member)?, name, &Membership::from_genesis(genesis));
    let (log, _) = opened.map_err(|error| broken(&error))?;
    let mut filler = Filler::new(Arc::new(log), member)?;
    filler.append(types(member.index)?)?;
    let bar = bench.screen.progress(records, "filling the log");
    let mut entries = Vec::with_capacity(BATCH);
    let mut definitions = BTreeMap::new();
    for number in 0..records {
        let draft = Draft::check(sample.row(number), &member.code());
        let draft = draft.map_err(|list| Error::Broken(faults(&list)))?;
        let sharing = draft.sharing.unwrap_or(SharingClass::Conditional);
        let code = draft.id.type_code();
        let definition = match definitions.entry(code) {
            Occupied(held) => held.into_mut(),
            Vacant(place) => place.insert(filler.own_definition(&code)?),
        };
        let issued = filler.issued(&draft, sharing, definition);
        entries.push(Entry::CertificateIssued(issued));
        if entries.len() == BATCH || number + 1 == records {
            bar.inc(entries.len() as u64);
            filler.append(std::mem::take(&mut entries))?;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Definitions of a department's types as entries.
fn types(index: usize) -> Result<Vec<Entry>, Error> {
    departments::type_definitions(index)?
        .into_iter()
        .map(|definition| match definition.check() {
            Ok(definition) => Ok(Entry::from(definition)),
            Err(list) => Err(Error::Broken(faults(&list))),
        })
        .collect()
}
