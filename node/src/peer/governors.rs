//! A question to all other governors at once, where each answers with a word of its own: where a key ended, what it holds of a
//! log.

use std::sync::Arc;

use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::sync::{Request, Response};
use tokio::sync::{mpsc, oneshot};

use super::Peer;
use super::driver::Ask;

/// Asks the governors that are connected.
#[derive(Clone)]
pub(crate) struct Governors {
    pub(crate) peer: Arc<Peer>,
    pub(crate) asks: mpsc::Sender<Ask>,
}

/// Why there is no answer of a governor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silent {
    /// Its node is not connected.
    NotConnected,
    /// Its node did not answer in time, or has been asked too often.
    NoAnswer,
}

impl Governors {
    /// What each governor other than this department answers, by department.
    pub(crate) async fn ask(
        &self,
        request: &Request,
    ) -> Vec<(DepartmentCode, Result<Response, Silent>)> {
        let history = self.peer.catalogue.members().history();
        let governors = history.state().governors().map(|governor| governor.code);
        let others = governors.filter(|code| *code != self.peer.department);
        let asked = others.map(|to| async move { (to, self.ask_one(to, request.clone()).await) });
        futures::future::join_all(asked).await
    }

    async fn ask_one(&self, to: DepartmentCode, request: Request) -> Result<Response, Silent> {
        if !self.peer.heard.read().connected.contains_key(&to) {
            return Err(Silent::NotConnected);
        }
        let (reply, answer) = oneshot::channel();
        let ask = Ask { to, request, reply };
        let sent = self.asks.send(ask).await;
        sent.map_err(|_| Silent::NoAnswer)?;
        let answer = answer.await.map_err(|_| Silent::NoAnswer)?;
        answer.map_err(|_| Silent::NoAnswer)
    }
}
