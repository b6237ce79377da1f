//! A member gone bad: the right key and the right network, but a codec of its own.

use std::io;
use std::iter;
use std::sync::Arc;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::request_response::{self, Message, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{StreamProtocol, Swarm};
use parking_lot::Mutex;

use super::super::behaviour::exchange_protocol;
use super::super::places::Places;
use super::super::transport::{self, TransportConfig};
use super::super::{NetLimits, RequestFailure};
use super::*;

/// Writes exactly the bytes it is given, without a frame around them, and keeps its side of the stream open.
#[derive(Clone)]
struct RawCodec;

async fn write_raw<T>(io: &mut T, bytes: &[u8]) -> io::Result<()>
where
    T: AsyncWrite + Unpin + Send,
{
    io.write_all(bytes).await?;
    io.flush().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(())
}

async fn read_raw<T>(io: &mut T) -> io::Result<Vec<u8>>
where
    T: AsyncRead + Unpin + Send,
{
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

impl request_response::Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_raw(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_raw(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_raw(io, &bytes).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_raw(io, &bytes).await
    }
}

type Raw = request_response::Behaviour<RawCodec>;

/// An honest member and a connected hostile one.
async fn honest_and_hostile() -> (Net, Swarm<Raw>) {
    let key = Keypair::generate_ed25519();
    let (mut honest, address) = listening(config(&Keypair::generate_ed25519())).await;
    honest.set_members(vec![(key.public().to_peer_id(), vec![])]);
    let limits = NetLimits::default();
    let transport = transport::build(&TransportConfig {
        keypair: &key,
        network: &NETWORK,
        quic: false,
        max_streams: 512,
        handshake_timeout: limits.handshake_timeout,
        places: Arc::new(Mutex::new(Places::new(limits.max_handshakes))),
    })
    .unwrap();
    let protocol = exchange_protocol(&hex::encode(NETWORK));
    let behaviour = Raw::with_codec(
        RawCodec,
        iter::once((protocol, ProtocolSupport::Full)),
        request_response::Config::default().with_max_concurrent_streams(1000),
    );
    let config = libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(LONG);
    let mut hostile = Swarm::new(transport, behaviour, key.public().to_peer_id(), config);
    hostile.dial(address).unwrap();
    let connected = async {
        loop {
            tokio::select! {
                event = honest.next() => if matches!(event, NetEvent::Connected(_)) { break },
                _ = hostile.select_next_some() => {}
            }
        }
    };
    tokio::time::timeout(LONG, connected).await.unwrap();
    (honest, hostile)
}

/// Asks the hostile member, which answers with `answer` as it is, and returns the outcome.
async fn ask(answer: &[u8]) -> Result<Vec<u8>, RequestFailure> {
    let (mut honest, mut hostile) = honest_and_hostile().await;
    honest.request(*hostile.local_peer_id(), vec![1]);
    let asking = async {
        loop {
            tokio::select! {
                event = honest.next() => if let NetEvent::Response { result, .. } = event {
                    return result;
                },
                event = hostile.select_next_some() => if let SwarmEvent::Behaviour(
                    request_response::Event::Message { message: Message::Request { channel, .. }, .. },
                ) = event {
                    hostile.behaviour_mut().send_response(channel, answer.to_vec()).unwrap();
                },
            }
        }
    };
    tokio::time::timeout(LONG, asking).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_an_oversized_length_is_refused_on_its_first_four_bytes() {
    let max = NetLimits::default().max_response_bytes;
    let len = u32::MAX as usize;
    assert_eq!(
        ask(&[0xff; 4]).await,
        Err(RequestFailure::ResponseTooLarge { len, max })
    );
    let just_over = u32::try_from(max + 1).unwrap().to_le_bytes();
    assert_eq!(
        ask(&just_over).await,
        Err(RequestFailure::ResponseTooLarge { len: max + 1, max })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_shorter_than_its_length_breaks_off() {
    let full = u32::try_from(1024 * 1024).unwrap().to_le_bytes();
    let answer = [&full[..], &[1; 1000]].concat();
    assert_eq!(ask(&answer).await, Err(RequestFailure::Truncated));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_with_lying_lengths_is_never_reported_and_leaves_the_peer_sound() {
    let (mut honest, mut hostile) = honest_and_hostile().await;
    let victim = honest.local_peer_id();
    for n in 0..200u32 {
        // Half of them over the cap, half under it but with nothing behind the length.
        let len = if n % 2 == 0 { u32::MAX } else { 60 * 1024 };
        let bytes = len.to_le_bytes().to_vec();
        hostile.behaviour_mut().send_request(&victim, bytes);
    }
    let flooding = async {
        loop {
            tokio::select! {
                event = honest.next() => assert!(
                    !matches!(event, NetEvent::Request { .. }),
                    "a request without its bytes was reported"
                ),
                _ = hostile.select_next_some() => {}
            }
        }
    };
    let endless = tokio::time::timeout(Duration::from_secs(4), flooding).await;
    assert!(endless.is_err());
    // An honest request is still answered, on the same connection.
    let proper = [&5u32.to_le_bytes()[..], b"hello"].concat();
    hostile.behaviour_mut().send_request(&victim, proper);
    let answering = async {
        loop {
            tokio::select! {
                event = honest.next() => if let NetEvent::Request { bytes, .. } = event {
                    return bytes;
                },
                _ = hostile.select_next_some() => {}
            }
        }
    };
    let asked = tokio::time::timeout(LONG, answering).await.unwrap();
    assert_eq!(asked, b"hello");
}
