//! Fields that a department's disk lost: known, named, told from what was erased, and in nobody's way.

use std::fs::{self, File};

use serde_json::json;

use crate::support::{TestNet, run, running, until};

fn warnings(net: &TestNet, at: usize) -> String {
    net.api(at).status().unwrap().warnings.join("\n")
}

/// Empties the files of a department's bodies while its node is down.
fn lose(net: &TestNet, at: usize) {
    for file in ["keys", "bodies"] {
        let file = net.data(at).join("bodies").join(file);
        File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_len(0)
            .unwrap();
    }
}

#[test]
fn lost_fields_are_counted_and_named_and_those_that_were_erased_are_not_among_them() {
    let mut net = running(2);
    let ids = net.issue(0, "LOST", 4);
    net.cli(0, &["erase", &ids[1], "--text", "kept long enough"])
        .exits(0);
    net.converge();
    net.stop(0).unwrap();
    let (code, report) = net.fsck(0);
    assert_eq!(code, 0, "{report}");
    let counts = ["kept", "opened", "erased"].map(|what| report["bodies"][what].as_u64().unwrap());
    assert_eq!(counts, [3, 3, 1], "{report}");
    lose(&net, 0);
    assert_eq!(net.fsck(0).0, 1);
    net.start_again(0);
    net.wait_writable(0);

    assert!(warnings(&net, 0).contains("the fields of 3 certificates (records "));
    let ready = net.http(0).get("/ready");
    assert_eq!(ready.status, 200, "{ready:?}");
    assert!(
        ready.text.contains("the fields of 3 certificates"),
        "{ready:?}"
    );
    let metric = |line: &str| net.http(0).get("/metrics").text.contains(line);
    assert!(metric("certmesh_lost_bodies{of=\"fields\"} 3"));
    let log = fs::read_to_string(net.member(0).node_log()).unwrap();
    assert!(log.contains("the fields of 3 certificates"), "{log}");
    let fields = |id: &str| net.http(0).get(&format!("/v1/certificates/{id}/fields"));
    fields(&ids[0]).problem(500, "lost");
    fields(&ids[1]).problem(410, "erased");
    for at in 0..2 {
        for id in &ids {
            net.wait_verdict(at, id, "valid", None);
        }
    }

    // What is issued from then on is kept, and a record that the fields are gone ends the matter.
    let more = net.issue(0, "MORE", 1);
    assert_eq!(fields(&more[0]).status, 200);
    net.cli(0, &["erase", &ids[0], "--text", "lost with a disk"])
        .exits(0);
    fields(&ids[0]).problem(410, "erased");
    until("the count to go down", || {
        metric("certmesh_lost_bodies{of=\"fields\"} 2")
    });
    net.converge();
    net.stop(0).unwrap();
    let (code, report) = net.fsck(0);
    assert_eq!(
        (code, report["bodies"]["fault_count"].as_u64()),
        (1, Some(2))
    );
    net.start_again(0);
    net.wait_writable(0);
    assert!(warnings(&net, 0).contains("the fields of 2 certificates"));
    assert!(!warnings(&net, 1).contains("lost on this disk"));
}

#[test]
fn fields_that_rotted_where_they_lie_are_found_before_anyone_asks_for_them() {
    let mut net = running(2);
    let ids = net.issue(0, "ROT", 3);
    net.converge();
    net.stop(0).unwrap();
    // The body of the certificate that was issued first stands first.
    let file = net.data(0).join("bodies/bodies");
    let mut bytes = fs::read(&file).unwrap();
    bytes[64 + 20] ^= 1;
    fs::write(&file, bytes).unwrap();
    net.start_again(0);
    net.wait_writable(0);
    let metric = |line: &str| net.http(0).get("/metrics").text.contains(line);
    until("the fields to be found", || {
        metric("certmesh_lost_bodies{of=\"fields\"} 1")
            && metric("certmesh_bodies_unread_records 0")
    });
    assert!(warnings(&net, 0).contains("the fields of 1 certificate"));
    let log = fs::read_to_string(net.member(0).node_log()).unwrap();
    assert!(log.contains("is no longer what was written"), "{log}");
    let fields = |id: &str| net.http(0).get(&format!("/v1/certificates/{id}/fields"));
    fields(&ids[0]).problem(500, "lost");
    for id in &ids[1..] {
        assert_eq!(fields(id).status, 200);
    }
    // A record that they are gone ends the matter here, too.
    net.cli(0, &["erase", &ids[0], "--text", "rotted on a disk"])
        .exits(0);
    until("the count to go down", || {
        metric("certmesh_lost_bodies{of=\"fields\"} 0")
    });
}

#[test]
fn a_node_does_not_start_with_a_field_key_that_its_fields_were_not_kept_under() {
    let mut net = running(2);
    let ids = net.issue(0, "KEY", 1);
    net.converge();
    net.stop(0).unwrap();
    let key = |at: usize| {
        net.member(at)
            .config()
            .with_file_name("keys")
            .join("field.key")
    };
    let own = fs::read(key(0)).unwrap();
    fs::write(key(0), fs::read(key(1)).unwrap()).unwrap();
    let config = net.member(0).config();
    for command in ["check", "run"] {
        let ran = run(
            "node",
            &[command, "--config", config.to_str().unwrap()],
            b"",
            |_| (),
        );
        assert!(
            ran.code == 2
                && ran.err.contains("another field key")
                && ran.err.contains("keys.field"),
            "{ran:?}"
        );
    }
    let (code, report) = net.fsck(0);
    let said = report["bodies"]["faults"][0]["rule"]
        .as_str()
        .unwrap_or_default();
    assert!(code == 1 && said.contains("another field key"), "{report}");
    fs::write(key(0), own).unwrap();
    net.start_again(0);
    let path = format!("/v1/certificates/{}/fields", ids[0]);
    assert_eq!(net.http(0).get(&path).status, 200);
}

#[test]
fn a_backup_is_checked_without_a_node_and_says_what_it_lacks() {
    let mut net = running(2);
    net.issue(0, "BACK", 3);
    net.converge();
    net.stop(0).unwrap();
    let backup = net.scratch("backup");
    fs::create_dir_all(&backup).unwrap();
    for file in ["keys", "bodies"] {
        fs::copy(net.data(0).join("bodies").join(file), backup.join(file)).unwrap();
    }
    let (network, data) = (net.data(0).join("network.toml"), net.data(0));
    let key = net
        .member(0)
        .config()
        .with_file_name("keys")
        .join("field.key");
    let fsck = |more: &[&str]| {
        let bodies = backup.to_str().unwrap();
        let network = network.to_str().unwrap();
        let fixed = ["fsck", "--json", "--bodies", bodies, "--network", network];
        net.cli(0, &[&fixed[..], more].concat())
    };
    let key = ["--field-key", key.to_str().unwrap()];
    // What can't be opened is not known to be whole.
    let alone = fsck(&key).exits(3).json();
    assert_eq!(alone["ok"], json!(false));
    assert_eq!(alone["bodies"]["kept"], json!(3));
    assert!(
        alone["bodies"]["unchecked"][0]
            .as_str()
            .unwrap()
            .contains("is not here")
    );
    let with_logs = ["--data", data.to_str().unwrap(), key[0], key[1]];
    let checked = fsck(&with_logs).exits(0).json();
    assert_eq!(checked["bodies"]["opened"], json!(3), "{checked}");
    let mut bytes = fs::read(backup.join("bodies")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(backup.join("bodies"), bytes).unwrap();
    let checked = fsck(&with_logs).exits(1).json();
    assert_eq!(checked["bodies"]["fault_count"], json!(1), "{checked}");
}
