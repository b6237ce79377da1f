use super::super::{OutboundId, RequestFailure, RespondError, fetch_dummy, serve_dummy};
use super::*;

const PAGE: usize = 1024 * 1024;

/// Drives both until `id` has its outcome; the second peer answers requests with `answer`.
async fn outcome(
    asker: &mut Net,
    answerer: &mut Net,
    id: OutboundId,
    mut answer: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, RequestFailure> {
    let mut outcome = None;
    let ended = drive(&mut [asker, answerer], LONG, |_, net, event| match event {
        NetEvent::Request {
            id: inbound, bytes, ..
        } => {
            if let Some(bytes) = answer(&bytes) {
                net.respond(inbound, bytes).unwrap();
            }
            false
        }
        NetEvent::Response { id: of, result, .. } if of == id => {
            outcome = Some(result);
            true
        }
        _ => false,
    })
    .await;
    assert!(ended, "no outcome was reported");
    outcome.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_exchange_a_full_page_in_both_directions() {
    let (mut a, mut b) = pair().await;
    let page: Vec<u8> = (0..PAGE).map(|i| (i % 253) as u8).collect();
    let id = a.request(b.local_peer_id(), b"page, please".to_vec());
    let got = outcome(&mut a, &mut b, id, |asked| {
        assert_eq!(asked, b"page, please");
        Some(page.clone())
    });
    assert_eq!(got.await, Ok(page.clone()));
    let id = b.request(a.local_peer_id(), vec![1; 64 * 1024]);
    let got = outcome(&mut b, &mut a, id, |asked| {
        assert_eq!(asked.len(), 64 * 1024);
        Some(page.clone())
    });
    assert_eq!(got.await, Ok(page.clone()));
    let info = &a.connected()[0];
    assert_eq!(info.peer, b.local_peer_id());
    assert!(info.address.to_string().starts_with("/ip4/127.0.0.1/tcp/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_request_is_refused_at_once_and_frees_its_place() {
    let (mut a, mut b) = pair().await;
    for _ in 0..20 {
        let id = a.request(b.local_peer_id(), vec![]);
        let got = outcome(&mut a, &mut b, id, |_| None).await;
        assert_eq!(got, Err(RequestFailure::Refused));
    }
    let id = a.request(b.local_peer_id(), vec![]);
    let got = outcome(&mut a, &mut b, id, |_| Some(vec![])).await;
    assert_eq!(got, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_large_too_many_or_to_nobody_fails_without_a_byte_sent() {
    let (mut a, mut b) = pair().await;
    let other = b.local_peer_id();
    let large = a.request(other, vec![0; 64 * 1024 + 1]);
    let stranger = a.request(PeerId::random(), vec![]);
    for _ in 0..8 {
        a.request(other, vec![]);
    }
    let ninth = a.request(other, vec![]);
    let expected = [
        (
            large,
            RequestFailure::RequestTooLarge {
                len: 64 * 1024 + 1,
                max: 64 * 1024,
            },
        ),
        (stranger, RequestFailure::NotConnected),
        (ninth, RequestFailure::TooManyInFlight { max: 8 }),
    ];
    for (id, failure) in expected {
        let got = outcome(&mut a, &mut b, id, |_| Some(vec![]));
        assert_eq!(got.await, Err(failure));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_over_a_peers_share_are_refused_while_the_rest_wait() {
    let (mut a, mut b) = pair_with(|config| {
        config.limits.max_outbound_per_peer = 8;
        config.limits.max_inbound_per_peer = 2;
    })
    .await;
    for _ in 0..6 {
        a.request(b.local_peer_id(), vec![]);
    }
    let (mut held, mut refused) = (Vec::new(), 0);
    let all = drive(&mut [&mut a, &mut b], LONG, |_, _, event| {
        match event {
            NetEvent::Request { id, .. } => held.push(id),
            NetEvent::Response { result, .. } => {
                assert_eq!(result, Err(RequestFailure::Refused));
                refused += 1;
            }
            _ => {}
        }
        refused == 4
    })
    .await;
    assert!(all);
    assert_eq!(held.len(), 2);
    assert!(held.iter().all(super::super::InboundId::is_open));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_over_a_peers_rate_are_refused_and_never_reported() {
    let (mut a, mut b) =
        pair_with(|config| config.limits.requests_per_second = 3.try_into().unwrap()).await;
    let mut reported = 0;
    for n in 0..20 {
        let id = a.request(b.local_peer_id(), vec![n]);
        let got = outcome(&mut a, &mut b, id, |asked| {
            reported += 1;
            Some(asked.to_vec())
        })
        .await;
        assert!(
            got == Ok(vec![n]) || got == Err(RequestFailure::Refused),
            "{got:?}"
        );
    }
    assert!((6..20).contains(&reported), "{reported} were reported");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let id = a.request(b.local_peer_id(), vec![]);
    assert_eq!(
        outcome(&mut a, &mut b, id, |_| Some(vec![])).await,
        Ok(vec![])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_nobody_answers_times_out_and_a_late_answer_is_known_as_such() {
    let (mut a, mut b) =
        pair_with(|config| config.limits.request_timeout = Duration::from_millis(300)).await;
    a.request(b.local_peer_id(), vec![]);
    let (mut held, mut failure) = (None, None);
    let ended = drive(&mut [&mut a, &mut b], LONG, |_, _, event| {
        match event {
            NetEvent::Request { id, .. } => held = Some(id),
            NetEvent::Response { result, .. } => failure = result.err(),
            _ => {}
        }
        failure.is_some()
    })
    .await;
    assert!(ended);
    // Whose clock ran out first decides what the asker sees.
    assert!(matches!(
        failure,
        Some(RequestFailure::Timeout | RequestFailure::Refused)
    ));
    drive(
        &mut [&mut a, &mut b],
        Duration::from_millis(300),
        |_, _, _| false,
    )
    .await;
    let late = b.respond(held.unwrap(), vec![]);
    assert_eq!(late, Err(RespondError::Gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_ends_every_request_under_way() {
    let (mut a, b) = pair().await;
    let ids = [(); 3].map(|()| a.request(b.local_peer_id(), vec![]));
    drop(b);
    let mut ended = Vec::new();
    let all = drive(&mut [&mut a], LONG, |_, _, event| {
        if let NetEvent::Response { id, result, .. } = event {
            assert!(result.is_err());
            ended.push(id);
        }
        ended.len() == 3
    })
    .await;
    assert!(all);
    ended.sort_unstable();
    assert_eq!(ended, ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_the_cap_is_not_sent() {
    let (mut a, mut b) = pair().await;
    a.request(b.local_peer_id(), vec![]);
    let refused = drive(&mut [&mut a, &mut b], LONG, |_, net, event| match event {
        NetEvent::Request { id, .. } => {
            let error = net.respond(id, vec![0; PAGE + 64 * 1024 + 1]).unwrap_err();
            assert!(matches!(error, RespondError::TooLarge { .. }));
            false
        }
        NetEvent::Response { result, .. } => {
            assert_eq!(result, Err(RequestFailure::Refused));
            true
        }
        _ => false,
    })
    .await;
    assert!(refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_raw_bench_fetches_all_its_pages() {
    let (mut a, mut b) = pair().await;
    let server = b.local_peer_id();
    let rate = tokio::select! {
        never = serve_dummy(&mut b, PAGE) => match never {},
        rate = fetch_dummy(&mut a, server, 20, 2) => rate.unwrap(),
    };
    assert_eq!((rate.pages, rate.bytes), (20, 20 * PAGE as u64));
    assert!(rate.mb_per_second() > 1.0);
}
