//! A link between two peers that can be cut, delayed and throttled: a TCP proxy on loopback.
//!
//! The dialling peer is given the proxy's address; where the proxy leads can change while it runs, because a peer that
//! restarts listens on another port. Cutting resets every connection and every new one; healing lets new ones through.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;
/// Bytes at a time on a throttled link, so that it flows instead of jerking.
const THROTTLED_CHUNK: usize = 4 * 1024;
/// Chunks under way in one direction of a connection. With the delay it bounds what a delayed link carries.
const IN_FLIGHT: usize = 64;

/// What the link does now.
#[derive(Clone, Copy, Debug)]
struct Conduct {
    target: Option<SocketAddr>,
    /// Counts the cuts: a connection ends when it changes.
    cuts: u64,
    up: bool,
    delay: Duration,
    /// Bytes a second, each way.
    rate: Option<u64>,
}

/// One link: dials from one peer to another go through it. Ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    conduct: watch::Sender<Conduct>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1; leads nowhere until [`Proxy::set_target`] says where.
    ///
    /// # Errors
    /// Those of binding a socket.
    pub fn listen(runtime: &Handle) -> io::Result<Proxy> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let _in_runtime = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        let start = Conduct {
            target: None,
            cuts: 0,
            up: true,
            delay: Duration::ZERO,
            rate: None,
        };
        let (conduct, watching) = watch::channel(start);
        let accepting = runtime.spawn(accept(listener, watching));
        Ok(Proxy {
            address,
            conduct,
            accepting,
        })
    }

    /// Where to dial.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections there; `None` resets them.
    pub fn set_target(&self, target: Option<SocketAddr>) {
        self.conduct.send_modify(|conduct| conduct.target = target);
    }

    /// Closes what is open and refuses what is new, until [`Proxy::heal`].
    pub fn cut(&self) {
        self.conduct.send_modify(|conduct| {
            conduct.up = false;
            conduct.cuts += 1;
        });
    }

    /// Lets new connections through again.
    pub fn heal(&self) {
        self.conduct.send_modify(|conduct| conduct.up = true);
    }

    /// Whether connections get through.
    pub fn is_up(&self) -> bool {
        self.conduct.borrow().up
    }

    /// Delays everything by this many milliseconds, each way.
    pub fn delay(&self, delay_ms: u64) {
        self.conduct
            .send_modify(|conduct| conduct.delay = Duration::from_millis(delay_ms));
    }

    /// Lets so many bytes a second through, each way and connection; `None` lifts the limit.
    pub fn throttle(&self, bytes_per_second: Option<u64>) {
        self.conduct
            .send_modify(|conduct| conduct.rate = bytes_per_second.map(|rate| rate.max(1)));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, conduct: watch::Receiver<Conduct>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connect(stream, conduct.clone()));
            }
            // Out of file descriptors or the like: passing trouble.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn connect(mut dialler: TcpStream, mut conduct: watch::Receiver<Conduct>) {
    let watching = conduct.clone();
    let now = *conduct.borrow_and_update();
    let Some(target) = now.target.filter(|_| now.up) else {
        reset(&dialler);
        return;
    };
    let Ok(mut listener) = TcpStream::connect(target).await else {
        reset(&dialler);
        return;
    };
    // Small messages go at once, as they would without a proxy.
    let _ = dialler.set_nodelay(true);
    let _ = listener.set_nodelay(true);
    if conduct.borrow().cuts != now.cuts {
        reset(&dialler);
        reset(&listener);
        return;
    }
    let cut = async {
        while conduct.changed().await.is_ok() {
            if conduct.borrow_and_update().cuts != now.cuts {
                return;
            }
        }
    };
    {
        let (from_dialler, to_dialler) = dialler.split();
        let (from_listener, to_listener) = listener.split();
        let both = async {
            tokio::join!(
                carry(from_dialler, to_listener, &watching),
                carry(from_listener, to_dialler, &watching)
            )
        };
        tokio::select! {
            _ = both => return,
            () = cut => {}
        }
    }
    reset(&dialler);
    reset(&listener);
}

/// Makes the socket end in a reset when it is dropped, as on a broken link, and not in an orderly close.
fn reset(stream: &TcpStream) {
    // If it cannot be set, an orderly close ends the connection too.
    let _ = stream.set_zero_linger();
}

/// Carries one direction of a connection until it ends.
async fn carry(mut from: ReadHalf<'_>, to: WriteHalf<'_>, conduct: &watch::Receiver<Conduct>) {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    let collect = async move {
        loop {
            let now = *conduct.borrow();
            let mut chunk = vec![
                0;
                if now.rate.is_some() {
                    THROTTLED_CHUNK
                } else {
                    CHUNK
                }
            ];
            match from.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => chunk.truncate(read),
            }
            let due = Instant::now() + conduct.borrow().delay;
            if sender.send((due, chunk)).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(collect, deliver(receiver, to, conduct));
}

async fn deliver(
    mut chunks: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: WriteHalf<'_>,
    conduct: &watch::Receiver<Conduct>,
) {
    let mut free_at = Instant::now();
    while let Some((due, chunk)) = chunks.recv().await {
        let now = Instant::now();
        if due > now {
            tokio::time::sleep_until(due).await;
        }
        let rate = conduct.borrow().rate;
        if let Some(rate) = rate {
            free_at = free_at.max(now) + Duration::from_secs_f64(chunk.len() as f64 / rate as f64);
            tokio::time::sleep_until(free_at).await;
        }
        if to.write_all(&chunk).await.is_err() {
            return;
        }
    }
    // The other side sees the stream end where it did here.
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener as StdListener, TcpStream as StdStream};
    use std::thread;
    use std::time::Instant as StdInstant;

    use super::*;

    /// A server that sends back what it gets, after a greeting.
    fn echo(greeting: &'static [u8]) -> SocketAddr {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let _ = stream.write_all(greeting);
                    let mut bytes = [0; 4096];
                    while let Ok(read @ 1..) = stream.read(&mut bytes) {
                        if stream.write_all(&bytes[..read]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    fn setup() -> (tokio::runtime::Runtime, Proxy) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let proxy = Proxy::listen(runtime.handle()).unwrap();
        (runtime, proxy)
    }

    fn dial(proxy: &Proxy) -> StdStream {
        let stream = StdStream::connect(proxy.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
    }

    fn greeting(stream: &mut StdStream) -> std::io::Result<[u8; 2]> {
        let mut bytes = [0; 2];
        stream.read_exact(&mut bytes).map(|()| bytes)
    }

    #[test]
    fn bytes_pass_both_ways_and_so_does_the_end_of_the_stream() {
        let (_runtime, proxy) = setup();
        proxy.set_target(Some(echo(b"hi")));
        let mut stream = dial(&proxy);
        assert_eq!(&greeting(&mut stream).unwrap(), b"hi");
        let sent: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
        let mut writer = stream.try_clone().unwrap();
        let expected = sent.clone();
        let writing = thread::spawn(move || {
            writer.write_all(&sent).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        writing.join().unwrap();
        assert!(received == expected);
    }

    #[test]
    fn a_cut_resets_open_connections_and_new_ones_until_healed() {
        let (_runtime, proxy) = setup();
        proxy.set_target(Some(echo(b"hi")));
        let mut open = dial(&proxy);
        greeting(&mut open).unwrap();
        proxy.cut();
        assert!(!proxy.is_up());
        let error = open.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(greeting(&mut dial(&proxy)).is_err());
        proxy.heal();
        assert_eq!(&greeting(&mut dial(&proxy)).unwrap(), b"hi");
    }

    #[test]
    fn a_new_target_is_for_new_connections() {
        let (_runtime, proxy) = setup();
        assert!(greeting(&mut dial(&proxy)).is_err());
        proxy.set_target(Some(echo(b"1.")));
        let mut first = dial(&proxy);
        assert_eq!(&greeting(&mut first).unwrap(), b"1.");
        proxy.set_target(Some(echo(b"2.")));
        assert_eq!(&greeting(&mut dial(&proxy)).unwrap(), b"2.");
        first.write_all(b"ok").unwrap();
        assert_eq!(&greeting(&mut first).unwrap(), b"ok");
    }

    #[test]
    fn a_delayed_link_answers_late() {
        let (_runtime, proxy) = setup();
        proxy.set_target(Some(echo(b"hi")));
        let mut stream = dial(&proxy);
        greeting(&mut stream).unwrap();
        proxy.delay(60);
        let start = StdInstant::now();
        stream.write_all(b"ok").unwrap();
        greeting(&mut stream).unwrap();
        assert!(
            start.elapsed() >= Duration::from_millis(120),
            "{:?}",
            start.elapsed()
        );
    }

    #[test]
    fn a_throttled_link_keeps_to_its_rate() {
        let (_runtime, proxy) = setup();
        proxy.set_target(Some(echo(b"hi")));
        proxy.throttle(Some(100_000));
        let mut stream = dial(&proxy);
        greeting(&mut stream).unwrap();
        let start = StdInstant::now();
        stream.write_all(&[7; 30_000]).unwrap();
        let mut back = [0; 30_000];
        stream.read_exact(&mut back).unwrap();
        assert!(
            start.elapsed() >= Duration::from_millis(250),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(back, [7; 30_000]);
    }

    #[test]
    fn a_dropped_proxy_listens_no_more() {
        let (_runtime, proxy) = setup();
        let address = proxy.address();
        drop(proxy);
        let deadline = StdInstant::now() + Duration::from_secs(5);
        while StdStream::connect(address).is_ok() {
            assert!(StdInstant::now() < deadline);
            thread::sleep(Duration::from_millis(5));
        }
    }
}
