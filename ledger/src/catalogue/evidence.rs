//! Files of fork evidence: `evidence/<log>.fork`, one a log, a header and canonical bytes.

use std::io;

use crate::log::{ForkEvidence, MAX_EVIDENCE_FILE, Place};
use crate::membership::Membership;
use crate::names::LogName;
use crate::names::NetworkId;

/// Writes evidence durably. The first evidence of a log is kept: it stopped the log.
pub(super) fn save(place: &Place, network: NetworkId, evidence: &ForkEvidence) -> io::Result<()> {
    let dir = place.data.join("evidence");
    place.disk.create_dir_all(&dir)?;
    let name = format!("{}.fork", evidence.log());
    if place.disk.list(&dir)?.contains(&name) {
        return Ok(());
    }
    let temporary = dir.join(format!("{name}.new"));
    let file = place.disk.open(&temporary, true)?;
    file.set_len(0)?;
    file.write_at(&evidence.to_file(network), 0)?;
    file.sync()?;
    place.disk.rename(&temporary, &dir.join(&name))?;
    place.disk.sync_dir(&dir)?;
    place.disk.sync_dir(&place.data)
}

/// Reads all evidence; also gives the files that prove nothing, with the reason.
pub(super) fn load(
    place: &Place,
    members: &Membership,
) -> (Vec<ForkEvidence>, Vec<(String, String)>) {
    let dir = place.data.join("evidence");
    let (mut found, mut bad) = (Vec::new(), Vec::new());
    for name in place
        .disk
        .list(&dir)
        .unwrap_or_default()
        .into_iter()
        .filter(|name| name.ends_with(".fork"))
    {
        let log = name.trim_end_matches(".fork").parse();
        let read = || -> io::Result<ForkEvidence> {
            let file = place.disk.open(&dir.join(&name), false)?;
            let mut bytes = vec![
                0;
                usize::try_from(file.len()?)
                    .unwrap_or(0)
                    .min(MAX_EVIDENCE_FILE + 1)
            ];
            file.read_exact_at(&mut bytes, 0)?;
            let log = LogName {
                network: members.network(),
                id: log.map_err(io::Error::other)?,
            };
            let evidence = ForkEvidence::from_file(&bytes, &log).map_err(io::Error::other)?;
            evidence.verify(members).map_err(io::Error::other)?;
            Ok(evidence)
        };
        match read() {
            Ok(evidence) => found.push(evidence),
            Err(error) => bad.push((name, error.to_string())),
        }
    }
    (found, bad)
}
