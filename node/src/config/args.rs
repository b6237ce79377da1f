//! The command line of `certmesh-node`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Environment variable that names the configuration file.
pub(super) const CONFIG_VARIABLE: &str = "CERTMESH_NODE_CONFIG";

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
    /// Run the peer until SIGTERM, SIGINT or SIGHUP
    Run(NodeArgs),
    /// Check the configuration and the files it names, list every fault, and exit
    Check(NodeArgs),
}

/// Flags that stand above environment and file.
#[derive(Clone, Debug, Default, Args)]
pub struct NodeArgs {
    /// Configuration file [env: CERTMESH_NODE_CONFIG] [default: node.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Code of the department whose peer this is
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
    /// Use QUIC beside TCP
    #[arg(long)]
    pub quic: bool,
    /// How log lines are written: text or json
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// What is logged: error, warn, info, debug, trace, or directives
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Take the own log on disk for whole, without waiting for other members
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
