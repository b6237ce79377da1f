//! The listening side: sockets, TLS, and the bounds on connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use futures::future::{Ready, ready};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use certmesh_ledger::crypto::secret_files::{self, KeyFileError};

use super::hosts::HostName;
use super::limits::{Limits, MAX_HEAD, MAX_STREAMS};
use super::routes::router;
use super::state::Api;

/// Certificate and key of the API, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead to its root.
    pub certificate: PathBuf,
    /// Its private key; mode 0600.
    pub key: PathBuf,
}

/// Why the API couldn't be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address can't be listened on.
    #[error("API address {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The private key's file isn't accepted.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// A file holds no PEM of the kind needed.
    #[error("{}: no {what} in PEM form", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// Certificate and key don't go together, or are of a kind TLS has no use for.
    #[error("TLS certificate and key: {0}")]
    Tls(#[from] rustls::Error),
}

/// An API that is being served.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    tls: Option<RustlsConfig>,
    handle: Handle<SocketAddr>,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Address listened on, with the port the system chose if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The API's URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!(
            "{}://{}",
            if self.is_tls() { "https" } else { "http" },
            self.address
        )
    }

    /// Whether the API is served over TLS.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Serves new connections with these files; those that are open keep the certificate they began with.
    ///
    /// # Errors
    /// [`ServeError`] when the files can't be used: the ones before stay in use.
    pub fn set_tls(&self, files: &TlsFiles) -> Result<(), ServeError> {
        if let Some(tls) = &self.tls {
            tls.reload_from_config(tls_config(files)?);
        }
        Ok(())
    }

    /// Takes no more connections and requests, and waits until those in progress are answered, at most for `grace`.
    ///
    /// # Errors
    /// What ended the server, if it had ended before.
    pub async fn stop(self, grace: Duration) -> io::Result<()> {
        self.handle.graceful_shutdown(Some(grace));
        self.task.await.map_err(io::Error::other)?
    }
}

/// Listens on `address` and serves the API there. On loopback it answers to `names` beside localhost and loopback
/// addresses. Must be called on a Tokio runtime.
///
/// # Errors
/// [`ServeError`] when the address or the TLS files can't be used.
pub fn serve(
    api: Arc<Api>,
    address: SocketAddr,
    tls: Option<&TlsFiles>,
    names: &[HostName],
) -> Result<Running, ServeError> {
    let bind = |source| ServeError::Bind { address, source };
    let tls = tls.map(tls_config).transpose()?;
    let tls = tls.map(RustlsConfig::from_config);
    let listener = TcpListener::bind(address).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let handle = Handle::new();
    let limits = api.limits().clone();
    let server =
        limited(axum_server::from_tcp(listener).map_err(bind)?, &limits).handle(handle.clone());
    let acceptor = Bounded {
        places: Arc::new(Semaphore::new(limits.connections)),
        idle: limits.idle_time,
    };
    let router = router(api, address.ip().is_loopback().then_some(names));
    let task = match tls.clone() {
        None => tokio::spawn(server.acceptor(acceptor).serve(router.into_make_service())),
        Some(config) => {
            let tls = RustlsAcceptor::new(config)
                .handshake_timeout(limits.header_time)
                .acceptor(acceptor);
            tokio::spawn(server.acceptor(tls).serve(router.into_make_service()))
        }
    };
    Ok(Running {
        address,
        tls,
        handle,
        task,
    })
}

/// The bounds on how slowly a client may speak.
fn limited(mut server: Server<SocketAddr>, limits: &Limits) -> Server<SocketAddr> {
    let builder = server.http_builder();
    builder
        .http1()
        .max_buf_size(MAX_HEAD)
        .header_read_timeout(limits.header_time);
    builder
        .http2()
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(limits.idle_time)
        .keep_alive_timeout(limits.header_time);
    server
        .first_request_timeout(limits.header_time)
        .accept_error_handler(
            |_, error| tracing::debug!(kind = ?error.kind(), "connection not accepted"),
        )
}

/// TLS 1.2 and 1.3, with the ring provider named here instead of one installed for the whole process.
fn tls_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, ServeError> {
    let pem = |path: &Path, what| ServeError::Pem {
        path: path.to_owned(),
        what,
    };
    let no_certificate = || pem(&files.certificate, "certificate");
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|_| no_certificate())?;
    if chain.is_empty() {
        return Err(no_certificate());
    }
    let key = secret_files::read(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
        .map_err(|_| pem(&files.key, "private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Whether TLS files can be served with.
///
/// # Errors
/// [`ServeError`], as [`serve`] would give.
pub fn check_tls(files: &TlsFiles) -> Result<(), ServeError> {
    tls_config(files).map(drop)
}

/// Accepts connections while there is place for them and closes the others at once.
#[derive(Clone)]
struct Bounded {
    places: Arc<Semaphore>,
    idle: Duration,
}

impl<S> Accept<TcpStream, S> for Bounded {
    type Stream = Placed;
    type Service = S;
    type Future = Ready<io::Result<(Placed, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = Arc::clone(&self.places).try_acquire_owned();
        ready(match place {
            Ok(place) => stream.set_nodelay(true).map(|()| {
                let placed = Placed {
                    stream,
                    moved: Instant::now(),
                    idle: self.idle,
                    stands_still: None,
                    _place: place,
                };
                (placed, service)
            }),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::ConnectionRefused,
                "too many connections",
            )),
        })
    }
}

/// A connection and its place. One whose client reads no more of its answer, and sends nothing either, is closed: otherwise
/// it would keep its place and its answer for as long as the client likes.
struct Placed {
    stream: TcpStream,
    /// When the last byte went either way.
    moved: Instant,
    idle: Duration,
    /// Wakes the connection while bytes wait to be written.
    stands_still: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Placed {
    /// The result of writing, or an error when nothing has moved for too long.
    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.moved = Instant::now();
            self.stands_still = None;
            return written;
        }
        loop {
            let until = self.moved + self.idle;
            let sleep = self
                .stands_still
                .get_or_insert_with(|| Box::pin(sleep_until(until)));
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if sleep.deadline() >= until {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            // Bytes came in meanwhile: a client may send all it has before it reads.
            sleep.as_mut().reset(until);
        }
    }
}

impl AsyncRead for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.moved = Instant::now();
        }
        read
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
