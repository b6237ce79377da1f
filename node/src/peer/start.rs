//! From a configuration to a running peer, and down again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use certmesh_ledger::catalogue::{Catalogue, Opened};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::keys::KeyError;
use certmesh_ledger::log::disk::RealDisk;
use certmesh_ledger::log::{LogId, OpenError, Opening, Place, SEGMENT_RECORDS, Writer};
use certmesh_ledger::membership::GenesisFaults;
use certmesh_ledger::store::{MemoryStore, SledStore, Store};
use certmesh_ledger::sync::{Settings, Sync};
use libp2p::Multiaddr;
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::data_dir::DataDir;
use super::driver::{Driver, Inbox};
use super::identity::Identity;
use super::own_log::OwnLog;
use super::service::PeerService;
use super::storage::Storage;
use super::writer::WriterHandle;
use super::{Peer, now_ms, retries};
use crate::api::auth::{Clients, TokensError};
use crate::api::{Api, ServeError, serve};
use crate::config::Config;
use crate::keyfile::KeyFileError;
use crate::metrics::Metrics;
use crate::net::{Net, NetConfig, NetError};

/// How long running requests may take at a stop.
const GRACE: Duration = Duration::from_secs(10);

/// Why a peer could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file or directory could not be used.
    #[error("{path}: {error}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The genesis file has faults.
    #[error("{path}:\n{faults}")]
    Genesis {
        /// The file.
        path: PathBuf,
        /// All of them.
        faults: GenesisFaults,
    },
    /// A key file cannot be read.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// A key file holds something else.
    #[error("{path}: {error}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What was expected.
        error: KeyError,
    },
    /// The department is no founder of this network.
    #[error(
        "department {department} is no member of the network in {path}; is it the right genesis file?"
    )]
    NotAMember {
        /// This department.
        department: DepartmentCode,
        /// The genesis file.
        path: PathBuf,
    },
    /// A key is not the one the genesis names for this department.
    #[error(
        "{path}: the key is not the one the genesis names as this department's {what} ({expected})"
    )]
    OtherKey {
        /// The key file.
        path: PathBuf,
        /// Which key.
        what: &'static str,
        /// What the genesis says.
        expected: String,
    },
    /// The data directory is another process's.
    #[error("{0} is in use by another process; each peer needs a data directory of its own")]
    InUse(PathBuf),
    /// The data directory is another network's.
    #[error(
        "{path} belongs to another network ({found}); this genesis is {expected}; name another data directory"
    )]
    OtherNetwork {
        /// The directory's network file.
        path: PathBuf,
        /// Its network.
        found: String,
        /// The genesis's.
        expected: String,
    },
    /// A log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The tokens file has faults.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The network side cannot start.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A member's address in the genesis is none.
    #[error(
        "{path}: department {department}: `{address}` is no multiaddress, such as /ip4/192.0.2.7/tcp/7481"
    )]
    Address {
        /// The genesis file.
        path: PathBuf,
        /// Whose address.
        department: DepartmentCode,
        /// The text.
        address: String,
    },
    /// The loop between network and disk ended by itself.
    #[error("the peer stopped because of a fault of its own; its log says which")]
    Died,
    /// The API cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Names the file or directory that an error is about.
pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> RunError + '_ {
    move |error| RunError::Io {
        path: path.to_owned(),
        error,
    }
}

/// Checks everything a start would need, without starting.
///
/// # Errors
/// [`RunError`].
pub fn check(config: &Config) -> Result<(), RunError> {
    Identity::load(config)?;
    Clients::load(&config.api.tokens)?;
    Ok(())
}

fn open_store(dir: &Path) -> Arc<dyn Store> {
    match SledStore::open(&dir.join("state")) {
        Ok((store, aside)) => {
            if let Some(aside) = aside {
                tracing::warn!(path = %aside.display(), "the state store could not be opened: set aside, begun anew");
            }
            Arc::new(store)
        }
        Err(error) => {
            tracing::error!(%error, "no state store; going on without one");
            Arc::new(MemoryStore::default())
        }
    }
}

fn open_peer(
    config: &Config,
    identity: &Identity,
    metrics: &Arc<Metrics>,
) -> Result<Arc<Peer>, RunError> {
    let dir = &config.data_dir;
    let place = Place {
        disk: Arc::new(RealDisk),
        data: dir.clone(),
        segment_records: SEGMENT_RECORDS,
    };
    let Opened {
        catalogue,
        openings,
        bad_evidence,
    } = Catalogue::open(place, identity.members.clone(), config.department)?;
    report_openings(&openings);
    for (file, error) in bad_evidence {
        tracing::error!(file, error, "fork evidence under evidence/ proves nothing");
    }
    let aside = |(log, opening): &(LogId, Opening)| {
        opening
            .set_aside
            .as_ref()
            .map(|(path, _)| (*log, path.display().to_string()))
    };
    let own = catalogue
        .log(&catalogue.own())
        .cloned()
        .expect("a member's log is always opened");
    let needed = match identity.members.members().len() - 1 {
        0 => 0,
        others => others / 2 + 1,
    };
    let peer = Peer {
        department: config.department,
        peer_id: identity.peer_id.to_string(),
        set_aside: openings
            .iter()
            .filter_map(aside)
            .collect::<BTreeMap<_, _>>(),
        catalogue,
        catalogue_key: identity.catalogue_key.clone(),
        field_key: identity.field_key.clone(),
        store: open_store(dir),
        own: OwnLog::new(own, needed, Arc::clone(metrics)),
        heard: RwLock::default(),
        cosignatures: RwLock::default(),
        metrics: Arc::clone(metrics),
        started_ms: now_ms(),
    };
    peer.load_cosignatures();
    Ok(Arc::new(peer))
}

/// Tells the operator what opening the logs found.
fn report_openings(openings: &[(LogId, Opening)]) {
    for (log, opening) in openings {
        match &opening.set_aside {
            Some((path, damage)) => tracing::error!(
                %log,
                path = %path.display(),
                %damage,
                "log set aside: it is damaged and will be fetched again from other members"
            ),
            None if opening.cut_off > 0 || opening.mended > 0 => tracing::warn!(
                %log,
                records = opening.records,
                cut_off_bytes = opening.cut_off,
                mended_files = opening.mended,
                "log recovered: what was never acknowledged was cut off, what can be derived was made anew"
            ),
            None => tracing::info!(%log, records = opening.records, "log opened"),
        }
    }
}

/// Runs a peer until `stopped` resolves.
///
/// # Errors
/// [`RunError`] when it cannot start.
pub async fn run(config: Config, stopped: impl Future<Output = ()>) -> Result<(), RunError> {
    let identity = Identity::load(&config)?;
    let clients = Clients::load(&config.api.tokens)?;
    let data_dir = DataDir::claim(&config.data_dir, &identity.genesis)?;
    let metrics = Arc::new(Metrics::new());
    let peer = tokio::task::block_in_place(|| open_peer(&config, &identity, &metrics))?;
    let (mut work, service) = Work::start(&config, &identity, &peer)?;
    let api = Api::new(
        Arc::new(service),
        config.department,
        clients,
        metrics,
        config.api.limits(),
    );
    let running = serve(Arc::new(api), config.api.listen, config.api.tls.as_ref())?;
    data_dir.announce_process(&running.url(), &work.addresses().await)?;
    tracing::info!(department = %config.department, api = running.url(), "serving");

    let died = tokio::select! {
        () = stopped => false,
        // It ends by itself only in a panic: a peer that no longer hears others must not go on answering.
        _ = &mut work.driver => true,
    };
    tracing::info!("stopping");
    data_dir.withdraw_process();
    if let Err(error) = running.stop(GRACE).await {
        tracing::warn!(%error, "API did not stop cleanly");
    }
    work.stop().await;
    if let Err(error) = peer.store.flush() {
        tracing::warn!(%error, "state store not flushed");
    }
    tracing::info!("stopped");
    if died { Err(RunError::Died) } else { Ok(()) }
}

/// What works beside the API: the driver with its network and storage, the writer, and the forgetting of old retries.
struct Work {
    driver: JoinHandle<()>,
    stop_driver: oneshot::Sender<()>,
    writer: thread::JoinHandle<()>,
    forgetting: JoinHandle<()>,
    /// Addresses the network side listens on, as they come to be.
    listening: mpsc::UnboundedReceiver<Multiaddr>,
}

impl Work {
    /// Starts all of it. The service for the API holds the one handle that the writer works for.
    fn start(
        config: &Config,
        identity: &Identity,
        peer: &Arc<Peer>,
    ) -> Result<(Work, PeerService), RunError> {
        let (heads, heads_received) = mpsc::unbounded_channel();
        let (stored, stored_received) = mpsc::unbounded_channel();
        let (vouch, vouched) = mpsc::unbounded_channel();
        let (stop_driver, stop) = oneshot::channel();
        let (listening, listening_received) = mpsc::unbounded_channel();
        let key = identity.signing.clone();
        let writer = Writer::new(Arc::clone(&peer.own.log), key.clone());
        let spawn_error = at(&config.data_dir);
        let (writer, writer_thread) =
            WriterHandle::start(Arc::clone(peer), writer, heads).map_err(&spawn_error)?;
        let storage = Storage::start(peer, &stored).map_err(&spawn_error)?;
        let members = Arc::clone(peer.catalogue.members());
        let sync = Sync::new(peer.catalogue.own(), members, Settings::default());
        let net = start_net(config, identity)?;
        let peers = identity.peers.iter();
        let peer_ids = peers.map(|(code, (id, _))| (*code, *id)).collect();
        let driver = Driver::new(
            Arc::clone(peer),
            key,
            net,
            sync,
            storage,
            peer_ids,
            listening,
        );
        let inbox = Inbox {
            heads: heads_received,
            stored: stored_received,
            vouched,
            stop,
        };
        let work = Work {
            driver: tokio::spawn(driver.run(inbox)),
            stop_driver,
            writer: writer_thread,
            forgetting: tokio::spawn(retries::keep_forgetting(Arc::clone(&peer.store))),
            listening: listening_received,
        };
        if config.trust_own_disk && peer.own.vouch() {
            let _ = vouch.send(());
        }
        let service = PeerService {
            peer: Arc::clone(peer),
            writer,
            vouch,
        };
        Ok((work, service))
    }

    /// The addresses listened on by now; none after a while without any.
    async fn addresses(&mut self) -> Vec<Multiaddr> {
        let first = tokio::time::timeout(GRACE, self.listening.recv()).await;
        let mut addresses: Vec<Multiaddr> = first.ok().flatten().into_iter().collect();
        while let Ok(address) = self.listening.try_recv() {
            addresses.push(address);
        }
        addresses
    }

    /// Stops all of it, once the API is gone.
    async fn stop(self) {
        // One that ended by itself was waited for already, and must not be again.
        if !self.driver.is_finished() {
            let _ = self.stop_driver.send(());
            let _ = self.driver.await;
        }
        // The API held the last handle: the writer finishes what it has and ends.
        if tokio::task::block_in_place(|| self.writer.join()).is_err() {
            tracing::error!("the writer thread panicked");
        }
        self.forgetting.abort();
    }
}

fn start_net(config: &Config, identity: &Identity) -> Result<Net, RunError> {
    let keypair = libp2p::identity::Keypair::ed25519_from_bytes(*identity.transport)
        .expect("any 32 bytes are an Ed25519 seed");
    let network = *identity.members.network().0.as_bytes();
    let mut net = NetConfig::new(keypair, network);
    net.listen.clone_from(&config.net.listen);
    net.quic = config.net.quic;
    net.peers = identity.peers.values().cloned().collect();
    Ok(Net::new(net)?)
}
