//! What a running peer reads again at SIGHUP: the API's clients, its TLS certificate, the other members' addresses.
//!
//! Each is taken by itself. A file with faults leaves in force what was, and the log says what is wrong with it.

use std::path::PathBuf;
use std::sync::Arc;

use certmesh_api::tokens::Clients;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::membership::Membership;
use tokio::sync::watch;

use super::identity::addresses;
use crate::config::{Config, ConfigError};
use crate::http::{Api, Running, TlsFiles};
use crate::peer::roster::Addresses;

/// Where what is read again goes.
pub(crate) struct Reloading<'a> {
    pub(crate) api: Arc<Api>,
    pub(crate) running: &'a Running,
    pub(crate) members: Membership,
    pub(crate) addresses: watch::Sender<Addresses>,
    /// The files to read, as the last configuration without faults names them.
    pub(crate) tokens: PathBuf,
    pub(crate) tls: Option<TlsFiles>,
}

impl Reloading<'_> {
    /// Takes the configuration as it is now, and reads the files it names. The files are read also when the configuration
    /// has a fault: nobody's token must stay in force because of a setting that has nothing to do with it.
    pub(crate) fn reload(&mut self, read: Result<Config, ConfigError>) {
        match read {
            Ok(config) => {
                self.take_addresses(&config);
                self.tokens = config.api.tokens;
                self.tls = config.api.tls;
            }
            Err(error) => tracing::error!(
                %error,
                "the configuration was not reloaded: the members' addresses are unchanged"
            ),
        }
        self.take_clients();
        self.take_certificate();
        tracing::info!(
            "reloaded the settings that can change while running; others take effect at the next start"
        );
    }

    fn take_addresses(&self, config: &Config) {
        let mut faults = Vec::new();
        let found = addresses(config, self.members.genesis(), &mut faults);
        for error in &faults {
            tracing::error!(%error, "the members' addresses are unchanged");
        }
        if faults.is_empty() {
            let known = |code: &DepartmentCode| self.members.member(code).is_some();
            for code in config.net.peers.keys().filter(|code| !known(code)) {
                tracing::warn!(department = %code, "net.peers names a department that is not a member");
            }
            self.addresses.send_replace(found);
        }
    }

    fn take_clients(&self) {
        match Clients::load(&self.tokens) {
            Ok(clients) => {
                let changes = self.api.set_clients(clients);
                tracing::info!(
                    added = changes.added.join(", "),
                    revoked = changes.revoked.join(", "),
                    "clients of the API reloaded"
                );
            }
            Err(error) => tracing::error!(
                %error,
                "the clients of the API are unchanged: none was added or revoked"
            ),
        }
    }

    fn take_certificate(&self) {
        match (&self.tls, self.running.is_tls()) {
            (Some(files), true) => match self.running.set_tls(files) {
                Ok(()) => tracing::info!("TLS certificate of the API reloaded"),
                Err(error) => tracing::error!(%error, "the TLS certificate is unchanged"),
            },
            (None, false) => {}
            (Some(_), false) | (None, true) => tracing::warn!(
                "whether the API uses TLS changes at the next start: its certificate was set or removed"
            ),
        }
    }
}
