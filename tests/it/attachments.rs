//! Attachments over real processes: they come in, are committed to, go out again as they came, and go for good.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use certmesh_ledger::bodies::Upload;
use certmesh_ledger::crypto::keys::{FieldKey, Secret, SecretFile};
use serde_json::{Value, json};

use crate::support::{
    Answer, Http, Ran, TestNet, files_below, founded, one_of_two, row, running, until,
};

/// Stands in the plain text of each attachment again and again.
const MARKER: &str = "planted in an attachment 欧阳";
const MIB: usize = 1 << 20;

/// A PDF as far as anyone here looks, no two chunks of which are alike.
fn pdf(len: usize) -> Vec<u8> {
    let mut content = b"%PDF-1.7\n".to_vec();
    let mut line = 0_u64;
    while content.len() < len {
        content.extend_from_slice(format!("{MARKER} {line}\n").as_bytes());
        line += 1;
    }
    content.truncate(len);
    content
}

fn upload(http: &Http, content: &[u8]) -> Answer {
    http.post_with("/v1/attachments", "application/pdf", &[], content)
}

#[track_caller]
fn uploaded(http: &Http, content: &[u8]) -> String {
    let answer = upload(http, content);
    assert_eq!(answer.status, 201, "{answer:?}");
    let told = answer.json();
    assert_eq!(told["size"], content.len());
    let hash = blake3::hash(content).to_hex();
    assert_eq!(told["content"], hash.as_str());
    told["upload"].as_str().unwrap().to_owned()
}

fn with(number: u64, attachments: &Value) -> Value {
    let mut row = row(0, "ATT", number);
    row["attachments"] = attachments.clone();
    row
}

#[track_caller]
fn issued(http: &Http, body: &Value) -> String {
    let answer = http.post("/v1/certificates", body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// The bytes of an attachment, as a client gets them.
fn download(http: &Http, id: &str, name: &str) -> (u16, Vec<u8>) {
    let url = format!(
        "http://{}/v1/certificates/{id}/attachments/{name}",
        http.address()
    );
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .new_agent();
    let token = format!("Bearer {}", http.token());
    let mut answer = agent
        .get(url)
        .header("Authorization", token)
        .call()
        .unwrap();
    let mut bytes = Vec::new();
    let status = answer.status().as_u16();
    answer
        .body_mut()
        .as_reader()
        .read_to_end(&mut bytes)
        .unwrap();
    (status, bytes)
}

fn below(net: &TestNet, directory: &str) -> Vec<Vec<u8>> {
    let files = files_below(&net.data(0).join("bodies").join(directory));
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn files_that_hold(net: &TestNet, text: &str) -> Vec<String> {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|at| at == text.as_bytes());
    let files = files_below(net.network().dir()).into_iter();
    files
        .filter(|path| holds(&fs::read(path).unwrap()))
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn attachments_are_committed_to_like_fields_and_go_out_as_they_came_also_after_a_sudden_end() {
    let mut net = running(2);
    let http = net.http(0);
    let (large, small) = (pdf(3 * MIB), pdf(100));
    let body = with(
        0,
        &json!({"执照.pdf": uploaded(&http, &large), "附-1.pdf": uploaded(&http, &small)}),
    );
    let answer = http.post_keyed("/v1/certificates", "key", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    net.kill(0);
    net.start_trusting(0);
    let http = net.http(0);
    let again = http.post_keyed("/v1/certificates", "key", &body);
    assert_eq!(
        (again.status, &again.json()["replayed"]),
        (200, &true.into())
    );

    let fields = http.get(&format!("/v1/certificates/{id}/fields")).json();
    assert_eq!(fields["fields"], row(0, "ATT", 0)["fields"]);
    let hash = |content: &[u8]| blake3::hash(content).to_hex().to_string();
    let told = |name: &str, content: &[u8]| json!({"name": name, "media_type": "application/pdf", "size": content.len(), "content": hash(content)});
    assert_eq!(
        fields["attachments"],
        json!([told("执照.pdf", &large), told("附-1.pdf", &small)])
    );
    let coded = "%E6%89%A7%E7%85%A7.pdf";
    let (status, bytes) = download(&http, &id, coded);
    assert!(status == 200 && bytes == large);
    assert_eq!(download(&http, &id, "none.pdf").0, 404);

    // What the log says of them verifies at the other department and offline; the files stay here.
    net.converge();
    net.wait_verdict(1, &id, "valid", None);
    let at_the_other = format!("/v1/certificates/{id}/attachments/{coded}");
    net.http(1)
        .get(&at_the_other)
        .problem(409, "other-department");
    let proof = net.scratch("proof");
    let proof = proof.to_str().unwrap();
    net.cli(1, &["prove", &id, "-o", proof]).exits(0);
    let genesis = net.network().dir().join("network.toml");
    let verify = ["verify", proof, "--network", genesis.to_str().unwrap()];
    net.cli(1, &verify).exits(0);
    assert_eq!(below(&net, "attachments").len(), 2);
    assert_eq!(below(&net, "uploads").len(), 0);
    net.stop_all().unwrap();
    assert_eq!(files_that_hold(&net, MARKER), Vec::<String>::new());
    assert_eq!(files_that_hold(&net, "执照.pdf"), Vec::<String>::new());
}

#[test]
fn what_is_erased_is_gone_for_good_and_other_attachments_are_not() {
    let net = one_of_two();
    let http = net.http(0);
    let content = pdf(300_000);
    let one = issued(
        &http,
        &with(0, &json!({"a.pdf": uploaded(&http, &content)})),
    );
    let other = issued(
        &http,
        &with(1, &json!({"a.pdf": uploaded(&http, &content)})),
    );
    let files = below(&net, "attachments");
    assert_eq!(files.len(), 2);
    assert_ne!(files[0], files[1], "each has a key of its own");
    net.cli(
        0,
        &["erase", &one, "--text", "kept as long as the law asks"],
    )
    .exits(0);
    http.get(&format!("/v1/certificates/{one}/attachments/a.pdf"))
        .problem(410, "erased");
    assert_eq!(below(&net, "attachments").len(), 1);
    assert!(download(&http, &other, "a.pdf").1 == content);
    assert_eq!(files_that_hold(&net, MARKER), Vec::<String>::new());
}

#[test]
fn an_upload_is_for_one_certificate_of_the_department_that_took_it() {
    let net = running(2);
    let http = net.http(0);
    let token = uploaded(&http, &pdf(200));
    let foreign = uploaded(&net.http(1), &pdf(200));
    let refused = |answer: Answer, place: &str| {
        assert_eq!(answer.problem(422, "invalid-field").as_deref(), Some(place));
    };
    for wrong in [foreign.as_str(), "", "00", &token.replace('a', "b")] {
        let body = with(0, &json!({"a.pdf": wrong}));
        refused(http.post("/v1/certificates", &body), "attachments.a.pdf");
    }
    let twice = with(0, &json!({"a.pdf": token, "b.pdf": token}));
    refused(http.post("/v1/certificates", &twice), "attachments.b.pdf");
    // What was refused took nothing.
    let first = with(0, &json!({"a.pdf": token}));
    assert_eq!(http.post_keyed("/v1/certificates", "k", &first).status, 201);
    let second = with(1, &json!({"a.pdf": token}));
    refused(http.post("/v1/certificates", &second), "attachments.a.pdf");
    http.post("/v1/certificates", &first)
        .problem(409, "duplicate-certificate");
    // The same files sent again are the same content, wherever they lie.
    let again = with(0, &json!({"a.pdf": uploaded(&http, &pdf(200))}));
    let answer = http.post_keyed("/v1/certificates", "k", &again);
    assert_eq!(
        (answer.status, &answer.json()["replayed"]),
        (200, &true.into())
    );
    let changed = with(0, &json!({"a.pdf": uploaded(&http, &pdf(201))}));
    http.post_keyed("/v1/certificates", "k", &changed)
        .problem(422, "idempotency-mismatch");

    // A row of a bulk request takes attachments too, and two rows of one request can't share one.
    let token = uploaded(&http, &pdf(300));
    let rows = [2, 3].map(|number| with(number, &json!({"a.pdf": token})).to_string());
    let answers = http.bulk(&[], rows.join("\n").as_bytes()).lines();
    assert_eq!(
        (&answers[0]["ok"], &answers[1]["ok"]),
        (&true.into(), &false.into())
    );
    assert_eq!(answers[1]["error"]["field"], "attachments.a.pdf");
    let id = answers[0]["id"].as_str().unwrap();
    assert!(download(&http, id, "a.pdf").1 == pdf(300));
}

#[test]
fn an_upload_of_long_ago_is_distinguished_from_a_request_that_was_answered_before() {
    let net = one_of_two();
    let http = net.http(0);
    let field_key = fs::read_to_string(net.member(0).dir.join("keys/field.key")).unwrap();
    let field_key = SecretFile::Field.read(&field_key).unwrap();
    let field_key = FieldKey(Secret::from_bytes(*field_key));
    // The token as it is when its day has passed.
    let expired = |token: &str| {
        let mut upload = Upload::open(&field_key, token).unwrap();
        upload.expires_ms -= 24 * 3600 * 1000 + 1;
        upload.seal(&field_key, [1; 24])
    };
    let (one, two) = (uploaded(&http, &pdf(200)), uploaded(&http, &pdf(200)));
    let late = with(0, &json!({"a.pdf": expired(&one)}));
    let refused = http.post_keyed("/v1/certificates", "k", &late);
    assert_eq!(
        refused.problem(422, "invalid-field").as_deref(),
        Some("attachments.a.pdf")
    );
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .contains("24 hours")
    );
    let in_time = with(0, &json!({"a.pdf": two}));
    assert_eq!(
        http.post_keyed("/v1/certificates", "k", &in_time).status,
        201
    );
    let again = with(0, &json!({"a.pdf": expired(&two)}));
    assert_eq!(http.post_keyed("/v1/certificates", "k", &again).status, 200);
}

#[test]
fn a_file_that_is_refused_or_cut_off_leaves_nothing() {
    let mut net = founded(2);
    let tokens = net.member(0).dir.join("tokens.toml");
    let mut text = fs::read_to_string(&tokens).unwrap();
    let hash = blake3::hash(b"clerk-secret");
    text.push_str(&format!(
        "[[client]]\nname = \"clerk\"\nrole = \"clerk\"\ntoken_blake3 = \"{hash}\"\n"
    ));
    fs::write(&tokens, text).unwrap();
    net.start_trusting(0);
    let http = net.http(0);
    upload(&http, b"no PDF").problem(422, "invalid-field");
    http.post_with("/v1/attachments", "text/html", &[], b"<html>")
        .problem(415, "unsupported-media-type");
    http.with_token(None)
        .post_with("/v1/attachments", "application/pdf", &[], b"%PDF-")
        .problem(401, "unauthorised");
    upload(&http.with_token(Some("clerk-secret")), b"%PDF-").problem(403, "forbidden");
    // One byte too many is refused before any is sent.
    let head = |length: usize| {
        format!(
            "POST /v1/attachments HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: \
             application/pdf\r\nContent-Length: {length}\r\n\r\n",
            http.token()
        )
    };
    let mut stream = TcpStream::connect(http.address()).unwrap();
    stream.write_all(head(64 * MIB + 1).as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    // A client that goes away in the middle.
    let mut stream = TcpStream::connect(http.address()).unwrap();
    stream.write_all(head(8 * MIB).as_bytes()).unwrap();
    stream.write_all(&pdf(2 * MIB)).unwrap();
    until("the upload to begin", || {
        below(&net, "uploads").iter().any(|file| file.len() > MIB)
    });
    assert_eq!(files_that_hold(&net, MARKER), Vec::<String>::new());
    drop(stream);
    until("the upload to be removed", || {
        below(&net, "uploads").is_empty()
    });
}

#[test]
fn the_largest_file_there_can_be_takes_little_memory() {
    let mut net = one_of_two();
    let http = net.http(0);
    let content = pdf(64 * MIB);
    // The first request warms up what every request needs.
    uploaded(&http, &pdf(MIB));
    let before = net.memory(0);
    let token = uploaded(&http, &content);
    let id = issued(&http, &with(0, &json!({"a.pdf": token})));
    assert!(download(&http, &id, "a.pdf").1 == content);
    let grown = net.memory(0).saturating_sub(before);
    assert!(grown < 24 * MIB as u64, "{grown} bytes more");
    // What was begun when the process ended suddenly is removed at the next start; a whole upload waits on.
    let waiting = uploaded(&http, &pdf(MIB));
    fs::write(net.data(0).join("bodies/uploads/00.part"), "begun").unwrap();
    net.kill(0);
    net.start_trusting(0);
    assert!(below(&net, "uploads").iter().all(|file| file.len() > MIB));
    let id = issued(&net.http(0), &with(1, &json!({"b.pdf": waiting})));
    assert!(download(&net.http(0), &id, "b.pdf").1 == pdf(MIB));
}

#[test]
fn an_attachment_whose_record_never_came_is_an_upload_again() {
    let mut net = one_of_two();
    let http = net.http(0);
    let token = uploaded(&http, &pdf(MIB));
    let size = net.held(0, 0).size;
    net.kill(0);
    // As a crash between the two leaves it: moved, but the log does not know.
    let bodies = net.data(0).join("bodies");
    let file = files_below(&bodies.join("uploads")).pop().unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let moved = bodies.join(format!("attachments/{size:012}-{name}"));
    fs::rename(&file, moved).unwrap();
    net.start_trusting(0);
    let http = net.http(0);
    // Another certificate takes the position, and the upload is still there for its own.
    let other = issued(&http, &row(0, "ATT", 7));
    let id = issued(&http, &with(0, &json!({"a.pdf": token})));
    assert!(download(&http, &id, "a.pdf").1 == pdf(MIB));
    assert_eq!(download(&http, &other, "a.pdf").0, 404);
}

#[test]
fn attachments_are_asked_for_and_granted_under_one_code_and_no_standard_refuses_them() {
    let net = running(2);
    let code = format!("{}901", net.code(0));
    let definition = json!({
        "code": code, "name": "证照", "sharing": "conditional",
        "fields": [{ "code": "ZZMC", "name": "名称", "required": true }],
    });
    assert_eq!(net.http(0).post("/v1/types", &definition).status, 201);
    let mut listed = definition.clone();
    listed["fields"][0]["code"] = "@scan.pdf".into();
    let place = net.http(0).post("/v1/types", &listed);
    assert_eq!(
        place.problem(422, "invalid-field").as_deref(),
        Some("fields[0].code")
    );
    let matter = json!({
        "code": "M", "name": "事项", "sub": [{ "code": "1", "name": "首次", "requires": [
            { "types": [code], "fields": ["ZZMC", "@"] },
        ] }],
    });
    assert_eq!(net.http(1).post("/v1/matters", &matter).status, 201);
    let body = json!({
        "type": code, "serial": "N1", "valid_from": "2020-01-01",
        "holder": { "kind": "111", "code": "11010519491231002X" },
        "fields": { "ZZMC": "证照" },
        "attachments": { "scan.pdf": uploaded(&net.http(0), &pdf(100)) },
    });
    issued(&net.http(0), &body);
    let grant = json!({ "department": net.code(1), "type": code, "fields": ["@"] });
    assert_eq!(net.http(0).post("/v1/grants", &grant).status, 201);
    net.converge();
    let case = json!({ "matter": "M", "subject": body["holder"] });
    let told = net.http(1).post("/v1/accept", &case).json();
    let requirement = &told["requirements"][0];
    assert_eq!(requirement["state"], "needs-grant", "{told}");
    assert_eq!(requirement["fields"], json!(["ZZMC", "@"]));
    assert_eq!(requirement["visible"], json!(["@"]));
}

/// A directory with a certificate and files to attach, one of which is not what its name says.
struct Desk {
    dir: PathBuf,
    scan: Vec<u8>,
}

impl Desk {
    fn of(net: &TestNet) -> Desk {
        let dir = net.scratch("files");
        fs::create_dir(&dir).unwrap();
        let desk = Desk {
            dir,
            scan: pdf(5 * MIB),
        };
        for (name, content) in [
            ("执照 (1).PDF", &desk.scan[..]),
            ("photo.jpg", b"\xff\xd8\xff\xe0 a picture"),
            ("wrong.png", b"no picture"),
            ("certificate.json", row(0, "ATT", 0).to_string().as_bytes()),
        ] {
            fs::write(desk.dir.join(name), content).unwrap();
        }
        desk
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.join(name)).unwrap()
    }

    /// `certmesh issue` with the two good files, and these arguments.
    fn issue(&self, net: &TestNet, more: &[&str]) -> Ran {
        let json = self.path("certificate.json");
        let (scan, photo) = (self.path("执照 (1).PDF"), self.path("photo.jpg"));
        let issue = [
            "issue", "--from", &json, "--attach", &scan, "--attach", &photo,
        ];
        net.cli(0, &[&issue[..], more].concat())
    }
}

fn wrong_files_are_named_and_nothing_is_uploaded(net: &TestNet, desk: &Desk) {
    let (bad, json) = (desk.path("wrong.png"), desk.path("certificate.json"));
    let refused = desk.issue(net, &["--attach", &bad, "--attach", &json]);
    let refused = refused.exits(2).err;
    assert!(refused.contains("wrong.png: does not begin"), "{refused}");
    assert!(refused.contains("certificate.json: its name"), "{refused}");
    assert_eq!(below(net, "uploads").len(), 0);
}

/// The identifier of what was issued, and of what is issued when that is asked again though the files were sent again.
fn the_certificate_is_issued_once_with_both_files(net: &TestNet, desk: &Desk) -> String {
    let done = desk.issue(net, &[]).exits(0);
    assert!(done.out.contains("with 2 attachments"), "{}", done.out);
    assert!(done.err.contains("执照__1_.PDF"), "{}", done.err);
    let again = desk.issue(net, &["--json"]).exits(0).json();
    assert_eq!(again["replayed"], true);
    again["id"].as_str().unwrap().to_owned()
}

fn the_files_are_saved_as_they_were_and_over_no_other_file(net: &TestNet, desk: &Desk, id: &str) {
    let fields = net.cli(0, &["show", id, "--fields"]).exits(0);
    assert!(
        fields.out.contains("photo.jpg (image/jpeg, 14 bytes)"),
        "{}",
        fields.out
    );
    let out = desk.path("saved");
    let show = ["show", id, "--attachments", &out, "--json"];
    let saved = net.cli(0, &show).exits(0).json();
    assert_eq!(saved["attachments"].as_array().unwrap().len(), 2);
    assert!(desk.read("saved/执照__1_.PDF") == desk.scan);
    assert_eq!(desk.read("saved/photo.jpg"), desk.read("photo.jpg"));
    fs::write(desk.path("saved/photo.jpg"), "mine").unwrap();
    let kept = net.cli(0, &show).exits(2);
    assert!(kept.err.contains("already exists"), "{}", kept.err);
    assert_eq!(desk.read("saved/photo.jpg"), b"mine");
}

#[test]
fn the_command_attaches_files_and_saves_them_checked() {
    let net = one_of_two();
    let desk = Desk::of(&net);
    wrong_files_are_named_and_nothing_is_uploaded(&net, &desk);
    let id = the_certificate_is_issued_once_with_both_files(&net, &desk);
    the_files_are_saved_as_they_were_and_over_no_other_file(&net, &desk, &id);
    net.cli(0, &["erase", &id, "--text", "test"]).exits(0);
    let other = desk.path("other");
    net.cli(0, &["show", &id, "--attachments", &other]).exits(2);
}
