//! The raw link: the same transport and exchange as between peers, with dummy pages, between two processes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use certmesh_node::net::{
    Net, NetConfig, NetEvent, RawRate, fetch_dummy, round_trips, serve_dummy,
};
use clap::Args;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};

use crate::Error;
use crate::stats::Times;

/// Bytes of a page, as large as those of logs may be.
const PAGE: usize = 1024 * 1024;
/// Requests under way at a time.
const IN_FLIGHT: u64 = 2;
const NETWORK: [u8; 32] = *b"certmesh testnet raw link bench ";

/// Serve dummy pages to one peer
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The peer that may ask
    #[arg(long, value_name = "PEER")]
    allow: PeerId,
    /// Bytes of a page
    #[arg(long, value_name = "N", default_value_t = PAGE)]
    bytes: usize,
}

fn broken(what: impl std::fmt::Display) -> Error {
    Error::Broken(format!("raw link: {what}"))
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::system("runtime"))
}

/// Serves pages until standard input ends. Prints address and peer identity first.
///
/// # Errors
/// [`Error`] when it cannot listen.
pub fn serve(args: &ServeArgs) -> Result<(), Error> {
    runtime()?.block_on(async {
        let mut config = NetConfig::new(Keypair::generate_ed25519(), NETWORK);
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().map_err(broken)?];
        config.peers = vec![(args.allow, Vec::new())];
        // Pages that are not read from disk may come faster than any peer's do.
        config.limits.requests_per_second = 1_000_000.try_into().map_err(broken)?;
        let mut net = Net::new(config).map_err(broken)?;
        let address = loop {
            if let NetEvent::Listening(address) = net.next().await {
                break address;
            }
        };
        let written = writeln!(std::io::stdout(), "{address} {}", net.local_peer_id());
        written.map_err(Error::system("standard output"))?;
        let asker_gone = tokio::task::spawn_blocking(|| {
            std::io::copy(&mut std::io::stdin(), &mut std::io::sink())
        });
        tokio::select! {
            never = serve_dummy(&mut net, args.bytes) => match never {},
            _ = asker_gone => Ok(()),
        }
    })
}

/// Fetches so many pages from another process.
///
/// # Errors
/// [`Error`] when that process or the link fails.
pub(super) fn measure(pages: u64) -> Result<RawRate, Error> {
    beside(PAGE, |mut net, peer| async move {
        fetch_dummy(&mut net, peer, pages, IN_FLIGHT)
            .await
            .map_err(broken)
    })
}

/// Times of this many bare round trips to another process, one after the other, with requests and answers of these
/// sizes.
///
/// # Errors
/// As for [`measure`].
pub(super) fn round_trip_times(
    request_bytes: usize,
    answer_bytes: usize,
    count: u64,
) -> Result<Times, Error> {
    let times = beside(answer_bytes, |mut net, peer| async move {
        round_trips(&mut net, peer, request_bytes, count)
            .await
            .map_err(broken)
    })?;
    Ok(times.into_iter().collect())
}

/// Does something with a peer in another process that answers with pages of this size.
fn beside<T, F: Future<Output = Result<T, Error>>>(
    bytes: usize,
    work: impl FnOnce(Net, PeerId) -> F,
) -> Result<T, Error> {
    let keypair = Keypair::generate_ed25519();
    let program = std::env::current_exe().map_err(Error::system("path of this program"))?;
    let mut server = Command::new(&program)
        .arg("raw-link")
        .arg("--allow")
        .arg(keypair.public().to_peer_id().to_string())
        .arg("--bytes")
        .arg(bytes.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Error::Spawn {
            command: program.display().to_string(),
            error,
        })?;
    let result = connected(server.stdout.take(), keypair, work);
    // Its standard input ends here, and so does it.
    drop(server.stdin.take());
    server
        .wait()
        .map_err(Error::system("waiting for a process"))?;
    result
}

fn connected<T, F: Future<Output = Result<T, Error>>>(
    server: Option<impl std::io::Read>,
    keypair: Keypair,
    work: impl FnOnce(Net, PeerId) -> F,
) -> Result<T, Error> {
    let mut line = String::new();
    let output = server.ok_or_else(|| broken("no standard output"))?;
    BufReader::new(output)
        .read_line(&mut line)
        .map_err(Error::system("standard output of a process"))?;
    let (address, peer) = line
        .trim()
        .split_once(' ')
        .ok_or_else(|| broken("the server did not start"))?;
    let address: Multiaddr = address.parse().map_err(broken)?;
    let peer: PeerId = peer.parse().map_err(broken)?;
    runtime()?.block_on(async {
        let mut config = NetConfig::new(keypair, NETWORK);
        config.peers = vec![(peer, vec![address])];
        let net = Net::new(config).map_err(broken)?;
        work(net, peer).await
    })
}
