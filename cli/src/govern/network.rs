//! The chain as the node hands it out, verified here, and what waits there.

use certmesh_api::GovernanceView;
use certmesh_ledger::codec;
use certmesh_ledger::governance::{
    Decision, Item, MAX_BLOCK, Member, Pool, ProposalId, State, TrustFile,
};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::names::NetworkId;

use crate::Error;
use crate::args::Global;
use crate::client::Client;
use crate::moment::now_ms;

/// What a node knows of governance.
pub(super) struct Network {
    pub(super) trust: TrustFile,
    pub(super) view: GovernanceView,
    /// What waits that holds, or may with more approvals.
    pub(super) pool: Pool,
}

impl Network {
    /// Asks a node, and verifies what it says, from the genesis of the network that is expected on. Without one the network
    /// is the one that the node names.
    pub(super) fn ask(client: &Client, expected: Option<NetworkId>) -> Result<Network, Error> {
        // First what waits: what is decided meanwhile is in the chain then, and never in neither.
        let view: GovernanceView = client.get("/v1/governance")?.parse()?;
        let path = "/v1/governance/trust-file";
        let trust = client.get(path)?;
        let trust = TrustFile::read(&trust.body, expected)
            .map_err(|error| client.bad_answer(path, &error.to_string()))?;
        let mut pool = Pool::default();
        for item in &view.pending {
            let item = hex::decode(item).ok();
            let item = item.and_then(|bytes| codec::decode::<Item>(&bytes, MAX_BLOCK).ok());
            if let Some(item) = item {
                // What the node shows and does not hold is passed over: nothing rests on it.
                let _ = pool.add(&item, trust.history.state(), now_ms());
            }
        }
        Ok(Network { trust, view, pool })
    }

    /// The same, of the node that the options name.
    pub(super) fn of(global: &Global) -> Result<(Client, Network), Error> {
        let client = Client::new(global)?;
        let network = Network::ask(&client, expected(global)?)?;
        Ok((client, network))
    }

    pub(super) fn state(&self) -> &State {
        self.trust.history.state()
    }

    /// A department's name and code.
    pub(super) fn name(&self, code: &DepartmentCode) -> String {
        let history = &self.trust.history;
        name(history.department_at(code, history.height()), code)
    }

    /// A member, by its code.
    pub(super) fn member(&self, code: &DepartmentCode) -> Result<&Member, Error> {
        let member = self.state().member(code);
        member.ok_or_else(|| Error::govern(format!("{code} is not a member of the network")))
    }

    /// The pending proposal whose hash begins so.
    pub(super) fn proposal(&self, begins: &str) -> Result<(ProposalId, &Decision), Error> {
        let begins = begins.trim().to_ascii_lowercase();
        let fits = |(id, _): &(ProposalId, &Decision)| id.to_string().starts_with(&begins);
        let mut found = self.pool.proposals().filter(fits);
        match (found.next(), found.next()) {
            (Some(one), None) if !begins.is_empty() => Ok(one),
            (Some(_), Some(_)) => Err(Error::govern(format!(
                "several proposals begin with `{begins}`: give more of it"
            ))),
            _ => Err(Error::govern(format!(
                "no pending proposal begins with `{begins}`"
            ))),
        }
    }

    /// Whether a block decides the proposal of this hash.
    pub(super) fn decided(&self, id: &str) -> bool {
        let network = self.state().network();
        let blocks = self.trust.blocks.iter();
        let mut items = blocks.flat_map(|block| block.block.items.iter());
        items.any(|item| match item {
            Item::Decision(decision) => decision.proposal.id(network).to_string() == id,
            _ => false,
        })
    }

    /// Sends something signed to the node.
    pub(super) fn submit(client: &Client, item: &Item) -> Result<GovernanceView, Error> {
        let request = certmesh_api::GovernanceRequest {
            item: hex::encode(codec::encode(item)),
        };
        client.post("/v1/governance/items", &request, None)?.parse()
    }
}

/// The network of the profile's genesis file.
pub(super) fn expected(global: &Global) -> Result<Option<NetworkId>, Error> {
    let genesis = global.network().map(crate::network::read_genesis);
    Ok(genesis.transpose()?.map(|genesis| genesis.network_id()))
}

pub(super) fn name(member: Option<&Member>, code: &DepartmentCode) -> String {
    match member {
        Some(member) => format!("{} ({code})", member.name),
        None => code.to_string(),
    }
}

/// How a proposal stands.
pub(super) struct Standing {
    pub(super) approve: usize,
    pub(super) governors: usize,
    /// Approvals it needs in all.
    pub(super) needed: usize,
}

impl Standing {
    pub(super) fn of(state: &State, decision: &Decision) -> Standing {
        let governors = state.governors().count();
        Standing {
            approve: 1 + decision.approvals.len(),
            governors,
            needed: state.approvals_needed(&decision.proposal),
        }
    }
}
