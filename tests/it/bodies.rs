//! What certificates say: kept by their issuer alone, encrypted, over restarts and sudden ends, until it is erased.

use std::fs;

use serde_json::{Value, json};

use crate::support::{TestNet, files_below, one_of_two, row, running};

const NAME: &str = "欧阳planted春";

fn planted(number: u64) -> Value {
    let mut row = row(0, "BODY", number);
    row["fields"]["CZZT"] = NAME.into();
    row
}

#[track_caller]
fn issued(net: &TestNet, body: &Value) -> String {
    let answer = net.http(0).post("/v1/certificates", body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
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
fn fields_are_shown_by_their_issuer_alone_to_those_who_issue_and_survive_a_sudden_end() {
    let mut net = running(2);
    let body = planted(0);
    let id = issued(&net, &body);
    net.converge();
    net.kill(0);
    net.start_trusting(0);
    let path = format!("/v1/certificates/{id}/fields");
    let told = net.http(0).get(&path);
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(
        told.json(),
        json!({ "id": id, "holder": body["holder"], "fields": body["fields"] })
    );
    let shown = net.cli(0, &["show", &id, "--fields"]);
    assert!(shown.out.contains(NAME), "{}", shown.out);

    net.http(1).get(&path).problem(409, "other-department");
    let never = certmesh_testnet::sample::Sample::new(0, "NONE")
        .unwrap()
        .id(0);
    let unknown = format!("/v1/certificates/{never}/fields");
    net.http(0).get(&unknown).problem(404, "not-found");
    net.http(0)
        .with_token(None)
        .get(&path)
        .problem(401, "unauthorised");
    assert_eq!(files_that_hold(&net, NAME), Vec::<String>::new());
}

#[test]
fn a_retry_is_distinguished_from_another_request_by_what_its_fields_say() {
    let net = one_of_two();
    let first = planted(0);
    let again = |key: &str, body: &Value| net.http(0).post_keyed("/v1/certificates", key, body);
    assert_eq!(again("k", &first).status, 201);
    assert_eq!(again("k", &first).status, 200);
    assert_eq!(again("other", &first).json()["replayed"], true);
    let mut changed = first.clone();
    changed["fields"]["CZZT"] = "another".into();
    again("k", &changed).problem(422, "idempotency-mismatch");
    again("new", &changed).problem(409, "duplicate-certificate");
}

#[test]
fn erased_fields_are_gone_for_good_and_the_certificate_stands() {
    let mut net = running(2);
    let (id, other) = (issued(&net, &planted(0)), issued(&net, &planted(1)));
    let path = format!("/v1/certificates/{id}");
    let keys = net.data(0).join("bodies/keys");
    let slot = |seq: u64| {
        let bytes = fs::read(&keys).unwrap();
        let at = 96 + 96 * usize::try_from(seq).unwrap();
        bytes[at..at + 96].to_vec()
    };
    let seq = net.http(0).get(&path).json()["position"]["seq"]
        .as_u64()
        .unwrap();
    let before = slot(seq);
    assert_ne!(before, [0; 96]);
    let why = json!({ "text": "kept as long as the law asks" });
    net.converge();
    net.http(1)
        .post(&format!("{path}/erasure"), &why)
        .problem(409, "other-department");
    let erased = net.cli(0, &["erase", &id, "--text", "kept as long as the law asks"]);
    assert_eq!(erased.code, 0, "{}", erased.err);
    assert_eq!(
        net.http(0).post(&format!("{path}/erasure"), &why).status,
        200
    );
    assert_eq!(slot(seq), [0; 96]);
    net.http(0)
        .get(&format!("{path}/fields"))
        .problem(410, "erased");
    net.converge();

    net.kill(0);
    net.start_trusting(0);
    net.http(0)
        .get(&format!("{path}/fields"))
        .problem(410, "erased");
    let kept = net.http(0).get(&format!("/v1/certificates/{other}/fields"));
    assert_eq!(kept.json()["fields"]["CZZT"], NAME);
    for at in 0..2 {
        net.wait_verdict(at, &id, "valid", None);
        let history = net.http(at).get(&format!("{path}/history")).json();
        assert_eq!(history["events"][1]["event"], "fields-erased");
    }
    net.stop_all().unwrap();
    assert_eq!(files_that_hold(&net, NAME), Vec::<String>::new());
    // The key under which the fields could be read is not there either.
    let wrapped = hex::encode(&before[16..88]);
    let anywhere = files_below(net.network().dir())
        .into_iter()
        .any(|path| hex::encode(fs::read(path).unwrap()).contains(&wrapped));
    assert!(!anywhere);
    assert_eq!(net.fsck(0).0, 0);
}
