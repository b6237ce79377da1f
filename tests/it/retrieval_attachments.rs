//! Attachments from their issuer over real peers: whole, checked, resumed after cuts on either side, gone with their copy.

use std::fs;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use serde_json::json;

use crate::retrieval::kind;
use crate::support::{Ran, TestNet, certmesh, running, until};

const SUBJECT: &str = "11010519491231002X";
const MARKER: &str = "PLANTED-IN-A-SCAN-8841";

/// A type of the first department whose fields and attachments a matter of the second needs, and one that needs fields only.
fn agreed(net: &TestNet) {
    let definition = json!({
        "code": kind(net, 911), "name": "房屋租赁凭证", "sharing": "unconditional",
        "fields": [{ "code": "CZZT", "name": "持证主体", "required": true }, { "code": "ZZBH", "name": "编号" }],
    });
    assert_eq!(net.http(0).post("/v1/types", &definition).status, 201);
    for (code, fields) in [
        ("SCAN", json!(["CZZT", "ZZBH", "@"])),
        ("PLAIN", json!(["CZZT"])),
    ] {
        let matter = json!({
            "code": code, "name": "企业住所登记",
            "sub": [{ "code": "01", "name": "租赁", "requires": [{ "types": [kind(net, 911)], "fields": fields }] }],
        });
        assert_eq!(net.http(1).post("/v1/matters", &matter).status, 201);
    }
    net.converge();
}

/// A PDF of this many bytes, no two pieces of it alike, with a marker in it.
fn scan(bytes: usize) -> Vec<u8> {
    let mut content = b"%PDF-1.7\n".to_vec();
    content.extend_from_slice(MARKER.as_bytes());
    let mut stream = blake3::Hasher::new().update(b"scan").finalize_xof();
    let start = content.len();
    content.resize(bytes, 0);
    stream.fill(&mut content[start..]);
    content
}

/// Issues a certificate with a scan attached; the optional field ZZBH it does not have.
fn issued(net: &TestNet, serial: &str, content: &[u8]) -> String {
    let uploaded = net
        .http(0)
        .post_with("/v1/attachments", "application/pdf", &[], content);
    assert_eq!(uploaded.status, 201, "{uploaded:?}");
    let body = json!({
        "type": kind(net, 911), "serial": serial, "holder": { "kind": "111", "code": SUBJECT },
        "valid_from": "2024-01-01", "fields": { "CZZT": "王某" },
        "attachments": { "租约.pdf": uploaded.json()["upload"] },
    });
    let answer = net.http(0).post("/v1/certificates", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn fetch<'a>(id: &'a str, matter: &'a str) -> Vec<&'a str> {
    vec![
        "--json",
        "fetch",
        id,
        "--matter",
        matter,
        "--purpose",
        "case 9",
        "--attachments",
    ]
}

/// Runs a command at the second department while the test goes on.
fn start(net: &TestNet, args: &[&str]) -> JoinHandle<Ran> {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let node = net.node_file(1).unwrap().api.clone();
    let token = net.member(1).token_file();
    thread::spawn(move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        certmesh(&args, b"", Some(&node), Some(&token))
    })
}

fn parts(net: &TestNet) -> Vec<PathBuf> {
    let listed = fs::read_dir(net.data(1).join("bodies/attachments")).unwrap();
    let paths = listed.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "part"))
        .collect()
}

/// Waits until so many bytes of an attachment have come to the asker.
fn wait_for_part(net: &TestNet, bytes: u64) {
    until("a part of the attachment to come", || {
        let parts = parts(net).into_iter();
        parts
            .filter_map(|path| fs::metadata(path).ok())
            .any(|file| file.len() > bytes)
    });
}

#[test]
fn attachments_come_whole_or_not_at_all_and_only_for_a_matter_that_needs_them() {
    let mut net = running(3);
    agreed(&net);
    let content = scan(3 << 20);
    let id = issued(&net, "A1", &content);
    net.converge();
    let told = net.cli(1, &fetch(&id, "SCAN")).exits(0).json();
    // What the certificate does not have is in no receipt.
    assert_eq!(told["fields"], json!({ "CZZT": "王某" }));
    assert_eq!(told["attachments"][0]["name"], "租约.pdf");
    assert_eq!(told["attachments"][0]["whole"], true, "{told}");
    let case = json!({
        "matter": "SCAN", "subject": { "kind": "111", "code": SUBJECT },
        "collect": { "purpose": "case 9", "reference": "9" },
    });
    let accepted = net.http(1).post("/v1/accept", &case);
    assert_eq!(accepted.status, 201, "{accepted:?}");
    let requirement = accepted.json()["requirements"][0].clone();
    let obstacle = requirement["obstacle"].as_str().unwrap();
    assert!(obstacle.contains("has no ZZBH"), "{obstacle}");
    let collected = requirement["retrieval"].as_str().unwrap();
    let collected = net.cli(1, &["--json", "copy", collected]).json();
    assert_eq!(collected["attachments"][0]["whole"], true, "{collected}");
    let name = told["retrieval"].as_str().unwrap().to_owned();
    net.stop(0).unwrap();
    let to = net.scratch("scans");
    let saved = net.cli(1, &["copy", &name, "--attachments", to.to_str().unwrap()]);
    assert_eq!(saved.code, 0, "{}", saved.err);
    assert_eq!(fs::read(to.join("租约.pdf")).unwrap(), content);
    net.start_again(0);
    net.wait_writable(0);

    until("the issuer to answer again", || {
        let plain = net.cli(1, &fetch(&id, "PLAIN"));
        if plain.code != 0 {
            return false;
        }
        let plain = plain.json();
        assert_eq!(plain["attachments"], json!([]));
        assert_eq!(plain["fields"], json!({ "CZZT": "王某" }));
        true
    });
    let path = format!("/v1/retrievals/{name}/attachments/none.pdf");
    net.http(1).get(&path).problem(404, "not-found");
    let path = format!("/v1/retrievals/{name}/attachments/..%2Fkeys");
    net.http(1).get(&path).problem(422, "invalid-field");
    net.converge();
    let audit = net.http(2).get("/v1/audit").json();
    assert_eq!(audit["wrong"], 0, "{audit}");
    net.stop_all().unwrap();
    for at in 0..3 {
        for path in crate::support::files_below(&net.data(at)) {
            let bytes = fs::read(&path).unwrap();
            let found = bytes
                .windows(MARKER.len())
                .any(|window| window == MARKER.as_bytes());
            assert!(!found, "{} holds the scan", path.display());
        }
    }
}

#[test]
fn a_large_attachment_goes_on_after_the_issuer_or_the_asker_was_cut_off() {
    let mut net = running(2);
    agreed(&net);
    let content = scan(60 << 20);
    let id = issued(&net, "A2", &content);
    net.converge();
    let running = start(&net, &fetch(&id, "SCAN"));
    wait_for_part(&net, 2 << 20);
    net.kill(0);
    net.start_trusting(0);
    let told = running.join().unwrap().exits(0).json();
    assert_eq!(told["attachments"][0]["whole"], true, "{told}");
    assert_eq!(parts(&net), Vec::<PathBuf>::new());

    // The asker dies in the middle of another; its copy knows what is missing.
    let other = issued(&net, "A3", &content[..50 << 20]);
    net.converge();
    let cut = start(&net, &fetch(&other, "SCAN"));
    wait_for_part(&net, 2 << 20);
    net.kill(1);
    cut.join().unwrap();
    net.start_trusting(1);
    let held = fs::metadata(&parts(&net)[0]).unwrap().len();
    assert!(held > 1 << 20, "{held}");
    let subject = json!({ "subject": { "kind": "111", "code": SUBJECT } });
    let log = net.http(1).post("/v1/access-log", &subject).json();
    let events = log["events"].as_array().unwrap();
    let mut own = events
        .iter()
        .filter(|event| event["event"] == "acknowledged");
    let name = own.next_back().unwrap()["retrieval"]
        .as_str()
        .unwrap()
        .to_owned();
    let copy = net.cli(1, &["--json", "copy", &name]).exits(0).json();
    assert_eq!(copy["attachments"][0]["whole"], false, "{copy}");
    let to = net.scratch("scans");
    until("the rest to come", || {
        net.cli(1, &["copy", &name, "--attachments", to.to_str().unwrap()])
            .code
            == 0
    });
    assert_eq!(fs::read(to.join("租约.pdf")).unwrap(), &content[..50 << 20]);
    assert_eq!(parts(&net), Vec::<PathBuf>::new());
}
