//! The API over TLS, with a client that trusts the certificate and one that doesn't.

use super::*;
use crate::http::{ServeError, TlsFiles};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use ureq::tls::{Certificate, RootCerts, TlsConfig};

fn files(dir: &std::path::Path) -> (TlsFiles, Vec<u8>) {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: dir.join("cert.pem"),
        key: dir.join("key.pem"),
    };
    fs::write(&files.certificate, pair.cert.pem()).unwrap();
    fs::write(&files.key, pair.key_pair.serialize_pem()).unwrap();
    fs::set_permissions(&files.key, Permissions::from_mode(0o600)).unwrap();
    (files, pair.cert.pem().into_bytes())
}

fn api() -> Arc<Api> {
    let fake: Arc<dyn crate::app::Service> = Arc::new(Fake::default());
    Arc::new(Api::new(
        fake,
        OWN.parse().unwrap(),
        clients(),
        Arc::default(),
        Limits::default(),
    ))
}

fn status(url: &str, roots: RootCerts) -> Result<u16, ureq::Error> {
    let tls = TlsConfig::builder().root_certs(roots).build();
    let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls).build().into();
    agent
        .get(url)
        .header("Authorization", format!("Bearer {READ}"))
        .call()
        .map(|answer| answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_is_served_over_tls_to_clients_that_trust_it() {
    let dir = tempfile::tempdir().unwrap();
    let (files, pem) = files(dir.path());
    let running = serve(api(), "127.0.0.1:0".parse().unwrap(), Some(&files), &[]).unwrap();
    assert!(running.url().starts_with("https://127.0.0.1:"));
    let url = format!("https://localhost:{}/v1/status", running.address().port());
    let trusted = Certificate::from_pem(&pem).unwrap();
    let (with, without) = tokio::task::spawn_blocking(move || {
        let with = status(&url, RootCerts::new_with_certs(&[trusted]));
        (with, status(&url, RootCerts::new_with_certs(&[])))
    })
    .await
    .unwrap();
    assert_eq!(with.unwrap(), 200);
    assert!(without.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_served_without_a_restart_and_a_broken_one_changes_nothing() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (old_files, old) = files(first.path());
    let (new_files, new) = files(second.path());
    let running = serve(api(), "127.0.0.1:0".parse().unwrap(), Some(&old_files), &[]).unwrap();
    let url = format!("https://localhost:{}/v1/status", running.address().port());
    let trusting = async |pem: &[u8]| {
        let (url, trusted) = (url.clone(), Certificate::from_pem(pem).unwrap().to_owned());
        let asked = move || status(&url, RootCerts::new_with_certs(&[trusted])).is_ok();
        tokio::task::spawn_blocking(asked).await.unwrap()
    };
    assert!(trusting(&old).await && !trusting(&new).await);
    running.set_tls(&new_files).unwrap();
    assert!(trusting(&new).await && !trusting(&old).await);
    fs::write(&new_files.certificate, "no certificate").unwrap();
    let error = running.set_tls(&new_files).unwrap_err();
    assert!(matches!(error, ServeError::Pem { .. }), "{error}");
    assert!(trusting(&new).await);
}

#[tokio::test]
async fn a_key_file_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (files, _) = files(dir.path());
    fs::set_permissions(&files.key, Permissions::from_mode(0o644)).unwrap();
    let error = serve(api(), "127.0.0.1:0".parse().unwrap(), Some(&files), &[]).unwrap_err();
    assert!(matches!(error, ServeError::KeyFile(_)), "{error}");
}
