//! Which names the API answers to where only this machine can reach it.
//!
//! A browser on this machine can reach it as well, and with it every web page the browser shows. A page can have its own
//! name resolve to 127.0.0.1 (DNS rebinding), and then reads what the API answers there as its own site's. So where the API
//! listens on loopback a request must be for localhost, a loopback address or a configured name, and must not come from
//! another site. Elsewhere TLS does this: no page has a certificate for the API's name.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::{Authority, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use thiserror::Error;

use super::rejection::Rejection;

/// Longest name of a host (RFC 1035).
const MAX_NAME: usize = 253;

/// The name or address of a host, without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

/// A text that is not the name of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected the name of a host without a port, such as certmesh.example")]
pub struct NotAHostName;

impl FromStr for HostName {
    type Err = NotAHostName;

    fn from_str(text: &str) -> Result<Self, NotAHostName> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let name = !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(plain);
        match name || text.parse::<IpAddr>().is_ok() {
            true => Ok(Self(normal(text))),
            false => Err(NotAHostName),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host without the brackets of an IPv6 address and the dot at the end of a full name.
fn normal(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Refuses requests for other names than the API's, and from other sites.
pub(super) async fn own_names_only(
    State(names): State<Arc<[HostName]>>,
    request: Request,
    next: Next,
) -> Response {
    match check(&request, &names) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn check(request: &Request, names: &[HostName]) -> Result<(), Rejection> {
    let named = |host: &str| names.iter().any(|name| name.0 == host);
    let own = |authority: &Authority| {
        let host = normal(authority.host());
        let address = host.parse::<IpAddr>();
        host == "localhost"
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
            || named(&host)
    };
    // HTTP/2 names the host in its pseudo-header, which stands in the URI; where both are given, both count.
    let in_uri = request.uri().authority().cloned().map(Some);
    let in_headers = request.headers().get_all(HOST).iter();
    let in_headers = in_headers.map(|value| Authority::try_from(value.as_bytes()).ok());
    let asked: Option<Vec<Authority>> = in_uri.into_iter().chain(in_headers).collect();
    let asked = asked.unwrap_or_default();
    if asked.is_empty() || !asked.iter().all(own) {
        return Err(Rejection::WrongHost);
    }
    for origin in request.headers().get_all(ORIGIN) {
        let origin = Uri::try_from(origin.as_bytes()).ok();
        let site = origin.as_ref().filter(|uri| uri.scheme().is_some());
        let same = site.and_then(Uri::authority).is_some_and(|site| {
            // Authorities compare without regard to case.
            asked.contains(site) || named(&normal(site.host()))
        });
        if !same {
            return Err(Rejection::OtherSite);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn asked(uri: &str, headers: &[(&str, &str)]) -> Result<(), Rejection> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let names = ["Certmesh.Example.", "10.0.0.5"].map(|name| name.parse().unwrap());
        check(&request.body(Body::empty()).unwrap(), &names)
    }

    #[test]
    fn a_request_is_for_localhost_a_loopback_address_or_a_configured_name() {
        for host in [
            "localhost",
            "LOCALHOST:7480",
            "localhost.",
            "127.0.0.1:7480",
            "127.8.8.8",
            "[::1]:7480",
            "[::ffff:127.0.0.1]",
            "certmesh.example:7480",
            "10.0.0.5",
        ] {
            assert_eq!(asked("/", &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "localhost@evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.6",
            "0.0.0.0",
            "[::2]",
            "2130706433",
            "a b",
            "",
        ] {
            let refused = asked("/", &[("host", host)]);
            assert_eq!(refused, Err(Rejection::WrongHost), "{host}");
        }
    }

    #[test]
    fn every_name_that_a_request_gives_counts_and_one_that_gives_none_is_refused() {
        assert_eq!(asked("/", &[]), Err(Rejection::WrongHost));
        assert_eq!(asked("http://localhost:1/", &[]), Ok(()));
        let (own, other) = (("host", "localhost:1"), ("host", "evil.example"));
        assert_eq!(asked("/", &[own, other]), Err(Rejection::WrongHost));
        assert_eq!(
            asked("http://evil.example/", &[own]),
            Err(Rejection::WrongHost)
        );
        assert_eq!(
            asked("http://localhost:1/", &[other]),
            Err(Rejection::WrongHost)
        );
    }

    #[test]
    fn a_request_from_another_site_is_refused() {
        let from = |origin| asked("/", &[("host", "localhost:7480"), ("origin", origin)]);
        for origin in [
            "http://localhost:7480",
            "https://LOCALHOST:7480",
            "https://certmesh.example",
            "https://certmesh.example:8443",
        ] {
            assert_eq!(from(origin), Ok(()), "{origin}");
        }
        for origin in [
            "http://localhost:3000",
            "http://127.0.0.1:7480",
            "https://evil.example",
            "null",
            "localhost:7480",
            "",
        ] {
            assert_eq!(from(origin), Err(Rejection::OtherSite), "{origin}");
        }
    }

    #[test]
    fn a_host_name_has_no_port_and_no_path() {
        for text in ["certmesh.example", "node_1", "10.0.0.5", "fd00::1"] {
            assert!(text.parse::<HostName>().is_ok(), "{text}");
        }
        for text in ["", "a:80", "http://a", "a/b", "a b", "*.example"] {
            assert_eq!(text.parse::<HostName>(), Err(NotAHostName), "{text}");
        }
    }
}
