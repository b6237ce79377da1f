//! State shared by all request handlers.

use std::collections::BTreeMap;
use std::sync::Arc;

use certmesh_api::tokens::{Client, Clients, Role};
use certmesh_ledger::id::DepartmentCode;
use parking_lot::RwLock;

use crate::app::Refusal;
use crate::metrics::Metrics;

use super::limits::{Limits, Rate};
use super::rejection::Rejection;
use super::shares::{self, Place, Pools, Share};
use crate::app::Service;

/// The API of one peer: its service, its clients and its limits.
pub struct Api {
    service: Arc<dyn Service>,
    department: DepartmentCode,
    clients: RwLock<Roster>,
    metrics: Arc<Metrics>,
    limits: Limits,
    pools: Pools,
}

/// The clients, each with its place in the file, and what each may take up.
struct Roster {
    clients: Clients,
    callers: Vec<Caller>,
}

/// The client a request came from, once its token was found.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    pub(super) rate: Arc<Rate>,
    pub(super) share: Arc<Share>,
}

tokio::task_local! {
    /// Whose request the task answers. Handlers take places and ask the service without naming the client, so none can
    /// forget to count it.
    static CALLER: Caller;
}

impl Caller {
    fn new(client: &Client, limits: &Limits, pools: &Pools) -> Self {
        Self {
            name: Arc::clone(&client.name),
            role: client.role,
            rate: Arc::new(Rate::new(limits.rate, limits.lookups)),
            share: Arc::new(Share::new(pools)),
        }
    }

    /// Answers a request of this client.
    pub(super) async fn answers<T>(self, request: impl Future<Output = T>) -> T {
        CALLER.scope(self, request).await
    }

    /// The share of the client whose request this task answers; `None` where no token is needed.
    fn current() -> Option<Arc<Share>> {
        CALLER.try_with(|caller| Arc::clone(&caller.share)).ok()
    }
}

/// What a new token file changed, by the clients' names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ClientChanges {
    /// Clients that are new, or have another token or role.
    pub added: Vec<Arc<str>>,
    /// Clients that are gone, and those whose former token or role is.
    pub revoked: Vec<Arc<str>>,
}

impl Caller {
    /// Lets a look at what a person holds through: it takes the role clerk, and each client has few a second.
    ///
    /// # Errors
    /// [`Rejection::Forbidden`] or [`Rejection::RateLimited`].
    pub(super) fn may_look(&self) -> Result<(), Rejection> {
        if !self.role.may(Role::Clerk) {
            return Err(Rejection::Forbidden {
                needed: Role::Clerk,
                has: self.role,
            });
        }
        self.rate.lookup()
    }
}

impl Api {
    /// The API of `department`'s peer.
    pub(crate) fn new(
        service: Arc<dyn Service>,
        department: DepartmentCode,
        clients: Clients,
        metrics: Arc<Metrics>,
        limits: Limits,
    ) -> Self {
        let pools = Pools::new(&limits);
        let callers = clients
            .iter()
            .map(|client| Caller::new(client, &limits, &pools))
            .collect();
        Self {
            service,
            department,
            clients: RwLock::new(Roster { clients, callers }),
            metrics,
            limits,
            pools,
        }
    }

    /// Puts other clients in place of those there are, at once. The pending work of a removed client is refused at the
    /// next step; one that is the same keeps what it takes up.
    pub fn set_clients(&self, clients: Clients) -> ClientChanges {
        let mut roster = self.clients.write();
        let mut before: BTreeMap<Arc<str>, (&Client, Caller)> = BTreeMap::new();
        for (client, caller) in roster.clients.iter().zip(&roster.callers) {
            before.insert(Arc::clone(&client.name), (client, caller.clone()));
        }
        let mut changes = ClientChanges::default();
        let mut callers = Vec::new();
        for client in clients.iter() {
            if before
                .get(&client.name)
                .is_some_and(|(known, _)| *known == client)
                && let Some((_, caller)) = before.remove(&client.name)
            {
                callers.push(caller);
            } else {
                changes.added.push(Arc::clone(&client.name));
                callers.push(Caller::new(client, &self.limits, &self.pools));
            }
        }
        for (name, (_, caller)) in before {
            caller.share.revoke();
            changes.revoked.push(name);
        }
        *roster = Roster { clients, callers };
        changes
    }

    pub(super) fn service(&self) -> &Arc<dyn Service> {
        &self.service
    }

    pub(super) fn department(&self) -> &DepartmentCode {
        &self.department
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn find_client(&self, token: &[u8]) -> Option<(Role, Caller)> {
        let roster = self.clients.read();
        let (place, client) = roster.clients.find(token)?;
        Some((client.role, roster.callers.get(place)?.clone()))
    }

    pub(super) fn take_place(&self) -> Result<Place, Rejection> {
        shares::take_now(&self.pools, Caller::current().as_deref(), |of| &of.requests)
    }

    pub(super) fn take_bulk_place(&self) -> Result<Place, Rejection> {
        shares::take_now(&self.pools, Caller::current().as_deref(), |of| &of.bulk)
    }

    pub(super) fn take_transfer_place(&self) -> Result<Place, Rejection> {
        shares::take_now(&self.pools, Caller::current().as_deref(), |of| {
            &of.transfers
        })
    }

    /// Room for a long body of this many bytes.
    ///
    /// # Errors
    /// [`Rejection::RateLimited`] or [`Refusal::Overloaded`] if none is free in time.
    pub(super) async fn take_room(&self, bytes: usize) -> Result<Place, Rejection> {
        let (share, patience) = (Caller::current(), self.limits.room_time);
        shares::take_within(
            &self.pools,
            share.as_deref(),
            |of| &of.bodies,
            bytes,
            patience,
        )
        .await
    }

    /// Reads a long body on a thread of its own kind, once it is its turn: the tasks that serve other requests
    /// continue.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        room: Place,
        read: impl FnOnce() -> Result<T, Rejection> + Send + 'static,
    ) -> Result<T, Rejection> {
        let share = Caller::current();
        let reader = shares::take(&self.pools, share.as_deref(), |of| &of.readers, 1).await;
        // An error here is a panic of the reading, which the panic hook logged.
        tokio::task::spawn_blocking(move || {
            let _held = (room, reader);
            read()
        })
        .await
        .unwrap_or(Err(Rejection::INTERNAL))
    }

    /// Whether the client of this request still is one.
    ///
    /// # Errors
    /// [`Rejection::Unauthorised`] when its token was revoked while the request was in progress.
    pub(super) fn in_force(&self) -> Result<(), Rejection> {
        Caller::current().map_or(Ok(()), |share| share.in_force())
    }

    /// Runs a query that goes through many records: few at a time, so that others find room.
    pub(super) async fn report<T: Send + 'static>(
        &self,
        query: impl FnOnce(&(dyn Service + 'static)) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Rejection> {
        let share = Caller::current();
        let place = shares::take(&self.pools, share.as_deref(), |of| &of.reports, 1).await;
        self.query(move |service| {
            let _place = place;
            query(service)
        })
        .await
    }

    /// Runs a query of the service on a thread that may block. The query keeps its place until it ends, also when the
    /// request was given up before.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&(dyn Service + 'static)) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Rejection> {
        let service = Arc::clone(&self.service);
        let share = Caller::current();
        let place = shares::take(&self.pools, share.as_deref(), |of| &of.queries, 1).await;
        self.in_force()?;
        // An error here is a panic of the query, which the panic hook logged.
        tokio::task::spawn_blocking(move || {
            let _place = place;
            query(&*service)
        })
        .await
        .unwrap_or(Err(Refusal::Internal))
        .map_err(Rejection::from)
    }
}
