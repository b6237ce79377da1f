//! A transport whose incoming connections take a place while they are in their handshake.
//!
//! The swarm can't end a connection that is not established yet, so places are given and taken here, around the future that
//! carries out the handshake. A refused connection is closed before the swarm hears of it.

use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use futures::future::{AbortHandle, AbortRegistration, Abortable};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::{Multiaddr, Transport};
use parking_lot::Mutex;

use super::places::{Origin, Places};
use super::transport::Authenticated;

/// Refused connections in one turn: the swarm has other work than to close what strangers open.
const REFUSALS: usize = 64;

/// How often an operator hears that strangers crowd the port.
const CROWD_WARNINGS: Quota = Quota::per_minute(NonZeroU32::MIN);

type Handshake = <Authenticated as Transport>::ListenerUpgrade;
type Event = TransportEvent<Handshake, io::Error>;

/// The transport.
pub(super) struct Placed {
    inner: Authenticated,
    places: Arc<Mutex<Places>>,
    warnings: DefaultDirectRateLimiter,
}

/// A connection's place, free again when this is dropped.
struct Place {
    places: Arc<Mutex<Places>>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().free(self.number);
    }
}

impl Place {
    /// The handshake, which ends early when the place goes to another connection.
    fn hold(self, handshake: Handshake, registration: AbortRegistration) -> Handshake {
        let held = async move {
            let ended = Abortable::new(handshake, registration).await;
            drop(self);
            ended.unwrap_or_else(|_| {
                let why = "a newer connection took its place";
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, why))
            })
        };
        held.boxed()
    }
}

impl Placed {
    pub(super) fn new(inner: Authenticated, places: Arc<Mutex<Places>>) -> Placed {
        Placed {
            inner,
            places,
            warnings: RateLimiter::direct(CROWD_WARNINGS),
        }
    }

    fn take(&self, from: &Multiaddr) -> Option<(Place, AbortRegistration)> {
        let (abort, registration) = AbortHandle::new_pair();
        let taken = self.places.lock().take(Origin::of(from)?, abort);
        match taken {
            Ok(number) => {
                let places = Arc::clone(&self.places);
                Some((Place { places, number }, registration))
            }
            Err(too_many) => {
                tracing::debug!(%from, "connection refused: too many {too_many}");
                if self.warnings.check().is_ok() {
                    tracing::warn!(
                        %from,
                        "the peer-to-peer port is crowded: too many connections in a short time {too_many}; members are let in \
                         all the same; have the firewall let only members' addresses reach this port"
                    );
                }
                None
            }
        }
    }
}

impl Transport for Placed {
    type Output = <Authenticated as Transport>::Output;
    type Error = io::Error;
    type ListenerUpgrade = Handshake;
    type Dial = <Authenticated as Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event> {
        for _ in 0..REFUSALS {
            let event = ready!(Pin::new(&mut self.inner).poll(cx));
            let TransportEvent::Incoming { send_back_addr, .. } = &event else {
                return Poll::Ready(event);
            };
            if let Some((place, registration)) = self.take(send_back_addr) {
                let placed = event.map_upgrade(|handshake| place.hold(handshake, registration));
                return Poll::Ready(placed);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
