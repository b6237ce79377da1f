//! A node's configuration: read once, checked as a whole, immutable after.
//!
//! Each setting may come from a flag, the environment (`CERTMESH_NODE_…`) or the file, in that order. Every fault is
//! found before any is reported, each with the key it is about and where that came from. Relative paths in the file are
//! relative to the file; those in flags and environment to the working directory.

mod args;
mod check;
mod settings;
mod watches;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use certmesh_ledger::catalogue::FreshnessLimits;
use certmesh_ledger::codec::Text;
use certmesh_ledger::id::DepartmentCode;
use libp2p::Multiaddr;
use thiserror::Error;

pub use args::{NodeArgs, NodeCli, NodeCommand};

use crate::http::TlsFiles;
use crate::http::hosts::HostName;
use crate::http::limits::Limits;
use crate::logging::LogFormat;
use crate::peer::uploads::UploadLimits;
use crate::watch::WatchConfig;

/// Longest configuration file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// A node's configuration, every value checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Department whose peer this is.
    pub department: DepartmentCode,
    /// Directory of logs and state; made at the first start.
    pub data_dir: PathBuf,
    /// The network's genesis file.
    pub network: PathBuf,
    /// Key files.
    pub keys: KeyFiles,
    /// The HTTP API.
    pub api: ApiConfig,
    /// The peer-to-peer side.
    pub net: NetConfig,
    /// Logging.
    pub log: LogConfig,
    /// For how long a copy of another log may lag or go unconfirmed before nothing is valid by it.
    pub freshness: FreshnessLimits,
    /// Days for which a month of the look-up journal is kept after its end.
    pub lookups_kept_days: u16,
    /// From when all that is on disk was read until it is read again.
    pub reread_every: Duration,
    /// Accept the own log on disk as whole at start, without waiting for other members.
    pub trust_own_disk: bool,
    /// Folders whose tables are imported.
    pub watches: Vec<WatchConfig>,
}

/// Paths of the key files; each exists and only its owner can read it, but for the last.
#[derive(Clone, Debug)]
pub struct KeyFiles {
    /// Signs the department's records.
    pub signing: PathBuf,
    /// The peer's libp2p identity.
    pub transport: PathBuf,
    /// Opens what is sealed to the department.
    pub sealing: PathBuf,
    /// Secret for field salts.
    pub field: PathBuf,
    /// Secret for subject tags, the same at all members; it need not be there before the first start.
    pub catalogue: PathBuf,
    /// What encrypted ones are opened with.
    pub passphrase_file: Option<PathBuf>,
}

/// The HTTP API.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Names and addresses that requests to a loopback address may be for, beside those of loopback itself.
    pub names: Vec<HostName>,
    /// File of the clients and their tokens' hashes.
    pub tokens: PathBuf,
    /// TLS; always there when `listen` isn't a loopback address.
    pub tls: Option<TlsFiles>,
    /// Requests, and bulk rows, a second and client; `None` for the defaults of [`Limits`].
    pub rate_per_second: Option<NonZeroU32>,
    /// Looks at what people hold, a second and client.
    pub lookups_per_second: NonZeroU32,
    /// Most bytes of one request's body, or of a bulk request's unread results, held in memory.
    pub max_body: usize,
    /// Time an ordinary request may take.
    pub timeout: Duration,
    /// What uploads may take up.
    pub uploads: UploadLimits,
}

impl ApiConfig {
    /// The API's limits as configured.
    pub fn limits(&self) -> Limits {
        let default = Limits::default();
        Limits {
            body: default.body.min(self.max_body),
            result_buffer: self.max_body,
            request_time: self.timeout,
            rate: self.rate_per_second,
            lookups: self.lookups_per_second,
            ..default
        }
    }
}

/// The peer-to-peer side.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// Addresses to listen on, at least one.
    pub listen: Vec<Multiaddr>,
    /// Whether QUIC is used beside TCP.
    pub quic: bool,
    /// Requests of each member for fields that are taken up in a second.
    pub retrievals_per_second: NonZeroU32,
    /// Where other departments' nodes reach this one, to be stated to them; none for what the genesis has, or where it listens.
    pub external: Vec<Text<256>>,
    /// Addresses of members in place of all others that are known.
    pub peers: BTreeMap<DepartmentCode, Vec<Multiaddr>>,
}

/// Logging.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Text or JSON.
    pub format: LogFormat,
    /// Level or directives, as [`crate::logging::init`] takes them.
    pub level: String,
}

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The configuration file.
    File,
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => Ok(()),
            Self::Environment(name) | Self::Flag(name) => write!(f, " (from {name})"),
        }
    }
}

/// One thing wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the key, such as `api.listen`.
    pub key: String,
    /// Where its value came from.
    pub source: Source,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", self.key, self.source, self.detail)
    }
}

/// Why a configuration isn't accepted.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is longer than any configuration.
    #[error("{}: longer than {MAX_FILE} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The file isn't TOML.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line and what is wrong there.
        message: String,
    },
    /// Settings are wrong; all are listed.
    #[error("{}: {} {}{}", path.display(), faults.len(), plural(faults), listed(faults))]
    Faults {
        /// The file.
        path: PathBuf,
        /// The faults.
        faults: Vec<Fault>,
    },
}

fn plural(faults: &[Fault]) -> &'static str {
    if faults.len() == 1 { "fault" } else { "faults" }
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}

impl Config {
    /// The configuration from flags, this process's environment and the file.
    ///
    /// # Errors
    /// [`ConfigError`]; with [`ConfigError::Faults`] all faults are listed at once.
    pub fn load(args: &NodeArgs) -> Result<Self, ConfigError> {
        Self::load_with(args, std::env::vars_os())
    }

    /// The same with another environment.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load_with(
        args: &NodeArgs,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let environment: Vec<_> = environment.into_iter().collect();
        let path = args.file(&environment);
        let text = read(&path)?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            ConfigError::Syntax {
                path: path.clone(),
                message: format!("line {line}: {}", error.message()),
            }
        })?;
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut settings = settings::Settings::new(table, directory);
        settings.overlay_environment(&environment);
        settings.overlay_flags(args);
        check::config(settings).map_err(|faults| ConfigError::Faults { path, faults })
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > MAX_FILE {
        return Err(ConfigError::TooLong {
            path: path.to_owned(),
        });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

#[cfg(test)]
mod tests;
