//! Handlers of attachments: files come in before their certificate is issued, and go out as they were. Both stream: a
//! transfer holds a few pieces in memory, whatever its length.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use certmesh_api::formats::{self, Binary};
use certmesh_api::{FaultKind, Uploaded};
use certmesh_ledger::bodies::AttachmentFile;
use certmesh_ledger::record::{
    Attachment, AttachmentName, MAX_ATTACHMENT, MediaType, NotAnAttachmentName,
};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::bulk;
use super::openapi::{DownloadProblems, UploadProblems};
use super::problem::json;
use super::rejection::{Late, Malformed, Rejection};
use super::search::path_id;
use super::shares::Place;
use super::state::{Api, Caller};
use super::views;
use crate::app::issue::Incoming;
use crate::app::{Item, Refusal, not_received};

/// Bytes that are gathered before they are written.
const PIECE: usize = 1 << 18;
/// The Content-Type of a file whose content says what it is.
const UNSAID: &str = "application/octet-stream";
/// Chunks read ahead of a client.
const AHEAD: usize = 2;

/// Upload a file
///
/// PDF, OFD, PNG, JPEG or TIFF, at most 64 MiB. The answer's `upload` is for one certificate's `attachments`; a file that no
/// certificate takes is removed after 24 hours. What a client's waiting files take is limited, and so is what all of them
/// leave free on the disk.
#[utoipa::path(
    post, path = "/v1/attachments", tag = "Certificates", operation_id = "uploadAttachment",
    request_body(
        content = inline(Binary), content_type = "application/octet-stream",
        description = "The file as it is: its first bytes say what kind of file it is. It may come under its own Content-Type \
            instead, and is then refused if it is of another kind",
    ),
    responses((status = 201, description = "Durable at this peer", body = Uploaded), UploadProblems),
)]
pub(super) async fn upload(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Rejection> {
    caller.rate.request()?;
    let media_type = declared(&headers)?;
    // What the client declares is refused before a byte of it is read.
    if body.size_hint().lower() > MAX_ATTACHMENT {
        return Err(too_large());
    }
    let _place = api.take_transfer_place()?;
    let (client, declared) = (Arc::clone(&caller.name), body.size_hint().lower());
    let incoming = api
        .query(move |service| service.receive(&client, declared))
        .await?;
    let mut body = body.into_data_stream();
    let received = receive(incoming, media_type, &mut body, api.limits().idle_time).await;
    let (received, media_type) = match received {
        Ok(received) => received,
        Err(refusal) => {
            bulk::drain_refused(&mut body).await;
            return Err(refusal);
        }
    };
    let uploaded = api
        .query(move |service| service.uploaded(received, media_type))
        .await?;
    Ok(json(StatusCode::CREATED, &views::uploaded(uploaded)))
}

fn too_large() -> Rejection {
    Rejection::Refused(Refusal::TooLarge {
        limit_bytes: MAX_ATTACHMENT,
    })
}

/// The kind of file that is declared; `None` for one that its content has to say.
fn declared(headers: &HeaderMap) -> Result<Option<MediaType>, Rejection> {
    let declared = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = declared.unwrap_or_default().split(';').next();
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    if essence == UNSAID {
        return Ok(None);
    }
    essence
        .parse()
        .map(Some)
        .map_err(|_| Rejection::UnsupportedMediaType {
            expected: "application/pdf, application/ofd, image/png, image/jpeg, image/tiff or application/octet-stream",
        })
}

/// Reads the whole body. Whatever goes wrong, what was written of it is removed.
async fn receive(
    mut incoming: Incoming,
    declared: Option<MediaType>,
    body: &mut BodyDataStream,
    idle: Duration,
) -> Result<(Incoming, MediaType), Rejection> {
    let mut total = 0;
    let mut kind = None;
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        let more = match timeout(idle, body.next()).await {
            Ok(Some(Ok(bytes))) => Some(bytes),
            Ok(None) => None,
            Ok(Some(Err(_))) => {
                return Err(Rejection::MalformedBody(Malformed::FileCutOff));
            }
            Err(_) => return Err(Rejection::Timeout(Late::File)),
        };
        let ended = more.is_none();
        let bytes = more.unwrap_or_default();
        total += bytes.len() as u64;
        if total > MAX_ATTACHMENT {
            return Err(too_large());
        }
        piece.extend_from_slice(&bytes);
        if kind.is_none() && (ended || piece.len() >= MediaType::TELLING) {
            kind = Some(kind_of(&piece, declared)?);
        }
        if ended || piece.len() >= PIECE {
            let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE));
            incoming = append(incoming, full).await?;
        }
        if ended && let Some(kind) = kind {
            return Ok((incoming, kind));
        }
    }
}

/// The kind of a file that begins like this.
fn kind_of(beginning: &[u8], declared: Option<MediaType>) -> Result<MediaType, Rejection> {
    let mut possible = match declared {
        Some(declared) => vec![declared],
        None => MediaType::ALL.to_vec(),
    };
    possible.retain(|kind| kind.fits(beginning));
    possible.first().copied().ok_or_else(|| {
        let fault = match declared {
            _ if beginning.is_empty() => FaultKind::Empty,
            Some(media_type) => FaultKind::OtherContent { media_type },
            None => FaultKind::UnknownContent,
        };
        Rejection::field("body", fault)
    })
}

async fn append(mut incoming: Incoming, piece: Vec<u8>) -> Result<Incoming, Rejection> {
    let written = tokio::task::spawn_blocking(move || {
        (incoming.room)(piece.len() as u64)?;
        let appended = incoming.receiving.append(&piece);
        appended.map_err(|error| not_received(&error))?;
        Ok(incoming)
    });
    // An error of the task is a panic, which the panic hook logged.
    written.await.unwrap_or(Err(Rejection::INTERNAL))
}

/// Get an attachment of a certificate
///
/// Kept by the issuing department's peer.
#[utoipa::path(
    get, path = "/v1/certificates/{id}/attachments/{name}", tag = "Certificates", operation_id = "downloadAttachment",
    params(
        ("id" = formats::CertificateId, Path, description = "Certificate identifier (GB/T 36904)"),
        ("name" = formats::AttachmentName, Path, description = "The attachment's name"),
    ),
    responses(
        (status = 200, description = "The file, with its own Content-Type", content(
            (inline(Binary) = "application/pdf"), (inline(Binary) = "application/ofd"), (inline(Binary) = "image/png"),
            (inline(Binary) = "image/jpeg"), (inline(Binary) = "image/tiff"),
        )),
        DownloadProblems,
    ),
)]
pub(super) async fn download(
    State(api): State<Arc<Api>>,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, Rejection> {
    let id = path_id(&id)?;
    let name: AttachmentName = name
        .parse()
        .map_err(|error: NotAnAttachmentName| Rejection::field("name", error))?;
    let place = api.take_transfer_place()?;
    let found = api
        .query(move |service| service.attachment(&id, &name))
        .await?;
    let (attachment, file) = found.ok_or(Refusal::NotFound {
        what: Item::Attachment,
    })?;
    given(&api, place, &attachment, file)
}

/// A file as an answer.
pub(super) fn given(
    api: &Api,
    place: Place,
    attachment: &Attachment,
    file: AttachmentFile,
) -> Result<Response, Rejection> {
    let named = percent_encoded(attachment.name.as_str());
    let disposition = HeaderValue::try_from(format!("attachment; filename*=UTF-8''{named}"))
        .map_err(|_| Rejection::INTERNAL)?;
    let body = sent(file, place, api.limits().idle_time);
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static(attachment.media_type.as_str());
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CONTENT_LENGTH, attachment.size.into());
    headers.insert(CONTENT_DISPOSITION, disposition);
    Ok(response)
}

/// The file's content, each chunk checked before it goes out. A chunk that is damaged, and a client that reads nothing
/// for too long, break the connection.
fn sent(file: AttachmentFile, place: Place, idle: Duration) -> Body {
    let (sender, mut receiver) = mpsc::channel::<io::Result<Bytes>>(AHEAD);
    let file = Arc::new(file);
    tokio::spawn(async move {
        let _place = place;
        for number in 0..file.chunks() {
            let file = Arc::clone(&file);
            let read = tokio::task::spawn_blocking(move || file.read(number)).await;
            let chunk = match read {
                Ok(Ok(chunk)) => Ok(Bytes::from(chunk.to_vec())),
                Ok(Err(error)) => {
                    tracing::error!(%error, "an attachment could not be read");
                    Err(io::Error::other("the attachment is damaged"))
                }
                Err(_panicked) => Err(io::Error::other("a read panicked")),
            };
            let failed = chunk.is_err();
            if !matches!(timeout(idle, sender.send(chunk)).await, Ok(Ok(()))) || failed {
                return;
            }
        }
    });
    Body::from_stream(futures::stream::poll_fn(move |context| {
        receiver.poll_recv(context)
    }))
}

/// A name as RFC 5987 has it: all but letters, digits, hyphens, underscores and full stops of ASCII escaped.
fn percent_encoded(name: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_into_a_header_as_ascii() {
        assert_eq!(percent_encoded("a-1_b.pdf"), "a-1_b.pdf");
        assert_eq!(percent_encoded("执照.pdf"), "%E6%89%A7%E7%85%A7.pdf");
    }
}
