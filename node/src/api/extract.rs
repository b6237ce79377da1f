//! What handlers take from a request, with refusals in place of the framework's own answers.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequestParts, Path};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::body::{self, Shape};
use super::limits::Limits;
use super::refusal::Refusal;
use super::service::RetryKey;
use super::state::Caller;

/// The header that makes a retried request safe.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const MAX_IDEMPOTENCY_KEY: usize = 255;

/// The one parameter of a path.
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            Err(_) => Err(Refusal::field("path", "isn't UTF-8 once decoded")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    /// The guard puts it there; a route without guard has none.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(Refusal::Unauthorised { token_given: false })
    }
}

/// The `Idempotency-Key` header, bound to the client.
pub(super) fn retry_key(headers: &HeaderMap, caller: &Caller) -> Result<Option<RetryKey>, Refusal> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = given.next() else {
        return Ok(None);
    };
    let key = key.as_bytes();
    let visible = key.iter().all(u8::is_ascii_graphic);
    if given.next().is_some() || !visible || !(1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) {
        let detail =
            format!("must stand once and be 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters");
        return Err(Refusal::field("Idempotency-Key", detail));
    }
    Ok(Some(RetryKey::new(&caller.name, key)))
}

/// The parameters of a query, each at most once. None of their values needs percent-encoding, so none is undone.
pub(super) fn parameters<'q, const N: usize>(
    query: Option<&'q str>,
    names: [&str; N],
) -> Result<[Option<&'q str>; N], Refusal> {
    let mut found = [None; N];
    for pair in query.unwrap_or_default().split('&') {
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(place) = names.iter().position(|known| *known == name) else {
            let known = names.join(", ");
            return Err(Refusal::field(
                "query",
                format!("the parameters are: {known}"),
            ));
        };
        if found[place].replace(value).is_some() {
            return Err(Refusal::field(names[place], "stands twice"));
        }
    }
    Ok(found)
}

/// Reads and parses a JSON body.
pub(super) async fn json_body<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    shape: &Shape,
    limits: &Limits,
) -> Result<T, Refusal> {
    content_type(headers, &["application/json"])?;
    let bytes = Zeroizing::new(whole_body(body, limits.body, limits.idle_time).await?);
    body::parse(&bytes, shape)
}

/// Refuses a body of another type. Parameters such as `charset` don't matter: JSON is UTF-8.
pub(super) fn content_type(headers: &HeaderMap, accepted: &[&'static str]) -> Result<(), Refusal> {
    let declared = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], |value| value.as_bytes());
    let essence = declared
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if accepted
        .iter()
        .any(|name| essence.eq_ignore_ascii_case(name.as_bytes()))
    {
        return Ok(());
    }
    Err(Refusal::UnsupportedMediaType {
        expected: accepted.first().copied().unwrap_or_default(),
    })
}

async fn whole_body(body: Body, limit_bytes: usize, idle: Duration) -> Result<Vec<u8>, Refusal> {
    let too_large = || Refusal::BodyTooLarge { limit_bytes };
    // What the client declares is refused before a byte of it is read.
    if body.size_hint().lower() > limit_bytes as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(body.size_hint().lower()).unwrap_or(0));
    let mut chunks = body.into_data_stream();
    loop {
        match timeout(idle, chunks.next()).await {
            Ok(None) => return Ok(bytes),
            Ok(Some(Ok(chunk))) if bytes.len() + chunk.len() > limit_bytes => {
                return Err(too_large());
            }
            Ok(Some(Ok(chunk))) => bytes.extend_from_slice(&chunk),
            Ok(Some(Err(_))) => {
                return Err(Refusal::MalformedBody("the body was cut off".to_owned()));
            }
            Err(_) => return Err(Refusal::Timeout("the body stopped coming; send it again")),
        }
    }
}
