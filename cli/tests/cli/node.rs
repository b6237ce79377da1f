//! A stand-in for a node: a TCP listener that answers as a test instructs it and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What to answer.
pub(crate) enum Answer {
    /// Status, content type and body.
    Whole(u16, &'static str, String),
    /// A file.
    #[cfg(feature = "pkcs11")]
    Bytes(Vec<u8>),
    /// A problem document: status and name.
    Problem(u16, &'static str),
    /// The beginning of a chunked 200, then the connection breaks.
    Broken(String),
}

impl Answer {
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self::Whole(200, "application/json", value.to_string())
    }
}

/// A running stand-in; it ends with the test's process.
pub(crate) struct Node {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Node {
    /// Answers every request as `answer` says.
    pub(crate) fn start(mut answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if let Some(request) = read(&stream) {
                    seen.lock().unwrap().push(request.clone());
                    write(&mut stream, answer(&request));
                }
            }
        });
        Self { url, asked }
    }

    /// The requests so far.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|&length| length > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        line: line.trim_end().to_owned(),
        headers,
        body,
    })
}

fn write(stream: &mut TcpStream, answer: Answer) {
    let (status, kind, body) = match answer {
        Answer::Whole(status, kind, body) => (status, kind, body.into_bytes()),
        #[cfg(feature = "pkcs11")]
        Answer::Bytes(body) => (200, "application/octet-stream", body),
        Answer::Problem(status, name) => (
            status,
            "application/problem+json",
            problem(status, name).to_string().into_bytes(),
        ),
        Answer::Broken(start) => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
            let _ = write!(stream, "{head}{:x}\r\n{start}\r\n", start.len());
            return;
        }
    };
    let length = body.len();
    // The client may have turned away already.
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all(&body);
}

/// A problem document.
pub(crate) fn problem(status: u16, name: &str) -> serde_json::Value {
    serde_json::json!({
        "type": format!("urn:certmesh:problem:{name}"), "title": name, "status": status, "detail": format!("it is {name}"),
    })
}
