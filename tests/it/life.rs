//! The whole life of a certificate over real peers: renewed, amended, merged, split, transferred; what became of it is
//! known everywhere.

use std::fs;

use certmesh_ledger::id::CertificateId;
use serde_json::{Value, json};

use crate::support::{TestNet, eventually, one_of_two, row, running};

fn version(id: &str, version: u16) -> String {
    let id: CertificateId = id.parse().unwrap();
    CertificateId::new(id.type_code(), id.issuer(), id.serial(), version)
        .unwrap()
        .to_string()
}

fn get(net: &TestNet, at: usize, id: &str, what: &str) -> Value {
    let answer = net.http(at).get(&format!("/v1/certificates/{id}{what}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Identifiers that the verdict names in a certificate's place.
fn successors(net: &TestNet, at: usize, id: &str) -> Vec<String> {
    let found = get(net, at, id, "/verification");
    let list = found["successors"].as_array().cloned().unwrap_or_default();
    list.iter()
        .map(|next| next["id"].as_str().unwrap().to_owned())
        .collect()
}

/// What happened, as `certificate's serial, version: event`.
fn events(net: &TestNet, at: usize, id: &str) -> Vec<String> {
    let history = get(net, at, id, "/history");
    assert_eq!(
        (&history["id"], &history["cut"]),
        (&json!(id), &json!(false))
    );
    let events = history["events"].as_array().unwrap();
    let told = events.iter().map(|event| {
        assert!(event["ignored"].is_null(), "{event}");
        let id: CertificateId = event["id"].as_str().unwrap().parse().unwrap();
        let serial = id.serial().trim_start_matches(char::is_alphabetic);
        let number = serial.trim_start_matches('0');
        format!(
            "{number}.{}: {}",
            id.version(),
            event["event"].as_str().unwrap()
        )
    });
    told.collect()
}

#[track_caller]
fn command(net: &TestNet, at: usize, args: &[&str]) -> Value {
    let args = [args, &["--json"]].concat();
    net.cli(at, &args).exits(0).json()
}

/// The faults by which a request to issue is refused, as `field: detail`.
#[track_caller]
fn refused(net: &TestNet, at: usize, body: &Value) -> Vec<String> {
    let answer = net.http(at).post("/v1/certificates", body);
    answer.problem(422, "invalid-field");
    let faults = answer.json()["faults"].clone();
    let faults = faults.as_array().unwrap().iter();
    faults
        .map(|fault| {
            let text = |name: &str| fault[name].as_str().unwrap().to_owned();
            format!("{}: {}", text("field"), text("detail"))
        })
        .collect()
}

#[test]
fn a_renewal_is_the_next_version_and_the_old_one_names_it_everywhere() {
    let net = running(2);
    // Its days are long over, which needs no record and hinders no renewal.
    let mut old = row(0, "LIFE", 1);
    old["valid_from"] = "2001-01-01".into();
    old["valid_until"] = "2002-01-01".into();
    let answer = net.http(0).post("/v1/certificates", &old);
    assert_eq!(answer.status, 201, "{answer:?}");
    let first = old["id"].as_str().unwrap();
    net.wait_verdict(1, first, "not-valid", Some("expired"));
    assert_eq!(events(&net, 0, first), ["1.1: issued"]);

    let missing = net.cli(0, &["renew", first]).exits(2);
    assert!(missing.err.contains("--valid-until"), "{}", missing.err);
    let renewed = command(&net, 0, &["renew", first, "--valid-until", "2999-01-01"]);
    let second = version(first, 2);
    assert_eq!(renewed["id"], second);
    net.wait_verdict(1, first, "not-valid", Some("superseded"));
    net.wait_verdict(1, &second, "valid", None);
    assert_eq!(successors(&net, 1, first), std::slice::from_ref(&second));
    let verdict = net.cli(1, &["verify", first]).exits(1).out;
    assert!(
        verdict.contains(&format!("replaced by {second}")),
        "{verdict}"
    );
    assert!(verdict.contains("renewal, record"), "{verdict}");
    // What the old one said, the new one says.
    let told = get(&net, 0, &second, "/fields");
    assert_eq!(
        (&told["fields"], &told["holder"]),
        (&old["fields"], &old["holder"])
    );
    let again = command(&net, 0, &["renew", first, "--valid-until", "2999-01-01"]);
    assert_eq!(again["replayed"], true);

    command(&net, 0, &["renew", &second, "--no-end"]);
    let third = version(first, 3);
    net.wait_verdict(1, &third, "valid", None);
    let chain = [
        "1.1: issued",
        "1.2: issued",
        "1.1: superseded",
        "1.3: issued",
        "1.2: superseded",
    ];
    for id in [first, &second, &third] {
        for at in 0..2 {
            assert_eq!(events(&net, at, id), chain);
        }
    }
    let shown = net.cli(1, &["history", &third]).exits(0).out;
    // Identifiers are as wide as a screen: the table names them by numbers.
    let numbered = shown.contains(&format!("  2  {second}\n"));
    assert!(
        numbered && shown.contains("renewal of certificate 2"),
        "{shown}"
    );
    // A proof carries the successor's record with it.
    let (proof, genesis) = (
        net.scratch("old.proof"),
        net.network().dir().join("network.toml"),
    );
    let proof = proof.to_str().unwrap();
    net.cli(1, &["prove", first, "-o", proof]).exits(0);
    let offline = net.cli(
        1,
        &[
            "verify",
            proof,
            "--network",
            genesis.to_str().unwrap(),
            "--json",
        ],
    );
    assert_eq!(offline.exits(1).json()["successors"][0]["id"], second);
}

#[test]
fn an_amendment_changes_what_it_is_given_and_keeps_the_rest() {
    let net = one_of_two();
    let old = row(0, "LIFE", 1);
    let first = net.issue(0, "LIFE", 2).remove(1);
    let input = json!({"CZZT": "变更后", "ZZBFRQ": null}).to_string();
    let args = ["amend", &first, "--fields", "-", "--sharing", "not-shared"];
    let amended = net.cli_with(0, &args, input.as_bytes()).exits(0);
    let second = version(&first, 2);
    assert!(
        amended.out.contains(&format!("AMENDED  {second}")),
        "{amended:?}"
    );
    let mut fields = old["fields"].clone();
    fields["CZZT"] = "变更后".into();
    fields.as_object_mut().unwrap().remove("ZZBFRQ");
    let told = get(&net, 0, &second, "/fields");
    assert_eq!(
        (&told["fields"], &told["holder"]),
        (&fields, &old["holder"])
    );
    let new = get(&net, 0, &second, "");
    assert_eq!(new["sharing"], "not-shared");
    assert_eq!(new["valid_from"], old["valid_from"]);
    assert_eq!(new["valid_until"], old["valid_until"]);
    assert_eq!(new["succession"], "amendment");
    assert_eq!(new["predecessors"], json!([first]));
    let shown = net.cli(0, &["show", &second]).exits(0).out;
    assert!(shown.contains(&format!("{first} (amendment)")), "{shown}");

    // Fields that are erased cannot be kept, and are not left out in silence.
    let text = "kept as long as the law asks";
    net.cli(0, &["erase", &second, "--text", text]).exits(0);
    let lost = net.cli(0, &["amend", &second]).exits(2);
    assert!(
        lost.err.contains("--holder-kind and --fields"),
        "{}",
        lost.err
    );
}

#[test]
fn several_are_merged_into_one_and_each_names_it() {
    let net = running(2);
    let ids = net.issue(0, "LIFE", 6);
    let (one, two, three) = (&ids[1], &ids[3], &ids[5]);
    let lonely = net.cli(0, &["merge", one, "--serial", "MERGED"]).exits(2);
    assert!(lonely.err.contains("ID"), "{}", lonely.err);
    let merged = command(&net, 0, &["merge", one, two, three, "--serial", "MERGED9"]);
    let new = merged["id"].as_str().unwrap();
    net.wait_verdict(1, new, "valid", None);
    for old in [one, two, three] {
        net.wait_verdict(1, old, "not-valid", Some("superseded"));
        assert_eq!(successors(&net, 1, old), [new]);
    }
    let told = get(&net, 1, new, "");
    assert_eq!(
        (&told["succession"], &told["predecessors"]),
        (&json!("merge"), &json!([one, two, three]))
    );
    let mut chain = events(&net, 1, two);
    assert_eq!(chain.len(), 7, "{chain:?}");
    assert_eq!(
        chain.split_off(3),
        [
            "9.1: issued",
            "1.1: superseded",
            "3.1: superseded",
            "5.1: superseded"
        ]
    );
}

#[test]
fn a_split_issues_all_parts_and_the_old_one_names_them() {
    let net = running(2);
    let whole = net.issue(0, "LIFE", 2).remove(1);
    let part = |name: &str, content: Value| {
        let path = net.scratch(name);
        fs::write(&path, content.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let north = part(
        "north.json",
        json!({"serial": "N2", "fields": {"CZZT": "北"}}),
    );
    let south = part("south.json", json!({"serial": "S3"}));
    let nameless = part("nameless.json", json!({"fields": {"CZZT": "无"}}));
    let size = net.held(0, 0).size;
    let faulty = ["split", &whole, "--part", &north, "--part", &nameless];
    let faulty = net.cli(0, &faulty).exits(2);
    assert!(
        faulty.err.contains("nameless.json: serial"),
        "{}",
        faulty.err
    );
    let lonely = net.cli(0, &["split", &whole, "--part", &north]).exits(2);
    assert!(
        lonely.err.contains("one part is not a split"),
        "{}",
        lonely.err
    );
    // A part that is wrong is found before any is issued.
    assert_eq!(net.held(0, 0).size, size);

    let args = ["split", &whole, "--part", &north, "--part", &south];
    let parts = command(&net, 0, &args);
    let ids: Vec<&str> = parts
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["id"].as_str().unwrap())
        .collect();
    let again = command(&net, 0, &args);
    assert!(
        again
            .as_array()
            .unwrap()
            .iter()
            .all(|part| part["replayed"] == true),
        "{again}"
    );
    // One more, later.
    let west = part("west.json", json!({"serial": "W4", "valid_until": null}));
    let third = command(&net, 0, &["split", &whole, "--part", &west]);
    let third = third[0]["id"].as_str().unwrap();
    net.wait_verdict(1, third, "valid", None);
    assert_eq!(successors(&net, 1, &whole), [ids[0], ids[1], third]);
    let verdict = get(&net, 1, &whole, "/verification");
    let text = verdict["explanation"].as_str().unwrap();
    assert!(
        ids.iter().all(|id| text.contains(id)) && text.contains(third),
        "{text}"
    );
    let old = get(&net, 0, &whole, "/fields");
    let fields = get(&net, 0, ids[0], "/fields")["fields"].clone();
    assert_eq!(
        (&fields["CZZT"], &fields["ZZMC"]),
        (&json!("北"), &old["fields"]["ZZMC"])
    );
    assert_eq!(
        events(&net, 1, third),
        [
            "1.1: issued",
            "2.1: issued",
            "1.1: superseded",
            "3.1: issued",
            "1.1: superseded",
            "4.1: issued",
            "1.1: superseded"
        ]
    );
}

#[test]
fn a_transfer_is_shown_by_a_third_department_while_both_others_are_down() {
    let mut net = running(3);
    let old = row(0, "LIFE", 1);
    let first = net.issue(0, "LIFE", 2).remove(1);
    let second = version(&first, 2);
    command(&net, 0, &["amend", &first]);
    net.wait_verdict(1, &second, "valid", None);
    let holder = net.scratch("holder.txt");
    fs::write(&holder, old["holder"]["code"].as_str().unwrap()).unwrap();
    let fields = net.scratch("fields.json");
    fs::write(&fields, old["fields"].to_string()).unwrap();
    let kind = old["holder"]["kind"].as_str().unwrap();
    let args = ["transfer", &second, "--serial", "T7", "--holder-kind", kind];
    let args = [&args[..], &["--holder-code-file", holder.to_str().unwrap()]].concat();
    // Only its own department has what the old one says.
    let missing = net.cli(1, &args).exits(2);
    assert!(missing.err.contains("--fields"), "{}", missing.err);
    let args = [&args[..], &["--fields", fields.to_str().unwrap()]].concat();
    // The old department has not let it go.
    let kept = net.cli(1, &args).exits(1);
    assert!(kept.err.contains("transferred-out first"), "{}", kept.err);

    let out = net
        .cli(
            0,
            &[
                "transfer-out",
                &second,
                "--to",
                &net.code(1),
                "--reason",
                "01",
            ],
        )
        .exits(0);
    assert!(out.out.contains("TRANSFERRED OUT"), "{}", out.out);
    net.wait_verdict(1, &second, "not-valid", Some("transferred-out"));
    let nobody = get(&net, 1, &second, "/verification");
    let text = nobody["explanation"].as_str().unwrap();
    assert!(text.contains("not known here"), "{text}");
    // It was let go for the second department, so the third can't take it.
    let others = net.cli(2, &args).exits(1);
    assert!(
        others.err.contains("only that department"),
        "{}",
        others.err
    );
    let taken = command(&net, 1, &args);
    let new = taken["id"].as_str().unwrap().to_owned();
    assert_eq!(taken["position"]["log"], net.code(1));
    let mut other = row(1, "LIFE", 1);
    other["id"] = Value::Null;
    other["type"] = json!(&first.parse::<CertificateId>().unwrap().type_code());
    other["serial"] = "T8".into();
    other["succession"] = "transfer".into();
    other["predecessors"] = json!([second]);
    let why = refused(&net, 1, &other);
    assert_eq!(
        why,
        [format!(
            "predecessors: predecessor {second} was taken over before, as {new}"
        )]
    );
    net.wait_verdict(2, &new, "valid", None);
    // A department that was issuing is not the one that answers.
    net.converge();
    net.kill(0);
    net.kill(1);
    assert_eq!(successors(&net, 2, &second), std::slice::from_ref(&new));
    let told = get(&net, 2, &second, "/verification");
    assert_eq!(told["successors"][0]["department"], net.code(1));
    assert_eq!(told["successors"][0]["succession"], "transfer");
    let text = told["explanation"].as_str().unwrap();
    assert!(text.contains(&format!("took it over as {new}")), "{text}");
    for id in [&first, &second, &new] {
        let chain = [
            "1.1: issued",
            "1.2: issued",
            "1.1: superseded",
            "1.2: transferred-out",
            "7.1: issued",
        ];
        assert_eq!(events(&net, 2, id), chain);
    }
    let history = get(&net, 2, &first, "/history");
    let logs: Vec<&str> = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["position"]["log"].as_str().unwrap())
        .collect();
    let (a, b) = (net.code(0), net.code(1));
    assert_eq!(logs, [&a, &a, &a, &a, &b]);
    let shown = net.cli(2, &["history", &new]).exits(0).out;
    let numbered = shown.contains(&format!("  2  {second}\n"));
    assert!(
        numbered && shown.contains("transfer of certificate 2"),
        "{shown}"
    );
}

#[test]
fn what_cannot_follow_is_refused_with_every_reason_and_changes_nothing() {
    let net = running(2);
    let ids = net.issue(0, "LIFE", 8);
    let others = net.issue(1, "LIFE", 2);
    let (good, revoked, suspended) = (&ids[1], &ids[3], &ids[5]);
    net.change(0, revoked, "revoke");
    net.change(0, suspended, "suspend");
    eventually("the other's certificates", || {
        let answer = net.http(0).get(&format!("/v1/certificates/{}", others[1]));
        (answer.status == 200).then_some(())
    });
    let size = net.held(0, 0).size;
    let body = |succession: &str, predecessors: Value| {
        let mut body = row(0, "NEW", 1);
        body["succession"] = succession.into();
        body["predecessors"] = predecessors;
        body
    };
    let never = version(good, 7);
    let elsewhere = format!(
        "predecessor {} is in the log of department {}",
        others[1],
        net.code(1)
    );
    for (body, expected) in [
        (
            body("renewal", json!([revoked])),
            vec![format!("predecessors: predecessor {revoked} is revoked; only a valid")],
        ),
        (
            body("merge", json!([revoked, suspended, never])),
            vec![
                format!("predecessors: predecessor {revoked} is revoked"),
                format!("predecessors: predecessor {suspended} is suspended"),
                format!("predecessors: predecessor {never} is in no log held here"),
            ],
        ),
        (
            body("split", json!([others[1]])),
            vec![format!("predecessors: {elsewhere}")],
        ),
        (
            body("transfer", json!([others[1]])),
            vec![format!("predecessors: predecessor {} is valid as far as is known here", others[1])],
        ),
        (
            body("transfer", json!([good])),
            vec![format!("predecessors: predecessor {good} is in this department's own log")],
        ),
        (
            body("transfer", json!(["1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"])),
            vec!["predecessors: predecessor 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U was issued by no member".to_owned()],
        ),
        (
            body("merge", json!([good])),
            vec!["predecessors: a merge puts one certificate in the place of two or more".to_owned()],
        ),
        (
            body("renewal", json!([ids[0]])),
            vec!["predecessors: a renewal keeps the type".to_owned()],
        ),
        (
            body("replacement", json!([good])),
            vec!["succession: must be renewal, amendment".to_owned()],
        ),
    ] {
        let why = refused(&net, 0, &body);
        let fits = |(why, expected): (&String, &String)| why.starts_with(expected.as_str());
        assert!(
            why.len() == expected.len() && why.iter().zip(&expected).all(fits),
            "{why:#?}\n{expected:#?}"
        );
        // The same row in bulk is refused in the same words.
        let bulk = net.http(0).bulk(&[], body.to_string().as_bytes()).lines();
        assert_eq!(bulk[0]["error"]["faults"].as_array().unwrap().len(), why.len());
    }
    let renew = ["renew", good, "--no-end", "--certificate-version", "3"];
    let skipped = net.cli(0, &renew).exits(1);
    assert!(skipped.err.contains("it must be 002"), "{}", skipped.err);
    let gone = net.cli(0, &["renew", revoked, "--no-end"]).exits(1);
    assert!(gone.err.contains("is revoked"), "{}", gone.err);
    assert_eq!(net.held(0, 0).size, size);
    net.wait_verdict(1, good, "valid", None);
}

#[test]
fn a_bulk_of_rows_may_renew_what_it_issued_and_one_certificate_is_renewed_once() {
    let net = one_of_two();
    let first = row(0, "BULK", 1);
    let id = first["id"].as_str().unwrap();
    let mut renewal = row(0, "BULK", 1);
    renewal["id"] = Value::Null;
    renewal["succession"] = "renewal".into();
    renewal["predecessor"] = id.into();
    let mut again = row(0, "BULK", 3);
    again["succession"] = "renewal".into();
    again["predecessor"] = id.into();
    let rows = [first.to_string(), renewal.to_string(), again.to_string()].join("\n");
    let lines = net.http(0).bulk(&[], rows.as_bytes()).lines();
    assert_eq!(
        (&lines[0]["ok"], &lines[1]["ok"]),
        (&json!(true), &json!(true)),
        "{lines:?}"
    );
    assert_eq!(lines[1]["id"], version(id, 2));
    assert_eq!(lines[2]["ok"], false);
    let detail = lines[2]["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("is superseded"), "{detail}");
    // Each once, also when all of it comes again.
    let lines = net
        .http(0)
        .bulk(&[("idempotency-key", "again")], rows.as_bytes())
        .lines();
    assert_eq!(
        (&lines[0]["replayed"], &lines[1]["replayed"]),
        (&json!(true), &json!(true)),
        "{lines:?}"
    );
}
