//! A running network: node processes, and the links between them.

use std::ffi::OsString;
use std::path::Path;

use certmesh_ledger::id::DepartmentCode;
use tokio::runtime::Runtime;

use crate::Error;
use crate::client::Client;
use crate::departments;
use crate::links::{Links, Mesh};
use crate::network::{Member, Network};
use crate::patience::Deadline;
use crate::process::{Node, NodeFile, tail};

struct Seat {
    node: Option<Node>,
    file: Option<NodeFile>,
}

/// A network of node processes; all are killed when it is dropped.
pub struct Testnet {
    network: Network,
    command: Vec<OsString>,
    seats: Vec<Seat>,
    links: Links,
    mesh: Mesh,
    runtime: Runtime,
}

/// The command that starts a node by default: this very program with `node` after it.
///
/// # Errors
/// [`Error::System`] when the program's path cannot be found out.
pub fn own_command() -> Result<Vec<OsString>, Error> {
    let program = std::env::current_exe().map_err(Error::system("path of this program"))?;
    Ok(vec![program.into(), "node".into()])
}

impl Testnet {
    /// A network whose nodes are started with `command`; none is started yet, but the links are there.
    ///
    /// # Errors
    /// [`Error::System`] when no sockets or threads are available.
    pub fn new(network: Network, command: Vec<OsString>, links: Links) -> Result<Testnet, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(Error::system("runtime"))?;
        let count = network.members().len();
        let mesh = Mesh::new(links, count, runtime.handle())?;
        let seats = (0..count)
            .map(|_| Seat {
                node: None,
                file: None,
            })
            .collect();
        Ok(Testnet {
            network,
            command,
            seats,
            links,
            mesh,
            runtime,
        })
    }

    /// The network's files.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Its departments.
    pub fn members(&self) -> &[Member] {
        self.network.members()
    }

    /// One of them.
    pub fn member(&self, index: usize) -> &Member {
        &self.network.members()[index]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// How many of them founded it, and come first; those after them may be admitted later.
    pub fn founders(&self) -> usize {
        self.network.genesis().departments().len()
    }

    /// Whether there are none, which is never the case.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// The runtime the links live on.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Starts every founder's node that is not running and waits until each can do its work and all are connected.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::Deadline`], [`Error::Spawn`].
    pub fn start_all(&mut self, deadline: Deadline) -> Result<(), Error> {
        for index in 0..self.founders() {
            if self.seats[index].node.is_none() {
                self.launch(index, &[])?;
                // With direct links a node dials those that serve before it.
                if self.links == Links::Direct {
                    self.wait_serving(index, deadline)?;
                }
            }
        }
        for index in 0..self.founders() {
            self.wait_serving(index, deadline)?;
        }
        self.wait_ready(deadline)
    }

    /// Starts one node and waits until it serves its API. Whether it may append yet is for [`Testnet::wait_ready`].
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::Deadline`], [`Error::Spawn`].
    pub fn start(&mut self, index: usize, deadline: Deadline) -> Result<(), Error> {
        self.start_with(index, &[], deadline)
    }

    /// Starts one node with more arguments.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::Deadline`], [`Error::Spawn`].
    pub fn start_with(
        &mut self,
        index: usize,
        arguments: &[&str],
        deadline: Deadline,
    ) -> Result<(), Error> {
        self.launch(index, arguments)?;
        self.wait_serving(index, deadline)
    }

    /// Starts one node's process and does not wait for anything.
    ///
    /// # Errors
    /// [`Error::Spawn`], [`Error::File`].
    pub fn launch(&mut self, index: usize, arguments: &[&str]) -> Result<(), Error> {
        let peers = self.addresses_for(index);
        let member = self.member(index);
        member.write_config(&peers)?;
        let node = Node::start(&self.command, member, arguments)?;
        self.seats[index] = Seat {
            node: Some(node),
            file: None,
        };
        Ok(())
    }

    /// Where one node finds the others. Of departments that were to be admitted later nobody knows that.
    fn addresses_for(&self, index: usize) -> Vec<(DepartmentCode, String)> {
        let others = self.members()[..self.founders()].iter();
        let others = others.filter(|other| other.index != index);
        others
            .filter_map(|other| {
                let address = match self.links {
                    Links::Proxied => self.mesh.link(index, other.index)?.address(),
                    Links::Direct => self.seats[other.index].file.as_ref()?.target()?,
                };
                Some((
                    other.code(),
                    format!("/ip4/{}/tcp/{}", address.ip(), address.port()),
                ))
            })
            .collect()
    }

    /// Waits until a node that was launched serves its API.
    fn wait_serving(&mut self, index: usize, deadline: Deadline) -> Result<(), Error> {
        let name = self.member(index).name().to_owned();
        let seat = &mut self.seats[index];
        if seat.file.is_some() {
            return Ok(());
        }
        let node = seat.node.as_mut().ok_or(Error::Stopped(name))?;
        let file = node.serving(deadline)?;
        self.mesh.lead(index, file.target());
        self.seats[index].file = Some(file);
        Ok(())
    }

    /// Waits until every running node is ready and connected to every other running one.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::Deadline`] with what stands in the way.
    pub fn wait_ready(&mut self, deadline: Deadline) -> Result<(), Error> {
        let running: Vec<usize> = (0..self.len())
            .filter(|index| self.seats[*index].node.is_some())
            .collect();
        let others = running.len() - 1;
        for index in running {
            let (client, name) = (self.client(index)?, self.member(index).name().to_owned());
            let in_the_way = std::cell::RefCell::new(Vec::new());
            let what = || {
                format!(
                    "the peer of {name} to be ready: {}",
                    in_the_way.borrow().join("; ")
                )
            };
            deadline.wait(what, || {
                self.check(index)?;
                let status = client.status()?;
                let mut reasons: Vec<String> = status.log_detail.into_iter().collect();
                if (status.peers_connected as usize) < others {
                    reasons.push(format!(
                        "{} of {others} peers connected",
                        status.peers_connected
                    ));
                }
                // A newcomer's node serves before it has the key under which it issues.
                let lacks_key = |warning: &String| warning.contains("catalogue key is missing");
                reasons.extend(status.warnings.into_iter().filter(lacks_key));
                let ready = reasons.is_empty();
                in_the_way.replace(reasons);
                Ok(ready.then_some(()))
            })?;
        }
        Ok(())
    }

    /// Fails if a node has ended by itself.
    ///
    /// # Errors
    /// [`Error::Ended`].
    pub fn check(&mut self, index: usize) -> Result<(), Error> {
        self.seats[index].node.as_mut().map_or(Ok(()), Node::check)
    }

    /// Stops one node gently.
    ///
    /// # Errors
    /// [`Error::Ended`] when it ends with a failure, [`Error::Deadline`] when it had to be killed.
    pub fn stop(&mut self, index: usize) -> Result<(), Error> {
        self.unseat(index).map_or(Ok(()), Node::stop)
    }

    /// Kills one node (SIGKILL).
    pub fn kill(&mut self, index: usize) {
        if let Some(node) = self.unseat(index) {
            node.kill();
        }
    }

    /// Forgets the process of a node that ended by itself; what it last said of itself stays known.
    pub(crate) fn let_go(&mut self, index: usize) {
        self.seats[index].node = None;
    }

    fn unseat(&mut self, index: usize) -> Option<Node> {
        self.seats[index].file = None;
        self.seats[index].node.take()
    }

    /// Stops every node gently, all at the same time.
    ///
    /// # Errors
    /// The first error of any; all are stopped nevertheless.
    pub fn stop_all(&mut self) -> Result<(), Error> {
        let nodes: Vec<Node> = (0..self.len())
            .filter_map(|index| self.unseat(index))
            .collect();
        for node in &nodes {
            crate::process::terminate(node.pid());
        }
        nodes.into_iter().map(Node::stop).fold(Ok(()), Result::and)
    }

    /// What a serving node says of itself.
    pub fn node_file(&self, index: usize) -> Option<&NodeFile> {
        self.seats[index].file.as_ref()
    }

    /// Looks whether somebody else restarted a node, and leads its links to the new port. Says whether anything changed.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Malformed`].
    pub fn refresh(&mut self) -> Result<bool, Error> {
        let mut changed = false;
        for index in 0..self.len() {
            let file = NodeFile::read(&self.member(index).node_file())?;
            if file.is_some() && file != self.seats[index].file {
                self.mesh
                    .lead(index, file.as_ref().and_then(NodeFile::target));
                self.seats[index].file = file;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// A client of a serving node, as administrator.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::File`].
    pub fn client(&self, index: usize) -> Result<Client, Error> {
        let member = self.member(index);
        let file = self.seats[index]
            .file
            .as_ref()
            .ok_or_else(|| Error::Stopped(member.name().to_owned()))?;
        Client::with_token_file(&file.api, &member.token_file())
    }

    /// Clients of all serving nodes, with their places.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn clients(&self) -> Result<Vec<(usize, Client)>, Error> {
        let serving = (0..self.len()).filter(|index| self.seats[*index].file.is_some());
        serving
            .map(|index| Ok((index, self.client(index)?)))
            .collect()
    }

    /// The links: to be cut, healed, delayed.
    pub fn links(&self) -> &Mesh {
        &self.mesh
    }

    /// The last lines of every node's log, for people.
    pub fn log_tails(&self) -> String {
        let of = |member: &Member| {
            format!(
                "--- {} ({})\n{}",
                member.name(),
                member.node_log().display(),
                tail(&member.node_log())
            )
        };
        self.members().iter().map(of).collect::<Vec<_>>().join("\n")
    }
}

/// Makes a department's types known at its node, those that are not yet.
///
/// # Errors
/// [`Error::Client`] when the node refuses.
pub fn define_types(client: &Client, department: usize) -> Result<(), Error> {
    let known = client.catalogue()?.types;
    for definition in departments::type_definitions(department)? {
        if !known
            .iter()
            .any(|known| known.code == definition.code && known.name.is_some())
        {
            client.define_type(&definition)?;
        }
    }
    Ok(())
}

/// Reads a file as bytes, naming it in the error.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(Error::file(path))
}
