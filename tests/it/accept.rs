//! Accepting a case over real peers: what is held need not be handed in, also while its issuer is down.

use serde_json::{Value, json};

use crate::support::{TestNet, running};

const SUBJECT: &str = "11010519491231002X";

fn kind(net: &TestNet, number: u16) -> String {
    format!("{}{number}", net.code(0))
}

/// Four types of the first department and a matter of the second that requires them.
fn agreed(net: &TestNet) -> String {
    for (number, class) in [
        (901, "unconditional"),
        (902, "conditional"),
        (903, "unconditional"),
        (904, "not-shared"),
    ] {
        let definition = json!({
            "code": kind(net, number), "name": format!("证照{number}"), "sharing": class,
            "fields": [{ "code": "ZZMC", "name": "名称", "required": true }],
        });
        assert_eq!(net.http(0).post("/v1/types", &definition).status, 201);
    }
    let of = |number: u16| json!({ "types": [kind(net, number)], "fields": ["ZZMC"] });
    let matter = json!({
        "code": "CSDJ", "name": "出生登记",
        "sub": [{ "code": "01", "name": "首次", "requires": [
            of(901), of(902), of(903), { "types": [kind(net, 904), kind(net, 901)] },
        ] }],
    });
    assert_eq!(net.http(1).post("/v1/matters", &matter).status, 201);
    format!("{}/CSDJ/01", net.code(1))
}

fn issue(net: &TestNet, number: u16, until: &str) -> String {
    let body = json!({
        "type": kind(net, number), "serial": format!("N{number}"),
        "holder": { "kind": "111", "code": SUBJECT },
        "valid_from": "2020-01-01", "valid_until": until, "fields": { "ZZMC": "证照" },
    });
    let answer = net.http(0).post("/v1/certificates", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn states(answer: &Value) -> Vec<(&str, Option<&str>)> {
    let requirements = answer["requirements"].as_array().unwrap();
    requirements
        .iter()
        .map(|requirement| {
            let state = requirement["state"].as_str().unwrap();
            (state, requirement["certificate"].as_str())
        })
        .collect()
}

/// What the second department's command says of a case of which not everything is there.
#[track_caller]
fn ask(net: &TestNet) -> Value {
    let args = [
        "--json",
        "accept",
        "--matter",
        "CSDJ",
        "--subject-kind",
        "111",
        "--subject-file",
        "-",
    ];
    let ran = net.cli_with(1, &args, SUBJECT.as_bytes());
    assert_eq!(ran.code, 1, "{}", ran.err);
    ran.json()
}

fn what_needs_a_grant_and_what_is_missing_is_named(net: &TestNet, matter: &str) {
    let open = issue(net, 901, "2999-12-31");
    let closed = issue(net, 902, "2999-12-31");
    net.converge();
    let first = ask(net);
    assert_eq!(first["matter"], matter);
    assert_eq!(
        states(&first),
        [
            ("held", Some(open.as_str())),
            ("needs-grant", Some(closed.as_str())),
            ("missing", None),
            ("held", Some(open.as_str())),
        ]
    );
    let obstacle = first["requirements"][1]["obstacle"].as_str().unwrap();
    assert!(obstacle.contains("有条件共享"), "{obstacle}");
}

fn the_issuer_makes_the_grant_and_issues_what_has_expired(net: &TestNet) {
    let (to, kind) = (net.code(1), kind(net, 902));
    let granted = net.cli(0, &["grant", "make", "--to", &to, "--type", &kind]);
    assert_eq!(granted.code, 0, "{}", granted.err);
    issue(net, 903, "2026-01-01");
    net.converge();
}

fn what_is_held_and_what_expired_is_known_without_the_issuer(net: &TestNet) {
    let answer = ask(net);
    let only: Vec<&str> = states(&answer)
        .into_iter()
        .map(|(state, _)| state)
        .collect();
    assert_eq!(only, ["held", "held", "expired", "held"]);
    assert_eq!(answer["held"], 3);
    assert_eq!(
        answer["requirements"][2]["verification"]["reason"],
        "expired"
    );
}

fn the_command_shows_the_case_and_never_the_subject_s_code(net: &TestNet, matter: &str) {
    let args = [
        "accept",
        "--matter",
        matter,
        "--subject-kind",
        "111",
        "--subject-file",
        "-",
    ];
    let shown = net.cli_with(1, &args, SUBJECT.as_bytes());
    assert!(
        shown.out.contains("EXPIRED") && shown.out.contains("3 of 4"),
        "{}",
        shown.out
    );
    for text in [&shown.out, &shown.err, &net.node_log(1)] {
        assert!(!text.contains(SUBJECT), "{text}");
    }
}

#[test]
fn a_case_is_accepted_from_the_local_replica_while_the_issuer_is_down() {
    let mut net = running(2);
    let matter = agreed(&net);
    what_needs_a_grant_and_what_is_missing_is_named(&net, &matter);
    the_issuer_makes_the_grant_and_issues_what_has_expired(&net);
    net.stop(0).unwrap();
    what_is_held_and_what_expired_is_known_without_the_issuer(&net);
    the_command_shows_the_case_and_never_the_subject_s_code(&net, &matter);
}

#[test]
fn who_may_accept_and_what_is_asked_wrongly_is_reported() {
    let mut net = running(2);
    agreed(&net);
    let clients = [
        ("counter", "clerk"),
        ("watcher", "read"),
        ("office", "issue"),
    ];
    net.add_tokens(1, &clients);
    net.stop(1).unwrap();
    net.start_again(1);
    net.wait_writable(1);
    let case =
        |matter: &str| json!({ "matter": matter, "subject": { "kind": "111", "code": SUBJECT } });
    let counter = net.http_as(1, "counter");
    assert_eq!(counter.post("/v1/accept", &case("CSDJ")).status, 200);
    for name in ["watcher", "office"] {
        net.http_as(1, name)
            .post("/v1/accept", &case("CSDJ"))
            .problem(403, "forbidden");
    }
    let definition = json!({ "code": kind(&net, 905), "name": "x" });
    counter
        .post("/v1/types", &definition)
        .problem(403, "forbidden");
    counter
        .post("/v1/accept", &case("NONE"))
        .problem(404, "not-found");
    counter
        .post("/v1/accept", &case("a b"))
        .problem(422, "invalid-field");
    let mut wrong = case("CSDJ");
    wrong["subject"]["code"] = format!("{SUBJECT}9").into();
    let refused = counter.post("/v1/accept", &wrong);
    refused.problem(422, "invalid-field");
    assert!(!refused.text.contains(SUBJECT));
}
