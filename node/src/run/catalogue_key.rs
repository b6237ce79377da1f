//! The catalogue key of a department that joined: before its node does anything else, it asks the other members for it.
//!
//! Nothing of the network's certificates can be found without the key, and nothing issued without it: so there is no node
//! until it is there. Only connections are made, with the same keys and to the same members as later; whatever the others ask
//! meanwhile is refused, as by a node that has just started.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use certmesh_ledger::crypto::keys::SecretFile;
use certmesh_ledger::crypto::secret_files;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::sync::{Request, Response, open_catalogue_key};
use futures::{Stream, StreamExt};
use libp2p::PeerId;

use super::error::{RunError, at};
use super::identity::{Identity, is_there};
use super::{Ended, share_files, start_net};
use crate::config::{Config, ConfigError};
use crate::descriptors;
use crate::net::{GossipVerdict, Net, NetEvent, OutboundId, RequestFailure};
use crate::peer::roster::Roster;

/// A member is asked again after this long: as often as it answers.
const AGAIN: Duration = Duration::from_secs(10);
/// How often it is looked at who has not been asked, and whether somebody has put the file there.
const LOOK: Duration = Duration::from_secs(1);

/// A node that has no catalogue key yet.
pub(super) struct Waiting {
    department: DepartmentCode,
    path: PathBuf,
    identity: Identity,
    roster: Roster,
    net: Net,
    connected: BTreeSet<PeerId>,
    asked: BTreeMap<PeerId, Instant>,
    questions: BTreeSet<OutboundId>,
}

impl Waiting {
    /// Connects to the members.
    pub(super) fn begin(
        config: &Config,
        identity: Identity,
        files: usize,
    ) -> Result<Waiting, RunError> {
        let members = identity.members.clone();
        let shares = share_files(
            files,
            descriptors::open_now(),
            &config.api.limits(),
            &identity,
        )?;
        let roster = Roster::new(&members, config.department, identity.addresses.clone());
        let net = start_net(config, &identity, shares, &roster)?;
        let path = config.keys.catalogue.clone();
        tracing::warn!(
            file = %path.display(),
            "waiting for the catalogue key from another member: this node serves nothing before it has the key"
        );
        if !members.counts(&config.department) {
            tracing::warn!(
                "the members have suspended this department: none sends it the key until they resume it"
            );
        }
        Ok(Waiting {
            department: config.department,
            path,
            identity,
            roster,
            net,
            connected: BTreeSet::new(),
            asked: BTreeMap::new(),
            questions: BTreeSet::new(),
        })
    }

    /// Asks one member after the other until the key is on disk. A configuration that is read again meanwhile is taken as a
    /// whole.
    pub(super) async fn run(
        mut self,
        settled: &mut Config,
        mut stopped: Pin<&mut impl Future<Output = ()>>,
        mut reloads: Pin<&mut impl Stream<Item = Result<Config, ConfigError>>>,
    ) -> Result<Ended, RunError> {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = &mut stopped => return Ok(Ended::Stopped),
                Some(read) = reloads.next() => match read {
                    Ok(config) => {
                        *settled = config;
                        return Ok(Ended::Prepared);
                    }
                    Err(error) => tracing::error!(%error, "the configuration was not reloaded"),
                },
                _ = look.tick() => {
                    if is_there(&self.path) {
                        return Ok(Ended::Prepared);
                    }
                    self.ask_all();
                }
                event = self.net.next() => {
                    if self.heard(event)? {
                        return Ok(Ended::Prepared);
                    }
                }
            }
        }
    }

    fn ask_all(&mut self) {
        for peer in self.connected.clone() {
            let asked = self.asked.get(&peer);
            if asked.is_none_or(|asked| asked.elapsed() >= AGAIN) {
                self.asked.insert(peer, Instant::now());
                let question = self.net.request(peer, Request::CatalogueKey.encode());
                self.questions.insert(question);
            }
        }
    }

    /// Returns whether the key is there now.
    fn heard(&mut self, event: NetEvent) -> Result<bool, RunError> {
        match event {
            NetEvent::Connected(peer) => {
                self.connected.insert(peer);
                self.ask_all();
            }
            NetEvent::Disconnected(peer) => drop(self.connected.remove(&peer)),
            NetEvent::Response {
                peer, id, result, ..
            } if self.questions.remove(&id) => {
                if let Some(from) = self.roster.code_of(&peer) {
                    return self.answered(from, result);
                }
            }
            // Nothing is known here that could be judged.
            NetEvent::Gossip { id, .. } => self.net.validate(id, GossipVerdict::Ignore),
            // Dropped, and so refused.
            NetEvent::Request { .. }
            | NetEvent::Response { .. }
            | NetEvent::Closed { .. }
            | NetEvent::Listening(_) => {}
        }
        Ok(false)
    }

    fn answered(
        &self,
        from: DepartmentCode,
        result: Result<Vec<u8>, RequestFailure>,
    ) -> Result<bool, RunError> {
        let sealed = match result.map(|bytes| Response::decode(&bytes)) {
            Ok(Ok(Response::CatalogueKey(sealed))) => sealed,
            Ok(Ok(Response::NotHeld)) => {
                tracing::warn!(
                    department = %from,
                    "a member does not send the catalogue key: to its knowledge this department is suspended"
                );
                return Ok(false);
            }
            Ok(_) => {
                tracing::warn!(department = %from, "a member answered with something else than the catalogue key");
                return Ok(false);
            }
            Err(error) => {
                tracing::debug!(department = %from, ?error, "no answer about the catalogue key");
                return Ok(false);
            }
        };
        let (identity, own) = (&self.identity, &self.department);
        match open_catalogue_key(&sealed, &identity.members, own, &identity.sealing) {
            Ok(key) => {
                let text = SecretFile::Catalogue.write(key.0.expose());
                secret_files::write_new(&self.path, &text).map_err(at(&self.path))?;
                tracing::info!(
                    department = %from,
                    file = %self.path.display(),
                    "a member sent the catalogue key: it is the one that the genesis commits to, and is on disk"
                );
                Ok(true)
            }
            Err(error) => {
                tracing::warn!(department = %from, %error, "what a member sent as the catalogue key is not used");
                Ok(false)
            }
        }
    }
}
