//! The command line of `certmesh-node`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// Environment variable that names the configuration file.
pub(super) const CONFIG_VARIABLE: &str = "CERTMESH_NODE_CONFIG";

const ONLY_IN_THE_FILE: &str = "\
Every other setting of the file has an environment variable, such as CERTMESH_NODE_API_TIMEOUT_S, or
CERTMESH_NODE_NET_RETRIEVALS_PER_SECOND: of each member's requests for fields so many are taken up (50, ten seconds' worth
at once), for each costs a record that every member stores. An API on a loopback address answers requests for localhost,
loopback addresses and the names in api.names (CERTMESH_NODE_API_NAMES), such as that of a proxy before it, and refuses web
pages of other sites. CERTMESH_NODE_API_LOOKUPS_PER_SECOND: so many looks at what people hold are let through of each client
(20). CERTMESH_NODE_LOOKUPS_KEEP_DAYS: for so long a month of the look-up journal is kept after its end (1096).
CERTMESH_NODE_DISK_REREAD_DAYS: so long after all that is on disk was read it is read again (7). Only in the file:
  [net.peers]                       # addresses in place of those in the genesis file
  \"11330105002500287C\" = [\"/ip4/10.0.0.1/tcp/7481\"]
  [[watch]]                         # a folder whose tables are imported; as many as there are types
  folder = \"inbox\"                  # done/ and rejected/ are made in it
  type = \"11100000000013338W011\"    # type code of the certificates
  map = \"map.toml\"                  # what each column is: see `certmesh import --help`
A file dropped there (.csv, .tsv, .txt, .xlsx, .jsonl, .ndjson) is taken once it has not changed for 6 seconds; what is
hidden or ends in .part or .tmp is not. It goes to done/ with a summary, its rejected rows to rejected/ with their reasons.";

/// A department's peer in a network of certificate logs.
#[derive(Debug, Parser)]
#[command(name = "certmesh-node", version, about, long_about = None)]
pub struct NodeCli {
    /// What to do.
    #[command(subcommand)]
    pub command: NodeCommand,
}

/// What `certmesh-node` does.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Run the peer until SIGTERM or SIGINT
    ///
    /// SIGHUP makes it reload, without a restart: the clients of the API (a token that is no longer there stops working
    /// at once), its TLS certificate and key, and [net.peers]. A file with faults changes nothing; the log says why.
    /// Other settings take effect at the next start.
    #[command(after_help = ONLY_IN_THE_FILE)]
    Run(NodeArgs),
    /// Check the configuration and the files it names, list every fault, and exit
    #[command(after_help = ONLY_IN_THE_FILE)]
    Check(NodeArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page, or write one page for every command
    Man {
        /// Directory to write all pages to; it is made if it is missing
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// Flags that override environment and file.
#[derive(Clone, Debug, Default, Args)]
pub struct NodeArgs {
    /// Configuration file [env: CERTMESH_NODE_CONFIG] [default: node.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Code of the department this peer belongs to
    #[arg(long, value_name = "CODE")]
    pub department: Option<String>,
    /// Directory of logs and state
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Genesis file of the network
    #[arg(long, value_name = "FILE")]
    pub network: Option<PathBuf>,
    /// Address of the HTTP API, such as 127.0.0.1:7480
    #[arg(long, value_name = "IP:PORT")]
    pub api_listen: Option<String>,
    /// File of the API's clients
    #[arg(long, value_name = "FILE")]
    pub api_tokens: Option<PathBuf>,
    /// TLS certificate of the API, PEM
    #[arg(long, value_name = "FILE")]
    pub api_tls_certificate: Option<PathBuf>,
    /// Private key of that certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub api_tls_key: Option<PathBuf>,
    /// Peer-to-peer address to listen on, such as /ip4/0.0.0.0/tcp/7481; may be repeated
    #[arg(long, value_name = "MULTIADDR")]
    pub net_listen: Vec<String>,
    /// Use QUIC beside TCP; only in a build with the feature `quic`
    #[arg(long)]
    pub quic: bool,
    /// Format of log lines: text or json
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// What is logged: error, warn, info, debug, trace, or directives
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Accept the own log on disk as whole, without waiting for other members
    #[arg(long)]
    pub trust_own_disk: bool,
}

impl NodeArgs {
    /// The configuration file: flag, else environment, else `node.toml` here.
    pub(super) fn file(&self, environment: &[(OsString, OsString)]) -> PathBuf {
        let variable = || {
            environment
                .iter()
                .find(|(name, _)| name == OsStr::new(CONFIG_VARIABLE))
        };
        self.config
            .clone()
            .or_else(|| variable().map(|(_, value)| PathBuf::from(value)))
            .unwrap_or_else(|| PathBuf::from("node.toml"))
    }
}
