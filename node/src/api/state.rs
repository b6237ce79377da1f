//! What every request handler shares.

use std::sync::Arc;

use certmesh_ledger::id::DepartmentCode;

use tokio::sync::Semaphore;

use crate::metrics::Metrics;

use super::auth::{Client, Clients, Role};
use super::limits::{Limits, Place, Places, Rate};
use super::refusal::Refusal;
use super::service::Service;

/// Queries at a time that go through many records.
const REPORTS: usize = 2;

/// The API of one peer: its service, its clients and its limits.
pub struct Api {
    service: Arc<dyn Service>,
    department: DepartmentCode,
    clients: Clients,
    /// By the client's place in `clients`.
    rates: Vec<Arc<Rate>>,
    metrics: Arc<Metrics>,
    limits: Limits,
    places: Places,
    bulk_places: Places,
    transfer_places: Places,
    queries: Arc<Semaphore>,
    reports: Arc<Semaphore>,
}

/// The client a request came from, once its token was found.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    pub(super) rate: Arc<Rate>,
}

impl Caller {
    /// Lets a look at what a person holds through: it takes the role clerk, and each client has few a second.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] or [`Refusal::RateLimited`].
    pub(super) fn may_look(&self) -> Result<(), Refusal> {
        if !self.role.may(Role::Clerk) {
            return Err(Refusal::Forbidden {
                needed: Role::Clerk,
                has: self.role,
            });
        }
        self.rate.lookup()
    }
}

impl Api {
    /// The API of `department`'s peer.
    pub fn new(
        service: Arc<dyn Service>,
        department: DepartmentCode,
        clients: Clients,
        metrics: Arc<Metrics>,
        limits: Limits,
    ) -> Self {
        Self {
            service,
            department,
            rates: clients
                .iter()
                .map(|_| Arc::new(Rate::new(limits.rate, limits.lookups)))
                .collect(),
            clients,
            metrics,
            places: Places::new(limits.requests),
            bulk_places: Places::new(limits.bulk_requests),
            transfer_places: Places::new(limits.transfers),
            queries: Arc::new(Semaphore::new(limits.queries)),
            reports: Arc::new(Semaphore::new(REPORTS)),
            limits,
        }
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

    pub(super) fn find_client(&self, token: &[u8]) -> Option<(&Client, Caller)> {
        let (place, client) = self.clients.find(token)?;
        let rate = Arc::clone(self.rates.get(place)?);
        Some((
            client,
            Caller {
                name: Arc::clone(&client.name),
                role: client.role,
                rate,
            },
        ))
    }

    pub(super) fn take_place(&self) -> Result<Place, Refusal> {
        self.places.take()
    }

    pub(super) fn take_bulk_place(&self) -> Result<Place, Refusal> {
        self.bulk_places.take()
    }

    pub(super) fn take_transfer_place(&self) -> Result<Place, Refusal> {
        self.transfer_places.take()
    }

    /// Runs a query that goes through many records: few at a time, so that others find room.
    pub(super) async fn report<T: Send + 'static>(
        &self,
        query: impl FnOnce(&(dyn Service + 'static)) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = Arc::clone(&self.reports).acquire_owned().await;
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
    ) -> Result<T, Refusal> {
        let service = Arc::clone(&self.service);
        let place = Arc::clone(&self.queries).acquire_owned().await;
        // An error here is a panic of the query, which the panic hook logged.
        tokio::task::spawn_blocking(move || {
            let _place = place;
            query(&*service)
        })
        .await
        .unwrap_or(Err(Refusal::Internal))
    }
}
