//! Whether clients will accept the API's TLS certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::CertificateError as Why;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

/// The command that makes a certificate that clients accept, for a host of one's own choice.
const MAKE_ONE: &str = "openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.pem -days 365 -subj \"/CN=HOST\" \
                        -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:HOST";

/// Why clients that check certificates as `certmesh` does will refuse one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unacceptable {
    /// It may sign others, so it is not one for a server.
    #[error(
        "api.tls_certificate: {}: is an authority's certificate (CA:TRUE), as `openssl req -x509` makes by default, and `certmesh` \
         accepts none from a server; make one with: {MAKE_ONE}",
        .0.display()
    )]
    Authority(PathBuf),
    /// Its last day is past.
    #[error("api.tls_certificate: {}: has expired; renew it", .0.display())]
    Expired(PathBuf),
    /// Its first day is still to come.
    #[error("api.tls_certificate: {}: is not valid yet; check this machine's clock", .0.display())]
    NotYetValid(PathBuf),
    /// It names no host that a client could compare.
    #[error(
        "api.tls_certificate: {}: names no host (subjectAltName), so no client can accept it; make one with: {MAKE_ONE}",
        .0.display()
    )]
    Nameless(PathBuf),
}

/// Checks the first certificate of a file as a client would that trusts all others in it.
///
/// # Errors
/// What every client refuses it for. Whether a client knows its authority can't be seen from here.
pub(crate) fn check(path: &Path, now: UnixTime) -> Result<(), Unacceptable> {
    let chain =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    // A file without certificates is a fault of the configuration already.
    let Some((own, _)) = chain.as_deref().ok().and_then(<[_]>::split_first) else {
        return Ok(());
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(chain.iter().flatten().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let Ok(verifier) = verifier else {
        return Ok(());
    };
    // Names are compared last, so that every other fault comes before it; and this one no certificate has.
    let nobody = ServerName::try_from("certmesh.invalid").expect("a host's name");
    let refused = match verifier.verify_server_cert(own, &[], &nobody, &[], now) {
        Err(rustls::Error::InvalidCertificate(why)) => why,
        _ => return Ok(()),
    };
    let path = path.to_owned();
    match refused {
        Why::Expired | Why::ExpiredContext { .. } => Err(Unacceptable::Expired(path)),
        Why::NotValidYet | Why::NotValidYetContext { .. } => Err(Unacceptable::NotYetValid(path)),
        Why::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            Err(Unacceptable::Nameless(path))
        }
        Why::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::CaUsedAsEndEntity) => Err(Unacceptable::Authority(path)),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

    use super::*;

    /// What is wrong with a self-signed certificate on a day in 2026.
    fn checked(change: impl FnOnce(&mut CertificateParams)) -> Result<(), Unacceptable> {
        let mut params = CertificateParams::new(["node.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        change(&mut params);
        let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tls.pem");
        std::fs::write(&path, signed.pem()).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_790_000_000));
        check(&path, now).map_err(|fault| match fault {
            Unacceptable::Authority(_) => Unacceptable::Authority(PathBuf::new()),
            Unacceptable::Expired(_) => Unacceptable::Expired(PathBuf::new()),
            Unacceptable::NotYetValid(_) => Unacceptable::NotYetValid(PathBuf::new()),
            Unacceptable::Nameless(_) => Unacceptable::Nameless(PathBuf::new()),
        })
    }

    #[test]
    fn a_certificate_that_every_client_refuses_is_found_before_clients_come() {
        assert_eq!(checked(|_| ()), Ok(()));
        let authority = |params: &mut CertificateParams| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        };
        let none = PathBuf::new;
        assert_eq!(checked(authority), Err(Unacceptable::Authority(none())));
        let expired = |params: &mut CertificateParams| {
            params.not_after = date_time_ymd(2026, 2, 1);
        };
        assert_eq!(checked(expired), Err(Unacceptable::Expired(none())));
        let early = |params: &mut CertificateParams| {
            params.not_before = date_time_ymd(2026, 12, 1);
        };
        assert_eq!(checked(early), Err(Unacceptable::NotYetValid(none())));
        let nameless = |params: &mut CertificateParams| params.subject_alt_names.clear();
        assert_eq!(checked(nameless), Err(Unacceptable::Nameless(none())));
    }

    #[test]
    fn the_line_for_a_better_certificate_is_one_for_a_server() {
        let said = Unacceptable::Authority(PathBuf::from("tls.pem")).to_string();
        assert!(
            said.contains("basicConstraints=critical,CA:FALSE"),
            "{said}"
        );
        assert!(said.contains("subjectAltName=DNS:HOST"), "{said}");
    }
}
