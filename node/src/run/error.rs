//! Why a peer could not run.

use std::io;
use std::path::{Path, PathBuf};

use certmesh_api::tokens::TokensError;
use certmesh_ledger::bodies::BodyError;
use certmesh_ledger::genesis::{GenesisFaults, Undialable};
use certmesh_ledger::governance::TrustFileError;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::log::OpenError;
use libp2p::Multiaddr;

use super::certificate::Unacceptable;
use crate::descriptors::TooFewFiles;
use crate::http::ServeError;
use crate::net::NetError;
use crate::peer::key_files::KeyFault;

/// Why a peer could not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// A file or directory could not be used.
    #[error("{path}: {error}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The system gave no random bytes.
    #[error("the system provides no random bytes: {0}")]
    Random(String),
    /// The genesis file has faults.
    #[error("{path}:\n{}", lines(faults))]
    Genesis {
        /// The file.
        path: PathBuf,
        /// All of them.
        faults: GenesisFaults,
    },
    /// A key file cannot be read.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The department did not found this network, and has not been admitted as far as is known here.
    #[error(
        "department {department} is not a member of the network in {path}; is it the right genesis file? If the members have \
         admitted it since: decisions up to block {height} are known here, none of which does; put a newer trust file at {trust} \
         (`certmesh network join`)", path = .path.display(), trust = .trust.display()
    )]
    NotAMember {
        /// This department.
        department: DepartmentCode,
        /// The genesis file.
        path: PathBuf,
        /// Up to which block the decisions are known.
        height: u64,
        /// Where a trust file is looked for.
        trust: PathBuf,
    },
    /// The department was a member.
    #[error(
        "department {department} was removed from the network, as far as the decisions up to block {height} say: no member's \
         node connects to its own any more. What it holds stays in its data directory"
    )]
    Removed {
        /// This department.
        department: DepartmentCode,
        /// Up to which block the decisions are known.
        height: u64,
    },
    /// The trust file can't be trusted.
    #[error("{path}: {error}")]
    TrustFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: TrustFileError,
    },
    /// The trust file has another block than is kept here.
    #[error(
        "{path}: its block {height} is not the one kept in the data directory, though both are final: one of the two is of \
         people who hold stolen keys. Compare `certmesh govern log` of several members"
    )]
    OtherChain {
        /// The file.
        path: PathBuf,
        /// Of which height.
        height: u64,
    },
    /// A key is not the one that the network has for this department.
    #[error(
        "{path}: the key is not the one that the network has as this department's {what} ({expected}): is it another \
         department's key, or is network.toml another network's?"
    )]
    OtherKey {
        /// The key file.
        path: PathBuf,
        /// Which key.
        what: &'static str,
        /// What the genesis says.
        expected: String,
    },
    /// The catalogue key is not the one the genesis commits to.
    #[error(
        "keys.catalogue: not this network's key ({path}); get it from the network's founder, and network.toml with it"
    )]
    OtherCatalogueKey {
        /// The key file.
        path: PathBuf,
    },
    /// There is no catalogue key, and nobody who could send it.
    #[error(
        "keys.catalogue: {path}: not there, and the network has no other member that could send it: it comes from the \
         network's founder", path = .path.display()
    )]
    NoCatalogueKey {
        /// The key file.
        path: PathBuf,
    },
    /// An address of the peer-to-peer side cannot be listened on.
    #[error("net.listen: {address}: {}", unusable(error))]
    Listen {
        /// The address as configured.
        address: Multiaddr,
        /// What the system said.
        error: io::Error,
    },
    /// The data directory is another process's.
    #[error("{0} is in use by another process; each peer needs a data directory of its own")]
    InUse(PathBuf),
    /// The data directory is another network's.
    #[error(
        "{path}: this node's network.toml differs from the one this data was made with ({expected} ≠ {found}): get the \
         founder's file again and compare with `certmesh network show`"
    )]
    OtherNetwork {
        /// The directory's network file.
        path: PathBuf,
        /// Its network.
        found: String,
        /// The network of this node's genesis.
        expected: String,
    },
    /// A log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The bodies of the own certificates can't be opened.
    #[error(transparent)]
    Bodies(#[from] BodyError),
    /// What is kept of governance cannot be used.
    #[error("governance: {0}")]
    Governance(#[from] certmesh_ledger::governance::StoreError),
    /// The tokens file has faults.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The network side cannot start.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A member's address in the genesis is not valid.
    #[error(
        "{path}: department {department}: `{address}` is not a multiaddress such as /ip4/192.0.2.7/tcp/7481"
    )]
    Address {
        /// The genesis file.
        path: PathBuf,
        /// Whose address.
        department: DepartmentCode,
        /// The text.
        address: String,
    },
    /// A member's address in the genesis can't be dialled.
    #[error(
        "{path}: department {department}: addresses: {}. The file can't be changed: give an address of this member under [net.peers] in node.toml",
        certmesh_text::address_fault(fault)
    )]
    Undialable {
        /// The genesis file.
        path: PathBuf,
        /// Whose address.
        department: String,
        /// What is wrong with it.
        fault: Undialable,
    },
    /// The loop between network and disk ended by itself.
    #[error("the peer stopped because of an internal fault; its log has the cause")]
    Died,
    /// The limit on open files is too small.
    #[error(transparent)]
    Files(#[from] TooFewFiles),
    /// Clients will refuse the API's TLS certificate.
    #[error(transparent)]
    Certificate(#[from] Unacceptable),
    /// The API cannot be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Several of these.
    #[error("{} faults{}", .0.len(), listed(.0))]
    Several(Vec<RunError>),
}

impl RunError {
    /// All faults that were found as one, if there are any.
    pub(crate) fn unless_none(mut faults: Vec<RunError>) -> Result<(), RunError> {
        match faults.len() {
            0 => Ok(()),
            1 => Err(faults.remove(0)),
            _ => Err(RunError::Several(faults)),
        }
    }
}

fn listed(faults: &[RunError]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}

/// Why an address can't be listened on.
fn unusable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "in use by another process".to_owned(),
        _ => error.to_string(),
    }
}

/// Names the file or directory that an error is about.
pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> RunError + '_ {
    move |error| RunError::Io {
        path: path.to_owned(),
        error,
    }
}

/// Each fault of a genesis on a line.
fn lines(faults: &GenesisFaults) -> String {
    let lines: Vec<String> = faults.0.iter().map(certmesh_text::genesis_fault).collect();
    lines.join("\n")
}
