//! What handlers take from a request, with refusals in place of the framework's own answers.

use std::borrow::Cow;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequestParts, Path};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use certmesh_api::FaultKind;
use certmesh_api::limits::MAX_IDEMPOTENCY_KEY;
use futures::StreamExt;
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::body;
use super::rejection::{Late, Malformed, Rejection};
use super::shape::Request;
use super::shares::Place;
use super::state::{Api, Caller};
use crate::app::RetryKey;

/// The header that makes a retried request safe.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The one parameter of a path.
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            Err(_) => Err(Rejection::field("path", FaultKind::NotUtf8)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Rejection;

    /// The guard puts it there; a route without guard has none.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Rejection> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(Rejection::Unauthorised { token_given: false })
    }
}

/// The `Idempotency-Key` header, bound to the client.
pub(super) fn retry_key(
    headers: &HeaderMap,
    caller: &Caller,
) -> Result<Option<RetryKey>, Rejection> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = given.next() else {
        return Ok(None);
    };
    let key = key.as_bytes();
    let visible = key.iter().all(u8::is_ascii_graphic);
    if given.next().is_some() || !visible || !(1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) {
        let most = MAX_IDEMPOTENCY_KEY;
        let fault = FaultKind::IdempotencyKey { most };
        return Err(Rejection::field("Idempotency-Key", fault));
    }
    Ok(Some(RetryKey::new(&caller.name, key)))
}

/// The parameters of a query, each at most once. None of their values needs percent-encoding, so none is undone.
pub(super) fn parameters<'q, const N: usize>(
    query: Option<&'q str>,
    names: [&str; N],
) -> Result<[Option<Cow<'q, str>>; N], Rejection> {
    let mut found = [const { None }; N];
    for pair in query.unwrap_or_default().split('&') {
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(place) = names.iter().position(|known| *known == name) else {
            let known = names.join(", ");
            return Err(Rejection::field("query", FaultKind::Parameter { known }));
        };
        // Clients may write any character as %XX, and some do it with more than have to be.
        let value = percent_decode_str(value)
            .decode_utf8()
            .map_err(|_| Rejection::field(names[place], FaultKind::NotUtf8))?;
        if found[place].replace(value).is_some() {
            return Err(Rejection::field(names[place], FaultKind::GivenTwice));
        }
    }
    Ok(found)
}

/// Reads a JSON body and checks what it says.
///
/// A long body is read and checked on a thread for that, once there is room for it and a thread is free: both can take
/// milliseconds, in which a thread of the runtime would serve nobody else. A short one is done at once.
pub(super) async fn json_body<T: Request, C: Send + 'static>(
    api: &Api,
    headers: &HeaderMap,
    body: Body,
    check: impl FnOnce(T) -> Result<C, Rejection> + Send + 'static,
) -> Result<C, Rejection> {
    content_type(headers, &["application/json"])?;
    let (bytes, room) = whole_body(api, body).await?;
    let bytes = Zeroizing::new(bytes);
    let read = move || body::parse(&bytes).and_then(check);
    let checked = match room {
        None => read(),
        Some(room) => api.read(room, read).await,
    }?;
    // The token may have been revoked since the request began: bodies can take a minute to arrive.
    api.in_force()?;
    Ok(checked)
}

/// Refuses a body of another type. Parameters such as `charset` don't matter: JSON is UTF-8.
pub(super) fn content_type(
    headers: &HeaderMap,
    accepted: &[&'static str],
) -> Result<(), Rejection> {
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
    Err(Rejection::UnsupportedMediaType {
        expected: accepted.first().copied().unwrap_or_default(),
    })
}

/// The body, and its room if it is a long one.
async fn whole_body(api: &Api, body: Body) -> Result<(Vec<u8>, Option<Place>), Rejection> {
    let limits = api.limits();
    let (limit_bytes, idle) = (limits.body, limits.idle_time);
    let too_large = || Rejection::BodyTooLarge { limit_bytes };
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    // What the client declares is refused before a byte of it is read, or waits for its room until then.
    if declared > limit_bytes {
        return Err(too_large());
    }
    let mut room = match declared > limits.short_body {
        true => Some(api.take_room(declared).await?),
        false => None,
    };
    let mut bytes = Vec::with_capacity(declared);
    let mut chunks = body.into_data_stream();
    loop {
        match timeout(idle, chunks.next()).await {
            Ok(None) => return Ok((bytes, room)),
            Ok(Some(Ok(chunk))) => {
                let length = bytes.len() + chunk.len();
                if length > limit_bytes {
                    return Err(too_large());
                }
                if length > limits.short_body && room.is_none() {
                    // Its length was not declared, so it may become as long as a body can be.
                    room = Some(api.take_room(limit_bytes).await?);
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(Some(Err(_))) => {
                return Err(Rejection::MalformedBody(Malformed::BodyCutOff));
            }
            Err(_) => return Err(Rejection::Timeout(Late::Body)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_reads_the_same_however_it_was_encoded() {
        for text in ["cursor=a:7&limit=2", "limit=%32&cursor=%61%3A7"] {
            let [cursor, limit] = parameters(Some(text), ["cursor", "limit"]).unwrap();
            assert_eq!(
                (cursor.as_deref(), limit.as_deref()),
                (Some("a:7"), Some("2"))
            );
        }
        for wrong in ["cursor=%ff", "cursor=1&cursor=%31", "other=1"] {
            assert!(parameters(Some(wrong), ["cursor"]).is_err(), "{wrong}");
        }
    }
}
