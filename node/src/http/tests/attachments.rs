//! Files in and out: what is taken, what is refused at which byte, and that a refused file leaves nothing.

use certmesh_ledger::bodies::{AttachmentKey, CHUNK};
use certmesh_ledger::disk::Disk;
use certmesh_ledger::record::{Attachment, MAX_ATTACHMENT, MediaType};

use super::*;

const PATH: &str = "/v1/attachments";

fn pdf(len: usize) -> Vec<u8> {
    let mut content = b"%PDF-1.7".to_vec();
    content.extend((content.len()..len).map(|at| (at >> 8 ^ at) as u8));
    content
}

/// The head of a chunked upload; its chunks follow as they are written.
fn chunked(token: &str) -> Ask {
    ask("POST", PATH, token)
        .header("Content-Type", "application/pdf")
        .header("Transfer-Encoding", "chunked")
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", bytes.len()).into_bytes();
    [&size, bytes, b"\r\n"].concat()
}

async fn nothing_is_left(node: &Node) {
    // The file goes when the handler does, which may be a moment after the answer.
    tokio::time::timeout(Duration::from_secs(20), async {
        while !node.fake.disk.paths().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the file to be removed");
}

#[tokio::test]
async fn a_file_is_taken_in_any_pieces_and_kept_encrypted() {
    let node = node();
    let content = pdf(700_000);
    let whole = ask("POST", PATH, ISSUE).body("Application/PDF; x=y", content.clone());
    let mut pieces = chunked(ISSUE);
    for piece in [&content[..3], &content[3..300_000], &content[300_000..]] {
        pieces.body.extend(chunk(piece));
    }
    pieces.body.extend(b"0\r\n\r\n");
    for request in [whole, pieces] {
        let answer = request.to(&node).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let told = answer.json();
        assert_eq!(told["media_type"], "application/pdf");
        assert_eq!(told["size"], content.len());
        let hash = blake3::hash(&content).to_hex();
        assert_eq!(told["content"], hash.as_str());
    }
    let paths = node.fake.disk.paths();
    assert_eq!(paths.len(), 2);
    for path in paths {
        let file = node.fake.disk.open(&path, false).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let shown = bytes.windows(64).any(|window| content[..64] == *window);
        assert!(!shown && bytes.len() > content.len());
    }
}

#[tokio::test]
async fn the_content_says_what_kind_of_file_it_is_where_the_header_does_not() {
    const UNSAID: &str = "application/octet-stream";
    let node = node();
    let png = b"\x89PNG\r\n\x1a\n and more".to_vec();
    for (content, kind) in [(pdf(1_000), MediaType::Pdf), (png, MediaType::Png)] {
        let answer = ask("POST", PATH, ISSUE)
            .body(UNSAID, content)
            .to(&node)
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.json()["media_type"], kind.as_str());
    }
    for content in [b"plain text, and no file".to_vec(), Vec::new()] {
        let answer = ask("POST", PATH, ISSUE)
            .body(UNSAID, content)
            .to(&node)
            .await;
        assert_eq!((answer.status, &*answer.problem()), (422, "invalid-field"));
    }
}

#[tokio::test]
async fn what_is_no_such_file_is_refused_and_leaves_nothing() {
    let node = node();
    let plain = ask("POST", PATH, ISSUE).body("text/plain", pdf(100));
    let answer = plain.to(&node).await;
    assert_eq!(
        (answer.status, &*answer.problem()),
        (415, "unsupported-media-type")
    );
    for kind in MediaType::ALL {
        let mut wrong = pdf(100);
        if kind == MediaType::Pdf {
            wrong[1] = b'p';
        }
        for body in [wrong, Vec::new(), b"%P".to_vec()] {
            let answer = ask("POST", PATH, ISSUE).body(kind.as_str(), body);
            let answer = answer.to(&node).await;
            assert_eq!(
                (answer.status, &*answer.problem()),
                (422, "invalid-field"),
                "{kind}"
            );
            assert_eq!(answer.json()["field"], "body");
        }
    }
    nothing_is_left(&node).await;
}

#[tokio::test]
async fn a_file_that_is_too_long_is_refused_before_it_is_read_or_where_it_passes_the_limit() {
    let node = node();
    let length = (MAX_ATTACHMENT + 1).to_string();
    let declared = ask("POST", PATH, ISSUE)
        .header("Content-Type", "application/pdf")
        .header("Content-Length", &length);
    // Not a byte of the body is sent.
    let answer = declared.to(&node).await;
    assert_eq!((answer.status, &*answer.problem()), (413, "body-too-large"));
    let mut endless = chunked(ISSUE);
    endless.body.extend(chunk(&pdf(1 << 20)));
    let more = chunk(&vec![0; 1 << 20]);
    for _ in 0..MAX_ATTACHMENT >> 20 {
        endless.body.extend_from_slice(&more);
    }
    endless.body.extend(b"0\r\n\r\n");
    let answer = endless.to(&node).await;
    assert_eq!((answer.status, &*answer.problem()), (413, "body-too-large"));
    nothing_is_left(&node).await;
}

#[tokio::test]
async fn a_file_without_room_is_refused_before_it_is_read_or_where_the_room_ends() {
    let node = node();
    *node.fake.free.lock() = Some(1 << 20);
    let declared = ask("POST", PATH, ISSUE)
        .header("Content-Type", "application/pdf")
        .header("Content-Length", &(2 << 20).to_string());
    // Not a byte of the body is sent.
    let answer = declared.to(&node).await;
    assert_eq!((answer.status, &*answer.problem()), (507, "storage-full"));
    let mut endless = chunked(ISSUE);
    for _ in 0..4 {
        endless.body.extend(chunk(&pdf(1 << 19)));
    }
    endless.body.extend(b"0\r\n\r\n");
    let answer = endless.to(&node).await;
    assert_eq!((answer.status, &*answer.problem()), (507, "storage-full"));
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains(" MiB free"), "{detail}");
    nothing_is_left(&node).await;
}

#[tokio::test]
async fn a_file_that_is_cut_off_or_stops_coming_leaves_nothing() {
    let node = node_with(Limits {
        idle_time: Duration::from_millis(200),
        ..Limits::default()
    });
    let mut silent = chunked(ISSUE);
    silent.body = chunk(&pdf(600_000));
    let answer = silent.to(&node).await;
    assert_eq!((answer.status, &*answer.problem()), (408, "timeout"));
    nothing_is_left(&node).await;
    let mut stream = connect(node.running.address()).await;
    let begun = format!("{}\r\n", chunked(ISSUE).head).into_bytes();
    stream.write_all(&begun).await.unwrap();
    stream.write_all(&chunk(&pdf(600_000))).await.unwrap();
    drop(stream);
    nothing_is_left(&node).await;
}

#[tokio::test]
async fn transfers_have_places() {
    let node = node_with(Limits {
        transfers: 0,
        ..Limits::default()
    });
    let upload = ask("POST", PATH, ISSUE).body("application/pdf", pdf(100));
    let download = ask(
        "GET",
        &format!("/v1/certificates/{}/attachments/a", id(1)),
        ISSUE,
    );
    for request in [upload, download] {
        let answer = request.to(&node).await;
        assert_eq!((answer.status, &*answer.problem()), (503, "overloaded"));
    }
}

/// Gives the next who asks an attachment of this content.
fn serve_next(node: &Node, content: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
    let attachments = node.fake.attachments();
    let mut receiving = attachments.receive(AttachmentKey::new(&[4; 48])).unwrap();
    receiving.append(content).unwrap();
    let upload = receiving.finish(MediaType::Pdf, 0).unwrap();
    attachments.keep([(0, upload.key.file())]).unwrap();
    let path = node.fake.disk.paths().pop().unwrap();
    node.fake.disk.corrupt(&path, change).unwrap();
    let attachment: Attachment = upload.attachment("执照.pdf".parse().unwrap());
    let file = attachments.read(0, &upload.key, upload.size).unwrap();
    *node.fake.serves.lock() = Some((attachment, file));
}

#[tokio::test]
async fn a_file_goes_out_as_it_came_with_its_type_length_and_name() {
    let node = node();
    let content = pdf(5 * CHUNK + 1);
    serve_next(&node, &content, |_| {});
    let path = format!(
        "/v1/certificates/{}/attachments/%E6%89%A7%E7%85%A7.pdf",
        id(1)
    );
    let answer = ask("GET", &path, ISSUE).to(&node).await;
    assert_eq!((answer.status, answer.whole), (200, true));
    assert!(answer.body == content);
    assert_eq!(answer.header("content-type"), Some("application/pdf"));
    let length = content.len().to_string();
    assert_eq!(answer.header("content-length"), Some(&*length));
    assert_eq!(
        answer.header("content-disposition"),
        Some("attachment; filename*=UTF-8''%E6%89%A7%E7%85%A7.pdf")
    );
    let none = ask("GET", &path, ISSUE).to(&node).await;
    assert_eq!((none.status, &*none.problem()), (404, "not-found"));
    let outside = format!("/v1/certificates/{}/attachments/..%2Fkeys", id(1));
    let answer = ask("GET", &outside, ISSUE).to(&node).await;
    assert_eq!((answer.status, &*answer.problem()), (422, "invalid-field"));
}

#[tokio::test]
async fn nothing_of_a_damaged_chunk_goes_out() {
    let node = node();
    let content = pdf(5 * CHUNK);
    serve_next(&node, &content, |bytes| bytes[64 + 3 * CHUNK] ^= 1);
    let path = format!("/v1/certificates/{}/attachments/a", id(1));
    let answer = ask("GET", &path, ISSUE).to(&node).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() <= 2 * CHUNK);
    assert!(content.starts_with(&answer.body));
}
