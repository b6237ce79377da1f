//! Why a node did not answer, and what to do about it.

use std::borrow::Cow;
use std::io;

use certmesh_text::say;
use rustls::CertificateError;

use crate::message::{Advice, Message};

/// Why there is no answer, in words.
pub(crate) fn why(url: &str, error: &ureq::Error) -> String {
    match (tls(url, error), error) {
        (Some((message, _)), _) => say(&message),
        (None, ureq::Error::Io(error)) => error.to_string(),
        (None, error) => error.to_string(),
    }
}

/// What to do about it.
pub(crate) fn advice(url: &str, error: &ureq::Error) -> Cow<'static, str> {
    if let Some((_, advice)) = tls(url, error) {
        return say(&advice).into();
    }
    let advice = match error {
        ureq::Error::HostNotFound => "check the host name in --node or CERTMESH_NODE",
        ureq::Error::Timeout(_) => "the node is busy or unreachable: try again, and see its log",
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => {
            "give --ca the certificate authority of the node's TLS certificate, and check the host name in --node"
        }
        ureq::Error::Io(source) if source.kind() == io::ErrorKind::ConnectionRefused => {
            "start the node (`certmesh-node run --config node.toml`), or give its address with --node or CERTMESH_NODE"
        }
        _ => "check that the node runs and that --node or CERTMESH_NODE is its API address",
    };
    advice.into()
}

/// What TLS has to do with it, if anything.
fn tls(url: &str, error: &ureq::Error) -> Option<(Message, Advice)> {
    use CertificateError as Why;

    if let Some(rustls::Error::InvalidCertificate(why)) = refused_by_tls(error) {
        return Some(match why {
            Why::Other(other) if is_authority(other) => {
                (Message::TlsAuthority, Advice::TlsAuthority)
            }
            Why::NotValidForNameContext { presented, .. } => {
                let names = presented.join(", ");
                (Message::TlsName { names }, Advice::TlsName)
            }
            Why::Expired | Why::ExpiredContext { .. } => (Message::TlsExpired, Advice::TlsRenew),
            Why::NotValidYet | Why::NotValidYetContext { .. } => {
                (Message::TlsEarly, Advice::TlsClock)
            }
            Why::UnknownIssuer => (Message::TlsUnknown, Advice::TlsUnknown),
            _ => return None,
        });
    }
    let secure = url.starts_with("https://");
    match error {
        _ if secure && speaks_no_tls(error) => Some((Message::TlsMissing, Advice::TlsMissing)),
        ureq::Error::Protocol(_) if !secure => {
            let rest = url.strip_prefix("http://").unwrap_or(url);
            let host = rest.split('/').next().unwrap_or(rest);
            let url = format!("https://{host}");
            Some((Message::TlsWanted, Advice::TlsWanted { url }))
        }
        _ => None,
    }
}

/// What TLS itself had against what came, if that is what ended the connection.
fn refused_by_tls(error: &ureq::Error) -> Option<&rustls::Error> {
    let mut cause = match error {
        ureq::Error::Io(error) => error.get_ref().map(|error| error as &dyn std::error::Error),
        ureq::Error::Rustls(error) => Some(error as &dyn std::error::Error),
        _ => None,
    };
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref() {
            return Some(refused);
        }
        cause = error.source();
    }
    None
}

fn is_authority(other: &rustls::OtherError) -> bool {
    matches!(
        other.0.downcast_ref(),
        Some(webpki::Error::CaUsedAsEndEntity)
    )
}

/// What came back to the first bytes of TLS was something else, or nothing.
fn speaks_no_tls(error: &ureq::Error) -> bool {
    matches!(
        refused_by_tls(error),
        Some(rustls::Error::InvalidMessage(_))
    ) || matches!(error, ureq::Error::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn refused(why: CertificateError) -> ureq::Error {
        let error = rustls::Error::InvalidCertificate(why);
        ureq::Error::Io(io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn a_certificate_that_is_refused_is_explained_with_what_to_do() {
        let other = rustls::OtherError(Arc::new(webpki::Error::CaUsedAsEndEntity));
        let host = rustls::pki_types::ServerName::try_from("10.1.2.3").unwrap();
        let name = CertificateError::NotValidForNameContext {
            expected: host,
            presented: vec!["DnsName(\"node.example\")".to_owned()],
        };
        for (why, said, advised) in [
            (
                CertificateError::Other(other),
                "an authority's",
                "basicConstraints=critical,CA:FALSE",
            ),
            (CertificateError::UnknownIssuer, "no authority", "--ca"),
            (name, "node.example", "--node"),
            (CertificateError::Expired, "expired", "renew"),
            (CertificateError::NotValidYet, "not valid yet", "clock"),
        ] {
            let (url, error) = ("https://10.1.2.3:7480/v1/status", refused(why));
            let (why, advice) = (super::why(url, &error), advice(url, &error));
            assert!(why.contains(said), "{why}");
            assert!(advice.contains(advised), "{advice}");
        }
    }

    #[test]
    fn the_other_scheme_is_named_where_it_is_the_right_one() {
        let url = "https://127.0.0.1:7480/v1/status";
        let error = ureq::Error::Io(io::ErrorKind::UnexpectedEof.into());
        assert!(advice(url, &error).contains("http://"));
        let error = ureq::Error::Io(io::ErrorKind::ConnectionRefused.into());
        assert!(advice(url, &error).contains("start the node"));
    }
}
