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

/// A certificate whose days are long over, which needs no record and hinders no renewal.
fn issue_expired(net: &TestNet) -> Value {
    let mut old = row(0, "LIFE", 1);
    old["valid_from"] = "2001-01-01".into();
    old["valid_until"] = "2002-01-01".into();
    let answer = net.http(0).post("/v1/certificates", &old);
    assert_eq!(answer.status, 201, "{answer:?}");
    let id = old["id"].as_str().unwrap();
    net.wait_verdict(1, id, "not-valid", Some("expired"));
    assert_eq!(events(net, 0, id), ["1.1: issued"]);
    old
}

fn a_renewal_says_what_the_old_one_said_until_another_day(net: &TestNet, old: &Value) {
    let first = old["id"].as_str().unwrap();
    let missing = net.cli(0, &["renew", first]).exits(2);
    assert!(missing.err.contains("--valid-until"), "{}", missing.err);
    let renew = ["renew", first, "--valid-until", "2999-01-01"];
    let second = version(first, 2);
    assert_eq!(command(net, 0, &renew)["id"], second);
    let new = get(net, 0, &second, "/fields");
    assert_eq!(
        (&new["fields"], &new["holder"]),
        (&old["fields"], &old["holder"])
    );
    assert_eq!(command(net, 0, &renew)["replayed"], true);
}

fn the_old_one_names_the_new_one(net: &TestNet, first: &str, second: &str) {
    net.wait_verdict(1, first, "not-valid", Some("superseded"));
    net.wait_verdict(1, second, "valid", None);
    assert_eq!(successors(net, 1, first), [second]);
    let verdict = net.cli(1, &["verify", first]).exits(1).out;
    assert!(
        verdict.contains(&format!("replaced by {second}")),
        "{verdict}"
    );
    assert!(verdict.contains("renewal, record"), "{verdict}");
}

fn all_three_have_one_history_everywhere(net: &TestNet, ids: [&str; 3]) {
    let chain = [
        "1.1: issued",
        "1.2: issued",
        "1.1: superseded",
        "1.3: issued",
        "1.2: superseded",
    ];
    for id in ids {
        for at in 0..2 {
            assert_eq!(events(net, at, id), chain);
        }
    }
    let shown = net.cli(1, &["history", ids[2]]).exits(0).out;
    // Identifiers are as wide as a screen: the table names them by numbers.
    let numbered = shown.contains(&format!("  2  {}\n", ids[1]));
    assert!(
        numbered && shown.contains("renewal of certificate 2"),
        "{shown}"
    );
}

fn a_proof_carries_the_successor_s_record(net: &TestNet, first: &str, second: &str) {
    let proof = net.scratch("old.proof");
    let proof = proof.to_str().unwrap();
    net.cli(1, &["prove", first, "-o", proof]).exits(0);
    let genesis = net.network().dir().join("network.toml");
    let network = ["--network", genesis.to_str().unwrap(), "--json"];
    let offline = net.cli(1, &[&["verify", proof][..], &network].concat());
    assert_eq!(offline.exits(1).json()["successors"][0]["id"], second);
}

#[test]
fn a_renewal_is_the_next_version_and_the_old_one_names_it_everywhere() {
    let net = running(2);
    let old = issue_expired(&net);
    let first = old["id"].as_str().unwrap();
    let (second, third) = (version(first, 2), version(first, 3));
    a_renewal_says_what_the_old_one_said_until_another_day(&net, &old);
    the_old_one_names_the_new_one(&net, first, &second);
    command(&net, 0, &["renew", &second, "--no-end"]);
    net.wait_verdict(1, &third, "valid", None);
    all_three_have_one_history_everywhere(&net, [first, &second, &third]);
    a_proof_carries_the_successor_s_record(&net, first, &second);
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

/// A file that describes a part.
fn part(net: &TestNet, name: &str, content: &Value) -> String {
    let path = net.scratch(name);
    fs::write(&path, content.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Before any part is issued.
fn a_wrong_or_single_part_is_refused(net: &TestNet, whole: &str, good: &str) {
    let nameless = part(net, "nameless.json", &json!({"fields": {"CZZT": "无"}}));
    let size = net.held(0, 0).size;
    let faulty = ["split", whole, "--part", good, "--part", &nameless];
    let faulty = net.cli(0, &faulty).exits(2).err;
    assert!(faulty.contains("nameless.json: serial"), "{faulty}");
    let lonely = net.cli(0, &["split", whole, "--part", good]).exits(2).err;
    assert!(lonely.contains("one part is not a split"), "{lonely}");
    assert_eq!(net.held(0, 0).size, size);
}

/// The identifiers of what a split of these two issued, once.
fn both_parts_are_issued_once(net: &TestNet, whole: &str, parts: [&str; 2]) -> Vec<String> {
    let args = ["split", whole, "--part", parts[0], "--part", parts[1]];
    let issued = command(net, 0, &args);
    let again = command(net, 0, &args);
    let mut again_parts = again.as_array().unwrap().iter();
    assert!(again_parts.all(|part| part["replayed"] == true), "{again}");
    let issued = issued.as_array().unwrap().iter();
    issued
        .map(|part| part["id"].as_str().unwrap().to_owned())
        .collect()
}

fn the_old_one_names_all_parts(net: &TestNet, whole: &str, ids: &[String]) {
    net.wait_verdict(1, &ids[2], "valid", None);
    assert_eq!(successors(net, 1, whole), ids);
    let verdict = get(net, 1, whole, "/verification");
    let text = verdict["explanation"].as_str().unwrap();
    assert!(ids.iter().all(|id| text.contains(id)), "{text}");
    assert_eq!(
        events(net, 1, &ids[2]),
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

fn a_part_says_what_the_old_one_said_except_where_it_says_otherwise(
    net: &TestNet,
    whole: &str,
    part: &str,
) {
    let old = get(net, 0, whole, "/fields");
    let fields = get(net, 0, part, "/fields")["fields"].clone();
    assert_eq!(
        (&fields["CZZT"], &fields["ZZMC"]),
        (&json!("北"), &old["fields"]["ZZMC"])
    );
}

#[test]
fn a_split_issues_all_parts_and_the_old_one_names_them() {
    let net = running(2);
    let whole = net.issue(0, "LIFE", 2).remove(1);
    let north = json!({"serial": "N2", "fields": {"CZZT": "北"}});
    let north = part(&net, "north.json", &north);
    let south = part(&net, "south.json", &json!({"serial": "S3"}));
    a_wrong_or_single_part_is_refused(&net, &whole, &north);
    let mut ids = both_parts_are_issued_once(&net, &whole, [&north, &south]);
    // One more, later.
    let west = json!({"serial": "W4", "valid_until": null});
    let west = part(&net, "west.json", &west);
    let third = command(&net, 0, &["split", &whole, "--part", &west]);
    ids.push(third[0]["id"].as_str().unwrap().to_owned());
    the_old_one_names_all_parts(&net, &whole, &ids);
    a_part_says_what_the_old_one_said_except_where_it_says_otherwise(&net, &whole, &ids[0]);
}

/// The arguments by which a department takes a certificate over, with the holder and the fields that stood in it.
fn take_over_arguments(net: &TestNet, id: &str, old: &Value) -> Vec<String> {
    let holder = net.scratch("holder.txt");
    fs::write(&holder, old["holder"]["code"].as_str().unwrap()).unwrap();
    let fields = net.scratch("fields.json");
    fs::write(&fields, old["fields"].to_string()).unwrap();
    let args = [
        "transfer",
        id,
        "--serial",
        "T7",
        "--holder-kind",
        old["holder"]["kind"].as_str().unwrap(),
        "--holder-code-file",
        holder.to_str().unwrap(),
        "--fields",
        fields.to_str().unwrap(),
    ];
    args.map(str::to_owned).to_vec()
}

fn nobody_takes_over_what_was_not_let_go(net: &TestNet, take_over: &[&str]) {
    // Only its own department has what the old one says.
    let without_fields = &take_over[..take_over.len() - 2];
    let missing = net.cli(1, without_fields).exits(2);
    assert!(missing.err.contains("--fields"), "{}", missing.err);
    let kept = net.cli(1, take_over).exits(1);
    assert!(kept.err.contains("transferred-out first"), "{}", kept.err);
}

fn it_is_let_go_for_the_second_department_and_no_other(
    net: &TestNet,
    id: &str,
    take_over: &[&str],
) {
    let to = net.code(1);
    let out = ["transfer-out", id, "--to", &to, "--reason", "01"];
    let out = net.cli(0, &out).exits(0).out;
    assert!(out.contains("TRANSFERRED OUT"), "{out}");
    net.wait_verdict(1, id, "not-valid", Some("transferred-out"));
    let nobody = get(net, 1, id, "/verification");
    let text = nobody["explanation"].as_str().unwrap();
    assert!(text.contains("not known here"), "{text}");
    let others = net.cli(2, take_over).exits(1).err;
    assert!(others.contains("only that department"), "{others}");
}

/// The identifier under which the second department took it over, once.
fn it_is_taken_over_once(net: &TestNet, id: &str, take_over: &[&str]) -> String {
    let taken = command(net, 1, take_over);
    let new = taken["id"].as_str().unwrap();
    assert_eq!(taken["position"]["log"], net.code(1));
    let mut other = row(1, "LIFE", 1);
    other["id"] = Value::Null;
    other["type"] = json!(id.parse::<CertificateId>().unwrap().type_code());
    other["serial"] = "T8".into();
    other["succession"] = "transfer".into();
    other["predecessors"] = json!([id]);
    assert_eq!(
        refused(net, 1, &other),
        [format!(
            "predecessors: predecessor {id} was taken over before, as {new}"
        )]
    );
    new.to_owned()
}

fn the_third_department_shows_who_took_it_over(net: &TestNet, old: &str, new: &str) {
    assert_eq!(successors(net, 2, old), [new]);
    let verdict = get(net, 2, old, "/verification");
    let next = &verdict["successors"][0];
    assert_eq!(next["department"], net.code(1));
    assert_eq!(next["succession"], "transfer");
    let text = verdict["explanation"].as_str().unwrap();
    assert!(text.contains(&format!("took it over as {new}")), "{text}");
}

fn the_third_department_shows_the_whole_chain(net: &TestNet, ids: [&str; 3]) {
    let chain = [
        "1.1: issued",
        "1.2: issued",
        "1.1: superseded",
        "1.2: transferred-out",
        "7.1: issued",
    ];
    for id in ids {
        assert_eq!(events(net, 2, id), chain);
    }
    let history = get(net, 2, ids[0], "/history");
    let events = history["events"].as_array().unwrap().iter();
    let logs: Vec<&str> = events
        .map(|event| event["position"]["log"].as_str().unwrap())
        .collect();
    let (a, b) = (net.code(0), net.code(1));
    assert_eq!(logs, [&a, &a, &a, &a, &b]);
    let shown = net.cli(2, &["history", ids[2]]).exits(0).out;
    let numbered = shown.contains(&format!("  2  {}\n", ids[1]));
    assert!(
        numbered && shown.contains("transfer of certificate 2"),
        "{shown}"
    );
}

#[test]
fn a_transfer_is_shown_by_a_third_department_while_both_others_are_down() {
    let mut net = running(3);
    let first = net.issue(0, "LIFE", 2).remove(1);
    let second = version(&first, 2);
    command(&net, 0, &["amend", &first]);
    net.wait_verdict(1, &second, "valid", None);
    let take_over = take_over_arguments(&net, &second, &row(0, "LIFE", 1));
    let take_over: Vec<&str> = take_over.iter().map(String::as_str).collect();
    nobody_takes_over_what_was_not_let_go(&net, &take_over);
    it_is_let_go_for_the_second_department_and_no_other(&net, &second, &take_over);
    let new = it_is_taken_over_once(&net, &second, &take_over);
    net.wait_verdict(2, &new, "valid", None);
    // A department that was issuing is not the one that answers.
    net.converge();
    net.kill(0);
    net.kill(1);
    the_third_department_shows_who_took_it_over(&net, &second, &new);
    the_third_department_shows_the_whole_chain(&net, [&first, &second, &new]);
}

fn succeeding(succession: &str, predecessors: Value) -> Value {
    let mut body = row(0, "NEW", 1);
    body["succession"] = succession.into();
    body["predecessors"] = predecessors;
    body
}

/// In bulk, too.
#[track_caller]
fn is_refused_for(net: &TestNet, body: &Value, expected: &[String]) {
    let why = refused(net, 0, body);
    let fits = |(why, expected): (&String, &String)| why.starts_with(expected.as_str());
    assert!(
        why.len() == expected.len() && why.iter().zip(expected).all(fits),
        "{why:#?}\n{expected:#?}"
    );
    let bulk = net.http(0).bulk(&[], body.to_string().as_bytes()).lines();
    let faults = bulk[0]["error"]["faults"].as_array().unwrap();
    assert_eq!(faults.len(), why.len());
}

/// What stands in another log, or in none, or still in the department's own.
fn only_what_was_let_go_is_taken_over(net: &TestNet, good: &str, other: &str) {
    let outside = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U";
    let log = format!("is in the log of department {}", net.code(1));
    for (succession, id, why) in [
        ("split", other, log.as_str()),
        ("transfer", other, "is valid as far as is known here"),
        ("transfer", good, "is in this department's own log"),
        ("transfer", outside, "was issued by no member"),
    ] {
        let why = format!("predecessors: predecessor {id} {why}");
        is_refused_for(net, &succeeding(succession, json!([id])), &[why]);
    }
}

fn each_predecessor_must_be_valid(net: &TestNet, revoked: &str, suspended: &str, never: &str) {
    let of = |id: &str, why: &str| format!("predecessors: predecessor {id} {why}");
    is_refused_for(
        net,
        &succeeding("renewal", json!([revoked])),
        &[of(revoked, "is revoked; only a valid")],
    );
    is_refused_for(
        net,
        &succeeding("merge", json!([revoked, suspended, never])),
        &[
            of(revoked, "is revoked"),
            of(suspended, "is suspended"),
            of(never, "is in no log held here"),
        ],
    );
    let gone = net.cli(0, &["renew", revoked, "--no-end"]).exits(1);
    assert!(gone.err.contains("is revoked"), "{}", gone.err);
}

fn each_kind_of_succession_has_its_form(net: &TestNet, good: &str, of_other_type: &str) {
    for (succession, id, why) in [
        (
            "merge",
            good,
            "predecessors: a merge puts one certificate in the place of two or more",
        ),
        (
            "renewal",
            of_other_type,
            "predecessors: a renewal keeps the type",
        ),
        (
            "replacement",
            good,
            "succession: must be renewal, amendment",
        ),
    ] {
        is_refused_for(net, &succeeding(succession, json!([id])), &[why.to_owned()]);
    }
    let renew = ["renew", good, "--no-end", "--certificate-version", "3"];
    let skipped = net.cli(0, &renew).exits(1);
    assert!(skipped.err.contains("it must be 002"), "{}", skipped.err);
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
    each_predecessor_must_be_valid(&net, revoked, suspended, &version(good, 7));
    only_what_was_let_go_is_taken_over(&net, good, &others[1]);
    each_kind_of_succession_has_its_form(&net, good, &ids[0]);
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
