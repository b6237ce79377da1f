//! The HTTP client of a node's API.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use certmesh_api::{CatalogueView, Grants, Matters, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, SendBody};
use zeroize::Zeroizing;

use crate::args::Global;
use crate::retry::Retry;
use crate::{Error, files};

/// Most bytes of an answer that is read as a whole.
const MAX_ANSWER: u64 = 64 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than the node's own time limit, so that its explanation arrives before we give up.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(90);

/// A node, and who asks it.
pub(crate) struct Client {
    agent: Agent,
    base: String,
    token: Option<Zeroizing<String>>,
}

/// An answer of the API, as received.
#[derive(Debug)]
pub(crate) struct Answer {
    url: String,
    status: u16,
    /// The body; wiped when dropped, since it may say what fields hold.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// The answer as a value.
    ///
    /// # Errors
    /// [`Error::BadAnswer`] if it has another shape.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::BadAnswer {
            url: self.url.clone(),
            status: self.status,
            detail: error.to_string(),
        })
    }
}

/// A list that the API gives page by page.
pub(crate) trait List: DeserializeOwned {
    /// The cursor of the page after, which is then forgotten.
    fn take_next(&mut self) -> Option<String>;
    /// Adds a page that follows.
    fn append(&mut self, page: Self);
}

macro_rules! lists {
    ($($list:ident.$elements:ident),*) => {
        $(impl List for $list {
            fn take_next(&mut self) -> Option<String> {
                self.next.take()
            }

            fn append(&mut self, page: Self) {
                self.$elements.extend(page.$elements);
            }
        })*
    };
}

lists!(CatalogueView.types, Matters.matters, Grants.grants);

impl Client {
    /// The client that the global options describe.
    ///
    /// # Errors
    /// For an invalid address, a token file without a token, and a token that would travel in the clear.
    pub(crate) fn new(global: &Global) -> Result<Self, Error> {
        let node = global.node();
        let base = node.trim_end_matches('/').to_owned();
        let uri: ureq::http::Uri = base.parse().map_err(|_| Error::NodeAddress(node.clone()))?;
        let host = uri.host().ok_or_else(|| Error::NodeAddress(node.clone()))?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(Error::NodeAddress(node)),
        };
        if uri.query().is_some()
            || uri
                .authority()
                .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(Error::NodeAddress(node));
        }
        let token = global.token_file().as_deref().map(read_token).transpose()?;
        if token.is_some() && !encrypted && !is_loopback(host) {
            return Err(Error::TokenInClear(base));
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect would carry the request, and with it the token, to somebody else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A node is asked directly: a proxy of the environment is meant for the way outside.
            .proxy(None)
            .user_agent(concat!("certmesh/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .timeout_per_write(Some(SILENCE_TIMEOUT));
        if let Some(path) = global.ca() {
            config = config.tls_config(
                TlsConfig::builder()
                    .root_certs(read_authorities(path)?)
                    .build(),
            );
        }
        Ok(Self {
            agent: config.build().new_agent(),
            base,
            token,
        })
    }

    /// The address of a path of the API.
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// What the client's idempotency keys are derived under: unguessable for whoever lacks the token.
    pub(crate) fn token(&self) -> &str {
        self.token.as_ref().map_or("", |token| token.as_str())
    }

    /// GET.
    ///
    /// # Errors
    /// [`Error::NoAnswer`], [`Error::Refused`] and [`Error::BadAnswer`].
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Error> {
        let url = self.url(path);
        let mut request = self.agent.get(&url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", bearer(token).as_str());
        }
        let response = request.call().map_err(|source| no_answer(&url, source))?;
        whole(url, response)
    }

    /// GET of a list, all pages of it.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn get_list<L: List>(&self, path: &str) -> Result<L, Error> {
        let mut list: L = self.get(path)?.parse()?;
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut next = list.take_next();
        while let Some(cursor) = next {
            let path = format!("{path}{mark}cursor={}", segment(&cursor));
            let mut page: L = self.get(&path)?.parse()?;
            // A node that repeats its cursor would keep us here for ever.
            next = page.take_next().filter(|next| *next != cursor);
            list.append(page);
        }
        Ok(list)
    }

    /// POST of a JSON body that may be sent again: what is asked for changes nothing, or the same result again.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn post(
        &self,
        path: &str,
        body: &impl Serialize,
        key: Option<&str>,
    ) -> Result<Answer, Error> {
        let body = Zeroizing::new(serde_json::to_vec(body).map_err(std::io::Error::from)?);
        let mut retry = Retry::short();
        loop {
            let attempt = self.send(path, "application/json", &body, key);
            match attempt.and_then(|response| whole(self.url(path), response)) {
                Err(error) if key.is_some() && retry.again(&error) => retry.wait(),
                result => return result,
            }
        }
    }

    /// POST without a body.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn post_nothing(&self, path: &str) -> Result<Answer, Error> {
        whole(
            self.url(path),
            self.send(path, "application/json", b"", None)?,
        )
    }

    /// POST of a body whose answer is read as it comes; a refusal is an error.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn post_stream(
        &self,
        path: &str,
        kind: &str,
        body: &[u8],
        key: &str,
    ) -> Result<impl Read + use<>, Error> {
        streamed(self.url(path), self.send(path, kind, body, Some(key))?)
    }

    /// POST of a body of this many bytes that is read as it is sent. The node is asked first whether it takes it, so
    /// that a refusal arrives before the body is sent.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn upload(
        &self,
        path: &str,
        kind: &str,
        size: u64,
        reader: &mut dyn Read,
    ) -> Result<Answer, Error> {
        let url = self.url(path);
        let mut request = self.agent.post(&url).content_type(kind);
        request = request.header("Content-Length", size);
        request = request.header("Expect", "100-continue");
        if let Some(token) = &self.token {
            request = request.header("Authorization", bearer(token).as_str());
        }
        let sent = request.send(SendBody::from_reader(reader));
        whole(url.clone(), sent.map_err(|source| no_answer(&url, source))?)
    }

    /// GET of an answer that is read as it comes; a refusal is an error.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn get_stream(&self, path: &str) -> Result<impl Read + use<>, Error> {
        let url = self.url(path);
        let mut request = self.agent.get(&url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", bearer(token).as_str());
        }
        let response = request.call().map_err(|source| no_answer(&url, source))?;
        streamed(url, response)
    }

    fn send(
        &self,
        path: &str,
        kind: &str,
        body: &[u8],
        key: Option<&str>,
    ) -> Result<Response<Body>, Error> {
        let url = self.url(path);
        let mut request = self.agent.post(&url).content_type(kind);
        if let Some(token) = &self.token {
            request = request.header("Authorization", bearer(token).as_str());
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        request.send(body).map_err(|source| no_answer(&url, source))
    }

    /// The connection broke while an answer was read.
    pub(crate) fn broken(&self, path: &str, source: std::io::Error) -> Error {
        no_answer(&self.url(path), ureq::Error::Io(source))
    }

    /// The node's answer is not what its API promises.
    pub(crate) fn bad_answer(&self, path: &str, detail: &str) -> Error {
        Error::BadAnswer {
            url: self.url(path),
            status: 200,
            detail: detail.to_owned(),
        }
    }
}

fn no_answer(url: &str, source: ureq::Error) -> Error {
    Error::NoAnswer {
        url: url.to_owned(),
        source: Box::new(source),
    }
}

fn bearer(token: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("Bearer {token}"))
}

/// The body of a good answer, to be read as it comes; anything but success is an error.
fn streamed(url: String, response: Response<Body>) -> Result<impl Read + use<>, Error> {
    if response.status() != StatusCode::OK {
        return match whole(url, response) {
            Ok(answer) => Err(Error::BadAnswer {
                url: answer.url,
                status: answer.status,
                detail: "expected status 200".to_owned(),
            }),
            Err(error) => Err(error),
        };
    }
    let body = response.into_body().into_with_config();
    Ok(body.limit(u64::MAX).reader())
}

/// Reads the whole answer; anything but success is an error.
fn whole(url: String, mut response: Response<Body>) -> Result<Answer, Error> {
    let status = response.status();
    let wait = retry_after(response.headers());
    let body = response
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER)
        .read_to_vec();
    let body = body.map_err(|source| no_answer(&url, source))?;
    if status.is_success() {
        return Ok(Answer {
            url,
            status: status.as_u16(),
            body: Zeroizing::new(body),
        });
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Err(Error::Refused {
            problem: Box::new(problem),
            wait,
        }),
        Err(_) => {
            let text = String::from_utf8_lossy(&body);
            let start: String = text.trim().chars().take(200).collect();
            let detail = if start.is_empty() {
                "an empty body".to_owned()
            } else {
                format!("`{start}`")
            };
            Err(Error::BadAnswer {
                url,
                status: status.as_u16(),
                detail,
            })
        }
    }
}

/// The node's wish for how long to wait, in whole seconds (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get("Retry-After")?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn read_token(path: &Path) -> Result<Zeroizing<String>, Error> {
    let text = Zeroizing::new(files::read_text(path)?);
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Token(path.to_owned()));
    }
    Ok(Zeroizing::new(token.to_owned()))
}

fn read_authorities(path: &Path) -> Result<RootCerts, Error> {
    let text = files::read_text(path)?;
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(text.as_bytes()) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(Error::malformed(path, "a PEM file", error.to_string())),
        }
    }
    if certificates.is_empty() {
        return Err(Error::malformed(
            path,
            "a PEM file of certificates",
            "there is no certificate in it",
        ));
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}

/// A value as one segment of a path (RFC 3986): all but unreserved characters escaped.
pub(crate) fn segment(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_path_segment() {
        assert_eq!(segment("a/b?c#d%証"), "a%2Fb%3Fc%23d%25%E8%A8%BC");
        assert_eq!(segment("1.2.156.A_b-c~"), "1.2.156.A_b-c~");
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "127.0.0.1", "127.8.0.1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.example",
            "10.0.0.1",
            "[fe80::1]",
            "node.wuhan.example",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
