//! From a configuration to a running peer, and down again.

mod certificate;
mod data_dir;
mod error;
mod identity;
mod reload;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use certmesh_api::tokens::Clients;
use certmesh_ledger::bodies::{Attachments, Bodies, go_on_in_generation};
use certmesh_ledger::catalogue::{Catalogue, Opened};
use certmesh_ledger::crypto::keys::{CatalogueKey, FieldKey, IndexKey, KeyRing, SigningKey};
use certmesh_ledger::disk::RealDisk;
use certmesh_ledger::governance::engine::Engine;
use certmesh_ledger::governance::{Kept, Store as GovernanceStore};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::journal::Journal;
use certmesh_ledger::log::{self, Opening, Place, SEGMENT_RECORDS, Writer};
use certmesh_ledger::membership::Membership;
use certmesh_ledger::names::{LogId, LogName};
use certmesh_ledger::operating::OperatingKeys;
use certmesh_ledger::store::{MemoryStore, SledStore, Store};
use certmesh_ledger::sync::{Instance, OwnLog as OwnLogOnDisk, Settings, Sync};
use futures::{Stream, StreamExt};
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use parking_lot::{Mutex, RwLock};
use rustls::pki_types::UnixTime;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::app::PeerService;
use crate::app::retrieve::asking::Asking;
use crate::app::retrieve::copies;
use crate::config::{Config, ConfigError};
use crate::descriptors::{self, Shares};
use crate::disk_space;
use crate::http::limits::Limits;
use crate::http::{Api, serve};
use crate::metrics::Metrics;
use crate::net::{Net, NetConfig, NetLimits};
use crate::peer::answering::Answering;
use crate::peer::catalogue_keys::{self, CatalogueKeyFiles};
use crate::peer::clock::Clock;
use crate::peer::driver::{Driver, Inbox, Parts};
use crate::peer::driving::{Driving, PeerRuntime};
use crate::peer::ending::Ending;
use crate::peer::governance;
use crate::peer::governors::Governors;
use crate::peer::joining;
use crate::peer::journal::{self, Lookups, Recorder};
use crate::peer::key_files::KeyFiles;
use crate::peer::own_log::{Found as OwnLogFound, OwnLog};
use crate::peer::reopening::Reopening;
use crate::peer::roster::{Addresses, Roster};
use crate::peer::stating::Stated;
use crate::peer::storage::Storage;
use crate::peer::upkeep::Upkeep;
use crate::peer::uploads::{self, Uploads};
use crate::peer::whereabouts::Whereabouts;
use crate::peer::writer::WriterHandle;
use crate::peer::{Peer, now_ms, retries};
use crate::watch::{Needs, Watching};
use certmesh_ledger::last_run::Mark;
use data_dir::DataDir;
use error::{RunError, at};
use identity::Identity;
use reload::Reloading;

/// What may wait for the driver at once, of each kind. It takes what is there within milliseconds.
const WAITING: usize = 64;

/// How long running requests may take at a stop.
const GRACE: Duration = Duration::from_secs(10);

/// Checks everything a start would need, without starting, and finds all that is wrong. Ports are not tried: the peer
/// itself may be running.
///
/// # Errors
/// [`RunError`].
pub(crate) fn check(config: &Config) -> Result<(), RunError> {
    let genesis = identity::read_genesis(config)?;
    let mut faults = Vec::new();
    faults.extend(identity::undialable_peers(config, &genesis));
    let tls = config.api.tls.as_ref();
    let tls = tls.map(|files| certificate::check(&files.certificate, UnixTime::now()));
    faults.extend(tls.and_then(Result::err).map(RunError::from));
    faults.extend(data_dir::check(&config.data_dir, &genesis).err());
    faults.extend(Clients::load(&config.api.tokens).err().map(RunError::from));
    match Identity::load(config, genesis) {
        Err(RunError::Several(several)) => faults.extend(several),
        Err(other) => faults.push(other),
        Ok((identity, _)) => {
            let (members, key) = (&identity.members, &identity.field_key);
            faults.extend(check_bodies(&config.data_dir, members, config.department, key).err());
        }
    }
    RunError::unless_none(faults)
}

/// Whether the node would ask other members for the genesis's catalogue key.
pub(crate) fn is_catalogue_key_missing(config: &Config) -> bool {
    !catalogue_keys::is_there(&config.keys.catalogue)
}

/// Tries the TCP addresses to listen on. libp2p lets processes share a port, and would hear only some of those that dial.
fn try_ports(addresses: &[Multiaddr]) -> Result<(), RunError> {
    for address in addresses {
        let mut parts = address.iter();
        let socket: Option<SocketAddr> = match (parts.next(), parts.next()) {
            (Some(Protocol::Ip4(ip)), Some(Protocol::Tcp(port))) => Some((ip, port).into()),
            (Some(Protocol::Ip6(ip)), Some(Protocol::Tcp(port))) => Some((ip, port).into()),
            _ => None,
        };
        if let Some(socket) = socket.filter(|socket| socket.port() != 0) {
            TcpListener::bind(socket).map_err(|error| RunError::Listen {
                address: address.clone(),
                error,
            })?;
        }
    }
    Ok(())
}

fn open_store(dir: &Path) -> Arc<dyn Store> {
    match SledStore::open(&dir.join("state")) {
        Ok((store, aside)) => {
            if let Some(aside) = aside {
                tracing::warn!(path = %aside.display(), "the state store could not be opened: set aside, a new one begun");
            }
            Arc::new(store)
        }
        Err(error) => {
            tracing::error!(%error, "no state store; continuing without one");
            Arc::new(MemoryStore::default())
        }
    }
}

fn open_peer(
    config: &Config,
    identity: &Identity,
    catalogue_keys: Vec<CatalogueKey>,
    metrics: &Arc<Metrics>,
    disk: &RealDisk,
) -> Result<Arc<Peer>, RunError> {
    let dir = &config.data_dir;
    let members = &identity.members;
    check_bodies(dir, members, config.department, &identity.field_key)?;
    let place = Place {
        disk: Arc::new(disk.clone()),
        data: dir.clone(),
        segment_records: SEGMENT_RECORDS,
        index_key: IndexKey::from_transport_seed(&identity.first_transport),
    };
    let logs = place.clone();
    let Opened {
        mut catalogue,
        openings,
        bad_evidence,
    } = Catalogue::open(place, identity.members.clone(), config.department)?;
    catalogue.limit_age(config.freshness);
    for (log, opening) in &openings {
        joining::report_opening(log, opening);
    }
    for (file, error) in bad_evidence {
        tracing::error!(file, error, "a file under evidence/ proves nothing");
    }
    let aside = |(log, opening): &(LogId, Opening)| {
        opening
            .set_aside
            .as_ref()
            .map(|(path, _)| (*log, path.display().to_string()))
    };
    let own = catalogue
        .log(&catalogue.own())
        .expect("a member's log is always opened");
    let mark = Mark::new(&config.keys.signing, dir);
    let mark = mark.with_head(&dir.join("heads"), own.name().id);
    let opening = openings.iter().find(|(log, _)| *log == catalogue.own());
    let opening = opening.map(|(_, opening)| opening);
    let opening = opening.cloned().unwrap_or_default();
    let found = OwnLogFound::at_start(mark.clone(), &own, &opening).map_err(at(mark.path()))?;
    if let Some(loss) = &found.loss {
        let loss = certmesh_text::say(loss);
        tracing::error!(
            "{loss}: nothing is appended until all other members have reported what they hold"
        );
    }
    // Whatever the generation: what a department keeps beside its log is one.
    let first = LogName {
        id: LogId::first(config.department),
        ..*own.name()
    };
    let bodies_dir = dir.join("bodies");
    // Before anything is appended in a new generation, which gives positions of the one before to other records.
    go_on_in_generation(disk, &bodies_dir, own.lineage().ended(), |generation| {
        let id = LogId {
            generation,
            ..first.id
        };
        log::replayed(&logs, LogName { id, ..first })
    })
    .map_err(at(&bodies_dir))?;
    let bodies = Bodies::open(disk, &bodies_dir, &first, identity.field_key.clone())?;
    let bodies = Arc::new(bodies);
    let attachments = Attachments::open(Arc::new(disk.clone()), &bodies_dir, first);
    let uploads = uploads::directory(dir);
    let lookups = Journal::new(
        Arc::new(disk.clone()),
        dir.join("lookups"),
        first,
        &identity.field_key,
    );
    let ring = KeyRing::from(identity.signing.clone());
    let stated = Stated::place(&identity::governance_dir(config));
    let peer = Peer {
        department: config.department,
        keys: OperatingKeys::new(members.clone(), config.department, ring.clone()),
        key_files: KeyFiles {
            signing: config.keys.signing.clone(),
            transport: config.keys.transport.clone(),
            sealing: config.keys.sealing.clone(),
            reader: identity.key_reader.clone(),
            ring,
        },
        peer_id: identity.peer_id.to_string(),
        set_aside: RwLock::new(openings.iter().filter_map(aside).collect()),
        catalogue,
        catalogue_key_files: CatalogueKeyFiles::new(
            config.keys.catalogue.clone(),
            identity.key_reader.clone(),
            catalogue_keys,
        ),
        field_key: identity.field_key.clone(),
        store: open_store(dir),
        own: OwnLog::new(
            own,
            Arc::clone(&bodies),
            &identity.members,
            found,
            Arc::clone(metrics),
        ),
        bodies,
        attachments: attachments.map_err(at(&uploads))?,
        lookups: Arc::new(Lookups::open(lookups)),
        uploads: Uploads::new(uploads, config.api.uploads),
        lost: Default::default(),
        own_is_damaged: Notify::new(),
        restart: Notify::new(),
        heard: RwLock::default(),
        governance: RwLock::default(),
        cosignatures: RwLock::default(),
        stated: Stated::open(stated.clone()).map_err(at(&stated))?,
        metrics: Arc::clone(metrics),
        started_ms: now_ms(),
        clock: Clock::new(),
        instance: draw_instance()?,
        clock_is_right: Mutex::default(),
    };
    peer.load_cosignatures();
    peer.look_for_lost();
    Ok(Arc::new(peer))
}

/// Opens what the run before left of governance: before the logs, since it says whose there are.
fn open_chain(config: &Config, identity: &Identity) -> Result<(GovernanceStore, Kept), RunError> {
    let dir = identity::governance_dir(config);
    let disk = Arc::new(RealDisk::default());
    let (mut store, mut kept) = GovernanceStore::open(disk, &dir, &identity.members)?;
    if kept.cut_off > 0 {
        tracing::warn!(
            bytes = kept.cut_off,
            "blocks of governance were damaged: cut off, to be fetched again"
        );
    }
    // What the trust file has beyond them.
    for block in identity.trusted.iter().skip(kept.blocks.len()) {
        store.append(block).map_err(at(&dir))?;
        kept.blocks.push(block.clone());
    }
    Ok((store, kept))
}

/// What the thread of governance begins with: chain and votes as the run before left them.
fn govern_on(
    config: &Config,
    identity: &Identity,
    peer: &Arc<Peer>,
    (mut store, mut kept): (GovernanceStore, Kept),
) -> Result<governance::Parts, RunError> {
    let dir = identity::governance_dir(config);
    let chain = identity.members.clone();
    // Once for each loss: a key that was made for it since has voted nowhere.
    let noted = peer.own.was_lost_before() && !kept.left.barred.is_empty();
    let lost = peer.own.was_lost_before() || peer.own.found() == OwnLogOnDisk::Lost;
    if lost && !noted {
        // What these keys voted was on the disk that was lost, too. Which of them is in force the chain says, which may be lost
        // as well.
        let barred = &mut kept.left.barred;
        for key in identity.signing.iter().map(SigningKey::public) {
            if !barred.contains(&key) {
                barred.push(key);
            }
        }
        store.bar(&kept.left.barred).map_err(at(&dir))?;
    }
    let begun = Instant::now();
    let (engine, commands) = Engine::start(
        Box::new(chain),
        kept.blocks,
        config.department,
        peer.key_files.ring.clone(),
        kept.left,
        governance::moment(begun),
    );
    Ok(governance::Parts {
        peer: Arc::clone(peer),
        store,
        engine,
        commands,
        begun,
    })
}

/// Whether the bodies of the own certificates, if there are any, were kept under this field key. Changes nothing.
fn check_bodies(
    dir: &Path,
    members: &Membership,
    department: DepartmentCode,
    key: &FieldKey,
) -> Result<(), RunError> {
    let log = LogName {
        network: members.network(),
        id: LogId::first(department),
    };
    Ok(Bodies::check(
        &RealDisk::default(),
        &dir.join("bodies"),
        &log,
        key,
    )?)
}

/// Draws the number of this run.
fn draw_instance() -> Result<Instance, RunError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| RunError::Random(error.to_string()))?;
    Ok(Instance(u64::from_le_bytes(bytes)))
}

/// How a run ended.
enum Ended {
    /// It was asked to.
    Stopped,
    /// The own log turned out to be damaged. Another run finds out what is, and repairs it.
    Damaged,
    /// Its transport key was replaced, so that whoever connects has to be met with the next one; or its log goes on in another
    /// generation.
    Changed,
}

/// Runs a peer until `stopped` resolves. With each configuration that comes out of `reloads` it reads again what can
/// change while it runs.
///
/// # Errors
/// [`RunError`] when it cannot start.
pub(crate) async fn run(
    mut config: Config,
    stopped: impl Future<Output = ()>,
    reloads: impl Stream<Item = Result<Config, ConfigError>>,
) -> Result<(), RunError> {
    let (mut stopped, mut reloads) = (pin!(stopped), pin!(reloads));
    loop {
        match run_once(&mut config, stopped.as_mut(), reloads.as_mut()).await? {
            Ended::Stopped => return Ok(()),
            Ended::Damaged => tracing::error!("starting again, to read all of the own log"),
            Ended::Changed => {
                tracing::info!("starting again with another transport key or log");
            }
        }
    }
}

async fn run_once(
    settled: &mut Config,
    mut stopped: Pin<&mut impl Future<Output = ()>>,
    mut reloads: Pin<&mut impl Stream<Item = Result<Config, ConfigError>>>,
) -> Result<Ended, RunError> {
    let config = settled.clone();
    let (identity, catalogue_keys) = Identity::load(&config, identity::read_genesis(&config)?)?;
    let clients = Clients::load(&config.api.tokens)?;
    let data_dir = DataDir::claim(&config.data_dir, &identity.genesis)?;
    try_ports(&config.net.listen)?;
    let files = descriptors::raise();
    let metrics = Arc::new(Metrics::new());
    let disk = RealDisk::new(descriptors::at_rest(files));
    let (chain, peer) = tokio::task::block_in_place(|| {
        let chain = open_chain(&config, &identity)?;
        let peer = open_peer(&config, &identity, catalogue_keys, &metrics, &disk)?;
        Ok::<_, RunError>((chain, peer))
    })?;
    let mut limits = config.api.limits();
    let open = descriptors::open_now().saturating_sub(disk.open_at_rest());
    let shares = share_files(files, open, &limits, &identity)?;
    limits.connections = shares.api;
    let (mut work, service) = Work::start(&config, &identity, &peer, shares, chain)?;
    let service = Arc::new(service);
    let api = Arc::new(Api::new(
        Arc::clone(&service) as Arc<_>,
        config.department,
        clients,
        Arc::clone(&metrics),
        limits,
    ));
    let running = serve(
        Arc::clone(&api),
        config.api.listen,
        config.api.tls.as_ref(),
        &config.api.names,
    )?;
    // Another run is found where this one was.
    settled.api.listen = running.address();
    data_dir.announce_process(&running.url(), &work.addresses().await)?;
    let needs = Needs {
        service,
        metrics,
        department: config.department,
    };
    let runtime = tokio::runtime::Handle::current();
    let watching = Watching::start(config.watches, needs, runtime).map_err(at(&config.data_dir))?;
    tracing::info!(department = %config.department, api = running.url(), "serving");

    let mut reloading = Reloading {
        api,
        running: &running,
        members: peer.catalogue.members().clone(),
        addresses: work.addresses_read.clone(),
        tokens: config.api.tokens,
        tls: config.api.tls,
    };
    let ended = loop {
        tokio::select! {
            () = &mut stopped => break Ok(Ended::Stopped),
            // It ends by itself only in a panic: a peer that no longer hears others must not continue to answer.
            () = work.driver.ended() => break Err(RunError::Died),
            () = peer.own_is_damaged.notified() => break Ok(Ended::Damaged),
            () = peer.restart.notified() => break Ok(Ended::Changed),
            Some(read) = reloads.next() => tokio::task::block_in_place(|| reloading.reload(read)),
        }
    };
    // It holds the API, and so the writer's handle.
    drop(reloading);
    tracing::info!("stopping");
    data_dir.withdraw_process();
    if let Err(error) = running.stop(GRACE).await {
        tracing::warn!(%error, "API did not stop cleanly");
    }
    // It works through the service, and so holds the writer's handle.
    if let Some(watching) = watching {
        tokio::task::block_in_place(|| watching.stop());
    }
    work.stop(&peer).await;
    if let Err(error) = peer.store.flush() {
        tracing::warn!(%error, "state store not flushed");
    }
    tracing::info!("stopped");
    ended
}

/// What works beside the API: the driver with its network and storage, the writer, the recording of look-ups, the upkeep of files, the
/// forgetting of old retries, uploads and look-ups, the destroying of old evidence copies, and the measuring of the disk.
struct Work {
    driver: Driving,
    stop_driver: oneshot::Sender<()>,
    writer: thread::JoinHandle<()>,
    recorder: thread::JoinHandle<()>,
    governance: thread::JoinHandle<()>,
    upkeep: Upkeep,
    forgetting: JoinHandle<()>,
    ending: JoinHandle<()>,
    beginning: JoinHandle<()>,
    fetching_keys: JoinHandle<()>,
    destroying: JoinHandle<()>,
    removing: JoinHandle<()>,
    /// Takes the members' addresses when they are read again.
    addresses_read: watch::Sender<Addresses>,
    removing_lookups: JoinHandle<()>,
    measuring: JoinHandle<()>,
    /// Addresses the network side listens on, as they come to be.
    listening: mpsc::Receiver<Multiaddr>,
}

impl Work {
    /// Starts all of it. The service for the API holds the one handle that the writer works for.
    fn start(
        config: &Config,
        identity: &Identity,
        peer: &Arc<Peer>,
        shares: Shares,
        chain: (GovernanceStore, Kept),
    ) -> Result<(Work, PeerService), RunError> {
        let (heads, heads_received) = watch::channel(None);
        let (stored, stored_received) = mpsc::channel(WAITING);
        let vouched = Arc::new(Notify::new());
        let (addresses_read, addresses) = watch::channel(Addresses::default());
        let members = peer.catalogue.members().clone();
        let whereabouts = Whereabouts::new(
            &members,
            config.department,
            Arc::clone(&peer.store),
            SigningKey::from_seed(&identity.transport),
            identity::own_addresses(config, &members),
        );
        let mut roster = Roster::new(&members, config.department, identity.addresses.clone());
        roster.set_stated(whereabouts.stated());
        let (stop_driver, stop) = oneshot::channel();
        let (listening, listening_received) = mpsc::channel(WAITING);
        let writer = Writer::new(Arc::clone(&peer.own.log), peer.keys.clone());
        let spawn_error = at(&config.data_dir);
        let (writer, writer_thread) =
            WriterHandle::start(Arc::clone(peer), writer, heads).map_err(&spawn_error)?;
        let (recorder, recorder_thread) =
            Recorder::start(Arc::clone(&peer.lookups)).map_err(&spawn_error)?;
        let storage = Storage::start(peer, &stored).map_err(&spawn_error)?;
        let sync = Sync::new(
            peer.catalogue.own(),
            peer.own.found(),
            peer.instance,
            members,
            Settings::default(),
        );
        let runtime = PeerRuntime::new().map_err(&spawn_error)?;
        let net = {
            let _inside = runtime.enter();
            start_net(config, identity, shares, &roster)?
        };
        let answering = Answering::new(
            Arc::clone(peer),
            writer.clone(),
            config.net.retrievals_per_second,
        );
        let (ask, asks) = mpsc::channel(WAITING);
        let asking = Asking::new(
            Arc::clone(peer),
            writer.clone(),
            answering.clone(),
            ask.clone(),
        );
        let (outputs, governance_outputs) = mpsc::channel(WAITING);
        let governance = govern_on(config, identity, peer, chain)?;
        let (governing, governance) =
            governance::start(governance, outputs).map_err(&spawn_error)?;
        let fetching_keys = catalogue_keys::fetching::keep_fetching(Arc::clone(peer), ask.clone());
        let governors = Governors {
            peer: Arc::clone(peer),
            asks: ask,
        };
        let ending = Ending {
            peer: Arc::clone(peer),
            governors,
            governing: governing.clone(),
        };
        let (reopening, reopened) = Reopening::new(Arc::clone(peer));
        let (damaged, damaged_received) = mpsc::channel(WAITING);
        let parts = Parts {
            peer: Arc::clone(peer),
            reopening,
            net,
            sync,
            governing: governing.clone(),
            storage,
            answering,
            whereabouts,
        };
        let driver = Driver::new(parts, roster, listening);
        let inbox = Inbox {
            heads: heads_received,
            stored: stored_received,
            reopened,
            damaged: damaged_received,
            vouched: Arc::clone(&vouched),
            asks,
            governance: governance_outputs,
            addresses,
            stop,
        };
        let asked = Arc::clone(peer);
        let agreed = move || asked.agreed_ms();
        let work = Work {
            driver: runtime.drive(driver.run(inbox)).map_err(&spawn_error)?,
            stop_driver,
            writer: writer_thread,
            recorder: recorder_thread,
            governance,
            upkeep: Upkeep::start(peer, config.reread_every, damaged).map_err(&spawn_error)?,
            forgetting: tokio::spawn(retries::keep_forgetting(Arc::clone(&peer.store), agreed)),
            ending: tokio::spawn(ending.clone().keep_ending()),
            beginning: tokio::spawn(joining::sign_beginning(Arc::clone(peer), writer.clone())),
            fetching_keys: tokio::spawn(fetching_keys),
            destroying: tokio::spawn(copies::keep_destroying(Arc::clone(peer))),
            removing: tokio::spawn(uploads::keep_removing(Arc::clone(peer))),
            addresses_read,
            removing_lookups: tokio::spawn(journal::keep_removing(
                Arc::clone(peer),
                config.lookups_kept_days,
            )),
            measuring: tokio::spawn(disk_space::keep_measuring(
                config.data_dir.clone(),
                Arc::clone(&peer.metrics),
            )),
            listening: listening_received,
        };
        if config.trust_own_disk && peer.vouch_for_own_log(false) {
            vouched.notify_one();
        }
        let service = PeerService {
            peer: Arc::clone(peer),
            writer,
            asking,
            recorder,
            governing,
            ending,
            vouched,
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
    async fn stop(self, peer: &Peer) {
        // It holds a handle to the thread of governance.
        self.ending.abort();
        // And this one to the writer's.
        self.beginning.abort();
        // Fails when it has ended by itself.
        let _ = self.stop_driver.send(());
        tokio::task::block_in_place(|| self.driver.join());
        // The API and the watch held the last handles: the writer finishes what it has and ends.
        if tokio::task::block_in_place(|| self.writer.join()).is_err() {
            tracing::error!("the writer thread panicked");
        }
        if tokio::task::block_in_place(|| self.recorder.join()).is_err() {
            tracing::error!("the thread of the look-up journal panicked");
        }
        if tokio::task::block_in_place(|| self.governance.join()).is_err() {
            tracing::error!("the thread of governance panicked");
        }
        tokio::task::block_in_place(|| self.upkeep.stop(peer));
        self.forgetting.abort();
        self.fetching_keys.abort();
        self.destroying.abort();
        self.removing.abort();
        self.removing_lookups.abort();
        self.measuring.abort();
    }
}

/// Shares the files that may be open out to connections, now that the logs' own are open: `open` of those that don't rest.
fn share_files(
    limit: usize,
    open: usize,
    api: &Limits,
    identity: &Identity,
) -> Result<Shares, RunError> {
    let net = NetLimits::default();
    let wanted = Shares {
        api: api.connections,
        handshakes: net.max_handshakes,
    };
    let members = identity.members.members().len();
    let shares = descriptors::share(limit, open, members, wanted, &net)?;
    if shares != wanted {
        tracing::warn!(
            limit,
            api_connections = shares.api,
            handshakes = shares.handshakes,
            "fewer connections than usual: this process may not open more files"
        );
    }
    Ok(shares)
}

fn start_net(
    config: &Config,
    identity: &Identity,
    shares: Shares,
    roster: &Roster,
) -> Result<Net, RunError> {
    let keypair = libp2p::identity::Keypair::ed25519_from_bytes(*identity.transport)
        .expect("any 32 bytes are an Ed25519 seed");
    let network = *identity.members.network().0.as_bytes();
    let mut net = NetConfig::new(keypair, network);
    net.listen.clone_from(&config.net.listen);
    net.quic = config.net.quic;
    net.limits.max_handshakes = shares.handshakes;
    net.peers = roster.peers();
    Ok(Net::new(net)?)
}
