//! A blocking client of a node's API.

mod bulk;
mod error;

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use certmesh_api::{
    AcceptRequest, Acceptance, AccessLog, AccessLogRequest, Appended, AuditView, CatalogueView,
    Certificate, FetchRequest, FindRequest, Found, GovernanceRequest, GovernanceView, GrantRequest,
    History, IssueRequest, LogView, MatterRequest, NodeStatus, PeerView, Problem, Readiness,
    Retrieved, StatusRequest, TypeRequest, UseReport, Verification,
};
use certmesh_ledger::codec;
use certmesh_ledger::governance::Item;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::Error;

pub use error::ClientError;

/// Longest answer to anything but a bulk request.
const MAX_ANSWER: u64 = 64 * 1024 * 1024;

/// A client of one node. Cloning it is cheap; clones share their kept-alive connections.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    base: String,
    authorization: String,
}

impl Client {
    /// A client of the API at `base`, such as `http://127.0.0.1:7480`.
    pub fn new(base: &str, token: &str) -> Client {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_idle_connections_per_host(64)
            .max_idle_connections(64)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_per_read(Some(Duration::from_secs(90)))
            .timeout_per_write(Some(Duration::from_secs(90)))
            .build()
            .new_agent();
        Client {
            agent,
            base: base.trim_end_matches('/').to_owned(),
            authorization: format!("Bearer {token}"),
        }
    }

    /// A client whose token is in a file.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read.
    pub fn with_token_file(base: &str, token_file: &Path) -> Result<Client, Error> {
        let token = std::fs::read_to_string(token_file).map_err(Error::file(token_file))?;
        Ok(Client::new(base, token.trim()))
    }

    /// Where the API is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether the process answers at all.
    pub fn is_alive(&self) -> bool {
        self.agent
            .get(self.url("/health"))
            .call()
            .is_ok_and(|response| response.status().is_success())
    }

    /// Whether the node can do its work, and if not, why.
    ///
    /// # Errors
    /// [`ClientError`], as for everything that asks a node.
    pub fn ready(&self) -> Result<Readiness, ClientError> {
        let url = self.url("/ready");
        let mut response = self
            .agent
            .get(&url)
            .call()
            .map_err(|error| transport(&url, error))?;
        let status = response.status().as_u16();
        let unexpected = |error: ureq::Error| ClientError::Unexpected {
            url: url.clone(),
            status,
            detail: error.to_string(),
        };
        response.body_mut().read_json().map_err(unexpected)
    }

    /// State of the node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn status(&self) -> Result<NodeStatus, ClientError> {
        self.get("/v1/status")
    }

    /// Issues one certificate, durably.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn issue(&self, row: &IssueRequest) -> Result<Appended, ClientError> {
        self.post("/v1/certificates", row)
    }

    /// Issues one certificate given as JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn issue_line(&self, line: &[u8]) -> Result<Appended, ClientError> {
        self.post_bytes("/v1/certificates", line)
    }

    /// Changes the status of a certificate.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn change_status(&self, id: &str, change: &StatusRequest) -> Result<Appended, ClientError> {
        self.post(&format!("/v1/certificates/{id}/status"), change)
    }

    /// A certificate.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn certificate(&self, id: &str) -> Result<Certificate, ClientError> {
        self.get(&format!("/v1/certificates/{id}"))
    }

    /// The events of a certificate.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn history(&self, id: &str) -> Result<History, ClientError> {
        self.get(&format!("/v1/certificates/{id}/history"))
    }

    /// The verdict on a certificate.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn verification(&self, id: &str) -> Result<Verification, ClientError> {
        self.get(&format!("/v1/certificates/{id}/verification"))
    }

    /// The proof bundle of a certificate.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn proof(&self, id: &str) -> Result<Vec<u8>, ClientError> {
        self.get_bytes(&format!("/v1/certificates/{id}/proof"))
    }

    /// How governance stands at the node.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn governance(&self) -> Result<GovernanceView, ClientError> {
        self.get("/v1/governance")
    }

    /// Genesis and decisions so far, as a trust file.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn trust_file(&self) -> Result<Vec<u8>, ClientError> {
        self.get_bytes("/v1/governance/trust-file")
    }

    /// Hands something signed to the node, to be decided.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn submit(&self, item: &Item) -> Result<GovernanceView, ClientError> {
        let item = hex::encode(codec::encode(item));
        self.post("/v1/governance/items", &GovernanceRequest { item })
    }

    fn get_bytes(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let url = self.url(path);
        let request = self
            .agent
            .get(&url)
            .header("authorization", &self.authorization);
        let response = accepted(
            &url,
            request.call().map_err(|error| transport(&url, error))?,
        )?;
        let mut bytes = Vec::new();
        let mut reader = response
            .into_body()
            .into_with_config()
            .limit(MAX_ANSWER)
            .reader();
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| ClientError::Broken { url, error })?;
        Ok(bytes)
    }

    /// Certificates of a holder, a type or an issuer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn find(&self, what: &FindRequest) -> Result<Found, ClientError> {
        self.post("/v1/find", what)
    }

    /// How each requirement of a matter stands for a subject.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn accept(&self, case: &AcceptRequest) -> Result<Acceptance, ClientError> {
        self.post("/v1/accept", case)
    }

    /// Retrieves fields of a certificate from its issuer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn fetch(&self, request: &FetchRequest) -> Result<Retrieved, ClientError> {
        self.post("/v1/retrievals", request)
    }

    /// Makes a grant.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn grant(&self, grant: &GrantRequest) -> Result<Appended, ClientError> {
        self.post("/v1/grants", grant)
    }

    /// Receipts compared with each other.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn audit(&self) -> Result<AuditView, ClientError> {
        self.get("/v1/audit")
    }

    /// Who looked at a subject's data.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn access_log(&self, request: &AccessLogRequest) -> Result<AccessLog, ClientError> {
        self.post("/v1/access-log", request)
    }

    /// Use by department in a month, `YYYY-MM`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn usage(&self, month: &str) -> Result<UseReport, ClientError> {
        self.get(&format!("/v1/reports/use?month={month}"))
    }

    /// Defines a matter.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn define_matter(&self, definition: &MatterRequest) -> Result<(), ClientError> {
        self.post::<serde_json::Value>("/v1/matters", definition)
            .map(drop)
    }

    /// The catalogue, all pages of it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn catalogue(&self) -> Result<CatalogueView, ClientError> {
        let mut all: CatalogueView = self.get("/v1/catalogue")?;
        while let Some(cursor) = all.next.take() {
            let page: CatalogueView = self.get(&format!("/v1/catalogue?cursor={cursor}"))?;
            all.types.extend(page.types);
            all.next = page.next;
        }
        Ok(all)
    }

    /// Defines a certificate type.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn define_type(&self, definition: &TypeRequest) -> Result<(), ClientError> {
        self.post::<serde_json::Value>("/v1/types", definition)
            .map(drop)
    }

    /// All logs held.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn logs(&self) -> Result<Vec<LogView>, ClientError> {
        self.get("/v1/logs")
    }

    /// The log of one department.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn log(&self, department: &str) -> Result<LogView, ClientError> {
        self.get(&format!("/v1/logs/{department}"))
    }

    /// The same with the root over so many of its first records, if as many are held.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn log_with_root(&self, department: &str, size: u64) -> Result<LogView, ClientError> {
        self.get(&format!("/v1/logs/{department}?size={size}"))
    }

    /// The members as the node sees them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn peers(&self) -> Result<Vec<PeerView>, ClientError> {
        self.get("/v1/peers")
    }

    /// Takes the node's own log for whole without waiting for other members.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn confirm_log(&self) -> Result<NodeStatus, ClientError> {
        self.post_bytes("/v1/log/vouch", b"")
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let url = self.url(path);
        let request = self
            .agent
            .get(&url)
            .header("authorization", &self.authorization);
        read(
            &url,
            request.call().map_err(|error| transport(&url, error))?,
        )
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let bytes = serde_json::to_vec(body)
            .expect("requests hold nothing but texts, numbers and lists of them");
        self.post_bytes(path, &bytes)
    }

    fn post_bytes<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T, ClientError> {
        let url = self.url(path);
        let request = self
            .agent
            .post(&url)
            .header("authorization", &self.authorization);
        let request = request.content_type("application/json");
        read(
            &url,
            request.send(body).map_err(|error| transport(&url, error))?,
        )
    }
}

fn transport(url: &str, error: ureq::Error) -> ClientError {
    ClientError::Transport {
        url: url.to_owned(),
        error: Box::new(error),
    }
}

/// The response, unless it is a refusal.
fn accepted(url: &str, mut response: Response<Body>) -> Result<Response<Body>, ClientError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status().as_u16();
    let text = response
        .body_mut()
        .read_to_string()
        .map_err(|error| transport(url, error))?;
    Err(match serde_json::from_str::<Problem>(&text) {
        Ok(problem) => ClientError::Refused {
            url: url.to_owned(),
            problem: Box::new(problem),
        },
        Err(_) => {
            let detail = text.chars().take(200).collect();
            ClientError::Unexpected {
                url: url.to_owned(),
                status,
                detail,
            }
        }
    })
}

fn read<T: DeserializeOwned>(url: &str, response: Response<Body>) -> Result<T, ClientError> {
    let mut response = accepted(url, response)?;
    let status = response.status().as_u16();
    let unexpected = |error: ureq::Error| ClientError::Unexpected {
        url: url.to_owned(),
        status,
        detail: error.to_string(),
    };
    response
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER)
        .read_json()
        .map_err(unexpected)
}
