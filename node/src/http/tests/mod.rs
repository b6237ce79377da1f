//! The API over real sockets, with a peer made of memory behind it.

mod access;
mod attachments;
mod bulk;
pub(crate) mod fake;
mod limits;
mod problems;
mod speed;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use certmesh_api::tokens::{Clients, Role};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::fake::Fake;
use super::limits::Limits;
use super::{Api, Running, serve};
use crate::metrics::Metrics;

const OWN: &str = "11430000006122244L";
const READ: &str = "reading-token";
const CLERK: &str = "accepting-token";
const ISSUE: &str = "issuing-token";
const ADMIN: &str = "admin-token";
const HOLDER_CODE: &str = "11330105002500287C";

/// A served API.
struct Node {
    running: Running,
    api: Arc<Api>,
    fake: Arc<Fake>,
    metrics: Arc<Metrics>,
}

fn clients() -> Clients {
    Clients::of(&[
        ("reader", Role::Read, READ),
        ("clerk", Role::Clerk, CLERK),
        ("issuer", Role::Issue, ISSUE),
        ("admin", Role::Admin, ADMIN),
    ])
}

fn node_with(limits: Limits) -> Node {
    node_at("127.0.0.1:0", limits)
}

fn node_at(address: &str, limits: Limits) -> Node {
    let fake = Arc::new(Fake::default());
    let metrics = Arc::new(Metrics::new());
    let service: Arc<dyn crate::app::Service> = fake.clone();
    let api = Arc::new(Api::new(
        service,
        OWN.parse().unwrap(),
        clients(),
        Arc::clone(&metrics),
        limits,
    ));
    let running = serve(Arc::clone(&api), address.parse().unwrap(), None, &[]).unwrap();
    Node {
        running,
        api,
        fake,
        metrics,
    }
}

fn node() -> Node {
    node_with(Limits::default())
}

/// An answer, read completely.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
    /// Whether the answer ended as HTTP says it must, not in a broken connection.
    whole: bool,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    fn rows(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.body).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let line = self
            .headers
            .lines()
            .find(|line| line.to_lowercase().starts_with(&format!("{name}:")))?;
        Some(line[name.len() + 1..].trim())
    }

    /// The problem's name, its document checked on the way.
    fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert!(!problem["title"].as_str().unwrap().is_empty());
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        problem["type"]
            .as_str()
            .unwrap()
            .strip_prefix("urn:certmesh:problem:")
            .unwrap()
            .to_owned()
    }
}

/// An HTTP/1.1 request, as text.
struct Ask {
    head: String,
    body: Vec<u8>,
}

fn ask(method: &str, path: &str, token: &str) -> Ask {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    if !token.is_empty() {
        head += &format!("Authorization: Bearer {token}\r\n");
    }
    Ask {
        head,
        body: Vec::new(),
    }
}

impl Ask {
    fn header(mut self, name: &str, value: &str) -> Self {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("Content-Type", content_type)
            .header("Content-Length", &length)
    }

    fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    async fn to(self, node: &Node) -> Answer {
        let mut stream = connect(node.running.address()).await;
        stream
            .write_all(format!("{}\r\n", self.head).as_bytes())
            .await
            .unwrap();
        let (mut reader, mut writer) = stream.split();
        // A server that refuses may stop reading; its answer still counts.
        let (_, answer) = tokio::join!(writer.write_all(&self.body), read_answer(&mut reader));
        answer
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

async fn read_answer(reader: &mut (impl AsyncReadExt + Unpin)) -> Answer {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), reader.read_to_end(&mut bytes)).await;
    let clean = read.expect("an answer within 20 s").is_ok();
    parse_answer(&bytes, clean)
}

fn parse_answer(bytes: &[u8], clean: bool) -> Answer {
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let (first, headers) = head.split_once("\r\n").unwrap();
    let status = first.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer {
        status,
        headers: headers.to_owned(),
        body: bytes[end + 4..].to_vec(),
        whole: clean,
    };
    if answer.header("transfer-encoding") == Some("chunked") {
        let (body, whole) = unchunk(&answer.body);
        answer.whole &= whole;
        answer.body = body;
    }
    answer
}

fn unchunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else {
            return (body, false);
        };
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        bytes = &bytes[end + 2..];
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = bytes.get(..size) else {
            return (body, false);
        };
        body.extend_from_slice(chunk);
        bytes = &bytes[size + 2..];
    }
}

/// A good request to issue the certificate with this serial.
fn certificate(serial: usize) -> Value {
    serde_json::json!({
        "type": "11100000000013338W011",
        "serial": format!("{serial:08}"),
        "holder": {"kind": "001", "code": HOLDER_CODE},
        "valid_from": "2026-01-01",
        "fields": {"CZZT": "Zhang San"},
    })
}

fn id(serial: usize) -> String {
    use certmesh_ledger::id::{CertificateId, DepartmentCode};
    let own: DepartmentCode = OWN.parse().unwrap();
    let type_code = "11100000000013338W011".parse().unwrap();
    CertificateId::new(type_code, own.into(), &format!("{serial:08}"), 1)
        .unwrap()
        .as_str()
        .to_owned()
}
