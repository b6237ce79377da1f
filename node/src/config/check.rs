//! From settings to a configuration: each setting's meaning, and the rules between settings.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use certmesh_api::tokens::Clients;
use certmesh_ledger::catalogue::FreshnessLimits;
use certmesh_ledger::codec::Text;
use certmesh_ledger::genesis::check_dialable;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::sync::check_addresses;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use crate::http::limits::DEFAULT_LOOKUPS;
use crate::http::server::check_tls;
use crate::http::{ServeError, TlsFiles};
use crate::logging::{self, LogFormat};
use certmesh_ledger::crypto::secret_files;

use super::settings::Settings;
use super::watches::watches;
use super::{ApiConfig, Config, Fault, KeyFiles, LogConfig, NetConfig};
use crate::peer::uploads::UploadLimits;

const MIB: u32 = 1024 * 1024;
const DEFAULT_API: &str = "127.0.0.1:7480";
/// A city's busiest department asks less than once a second; each request costs a record that every member stores.
const DEFAULT_RETRIEVALS: u32 = 50;
/// Days that the look-up journal is kept when none are configured: three years.
const KEEP_LOOKUPS_DAYS: u32 = 1_096;
const REREAD_DAYS: u32 = 7;
const DEFAULT_NET: &str = "/ip4/0.0.0.0/tcp/7481";
/// Most addresses of one peer.
const MAX_ADDRESSES: usize = 16;

/// The configuration, or every fault.
pub(super) fn config(mut settings: Settings) -> Result<Config, Vec<Fault>> {
    let s = &mut settings;
    let department = department(s);
    let data_dir = s.required_path("data_dir");
    if data_dir
        .as_ref()
        .is_some_and(|dir| dir.exists() && !dir.is_dir())
    {
        s.wrong("data_dir", "exists and isn't a directory");
    }
    let network = s.required_path("network");
    if let Some(path) = &network {
        must_be_file(s, "network", path);
    }
    let keys = keys(s);
    let api = api(s);
    let net = net(s);
    let log = log(s);
    let freshness = freshness(s);
    let lookups_kept_days = s.number("lookups.keep_days", 31..=36_500, KEEP_LOOKUPS_DAYS);
    let reread_days = s.number("disk.reread_days", 1..=3_650, REREAD_DAYS);
    let trust_own_disk = s.flag_value("start.trust_own_disk");
    let watches = watches(s);
    match (department, data_dir, network, keys, api, net, log) {
        (
            Some(department),
            Some(data_dir),
            Some(network),
            Some(keys),
            Some(api),
            Some(net),
            Some(log),
        ) if settings.sound() => Ok(Config {
            department,
            data_dir,
            network,
            keys,
            api,
            net,
            log,
            freshness,
            lookups_kept_days: u16::try_from(lookups_kept_days).unwrap_or(u16::MAX),
            reread_every: Duration::from_secs(u64::from(reread_days) * 86_400),
            trust_own_disk,
            watches,
        }),
        _ => Err(settings.into_faults()),
    }
}

fn freshness(s: &mut Settings) -> FreshnessLimits {
    let default = FreshnessLimits::default();
    let ms = |s: &mut Settings, key: &str, default_ms: u64| {
        let default_s = u32::try_from(default_ms / 1_000).unwrap_or(u32::MAX);
        u64::from(s.number(key, 1..=366 * 86_400, default_s)) * 1_000
    };
    FreshnessLimits {
        behind_ms: ms(s, "freshness.behind_s", default.behind_ms),
        silent_ms: ms(s, "freshness.silent_s", default.silent_ms),
    }
}

fn department(s: &mut Settings) -> Option<DepartmentCode> {
    let text = s.required_text("department")?;
    text.parse::<DepartmentCode>()
        .map_err(|error| s.wrong("department", certmesh_text::parse_fault(error)))
        .ok()
}

fn must_be_file(s: &mut Settings, key: &str, path: &Path) {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => s.wrong(key, format!("{}: not a regular file", path.display())),
        Err(error) => {
            let origin = origin(key, path);
            s.wrong(key, format!("{}: {error}{origin}", path.display()));
        }
    }
}

/// Where to get a missing file that no department can make by itself.
fn origin(key: &str, path: &Path) -> &'static str {
    match key {
        "network" if !path.exists() => {
            "; network.toml comes from the network's founder, or with a member's trust file (`certmesh network join`)"
        }
        _ => "",
    }
}

/// The file of the catalogue key. One that does not exist is no fault: other members have the key.
fn catalogue_key(s: &mut Settings) -> Option<PathBuf> {
    let path = s.required_path("keys.catalogue")?;
    match std::fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
            if let Some(dir) = dir.filter(|dir| !dir.is_dir()) {
                s.wrong(
                    "keys.catalogue",
                    format!("{}: not a directory", dir.display()),
                );
            }
        }
        _ => check_secret(s, "keys.catalogue", &path),
    }
    Some(path)
}

fn check_secret(s: &mut Settings, key: &str, path: &Path) {
    if let Err(error) = secret_files::check(path) {
        s.wrong(key, error.to_string());
    }
}

fn secret(s: &mut Settings, key: &str) -> Option<PathBuf> {
    let path = s.required_path(key)?;
    check_secret(s, key, &path);
    Some(path)
}

fn keys(s: &mut Settings) -> Option<KeyFiles> {
    // Every one is looked at before any is missed.
    let signing = secret(s, "keys.signing");
    let transport = secret(s, "keys.transport");
    let sealing = secret(s, "keys.sealing");
    let field = secret(s, "keys.field");
    let catalogue = catalogue_key(s);
    let passphrase_file = s.path("keys.passphrase_file");
    if let Some(path) = &passphrase_file {
        check_secret(s, "keys.passphrase_file", path);
    }
    Some(KeyFiles {
        signing: signing?,
        transport: transport?,
        sealing: sealing?,
        field: field?,
        catalogue: catalogue?,
        passphrase_file,
    })
}

fn api(s: &mut Settings) -> Option<ApiConfig> {
    let listen = s
        .text("api.listen")
        .unwrap_or_else(|| DEFAULT_API.to_owned());
    let listen: Option<SocketAddr> = listen
        .parse()
        .map_err(|_| {
            s.wrong(
                "api.listen",
                "expected an IP address and a port, such as 127.0.0.1:7480",
            );
        })
        .ok();
    let mut names = Vec::new();
    for name in s.list("api.names").unwrap_or_default() {
        match name.parse() {
            Ok(name) => names.push(name),
            Err(error) => s.wrong("api.names", format!("`{}`: {error}", name.escape_debug())),
        }
    }
    let tokens = s.required_path("api.tokens");
    if let Some(Err(error)) = tokens.as_deref().map(Clients::load) {
        s.wrong("api.tokens", error.to_string());
    }
    let tls = tls(s);
    if listen.is_some_and(|address| !address.ip().is_loopback()) && tls.is_none() {
        let detail = "isn't a loopback address, so tokens would cross the network in the clear; \
                      set api.tls_certificate and api.tls_key, or listen on 127.0.0.1";
        s.wrong("api.listen", detail);
    }
    let rate = s.number("api.rate_per_second", 0..=10_000_000, 0);
    let lookups = s.number(
        "api.lookups_per_second",
        1..=10_000_000,
        DEFAULT_LOOKUPS.get(),
    );
    let max_body = s.number("api.max_body_mib", 1..=1024, 64);
    let timeout = s.number("api.timeout_s", 1..=3600, 60);
    let mib = |s: &mut Settings, key: &str, least: u32, default_mib: u32| {
        u64::from(s.number(key, least..=1 << 20, default_mib)) * u64::from(MIB)
    };
    let uploads = UploadLimits {
        // Each client has room for the largest attachment.
        of_client: mib(s, "api.max_uploads_mib", 64, 4096),
        keep_free: mib(s, "api.keep_free_mib", 0, 1024),
    };
    Some(ApiConfig {
        listen: listen?,
        names,
        tokens: tokens?,
        tls,
        rate_per_second: NonZeroU32::new(rate),
        lookups_per_second: NonZeroU32::new(lookups).unwrap_or(DEFAULT_LOOKUPS),
        max_body: (max_body * MIB) as usize,
        timeout: Duration::from_secs(timeout.into()),
        uploads,
    })
}

fn tls(s: &mut Settings) -> Option<TlsFiles> {
    let files = match (s.path("api.tls_certificate"), s.path("api.tls_key")) {
        (Some(certificate), Some(key)) => TlsFiles { certificate, key },
        (Some(_), None) => {
            s.wrong(
                "api.tls_key",
                "is missing: api.tls_certificate needs its key",
            );
            return None;
        }
        (None, Some(_)) => {
            s.wrong(
                "api.tls_certificate",
                "is missing: api.tls_key needs its certificate",
            );
            return None;
        }
        (None, None) => return None,
    };
    match check_tls(&files) {
        Ok(()) => {}
        Err(ServeError::Pem { ref path, .. }) if *path == files.certificate => {
            s.wrong(
                "api.tls_certificate",
                format!("{}: no certificate in PEM form", path.display()),
            );
            // The other file is still checked.
            if let Err(error) = secret_files::check(&files.key) {
                s.wrong("api.tls_key", error.to_string());
            }
        }
        Err(error) => s.wrong("api.tls_key", error.to_string()),
    }
    Some(files)
}

fn net(s: &mut Settings) -> Option<NetConfig> {
    let quic = s.flag_value("net.quic");
    if quic && !cfg!(feature = "quic") {
        s.wrong(
            "net.quic",
            "this build has no QUIC; set it to false, or build certmesh-node with `--features quic`",
        );
    }
    let listen = s
        .list("net.listen")
        .unwrap_or_else(|| vec![DEFAULT_NET.to_owned()]);
    if listen.is_empty() {
        s.wrong(
            "net.listen",
            "is empty; the peer must listen somewhere, /ip4/127.0.0.1/tcp/0 will do",
        );
    }
    let listen = addresses(s, "net.listen", &listen);
    if !quic
        && listen
            .iter()
            .any(|address| address.iter().any(|part| part == Protocol::QuicV1))
    {
        s.wrong("net.listen", "holds a QUIC address but net.quic is false");
    }
    let rate = s.number(
        "net.retrievals_per_second",
        1..=1_000_000,
        DEFAULT_RETRIEVALS,
    );
    let mut peers = BTreeMap::new();
    for (code, list) in s.table("net.peers") {
        let key = format!("net.peers.{code}");
        let list = addresses(s, &key, &list);
        match code.parse::<DepartmentCode>() {
            Ok(code) => drop(peers.insert(code, list)),
            Err(error) => s.wrong(&key, certmesh_text::parse_fault(error)),
        }
    }
    Some(NetConfig {
        external: external(s),
        listen,
        quic,
        retrievals_per_second: NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN),
        peers,
    })
}

/// What is stated to other members has to be such that they can dial it, and fits into one statement.
fn external(s: &mut Settings) -> Vec<Text<256>> {
    let key = "net.external";
    let texts = s.list(key).unwrap_or_default();
    let mut good = Vec::new();
    for text in &texts {
        match (check_dialable(text), Text::new(text.as_str())) {
            (Ok(()), Ok(text)) => good.push(text),
            (Err(fault), _) => s.wrong(key, certmesh_text::address_fault(&fault)),
            (_, Err(error)) => s.wrong(key, format!("`{}`: {error}", text.escape_debug())),
        }
    }
    if good.len() == texts.len()
        && let Err(error) = check_addresses(&good)
    {
        s.wrong(key, format!("holds {error}"));
    }
    good
}

fn addresses(s: &mut Settings, key: &str, texts: &[String]) -> Vec<Multiaddr> {
    if texts.len() > MAX_ADDRESSES {
        s.wrong(
            key,
            format!(
                "holds {} addresses, at most {MAX_ADDRESSES} are allowed",
                texts.len()
            ),
        );
    }
    let mut good = Vec::new();
    for text in texts.iter().take(MAX_ADDRESSES) {
        match text.parse() {
            Ok(address) => good.push(address),
            Err(error) => {
                let example = "expected such as /ip4/10.0.0.1/tcp/7481";
                s.wrong(
                    key,
                    format!("`{}`: {error}; {example}", text.escape_debug()),
                );
            }
        }
    }
    good
}

fn log(s: &mut Settings) -> Option<LogConfig> {
    let format = match s.text("log.format").as_deref() {
        None | Some("text") => Some(LogFormat::Text),
        Some("json") => Some(LogFormat::Json),
        Some(_) => {
            s.wrong("log.format", "expected text or json");
            None
        }
    };
    let level = s.text("log.level").unwrap_or_else(|| "info".to_owned());
    if let Err(error) = logging::check_level(&level) {
        s.wrong("log.level", error.to_string());
    }
    Some(LogConfig {
        format: format?,
        level,
    })
}
